"""Charts of training runs: objective, accuracy, probabilities, range tests, times.

T evaluations · K members · N objects · n updates of a range test
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from deltarule.errors import BadInput
from deltarule.problem.problem import Floats, Integers, Problem
from deltarule.reports.chart import (
    BAND_LABEL,
    MAX_LINES,
    Chart,
    capitalize,
    lines,
    median_band,
    members,
    objective_axis,
)
from deltarule.reports.formatting import member_names
from deltarule.reports.marks import Axis, Line, Mark, Panel, Rule, check_shape
from deltarule.training.history import History
from deltarule.training.range_test import RangeTest
from deltarule.training.run import Run

UPDATES = Axis("updates", "updates")
MAX_NORM_GROWTH = 1e12
"""Largest displayed norm, as a multiple of its start or of 1: it includes outputs that learn large targets, and
excludes most values of members that diverge."""


@dataclass(frozen=True, eq=False)
class Curves:
    """The data of a run's curves.

    history         evaluations during the training
    steps [K], objective [K]   last step of each member, and its objective there
    names           of the K members; empty for more than a legend has room for
    description     what was trained, in a sentence
    diverged        indices of the members that diverged
    ended_at_best   whether members end with their best weights, from before the last evaluation
    """

    history: History
    steps: Integers
    objective: Floats
    names: tuple[str, ...]
    description: str
    diverged: tuple[int, ...] = ()
    ended_at_best: bool = False

    @classmethod
    def from_run(cls, run: Run) -> "Curves":
        """Take the data of the curves from a run."""
        return cls(
            run.history,
            run.steps,
            run.objective,
            tuple(member_names(run.problem)) if run.problem.members <= MAX_LINES else (),
            _describe_problem(run.problem),
            tuple(divergence.member for divergence in run.diverged),
            run.best_steps is not None,
        )

    @property
    def members(self) -> int:
        """K, the number of members."""
        return len(self.steps)


def objective_curves(run: Run | Curves) -> Chart:
    """The objective against updates, for training and validation rows.

    Few members get a line each, which ends where the member ended; many are shown by the median and the band from 10 to
    90 % of those that still train. The scale is logarithmic if the values span over two decades.

    >>> from deltarule.problem.network import Network
    >>> from deltarule.problem.create import create_problem
    >>> from deltarule.training.train import train
    >>> run = train(create_problem(Network([1, 1]), [[0.0], [1.0]], [0.0, 1.0], seeds=range(3)), max_steps=10)
    >>> [line.name for line in objective_curves(run).panels[0].marks]
    ['seed 0', 'seed 1', 'seed 2']
    """
    curves = run if isinstance(run, Curves) else Curves.from_run(run)
    marks, notes = _history_marks(curves, "objective")
    axis, cut = objective_axis("objective", marks)
    return Chart("Objective", [Panel(marks, UPDATES, axis)], notes=[curves.description, *notes, *cut])


def accuracy_curves(run: Run | Curves, metric: str = "accuracy") -> Chart:
    """A metric that is a share, such as the accuracy, against updates.

    Raises
    ------
    BadInput
        If the run's history does not hold the metric.

    Examples
    --------
    >>> from deltarule.problem.network import Network
    >>> from deltarule.problem.create import create_problem
    >>> from deltarule.training.train import train
    >>> run = train(create_problem(Network([1, 1]), [[0.0], [1.0]], [0.0, 1.0]), max_steps=10, metrics=("accuracy",))
    >>> accuracy_curves(run).panels[0].y.label
    'accuracy (share of rows)'
    """
    if metric not in run.history.names:
        raise BadInput(f"the history holds no '{metric}' but {', '.join(run.history.names)}; train with that metric")
    curves = run if isinstance(run, Curves) else Curves.from_run(run)
    text = metric.replace("_", " ")
    marks, notes = _history_marks(curves, metric)
    panel = Panel(marks, UPDATES, Axis(f"{text} (share of rows)", "share"))
    return Chart(text.capitalize(), [panel], notes=[curves.description, *notes])


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

    Raises
    ------
    BadInput
        If the values are not [T, N].

    Examples
    --------
    >>> chart = object_curves([0, 10], [[0.5, 0.4], [0.9, 0.8]], ["cat", "dog"])
    >>> chart.panels[0].marks[0].y
    array([0.5, 0.9])
    """
    values = np.asarray(probabilities)
    check_shape(values, {"step": len(steps), "object": len(labels)})
    notes = ["Gray line: 0.5, above which the correct output is right."]
    if len(labels) <= 16:
        marks = lines(steps, values, labels)
    else:
        marks = median_band(steps, values, "median object")
        notes.insert(0, f"{len(labels)} objects; band: {BAND_LABEL} of them.")
    scale = "linear" if ((values < 0) | (values > 1)).any() else "share"
    panel = Panel([*marks, Rule(y=0.5)], UPDATES, Axis(quantity, scale))
    return Chart(capitalize(quantity), [panel], legend="object", notes=notes)


def range_test_curves(tested: RangeTest) -> Chart:
    """Objective and accuracy against the learning rate of a range test.

    >>> rates = np.logspace(-3, 0, 4)
    >>> tested = RangeTest(rates, np.array([[2.0], [1.0], [0.5], [9.0]]), None, np.array([0.01]))
    >>> range_test_curves(tested).panels[0].marks[-1]
    Rule(x=0.01, y=None, name='suggested: 0.01')
    """
    names = [f"member {member}" for member in range(tested.objective.shape[1])]
    suggested = tested.suggested[np.isfinite(tested.suggested)]
    rules, notes = [], ["No rate is suggested: at none does the objective fall."]
    if len(suggested):
        rate = float(np.median(suggested))
        rules = [Rule(x=rate, name=f"suggested: {rate:.3g}" + (" (median)" if len(suggested) > 1 else ""))]
        notes = []
    is_linear = np.allclose(np.diff(tested.rates), tested.rates[1] - tested.rates[0], atol=0)
    rates = Axis("learning rate", "linear" if is_linear else "log")
    marks = members(tested.rates, tested.objective, names)
    axis, cut = objective_axis("objective on the batch", marks, _max_objective_shown(tested.objective))
    panels = [Panel([*marks, *rules], rates, axis)]
    if tested.accuracy is not None:
        marks = members(tested.rates, tested.accuracy, names)
        panels.append(Panel([*marks, *rules], rates, Axis("accuracy (share of rows)", "share")))
    size = 7.0, 2.0 + 1.6 * len(panels)
    return Chart("Learning-rate range test", panels, size=size, notes=[*notes, *cut], shares_x=len(panels) > 1)


def _max_objective_shown(objective: Floats) -> float:
    start = float(np.max(objective[0]))
    least = float(np.min(objective[np.isfinite(objective)], initial=start))
    return start + (2 * (start - least) or abs(start))


def comparison_curves(series: Mapping[str, tuple[Any, Any]], *, parameter: str, quantity: str = "objective") -> Chart:
    """A curve for each value of a parameter.

    Parameters
    ----------
    series : for each value, by name, its steps [T] and its values [T] or [T, K].
    parameter : what the names are values of.
    quantity : what the values are, with their unit if they have one.

    Raises
    ------
    BadInput
        If there are no series, or one lacks a value or a row for one of its steps.

    Examples
    --------
    >>> comparison_curves({"0.1": ([0, 5], [1.0, 0.8]), "1": ([0, 5], [1.0, 0.2])}, parameter="learning rate").title
    'Objective by learning rate'
    """
    if not series:
        raise BadInput(f"there are no series to compare by {parameter}; give at least one")
    marks: list[Mark] = []
    counts = set()
    for index, (name, (steps, values)) in enumerate(series.items()):
        if np.ndim(values) == 2:
            counts.add(np.shape(values)[1])
            marks.append(median_band(steps, values, name, index)[1])
        else:
            marks.append(Line(steps, values, name, index))
    axis, notes = objective_axis(quantity, marks)
    if max(counts, default=1) > 1:
        text = " or ".join(f"{count:,}" for count in sorted(counts))
        notes.append(f"Medians of {text} members, at each update of those that still train.")
    title = f"{capitalize(quantity)} by {parameter}"
    return Chart(title, [Panel(marks, UPDATES, axis)], legend=parameter, notes=notes)


def norm_curves(steps: Any, norms: Mapping[str, Any], *, quantity: str) -> Chart:
    """The norm of each layer's gradients, or of its activations, against updates.

    Parameters
    ----------
    steps : [T].
    norms : [T], or [T, K] for K members, by the layer's array ("W1").
    quantity : what they are.

    Examples
    --------
    >>> norm_curves([0, 10], {"W1": [0.1, 0.01], "W2": [0.5, 0.2]}, quantity="length of the gradient").title
    'Length of the gradient by layer'
    """
    if not norms:
        raise BadInput("there are no layers to draw; give the norms of at least one")
    marks: list[Mark] = []
    members = 1
    for index, (name, values) in enumerate(norms.items()):
        values = np.asarray(values, np.float64)
        if values.ndim == 2 and values.shape[1] > 1:
            marks += median_band(steps, values, name, index)
            members = values.shape[1]
        else:
            marks.append(Line(steps, values.ravel(), name, index))
    starts = [mark.points()[1][:1] for mark in marks if isinstance(mark, Line)]
    axis, notes = objective_axis(quantity, marks, MAX_NORM_GROWTH * float(max(np.concatenate([[1.0], *starts]))))
    if members > 1:
        notes.insert(0, f"Medians of {members:,} members, and the band from 10 to 90 %.")
    return Chart(f"{capitalize(quantity)} by layer", [Panel(marks, UPDATES, axis)], legend="layer", notes=notes)


def time_curves(
    quantity: str, values: Sequence[int], microseconds: Mapping[str, Sequence[float | None]], *, note: str
) -> Chart:
    """The microseconds of an update against a quantity, a line for each contender.

    Parameters
    ----------
    quantity : what grows, such as "members".
    values : values of the quantity [T].
    microseconds : for each contender, by name, the time of an update of one member [T], None where it was not measured.
    note : what was measured on which computer.

    Examples
    --------
    >>> chart = time_curves("batch", [8, 32], {"compiled": [20.0, 60.0], "JAX scan": [None, 90.0]}, note="one 8-3-8")
    >>> chart.panels[0].x.scale, len(chart.panels[0].marks)
    ('log', 2)
    """
    marks = [
        Line(values, np.array(times, np.float64), name, index, marks="all")
        for index, (name, times) in enumerate(microseconds.items())
    ]
    panel = Panel(marks, Axis(quantity, "log"), Axis("microseconds for an update of one member", "log"))
    return Chart(f"Time of an update by {quantity}", [panel], notes=[note])


def _history_marks(curves: Curves, name: str) -> tuple[list[Mark], list[str]]:
    """The marks of a series, for training and validation rows, and notes."""
    parts = [part for part in (name, f"validation {name}") if part in curves.history.names]
    marks: list[Mark] = []
    if curves.members * len(parts) > MAX_LINES:
        for index, part in enumerate(parts):
            text = f"{_rows_of(part, name)} median" if len(parts) > 1 else "median"
            marks += median_band(curves.history.steps, curves.history.series(part), text, index)
        return marks, [_describe_band(curves, name)]
    for index, part in enumerate(parts):
        for member in range(curves.members):
            diverged = " (diverged)" if member in curves.diverged else ""
            member_name = f"{curves.names[member]}{diverged}" if curves.members > 1 else ""
            rows = _rows_of(part, name) if len(parts) > 1 else ""
            label = ", ".join(filter(None, (member_name, rows)))
            steps, values = _member_series(curves, part, member)
            color = index if curves.members == 1 else member
            marks.append(Line(steps, values, label, color, "some" if index and curves.members > 1 else "end"))
    return marks, []


def _rows_of(part: str, name: str) -> str:
    return part.removesuffix(name).strip() or "training"


def _member_series(curves: Curves, name: str, member: int) -> tuple[Floats, Floats]:
    """The steps and values of a member's evaluations, with the objective at the end."""
    values = curves.history.series(name)[:, member]
    is_evaluated = ~np.isnan(values)
    steps, values = np.array(curves.history.steps)[is_evaluated], values[is_evaluated]
    # With patience the final weights are the best ones, which belong to an earlier step.
    if name == "objective" and not curves.ended_at_best and (not len(steps) or curves.steps[member] > steps[-1]):
        steps, values = np.append(steps, curves.steps[member]), np.append(values, curves.objective[member])
    return steps, values


def _describe_band(curves: Curves, name: str) -> str:
    """The note on how many members a median and its band are of, at which updates."""
    steps, counts = curves.history.steps, (~np.isnan(curves.history.series(name))).sum(1)
    text = f"Band: {BAND_LABEL} of the members."
    if counts[-1] < counts[0]:
        indices = sorted({0, len(steps) // 2, len(steps) - 1})
        counts_at_steps = ", ".join(f"{counts[index]} at {steps[index]:,}" for index in indices)
        text = f"Median and band ({BAND_LABEL}) are of the members that still train: {counts_at_steps} updates."
    return text + (f" {len(curves.diverged)} diverged." if curves.diverged else "")


def _describe_problem(problem: Problem) -> str:
    loss, reduction = (text.replace("_", " ") for text in (problem.loss.name, problem.reduction))
    penalty = "" if problem.penalty is None else f", plus a penalty ({problem.penalty.name.replace('_', ' ')})"
    count = f", {problem.members} members" if problem.members > 1 else ""
    means = {"sum": "sum", "mean samples": "mean over samples", "mean elements": "mean over elements"}
    return f"{problem.network!r}{count}. Objective: {loss}, {means[reduction]}{penalty}."
