import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from refusals import refuses

from deltarule.data.load import load
from deltarule.data.synthetic import hills, linear, xor

CLASSIFIED = ("spirals", "circles", "clusters", "checkerboard")


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


@pytest.mark.parametrize("name", ["spirals", "circles", "clusters"])
@pytest.mark.parametrize("classes", [2, 3, 7])
def test_classes_have_equally_many_points(name, classes):
    dataset = load(name, samples=10 * classes, classes=classes)
    assert np.bincount(dataset.train.labels).tolist() == [10] * classes


@pytest.mark.parametrize("name", ["spirals", "circles", "clusters", "checkerboard"])
def test_without_noise_the_nearest_neighbor_has_the_same_class(name):
    x, labels = (dataset := load(name, samples=600, noise=0.0)).train.x, dataset.train.labels
    distances = ((x[:, None] - x) ** 2).sum(-1) + np.eye(len(x)) * 9
    assert (labels[distances.argmin(1)] == labels).mean() > 0.9


def test_hills_are_their_formula():
    dataset = hills(samples=50, noise=0.0)
    x = dataset.train.x
    np.testing.assert_array_equal(dataset.train.targets[:, 0], np.sin(np.pi * x[:, 0]) * np.cos(np.pi * x[:, 1]))


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("one_hot", {"size": 1}),
        ("one_hot", {"size": 10**9}),
        ("linear", {"samples": True}),
        ("linear", {"seed": "a"}),
        ("spirals", {"samples": 0}),
        ("spirals", {"classes": 1}),
        ("circles", {"noise": -1}),
        ("clusters", {"seed": -1}),
        ("checkerboard", {"squares": 1.5}),
        ("hills", {"noise": "much"}),
    ],
)
def test_other_options_are_refused_with_the_value_and_what_is_allowed(name, options):
    [(option, value)] = options.items()
    with refuses(option, repr(value)):
        load(name, **options)
