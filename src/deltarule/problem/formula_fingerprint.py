"""Fingerprint custom formulas by what they compute.

The compiled code is used, not the source: a file may have been edited since, and a notebook's cell has no file.
"""

import dis
import hashlib
import operator
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache, partial
from types import BuiltinFunctionType, CodeType, EllipsisType, FunctionType, MethodType, ModuleType, NoneType
from typing import Any

import numpy as np


def formula_digest(value: Any) -> str:
    """SHA-256 digest of what functions compute, for one version of Python.

    Functions of libraries and modules count by their names: a number that a function reads from a module does not.
    """
    return _digest(_describe(value, _Walk()))


class Reading:
    """The functions of a formula, and the digest of all that they read."""

    def __init__(self, value: Any) -> None:
        self._value = value
        self._read: list[Any] = []
        self._digest: str | None = None
        self._walk = _Walk()

    @property
    def digest(self) -> str | None:
        """The digest, made anew only where functions read other objects, or such as may change.

        None where it would not tell a change: of a module, a class or an object of the user's, or of a `partial`.
        """
        read = [part for function in self._walk.functions for part in _parts_of(function)]
        is_same = len(read) == len(self._read) and all(map(operator.is_, read, self._read))
        if not read or not is_same or not all(isinstance(part, _IMMUTABLE) for part in read):
            self._walk = _Walk()
            self._digest = _digest(_describe(self._value, self._walk))
            self._read = [part for function in self._walk.functions for part in _parts_of(function)]
        return None if self._walk.has_others else self._digest


@dataclass
class _Walk:
    """What a description has met: objects by address, functions, and whether these read what it does not say."""

    numbers: dict[int, int] = field(default_factory=dict)
    functions: list[FunctionType] = field(default_factory=list)
    has_others: bool = False


def _digest(description: Any) -> str:
    return hashlib.sha256(repr(description).encode("utf-8", "surrogatepass")).hexdigest()


def _describe(value: Any, walk: _Walk) -> Any:
    """Describe a value by nested tuples of texts."""
    if isinstance(value, list | tuple):
        return type(value).__name__, *(_describe(item, walk) for item in value)
    if isinstance(value, set | frozenset):
        return "set", *sorted(repr(_describe(item, _Walk())) for item in value)
    if isinstance(value, Mapping):
        return "table", *((_describe(key, walk), _describe(item, walk)) for key, item in value.items())
    if isinstance(value, np.ndarray | np.generic):
        return value.dtype.str, value.shape, _describe(value.tolist(), walk)
    if isinstance(value, CodeType):
        steps, imports = _instructions(value)
        walk.has_others |= imports
        return steps
    if isinstance(value, partial):
        walk.has_others = True
        return "partial", *(_describe(part, walk) for part in (value.func, value.args, value.keywords))
    if isinstance(value, np.vectorize):
        walk.has_others = True
        return "vectorize", _describe(value.pyfunc, walk)
    if isinstance(value, MethodType):
        return "method", _describe(value.__func__, walk), _describe(value.__self__, walk)
    if id(value) in walk.numbers:  # functions may call themselves and each other
        return "again", walk.numbers[id(value)]
    if isinstance(value, FunctionType) and any(
        map(_is_users_module, (value.__module__, value.__globals__["__name__"]))
    ):
        walk.numbers[id(value)] = len(walk.numbers)
        walk.functions.append(value)
        code, defaults, named, *others = _parts_of(value)
        cells, names = others[: len(value.__closure__ or ())], _global_names(value.__code__)
        read = dict(zip(names, others[len(cells) :], strict=True))
        return "function", *(_describe(part, walk) for part in (code, defaults, named, cells, read))
    if hasattr(value, "__name__"):
        module = value.__name__ if isinstance(value, ModuleType) else getattr(value, "__module__", None)
        walk.has_others |= _is_users_module(module or type(value).__module__) or "(vectorized)" in value.__name__
        walk.has_others |= getattr(value, "__closure__", None) is not None  # of a library, around what may be a user's
        return f"{getattr(value, '__module__', '')}.{getattr(value, '__qualname__', value.__name__)}"
    if not hasattr(value, "__dict__"):
        walk.has_others |= not isinstance(value, _SIMPLE)
        return type(value).__name__, repr(value)
    walk.numbers[id(value)] = len(walk.numbers)
    call = getattr(type(value), "__call__", None)  # noqa: B004 (the function itself, not whether there is one)
    walk.has_others |= not type(value).__module__.startswith("deltarule.")
    return type(value).__qualname__, _describe(call, walk), _describe(vars(value), walk)


def _parts_of(function: FunctionType) -> list[Any]:
    """Code, defaults, and what a function reads: variables of functions around it, and globals."""
    cells = [cell.cell_contents for cell in function.__closure__ or ()]
    read = [function.__globals__.get(name) for name in _global_names(function.__code__)]
    return [function.__code__, function.__defaults__, function.__kwdefaults__, *cells, *read]


_SIMPLE = int, float, complex, str, bytes, NoneType, EllipsisType, slice
_IMMUTABLE = *_SIMPLE, FunctionType, BuiltinFunctionType, ModuleType, CodeType, np.ufunc, type


@lru_cache(1024)
def _instructions(code: CodeType) -> tuple[Any, bool]:
    """Describe code, without offsets and constants that are not loaded, such as docstrings; and whether it imports."""
    steps = [*dis.get_instructions(code)]
    description = tuple((step.opname, _describe(step.argval, _Walk())) for step in steps)
    return description, any(step.opname == "IMPORT_NAME" for step in steps)


@lru_cache(1024)
def _global_names(code: CodeType) -> list[str]:
    names = {step.argval for step in dis.get_instructions(code) if step.opname == "LOAD_GLOBAL"}
    inner = (constant for constant in code.co_consts if isinstance(constant, CodeType))
    return sorted(names.union(*map(_global_names, inner)))


def _is_users_module(name: str | None) -> bool:
    root = f"{name}".partition(".")[0]
    path = getattr(sys.modules.get(f"{name}"), "__file__", None) or ""
    is_installed = "site-packages" in path or "dist-packages" in path
    return root == "__main__" or not (root == "deltarule" or root in sys.stdlib_module_names or is_installed)
