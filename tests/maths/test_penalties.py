import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from deltarule.maths.penalties import PENALTIES, Penalty

BY_NAME = pytest.mark.parametrize("penalty", PENALTIES.values(), ids=lambda penalty: penalty.name)


@BY_NAME
@given(arrays(np.float64, 4, elements=st.floats(-1e3, 1e3)))
def test_penalties_pull_towards_0_and_are_even(penalty: Penalty, w: np.ndarray) -> None:
    assert np.array_equal(penalty.value(w), penalty.value(-w))
    assert np.array_equal(np.sign(penalty.derivative(w)), np.sign(w))


@BY_NAME
def test_dtype_stays_and_nan_is_passed_on(penalty: Penalty) -> None:
    for dtype in (np.float32, np.float64, np.complex128):
        w = np.array([-1.5, 0.0, 2.0, np.nan], dtype)
        for function in (penalty.value, penalty.derivative):
            assert function(w).dtype == dtype
            assert np.isnan(function(w)).tolist() == [False, False, False, True]


@BY_NAME
def test_kinks_are_where_the_slope_jumps(penalty: Penalty) -> None:
    left, right = penalty.derivative(np.array([-1e-9, 1e-9]))
    assert penalty.kinks == ((0.0,) if abs(left - right) > 1e-6 else ())
