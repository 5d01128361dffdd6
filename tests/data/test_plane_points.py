import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deltarule.data import plane_points
from deltarule.data.load import load
from deltarule.errors import BadInput

CLASSIFIED = ("spirals", "circles", "clusters", "checkerboard")


@pytest.mark.parametrize("name", [*CLASSIFIED, "hills"])
@given(samples=st.integers(1, 200), seed=st.integers(0, 2**64 - 1))
def test_a_set_is_a_function_of_its_options(name, samples, seed):
    one, other = (load(name, samples=samples, seed=seed) for _ in range(2))
    assert one.digest == other.digest and one.train.x.shape == (samples, 2)


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


def test_points_without_noise_lie_in_the_square_from_minus_one_to_one():
    for name in CLASSIFIED:
        assert np.abs(load(name, noise=0.0).train.x).max() <= 1


def test_hills_are_their_formula():
    dataset = plane_points.hills(samples=50, noise=0.0)
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
    with pytest.raises(BadInput, match=f"{option} is {value!r}; give a"):
        load(name, **options)
