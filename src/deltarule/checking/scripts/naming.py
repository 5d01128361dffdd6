"""The names by which a program itself knows its arrays."""

import re
from collections import deque
from collections.abc import Callable, Iterator, Sequence, Set
from types import FrameType, ModuleType
from typing import Any

from deltarule.checking.scripts.places import Path, Place, is_changeable

_MAX_DEPTH, _MAX_OBJECTS, _MAX_ITEMS = 4, 4000, 100


def find_names(
    groups: Sequence[Sequence[tuple[Place, Path, Any]]],
    frame: FrameType,
    value: Callable[[str, FrameType], Any],
    loop_variables: Set[str],
) -> list[str]:
    """A name for each group of parts: an expression in variables of the script that last."""
    known = _names_in_reach(frame, loop_variables)
    names = []
    for group in groups:
        place, path, item = group[0]
        own = place.text + "".join(f"[{key!r}]" for key in path)
        if len(group) > 1:
            whole = (
                place.text if any(other.owner is not place.owner for other, _, _ in group) else own.partition("[")[0]
            )
            names.append(f"{whole} ({sum(map(_size, group))} numbers)")
            continue
        is_passing = own.isidentifier() or bool(loop_variables & set(re.split(r"\W+", own)))
        if is_changeable(item) and (is_passing or value(own, frame) is not item):
            own = known.get(id(item), own)  # not the loop's p of `for p in parameters`
        elif place.kind == "attribute" and (is_passing or value(own, frame) is None):
            owner = known.get(id(place.owner))
            own = f"{owner}.{place.key}" if owner else own
        names.append(own)
    return [
        name if names.count(name) == 1 else f"{name} (no. {names[:index].count(name) + 1})"
        for index, name in enumerate(names)
    ]


def _size(part: tuple[Place, Path, Any]) -> int:
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
                queue.extend((part, text, depth + 1) for part, text in _parts(value, name))
    return names


def _parts(value: Any, name: str) -> Iterator[tuple[Any, str]]:
    if isinstance(value, list | tuple) and len(value) <= _MAX_ITEMS:
        yield from ((item, f"{name}[{index}]") for index, item in enumerate(value))
    elif isinstance(value, dict) and len(value) <= _MAX_ITEMS:
        yield from ((item, f"{name}[{key!r}]") for key, item in value.items())
    elif hasattr(value, "__dict__") and not callable(getattr(value, "__get__", None)):
        yield from ((item, f"{name}.{key}") for key, item in list(vars(value).items())[:_MAX_ITEMS])
