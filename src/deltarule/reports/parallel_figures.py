"""Parallel coordinates of a sweep: a line for each configuration, across its parameters to its score."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from deltarule.errors import BadInput
from deltarule.problem.problem import Floats
from deltarule.reports import style
from deltarule.reports.figure_builder import FigureBuilder
from deltarule.reports.formatting import isolate_direction
from deltarule.reports.sweep_figures import NAME, last_key
from deltarule.reports.text_fitting import fit_names, wrap_text
from deltarule.stats.effects import Parameter, parameters_of
from deltarule.stats.ranking import ranking

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MAX_DRAWN = 200
"""Maximum number of drawn configurations: half of them the best, the others evenly spaced by rank."""


APART = 1.3
"""Inches between two parameters."""


def parallel_coordinates(settings: Sequence[Mapping[str, Any]], scores: Any, *, quantity: str) -> "Figure":
    """Draw every configuration of a sweep as a line through the values of its parameters to its mean score.

    Parameters
    ----------
    settings : of the C configurations, by dotted key.
    scores : [C, B], NaN where nothing was trained, infinite for what diverged: `Sweep.scores` gives both.
    quantity : what the scores are: "accuracy on validation rows".

    Raises `BadInput` where no parameter takes several values.

    >>> settings = [{"optimizer.learning_rate": rate, "loss.strength": 0.1} for rate in (0.1, 1.0)]
    >>> figure = parallel_coordinates(settings, [[0.5], [0.9]], quantity="accuracy")
    >>> [label.get_text() for label in figure.axes[0].get_xticklabels()]
    ['learning rate', 'mean']
    """
    ranked = ranking(scores)
    # A configuration with few scores is not compared, because it may be above the best by chance.
    lacks = np.isnan(ranked.behind) & ~np.isnan(ranked.behind[:1])
    means = np.where(lacks, np.nan, ranked.mean)[np.argsort(ranked.place)]
    # Parameters beside one another.
    parameters = parameters_of(settings)[0][:8]
    if not parameters:
        raise BadInput("all configurations are alike; lines are drawn of parameters that take several values")
    drawn = _select_lines(means)
    with style.style_context():
        width = max(7.0, 1.4 + APART * (len(parameters) + 1))
        builder = FigureBuilder.of_axes(f"Every configuration, to its mean {quantity}", width, 4.2)
        low, high = _limits(means)
        strength = (np.maximum(means, low) - low) / (high - low)
        _paths(
            builder.axes, np.column_stack([*(_line_positions(one, strength) for one in parameters), strength])[drawn]
        )
        for at, parameter in enumerate(parameters):
            _named_heights(builder.axes, at, parameter.values, _heights(parameter))
        ticks = np.linspace(low, high, 5)
        _named_heights(builder.axes, len(parameters), [f"{tick:.3g}" for tick in ticks], (ticks - low) / (high - low))
        names = [wrap_text(last_key(one.key), NAME) for one in parameters]
        builder.axes.set_xticks(range(len(names) + 1), [*names, "mean"])
        builder.axes.set_xlim(-0.1, len(names) + 0.45)
        builder.axes.set_ylim(-0.1, 1.1)
        builder.axes.set_yticks([])
        builder.axes.tick_params(length=0)
        builder.axes.grid(False)
        builder.axes.spines["left"].set_visible(False)
        builder.axes.set_xlabel(wrap_text(f"parameters, and the mean {quantity} last", 80))
        builder.y_label("values of the parameters")
        builder.note("A line a configuration: the darker, and of those through one value the higher, the better.")
        if (means < low).any():
            builder.note(f"Means below {low:.4g} are drawn there.")
        if lacks.any():
            builder.note(f"{lacks.sum():,} of {len(means):,} lack scores that the best has, and are not drawn.")
        if len(drawn) < np.isfinite(means).sum():
            builder.note(f"{len(drawn):,} of {len(means):,} are drawn: the best {MAX_DRAWN // 2}, and others by rank.")
        best, worst = int(ranked.place[0]), int(np.nanargmin(means))
        builder.describe(f"The best of {len(means):,}: {_describe_parameters(parameters, best)}, {means[best]:.4g}.")
        builder.describe(f"The last: {_describe_parameters(parameters, worst)}, {means[worst]:.4g}.")
        return builder.finish()


def _select_lines(means: Floats) -> Floats:
    """The configurations to draw, the worst first, so that the best are on top."""
    order = np.argsort(means)
    order = order[~np.isnan(means[order])]
    if len(order) <= MAX_DRAWN:
        return order
    half = MAX_DRAWN // 2
    others = order[:-half]
    return np.concatenate([others[np.linspace(0, len(others) - 1, half).round().astype(int)], order[-half:]])


def _limits(means: Floats) -> tuple[float, float]:
    """The limits of the score axis: from the worst to the best, without uninformative extremes."""
    there = means[~np.isnan(means)]
    if not len(there):
        raise BadInput("no configuration has a score in every block; there is nothing to draw")
    low, high = float(there.min()), float(there.max())
    # Means farther from the best than this multiple of the median's distance are not shown: they would flatten the
    # rest.
    low = max(low, high - 20 * (high - float(np.median(there))))
    return (low, high) if high > low else (low - 0.5, high + 0.5)


def _heights(parameter: Parameter) -> Floats:
    """The positions of a parameter's values, from 0 to 1."""
    return np.linspace(0, 1, len(parameter.values))


def _line_positions(parameter: Parameter, strength: Floats) -> Floats:
    """The positions of all configurations at a parameter: side by side, the best on top."""
    # Spread of the lines through one value, as a share of the distance to the next value.
    return _heights(parameter)[parameter.index] + 0.16 * (strength - 0.5) / (len(parameter.values) - 1)


def _paths(axes: "Axes", paths: Floats) -> None:
    from matplotlib.collections import LineCollection

    lines = [np.column_stack([np.arange(paths.shape[1]), path]) for path in paths]
    axes.add_collection(
        LineCollection(lines, colors=style.sequential_colormap()(0.2 + 0.8 * paths[:, -1]), linewidths=1.0)
    )


def _named_heights(axes: "Axes", at: int, names: Sequence[str], heights: Floats) -> None:
    axes.axvline(at, color=style.GRAY, linewidth=1)
    ground = {"facecolor": "white", "edgecolor": "none", "alpha": 0.8, "pad": 0.6}
    for text, height in zip(fit_names(names, 72 * (APART - 0.25), 7.5), heights, strict=True):
        axes.text(at + 0.04, height, text, fontsize=7.5, va="center", ha="left", bbox=ground)


def _describe_parameters(parameters: Sequence[Parameter], at: int) -> str:
    return ", ".join(
        f"{last_key(parameter.key)} {isolate_direction(parameter.values[parameter.index[at]])}"
        for parameter in parameters
    )
