"""Networks that train with the right derivative beside networks that train with a typed one, from the same weights.

A population has each network twice: its first half trains with the right derivative, its second half with yours. Both
compute the same activations, so that only their updates differ.

K members
"""

from dataclasses import replace
from typing import Any

import numpy as np

from deltarule.engines.base import Engine, Trace
from deltarule.maths.activations import Activation
from deltarule.playground.custom_formulas import PRESETS, read_formula, read_pair, with_formulas
from deltarule.playground.past import Present, advance
from deltarule.problem.problem import Floats, Problem
from deltarule.problem.state import State

SIDES = ("right", "yours")
PARTED = 0.01
"""The difference of two objectives, as a share of the larger, from which two trainings have parted."""


def right_activation(function: str) -> Activation:
    """A typed function with its right derivative: that of an example, or central differences."""
    for known, derivative in PRESETS["activation"].values():
        if known.replace(" ", "") == function.replace(" ", ""):
            pair = read_pair("activation", function, derivative)
            assert isinstance(pair, Activation)
            return pair
    f = read_formula(function, ("z",))

    def differences(z: Any, a: Any) -> Any:
        step = float(np.cbrt(np.finfo(z.dtype).eps))
        return (f(z + step) - f(z - step)) / (2 * step)

    return Activation("yours", f, differences)


def other_side(member: int, members: int) -> int:
    """The member with the same first weights and the other derivative."""
    return (member + members // 2) % members


class SideBySideEngine(Engine):
    """An engine that advances the first half of the members with the right activation."""

    def __init__(self, engine: Engine, right: Activation) -> None:
        self.engine = engine
        self.right = right
        self.name = engine.name
        self._problems: tuple[Problem, Problem] | None = None

    def problem_of(self, problem: Problem, member: int) -> Problem:
        """The problem that a member trains on."""
        if member >= problem.members // 2:
            return problem
        if self._problems is None or self._problems[0] is not problem:
            self._problems = problem, with_formulas(problem, {"activation": self.right})
        return self._problems[1]

    def advance(self, problem: Problem, state: State, n: int) -> tuple[State, Trace]:
        is_yours = state.members >= problem.members // 2
        objective = np.zeros((n, len(state.members)), problem.dtype)
        bad = np.full(len(state.members), -1)
        after = replace(state, step=state.step + n)
        for side in (~is_yours, is_yours):
            chosen = np.flatnonzero(side)
            if not len(chosen):
                continue
            own = self.problem_of(problem, int(state.members[chosen[0]]))
            part, trace = self.engine.advance(own, state.take(chosen), n)
            objective[:, chosen] = trace.objective
            bad[chosen] = trace.bad
            after = after.put(chosen, part)
        return after, Trace(objective, bad)

    def outputs(self, problem: Problem, state: State, x: Floats) -> tuple[Floats, Floats]:
        return self.engine.outputs(problem, state, x)


def first_parting(moment: Present, member: int, engine: SideBySideEngine) -> int | None:
    """The first update after which a member and its other side have parted, None if they have not."""
    pair = np.sort([member, other_side(member, moment.problem.members)])
    before = 0
    for point in list(moment.past.points):
        if _have_parted(point.values["objective"][pair]):
            break
        before = point.step
    else:
        return None
    problem, state = moment.past.at(before, pair, engine)
    while state.step < moment.state.step:
        state, _ = advance(engine, problem, state, 1, moment.locked)
        if _have_parted(replace(moment, problem=problem, state=state).evaluate()["objective"]):
            break
    return state.step


def _have_parted(objectives: Floats) -> bool:
    """Whether two objectives differ, or only one is finite."""
    first, second = map(float, objectives)
    if not np.isfinite([first, second]).all():
        return bool(np.isfinite(first) != np.isfinite(second))
    return abs(first - second) > PARTED * max(abs(first), abs(second))
