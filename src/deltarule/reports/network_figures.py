"""Figures of the inside of a network: first-layer weights as images, the network itself, activation functions.

N objects · D inputs · H hidden units · C outputs · L layers
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from deltarule.errors import BadInput, count_of
from deltarule.maths.activations import Activation
from deltarule.problem import registry
from deltarule.problem.problem import Floats
from deltarule.reports import style
from deltarule.reports.cell_figures import MAX_COLOR_LIMIT, SIGNS_NOTE, describe_signs, largest_magnitude
from deltarule.reports.cell_figures import activation_cells as activation_cells
from deltarule.reports.cell_figures import sign_agreement as sign_agreement
from deltarule.reports.cell_figures import weight_cells as weight_cells
from deltarule.reports.figure_builder import FigureBuilder
from deltarule.reports.text_fitting import fit_names, wrap_text

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MAX_UNITS = 16
"""Maximum number of units of a layer that are drawn, and of units whose weights are drawn as images."""
MAX_NETWORKS, IMAGES_ACROSS = 8, 3
"""Maximum number of networks whose weights are drawn as images, and how many per row."""
UNIT_NAME_POINTS = 72.0
"""Maximum width in points of the name of a unit or of a class."""


def weight_images(initial: Any, final: Any | Mapping[str, Any], shape: tuple[int, ...]) -> "Figure":
    """Draw first-layer weights [D, H] before and after training, an image for each unit; several `final` have names.

    Parameters
    ----------
    initial : [D, H].
    final : [D, H]; or for several networks with the same initial weights, by name, such as one for each learning rate.
    shape : of an image: (rows, columns), or (rows, columns, 3) for colors.

    Raises `BadInput` if the D weights make no such image, and for more than 8 networks.

    >>> figure = weight_images(np.zeros((6, 2)), np.ones((6, 2)), (2, 3))
    >>> [axes.get_xlabel() for axes in figure.axes[:2]]
    ['before training', 'after training']
    """
    are_several = isinstance(final, Mapping)
    ends = {f"after: {name}": array for name, array in final.items()} if are_several else {"after training": final}
    if not 0 < len(ends) <= MAX_NETWORKS:
        raise BadInput(f"there are the weights of {len(ends)} networks; give those of 1 to {MAX_NETWORKS}")
    shown = {when: np.asarray(array, np.float64) for when, array in {"before training": initial, **ends}.items()}
    _check_image_shapes(list(shown.values()), shape)
    units = min(shown["before training"].shape[1], MAX_UNITS)
    with style.style_context():
        across = min(len(shown), IMAGES_ACROSS)
        down = -(-len(shown) // across)
        builder = FigureBuilder.of_axes(
            "Weights of the first layer as images", *_grid_size(across, down), ncols=across, nrows=down
        )
        for when, values in shown.items():
            largest = _draw_images(builder, values[:, :units], shape, has_color_bar=not are_several)
            text = f"\nup to {largest:.2g}" if are_several else ""
            builder.axes.set(xticks=[], yticks=[], xlabel=wrap_text(when, 30) + text)
            builder.y_label("units" if when == "before training" else "the same units")
            builder.describe(f"The weights {when}: {describe_signs(values)}.")
            builder.row += 1
        for axes in builder.rows[len(shown) :]:
            axes.remove()
        if len(shape) == 3:
            builder.note("Gray: 0. A color: the sign of the weights of red, green and blue.")
        elif are_several:
            builder.note(f"White: 0. {SIGNS_NOTE}")
        if are_several:
            builder.note("Each is drawn on a scale of its own, up to its largest weight.")
        if units < shown["before training"].shape[1]:
            builder.note(f"The first {units} of {shown['before training'].shape[1]:,} units.")
        return builder.finish()


def network_drawing(weights: Sequence[Any], inputs: Sequence[str] = (), outputs: Sequence[str] = ()) -> "Figure":
    """Draw a network: a line for each weight, wider for larger ones, dashed and blue for negative ones.

    Weights below 1/500 of the largest, and those that are not finite, have no line.

    Parameters: `weights`, a matrix [D, H] for each layer; `inputs` and `outputs`, their names.
    Errors: `BadInput` for no weights, or matrices whose shapes do not fit each other.

    >>> figure = network_drawing([[[1.0], [-2.0]]], ["x1", "x2"], ["y"])
    >>> figure.axes[0].collections[0].get_linewidths().tolist()
    [2.5, 5.0]
    """
    matrices = [np.asarray(weight) for weight in weights]
    if not matrices or any(one.shape[1] != other.shape[0] for one, other in zip(matrices, matrices[1:], strict=False)):
        shapes = ", ".join(" × ".join(map(str, one.shape)) for one in matrices)
        raise BadInput(f"the weights {shapes or 'given'} make no network; give one D × H of each layer, in order")
    sizes = [len(matrices[0]), *(one.shape[1] for one in matrices)]
    drawn = [one[:MAX_UNITS, :MAX_UNITS] for one in matrices]
    widest = max((value for one in drawn for value in one[np.isfinite(one)].tolist()), key=abs, default=0.0)
    with style.style_context():
        largest_layer = min(max(sizes), MAX_UNITS)
        builder = FigureBuilder.of_axes(
            f"Network {'-'.join(map(str, sizes))}", max(7.0, 3.2 + 0.85 * len(sizes)), 1.6 + 0.32 * largest_layer
        )
        for layer, (matrix, some) in enumerate(zip(matrices, drawn, strict=True)):
            _draw_weight_lines(builder, layer, some, abs(widest))
            builder.describe(f"Weights of layer {layer + 1}: {describe_signs(matrix)}.")
        for layer, size in enumerate(sizes):
            shown = min(size, MAX_UNITS)
            builder.axes.scatter(
                [layer] * shown,
                _unit_positions(shown),
                s=190,
                color="white",
                edgecolors=style.BLACK,
                zorder=3,
                linewidths=1.2,
            )
            if shown < size:
                builder.note(f"Of {size:,} units the first {shown} are shown.")
        _name_units(builder.axes, inputs, outputs, sizes)
        _mark_signs(builder)
        builder.note(f"The widest line is a weight of {widest:.3g}." if widest else "No weight has a line.")
        if missing := sum(int((~np.isfinite(one)).sum()) for one in drawn):
            builder.note(
                f"No line for {count_of(missing, 'weight')} that {'is' if missing == 1 else 'are'} not finite."
            )
        return builder.finish()


def activation_curves(function: str | Activation, reach: float = 5.0) -> "Figure":
    """Draw an activation function with its derivative, from −`reach` to `reach`.

    For a function of a whole row, such as softmax, that is the first of two units, with the other one held at 0.

    >>> [line.get_label() for line in activation_curves("relu").axes[0].lines]
    ['relu', 'derivative']
    """
    chosen = registry.activation(function)
    z = np.linspace(-reach, reach, 401)
    rows = np.stack([z, np.zeros_like(z)], 1) if chosen.rowwise else z[:, None]
    a, backward = chosen.forward(rows)
    slope = backward(np.eye(1, rows.shape[1]).repeat(len(z), 0))[:, 0]
    # At a kink the slope is an isolated point between two gaps.
    at_kinks = [index for kink in chosen.kinks for index in np.flatnonzero(np.isclose(z, kink))]
    gaps = [index + side for index in at_kinks for side in (0, 1)]
    slope_z, slope = np.insert(z, gaps, z[np.array(gaps, int) - 1]), np.insert(slope, gaps, np.nan)
    with style.style_context():
        name = chosen.name.replace("_", " ")
        builder = FigureBuilder.blank(name.capitalize())
        builder.line(z, a[:, 0], name, marker="")
        builder.line(slope_z, slope, "derivative", marker="")
        builder.axes.set_xlabel("z of the unit" + (", the other held at 0" if chosen.rowwise else ""))
        builder.y_label("activation a, and slope ∂a/∂z")
        return builder.finish()


def _check_image_shapes(arrays: Sequence[Floats], shape: tuple[int, ...]) -> None:
    """Refuse arrays of weights [D, H] that have different shapes or do not make images of the given shape."""
    for array in arrays:
        if array.shape != arrays[0].shape or array.shape[0] != np.prod(shape):
            raise BadInput(
                f"weights of {' × '.join(map(str, arrays[0].shape))} and {' × '.join(map(str, array.shape))} make no "
                f"images of {' × '.join(map(str, shape))}; give as many rows as an image has numbers"
            )


def _grid_size(across: int, down: int) -> tuple[float, float]:
    """Width and height in inches of a grid of images."""
    return (7.0, 4.0) if across * down == 2 else (2.8 * across, 1.0 + 2.9 * down)


def _draw_images(builder: FigureBuilder, values: Floats, shape: tuple[int, ...], has_color_bar: bool) -> float:
    """Draw weights [D, H], an image for each unit; return the largest absolute weight, which sets the scale, or 1."""
    largest = largest_magnitude(values) or 1.0
    mosaic = _mosaic(values, shape, 0.0 if len(shape) == 2 else largest)
    if len(shape) == 2:
        end = min(largest, MAX_COLOR_LIMIT)
        drawn = builder.axes.imshow(mosaic, cmap=style.diverging_colormap(), vmin=-end, vmax=end)
        if has_color_bar:
            builder.figure.colorbar(drawn, ax=builder.axes, label="weight", location="bottom", shrink=0.8)
    else:
        builder.axes.imshow((np.nan_to_num(mosaic, nan=0.0) / largest).clip(-1, 1) / 2 + 0.5)
    builder.axes.grid(False)
    return largest


def _mosaic(values: Floats, shape: tuple[int, ...], gap_value: float) -> Floats:
    """The weights [D, H] as one image: a grid of the images of all units, with a pixel of `gap_value` between them."""
    units = values.shape[1]
    across = int(np.ceil(np.sqrt(units)))
    down = -(-units // across)
    rows, columns = shape[:2]
    mosaic = np.full((down * (rows + 1) - 1, across * (columns + 1) - 1, *shape[2:]), gap_value)
    for unit in range(units):
        top, left = (rows + 1) * (unit // across), (columns + 1) * (unit % across)
        mosaic[top : top + rows, left : left + columns] = values[:, unit].reshape(shape)
    return mosaic


def _unit_positions(units: int) -> Floats:
    """The vertical positions of a layer's units, centered, the first on top."""
    return (units - 1) / 2 - np.arange(units)


def _draw_weight_lines(builder: FigureBuilder, layer: int, matrix: Floats, largest: float) -> None:
    """Draw lines from x = `layer` to layer + 1 for weights [from, to], wider the closer to `largest` in size."""
    from matplotlib.collections import LineCollection

    starts, ends = _unit_positions(len(matrix)).tolist(), _unit_positions(matrix.shape[1]).tolist()
    widths = 5.0 * (np.abs(matrix) / (largest or 1.0))
    # Points: narrower lines are invisible, and Matplotlib scales dashes with the width, giving billions of them.
    indices = [index for index in np.ndindex(*matrix.shape) if 0.01 <= widths[index] < np.inf]
    weights = [matrix[index] for index in indices]
    builder.axes.add_collection(
        LineCollection(
            [[(layer, starts[row]), (layer + 1, ends[column])] for row, column in indices],
            linewidths=[widths[index] for index in indices],
            colors=[style.ORANGE if weight > 0 else style.BLUE for weight in weights],
            linestyles=["solid" if weight > 0 else (0, (3, 1.5)) for weight in weights],
            zorder=1,
        )
    )


def _name_units(axes: "Axes", inputs: Sequence[str], outputs: Sequence[str], sizes: Sequence[int]) -> None:
    """Label the layers with their sizes, and the inputs and outputs with their names."""
    largest_layer = min(max(sizes), MAX_UNITS)
    axes.set_xlim(-0.3, len(sizes) - 0.7)
    axes.set_ylim(-largest_layer / 2 - 0.3, largest_layer / 2 + 0.3)
    hidden = [f"hidden {number}\n{size:,} units" for number, size in enumerate(sizes[1:-1], 1)]
    labels = [f"inputs\n{sizes[0]:,}", *hidden, f"outputs\n{sizes[-1]:,}"]
    axes.set_xticks(range(len(sizes)), labels)
    axes.set_xlabel("layer")
    axes.set_ylabel("inputs")
    for side in ("left", "bottom"):
        axes.spines[side].set_visible(False)
    axes.grid(False)
    _name_column(axes, inputs, sizes[0])
    other = axes.secondary_yaxis("right")
    _name_column(other, outputs, sizes[-1])
    other.spines["right"].set_visible(False)
    other.set_ylabel("outputs")


def _name_column(axes: Any, names: Sequence[str], units: int) -> None:
    """Write the names of a layer's units beside them, if they have any."""
    shown = fit_names(names[: min(units, MAX_UNITS)], UNIT_NAME_POINTS, 8.5)
    axes.set_yticks(_unit_positions(min(units, MAX_UNITS))[: len(shown)], shown)
    axes.tick_params(length=0)


def _mark_signs(builder: FigureBuilder) -> None:
    """Add the lines of positive and negative weights to the legend."""
    from matplotlib.lines import Line2D

    builder.entries += [
        (Line2D([], [], color=style.ORANGE, linewidth=3), "positive weight"),
        (Line2D([], [], color=style.BLUE, linewidth=3, linestyle=(0, (3, 1.5))), "negative weight"),
    ]
