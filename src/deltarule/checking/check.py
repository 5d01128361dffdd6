"""Is my gradient right? Checks of other people's code, as they wrote it, with a name for what is wrong.

The right gradient is measured from the loss alone, by central differences and, where the code takes complex numbers
and proves that it does, by the complex step. What is wrong is found out by planting known mistakes in the right one.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from numbers import Real
from typing import Any

import numpy as np

from deltarule.checking.arrays import array_of, numbers_of, taken_apart
from deltarule.checking.callables import argument_names, from_functions
from deltarule.checking.layers import from_layer, layer_hypotheses
from deltarule.checking.mistakes.catalog import make_mistake
from deltarule.checking.mistakes.network_matching import Like
from deltarule.checking.object_adapter import from_object
from deltarule.checking.report import MORE_WITH_LIKE, UNEXPLAINED, CodeReport, checked_hint, limit_to_hint
from deltarule.checking.updates import Update, from_update
from deltarule.checking.verdict import MOST, Known, examine
from deltarule.errors import BadInput
from deltarule.problem.network import Network

_VELOCITIES = (
    "the velocities are not 0 at the first update: an earlier check or update may have left them; reset them to judge "
    "it"
)
_LONGER = {"factor", "factor_two", "nesterov"}
"""What a right first update with a velocity may look like: so much longer than one without."""


def check_gradient(
    loss: Callable[..., Any],
    gradient: Callable[..., Any] | None,
    params: Any,
    *,
    like: Network | None = None,
    x: Any = None,
    y: Any = None,
    masks: Mapping[int, Any] | None = None,
    hint: str = "fix",
    most: int = MOST,
) -> CodeReport:
    """Check the gradient of a loss of one's own, and find out what is wrong with it.

    Parameters
    ----------
    loss : a function that gives one number. It takes the parameters as they stand in `params`, or one by one, or by
        name; or nothing, where it reads arrays that stand somewhere: then `params` holds these arrays themselves.
    gradient : a function that takes the same and gives the gradient; None where `loss` gives (loss, gradient) at once.
        Either may give other things beside, and a dictionary gradients of other values, as "dz1" beside "dW1".
    params : an array, or dictionaries, lists and tuples of arrays; float32 is moved in wider steps where it stands.
    like, x, y : the network that the code is meant to be, with its data (samples as rows or columns, labels as whole
        numbers or one-hot): then mistakes inside of it are named too. Which loss it is need not be said.
    masks : with `like`, the dropout masks by layer, [N, H]: what activations are multiplied with.
    hint : how much is told, for a teacher: "pass", "where", "kind" or "fix".
    most : how many entries are compared one by one (fewer where the loss is slow); of more a sample is, and 8 random
        directions for each large array.

    Returns a `CodeReport`: print it, or ask it for `ok`, `worst`, `diagnosis`; `raise_if_wrong()` serves in tests.

    Raises `BadInput`, with one sentence, for parameters that are no floating-point arrays, a gradient of other shapes,
    that lacks a parameter or has one that there is not, and for functions that raise.

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
    checked_hint(hint)
    known = Known(like=_like(like, x, y, masks), samples=_samples(x))
    return limit_to_hint(examine(from_functions(loss, gradient, params), "gradient", known, _whole(most)), hint)


def check_vjp(
    forward: Callable[..., Any],
    backward: Callable[..., Any] | None,
    x: Any,
    *,
    hint: str = "fix",
    most: int = MOST,
) -> CodeReport:
    """Check the way back through a layer of one's own, against any gradient that may come from above.

    Parameters
    ----------
    forward : `forward(x)`, or `forward(x, W, b)` where x is a tuple or a dictionary of these; it gives the output, or
        (output, cache). A list of numbers or rows is the output itself.
    backward : `backward(upstream)`, or `backward(upstream, cache)`; it gives the gradient of what `forward` takes. None
        where `forward` gives (output, backward).
    x : where it is checked.
    hint, most : as for `check_gradient`.

    Raises `BadInput` as `check_gradient`.

    >>> softmax = lambda z: np.exp(z) / np.exp(z).sum(-1, keepdims=True)
    >>> z = np.array([[0.1, 0.2, -0.3], [1.0, 0.5, -1.0]])
    >>> report = check_vjp(softmax, lambda g: g * softmax(z) * (1 - softmax(z)), z)
    >>> report.diagnosis[0].code
    'softmax_elementwise'
    """
    checked_hint(hint)
    given = taken_apart(x, "x", argument_names(forward))
    reports = []
    for draw, scale in enumerate((1.0, 10.0, 0.1)):
        layer = from_layer(forward, backward, given, draw, scale)
        known = Known(further=partial(layer_hypotheses, layer), of_layer=True)
        reports.append(examine(layer.code, "backward pass", known, _whole(most)))
        if not reports[-1].ok:
            return limit_to_hint(reports[-1], hint)
    worst = max((report.worst for report in reports if report.worst), key=lambda worst: worst.error)
    return limit_to_hint(replace(reports[0], worst=worst, compared=min(report.compared for report in reports)), hint)


def check_update(
    step: Callable[..., Any],
    loss: Callable[..., Any],
    params: Any,
    learning_rate: float,
    *,
    momentum: float = 0.0,
    like: Network | None = None,
    x: Any = None,
    y: Any = None,
    masks: Mapping[int, Any] | None = None,
    hint: str = "fix",
    most: int = MOST,
) -> CodeReport:
    """Check code that only updates parameters: the gradient is (before − after) / learning rate.

    Parameters
    ----------
    step : makes one update: of arrays that stand somewhere, `step()`, or of what it is handed, `step(params)`, in place
        or returned.
    loss : as for `check_gradient`: the loss that the update lowers, on the same data.
    params : the parameters; where `step` puts new arrays in the place of the old ones, a function that gives those that
        stand there now, as `lambda: [net.W, net.b]`.
    learning_rate : α in θ ← θ − α g, or in v ← β v − α g, θ ← θ + v.
    momentum : β; then two updates are checked, the second with the velocity that the first one shows. Where only the
        second is right, velocities may have been left from before, and the report is "not proved".
    like, x, y, masks, hint, most : as for `check_gradient`.

    The parameters are put back afterwards; velocities, which only `step` knows, are left as the updates make them.

    Raises `BadInput` as `check_gradient`, and for a step that changes nothing.

    >>> w = np.array([1.0, 2.0])
    >>> def step():
    ...     w[...] = w + 0.1 * 2 * w
    >>> check_update(step, lambda: w @ w, w, 0.1).diagnosis[0].code
    'sign'
    """
    checked_hint(hint)
    learning_rate = _rate("learning_rate", learning_rate, lambda rate: rate > 0, "a number above 0")
    momentum = _rate("momentum", momentum, lambda rate: 0 <= rate < 1, "a number from 0 up to, not including, 1")
    known = Known(_like(like, x, y, masks), _samples(x), learning_rate, momentum)
    update = from_update(step, loss, params, learning_rate)
    report = examine(update.code, "update", known, _whole(most))
    if momentum and not report.vacuous:
        report = _with_second(report, update, momentum, known, _whole(most))
    if report.verdict == "WRONG" and not report.diagnosis and update.random():
        sentence = (
            "the step is another one when it is made again from the same parameters, though the loss is not: it draws "
            "random numbers, as for the order of samples, or keeps more than a velocity"
        )
        notes = tuple(note for note in report.notes if note not in (UNEXPLAINED, MORE_WITH_LIKE))
        report = replace(report, diagnosis=(make_mistake("random_gradient", update.code.names, sentence),), notes=notes)
    return limit_to_hint(report, hint)


def _with_second(first: CodeReport, update: Update, momentum: float, known: Known, most: int) -> CodeReport:
    """The report of the second of two updates, unless that of the first says what is wrong.

    Only the first one depends on velocities that were there before, which nothing tells from a wrong first update.
    """

    def next_one() -> CodeReport:
        code, without = update.second(momentum)
        return examine(code, "update with momentum", replace(known, further=without), most)

    try:
        second = next_one()
    except BadInput:
        if first.ok:
            raise
        return first  # after a wrong update the code may fail
    if any(mistake.code.startswith("penalty") for mistake in second.diagnosis):
        # What began at 0 is a multiple of its velocity by now, so that a wrong velocity looks like a penalty.
        with suppress(BadInput):
            third = next_one()
            second = third if third.verdict == "WRONG" else second
    if second.ok and not first.ok and {mistake.code for mistake in first.diagnosis} <= _LONGER:
        return replace(second, ok=False, vacuous=_VELOCITIES, worst=None)
    return second if first.ok or not first.diagnosis else first


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
    masks: Mapping[int, Any] | None = None,
    hint: str = "fix",
    most: int = MOST,
) -> CodeReport:
    """Check a network that is an object with attributes.

    Parameters
    ----------
    net : the object; its arrays are moved in place, and put back.
    params, grads : where the parameters and their gradients stand in it, in the same order: "W1", "layers[0].W",
        "params['W1']".
    loss : gives the loss at the parameters that the object has now: `lambda: net.loss(x, y)`.
    backward : computes the gradients after that, if `loss` does not: `net.backward`.
    like, x, y, masks, hint, most : as for `check_gradient`.

    Raises `BadInput` as `check_gradient`, and for an attribute that is not there.

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
    checked_hint(hint)
    if isinstance(params, str) or isinstance(grads, str) or len(params) != len(grads):
        raise BadInput(
            f"params names {params!r} and grads {grads!r}; give two lists with a gradient for each parameter"
        )
    known = Known(_like(like, x, y, masks), _samples(x))
    return limit_to_hint(
        examine(from_object(net, params, grads, loss, backward), "gradient", known, _whole(most)), hint
    )


def _like(like: Network | None, x: Any, y: Any, masks: Mapping[int, Any] | None) -> Like | None:
    if like is None:
        if masks is not None:
            raise BadInput("masks are given without like; give the network and its data too")
        return None
    if not isinstance(like, Network):
        raise BadInput(f'like is {type(like).__name__}; give a Network, as Network([4, 5, 3], output="softmax")')
    if x is None or y is None:
        raise BadInput("like is given without its data; give x and y too")
    if not isinstance(masks, Mapping | None):
        raise BadInput(f"masks is {type(masks).__name__}; give a dictionary of masks by layer, as {{1: mask}}")
    found, hidden = {}, len(like.sizes) - 2
    for n, given in (masks or {}).items():
        if not hidden:
            raise BadInput(f"masks has a layer {n!r}, and the network has no hidden layer; leave masks out")
        if n not in range(1, hidden + 1):
            raise BadInput(f"masks has a layer {n!r}; give a mask for a hidden layer, from 1 to {hidden}")
        mask = found[n] = numbers_of(given, f"the mask of layer {n}")
        if mask.shape[-1:] != (like.sizes[n],) or mask.ndim > 2:
            raise BadInput(f"the mask of layer {n} has the shape {mask.shape}; give [N, {like.sizes[n]}]")
    return Like(like, numbers_of(x, "x"), numbers_of(y, "y"), found)


def _samples(x: Any) -> tuple[int, ...]:
    """How many samples x may hold, as rows or as columns."""
    if x is None:
        return ()
    shape = array_of(x, "x").shape  # no more is asked of it, so that it may hold anything
    return tuple(dict.fromkeys(n for n in shape[:2] if n > 1))


def _whole(most: int) -> int:
    if not isinstance(most, int | np.integer) or isinstance(most, bool) or most < 1:
        raise BadInput(f"most is {most!r}; give a whole number of entries, 1 or more")
    return int(most)


def _rate(name: str, value: Any, fits: Callable[[float], bool], allowed: str) -> float:
    try:
        number = float(value) if not isinstance(value, bool) and isinstance(value, Real) else np.nan
    except OverflowError:  # of a whole number or a fraction, which may have more digits than anybody reads
        value = number = np.inf
    if not np.isfinite(number) or not fits(number):
        raise BadInput(f"{name} is {value!r}; give {allowed}")
    return number
