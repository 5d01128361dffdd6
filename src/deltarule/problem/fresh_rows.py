"""Rows that a function makes for each update, in place of batches of a data set.

K members · B rows of a batch · D inputs · C outputs
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deltarule.errors import BadInput, short_repr
from deltarule.problem.formula_fingerprint import formula_digest

Pair = tuple[NDArray[Any], NDArray[Any]]


@dataclass(frozen=True, eq=False)
class FreshRows:
    """A function of the update's number that returns the rows of its batch.

    function   step → x [B, D] and y [B, C], or [K, B, D] and [K, B, C] with rows of their own for members
    check      turns what it returns into arrays that fit the problem
    shape      of x: (B,), or (K, B)
    members    whose rows are taken from [K, B, D]; None if all members share their rows
    updates    of how many updates a problem holds the rows: 1, or those of a compiled program's window
    """

    function: Callable[[int], Any]
    check: Callable[[Any, Any], Pair]
    shape: tuple[int, ...] = ()
    members: NDArray[np.int64] | None = None
    updates: int = 1

    @property
    def count(self) -> int:
        """B."""
        return self.shape[-1]

    @cached_property
    def digest(self) -> str:
        """A digest of what the function computes."""
        return formula_digest([self.function, self.check])

    def at(self, step: int) -> Pair:
        """Inputs and targets of an update, for the problem's members [K, B, D] if these have rows of their own."""
        x, y = self._called(step)
        if x.shape[:-1] != self.shape:
            raise BadInput(
                f"rows({step}) returns inputs of the shape {x.shape} and rows(0) {(*self.shape, x.shape[-1])}; return "
                "equally many for each update"
            )
        return (x, y) if self.members is None else (x[self.members], y[self.members])

    def first(self) -> "FreshRows":
        """Call the function for the first update, and return these rows with their shape."""
        pairs = [self._called(0), self._called(0)]
        if not all(map(np.array_equal, *pairs)):
            raise BadInput(
                "rows(0) returns other numbers when it is called again, so a training could not be resumed; draw them "
                "from the step, such as by numpy.random.default_rng([seed, step])"
            )
        shape = pairs[0][0].shape[:-1]
        return replace(self, shape=shape, members=np.arange(shape[0]) if len(shape) > 1 else None)

    def take(self, chosen: NDArray[np.int64]) -> "FreshRows":
        """The rows of the members with the indices `chosen`."""
        return self if self.members is None else replace(self, members=self.members[chosen])

    def _called(self, step: int) -> Pair:
        returned = self.function(step)
        if not isinstance(returned, tuple) or len(returned) != 2:
            raise BadInput(f"rows({step}) returns {short_repr(returned)}; return inputs and targets, as (x, y)")
        try:
            return self.check(*returned)
        except BadInput as error:
            raise BadInput(f"rows({step}): {error}") from None
