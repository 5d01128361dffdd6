"""Chunks are as long as Ctrl-C may wait, and not so short that starting them takes most of the time."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deltarule.training.loop import CHUNK_SECONDS, MAX_SECONDS, ChunkSizer


def after(
    fixed: float, each: float, chunks: int = 40, noise: float = 0.0, first: float = 0.0
) -> tuple[ChunkSizer, float]:
    """A sizer that has learned from chunks, and the share of the time that went into updates at the end."""
    random, sizer, spent, useful = np.random.default_rng(0), ChunkSizer(), 0.0, 0.0
    for index in range(chunks):
        n = sizer.updates
        taken = (fixed + each * n) * float(np.exp(noise * random.normal()))
        sizer.learn(n, taken + (first if index == 0 else 0.0))
        if index >= chunks // 2:
            spent, useful = spent + fixed + each * n, useful + each * n
    return sizer, useful / spent


@pytest.mark.slow
@given(each=st.floats(1e-6, CHUNK_SECONDS / 2))
def test_chunks_without_fixed_cost_take_the_allowed_time(each: float) -> None:
    """And now and then twice that, to see whether something is."""
    steps = [after(0.0, each, chunks)[0].updates for chunks in range(40, 60)]
    assert CHUNK_SECONDS / 2 <= np.median(steps) * each <= 1.01 * CHUNK_SECONDS
    assert max(steps) * each <= 2.02 * CHUNK_SECONDS


@given(fixed=st.floats(0.15, 3.0), each=st.floats(1e-4, 0.05))
def test_fixed_cost_takes_at_most_half_of_a_chunk(fixed: float, each: float) -> None:
    """It took nearly all: one update per chunk seemed all that fits."""
    _, share = after(fixed, each)
    assert share >= 0.4


@pytest.mark.parametrize("first", [0.0, 3.0, 20.0])
def test_slow_start_and_noise_do_not_keep_chunks_short(first: float) -> None:
    _, share = after(0.3, 1e-3, chunks=80, noise=0.3, first=first)
    assert share >= 0.3


@given(each=st.floats(MAX_SECONDS, 100.0))
def test_long_updates_are_made_one_at_a_time(each: float) -> None:
    """But for the second time, to see whether two take longer at all."""
    sizer, steps = ChunkSizer(), [1]
    for _ in range(20):
        sizer.learn(sizer.updates, each * sizer.updates)
        steps.append(sizer.updates)
    assert steps == [1, 2] + 19 * [1]


@given(fixed=st.floats(0.0, 0.1), each=st.floats(1e-6, 1e-3), slower=st.floats(3.0, 100.0))
def test_slower_updates_are_noticed_at_once(fixed: float, each: float, slower: float) -> None:
    """Else nobody hears Ctrl-C for a while, where another program takes the processors."""
    sizer, _ = after(fixed, each)
    seconds = []
    for _ in range(12):
        seconds.append(fixed + slower * each * sizer.updates)
        sizer.learn(sizer.updates, seconds[-1])
    assert np.median(seconds[1:]) <= 3 * CHUNK_SECONDS
    assert sum(one > 5 * CHUNK_SECONDS for one in seconds[1:]) <= 2


def test_a_chunk_cut_short_by_an_event_is_ignored() -> None:
    sizer = ChunkSizer()
    sizer.updates = 100
    with sizer.measure(3):
        pass
    assert sizer.updates == 100
