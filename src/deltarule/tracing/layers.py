"""Trace layers: what they compute on grids of formulas, as their functions run.

What a layer computes on the way is shown too, by the names that its variables have.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from itertools import count
from typing import Any

import numpy as np

from deltarule.maths.activations import Activation
from deltarule.maths.network import PlacedLayer
from deltarule.problem.registry import is_built_in
from deltarule.program.numpy_text import with_locals
from deltarule.tracing import formulas
from deltarule.tracing.expressions import SAMPLES, Expression, Index
from deltarule.tracing.grid import Grid, read_repeatedly
from deltarule.tracing.trace_builder import TraceBuilder

_VALUES = {
    "mean": "mean of {source} over the {over}",
    "variance": "variance of {source} over the {over}",
    "zhat": "{source} with mean 0 and variance 1",
    "centered": "{source} with mean 0",
    "deviation": "standard deviation of {source}",
}
"""What statistics and named parts of layers are; of others the name of the layer says it."""
_SHOWN = {"normalized": "zhat"}
"""Names of parts in the code, and in explanations."""

Rule = Callable[..., Expression | None]


def traced(trace: TraceBuilder, placed: PlacedLayer) -> PlacedLayer:
    """Return a layer of grids, which adds to the trace what it computes."""
    formula = placed.formula
    is_elementwise = isinstance(formula, Activation) and (not formula.rowwise or is_built_in(formula))
    run = partial(_run_activation if is_elementwise else _run_layer, trace, placed)
    return replace(placed, formula=replace(placed.layer, function=run))


def about(placed: PlacedLayer, part: str, source: str) -> str:
    """Say what the gradient of an array is, or of the input, x."""
    sentence = placed.layer.sentences.get(f"∂{part}", f"back through {placed.formula.name}")
    return sentence.format(source=source, n=placed.number)


def about_value(placed: PlacedLayer, source: str) -> str:
    """Say what a layer's value is."""
    bias = f" + b{placed.number}" if "b" in placed.layer.arrays else ""
    sentence = placed.layer.sentences.get("value", f"{placed.layer.name} of {{source}}")
    return sentence.format(source=source, n=placed.number, bias=bias)


def _run_activation(trace: TraceBuilder, placed: PlacedLayer, z: Grid) -> tuple[Grid, Callable[[Grid], Grid]]:
    activation, n, units = placed.formula, placed.number, placed.units
    assert isinstance(activation, Activation)
    numbers = trace.add_parameters("activation", activation, n)
    value, back = activation.forward(z.array)

    def f(i: Index, j: Index) -> Expression | None:
        return formulas.activation_value(activation, partial(z, i), j, units, numbers)

    what = "predictions" if n == trace.last else "activations"
    a = Grid(value, "ij", f)
    _add(trace, placed, placed.name, a, f"{activation.name}({_name(z)}), {what}")

    def backward(da: Grid) -> Grid:
        def slope(i: Index, j: Index) -> Expression | None:
            rows = partial(z, i), partial(a, i), partial(da, i)
            return formulas.activation_backward(activation, *rows, j, units, numbers)

        return Grid(back(da.array), "ij", slope)

    return a, backward


def _run_layer(trace: TraceBuilder, placed: PlacedLayer, *arrays: Grid, **parameters: float) -> tuple[Any, ...]:
    layer, n = placed.layer, placed.number
    given = arrays[len(arrays) - len(layer.given) :]
    for name, grid in zip(layer.given, given, strict=True):
        _name_given(trace, f"{name}{n}", grid)
    source = _name(arrays[0])
    operands = [_operand(each, is_input=index == 0) for index, each in enumerate(arrays)]
    settings = trace.add_parameters("layer", layer, n)
    for key, reference in settings.items():
        parameters[key] = _constant(reference, float(parameters[key]))  # type: ignore[assignment]
    try:
        (value, back, *statistics), variables, _ = with_locals(layer.function, *operands, **parameters)
        if not isinstance(value, Grid):
            raise TypeError("the layer makes arrays of its own")
    except Exception:  # whatever an own layer raises on what is not an array: it has no formulas then
        (value, back, *statistics), variables = _of_numbers(layer.function, operands, parameters), {}
    parts = dict(zip(layer.statistics, statistics, strict=True))
    parts |= _own_grids(variables, [*operands, *parameters.values(), value])
    for name, grid in parts.items():
        _add_part(trace, placed, _SHOWN.get(name, name), grid, source)
    _add(trace, placed, placed.name, value, about_value(placed, source))
    named = [*parts.values(), value]
    _name_repeated(trace, placed, named, [])

    def backward(upstream: Grid, **options: Any) -> Any:
        upstream = Grid(upstream.array, "ij", upstream)
        try:
            returned = back(upstream, **options)
        except Exception:  # as above
            returned = _of_numbers(layer.function, operands, parameters)[1](upstream, **options)
        gradients = returned if isinstance(returned, tuple) else (returned,)
        _name_repeated(trace, placed, named, gradients)
        # Two layers get the same gradient through a sum, each under a name of its own.
        return tuple(Grid(each.array, "ij", each) if each is upstream else _grid(each) for each in gradients)

    return value, backward, *statistics


def _own_grids(variables: Mapping[str, Any], known: Sequence[Any]) -> dict[str, Grid]:
    """The grids among a layer's variables that are not known yet; a truth stands where it is asked for."""
    grids = {name: each for name, each in variables.items() if isinstance(each, Grid) and each.dtype.kind != "b"}
    return {name: grid for name, grid in grids.items() if not any(grid is other for other in known)}


def _add_part(trace: TraceBuilder, placed: PlacedLayer, name: str, grid: Grid, source: str) -> None:
    """Add what a layer computes on the way to its value."""
    numbered = f"{name}{placed.number}"
    if numbered in trace.at or numbered == placed.name:
        numbered = f"{name}_{placed.name}"
    sentence = _VALUES.get(name, f"{name} of {placed.layer.name}")
    over = "batch" if placed.layer.given else "row"
    _add(trace, placed, numbered, grid, sentence.format(source=source, over=over))


def _name_repeated(trace: TraceBuilder, placed: PlacedLayer, forward: Sequence[Grid], gradients: Sequence[Any]) -> None:
    """Name what the value and the gradients of an own layer read repeatedly; built-in layers name all themselves.

    `forward` are the named grids of the forward pass, the value last.
    """
    if is_built_in(placed.formula):
        return
    for grid in read_repeatedly([forward[-1], *gradients]):
        later = [each for each in forward if each.number > grid.number]
        letter, way, section = ("v", "to", "forward") if later else ("g", "back through", "backward")
        name = next(each for n in count(1) if (each := f"{letter}{n}_{placed.name}") not in trace.at)
        _add(trace, placed, name, grid, f"on the way {way} {placed.formula.name}", section)
        if later:  # what is named on the way back stands before what it is part of
            first = min(later, key=lambda each: each.number)
            names = [*trace.at]
            for each in names[names.index(_name(first)) : -1]:
                trace.at[each] = trace.at.pop(each)


def _of_numbers(function: Callable[..., Any], operands: list[Grid], parameters: Mapping[str, Any]) -> tuple[Any, ...]:
    """Run a layer on numbers, and return grids without formulas."""
    numbers = {key: grid.array for key, grid in parameters.items()}
    value, back, *statistics = function(*(each.array for each in operands), **numbers)

    def backward(upstream: Grid, **options: Any) -> Any:
        return back(upstream.array, **options)

    return _grid(value), backward, *map(_grid, statistics)


def _grid(array: Any) -> Grid | None:
    return array if isinstance(array, Grid | None) else Grid(array, "ij")


def _name_given(trace: TraceBuilder, name: str, grid: Grid) -> None:
    """Add what a layer takes of the update: a mask, or a rate; each row's share of the batch is a formula."""
    if name.startswith("keep"):
        about = "1 where a unit stays, 0 where it is dropped: drawn from the seed, the step and the sample's position"
        grid.give_name(trace.add(name, "forward", grid.array, "ij", about))
    elif name.startswith("dropout"):
        layer = int(name.removeprefix("dropout"))
        setting = trace.add_setting(name, grid.array, f"dropout rate after layer {layer}", layer=layer)
        grid.formula = lambda *_: setting


def _operand(grid: Grid, is_input: bool) -> Grid:
    """Return a grid with the letters that its axes have within a layer."""
    if grid.quantity is None:
        return grid
    axes = grid.quantity.axes
    return Grid(grid.array, (SAMPLES if axes[:1] == (SAMPLES,) else "d") + ("d" if is_input else axes[-1]), grid)


def _constant(reference: Expression, value: float) -> Grid:
    return Grid(value, "ij", lambda *_: reference)


def _name(grid: Grid) -> str:
    assert grid.quantity is not None
    return grid.quantity.name


def _add(trace: TraceBuilder, placed: PlacedLayer, name: str, grid: Grid, about: str, section: str = "forward") -> None:
    rows, columns = grid.shape
    of_rows = SAMPLES if rows == len(trace.w) else "d"[: rows - 1]
    of_columns = "d" if placed.symbol == "s" or placed.units != columns == placed.inputs else "j"
    axes = of_rows + (of_columns if columns != 1 or placed.units == 1 or not of_rows else "")
    array = np.asarray(grid.array)
    shape = array.shape if len(axes) == 2 else (max(rows, columns),)
    grid.give_name(trace.add(name, section, array.reshape(shape), axes, about, rule_of(grid, axes)))


def rule_of(grid: Any, axes: str) -> Rule | None:
    """The formula of an entry by the indices of some axes; None where a function has none."""
    entry = grid.formula if isinstance(grid, Grid) else None
    if entry is None:
        return None

    def rule(*index: Any) -> Expression | None:
        row, column = index if len(index) == 2 else (index[0], 0) if axes == SAMPLES else (0, *index)
        try:
            formula = entry(row, column)
        except Exception:  # whatever a formula of the user's raises on what is not a number
            return None
        return formula if isinstance(formula, Expression) else None

    return rule
