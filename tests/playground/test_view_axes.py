import numpy as np
import pytest
from sklearn.decomposition import PCA

from deltarule.playground.view_axes import view_axes

ROWS = np.random.default_rng(0).standard_normal((30, 4)) * [3, 1, 2, 0.5]
NAMES = ("a", "b", "c", "d")


def test_principal_components():
    axes = view_axes(ROWS, NAMES)
    expected = PCA(2).fit_transform(ROWS)
    signs = np.sign((axes.coordinates(ROWS) * expected).sum(0))
    np.testing.assert_allclose(axes.coordinates(ROWS) * signs, expected)


def test_chosen_columns():
    axes = view_axes(ROWS, NAMES, [2, 0])
    np.testing.assert_array_equal(axes.coordinates(ROWS), ROWS[:, [2, 0]])
    grid = axes.grid(5)
    assert axes.names == ("c", "a")
    np.testing.assert_allclose(grid[:, [1, 3]], np.tile(np.median(ROWS[:, [1, 3]], axis=0), (25, 1)))


@pytest.mark.parametrize("rows", [np.zeros((1, 1)), np.zeros((3, 2)), np.ones((1, 5))], ids=["one", "equal", "wide"])
def test_data_without_a_range(rows):
    axes = view_axes(rows, NAMES[: rows.shape[1]] or NAMES)
    assert np.isfinite(axes.grid(3)).all() and (axes.high > axes.low).all()
