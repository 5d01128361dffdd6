"""The reference engine: the formulas of `maths` in NumPy, for every problem.

θ, g [K, P]   x [B, D] or [K, B, D]   z [K, B, C]   J [K]
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from deltarule.blas_threads import one_blas_thread
from deltarule.engines.base import FLUSH_EVERY, Engine, Trace, flush_subnormals, objective_of_logits
from deltarule.maths import random
from deltarule.maths.elementary import everywhere
from deltarule.maths.network import Taped, evaluated, views
from deltarule.maths.update import Objective, TrainingPass, optimizer_step, training_pass
from deltarule.problem.batches import Batch, all_rows, batch, groups
from deltarule.problem.problem import Floats, Integers, Problem
from deltarule.problem.state import State

Numbers = dict[str, Floats]
"""What an optimizer's update takes beside θ, g and its slots: hyperparameters by name, or, if the optimizer computes
its numbers once a step, these by index. Each is [K, 1], or [K, P] where it is not the same for all of θ."""


class Pass(NamedTuple):
    """The result of a forward and a backward pass."""

    objective: Floats
    gradient: Floats
    tape: list[Taped]
    buffers: Floats


class ReferenceEngine(Engine):
    """Trains a network or a population in NumPy, with the formulas of `maths`.

    reason : why no compiled program trains this, if one would have been preferred.
    """

    name = "reference"

    def __init__(self, reason: str = "") -> None:
        self.reason = reason

    def advance(self, problem: Problem, state: State, n: int) -> tuple[State, Trace]:
        objective = np.zeros((n, len(state.members)), problem.dtype)
        bad = np.full(len(state.members), -1)
        after = replace(state, step=state.step + n)
        with one_blas_thread(), np.errstate(all="ignore"):
            # Members with equally many rows are updated together; others would need padding, which changes bits.
            for group in groups(problem, state.members):
                part = state.take(group)
                for i, numbers in enumerate(optimizer_numbers(problem, part, n)):
                    part, before = update(problem, part, numbers)
                    objective[i, group] = before
                    is_sound = find_finite(part, before)
                    if not is_sound.all():
                        bad[group[~is_sound & (bad[group] < 0)]] = part.step - 1
                after = after.put(group, part) if len(group) < len(state.members) else part
        return after, Trace(objective, bad)

    def notes(self, problem: Problem) -> tuple[str, ...]:
        if not self.reason:
            return ()
        return (f"{self.reason}: the reference engine trains this",)

    def outputs(self, problem: Problem, state: State, x: Floats) -> tuple[Floats, Floats]:
        network = problem.network
        parameters = views(state.theta, network.entries) | views(state.buffers, network.buffers)
        with one_blas_thread(), np.errstate(all="ignore"):
            logits = evaluated(network.layers, parameters, np.asarray(x, problem.dtype))[network.layers[-1].name]
            return np.asarray(logits), np.asarray(network.output.forward(logits)[0])


def update(problem: Problem, state: State, numbers: Numbers | None = None) -> tuple[State, Floats]:
    """Make one update of members with equally many rows."""
    result = objective_and_gradient(problem, state, batch(problem, state.members, state.step))
    theta, slots = apply_optimizer(problem, state, result.gradient, numbers)
    if (state.step + 1) % FLUSH_EVERY == 0:
        theta, slots = flush_subnormals(theta), {name: flush_subnormals(slot) for name, slot in slots.items()}
    return State(theta, slots, result.buffers, state.factor, state.members, state.step + 1), result.objective


def objective_and_gradient(problem: Problem, state: State, rows: Batch) -> Pass:
    objective, gradient, tape, buffers = forward_pass(problem, state, rows)
    return Pass(objective, gradient(), tape, buffers)


def forward_pass(problem: Problem, state: State, rows: Batch) -> TrainingPass:
    """Run a batch in training mode."""
    penalty = {}
    if problem.penalty is not None:
        penalty["strength"] = problem.strength[state.members, None].astype(problem.dtype)
        penalty["penalized"] = problem.penalized.astype(problem.dtype)
    arrays = state.theta, state.buffers, rows.x, rows.y, rows.w
    return training_pass(objective_of(problem), *arrays, dropped=dropout_masks(problem, state, rows), **penalty)


def objective_of(problem: Problem) -> Objective:
    """Return what training minimizes."""
    network = problem.network
    formulas = (problem.loss, problem.reduction, problem.penalty)
    return Objective(network.layers, network.output, network.entries, network.buffers, *formulas)


def whole_objective(problem: Problem, state: State) -> Floats:
    """Return the objective [K] over all training rows, in evaluation mode."""
    rows = all_rows(problem, state.members)
    logits, _ = ReferenceEngine().outputs(problem, state, rows.x)
    return objective_of_logits(problem, state, logits, rows)


def apply_optimizer(
    problem: Problem, state: State, g: Floats, numbers: Numbers | None = None
) -> tuple[Floats, dict[str, Floats]]:
    """Return θ and the slots after an update with the gradient g."""
    optimizer = problem.optimizer
    factors = problem.entry_factors
    numbers = next(optimizer_numbers(problem, state, 1)) if numbers is None else numbers
    longest = None if problem.clip_norm is None else problem.clip_norm[state.members, None].astype(g.dtype)
    if factors is not None:
        factors = (factors if factors.ndim == 1 else factors[state.members]).astype(state.theta.dtype)
    slots = [state.slots[name] for name in optimizer.slots]  # by name: a checkpoint may hold them in another order
    theta, *slots = optimizer_step(
        optimizer, problem.network.entries, state.theta, g, slots, numbers, longest=longest, factors=factors
    )
    return theta, dict(zip(optimizer.slots, slots, strict=True))


def optimizer_numbers(problem: Problem, state: State, n: int) -> Iterator[Numbers]:
    """Yield the optimizer's `Numbers` of each of the next n updates."""
    members = state.members
    steps = state.step + np.arange(n)
    ranges = problem.number_ranges
    numbers = {name: value[members] for name, value in problem.numbers.items()}
    numbers["learning_rate"] = problem.rates(members, steps) * state.factor
    range_numbers = [_step_numbers(problem, steps, problem.range_numbers(part, numbers)) for part in ranges]
    by_range = {}
    for name, first in range_numbers[0].items():
        others = [each[name] for each in range_numbers[1:]]
        is_same = all(np.array_equal(first, other) for other in others)
        by_range[name] = first[..., None] if is_same else np.stack([first, *others], -1)
    range_of = np.repeat(np.arange(len(ranges)), [part.stop - part.start for part in ranges])  # [P]
    for i in range(n):
        yield {
            name: value[i] if value.shape[-1] == 1 else value[i].take(range_of, axis=1)
            for name, value in by_range.items()
        }


def _step_numbers(problem: Problem, steps: Integers, numbers: dict[str, Floats]) -> Numbers:
    """Return the numbers of the optimizer's update at the steps [n], each [n, K]."""
    once = problem.optimizer.once_a_step
    shape = numbers["learning_rate"].shape
    if once is None:
        return {name: np.broadcast_to(value, shape).astype(problem.dtype) for name, value in numbers.items()}
    computed = everywhere(once, steps[:, None] + 1.0, **numbers)
    return {name: value.astype(problem.dtype) for name, value in computed.items()}


def dropout_masks(problem: Problem, state: State, rows: Batch) -> dict[str, Floats]:
    """Return the dropout masks keep1 … [K, B, H] and rates dropout1 … [K, 1, 1], if any unit is dropped."""
    members = state.members
    masks = {}
    if problem.drops:
        for placed, rates in zip(problem.network.dropouts, problem.dropout[members].T, strict=True):
            n = placed.number
            seeds = problem.dropout_seeds[members]
            drawn = random.keep_mask(seeds, n, state.step, rows.positions, placed.units, rates)
            masks[f"keep{n}"] = drawn.astype(problem.dtype)
            masks[f"dropout{n}"] = rates[:, None, None].astype(problem.dtype)
    return masks


def find_finite(state: State, objective: Floats) -> Floats:
    """Which members [A] have a finite objective, weights, buffers and slots."""
    arrays = (objective, state.theta, state.buffers, *state.slots.values())
    # A sum of squares is finite only if all are, and takes a third of the time of testing each.
    if np.isfinite(sum(np.vdot(array, array) for array in arrays)):
        return np.ones(len(objective), bool)
    is_sound = np.isfinite(objective) & np.isfinite(state.theta).all(-1) & np.isfinite(state.buffers).all(-1)
    for slot in state.slots.values():
        is_sound &= np.isfinite(slot).all(-1)
    return np.asarray(is_sound)


def first_nonfinite(problem: Problem, state: State) -> tuple[int, str]:
    """Repeat the update of a single member, and return the first nonfinite array.

    In this order: the forward pass, the loss, the running statistics, the gradient, the updated parameters and slots.
    """
    network = problem.network
    with one_blas_thread(), np.errstate(all="ignore"):
        result = objective_and_gradient(problem, state, batch(problem, state.members, state.step))
        theta, slots = apply_optimizer(problem, state, result.gradient)
    for taped in result.tape:
        if not np.isfinite(taped.value).all():
            return taped.layer, taped.name
    if not np.isfinite(result.objective).all():
        return network.depth, "loss"
    for prefix, vector, entries in (
        ("running ", result.buffers, network.buffers),
        ("gradient of ", result.gradient, network.entries),
        ("", theta, network.entries),
        *((f"optimizer's {name} of ", slot, network.entries) for name, slot in slots.items()),
    ):
        for entry in reversed(entries):
            if not np.isfinite(vector[:, entry.start : entry.stop]).all():
                return entry.layer, prefix + entry.name
    return network.depth, "update"  # of another engine, whose last bits differ from those of this one
