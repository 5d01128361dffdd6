"""Properties of a formula's function: whether it is built in, and which of its arguments have defaults."""

import ast
from collections.abc import Callable
from types import FunctionType
from typing import Any


def is_library_function(function: Callable[..., Any]) -> bool:
    """Whether a formula's function is part of deltarule; all others are custom."""
    return str(getattr(function, "__module__", "")).startswith("deltarule.")


def defaulted_arguments(function: Callable[..., Any], call: ast.Call) -> frozenset[str]:
    """Return the names of the arguments that a call of a formula leaves to their defaults."""
    if not isinstance(function, FunctionType):
        return frozenset()
    passed = {*function.__code__.co_varnames[: len(call.args)], *(keyword.arg for keyword in call.keywords)}
    return frozenset(default_values(function)) - passed


def default_values(function: FunctionType) -> dict[str, Any]:
    """Return the default values of a function's positional arguments, by name."""
    names, values = function.__code__.co_varnames[: function.__code__.co_argcount], function.__defaults__ or ()
    return dict(zip(names[len(names) - len(values) :], values, strict=True))
