"""Figures of training runs: curves of objective, accuracy and probabilities, range tests, benchmarks; and `save`.

T evaluations · K members · N objects · n updates of a range test
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from deltarule.errors import BadInput
from deltarule.files import write_whole
from deltarule.problem.problem import Floats, Integers, Problem
from deltarule.reports import style
from deltarule.reports.figure_builder import BAND_LABEL, CANNOT_DRAW, MAX_LINES, FigureBuilder, check_shape, row_summary
from deltarule.reports.formatting import member_names
from deltarule.training.history import History
from deltarule.training.range_test import RangeTest
from deltarule.training.run import Run

if TYPE_CHECKING:
    from matplotlib.figure import Figure


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

    def labelled_names(self) -> list[str]:
        """The members' names, with a remark on those that diverged."""
        return [f"{name} (diverged)" if index in self.diverged else name for index, name in enumerate(self.names)]


def objective_curves(run: Run | Curves) -> "Figure":
    """Draw the objective against updates, for training and validation rows.

    Few members get a line each, which ends where the member ended; many are drawn as the median and the band from 10 to
    90 % of those that still train. The scale is logarithmic if the values span over two decades.

    >>> from deltarule.problem.network import Network
    >>> from deltarule.problem.create import create_problem
    >>> from deltarule.training.train import train
    >>> run = train(create_problem(Network([1, 1]), [[0.0], [1.0]], [0.0, 1.0], seeds=range(3)), max_steps=10)
    >>> figure = objective_curves(run)
    >>> [line.get_label() for line in figure.axes[0].lines]
    ['seed 0', 'seed 1', 'seed 2']
    """
    with style.style_context():
        builder = FigureBuilder.blank("Objective")
        curves = run if isinstance(run, Curves) else Curves.from_run(run)
        builder.note(curves.description)
        _draw_history(builder, curves, "objective")
        builder.y_label("objective")
        builder.scale_objective()
        return builder.finish()


def accuracy_curves(run: Run | Curves, metric: str = "accuracy") -> "Figure":
    """Draw a metric that is a share, such as the accuracy, against updates.

    Parameters: `metric`, a name in the run's history.
    Errors: `BadInput` if it is not in the history.

    >>> from deltarule.problem.network import Network
    >>> from deltarule.problem.create import create_problem
    >>> from deltarule.training.train import train
    >>> run = train(create_problem(Network([1, 1]), [[0.0], [1.0]], [0.0, 1.0]), max_steps=10, metrics=("accuracy",))
    >>> accuracy_curves(run).axes[0].get_ylabel()
    'accuracy (share of rows)'
    """
    if metric not in run.history.names:
        raise BadInput(f"the history holds no '{metric}' but {', '.join(run.history.names)}; train with that metric")
    text = metric.replace("_", " ")
    with style.style_context():
        builder = FigureBuilder.blank(text.capitalize())
        curves = run if isinstance(run, Curves) else Curves.from_run(run)
        builder.note(curves.description)
        _draw_history(builder, curves, metric)
        builder.y_label(f"{text} (share of rows)")
        builder.scale_share()
        return builder.finish()


def object_curves(
    steps: Any, probabilities: Any, labels: Sequence[str], *, quantity: str = "probability of the correct output"
) -> "Figure":
    """Draw the probability of each object's correct output against updates.

    Parameters: `steps` [T]; `probabilities` [T, N]; `labels`, the names of the N objects; `quantity`, what the values
    are if they are no probabilities, such as linear outputs.
    Errors: `BadInput` for values that are not [T, N].

    >>> figure = object_curves([0, 10], [[0.5, 0.4], [0.9, 0.8]], ["cat", "dog"])
    >>> figure.axes[0].lines[0].get_ydata()
    array([0.5, 0.9])
    """
    values = np.asarray(probabilities)
    check_shape(values, {"step": len(steps), "object": len(labels)})
    with style.style_context():
        builder = FigureBuilder.blank(f"{quantity[:1].upper()}{quantity[1:]}")
        if len(labels) <= 16:
            builder.lines(steps, values, labels)
        else:
            builder.median_band(steps, values, "median object")
            builder.note(f"{len(labels)} objects; band: {BAND_LABEL} of them.")
        builder.axes.axhline(0.5, color=style.GRAY, linewidth=1, zorder=1)
        builder.x_label_updates()
        builder.y_label(quantity)
        if not ((values < 0) | (values > 1)).any():
            builder.scale_share()
        builder.note("Gray line: 0.5, above which the correct output is right.")
        return builder.finish("object")


def range_test_curves(tested: RangeTest) -> "Figure":
    """Draw a learning-rate range test: objective, and accuracy if there is one, against the learning rate.

    >>> rates = np.logspace(-3, 0, 4)
    >>> tested = RangeTest(rates, np.array([[2.0], [1.0], [0.5], [9.0]]), None, np.array([0.01]))
    >>> [entry.get_text() for entry in range_test_curves(tested).legends[0].get_texts()]
    ['suggested: 0.01']
    """
    with style.style_context():
        builder = FigureBuilder.blank("Learning-rate range test", rows=1 if tested.accuracy is None else 2)
        names = [f"member {member}" for member in range(tested.objective.shape[1])]
        builder.members(tested.rates, tested.objective, names)
        builder.y_label("objective on the batch")
        builder.scale_objective(_max_objective_shown(tested.objective))
        builder.mark_rate(tested.suggested)
        if tested.accuracy is not None:
            builder.next_row()
            builder.members(tested.rates, tested.accuracy, names, in_legend=False)
            builder.y_label("accuracy (share of rows)")
            builder.scale_share()
            builder.mark_rate(tested.suggested, in_legend=False)
        builder.axes.set_xlabel("learning rate")
        if not np.allclose(np.diff(tested.rates), tested.rates[1] - tested.rates[0], atol=0):
            builder.axes.set_xscale("log")
        return builder.finish()


def _max_objective_shown(objective: Floats) -> float:
    """The largest objective of a range test [n, K] to show: its start plus twice the decrease from there."""
    start = float(np.max(objective[0]))
    least = float(np.min(objective[np.isfinite(objective)], initial=start))
    return start + (2 * (start - least) or abs(start))


def comparison_curves(
    series: Mapping[str, tuple[Any, Any]], *, parameter: str, quantity: str = "objective"
) -> "Figure":
    """Draw a curve for each value of a parameter; the median over members if there are many.

    Parameters
    ----------
    series : for each value, by name, its steps [T] and its values [T] or [T, K].
    parameter : what the names are values of.
    quantity : what the values are, with their unit if they have one.

    Raises `BadInput` for no series, or one without a value or a row for each of its steps.

    >>> figure = comparison_curves({"0.1": ([0, 5], [1.0, 0.8]), "1": ([0, 5], [1.0, 0.2])}, parameter="learning rate")
    >>> figure.axes[0].get_title(loc="left")
    'Objective by learning rate'
    """
    if not series:
        raise BadInput(f"there are no series to compare by {parameter}; give at least one")
    with style.style_context():
        builder, members = FigureBuilder.blank(f"{quantity[:1].upper()}{quantity[1:]} by {parameter}"), set[int]()
        for name, (steps, values) in series.items():
            values = np.asarray(values)
            if values.ndim == 2:
                members.add(values.shape[1])
                steps, values = row_summary(steps, values, np.nanmedian)
            builder.line(steps, values, name)
        builder.x_label_updates()
        builder.y_label(quantity)
        builder.scale_objective()
        if max(members, default=1) > 1:
            text = " or ".join(f"{count:,}" for count in sorted(members))
            builder.note(f"Medians of {text} members, at each update of those that still train.")
        return builder.finish(parameter)


def time_curves(
    quantity: str, values: Sequence[int], microseconds: Mapping[str, Sequence[float | None]], *, note: str
) -> "Figure":
    """Draw the microseconds of an update against a quantity, a line for each contender with a gap for each None.

    Parameters
    ----------
    quantity : what grows, such as "members".
    values : values of the quantity [T].
    microseconds : for each contender, by name, the time of an update of one member [T], None where it was not measured.
    note : what was measured on which computer.

    Raises `BadInput` for times that are not one for each of the values.

    >>> figure = time_curves("batch", [8, 32], {"compiled": [20.0, 60.0], "JAX scan": [None, 90.0]}, note="one 8-3-8")
    >>> figure.axes[0].get_xscale(), figure.axes[0].get_xlabel(), len(figure.axes[0].lines)
    ('log', 'batch', 2)
    """
    with style.style_context():
        builder = FigureBuilder.blank(f"Time of an update by {quantity}")
        for name, times in microseconds.items():
            builder.line(values, np.array(times, np.float64), name, markevery=1)
        builder.axes.set_xscale("log")
        builder.axes.set_yscale("log")
        builder.axes.set_xlabel(quantity)
        builder.y_label("microseconds for an update of one member")
        builder.note(note)
        return builder.finish()


def save(figure: "Figure", path: str | Path) -> tuple[Path, Path]:
    """Write a figure as `path`.svg and `path`.png, and return both paths; the same record always gives the same bytes.

    Parameters: `path`, in a folder that exists, without a suffix.
    Returns: the paths of the SVG and the PNG file.
    Errors: `BadInput` for a file that cannot be written, and for a figure that cannot be drawn; `RunFailed` for a full
    or failing disk.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     files = save(object_curves([0, 1], [[0.1], [0.9]], ["cat"]), Path(folder) / "objects")
    ...     [file.name for file in files], all(file.is_file() for file in files)
    (['objects.svg', 'objects.png'], True)
    """
    path = Path(path)
    files = path.with_name(f"{path.name}.svg"), path.with_name(f"{path.name}.png")
    with style.style_context():
        contents = [_file_content(figure, "svg", {"Date": None}), _file_content(figure, "png", {})]
    for file, content in zip(files, contents, strict=True):
        write_whole(file, content)
    return files


def _file_content(figure: "Figure", format: str, metadata: dict[str, Any]) -> bytes:
    """Render a figure in a format of Matplotlib, such as "svg"."""
    content = BytesIO()
    try:
        figure.savefig(content, format=format, metadata=metadata)
    except CANNOT_DRAW as error:
        raise BadInput(
            f"the figure cannot be drawn; Matplotlib says: {' '.join(str(error).split())}; "
            "give it at least one number, and none of a size near 1e308"
        ) from error
    return content.getvalue()


def _draw_history(builder: FigureBuilder, curves: Curves, name: str) -> None:
    """Draw the series of a name in the history, for training rows, and for validation rows if there are any."""
    parts = [part for part in (name, f"validation {name}") if part in curves.history.names]
    members = curves.members
    for index, part in enumerate(parts):
        rows = part.removesuffix(name).strip() or "training"
        if members * len(parts) > MAX_LINES:
            steps, values = np.array(curves.history.steps), curves.history.series(part)
            builder.median_band(steps, values, f"{rows} median" if len(parts) > 1 else "median", index=index)
        elif members == 1:
            builder.line(*_member_series(curves, part, 0), rows if len(parts) > 1 else "", index=index)
        else:
            for member, member_name in enumerate(curves.labelled_names()):
                label = f"{member_name}, {rows}" if len(parts) > 1 else member_name
                steps, values = _member_series(curves, part, member)
                # Marks by index: with marks by distance, Matplotlib up to 3.11.0 samples the invisible part of a line
                # until memory runs out.
                marks: dict[str, Any] = {"markevery": max(1, len(values) // 10), "markerfacecolor": "white"}
                builder.line(steps, values, label, index=member, **(marks if index else {}))
    if members * len(parts) > MAX_LINES:
        builder.note(_describe_band(curves, name))
    builder.x_label_updates()


def _member_series(curves: Curves, name: str, member: int) -> tuple[Floats, Floats]:
    """The steps and values of a member's evaluations; the objective also at the end, unless with best weights."""
    values = curves.history.series(name)[:, member]
    is_evaluated = ~np.isnan(values)
    steps, values = np.array(curves.history.steps)[is_evaluated], values[is_evaluated]
    # With patience the final weights are the best ones, which belong to an earlier step.
    if name == "objective" and not curves.ended_at_best and (not len(steps) or curves.steps[member] > steps[-1]):
        steps, values = np.append(steps, curves.steps[member]), np.append(values, curves.objective[member])
    return steps, values


def _describe_band(curves: Curves, name: str) -> str:
    """The note on how many members a median and its band are of, at which updates."""
    steps, values = curves.history.steps, curves.history.series(name)
    counts = (~np.isnan(values)).sum(1)
    text = f"Band: {BAND_LABEL} of the members."
    if counts[-1] < counts[0]:
        indices = sorted({0, len(steps) // 2, len(steps) - 1})
        counts_at_steps = ", ".join(f"{counts[index]} at {steps[index]:,}" for index in indices)
        text = f"Median and band ({BAND_LABEL}) are of the members that still train: {counts_at_steps} updates."
    return text + (f" {len(curves.diverged)} diverged." if curves.diverged else "")


def _describe_problem(problem: Problem) -> str:
    """A sentence on the network that was trained, and one on its objective."""
    loss, reduction = (text.replace("_", " ") for text in (problem.loss.name, problem.reduction))
    penalty = "" if problem.penalty is None else f", plus a penalty ({problem.penalty.name.replace('_', ' ')})"
    members = f", {problem.members} members" if problem.members > 1 else ""
    means = {"sum": "sum", "mean samples": "mean over samples", "mean elements": "mean over elements"}
    return f"{problem.network!r}{members}. Objective: {loss}, {means[reduction]}{penalty}."
