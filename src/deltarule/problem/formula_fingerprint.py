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


def formula_digest(value: Any) -> str:
    """SHA-256 (hexadecimal) of what functions compute: of their code, and all values and functions that they read.

    It is the same in every process of one version of Python; comments, docstrings and names of functions do not count.
    Functions of libraries count by their names. What a function looks up by a string (`globals()`, `getattr`) does not
    count, nor do attributes of functions that a call may change. User modules that a function imports are imported.

    Parameters: `value`, a function, or a list of functions and plain values.

    >>> import math
    >>> formula_digest([math.exp, 2]) == formula_digest([math.exp, 2]) != formula_digest([math.exp, 3])
    True
    """
    return hashlib.sha256(repr(_Description().describe(value)).encode("utf-8", "surrogatepass")).hexdigest()


_PLAIN = (bool, int, float, complex, str, bytes, slice, range, type(None), type(...))
_METADATA = ("__doc__", "__qualname__", "__firstlineno__", "__static_attributes__")
"""Names set in the body of a class that do not affect what it computes."""


class _Description:
    """Describes functions and values as nested tuples of texts, equal for equal computations."""

    def __init__(self) -> None:
        self.described: dict[int, tuple[int, Any]] = {}
        """Described values by `id`, each with its number: functions may call themselves and each other."""
        self.names: list[str] = []
        """All names in the code of the current function, including those that it reads from modules."""
        self.attributes: set[str] = set()
        """The names of attributes that this function reads and does not set."""
        self.modules: set[str] = set()
        """The modules that have been described for this function."""

    def describe(self, value: Any) -> Any:
        """Describe any value: a number, an array, code, a container, a module, a function or another object."""
        if isinstance(value, _PLAIN):
            return type(value).__name__, repr(value)
        if isinstance(value, np.generic | np.ndarray) and not value.dtype.hasobject:
            return value.dtype.str, value.shape, hashlib.sha256(value.tobytes()).hexdigest()
        if isinstance(value, CodeType):
            return self.describe_code(value)
        if isinstance(value, tuple):  # equal tuples may or may not be one object
            return type(value).__name__, *map(self.describe, value)
        if isinstance(value, ModuleType):  # each function reads other parts of it
            return self.describe_module(value)
        if isinstance(value, FunctionType):  # and other attributes
            return self.describe_attributes_read(value), self.describe_once(value)
        return self.describe_once(value)

    def describe_once(self, value: Any) -> Any:
        """Describe an object, or refer by its number to an object that has been described already."""
        if id(value) in self.described:
            return "again", self.described[id(value)][0]
        self.described[id(value)] = len(self.described), value
        return self.describe_object(value)

    def describe_alone(self, value: Any) -> Any:
        """Describe a value in a set or a table independently of the others, whose order may vary."""
        other = _Description()
        other.described, other.names, other.modules = dict(self.described), self.names, set(self.modules)
        other.attributes = self.attributes
        return other.describe(value)

    def describe_attributes_read(self, function: FunctionType) -> Any:
        """Describe the attributes of a function that its code reads; others may be caches and counters."""
        attributes = sorted((name, value) for name, value in vars(function).items() if name in self.attributes)
        return [(name, self.describe(value)) for name, value in attributes if _is_constant(value)]

    def describe_module(self, module: ModuleType) -> Any:
        """Describe what a function reads of a user's module and its submodules; other modules by name alone."""
        parts: list[Any] = []
        if _is_users_module(module.__name__) and module.__name__ not in self.modules:
            self.modules.add(module.__name__)
            parts = [(name, self.describe(getattr(module, name))) for name in self.names if hasattr(module, name)]
        return "module", module.__name__, parts

    def describe_object(self, value: Any) -> Any:
        """Describe a container, a function, a class or any other object; objects of libraries by their names."""
        if isinstance(value, list):
            return type(value).__name__, *map(self.describe, value)
        if isinstance(value, set | frozenset):
            return "set", *sorted(repr(self.describe_alone(item)) for item in value)
        if isinstance(value, Mapping):
            items = [(repr(self.describe_alone(key)), item) for key, item in value.items()]
            items.sort(key=lambda pair: pair[0])
            return "table", *((key, self.describe(item)) for key, item in items)
        if isinstance(value, FunctionType):
            return self.describe_function(value) if _is_users_module(value.__module__) else _qualified_name(value)
        if isinstance(value, CellType):
            try:
                return "cell", self.describe(value.cell_contents)
            except ValueError:
                return ("cell",)
        if isinstance(value, type):
            bases = [
                base for kind in (value, type(value)) for base in kind.__mro__ if _is_users_module(base.__module__)
            ]
            members = sorted((member for base in bases for member in vars(base).items()), key=lambda member: member[0])
            used = [(name, item) for name, item in members if callable(item) or not name.startswith("__")]
            return _qualified_name(value), [(name, self.describe(item)) for name, item in used]
        module = sys.modules.get(f"{getattr(value, '__module__', None)}")
        is_global = getattr(module, f"{getattr(value, '__name__', None)}", None) is value
        if is_global and not _is_users_module(value.__module__):
            return _qualified_name(value)
        if isinstance(value, np.ufunc):  # only gc shows the function of an np.frompyfunc
            functions = [referent for referent in gc.get_referents(value) if callable(referent)]
            return "ufunc", value.__name__, [self.describe(function) for function in functions]
        if isinstance(value, property):
            return "property", *map(self.describe, (value.fget, value.fset, value.fdel))
        if isinstance(value, BuiltinFunctionType) and (
            value.__self__ is None or isinstance(value.__self__, ModuleType)
        ):
            return _qualified_name(value)
        if isinstance(value, partial):
            return "partial", *map(self.describe, (value.func, value.args, value.keywords))
        if isinstance(value, MethodType):
            return "method", self.describe(value.__func__), self.describe(value.__self__)
        for wrapped in ("py_func", "__wrapped__"):  # of Numba, of functools
            if isinstance(getattr(value, wrapped, None), FunctionType):
                return type(value).__name__, self.describe(getattr(value, wrapped))
        return self.describe(type(value)), self.describe_state(value)

    def describe_state(self, value: Any) -> Any:
        """Describe an object's state as it would be copied, or else its attributes."""
        try:
            reduced = value.__reduce_ex__(4)
        except Exception:  # a user's object may raise anything
            reduced = (getattr(value, "__dict__", None),)
        if isinstance(reduced, str):
            return reduced
        parts = [list(part) if isinstance(part, Iterator) else part for part in reduced]
        # Some objects hold a docstring.
        plain = [
            {k: v for k, v in part.items() if k != "__doc__"} if isinstance(part, dict) else part for part in parts
        ]
        return tuple(map(self.describe, plain))

    def describe_function(self, function: FunctionType) -> Any:
        """Describe a user's function: its code, defaults and closure, and the global variables and modules it reads."""
        code, global_values = function.__code__, function.__globals__
        outer = self.names, self.attributes, self.modules
        self.names, self.attributes, self.modules = _all_names(code), _read_attributes(code), set()
        # Imports come first: an imported submodule becomes an attribute of its package.
        read = [
            ("import", self.describe(module)) for module in _imported_modules(code, global_values.get("__package__"))
        ]
        read += [
            (name, self.describe(global_values[name])) for name in _global_variables(code) if name in global_values
        ]
        dispatched = [one for one in vars(function).values() if isinstance(one, MappingProxyType)]  # by functools
        inputs = (function.__defaults__, function.__kwdefaults__, function.__closure__, dispatched)
        described = "function", self.describe_code(code), *map(self.describe, inputs), read
        self.names, self.attributes, self.modules = outer
        return described

    def describe_code(self, code: CodeType) -> Any:
        """Describe a code object: its instructions, exception table, arguments and local variables."""
        flags = code.co_flags & (inspect.CO_VARARGS | inspect.CO_VARKEYWORDS | inspect.CO_GENERATOR)
        arguments = code.co_argcount, code.co_posonlyargcount, code.co_kwonlyargcount, flags
        names = code.co_varnames, code.co_freevars, code.co_cellvars
        return "code", *self.describe_instructions(code), arguments, names

    def describe_instructions(self, code: CodeType) -> tuple[list[Any], list[Any]]:
        """Describe the instructions and the exception table, as two lists; docstrings do not change jump targets."""
        every = _instructions(code)
        metadata = {i for i, step in enumerate(every) if step.opname == "STORE_NAME" and step.argval in _METADATA}
        remaining = [step for i, step in enumerate(every) if not {i, i + 1} & metadata]
        offsets, jumps = [step.offset for step in remaining], {*dis.hasjrel, *dis.hasjabs}
        steps = [
            (step.opname, bisect_left(offsets, step.argval) if step.opcode in jumps else self.describe(step.argval))
            for step in remaining
        ]
        entries = [
            (
                *(
                    bisect_left(offsets, offset)
                    for offset in (exception_entry.start, exception_entry.end, exception_entry.target)
                ),
                exception_entry.depth,
                exception_entry.lasti,
            )
            for exception_entry in dis.Bytecode(code).exception_entries  # type: ignore[attr-defined]
        ]
        return steps, entries


def _qualified_name(value: Any) -> str:
    """The name of a function or class with its module."""
    return f"{getattr(value, '__module__', '')}.{getattr(value, '__qualname__', None) or value.__name__}"


def _is_users_module(module: str | None, file: str | None = None) -> bool:
    """Whether a module, given by name, is the user's: not deltarule's, Python's or an installed library's.

    file   the path of a module that is not imported yet
    """
    root = f"{module}".partition(".")[0]
    path = Path(file or getattr(sys.modules.get(f"{module}"), "__file__", None) or "")
    if root == "__main__":  # also when an installed program runs it
        return True
    if root == "deltarule" or {"site-packages", "dist-packages"} & set(path.parts):
        return False
    # A user's file may have the name of one of Python's modules.
    is_file = path.suffix == ".py" and not path.is_relative_to(Path(os.__file__).parent)
    return root not in sys.stdlib_module_names or is_file


def _is_constant(value: Any) -> bool:
    """Whether a value is immutable."""
    return isinstance(value, (*_PLAIN, np.generic)) or (isinstance(value, tuple) and all(map(_is_constant, value)))


def _nested_codes(code: CodeType) -> list[CodeType]:
    """A function's code and the code of its inner functions."""
    inner = [constant for constant in code.co_consts if isinstance(constant, CodeType)]
    return [code, *(nested for one in inner for nested in _nested_codes(one))]


def _instructions(code: CodeType) -> list[dis.Instruction]:
    """The instructions of code without padding and argument prefixes."""
    return [one for one in dis.get_instructions(code) if one.opname not in ("EXTENDED_ARG", "NOP")]


def _global_variables(code: CodeType) -> list[str]:
    """The names of the global variables that code reads; `co_names` also holds attributes."""
    every = (instruction for one in _nested_codes(code) for instruction in _instructions(one))
    return sorted({one.argval for one in every if one.opname in ("LOAD_GLOBAL", "LOAD_NAME")})


def _all_names(code: CodeType) -> list[str]:
    """The names of all globals and attributes in code and in its inner functions, sorted."""
    return sorted({name for one in _nested_codes(code) for name in one.co_names} - {*_METADATA})


def _read_attributes(code: CodeType) -> set[str]:
    """The names of attributes that code reads and never sets (a call counter, for one, is set)."""
    every = [(one.opname, one.argval) for each in _nested_codes(code) for one in _instructions(each)]
    stored = {name for does, name in every if does == "STORE_ATTR"}
    return {name for does, name in every if does in ("LOAD_ATTR", "LOAD_METHOD")} - stored


def _imported_modules(code: CodeType, package: str | None) -> list[ModuleType]:
    """Import and return the user's modules that a function imports when it runs, each after its top-level package."""
    found = []
    for steps in map(_instructions, _nested_codes(code)):
        for level, parts, step in zip(steps, steps[1:], steps[2:], strict=False):  # level, names, import
            if step.opname == "IMPORT_NAME":
                with contextlib.suppress(Exception, SystemExit):  # the function cannot use it either
                    found += _load_modules(resolve_name("." * level.argval + step.argval, package), parts.argval or ())
    return found


def _load_modules(name: str, parts: Sequence[str]) -> list[ModuleType]:
    """Run `from name import parts`; returns the top-level package and the module `name`, or [] for a library."""
    root = name.partition(".")[0]
    spec = None if root in sys.modules else find_spec(root)
    # A folder without an __init__.py has no origin.
    paths = [] if spec is None else [spec.origin, *(spec.submodule_search_locations or ())]
    if not _is_users_module(root, next(filter(None, paths), None)):
        return []
    found = [import_module(one) for one in (root, name)]
    for part in parts:
        if not hasattr(found[-1], part):
            import_module(f"{name}.{part}")
    return found
