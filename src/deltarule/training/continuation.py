"""Where a training begins: at given arrays, or where another one ended.

K members of the problem
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deltarule.errors import BadInput
from deltarule.problem.problem import Floats, Integers, Problem
from deltarule.problem.state import State
from deltarule.training.loop import Reason, TrainingLoop
from deltarule.training.options import StopRules

DECIDED_BY = {
    Reason.THRESHOLD: ("threshold", "times", "metric"),
    Reason.TOLERANCE: ("tolerance",),
    Reason.PATIENCE: ("patience", "metric"),
}
"""The stop rules for which a member ends, by the reason."""


@dataclass(frozen=True, eq=False)
class Continuation:
    """What a training has come to, from which another one continues.

    state          of all members, each after its last update (patience restores others); `steps` [K] are their updates
    reasons [K]    why members ended; `Reason.NONE` for those that still trained
    memory         what the rules know of each member, [K, …] by rule and name
    stop           the stop rules, and the validation rows that patience follows
    """

    state: State
    steps: Integers
    reasons: NDArray[np.int8]
    memory: Mapping[str, NDArray[Any]]
    stop: StopRules
    validation: tuple[Floats, Floats] | None

    def take(self, chosen: Integers) -> "Continuation":
        """The continuation of the members with the indices `chosen`, renumbered from 0."""
        return replace(
            self,
            state=renumbered(self.state.take(chosen)),
            steps=self.steps[chosen],
            reasons=self.reasons[chosen],
            memory={name: array[chosen] for name, array in self.memory.items()},
            stop=self.stop.take(chosen),
        )

    def resume(
        self,
        loop: TrainingLoop,
        stop: StopRules,
        validation: tuple[Floats, Floats] | None,
        is_same_problem: bool = True,
    ) -> None:
        """Continue in a new loop, perhaps with other stop rules or another problem.

        A member stays ended, and a rule keeps its memory of it, if the rule and the problem are the same.
        """
        problem = loop.problem
        reasons = self.reasons.copy()
        is_kept = {}
        for reason, names in DECIDED_BY.items():
            is_kept[reason] = np.full(problem.members, is_same_problem)
            for name in names:
                is_kept[reason] &= self.stop.of_members(name, problem) == stop.of_members(name, problem)
        is_kept[Reason.PATIENCE] &= (self.validation is None) == (validation is None)
        is_kept[Reason.PATIENCE] &= all(map(np.array_equal, self.validation or (), validation or ()))
        is_freed = np.full(problem.members, not is_same_problem)
        for reason, is_kept_by in is_kept.items():
            is_freed |= (reasons == reason) & ~is_kept_by
        is_open = is_freed | (reasons == Reason.NONE) | (reasons == Reason.MAX_STEPS)
        limits = stop.limits(problem)
        check_limits(limits[is_open], self.steps[is_open])
        reasons[is_open] = np.where(self.steps < limits, Reason.NONE, Reason.MAX_STEPS)[is_open]
        for rule in loop.rules:
            is_known = is_kept.get(rule.reason, True) & ~is_freed
            for name, array in rule.memory().items():
                if name in self.memory:
                    array[is_known] = self.memory[name][is_known]
        loop.resume(self.state, self.steps, reasons)


def check_limits(limits: Integers, steps: int | Integers) -> None:
    """Check that no limit is below the steps that a member has made already."""
    if (limits < steps).any():
        index = np.flatnonzero(limits < steps)[0]
        made = np.broadcast_to(steps, limits.shape)[index]
        raise BadInput(
            f"the limit is {limits[index]:,} steps and the start has made {made:,}; the limit counts from the first "
            "update of all, give a higher one"
        )


def check_fit(start: Problem, problem: Problem) -> None:
    """Check that a state of one problem can be continued in another."""

    def form(problem: Problem) -> tuple[Any, ...]:
        network = problem.network
        return problem.members, network.entries, network.buffers, problem.dtype, problem.optimizer.name

    if form(start) != form(problem):
        had, has = (
            f"{each.members:,} × {each.network!r} by {each.optimizer.name} in {each.dtype}" for each in (start, problem)
        )
        raise BadInput(f"start has {had} and the problem {has}; make them equal, or give arrays by name")


def renumbered(state: State) -> State:
    return replace(state, members=np.arange(len(state.members)))
