"""Check a function with its gradient, or an object: a layer, a loss, a network with its parameters and gradients."""

import inspect
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from deltarule.checking.check import check_gradient, check_object
from deltarule.checking.check_layers import check_vjp
from deltarule.checking.report import CodeReport
from deltarule.checking.user_code.arrays import as_numpy, dtype_kind, split_loss
from deltarule.checking.user_code.attributes import arrays_in, gradient_paths
from deltarule.checking.user_code.random_numbers import random_numbers
from deltarule.checking.user_code.signatures import positional_parameters, required_parameters, with_fixed_arguments
from deltarule.errors import BadInput
from deltarule.user_functions import call_user_function, quietly

FORWARDS = ("forward", "__call__", "call", "fprop", "forward_pass", "feedforward", "feed_forward")
_TARGETS = ("y", "y_true", "t", "target", "targets", "labels")


def check_function(function: Callable[..., Any], arguments: Sequence[Any], hint: int) -> CodeReport:
    """A function with its gradient or backward pass, if that is the first argument, at the other arguments."""
    is_pair = bool(arguments) and callable(arguments[0]) and not hasattr(arguments[0], "__array__")
    partner, given = (arguments[0], arguments[1:]) if is_pair else (None, arguments)
    if is_torch_function(function):
        return check_vjp(function, None, given[0] if len(given) == 1 else tuple(given), hint=hint)
    names = names_of(function)
    given = list(given) if given else variables_of(function, names)
    names = names[: len(given)]
    if len(names) < len(given):
        names = [f"x[{i}]" for i in range(len(given))]
    what = getattr(function, "__name__", type(function).__name__)
    with random_numbers((function, partner)):
        result = quietly(lambda: call_user_function(function, given, {}, what))
        try:
            _, rest = split_loss(result, what)
            returned = rest[0] if len(rest) == 1 else rest
        except BadInput:
            return replace(_check_as_layer(function, partner, given, hint), what=f"backward pass of {what}")
        of_partner: Callable[..., Any] | None = None
        if partner is not None:
            of_partner = _with_names(partner, names)
            returned = quietly(lambda: call_user_function(of_partner, given, {}, "gradient"))
    moved = _indices_with_gradients(returned, given, names)
    if not moved:
        raise BadInput(
            f"{what} returns no gradient of its arguments; let it return (loss, gradients), or give its gradient"
        )
    params = given[moved[0]] if len(moved) == 1 else tuple(given[i] for i in moved)
    loss = with_fixed_arguments(function, given, names, moved)
    gradient = None if of_partner is None else with_fixed_arguments(of_partner, given, names, moved)
    return replace(check_gradient(loss, gradient, params, hint=hint), what=f"gradient of {what}")


def _check_as_layer(
    function: Callable[..., Any], partner: Callable[..., Any] | None, given: Sequence[Any], hint: int
) -> CodeReport:
    x = given[0] if len(given) == 1 else tuple(given)
    if partner is not None and _is_derivative(function, partner):
        derivative = partner
        return check_vjp(function, lambda upstream: upstream * as_numpy(derivative(x)), x, hint=hint)
    return check_vjp(function, partner, x, hint=hint)


def _is_derivative(function: Callable[..., Any], partner: Callable[..., Any]) -> bool:
    """Whether a partner takes the input of an elementwise function, and no upstream gradient."""
    own, names = names_of(function), [parameter.name for parameter in required_parameters(partner)]
    return len(names) == 1 and names == own[:1]


def names_of(function: Callable[..., Any]) -> list[str]:
    return [parameter.name for parameter in positional_parameters(function)]


def variables_of(function: Callable[..., Any], names: Sequence[str]) -> list[Any]:
    """The variables of a function's module that have the names of its required parameters."""
    space = getattr(function, "__globals__", {})
    required = [parameter.name for parameter in required_parameters(function)]
    missing = [name for name in required if not isinstance(space.get(name), np.ndarray | float | int | dict | list)]
    if missing or not required:
        shown = getattr(function, "__name__", "function")
        raise BadInput(f"{shown} is given nothing to be called with; give it, as check({shown}, {', '.join(names)})")
    return [space[name] for name in required]


def _with_names(partner: Callable[..., Any], names: Sequence[str]) -> Callable[..., Any]:
    """A gradient that is called with all arguments of its loss, of which it may take some."""
    wanted = [parameter.name for parameter in required_parameters(partner)]
    if set(wanted) <= set(names):
        return lambda *values: partner(*(values[list(names).index(name)] for name in wanted))
    return lambda *values: partner(*values[: len(wanted)])


def _indices_with_gradients(returned: Any, given: Sequence[Any], names: Sequence[str]) -> list[int]:
    """The indices of the arguments of which there are gradients."""
    if isinstance(returned, Mapping):
        containers = [i for i, value in enumerate(given) if isinstance(value, Mapping) and are_named(value, returned)]
        return containers or [i for i, name in enumerate(names) if are_named([name], returned)]
    gradients = list(returned) if isinstance(returned, tuple | list) else [returned]
    for i, value in enumerate(given):
        if isinstance(value, list | tuple) and len(value) == len(gradients) and all(map(same_size, value, gradients)):
            return [i]
    moved = list[int]()
    begin = 0
    for gradient in gradients:
        moved += [i for i in range(begin, len(given)) if _is_float(given[i]) and same_size(given[i], gradient)][:1]
        begin = 1 + max(moved, default=-1)
    return moved


def are_named(names: Any, gradients: Mapping[Any, Any]) -> bool:
    return all(any(path in gradients for path in (name, *gradient_paths(str(name)))) for name in names)


def same_size(first: Any, second: Any) -> bool:
    return bool(np.size(as_numpy(first)) == np.size(as_numpy(second)))


def _is_float(value: Any) -> bool:
    return isinstance(value, int | float) or dtype_kind(value) == "f"


def is_torch_function(target: Any) -> bool:
    return isinstance(target, type) and any(base.__module__ == "torch.autograd.function" for base in target.__mro__)


def method_of(target: Any, names: Sequence[str]) -> Callable[..., Any] | None:
    if inspect.isroutine(target) or isinstance(target, type):
        return None
    methods = (getattr(target, name, None) for name in names if name != "__call__" or callable(target))
    return next((method for method in methods if callable(method)), None)


def is_layer(forward: Any, backward: Any, arguments: Sequence[Any]) -> bool:
    names = [parameter.name for parameter in required_parameters(backward)]
    return forward is not None and len(arguments) < 2 and bool(names) and not {*names} & {*_TARGETS}


def check_layer(
    target: Any, forward: Callable[..., Any], backward: Callable[..., Any], arguments: Sequence[Any], hint: int
) -> CodeReport:
    x = arguments[0] if len(arguments) == 1 else tuple(arguments)
    report = check_vjp(forward, backward, x if arguments else _make_input(target, forward), hint=hint)
    return replace(report, what=f"backward pass of {type(target).__name__}")


def is_loss(target: Any, forward: Callable[..., Any], backward: Callable[..., Any]) -> bool:
    names = [parameter.name for parameter in required_parameters(forward)]
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
    lengths = [n for _, array in arrays_in(target) for n in np.shape(as_numpy(array))]
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
        before = {path: np.array(as_numpy(array)) for path, array in arrays_in(target)}
        result = quietly(lambda: call_user_function(value, (), {}, "loss"))
        returned = quietly(lambda: call_user_function(gradient, (), {}, "backward"))
    after = dict(arrays_in(target))
    kept = [path for path in before if path in after and np.array_equal(before[path], as_numpy(after[path]))]
    partners = {path: next((path for path in gradient_paths(path) if path in after), None) for path in kept}
    partner = {path: gradient for path, gradient in partners.items() if gradient is not None}
    what = f"gradient of {type(target).__name__}"
    if partner and (returned is None or not isinstance(returned, Mapping | list | tuple)):
        back = None if backward is None else gradient
        report = check_object(
            target, params=[*partner], grads=[*partner.values()], loss=value, backward=back, hint=hint
        )
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
        for path, array in held.items():
            name = re.split(r"[.\[]", path)[-1].strip("]'\"")
            if are_named([name], returned):
                yield name, array
    elif isinstance(returned, list | tuple):
        arrays = [(path, array) for path, array in held.items() if not isinstance(array, float)]
        if len(arrays) == len(returned) and all(
            same_size(array, of) for (_, array), of in zip(arrays, returned, strict=True)
        ):
            yield from arrays
