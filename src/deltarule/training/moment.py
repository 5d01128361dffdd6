"""What a function of `record` sees of a training at a step.

A members that still train · N training rows · H units of a layer
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from functools import cached_property
from typing import Any

import numpy as np

from deltarule.blas_threads import one_blas_thread
from deltarule.engines.base import Engine, outputs_of, row_parts
from deltarule.engines.reference import objective_and_gradient
from deltarule.errors import BadInput, count_of
from deltarule.maths.elementary import Fixed
from deltarule.maths.layers import DROPOUT
from deltarule.maths.network import evaluated, views
from deltarule.maths.objective import data_term
from deltarule.problem import validation
from deltarule.problem.batches import Batch, all_rows
from deltarule.problem.kept import once_for_problem
from deltarule.problem.network import Network
from deltarule.problem.problem import Floats, Integers, Problem
from deltarule.problem.state import State
from deltarule.training.lanczos import MAX_STEPS, largest_eigenvalues

MAX_NUMBERS_AT_ONCE = 2**22
"""The inputs and unit values, 32 MB, of the members whose gradients are computed together."""

COMPLEX_STEP = 1e-20
"""Its square is below the last digit of any number that it is added to, and the step itself above the smallest one of
single precision."""


@once_for_problem
def _frozen(problem: Problem) -> Problem:
    """A read-only view of a problem.

    Moments of one training share what is computed once for the problem.
    """
    frozen: Problem = _read_only(problem)
    return frozen


@dataclass(frozen=True, eq=False)
class Moment:
    """A population at one step of its training, for the members that still train.

    What follows from the state is computed when it is first asked for, in evaluation mode unless it says otherwise. A
    moment may be kept; its parameters, and the arrays of its problem and state, are read-only.

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
    >>> def largest(moment):
    ...     return abs(moment.outputs).max((1, 2))
    >>> run = deltarule.train(problem, max_steps=100, record={"largest": largest}, history_every=[0, 10])
    >>> run.history.series("largest").shape
    (2, 3)
    """

    problem: Problem
    engine: Engine
    state: State

    def __post_init__(self) -> None:
        object.__setattr__(self, "problem", _frozen(self.problem))
        object.__setattr__(self, "state", _read_only(self.state))

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
        """The parameter arrays by name: "W1" [A, D, H] and so on."""
        return views(self.state.theta, self.problem.network.entries)

    @cached_property
    def outputs(self) -> Floats:
        """The outputs [A, N, C] for each member's training rows, by the engine."""
        return self._by_rows(lambda state, rows: {"outputs": outputs_of(self.problem, self.engine, state, rows.x)[1]})[
            "outputs"
        ]

    @cached_property
    def activations(self) -> dict[str, Floats]:
        """The values of the forward pass of the training rows, such as "a1" [A, N, H]."""
        network = self.problem.network
        return self._by_rows(lambda state, rows: activations_of(network, state.theta, state.buffers, rows.x))

    @cached_property
    def objective(self) -> Floats:
        """The objective [A] over all training rows."""
        return self.engine.evaluate(self.problem, self.state, None, {})["objective"]

    @cached_property
    def deltas(self) -> dict[str, Floats]:
        """The objective's derivatives by values of the rows, in training mode: "z1" [A, N, H] and so on."""
        return self._by_rows(lambda state, rows: _slopes(self.problem, state, rows))

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

    def on(self, x: Any, y: Any) -> "Moment":
        """Return the same members on other rows.

        Parameters
        ----------
        x : array-like, [N, D]
        y : array-like, [N, C]

        Returns
        -------
        Moment
        """
        problem = self.problem
        x, y = validation.check_rows(x, y, problem.network, problem.loss, problem.dtype.name)
        return replace(self, problem=replace(problem, x=x, y=y, rows=None, weights=None, row_order=None, fresh=None))

    def hvp(self, vectors: Mapping[str, Any]) -> dict[str, Floats]:
        """Multiply each member's Hessian, in training mode, by a vector (by complex steps, as exactly as a gradient).

        Parameters
        ----------
        vectors : dict of str to array-like
            Parts of the vector by the names of the parameters, "W1" [A, D, H] and so on; those left out are 0.

        Returns
        -------
        dict of str to array
            The products: derivatives of the gradient in the direction of the vector, with its shapes.
        """
        vector = np.zeros_like(self.state.theta)
        validation.fill_arrays("hvp", views(vector, self.problem.network.entries), vectors)
        return views(self._hessian_product(vector), self.problem.network.entries)

    def sharpness(self, k: int = 1) -> Floats:
        """Compute the largest eigenvalues of each member's Hessian, in training mode.

        Parameters
        ----------
        k : int, default 1
            How many.

        Returns
        -------
        array, [A], or [A, k] for k > 1
            Each is within 10⁻⁷ of the size of the largest one in size, unless 200 steps do not get there.
        """
        k = validation.whole("k", k)
        parameters = self.problem.network.parameters
        if k > parameters:
            raise BadInput(f"k is {k}, and the network has {count_of(parameters, 'parameter')}; give no more")
        count = max(1, MAX_NUMBERS_AT_ONCE // (parameters * min(parameters, MAX_STEPS)))
        parts = np.array_split(np.arange(len(self.members)), -(-len(self.members) // count))
        moments = [replace(self, state=self.state.take(part)) for part in parts]
        values = [largest_eigenvalues(each._hessian_product, len(each.members), parameters, k) for each in moments]
        return np.concatenate(values)[:, 0] if k == 1 else np.concatenate(values)

    def _hessian_product(self, vector: Floats) -> Floats:
        """H v [A, P]: the imaginary part of the gradient at θ + i h v, divided by h."""

        def product(state: State, rows: Batch) -> dict[str, Floats]:
            direction = vector[np.searchsorted(self.members, state.members)]
            moved = replace(state, theta=state.theta + 1j * COMPLEX_STEP * direction.astype(np.float64))
            return {"": objective_and_gradient(self.problem, moved, rows).gradient.imag / COMPLEX_STEP}

        return self._by_rows(product)[""]

    def _by_rows(self, function: Callable[[State, Batch], dict[str, Floats]]) -> dict[str, Floats]:
        """Return a function's values of all members, evaluated together where possible."""
        values: dict[str, Floats] = {}
        widths = sum(self.problem.network.sizes)
        for group, rows in row_parts(self.problem, self.state, None):
            is_shared = rows.x.ndim == rows.w.ndim == 2
            part_count = -(-len(group) * rows.x.shape[-2] * widths // MAX_NUMBERS_AT_ONCE)
            if part_count == 1 and len(group) == len(self.members):  # the common case, without a copy
                return self._quietly(function, self.state, rows)
            for indices in np.array_split(group, min(len(group), part_count)):
                of_part = rows if is_shared or part_count == 1 else all_rows(self.problem, self.members[indices])
                for name, value in self._quietly(function, self.state.take(indices), of_part).items():
                    whole = values.setdefault(name, np.empty((len(self.members), *value.shape[1:]), value.dtype))
                    if whole.shape[1:] != value.shape[1:]:
                        raise BadInput(
                            "members have unequal numbers of rows; outputs and activations need equally many"
                        )
                    whole[indices] = value
        return values

    @staticmethod
    def _quietly(function: Callable[[State, Batch], dict[str, Floats]], state: State, rows: Batch) -> dict[str, Floats]:
        with one_blas_thread(), np.errstate(all="ignore"):
            return function(state, rows)


def _slopes(problem: Problem, state: State, rows: Batch) -> dict[str, Floats]:
    """Return the slope of the objective in each value of the forward pass, by name."""
    tape = objective_and_gradient(problem, state, rows).tape
    upstream = data_term(problem.loss, problem.reduction, problem.network.output, tape[-1].value, rows.y, rows.w)[1]()
    slopes = {}
    for taped in reversed(tape):
        slopes[taped.name] = np.broadcast_to(upstream, taped.value.shape)
        upstream = taped.backward(upstream)[0]
    return slopes


def _read_only(value: Any) -> Any:
    """Return a value with read-only views of all its arrays, without copying any."""
    if isinstance(value, np.ndarray):
        value = value.view()
        value.setflags(write=False)
    elif isinstance(value, Problem | State):
        return replace(value, **{field.name: _read_only(getattr(value, field.name)) for field in fields(value)})
    elif isinstance(value, tuple) and value and isinstance(value[0], np.ndarray):
        return tuple(map(_read_only, value))
    elif isinstance(value, Mapping):
        return Fixed({name: _read_only(part) for name, part in value.items()})
    return value


def activations_of(network: Network, theta: Floats, buffers: Floats, x: Floats) -> dict[str, Floats]:
    """Return the values [K, B, H] of the forward pass of x by name, such as "z1"."""
    parameters, statistics = views(theta, network.entries), views(buffers, network.buffers)
    with one_blas_thread(), np.errstate(all="ignore"):
        values = evaluated(network.layers, parameters | statistics, x)
        outputs = network.output.forward(values[network.layers[-1].name])[0]
    named = {placed.name: values[placed.name] for placed in network.layers if placed.formula != DROPOUT}
    return named | {f"a{network.depth}": outputs}
