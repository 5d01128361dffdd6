import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from deltarule.engines.reference import ReferenceEngine
from deltarule.playground import past as past_module
from deltarule.playground.past import FIRST_POINTS, MAX_POINTS, Past
from deltarule.problem.create import create_problem
from deltarule.problem.network import Network
from deltarule.problem.state import initial_state

PROBLEM = create_problem(Network([1, 2, 1], "tanh"), [[0.5], [1.0]], [0.0, 1.0], learning_rate=0.1, seeds=range(3))
ENGINE = ReferenceEngine()


def played(chunks):
    """A past after chunks of updates, and all its states by step."""
    state = initial_state(PROBLEM)
    past, states = Past(PROBLEM, state), {0: state}
    past.add_point(0, {"objective": np.zeros(3)})
    for chunk in chunks:
        while chunk:
            count = min(chunk, past.next_point(state.step) - state.step)
            state, _ = ENGINE.advance(PROBLEM, state, count)
            chunk -= count
            states[state.step] = state
            past.add_snapshot(PROBLEM, state)
            if state.step % past.interval == 0:
                past.add_point(state.step, {"objective": np.full(3, float(state.step))})
    return past, states


@given(st.lists(st.integers(1, 400), min_size=1, max_size=4), st.data())
def test_past_states_are_exact(chunks, data):
    past, states = played(chunks)
    step = data.draw(st.sampled_from(sorted(states)))
    _, state = past.at(step, np.array([1]), ENGINE)
    np.testing.assert_array_equal(state.theta, states[step].theta[[1]])
    assert state.step == step


def test_points_are_thinned():
    past, _ = played([1500])
    steps, curves, _ = past.curves(np.array([0]))
    assert len(steps) <= MAX_POINTS and steps[:FIRST_POINTS] == list(range(FIRST_POINTS))
    assert np.diff(steps).max() <= 2 * past.interval
    assert curves["objective"][:, 0].tolist() == steps


def test_snapshot_memory(monkeypatch):
    monkeypatch.setattr(past_module, "MAX_SNAPSHOT_BYTES", 5_000)
    past, states = played([700])
    assert sum(one.state.theta.nbytes for one in past._snapshots) <= 2 * 5_000
    step = sorted(states)[-2]
    np.testing.assert_array_equal(past.at(step, np.arange(3), ENGINE)[1].theta, states[step].theta)
