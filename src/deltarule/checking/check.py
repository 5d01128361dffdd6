"""The public checks of user code."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from deltarule.checking.context import Context, seconds_to_repair
from deltarule.checking.hints import MAX_HINT
from deltarule.checking.mistakes.network_matching import Like
from deltarule.checking.notes import Note
from deltarule.checking.reach import with_reach
from deltarule.checking.report import CodeReport, limit_to_hint
from deltarule.checking.update_verdict import judge_update
from deltarule.checking.updates import Update
from deltarule.checking.user_code.arrays import NamedArrays, ParameterStore, flatten, to_array, to_finite_array
from deltarule.checking.user_code.attributes import assign_attribute, attribute_at
from deltarule.checking.user_code.callables import Caller, Code, Values, code_of_functions, code_of_loss
from deltarule.checking.user_code.gradient_arrays import gradient_arrays
from deltarule.checking.user_code.random_numbers import random_numbers
from deltarule.checking.verdict import check_code
from deltarule.errors import BadInput
from deltarule.problem.network import Network
from deltarule.proofs.differences import Floats
from deltarule.user_functions import call_user_function


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
    context = Context(_validate_like(like, x, y), _sample_counts(x, y), seconds=seconds_to_repair(seconds, hint))
    with random_numbers((loss, gradient)) as numbers:
        code = numbers.replayed(code_of_functions(loss, gradient, params))
        return limit_to_hint(with_reach(check_code(code, "gradient", context), code), hint)


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
            seconds=seconds_to_repair(seconds, hint),
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
    if isinstance(params, str) or isinstance(grads, str) or len(params) != len(grads):
        raise BadInput(
            f"params names {params!r} and grads {grads!r}; give two lists with a gradient for each parameter"
        )
    context = Context(_validate_like(like, x, y), _sample_counts(x, y), seconds=seconds_to_repair(seconds, hint))
    with random_numbers((net, loss, backward)) as numbers:
        code = numbers.replayed(code_of_object(net, params, grads, loss, backward))
        return limit_to_hint(with_reach(check_code(code, "gradient", context), code), hint)


def code_of_object(
    net: Any, params: Sequence[str], grads: Sequence[str], loss: Callable[..., Any], backward: Callable[[], Any] | None
) -> Code:
    """Make `Code` from a network object and the paths of its parameters and gradients."""

    def find_parameters() -> NamedArrays:
        return flatten({path: attribute_at(net, path) for path in params})

    call_loss = Caller(loss, find_parameters(), "loss", "in place")
    call_loss.store = store = ParameterStore(find_parameters, partial(assign_attribute, net))

    def gradient_at(values: Values) -> list[Floats]:
        if backward is not None:
            call_user_function(backward, (), {}, "backward")
        gradients = {name: attribute_at(net, path) for name, path in zip(params, grads, strict=True)}
        return [array.copy() for array in gradient_arrays(gradients, find_parameters(), "the object")]

    def restore() -> None:
        store.restore()
        call_user_function(loss, (), {}, "loss")  # so that what the object caches belongs to its parameters again

    return code_of_loss(
        call_loss, gradient_at, store, restore=restore, function_names=("loss", "backward"), roots=(net, loss)
    )


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
