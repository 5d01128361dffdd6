"""Numeric tables of a user as data sets: CSV and npz files."""

import io
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from deltarule.data.dataset import Dataset
from deltarule.data.numeric_tables import read_table
from deltarule.errors import BadInput

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
    with pytest.raises(BadInput, match="no target is named; choose one of its columns: a, y"):
        read_csv("a,y\n1,2\n", target=None)
    with pytest.raises(BadInput, match="the task 'guess' is unknown; choose one of auto, classify, regress"):
        read_csv("a,y\n1,2\n", task="guess")
    with pytest.raises(BadInput, match="'y' holds texts such as 'red', where numbers are needed"):
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
    with pytest.raises(BadInput, match="table.npz: the target 'y' has 2 columns; classes need a single one"):
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
