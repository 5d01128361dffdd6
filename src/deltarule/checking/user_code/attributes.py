"""The arrays that an object holds, by path, such as "layers[0].W", and which of them is the gradient of which."""

import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from types import FrameType, FunctionType, MethodType, ModuleType
from typing import Any

import numpy as np

from deltarule.checking.user_code.arrays import as_numpy, is_list_array
from deltarule.checking.user_code.gradient_arrays import marked_names
from deltarule.checking.user_code.references import are_user_globals, variables_of
from deltarule.errors import BadInput

_MAX_DEPTH = 5
_MAX_ITEMS = 100
_HOLDERS = {
    **dict.fromkeys(("params", "parameters"), ("grads", "gradients", "grad", "dparams")),
    **dict.fromkeys(("weights", "theta"), ("grads", "gradients")),
    **dict.fromkeys(("value", "val"), ("grad", "gradient", "g")),
    **{"data": ("grad", "gradient", "g", "diff"), "v": ("g", "grad", "d"), "d": ("g", "grad")},
}
"""By the name of a holder of parameters, or of a parameter's value, those of its gradient."""
_SHORT_NAMES = {"weights": ("w", "W", "weight"), "weight": ("w", "W"), "biases": ("b", "bias"), "bias": ("b", "B")}
"""Names of arrays that are shorter in the names of their gradients."""


def attribute_at(net: Any, path: str) -> Any:
    value = net
    for name, index in re.findall(r"""([^.\[\]]+)|\[([^\]]+)\]""", path):
        key: Any = (name or index).strip("'\"")
        try:
            is_index = re.fullmatch(r"-?\d+", key) and not isinstance(value, Mapping)
            if name and not isinstance(value, Mapping) and not is_index:
                value = getattr(value, key)
            else:
                value = value[int(key) if is_index or isinstance(value, Mapping) and key not in value else key]
        except (AttributeError, KeyError, IndexError, TypeError, ValueError):
            known = ", ".join(vars(net)) if hasattr(net, "__dict__") else type(net).__name__
            raise BadInput(f"there is no '{path}' in the object; it has: {known}") from None
    return as_numpy(value)


def assign_attribute(net: Any, path: str, value: Any) -> None:
    item = re.fullmatch(r"(.+)\[([^\]]+)\]", path)
    owner, key = (item[1], item[2].strip("'\"")) if item else path.rpartition(".")[::2]
    holder = attribute_at(net, owner) if owner else net
    if isinstance(holder, Mapping):
        holder[key if key in holder else int(key)] = value  # type: ignore[index]
    elif item:
        holder[int(key)] = value
    else:
        setattr(holder, key, value)


def names_in_program(structure: Any, functions: Sequence[Any], what: str = "params") -> tuple[str, ...]:
    """The names by which a program knows an array, or those of a list; "params[1]" for one without a name.

    A name is that of a variable, or a path in the object of a method, or in one that a variable holds.
    """
    if isinstance(structure, Mapping) or is_list_array(structure, is_inside=False):
        return ()
    is_list = isinstance(structure, list | tuple)
    items = list(structure) if is_list else [structure]
    known = _known_names(items, functions)
    names = [_name_in(known, item) for item in items]
    what = (is_list and _name_in(known, structure)) or what
    numbered = [name or f"{what}[{i}]" for i, name in enumerate(names)]
    return tuple(numbered) if (is_list or any(names)) and len(set(numbered)) == len(names) else ()


def _known_names(items: Sequence[Any], functions: Sequence[Any]) -> list[Mapping[str, Any]]:
    """What names stand for: in objects of methods, in functions, in the user's calling frame, in objects there."""
    spaces = [space for function in functions for space in variables_of(function)]
    frame = _users_frame()
    spaces += [] if frame is None else [frame.f_locals, frame.f_globals]
    known: list[Mapping[str, Any]] = [dict(arrays_in(getattr(function, "__self__", None))) for function in functions]
    known += spaces
    if any(all(item is not value for space in known for value in space.values()) for item in items):
        objects = {name: item for space in reversed(spaces) for name, item in space.items() if _is_users_object(item)}
        known += [dict(arrays_in(item, name)) for name, item in objects.items()]
    return known


def _users_frame() -> FrameType | None:
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and str(frame.f_globals.get("__name__", "")).startswith("deltarule."):
        frame = frame.f_back
    return frame


def _name_in(spaces: Sequence[Mapping[str, Any]], item: Any) -> str:
    if isinstance(item, int | float):  # the same one has many names
        return ""
    return next((name for space in spaces for name, value in space.items() if value is item), "")


def find_attribute(number: Any, function: Any) -> tuple[str, Callable[[Any], None]] | None:
    """The name of the attribute where `lambda: [net.w, net.b]` reads a number, and what stores another one there."""
    read = getattr(getattr(function, "__func__", function), "__code__", None)
    if read is None or not isinstance(number, int | float):
        return None
    holders = {name: item for space in variables_of(function) for name, item in space.items() if name in read.co_names}
    holders |= variables_of(function)[0]
    holders_of_number = [
        (f"{variable}.{name}", partial(setattr, holder, name))
        for variable, holder in holders.items()
        for name in read.co_names
        if _is_users_object(holder) and vars(holder).get(name) is number
    ]
    return holders_of_number[0] if len(holders_of_number) == 1 else None


def arrays_in(
    owner: Any, path: str = "", depth: int = _MAX_DEPTH, seen: frozenset[int] = frozenset()
) -> Iterator[tuple[str, Any]]:
    """Yield (path, value) of the floating-point arrays and numbers that an object holds, also within other objects."""
    is_tensor = hasattr(owner, "new_tensor") and not owner.requires_grad
    if is_tensor or isinstance(owner, np.ndarray | float | np.floating):
        if path and np.asarray(owner).dtype.kind == "f":
            yield path, owner
    elif depth >= 0 and id(owner) not in seen and not isinstance(owner, type | str | int):
        seen = seen | {id(owner)}
        for below, item in _items_within(owner, path)[:_MAX_ITEMS]:
            yield from arrays_in(item, below, depth - 1, seen)


def _items_within(owner: Any, path: str) -> list[tuple[str, Any]]:
    if isinstance(owner, Mapping):
        return [(f"{path}[{key!r}]", item) for key, item in owner.items() if re.fullmatch(r"[\w']+", repr(key))]
    if isinstance(owner, list | tuple):
        return [(f"{path}[{i}]", item) for i, item in enumerate(owner)]
    if hasattr(owner, "__dict__") and not _is_library(owner):
        return [(f"{path}.{name}".lstrip("."), item) for name, item in vars(owner).items() if name[:2] != "__"]
    return []


def _is_users_object(value: Any) -> bool:
    return hasattr(value, "__dict__") and not isinstance(value, type) and not _is_library(value)


def _is_library(owner: Any) -> bool:
    module = sys.modules.get(type(owner).__module__)
    is_code = isinstance(owner, FunctionType | MethodType | ModuleType)
    return is_code or module is None or not are_user_globals(vars(module))


def gradient_paths(path: str) -> Iterator[str]:
    """Yield the paths at which the gradient of the array at a path may be, the likeliest first."""
    parts = re.findall(r"[^.\[\]]+|\[[^\]]+\]", path)
    names = [part.strip("[]'\"") for part in parts]
    other_holders = [
        (i, holder) for i, name in enumerate(names) for holder in _HOLDERS.get(name.lower().lstrip("_"), ())
    ]
    for i in reversed(range(len(parts))):
        if not names[i].isdigit():
            bare = names[i].lstrip("_")
            for name in (names[i], bare, *_SHORT_NAMES.get(bare.lower(), ())):
                for mark in marked_names(name):
                    yield _join(parts, {i: mark})
                    yield from (_join(parts, {i: mark, j: holder}) for j, holder in other_holders if i != j)
    yield from (_join(parts, {j: holder}) for j, holder in other_holders)


def _join(parts: list[str], changed: dict[int, str]) -> str:
    texts = []
    for i, part in enumerate(parts):
        bare = part.strip("[]'\"")
        text = part.replace(bare, changed[i]) if i in changed else part
        texts.append(text if text.startswith("[") or not i else f".{text}")
    return "".join(texts)
