"""Charts with colored cells: hidden activations and weights."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

import numpy as np

from deltarule.errors import BadInput, count_of
from deltarule.maths.activations import TANH, Activation
from deltarule.problem import registry
from deltarule.problem.problem import Floats
from deltarule.reports.chart import CELL_INCHES, Chart
from deltarule.reports.formatting import format_signed
from deltarule.reports.marks import Axis, Cells, Panel, largest_magnitude

MAX_ROWS, MAX_COLUMNS = 32, 16
"""The largest table whose cells are still legible."""
COLUMN_NAME_POINTS = 56.0
"""Maximum width in points of a column's name that stands upright."""


def activation_cells(
    labels: Sequence[str],
    hidden: Any,
    outputs: Any,
    *,
    activation: str | Activation = "sigmoid",
    classes: Sequence[str] = (),
) -> Chart:
    """Hidden and output activations, with the binary code of the hidden units.

    Parameters
    ----------
    labels : names of the N inputs.
    hidden : [N, H].
    outputs : [N, C], marked above 0.5: that counts as 1.
    activation : of the hidden units. High is above 0 for tanh, above 0.5 for sigmoid and softmax; others have none.
    classes : names of the C outputs.

    Raises `BadInput` if there are more rows or units than fit on a page.

    >>> activation_cells(["cat", "dog"], [[0.97, 0.02], [0.51, 0.5]], [[0.9, 0.1], [0.2, 0.8]]).panels[1].y.names
    ['10', '10']
    """
    hidden, outputs = np.asarray(hidden), np.asarray(outputs)
    function = registry.activation(activation)
    bounds = (-1.0, 1.0) if function == TANH else (0.0, 1.0) if function.range in ("unit", "simplex") else None
    threshold = np.inf if bounds is None else sum(bounds) / 2
    classes = _labels(classes, outputs.shape[1], "o")
    across = [hidden.shape[1], outputs.shape[1]]
    rows = inputs = Axis("input", names=labels)
    notes = sentences = ["Bold, with a star: outputs above 0.5."]
    if bounds is not None:
        codes = ["".join("1" if value > threshold else "0" for value in row) for row in hidden.tolist()]
        rows = Axis("code", names=codes)
        marked = "above 0.5" if threshold == 0.5 else f"hidden units above {threshold:g}, outputs above 0.5"
        count = count_of(len(set(codes)), "different code")
        notes = [f"Bold, with a star, and a 1 in the code: {marked}. The {len(codes)} inputs have {count}."]
        pairs = [f"{label} has the code {code}" for label, code in zip(labels, codes, strict=True)]
        sentences = [f"{'; '.join(pairs)}.", *notes]
    limits = (0.0, 1.0) if ((outputs >= 0) & (outputs <= 1)).all() else None
    units = Axis("hidden units", names=_labels((), across[0], "h"))
    panels = [
        _activation_panel(hidden, threshold, bounds, units, inputs),
        _activation_panel(outputs, 0.5, limits, _column_axis(classes, "outputs"), rows),
    ]
    size = _figure_size(len(hidden), sum(across) + 4)
    title = "Activations of each input"
    ratios = (across, None)
    return Chart(title, panels, 2, size, ratios, notes=notes, sentences=sentences)


def weight_cells(
    arrays: Mapping[str, Any],
    row_names: Mapping[str, Sequence[str]] = MappingProxyType({}),
    column_names: Mapping[str, Sequence[str]] = MappingProxyType({}),
) -> Chart:
    """The weights and biases of layers as heat maps, each number with its sign.

    Parameters
    ----------
    arrays : by name: W [D, H], with a row for each unit of the layer before; b [1, H] or [H].
    row_names, column_names : names of the units by the array's name, by default numbers from 1.

    Raises `BadInput` if one is too large for a page.

    >>> weight_cells({"W1": [[1.25, -0.3], [-4.0, 0.0]], "b1": [[0.5, -0.5]]}).panels[0].marks[0].texts
    [['+1.2', '-0.30'], ['-4.0', '0.0']]
    """
    shown = {name: np.atleast_2d(np.asarray(values)) for name, values in arrays.items()}
    largest = max(map(largest_magnitude, shown.values())) or 1.0
    panels = []
    height = 0.9
    widest = 0
    for name, values in shown.items():
        down = _labels(row_names.get(name, ()), len(values)) if len(values) > 1 else [""]
        across = _column_axis(_labels(column_names.get(name, ()), values.shape[1]), "to unit")
        texts = [[format_signed(value) for value in row] for row in values.tolist()]
        y = Axis(name, names=down, has_upright_label=False)
        panels.append(cell_panel(Cells(values, texts, (-largest, largest)), across, y))
        height += CELL_INCHES[1] * len(values) + 0.7
        widest = max(widest, values.shape[1])
    return Chart(
        "Weights and biases",
        panels,
        size=(_figure_size(1, widest + 3)[0], height),
        ratios=(None, [len(values) for values in shown.values()]),
        notes=["A row of W: from one unit."],
        sentences=[f"{name}: {describe_signs(values)}." for name, values in shown.items()],
    )


def _activation_panel(values: Floats, threshold: float, limits: tuple[float, float] | None, x: Axis, y: Axis) -> Panel:
    texts = [[_format_activation(value) + "*" * (value > threshold) for value in row] for row in values.tolist()]
    return cell_panel(Cells(values, texts, limits, values > threshold), x, y)


def cell_panel(cells: Cells, x: Axis, y: Axis) -> Panel:
    """A panel of cells; refuses a table with more rows or columns than can be read."""
    rows, columns = cells.values.shape
    if rows > MAX_ROWS or columns > MAX_COLUMNS:
        raise BadInput(f"the table has {rows} × {columns} cells; at most {MAX_ROWS} × {MAX_COLUMNS} can be read")
    return Panel([cells], x, y, is_bare=True)


def _column_axis(names: Sequence[str], label: str) -> Axis:
    return Axis(label, names=names, name_points=COLUMN_NAME_POINTS)


def _figure_size(row_count: int, column_count: int) -> tuple[float, float]:
    return max(4.2, 1.3 + CELL_INCHES[0] * column_count), 1.7 + CELL_INCHES[1] * max(row_count, 5)


def _labels(names: Sequence[str], count: int, letter: str = "") -> list[str]:
    return list(names) or [f"{letter}{number + 1}" for number in range(count)]


def _format_activation(value: float) -> str:
    return f"{value:.0e}" if abs(value) >= 999.995 else f"{value:z.2f}"


def describe_signs(values: Floats) -> str:
    signs = f"{(values > 0).sum():,} positive, {(values < 0).sum():,} negative"
    return f"{signs}, the largest {largest_magnitude(values):.3g} in size"
