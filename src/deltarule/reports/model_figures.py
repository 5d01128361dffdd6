"""Charts of a table model: importance, calibration, errors, loss by epoch.

N rows · T columns of a table · G groups of predictions · n epochs
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from deltarule.errors import count_of
from deltarule.reports.cell_figures import CELL_INCHES, MAX_ROWS
from deltarule.reports.chart import MAX_LINES, Chart, capitalize, interval_rows, objective_axis
from deltarule.reports.formatting import format_probability, percent
from deltarule.reports.marks import Axis, Bars, Dots, Line, Panel, Rule

MAX_DOTS = 2000
"""Maximum number of rows that are drawn as dots."""
COLUMN_NAME_POINTS = 134
"""Maximum width in points of a column's name."""
INTERVAL = "its interval (95 %)"


def column_importances(columns: Sequence[str], losses: Any, intervals: Any, *, score: str) -> Chart:
    """The loss of score if a column is shuffled, with intervals.

    Parameters
    ----------
    columns : names of the T columns, the most important first.
    losses : [T].
    intervals : [T, 2], NaN if there is none.
    score : its name, such as "R²".

    Examples
    --------
    >>> chart = column_importances(["size", "color"], [0.5, 0.1], [[0.4, 0.6], [0.0, 0.2]], score="accuracy")
    >>> chart.panels[0].y.names
    ['size', 'color']
    """
    losses, intervals = np.asarray(losses, np.float64)[:MAX_ROWS], np.asarray(intervals, np.float64)[:MAX_ROWS]
    entries = f"{score} lost", INTERVAL if np.isfinite(intervals).any() else ""
    marks, axis = interval_rows(columns[:MAX_ROWS], losses, intervals, entries, "column", COLUMN_NAME_POINTS)
    notes = ["Correlated columns share importance, so each looks less important."]
    if len(columns) > MAX_ROWS:
        notes.insert(0, f"The first {MAX_ROWS} of {len(columns):,} columns.")
    parts = [f"{name} {loss:.3g}" for name, loss in list(zip(columns, losses.tolist(), strict=False))[:MAX_LINES]]
    if len(columns) > MAX_LINES:
        parts.append(count_of(len(columns) - MAX_LINES, "more column"))
    x = Axis(f"{score} lost if the column is shuffled")
    sentences = [f"{capitalize(score)} lost: {'; '.join(parts)}."]
    size = 7.0, 1.5 + CELL_INCHES[1] * len(losses)
    panel = Panel([Rule(x=0.0), *marks], x, axis)
    return Chart("Feature importance", [panel], size=size, notes=notes, sentences=sentences)


def calibration_curve(probabilities: Any, shares: Any, intervals: Any) -> Chart:
    """The shares of right predictions against their mean probabilities.

    Parameters
    ----------
    probabilities : [G], the means of groups of predictions.
    shares : [G], of each group that are right.
    intervals : [G, 2], of the shares.

    Examples
    --------
    >>> calibration_curve([0.6, 0.9], [0.5, 0.9], [[0.3, 0.7], [0.8, 0.95]]).sentences[0]
    'Predicted with 60 %: 50 % right.'
    """
    probabilities, shares, intervals = (np.asarray(array, np.float64) for array in (probabilities, shares, intervals))
    start = max(0.0, float(min(probabilities.min(), intervals.min())) - 0.05)
    marks = [
        Line([start, 1], [start, 1], "perfectly calibrated", marks="none", is_data=False),
        Bars(intervals[:, 0], intervals[:, 1], probabilities, INTERVAL, is_vertical=True),
        Line(probabilities, shares, "share that is right", marks="all"),
    ]
    panel = Panel(
        marks,
        Axis("predicted probability", limits=(start, 1.02)),
        Axis("share of predictions that are right", limits=(start, 1.03)),
    )
    sentences = [
        f"Predicted with {format_probability(probability)}: {percent(share)} right."
        for probability, share in zip(probabilities.tolist(), shares.tolist(), strict=True)
    ]
    notes = ["Below the gray line the model is overconfident, above it underconfident."]
    return Chart("Are the probabilities right?", [panel], size=(5.6, 3.8), notes=notes, sentences=sentences)


def true_and_predicted_numbers(targets: Any, predictions: Any, *, target: str) -> Chart:
    """Predicted against true numbers [N] as dots; `target` is what they are.

    >>> true_and_predicted_numbers([1.0, 2.0], [1.5, 2.0], target="price").panels[0].y.label
    'predicted price'
    """
    targets, predictions = np.asarray(targets, np.float64), np.asarray(predictions, np.float64)
    chosen = np.random.default_rng(0).permutation(len(targets))[:MAX_DOTS]
    ends = [float(min(targets.min(), predictions.min())), float(max(targets.max(), predictions.max()))]
    marks = [
        Line(ends, ends, "right", marks="none", is_data=False),
        Dots(targets[chosen], predictions[chosen], "a row", size=4, opacity=0.5),
    ]
    notes = [f"{MAX_DOTS:,} of {len(targets):,} rows, drawn by chance."] if len(targets) > MAX_DOTS else []
    half, nine_tenths = np.quantile(np.abs(targets - predictions), [0.5, 0.9])
    sentences = [f"Half of the predictions are off by {half:.3g} at most, nine in ten by {nine_tenths:.3g}."]
    panel = Panel(marks, Axis(f"true {target}"), Axis(f"predicted {target}"))
    return Chart("Predicted against true values", [panel], size=(5.6, 4.2), notes=notes, sentences=sentences)


def loss_by_epoch(losses: Any) -> Chart:
    """The loss of each epoch of a fit [n].

    >>> loss_by_epoch([0.9, 0.5, 0.4]).panels[0].marks[0].x.tolist()
    [1, 2, 3]
    """
    marks = [Line(np.arange(1, len(losses) + 1), losses)]
    axis, notes = objective_axis("loss, with the penalty, mean of the networks", marks)
    return Chart("Training", [Panel(marks, Axis("epochs", "updates"), axis)], notes=notes)
