"""Treat a user's layer as the loss L(x) = Σ u · layer(x) with its gradient.

u  an upstream gradient: normal numbers, of the shape of the layer's output
"""

import inspect
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from types import ModuleType
from typing import Any

import numpy as np

from deltarule.checking.mistakes.evidence import Evidence, Hypothesis, one_mistake
from deltarule.checking.numerics.parameter_lines import gradient_at, normal_direction
from deltarule.checking.user_code.arrays import Arrays, to_array
from deltarule.checking.user_code.callables import Code, Values, find_caller, positional_parameters
from deltarule.checking.user_code.gradient_arrays import gradient_arrays
from deltarule.checking.user_code.random_numbers import RandomNumbers
from deltarule.errors import BadInput
from deltarule.problem.problem import Floats
from deltarule.user_functions import call_user_function

_UPSTREAM_STREAM = 1 << 20
"""First index of the random directions of upstream gradients; those of arrays begin at 0."""


def code_of_layer(
    forward: Callable[..., Any],
    backward: Callable[..., Any] | None,
    params: Arrays,
    draw: int,
    scale: float,
    numbers: RandomNumbers,
) -> tuple[Code, Callable[[Evidence], Iterator[Hypothesis]]]:
    """A layer as code, for a random upstream gradient, and hypotheses about it."""
    lengths = {id(kept): len(kept) for kept in _lists_beside(forward)}
    call = find_caller(forward, params, "forward")
    if call.is_in_place:
        raise BadInput("forward takes no arguments; give a function of the layer's input")
    start = tuple(value.astype(np.float64) for value in params.values)

    def forget() -> None:  # a layer that adds each input to a list means one input before each backward pass
        for kept in _lists_beside(forward):
            del kept[lengths.get(id(kept), len(kept)) :]

    def run(values: Values) -> Any:
        forget()
        return call(values)

    def output(values: Values) -> Floats:
        return to_array(_output_first(run(values))[0], "the output of forward")

    numbers.restore()
    first = output(start)
    if not np.isfinite(first).all():
        raise BadInput("forward gives a number that is not finite at this input; give one at which all are")
    # A separate random stream: numbers of a common seed may be those of the input, which the gradient then resembles.
    upstream = scale * normal_direction(_UPSTREAM_STREAM + draw, 0, first.size).reshape(first.shape)

    def back(u: Floats, values: Values = start) -> list[Floats]:
        result = run(values)
        parts = _output_first(result)[1:]
        function = backward or next(filter(callable, parts), None)
        if function is None:
            raise BadInput("forward returns no backward function; give backward")
        cache = () if backward is None else parts
        cache = cache if len(_required(function)) == 1 + len(cache) else ()
        with numbers.new_numbers():  # a mask must be that of the forward pass
            gradient = call_user_function(function, (u.copy(), *cache), {}, "backward")  # it may be changed in place
        return gradient_arrays(gradient, params, "backward")

    code = Code(
        names=params.names,
        start=start,
        loss=lambda values: (upstream * output(values)).sum(),
        gradient=lambda values: back(upstream, values),
        has_own_forward_pass=True,
        restore=forget,
        function_names=("forward", "backward"),
        roots=(forward,),
    )
    return numbers.replayed(code), lambda evidence: _layer_hypotheses(evidence, upstream, back)


def without_constants(code: Code, backward: Callable[..., Any] | None) -> tuple[Code, list[str]]:
    """The layer with arrays moved that are all 0 or 1, as γ at first; and their names.

    There are none if the backward pass may read them from outside, where they stay.
    """
    entries = list(zip(code.names, code.start, code.nearby.start, strict=True))
    constant = {
        name: start for name, start, _ in entries if start.size and start.flat[0] in (0, 1) and not np.ptp(start)
    }
    moved = replace(code, start=tuple(near if name in constant else start for name, start, near in entries))
    if not constant or backward is None:
        return moved, list(constant)
    outside = _outside(backward)
    arrays = [one for one in outside or () if isinstance(one, np.ndarray)]
    may_read_one = outside is None or any(np.array_equal(one, own) for one in arrays for own in constant.values())
    is_moved = len(_required(backward)) > 1 or not all(
        map(np.array_equal, gradient_at(code, code.start), gradient_at(moved, moved.start))
    )
    return (moved, list(constant)) if is_moved and not may_read_one else (code, [])


def _lists_beside(function: Callable[..., Any]) -> list[list[Any]]:
    return [one for one in _outside(function) or () if type(one) is list]


def _outside(function: Callable[..., Any]) -> list[Any] | None:
    """What a function refers to beside its arguments; None if that cannot be seen."""
    try:
        names = inspect.getclosurevars(getattr(function, "__func__", function))
    except TypeError:  # no Python function
        return None
    outside = [*names.nonlocals.values(), *names.globals.values(), getattr(function, "__self__", None)]
    for one in [one for one in outside if not isinstance(one, ModuleType)]:
        held = one if isinstance(one, Mapping) else getattr(one, "__dict__", {})
        outside += held.values()
    return outside


def _required(function: Callable[..., Any]) -> list[Any]:
    return [one for one in positional_parameters(function) if one.default is one.empty]


def _output_first(result: Any) -> tuple[Any, ...]:
    is_output = not isinstance(result, tuple | list) or (isinstance(result, list) and not any(map(callable, result)))
    return (result,) if is_output else tuple(result)


def _layer_hypotheses(evidence: Evidence, u: Floats, back: Callable[[Floats], list[Floats]]) -> Iterator[Hypothesis]:
    """Yield hypotheses about a wrong backward pass of a layer."""
    if all(map(np.array_equal, back(u), back(2 * u))):
        sentence = "the backward pass gives the same for any upstream gradient"
        yield one_mistake("upstream_ignored", evidence.wrong, sentence, where=evidence.names)
    if len(evidence.parameters) == 1 and evidence.parameters[0].fits(u):
        sentence = "the backward pass returns the upstream gradient, without the derivative"
        yield one_mistake("derivative_missing", evidence.wrong, sentence, where=evidence.names)
