"""The state that an engine advances: parameters, slots and running statistics."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deltarule import platforms
from deltarule.blas_threads import one_blas_thread
from deltarule.errors import count_of
from deltarule.maths.network import flatten, numbered
from deltarule.problem.problem import Floats, Integers, Problem

MAX_NUMBERS_DRAWN_AT_ONCE = 2**17
"""Initial weights drawn in one call: several times as much stays in a processor's cache."""


@dataclass(frozen=True, eq=False)
class State:
    """Parameters, slots and running statistics of K members after `step` updates.

    theta [K, P]     parameters
    slots            the optimizer's arrays by name, each [K, P]
    buffers [K, Q]   running statistics of layers
    factor [K]       multiplies the scheduled learning rate: 1, or less under "adaptive"
    members [K]      the members' indices in the problem
    step             number of updates; with the seeds and row counts it determines the next batch
    """

    theta: Floats
    slots: Mapping[str, Floats]
    buffers: Floats
    factor: Floats
    members: Integers
    step: int = 0

    def take(self, chosen: NDArray[Any] | slice) -> "State":
        """The state of members: indices, a mask [K], or a slice, which copies nothing."""
        return replace(
            self,
            theta=self.theta[chosen],
            slots={name: slot[chosen] for name, slot in self.slots.items()},
            buffers=self.buffers[chosen],
            factor=self.factor[chosen],
            members=self.members[chosen],
        )

    @classmethod
    def concatenate(cls, states: Sequence["State"]) -> "State":
        """The state of the members of several states at one step, numbered anew."""
        arrays = {
            name: np.concatenate([getattr(state, name) for state in states]) for name in ("theta", "buffers", "factor")
        }
        slots = {name: np.concatenate([state.slots[name] for state in states]) for name in states[0].slots}
        return cls(slots=slots, members=np.arange(len(arrays["theta"])), step=states[0].step, **arrays)

    def put(self, chosen: NDArray[Any], part: "State") -> "State":
        """A copy with the arrays of `part` for the members `chosen`, at its step."""
        copy = replace(self.take(np.arange(len(self.members))), step=part.step)
        copy.overwrite(chosen, part)
        return copy

    def overwrite(self, chosen: NDArray[Any], part: "State") -> None:
        self.theta[chosen], self.buffers[chosen], self.factor[chosen] = part.theta, part.buffers, part.factor
        for name, slot in self.slots.items():
            slot[chosen] = part.slots[name]

    def __repr__(self) -> str:
        members, width = self.theta.shape
        return f"State of {count_of(members, 'member')} of {count_of(width, 'parameter')}, update {self.step:,}"


def initial_state(problem: Problem, theta: Floats | None = None) -> State:
    """The state before the first update, from `theta` [K, P] or the members' seeds."""
    network, members = problem.network, problem.members
    theta = _draw_initial_theta(problem) if theta is None else theta.astype(problem.dtype)
    buffers = np.zeros((members, network.buffers[-1].stop if network.buffers else 0), problem.dtype)
    starts = [start for placed in network.layers for start in placed.layer.statistics.values()]
    for entry, start in zip(network.buffers, starts, strict=True):
        buffers[:, entry.start : entry.stop] = start
    return State(
        theta=theta,
        slots={name: np.zeros_like(theta) for name in problem.optimizer.slots},
        buffers=buffers,
        factor=np.ones(members),
        members=np.arange(members),
    )


def _draw_initial_theta(problem: Problem) -> Floats:
    """Draw the initial parameters of all members, in chunks on several threads."""
    network, members = problem.network, problem.members
    theta = np.empty((members, network.parameters), problem.dtype)
    size = max(1, MAX_NUMBERS_DRAWN_AT_ONCE // network.parameters)
    chunks = [slice(start, start + size) for start in range(0, members, size)]

    def draw(chunk: slice) -> None:
        theta[chunk] = flatten(_draw_arrays(problem, chunk), network.entries)

    with one_blas_thread():  # for orthogonal ones
        if len(chunks) == 1:
            draw(chunks[0])
        else:
            list(platforms.thread_pool(platforms.processor_count(), "draw").map(draw, chunks))
    return theta


def _draw_arrays(problem: Problem, members: slice) -> dict[str, Floats]:
    """Draw the initial parameter arrays of a slice of the members, by name."""
    network = problem.network
    seeds = problem.seeds[members]
    scale = problem.initial_scale[members, None, None]
    arrays: dict[str, Floats] = {}
    for placed in network.layers:
        drawn = Counter[str]()
        for symbol, own in placed.layer.arrays.items():
            name = numbered(symbol, placed.number)
            shape = placed.shape(own.shape)
            if own.start is not None:
                arrays[name] = np.full((len(seeds), *shape), own.start)
                continue
            law = network.initializers[placed.number - 1]
            draw = law.weights if own.role == "weights" else law.bias
            fans = shape if own.role == "weights" else (placed.inputs, shape[1])
            # The number of a layer takes 16 bits; the bits above tell its arrays apart.
            arrays[name] = draw(seeds, placed.number | drawn[own.role] << 16, *fans) * scale
            drawn[own.role] += 1
    return arrays
