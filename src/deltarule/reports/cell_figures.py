"""Figures with colored cells: hidden activations, weights, and agreement of signs."""

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from deltarule.errors import BadInput, count_of
from deltarule.maths.activations import Activation
from deltarule.problem import registry
from deltarule.problem.problem import Floats
from deltarule.reports import style
from deltarule.reports.figure_builder import FigureBuilder
from deltarule.reports.formatting import (
    activation_bounds,
    describe_marked,
    format_signed,
    hidden_codes,
    isolate_direction,
)
from deltarule.reports.text_fitting import fit_names, text_width, wrap_text

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MAX_ROWS, MAX_COLUMNS = 32, 16
"""The largest table whose cells are still legible."""
SIGNS_NOTE = "Blue: negative. Orange: positive."
CELL_INCHES = 0.42, 0.24
"""Width and height of a cell in inches."""
MAX_COLOR_LIMIT = 1e300
"""Largest limit of a color scale: with larger ones Matplotlib's midpoint overflows."""
ROW_NAME_POINTS, COLUMN_NAME_POINTS = 112.0, 56.0
"""Maximum width in points of a row's name, and of a column's name that stands upright."""


def activation_cells(
    labels: Sequence[str],
    hidden: Any,
    outputs: Any,
    *,
    activation: str | Activation = "sigmoid",
    classes: Sequence[str] = (),
) -> "Figure":
    """Draw the table of hidden and output activations, with the binary code of the hidden units.

    Parameters
    ----------
    labels : the names of the N inputs.
    hidden : [N, H].
    outputs : [N, C], marked above 0.5: that counts as 1.
    activation : of the hidden units. High is above 0 for tanh, above 0.5 for sigmoid and softmax; others have none.
    classes : the names of the C outputs.

    Raises `BadInput` for more rows or units than fit on a page.

    >>> figure = activation_cells(["cat", "dog"], [[0.97, 0.02], [0.51, 0.5]], [[0.9, 0.1], [0.2, 0.8]])
    >>> [text.get_text() for text in figure.axes[1].get_yticklabels()]
    ['10', '10']
    """
    hidden, outputs = np.asarray(hidden), np.asarray(outputs)
    _check_table_size(hidden, "hidden activations")
    _check_table_size(outputs, "output activations")
    bounds = activation_bounds(registry.activation(activation))
    threshold = np.inf if bounds is None else sum(bounds) / 2
    codes = hidden_codes(hidden, threshold)
    scales = _common_scales(bounds or _color_limits(hidden), _color_limits(np.append(outputs, 1.0)))
    names = [f"h{number + 1}" for number in range(hidden.shape[1])], _labels(classes, outputs.shape[1], "o")
    with style.style_context():
        across = [hidden.shape[1], outputs.shape[1]]
        width, height = _figure_size(len(hidden), sum(across) + 4, names[1])
        builder = FigureBuilder.of_axes("Activations of each input", width, height, ncols=2, width_ratios=across)
        _draw_cells(builder.axes, hidden, labels, names[0], scales[0], _format_activation, marked=hidden > threshold)
        builder.axes.set_xlabel("hidden units")
        builder.y_label("input")
        builder.row += 1
        _draw_cells(
            builder.axes,
            outputs,
            codes if bounds else labels,
            names[1],
            scales[1],
            _format_activation,
            marked=outputs > 0.5,
        )
        builder.axes.set_xlabel("outputs")
        builder.y_label("code" if bounds else "input")
        if scales[0][0] < 0:
            builder.note(SIGNS_NOTE)
        if bounds is None:
            builder.note("Bold, with a star: outputs above 0.5.")
            for units, values in (("Hidden units", hidden), ("Outputs", outputs)):
                low, high = _finite_range(values)
                builder.describe(
                    f"{units}: " + (f"from {low:.3g} to {high:.3g}." if low <= high else "none is finite.")
                )
        else:
            _describe_codes(builder, labels, codes, threshold)
        _note_gray(builder, hidden, outputs)
        return builder.finish()


def weight_cells(
    arrays: Mapping[str, Any],
    row_names: Mapping[str, Sequence[str]] = MappingProxyType({}),
    column_names: Mapping[str, Sequence[str]] = MappingProxyType({}),
) -> "Figure":
    """Draw the weights and biases of layers as heat maps, each number with its sign.

    Parameters: `arrays`, by name: W [D, H], with a row for each unit of the layer before; b [1, H] or [H];
    `row_names` and `column_names`, the names of the units by the array's name, by default numbers from 1.
    Errors: `BadInput` for no array, or one that is too large for a page.

    >>> figure = weight_cells({"W1": [[1.25, -0.3], [-4.0, 0.0]], "b1": [[0.5, -0.5]]})
    >>> [text.get_text() for text in figure.axes[0].texts]
    ['+1.2', '-0.30', '-4.0', '0.0']
    """
    shown = {name: np.atleast_2d(np.asarray(values)) for name, values in arrays.items()}
    if not shown:
        raise BadInput("there are no weights to draw; give at least one array")
    for name, values in shown.items():
        _check_table_size(values, name)
    largest = max(map(largest_magnitude, shown.values())) or 1.0
    with style.style_context():
        counts = [len(values) for values in shown.values()]
        across = {name: _labels(column_names.get(name, ()), values.shape[1]) for name, values in shown.items()}
        width, _ = _figure_size(1, max(map(len, across.values())) + 3)
        height = 0.9 + sum(
            CELL_INCHES[1] * len(shown[name]) + 0.55 + _column_names_height(across[name]) for name in shown
        )
        builder = FigureBuilder.of_axes("Weights and biases", width, height, nrows=len(shown), height_ratios=counts)
        for name, values in shown.items():
            down = _labels(row_names.get(name, ()), len(values)) if len(values) > 1 else [""]
            _draw_cells(builder.axes, values, down, across[name], (-largest, largest), format_signed)
            builder.axes.set_ylabel(wrap_text(name, 14), rotation=0, ha="right", va="center")
            builder.axes.set_xlabel("to unit")
            builder.row += 1
            builder.describe(f"{name}: {describe_signs(values)}.")
        builder.note(f"{SIGNS_NOTE} A row of W: from one unit.")
        _note_gray(builder, *shown.values())
        return builder.finish()


def sign_agreement(first: Any, second: Any, names: Sequence[str] = ()) -> "Figure":
    """Draw for each input and hidden unit whether `first` [D, H] (W1) and `second` [H, D] (W2) have the same sign.

    Parameters: `first` [D, H], the weights W1; `second` [H, D], the weights W2; `names` of the D inputs, by default
    numbers from 1.
    Errors: `BadInput` for matrices that do not mirror each other.

    >>> figure = sign_agreement([[1.0, -2.0]], [[3.0], [4.0]])
    >>> figure.axes[0].get_title(loc="left")
    'Signs of W1 and W2: 1 of 2 agree'
    """
    first, second = np.asarray(first), np.asarray(second).T
    if first.shape != second.shape:
        raise BadInput(
            f"W1 is {' × '.join(map(str, first.shape))} and W2 {' × '.join(map(str, second.T.shape))}; signs are "
            "compared where the outputs are the inputs again, D × H and H × D"
        )
    _check_table_size(first, "W1")
    is_known = ~np.isnan(first) & ~np.isnan(second)
    differ = is_known & (np.sign(first) != np.sign(second))
    with style.style_context():
        width, height = _figure_size(len(first), first.shape[1] + 3)
        agree = f"{(is_known & ~differ).sum()} of {is_known.sum()} agree"
        builder = FigureBuilder.of_axes(f"Signs of W1 and W2: {agree}", max(width, 4.6), height)
        texts = [[_sign_pair(a, b) for a, b in zip(*pair, strict=True)] for pair in zip(first, second, strict=True)]
        units = [f"h{number + 1}" for number in range(first.shape[1])]
        rows = _labels(names, len(first))
        _draw_cells(builder.axes, np.where(is_known, differ, np.nan), rows, units, (-1.0, 1.0), texts, marked=differ)
        builder.y_label("input, and output")
        builder.axes.set_xlabel("hidden unit")
        builder.note("Left the sign of W1, right that of W2. Bold, orange: they differ.")
        if not is_known.all():
            builder.note("A question mark: no number, so it is not counted.")
        differing = [f"{isolate_direction(rows[row])} and {units[column]}" for row, column in np.argwhere(differ)[:8]]
        builder.describe(f"They differ between {', '.join(differing)}." if differing else "They differ nowhere.")
        return builder.finish()


def _check_table_size(values: Floats, name: str) -> None:
    """Refuse a table with more rows or columns than can be read; `name` says what the values are, for the message."""
    rows, columns = values.shape
    if rows > MAX_ROWS or columns > MAX_COLUMNS:
        raise BadInput(
            f"the table of {name} has {rows} × {columns} cells; at most {MAX_ROWS} × {MAX_COLUMNS} can be read: "
            "choose some of the rows and units"
        )


def _figure_size(row_count: int, column_count: int, column_names: Sequence[str] = ()) -> tuple[float, float]:
    """Width and height in inches of a table with its labels."""
    height = 1.5 + CELL_INCHES[1] * max(row_count, 4) + _column_names_height(column_names)
    return max(4.2, 1.3 + CELL_INCHES[0] * column_count), height


def _column_names_height(names: Sequence[str]) -> float:
    """The height in inches of upright column names, 0 if they fit side by side."""
    widest = max((text_width(name, 8.5) for name in names), default=0.0)
    return min(widest, COLUMN_NAME_POINTS) / 72 if widest > 72 * CELL_INCHES[0] else 0.0


def _labels(names: Sequence[str], count: int, letter: str = "") -> list[str]:
    """The names, or if there are none, numbers from 1 to `count` after a letter."""
    return list(names) or [f"{letter}{number + 1}" for number in range(count)]


def _finite_range(values: Floats) -> tuple[float, float]:
    """The smallest and the largest finite value; (∞, −∞) if there is none."""
    finite = values[np.isfinite(values)]
    return float(finite.min(initial=np.inf)), float(finite.max(initial=-np.inf))


def _color_limits(values: Floats) -> tuple[float, float]:
    """Limits of a color scale for unbounded values: from 0 or the minimum to the maximum."""
    low, high = _finite_range(np.append(values, 0.0))
    return low, high if high > low else low + 1.0


def _common_scales(*scales: tuple[float, float]) -> list[tuple[float, float]]:
    """Make each scale (low, high) symmetric around 0 if any has negative numbers, so that a color means one sign."""
    if min(low for low, _ in scales) >= 0:
        return list(scales)
    return [(-max(-low, high), max(-low, high)) for low, high in scales]


def _describe_codes(builder: FigureBuilder, labels: Sequence[str], codes: Sequence[str], threshold: float) -> None:
    """Add a note on which activations are bold, the inputs' codes to the description, and how many differ to both."""
    where = "there" if threshold == 0.5 else "for such a unit"
    builder.note(f"Bold, with a star: {describe_marked(threshold)}; a code has a 1 {where}.")
    builder.describe(
        "; ".join(f"{isolate_direction(label)} has the code {code}" for label, code in zip(labels, codes, strict=True))
        + "."
    )
    for add_sentence in (builder.note, builder.describe) if len(codes) > 1 else ():
        add_sentence(f"The {len(codes)} inputs have {count_of(len(set(codes)), 'different code')}.")


def _note_gray(builder: FigureBuilder, *tables: Floats) -> None:
    """Add a note on gray cells if some values are not finite."""
    if not all(np.isfinite(values).all() for values in tables):
        builder.note("Gray: not finite.")


def _draw_cells(
    axes: "Axes",
    values: Floats,
    row_names: Sequence[str],
    column_names: Sequence[str],
    limits: tuple[float, float],
    texts: Callable[[float], str] | Sequence[Sequence[str]],
    marked: Floats | None = None,
) -> None:
    """Draw a table of values colored within `limits`; `texts` is one for each cell or a function of the value."""
    colors = style.diverging_colormap() if limits[0] < 0 else style.sequential_colormap()
    low, high = np.clip(limits, -MAX_COLOR_LIMIT, MAX_COLOR_LIMIT)
    drawn = axes.imshow(values, cmap=colors, vmin=low, vmax=high, aspect="auto")
    is_bold = np.zeros(values.shape, bool) if marked is None else np.asarray(marked)
    if callable(texts):
        stars = np.where(is_bold, "*", "")
        texts = [
            [f"{texts(value)}{star}" for value, star in zip(*row, strict=True)]
            for row in zip(values.tolist(), stars.tolist(), strict=True)
        ]
    label_cells(axes, drawn, values, texts, 8, is_bold)
    rotation = 90 if _column_names_height(column_names) else 0
    axes.set_xticks(range(len(column_names)), fit_names(column_names, COLUMN_NAME_POINTS, 8.5), rotation=rotation)
    axes.set_yticks(range(len(row_names)), fit_names(row_names, ROW_NAME_POINTS, 8.5))
    axes.tick_params(length=0)
    axes.grid(False)


def label_cells(
    axes: "Axes", image: Any, values: Floats, texts: Sequence[Sequence[str]], font_size: float, is_bold: Floats
) -> None:
    """Write texts[row][column] into the cells of an image, black or white for contrast with the values' color."""
    colors = image.to_rgba(np.ma.masked_invalid(values))
    for row, column in np.ndindex(*values.shape):
        font: dict[str, Any] = {"color": style.ink_on(colors[row, column, :3]), "fontsize": font_size}
        font["weight"] = "bold" if is_bold[row, column] else "normal"
        axes.text(column, row, texts[row][column], ha="center", va="center", **font)


def _format_activation(value: float) -> str:
    """Format an activation so that it fits its cell, also if it is not finite."""
    return f"{value:z.2f}" if not abs(value) >= 999.995 else f"{value:.0e}"


def _sign_pair(first: float, second: float) -> str:
    """The signs of two numbers as text: "+ −"."""
    return " ".join({1: "+", -1: "−", 0: "0"}.get(np.sign(value), "?") for value in (first, second))


def largest_magnitude(values: Floats) -> float:
    """The largest finite absolute value, 0 if there is none."""
    return float(np.abs(values[np.isfinite(values)]).max(initial=0))


def describe_signs(values: Floats) -> str:
    """Describe how many values are positive and negative, and the largest absolute value."""
    signs = f"{(values > 0).sum():,} positive, {(values < 0).sum():,} negative"
    return f"{signs}, the largest {largest_magnitude(values):.3g} in size"
