"""A layer of somebody's own as a loss and its gradient: L(x) = Σ u · layer(x), whose gradient is what goes back from u.

u  what comes from above, numbers from the normal law, of the shape of the layer's output
"""

import inspect
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from deltarule.checking.arrays import Arrays, array_of, gradient_arrays
from deltarule.checking.callables import Code, Values, caller, quietly, run
from deltarule.checking.mistakes.catalog import make_mistake
from deltarule.checking.mistakes.diagnose import Evidence, Hypothesis
from deltarule.checking.reference_gradient import measure_gradient
from deltarule.errors import BadInput
from deltarule.problem.problem import Floats

_OUTPUT = "the output of forward"


@dataclass(frozen=True, eq=False)
class Layer:
    """A layer as code: its output [shape of u] and its way back for any u, of values of what it takes."""

    code: Code
    output: Callable[[Values], Floats]
    back: Callable[[Floats], list[Floats]]
    upstream: Floats


def from_layer(
    forward: Callable[..., Any], backward: Callable[..., Any] | None, given: Arrays, draw: int, scale: float
) -> Layer:
    """A layer and what comes from above, drawn anew for each `draw`, of a size of its own."""
    call = caller(forward, given, "forward")
    if call.held:
        raise BadInput("forward takes no arguments; give a function of the layer's input")
    start = tuple(value.astype(np.float64) for value in given.values)

    def output(values: Values) -> Floats:
        return array_of(_output_first(call(values, None), start[0].ndim)[0], _OUTPUT)

    first = output(start)
    if first.dtype.kind != "f":
        raise BadInput(f"forward gives an array of {first.dtype}; give a layer with floating-point outputs")
    if not np.isfinite(first).all():
        raise BadInput("forward gives a number that is not finite at this input; give one at which all are")
    upstream = np.asarray(scale * np.random.default_rng(draw).normal(size=first.shape))

    def back(above: Floats, values: Values = start) -> list[Floats]:
        made = call(values, None)
        way = _way_back(made) if backward is None else backward
        cache = () if backward is None else _output_first(made, start[0].ndim)[1:]
        cache = cache if _arguments(way) == 1 + len(cache) else ()
        handed = above.copy()
        result = run(way, (handed, *cache), {}, "backward")
        if not np.array_equal(handed, above):
            raise BadInput("backward changes the gradient that it is handed; let it make a new array")
        return gradient_arrays(result, given, "backward")

    def changed_arrays() -> dict[str, tuple[str, ...]]:
        values = [value.copy() for value in start]
        back(upstream, values)
        names = [
            name for name, one, other in zip(given.names, start, values, strict=True) if not np.array_equal(one, other)
        ]
        return {"forward or backward": tuple(names)} if names else {}

    code = Code(
        names=given.names,
        start=start,
        loss=lambda values: (upstream * output(values)).sum(),
        gradient=lambda values: back(upstream, values),
        held=False,
        complete=True,
        changed=changed_arrays,
    )
    return Layer(code, output, back, upstream)


def _output_first(made: Any, dimensions: int) -> tuple[Any, ...]:
    """What forward gave, the output before a cache or the way back. A list may be the output itself.

    dimensions  those of x
    """
    if not isinstance(made, tuple | list):
        return (made,)
    if not made:
        raise BadInput(f"forward gives an empty {type(made).__name__}; give the output, or (output, cache)")
    if isinstance(made, tuple) or any(map(callable, made)):
        return tuple(made)
    depth = _depth(made[0])
    if depth < dimensions or depth == 0 or all(isinstance(one, list) and _depth(one) == 1 for one in made):
        return (made,)
    if depth == 1 and len(made) > 1 and all(_depth(one) == 1 for one in made):
        raise BadInput(
            f"forward gives a list of {len(made)} rows for one row, which may be its output, or an output and a cache; "
            "give the output as an array, or (output, cache) as a tuple"
        )
    return tuple(made)


def _depth(thing: Any) -> int:
    """How many dimensions an array has, or lists within lists."""
    if isinstance(thing, list | tuple):
        return 1 + _depth(thing[0]) if thing else 1
    return int(getattr(thing, "ndim", 0))


def _way_back(made: Any) -> Callable[..., Any]:
    ways = [one for one in made if callable(one)] if isinstance(made, tuple | list) else []
    if not ways:
        raise BadInput("forward gives no function for the way back; give backward")
    return ways[0]


def _arguments(function: Callable[..., Any]) -> int:
    """How many arguments a function asks for."""
    try:
        parameters: Mapping[str, inspect.Parameter] = inspect.signature(function).parameters
    except (TypeError, ValueError):
        return 1
    return sum(one.default is one.empty and one.kind == one.POSITIONAL_OR_KEYWORD for one in parameters.values())


def layer_hypotheses(layer: Layer, evidence: Evidence) -> Iterator[Hypothesis]:
    """What may be wrong in the way back through a layer: the activation's derivative, or that u has no part in it."""
    u, start = layer.upstream, layer.code.start
    everything = frozenset(evidence.wrong)
    once, twice = layer.back(u), layer.back(2 * u)
    if all(np.array_equal(one, other) for one, other in zip(once, twice, strict=True)):
        sentence = "the way back is the same whatever comes from above"
        yield Hypothesis(everything, (make_mistake("upstream_ignored", evidence.names, sentence),), 0)
    if len(start) != 1 or start[0].shape != u.shape:
        return
    for code, sentence, candidate in _of_one_array(layer, evidence.expected[0]):
        if evidence.fits(0, candidate):
            yield Hypothesis(everything, (make_mistake(code, evidence.names, sentence),), 0)


def _of_one_array(layer: Layer, expected: Floats) -> Iterator[tuple[str, str, Floats]]:
    """Candidates for a layer whose output has the shape of its input, as an activation's has."""
    u, (x,) = layer.upstream, layer.code.start
    yield "derivative_missing", "the way back hands on what comes from above, without the derivative", u
    yield (
        "softmax_elementwise",
        "the way back takes the layer as if it were elementwise, and its outputs depend on other inputs too",
        u * _diagonal(layer, x),
    )
    y = np.asarray(quietly(partial(layer.output, [x])), float)
    if np.isfinite(y).all():
        yield "derivative_at_output", "the way back takes the derivative at the output", _slopes(layer, u, y)
    if np.isfinite(expected).all():
        yield "derivative_twice", "the way back goes through the derivative twice", _slopes(layer, expected, x)


def _slopes(layer: Layer, above: Floats, at: Floats) -> Floats:
    """The right way back from `above`, at another input."""
    code = Code(
        names=layer.code.names,
        start=(at,),
        loss=lambda values: (above * layer.output(values)).sum(),
        gradient=lambda values: [above],
        held=False,
    )
    return measure_gradient(code, [above], at.size).expected[0]


def _diagonal(layer: Layer, x: Floats) -> Floats:
    """The derivative of each output by its own input."""
    found = np.zeros(x.shape)
    for place in np.ndindex(x.shape):
        h = 1e-5 * max(1.0, abs(float(x[place])))
        step = np.zeros(x.shape)
        step[place] = h
        above, below = (quietly(partial(layer.output, [x + sign * step])) for sign in (1, -1))
        found[place] = (above[place] - below[place]) / (2 * h)
    return found
