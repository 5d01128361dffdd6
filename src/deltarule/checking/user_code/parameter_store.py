"""Read, overwrite and restore parameters that user code reads in place."""

from collections.abc import Callable, Sequence
from itertools import combinations

import numpy as np

from deltarule.checking.user_code.arrays import Arrays
from deltarule.errors import BadInput
from deltarule.problem.problem import Floats


class ParameterStore:
    """The arrays that user code reads in place.

    find     returns the current arrays: code may create new ones in an update
    assign   stores a plain number under its name; without it all parameters have to be arrays
    """

    def __init__(self, find: Callable[[], Arrays], assign: Callable[[str, float], None] | None = None) -> None:
        self._find, self._assign = find, assign
        first = find()
        for (name, value), (other, other_value) in combinations(zip(first.names, first.values, strict=True), 2):
            if np.shares_memory(value, other_value):
                raise BadInput(f"{name} and {other} share memory, so that one moves the other; name one of them")
        for name, value, leaf in zip(first.names, first.values, first.leaves, strict=True):
            if assign is not None and isinstance(leaf, float):
                continue
            if not isinstance(leaf, np.ndarray):
                kind = "list" if isinstance(leaf, list) else "plain number"
                raise BadInput(f"{name} is a {kind}, which cannot be moved from outside; make it an array")
            if not value.flags.writeable:
                raise BadInput(f"{name} is read-only, so that it cannot be moved; give a writable array")
        self.names = first.names
        self._start = tuple(value.copy() for value in first.values)

    def read(self) -> tuple[Floats, ...]:
        """Copies of the current arrays."""
        return tuple(value.copy() for value in self._find().values)

    def current(self) -> Arrays:
        """The current arrays themselves."""
        return self._find()

    def write(self, values: Sequence[Floats]) -> None:
        """Write values into the current arrays."""
        current = self._find()
        for name, array, leaf, value in zip(current.names, current.values, current.leaves, values, strict=True):
            if self._assign is not None and isinstance(leaf, float):
                self._assign(name, float(value))
            else:
                array[...] = value

    def restore(self) -> None:
        """Write the original values back."""
        self.write(self._start)
