import math
import sys

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from refusals import refuses
from scipy.stats import binomtest, sem, t

from deltarule.errors import BadInput
from deltarule.stats.intervals import (
    exact_share_interval,
    mean_interval,
    median_interval,
    resampled_interval,
    share_interval,
)


@given(st.integers(1, 300), st.data())
def test_intervals_of_shares_agree_with_scipy(of, data):
    count = data.draw(st.integers(0, of))
    for interval, confidence, method in ((share_interval, 0.95, "wilson"), (exact_share_interval, 0.9, "exact")):
        peer = binomtest(count, of).proportion_ci(confidence, method=method)
        assert interval(count, of, confidence) == pytest.approx((peer.low, peer.high), abs=1e-12)


@given(st.integers(1, 60), st.floats(0, 1), st.sampled_from([0.8, 0.875, 0.95]))
@example(4, sys.float_info.min, 0.8)
def test_each_end_of_an_exact_interval_misses_the_share_with_half_of_the_risk_at_most(of, true, confidence):
    chances = np.array([math.comb(of, count) * true**count * (1 - true) ** (of - count) for count in range(of + 1)])
    low, high = np.array([exact_share_interval(count, of, confidence) for count in range(of + 1)]).T
    shares = np.arange(of + 1) / of
    assert np.all((low >= 0) & (low <= shares) & (shares <= high) & (high <= 1))
    assert max(chances[low > true].sum(), chances[high < true].sum()) <= (1 - confidence) / 2 + 1e-9


@pytest.mark.slow
def test_the_interval_of_a_median_covers_it_as_often_as_it_says():
    rng = np.random.default_rng(0)
    for n in (6, 11, 30, 101):
        covered = [
            low <= np.log(2) <= high for low, high in (median_interval(rng.exponential(size=n)) for _ in range(2000))
        ]
        assert np.mean(covered) > 0.94


def test_few_values_give_their_ends_and_of_what_is_unknown_nothing_is_known():
    assert median_interval([3.0, 1.0, 2.0]) == (1.0, 3.0)
    assert np.isnan(median_interval([1.0, np.nan, 3.0])).all() and np.isinf(mean_interval([1.0, np.nan, 3.0])).all()


def test_what_is_no_row_of_numbers_gets_a_sentence():
    with refuses("['a', 'b']"):
        median_interval(["a", "b"])


def test_too_few_values_get_a_sentence():
    with pytest.raises(BadInput):
        median_interval([])
    with refuses("values", 1):
        mean_interval([1.0])


@given(st.lists(st.floats(-1e3, 1e3), min_size=2, max_size=30))
def test_the_interval_of_a_mean_agrees_with_scipy(values):
    half = t.ppf(0.975, len(values) - 1) * sem(values)
    mean = np.mean(values)
    assert mean_interval(values) == pytest.approx((mean - half, mean + half), rel=1e-9, abs=1e-9)


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


def test_test_rows_are_drawn_again_as_seeds_are():
    """All seeds are right on the same rows: the other 10,000 rows that could have been drawn are what is uncertain."""
    right = np.random.default_rng(1).random((1, 10_000)) < 0.9
    low, high = resampled_interval(right.repeat(20, axis=0))
    standard_error = right.std() / 100
    assert (high - low) / 2 == pytest.approx(1.96 * standard_error, rel=0.15)
