import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deltarule.data.dataset import Dataset, Rows
from deltarule.data.transforms import with_mirrored
from deltarule.errors import BadInput


def images(count: int, shape: tuple[int, int, int], seed: int = 0) -> Dataset:
    size = int(np.prod(shape))

    def rows(number: int) -> Rows:
        pixels = np.random.default_rng(number).integers(0, 256, size=(count, size), dtype=np.uint8)
        return Rows(pixels, labels=np.arange(count) % 2)

    names = tuple(f"number {place}" for place in range(size))
    parts = {"train": rows(seed), "test": rows(seed + 1)}
    return Dataset("d", **parts, features=names, classes=("a", "b"), image=shape)  # type: ignore[arg-type]


shapes = st.tuples(st.integers(1, 3), st.integers(1, 4), st.integers(1, 4))


@given(st.integers(1, 4), shapes)
def test_behind_the_images_come_the_same_from_right_to_left(count: int, shape: tuple[int, int, int]) -> None:
    given_images = images(count, shape)
    train = with_mirrored(given_images).train
    assert len(train) == 2 * count and train.x.dtype == np.uint8
    np.testing.assert_array_equal(train.x[:count], given_images.train.x)
    copies = train.x[count:].reshape(count, *shape)
    for column in range(shape[2]):
        before = given_images.train.x.reshape(count, *shape)[:, :, :, shape[2] - 1 - column]
        np.testing.assert_array_equal(copies[:, :, :, column], before)
    np.testing.assert_array_equal(train.answers, np.tile(given_images.train.answers, 2))


def test_numbers_to_predict_are_mirrored_too() -> None:
    numbers = Dataset("d", Rows([[1.0, 2.0]], targets=[[0.5]]), features=("a", "b"), image=(1, 1, 2))
    assert with_mirrored(numbers).train.x.tolist() == [[1, 2], [2, 1]]
    assert with_mirrored(numbers).train.answers.tolist() == [[0.5], [0.5]]


def test_what_is_no_image_is_refused_in_one_sentence() -> None:
    table = Dataset("d", Rows([[1.0]], targets=[[0.5]]), features=("a",))
    with pytest.raises(BadInput, match=r"the rows of d are no images, .* set data\.mirrored = false"):
        with_mirrored(table)
