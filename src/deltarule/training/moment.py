"""What an observer of a training sees at one of its steps.

A members that still train · N training rows · H units of a layer
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from deltarule.blas_threads import one_blas_thread
from deltarule.engines.base import Engine, row_parts, split_rows
from deltarule.engines.reference import objective_and_gradient
from deltarule.errors import BadInput
from deltarule.maths.network import forward, views
from deltarule.problem.batches import Batch
from deltarule.problem.problem import Floats, Integers, Problem
from deltarule.problem.state import State


@dataclass(frozen=True, eq=False)
class Moment:
    """A population at one step of its training, for the members that still train.

    What follows from the state is computed when it is first asked for, in evaluation mode unless it says otherwise. A
    moment may be kept; its arrays are never changed.

    Parameters
    ----------
    problem : Problem
        With all members, of which the moment has `members`.
    engine : Engine
        What trains, and computes `outputs`.
    state : State
        Of the members that still train.

    Examples
    --------
    >>> import deltarule
    >>> problem = deltarule.create_problem(deltarule.Network([1, 1]), [[1.0], [2.0]], [0.0, 1.0], members=3)
    >>> def observer(moment):
    ...     print(moment.step, moment.parameters["W1"].shape, moment.outputs.shape)
    >>> run = deltarule.train(problem, max_steps=100, observe=[0, 10], observer=observer)
    0 (3, 1, 1) (3, 2, 1)
    10 (3, 1, 1) (3, 2, 1)
    """

    problem: Problem
    engine: Engine
    state: State

    @property
    def step(self) -> int:
        """The number of updates so far."""
        return self.state.step

    @property
    def members(self) -> Integers:
        """The indices [A] of the members in the problem."""
        return self.state.members

    @cached_property
    def parameters(self) -> dict[str, Floats]:
        """The parameter arrays by name: "W1" [A, D, H] and so on, read-only."""
        theta = self.state.theta.view()
        theta.setflags(write=False)
        return views(theta, self.problem.network.entries)

    @cached_property
    def outputs(self) -> Floats:
        """The outputs [A, N, C] for each member's training rows, by the engine."""
        return self._by_rows(lambda state, rows: {"outputs": outputs_of(self.problem, self.engine, state, rows.x)[1]})[
            "outputs"
        ]

    @cached_property
    def activations(self) -> dict[str, Floats]:
        """The values of the forward pass of the training rows, such as "a1" [A, N, H]."""
        return self._by_rows(lambda state, rows: activations_of(self.problem, state, rows.x))

    @cached_property
    def gradients(self) -> dict[str, Floats]:
        """The gradient of each parameter array over all training rows, in training mode."""
        gradient = self._by_rows(
            lambda state, rows: {"theta": objective_and_gradient(self.problem, state, rows).gradient}
        )["theta"]
        return views(gradient, self.problem.network.entries)

    @cached_property
    def gradient_norms(self) -> dict[str, Floats]:
        """The norm [A] of the gradient of each parameter array."""
        with np.errstate(all="ignore"):
            return {name: np.sqrt((part * part).sum((-2, -1))) for name, part in self.gradients.items()}

    def _by_rows(self, function: Callable[[State, Batch], dict[str, Floats]]) -> dict[str, Floats]:
        """Return a function's values of all members, evaluated together where possible."""
        values: dict[str, Floats] = {}
        for indices, rows in row_parts(self.problem, self.state, None):
            with one_blas_thread(), np.errstate(all="ignore"):
                part_values = function(self.state.take(indices), rows)
            for name, value in part_values.items():
                whole = values.setdefault(name, np.empty((len(self.members), *value.shape[1:]), value.dtype))
                if whole.shape[1:] != value.shape[1:]:
                    raise BadInput("members have unequal numbers of rows; outputs and activations need equally many")
                whole[indices] = value
        return values


def outputs_of(problem: Problem, engine: Engine, state: State, x: Floats) -> tuple[Floats, Floats]:
    """Return logits and outputs of every member, z and a [K, B, C]."""
    parts = [engine.outputs(problem, state, rows) for rows in split_rows(x)]
    if len(parts) == 1:
        return parts[0]
    logits, outputs = (np.concatenate(arrays, axis=-2) for arrays in zip(*parts, strict=True))
    return logits, outputs


def activations_of(problem: Problem, state: State, x: Floats) -> dict[str, Floats]:
    """Return the values [K, B, H] of the forward pass of x by name, such as "z1"."""
    network = problem.network
    parameters, buffers = views(state.theta, network.entries), views(state.buffers, network.buffers)
    with one_blas_thread(), np.errstate(all="ignore"):
        tape, _ = forward(network.layers, parameters, x, buffers=buffers)
        outputs = network.output.forward(tape[-1].value)[0]
    return {taped.name: taped.value for taped in tape} | {f"a{network.layers[-1].number}": outputs}
