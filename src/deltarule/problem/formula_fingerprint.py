"""Fingerprint custom formulas by what they compute.

The compiled code is used, not the source: a file may have been edited since, and a notebook's cell has no file.
"""

import dis
import hashlib
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import lru_cache, partial
from operator import attrgetter
from types import CodeType, FunctionType, MethodType, ModuleType
from typing import Any

import numpy as np

MAX_DESCRIBED_ENTRIES = 10_000
"""Of an array that is described number by number; larger ones, such as a data set from which rows are drawn, by their
bytes, which takes a hundredth of the time."""


def formula_digest(value: Any) -> str:
    """SHA-256 digest of what functions compute, for one version of Python.

    Functions of libraries and modules count by their names: a number that a function reads from a module does not.
    """
    return hashlib.sha256(repr(_describe(value, {})).encode("utf-8", "surrogatepass")).hexdigest()


def reads_only_fixed(value: Any, read: dict[int, tuple[Any, ...]]) -> bool:
    """Add to `read` what functions read, and return whether none of it can change but by another object in its place.

    Arrays count by their content. Lists may change, and what has attributes: a module, a class or an object of the
    user's.
    """
    if isinstance(value, tuple):
        return all(reads_only_fixed(item, read) for item in value)
    if isinstance(value, FunctionType) and (
        value.__closure__ or _is_users_module(value.__module__) or _is_users_module(value.__globals__["__name__"])
    ):
        if id(value) in read:
            return True
        code, defaults, keyword_defaults, cells, read_globals = _read_by(value)
        values = (*(defaults or ()), *(keyword_defaults or {}).values(), *cells, *read_globals.values())
        read[id(value)] = value, code, *values
        return not _imports(code) and reads_only_fixed(values, read)
    if isinstance(value, MethodType | np.vectorize):
        return False
    if isinstance(value, np.ndarray) and value.dtype.kind in "biuf":  # which may change in place
        content = hashlib.sha256(np.ascontiguousarray(value).data).hexdigest()
        read[id(value)] = value, sys.intern(f"{value.dtype} {value.shape} {content}")
        return True
    if hasattr(value, "__name__"):
        of_kind = type(value).__module__  # a ufunc's, which has no module of its own
        module = value.__name__ if isinstance(value, ModuleType) else getattr(value, "__module__", None) or of_kind
        return not _is_users_module(module) and "(vectorized)" not in value.__name__
    return value is None or isinstance(value, int | float | complex | str | bytes | slice | np.generic)


def _read_by(function: FunctionType) -> tuple[CodeType, Any, Any, list[Any], dict[str, Any]]:
    """Return what a function computes with: code, defaults, cells, and globals by name."""
    cells = [cell.cell_contents for cell in function.__closure__ or ()]
    read = {name: function.__globals__.get(name) for name in _global_names(function.__code__)}
    return function.__code__, function.__defaults__, function.__kwdefaults__, cells, read


def _describe(value: Any, known: dict[int, int]) -> Any:
    """Describe a value by nested tuples of texts."""

    def described(parts: Iterable[Any]) -> Iterator[Any]:
        return (_describe(part, known) for part in parts)

    if isinstance(value, list | tuple):
        return type(value).__name__, *described(value)
    if isinstance(value, set | frozenset):
        return "set", *sorted(repr(_describe(item, {})) for item in value)
    if isinstance(value, Mapping):
        return "table", *map(tuple, map(described, value.items()))
    if isinstance(value, np.ndarray | np.generic):
        return _describe_array(value, known)
    if isinstance(value, CodeType):
        # Without the instructions' offsets, and without constants that are not loaded, such as docstrings.
        return tuple((step.opname, _describe(step.argval, known)) for step in dis.get_instructions(value))
    for kind, (names, parts_of) in _MADE_OF_OTHERS.items():
        if isinstance(value, kind):
            return names, *described(parts_of(value))
    return _describe_named(value, known)


def _describe_array(array: Any, known: dict[int, int]) -> Any:
    if array.size > MAX_DESCRIBED_ENTRIES and array.dtype.kind in "biufc":
        return array.dtype.str, array.shape, hashlib.sha256(np.ascontiguousarray(array).data).hexdigest()
    return array.dtype.str, array.shape, _describe(array.tolist(), known)


_MADE_OF_OTHERS: dict[type, tuple[str, Callable[[Any], tuple[Any, ...]]]] = {
    partial: ("partial", attrgetter("func", "args", "keywords")),
    np.vectorize: ("vectorize", lambda value: (value.pyfunc,)),
    MethodType: ("method", attrgetter("__func__", "__self__")),
}


def _describe_named(value: Any, known: dict[int, int]) -> Any:
    """Describe a function, a class, a module, or an object, of which the user's are looked into once."""
    if id(value) in known:  # functions may call themselves and each other
        return "again", known[id(value)]
    if isinstance(value, FunctionType) and _is_users_module(value.__module__):
        known[id(value)] = len(known)
        return "function", *(_describe(part, known) for part in _read_by(value))
    if hasattr(value, "__name__"):
        return f"{getattr(value, '__module__', '')}.{getattr(value, '__qualname__', value.__name__)}"
    if not hasattr(value, "__dict__"):
        return type(value).__name__, repr(value)
    known[id(value)] = len(known)
    call = getattr(type(value), "__call__", None)  # noqa: B004 (the function itself, not whether there is one)
    return type(value).__qualname__, _describe(call, known), _describe(vars(value), known)


@lru_cache
def _imports(code: CodeType) -> bool:
    """Whether code imports a module, from which it may read anything."""
    inner = (constant for constant in code.co_consts if isinstance(constant, CodeType))
    return any(step.opname == "IMPORT_NAME" for step in dis.get_instructions(code)) or any(map(_imports, inner))


@lru_cache
def _global_names(code: CodeType) -> list[str]:
    names = {step.argval for step in dis.get_instructions(code) if step.opname == "LOAD_GLOBAL"}
    inner = (constant for constant in code.co_consts if isinstance(constant, CodeType))
    return sorted(names.union(*map(_global_names, inner)))


def _is_users_module(name: str | None) -> bool:
    root = f"{name}".partition(".")[0]
    path = getattr(sys.modules.get(f"{name}"), "__file__", None) or ""
    is_installed = "site-packages" in path or "dist-packages" in path
    return root == "__main__" or not (root == "deltarule" or root in sys.stdlib_module_names or is_installed)
