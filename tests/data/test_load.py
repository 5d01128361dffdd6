import io
import re
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from refusals import refuses

from deltarule.data import synthetic
from deltarule.data.dataset import Dataset
from deltarule.data.load import load, load_bundled, names
from deltarule.data.published import PUBLISHED
from deltarule.data.table_file import read_table
from deltarule.errors import BadInput


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "points.csv"
    path.write_text("a,y\n1,0\n2,1\n", encoding="utf-8")
    return path


def test_every_name_loads_what_it_says() -> None:
    for name, description in names():
        assert re.fullmatch(r"[^\n]{20,120}\.", description)
        if name in PUBLISHED:  # they need files: tests/data/test_images.py
            continue
        dataset = load(name)
        assert dataset.name == name
        assert dataset.note.endswith(".")
    assert load("iris").digest == load_bundled("iris").digest


def test_a_file_is_read_by_path_and_by_text(table: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert load(table, "y").classes == load(str(table), "y").classes == ("0", "1")
    assert load(table, "y", task="regress").classes == ()
    monkeypatch.chdir(table.parent)
    assert load("points.csv", "y").features == ("a",)


def test_a_file_is_looked_for_in_the_data_folder_first(table: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (table.parent / "data").mkdir()
    (table.parent / "data" / "points.csv").write_text("b,y\n1,0\n2,1\n", encoding="utf-8")
    (table.parent / "here.csv").write_text("c,y\n1,0\n2,1\n", encoding="utf-8")
    monkeypatch.chdir(table.parent)
    assert load("points.csv", "y", data_dir="data").features == ("b",)
    assert load("here.csv", "y", data_dir="data").features == ("c",)
    assert load(table, "y", data_dir="data").features == ("a",)
    assert load("xor", data_dir="data").digest == synthetic.xor().digest


@pytest.mark.parametrize(
    ("name", "options", "sentence"),
    [
        (
            "digit",
            {},
            r"no data set named 'digit' \(did you mean digits\?\); choose one of one_hot, .*, or name a file",
        ),
        ("qqqq", {}, r"no data set named 'qqqq'; choose one of"),
        ("", {}, "no data set named ''"),
        ("iris", {"target": "species"}, "iris has no option 'target'; it has none"),
        ("iris", {"size": 3}, "iris has no option 'size'; it has none"),
        ("linear", {"size": 3}, "linear has no option 'size'; it has samples, seed"),
        ("a.csv", {"target": "y", "seed": 3}, "a file has no option 'seed'; it has task"),
        ("missing.csv", {"target": "y"}, "missing.csv does not exist"),
        ("a.csv", {"target": "y", "data_dir": "missing"}, "a.csv does not exist; check the name and the folder"),
    ],
)
def test_what_cannot_be_loaded_is_one_sentence(name: Any, options: dict[str, object], sentence: str) -> None:
    with pytest.raises(BadInput, match=sentence) as caught:
        load(name, **options)  # type: ignore[arg-type]
    assert "\n" not in str(caught.value)


# Figures as the data sets' own descriptions give them (scikit-learn, "Toy datasets").
@pytest.mark.parametrize(
    ("name", "rows", "inputs", "counts"),
    [
        ("digits", 1797, 64, [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]),
        ("iris", 150, 4, [50, 50, 50]),
        ("wine", 178, 13, [59, 71, 48]),
        ("breast_cancer", 569, 30, [212, 357]),
    ],
)
def test_classes_have_their_published_sizes(name: str, rows: int, inputs: int, counts: list[int]) -> None:
    dataset = load_bundled(name)
    assert dataset.name == name
    assert (len(dataset.train), dataset.inputs) == (rows, inputs)
    assert np.bincount(dataset.train.labels).tolist() == counts
    assert len(dataset.classes) == len(counts)


finite = st.floats(allow_nan=False, allow_infinity=False)


def read_csv(content: str, target: str | None = "y", task: str = "auto") -> Dataset:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "table.csv"
        path.write_text(content, encoding="utf-8")
        return read_table(path, target, task)


def read_npz(target: str | None = None, task: str = "auto", **arrays: object) -> Dataset:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "table.npz"
        np.savez(path, **arrays)  # type: ignore[arg-type]
        return read_table(path, target, task)


@given(hnp.arrays("float64", st.tuples(st.integers(1, 6), st.integers(2, 4)), elements=finite))
def test_numbers_of_a_csv_come_back_bit_for_bit(x: np.ndarray) -> None:
    table = pd.DataFrame(x, columns=[f"c{n}" for n in range(x.shape[1])])
    dataset = read_csv(table.to_csv(index=False), "c1", "regress")
    assert dataset.features == tuple(table.columns.drop("c1"))
    assert dataset.train.x.tobytes() == np.delete(x, 1, axis=1).tobytes()
    assert dataset.train.answers.tobytes() == x[:, [1]].tobytes()


@pytest.mark.parametrize(
    ("values", "task", "classes"),
    [
        (["b", "a", "b"], "auto", ("a", "b")),
        ([0, 1], "auto", ("0", "1")),
        ([10.0, 9, 10, 9, -1, -1], "auto", ("-1", "9", "10")),
        ([1, 2, 3, 4], "auto", ()),  # each once: a quantity
        ([0, 1, 0, 1], "regress", ()),
        ([2.5, 1, 10], "classify", ("1", "2.5", "10")),
    ],
)
def test_classes_or_numbers(values: list[object], task: str, classes: tuple[str, ...]) -> None:
    csv = pd.DataFrame({"n": range(len(values)), "y": values}).to_csv(index=False)
    for dataset in (read_csv(csv, task=task), read_npz(x=np.ones((len(values), 1)), y=np.array(values), task=task)):
        assert dataset.classes == classes
        assert ("classes" if classes else "numbers (regression)") in dataset.note
        told = [classes[label] for label in dataset.train.answers] if classes else dataset.train.answers[:, 0].tolist()
        assert told == [str(value) if isinstance(value, str) else told[row] for row, value in enumerate(values)]


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("", "table.csv is empty; give a table"),
        ("a,y\n", "table.csv has a header but no rows; add rows to it"),
        ("y\n1\n", "table.csv has only the target column 'y'; add the columns"),
        ("a,b\n1,2\n", "table.csv has no column 'y'; it has: a, b"),
        ("a,b,y\n1,2,3\n1,red,3\n", "column 'b': it holds 'red'; give numbers alone"),
        ("a,b,y\n1,2,3\n1,NA,3\n", "column 'b': it holds missing values; give numbers alone"),
        ("a,y\n1,2\n-inf,2\n", "column 'a': it holds -inf; give numbers alone"),
        ("a,y\n1,2\n1,\n", "1 of 2 rows have no value of 'y' and are left out; every row needs one here"),
        ("a,y\n1,red\n2,red\n", "table.csv: every row has the class 'red'; there must be at least two"),
    ],
)
def test_bad_csv_files_are_refused(content: str, sentence: str) -> None:
    with pytest.raises(BadInput, match=sentence) as caught:
        read_csv(content)
    assert "\n" not in str(caught.value)


def test_a_csv_needs_a_target_and_a_known_task() -> None:
    with refuses("target", "a", "y"):
        read_csv("a,y\n1,2\n", target=None)
    with refuses("guess", "auto", "classify", "regress"):
        read_csv("a,y\n1,2\n", task="guess")
    with refuses("y", "red"):
        read_csv("a,y\n1,red\n", task="regress")


@given(
    hnp.arrays("float64", hnp.array_shapes(min_dims=2, max_dims=2, max_side=5), elements=finite),
    st.sampled_from([("x", "y"), ("X", "Y"), ("x", "Y")]),
)
def test_an_npz_comes_back_bit_for_bit(x: np.ndarray, names: tuple[str, str]) -> None:
    dataset = read_npz(task="regress", **{names[0]: x, names[1]: x})
    assert dataset.train.x.tobytes() == dataset.train.answers.tobytes() == x.tobytes()
    assert dataset.features == tuple(f"x{number}" for number in range(x.shape[1]))


def test_targets_in_an_npz() -> None:
    x = np.ones((4, 1))
    assert read_npz(x=x, y=[["b"], ["a"], ["b"], ["b"]]).train.answers.tolist() == [1, 0, 1, 1]
    assert read_npz(x=x, y=[True, False, True, True]).classes == ("False", "True")
    assert read_npz(x=x, y=[[1, 0]] * 4).train.answers.tolist() == [[1, 0]] * 4
    assert read_npz(x=x, other=[1, 2, 3, 4], y=[1, 1, 1, 1], target="other").train.answers.ravel().tolist() == [
        1,
        2,
        3,
        4,
    ]


@pytest.mark.parametrize(
    ("arrays", "sentence"),
    [
        ({"y": [1]}, "table.npz must hold one array x or X; it holds: y"),
        ({"x": [[1]], "X": [[1]], "y": [1]}, "table.npz must hold one array x or X; it holds: X, x, y"),
        ({"x": [[1]]}, "table.npz must hold one array y or Y; it holds: x"),
        ({"x": [[1], [2], [3]], "y": [1, 2]}, "there are 3 rows of x but 2 answers; give one for each row"),
        ({"x": [1, 2], "y": [1, 2]}, r"table.npz: x is int64 of shape \(2,\); give numbers \[rows, columns\]"),
        ({"x": [["a"], ["b"]], "y": [1, 2]}, "x holds <U1, not real numbers"),
        ({"x": [[1]], "y": np.ones((1, 2, 2))}, r"the target 'y' has the shape \(1, 2, 2\); give one value"),
        ({"x": np.array([[None]]), "y": [1]}, "table.npz is no npz file of plain arrays, or damaged"),
        ({"x": [[1], [np.nan]], "y": [1, 2]}, "x has nan in row 1, column 0"),
        ({"x": [[1], [1]], "y": [1, np.inf]}, "the target 'y' is infinite"),
        ({"x": [[1], [1]], "y": ["a", "a"]}, "table.npz: every row has the class 'a'"),
    ],
)
def test_bad_npz_files_are_refused(arrays: dict[str, object], sentence: str) -> None:
    with pytest.raises(BadInput, match=sentence) as caught:
        read_npz(**arrays)  # type: ignore[arg-type]
    assert "\n" not in str(caught.value)


def test_several_target_columns_are_numbers() -> None:
    with refuses("table.npz", "y", 2):
        read_npz(x=[[1]], y=[[1, 2]], task="classify")


def npz_bytes(compressed: bool) -> bytes:
    content = io.BytesIO()
    (np.savez_compressed if compressed else np.savez)(content, x=np.arange(8.0).reshape(4, 2), y=np.arange(4) % 2)
    return content.getvalue()


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
