import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from deltarule.data.synthetic import linear, one_hot, xor


@given(st.integers(2, 20))
def test_each_one_hot_row_is_its_own_class(size: int) -> None:
    dataset = one_hot(size)
    np.testing.assert_array_equal(dataset.train.x, dataset.encode(dataset.train, size))
    assert dataset.train.answers.tolist() == list(range(size))
    assert len(dataset.classes) == dataset.inputs == size


@given(samples=st.integers(1, 300), seed=st.integers(0, 2**64 - 1))
def test_linear_points_lie_in_the_unit_square_on_the_side_that_their_label_says(samples: int, seed: int) -> None:
    dataset = linear(samples, seed)
    x, labels = dataset.train.x, dataset.train.answers
    assert x.shape == (samples, 2)
    assert ((x >= 0) & (x < 1)).all()
    assert all((x0 > x1) == (label == 1) for (x0, x1), label in zip(x, labels, strict=True))


@given(seed=st.integers(0, 2**64 - 1))
def test_linear_points_are_the_raw_numbers_of_philox(seed: int) -> None:
    # NumPy promises the raw stream of a bit generator for ever, that of Generator.random only for a version.
    raw = np.random.Philox(key=seed).random_raw(20)
    np.testing.assert_array_equal(linear(10, seed).train.x.ravel(), (raw >> np.uint64(11)) / 2.0**53)


def test_xor_is_the_list_of_the_report() -> None:
    expected = [
        *[(0.0, 0.0, 0), (0.0, 1.0, 1), (0.1, 0.1, 0), (0.1, 0.9, 1), (0.2, 0.2, 0), (0.2, 0.8, 1)],
        *[(0.3, 0.3, 0), (0.3, 0.7, 1), (0.4, 0.4, 0), (0.4, 0.6, 1), (0.5, 0.5, 0)],
        *[(0.6, 0.6, 0), (0.6, 0.4, 1), (0.7, 0.7, 0), (0.7, 0.3, 1), (0.8, 0.8, 0), (0.8, 0.2, 1)],
        *[(0.9, 0.9, 0), (0.9, 0.1, 1), (1.0, 1.0, 0), (1.0, 0.0, 1)],
    ]
    rows = xor().train
    assert [(*point, label) for point, label in zip(rows.x.tolist(), rows.answers.tolist(), strict=True)] == expected
