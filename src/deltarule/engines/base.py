"""The protocol of engines, their trace, and the flushing of subnormal numbers."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from deltarule.problem.problem import Floats, Integers, Problem
from deltarule.problem.state import State

FLUSH_EVERY = 100
"""The interval, in updates, at which subnormal numbers in θ and in the optimizer's slots are set to 0.

A penalty lets the weights of a unit that is never active decay for ever, and products with subnormal numbers take a
processor forty times as long, in training and in every prediction. The interval counts steps from the start of the
training, so that the result does not depend on how the training is divided into calls.
"""


@dataclass(frozen=True, eq=False)
class Trace:
    """The objectives before each of n updates, and the first nonfinite steps.

    objective [n, K]  each member's objective on its batch, before each update
    bad [K]           the first step at which the objective or the updated state is not finite; −1 if there is none
    """

    objective: Floats
    bad: Integers


class Engine(Protocol):
    """An engine: `advance` makes updates, `outputs` computes outputs.

    A member's result depends on nothing but the member: not on the other members of the state, on how the updates are
    divided into calls, or on the number of threads. All bits are the same.
    """

    name: str

    def advance(self, problem: Problem, state: State, n: int) -> tuple[State, Trace]:
        """Return the state after n updates, and their trace."""

    def outputs(self, problem: Problem, state: State, x: Floats) -> tuple[Floats, Floats]:
        """Evaluation-mode logits and outputs.   x [B, D] or [K, B, D]  →  z, a [K, B, C]"""

    def logits(self, problem: Problem, state: State, x: Floats) -> Floats:
        """Evaluation-mode logits.   x [B, D] or [K, B, D]  →  z [K, B, C]"""
        return self.outputs(problem, state, x)[0]

    def notes(self, problem: Problem) -> tuple[str, ...]:
        """Return notes for the user on how this problem is advanced."""

    def __repr__(self) -> str:
        return f"Engine '{self.name}'"


def flush_subnormals(array: Floats) -> Floats:
    """Return a copy of an array in which subnormal numbers of its dtype are 0.

    >>> flush_subnormals(np.array([1.0, -1e-310, np.nan]))
    array([ 1.,  0., nan])
    """
    return np.where(np.abs(array) < np.finfo(array.dtype).tiny, array.dtype.type(0), array)
