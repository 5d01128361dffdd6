"""Draw the parallel coordinates of a sweep: a line for each configuration, across its parameters to its score."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from deltarule.errors import BadInput
from deltarule.problem.problem import Floats
from deltarule.reports import style
from deltarule.reports.figure_builder import FigureBuilder
from deltarule.reports.formatting import isolate_direction
from deltarule.reports.sweep_figures import NAME_CHARACTERS, last_key
from deltarule.reports.text_fitting import fit_names, wrap_text
from deltarule.stats.effects import Parameter, parameters_of
from deltarule.stats.ranking import ranking

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MAX_DRAWN = 200
"""Maximum number of configurations that are drawn: the best are half of them, the others evenly spaced by rank."""


AXIS_DISTANCE_INCHES = 1.3
"""Distance between the axes of two parameters."""


def parallel_coordinates(settings: Sequence[Mapping[str, Any]], scores: Any, *, quantity: str) -> "Figure":
    """Draw every configuration of a sweep as a line through the values of its parameters to its mean score.

    Parameters
    ----------
    settings : the hyperparameters of each of the C configurations, by dotted key.
    scores : [C, B], NaN for what was not trained, infinite for what diverged: `Sweep.scores` returns both.
    quantity : what the scores are, such as "accuracy on validation rows".

    Raises `BadInput` if no parameter has several values.

    >>> settings = [{"optimizer.learning_rate": rate, "loss.strength": 0.1} for rate in (0.1, 1.0)]
    >>> figure = parallel_coordinates(settings, [[0.5], [0.9]], quantity="accuracy")
    >>> [label.get_text() for label in figure.axes[0].get_xticklabels()]
    ['learning rate', 'mean']
    """
    ranked = ranking(scores)
    # A configuration with few scores is not compared, because it may be above the best by chance.
    lacks_scores = np.isnan(ranked.behind) & ~np.isnan(ranked.behind[:1])
    means = np.where(lacks_scores, np.nan, ranked.mean)[np.argsort(ranked.place)]
    parameters = parameters_of(settings)[0][:8]  # more do not fit beside each other
    if not parameters:
        raise BadInput("all configurations are alike; lines are drawn of parameters that take several values")
    drawn = _select_lines(means)
    with style.style_context():
        width = max(7.0, 1.4 + AXIS_DISTANCE_INCHES * (len(parameters) + 1))
        builder = FigureBuilder.of_axes(f"Every configuration, to its mean {quantity}", width, 4.2)
        low, high = _score_limits(means)
        score_heights = (np.maximum(means, low) - low) / (high - low)
        heights = [*(_line_heights(parameter, score_heights) for parameter in parameters), score_heights]
        _draw_paths(builder.axes, np.column_stack(heights)[drawn])
        for index, parameter in enumerate(parameters):
            _draw_value_axis(builder.axes, index, parameter.values, _value_heights(parameter))
        ticks = np.linspace(low, high, 5)
        _draw_value_axis(builder.axes, len(parameters), [f"{tick:.3g}" for tick in ticks], (ticks - low) / (high - low))
        names = [wrap_text(last_key(one.key), NAME_CHARACTERS) for one in parameters]
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
        if lacks_scores.any():
            builder.note(f"{lacks_scores.sum():,} of {len(means):,} lack scores that the best has, and are not drawn.")
        if len(drawn) < np.isfinite(means).sum():
            builder.note(f"{len(drawn):,} of {len(means):,} are drawn: the best {MAX_DRAWN // 2}, and others by rank.")
        best, worst = int(ranked.place[0]), int(np.nanargmin(means))
        builder.describe(f"The best of {len(means):,}: {_describe_parameters(parameters, best)}, {means[best]:.4g}.")
        builder.describe(f"The last: {_describe_parameters(parameters, worst)}, {means[worst]:.4g}.")
        return builder.finish()


def _select_lines(means: Floats) -> Floats:
    """The indices of the means [C] to draw, worst first, so that the best are on top; of many a sample and the best."""
    order = np.argsort(means)
    order = order[~np.isnan(means[order])]
    if len(order) <= MAX_DRAWN:
        return order
    half = MAX_DRAWN // 2
    others = order[:-half]
    return np.concatenate([others[np.linspace(0, len(others) - 1, half).round().astype(int)], order[-half:]])


def _score_limits(means: Floats) -> tuple[float, float]:
    """The limits of the score axis: the worst mean, or 20 times the median's distance below the best, and the best."""
    known = means[~np.isnan(means)]
    if not len(known):
        raise BadInput("no configuration has a score in every block; there is nothing to draw")
    low, high = float(known.min()), float(known.max())
    # Means farther from the best than this multiple of the median's distance are not shown: they would flatten the
    # rest.
    low = max(low, high - 20 * (high - float(np.median(known))))
    return (low, high) if high > low else (low - 0.5, high + 0.5)


def _value_heights(parameter: Parameter) -> Floats:
    """The heights of a parameter's values on its axis, from 0 to 1."""
    return np.linspace(0, 1, len(parameter.values))


def _line_heights(parameter: Parameter, score_heights: Floats) -> Floats:
    """The heights of the configurations' lines at a parameter: around that of its value, the best on top."""
    # Spread of the lines through one value, as a share of the distance to the next value.
    return _value_heights(parameter)[parameter.index] + 0.16 * (score_heights - 0.5) / (len(parameter.values) - 1)


def _draw_paths(axes: "Axes", paths: Floats) -> None:
    """Draw each row of heights from 0 to 1 [lines, axes] as a line from axis to axis, the darker the higher it ends."""
    from matplotlib.collections import LineCollection

    lines = [np.column_stack([np.arange(paths.shape[1]), path]) for path in paths]
    axes.add_collection(
        LineCollection(lines, colors=style.sequential_colormap()(0.2 + 0.8 * paths[:, -1]), linewidths=1.0)
    )


def _draw_value_axis(axes: "Axes", x: int, names: Sequence[str], heights: Floats) -> None:
    """Draw a vertical axis at `x` with names at the given heights."""
    axes.axvline(x, color=style.GRAY, linewidth=1)
    background = {"facecolor": "white", "edgecolor": "none", "alpha": 0.8, "pad": 0.6}
    for text, height in zip(fit_names(names, 72 * (AXIS_DISTANCE_INCHES - 0.25), 7.5), heights, strict=True):
        axes.text(x + 0.04, height, text, fontsize=7.5, va="center", ha="left", bbox=background)


def _describe_parameters(parameters: Sequence[Parameter], configuration: int) -> str:
    """The names of the parameters, each with its value in a configuration (an index)."""
    return ", ".join(
        f"{last_key(parameter.key)} {isolate_direction(parameter.values[parameter.index[configuration]])}"
        for parameter in parameters
    )
