"""Stretches are as long as somebody is willing to wait, and not so short that beginning them is all that is done."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deltarule.training.chunk_size import MAX_SECONDS, STRETCH_SECONDS, Pace


def after(fixed: float, each: float, stretches: int = 40, noise: float = 0.0, first: float = 0.0) -> tuple[Pace, float]:
    """A pace that has learned from stretches, and the share of the time that went into updates at the end."""
    random, pace, spent, useful = np.random.default_rng(0), Pace(), 0.0, 0.0
    for place in range(stretches):
        n = pace.steps
        taken = (fixed + each * n) * float(np.exp(noise * random.normal()))
        pace.learn(n, taken + (first if place == 0 else 0.0))
        if place >= stretches // 2:
            spent, useful = spent + fixed + each * n, useful + each * n
    return pace, useful / spent


@pytest.mark.slow
@given(each=st.floats(1e-6, STRETCH_SECONDS / 2))
def test_without_anything_fixed_a_stretch_takes_what_it_may(each: float) -> None:
    """And now and then twice that, to see whether something is."""
    steps = [after(0.0, each, stretches)[0].steps for stretches in range(40, 60)]
    assert STRETCH_SECONDS / 2 <= np.median(steps) * each <= 1.01 * STRETCH_SECONDS
    assert max(steps) * each <= 2.02 * STRETCH_SECONDS


@given(fixed=st.floats(0.15, 3.0), each=st.floats(1e-4, 0.05))
def test_what_is_fixed_takes_half_of_a_stretch_at_most(fixed: float, each: float) -> None:
    """It took nearly all: one update a stretch was as many as seemed to fit, and never more."""
    _, share = after(fixed, each)
    assert share >= 0.4


@pytest.mark.parametrize("first", [0.0, 3.0, 20.0])
def test_neither_a_slow_start_nor_a_busy_machine_stops_it(first: float) -> None:
    _, share = after(0.3, 1e-3, stretches=80, noise=0.3, first=first)
    assert share >= 0.3


@given(each=st.floats(MAX_SECONDS, 100.0))
def test_updates_that_take_long_are_made_one_at_a_time(each: float) -> None:
    """But for the second time, to see whether two take longer at all."""
    pace, steps = Pace(), [1]
    for _ in range(20):
        pace.learn(pace.steps, each * pace.steps)
        steps.append(pace.steps)
    assert steps == [1, 2] + 19 * [1]


@given(fixed=st.floats(0.0, 0.1), each=st.floats(1e-6, 1e-3), slower=st.floats(3.0, 100.0))
def test_what_becomes_slower_is_noticed_at_once(fixed: float, each: float, slower: float) -> None:
    """Else nobody hears Ctrl-C for a while, where another program takes the processors."""
    pace, _ = after(fixed, each)
    seconds = []
    for _ in range(12):
        seconds.append(fixed + slower * each * pace.steps)
        pace.learn(pace.steps, seconds[-1])
    assert np.median(seconds[1:]) <= 3 * STRETCH_SECONDS
    assert sum(one > 5 * STRETCH_SECONDS for one in seconds[1:]) <= 2


def test_a_stretch_cut_short_by_an_event_teaches_nothing() -> None:
    pace = Pace()
    pace.steps = 100
    with pace.measure(3):
        pass
    assert pace.steps == 100
