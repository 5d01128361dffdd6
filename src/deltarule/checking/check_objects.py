"""Check an object: a layer, a loss, or a network with its parameters and gradients."""

import inspect
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from deltarule.checking.check import check_gradient, check_object
from deltarule.checking.check_functions import are_named, same_size
from deltarule.checking.check_layers import check_vjp
from deltarule.checking.report import CodeReport
from deltarule.checking.user_code.arrays import as_numpy
from deltarule.checking.user_code.attributes import arrays_in, gradient_paths
from deltarule.checking.user_code.random_numbers import random_numbers
from deltarule.checking.user_code.signatures import positional_parameters, required_parameters
from deltarule.errors import BadInput
from deltarule.user_functions import call_user_function, quietly

FORWARDS = ("forward", "__call__", "call", "fprop", "forward_pass", "feedforward", "feed_forward")
_TARGETS = ("y", "y_true", "t", "target", "targets", "labels")


def method_of(target: Any, names: Sequence[str]) -> Callable[..., Any] | None:
    if inspect.isroutine(target) or isinstance(target, type):
        return None
    found = (getattr(target, name, None) for name in names if name != "__call__" or callable(target))
    return next((one for one in found if callable(one)), None)


def is_layer(forward: Any, backward: Any, arguments: Sequence[Any]) -> bool:
    names = [one.name for one in required_parameters(backward)]
    return forward is not None and len(arguments) < 2 and bool(names) and not {*names} & {*_TARGETS}


def check_layer(
    target: Any, forward: Callable[..., Any], backward: Callable[..., Any], arguments: Sequence[Any], hint: int
) -> CodeReport:
    x = arguments[0] if len(arguments) == 1 else tuple(arguments)
    report = check_vjp(forward, backward, x if arguments else _make_input(target, forward), hint=hint)
    return replace(report, what=f"backward pass of {type(target).__name__}")


def is_loss(target: Any, forward: Callable[..., Any], backward: Callable[..., Any]) -> bool:
    names = [one.name for one in required_parameters(forward)]
    is_named = "loss" in type(target).__name__.lower() or not required_parameters(backward)
    return is_named and len(names) == 2 and names[1] in _TARGETS


def check_loss_object(
    target: Any, forward: Callable[..., Any], backward: Callable[..., Any], arguments: Sequence[Any], hint: int
) -> CodeReport:
    """A loss as an object: forward gives the losses of samples, backward takes predictions and targets."""
    predicted, wanted = arguments

    def gradient(values: Any) -> Any:
        result = backward(*(values, wanted)[: len(required_parameters(backward))])
        return target.dinputs if result is None else result

    def loss(values: Any, reduce: Callable[..., Any]) -> Any:
        return reduce(forward(values, wanted))

    reports = (
        check_gradient(lambda y_pred, reduce=reduce: loss(y_pred, reduce), gradient, predicted, hint=hint)
        for reduce in (np.mean, np.sum)
    )
    first = next(reports)
    report = first if first.ok or np.ndim(forward(predicted, wanted)) == 0 else next(reports)
    return replace(report if report.ok else first, what=f"gradient of {type(target).__name__}")


def _make_input(target: Any, forward: Callable[..., Any]) -> Any:
    """Random numbers of a shape that a layer takes."""
    lengths = [n for _, one in arrays_in(target) for n in np.shape(as_numpy(one))]
    shapes = [*((5, n) for n in dict.fromkeys([*lengths, 3])), *((2, n, 6, 6) for n in (1, 3)), (2, 5, 3)]
    generator = np.random.default_rng(0)
    for shape in shapes:
        x = generator.normal(size=shape)
        try:
            quietly(partial(call_user_function, forward, [x], {}, "forward"))
        except BadInput:
            continue
        return x
    raise BadInput(
        f"{type(target).__name__} takes no array of the shapes {', '.join(map(str, shapes[:4]))} …; give its input"
    )


def make_instance(kind: type, arguments: Sequence[Any]) -> Any:
    """An object of a class that needs no arguments, or numbers of inputs and units."""
    width = np.shape(as_numpy(arguments[0]))[-1] if arguments and np.ndim(as_numpy(arguments[0])) else 4
    count = len(required_parameters(kind))
    try:
        return quietly(lambda: call_user_function(kind, [int(width), 3, 2][:count], {}, kind.__name__))
    except BadInput as error:
        raise BadInput(f"{error}; give an object of the class, as check({kind.__name__}(…), x)") from error


def check_network(
    target: Any, loss: Callable[..., Any], backward: Callable[..., Any] | None, arguments: Sequence[Any], hint: int
) -> CodeReport:
    """A network by its loss and the gradients that it returns or holds."""
    forward = method_of(target, FORWARDS)

    def value() -> Any:
        wanted = positional_parameters(loss)
        if forward is not None and len(wanted) < len(arguments):  # it has kept the prediction
            forward(*arguments[: len(required_parameters(forward))])
            return loss(*arguments[len(arguments) - len(wanted) :])
        if forward is not None and wanted and re.search("pred|hat|out|prob", wanted[0].name):
            return loss(forward(arguments[0]), *arguments[1:])
        return loss(*arguments[: len(wanted)])

    def gradient() -> Any:
        count = 0 if backward is None else len(required_parameters(backward))
        return None if backward is None else backward(*arguments[len(arguments) - count if count < 2 else 0 :][:count])

    with random_numbers((target,)):
        before = {path: np.array(as_numpy(one)) for path, one in arrays_in(target)}
        result = quietly(lambda: call_user_function(value, (), {}, "loss"))
        returned = quietly(lambda: call_user_function(gradient, (), {}, "backward"))
    after = dict(arrays_in(target))
    kept = [path for path in before if path in after and np.array_equal(before[path], as_numpy(after[path]))]
    partners = {path: next((one for one in gradient_paths(path) if one in after), None) for path in kept}
    found = {path: one for path, one in partners.items() if one is not None}
    what = f"gradient of {type(target).__name__}"
    if found and (returned is None or not isinstance(returned, Mapping | list | tuple)):
        back = None if backward is None else gradient
        report = check_object(target, params=[*found], grads=[*found.values()], loss=value, backward=back, hint=hint)
        return replace(report, what=what)
    if returned is None and isinstance(result, tuple | list) and len(result) == 2:
        returned = result[1]
    params = dict(_held_by_gradient(returned, {path: after[path] for path in kept}))
    if not params:
        raise BadInput(
            f"{type(target).__name__} holds no gradients beside its parameters, as dW beside W, and returns none"
        )
    report = check_gradient(value, gradient if backward is not None else None, params, hint=hint)
    return replace(report, what=what)


def _held_by_gradient(returned: Any, held: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """The arrays of an object of which gradients were returned, by name or in order."""
    if isinstance(returned, Mapping):
        for path, one in held.items():
            name = re.split(r"[.\[]", path)[-1].strip("]'\"")
            if are_named([name], returned):
                yield name, one
    elif isinstance(returned, list | tuple):
        arrays = [(path, one) for path, one in held.items() if not isinstance(one, float)]
        if len(arrays) == len(returned) and all(
            same_size(one, of) for (_, one), of in zip(arrays, returned, strict=True)
        ):
            yield from arrays
