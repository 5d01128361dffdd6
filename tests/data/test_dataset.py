import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from refusals import refuses

from deltarule.data.dataset import Dataset, Rows
from deltarule.errors import BadInput


def classified(labels: list[int], classes: int) -> Dataset:
    x = np.arange(2.0 * len(labels)).reshape(-1, 2)
    return Dataset(
        "d", Rows(x, labels=labels), features=("a", "b"), classes=tuple(f"class {c}" for c in range(classes))
    )


def regressed(targets: list[list[float]]) -> Dataset:
    return Dataset("d", Rows(np.ones((len(targets), 1)), targets=targets), features=("a",))


# --- Rows ------------------------------------------------------------------------------------------------------------


@given(
    st.sampled_from(["uint8", "float32", "float64", "bool", "int16", "float16", ">f4", ">f8", ">i4"]).flatmap(
        lambda dtype: hnp.arrays(
            dtype,
            hnp.array_shapes(min_dims=2, max_dims=2, max_side=4),
            elements={"allow_nan": False, "allow_infinity": False} if "f" in dtype else None,
        )
    )
)
def test_x_keeps_its_numbers_in_one_of_three_dtypes_of_this_machine(x: np.ndarray) -> None:
    rows = Rows(x, targets=np.zeros((len(x), 1)))
    kept = x.dtype.newbyteorder("=")
    assert rows.x.dtype == (kept if kept in (np.uint8, np.float32, np.float64) else np.float64)
    assert rows.x.dtype.isnative
    np.testing.assert_array_equal(rows.x, x)
    assert len(rows) == len(x)


@given(st.integers(1, 5), st.integers(1, 5), st.sampled_from([np.nan, np.inf, -np.inf]), st.data())
def test_a_number_that_is_not_finite_is_found(rows: int, columns: int, bad: float, data: st.DataObject) -> None:
    row, column = data.draw(st.integers(0, rows - 1)), data.draw(st.integers(0, columns - 1))
    numbers = np.ones((rows, columns))
    numbers[row, column] = bad
    with refuses("x", bad, row, column):
        Rows(numbers, labels=[0] * rows)
    with refuses("targets", bad, row, column):
        Rows(np.ones((rows, 1)), targets=numbers)


@pytest.mark.parametrize(
    ("x", "labels", "targets", "sentence"),
    [
        ([[1.0]], None, None, "give exactly one of them"),
        ([[1.0]], [0], [[1.0]], "give exactly one of them"),
        ([1.0, 2.0], [0, 1], None, r"x has the shape \(2,\)"),
        (np.zeros((0, 2)), [], None, r"x has the shape \(0, 2\)"),
        (np.zeros((2, 0)), [0, 1], None, r"x has the shape \(2, 0\)"),
        ([["a"]], [0], None, "x holds <U1, not real numbers"),
        ([[1j]], [0], None, "x holds complex128, not real numbers"),
        ([[1.0], [2.0]], [0], None, "2 rows of x but 1 answers"),
        ([[1.0]], [0.0], None, "labels are float64 of shape"),
        ([[1.0]], [[0]], None, r"labels are int64 of shape \(1, 1\)"),
        ([[1.0]], None, [1.0], r"targets has the shape \(1,\)"),
    ],
)
def test_what_are_no_rows_is_one_sentence(x: object, labels: object, targets: object, sentence: str) -> None:
    with pytest.raises(BadInput, match=sentence) as caught:
        Rows(x, labels=labels, targets=targets)  # type: ignore[arg-type]
    assert "\n" not in str(caught.value)


# --- Dataset ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("dataset", "outputs", "sentence"),
    [
        (classified([0, 2], 3), 1, "d has 3 classes, so the network needs 3 outputs, not 1"),
        (classified([0, 1], 2), 3, "d has 2 classes, so the network needs 1 or 2 outputs, not 3"),
        (regressed([[1.0, 2.0]]), 1, "d has 2 target columns, so the network needs 2 outputs, not 1"),
    ],
)
def test_another_number_of_outputs_is_bad_input(dataset: Dataset, outputs: int, sentence: str) -> None:
    with pytest.raises(BadInput, match=sentence):
        dataset.encode(dataset.train, outputs)


@pytest.mark.parametrize(
    ("dataset", "activation", "outputs"),
    [
        (classified([0, 1], 2), "sigmoid", 1),
        (classified([0, 1], 2), "softmax", 2),
        (classified([0, 1], 2), "identity", 2),
        (classified([0, 2], 3), "sigmoid", 3),
        (regressed([[1.0, 2.0]]), "sigmoid", 2),
        (regressed([[1.0]]), "identity", 1),
    ],
)
def test_the_number_of_outputs_left_to_the_data(dataset: Dataset, activation: str, outputs: int) -> None:
    assert dataset.default_outputs(activation) == outputs
    assert dataset.encode(dataset.train, outputs).shape[1] == outputs


def test_the_digest_depends_on_every_part_of_the_content() -> None:
    base = classified([0, 1, 1], 2)
    x, labels = base.train.x, base.train.labels
    changed = x.copy()
    changed[2, 1] = np.nextafter(changed[2, 1], 9)
    others = [
        dataclasses.replace(base, train=Rows(changed, labels=labels)),
        dataclasses.replace(base, train=Rows(x, labels=[0, 1, 0])),
        dataclasses.replace(base, train=Rows(x.astype("float32"), labels=labels)),
        dataclasses.replace(base, test=base.train),
        dataclasses.replace(base, validation=base.train),
        dataclasses.replace(base, classes=("class 0", "other")),
        Dataset("d", Rows(x, targets=labels[:, None]), features=("a", "b")),  # type: ignore[index]
        Dataset("d", Rows(np.ones((2, 2)), targets=[[1.0], [1.0]]), features=("a", "b")),
        Dataset("d", Rows(np.ones((1, 4)), targets=[[1.0, 1.0]]), features=tuple("abcd")),  # in another shape
    ]
    digests = [dataset.digest for dataset in [base, *others]]
    assert len(set(digests)) == len(digests)
    assert all(len(digest) == 64 for digest in digests)


def test_the_digest_is_of_the_content_alone() -> None:
    base = classified([0, 1, 1], 2)
    strided = np.zeros((3, 4))
    strided[:, ::2] = base.train.x
    same = Dataset(
        "other", Rows(strided[:, ::2], labels=[0, 1, 1]), features=("c", "d"), classes=base.classes, note="n"
    )
    swapped = Rows(base.train.x.astype(">f8"), labels=base.train.labels)
    assert same.digest == base.digest == dataclasses.replace(base, train=swapped).digest


@given(st.integers(1, 4), st.data())
def test_a_label_outside_the_classes_is_found(classes: int, data: st.DataObject) -> None:
    label = data.draw(st.integers(-3, -1) | st.integers(classes, classes + 3))
    row = data.draw(st.integers(0, 4))
    labels = [0] * 5
    labels[row] = label
    told = f"train part of d has labels from {min(labels)} to {max(labels)}, but its classes are 0 to {classes - 1}"
    with pytest.raises(BadInput, match=told):
        classified(labels, classes)


def test_parts_that_do_not_fit_are_bad_input() -> None:
    base = classified([0, 1], 2)
    with refuses("test", 3, 2):
        dataclasses.replace(base, test=Rows(np.ones((1, 3)), labels=[0]))
    with refuses("validation", "d"):
        dataclasses.replace(base, validation=Rows(np.ones((1, 2)), targets=[[1.0]]))
    with refuses("train", "d"):
        dataclasses.replace(base, classes=())
    with refuses("test", "d"):
        dataclasses.replace(regressed([[1.0]]), test=Rows([[1.0]], targets=[[1.0, 2.0]]))
