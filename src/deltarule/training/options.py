"""The options of `train`: its stop rules, and checks and defaults of the others."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deltarule.engines.selection import NAMES
from deltarule.errors import BadInput, count_of, short_repr
from deltarule.problem.problem import Floats, Integers, Problem
from deltarule.problem.ranges import WHOLE
from deltarule.problem.settings import StoppingSection, check_number
from deltarule.problem.validation import check_rows
from deltarule.stats import metrics
from deltarule.training.history import Points, Recorded
from deltarule.training.loop import NEVER, Reason
from deltarule.training.moment import Moment

HISTORY_POINTS = 200
"""About how many points the history of full-batch training has by default."""
EVALUATED_POINTS = 50
EVALUATED_INTERVALS = (10, 20)
"""Where members are evaluated, which takes as long as some updates, the default leaves a 50th of the limit between two
history points: at least 10 updates, and at most 20 unless 200 points are farther apart."""

VALIDATION = "validation "
"""What the names of series on validation rows begin with."""
EXTRA: Mapping[str, Callable[[Moment], Any]] = {
    "outputs": lambda moment: moment.outputs,
    "gradients": lambda moment: moment.gradient_norms,
}
"""What `record` may name beside metrics."""

Number = float | Sequence[float] | NDArray[Any]
Every = int | Sequence[int] | NDArray[Any] | str

REASONS = tuple(reason.name.lower() for reason in Reason if Reason.NONE < reason <= Reason.INTERRUPTED)
"""Why a member's training ended."""


@dataclass(frozen=True)
class StopRules:
    """The rules that decide when a member stops training.

    Parameters
    ----------
    max_steps, max_epochs : int, optional
        The limit, in updates or in passes over a member's rows; one is required, and the smaller counts.
    threshold : float, optional
        Stop once `metric` has been below this value (above it, for metrics of which more is better) `times` times in
        all. The objective is compared before each update, others at the member's history points.
    times : int, default 1
        How often the threshold must be met.
    metric : str, default "objective"
        What the threshold is for: "objective" or the name of a metric, on training rows or, as "validation accuracy",
        on validation rows; or the name of a function of `record`.
    tolerance : float, optional
        Stop when an epoch's mean objective differs from that of the epoch before by less than this share of it.
    patience : int, optional
        Stop when `metric`, on validation rows unless it is a function of `record`, has not improved at this many
        history points in a row; the best weights are restored.

    Notes
    -----
    Each number may be a list with one for each member.

    Examples
    --------
    >>> from deltarule import StopRules
    >>> StopRules(max_epochs=10, threshold=0.95, metric="accuracy").needs_history
    True
    """

    max_steps: Number | None = StoppingSection.max_steps
    max_epochs: Number | None = StoppingSection.max_epochs
    threshold: Number | None = StoppingSection.threshold
    times: Number = StoppingSection.times
    metric: str = StoppingSection.metric
    tolerance: Number | None = StoppingSection.tolerance
    patience: Number | None = StoppingSection.patience

    def __post_init__(self) -> None:
        if self.max_steps is None and self.max_epochs is None:
            raise BadInput("there is no limit to the training; give max_steps or max_epochs")
        for name in ("max_steps", "max_epochs", "times", "patience", "threshold", "tolerance"):
            value = getattr(self, name)
            if isinstance(value, list | tuple | range | np.ndarray):
                object.__setattr__(self, name, [check_number(name, number) for number in value])
            elif value is not None or name == "times":
                check_number(name, value)

    @property
    def base_metric(self) -> str:
        """The metric without the rows on which it is watched."""
        return self.metric.removeprefix(VALIDATION)

    @property
    def needs_history(self) -> bool:
        """Whether a rule evaluates the history."""
        return self.patience is not None or (self.threshold is not None and self.metric != "objective")

    def check_metric(self, functions: Collection[str] = ()) -> None:
        """Raise `BadInput` unless the metric exists, or is one of `functions`, those of `record`."""
        if self.base_metric != "objective" and self.metric not in functions:
            metrics.find(self.base_metric)

    def more_is_better(self, functions: Collection[str] = ()) -> bool:
        """Whether more of the metric is better; less is of the objective and `functions`."""
        is_metric = self.base_metric != "objective" and self.metric not in functions
        return is_metric and metrics.find(self.base_metric).more_is_better

    def of_members(self, name: str, problem: Problem) -> NDArray[Any]:
        """Return the rules' number `name` for each member of `problem`, [K]; `BadInput` for a list of another size."""
        value = getattr(self, name)
        if isinstance(value, list) and len(value) != problem.members:
            numbers, members = count_of(len(value), "number"), count_of(problem.members, "member")
            raise BadInput(f"{name} has {numbers} for {members}; give one a member")
        return np.broadcast_to(np.array(value), problem.members)

    def take(self, chosen: Integers) -> "StopRules":
        """Return the rules of the members with the indices `chosen` [M]."""
        rules = dict(vars(self))
        lists = {name: [value[index] for index in chosen] for name, value in rules.items() if isinstance(value, list)}
        return StopRules(**rules | lists)

    def limits(self, problem: Problem) -> Integers:
        """Return the last step that each member of `problem` may reach, [K]."""
        steps, epochs = self._limit("max_steps", problem), self._limit("max_epochs", problem)
        sizes = problem.epoch_steps
        return np.minimum(steps, np.where(epochs > NEVER // sizes, NEVER, epochs * sizes))

    def _limit(self, name: str, problem: Problem) -> Integers:
        if getattr(self, name) is None:
            return np.full(problem.members, NEVER)
        return np.asarray(np.minimum(self.of_members(name, problem), NEVER), np.int64)


def what_is_recorded(problem: Problem, rules: StopRules, record: Any) -> Recorded:
    """Return what the history records, for `record` and the stop rules."""
    if isinstance(record, str) or not isinstance(record, Iterable):
        raise BadInput(f'record is {short_repr(record)}; give a list of names, or functions by name, {{"dead": …}}')
    named = dict(record) if isinstance(record, Mapping) else {name: name for name in record}
    functions = {name: value for name, value in named.items() if callable(value)}
    names = [value for name, value in named.items() if name not in functions]
    for name in functions:
        if not isinstance(name, str) or name.removeprefix(VALIDATION) in ("objective", *EXTRA, *metrics.METRICS):
            raise BadInput(f"record has a function named {name!r}, which is a series already; give it another name")
    of_rows = [metrics.find(name).name for name in names if name not in EXTRA]
    rules.check_metric(functions)
    is_watched = rules.needs_history and rules.metric not in functions and rules.base_metric != "objective"
    of_rows += [rules.base_metric] if is_watched else []
    min_rows = problem.row_counts.min()
    max_rows = problem.row_counts.max()
    if "outputs" in names and min_rows < max_rows:
        raise BadInput(
            f"outputs are to be recorded, and members have from {min_rows:,} to {max_rows:,} rows; "
            "leave them out, or make them equal"
        )
    extra = {name: EXTRA[name] for name in names if name in EXTRA}
    return Recorded(tuple(dict.fromkeys(of_rows)), extra | functions)


def evaluation_points(name: str, every: Any, problem: Problem) -> Points:
    """Return the steps that `every` or `history_every` names."""
    if isinstance(every, str) and every == "epoch":
        return Points(problem.epoch_steps)
    steps = np.asarray(every) if isinstance(every, Sequence | range | np.ndarray) else None
    if steps is None and WHOLE.fits(every):
        return Points(np.full(problem.members, every)) if every else Points()
    if steps is None or steps.ndim != 1 or steps.dtype.kind not in "iu" or steps.min(initial=0) < 0:
        raise BadInput(
            f'{name} is {short_repr(every)}; give a number of updates, a list of steps from 0 on, or "epoch"'
        )
    return Points(steps=np.unique(steps.astype(np.int64)))


def history_intervals(problem: Problem, rules: StopRules) -> Integers:
    """Return the default updates between each member's history points, [K].

    A rule that evaluates the history uses the member's own interval; otherwise all share the longest one.
    """
    epochs = problem.epoch_steps
    limits = rules.limits(problem)
    if not rules.needs_history:
        epochs, limits = (np.full_like(each, each.max()) for each in (epochs, limits))
    return np.where(epochs > 1, epochs, np.maximum(1, limits // HISTORY_POINTS))


def has_epoch_means(problem: Problem, recorded: Recorded) -> bool:
    """Whether the default history can be that of epochs' means: every member has mini-batches, and no metrics."""
    return bool(problem.epoch_steps.min() > 1) and problem.fresh is None and not recorded.metrics


def check_engine(engine: Any) -> Any:
    if not isinstance(engine, str) and (isinstance(engine, type) or not hasattr(engine, "advance")):
        raise BadInput(f"the engine is {short_repr(engine)}; give one of {', '.join(NAMES)}, or an engine")
    return engine


def check_validation_rows(
    problem: Problem, validation: tuple[Any, Any] | None, rules: StopRules, functions: Collection[str] = ()
) -> tuple[Floats, Floats] | None:
    """Return validation inputs [M, D] and targets [M, C], or None."""
    if validation is None:
        needs_rows = rules.patience is not None or rules.metric.startswith(VALIDATION)
        if needs_rows and rules.metric not in functions:
            raise BadInput("patience or the metric needs validation rows, and there are none; give some")
        return None
    try:
        inputs, targets = validation
    except (TypeError, ValueError):
        raise BadInput("validation is no pair; give inputs and targets, as (x, y)") from None
    try:
        return check_rows(inputs, targets, problem.network, problem.loss, problem.dtype.name)
    except BadInput as error:
        raise BadInput(f"validation: {error}") from None
