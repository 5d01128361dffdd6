import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.linear_model import Ridge
from sklearn.metrics import r2_score
from sklearn.model_selection import LeaveOneOut, cross_val_predict
from sklearn.neighbors import KNeighborsRegressor

from deltarule.symptoms.input_target_dependence import NEIGHBORS, measure_dependence


def data(seed, rows=60, inputs=3):
    random = np.random.default_rng(seed)
    x = random.normal(size=(rows, inputs))
    return x, x @ random.normal(size=(inputs, 2)) + random.normal(size=(rows, 2))


def test_neighbors_match_scikit_learn():
    x, y = data(0)
    x, y = (x - x.mean(0)) / x.std(0), (y - y.mean(0)) / y.std(0)
    expected = cross_val_predict(KNeighborsRegressor(NEIGHBORS), x, y, cv=LeaveOneOut())
    assert measure_dependence(x, y).neighbors == pytest.approx(r2_score(y, expected))


def test_line_matches_scikit_learn():
    x, y = data(1)
    x, y = (x - x.mean(0)) / x.std(0), (y - y.mean(0)) / y.std(0)
    expected = cross_val_predict(Ridge(alpha=x.shape[1], fit_intercept=False), x, y, cv=LeaveOneOut())
    assert measure_dependence(x, y).linear == pytest.approx(r2_score(y, expected))


@given(st.integers(0, 2**32), st.floats(1e-3, 1e3), st.floats(-1e3, 1e3))
def test_scale_of_columns_is_irrelevant(seed, factor, offset):
    x, y = data(seed)
    same = measure_dependence(x, y)
    other = measure_dependence(x * factor * [1, 2, 3] + offset, y * factor + offset)
    assert other.neighbors == pytest.approx(same.neighbors, abs=1e-6) and other.p == pytest.approx(same.p, abs=0.02)


@pytest.mark.slow
def test_shuffled_targets_are_distinguished_from_true_ones():
    random = np.random.default_rng(2)
    true, shuffled = [], []
    for seed in range(60):
        x, y = data(seed)
        true.append(measure_dependence(x, y).p)
        shuffled.append(measure_dependence(x, random.permutation(y)).p)
    assert max(true) <= 0.01
    assert (
        sum(p <= 0.01 for p in shuffled) <= 4
    )  # 1 % of them are expected; 5 or more of 60 have a chance of 3 in 1,000


def test_neighbors_see_nonlinear_dependence():
    x = np.random.default_rng(3).uniform(-1, 1, size=(200, 2))
    found = measure_dependence(x, np.sign(x.prod(1, keepdims=True)))
    assert found.linear < 0.1 < found.neighbors and found.p <= 0.01


def test_constant_columns_are_ignored():
    x, y = data(4)
    assert measure_dependence(np.column_stack([x, np.full(len(x), 7.0)]), y) == measure_dependence(x, y)


@pytest.mark.parametrize(
    ("x", "y"),
    [
        (np.eye(30), np.eye(30)),  # too few rows
        (np.ones((60, 2)), np.arange(60.0)[:, None]),  # inputs that never vary
        (np.arange(60.0)[:, None], np.r_[np.zeros(45), np.ones(15)][:, None]),  # too few rows outside one class
        (np.arange(60.0)[:, None], np.zeros((60, 1))),
    ],
)
def test_undecidable_data_give_none(x, y):
    assert measure_dependence(x, y) is None
