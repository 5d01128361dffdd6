import math
import re
import sys
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from deltarule.errors import BadInput
from deltarule.stats.intervals import (
    NORMAL_QUANTILE_AT_95_PERCENT,
    exact_share_interval,
    mean_interval,
    median_interval,
    share_interval,
)


@given(st.integers(1, 300), st.data())
def test_wilson_solves_its_equation(of, data):
    """Its ends are the shares p whose distance to the observed one is z √(p (1 − p) / n)."""
    count = data.draw(st.integers(0, of))
    low, high = share_interval(count, of)
    assert 0 <= low <= count / of <= high <= 1
    for end in (low, high):
        if 0 < end < 1:
            assert abs(count / of - end) == pytest.approx(1.959963985 * np.sqrt(end * (1 - end) / of), abs=1e-9)


def test_the_usual_quantile_is_that_of_scipy():
    from scipy.special import ndtri

    assert float(ndtri(0.5 + 0.95 / 2)) == NORMAL_QUANTILE_AT_95_PERCENT


def test_wilson_agrees_with_scipy():
    from scipy.stats import binomtest

    for count, of in ((0, 10), (3, 10), (93, 100), (100, 100)):
        peer = binomtest(count, of).proportion_ci(method="wilson")
        assert share_interval(count, of) == pytest.approx((peer.low, peer.high), abs=1e-12)


@given(st.integers(1, 60), st.floats(0, 1), st.sampled_from([0.8, 0.875, 0.95]))
@example(4, sys.float_info.min, 0.8)
def test_each_end_of_an_exact_interval_misses_the_share_with_half_of_the_risk_at_most(of, true, confidence):
    chances = np.array([math.comb(of, count) * true**count * (1 - true) ** (of - count) for count in range(of + 1)])
    low, high = np.array([exact_share_interval(count, of, confidence) for count in range(of + 1)]).T
    shares = np.arange(of + 1) / of
    assert np.all((low >= 0) & (low <= shares) & (shares <= high) & (high <= 1))
    assert max(chances[low > true].sum(), chances[high < true].sum()) <= (1 - confidence) / 2 + 1e-9


def test_exact_agrees_with_scipy():
    from scipy.stats import binomtest

    for count, of in ((0, 1), (1, 1), (0, 10), (3, 10), (93, 100), (100, 100)):
        peer = binomtest(count, of).proportion_ci(0.9, method="exact")
        assert exact_share_interval(count, of, 0.9) == pytest.approx((peer.low, peer.high), abs=1e-12)


def test_the_interval_of_a_median_covers_it_as_often_as_it_says():
    rng = np.random.default_rng(0)
    for n in (6, 11, 30, 101):
        covered = [
            low <= np.log(2) <= high for low, high in (median_interval(rng.exponential(size=n)) for _ in range(2000))
        ]
        assert np.mean(covered) > 0.94


def test_few_values_give_their_ends():
    assert median_interval([3.0, 1.0, 2.0]) == (1.0, 3.0)


@pytest.mark.parametrize("interval", [share_interval, exact_share_interval])
@pytest.mark.parametrize(("count", "of"), [(1, 0), (-1, 5), (6, 5), (1.5, 2), (1, 2.5), (np.nan, 5)])
def test_no_share_gets_a_sentence(interval, count, of):
    with pytest.raises(BadInput, match=f"{count} of {of} is no share; give a count from 0 .*, both whole"):
        interval(count, of)


@pytest.mark.parametrize("confidence", [Fraction(19, 20), Decimal("0.95"), np.array(0.95), np.float32(0.95)], ids=repr)
def test_a_confidence_may_be_any_number(confidence):
    for interval, given_ in ((share_interval, (9, 10)), (exact_share_interval, (9, 10)), (mean_interval, ([1, 2, 4],))):
        assert interval(*given_, confidence) == pytest.approx(interval(*given_, 0.95), rel=1e-4)


@pytest.mark.parametrize("confidence", [95, 1, 0, -0.5, np.nan, "0.95", None, [0.9], 0.9j, True, 10**400])
def test_a_confidence_that_is_none_gets_a_sentence(confidence):
    found = re.escape(f"the confidence is {confidence!r}; give a number above 0 and below 1")
    for interval in (share_interval, exact_share_interval):
        with pytest.raises(BadInput, match=found):
            interval(50, 100, confidence)
    for of_values in (mean_interval, median_interval):
        with pytest.raises(BadInput, match=found):
            of_values([1.0, 2.0, 3.0, 4.0], confidence)


@pytest.mark.parametrize("interval", [mean_interval, median_interval])
def test_values_are_one_row_and_of_what_is_unknown_nothing_is_known(interval):
    with pytest.raises(BadInput, match=r"the values have the shape \(2, 3\); give one row of numbers"):
        interval(np.ones((2, 3)))
    assert np.isnan(interval([1.0, np.nan, 3.0])).all()


@pytest.mark.parametrize("interval", [mean_interval, median_interval])
@pytest.mark.parametrize(
    "values", [["a", "b"], [1, 2, "x"], [[1], [1, 2]], [1j, 2], {"a": 1}, "12,5", ["1", "2"], ["1", 2]]
)
def test_what_is_no_row_of_numbers_gets_a_sentence(interval, values):
    with pytest.raises(BadInput, match=re.escape(f"the values are {values!r}; give one row of numbers")):
        interval(values)


@pytest.mark.parametrize("interval", [mean_interval, median_interval])
def test_texts_in_an_array_and_numbers_beyond_all_floats_get_a_sentence(interval):
    for values in (np.array(["1", 2], object), np.array([1j, 2])):
        with pytest.raises(BadInput, match="^the values are array.*; give one row of numbers$"):
            interval(values)
    with pytest.raises(BadInput, match="^the values hold a number beyond 1.8e308; give one row of numbers that are sm"):
        interval([10**400, 1])


def test_too_few_values_get_a_sentence():
    with pytest.raises(BadInput, match="at least one"):
        median_interval([])
    with pytest.raises(BadInput, match="there are 1 values; the interval of a mean needs at least two"):
        mean_interval([1.0])


@given(st.lists(st.floats(-1e3, 1e3), min_size=2, max_size=30))
def test_the_interval_of_a_mean_agrees_with_scipy(values):
    from scipy.stats import sem, t

    half = t.ppf(0.975, len(values) - 1) * sem(values)
    mean = np.mean(values)
    assert mean_interval(values) == pytest.approx((mean - half, mean + half), rel=1e-9, abs=1e-9)


@pytest.mark.parametrize("exponent", [-1000, -700, 0, 400])
def test_the_interval_of_a_mean_has_the_unit_of_its_values(exponent):
    unit, values = 2.0**exponent, np.array([1.0, 2.0, 3.0])
    assert np.divide(mean_interval(unit * values), unit).tolist() == pytest.approx(mean_interval(values))


@pytest.mark.filterwarnings("error")
@given(st.lists(st.floats(allow_nan=False) | st.just(np.inf), min_size=2, max_size=9))
@example([1.0, np.inf])
@example([-np.inf, np.inf])
@example([np.inf, np.inf])
@example([1e308, 1e308, -1e308])
def test_the_interval_of_a_mean_is_without_bounds_where_a_run_diverged(values):
    """A run that diverged counts as infinite, or comes to a number whose square is."""
    low, high = mean_interval(values)
    assert low <= high
    if np.isinf(values).any() or max(values) / 2 - min(values) / 2 > 1e160:
        assert (low, high) == (-np.inf, np.inf)
    elif len(set(values)) == 1:
        assert low == high == values[0]
    assert np.isnan(mean_interval([*values, np.nan])).all()
