"""The arrays and numbers of a running script: where they live, what they are called, and how they are moved."""

import ctypes
import re
import sys
from collections import deque
from collections.abc import Callable, Iterator, Sequence, Set
from dataclasses import dataclass
from types import FrameType, ModuleType
from typing import Any, TypeAlias

import numpy as np

from deltarule.proofs.differences import Floats

Path: TypeAlias = tuple[Any, ...]
"""The keys that lead from a list, tuple or dictionary to an array in it."""

_MAX_LIST_ITEMS, _MAX_DICTIONARY_ITEMS = 2000, 200
_MAX_DEPTH, _MAX_OBJECTS, _MAX_ITEMS = 4, 4000, 100


def as_floats(value: Any) -> Any:
    """An array, a number or a tensor of floats as an array that shares its memory if it can, or None."""
    if isinstance(value, float | np.floating):
        return np.asarray(value)
    if type(value).__module__.partition(".")[0] == "torch" and hasattr(value, "detach"):
        try:
            value = value.detach().numpy()
        except (RuntimeError, TypeError):
            return None
    if _is_jax(value):
        value = np.asarray(value)
    if isinstance(value, np.ndarray) and value.dtype.kind == "f" and value.size > 0:
        return value
    return None


def _is_jax(value: Any) -> bool:
    """Whether a value is an array of JAX, which cannot be changed in place; not one that JAX traces."""
    return type(value).__module__.startswith("jaxlib") and hasattr(value, "__array__")


def is_changeable(value: Any) -> bool:
    """Whether a value is an object that can be changed in place, as an array or a list."""
    return not isinstance(value, float | int | np.generic | tuple) and not _is_jax(value)


def as_number(value: Any) -> float | None:
    """The number that a value of size one holds, or None."""
    array = as_floats(value)
    return float(array.reshape(-1)[0]) if array is not None and array.size == 1 else None


def float_leaves(value: Any, path: Path = ()) -> list[tuple[Path, Floats]]:
    """The arrays of floats in a value, each with its path; lists of numbers are arrays."""
    array = as_floats(value)
    if array is not None:
        return [(path, np.asarray(array, float))]
    if isinstance(value, list | tuple) and 0 < len(value) < _MAX_LIST_ITEMS:
        if all(map(_is_number, value)):
            has_floats = any(isinstance(item, float | np.floating) for item in value)
            return [(path, np.asarray(value, float))] if has_floats else []
        return [leaf for index, item in enumerate(value) for leaf in float_leaves(item, (*path, index))]
    if isinstance(value, dict) and len(value) < _MAX_DICTIONARY_ITEMS:
        return [leaf for key, item in value.items() for leaf in float_leaves(item, (*path, key))]
    return []


def _is_number(value: Any) -> bool:
    return isinstance(value, float | int | np.number) and not isinstance(value, bool)


def item_at(value: Any, path: Path) -> Any:
    for key in path:
        value = value[key]
    return value


def shifted(value: Any, path: Path, step: Floats) -> Any:
    """The value with a step added at a path: changed in place where it can be changed."""
    if path:
        new = shifted(value[path[0]], path[1:], step)
        if isinstance(value, tuple):
            return (*value[: path[0]], new, *value[path[0] + 1 :])
        value[path[0]] = new
        return value
    if isinstance(value, list | tuple):
        new = [item + float(d) for item, d in zip(value, step.reshape(-1), strict=True)]
        if isinstance(value, tuple):
            return tuple(new)
        value[:] = new
        return value
    array = as_floats(value)
    if _is_jax(value):
        return value + step.reshape(array.shape).astype(array.dtype)
    if not is_changeable(value):
        return value + float(step.reshape(-1)[0])
    array += step.reshape(array.shape).astype(array.dtype)
    return value


@dataclass
class Storage:
    """Where a value lives: an object that is changed in place, an attribute, an item, or a variable of a frame."""

    text: str
    kind: str
    owner: Any
    key: Any = None
    is_increment: bool = False
    updates: int = 0
    line: int = 0
    copy: str = ""
    """The variable that is updated in its place: a copy, or a new value under another name."""

    def get(self) -> Any:
        getters: dict[str, Callable[[], Any]] = {
            "in place": lambda: self.owner,
            "attribute": lambda: getattr(self.owner, self.key),
            "item": lambda: self.owner[self.key],
            "variable": lambda: self.owner.f_locals[self.key],
        }
        try:
            return getters[self.kind]()
        except Exception:  # the script has deleted it, or its property fails
            return None

    def put(self, value: Any) -> None:
        if self.kind == "attribute":
            setattr(self.owner, self.key, value)
        elif self.kind == "item":
            self.owner[self.key] = value
        else:
            _set_variable(self.owner, self.key, value)


def _set_variable(frame: FrameType, name: str, value: Any) -> None:
    if frame.f_code.co_name == "<module>":
        frame.f_globals[name] = value
        return
    frame.f_locals[name] = value
    if sys.version_info < (3, 13):  # where f_locals is a copy
        ctypes.pythonapi.PyFrame_LocalsToFast(ctypes.py_object(frame), ctypes.c_int(0))


@dataclass
class MovedArray:
    """What is moved and compared as one array: an array, or many single numbers of one kind."""

    name: str
    parts: list[tuple[Storage, Path]]
    start: Floats
    end: Floats | None = None
    """Its values at the end of the step, once that is over."""

    @classmethod
    def at(cls, name: str, parts: list[tuple[Storage, Path]]) -> "MovedArray":
        parameter = cls(name, parts, np.empty(0))
        parameter.start = parameter.current()
        return parameter

    @property
    def text(self) -> str:
        return self.parts[0][0].text

    @property
    def is_increment(self) -> bool:
        """Whether an update adds something to it."""
        return any(place.is_increment for place, _ in self.parts)

    @property
    def line(self) -> int:
        """The line that updates it."""
        return self.parts[0][0].line

    @property
    def copy(self) -> str:
        """The variable that the script updates in its place."""
        return self.parts[0][0].copy

    @property
    def updates(self) -> int:
        """How often the step updated it."""
        return max(place.updates for place, _ in self.parts)

    @property
    def is_float32(self) -> bool:
        array = as_floats(item_at(self.parts[0][0].get(), self.parts[0][1]))
        return array is not None and array.dtype.itemsize < 8

    def current(self) -> Floats:
        """A copy of its values now: those of the start where the script has dropped them."""
        values = []
        for place, path in self.parts:
            arrays = dict(float_leaves(place.get())).get(path)
            values.append(np.zeros(0) if arrays is None else np.array(arrays, float))
        if len(values) == 1:
            return values[0]
        return np.concatenate([value.reshape(-1) for value in values])

    def moved(self) -> Floats:
        """How far it is from its start, or its end is."""
        now = self.current() if self.end is None else self.end
        return now - self.start if now.shape == self.start.shape else np.zeros(self.start.shape)

    def move(self, step: Floats) -> None:
        begin = 0
        for place, path in self.parts:
            value = place.get()
            item = item_at(value, path)
            size = len(item) if isinstance(item, list | tuple) else as_floats(item).size
            part = step if len(self.parts) == 1 else step[begin : begin + size]
            begin += size
            new = shifted(value, path, np.asarray(part))
            if new is not value:
                place.put(new)


def find_names(
    groups: Sequence[Sequence[tuple[Storage, Path, Any]]],
    frame: FrameType,
    value: Callable[[str, FrameType], Any],
    loop_variables: Set[str],
) -> list[str]:
    """A name for each group of parts: an expression in variables of the script that last."""
    known = _names_in_reach(frame, loop_variables)
    names = []
    for group in groups:
        place, path, item = group[0]
        own = place.text + "".join(map("[{!r}]".format, path))
        if len(group) > 1:
            has_one_owner = all(other.owner is place.owner for other, _, _ in group)
            whole = own.partition("[")[0] if has_one_owner else place.text
            names.append(f"{whole} ({sum(map(_count_numbers, group))} numbers)")
            continue
        is_passing = own.isidentifier() or bool(loop_variables & set(re.split(r"\W+", own)))
        if is_changeable(item) and (is_passing or value(own, frame) is not item):
            own = known.get(id(item), own)  # not the loop's p of `for p in parameters`
        elif place.kind == "attribute" and (is_passing or value(own, frame) is None):
            owner = known.get(id(place.owner))
            own = f"{owner}.{place.key}" if owner else own
        names.append(own)
    return _numbered(names)


def arrays_in_reach(frame: FrameType, loop_variables: Set[str]) -> Iterator[tuple[str, Any]]:
    """The arrays that the variables of a frame lead to, each with its shortest expression."""
    for name in _names_in_reach(frame, loop_variables).values():
        if not loop_variables & set(re.split(r"\W+", name)):
            try:
                value = eval(name, frame.f_globals, frame.f_locals)
            except Exception:  # whatever the script's own objects raise
                continue
            if isinstance(value, np.ndarray) and value.dtype.kind == "f":
                yield name, value


def _numbered(names: Sequence[str]) -> list[str]:
    return [
        name if names.count(name) == 1 else f"{name} (no. {names[:index].count(name) + 1})"
        for index, name in enumerate(names)
    ]


def _count_numbers(part: tuple[Storage, Path, Any]) -> int:
    return len(part[2]) if isinstance(part[2], list | tuple) else 1


def _names_in_reach(frame: FrameType, loop_variables: Set[str]) -> dict[int, str]:
    """By id the shortest expression for each array and object that a frame's variables lead to."""
    variables = frame.f_locals if frame.f_locals is frame.f_globals else {**frame.f_globals, **frame.f_locals}
    names: dict[int, str] = {}
    for is_passing in (False, True):
        queue: deque[tuple[Any, str, int]] = deque(
            (value, name, 0)
            for name, value in variables.items()
            if (name in loop_variables) == is_passing
            and not name.startswith("__")
            and not isinstance(value, ModuleType | type)
        )
        while queue and len(names) < _MAX_OBJECTS:
            value, name, depth = queue.popleft()
            if id(value) in names or isinstance(value, str | bytes | int | float | None):
                continue
            names[id(value)] = name
            if depth < _MAX_DEPTH:
                queue.extend((part, text, depth + 1) for part, text in _named_parts(value, name))
    return names


def _named_parts(value: Any, name: str) -> Iterator[tuple[Any, str]]:
    if isinstance(value, list | tuple) and len(value) <= _MAX_ITEMS:
        yield from ((item, f"{name}[{index}]") for index, item in enumerate(value))
    elif isinstance(value, dict) and len(value) <= _MAX_ITEMS:
        yield from ((item, f"{name}[{key!r}]") for key, item in value.items())
    elif hasattr(value, "__dict__") and not callable(getattr(value, "__get__", None)):
        yield from ((item, f"{name}.{key}") for key, item in list(vars(value).items())[:_MAX_ITEMS])
