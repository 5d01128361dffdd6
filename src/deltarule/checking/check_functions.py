"""Check a function with its gradient or backward pass, at the arguments that it is given or that its module has."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from deltarule.checking.check import check_gradient
from deltarule.checking.check_layers import check_vjp
from deltarule.checking.report import CodeReport
from deltarule.checking.user_code.arrays import as_numpy, dtype_kind, split_loss
from deltarule.checking.user_code.attributes import gradient_paths
from deltarule.checking.user_code.random_numbers import random_numbers
from deltarule.checking.user_code.signatures import function_of_some, positional_parameters, required_parameters
from deltarule.errors import BadInput
from deltarule.user_functions import call_user_function, quietly


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
    moved = _moved(returned, given, names)
    if not moved:
        raise BadInput(
            f"{what} returns no gradient of its arguments; let it return (loss, gradients), or give its gradient"
        )
    params = given[moved[0]] if len(moved) == 1 else tuple(given[i] for i in moved)
    loss = function_of_some(function, given, names, moved)
    gradient = None if of_partner is None else function_of_some(of_partner, given, names, moved)
    return replace(check_gradient(loss, gradient, params, hint=hint), what=f"gradient of {what}")


def _check_as_layer(
    function: Callable[..., Any],
    partner: Callable[..., Any] | None,
    given: Sequence[Any],
    hint: int,
) -> CodeReport:
    x = given[0] if len(given) == 1 else tuple(given)
    if partner is not None and _is_derivative(function, partner):
        derivative = partner
        return check_vjp(function, lambda upstream: upstream * as_numpy(derivative(x)), x, hint=hint)
    return check_vjp(function, partner, x, hint=hint)


def _is_derivative(function: Callable[..., Any], partner: Callable[..., Any]) -> bool:
    """Whether a partner takes the input of an elementwise function, and no upstream gradient."""
    own, names = names_of(function), [one.name for one in required_parameters(partner)]
    return len(names) == 1 and names == own[:1]


def names_of(function: Callable[..., Any]) -> list[str]:
    return [one.name for one in positional_parameters(function)]


def variables_of(function: Callable[..., Any], names: Sequence[str]) -> list[Any]:
    """The variables of a function's module that have the names of its required parameters."""
    space = getattr(function, "__globals__", {})
    required = [one.name for one in required_parameters(function)]
    missing = [name for name in required if not isinstance(space.get(name), np.ndarray | float | int | dict | list)]
    if missing or not required:
        shown = getattr(function, "__name__", "function")
        raise BadInput(f"{shown} is given nothing to be called with; give it, as check({shown}, {', '.join(names)})")
    return [space[name] for name in required]


def _with_names(partner: Callable[..., Any], names: Sequence[str]) -> Callable[..., Any]:
    """A gradient that is called with all arguments of its loss, of which it may take some."""
    wanted = [one.name for one in required_parameters(partner)]
    if set(wanted) <= set(names):
        return lambda *values: partner(*(values[list(names).index(name)] for name in wanted))
    return lambda *values: partner(*values[: len(wanted)])


def _moved(returned: Any, given: Sequence[Any], names: Sequence[str]) -> list[int]:
    """The indices of the arguments of which there are gradients."""
    if isinstance(returned, Mapping):
        containers = [i for i, one in enumerate(given) if isinstance(one, Mapping) and are_named(one, returned)]
        return containers or [i for i, name in enumerate(names) if are_named([name], returned)]
    gradients = list(returned) if isinstance(returned, tuple | list) else [returned]
    for i, one in enumerate(given):
        if isinstance(one, list | tuple) and len(one) == len(gradients) and all(map(same_size, one, gradients)):
            return [i]
    moved = list[int]()
    for gradient in gradients:
        rest = range(moved[-1] + 1 if moved else 0, len(given))
        moved += [i for i in rest if _is_float(given[i]) and same_size(given[i], gradient)][:1]
    return moved


def are_named(names: Any, gradients: Mapping[Any, Any]) -> bool:
    return all(any(one in gradients for one in (name, *gradient_paths(str(name)))) for name in names)


def same_size(first: Any, second: Any) -> bool:
    return bool(np.size(as_numpy(first)) == np.size(as_numpy(second)))


def _is_float(value: Any) -> bool:
    return isinstance(value, int | float) or dtype_kind(value) == "f"


def is_torch_function(target: Any) -> bool:
    return isinstance(target, type) and any(base.__module__ == "torch.autograd.function" for base in target.__mro__)
