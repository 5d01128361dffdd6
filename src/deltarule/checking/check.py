"""The public checks of user code."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from deltarule.checking.catalog import join_names
from deltarule.checking.layers import Layer, without_constants, without_last_sample
from deltarule.checking.mistakes.network_matching import Like
from deltarule.checking.reach import notes_on_reach
from deltarule.checking.repair import search
from deltarule.checking.report import HINT_OF_KIND, MAX_HINT, CodeReport, Note, limit_to_hint, validate_hint
from deltarule.checking.update_verdict import judge_update
from deltarule.checking.updates import Update
from deltarule.checking.user_code.arrays import dtype_kind, flatten, to_array, to_finite_array
from deltarule.checking.user_code.attributes import names_in_program
from deltarule.checking.user_code.callables import (
    Code,
    argument_names,
    code_of_functions,
    function_of_none,
    function_of_some,
)
from deltarule.checking.user_code.layer_forms import Reading, functions_of
from deltarule.checking.user_code.object_adapter import code_of_object
from deltarule.checking.user_code.random_numbers import random_numbers
from deltarule.checking.verdict import Context, check_code
from deltarule.errors import BadInput
from deltarule.problem.network import Network
from deltarule.user_functions import call_user_function, quietly


def check_gradient(
    loss: Callable[..., Any],
    gradient: Callable[..., Any] | None,
    params: Any,
    *,
    like: Network | None = None,
    x: Any = None,
    y: Any = None,
    hint: int = MAX_HINT,
    seconds: float | None = None,
) -> CodeReport:
    """Check the gradient of your loss and find out what is wrong with it.

    Up to 2,000 entries are compared one by one (fewer if the loss is slow); larger arrays are sampled, and compared
    along 8 random directions.

    Parameters
    ----------
    loss : callable
        A function that returns one number. It takes the parameters as `params` holds them, or one by one, or by name;
        or nothing, if it reads arrays in place: then `params` holds these arrays themselves.
    gradient : callable or None
        A function of the same arguments that returns the gradient; None if `loss` returns (loss, gradient). Either may
        return other things too, and a dictionary may contain other gradients, such as "dz1" beside "dW1".
    params : array, dict, list or tuple of arrays
        An array, or dictionaries, lists and tuples of arrays; float32 read in place is moved in wider steps.
    like : Network, optional
        The network that the code is meant to be: then mistakes inside it are named too. The loss is recognized.
    x, y : array-like, optional
        The data of `like`: samples as rows or columns, labels as integers or one-hot.
    hint : int, default=4
        How much is reported, for a teacher: 0 the verdict, 1 which arrays are wrong, 2 the kind of mistake, 3 its line,
        4 the correction.
    seconds : float, optional
        How long corrections of wrong code are tried; 5 by default, 0 for none.

    Returns
    -------
    CodeReport
        Print it, or read `ok`, `worst`, `diagnosis`; `raise_if_wrong()` is for tests.

    Raises
    ------
    BadInput
        For parameters that are not floating-point arrays, a gradient with a missing or an unknown parameter, a loss
        that is not finite, and functions that raise.

    Examples
    --------
    >>> import numpy as np
    >>> from deltarule import check_gradient
    >>> x, y = np.array([[1.0, 2.0], [3.0, 4.0], [5.0, 7.0]]), np.array([1.0, 2.0, 4.0])
    >>> def loss(w):
    ...     return ((x @ w - y) ** 2).mean()
    >>> def gradient(w):
    ...     return x.T @ (x @ w - y) / len(y)
    >>> report = check_gradient(loss, gradient, np.array([0.5, -0.5]))
    >>> report.ok, report.diagnosis[0].code
    (False, 'factor_two')
    >>> check_gradient(loss, lambda w: 2 * gradient(w), np.array([0.5, -0.5])).ok
    True
    """
    validate_hint(hint)
    context = Context(_validate_like(like, x, y), _sample_counts(x, y), seconds=_seconds_to_repair(seconds, hint))
    with random_numbers((loss, gradient)) as numbers:
        code = numbers.replayed(code_of_functions(loss, gradient, params))
        return limit_to_hint(_with_reach(check_code(code, "gradient", context), code), hint)


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
    validate_hint(hint)
    if backward is None:
        forward, backward = functions_of(forward)
    if dtype_kind(x) in ("i", "u") and not _takes_floats(forward, x):
        params = flatten(0.0, "x")  # rows of a table are looked up: nothing moves but what the layer holds
        with random_numbers((forward, backward)) as numbers:
            layer = Layer(function_of_none(forward, x), backward, params, numbers, moves_input=False)
            return limit_to_hint(_check_layer(layer, _seconds_to_repair(seconds, hint)), hint)
    if isinstance(x, tuple):
        forward, x = _without_options(forward, x)
    names = argument_names(forward)
    count = len(x) if isinstance(x, tuple) else 1
    params = flatten(x, "x", names if len(names) == count else names_in_program(x, (forward, backward), "x"))
    with random_numbers((forward, backward)) as numbers:
        return limit_to_hint(
            _check_layer(Layer(forward, backward, params, numbers), _seconds_to_repair(seconds, hint)), hint
        )


def _takes_floats(forward: Callable[..., Any], x: Any) -> bool:
    try:
        quietly(lambda: call_user_function(forward, [np.asarray(x, float)], {}, "forward"))
    except BadInput:
        return False
    return True


def _without_options(forward: Callable[..., Any], x: tuple[Any, ...]) -> tuple[Callable[..., Any], Any]:
    """A layer of its arrays alone: labels, dictionaries of settings and `training=True` stay as they are given."""
    moved = [i for i, one in enumerate(x) if isinstance(one, list | tuple | float) or dtype_kind(one) == "f"]
    names = argument_names(forward)
    if len(moved) in (0, len(x)) or len(names) < len(x):
        return forward, x
    return function_of_some(forward, x, names, moved), x[moved[0]] if len(moved) == 1 else tuple(x[i] for i in moved)


def _check_layer(layer: Layer, seconds: float) -> CodeReport:
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


def _code_of(layer: Layer, reading: Reading, draw: int) -> Code:
    return layer.code(reading, draw, 1.0)[0]


def _code_without_last_sample(layer: Layer, reading: Reading) -> Code:
    arguments = without_last_sample(layer.arguments) if layer.moves_input else layer.arguments
    shorter = Layer(layer.forward, layer.backward, arguments, layer.numbers, moves_input=layer.moves_input)
    return _code_of(shorter, reading, 0)


def _check_reading(layer: Layer, reading: Reading, seconds: float = 0.0) -> CodeReport:
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
        moved, names = without_constants(code, layer)
        if names:
            report = check_code(moved, "backward pass", Context(is_layer=True))
            report = replace(report, notes=(Note("second_point", names=join_names(names)), *report.notes))
    return _with_reach(report, code)


def check_update(
    step: Callable[..., Any],
    loss: Callable[..., Any],
    params: Any,
    learning_rate: float | None = None,
    *,
    momentum: float = 0.0,
    like: Network | None = None,
    x: Any = None,
    y: Any = None,
    hint: int = MAX_HINT,
    seconds: float | None = None,
) -> CodeReport:
    """Check code that only updates parameters, without returning a gradient.

    Updates that are neither gradient descent nor momentum are compared with Nesterov's momentum, AdaGrad, RMSprop, Adam
    and AdamW in four steps; what is like these with other numbers, or keeps another state, is "not proved".

    Parameters
    ----------
    step : callable
        Makes one update: `step()` of arrays that it reads in place, or `step(params)`, in place or returned.
    loss : callable
        As for `check_gradient`: the loss that the update minimizes, on the same data.
    params : array, dict, list or tuple of arrays, or callable
        The parameters; if `step` creates new arrays, a function that returns the current ones, such as
        `lambda: [net.W, net.b]`.
    learning_rate : float or None
        α in θ ← θ − α g, or in v ← β v − α g, θ ← θ + v; None to find it from the first step, so that the update is
        right up to that factor.
    momentum : float, default=0
        β; then two updates are checked, the second with the velocity after the first one. If only the second is right,
        the velocities may not have been 0 at first, and the report is "not proved".
    like : Network, optional
        As for `check_gradient`.
    x, y : array-like, optional
        As for `check_gradient`.
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
        As `check_gradient`, and for a step that changes nothing.

    Notes
    -----
    The parameters are put back afterwards; velocities, which only `step` knows, are not.

    Examples
    --------
    >>> import numpy as np
    >>> from deltarule import check_update
    >>> w = np.array([1.0, 2.0])
    >>> def step():
    ...     w[...] = w + 0.1 * 2 * w
    >>> check_update(step, lambda: w @ w, w, 0.1).diagnosis[0].code
    'sign'
    """
    validate_hint(hint)
    if learning_rate is not None and not 0 < learning_rate < np.inf:
        raise BadInput(f"learning_rate is {learning_rate!r}; give a number above 0")
    if not 0 <= momentum < 1:
        raise BadInput(f"momentum is {momentum!r}; give a number from 0 up to, not including, 1")
    with random_numbers((step, loss)):
        update = Update(step, loss, params, learning_rate)
        context = Context(
            _validate_like(like, x, y),
            _sample_counts(x, y),
            update.learning_rate,
            momentum,
            seconds=_seconds_to_repair(seconds, hint),
        )
        report = judge_update(update, context)
    if learning_rate is None and report.ok and report.entries == 1:
        report = replace(report, ok=False, vacuous=Note("rate_of_one_number", rate=update.learning_rate))
    elif learning_rate is None and report.ok:
        report = replace(report, notes=(*report.notes, Note("fitted_rate", rate=update.learning_rate)))
    return limit_to_hint(report, hint)


def check_object(
    net: Any,
    *,
    params: Sequence[str],
    grads: Sequence[str],
    loss: Callable[..., Any],
    backward: Callable[[], Any] | None = None,
    like: Network | None = None,
    x: Any = None,
    y: Any = None,
    hint: int = MAX_HINT,
    seconds: float | None = None,
) -> CodeReport:
    """Check the gradients that a network object stores in attributes.

    Parameters
    ----------
    net : object
        The object; its arrays are moved in place, and put back.
    params, grads : sequence of str
        The paths of parameters and their gradients, in the same order: "W1", "layers[0].W", "params['W1']".
    loss : callable
        Returns the loss at the current parameters of the object: `lambda: net.loss(x, y)`.
    backward : callable, optional
        Computes the gradients after that, if `loss` does not: `net.backward`.
    like : Network, optional
        As for `check_gradient`.
    x, y : array-like, optional
        As for `check_gradient`.
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
        As `check_gradient`, and for an attribute that does not exist.

    Examples
    --------
    >>> import numpy as np
    >>> from deltarule import check_object
    >>> class Line:
    ...     def __init__(self):
    ...         self.w = np.array([0.5, -1.0])
    ...     def loss(self, x, y):
    ...         error = x @ self.w - y
    ...         self.dw = x.T @ error
    ...         return (error**2).sum() / 2
    >>> line, x, y = Line(), np.array([[1.0, 2.0], [3.0, 5.0]]), np.array([1.0, 2.0])
    >>> check_object(line, params=["w"], grads=["dw"], loss=lambda: line.loss(x, y)).ok
    True
    """
    validate_hint(hint)
    if isinstance(params, str) or isinstance(grads, str) or len(params) != len(grads):
        raise BadInput(
            f"params names {params!r} and grads {grads!r}; give two lists with a gradient for each parameter"
        )
    context = Context(_validate_like(like, x, y), _sample_counts(x, y), seconds=_seconds_to_repair(seconds, hint))
    with random_numbers((net, loss, backward)) as numbers:
        code = numbers.replayed(code_of_object(net, params, grads, loss, backward))
        return limit_to_hint(_with_reach(check_code(code, "gradient", context), code), hint)


def _with_reach(report: CodeReport, code: Code) -> CodeReport:
    """A right report with notes on what was not reached."""
    if not report.ok:
        return report
    try:
        return replace(report, notes=(*report.notes, *quietly(lambda: notes_on_reach(code))))
    finally:
        quietly(code.restore)


def _seconds_to_repair(seconds: float | None, hint: int) -> float:
    """How long corrections are tried: not at all where the hint hides all that they say."""
    if seconds is None:
        seconds = search.SECONDS
    if not seconds >= 0:
        raise BadInput(f"seconds is {seconds!r}; give 0 or a number above it")
    return seconds if hint >= HINT_OF_KIND else 0.0


def _validate_like(like: Network | None, x: Any, y: Any) -> Like | None:
    if like is None:
        return None
    if x is None or y is None:
        raise BadInput("like is given without its data; give x and y too")
    return Like(like, to_finite_array(x, "x"), to_finite_array(y, "y"))


def _sample_counts(x: Any, y: Any) -> tuple[int, ...]:
    """The lengths of x's axes that may be the samples': those that y shares, or all."""
    if x is None:
        return ()
    shape = to_array(x, "x").shape[:2]  # it may hold anything: without `like` only its shape is used
    of_y = () if y is None else to_array(y, "y").shape
    is_one_per_sample = max(of_y, default=1) == np.prod(of_y)  # labels, in whichever shape
    shared = [n for i, n in enumerate(shape) if n in (of_y if is_one_per_sample else of_y[i : i + 1])]
    return tuple(dict.fromkeys(n for n in shared or shape if n > 1))
