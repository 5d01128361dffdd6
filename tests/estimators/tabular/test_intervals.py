"""Intervals: as many targets as they name lie in them, at low and at high predictions."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from refusals import refuses

from deltarule.estimators.tabular.intervals import MAX_ERRORS, Intervals, fit_intervals

RANDOM = np.random.default_rng(0)


def shares_inside(noise: np.ndarray, predictions: np.ndarray, intervals: Intervals, parts: int = 3) -> list[float]:
    low, high = intervals.quantiles(predictions, [0.05, 0.95]).T
    targets = predictions + noise
    inside = (low <= targets) & (targets <= high)
    return [float(inside[rows].mean()) for rows in np.array_split(np.argsort(predictions), parts)]


def test_a_share_of_each_third_lies_inside() -> None:
    """The noise grows with the prediction, fivefold and more."""
    shares = []
    for _ in range(20):
        p, new = RANDOM.uniform(1, 9, 600), RANDOM.uniform(1, 9, 4000)
        intervals = fit_intervals(p + RANDOM.normal(0, p), p)
        shares.append(shares_inside(RANDOM.normal(0, new), new, intervals))
    np.testing.assert_allclose(np.mean(shares, axis=0), 0.9, atol=0.02)


def test_large_predictions_beyond_all_known_have_wide_intervals() -> None:
    p = np.exp(RANDOM.normal(size=3000))
    intervals = fit_intervals(p * np.exp(RANDOM.normal(0, 0.5, 3000)), p, floor=0.0)
    widths = np.diff(intervals.quantiles(np.array([1.0, 5.0, 50.0]), [0.05, 0.95]))[:, 0]
    assert widths[1] > 2.5 * widths[0] and widths[2] > 4 * widths[1]


def test_weights_say_which_errors_count() -> None:
    p, is_noisy = RANDOM.normal(size=2000), np.arange(2000) % 2 == 1
    noise = RANDOM.normal(size=2000) * np.where(is_noisy, 3, 0.2)
    intervals = fit_intervals(p + noise, p, np.where(is_noisy, 9.0, 1.0))
    new = RANDOM.normal(size=20_000)
    inside = shares_inside(
        RANDOM.normal(size=20_000) * np.where(RANDOM.random(20_000) < 0.9, 3, 0.2), new, intervals, 1
    )
    assert inside[0] == pytest.approx(0.9, abs=0.02)


finite = st.floats(-1e6, 1e6)


@given(st.lists(st.tuples(finite, finite), min_size=1, max_size=80), st.lists(finite, min_size=1), st.booleans())
def test_limits_are_finite_ordered_and_above_the_floor(
    rows: list[tuple[float, float]], new: list[float], has_floor: bool
) -> None:
    targets, predictions = np.array(rows).T
    intervals = fit_intervals(targets, predictions, floor=0.0 if has_floor else -np.inf)
    limits = intervals.quantiles(np.array(new), [0.01, 0.3, 0.5, 0.99])
    assert np.isfinite(limits).all() and (np.diff(limits) >= 0).all()
    assert not has_floor or limits.min() >= 0
    assert (np.diff(intervals.predictions) > 0).all() and min(intervals.sizes) > 0


def test_many_errors_are_kept_as_their_quantiles() -> None:
    intervals = fit_intervals(RANDOM.normal(size=5000), np.zeros(5000))
    assert len(intervals.errors) == MAX_ERRORS and intervals.predictions == (0.0,)


@pytest.mark.parametrize("shares", [[0.0], [1.0], [5, 95], [np.nan]])
def test_other_shares_are_refused(shares: list[float]) -> None:
    with refuses(shares, 0, 1):
        Intervals((0.0,), (0.0,), (1.0,)).quantiles(np.zeros(1), shares)
