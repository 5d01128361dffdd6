"""The options of a training: what `train` takes as keywords, checked and completed with defaults."""

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
from deltarule.training.history import Looks
from deltarule.training.run import Progress, Run
from deltarule.training.stopping import StopRules, check_metric


@dataclass(frozen=True, eq=False)
class TrainOptions:
    """How a problem is trained; `train` explains each option.

    Raises `BadInput` for what is of another kind than is asked for, and for options that need each other.
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
    before_checkpoint: Callable[[], None] | None = None

    def __post_init__(self) -> None:
        check_engine(self.engine)
        for name in ("outputs", "gradients", "resume", "with_history"):
            object.__setattr__(self, name, switch(name, getattr(self, name)))
        for name in ("progress", "observer", "before_checkpoint"):
            value = getattr(self, name)
            if value is not None and not callable(value):
                raise BadInput(f"{name} is {short_repr(value)}; give a function")
        if (self.observe is None) != (self.observer is None):
            raise BadInput("one of observe and observer is given without the other; give both or neither")
        if not isinstance(self.checkpoint, str | os.PathLike | None):
            raise BadInput(f"the checkpoint is {short_repr(self.checkpoint)}; name the file to write")
        if self.resume and self.checkpoint is None:
            raise BadInput("resume is True, and no checkpoint is named; name the file to go on from")

    @cached_property
    def rules(self) -> StopRules:
        """When a member stops."""
        limits = (self.max_steps, self.max_epochs, self.threshold, self.times)
        return StopRules(*limits, self.metric, self.tolerance, self.patience)

    def looks(self, problem: Problem, every: Integers) -> Looks:
        """What the history holds; `every` [K], the updates between two history points of each member.

        Raises `BadInput` for a history that rules need and that there is not, and outputs of different numbers of rows.
        """
        names = required_metrics(self.rules, self.metrics, self.score)
        looks = Looks(int(every.max()) if self.with_history else 0, names, self.outputs, self.gradients)
        needs_history = names or self.patience is not None or problem.optimizer.name == "lbfgs"
        if not self.with_history and needs_history:
            raise BadInput("metrics, patience and L-BFGS look at the history, and there is to be none; leave them out")
        fewest, most = problem.row_counts.min(), problem.row_counts.max()
        if self.outputs and looks.every and fewest < most:
            raise BadInput(
                f"outputs is True, and members have from {fewest:,} to {most:,} rows; leave it out, or make them equal"
            )
        return looks


def history_interval(problem: Problem, rules: StopRules, given: int | None = None) -> int:
    """Return the updates between two history points: the largest of `history_intervals`.

    >>> from deltarule.problem.network import Network
    >>> from deltarule.problem.create import create_problem
    >>> history_interval(create_problem(Network([1, 1]), [[0.0]], [0.0]), StopRules(max_steps=1000))
    5
    """
    return int(history_intervals(problem, rules, given).max())


def history_intervals(problem: Problem, rules: StopRules, given: int | None = None) -> Integers:
    """Return the updates between two history points of each member, [K]: as given, an epoch of mini-batches, or a
    200th of the limit.

    A rule that evaluates the history uses the member's own interval; otherwise all share the longest one, which keeps
    the history short.
    """
    if given is not None:
        return np.full(problem.members, whole("history_every", given))
    epochs = np.array([problem.steps_per_epoch(member) for member in range(problem.members)])
    limits = rules.limits(problem)
    if not rules.look:
        epochs, limits = (np.full_like(each, each.max()) for each in (epochs, limits))
    # History points of a full-batch training whose interval is not given.
    return np.where(epochs > 1, epochs, np.maximum(1, limits // 200))


def check_engine(given: Any) -> Any:
    """Return the engine or its name, which is looked up later; refuse anything else."""
    if not isinstance(given, str) and (isinstance(given, type) or not hasattr(given, "advance")):
        raise BadInput(f"the engine is {short_repr(given)}; give one of {', '.join(NAMES)}, or an engine")
    return given


def required_metrics(rules: StopRules, asked: Sequence[str], score: str) -> tuple[str, ...]:
    """Return the metrics that are asked for and those that the stop rules evaluate."""
    if isinstance(asked, str):
        raise BadInput(f"metrics is {short_repr(asked)}, a text; give a list of names, as [{short_repr(asked)}]")
    asked = tuple(asked) if isinstance(asked, Iterable) else (asked,)
    for name in asked:
        if not isinstance(name, str):
            raise BadInput(f"metrics hold {short_repr(name)}; give a list of names, as ['accuracy']")
        metrics.find(name)
    check_metric("score", score)
    extra = [name for name in (rules.metric, score if rules.patience else "objective") if name != "objective"]
    return tuple(dict.fromkeys([*asked, *extra]))


def check_observed_steps(given: Any, members: int) -> Integers:
    """Return the steps [T, K] at which each member is shown to the observer."""
    try:
        points = np.asarray(given)
    except ValueError:  # a ragged list
        points = np.array(None)
    if points.ndim != 2 or points.dtype.kind not in "iu" or points.shape[1] != members or not len(points):
        raise BadInput(
            f"observe is {short_repr(given)}; give whole numbers, at least one row with a step for each member"
        )
    points = points.astype(np.int64)
    if points.min() < 0 or (points[1:] < points[:-1]).any():
        raise BadInput(f"observe is {short_repr(given)}; give each member's steps ascending, from 0 on")
    return points


def check_validation_rows(
    problem: Problem, validation: tuple[Any, Any] | None, rules: StopRules, score: str
) -> tuple[Floats, Floats] | None:
    """Return the validation inputs [M, D] and targets [M, C]; refuse rows without a defined `patience` score."""
    if validation is None:
        if rules.patience is not None:
            raise BadInput("patience looks at a validation score, and there are no validation rows; give some")
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
