"""Let each call of user code draw the same random numbers, as those of dropout."""

import random
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from types import CodeType, FunctionType
from typing import Any

import numpy as np

from deltarule.checking.user_code.callables import Code, Values
from deltarule.checking.user_code.references import containers_of, contents_of
from deltarule.errors import BadInput
from deltarule.user_functions import quietly


@contextmanager
def random_numbers(roots: Sequence[Any]) -> Iterator["RandomNumbers"]:
    """A context in which sets have an order, and after which all generators are in the state in which they were."""
    numbers = RandomNumbers(roots)
    with ordered_sets(roots):
        try:
            yield numbers
        finally:
            numbers.restore()


class RandomNumbers:
    """The random generators of Python, NumPy and PyTorch, and those that user code refers to."""

    def __init__(self, roots: Sequence[Any]) -> None:
        torch = sys.modules.get("torch")
        held = {id(value): value for value in contents_of(roots)}.values()
        self._generators = [random, np.random, *([torch] if torch else []), *filter(_is_generator, held)]
        self._begin = self._read()
        self._later: list[Any] | None = None

    def restore(self) -> None:
        self._write(self._begin)

    def replayed(self, code: Code) -> Code:
        """The code with the same numbers in each call, if its loss draws any."""
        self.restore()

        def loss() -> Any:
            return quietly(lambda: code.loss([start.copy() for start in code.start]))

        try:
            first_loss = loss()
            after_loss = self._read()
            if _are_equal(self._begin, after_loss) or loss() == first_loss:
                return code
        except BadInput:  # which is reported where the loss is checked
            return code
        self._later = after_loss

        def again(function: Callable[[Values], Any], values: Values) -> Any:
            self.restore()
            return function(values)

        def gradient_with_new_numbers(values: Values) -> Any:
            with self.new_numbers():
                return code.gradient(values)

        code_again = replace(
            code, loss=lambda values: again(code.loss, values), gradient=lambda values: again(code.gradient, values)
        )
        if code.has_own_forward_pass:
            return code_again
        first = _gradient_after_loss(code_again, code.start)
        after_gradient = self._read()
        if _are_equal(self._begin, after_gradient):  # it draws nothing
            return code_again
        if _are_equal(first, _gradient_after_loss(code_again, code.nearby.start)):  # a forward pass of its own
            return replace(code_again, draws_other_numbers=not _are_equal(after_loss, after_gradient))
        # It keeps values of the loss: numbers that it draws beside them, as another mask, are a mistake.
        return replace(code_again, gradient=gradient_with_new_numbers)

    @contextmanager
    def new_numbers(self) -> Iterator[None]:
        """A context with numbers that no earlier call has drawn, where calls draw the same numbers otherwise."""
        if self._later is None:
            yield
        else:
            self._write(self._later)
            yield
            self._later = self._read()

    def _read(self) -> list[Any]:
        return [_read_state(generator) for generator in self._generators]

    def _write(self, states: Sequence[Any]) -> None:
        for generator, state in zip(self._generators, states, strict=True):
            _write_state(generator, state)


def _is_generator(value: Any) -> bool:
    kinds = [random.Random, np.random.RandomState, np.random.Generator]
    torch = sys.modules.get("torch")
    return isinstance(value, tuple([*kinds, torch.Generator] if torch else kinds))


def _read_state(generator: Any) -> Any:
    if isinstance(generator, np.random.Generator):
        return generator.bit_generator.state
    for name in ("getstate", "get_state", "get_rng_state"):
        if hasattr(generator, name):
            return getattr(generator, name)()
    raise TypeError(f"{type(generator).__name__} has no state")


def _write_state(generator: Any, state: Any) -> None:
    if isinstance(generator, np.random.Generator):
        generator.bit_generator.state = state
    else:
        name = next(name for name in ("setstate", "set_state", "set_rng_state") if hasattr(generator, name))
        getattr(generator, name)(state)


def _gradient_after_loss(code: Code, values_of_loss: Values) -> Any:
    try:
        quietly(lambda: code.loss([value.copy() for value in values_of_loss]))
        return quietly(lambda: code.gradient([value.copy() for value in code.start]))
    except BadInput:  # code that fails there
        return None


def _are_equal(first: Any, second: Any) -> bool:
    """Whether two states, or two lists of arrays, are the same."""
    if isinstance(first, dict):
        return all(_are_equal(first[name], second[name]) for name in first)
    if isinstance(first, list | tuple):
        return second is not None and len(first) == len(second) and all(map(_are_equal, first, second))
    return bool(np.array_equal(first, second))


class OrderedSet(set[Any]):
    """A set that keeps the order in which items were added."""

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
    spaces = {id(d): d for root in roots for d in containers_of(root) if isinstance(d, dict)}
    changed = [d for d in spaces.values() if "__builtins__" in d and "set" not in d and _makes_sets(d)]
    for space in changed:
        space["set"] = OrderedSet
    try:
        yield
    finally:
        for space in changed:
            space.pop("set", None)


def _makes_sets(space: dict[str, Any]) -> bool:
    functions = [value for value in space.values() if isinstance(value, FunctionType)]
    for kind in [value for value in space.values() if isinstance(value, type)]:
        if kind.__module__ == space.get("__name__"):
            functions += [member for member in vars(kind).values() if isinstance(member, FunctionType)]
    return any(_uses_set(function.__code__) for function in functions)


def _uses_set(code: CodeType) -> bool:
    return "set" in code.co_names or any(_uses_set(item) for item in code.co_consts if isinstance(item, CodeType))
