"""The reference engine: the formulas of `maths` in NumPy, for every problem.

θ, g [K, P]   x [B, D] or [K, B, D]   z [K, B, C]   J [K]
"""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from deltarule.blas_threads import one_blas_thread
from deltarule.engines.base import FLUSH_EVERY, Engine, Trace, flush_subnormals, objective_of_logits
from deltarule.maths import random
from deltarule.maths.elementary import everywhere
from deltarule.maths.network import Taped, backward, flatten, forward, updated_buffers, views
from deltarule.maths.objective import data_term, penalty_term
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

    reason : why there is no compiled program, if one would have been preferred.
    """

    name = "reference"

    def __init__(self, reason: str = "") -> None:
        self.reason = reason

    def advance(self, problem: Problem, state: State, n: int) -> tuple[State, Trace]:
        objective, bad = np.zeros((n, len(state.members)), problem.dtype), np.full(len(state.members), -1)
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
        return (f"the compiled engine has no program for {self.reason}: the reference engine trains this",)

    def outputs(self, problem: Problem, state: State, x: Floats) -> tuple[Floats, Floats]:
        network = problem.network
        parameters, buffers = views(state.theta, network.entries), views(state.buffers, network.buffers)
        with one_blas_thread(), np.errstate(all="ignore"):
            tape, _ = forward(network.layers, parameters, np.asarray(x, problem.dtype), buffers=buffers)
            logits = np.asarray(tape[-1].value)
            return logits, np.asarray(network.output.forward(logits)[0])


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


def forward_pass(
    problem: Problem, state: State, rows: Batch
) -> tuple[Floats, Callable[[], Floats], list[Taped], Floats]:
    """Run a batch in training mode; the second result runs the backward pass.

    θ may be complex, as the complex step needs: then the objective and all intermediate values are.
    """
    network, members = problem.network, state.members
    total = rows.w.sum(-2, keepdims=True)
    keep, rate = dropout_masks(problem, state, rows)
    tape, statistics = forward(
        network.layers,
        views(state.theta, network.entries),
        rows.x,
        share=rows.w / total if network.buffers else None,  # only batch norm needs it
        keep=keep,
        rate=rate,
    )
    J, logits_gradient = data_term(problem.loss, problem.reduction, network.output, tape[-1].value, rows.y, rows.w)
    penalty_gradient = None
    if problem.penalty is not None:
        strength = problem.strength[members, None].astype(problem.dtype)
        chosen = problem.penalized.astype(problem.dtype)
        value, penalty_gradient = penalty_term(problem.penalty, strength, state.theta, chosen, total[..., 0])
        J = J + value

    def gradient() -> Floats:
        slope = 0.0 if penalty_gradient is None else penalty_gradient()
        return np.asarray(flatten(backward(tape, logits_gradient()), network.entries) + slope)

    buffers = state.buffers
    if statistics:
        observed = updated_buffers(views(buffers, network.buffers), statistics, total)
        buffers = np.asarray(flatten(observed, network.buffers))
    return J, gradient, tape, buffers


def whole_objective(problem: Problem, state: State) -> Floats:
    """Return the objective [K] over all training rows, in evaluation mode."""
    rows = all_rows(problem, state.members)
    logits, _ = ReferenceEngine().outputs(problem, state, rows.x)
    return objective_of_logits(problem, state, logits, rows)


def apply_optimizer(
    problem: Problem, state: State, g: Floats, numbers: Numbers | None = None
) -> tuple[Floats, dict[str, Floats]]:
    """Return θ and the slots after an update with the gradient g."""
    optimizer, factors = problem.optimizer, problem.entry_factors
    numbers = next(optimizer_numbers(problem, state, 1)) if numbers is None else numbers
    if problem.clip_norm is not None:
        limit, length = problem.clip_norm[state.members, None].astype(g.dtype), np.sqrt((g * g).sum(-1, keepdims=True))
        g = np.where(length > limit, g * (limit / np.maximum(length, limit)), g)
    slots = [state.slots[name] for name in optimizer.slots]  # by name: a checkpoint may hold them in another order
    norm = {"norm": array_norms(problem, g)} if optimizer.norms else {}
    theta, *slots = optimizer.update(state.theta, g, *slots, **numbers, **norm)
    if factors is not None:
        each = (factors if factors.ndim == 1 else factors[state.members]).astype(theta.dtype)
        theta = np.where(each == 0, state.theta, np.where(each == 1, theta, state.theta + each * (theta - state.theta)))
    return theta, dict(zip(optimizer.slots, slots, strict=True))


def optimizer_numbers(problem: Problem, state: State, n: int) -> Iterator[Numbers]:
    """Yield the optimizer's `Numbers` of each of the next n updates."""
    members, steps, ranges = state.members, state.step + np.arange(n), problem.number_ranges
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
    once, shape = problem.optimizer.once_a_step, numbers["learning_rate"].shape
    if once is None:
        return {name: np.broadcast_to(value, shape).astype(problem.dtype) for name, value in numbers.items()}
    computed = everywhere(once, steps[:, None] + 1.0, **numbers)
    return {name: value.astype(problem.dtype) for name, value in computed.items()}


def array_norms(problem: Problem, g: Floats) -> Floats:
    """Return for each entry of the gradient g [K, P] the norm of its array, [K, P]."""
    norms = np.empty_like(g)
    for entry in problem.network.entries:
        part = g[:, entry.start : entry.stop]
        norms[:, entry.start : entry.stop] = np.sqrt((part * part).sum(-1, keepdims=True))
    return norms


def dropout_masks(
    problem: Problem, state: State, rows: Batch
) -> tuple[dict[int, Floats] | None, dict[int, Floats] | None]:
    """Return the dropout masks [K, B, H] and rates [K, 1, 1] by layer number."""
    if not problem.drops:
        return None, None
    members, keep, rate = state.members, {}, {}
    for layer, rates in zip(problem.network.layers[:-1], problem.dropout[members].T, strict=True):
        n = layer.number
        drawn = random.keep_mask(problem.dropout_seeds[members], n, state.step, rows.positions, layer.units, rates)
        keep[n], rate[n] = drawn.astype(problem.dtype), rates[:, None, None].astype(problem.dtype)
    return keep, rate


def find_finite(state: State, objective: Floats) -> Floats:
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
        return network.layers[-1].number, "loss"
    for prefix, vector, entries in (
        ("running ", result.buffers, network.buffers),
        ("gradient of ", result.gradient, network.entries),
        ("", theta, network.entries),
        *((f"optimizer's {name} of ", slot, network.entries) for name, slot in slots.items()),
    ):
        for entry in reversed(entries):
            if not np.isfinite(vector[:, entry.start : entry.stop]).all():
                return entry.layer, prefix + entry.name
    return network.layers[-1].number, "update"  # of another engine, whose last bits differ from those of this one
