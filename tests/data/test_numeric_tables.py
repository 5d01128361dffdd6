import csv
import io
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from deltarule.data.dataset import Dataset
from deltarule.data.numeric_tables import read_table
from deltarule.errors import BadInput
from deltarule.tables.csv_reader import find_separator

finite = st.floats(allow_nan=False, allow_infinity=False)
# What a CSV reader may tell apart: no blanks at the ends (they are stripped), nothing that reads as a number.
words = st.text(st.characters(categories=("L", "P", "Zs")), min_size=1, max_size=6).map(lambda text: f"w{text}w")


def read_csv(content: str | bytes, target: str | None = "y", task: str = "auto") -> Dataset:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "table.csv"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return read_table(path, target, task)


def read_npz(target: str | None = None, task: str = "auto", **arrays: object) -> Dataset:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "table.npz"
        np.savez(path, **arrays)  # type: ignore[arg-type]
        return read_table(path, target, task)


def written(header: list[str], rows: list[list[object]]) -> str:
    text = io.StringIO()
    csv.writer(text).writerows([header, *rows])
    return text.getvalue()


def column(*texts: object) -> str:
    """A table with one feature, which counts the rows, and this target."""
    return written(["n", "y"], [[n, text] for n, text in enumerate(texts)])


# --- CSV that is right -----------------------------------------------------------------------------------------------


@given(
    names=st.lists(words, min_size=2, max_size=5, unique=True),
    x=hnp.arrays("float64", st.tuples(st.integers(1, 6), st.just(5)), elements=finite),
    data=st.data(),
)
def test_numbers_come_back_bit_for_bit_from_any_column_order(
    names: list[str], x: np.ndarray, data: st.DataObject
) -> None:
    x = x[:, : len(names)]
    position = data.draw(st.integers(0, len(names) - 1))
    dataset = read_csv(
        written(names, [[repr(number) for number in row] for row in x.tolist()]), names[position], "regress"
    )
    assert dataset.features == tuple(np.delete(names, position))
    assert dataset.train.x.tobytes() == np.delete(x, position, axis=1).tobytes()
    assert dataset.train.answers.tobytes() == x[:, [position]].tobytes()
    assert dataset.classes == ()


@given(st.lists(words, min_size=2, max_size=8).filter(lambda texts: len(set(texts)) > 1))
def test_texts_are_classes_in_sorted_order(texts: list[str]) -> None:
    dataset = read_csv(column(*texts))
    assert dataset.classes == tuple(sorted(set(texts)))
    assert [dataset.classes[label] for label in dataset.train.answers] == texts
    assert dataset.train.x[:, 0].tolist() == list(range(len(texts)))


@pytest.mark.parametrize(
    "content",
    [
        b"\xef\xbb\xbfa,y\r\n1,2.5\r\n",  # as Excel writes it
        b"a,y\r1,2.5\r",
        b"\n\na,y\n\n1,2.5\n\n\n",
        b" a , y \n 1 , 2.5",
        b'a,y\n"1","2.5"\n',
        b"sep=,\r\na,y\r\n1,2.5\r\n",
    ],
)
def test_ways_of_writing_the_same_table(content: bytes) -> None:
    dataset = read_csv(content)
    assert (dataset.features, dataset.train.x.tolist(), dataset.train.answers.tolist()) == (("a",), [[1.0]], [[2.5]])


@pytest.mark.parametrize(
    ("values", "classes"),
    [
        ([0, 1], ("0", "1")),
        ([1, 0, 1], ("0", "1")),
        (["1.0", "2", "1", "2.0"], ("1", "2")),
        ([10, 9, 10, 9, -1, -1], ("-1", "9", "10")),
        (list(range(20)) * 2, tuple(str(number) for number in range(20))),
        (list(range(21)) * 2, ()),  # too many
        ([1, 2, 3, 4], ()),  # each once: a quantity
        ([1, 2, 2.5, 1, 2, 2.5], ()),
    ],
)
def test_whole_numbers_that_repeat_are_guessed_to_be_classes(values: list[object], classes: tuple[str, ...]) -> None:
    dataset = read_csv(column(*values))
    assert dataset.classes == classes
    assert read_npz(x=np.ones((len(values), 1)), y=np.array(values, float)).classes == classes
    assert ("classes" if classes else "numbers (regression)") in dataset.note


def test_the_task_overrules_the_guess() -> None:
    assert read_csv(column(0, 1, 0, 1), task="regress").train.answers.tolist() == [[0], [1], [0], [1]]
    assert read_csv(column(2.5, 1, 10), task="classify").classes == ("1", "2.5", "10")
    assert read_csv(column("3a", 1, 1), task="classify").classes == ("1", "3a")


# --- CSV that is wrong -----------------------------------------------------------------------------------------------

WRONG = {
    "empty": (b"", "table.csv is empty; give a table whose first line names the columns"),
    "blank": (b"\n\n", "table.csv is empty"),
    "told semicolons": (b"sep=;\na;y\n1;2\n", "seem to be separated by semicolons, where commas are needed"),
    "told colons": (b"sep=:\na:y\n1:2\n", "seem to be separated by ':', where commas are needed; save it with these"),
    "header only": (b"a,y\n", "table.csv has a header but no rows"),
    "short row": (b"a,b,y\n1,2,3\n1,2\n", "table.csv, line 3: 2 cells, but the header names 3 columns"),
    "long row": (b"a,y\n1,2\n\n1,2,3\n", "table.csv, line 4: 3 cells, but the header names 2 columns"),
    "no target": (b"a,b\n1,2\n", "table.csv has no column 'y'; its first line names: a, b"),
    "many columns": (",".join(f"c{n}" for n in range(99)).encode(), r"names: c0, .*, c9 … \(99 in all\)"),
    "names of two lines": (b'"a\nb",c\n1,2\n', r"its first line names: a\\nb, c"),
    "a long name": (b"a" * 1000 + b",c\n1,2\n", r"its first line names: a{100} … a{97}, c"),
    "semicolons": (b"a;y\n1;2\n", "its columns seem to be separated by semicolons, where commas are needed"),
    "target alone": (b"y\n1\n", "table.csv has only the target column 'y'"),
    "text cell": (b"a,b,y\n1,2,3\n1,red,3\n", "table.csv, line 3, column 'b': 'red' is not a number; every column but"),
    "text after the target": (b"a,y,b\n1,2,x\n", "table.csv, line 2, column 'b': 'x' is not a number"),
    "long cell": (b"a,y\n" + b"x" * 1000 + b",1\n", r"line 2, column 'a': 'x{100} … x{97}' is not a number"),
    "empty cell": (b"a,b,y\n1,,3\n", "table.csv, line 2, column 'b': the cell is empty"),
    "blank cell": (b"a,b,y\n1, ,3\n", "table.csv, line 2, column 'b': the cell is empty"),
    "NA": (b"a,y\nNA,1\n", "table.csv, line 2, column 'a': 'NA' is not a number"),
    "nan": (b"a,b,y\n1,2,3\n\n1,nan,3\n", "table.csv, line 4, column 'b': nan is no finite number"),
    "infinity": (b"a,y\n1,2\n-inf,2\n", "table.csv, line 3, column 'a': -inf is no finite number"),
    "overflow": (b"a,y\n1e999,2\n", "table.csv, line 2, column 'a': inf is no finite number"),
    "nan target": (b"a,y\n1,2\n1,nan\n", "table.csv, line 3, column 'y': nan is no finite number"),
    "empty target": (b"a,y\n1,2\n1,\n", "table.csv, line 3, column 'y': the target is empty"),
    "empty class": (b"a,y\n1,red\n1, \n", "table.csv, line 3, column 'y': the target is empty"),
    "number and text": (b"a,y\n1,2\n1,3\n1,red\n", "line 4, column 'y': 'red' is not a number; .*task 'classify'"),
    "one class": (b"a,y\n1,red\n2,red\n", "table.csv: every row has the class 'red'; there must be at least two"),
    "one number": (b"a,y\n1,7\n2,7\n", "table.csv: every row has the class '7'"),
    "same name": (b"a,b,a,y\n1,2,3,4\n", "table.csv: 2 columns are named 'a'; give each a name of its own"),
    "no name": (b",a,y\n0,1,2\n", "table.csv: column 1 has no name in the header"),
    "Latin-1": ("größe,y\n1,2\n".encode("latin-1"), "table.csv is not text in UTF-8"),
    "UTF-16": ("a,y\n1,2\n".encode("utf-16"), "table.csv is not text in UTF-8"),
    "UTF-16 without a mark": ("a,y\n1,2\n".encode("utf-16-le"), "table.csv is not text; save the table as CSV"),
    "a picture": (b"\x89PNG\r\n\x1a\n" + bytes(range(256)), "table.csv is not text in UTF-8"),
    "open quote": (b'a,y\n"1,2\n3,4\n', "table.csv, line 3: unexpected end of data"),
    "text after a quote": (b'a,y\n"1"x,2\n', "table.csv, line 2: .*correct the quotes there"),
    "endless cell": (b"a,y\n" + b"1" * 200_000 + b",2\n", "table.csv, line 2, column 'a': inf is no finite number"),
}  # fmt: skip


@pytest.mark.parametrize(("content", "sentence"), WRONG.values(), ids=WRONG.keys())
def test_a_wrong_csv_is_one_sentence(content: bytes, sentence: str) -> None:
    with pytest.raises(BadInput, match=sentence) as caught:
        read_csv(content)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "needed", "seen"),
    [
        ("\narea;price\n1;2\n", ",", ";"),  # the first line that is not blank
        ('"a\nb,c";d\n1;2\n', ",", ";"),  # outside of quotes, wherever they end
        ("a\tb;c;d\n1\t2;3;4\n", "\t", "\t"),
        ("a;b;c,d\n1;2;3,4\n", ",", ";"),
        ("a;b,c,d\n1;2,3,4\n", ",", ","),  # of both that are in the first two lines, what is there more often
        ("area\n1\n", "\t", "\t"),
    ],
)
def test_a_separator_is_seen_by_the_first_two_lines(text: str, needed: str, seen: str) -> None:
    file = io.StringIO(text)
    assert find_separator(file, needed) == (seen, False)
    assert file.read() == text


def test_a_csv_needs_a_target_and_a_known_task() -> None:
    with pytest.raises(BadInput, match="no target is named; choose one of its columns: a, y"):
        read_csv(b"a,y\n1,2\n", target=None)
    with pytest.raises(BadInput, match="the task 'guess' is unknown; choose one of auto, classify, regress"):
        read_csv(b"a,y\n1,2\n", task="guess")
    with pytest.raises(BadInput, match="line 2, column 'y': 'red' is not a number"):
        read_csv(b"a,y\n1,red\n", task="regress")


@given(st.binary(max_size=200))
def test_garbage_is_one_sentence(garbage: bytes) -> None:
    with pytest.raises(BadInput) as caught:
        read_csv(garbage, target="a column that garbage has not")
    assert "\n" not in str(caught.value)


@given(st.integers(0, 1000), st.integers(0, 1000))
def test_a_bad_cell_is_found_anywhere(row: int, other: int) -> None:
    rows = [["1", "2", "0.5"] for _ in range(1001)]
    rows[row][0] = "bad"
    rows[max(row, other)][1] = "worse"
    place = f"line {row + 2}, column 'a': 'bad'"
    with pytest.raises(BadInput, match=place):
        read_csv(written(["a", "b", "y"], rows))


def test_what_is_no_file_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"missing\.csv does not exist; check the name and the folder"):
        read_table(tmp_path / "missing.csv", "y")
    with pytest.raises(BadInput, match="is a folder; name a CSV or npz file in it"):
        read_table(tmp_path, "y")
    with pytest.raises(BadInput, match="does not exist"):
        read_table("a\0b.csv", "y")


if sys.platform != "win32":

    def test_a_file_without_permission_is_one_sentence(tmp_path: Path) -> None:
        for path in (tmp_path / "locked.csv", tmp_path / "locked.npz"):
            path.write_text("a,y\n1,2\n", encoding="utf-8")
            path.chmod(0)
            # Root may read everything, so a process of it steps down, into a folder that all may enter.
            program = (
                "import os, sys; from deltarule.data.numeric_tables import read_table\n"
                "os.chdir(sys.argv[1]); os.geteuid() or os.seteuid(65534); read_table(sys.argv[2], 'y')"
            )
            done = subprocess.run(
                [sys.executable, "-c", program, tmp_path, path.name], capture_output=True, text=True, check=False
            )
            assert done.stderr.splitlines()[-1].endswith(
                f"{path.name} cannot be used: Permission denied; check the name, and that you may enter its folder"
            )


# --- npz -------------------------------------------------------------------------------------------------------------


@given(
    hnp.arrays("float64", hnp.array_shapes(min_dims=2, max_dims=2, max_side=5), elements=finite),
    st.sampled_from([("x", "y"), ("X", "Y"), ("x", "Y")]),
)
def test_an_npz_comes_back_bit_for_bit(x: np.ndarray, names: tuple[str, str]) -> None:
    dataset = read_npz(task="regress", **{names[0]: x, names[1]: x})
    assert dataset.train.x.tobytes() == dataset.train.answers.tobytes() == x.tobytes()
    assert dataset.features == tuple(f"x{number}" for number in range(x.shape[1]))


@pytest.mark.parametrize(("dtype", "kept"), [("uint8", "uint8"), ("float32", "float32"), ("int32", "float64")])
def test_images_in_an_npz_keep_their_dtype(dtype: str, kept: str) -> None:
    assert read_npz(x=np.ones((2, 3), dtype), y=[0, 1]).train.x.dtype == kept


def test_targets_in_an_npz() -> None:
    x = np.ones((4, 1))
    assert read_npz(x=x, y=["b", "a", "b", "b"]).classes == ("a", "b")
    assert read_npz(x=x, y=[["b"], ["a"], ["b"], ["b"]]).train.answers.tolist() == [1, 0, 1, 1]
    assert read_npz(x=x, y=[True, False, True, True]).classes == ("0", "1")
    assert read_npz(x=x, y=[[1], [0], [1], [1]]).classes == ("0", "1")
    assert read_npz(x=x, y=[[1, 0]] * 4).train.answers.tolist() == [[1, 0]] * 4
    assert read_npz(x=x, other=[1, 2, 3, 4], y=[1, 1, 1, 1], target="other").train.answers[:, 0].tolist() == [
        1,
        2,
        3,
        4,
    ]


@pytest.mark.parametrize(
    ("arrays", "sentence"),
    [
        ({"y": [1]}, "table.npz must hold one array named x or X; it holds: y"),
        ({"x": [[1]], "X": [[1]], "y": [1]}, "table.npz must hold one array named x or X; it holds: X, x, y"),
        ({"x": [[1]]}, "table.npz must hold one array named y or Y; it holds: x"),
        ({"x": [[1], [2]], "y": [1]}, "table.npz: x has 2 rows but y has 1; give one target for each row"),
        ({"x": [1, 2], "y": [1, 2]}, r"table.npz: x is int64 of shape \(2,\); give numbers \[rows, columns\]"),
        ({"x": np.ones((2, 3, 3)), "y": [1, 2]}, r"table.npz: x is float64 of shape \(2, 3, 3\); give numbers"),
        ({"x": np.ones((0, 3)), "y": []}, r"table.npz: x is float64 of shape \(0, 3\); give numbers"),
        ({"x": [["a"]], "y": [1]}, "table.npz: x is <U1 of shape"),
        ({"x": [[1]], "y": np.ones((1, 2, 2))}, r"table.npz: y is float64 of shape \(1, 2, 2\); give numbers or names"),
        ({"x": [[1]], "y": 3}, r"table.npz: y is int64 of shape \(\); give"),
        ({"x": [[1]], "y": [1j]}, "table.npz: y is complex128"),
        ({"x": [[1]], "y": [b"a"]}, r"table.npz: y is \|S1"),
        ({"x": [[1]], "y": np.array([None])}, "table.npz: the array 'y' is damaged or holds Python objects"),
        ({"x": np.array([[None]]), "y": [1]}, "table.npz: the array 'x' is damaged or holds Python objects"),
        ({"x": [[1], [np.nan]], "y": [1, 2]}, r"table.npz, row 1 \(counted from 0\), column 'x0': nan is no finite"),
        ({"x": [[1], [1]], "y": [1, np.inf]}, r"table.npz, row 1 \(counted from 0\), column 'y': inf is no finite"),
        (
            {"x": [[1], [1]], "y": [[1.5, 2], [1, np.nan]]},
            r"table.npz, row 1 \(counted from 0\), column 'y': nan is no finite",
        ),
        ({"x": [[1], [1]], "y": ["a", ""]}, r"table.npz, row 1 \(counted from 0\): the target 'y' is empty"),
        ({"x": [[1], [1]], "y": ["a", "a"]}, "table.npz: every row has the class 'a'"),
    ],
)
def test_a_wrong_npz_is_one_sentence(arrays: dict[str, object], sentence: str) -> None:
    with pytest.raises(BadInput, match=sentence) as caught:
        read_npz(**arrays)  # type: ignore[arg-type]
    assert "\n" not in str(caught.value)


def test_a_task_that_does_not_fit_the_array_is_one_sentence() -> None:
    with pytest.raises(BadInput, match="table.npz: the target 'y' has 2 columns; classes need a single one"):
        read_npz(x=[[1]], y=[[1, 2]], task="classify")
    with pytest.raises(BadInput, match="table.npz: the target 'y' holds texts; regression needs numbers"):
        read_npz(x=[[1], [1]], y=["a", "b"], task="regress")


def npz_bytes(compressed: bool) -> bytes:
    content = io.BytesIO()
    (np.savez_compressed if compressed else np.savez)(content, x=np.arange(8.0).reshape(4, 2), y=np.arange(4) % 2)
    return content.getvalue()


def test_what_is_no_npz_is_one_sentence(tmp_path: Path) -> None:
    array = io.BytesIO()
    np.save(array, np.ones(3))
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "<f8", "fortran_order": False, "shape": (2**40, 2**20)})
    contents = {
        "an empty file": b"",
        "text": b"a,y\n1,2\n",
        "a single array": array.getvalue(),
        "a pickle": b"\x80\x04N.",
        "half of one": npz_bytes(False)[:300],
    }
    for name, content in contents.items():
        path = tmp_path / f"{name}.npz"
        path.write_bytes(content)
        with pytest.raises(BadInput, match=r"npz is no npz file, or damaged; save it again with numpy\.savez"):
            read_table(path)
    members = {
        "a size beyond memory": header.getvalue(),
        "a text for an array": b"[[1]]",
        "a header without end": header.getvalue().replace(b"}", b" "),
    }
    for name, content in members.items():
        path = tmp_path / f"{name}.npz"
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("x.npy", content)
            archive.writestr("y.npy", array.getvalue())
        with pytest.raises(BadInput, match="the array 'x' is damaged|x is .* of shape"):
            read_table(path)


@given(compressed=st.booleans(), damage=st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 255)), min_size=1))
def test_a_damaged_npz_gives_rows_or_one_sentence(compressed: bool, damage: list[tuple[int, int]]) -> None:
    content = bytearray(npz_bytes(compressed))
    for position, byte in damage:
        content[position % len(content)] = byte
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "damaged.npz"
        path.write_bytes(content)
        try:
            dataset = read_table(path)
        except BadInput as error:
            assert "\n" not in str(error)
        else:
            assert len(dataset.train) == len(dataset.train.answers)
