"""What user code refers to: the containers, and what is in them, that can be reached from its functions."""

import dis
import inspect
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from types import CellType, FunctionType, MethodType, ModuleType
from typing import Any

import numpy as np

_MAX_DEPTH = 9
"""References that are followed from a loss to the arrays that it reads: a list of modules may be within another one."""
_MAX_ITEMS = 200
"""Items of one dictionary or list that are searched for arrays."""


def contents_of(roots: Sequence[Any]) -> Iterator[Any]:
    for root in roots:
        for container in containers_of(root):
            yield from (value for value, _ in items_of(container))


def containers_of(root: Any, depth: int = _MAX_DEPTH, seen: dict[int, tuple[int, Any]] | None = None) -> Iterator[Any]:
    """The containers that can be reached from an object by few references."""
    seen = {} if seen is None else seen
    if depth < 0 or isinstance(root, type | np.ndarray | str | int | float | None) or _is_library(root):
        return
    if seen.get(id(root), (-1, None))[0] >= depth:
        return
    seen[id(root)] = depth, root  # which lives on, so that nothing else gets its identity
    yield from _own_containers(root)
    for value in _references_of(root)[:_MAX_ITEMS]:
        yield from containers_of(value, depth - 1, seen)


def _own_containers(root: Any) -> list[Any]:
    if isinstance(root, FunctionType):
        return [*(root.__closure__ or ()), root.__globals__]
    if isinstance(root, dict | list):
        return [root]
    # The classes of a program that was run as text: its names are not those of a module that is imported.
    classes = [of for of in type(root).__mro__ if of.__module__ not in sys.modules]
    methods = [method for of in classes for method in vars(of).values() if isinstance(method, FunctionType)]
    return [method.__globals__ for method in methods[:1]]


def _references_of(root: Any) -> list[Any]:
    if isinstance(root, dict):
        return [value for name, value in root.items() if not str(name).startswith("__")]
    if isinstance(root, list | tuple):
        return list(root)
    if isinstance(root, FunctionType):
        globals_read = {name: root.__globals__.get(name) for name in root.__code__.co_names}
        return [*map(_cell_content, root.__closure__ or ()), root.__defaults__, globals_read]
    if isinstance(root, MethodType):
        return [root.__self__, root.__func__]
    return [vars(root)] if hasattr(root, "__dict__") else []


def _is_library(root: Any) -> bool:
    return isinstance(root, ModuleType) and not are_user_globals(vars(root))


def are_user_globals(names: Any) -> bool:
    """Whether a dictionary is of a user's module, or of ours that converts its values."""
    if not isinstance(names, dict) or "__name__" not in names:
        return False
    file = names.get("__file__") or ""
    name = str(names["__name__"])
    package = name.partition(".")[0]
    is_library = "site-packages" in file or package in sys.stdlib_module_names or package in ("deltarule", "builtins")
    return not is_library or name.startswith("deltarule.checking.user_code.")


def user_namespaces() -> list[dict[str, Any]]:
    """The global names of each imported module that is a user's."""
    every = [getattr(module, "__dict__", None) for module in list(sys.modules.values())]
    return [names for names in every if names is not None and are_user_globals(names)]


def _cell_content(cell: CellType) -> Any:
    try:
        return cell.cell_contents
    except ValueError:
        return None


def items_of(container: Any) -> Iterator[tuple[Any, Callable[[Any], None]]]:
    """What is in a container, each with the function that replaces it."""
    if isinstance(container, CellType):
        yield _cell_content(container), partial(setattr, container, "cell_contents")
    elif isinstance(container, dict | list):
        for key, value in container.items() if isinstance(container, dict) else enumerate(container):
            yield value, partial(container.__setitem__, key)
    elif hasattr(container, "__dict__") and not isinstance(container, type | ModuleType):
        yield from items_of(vars(container))


def variables_of(function: Any) -> list[Mapping[str, Any]]:
    code = getattr(getattr(function, "__func__", function), "__code__", None)
    if code is None:
        return []
    cells = zip(code.co_freevars, function.__closure__ or (), strict=False)
    return [{name: _cell_content(cell) for name, cell in cells}, function.__globals__]


def owner_of(function: Any) -> Any:
    """Return the layer behind a function: the object of its method, itself, or one that it refers to; None without."""
    owner = getattr(function, "__self__", None)
    if owner is None and callable(function) and hasattr(function, "__dict__") and not inspect.isroutine(function):
        owner = function
    if owner is None:
        held = (
            item for item in outside_of(function) or () if any(hasattr(item, name) for name in ("backward", "forward"))
        )
        owner = next(held, None)
    return None if owner is None or isinstance(owner, type | ModuleType) else owner


def names_read(function: Callable[..., Any]) -> list[str]:
    """The names of floating-point arrays outside of it that a function reads, beside its object's."""
    try:
        names = inspect.getclosurevars(getattr(function, "__func__", function))
    except (TypeError, ValueError):  # no Python function
        return []
    # An attribute of the same name counts as a global variable there.
    read = {instruction.argval for instruction in dis.get_instructions(function) if instruction.opname == "LOAD_GLOBAL"}
    outside = {**names.nonlocals, **{name: value for name, value in names.globals.items() if name in read}}
    return [name for name, value in outside.items() if isinstance(value, np.ndarray) and value.dtype.kind == "f"]


def outside_of(function: Callable[..., Any] | None) -> list[Any] | None:
    """What a function refers to beside its arguments; None if that cannot be seen."""
    try:
        names = inspect.getclosurevars(getattr(function, "__func__", function))  # type: ignore[arg-type]
    except (TypeError, ValueError):  # no Python function
        return None
    outside = [*names.nonlocals.values(), *names.globals.values(), getattr(function, "__self__", None)]
    for value in [held for held in outside if not isinstance(held, ModuleType)]:
        held = value if isinstance(value, Mapping) else getattr(value, "__dict__", {})
        outside += held.values()
    return outside
