"""What a program has to know of a formula's function: whose it is, and which arguments have defaults."""

import ast
from collections.abc import Callable
from types import FunctionType
from typing import Any


def is_ours(function: Callable[..., Any]) -> bool:
    """Whether a formula is built in; all others are somebody's own."""
    return str(getattr(function, "__module__", "")).startswith("deltarule.")


def defaulted_arguments(function: Callable[..., Any], call: ast.Call) -> frozenset[str]:
    """The arguments of a formula that a call leaves to their defaults."""
    if not isinstance(function, FunctionType):
        return frozenset()
    given = {*function.__code__.co_varnames[: len(call.args)], *(keyword.arg for keyword in call.keywords)}
    return frozenset(default_values(function)) - given


def default_values(function: FunctionType) -> dict[str, Any]:
    """The default values of a function's arguments."""
    names, values = function.__code__.co_varnames[: function.__code__.co_argcount], function.__defaults__ or ()
    return dict(zip(names[len(names) - len(values) :], values, strict=True))
