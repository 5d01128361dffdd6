"""Treat a user's layer as the loss L(x) = Σ u · layer(x) with its gradient.

u  an upstream gradient: normal numbers, of the shape of the layer's output
"""

import inspect
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from deltarule.checking.mistakes.evidence import Evidence, Hypothesis, one_mistake
from deltarule.checking.mistakes.functions import value_mistakes
from deltarule.checking.numerics.parameter_lines import normal_direction
from deltarule.checking.user_code.arrays import Arrays, to_array
from deltarule.checking.user_code.callables import Code, Values, find_caller
from deltarule.checking.user_code.gradient_arrays import gradient_arrays
from deltarule.errors import BadInput
from deltarule.problem.problem import Floats
from deltarule.user_functions import call_user_function, quietly

_OUTPUT = "the output of forward"
_UPSTREAM_STREAM = 1 << 20
"""First index of the random directions of upstream gradients; those of arrays begin at 0."""


@dataclass(frozen=True, eq=False)
class Layer:
    """A layer as `code`, with its output and its backward pass."""

    code: Code
    output: Callable[[Values], Floats]
    back: Callable[[Floats], list[Floats]]
    upstream: Floats


def layer_of_functions(
    forward: Callable[..., Any], backward: Callable[..., Any] | None, params: Arrays, draw: int, scale: float
) -> Layer:
    """Make a `Layer` from functions, with a random upstream gradient."""
    call = find_caller(forward, params, "forward")
    if call.is_in_place:
        raise BadInput("forward takes no arguments; give a function of the layer's input")
    start = tuple(value.astype(np.float64) for value in params.values)

    def output(values: Values) -> Floats:
        return to_array(_output_first(call(values))[0], _OUTPUT)

    first = output(start)
    if first.dtype.kind != "f":
        raise BadInput(f"forward gives an array of {first.dtype}; give a layer with floating-point outputs")
    if not np.isfinite(first).all():
        raise BadInput("forward gives a number that is not finite at this input; give one at which all are")
    # A separate random stream: numbers of a common seed may be those of the input, which the gradient then resembles.
    upstream = scale * normal_direction(_UPSTREAM_STREAM + draw, 0, first.size).reshape(first.shape)

    def back(u: Floats, values: Values = start) -> list[Floats]:
        result = call(values)
        function = _backward_function(result) if backward is None else backward
        cache = () if backward is None else _output_first(result)[1:]
        cache = cache if _required_argument_count(function) == 1 + len(cache) else ()
        argument = u.copy()
        gradient = call_user_function(function, (argument, *cache), {}, "backward")
        if not np.array_equal(argument, u):
            raise BadInput("backward changes its argument, the upstream gradient; let it make a new array")
        return gradient_arrays(gradient, params, "backward")

    code = Code(
        names=params.names,
        start=start,
        loss=lambda values: (upstream * output(values)).sum(),
        gradient=lambda values: back(upstream, values),
        has_own_forward_pass=True,
        function_names=("forward", "backward"),
        roots=(forward,),
    )
    return Layer(code, output, back, upstream)


def _output_first(result: Any) -> tuple[Any, ...]:
    is_output = not isinstance(result, tuple | list) or (isinstance(result, list) and not any(map(callable, result)))
    return (result,) if is_output else tuple(result)


def _backward_function(result: Any) -> Callable[..., Any]:
    functions = [item for item in result if callable(item)] if isinstance(result, tuple | list) else []
    if not functions:
        raise BadInput("forward returns no backward function; give backward")
    function: Callable[..., Any] = functions[0]
    return function


def _required_argument_count(function: Callable[..., Any]) -> int:
    """The number of a function's arguments without a default; 1 if unknown."""
    try:
        parameters: Mapping[str, inspect.Parameter] = inspect.signature(function).parameters
    except (TypeError, ValueError):
        return 1
    return sum(
        parameter.default is parameter.empty and parameter.kind == parameter.POSITIONAL_OR_KEYWORD
        for parameter in parameters.values()
    )


def layer_hypotheses(layer: Layer, evidence: Evidence) -> Iterator[Hypothesis]:
    """Yield hypotheses about a wrong backward pass of a layer."""
    u, start = layer.upstream, layer.code.start
    once, twice = layer.back(u), layer.back(2 * u)
    if all(np.array_equal(one, other) for one, other in zip(once, twice, strict=True)):
        sentence = "the backward pass gives the same for any upstream gradient"
        yield one_mistake("upstream_ignored", evidence.wrong, sentence, where=evidence.names)
    if len(start) != 1 or start[0].shape != u.shape:
        return
    (parameter,) = evidence.parameters
    for code, sentence, prediction in _activation_mistakes(layer):
        if parameter.fits(prediction):
            yield one_mistake(code, evidence.wrong, sentence, where=evidence.names)


def _activation_mistakes(layer: Layer) -> Iterator[tuple[str, str, Floats]]:
    """Yield mistakes of a layer whose output has its input's shape."""
    u, (x,) = layer.upstream, layer.code.start
    yield "derivative_missing", "the backward pass returns the upstream gradient, without the derivative", u
    y = np.asarray(quietly(lambda: layer.output([x])), float)
    yield from value_mistakes(u, np.asarray(x, float), y)
