"""Figures, drawn from records: nothing is computed here but what a drawing needs (medians, limits of axes).

T looks · K members · N objects · n updates of a range test
"""

import textwrap
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from deltarule.errors import BadInput
from deltarule.files import write_whole
from deltarule.problem.problem import Floats
from deltarule.reports import style
from deltarule.reports.wording import member_names
from deltarule.training.range_test import RangeTest
from deltarule.training.run import Run

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST_LINES = 8
"""Members that are drawn a line each; of more, the median and a band are."""
MOST_OBJECTS = 16
DECADES = 2
"""An objective that spans more than this is drawn on a logarithmic scale."""
SHOWN = 1000
"""How many times the greatest value at the start is still shown: what diverges would press all else flat."""
BAND = (10, 90)
BAND_TOLD = "10 to 90 %"


def objective_curves(run: Run) -> "Figure":
    """Draw the objective against the updates, on training and validation rows.

    A line a member where they are few, ended where the member ended; the median and the band from 10 to 90 % of the
    members that still train where they are many. The scale is logarithmic where the values span over two decades.

    >>> from deltarule.problem.network import Network
    >>> from deltarule.problem.create import create_problem
    >>> from deltarule.training.train import train
    >>> run = train(create_problem(Network([1, 1]), [[0.0], [1.0]], [0.0, 1.0], seeds=range(3)), max_steps=10)
    >>> figure = objective_curves(run)
    >>> [line.get_label() for line in figure.axes[0].lines]
    ['seed 0', 'seed 1', 'seed 2']
    """
    with style.drawing():
        page = _Page.blank("Objective")
        page.note(_told(run))
        _draw_history(page, run, "objective")
        page.y_label("objective")
        page.scale_objective()
        return page.finished()


def accuracy_curves(run: Run, metric: str = "accuracy") -> "Figure":
    """Draw a metric that is a share of the rows, as the accuracy is, against the updates.

    Parameters: `metric`, a name in the run's history.
    Errors: `BadInput` where the history does not hold it.

    >>> from deltarule.problem.network import Network
    >>> from deltarule.problem.create import create_problem
    >>> from deltarule.training.train import train
    >>> run = train(create_problem(Network([1, 1]), [[0.0], [1.0]], [0.0, 1.0]), max_steps=10, metrics=("accuracy",))
    >>> accuracy_curves(run).axes[0].get_ylabel()
    'accuracy (share of rows)'
    """
    if metric not in run.history.names:
        raise BadInput(f"the history holds no '{metric}' but {', '.join(run.history.names)}; train with that metric")
    told = metric.replace("_", " ")
    with style.drawing():
        page = _Page.blank(told.capitalize())
        page.note(_told(run))
        _draw_history(page, run, metric)
        page.y_label(f"{told} (share of rows)")
        page.scale_share()
        return page.finished()


def object_curves(steps: Any, probabilities: Any, labels: Sequence[str]) -> "Figure":
    """Draw the probability of each object's correct output against the updates.

    Parameters: `steps` [T]; `probabilities` [T, N]; `labels`, the names of the N objects.

    >>> figure = object_curves([0, 10], [[0.5, 0.4], [0.9, 0.8]], ["cat", "dog"])
    >>> figure.axes[0].lines[0].get_ydata()
    array([0.5, 0.9])
    """
    values = np.asarray(probabilities)
    with style.drawing():
        page = _Page.blank("Probability of the correct output")
        if len(labels) <= MOST_OBJECTS:
            page.lines(steps, values, labels)
        else:
            page.band(steps, values, "median object")
            page.note(f"{len(labels)} objects; band: {BAND_TOLD} of them.")
        page.axes.axhline(0.5, color=style.GRAY, linewidth=1, zorder=1)
        page.x_label_updates()
        page.y_label("probability of the correct output")
        page.scale_share()
        page.note("Gray line: 0.5, above which the correct output is right.")
        return page.finished("object")


def range_test_curves(tested: RangeTest) -> "Figure":
    """Draw a learning-rate range test: objective, and accuracy where there is one, against the rate.

    >>> rates = np.logspace(-3, 0, 4)
    >>> tested = RangeTest(rates, np.array([[2.0], [1.0], [0.5], [9.0]]), None, np.array([0.01]))
    >>> [entry.get_text() for entry in range_test_curves(tested).legends[0].get_texts()]
    ['suggested: 0.01']
    """
    with style.drawing():
        page = _Page.blank("Learning-rate range test", rows=1 if tested.accuracy is None else 2)
        names = [f"member {member}" for member in range(tested.objective.shape[1])]
        page.members(tested.rates, tested.objective, names)
        page.y_label("objective on the batch")
        page.scale_objective()
        page.mark_rate(tested.suggested)
        if tested.accuracy is not None:
            page.next_row()
            page.members(tested.rates, tested.accuracy, names, listed=False)
            page.y_label("accuracy (share of rows)")
            page.scale_share()
            page.mark_rate(tested.suggested, listed=False)
        page.axes.set_xlabel("learning rate")
        if not np.allclose(np.diff(tested.rates), tested.rates[1] - tested.rates[0]):
            page.axes.set_xscale("log")
        return page.finished()


def comparison_curves(
    series: Mapping[str, tuple[Any, Any]], *, parameter: str, quantity: str = "objective"
) -> "Figure":
    """Draw what several values of a parameter came to: a curve each, the median where it is of many members.

    Parameters
    ----------
    series : for each value, by name, its steps [T] and its values [T] or [T, K].
    parameter : what the names are values of.
    quantity : what the values are, with their unit where they have one.

    Raises `BadInput` where there is nothing to compare.

    >>> figure = comparison_curves({"0.1": ([0, 5], [1.0, 0.8]), "1": ([0, 5], [1.0, 0.2])}, parameter="learning rate")
    >>> figure.axes[0].get_title(loc="left")
    'Objective by learning rate'
    """
    if not series:
        raise BadInput(f"there are no series to compare by {parameter}; give at least one")
    with style.drawing():
        page, members = _Page.blank(f"{quantity[:1].upper()}{quantity[1:]} by {parameter}"), set[int]()
        for name, (steps, values) in series.items():
            values = np.asarray(values)
            if values.ndim == 2:
                members.add(values.shape[1])
                steps, values = _middle(steps, values, np.nanmedian)
            page.line(steps, values, name)
        page.x_label_updates()
        page.y_label(quantity)
        page.scale_objective()
        if max(members, default=1) > 1:
            told = " or ".join(f"{count:,}" for count in sorted(members))
            page.note(f"Medians of {told} members, at each update of those that still train.")
        return page.finished(parameter)


def time_curves(
    quantity: str, values: Sequence[int], microseconds: Mapping[str, Sequence[float | None]], *, told: str
) -> "Figure":
    """Draw how the time of an update grows with a quantity, a line for each contender of a benchmark.

    Parameters
    ----------
    quantity : what grows, in words: "members".
    values : its values [T].
    microseconds : for each contender, by name, the time of an update of one member [T], None where it was not measured.
    told : what was measured on what, for the note.

    >>> figure = time_curves("batch", [8, 32], {"compiled": [20.0, 60.0], "JAX scan": [None, 90.0]}, told="one 8-3-8")
    >>> figure.axes[0].get_xscale(), figure.axes[0].get_xlabel(), len(figure.axes[0].lines)
    ('log', 'batch', 2)
    """
    with style.drawing():
        page = _Page.blank(f"Time of an update by {quantity}")
        for name, times in microseconds.items():
            page.line(values, np.array(times, np.float64), name, markevery=1)
        page.axes.set_xscale("log")
        page.axes.set_yscale("log")
        page.axes.set_xlabel(quantity)
        page.y_label("microseconds for an update of one member")
        page.note(told)
        return page.finished()


def save(figure: "Figure", path: str | Path) -> tuple[Path, Path]:
    """Write a figure as SVG and as PNG: the same record, drawn and saved again, gives the same bytes.

    Parameters: `path`, in a folder that exists, without a suffix.
    Returns: the paths of the SVG and the PNG file.
    Errors: `BadInput` for a place that cannot be written; `RunFailed` for a full or failing disk.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     files = save(object_curves([0, 1], [[0.1], [0.9]], ["cat"]), Path(folder) / "objects")
    ...     [file.name for file in files], all(file.is_file() for file in files)
    (['objects.svg', 'objects.png'], True)
    """
    path = Path(path)
    files = path.with_name(f"{path.name}.svg"), path.with_name(f"{path.name}.png")
    with style.drawing():
        contents = [_content(figure, "svg", {"Date": None}), _content(figure, "png", {})]
    for file, content in zip(files, contents, strict=True):
        write_whole(file, content)
    return files


def _content(figure: "Figure", kind: str, metadata: dict[str, Any]) -> bytes:
    content = BytesIO()
    figure.savefig(content, format=kind, metadata=metadata)
    return content.getvalue()


@dataclass
class _Page:
    """A figure on its way: the axes that are drawn on, what the legend lists, and the notes below."""

    figure: "Figure"
    rows: list["Axes"]
    row: int = 0
    entries: list[tuple[Any, str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    drawn: list[Floats] = field(default_factory=list)

    @classmethod
    def blank(cls, title: str, rows: int = 1) -> "_Page":
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure

        figure = Figure(figsize=(7.0, 3.6 + 1.6 * (rows - 1)), layout="constrained")
        FigureCanvasAgg(figure)
        axes = figure.subplots(rows, sharex=True, squeeze=False)[:, 0]
        axes[0].set_title(_wrapped(title, 60))
        return cls(figure, list(axes))

    @property
    def axes(self) -> "Axes":
        return self.rows[self.row]

    def next_row(self) -> None:
        self.row += 1
        self.drawn.clear()

    def line(self, x: Any, y: Any, name: str, index: int | None = None, listed: bool = True, **look: Any) -> None:
        """A line through what is finite, with a dot where it ends."""
        x, y = np.asarray(x), np.asarray(y)
        there = np.isfinite(y)
        place = len(self.axes.lines) if index is None else index
        given = {"marker": "o", "markersize": 3, "markevery": [-1], **style.line(place), **look}
        (drawn,) = self.axes.plot(x[there], y[there], label=_plain(name), **given)
        self.drawn.append(y[there])
        if listed and name:
            self.entries.append((drawn, name))

    def lines(self, x: Any, values: Floats, names: Sequence[str], listed: bool = True) -> None:
        """A line for each column.    values [T, K]"""
        for name, column in zip(names, values.T, strict=True):
            self.line(x, column, name, listed=listed)

    def band(self, x: Any, values: Floats, name: str, index: int = 0, listed: bool = True) -> None:
        """The median of each row, and the band around it.    values [T, K]"""
        look = style.line(index)
        steps, low = _middle(x, values, lambda rows, axis: np.nanpercentile(rows, BAND[0], axis=axis))
        _, high = _middle(x, values, lambda rows, axis: np.nanpercentile(rows, BAND[1], axis=axis))
        shade = self.axes.fill_between(steps, low, high, color=look["color"], alpha=style.BAND, linewidth=0)
        (line,) = self.axes.plot(*_middle(x, values, np.nanmedian), label=_plain(name), **look)
        self.drawn += [low, high]
        if listed:
            self.entries += [(line, name), (shade, BAND_TOLD)]

    def members(self, x: Any, values: Floats, names: Sequence[str], listed: bool = True) -> None:
        """Lines of few members, a band of many.    values [T, K]"""
        if len(names) <= MOST_LINES:
            self.lines(x, values, names if len(names) > 1 else [""], listed)
        else:
            self.band(x, values, f"median of {len(names)}", listed=listed)

    def mark_rate(self, suggested: Floats, listed: bool = True) -> None:
        """A vertical line at the suggestion, the median one where members differ."""
        found = suggested[np.isfinite(suggested)]
        if not len(found):
            self.note("No rate is suggested: at none does the objective fall.")
            return
        rate = float(np.median(found))
        line = self.axes.axvline(rate, color=style.GRAY, linewidth=1.2, zorder=1)
        if listed:
            self.entries.append((line, f"suggested: {rate:.3g}" + (" (median)" if len(found) > 1 else "")))

    def x_label_updates(self) -> None:
        from matplotlib.ticker import MaxNLocator, StrMethodFormatter

        self.axes.set_xlabel("updates")
        self.axes.xaxis.set_major_locator(MaxNLocator("auto", steps=[1, 2, 5, 10], integer=True))
        self.axes.xaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))

    def y_label(self, text: str) -> None:
        self.axes.set_ylabel(_wrapped(text, 44))

    def scale_objective(self) -> None:
        """A logarithmic scale for many decades; what diverges leaves the picture."""
        values = np.concatenate(self.drawn).astype(np.float64)
        if not len(values):
            return
        least, greatest = float(values.min()), float(values.max())
        top = SHOWN * max(abs(float(column[0])) for column in self.drawn if len(column))
        logarithmic = least > 0 and np.log10(greatest) - np.log10(least) > DECADES
        if logarithmic:
            self.axes.set_yscale("log")
        if greatest > top > 0:
            self.axes.set_ylim(least / 2 if logarithmic else least - 0.05 * (top - least), top)
            self.note(f"Values above {top:.3g} are outside the picture.")

    def scale_share(self) -> None:
        """From 0 to 1, with room for lines that lie on either."""
        self.axes.set_ylim(-0.03, 1.03)

    def note(self, text: str) -> None:
        if text not in self.notes:
            self.notes.append(text)

    def finished(self, legend_title: str = "") -> "Figure":
        """Set the legend beside the axes and the notes below, where they can hide nothing."""
        names = [_wrapped(name, 26) for _, name in self.entries]
        if names:
            lines = sum(name.count("\n") + 1 for name in names)
            self.figure.set_figheight(max(self.figure.get_figheight(), 1.2 + 0.18 * lines))
            handles, title = [handle for handle, _ in self.entries], _wrapped(legend_title, 26) or None
            self.figure.legend(handles, names, loc="outside right upper", title=title, alignment="left")
        if self.notes:
            told = _wrapped(" ".join(self.notes), 110)
            self.figure.supxlabel(told, x=0.01, ha="left", fontsize=8, color=style.GRAY)
        return self.figure


def _draw_history(page: _Page, run: Run, name: str) -> None:
    """A series of the history on the training rows, and on the validation rows where there are any."""
    parts = [part for part in (name, f"validation {name}") if part in run.history.names]
    members = run.problem.members
    for place, part in enumerate(parts):
        rows = part.removesuffix(name).strip() or "training"
        if members * len(parts) > MOST_LINES:
            steps, values = _complete(run, part)
            page.band(steps, values, f"{rows} median" if len(parts) > 1 else "median", index=place)
        elif members == 1:
            page.line(*_of_member(run, part, 0), rows if len(parts) > 1 else "", index=place)
        else:
            for member, member_name in enumerate(_names(run)):
                label = f"{member_name}, {rows}" if len(parts) > 1 else member_name
                look: dict[str, Any] = {"markevery": 0.1, "markerfacecolor": "white"} if place else {}
                page.line(*_of_member(run, part, member), label, index=member, **look)
    if members * len(parts) > MOST_LINES:
        page.note(_still_training(run, name))
    page.x_label_updates()


def _of_member(run: Run, name: str, member: int) -> tuple[Floats, Floats]:
    """A member's steps and values where it was looked at; of the objective, its end as well."""
    values = run.history.series(name)[:, member]
    looked = ~np.isnan(values)
    steps, values = np.array(run.history.steps)[looked], values[looked]
    # With patience the end has the best weights, which belong to a step before it.
    if name == "objective" and run.best_steps is None and (not len(steps) or run.steps[member] > steps[-1]):
        steps, values = np.append(steps, run.steps[member]), np.append(values, run.objective[member])
    return steps, values


def _complete(run: Run, name: str) -> tuple[Floats, Floats]:
    """The looks at all members that still trained; L-BFGS looks at a member alone where that one ends."""
    steps, values = np.array(run.history.steps), run.history.series(name)
    counts = (~np.isnan(run.history.objective)).sum(1)
    looked = counts >= np.maximum.accumulate(counts[::-1])[::-1]  # nobody who has ended comes back
    return steps[looked], values[looked]


def _middle(x: Any, values: Floats, of: Callable[..., Floats]) -> tuple[Floats, Floats]:
    """A statistic over the finite values of each row that has some.    values [T, K]"""
    values = np.where(np.isfinite(values), values, np.nan)
    there = ~np.isnan(values).all(1)
    return np.asarray(x)[there], of(values[there], axis=1)


def _names(run: Run) -> list[str]:
    """The members' names, with a word about those that diverged."""
    diverged = {one.member for one in run.diverged}
    return [f"{name} (diverged)" if place in diverged else name for place, name in enumerate(member_names(run.problem))]


def _still_training(run: Run, name: str) -> str:
    steps, values = _complete(run, name)
    counts = (~np.isnan(values)).sum(1)
    told = f"Band: {BAND_TOLD} of the members."
    if counts[-1] < counts[0]:
        places = sorted({0, len(steps) // 2, len(steps) - 1})
        looks = ", ".join(f"{counts[place]} at {steps[place]:,}" for place in places)
        told = f"Median and band ({BAND_TOLD}) are of the members that still train: {looks} updates."
    return told + (f" {len(run.diverged)} diverged." if run.diverged else "")


def _told(run: Run) -> str:
    """What was trained, and what the objective is."""
    problem = run.problem
    loss, reduction = (text.replace("_", " ") for text in (problem.loss.name, problem.reduction))
    penalty = "" if problem.penalty is None else f", plus a penalty ({problem.penalty.name.replace('_', ' ')})"
    members = f", {problem.members} members" if problem.members > 1 else ""
    means = {"sum": "sum", "mean samples": "mean over samples", "mean elements": "mean over elements"}
    return f"{problem.network!r}{members}. Objective: {loss}, {means[reduction]}{penalty}."


def _plain(text: str) -> str:
    """Text that Matplotlib takes as it stands: no formula between dollars, no name that hides from legends."""
    text = text.replace("$", r"\$")
    return f" {text}" if text.startswith("_") else text


def _wrapped(text: str, width: int) -> str:
    return _plain("\n".join(textwrap.wrap(text, width, max_lines=4, placeholder=" …")))
