"""What a formula of somebody's own does, as a digest: a name alone says nothing about it in another process.

Code is taken as Python runs it: a file may have been edited since, and a notebook's cell is in none.
"""

import dis
import gc
import hashlib
import inspect
import os
import sys
from bisect import bisect_left
from collections.abc import Iterator, Mapping
from functools import partial
from importlib import import_module
from importlib.util import resolve_name
from pathlib import Path
from types import BuiltinFunctionType, CellType, CodeType, FunctionType, MethodType, ModuleType
from typing import Any

import numpy as np


def digest(value: Any) -> str:
    """SHA-256 (hexadecimal) of what functions do: their code, and all numbers and functions that they read.

    The same in every process of one version of Python; comments, docstrings and names of functions do not count. What
    libraries define is known by its name. What a function looks up by a text (`globals()`, `getattr`) is not seen.

    Parameters: `value`, a function, or a list of functions and plain values.

    >>> import math
    >>> digest([math.exp, 2]) == digest([math.exp, 2]) != digest([math.exp, 3])
    True
    """
    return hashlib.sha256(repr(_Described().value(value)).encode("utf-8", "surrogatepass")).hexdigest()


_PLAIN = (bool, int, float, complex, str, bytes, slice, range, type(None), type(...))
_SAID = ("__doc__", "__qualname__", "__firstlineno__", "__static_attributes__")
"""What the body of a class says of itself, and nothing is computed by."""


class _Described:
    """Values as nested tuples of texts."""

    def __init__(self) -> None:
        self.seen: dict[int, tuple[int, Any]] = {}
        """What has been described, by identity, with its number: a function may call itself, and many may call one."""
        self.names: list[str] = []
        """All names in the code of the function that is being described: what it reads of a module is among them."""
        self.modules: set[str] = set()
        """The modules that have been described for this function."""

    def value(self, value: Any) -> Any:
        if isinstance(value, _PLAIN):
            return type(value).__name__, repr(value)
        if isinstance(value, np.generic | np.ndarray) and not value.dtype.hasobject:
            return value.dtype.str, value.shape, hashlib.sha256(value.tobytes()).hexdigest()
        if isinstance(value, CodeType):
            return self.code(value)
        if isinstance(value, tuple):  # two that are equal may be one object, or not
            return type(value).__name__, *map(self.value, value)
        if isinstance(value, ModuleType):  # each function reads other parts of it
            return self.module(value)
        if id(value) in self.seen:
            return "again", self.seen[id(value)][0]
        self.seen[id(value)] = len(self.seen), value
        return self.thing(value)

    def alone(self, value: Any) -> Any:
        """A value in a set or a table, as if it were the only one: the order in which they come may be any."""
        other = _Described()
        other.seen, other.names, other.modules = dict(self.seen), self.names, set(self.modules)
        return other.value(value)

    def module(self, module: ModuleType) -> Any:
        """Of a module of one's own what the function reads, also of modules within it; of others the name."""
        parts: list[Any] = []
        if _is_own(module.__name__) and module.__name__ not in self.modules:
            self.modules.add(module.__name__)
            parts = [(name, self.value(getattr(module, name))) for name in self.names if hasattr(module, name)]
        return "module", module.__name__, parts

    def thing(self, value: Any) -> Any:
        if isinstance(value, list):
            return type(value).__name__, *map(self.value, value)
        if isinstance(value, set | frozenset):
            return "set", *sorted(repr(self.alone(one)) for one in value)
        if isinstance(value, Mapping):
            items = sorted(((repr(self.alone(key)), one) for key, one in value.items()), key=lambda item: item[0])
            return "table", *((key, self.value(one)) for key, one in items)
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
        if known and not _is_own(value.__module__):
            return _name(value)
        if isinstance(value, np.ufunc):  # of np.frompyfunc it holds the function, and shows it nobody else
            return "ufunc", value.__name__, [self.value(one) for one in gc.get_referents(value) if callable(one)]
        if isinstance(value, property):
            return "property", self.value(value.fget)
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
        """What an object holds, as it would be copied; of one that cannot be its attributes, and a lock has none."""
        try:
            made_by = value.__reduce_ex__(4)
        except Exception:  # whatever somebody's object raises
            made_by = (getattr(value, "__dict__", None),)
        if isinstance(made_by, str):
            return made_by
        parts = [list(one) if isinstance(one, Iterator) else one for one in made_by]
        # A docstring is among what some objects hold.
        plain = [{k: v for k, v in one.items() if k != "__doc__"} if isinstance(one, dict) else one for one in parts]
        return tuple(map(self.value, plain))

    def function(self, function: FunctionType) -> Any:
        code, known = function.__code__, function.__globals__
        outside = self.names, self.modules
        self.names, self.modules = _names(code), set()
        read = [(name, self.value(known[name])) for name in _globals(code) if name in known]
        read += [("import", self.value(one)) for one in _imported(code, known.get("__package__"))]
        held = {name: one for name, one in vars(function).items() if name != "__wrapped__"}  # its closure has that
        given = (function.__defaults__, function.__kwdefaults__, function.__closure__, held)
        described = "function", self.code(code), *map(self.value, given), read
        self.names, self.modules = outside
        return described

    def code(self, code: CodeType) -> Any:
        flags = code.co_flags & (inspect.CO_VARARGS | inspect.CO_VARKEYWORDS | inspect.CO_GENERATOR)
        arguments = code.co_argcount, code.co_posonlyargcount, code.co_kwonlyargcount, flags
        names = code.co_varnames, code.co_freevars, code.co_cellvars
        return "code", *self.steps(code), arguments, names

    def steps(self, code: CodeType) -> tuple[list[Any], list[Any]]:
        """The instructions with what they read, and what follows exceptions: by numbers that no docstring shifts."""
        every = _instructions(code)
        said = {i for i, one in enumerate(every) if one.opname == "STORE_NAME" and one.argval in _SAID}
        kept = [one for i, one in enumerate(every) if not {i, i + 1} & said]
        places, jumps = [one.offset for one in kept], {*dis.hasjrel, *dis.hasjabs}
        steps = [
            (one.opname, bisect_left(places, one.argval) if one.opcode in jumps else self.value(one.argval))
            for one in kept
        ]
        entries = [
            (*(bisect_left(places, place) for place in (one.start, one.end, one.target)), one.depth, one.lasti)
            for one in dis.Bytecode(code).exception_entries  # type: ignore[attr-defined]
        ]
        return steps, entries


def _name(value: Any) -> str:
    return f"{getattr(value, '__module__', '')}.{getattr(value, '__qualname__', None) or value.__name__}"


def _is_own(module: str | None) -> bool:
    """Whether a module is somebody's own: neither ours, nor Python's, nor one of an installed library."""
    root = f"{module}".partition(".")[0]
    file = Path(getattr(sys.modules.get(f"{module}"), "__file__", None) or "")
    if root in sys.stdlib_module_names and root != "__main__":  # which a file of one's own may be called, too
        return file.suffix == ".py" and not file.is_relative_to(Path(os.__file__).parent)
    return root != "deltarule" and not {"site-packages", "dist-packages"} & set(file.parts)


def _codes(code: CodeType) -> list[CodeType]:
    """A function's code, and that of the functions within it."""
    inner = [one for one in code.co_consts if isinstance(one, CodeType)]
    return [code, *(each for one in inner for each in _codes(one))]


def _instructions(code: CodeType) -> list[dis.Instruction]:
    """The instructions with whole arguments: a number that does not fit stands before its instruction, too."""
    return [one for one in dis.get_instructions(code) if one.opname != "EXTENDED_ARG"]


def _globals(code: CodeType) -> list[str]:
    """The global names that a function reads, and not those of attributes, which `co_names` holds too."""
    every = (instruction for one in _codes(code) for instruction in _instructions(one))
    return sorted({one.argval for one in every if one.opname in ("LOAD_GLOBAL", "LOAD_NAME")})


def _names(code: CodeType) -> list[str]:
    return sorted({name for one in _codes(code) for name in one.co_names} - {*_SAID})


def _imported(code: CodeType, package: str | None) -> list[ModuleType]:
    """The modules that a function imports as it runs, each after the package that it begins with."""
    found = []
    for steps in map(_instructions, _codes(code)):
        for level, step in zip(steps, steps[2:], strict=False):  # how many packages up, what of it, the import
            if step.opname == "IMPORT_NAME":
                try:
                    name = resolve_name("." * level.argval + step.argval, package)
                    found += [import_module(one) for one in (name.partition(".")[0], name)]
                except Exception:  # whatever an import raises: then the function cannot have it, either
                    continue
    return found
