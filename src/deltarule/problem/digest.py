"""What a formula of somebody's own does, as a digest: a name alone says nothing about it in another process.

Code is taken as Python runs it: a file may have been edited since, and a notebook's cell is in none.
"""

import dis
import hashlib
import inspect
import sys
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from types import BuiltinFunctionType, CellType, CodeType, FunctionType, MethodType, ModuleType
from typing import Any

import numpy as np


def digest(value: Any) -> str:
    """SHA-256 (hexadecimal) of what functions do: their code, and all numbers and functions that they read.

    The same in every process of one version of Python; comments, docstrings and names of functions do not count. What
    libraries define is known by its name.

    Parameters: `value`, a function, or a list of functions and plain values.

    >>> import math
    >>> digest([math.exp, 2]) == digest([math.exp, 2]) != digest([math.exp, 3])
    True
    """
    return hashlib.sha256(repr(_Described().value(value)).encode("utf-8", "surrogatepass")).hexdigest()


_PLAIN = (bool, int, float, complex, str, bytes, slice, range, type(None), type(...))


class _Described:
    """Values as nested tuples of texts."""

    def __init__(self) -> None:
        self.seen: dict[int, tuple[int, Any]] = {}
        """What has been described, by identity, with its number: a function may call itself, and many may call one."""

    def value(self, value: Any) -> Any:
        if isinstance(value, _PLAIN):
            return type(value).__name__, repr(value)
        if isinstance(value, np.generic | np.ndarray) and not value.dtype.hasobject:
            return value.dtype.str, value.shape, hashlib.sha256(value.tobytes()).hexdigest()
        if isinstance(value, CodeType):
            return self.code(value)
        if isinstance(value, tuple):  # two that are equal may be one object, or not
            return type(value).__name__, *map(self.value, value)
        if id(value) in self.seen:
            return "again", self.seen[id(value)][0]
        self.seen[id(value)] = len(self.seen), value
        return self.thing(value)

    def thing(self, value: Any) -> Any:
        if isinstance(value, list):
            return type(value).__name__, *map(self.value, value)
        if isinstance(value, set | frozenset):
            return "set", *sorted(repr(self.value(one)) for one in value)
        if isinstance(value, Mapping):
            items = sorted(value.items(), key=lambda item: repr(item[0]))
            return "table", *((self.value(key), self.value(one)) for key, one in items)
        if isinstance(value, FunctionType):
            return self.function(value) if _is_own(value.__module__) else _name(value)
        if isinstance(value, CellType):
            try:
                return "cell", self.value(value.cell_contents)
            except ValueError:
                return ("cell",)
        if isinstance(value, type):
            bases = [one for one in value.__mro__ if _is_own(one.__module__)]
            parts = sorted((one for base in bases for one in vars(base).items()), key=lambda one: one[0])
            kept = [(name, self.value(one)) for name, one in parts if callable(one) or not name.startswith("__")]
            return _name(value), kept
        module = sys.modules.get(f"{getattr(value, '__module__', None)}")
        known = getattr(module, f"{getattr(value, '__name__', None)}", None) is value
        if (known and not _is_own(value.__module__)) or isinstance(value, np.ufunc | ModuleType):
            return _name(value)
        if isinstance(value, BuiltinFunctionType) and (
            value.__self__ is None or isinstance(value.__self__, ModuleType)
        ):
            return _name(value)
        if isinstance(value, partial):
            return "partial", *map(self.value, (value.func, value.args, value.keywords))
        if isinstance(value, MethodType):
            return "method", self.value(value.__func__), self.value(value.__self__)
        for wrapped in ("py_func", "__wrapped__"):  # of Numba, of functools
            if isinstance(getattr(value, wrapped, None), FunctionType):
                return type(value).__name__, self.value(getattr(value, wrapped))
        return self.value(type(value)), self.state(value)

    def state(self, value: Any) -> Any:
        """What an object holds, as it would be copied; of one that cannot be, as a lock, nothing is known."""
        try:
            made_by = value.__reduce_ex__(4)
        except Exception:  # whatever somebody's object raises
            return ()
        if isinstance(made_by, str):
            return made_by
        parts = [list(one) if isinstance(one, Iterator) else one for one in made_by]
        # A docstring is among what some objects hold.
        plain = [{k: v for k, v in one.items() if k != "__doc__"} if isinstance(one, dict) else one for one in parts]
        return tuple(map(self.value, plain))

    def function(self, function: FunctionType) -> Any:
        code, known = function.__code__, function.__globals__
        names = sorted({name for name in _globals(code) if name in known})
        read = [(name, self.value(known[name])) for name in names]
        for module in (known[name] for name in names if isinstance(known[name], ModuleType)):
            if _is_own(module.__name__):
                parts = [name for name in _names(code) if hasattr(module, name)]
                read += [(name, self.value(getattr(module, name))) for name in parts]
        given = (function.__defaults__, function.__kwdefaults__, function.__closure__)
        return "function", self.code(code, function.__doc__), *map(self.value, given), read

    def code(self, code: CodeType, doc: str | None = None) -> Any:
        flags = code.co_flags & (inspect.CO_VARARGS | inspect.CO_VARKEYWORDS | inspect.CO_GENERATOR)
        arguments = code.co_argcount, code.co_posonlyargcount, code.co_kwonlyargcount, flags
        names = code.co_names, code.co_varnames, code.co_freevars, code.co_cellvars
        constants = [self.value(None if doc is not None and one == doc else one) for one in code.co_consts]
        return "code", code.co_code.hex(), code.co_exceptiontable.hex(), arguments, names, constants


def _name(value: Any) -> str:
    return f"{getattr(value, '__module__', '')}.{getattr(value, '__qualname__', None) or value.__name__}"


def _is_own(module: str | None) -> bool:
    """Whether a module is somebody's own: neither ours, nor Python's, nor one of an installed library."""
    root, file = f"{module}".partition(".")[0], getattr(sys.modules.get(f"{module}"), "__file__", None)
    installed = {"site-packages", "dist-packages"} & set(Path(file or "").parts)
    return root == "__main__" or not (root == "deltarule" or root in sys.stdlib_module_names or installed)


def _codes(code: CodeType) -> list[CodeType]:
    """A function's code, and that of the functions within it."""
    inner = [one for one in code.co_consts if isinstance(one, CodeType)]
    return [code, *(each for one in inner for each in _codes(one))]


def _globals(code: CodeType) -> list[str]:
    """The global names that a function reads, and not those of attributes, which `co_names` holds too."""
    every = (instruction for one in _codes(code) for instruction in dis.get_instructions(one))
    return [one.argval for one in every if one.opname in ("LOAD_GLOBAL", "LOAD_NAME")]


def _names(code: CodeType) -> list[str]:
    return sorted({name for one in _codes(code) for name in one.co_names})
