"""Let the sets that user code makes keep an order: by identity, objects have another one in each call."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from types import CodeType, FunctionType
from typing import Any

from deltarule.checking.user_code.references import containers_of


class OrderedSet(set[Any]):
    """A set whose items come in the order in which they were added."""

    def __init__(self, items: Iterable[Any] = ()) -> None:
        super().__init__()
        self._order: dict[Any, None] = {}
        self.update(items)

    def __iter__(self) -> Iterator[Any]:
        return iter([item for item in self._order if item in self])

    def add(self, item: Any) -> None:
        super().add(item)
        self._order[item] = None

    def update(self, *several: Iterable[Any]) -> None:
        for item in (item for items in several for item in items):
            self.add(item)


@contextmanager
def ordered_sets(roots: Sequence[Any]) -> Iterator[None]:
    """A context in which `set` in the modules of user code is one with an order."""
    spaces = {id(one): one for root in roots for one in containers_of(root) if isinstance(one, dict)}
    changed = [one for one in spaces.values() if "__builtins__" in one and "set" not in one and _makes_sets(one)]
    for space in changed:
        space["set"] = OrderedSet
    try:
        yield
    finally:
        for space in changed:
            space.pop("set", None)


def _makes_sets(space: dict[str, Any]) -> bool:
    functions = [one for one in space.values() if isinstance(one, FunctionType)]
    for kind in (one for one in space.values() if isinstance(one, type) and one.__module__ == space.get("__name__")):
        functions += [one for one in vars(kind).values() if isinstance(one, FunctionType)]
    return any(_uses_set(one.__code__) for one in functions)


def _uses_set(code: CodeType) -> bool:
    return "set" in code.co_names or any(_uses_set(one) for one in code.co_consts if isinstance(one, CodeType))
