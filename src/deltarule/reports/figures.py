"""Charts of training runs: objective, accuracy, probabilities, range tests.

T evaluations · K members · N objects
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from deltarule.errors import BadInput
from deltarule.problem.problem import Floats, Integers, Problem
from deltarule.reports import style
from deltarule.reports.chart import (
    BAND_LABEL,
    MAX_LINES,
    MAX_SHOWN_GROWTH,
    Chart,
    capitalize,
    median_band,
    members,
    objective_axis,
    select_evenly,
)
from deltarule.reports.formatting import member_names
from deltarule.reports.marks import Axis, Band, Line, Mark, Panel, RuleLine, Segments
from deltarule.reports.summaries import ENDED
from deltarule.training.history import EPOCH_OBJECTIVE, History
from deltarule.training.range_test import RangeTest
from deltarule.training.run import Run

UPDATES = Axis("updates", "updates")
MAX_THIN_LINES = 20
"""Members of each outcome that get a thin line where there are many."""


@dataclass(frozen=True, eq=False)
class Curves:
    """The data of a run's curves.

    history         evaluations during the training
    steps [K], objective [K]   last step of each member, and its objective there
    reasons [K]     why each member ended
    names           of the K members; empty for more than a legend has room for
    description     what was trained, in a sentence
    ended_at_best   whether members end with their best weights, from before the last evaluation
    """

    history: History
    steps: Integers
    objective: Floats
    reasons: Sequence[str]
    names: tuple[str, ...]
    description: str
    ended_at_best: bool = False

    @classmethod
    def from_run(cls, run: Run) -> "Curves":
        return cls(
            run.history,
            run.steps,
            run.objective,
            run.reasons,
            tuple(member_names(run.problem)) if run.problem.members <= MAX_LINES else (),
            _describe_problem(run.problem),
            run.best_steps is not None,
        )


def objective_curves(run: Run | Curves, metric: str = "objective") -> Chart:
    """The objective, or an error of the history, against updates.

    Few members get a line each, which ends where the member ended; many are shown by the median and the band from 10 to
    90 %, in which members that have stopped keep their last value, and by thin lines of 20 members of each outcome. The
    scale is logarithmic if the values span over two decades. By default the history of mini-batches has the means of
    epochs, which the axis and a note say.

    >>> import deltarule
    >>> problem = deltarule.create_problem(deltarule.Network([1, 1]), [[0.0], [1.0]], [0.0, 1.0], seeds=range(3))
    >>> [line.name for line in objective_curves(deltarule.train(problem, max_steps=10)).panels[0].marks]
    ['seed 0', 'seed 1', 'seed 2']
    """
    name = run.history.objective_name if metric == "objective" else metric
    text = name.replace("_", " ")
    marks, notes = _history_marks(run, name)
    axis, cut = objective_axis(text, marks)
    if name == EPOCH_OBJECTIVE:
        end = float(np.median(run.objective))
        whose = "" if len(run.steps) == 1 else "median "
        notes.append(f"Epoch objective: the mean over an epoch's batches. At the end, over all rows: {whose}{end:.3g}.")
    return Chart(capitalize(text), [Panel(marks, UPDATES, axis)], notes=[*notes, *cut])


def accuracy_curves(run: Run | Curves, metric: str = "accuracy") -> Chart:
    """A metric that is a share, such as the accuracy, against updates.

    Raises `BadInput` if the run's history does not hold the metric.

    >>> import deltarule
    >>> problem = deltarule.create_problem(deltarule.Network([1, 1]), [[0.0], [1.0]], [0.0, 1.0])
    >>> accuracy_curves(deltarule.train(problem, max_steps=10, record=["accuracy"])).panels[0].y.label
    'accuracy (share of rows)'
    """
    if metric not in run.history.names:
        raise BadInput(f"the history holds no '{metric}' but {', '.join(run.history.names)}; train with that metric")
    text = metric.replace("_", " ")
    marks, notes = _history_marks(run, metric)
    panel = Panel(marks, UPDATES, Axis(f"{text} (share of rows)", "share"))
    return Chart(text.capitalize(), [panel], notes=notes)


def object_curves(
    steps: Any, probabilities: Any, labels: Sequence[str], *, quantity: str = "probability of the correct output"
) -> Chart:
    """The probability of each object's correct output against updates.

    Parameters
    ----------
    steps : [T].
    probabilities : [T, N].
    labels : names of the N objects.
    quantity : what the values are if they are no probabilities, such as linear outputs.

    >>> chart = object_curves([0, 10], [[0.5, 0.4], [0.9, 0.8]], ["cat", "dog"])
    >>> chart.panels[0].marks[0].y
    array([0.5, 0.9])
    """
    values = np.asarray(probabilities)
    scale = "linear" if ((values < 0) | (values > 1)).any() else "share"
    panel = Panel([*members(steps, values, labels, 16), RuleLine(y=0.5)], UPDATES, Axis(quantity, scale))
    notes = ["Gray line: 0.5, above which the correct output is right."]
    return Chart(capitalize(quantity), [panel], legend="object", notes=notes)


def range_test_curves(tested: RangeTest) -> Chart:
    """Objective and accuracy against the learning rate of a range test.

    >>> rates = np.logspace(-3, 0, 4)
    >>> tested = RangeTest(rates, np.array([[2.0], [1.0], [0.5], [9.0]]), None, np.array([0.01]))
    >>> range_test_curves(tested).panels[0].marks[-1]
    RuleLine(x=0.01, y=None, name='suggested: 0.01')
    """
    names = [f"member {member}" for member in range(tested.objective.shape[1])]
    suggested = tested.suggested[np.isfinite(tested.suggested)]
    rules = []
    if len(suggested):
        rate = float(np.median(suggested))
        rules = [RuleLine(x=rate, name=f"suggested: {rate:.3g}" + (" (median)" if len(suggested) > 1 else ""))]
    is_linear = np.allclose(np.diff(tested.rates), tested.rates[1] - tested.rates[0], atol=0)
    rates = Axis("learning rate", "linear" if is_linear else "log")
    marks = members(tested.rates, tested.objective, names)
    # The fall stays visible beside the divergence.
    start = float(np.max(tested.objective[0]))
    fall = start - float(np.nanmin(tested.objective))
    axis, notes = objective_axis("objective on the batch", marks, start + (2 * fall or abs(start)))
    if not rules:
        notes.insert(0, "No rate is suggested: at none does the objective fall.")
    panels = [Panel([*marks, *rules], rates, axis)]
    if tested.accuracy is not None:
        marks = members(tested.rates, tested.accuracy, names)
        panels.append(Panel([*marks, *rules], rates, Axis("accuracy (share of rows)", "share")))
    size = 7.0, 2.0 + 1.6 * len(panels)
    return Chart("Learning-rate range test", panels, size=size, notes=notes)


def comparison_curves(
    series: Mapping[str, tuple[Any, Any]],
    *,
    parameter: str,
    quantity: str = "objective",
    max_growth: float = MAX_SHOWN_GROWTH,
) -> Chart:
    """A curve for each value of a parameter, or for each layer.

    Parameters
    ----------
    series : for each value, by name, its steps [T] and its values [T], or [T, K] for K members.
    parameter : what the names are values of, or "layer".
    quantity : what the values are, with their unit if they have one.
    max_growth : largest displayed value, as a multiple of the largest first value.

    >>> comparison_curves({"0.1": ([0, 5], [1.0, 0.8]), "1": ([0, 5], [1.0, 0.2])}, parameter="learning rate").title
    'Objective by learning rate'
    """
    marks = list[Mark]()
    for index, (name, (steps, values)) in enumerate(series.items()):
        values = np.asarray(values, np.float64)
        are_several = values.ndim == 2 and values.shape[1] > 1
        marks += median_band(steps, values, name, index) if are_several else [Line(steps, values.ravel(), name, index)]
    notes = [f"Medians of the members that still train; band: {BAND_LABEL}."]
    axis, cut = objective_axis(quantity, marks, max_growth=max_growth)
    title = f"{capitalize(quantity)} by {parameter}"
    has_bands = any(isinstance(mark, Band) for mark in marks)
    return Chart(title, [Panel(marks, UPDATES, axis)], legend=parameter, notes=[*notes * has_bands, *cut])


def _history_marks(run: Run | Curves, name: str) -> tuple[list[Mark], list[str]]:
    """The marks of a series, for training and validation rows, and notes."""
    curves = run if isinstance(run, Curves) else Curves.from_run(run)
    on_validation = "validation objective" if name == EPOCH_OBJECTIVE else f"validation {name}"
    parts = [part for part in (name, on_validation) if part in curves.history.names]
    rows = ("training", "validation") if len(parts) > 1 else [""] * len(parts)
    if len(curves.steps) * len(parts) > MAX_LINES:
        return _band_marks(curves, parts, rows)
    marks = list[Mark]()
    are_several = len(curves.steps) > 1
    for index, (part, of_rows) in enumerate(zip(parts, rows, strict=True)):
        for member in range(len(curves.steps)):
            diverged = " (diverged)" if curves.reasons[member] == "diverged" else ""
            of_member = f"{curves.names[member]}{diverged}" if are_several else ""
            steps, values = _member_series(curves, part, member)
            color, dots = (member, "some" if index else "end") if are_several else (index, "end")
            marks.append(Line(steps, values, ", ".join(filter(None, [of_member, of_rows])), color, dots))
    return marks, [curves.description]


def _band_marks(curves: Curves, parts: Sequence[str], rows: Sequence[str]) -> tuple[list[Mark], list[str]]:
    """The medians and bands of many members, with thin lines for some of each outcome."""
    marks = list[Mark]()
    for index, (part, of_rows) in enumerate(zip(parts, rows, strict=True)):
        steps, values = _held_series(curves, part)
        marks += median_band(steps, values, f"{of_rows} median".strip(), index)
    counts = (~np.isnan(_held_series(curves, parts[0])[1])).sum(1)
    note = f"Median and band ({BAND_LABEL}) are of {counts[0]} members; those that stopped count with their last value"
    note += f", but for {counts[0] - counts[-1]} that diverged." if counts[-1] < counts[0] else "."
    outcomes = []
    for index, reason in enumerate(dict.fromkeys(curves.reasons), len(parts)):
        ended = np.flatnonzero(np.array(curves.reasons) == reason)
        thin = select_evenly(ended, MAX_THIN_LINES)
        paths = [np.column_stack(_member_series(curves, parts[0], member)) for member in thin]
        marks.append(Segments(paths, style.line(index)["color"], 0.4, name=ENDED[reason]))
        outcomes.append(f"{len(ended):,} {ENDED[reason]}")
    kinds = f"Thin lines, at most {MAX_THIN_LINES} of a kind: {', '.join(outcomes)}."
    return marks, [curves.description, note, kinds]


def _held_series(curves: Curves, name: str) -> tuple[Floats, Floats]:
    """Steps [T] and values [T, K] of a series, in which a member that has stopped keeps its last value.

    A member that diverged has none after its end.
    """
    of_members = [_member_series(curves, name, member) for member in range(len(curves.steps))]
    steps = np.unique(np.concatenate([curves.history.steps_of(name), *(steps[-1:] for steps, _ in of_members)]))
    held = np.full((len(steps), len(of_members)), np.nan)
    for member, (own, values) in enumerate(of_members):
        if len(own):
            held[:, member] = values[(np.searchsorted(own, steps, "right") - 1).clip(0)]
            held[steps < own[0], member] = np.nan
        if curves.reasons[member] == "diverged":
            held[steps > (own[-1] if len(own) else -1), member] = np.nan
    return steps, held


def _member_series(curves: Curves, name: str, member: int) -> tuple[Floats, Floats]:
    """The steps and values of a member's evaluations, with the objective at the end."""
    values = curves.history.series(name)[:, member]
    is_evaluated = np.isfinite(values)
    steps = np.array(curves.history.steps_of(name))[is_evaluated]
    values = values[is_evaluated]
    # With patience the final weights are the best ones, which belong to an earlier step.
    if name == "objective" and not curves.ended_at_best and (not len(steps) or curves.steps[member] > steps[-1]):
        steps, values = np.append(steps, curves.steps[member]), np.append(values, curves.objective[member])
    return steps, values


def _describe_problem(problem: Problem) -> str:
    loss, reduction = (text.replace("_", " ") for text in (problem.loss.name, problem.reduction))
    penalty = "" if problem.penalty is None else f", plus a penalty ({problem.penalty.name.replace('_', ' ')})"
    count = f", {problem.members} members" if problem.members > 1 else ""
    means = {"sum": "sum", "mean samples": "mean over samples", "mean elements": "mean over elements"}
    return f"{problem.network!r}{count}. Objective: {loss}, {means[reduction]}{penalty}."
