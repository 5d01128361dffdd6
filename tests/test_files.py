"""Files are written as a whole or not at all, and refused before the work if they cannot be."""

import contextlib
import itertools
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from refusals import refuses

from deltarule import platforms
from deltarule.errors import RunFailed
from deltarule.files import (
    check_can_write,
    check_is_file,
    make_folder,
    temporary_folder,
    write_whole,
)


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


@given(old=st.binary(max_size=50) | st.none(), new=st.binary(max_size=50) | st.text(st.characters(codec="utf-8")))
def test_written_file_holds_the_content(old: bytes | None, new: bytes | str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "file"
        if old is not None:
            path.write_bytes(old)
        write_whole(path, new)
        assert path.read_bytes() == (new if isinstance(new, bytes) else new.encode())
        assert list(Path(folder).iterdir()) == [path]


@pytest.mark.parametrize("name", ["", ".", "missing/file"])
def test_unwritable_path_is_refused(path: Path, name: str) -> None:
    for attempt in (check_can_write, lambda path: write_whole(path, "text")):
        with refuses(path.parent / name):
            attempt(path.parent / name)
    assert list(path.parent.iterdir()) == []


def test_content_is_on_disk_before_the_rename(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[object] = []
    sync, put = os.fsync, platforms.replace
    monkeypatch.setattr(os, "fsync", lambda number: (done.append(os.fstat(number).st_size), sync(number)))
    monkeypatch.setattr(platforms, "replace", lambda part, path: (done.append("replaced"), put(part, path)))
    write_whole(path, b"x" * 10)
    assert done == [10, "replaced"]


@pytest.mark.parametrize("is_there", [False, True])
def test_link_stays_and_its_target_is_written(path: Path, is_there: bool) -> None:
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


def test_file_in_the_way_of_a_folder_is_refused(path: Path) -> None:
    path.write_text("mine", encoding="utf-8")
    for wanted in (path, path / "deeper"):
        with refuses(path):
            make_folder(wanted)
    assert path.read_text(encoding="utf-8") == "mine"


if sys.platform != "win32":

    def test_device_is_refused() -> None:
        with refuses(os.devnull):
            write_whole(os.devnull, "text")
        assert Path(os.devnull).is_char_device()

    @pytest.mark.parametrize("mode", [0o600, 0o644, 0o444])
    def test_permissions_are_kept(path: Path, mode: int) -> None:
        path.touch()
        path.chmod(mode)
        write_whole(path, "new")
        assert path.stat().st_mode & 0o777 == mode and path.read_text(encoding="utf-8") == "new"

    def test_temporary_folder_goes_with_its_own_process() -> None:
        program = (
            "import os, sys; from deltarule.files import temporary_folder\n"
            "folder = temporary_folder()\n"
            "if not os.fork(): sys.exit()\n"
            "os.wait(); print(folder.is_dir(), folder)"
        )
        done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
        is_there, folder = done.stdout.strip().split(" ", 1)
        assert is_there == "True" and not Path(folder).exists()

    def test_read_only_file_is_refused_before_the_work() -> None:
        with ordinary_user(), tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "file"
            path.write_text("old", encoding="utf-8")
            path.chmod(0o444)
            with refuses(path):
                check_can_write(path)

    def test_read_only_folder_is_refused() -> None:
        with ordinary_user() as folder:
            attempts = (
                (check_can_write, folder / "file"),
                (lambda path: write_whole(path, "text"), folder / "file"),
                (make_folder, folder),
                (make_folder, folder / "results"),
            )
            for attempt, path in attempts:
                with refuses(folder, "Permission denied"):
                    attempt(path)
            assert list(folder.iterdir()) == []

    def test_full_disk_keeps_the_old_file(path: Path) -> None:
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

    def test_ctrl_c_leaves_the_old_file_or_the_new_one(path: Path) -> None:
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


def test_what_is_not_a_file_is_refused(path: Path) -> None:
    for place, *kind in ((path,), (path.parent, "a CSV file"), (os.devnull, "a CSV file")):
        with refuses(place, *kind):
            check_is_file(place, "a CSV file")
    path.write_text("", encoding="utf-8")
    check_is_file(path, "a CSV file")


def test_no_temporary_folder_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    def without() -> str:
        raise FileNotFoundError(2, "No usable temporary directory found")

    monkeypatch.setattr(tempfile, "gettempdir", without)
    temporary_folder.cache_clear()
    with refuses("TMPDIR", error=RunFailed):
        temporary_folder()
