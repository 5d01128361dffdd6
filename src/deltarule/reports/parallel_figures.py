"""Parallel coordinates of a sweep: a line for each configuration."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from deltarule.errors import BadInput
from deltarule.problem.problem import Floats
from deltarule.reports import style
from deltarule.reports.chart import Chart
from deltarule.reports.marks import Axis, Mark, Panel, Rule, Segments, Texts
from deltarule.reports.sweep_figures import last_key
from deltarule.reports.text_fitting import fit_names
from deltarule.stats.effects import Parameter, parameters_of
from deltarule.stats.ranking import ranking

MAX_DRAWN = 200
"""Maximum number of configurations that are drawn: the best are half of them, the others evenly spaced by rank."""
MAX_PARAMETERS = 8
"""Maximum number of parameters beside each other."""
AXIS_DISTANCE_INCHES = 1.3
"""Distance between the axes of two parameters."""


def parallel_coordinates(settings: Sequence[Mapping[str, Any]], scores: Any, *, quantity: str) -> Chart:
    """Every configuration as a line through its parameters to its mean score.

    Parameters
    ----------
    settings : the hyperparameters of each of the C configurations, by dotted key.
    scores : [C, B], NaN for what was not trained, infinite for what diverged: `Sweep.scores` returns both.
    quantity : what the scores are, such as "accuracy on validation rows".

    Raises
    ------
    BadInput
        If no parameter has several values.

    Examples
    --------
    >>> settings = [{"optimizer.learning_rate": rate, "loss.strength": 0.1} for rate in (0.1, 1.0)]
    >>> parallel_coordinates(settings, [[0.5], [0.9]], quantity="accuracy").panels[0].x.names
    ['learning rate', 'mean']
    """
    ranked = ranking(scores)
    # A configuration with few scores is not compared, because it may be above the best by chance.
    lacks_scores = np.isnan(ranked.behind) & ~np.isnan(ranked.behind[:1])
    means = np.where(lacks_scores, np.nan, ranked.mean)[np.argsort(ranked.place)]
    parameters = parameters_of(settings)[0][:MAX_PARAMETERS]
    if not parameters:
        raise BadInput("all configurations are alike; lines are drawn of parameters that take several values")
    drawn = _select_lines(means)
    low, high = _score_limits(means)
    score_heights = (np.maximum(means, low) - low) / (high - low)
    heights = np.column_stack([*(_line_heights(one, score_heights) for one in parameters), score_heights])[drawn]
    paths = [np.column_stack([np.arange(len(path)), path]) for path in heights]
    marks: list[Mark] = [Segments(paths, style.sequential_colormap()(0.2 + 0.8 * heights[:, -1]))]
    for index, parameter in enumerate(parameters):
        marks += _value_axis(index, parameter.values, _value_heights(parameter))
    ticks = np.linspace(low, high, 5)
    marks += _value_axis(len(parameters), [f"{tick:.3g}" for tick in ticks], (ticks - low) / (high - low))
    x = Axis(
        f"parameters, and the mean {quantity} last",
        names=[*(last_key(one.key) for one in parameters), "mean"],
        limits=(-0.1, len(parameters) + 0.45),
        name_points=72 * AXIS_DISTANCE_INCHES,
    )
    y = Axis("values of the parameters", "hidden", limits=(-0.1, 1.1))
    notes = ["A line a configuration: the darker, and of those through one value the higher, the better."]
    if (means < low).any():
        notes.append(f"Means below {low:.4g} are drawn there.")
    if lacks_scores.any():
        notes.append(f"{lacks_scores.sum():,} of {len(means):,} lack scores that the best has, and are not drawn.")
    if len(drawn) < np.isfinite(means).sum():
        notes.append(f"{len(drawn):,} of {len(means):,} are drawn: the best {MAX_DRAWN // 2}, and others by rank.")
    best, worst = int(ranked.place[0]), int(np.nanargmin(means))
    return Chart(
        f"Every configuration, to its mean {quantity}",
        [Panel(marks, x, y, is_bare=True, has_frame=False)],
        size=(max(7.0, 1.4 + AXIS_DISTANCE_INCHES * (len(parameters) + 1)), 4.2),
        notes=notes,
        sentences=[
            f"The best of {len(means):,}: {_describe_parameters(parameters, best)}, {means[best]:.4g}.",
            f"The last: {_describe_parameters(parameters, worst)}, {means[worst]:.4g}.",
        ],
    )


def _select_lines(means: Floats) -> Floats:
    """The indices of the means [C] to draw, worst first; of many a sample."""
    order = np.argsort(means)
    order = order[~np.isnan(means[order])]
    if len(order) <= MAX_DRAWN:
        return order
    half = MAX_DRAWN // 2
    others = order[:-half]
    return np.concatenate([others[np.linspace(0, len(others) - 1, half).round().astype(int)], order[-half:]])


def _score_limits(means: Floats) -> tuple[float, float]:
    """The limits of the score axis, without means far below the others."""
    known = means[~np.isnan(means)]
    if not len(known):
        raise BadInput("no configuration has a score in every block; there is nothing to draw")
    low, high = float(known.min()), float(known.max())
    # Means farther from the best than this multiple of the median's distance are not shown: they would flatten the
    # rest.
    low = max(low, high - 20 * (high - float(np.median(known))))
    return (low, high) if high > low else (low - 0.5, high + 0.5)


def _value_heights(parameter: Parameter) -> Floats:
    return np.linspace(0, 1, len(parameter.values))


def _line_heights(parameter: Parameter, score_heights: Floats) -> Floats:
    # Spread of the lines through one value, as a share of the distance to the next value.
    return _value_heights(parameter)[parameter.index] + 0.16 * (score_heights - 0.5) / (len(parameter.values) - 1)


def _value_axis(x: int, names: Sequence[str], heights: Floats) -> list[Mark]:
    fitted = fit_names(names, 72 * (AXIS_DISTANCE_INCHES - 0.25), 7.5)
    return [Rule(x=x), Texts([x + 0.04] * len(names), heights, fitted, font_size=7.5)]


def _describe_parameters(parameters: Sequence[Parameter], configuration: int) -> str:
    return ", ".join(
        f"{last_key(parameter.key)} {parameter.values[parameter.index[configuration]]}" for parameter in parameters
    )
