"""Evaluate objective and metrics at intervals and store them as the history.

T history points · K members · N rows · C outputs · L layers
"""

from bisect import bisect_left
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deltarule.engines.base import Engine
from deltarule.errors import BadInput, count_of, short_repr
from deltarule.problem import validation as checks
from deltarule.problem.problem import Floats, Integers, Problem
from deltarule.problem.state import State
from deltarule.stats import metrics
from deltarule.training.moment import Moment


@dataclass(frozen=True)
class EvaluationSchedule:
    """What the history holds beside the objective, and how often.

    `every` is in updates, 0 for no history. Metrics are those of training and validation rows, outputs those of every
    training row; `gradients` stands for the norms of the arrays' gradients over all rows, in training mode.
    """

    every: int
    metrics: tuple[str, ...] = ()
    outputs: bool = False
    gradients: bool = False


@dataclass(eq=False)
class History:
    """The evaluations of a training; NaN where a member was not evaluated at a step.

    steps [T]; objective [T, K], over all training rows with dropout off; metrics and validation (by name) [T, K];
    outputs [T, K, N, C]; gradients (by array name) [T, K].
    """

    steps: list[int] = field(default_factory=list)
    values: dict[str, list[NDArray[Any]]] = field(default_factory=dict)

    def series(self, name: str) -> Floats:
        """Return a series by name, such as "objective" or "validation accuracy".

        Raises `BadInput` for a name that is not among `names`.
        """
        if name not in self.values:
            raise BadInput(
                f"the history has no series {short_repr(name)}; it has: {', '.join(self.names) or 'none'}; "
                "metrics, outputs and gradients of train add others"
            )
        return np.stack(self.values[name])

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the series."""
        return tuple(self.values)

    @property
    def objective(self) -> Floats:
        """The objective over all training rows at each history point, [T, K]."""
        return self.series("objective")

    def add(self, step: int, members: Integers, seen: dict[str, Floats], total: int) -> None:
        """Add the values of some of `total` members at a step."""
        index = bisect_left(self.steps, step)
        if self.steps[index : index + 1] != [step]:
            self.steps.insert(index, step)
            for rows in self.values.values():
                rows.insert(index, np.full_like(rows[0], np.nan))
        for name, value in seen.items():
            if name not in self.values:
                empty = np.full((total, *value.shape[1:]), np.nan, value.dtype)
                self.values[name] = [empty.copy() for _ in self.steps]
            self.values[name][index][members] = value

    def take(self, chosen: Any) -> "History":
        """Return the history of some members, chosen as in `Run.take`."""
        indices = {name: checks.member_indices(chosen, len(rows[0])) for name, rows in self.values.items()}
        taken = {name: [row[indices[name]] for row in rows] for name, rows in self.values.items()}
        return History(list(self.steps), taken)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return the series and their steps as arrays, for a file."""
        stacked = {f"history {name}": np.stack(rows) for name, rows in self.values.items()}
        return {"history steps": np.array(self.steps, np.int64), **stacked}

    @classmethod
    def from_arrays(cls, arrays: dict[str, NDArray[Any]]) -> "History":
        """Return the history in the arrays of a file: the inverse of `arrays`."""
        series = {name.removeprefix("history "): rows for name, rows in arrays.items() if name.startswith("history ")}
        return cls(series.pop("steps").tolist(), {name: list(rows) for name, rows in series.items()})

    def __repr__(self) -> str:
        members = len(next(iter(self.values.values()))[0]) if self.steps else 0
        names = ", ".join(self.names) or "nothing"
        span = f", updates {self.steps[0]:,} to {self.steps[-1]:,}" if self.steps else ""
        return f"History of {count_of(len(self.steps), 'point')} of {count_of(members, 'member')}{span}: {names}"


def evaluate(
    problem: Problem,
    engine: Engine,
    state: State,
    schedule: EvaluationSchedule,
    validation: tuple[Floats, Floats] | None,
) -> dict[str, Floats]:
    metric_values = {name: metrics.find(name).value for name in schedule.metrics}
    values = engine.evaluate(problem, state, None, metric_values)
    moment = Moment(problem, engine, state) if schedule.outputs or schedule.gradients else None
    if moment is not None and schedule.outputs:
        values["outputs"] = moment.outputs
    if moment is not None and schedule.gradients:
        values |= {f"gradient {name}": norm for name, norm in moment.gradient_norms.items()}
    if validation is not None:
        on_validation = engine.evaluate(problem, state, validation, metric_values)
        values |= {f"validation {name}": value for name, value in on_validation.items()}
    return values
