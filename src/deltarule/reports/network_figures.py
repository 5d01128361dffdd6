"""Charts of the inside of a network: weights as images, and the network.

N objects · D inputs · H hidden units · C outputs · L layers
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from deltarule.problem.problem import Floats
from deltarule.reports import style
from deltarule.reports.chart import SIGNS_NOTE, Chart
from deltarule.reports.heat_maps import describe_signs
from deltarule.reports.marks import Axis, Dots, Image, Mark, Panel, Segments, Texts, largest_magnitude
from deltarule.reports.style import fit_text

MAX_UNITS = 16
"""Maximum number of units of a layer that are drawn, and of units whose weights are drawn as images."""
IMAGES_ACROSS = 3
WIDEST_LINE_POINTS = 5.0
"""Width of the line of the largest weight; lines below a hundredth of a point are left out."""


def weight_images(initial: Any, final: Any | Mapping[str, Any], shape: tuple[int, ...]) -> Chart:
    """First-layer weights before and after training, an image for each unit.

    Parameters
    ----------
    initial : [D, H].
    final : [D, H]; or for several networks with the same initial weights, by name, such as one for each learning rate.
    shape : of an image: (rows, columns), or (rows, columns, 3) for colors.

    >>> [panel.x.label for panel in weight_images(np.zeros((6, 2)), np.ones((6, 2)), (2, 3)).panels]
    ['before training, up to 1', 'after training, up to 1']
    """
    ends = {"after training": final}
    if isinstance(final, Mapping):
        ends = {f"after: {name}": array for name, array in final.items()}
    shown = {when: np.asarray(array, np.float64) for when, array in {"before training": initial, **ends}.items()}
    panels = []
    total = np.shape(initial)[1]
    for when, values in shown.items():
        drawn = values[:, :MAX_UNITS]
        largest = largest_magnitude(drawn) or 1.0
        if len(shape) == 3:
            drawn = (np.nan_to_num(drawn, nan=0.0) / largest).clip(-1, 1) / 2 + 0.5
        pixels = _mosaic(drawn, shape)
        x = Axis(f"{when}, up to {largest:.2g}", "hidden")
        panels.append(Panel([Image(pixels, largest)], x, Axis("units", "hidden"), is_bare=True))
    notes = [f"White: 0. {SIGNS_NOTE}"]
    if len(shape) == 3:
        notes = ["Gray: 0. A color: the sign of the weights of red, green and blue."]
    notes.append("Each is drawn on a scale of its own, up to its largest weight.")
    if total > MAX_UNITS:
        notes.append(f"The first {MAX_UNITS} of {total:,} units.")
    across = min(len(panels), IMAGES_ACROSS)
    size = (7.0, 4.0) if len(panels) == 2 else (2.8 * across, 1.0 + 2.9 * -(-len(panels) // across))
    sentences = [f"The weights {when}: {describe_signs(values)}." for when, values in shown.items()]
    return Chart("Weights of the first layer as images", panels, across, size, notes=notes, sentences=sentences)


def network_drawing(weights: Sequence[Any], inputs: Sequence[str] = (), outputs: Sequence[str] = ()) -> Chart:
    """A network with a line for each weight, wider for larger ones.

    Weights below 1/500 of the largest, and those that are not finite, have no line.

    Parameters
    ----------
    weights : a matrix [D, H] for each layer.
    inputs, outputs : their names.

    >>> chart = network_drawing([[[1.0], [-2.0]]], ["x1", "x2"], ["y"])
    >>> [(mark.name, mark.widths) for mark in chart.panels[0].marks[:2]]
    [('positive weight', [2.5]), ('negative weight', [5.0])]
    """
    matrices = [np.asarray(weight) for weight in weights]
    sizes = [len(matrices[0]), *(matrix.shape[1] for matrix in matrices)]
    shown = [min(size, MAX_UNITS) for size in sizes]
    drawn = [matrix[:MAX_UNITS, :MAX_UNITS] for matrix in matrices]
    widest = max((value for matrix in drawn for value in matrix[np.isfinite(matrix)].tolist()), key=abs, default=0.0)
    layers = np.repeat(np.arange(len(sizes)), shown)
    heights = np.concatenate(list(map(_unit_heights, shown)))
    marks: list[Mark] = [
        _weight_lines(drawn, abs(widest), 1, style.ORANGE, "solid", "positive weight"),
        _weight_lines(drawn, abs(widest), -1, style.BLUE, (0, (3, 1.5)), "negative weight"),
        Dots(layers, heights, color="white", size=14, edge=style.BLACK),
    ]
    hidden = [f"hidden {number}: {size:,}" for number, size in enumerate(sizes[1:-1], 1)]
    names = [f"inputs: {sizes[0]:,}", *hidden, f"outputs: {sizes[-1]:,}"]
    room = max(shown) / 2 + 0.3
    names_in = inputs[: shown[0]]
    names_out = [fit_text(name, 72.0, 8.5) for name in outputs[: shown[-1]]]
    marks.append(
        Texts([len(sizes) - 0.88] * len(names_out), _unit_heights(shown[-1])[: len(names_out)], names_out, 8.5)
    )
    panel = Panel(
        marks,
        Axis("layer, and its units", names=names, limits=(-0.3, len(sizes) - 0.7)),
        Axis("inputs", names=names_in, positions=heights[: len(names_in)], limits=(-room, room), name_points=72.0),
        is_bare=True,
    )
    notes = [f"Of {size:,} units the first {MAX_UNITS} are shown." for size in sizes if size > MAX_UNITS]
    notes.append(f"The widest line is a weight of {widest:.3g}." if widest else "No weight has a line.")
    return Chart(
        f"Network {'-'.join(map(str, sizes))}",
        [panel],
        size=(max(7.0, 3.2 + 0.85 * len(sizes)), 1.6 + 0.32 * max(shown)),
        notes=notes,
        sentences=[f"Weights of layer {layer}: {describe_signs(matrix)}." for layer, matrix in enumerate(matrices, 1)],
    )


def _mosaic(values: Floats, shape: tuple[int, ...]) -> Floats:
    """The weights [D, H] as one image: a grid of the images of all units, with gaps."""
    units = values.shape[1]
    across = int(np.ceil(np.sqrt(units)))
    rows, columns = shape[:2]
    mosaic = np.full(
        (-(-units // across) * (rows + 1) - 1, across * (columns + 1) - 1, *shape[2:]), 1.0 if shape[2:] else np.nan
    )
    for unit in range(units):
        top, left = (rows + 1) * (unit // across), (columns + 1) * (unit % across)
        mosaic[top : top + rows, left : left + columns] = values[:, unit].reshape(shape)
    return mosaic


def _unit_heights(units: int) -> Floats:
    return (units - 1) / 2 - np.arange(units)


def _weight_lines(
    matrices: Sequence[Floats], largest: float, sign: int, color: str, dashes: Any, name: str
) -> Segments:
    """Lines for the weights [from, to] of a sign, wider for larger ones."""
    paths, widths = [], []
    for layer, matrix in enumerate(matrices):
        starts, ends = _unit_heights(len(matrix)), _unit_heights(matrix.shape[1])
        for (row, column), weight in np.ndenumerate(matrix):
            width = WIDEST_LINE_POINTS * sign * weight / (largest or 1.0)
            if 0.01 <= width < np.inf:
                paths.append([(layer, starts[row]), (layer + 1, ends[column])])
                widths.append(float(width))
    return Segments(paths, color, widths, dashes, name)
