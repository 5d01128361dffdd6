"""The arrays and numbers that a step may move: those that updates name, and those that turns hand on."""

import sys
from collections.abc import Callable, Iterator, Sequence, Set
from types import FrameType
from typing import Any, TypeAlias

import numpy as np

from deltarule.checking.scripts.places import (
    MovedArray,
    Path,
    Storage,
    arrays_in_reach,
    as_number,
    find_names,
    float_leaves,
    is_changeable,
    item_at,
)
from deltarule.checking.scripts.source import ScriptSource
from deltarule.proofs.differences import Floats

Leaf: TypeAlias = tuple[Storage, Path, Any]
"""An array or number: where it lives, the keys that lead to it there, and itself."""

Updated: TypeAlias = tuple[str, Any, Floats, int]
"""What an update changes: its text, its value and a copy of that before, and the line."""

_STEP, _STEP_IN_FLOAT32, _STEP_OF_MIXED = 1e-6, 2e-3, 5e-5
"""Length of a move beside an array's largest entry; the last for an array of float32 among others of float64."""
_MIN_SCALE = 0.1
"""An array of smaller entries is moved as one of this size."""
_MAX_SINGLE_NUMBERS = 4
_MAX_ROWS = 3
"""More numbers of one kind, or more rows of one list, are moved as one array."""


def is_variable(place: Storage) -> bool:
    return place.kind == "variable"


def find_arrays(
    frame: FrameType,
    places: Sequence[Storage],
    updated: Sequence[Updated],
    passing: Set[str],
    value: Callable[[str, FrameType], Any],
) -> list[MovedArray]:
    """The arrays and numbers at some places, each once, with a name; `passing` are the variables of loops."""
    seen: set[object] = set()
    leaves = [leaf for place in places for leaf in _new_leaves(place, seen)]
    leaves += _arrays_left_alone(frame, passing, updated, seen)
    groups = _grouped(leaves)
    names = find_names(groups, frame, value, passing)
    pairs = zip(names, groups, strict=True)
    return [MovedArray.at(name, [(place, path) for place, path, _ in group]) for name, group in pairs]


def drop_stale_places(places: dict[Any, Storage], frame: FrameType) -> None:
    """Drop variables of frames that have ended, and objects that nobody else holds: those of the last turn."""
    frames = [frame]
    while frames[-1].f_back is not None:
        frames.append(frames[-1].f_back)
    for key in [key for key, place in places.items() if is_variable(place) and place.owner not in frames]:
        del places[key]
    for key in list(places):  # now that no frame of the past holds its objects
        if not is_variable(places[key]) and sys.getrefcount(places[key].owner) < 3:
            del places[key]


def _new_leaves(place: Storage, seen: set[object]) -> Iterator[Leaf]:
    """The arrays and numbers at a place that were not seen at another one."""
    value = place.get()
    for path, _ in float_leaves(value):
        item = item_at(value, path)
        mark = id(item) if is_changeable(item) else (id(place.owner), place.key, path)
        if mark not in seen:
            seen.add(mark)
            yield place, path, item


def carried_places(
    frame: FrameType, source: ScriptSource, header: int, value: Callable[[str, FrameType], Any]
) -> Iterator[Storage]:
    """The variables and attributes that the turns of a loop hand on."""
    for text in sorted(source.carried.get(header, ())):
        owner, _, attribute = text.rpartition(".")
        lines = [line for line, texts in (source.attributes if owner else source.stores).items() if text in texts]
        line = max((line for line in lines if header in source.loops.get(line, ())), default=0)
        if not owner:
            yield Storage(text, "variable", frame, text, line=line)
        elif owner.isidentifier():
            yield Storage(text, "attribute", value(owner, frame), attribute, line=line)


def _arrays_left_alone(
    frame: FrameType, passing: Set[str], updates: Sequence[Updated], seen: set[object]
) -> Iterator[Leaf]:
    """Arrays of which the turn before has updated a copy, or a new value under another name, and not them."""
    for name, array in arrays_in_reach(frame, passing) if updates else ():
        for text, value, before, line in updates:
            is_copied = before.shape == array.shape and np.ptp(before) > 0 and np.array_equal(before, array)
            if id(array) not in seen and name != text and (array is value or is_copied):
                seen.add(id(array))
                yield Storage(name, "in place", array, is_increment=True, line=line, copy=text), (), array


def are_float32(parameters: list[MovedArray]) -> list[bool]:
    """By array whether what is computed with it has single precision.

    Numbers, and what an optimizer keeps of an array in its shape, leave the precision of other arrays as it is.
    """
    own = [parameter.is_float32 for parameter in parameters]
    shapes = {parameter.start.shape for parameter, is_float32 in zip(parameters, own, strict=True) if is_float32}
    is_mixed = any(parameter.start.size > 1 and parameter.start.shape not in shapes for parameter in parameters)
    return own if is_mixed else [any(own)] * len(own)


def lengths_of_moves(arrays: Sequence[MovedArray], are_float32: Sequence[bool]) -> list[float]:
    """How far each array is moved: little beside its size, farther where precision is single."""
    length = _STEP_IN_FLOAT32 if are_float32 and all(are_float32) else _STEP
    sizes = [float(np.abs(array.start).max()) for array in arrays]
    return [
        max(length * max(_MIN_SCALE, size), _STEP_OF_MIXED * size * is_float32)
        for size, is_float32 in zip(sizes, are_float32, strict=True)
    ]


def _grouped(leaves: list[Leaf]) -> list[list[Leaf]]:
    """Put many numbers of one kind together, and the rows of a matrix that is a list of lists."""
    groups: dict[object, list[Leaf]] = {}
    for place, path, item in leaves:
        if isinstance(item, list | tuple):
            kind: object = ("row", id(place.owner), place.key)
        elif as_number(item) is not None:
            kind = ("number", place.text)
        else:
            kind = ("array", len(groups))
        groups.setdefault(kind, []).append((place, path, item))
    parts = []
    for kind, group in groups.items():
        assert isinstance(kind, tuple)
        is_joined = len(group) > (_MAX_ROWS if kind[0] == "row" else _MAX_SINGLE_NUMBERS)
        parts += [group] if is_joined else [[leaf] for leaf in group]
    return parts
