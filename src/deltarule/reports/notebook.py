"""Show runs, sweeps and charts as HTML in notebooks.

`import deltarule` registers these in IPython; elsewhere this module is not loaded.
"""

import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from deltarule.errors import count_of
from deltarule.reports.chart import Chart, objective_axis
from deltarule.reports.formatting import load_template
from deltarule.reports.marks import Axis, Line, Panel
from deltarule.reports.summaries import ENDED, describe_progress, format_spread
from deltarule.reports.svg_embed import figure_html as figure_html
from deltarule.reports.table import Table, table

MIN_TRAINING_PER_DRAWING = 9
"""Minimum training time between two drawings, as a multiple of the drawing time."""
MAX_VALUES = 512
"""Maximum number of recorded values; beyond it every second one is dropped."""


def register(shell: Any) -> None:
    html = shell.display_formatter.formatters["text/html"]
    for module, name, function in HTML_FUNCTIONS:
        html.for_type_by_name(f"deltarule.{module}", name, function)


def run_html(run: Any) -> str:
    """A run as HTML: its objective curve and a short table."""
    from deltarule.reports.figures import objective_curves

    ended = ", ".join(f"{run.reasons.count(reason):,} {ENDED[reason]}" for reason in dict.fromkeys(run.reasons))
    objective = np.quantile(np.where(np.isfinite(run.objective), run.objective, np.inf), (0, 0.5, 1), method="lower")
    facts = [
        ["networks", f"{run.problem.members:,}, {run.engine.name} engine"],
        ["updates", f"{int(run.steps.max(initial=0)):,} at most, in {run.seconds:.2f} s"],
        ["ended", ended],
        ["objective", format_spread(*objective)],
    ]
    for lost in run.diverged[:3]:
        facts.append(["diverged", f"member {lost.member} after update {lost.step:,}, in {lost.where}"])
    facts += [["note", note] for note in run.notes]
    curve = figure_html(objective_curves(run)) if run.history.steps else ""
    return _record_html(repr(run.problem.network), table(["run", "result"], facts), figure=curve)


def sweep_html(sweep: Any) -> str:
    """A sweep as HTML: its best configurations, compared with the first."""
    from deltarule.reports.sweep_figures import ranking_with_intervals
    from deltarule.stats.ranking import ranking

    settings, scores = sweep.scores()
    summary = f"{sweep.name}: {count_of(len(sweep), 'row')}, {sweep.diverged:,} of them diverged; mean {sweep.quantity}"
    if not np.isfinite(scores).any():
        return _record_html(f"{summary}: none yet")
    chart = ranking_with_intervals(settings, ranking(scores), quantity=sweep.quantity)
    return _record_html(summary, chart.table(), figure=figure_html(chart))


HTML_FUNCTIONS: Sequence[tuple[str, str, Callable[[Any], str]]] = (
    ("training.run", "Run", run_html),
    ("sweeps.result", "Sweep", sweep_html),
    ("reports.chart", "Chart", figure_html),
)
"""The module and name of each record, with the function that returns its HTML."""


class LivePlot:
    """A plot of the objective during training: pass it to `train` as `progress`.

    For a population it shows the median of the members that still train, on the batch of the last update.

    Parameters
    ----------
    every : the minimum number of seconds between two drawings.
    """

    def __init__(self, every: float = 1.0) -> None:
        self.every = every
        self.steps: list[int] = []
        self.objectives: list[float] = []
        self._due = float("-inf")
        self._shown: Any = None

    def __call__(self, progress: Any) -> None:
        """Record the progress of a training, and redraw the plot now and then."""
        from IPython.display import HTML, display

        if self.steps and progress.step <= self.steps[-1]:  # another training
            self.steps, self.objectives = [], []
        self.steps.append(progress.step)
        self.objectives.append(progress.objective)
        if len(self.steps) > MAX_VALUES:
            del self.steps[1::2], self.objectives[1::2]
        started = time.perf_counter()
        if started < self._due and progress.training:
            return
        page = _record_html(describe_progress(progress), figure=figure_html(self.chart()))
        if self._shown is None:
            self._shown = display(HTML(page), display_id=True)
        else:
            self._shown.update(HTML(page))
        if not progress.training:
            self._shown = None  # another training gets another plot
        drawn = time.perf_counter()
        self._due = drawn + max(self.every, MIN_TRAINING_PER_DRAWING * (drawn - started))

    def chart(self) -> Chart:
        """The objectives so far."""
        marks = [Line(self.steps, self.objectives)]
        axis, notes = objective_axis("median objective on the last batch", marks)
        return Chart("Objective while it trains", [Panel(marks, Axis("updates", "updates"), axis)], notes=notes)


def _record_html(title: str, rows: Table | None = None, figure: str = "") -> str:
    page = load_template("record.html").render(title=title, rows=rows, figure=figure)
    return page.strip()
