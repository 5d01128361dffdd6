"""Fingerprint custom formulas by what they compute: a name alone identifies no formula in another process.

The compiled code is used, not the source: a file may have been edited since, and a notebook's cell has no file.
"""

import contextlib
import dis
import gc
import hashlib
import inspect
import os
import sys
from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from importlib import import_module
from importlib.util import find_spec, resolve_name
from pathlib import Path
from types import BuiltinFunctionType, CellType, CodeType, FunctionType, MappingProxyType, MethodType, ModuleType
from typing import Any

import numpy as np


def digest(value: Any) -> str:
    """SHA-256 (hexadecimal) of what functions compute: their code, and all numbers and functions that they read.

    It is the same in every process of one version of Python; comments, docstrings and names of functions do not count.
    Functions of libraries count by their names. What a function looks up by a string (`globals()`, `getattr`) does not
    count, nor do attributes of functions that a call may change. Modules of the user that it imports are imported.

    Parameters: `value`, a function, or a list of functions and plain values.

    >>> import math
    >>> digest([math.exp, 2]) == digest([math.exp, 2]) != digest([math.exp, 3])
    True
    """
    return hashlib.sha256(repr(_Description().value(value)).encode("utf-8", "surrogatepass")).hexdigest()


_PLAIN = (bool, int, float, complex, str, bytes, slice, range, type(None), type(...))
_METADATA = ("__doc__", "__qualname__", "__firstlineno__", "__static_attributes__")
"""Names that the body of a class sets and that compute nothing."""


class _Description:
    """Describes values as nested tuples of texts."""

    def __init__(self) -> None:
        self.seen: dict[int, tuple[int, Any]] = {}
        """Described values by identity, with their numbers: functions may call themselves and each other."""
        self.names: list[str] = []
        """All names in the code of the current function; those that it reads of a module are among them."""
        self.attributes: set[str] = set()
        """The names of attributes that this function reads and does not set."""
        self.modules: set[str] = set()
        """The modules that have been described for this function."""

    def value(self, value: Any) -> Any:
        if isinstance(value, _PLAIN):
            return type(value).__name__, repr(value)
        if isinstance(value, np.generic | np.ndarray) and not value.dtype.hasobject:
            return value.dtype.str, value.shape, hashlib.sha256(value.tobytes()).hexdigest()
        if isinstance(value, CodeType):
            return self.code(value)
        if isinstance(value, tuple):  # equal tuples may or may not be one object
            return type(value).__name__, *map(self.value, value)
        if isinstance(value, ModuleType):  # each function reads its own parts of it
            return self.module(value)
        if isinstance(value, FunctionType):  # and its own attributes
            return self.read_attributes(value), self.describe_once(value)
        return self.describe_once(value)

    def describe_once(self, value: Any) -> Any:
        if id(value) in self.seen:
            return "again", self.seen[id(value)][0]
        self.seen[id(value)] = len(self.seen), value
        return self.describe_object(value)

    def alone(self, value: Any) -> Any:
        """Describe a value in a set or a table independently of the others, whose order may vary."""
        other = _Description()
        other.seen, other.names, other.modules = dict(self.seen), self.names, set(self.modules)
        other.attributes = self.attributes
        return other.value(value)

    def read_attributes(self, function: FunctionType) -> Any:
        """Describe the attributes of a function that its code reads; others may be caches and counters."""
        held = sorted((name, one) for name, one in vars(function).items() if name in self.attributes)
        return [(name, self.value(one)) for name, one in held if _is_constant(one)]

    def module(self, module: ModuleType) -> Any:
        """Describe what a function reads of a user's module and its submodules; other modules by name alone."""
        parts: list[Any] = []
        if _is_own(module.__name__) and module.__name__ not in self.modules:
            self.modules.add(module.__name__)
            parts = [(name, self.value(getattr(module, name))) for name in self.names if hasattr(module, name)]
        return "module", module.__name__, parts

    def describe_object(self, value: Any) -> Any:
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
            bases = [one for kind in (value, type(value)) for one in kind.__mro__ if _is_own(one.__module__)]
            parts = sorted((one for base in bases for one in vars(base).items()), key=lambda one: one[0])
            kept = [(name, self.value(one)) for name, one in parts if callable(one) or not name.startswith("__")]
            return _name(value), kept
        module = sys.modules.get(f"{getattr(value, '__module__', None)}")
        known = getattr(module, f"{getattr(value, '__name__', None)}", None) is value
        if known and not _is_own(value.__module__):
            return _name(value)
        if isinstance(value, np.ufunc):  # np.frompyfunc hides its function from all but gc
            return "ufunc", value.__name__, [self.value(one) for one in gc.get_referents(value) if callable(one)]
        if isinstance(value, property):
            return "property", *map(self.value, (value.fget, value.fset, value.fdel))
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
        """Describe an object's state as a copy would hold it, or else its attributes."""
        try:
            made_by = value.__reduce_ex__(4)
        except Exception:  # a user's object may raise anything
            made_by = (getattr(value, "__dict__", None),)
        if isinstance(made_by, str):
            return made_by
        parts = [list(one) if isinstance(one, Iterator) else one for one in made_by]
        # Some objects hold a docstring.
        plain = [
            {k: v for k, v in part.items() if k != "__doc__"} if isinstance(part, dict) else part for part in parts
        ]
        return tuple(map(self.value, plain))

    def function(self, function: FunctionType) -> Any:
        code, known = function.__code__, function.__globals__
        outside = self.names, self.attributes, self.modules
        self.names, self.attributes, self.modules = _global_names(code), _attributes(code), set()
        # Imports come first: an imported submodule becomes an attribute of its package.
        read = [("import", self.value(one)) for one in _imported_modules(code, known.get("__package__"))]
        read += [(name, self.value(known[name])) for name in _globals(code) if name in known]
        dispatched = [one for one in vars(function).values() if isinstance(one, MappingProxyType)]  # by functools
        given = (function.__defaults__, function.__kwdefaults__, function.__closure__, dispatched)
        described = "function", self.code(code), *map(self.value, given), read
        self.names, self.attributes, self.modules = outside
        return described

    def code(self, code: CodeType) -> Any:
        flags = code.co_flags & (inspect.CO_VARARGS | inspect.CO_VARKEYWORDS | inspect.CO_GENERATOR)
        arguments = code.co_argcount, code.co_posonlyargcount, code.co_kwonlyargcount, flags
        names = code.co_varnames, code.co_freevars, code.co_cellvars
        return "code", *self.steps(code), arguments, names

    def steps(self, code: CodeType) -> tuple[list[Any], list[Any]]:
        """The instructions and exception table, with positions that docstrings do not change."""
        every = _instructions(code)
        said = {i for i, one in enumerate(every) if one.opname == "STORE_NAME" and one.argval in _METADATA}
        kept = [one for i, one in enumerate(every) if not {i, i + 1} & said]
        places, jumps = [one.offset for one in kept], {*dis.hasjrel, *dis.hasjabs}
        steps = [
            (one.opname, bisect_left(places, one.argval) if one.opcode in jumps else self.value(one.argval))
            for one in kept
        ]
        entries = [
            (
                *(
                    bisect_left(places, place)
                    for place in (exception_entry.start, exception_entry.end, exception_entry.target)
                ),
                exception_entry.depth,
                exception_entry.lasti,
            )
            for exception_entry in dis.Bytecode(code).exception_entries  # type: ignore[attr-defined]
        ]
        return steps, entries


def _name(value: Any) -> str:
    return f"{getattr(value, '__module__', '')}.{getattr(value, '__qualname__', None) or value.__name__}"


def _is_own(module: str | None, file: str | None = None) -> bool:
    """Whether a module is the user's: not deltarule's, Python's or an installed library's.

    file   of a module that is not imported yet
    """
    root = f"{module}".partition(".")[0]
    place = Path(file or getattr(sys.modules.get(f"{module}"), "__file__", None) or "")
    if root == "__main__":  # also when an installed program runs it
        return True
    if root == "deltarule" or {"site-packages", "dist-packages"} & set(place.parts):
        return False
    # A user's file may have the name of one of Python's modules.
    is_file = place.suffix == ".py" and not place.is_relative_to(Path(os.__file__).parent)
    return root not in sys.stdlib_module_names or is_file


def _is_constant(value: Any) -> bool:
    """Whether a value is immutable."""
    return isinstance(value, (*_PLAIN, np.generic)) or (isinstance(value, tuple) and all(map(_is_constant, value)))


def _codes(code: CodeType) -> list[CodeType]:
    """A function's code and the code of its inner functions."""
    inner = [one for one in code.co_consts if isinstance(one, CodeType)]
    return [code, *(each for one in inner for each in _codes(one))]


def _instructions(code: CodeType) -> list[dis.Instruction]:
    """The instructions without padding and argument prefixes."""
    return [one for one in dis.get_instructions(code) if one.opname not in ("EXTENDED_ARG", "NOP")]


def _globals(code: CodeType) -> list[str]:
    """The names of the global variables that code reads; `co_names` also holds attributes."""
    every = (instruction for one in _codes(code) for instruction in _instructions(one))
    return sorted({one.argval for one in every if one.opname in ("LOAD_GLOBAL", "LOAD_NAME")})


def _global_names(code: CodeType) -> list[str]:
    return sorted({name for one in _codes(code) for name in one.co_names} - {*_METADATA})


def _attributes(code: CodeType) -> set[str]:
    """The names of attributes that code reads and never sets; a counter is set by every call."""
    every = [(one.opname, one.argval) for each in _codes(code) for one in _instructions(each)]
    stored = {name for does, name in every if does == "STORE_ATTR"}
    return {name for does, name in every if does in ("LOAD_ATTR", "LOAD_METHOD")} - stored


def _imported_modules(code: CodeType, package: str | None) -> list[ModuleType]:
    """The user's modules that a function imports when it runs, each after its top-level package."""
    found = []
    for steps in map(_instructions, _codes(code)):
        for level, parts, step in zip(steps, steps[1:], steps[2:], strict=False):  # level, names, import
            if step.opname == "IMPORT_NAME":
                with contextlib.suppress(Exception, SystemExit):  # the function cannot use it either
                    found += _modules(resolve_name("." * level.argval + step.argval, package), parts.argval or ())
    return found


def _modules(name: str, parts: Sequence[str]) -> list[ModuleType]:
    """The modules of an import statement; none for a library's, which is not loaded for this."""
    root = name.partition(".")[0]
    spec = None if root in sys.modules else find_spec(root)
    # A folder without an __init__.py has no origin.
    places = [] if spec is None else [spec.origin, *(spec.submodule_search_locations or ())]
    if not _is_own(root, next(filter(None, places), None)):
        return []
    found = [import_module(one) for one in (root, name)]
    for part in parts:
        if not hasattr(found[-1], part):
            import_module(f"{name}.{part}")
    return found
