"""A context in which NumPy, `math` and `jax.numpy` accept traced arrays."""

import math
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from deltarule.checking.tape import array_functions  # noqa: F401 - fills FUNCTIONS
from deltarule.checking.tape.operations import ELEMENTWISE, WITHOUT_GRADIENT
from deltarule.checking.tape.traced_array import (
    FUNCTIONS,
    LIBRARY_FOLDERS,
    PLAIN_FUNCTIONS,
    Tape,
    TracedArray,
    as_traced,
    is_traced,
    strip_trace,
)

_MATHS = ("exp", "log", "tanh", "sqrt", "log1p", "expm1", "sin", "cos", "sinh", "cosh")

_TRACED_NAMES = (
    {function.__name__ for function in (*FUNCTIONS, *PLAIN_FUNCTIONS)}
    | set(ELEMENTWISE)
    | WITHOUT_GRADIENT
    | {"abs", "matmul"}
)
"""Names of functions of `jax.numpy` that are replaced by NumPy's if an argument is traced."""


@contextmanager
def tracing_numpy(tape: Tape) -> Iterator[None]:
    """A context in which NumPy, `math` and `jax.numpy` accept traced arrays.

    New arrays may be buffers that user code fills later. A function with `jax.custom_vjp` runs without its rule.
    """
    saved: list[tuple[Any, str, Any]] = []

    def replace(module: Any, name: str, function: Callable[..., Any]) -> None:
        saved.append((module, name, getattr(module, name)))
        setattr(module, name, function)

    def record_creation(original: Callable[..., Any]) -> Callable[..., Any]:
        """A function that creates an array and puts it on the tape."""

        def make(*args: Any, **options: Any) -> Any:
            value = original(*strip_trace(args), **{name: strip_trace(option) for name, option in options.items()})
            is_internal = sys._getframe(1).f_code.co_filename.startswith(LIBRARY_FOLDERS)
            return value if is_internal or value.dtype.kind != "f" else tape.add("constant", value, [], None)

        return make

    def record_conversion(original: Callable[..., Any]) -> Callable[..., Any]:
        """A function that converts to an array and leaves traced values traced."""

        def convert(value: Any, *args: Any, **options: Any) -> Any:
            if not is_traced(value):
                return original(value, *args, **options)
            return as_traced(tape, value).copy()

        return convert

    def use_ufunc(original: Callable[..., Any], ufunc: Any) -> Callable[..., Any]:
        return lambda value, *args: ufunc(value) if type(value) is TracedArray else original(value, *args)

    def use_function_if_traced(original: Callable[..., Any], function: Callable[..., Any]) -> Callable[..., Any]:
        def dispatch(*args: Any, **options: Any) -> Any:
            return (function if is_traced(args) else original)(*args, **options)

        return dispatch

    def forward_without_rule(original: Callable[..., Any]) -> Callable[..., Any]:
        def call(self: Any, *args: Any, **options: Any) -> Any:
            return self.fun(*args, **options) if is_traced(args) else original(self, *args, **options)

        return call

    try:
        for name in ("zeros", "empty", "ones", "full", "eye", "zeros_like", "empty_like", "ones_like", "full_like"):
            replace(np, name, record_creation(getattr(np, name)))
        for name in ("array", "asarray", "ascontiguousarray"):
            replace(np, name, record_conversion(getattr(np, name)))
        if "jax.numpy" in sys.modules:
            for name in _TRACED_NAMES & set(vars(sys.modules["jax.numpy"])):
                original = getattr(sys.modules["jax.numpy"], name)
                replace(sys.modules["jax.numpy"], name, use_function_if_traced(original, getattr(np, name)))
            rule = sys.modules["jax"].custom_vjp
            replace(rule, "__call__", forward_without_rule(rule.__call__))
        for name in _MATHS:
            replace(math, name, use_ufunc(getattr(math, name), getattr(np, name)))
        yield
    finally:
        for module, name, original in reversed(saved):
            setattr(module, name, original)
