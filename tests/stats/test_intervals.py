import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deltarule.errors import BadInput
from deltarule.stats.intervals import mean_interval, median_interval, share_interval


@given(st.integers(1, 300), st.data())
def test_wilson_solves_its_equation(of, data):
    """Its ends are the shares p whose distance to the observed one is z √(p (1 − p) / n)."""
    count = data.draw(st.integers(0, of))
    low, high = share_interval(count, of)
    assert 0 <= low <= count / of <= high <= 1
    for end in (low, high):
        if 0 < end < 1:
            assert abs(count / of - end) == pytest.approx(1.959963985 * np.sqrt(end * (1 - end) / of), abs=1e-9)


def test_wilson_agrees_with_scipy():
    from scipy.stats import binomtest

    for count, of in ((0, 10), (3, 10), (93, 100), (100, 100)):
        peer = binomtest(count, of).proportion_ci(method="wilson")
        assert share_interval(count, of) == pytest.approx((peer.low, peer.high), abs=1e-12)


def test_the_interval_of_a_median_covers_it_as_often_as_it_says():
    rng = np.random.default_rng(0)
    for n in (6, 11, 30, 101):
        covered = [
            low <= np.log(2) <= high for low, high in (median_interval(rng.exponential(size=n)) for _ in range(2000))
        ]
        assert np.mean(covered) > 0.94


def test_few_values_give_their_ends():
    assert median_interval([3.0, 1.0, 2.0]) == (1.0, 3.0)


def test_no_share_gets_a_sentence():
    for count, of in ((1, 0), (-1, 5), (6, 5)):
        with pytest.raises(BadInput, match="no share"):
            share_interval(count, of)
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
