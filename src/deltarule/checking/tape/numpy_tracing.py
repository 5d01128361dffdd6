"""A context in which NumPy and `math` work on traced arrays."""

import math
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from deltarule.checking.tape import array_functions  # noqa: F401 - fills FUNCTIONS
from deltarule.checking.tape.traced_array import OWN_FOLDERS, Tape, TracedArray, as_traced, is_traced, plain

_MATHS = ("exp", "log", "tanh", "sqrt", "log1p", "expm1", "sin", "cos", "sinh", "cosh")


@contextmanager
def tracing_numpy(tape: Tape) -> Iterator[None]:
    """A context in which new arrays of NumPy are traced, as buffers that are filled later, and `math` takes traced."""
    saved: list[tuple[Any, str, Any]] = []

    def replace(module: Any, name: str, function: Callable[..., Any]) -> None:
        saved.append((module, name, getattr(module, name)))
        setattr(module, name, function)

    def making(original: Callable[..., Any]) -> Callable[..., Any]:
        def make(*args: Any, **options: Any) -> Any:
            value = original(*plain(args), **{name: plain(one) for name, one in options.items()})
            is_own = _user_frame_is_own()
            return value if is_own or value.dtype.kind != "f" else tape.add("constant", value, [], None)

        return make

    def converting(original: Callable[..., Any]) -> Callable[..., Any]:
        def convert(value: Any, *args: Any, **options: Any) -> Any:
            if not is_traced(value):
                return original(value, *args, **options)
            return as_traced(tape, value).copy()

        return convert

    def computing(original: Callable[..., Any], ufunc: Any) -> Callable[..., Any]:
        return lambda value, *args: ufunc(value) if type(value) is TracedArray else original(value, *args)

    try:
        for name in ("zeros", "empty", "ones", "full", "eye", "zeros_like", "empty_like", "ones_like", "full_like"):
            replace(np, name, making(getattr(np, name)))
        for name in ("array", "asarray", "ascontiguousarray", "float64"):
            if name != "float64":
                replace(np, name, converting(getattr(np, name)))
        for name in _MATHS:
            replace(math, name, computing(getattr(math, name), getattr(np, name)))
        yield
    finally:
        for module, name, original in reversed(saved):
            setattr(module, name, original)


def _user_frame_is_own() -> bool:
    """Whether the function that makes an array is ours or NumPy's: then it stays a plain array."""
    return sys._getframe(2).f_code.co_filename.startswith(OWN_FOLDERS)
