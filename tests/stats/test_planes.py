import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deltarule.errors import BadInput
from deltarule.stats.planes import decision_plane


@given(st.data())
def test_the_plane_is_what_is_answered_at_its_points(data):
    inputs = data.draw(st.integers(2, 5))
    features = tuple(data.draw(st.permutations(range(inputs)))[:2])
    x = np.random.default_rng(0).normal(size=(7, inputs))
    plane = decision_plane(lambda rows: np.stack([rows @ np.arange(1, inputs + 1), rows[:, 0]], 1), x, features, 5)
    for row, second in enumerate(plane.second):
        for column, first in enumerate(plane.first):
            point = np.median(x, axis=0)
            point[list(features)] = first, second
            assert plane.outputs[row, column] == pytest.approx([point @ np.arange(1, inputs + 1), point[0]])
    for values, feature in zip((plane.first, plane.second), features, strict=True):
        assert values[0] < x[:, feature].min() <= x[:, feature].max() < values[-1]


@pytest.mark.parametrize("features", [(0, 0), (0, 2), (-1, 1)])
def test_features_that_there_are_not(features):
    with pytest.raises(BadInput, match="give two different ones from 0 to 1"):
        decision_plane(lambda rows: rows[:, 0], [[0.0, 1.0]], features)
