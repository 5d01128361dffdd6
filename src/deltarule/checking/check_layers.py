"""The public check of a layer's backward pass."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from deltarule.checking.catalog import join_names
from deltarule.checking.context import Context, seconds_to_repair
from deltarule.checking.hints import MAX_HINT
from deltarule.checking.layers import UserLayer
from deltarule.checking.notes import Note
from deltarule.checking.numerics.reference_gradient import gradient_at
from deltarule.checking.reach import with_reach
from deltarule.checking.report import CodeReport, limit_to_hint
from deltarule.checking.user_code.arrays import dtype_kind, flatten
from deltarule.checking.user_code.attributes import names_in_program
from deltarule.checking.user_code.callables import Code
from deltarule.checking.user_code.random_numbers import random_numbers
from deltarule.checking.user_code.references import outside_of
from deltarule.checking.user_code.signatures import (
    Reading,
    argument_names,
    functions_of,
    required_parameters,
    with_fixed_arguments,
    with_fixed_input,
    without_last_sample,
)
from deltarule.checking.verdict import check_code
from deltarule.errors import BadInput
from deltarule.proofs.differences import Floats
from deltarule.user_functions import call_user_function, quietly


def check_vjp(
    forward: Callable[..., Any],
    backward: Callable[..., Any] | None,
    x: Any,
    *,
    hint: int = MAX_HINT,
    seconds: float | None = None,
) -> CodeReport:
    """Check the backward pass of your layer for random upstream gradients.

    Parameters
    ----------
    forward : callable
        `forward(x)`, or `forward(x, W, b)` if x is a tuple or a dictionary of these; it returns the output, or
        (output, cache). A list is the output itself, unless it holds the backward function.
    backward : callable, optional
        `backward(upstream)`, or `backward(upstream, cache)`; it returns the gradient by the arguments of `forward`.
        None if `forward` returns (output, backward).
    x : array-like, tuple or dict of arrays
        The input at which it is checked.
    hint : int, default=4
        As for `check_gradient`.
    seconds : float, optional
        As for `check_gradient`.

    Returns
    -------
    CodeReport

    Raises
    ------
    BadInput
        As `check_gradient`.

    Examples
    --------
    >>> import numpy as np
    >>> from deltarule import check_vjp
    >>> softmax = lambda z: np.exp(z) / np.exp(z).sum(-1, keepdims=True)
    >>> z = np.array([[0.1, 0.2, -0.3], [1.0, 0.5, -1.0]])
    >>> report = check_vjp(softmax, lambda g: g * softmax(z) * (1 - softmax(z)), z)
    >>> report.diagnosis[0].code
    'softmax_elementwise'
    """
    seconds = seconds_to_repair(seconds, hint)
    if backward is None:
        forward, backward = functions_of(forward)
    if dtype_kind(x) in ("i", "u") and not _takes_floats(forward, x):
        params = flatten(0.0, "x")  # rows of a table are looked up: nothing moves but what the layer holds
        with random_numbers((forward, backward)) as numbers:
            layer = UserLayer(with_fixed_input(forward, x), backward, params, numbers, moves_input=False)
            return limit_to_hint(_check_layer(layer, seconds), hint)
    if isinstance(x, tuple):
        forward, x = _without_options(forward, x)
    names = argument_names(forward)
    count = len(x) if isinstance(x, tuple) else 1
    params = flatten(x, "x", names if len(names) == count else names_in_program(x, (forward, backward), "x"))
    with random_numbers((forward, backward)) as numbers:
        return limit_to_hint(_check_layer(UserLayer(forward, backward, params, numbers), seconds), hint)


def _takes_floats(forward: Callable[..., Any], x: Any) -> bool:
    try:
        quietly(lambda: call_user_function(forward, [np.asarray(x, float)], {}, "forward"))
    except BadInput:
        return False
    return True


def _without_options(forward: Callable[..., Any], x: tuple[Any, ...]) -> tuple[Callable[..., Any], Any]:
    """A layer of its arrays alone: labels, dictionaries of settings and `training=True` stay as they are given."""
    moved = [i for i, value in enumerate(x) if isinstance(value, list | tuple | float) or dtype_kind(value) == "f"]
    names = argument_names(forward)
    if len(moved) in (0, len(x)) or len(names) < len(x):
        return forward, x
    return with_fixed_arguments(forward, x, names, moved), x[moved[0]] if len(moved) == 1 else tuple(
        x[i] for i in moved
    )


def _check_layer(layer: UserLayer, seconds: float) -> CodeReport:
    """The report of a layer by the likeliest reading of what its backward pass takes."""
    first, *others = layer.readings
    report = _check_reading(layer, first, 0.0 if others else seconds)
    if report.verdict == "WRONG" and others:
        if any(_check_reading(layer, reading).ok for reading in others):
            return replace(report, vacuous=Note("outputs_unclear"), diagnosis=(), worst=None)
        report = _check_reading(layer, first, seconds)
    if report.ok and layer.not_compared:
        report = replace(report, notes=(*report.notes, Note("not_compared", names=join_names(layer.not_compared))))
    return report


def _code_of(layer: UserLayer, reading: Reading, draw: int) -> Code:
    return layer.code(reading, draw, 1.0)[0]


def _code_without_last_sample(layer: UserLayer, reading: Reading) -> Code:
    arguments = without_last_sample(layer.arguments) if layer.moves_input else layer.arguments
    shorter = UserLayer(layer.forward, layer.backward, arguments, layer.numbers, moves_input=layer.moves_input)
    return _code_of(shorter, reading, 0)


def _check_reading(layer: UserLayer, reading: Reading, seconds: float = 0.0) -> CodeReport:
    for draw, scale in enumerate((1.0, 10.0, 0.1)):
        code, hypotheses = layer.code(reading, draw, scale)
        context = Context(
            own_hypotheses=hypotheses,
            is_layer=True,
            seconds=seconds,
            others=[partial(_code_of, layer, reading, draw + 3)],
            shorter=[partial(_code_without_last_sample, layer, reading)],
        )
        report = check_code(code, "backward pass", context)
        if not report.ok:
            return report
    with suppress(BadInput):  # a layer that fails there
        moved, names = _without_constants(code, layer)
        if names:
            report = check_code(moved, "backward pass", Context(is_layer=True))
            report = replace(report, notes=(Note("second_point", names=join_names(names)), *report.notes))
    return with_reach(report, code)


def _without_constants(code: Code, layer: UserLayer) -> tuple[Code, list[str]]:
    """The layer with arrays moved that are all 0 or 1, as γ at first; and their names.

    There are none if the backward pass may read them from outside, where they stay.
    """
    entries = list(zip(code.names, code.start, code.nearby.start, strict=True))
    constant = {
        name: start for name, start, _ in entries if start.size and start.flat[0] in (0, 1) and not np.ptp(start)
    }
    moved = replace(code, start=tuple(near if name in constant else start for name, start, near in entries))
    if not constant or layer.backward is None or not set(constant) & set(layer.arguments.names):
        return moved, list(constant)
    if _may_read_from_outside(layer.backward, list(constant.values())):
        return code, []
    is_moved = len(required_parameters(layer.backward)) > 1 or not all(
        map(np.array_equal, gradient_at(code, code.start), gradient_at(moved, moved.start))
    )
    return (moved, list(constant)) if is_moved else (code, [])


def _may_read_from_outside(function: Callable[..., Any], arrays: Sequence[Floats]) -> bool:
    outside = outside_of(function)
    if outside is None:
        return True
    read = [value for value in outside if isinstance(value, np.ndarray)]
    return any(np.array_equal(value, array) for value in read for array in arrays)
