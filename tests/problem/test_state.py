from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deltarule.maths.initializers import INITIALIZERS
from deltarule.maths.network import views
from deltarule.maths.optimizers import OPTIMIZERS
from deltarule.problem import state as states
from deltarule.problem.create import create_problem
from deltarule.problem.network import Network
from deltarule.problem.problem import Problem
from deltarule.problem.state import State, initial_state

SEEDS = st.lists(st.integers(0, 2**64 - 1), min_size=1, max_size=4)


def make(network: Network, **given: Any) -> Problem:
    return create_problem(network, np.zeros((2, network.inputs)), np.zeros((2, network.outputs)), **given)


def arrays(state: State) -> dict[str, np.ndarray]:
    named = {name: getattr(state, name) for name in ("theta", "buffers", "factor", "members")}
    return named | {f"slot {name}": slot for name, slot in state.slots.items()}


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_initial_state_has_correct_shapes_dtypes_and_values(optimizer: str, dtype: str) -> None:
    problem = make(Network([2, 3, 1], batch_norm=True), optimizer=optimizer, dtype=dtype, seeds=range(4))
    state = initial_state(problem)
    assert state.theta.shape == (4, 6 + 3 + 6 + 3 + 1) and state.theta.dtype == dtype
    assert tuple(state.slots) == OPTIMIZERS[optimizer].slots
    for slot in state.slots.values():
        assert slot.shape == state.theta.shape and slot.dtype == dtype and not slot.any()
    assert state.buffers.shape == (4, 6) and state.buffers.dtype == dtype
    assert state.factor.tolist() == [1, 1, 1, 1] and state.members.tolist() == [0, 1, 2, 3] and state.step == 0
    named = views(state.theta, problem.network.entries)
    assert (named["gamma1"] == 1).all() and not named["beta1"].any()
    assert initial_state(make(Network([2, 3, 1]), seeds=range(4))).buffers.shape == (4, 0)
    running = views(state.buffers, problem.network.buffers)
    assert not running["mean1"].any() and (running["variance1"] == 1).all()


@pytest.mark.parametrize("name", INITIALIZERS)
@given(SEEDS, st.floats(0, 4))
def test_weights_are_those_of_the_law_for_the_members_seed(name: str, seeds: list[int], scale: float) -> None:
    problem = make(Network([2, 3, 1], initializer={"name": name, "biases": "same"}), seeds=seeds, initial_scale=scale)
    named = views(initial_state(problem).theta, problem.network.entries)
    law = problem.network.initializers[0]
    for k, seed in enumerate(seeds):
        own = np.array([seed], np.uint64)
        for layer in (one for one in problem.network.layers if one.symbol == "z"):
            given = layer.number, layer.inputs, layer.units
            assert np.array_equal(named[f"W{layer.number}"][k], scale * law.weights(own, *given)[0])
            assert np.array_equal(named[f"b{layer.number}"][k], scale * law.bias(own, *given)[0])


def test_members_that_are_drawn_in_several_pieces_are_those_drawn_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(states, "MAX_NUMBERS_DRAWN_AT_ONCE", 10)  # three members
    scales = np.arange(1.0, 9)
    together = initial_state(make(Network([2, 1]), seeds=range(8), initial_scale=scales))
    for k, scale in enumerate(scales):
        alone = initial_state(make(Network([2, 1]), seeds=[k], initial_scale=scale))
        assert np.array_equal(together.theta[k], alone.theta[0])


def test_neither_data_nor_batch_norm_nor_other_members_change_initial_weights() -> None:
    plain = initial_state(make(Network([2, 3, 1]), seeds=[5, 6]))
    for other in (
        make(Network([2, 3, 1], batch_norm=True), seeds=[6]),
        make(Network([2, 3, 1]), seeds=[6], optimizer="adam", data_seeds=9, batch_size=1, dropout=0.5),
    ):
        named = views(initial_state(other).theta, other.network.entries)
        expected = views(plain.theta, make(Network([2, 3, 1])).network.entries)
        for name in ("W1", "b1", "W2", "b2"):
            assert np.array_equal(named[name][0], expected[name][1])


@given(st.integers(1, 5), st.data())
def test_put_changes_only_the_chosen_members_and_take_copies(K: int, data: st.DataObject) -> None:
    state = initial_state(make(Network([2, 2, 1], batch_norm=True), seeds=range(K), optimizer="adam"))
    before = {name: array.copy() for name, array in arrays(state).items()}
    chosen = np.array(data.draw(st.lists(st.integers(0, K - 1), unique=True, max_size=K)), int)
    part = state.take(chosen)
    for name, array in arrays(part).items():
        if name != "members":
            array += 7
    after = state.put(chosen, replace(part, step=7))
    assert (state.step, after.step) == (0, 7)
    others = np.setdiff1d(np.arange(K), chosen)
    for name, array in arrays(after).items():
        added = 0 if name == "members" else 7
        assert np.array_equal(array[chosen], before[name][chosen] + added)
        assert np.array_equal(array[others], before[name][others])
    for name, array in arrays(state).items():
        assert np.array_equal(array, before[name])
