"""The history of a training: evaluations at intervals, or the mean objectives of epochs.

T history points · K members · N rows · C outputs · L layers
"""

from bisect import bisect_left
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deltarule.engines.base import Engine
from deltarule.errors import BadInput, count_of, short_repr
from deltarule.problem import validation as checks
from deltarule.problem.problem import Floats, Integers, Problem
from deltarule.problem.state import State
from deltarule.stats import metrics
from deltarule.training.loop import NEVER
from deltarule.training.moment import Moment

EPOCH_OBJECTIVE = "epoch objective"
"""The series of means over each epoch's own batches, which cost nothing."""


@dataclass(frozen=True)
class Recorded:
    """What the history holds beside the objective.

    Metrics are those of training and validation rows; functions, by name, are those of a `Moment`.
    """

    metrics: tuple[str, ...] = ()
    functions: Mapping[str, Callable[[Moment], Any]] = field(default_factory=dict)


@dataclass(frozen=True)
class Points:
    """The steps at which something is evaluated.

    Either a member is evaluated at multiples of its interval [K], and at its limit, or all are at the ascending
    `steps`; without both nothing ever is.
    """

    intervals: Integers | None = None
    steps: Integers | None = None

    def __bool__(self) -> bool:
        return self.intervals is not None or self.steps is not None

    @cached_property
    def _distinct_intervals(self) -> Integers:
        return np.unique(np.asarray(self.intervals))

    def next_after(self, step: int) -> int:
        """Return the first step above `step`, of any member; `NEVER` if there is none."""
        if self.intervals is not None:
            return step + int((self._distinct_intervals - step % self._distinct_intervals).min())
        later = [] if self.steps is None else self.steps[self.steps > step].tolist()
        return later[0] if later else NEVER

    def are_due(self, step: int, members: Integers, limits: Integers) -> NDArray[np.bool_]:
        """Return a mask of the members for which the step is one."""
        if self.intervals is not None:
            return np.asarray((limits[members] <= step) | (step % self.intervals[members] == 0))
        return np.full(len(members), self.steps is not None and step in self.steps)

    def among(self, steps: Integers) -> NDArray[np.bool_]:
        """Return a mask of the steps that are points of all members."""
        if self.intervals is not None:
            return np.asarray(steps % self.intervals.max() == 0)
        return np.isin(steps, () if self.steps is None else self.steps)


@dataclass(eq=False)
class History:
    """The evaluations of a training; NaN where a member was not evaluated at a step.

    Parameters
    ----------
    steps : list of int
        [T], the updates after which anything was evaluated.
    values : dict of list of ndarray
        By name, a row for each step, or None where the series has none: objective [K], over all training rows with
        dropout off; epoch objective [K], the mean over an epoch's batches, each before its update and with dropout on;
        metrics and validation [K]; outputs [K, N, C]; gradients (by array name) [K]; what functions of `record` give,
        [K, …].

    Examples
    --------
    >>> from deltarule import Network, create_problem, train
    >>> problem = create_problem(Network([1, 1]), [[0.0], [1.0]], [1.0, 3.0])
    >>> history = train(problem, max_steps=20, history_every=10, record=["r_squared"]).history
    >>> history.steps, history.names, history.series("r_squared").shape
    ([0, 10, 20], ('objective', 'r_squared'), (3, 1))
    """

    steps: list[int] = field(default_factory=list)
    values: dict[str, list[NDArray[Any] | None]] = field(default_factory=dict)

    def series(self, name: str) -> Floats:
        """Return a series by its name.

        Parameters
        ----------
        name : str
            One of `names`, such as "objective" or "validation accuracy".

        Returns
        -------
        array, [T, K]
            Recorded values of each member at `steps_of(name)`; "outputs" and functions of `record` may add axes.

        Raises
        ------
        BadInput
            For a name that is not among `names`.
        """
        return np.stack([row for row in self._rows(name) if row is not None])

    def steps_of(self, name: str) -> list[int]:
        """Return the steps of a series: all `steps`, or those at which a function of `record` was called.

        Parameters
        ----------
        name : as for `series`

        Returns
        -------
        list of int
        """
        return [step for step, row in zip(self.steps, self._rows(name), strict=True) if row is not None]

    def _rows(self, name: str) -> list[NDArray[Any] | None]:
        """The recorded values of a series, or `BadInput` with the names of all series."""
        if name not in self.values:
            raise BadInput(
                f"the history has no series {short_repr(name)}; it has: {', '.join(self.names) or 'none'}; "
                "record of train adds others"
            )
        return self.values[name]

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the series."""
        return tuple(self.values)

    @property
    def objective_name(self) -> str:
        """The series that `objective` gives: "epoch objective" if the history has that one, else "objective"."""
        return EPOCH_OBJECTIVE if EPOCH_OBJECTIVE in self.values else "objective"

    @property
    def objective(self) -> Floats:
        """The objective, or by default on mini-batches the epoch objective, at each step of that series, [T, K]."""
        return self.series(self.objective_name)

    def add(self, step: int, members: Integers, seen: dict[str, Floats], total: int) -> None:
        """Add values `seen` [M] by name, of `members` [M] out of `total`, at a `step`."""
        index = bisect_left(self.steps, step)
        if self.steps[index : index + 1] != [step]:
            self.steps.insert(index, step)
            for rows in self.values.values():
                rows.insert(index, None)
        for name, value in seen.items():
            rows = self.values.setdefault(name, [None] * len(self.steps))
            earlier = next((row.shape[1:] for row in rows if row is not None), value.shape[1:])
            if value.shape[1:] != earlier:
                raise BadInput(
                    f"{name!r} of record gives arrays of the shape {earlier}, and {value.shape[1:]} at step {step}"
                )
            row = rows[index]
            if row is None:
                row = rows[index] = np.full((total, *value.shape[1:]), np.nan, value.dtype)
            row[members] = value

    def take(self, chosen: Any) -> "History":
        """Return the history of some members.

        Parameters
        ----------
        chosen : as for `Run.take`

        Returns
        -------
        History
        """
        members = self._member_count()
        indices: Any = checks.member_indices(chosen, members) if members else []
        taken = {name: [None if row is None else row[indices] for row in rows] for name, rows in self.values.items()}
        return History(list(self.steps), taken)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return the series and their steps as arrays, for a file."""
        stacked = {f"history {name}": self.series(name) for name in self.names}
        own = {name: self.steps_of(name) for name in self.names}
        own_steps = {f"steps of {name}": np.array(steps) for name, steps in own.items() if steps != self.steps}
        return {"history steps": np.array(self.steps, np.int64), **stacked, **own_steps}

    @classmethod
    def from_arrays(cls, arrays: dict[str, NDArray[Any]]) -> "History":
        """Return the history in the arrays of a file: the inverse of `arrays`."""
        series = {name.removeprefix("history "): rows for name, rows in arrays.items() if name.startswith("history ")}
        steps = series.pop("steps").tolist()
        values = dict[str, list[NDArray[Any] | None]]()
        for name, rows in series.items():
            own = arrays.get(f"steps of {name}", np.array(steps)).tolist()
            by_step = dict(zip(own, rows, strict=True))
            values[name] = [by_step.get(step) for step in steps]
        return cls(steps, values)

    def _member_count(self) -> int:
        return next((len(row) for rows in self.values.values() for row in rows if row is not None), 0)

    def __repr__(self) -> str:
        names = ", ".join(self.names) or "nothing"
        span = f", updates {self.steps[0]:,} to {self.steps[-1]:,}" if self.steps else ""
        points, members = count_of(len(self.steps), "point"), count_of(self._member_count(), "member")
        return f"History of {points} of {members}{span}: {names}"


def evaluate(
    problem: Problem, engine: Engine, state: State, recorded: Recorded, validation: tuple[Floats, Floats] | None
) -> dict[str, Floats]:
    """Return the objective and the metrics by name."""
    metric_values = {name: metrics.find(name).value for name in recorded.metrics}
    values = engine.evaluate(problem, state, None, metric_values)
    return values if validation is None else values | evaluate_validation(problem, engine, state, recorded, validation)


def evaluate_validation(
    problem: Problem, engine: Engine, state: State, recorded: Recorded, validation: tuple[Floats, Floats]
) -> dict[str, Floats]:
    """Return the objective and the metrics of validation rows by name."""
    metric_values = {name: metrics.find(name).value for name in recorded.metrics}
    on_validation = engine.evaluate(problem, state, validation, metric_values)
    return {f"validation {name}": value for name, value in on_validation.items()}


def call_functions(recorded: Recorded, moment: Moment) -> dict[str, Floats]:
    """Return what the functions give for a moment, by name, but for None."""
    values = {}
    given = {name: function(moment) for name, function in recorded.functions.items()}
    norms = given.pop("gradients", {})
    given |= {f"gradient {name}": norm for name, norm in norms.items()}
    for name, value in given.items():
        if value is None:
            continue
        array = np.asarray(value)
        if array.dtype.kind not in "biuf" or array.shape[:1] != moment.members.shape:
            raise BadInput(
                f"{name!r} of record gives {short_repr(value)} for {count_of(len(moment.members), 'member')}; return a "
                "number or an array for each, or None"
            )
        values[name] = array if array.dtype.kind == "f" else array.astype(np.float64)
    return values
