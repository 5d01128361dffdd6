"""The contract of an engine."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from deltarule.problem.problem import Floats, Integers, Problem
from deltarule.problem.state import State

FLUSH_EVERY = 100
"""Updates after which whatever has become denormal in θ and in the optimizer's slots becomes 0.

A penalty lets the weights of a unit that is never active decay for ever, and products with denormal numbers take a
processor forty times as long, in training and in every answer. It goes by the number of the step, so that it makes
no difference how a training is divided.
"""


@dataclass(frozen=True, eq=False)
class Trace:
    """What an engine saw while it advanced K members by n updates.

    objective [n, K]  each member's objective on its batch, before each update
    bad [K]           the first step at which the objective, or what the update made of the state, is not finite; or −1
    """

    objective: Floats
    bad: Integers


class Engine(Protocol):
    """Two functions of a problem and a state. They never change the state that they are given.

    A member's result depends on nothing but the member: not on which others are in the state, on how the updates are
    divided into calls, or on the number of threads. All bits are the same.
    """

    name: str

    def advance(self, problem: Problem, state: State, n: int) -> tuple[State, Trace]:
        """Make n updates. A member that is no longer finite goes on by the same rules; the trace says since when."""

    def outputs(self, problem: Problem, state: State, x: Floats) -> tuple[Floats, Floats]:
        """The logits and outputs of every member in evaluation mode.   x [B, D] or [K, B, D]  →  z, a [K, B, C]"""

    def logits(self, problem: Problem, state: State, x: Floats) -> Floats:
        """The logits alone, in evaluation mode.   x [B, D] or [K, B, D]  →  z [K, B, C]"""
        return self.outputs(problem, state, x)[0]

    def notes(self, problem: Problem) -> tuple[str, ...]:
        """What a person should be told of how this problem is advanced; mostly nothing."""

    def __repr__(self) -> str:
        return f"Engine '{self.name}'"


def flush_subnormals(array: Floats) -> Floats:
    """The array with 0 for what is smaller than the least normal number of its kind.

    >>> flush_subnormals(np.array([1.0, -1e-310, np.nan]))
    array([ 1.,  0., nan])
    """
    return np.where(np.abs(array) < np.finfo(array.dtype).tiny, array.dtype.type(0), array)
