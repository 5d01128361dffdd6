"""The past of a training run: its curves, and snapshots to train again from.

Of too many points or snapshots every other one is dropped: an hour of training needs no more memory than a minute.

T points · K members
"""

from collections.abc import Mapping
from copy import copy
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from deltarule.data.dataset import Dataset
from deltarule.engines.base import Engine
from deltarule.engines.reference import ReferenceEngine
from deltarule.playground.settings import SOLVED_AT
from deltarule.problem.problem import Floats, Integers, Problem
from deltarule.problem.recipe_sections import Criterion
from deltarule.problem.state import State
from deltarule.recipes import Recipe
from deltarule.training.history import Recorded, evaluate
from deltarule.training.populations import metrics_of

MAX_POINTS = 300
"""The largest number of points of a curve, which is some 300 pixels wide."""
FIRST_POINTS = 60
"""The number of points at the beginning, where most happens, that are never dropped."""
QUANTILES = (0.1, 0.5, 0.9)
MAX_SNAPSHOT_BYTES = 128 * 2**20
"""Memory of the snapshots; with more, every other one is dropped, and going back computes more updates again."""


def advance(
    engine: Engine, problem: Problem, state: State, count: int, locked: tuple[int, ...]
) -> tuple[State, Integers]:
    """Train all but some entries of θ; returns also the step at which each member diverged, or −1."""
    if not locked:
        state, trace = engine.advance(problem, state, count)
        return state, trace.bad
    places = np.array(locked)
    diverged = np.full(len(state.members), -1)
    for _ in range(count):
        after, trace = engine.advance(problem, state, 1)
        theta = after.theta.copy()
        theta[:, places] = state.theta[:, places]
        state = replace(after, theta=theta)
        diverged = np.where(diverged < 0, trace.bad, diverged)
    return state, diverged


@dataclass(frozen=True, eq=False)
class Snapshot:
    """A state and the problem that was trained from it."""

    problem: Problem
    state: State
    is_change: bool = False
    locked: tuple[int, ...] = ()


class Point(NamedTuple):
    """A point of the curves: values {name: [K]} and quantiles of the objective."""

    step: int
    values: Mapping[str, Floats]
    band: Floats


class Past:
    """The curves, with a point every `interval` updates, and snapshots of one training; the steps of its `changes`."""

    def __init__(self, problem: Problem, state: State) -> None:
        self.interval = 1
        self.points: list[Point] = []
        self.changes: list[int] = []
        self._snapshots = [Snapshot(problem, state, is_change=True)]
        self._snapshot_interval = 1

    def curves(self, members: Integers) -> tuple[list[int], dict[str, Floats], Floats]:
        """The steps [T], the members' curves {name: [T, K]} and the bands [T, 3]."""
        points = list(self.points)
        curves = {name: np.stack([point.values[name][members] for point in points]) for name in points[0].values}
        return [point.step for point in points], curves, np.stack([point.band for point in points])

    def recorded(self, step: int) -> Mapping[str, Floats]:
        """The values of the last point up to a step."""
        return next(point.values for point in reversed(self.points) if point.step <= max(step, 0))

    def next_point(self, step: int) -> int:
        return (step // self.interval + 1) * self.interval

    def add_point(self, step: int, values: Mapping[str, Floats]) -> None:
        with np.errstate(invalid="ignore"):  # from members that are no longer finite
            band = np.quantile(values["objective"], QUANTILES)
        before = [point for point in self.points if point.step < step]  # a frame may be drawn meanwhile
        self.points = [*before, Point(step, values, band)]
        if len(self.points) > MAX_POINTS:
            self.interval *= 2
            self.points = self.points[:FIRST_POINTS] + self.points[FIRST_POINTS::2]

    def add_snapshot(self, problem: Problem, state: State) -> None:
        """Store a snapshot if one is due and thin them out if there are too many."""
        if state.step % self._snapshot_interval or self._snapshots[-1].state.step == state.step:
            return
        self._snapshots.append(Snapshot(problem, state, locked=self._snapshots[-1].locked))
        size = sum(array.nbytes for array in (state.theta, state.buffers, *state.slots.values()))
        if len(self._snapshots) > max(8, min(MAX_POINTS, MAX_SNAPSHOT_BYTES / max(size, 1))):
            self._snapshot_interval *= 2
            self._snapshots = [
                one for one in self._snapshots if one.is_change or one.state.step % self._snapshot_interval == 0
            ]

    def add_change(self, problem: Problem, state: State, locked: tuple[int, ...]) -> None:
        """Store a state from which another problem, or with other locks, is trained."""
        self.changes.append(state.step)
        if self._snapshots[-1].state.step == state.step:  # nothing was trained with the previous settings
            self._snapshots.pop()
        self._snapshots.append(Snapshot(problem, state, is_change=True, locked=locked))

    def restart(self, moment: "Present") -> "Present":
        """The moment of the last change, with a past of its own."""
        again = copy(self)
        index = max(index for index, snapshot in enumerate(self._snapshots) if snapshot.is_change)
        again._snapshots = self._snapshots[: index + 1]
        start = self._snapshots[index].state
        again.points = [point for point in self.points if point.step <= start.step]
        return replace(moment, state=start, past=again)

    def at(self, step: int, members: Integers, engine: Engine) -> tuple[Problem, State]:
        """Recompute the problem and the state of some members after `step` updates."""
        before = [one for one in list(self._snapshots) if one.state.step <= max(step, 0)]
        problem = before[-1].problem
        state = before[-1].state.take(members)
        locked = before[-1].locked
        if step > state.step:
            state, _ = advance(engine, problem, state, step - state.step, locked)
        return problem, state


@dataclass(frozen=True, eq=False)
class Present:
    """The current population and its state: immutable, so that drawing needs no lock.

    values   objective and metric of every member, {name: [K]}, on training rows; "validation …" on test rows. They are
             those of the last point of the curves, which may be some updates ago.
    past     curves and snapshots of the same members; the only field that grows.
    version  changes with the settings.
    edits    of weights: step, member, place in θ, value and whether it is locked, as the page's address has them.
    locked   places in θ that keep their numbers, in every member.
    """

    recipe: Recipe
    dataset: Dataset
    problem: Problem
    state: State
    values: Mapping[str, Floats]
    past: Past
    version: int
    locked: tuple[int, ...] = ()
    edits: tuple[tuple[Any, ...], ...] = ()

    def catch_up(self, moment: "Present", engine: Engine) -> "Present":
        """Train to the step of a moment, with the same points of the curves."""
        again = self
        points = {point.step for point in list(moment.past.points) if point.step > self.state.step}
        for step in sorted(points | {moment.state.step}):
            count = step - again.state.step
            state, _ = advance(engine, self.problem, again.state, count, self.locked)
            again = replace(again, state=state)
            again = replace(again, values=again.evaluate(engine))
            self.past.add_snapshot(self.problem, again.state)
            if step in points:
                self.past.add_point(step, again.values)
        self.past.interval = moment.past.interval
        return again

    def evaluate(self, engine: Engine | None = None) -> dict[str, Floats]:
        """Objective and metric of each member, {name: [K]}, by NumPy without an engine."""
        held_out = self.dataset.test or self.dataset.validation
        rows = None if held_out is None else (held_out.x, self.dataset.encode(held_out, self.problem.network.outputs))
        return evaluate(self.problem, engine or ReferenceEngine(), self.state, Recorded((self.score,)), rows)

    @property
    def criterion(self) -> Criterion:
        """What a member that has solved its task meets."""
        usual = metrics_of(self.dataset)[0]
        return self.recipe.configuration.study.criterion or Criterion(name=usual, at_least=SOLVED_AT[usual])

    @property
    def score(self) -> str:
        """The name of the metric by which members are judged."""
        return self.criterion.name

    @property
    def is_solved(self) -> NDArray[np.bool_]:
        """Whether each member has solved its task, [K]."""
        criterion = self.criterion
        name = self.score if criterion.part == "train" else f"validation {self.score}"
        unknown = np.full(len(self.state.members), np.nan)  # a criterion on test rows that there are not
        return np.asarray(criterion.is_met(self.values.get(name, unknown)))
