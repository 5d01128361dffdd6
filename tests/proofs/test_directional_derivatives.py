from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from deltarule.engines.reference import forward_pass, objective_and_gradient
from deltarule.problem.batches import batch
from deltarule.problem.create import create_problem
from deltarule.problem.network import Network
from deltarule.problem.problem import Problem
from deltarule.problem.state import initial_state
from deltarule.proofs.directional_derivatives import DIRECTIONS, lines_through, members_on_kinks

RANDOM = np.random.default_rng(0)
X, Y = RANDOM.normal(size=(7, 3)), RANDOM.normal(size=(7, 2))


def problem_of(**options: object) -> Problem:
    return create_problem(Network([3, 4, 2], "tanh"), X, Y, **options)  # type: ignore[arg-type]


@pytest.mark.parametrize("t", [0.25, 1e-3j])
def test_a_line_is_the_objective_with_one_entry_moved(t: complex) -> None:
    # Members with rows of their own, in different numbers, with dropout, in the middle of an epoch.
    problem = problem_of(rows=[[0, 1, 2], [3, 4, 5, 6, 6], [6, 5, 4]], dropout=0.4, batch_size=2, seeds=[1, 2, 3])
    state = replace(initial_state(problem), step=3)
    lines = lines_through(problem, state, 10**6)
    chosen = RANDOM.permutation(len(lines.entry))
    found = lines.along(chosen, np.full(len(chosen), t))
    for line, value in list(zip(chosen, found, strict=True))[:40]:
        member = lines.member[line]
        moved = state.take(np.array([member]))
        theta = moved.theta.astype(np.result_type(t, float))
        theta[0, lines.entry[line]] += t
        moved = replace(moved, theta=theta)
        assert value == objective_and_gradient(problem, moved, batch(problem, moved.members, 3)).objective[0]


def test_a_sample_takes_all_arrays_and_adds_directions() -> None:
    problem = create_problem(Network([50, 20, 10, 3]), np.ones((2, 50)), np.ones((2, 3)), seeds=[1, 2])
    lines = lines_through(problem, initial_state(problem), 400)
    for member in range(2):
        entries = lines.entry[(lines.member == member) & (lines.entry >= 0)]
        assert len(set(entries)) == len(entries) == 200
        taken = {e.name: ((entries >= e.start) & (entries < e.stop)).sum() for e in problem.network.entries}
        assert taken == {"W1": 69, "b1": 20, "W2": 68, "b2": 10, "W3": 30, "b3": 3}
        assert (lines.entry[lines.member == member] < 0).sum() == DIRECTIONS
    assert set(np.unique(lines.signs)) == {-1, 1}
    assert np.abs(lines.signs @ lines.signs.T - len(lines.signs[0]) * np.eye(DIRECTIONS)).max() < 200


def test_a_direction_moves_every_entry() -> None:
    problem = problem_of()
    state = initial_state(problem)
    lines = lines_through(problem, state, 10)
    directions = np.flatnonzero(lines.entry < 0)
    found = lines.along(directions, np.full(len(directions), 0.5))
    for line, value in zip(directions, found, strict=True):
        moved = replace(state, theta=state.theta + 0.5 * lines.signs[-1 - lines.entry[line]])
        assert value == objective_and_gradient(problem, moved, batch(problem, moved.members, 0)).objective[0]


def test_projection_is_the_slope_along_each_line() -> None:
    problem = problem_of(seeds=[1, 2])
    state = initial_state(problem)
    lines = lines_through(problem, state, 20)
    vector = RANDOM.normal(size=state.theta.shape)
    for line, found in enumerate(lines.project(vector)):
        move = np.zeros(problem.network.parameters)
        entry = lines.entry[line]
        if entry >= 0:
            move[entry] = 1
        else:
            move = lines.signs[-1 - entry]
        assert abs(found - vector[lines.member[line]] @ move) < 1e-12
        absolute = lines.project(np.abs(vector), absolute=True)[line]
        assert abs(absolute - np.abs(vector[lines.member[line]]) @ np.abs(move)) < 1e-12


def test_a_line_leaves_a_kink_only_where_it_moves_what_stands_on_it() -> None:
    # The first row is 0 and biases are 0: its pre-activations stand on the kink, and only biases move them.
    problem = create_problem(Network([2, 3, 1], "relu"), [[0, 0], [1, 2]], [1, 2])
    state = initial_state(problem)
    lines = lines_through(problem, state, 1000)
    leaving = lines.entry[lines.leaving_kinks(np.arange(len(lines.entry)))]
    b1 = next(entry for entry in problem.network.entries if entry.name == "b1")
    assert leaving.tolist() == list(range(b1.start, b1.stop))


@pytest.mark.parametrize(
    ("penalty", "on_kink"), [({}, []), ({"penalize_biases": False}, ["W1"]), ({"penalize_biases": True}, ["W1", "b1"])]
)
def test_a_weight_of_0_stands_on_a_kink_where_the_penalty_counts_it(penalty: Any, on_kink: list[str]) -> None:
    given = {"penalty": "l1", "strength": 0.1, **penalty} if penalty else {}
    problem = create_problem(Network([1, 1]), [[1]], [2], **given)
    lines = lines_through(problem, replace(initial_state(problem), theta=np.zeros((1, 2))), 1000)
    names = [entry.name for entry in problem.network.entries]
    assert [names[line] for line in np.flatnonzero(lines.leaving_kinks(np.arange(2)))] == on_kink


@pytest.mark.parametrize("units", [[1, 1, 1], [1, 1]])
@pytest.mark.parametrize(("distance", "crossing"), [(0.4, False), (-0.4, False), (-0.6, True)])
def test_a_line_crosses_a_kink_where_something_gives_its_other_side(
    units: list[int], distance: float, crossing: bool
) -> None:
    # By hand: z1 = 0.5 · 1 + 0, of a hidden unit or of the output, and b1 moves it as far as it goes itself.
    output = "identity" if len(units) == 3 else "relu"
    problem = create_problem(Network(units, "relu", output), [[1]], [2])
    theta = np.array([[0.5, 0.0, 1.0, 0.0]])[:, : problem.network.parameters]
    lines = lines_through(problem, replace(initial_state(problem), theta=theta), 1000)
    assert lines.crossing_kinks(np.array([1]), np.array([distance])).tolist() == [crossing]
    if len(units) == 3:
        assert lines.crossing_kinks(np.array([3]), np.array([distance])).tolist() == [False]


@pytest.mark.parametrize(("off", "there"), [(0.0, True), (1e-14, True), (1e-13, True), (1e-11, False)])
def test_an_error_stands_on_a_kink_within_the_rounding_of_its_prediction(off: float, there: bool) -> None:
    # p = e¹⁰ is 22,026, and its rounding as much larger than that of z = 10.
    network = Network([1, 1], output="exponential")
    problem = create_problem(network, [[10]], [np.exp(10) * (1 + off)], loss="absolute_error")
    state = replace(initial_state(problem), theta=np.array([[1.0, 0.0]]))
    rows = batch(problem, state.members, 0)
    assert members_on_kinks(problem, state, rows, forward_pass(problem, state, rows)[2]).tolist() == [there]
