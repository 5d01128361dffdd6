"""The options of `train`: its keyword arguments, checked and completed with defaults."""

import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from deltarule.engines.selection import NAMES
from deltarule.errors import BadInput, count_of, short_repr
from deltarule.problem.network import switch
from deltarule.problem.problem import Floats, Integers, Problem
from deltarule.problem.validation import numeric, whole
from deltarule.stats import metrics
from deltarule.training.history import EvaluationSchedule
from deltarule.training.run import Progress, Run
from deltarule.training.stopping import StopRules, check_metric


@dataclass(frozen=True, eq=False)
class TrainOptions:
    """How a problem is trained; `train` explains each option.

    Raises `BadInput` for options of the wrong type, and for those that need another one.
    """

    engine: Any = "auto"
    max_steps: int | None = None
    max_epochs: int | None = None
    threshold: float | None = None
    times: int = 1
    metric: str = "objective"
    tolerance: float | None = None
    patience: int | None = None
    validation: tuple[Any, Any] | None = None
    score: str = "objective"
    metrics: Sequence[str] = ()
    history_every: int | None = None
    outputs: bool = False
    gradients: bool = False
    checkpoint: str | Path | None = None
    resume: bool = False
    progress: Callable[[Progress], None] | None = None
    with_history: bool = True
    observe: Integers | None = None
    observer: Callable[[Run, Integers], None] | None = None

    def __post_init__(self) -> None:
        check_engine(self.engine)
        for name in ("outputs", "gradients", "resume", "with_history"):
            object.__setattr__(self, name, switch(name, getattr(self, name)))
        for name in ("progress", "observer"):
            value = getattr(self, name)
            if value is not None and not callable(value):
                raise BadInput(f"{name} is {short_repr(value)}; give a function")
        if (self.observe is None) != (self.observer is None):
            raise BadInput("one of observe and observer is given without the other; give both or neither")
        if not isinstance(self.checkpoint, str | os.PathLike | None):
            raise BadInput(f"the checkpoint is {short_repr(self.checkpoint)}; name the file to write")
        if self.resume and self.checkpoint is None:
            raise BadInput("resume is True without a checkpoint; name the file to resume from")

    @cached_property
    def rules(self) -> StopRules:
        """The stop rules among the options."""
        limits = (self.max_steps, self.max_epochs, self.threshold, self.times)
        return StopRules(*limits, self.metric, self.tolerance, self.patience)

    def evaluations(self, problem: Problem, intervals: Integers) -> EvaluationSchedule:
        """Return what the history holds, and how often; `intervals` [K] are the updates between a member's points.

        Raises `BadInput` if rules need a history and there is none, and for outputs if members differ in the number of
        rows.
        """
        names = required_metrics(self.rules, self.metrics, self.score)
        every = int(intervals.max()) if self.with_history else 0
        if not self.with_history and (names or self.patience is not None):
            raise BadInput("with_history=False cannot be combined with metrics or patience; leave it out")
        min_rows, max_rows = problem.row_counts.min(), problem.row_counts.max()
        if self.outputs and every and min_rows < max_rows:
            raise BadInput(
                f"outputs is True, and members have from {min_rows:,} to {max_rows:,} rows; "
                "leave it out, or make them equal"
            )
        return EvaluationSchedule(every, names, self.outputs, self.gradients)


def history_interval(problem: Problem, rules: StopRules, history_every: int | None = None) -> int:
    """Return the updates between two history points: the largest of the members' `history_intervals`.

    >>> from deltarule.problem.network import Network
    >>> from deltarule.problem.create import create_problem
    >>> history_interval(create_problem(Network([1, 1]), [[0.0]], [0.0]), StopRules(max_steps=1000))
    5
    """
    return int(history_intervals(problem, rules, history_every).max())


def history_intervals(problem: Problem, rules: StopRules, history_every: int | None = None) -> Integers:
    """Return each member's updates between history points, [K]: `history_every`, or if None an epoch, or limit / 200.

    The last is for full batches.
    A rule that evaluates the history uses the member's own interval; otherwise all share the longest one, which keeps
    the history short.
    """
    if history_every is not None:
        return np.full(problem.members, whole("history_every", history_every))
    epochs = np.array([problem.steps_per_epoch(member) for member in range(problem.members)])
    limits = rules.limits(problem)
    if not rules.needs_history:
        epochs, limits = (np.full_like(each, each.max()) for each in (epochs, limits))
    # Full-batch training: about 200 history points.
    return np.where(epochs > 1, epochs, np.maximum(1, limits // 200))


def check_engine(engine: Any) -> Any:
    """Return an engine or the name of one unchanged; raise `BadInput` for anything else. Names are looked up later."""
    if not isinstance(engine, str) and (isinstance(engine, type) or not hasattr(engine, "advance")):
        raise BadInput(f"the engine is {short_repr(engine)}; give one of {', '.join(NAMES)}, or an engine")
    return engine


def required_metrics(rules: StopRules, requested: Any, score: str) -> tuple[str, ...]:
    """Return the names of the `requested` metrics, and of those that the stop rules and the patience `score` need."""
    if isinstance(requested, str):
        text = short_repr(requested)
        raise BadInput(f"metrics is {text}, a text; give a list of names, as [{text}]")
    names = tuple(requested) if isinstance(requested, Iterable) else (requested,)
    for name in names:
        if not isinstance(name, str):
            raise BadInput(f"metrics hold {short_repr(name)}; give a list of names, as ['accuracy']")
        metrics.find(name)
    check_metric("score", score)
    extra = [name for name in (rules.metric, score if rules.patience else "objective") if name != "objective"]
    return tuple(dict.fromkeys([*names, *extra]))


def check_observed_steps(observe: Any, members: int) -> Integers:
    """Check the option `observe`, and return it as an array of the steps [T, K] at which members are observed."""
    try:
        points = np.asarray(observe)
    except ValueError:  # a ragged list
        points = np.array(None)
    if points.ndim != 2 or points.dtype.kind not in "iu" or points.shape[1] != members or not len(points):
        raise BadInput(
            f"observe is {short_repr(observe)}; give whole numbers, at least one row with a step for each member"
        )
    points = points.astype(np.int64)
    if points.min() < 0 or (points[1:] < points[:-1]).any():
        raise BadInput(f"observe is {short_repr(observe)}; give each member's steps ascending, from 0 on")
    return points


def check_validation_rows(
    problem: Problem, validation: tuple[Any, Any] | None, rules: StopRules, score: str
) -> tuple[Floats, Floats] | None:
    """Return validation inputs [M, D] and targets [M, C], or None without; refuse rows that patience cannot score."""
    if validation is None:
        if rules.patience is not None:
            raise BadInput("patience follows a validation score, and there are no validation rows; give some")
        return None
    try:
        inputs, targets = validation
    except (TypeError, ValueError):
        raise BadInput("validation is no pair; give inputs and targets, as (x, y)") from None
    x = numeric("the validation inputs", inputs, problem.dtype.name)
    y = numeric("the validation targets", targets, problem.dtype.name)
    if x.shape != (len(y), problem.network.inputs) or y.shape[1] != problem.network.outputs:
        raise BadInput(
            f"the validation rows have the shapes {x.shape} and {y.shape}; "
            f"give (M, {problem.network.inputs}) and (M, {problem.network.outputs})"
        )
    if rules.patience is not None and score != "objective":
        with np.errstate(all="ignore"):  # a score that is NaN even for perfect predictions
            perfect = metrics.find(score).value(y[None], y, np.ones((len(y), 1), y.dtype))
        if np.isnan(perfect).any():
            rows = count_of(len(y), "validation row")
            raise BadInput(f"the score '{score}' has no meaning on {rows}; give more of them, or another score")
    return x, y
