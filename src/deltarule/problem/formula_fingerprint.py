"""Fingerprint custom formulas by what they compute.

The compiled code is used, not the source: a file may have been edited since, and a notebook's cell has no file.
"""

import dis
import hashlib
import sys
from collections.abc import Mapping
from functools import lru_cache, partial
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

    Not so for arrays, lists, and what has attributes: a module, a class or an object of the user's.
    """
    if isinstance(value, tuple):
        return all(reads_only_fixed(item, read) for item in value)
    if isinstance(value, FunctionType) and (
        value.__closure__ or _is_users_module(value.__module__) or _is_users_module(value.__globals__["__name__"])
    ):
        if id(value) in read:
            return True
        cells = (cell.cell_contents for cell in value.__closure__ or ())
        read_globals = (value.__globals__.get(name) for name in _global_names(value.__code__))
        parts = (*(value.__defaults__ or ()), *(value.__kwdefaults__ or {}).values(), *cells, *read_globals)
        read[id(value)] = value, value.__code__, *parts
        return not _imports(value.__code__) and reads_only_fixed(parts, read)
    if isinstance(value, MethodType | np.vectorize):
        return False
    if hasattr(value, "__name__"):
        module = value.__name__ if isinstance(value, ModuleType) else value.__module__ or type(value).__module__
        return not _is_users_module(module) and "(vectorized)" not in value.__name__
    return value is None or isinstance(value, int | float | complex | str | bytes | slice | np.generic)


def _describe(value: Any, known: dict[int, int]) -> Any:
    """Describe a value by nested tuples of texts."""
    if isinstance(value, list | tuple):
        return type(value).__name__, *(_describe(item, known) for item in value)
    if isinstance(value, set | frozenset):
        return "set", *sorted(repr(_describe(item, {})) for item in value)
    if isinstance(value, Mapping):
        return "table", *((_describe(key, known), _describe(item, known)) for key, item in value.items())
    if isinstance(value, np.ndarray) and value.size > MAX_DESCRIBED_ENTRIES and value.dtype.kind in "biufc":
        return value.dtype.str, value.shape, hashlib.sha256(np.ascontiguousarray(value).data).hexdigest()
    if isinstance(value, np.ndarray | np.generic):
        return value.dtype.str, value.shape, _describe(value.tolist(), known)
    if isinstance(value, CodeType):
        # Without the instructions' offsets, and without constants that are not loaded, such as docstrings.
        return tuple((step.opname, _describe(step.argval, known)) for step in dis.get_instructions(value))
    if isinstance(value, partial):
        return "partial", *(_describe(part, known) for part in (value.func, value.args, value.keywords))
    if isinstance(value, np.vectorize):
        return "vectorize", _describe(value.pyfunc, known)
    if isinstance(value, MethodType):
        return "method", _describe(value.__func__, known), _describe(value.__self__, known)
    if id(value) in known:  # functions may call themselves and each other
        return "again", known[id(value)]
    if isinstance(value, FunctionType) and _is_users_module(value.__module__):
        known[id(value)] = len(known)
        cells = [cell.cell_contents for cell in value.__closure__ or ()]
        read = {name: value.__globals__.get(name) for name in _global_names(value.__code__)}
        parts = value.__code__, value.__defaults__, value.__kwdefaults__, cells, read
        return "function", *(_describe(part, known) for part in parts)
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
