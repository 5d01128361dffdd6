import warnings
from typing import Any

import mpmath
import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from deltarule.maths.elementary import Fixed, erf, everywhere, expm1, log1p, select

FLOATS = st.floats(allow_nan=True, allow_infinity=True)


def test_a_fixed_mapping_is_read_only() -> None:
    given = {"slope": 0.1}
    table = Fixed(given)
    given["slope"] = 0.2
    assert table == {"slope": 0.1} and {**table} == {"slope": 0.1} and len(table) == 1
    with pytest.raises(TypeError):
        table["slope"] = 0.2  # type: ignore[index]


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


@pytest.mark.parametrize("kind", [pd.Series, np.matrix, np.ma.masked_array, lambda values: values.astype(">f8")])
def test_select_of_many_numbers_that_are_no_plain_array_is_an_array(kind: Any) -> None:
    values = np.linspace(-1, 1, 600)
    with warnings.catch_warnings(action="ignore"):  # of matrices
        given = kind(values)
    chosen = select(given, 0.0, given)
    assert type(chosen) is np.ndarray and np.array_equal(chosen.ravel(), np.minimum(values, 0))


SPECIAL = np.array([0.0, -0.0, np.nan, np.inf, -np.inf, 5e-324, -1e-310, 1e308])


@given(st.integers(0, 2**32 - 1), st.sampled_from([np.float64, np.float32]), st.sampled_from(["all", "row", "number"]))
def test_select_of_many_numbers_has_the_bits_of_a_choice_one_by_one(seed: int, dtype: type, of: str) -> None:
    random, shape = np.random.default_rng(seed), (3, 30, 40)
    drawn = np.where(random.random(shape) < 0.3, random.choice(SPECIAL, shape), random.normal(size=shape))
    with np.errstate(over="ignore"):
        test, one, other = drawn.astype(dtype)
    yes = {"all": one, "row": one[0], "number": 1.0}[of]
    for values in (test, test[::-1, ::-1], np.repeat(test, 2, axis=1)[:, ::2]):
        chosen = select(values, yes, other)
        pairs = zip(values.ravel(), np.broadcast_to(yes, (30, 40)).ravel(), other.ravel(), strict=True)
        one_by_one = np.array([first if t > 0 else second for t, first, second in pairs], dtype)
        assert chosen.dtype == dtype and chosen.tobytes() == one_by_one.tobytes()


@given(st.complex_numbers(max_magnitude=5, allow_nan=False))
def test_erf_of_complex_numbers(z: complex) -> None:
    exact = complex(mpmath.erf(mpmath.mpc(z)))
    assert abs(complex(erf(np.complex128(z))) - exact) <= 1e-13 * max(1, abs(exact))


def test_erf_keeps_the_dtype() -> None:
    for dtype in (np.float32, np.float64, np.complex128):
        assert erf(np.ones(2, dtype)).dtype == dtype


@given(st.floats(-30, 30), st.sampled_from([1e-30, 1e-8, 0.3]))
@example(1e-12, 1e-30)
def test_exponential_and_logarithm_beside_1_keep_both_parts_of_a_complex_number(x: float, imaginary: float) -> None:
    for ours, exact, real in ((expm1, mpmath.expm1, x), (log1p, mpmath.log1p, abs(x))):
        found, wanted = complex(ours(np.complex128(complex(real, imaginary)))), exact(mpmath.mpc(real, imaginary))
        assert abs(found.real - wanted.real) <= 4e-16 * max(abs(wanted.real), imaginary**2)
        assert abs(found.imag - wanted.imag) <= 4e-16 * abs(wanted.imag)


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.complex64, np.complex128])
def test_exponential_and_logarithm_keep_the_dtype(dtype: type) -> None:
    assert expm1(np.ones(2, dtype)).dtype == log1p(np.ones(2, dtype)).dtype == dtype


@given(
    st.lists(st.floats(1e-3, 1e3), min_size=1, max_size=9),
    st.lists(st.sampled_from([-1.0, 0.0, 0.5, 1.0, 2.0, 0.3]), min_size=1, max_size=4),
)
def test_a_formula_gives_the_same_everywhere_whatever_stands_beside(bases: list[float], powers: list[float]) -> None:
    base, power = np.array(bases)[:, None], np.array(powers)
    both = everywhere(lambda x, power: (x**power, x), base, power=power)
    assert [one.shape for one in both] == [(len(bases), len(powers))] * 2
    assert np.array_equal(both[1], np.broadcast_to(base, both[1].shape))
    for i, x in enumerate(bases):
        for j, one in enumerate(powers):
            assert everywhere(lambda x, power: x**power, x, power=one) == both[0][i, j]
            assert both[0][i, j] == pytest.approx(x**one, rel=1e-15)
