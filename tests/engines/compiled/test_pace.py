"""Threads advance a network together as long as that is faster than one alone."""

import numpy as np

from deltarule import Network, create_problem
from deltarule.engines.compiled import pace as paces
from deltarule.engines.compiled.engine import CompiledEngine
from deltarule.engines.compiled.pace import Pace
from deltarule.problem.state import initial_state


def updates_by_threads(monkeypatch, seconds_of) -> dict[int, int]:
    """Make updates that take as long as `seconds_of(threads, time)` says, by a clock of our own."""
    now, counts, calls = [0.0], {1: 0, 2: 0}, []
    monkeypatch.setattr(paces.time, "perf_counter", lambda: now[0])

    def advance(done: int, count: int, threads: int) -> None:
        assert done == sum(calls)
        calls.append(count)
        counts[threads] += count
        now[0] += count * seconds_of(threads, now[0])

    Pace(2).run(10_000, advance)
    assert sum(calls) == 10_000
    return counts


def test_all_threads_are_taken_where_they_are_faster(monkeypatch) -> None:
    assert updates_by_threads(monkeypatch, lambda threads, now: 0.001 / threads)[2] > 9_900


def test_one_is_taken_where_the_others_get_no_processor(monkeypatch) -> None:
    assert updates_by_threads(monkeypatch, lambda threads, now: 0.001 if threads == 1 else 0.02)[1] > 9_900


def test_all_are_taken_again_when_the_other_work_ends(monkeypatch) -> None:
    busy = lambda threads, now: 0.001 if threads == 1 else 0.02 if now < 1 else 0.0005  # noqa: E731
    assert updates_by_threads(monkeypatch, busy)[2] > 8_000


def test_turns_change_no_bit(monkeypatch) -> None:
    monkeypatch.setattr(paces, "TURN_SECONDS", 0)  # each update is a turn of its own
    monkeypatch.setattr(paces, "TURNS_ALONE", 2)
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(600, 784)), np.eye(10)[rng.integers(0, 10, 600)]
    network = Network([784, 100, 10], "relu", "softmax")
    problem = create_problem(network, x, y, loss="cross_entropy", batch_size=32, dropout=0.1, dtype="float32")
    state = initial_state(problem)
    (own, trace), (alone, its_trace) = (CompiledEngine(threads=n).advance(problem, state, 45) for n in (2, 1))
    np.testing.assert_array_equal(own.theta, alone.theta)
    np.testing.assert_array_equal(trace.objective, its_trace.objective)
    np.testing.assert_array_equal(trace.bad, its_trace.bad)
