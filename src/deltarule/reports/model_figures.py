"""Figures of a table model: importance of columns, calibration, predicted against true numbers, loss by epoch.

N rows · T columns of a table · G groups of predictions · n epochs
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from deltarule.errors import count_of
from deltarule.reports import style
from deltarule.reports.cell_figures import CELL_INCHES, MAX_ROWS
from deltarule.reports.figure_builder import MAX_LINES, FigureBuilder, use_full_tick_labels
from deltarule.reports.formatting import format_probability, isolate_direction, percent
from deltarule.reports.text_fitting import wrap_text

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MAX_DOTS = 2000
"""Maximum number of rows that are drawn as dots."""
COLUMN_NAME_POINTS = 134
"""Maximum width in points of a column's name."""
DIAGONAL: dict[str, Any] = {"color": style.GRAY, "linewidth": 1.2, "zorder": 1}


def column_importances(columns: Sequence[str], losses: Any, intervals: Any, *, score: str) -> "Figure":
    """Draw the loss of score [T] if a column is shuffled, with intervals [T, 2]; only the first columns if many.

    Parameters: `columns`, their names; `losses` [T] of the score, the greatest first; `intervals` [T, 2], NaN if there
    is none; `score`, its name, such as "R²".

    >>> figure = column_importances(["size", "color"], [0.5, 0.1], [[0.4, 0.6], [0.0, 0.2]], score="accuracy")
    >>> [text.get_text() for text in figure.axes[0].get_yticklabels()]
    ['size', 'color']
    """
    losses, intervals = np.asarray(losses, np.float64)[:MAX_ROWS], np.asarray(intervals, np.float64)[:MAX_ROWS]
    with style.style_context():
        builder = FigureBuilder.of_axes("Feature importance", 7.0, 1.5 + CELL_INCHES[1] * len(losses))
        builder.axes.axvline(0, **DIAGONAL)
        dots, bars = builder.ranges(columns[:MAX_ROWS], COLUMN_NAME_POINTS, losses, intervals)
        builder.entries.append((dots, f"{score} lost"))
        if np.isfinite(intervals).any():
            builder.entries.append((bars, "its interval (95 %)"))
        use_full_tick_labels(builder.axes.xaxis)
        builder.axes.set_xlabel(f"{score} lost where the column's cells are shuffled among the rows")
        builder.y_label("column")
        if len(columns) > MAX_ROWS:
            builder.note(f"The first {MAX_ROWS} of {len(columns):,} columns.")
        builder.note("Correlated columns share their importance, so that each looks less important.")
        described = list(zip(columns, losses.tolist(), strict=False))[:MAX_LINES]
        parts = [f"{isolate_direction(name)} {loss:.3g}" for name, loss in described]
        if len(columns) > MAX_LINES:
            parts.append(count_of(len(columns) - MAX_LINES, "more column"))
        builder.describe(f"{score[:1].upper()}{score[1:]} lost: {'; '.join(parts)}.")
        return builder.finish()


def calibration_curve(probabilities: Any, shares: Any, intervals: Any) -> "Figure":
    """Draw the shares [G] of right predictions, with intervals [G, 2], against their mean probabilities [G].

    Parameters: `probabilities` [G], the means of groups of predictions; `shares` [G] of each group that are right;
    `intervals` [G, 2] of the shares.

    >>> figure = calibration_curve([0.6, 0.9], [0.5, 0.9], [[0.3, 0.7], [0.8, 0.95]])
    >>> figure.axes[0].get_xlabel()
    'probability that was said of the answer'
    """
    probabilities, shares, intervals = (np.asarray(array, np.float64) for array in (probabilities, shares, intervals))
    with style.style_context():
        builder = FigureBuilder.of_axes("Are the probabilities right?", 5.6, 3.8)
        start = max(0.0, float(min(probabilities.min(), intervals.min())) - 0.05)
        (line,) = builder.axes.plot([start, 1], [start, 1], label="_right", **DIAGONAL)
        bars = builder.axes.vlines(probabilities, *intervals.T, color=style.BLUE, linewidth=4, alpha=0.35)
        builder.line(probabilities, shares, "share that is right", index=0, markevery=1, markersize=5)
        builder.entries += [(bars, "its interval (95 %)"), (line, "as it was said")]
        builder.axes.set_xlim(start, 1.02)
        builder.axes.set_ylim(start, 1.03)
        builder.axes.set_xlabel("probability that was said of the answer")
        builder.y_label("share of answers that are right")
        builder.note("Below the gray line the model is too sure of itself, above it not sure enough.")
        for probability, share in zip(probabilities.tolist(), shares.tolist(), strict=True):
            builder.describe(f"Said {format_probability(probability)}: right {percent(share)}.")
        return builder.finish()


def true_and_predicted_numbers(targets: Any, predictions: Any, *, target: str) -> "Figure":
    """Draw predicted against true numbers, both [N], as dots; `target` is the column's name.

    Parameters: `targets` [N], the true numbers; `predictions` [N]; `target`, what they are.

    >>> figure = true_and_predicted_numbers([1.0, 2.0], [1.5, 2.0], target="price")
    >>> figure.axes[0].get_ylabel()
    'answered price'
    """
    targets, predictions = np.asarray(targets, np.float64), np.asarray(predictions, np.float64)
    chosen = np.random.default_rng(0).permutation(len(targets))[:MAX_DOTS]
    with style.style_context():
        builder = FigureBuilder.of_axes("Answers against the truth", 5.6, 4.2)
        ends = [float(min(targets.min(), predictions.min())), float(max(targets.max(), predictions.max()))]
        (line,) = builder.axes.plot(ends, ends, label="_right", **DIAGONAL)
        (dots,) = builder.axes.plot(
            targets[chosen], predictions[chosen], "o", color=style.BLUE, markersize=3.5, alpha=0.5
        )
        builder.entries += [(dots, "a row"), (line, "right")]
        use_full_tick_labels(builder.axes.xaxis)
        use_full_tick_labels(builder.axes.yaxis)
        builder.axes.set_xlabel(wrap_text(f"true {target}", 44))
        builder.y_label(f"answered {target}")
        if len(targets) > MAX_DOTS:
            builder.note(f"{MAX_DOTS:,} of {len(targets):,} rows, drawn by chance.")
        median_error, large_error = np.quantile(np.abs(targets - predictions), [0.5, 0.9])
        builder.describe(
            f"Half of the answers are off by {median_error:.3g} at most, nine in ten by {large_error:.3g}."
        )
        return builder.finish()


def loss_by_epoch(losses: Any) -> "Figure":
    """Draw the loss of each epoch of a fit, `losses` [n].

    >>> figure = loss_by_epoch([0.9, 0.5, 0.4])
    >>> figure.axes[0].lines[0].get_xdata().tolist()
    [1, 2, 3]
    """
    losses = np.asarray(losses, np.float64)
    with style.style_context():
        builder = FigureBuilder.blank("Training")
        builder.line(np.arange(1, len(losses) + 1), losses, "")
        builder.axes.set_xlabel("epochs")
        builder.y_label("loss, with the penalty, mean of the networks")
        builder.scale_objective()
        return builder.finish()
