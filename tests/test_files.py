import contextlib
import itertools
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from platformdirs.api import PlatformDirsABC
from platformdirs.macos import MacOS
from platformdirs.unix import Unix
from platformdirs.windows import Windows

from deltarule import platforms
from deltarule.array_files import load_arrays, save_arrays
from deltarule.errors import BadInput, RunFailed
from deltarule.files import (
    check_can_write,
    check_is_file,
    is_same_file,
    kind_of,
    make_folder,
    remove,
    temporary_folder,
    write_whole,
)
from deltarule.json_files import MAX_NESTED, read_json, to_jsonable, write_json

DTYPES = ["int64", "uint8", "bool", "float32", "float64"]


def arrays() -> st.SearchStrategy[np.ndarray]:
    shapes = hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4)
    return st.sampled_from(DTYPES).flatmap(lambda dtype: hnp.arrays(dtype, shapes))


# A file of this name lies in a folder of its own, so that what is left behind shows.
@pytest.fixture
def path(tmp_path: Path) -> Path:
    (tmp_path / "out").mkdir()
    return tmp_path / "out" / "file"


@contextlib.contextmanager
def ordinary_user() -> Iterator[Path]:
    """A folder that the user of this process may read but not write; root may write anywhere, so it steps down."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "locked"
        folder.mkdir()
        folder.chmod(0o555)
        folder.parent.chmod(0o755)
        root = os.geteuid() == 0
        if root:
            os.seteuid(65534)
        try:
            yield folder
        finally:
            if root:
                os.seteuid(0)
            folder.chmod(0o755)


# --- write_whole -----------------------------------------------------------------------------------------------------


@given(old=st.binary(max_size=50) | st.none(), new=st.binary(max_size=50) | st.text(st.characters(codec="utf-8")))
def test_a_written_file_holds_exactly_the_content_and_stands_alone(old: bytes | None, new: bytes | str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "file"
        if old is not None:
            path.write_bytes(old)
        write_whole(path, new)
        assert path.read_bytes() == (new if isinstance(new, bytes) else new.encode())
        assert list(Path(folder).iterdir()) == [path]


def test_a_missing_folder_is_bad_input(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"missing.file cannot be written: .*; choose a folder that exists"):
        write_whole(tmp_path / "missing" / "file", "text")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["nul\0x", "nul\0x/file"])
@pytest.mark.parametrize("attempt", [check_can_write, lambda path: write_whole(path, ""), make_folder, remove])
def test_a_zero_byte_is_refused(path: Path, name: str, attempt: Callable[[Path], object]) -> None:
    with pytest.raises(BadInput, match=r"nul\\x00x\S* holds a zero byte, which no name can; choose another name$"):
        attempt(path.parent / name)
    assert list(path.parent.iterdir()) == []


@pytest.mark.parametrize("read", [read_json, load_arrays])
@pytest.mark.parametrize("name", ["nul\0x", "half\udfff"])
def test_a_file_whose_name_none_can_have_does_not_exist(path: Path, name: str, read: Callable[[Path], object]) -> None:
    with pytest.raises(BadInput, match="does not exist; check the name and the folder$"):
        read(path.parent / name)


@pytest.mark.skipif(os.name == "nt", reason="there names may hold half of a character")
@pytest.mark.parametrize("attempt", [check_can_write, lambda path: write_whole(path, ""), make_folder, remove])
def test_half_of_a_character_is_refused(path: Path, attempt: Callable[[Path], object]) -> None:
    with pytest.raises(
        BadInput, match=r"half\\ud800 holds half of a character, which no name can; choose another name$"
    ):
        attempt(path.parent / "half\ud800")
    undecodable = path.parent / "byte\udcff"  # as Python has the byte 255 of a name
    check_can_write(undecodable)


def test_all_is_on_the_disk_before_it_takes_the_place_of_another(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[object] = []
    sync, put = os.fsync, platforms.replace
    monkeypatch.setattr(os, "fsync", lambda number: (done.append(os.fstat(number).st_size), sync(number)))
    monkeypatch.setattr(platforms, "replace", lambda part, path: (done.append("replaced"), put(part, path)))
    write_whole(path, b"x" * 10)
    assert done == [10, "replaced"]


def test_a_hard_link_is_parted_from_the_file_that_is_written(path: Path) -> None:
    path.write_text("old", encoding="utf-8")
    other = path.parent / "other"
    other.hardlink_to(path)
    write_whole(path, "new")
    assert (path.read_text(encoding="utf-8"), other.read_text(encoding="utf-8")) == ("new", "old")


def test_a_folder_in_the_place_of_the_file_is_bad_input_and_stays(path: Path) -> None:
    path.mkdir()
    with pytest.raises(BadInput, match="is not a plain file"):
        write_whole(path, "text")
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("is_there", [False, True])
def test_a_link_stays_and_what_it_leads_to_is_written(path: Path, is_there: bool) -> None:
    """Through a second link, from another folder, and through a folder that is a link."""
    far, linked = path.parent.parent / "far", path.parent.parent / "linked"
    far.mkdir()
    linked.symlink_to(path.parent)
    (far / "link").symlink_to(Path("..") / "linked" / "link")
    (path.parent / "link").symlink_to("file")
    if is_there:
        path.write_text("old", encoding="utf-8")
    check_can_write(far / "link")
    write_whole(far / "link", "new")
    assert not path.is_symlink() and path.read_text(encoding="utf-8") == "new"
    assert (far / "link").is_symlink() and (path.parent / "link").is_symlink() and linked.is_symlink()
    assert list(far.iterdir()) == [far / "link"] and set(path.parent.iterdir()) == {path, path.parent / "link"}


def test_a_link_that_leads_to_no_file_is_bad_input_and_stays(path: Path) -> None:
    for place, told in (
        ("link", "cannot be used"),
        ("..", "is not a plain file"),
        ("nowhere/x", "cannot be written"),
    ):
        link = path.parent / "link"
        link.symlink_to(place)
        for attempt in (check_can_write, lambda link: write_whole(link, "")):
            with pytest.raises(BadInput, match=f"out.link {told}"):
                attempt(link)
        assert list(path.parent.iterdir()) == [link] and link.is_symlink()
        link.unlink()


if sys.platform != "win32":

    @pytest.mark.parametrize("place", ["/proc/self/fd/{}", "/dev/fd/{}"])
    def test_what_a_process_has_open_is_not_replaced(path: Path, place: str) -> None:
        """As /dev/stdout has it where that is a plain file: a link in a folder that is no disk."""
        link = path.parent / "stdout"
        with path.open("w", encoding="utf-8") as file:
            link.symlink_to(place.format(file.fileno()))
            if not link.exists():
                return  # macOS has no /proc
            for attempt in (check_can_write, lambda link: write_whole(link, "")):
                with pytest.raises(BadInput, match="stdout is not a plain file, so nothing .* there; name a file$"):
                    attempt(link)
        assert link.is_symlink() and set(path.parent.iterdir()) == {path, link}

    @pytest.mark.parametrize("mode", [0o600, 0o644, 0o660, 0o664, 0o444])
    @pytest.mark.parametrize("owners", [(-1, -1), (65534, 65534), (-1, 65534), (65534, -1)])
    def test_a_file_that_is_written_over_keeps_its_permissions(path: Path, mode: int, owners: tuple[int, int]) -> None:
        path.touch()
        if os.geteuid() == 0:  # who alone gives files away, and writes over those of others wherever they lie
            os.chown(path, *owners)
        path.chmod(mode)
        before = path.stat()
        write_whole(path, "new")
        after = path.stat()
        assert (after.st_mode, after.st_uid, after.st_gid) == (before.st_mode, before.st_uid, before.st_gid)
        assert after.st_ino != before.st_ino

    def test_what_a_link_leads_to_keeps_its_permissions(path: Path) -> None:
        path.touch()
        path.chmod(0o600)
        link = path.parent / "link"
        link.symlink_to("file")
        write_whole(link, "new")
        assert path.stat().st_mode & 0o777 == 0o600 and path.read_text(encoding="utf-8") == "new"

    def test_the_temporary_folder_goes_with_its_process_and_not_with_one_that_was_forked_off() -> None:
        program = (
            "import os, sys; from deltarule.files import temporary_folder\n"
            "folder = temporary_folder()\n"
            "if not os.fork(): sys.exit()\n"
            "os.wait(); print(folder.is_dir(), folder)"
        )
        done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
        is_there, folder = done.stdout.strip().split(" ", 1)
        assert is_there == "True" and not Path(folder).exists()

    @pytest.mark.parametrize("mode", [0o444, 0])
    def test_a_file_that_may_not_be_written_is_refused_before_the_work_and_no_more_after_it(mode: int) -> None:
        with ordinary_user(), tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "file"
            path.write_text("old", encoding="utf-8")
            path.chmod(mode)
            with pytest.raises(BadInput, match="file may not be written; allow it, or choose another name$"):
                check_can_write(path)
            write_whole(path, "new")
            assert path.stat().st_mode & 0o777 == mode
            path.chmod(0o600)
            assert list(path.parent.iterdir()) == [path] and path.read_text(encoding="utf-8") == "new"

    @pytest.mark.parametrize("mode", [0o1777, 0o777])
    @pytest.mark.parametrize("owned", ["", "file", "folder"])
    def test_in_a_sticky_folder_a_file_of_another_user_is_refused_before_the_work(
        mode: int, owned: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """As in /tmp, what the system refuses after the work. Who is not root only claims to be somebody else."""
        root = os.geteuid() == 0
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "file"
            path.write_text("old", encoding="utf-8")
            path.chmod(0o666)
            path.parent.chmod(mode)
            if root:
                if owned:
                    os.chown(path if owned == "file" else folder, 65534, -1)
                os.seteuid(65534)
            elif not owned:
                monkeypatch.setattr(os, "geteuid", lambda: 2**30)
            try:
                if mode == 0o777 or owned:
                    check_can_write(path)
                    write_whole(path, "new")
                    return
                with pytest.raises(BadInput, match="file belongs to another user, .* replace it; choose another name$"):
                    check_can_write(path)
                if root:
                    with pytest.raises(BadInput, match="file cannot be written: Operation not permitted"):
                        write_whole(path, "new")
                    assert list(path.parent.iterdir()) == [path] and path.read_text(encoding="utf-8") == "old"
            finally:
                if root:
                    os.seteuid(0)

    def test_a_folder_that_was_removed_is_no_place_for_relative_paths(
        path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (path.parent / "gone").mkdir()
        monkeypatch.chdir(path.parent / "gone")
        (path.parent / "gone").rmdir()
        attempts = (check_can_write, lambda name: write_whole(name, ""), lambda name: is_same_file(name, path))
        for attempt in attempts:
            with pytest.raises(BadInput, match="^relative paths lead nowhere, because the current folder has been"):
                attempt("x")
        write_whole(path, "new")

    def test_a_device_is_refused_and_stays_a_device() -> None:
        with pytest.raises(BadInput, match="is not a plain file"):
            write_whole(os.devnull, "text")
        assert Path(os.devnull).is_char_device()

    def test_a_folder_without_permission_is_bad_input() -> None:
        with ordinary_user() as folder:
            with pytest.raises(BadInput, match="cannot be written: Permission denied; choose a folder"):
                write_whole(folder / "file", "text")
            with pytest.raises(BadInput, match="cannot be written: Permission denied; choose a folder"):
                make_folder(folder)
            with pytest.raises(BadInput, match="cannot be written: Permission denied; choose a folder"):
                make_folder(folder / "results")
            assert list(folder.iterdir()) == []

    def test_a_disk_that_takes_no_more_fails_the_run_and_keeps_the_old_file(path: Path) -> None:
        # The process may write files of 1,000 bytes: the system stops the write in the middle, as a full disk does.
        path.write_text("old", encoding="utf-8")
        program = (
            "import resource, sys; from deltarule.files import write_whole\n"
            "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000)); write_whole(sys.argv[1], b'x' * 100_000)"
        )
        done = subprocess.run([sys.executable, "-c", program, path], capture_output=True, text=True, check=False)
        assert done.stderr.splitlines()[-1].startswith(f"{RunFailed.__module__}.RunFailed: {path} could not be written")
        assert path.read_text(encoding="utf-8") == "old"
        assert list(path.parent.iterdir()) == [path]

    def test_ctrl_c_at_any_moment_leaves_the_old_file_or_the_new_one_and_nothing_else(path: Path) -> None:
        contents = [b"a" * 300_000, b"b" * 300_000]
        write_whole(path, contents[0])
        interrupted = 0
        before = signal.signal(signal.SIGALRM, signal.default_int_handler)
        try:
            for attempt, content in zip(range(200), itertools.cycle(contents), strict=False):
                try:
                    signal.setitimer(signal.ITIMER_REAL, (1 + attempt) * 1e-5)
                    write_whole(path, content)
                    signal.setitimer(signal.ITIMER_REAL, 0)
                except KeyboardInterrupt:
                    interrupted += 1
                assert path.read_bytes() in contents
                assert list(path.parent.iterdir()) == [path]
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, before)
        assert interrupted > 0


# --- remove ----------------------------------------------------------------------------------------------------------


def test_what_a_link_leads_to_is_removed_and_the_link_stays(path: Path) -> None:
    path.touch()
    link = path.parent / "link"
    link.symlink_to("file")
    for _ in range(2):  # also where nothing is there
        remove(link)
        assert list(path.parent.iterdir()) == [link] and link.is_symlink()
    with pytest.raises(BadInput, match="out is not a plain file"):
        remove(path.parent)


# --- make_folder -----------------------------------------------------------------------------------------------------


def test_a_folder_is_made_with_its_parents_and_may_exist_already(tmp_path: Path) -> None:
    folder = make_folder(tmp_path / "a" / "b")
    assert make_folder(folder) == tmp_path / "a" / "b"
    assert folder.is_dir()
    assert list(folder.iterdir()) == []


def test_a_file_in_the_way_of_a_folder_is_bad_input_and_stays(path: Path) -> None:
    path.write_text("mine", encoding="utf-8")
    for wanted in (path, path / "deeper"):
        with pytest.raises(BadInput, match=r"file.* cannot be written: .*; choose a folder"):
            make_folder(wanted)
    assert path.read_text(encoding="utf-8") == "mine"


# --- JSON ------------------------------------------------------------------------------------------------------------

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=10,
)


@given(json_values)
def test_json_comes_back_as_it_was_written_in_strict_utf8(record: object) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "record.json"
        write_json(path, record)
        path.read_bytes().decode("utf-8", errors="strict")
        assert read_json(path) == record


def test_a_path_of_undecodable_bytes_is_written_and_read(path: Path) -> None:
    write_json(path, {"out": Path("caf\udce9")})
    assert path.read_bytes() == b'{\n  "out": "caf\\udce9"\n}\n'
    assert read_json(path) == {"out": "caf\udce9"}


@dataclass(frozen=True)
class Member:
    seed: np.int64
    weights: np.ndarray
    out: Path


def test_records_become_plain_values_and_keep_their_order() -> None:
    member = Member(np.int64(3), np.array([[1, 2]]), Path("out"))
    record = {"z": member, "a": (np.float32(0.5), np.bool_(True)), 7: np.array(2.5)}
    plain = to_jsonable(record)
    assert plain == {"z": {"seed": 3, "weights": [[1, 2]], "out": "out"}, "a": [0.5, True], "7": 2.5}
    assert list(plain) == ["z", "a", "7"]
    assert type(plain["z"]["seed"]) is int
    assert type(plain["a"][1]) is bool


@given(hnp.arrays("float64", hnp.array_shapes(min_dims=0, min_side=0)))
def test_what_is_not_finite_becomes_null_and_all_else_stays(array: np.ndarray) -> None:
    plain = json.loads(json.dumps(to_jsonable({"array": array}), allow_nan=False))["array"]
    back = np.array(plain, dtype=np.float64).reshape(array.shape)  # null becomes nan
    np.testing.assert_array_equal(back, np.where(np.isfinite(array), array, np.nan))


@pytest.mark.parametrize("record", [{1, 2}, 1j, np.array([1j]), Member, {(1, 2): 3}, {1.5: 2}, b"bytes"])
def test_what_json_has_no_form_for_is_named(record: object) -> None:
    with pytest.raises(TypeError, match="JSON has no form for"):
        to_jsonable(record)


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[1, NaN]", b"-Infinity", b"\xff\xfe", b"[" * 100_000, b"1" * 5000, b'{"a": 1} 2']
)
def test_what_is_not_json_is_one_sentence(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    with pytest.raises(BadInput, match=r"^[^\n]*file is not JSON \([^\n]*\); correct it or write it again$"):
        read_json(path)


@pytest.mark.parametrize(("opening", "closing"), [("[", "]"), ('{"a": ', "}")])
def test_lists_and_tables_may_be_nested_so_deep_and_no_deeper(path: Path, opening: str, closing: str) -> None:
    for deep in (1, MAX_NESTED + 1):  # in one that is the record itself
        path.write_text(opening * deep + "7" + closing * deep, encoding="utf-8")
        assert read_json(path)
    path.write_text(opening * (MAX_NESTED + 2) + "7" + closing * (MAX_NESTED + 2), encoding="utf-8")
    with pytest.raises(BadInput, match="nested more than 50 deep"):
        read_json(path)


def test_a_folder_cannot_be_read_as_a_file(tmp_path: Path) -> None:
    for read in (read_json, load_arrays):
        with pytest.raises(BadInput, match="cannot be read"):
            read(tmp_path)


# --- arrays ----------------------------------------------------------------------------------------------------------


@given(
    st.dictionaries(st.text().filter(lambda name: name != "__metadata__"), arrays(), max_size=4),
    st.dictionaries(st.text(), json_values, max_size=3),
)
def test_arrays_and_metadata_come_back_bit_for_bit(named: dict[str, np.ndarray], metadata: dict[str, object]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "state.safetensors"
        save_arrays(path, named, metadata)
        back, metadata_back = load_arrays(path)
    assert list(back) == sorted(named)
    for name, array in named.items():
        assert (back[name].dtype, back[name].shape) == (array.dtype, array.shape)
        assert back[name].tobytes() == array.tobytes()
        assert back[name].flags.writeable
    assert metadata_back == metadata


@given(
    members=st.integers(1, 4), inputs=st.integers(1, 4), units=st.integers(1, 4), rest=st.integers(0, 5), data=st.data()
)
def test_a_view_of_a_population_is_saved_with_its_own_numbers(
    members: int, inputs: int, units: int, rest: int, data: st.DataObject
) -> None:
    theta = np.arange(members * (inputs * units + rest), dtype=np.float64).reshape(members, -1)
    start = data.draw(st.integers(0, rest))
    weights = theta[:, start : start + inputs * units].reshape(members, inputs, units)
    views = {"W": weights, "W.T": weights.swapaxes(-1, -2), "backwards": theta[:, ::-1], "every other": theta[::2, ::2]}
    with tempfile.TemporaryDirectory() as folder:
        save_arrays(Path(folder) / "file", views, {})
        back, _ = load_arrays(Path(folder) / "file")
    for name, view in views.items():
        np.testing.assert_array_equal(back[name], view)


def test_big_endian_numbers_are_saved_as_the_same_numbers(path: Path) -> None:
    save_arrays(path, {"a": np.array([1.0, 2.5], dtype=">f8")}, {})
    assert load_arrays(path)[0]["a"].tolist() == [1.0, 2.5]


def test_the_same_content_gives_the_same_bytes_in_any_order_and_process(path: Path) -> None:
    named = {"b": np.ones(3), "a": np.zeros((2, 2), "float32"), "c": np.arange(2)}
    save_arrays(path, named, {"z": 1, "a": [0.5]})
    first = path.read_bytes()
    save_arrays(path, dict(reversed(named.items())), {"z": 1, "a": [0.5]})
    assert path.read_bytes() == first
    program = (
        "import sys, numpy as np; from deltarule.array_files import save_arrays\n"
        "save_arrays(sys.argv[1], {'c': np.arange(2), 'b': np.ones(3), 'a': np.zeros((2, 2), 'float32')},"
        " {'z': 1, 'a': [0.5]})"
    )
    subprocess.run([sys.executable, "-c", program, path], check=True, env=os.environ | {"PYTHONHASHSEED": "7"})
    assert path.read_bytes() == first


@pytest.mark.parametrize("array", [np.array([1j]), np.array(["text"]), np.array([None])])
def test_an_array_that_safetensors_cannot_hold_is_named(path: Path, array: np.ndarray) -> None:
    with pytest.raises(BadInput, match=rf"cannot hold these arrays \(good float64, bad {array.dtype}\)"):
        save_arrays(path, {"good": np.zeros(2), "bad": array}, {})
    assert list(path.parent.iterdir()) == []


def test_the_reserved_name_is_refused(path: Path) -> None:
    with pytest.raises(BadInput, match="__metadata__, a reserved name"):
        save_arrays(path, {"__metadata__": np.zeros(2)}, {})


def whole_file() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        save_arrays(Path(folder) / "file", {"theta": np.arange(6.0).reshape(2, 3), "step": np.array(3)}, {"k": [1, 2]})
        return (Path(folder) / "file").read_bytes()


WHOLE = whole_file()


@given(st.integers(0, len(WHOLE) - 1))
def test_a_file_cut_short_anywhere_is_bad_input(size: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "cut"
        path.write_bytes(WHOLE[:size])
        with pytest.raises(BadInput, match="is damaged or no safetensors file"):
            load_arrays(path)


@given(st.integers(0, len(WHOLE) - 1), st.integers(0, 255))
def test_a_damaged_byte_gives_arrays_or_one_sentence(position: int, byte: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "damaged"
        path.write_bytes(WHOLE[:position] + bytes([byte]) + WHOLE[position + 1 :])
        try:
            named, metadata = load_arrays(path)
        except BadInput as error:
            assert "\n" not in str(error)
        else:
            assert all(isinstance(array, np.ndarray) for array in named.values())
            assert isinstance(metadata, dict)


def safetensors_bytes(header: object, data: bytes = b"") -> bytes:
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + data


HOSTILE = {
    "text": b"I am no safetensors file at all",
    "a header of 2**63 bytes": b"\xff" * 100,
    "a shape larger than memory": safetensors_bytes({"a": {"dtype": "F64", "shape": [2**62], "data_offsets": [0, 8]}}),
    "an empty shape of overflowing size": safetensors_bytes(
        {"a": {"dtype": "F64", "shape": [0, 2**62, 2**60], "data_offsets": [0, 0]}}
    ),
    "offsets outside the file": safetensors_bytes({"a": {"dtype": "U8", "shape": [9], "data_offsets": [0, 9]}}),
    "a type NumPy lacks": safetensors_bytes({"a": {"dtype": "BF16", "shape": [1], "data_offsets": [0, 2]}}, b"12"),
    "a list as header": safetensors_bytes([1, 2]),
}


@pytest.mark.parametrize("content", HOSTILE.values(), ids=HOSTILE.keys())
def test_a_hostile_file_is_one_sentence(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    with pytest.raises(BadInput, match=r"^[^\n]*is damaged or no safetensors file[^\n]*; write it again$"):
        load_arrays(path)


@pytest.mark.parametrize(
    "metadata",
    [
        None,
        {},
        {"other": "1"},
        {"deltarule": "{"},
        {"deltarule": "[1]"},
        {"deltarule": "[" * 100_000},
        {"deltarule": '{"a": ' + "[" * 60 + "]" * 60 + "}"},
    ],
)
def test_a_file_of_another_program_is_bad_input(path: Path, metadata: dict[str, str] | None) -> None:
    path.write_bytes(safetensors_bytes({"__metadata__": metadata}))
    with pytest.raises(BadInput, match="was not written by deltarule"):
        load_arrays(path)


# --- what a path leads to --------------------------------------------------------------------------------------------


def test_a_path_leads_to_a_file_a_folder_a_device_or_nowhere(path: Path) -> None:
    path.write_text("", encoding="utf-8")
    (path.parent / "loop").symlink_to("loop")
    for place, kind in (
        (path, "file"),
        (path.parent, "folder"),
        (path / "x", ""),
        ("a\0b", ""),
        (os.devnull, "device"),
    ):
        assert kind_of(place) == kind
    with pytest.raises(BadInput, match="loop cannot be used: .*; check the name, and that you may enter its folder"):
        kind_of(path.parent / "loop")


def test_what_is_no_file_is_not_read(path: Path) -> None:
    for place, told in (
        (path, "does not exist; check the name and the folder"),
        (path.parent, "is a folder; name a CSV file in it"),
        (os.devnull, "is a pipe or a device; save what comes from it as a CSV file, and name that"),
    ):
        with pytest.raises(BadInput) as refused:
            check_is_file(place, "a CSV file")
        assert str(refused.value) == f"{place} {told}"
    path.write_text("", encoding="utf-8")
    check_is_file(path, "a CSV file")


@pytest.mark.parametrize("is_there", [False, True])
def test_two_paths_lead_to_one_file_or_not(path: Path, is_there: bool) -> None:
    other, linked = path.parent / "other", path.parent.parent / "linked"
    linked.symlink_to(path.parent)
    if is_there:
        path.touch()
        other.hardlink_to(path)
    same = [path.parent / "x" / ".." / path.name] * (not is_there) + [path, str(path), linked / path.name]
    assert all(is_same_file(path, one) for one in same)
    assert is_same_file(path, other) == is_there and not is_same_file(path, path.parent / "third")


def test_two_names_that_differ_in_case_alone_are_one_where_neither_file_is_there(path: Path) -> None:
    """A disk that does not tell them apart says so itself when one is there."""
    assert is_same_file(path, path.with_name("FILE"))
    path.touch()
    assert is_same_file(path, path.with_name("FILE")) == path.with_name("FILE").exists()


def test_files_of_folders_that_differ_are_two(path: Path) -> None:
    """The disk says whether the folders do; where there are none their names are compared."""
    folder = path.parent
    assert is_same_file(folder / "A" / "x.svg", folder / "a" / "X.svg")
    (folder / "A").mkdir()
    assert is_same_file(folder / "A" / "x.svg", folder / "a" / "x.svg") == (folder / "a").exists()
    if not (folder / "a").exists():
        (folder / "a").mkdir()
        assert not is_same_file(folder / "A" / "x.svg", folder / "a" / "x.svg")
    assert is_same_file(folder / "A" / "x.svg", folder / "A" / "X.svg")
    assert not is_same_file(folder / "straße", folder / "strasse")


@pytest.mark.parametrize("system", [Unix, MacOS, Windows])
def test_the_variables_for_caches_are_those_that_platformdirs_reads(
    system: type[PlatformDirsABC], monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the lowest version, too."""
    variable = "WIN_PD_OVERRIDE_LOCAL_APPDATA" if system is Windows else "XDG_CACHE_HOME"
    assert variable == platforms.CACHE_VARIABLE or (system is Windows) != platforms.WINDOWS
    folder = "C:\\caches" if system is Windows else "/caches"
    monkeypatch.setenv(variable, folder)
    assert system("deltarule").user_cache_dir.startswith(folder)


def test_a_process_without_any_folder_for_itself_is_reported_by_which_variable_it_gets_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def without() -> str:
        raise FileNotFoundError(2, "No usable temporary directory found")

    monkeypatch.setattr(tempfile, "gettempdir", without)
    temporary_folder.cache_clear()
    with pytest.raises(RunFailed, match="neither the cache nor a folder for temporary files .*; set .* or TMPDIR to"):
        temporary_folder()


def test_what_can_be_written_is_what_write_whole_writes(path: Path) -> None:
    for place in (path, path.parent, path / "x", path.parent / "nowhere" / "x", Path(os.devnull)):
        told = []
        for attempt in (check_can_write, lambda place: write_whole(place, "")):
            try:
                attempt(place)
            except BadInput as refused:
                told.append(str(refused))
        assert len(told) in (0, 2) and told[:1] == told[1:]
        assert bool(told) == (place != path)
        path.unlink(missing_ok=True)
    check_can_write(path)
    assert list(path.parent.iterdir()) == []


@pytest.mark.skipif(os.name == "nt", reason="there a folder that one may only read is none")
def test_a_folder_that_one_may_only_read_is_reported_before_work() -> None:
    with ordinary_user() as folder, pytest.raises(BadInput, match="model cannot be written: Permission denied"):
        check_can_write(folder / "model")


def test_json_that_another_program_has_saved_with_a_mark_before_it_is_read(path: Path) -> None:
    """As older editors on Windows write UTF-8."""
    path.write_bytes(b'\xef\xbb\xbf{"steps": 3}')
    assert read_json(path) == {"steps": 3}
