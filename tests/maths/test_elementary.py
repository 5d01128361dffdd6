import mpmath
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deltarule.maths.elementary import erf, select

FLOATS = st.floats(allow_nan=True, allow_infinity=True)


@given(FLOATS, FLOATS)
def test_select_branches_on_the_real_part_and_takes_no_where_it_is_nan(real: float, imaginary: float) -> None:
    expected = 1.0 if real > 0 else 0.0
    assert select(np.array([real]), 1.0, 0.0) == expected
    test = np.array([complex(real, imaginary)])
    assert select(test, 1.0, 0.0) == expected


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.complex64, np.complex128])
@pytest.mark.parametrize("shape", [(), (2, 3)])
def test_select_of_python_numbers_has_the_dtype_of_the_test(dtype: type, shape: tuple[int, ...]) -> None:
    chosen = select(np.ones(shape, dtype), 1.5, 0)
    assert chosen.dtype == dtype and chosen.shape == shape


def test_select_does_not_cut_fractions_off_where_the_test_holds_whole_numbers() -> None:
    assert select(np.array([1, -1]), 0.5, 0.25).tolist() == [0.5, 0.25]


def test_select_broadcasts() -> None:
    assert select(np.array([[1.0], [-1.0]]), np.array([1.0, 2.0]), 0.0).tolist() == [[1, 2], [0, 0]]


@given(st.complex_numbers(max_magnitude=5, allow_nan=False))
def test_erf_of_complex_numbers(z: complex) -> None:
    exact = complex(mpmath.erf(mpmath.mpc(z)))
    assert abs(complex(erf(np.complex128(z))) - exact) <= 1e-13 * max(1, abs(exact))


def test_erf_keeps_the_dtype() -> None:
    for dtype in (np.float32, np.float64, np.complex128):
        assert erf(np.ones(2, dtype)).dtype == dtype
