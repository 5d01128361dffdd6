"""The signatures of user functions, and functions of some of their arguments alone."""

import inspect
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any


def required_parameters(function: Callable[..., Any]) -> list[inspect.Parameter]:
    """The parameters without a default that may be given by position; none if unknown."""
    return [one for one in _parameters(function, inspect.Parameter.POSITIONAL_ONLY) if one.default is one.empty]


def positional_parameters(function: Callable[..., Any]) -> list[inspect.Parameter]:
    """The parameters that may be given by position or by name; none if unknown."""
    return _parameters(function)


def _parameters(function: Callable[..., Any], *kinds: Any) -> list[inspect.Parameter]:
    with suppress(TypeError, ValueError):  # some functions written in C have no signature
        parameters = inspect.signature(function).parameters.values()
        return [one for one in parameters if one.kind in (one.POSITIONAL_OR_KEYWORD, *kinds)]
    return []


def argument_names(function: Callable[..., Any]) -> tuple[str, ...]:
    return tuple(parameter.name for parameter in positional_parameters(function))


def accepts(signature: inspect.Signature, count: int) -> bool:
    try:
        signature.bind(*range(count))
    except TypeError:
        return False
    return True


def function_of_none(function: Callable[..., Any], x: Any) -> Callable[..., Any]:
    """Return a function of one unused number that calls another with a fixed input."""

    def of_none(unused: Any) -> Any:
        return function(x)

    if getattr(function, "__self__", None) is not None:  # whose arrays are looked at
        of_none.__self__ = function.__self__  # type: ignore[attr-defined]
    return of_none


def function_of_some(
    function: Callable[..., Any], given: Sequence[Any], names: Sequence[str], moved: Sequence[int]
) -> Callable[..., Any]:
    """A function of some of its arguments alone."""

    def of_some(*values: Any) -> Any:
        every = list(given)
        for i, value in zip(moved, values, strict=True):
            every[i] = value
        return function(*every)

    kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
    of_some.__signature__ = inspect.Signature([inspect.Parameter(names[i], kind) for i in moved])  # type: ignore[attr-defined]
    of_some.__name__ = getattr(function, "__name__", "function")
    if getattr(function, "__self__", None) is not None:  # whose arrays are looked at
        of_some.__self__ = function.__self__  # type: ignore[attr-defined]
    return of_some
