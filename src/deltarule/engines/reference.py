"""The reference engine: NumPy, the formulas of `maths` as they stand. For reading, for proofs, for anything.

θ, g [K, P]   x [B, D] or [K, B, D]   z [K, B, C]   J [K]
"""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from deltarule.blas_threads import one_blas_thread
from deltarule.engines.base import FLUSH_EVERY, Engine, Trace, flush_subnormals
from deltarule.errors import BadInput
from deltarule.maths import random
from deltarule.maths.elementary import everywhere
from deltarule.maths.network import Taped, backward, flatten, forward, updated_buffers, views
from deltarule.maths.objective import data_term, penalty_term
from deltarule.problem.batches import Batch, all_rows, batch, groups
from deltarule.problem.problem import Floats, Integers, Problem
from deltarule.problem.state import State

Numbers = dict[Any, Floats]
"""What an optimizer's update is given beside θ, g and its slots, by name, or by place where it is found once a step:
each [K, 1], or [K, P] where it is not the same for all of θ."""


class Pass(NamedTuple):
    """One forward and backward pass: the objective [K], its gradient [K, P], the tape and the batch's statistics."""

    objective: Floats
    gradient: Floats
    tape: list[Taped]
    buffers: Floats


class ReferenceEngine(Engine):
    """The formulas as they stand, in NumPy, one network or a population at a time.

    >>> from deltarule.problem.create import create_problem
    >>> from deltarule.problem.network import Network
    >>> from deltarule.problem.state import initial_state
    >>> problem = create_problem(Network([1, 1], bias=False, initializer="zeros"), [[1]], [1], learning_rate=0.25)
    >>> state, trace = ReferenceEngine().advance(problem, initial_state(problem), 2)
    >>> state.theta, trace.objective.ravel().tolist()  # (w − 1)², halved in w − 1 by each update
    (array([[0.75]]), [1.0, 0.25])
    >>> ReferenceEngine().outputs(problem, state, [[2.0]])[1]
    array([[[1.5]]])
    """

    name = "reference"

    def advance(self, problem: Problem, state: State, n: int) -> tuple[State, Trace]:
        """Make n updates."""
        objective, bad = np.zeros((n, len(state.members)), problem.dtype), np.full(len(state.members), -1)
        after = replace(state, step=state.step + n)
        with one_blas_thread(), np.errstate(all="ignore"):
            # Members with equally many rows go together; all others would need padding, which changes bits.
            for group in groups(problem, state.members):
                part = state.take(group)
                for i, numbers in enumerate(optimizer_numbers(problem, part, n)):
                    part, seen = update(problem, part, numbers)
                    objective[i, group] = seen
                    sound = finite(part, seen)
                    if not sound.all():
                        bad[group[~sound & (bad[group] < 0)]] = part.step - 1
                after = after.put(group, part) if len(group) < len(state.members) else part
        return after, Trace(objective, bad)

    def notes(self, problem: Problem) -> tuple[str, ...]:
        """Nothing to tell."""
        return ()

    def outputs(self, problem: Problem, state: State, x: Floats) -> tuple[Floats, Floats]:
        """The logits and outputs of every member, with dropout off and batch norm's running statistics."""
        with one_blas_thread(), np.errstate(all="ignore"):
            logits = self.logits(problem, state, x)
            return logits, np.asarray(problem.network.output.forward(logits)[0])

    def logits(self, problem: Problem, state: State, x: Floats) -> Floats:
        """The logits of every member, with dropout off and batch norm's running statistics."""
        with one_blas_thread(), np.errstate(all="ignore"):
            network = problem.network
            parameters, buffers = views(state.theta, network.entries), views(state.buffers, network.buffers)
            tape, _ = forward(network.layers, parameters, np.asarray(x, problem.dtype), buffers=buffers)
            return np.asarray(tape[-1].value)


def update(problem: Problem, state: State, numbers: Numbers | None = None) -> tuple[State, Floats]:
    """One update of members that have equally many rows: the state after it, and the objective [K] before it.

    numbers : the optimizer's of this update, where they are known already.
    """
    done = objective_and_gradient(problem, state, batch(problem, state.members, state.step))
    theta, slots = apply_optimizer(problem, state, done.gradient, numbers)
    if (state.step + 1) % FLUSH_EVERY == 0:
        theta, slots = flush_subnormals(theta), {name: flush_subnormals(slot) for name, slot in slots.items()}
    return State(theta, slots, done.buffers, state.factor, state.members, state.step + 1), done.objective


def objective_and_gradient(problem: Problem, state: State, rows: Batch) -> Pass:
    """The objective of a batch in training mode, and its gradient by backpropagation."""
    objective, gradient, tape, buffers = forward_pass(problem, state, rows)
    return Pass(objective, gradient(), tape, buffers)


def forward_pass(
    problem: Problem, state: State, rows: Batch
) -> tuple[Floats, Callable[[], Floats], list[Taped], Floats]:
    """The objective of a batch in training mode, its gradient when that is called for, the tape and the statistics.

    θ may be complex: then so are the objective and everything on the way (the complex step needs that).
    """
    network, members = problem.network, state.members
    total = rows.w.sum(-2, keepdims=True)
    keep, rate = dropout_masks(problem, state, rows)
    tape, statistics = forward(
        network.layers,
        views(state.theta, network.entries),
        rows.x,
        share=rows.w / total if network.buffers else None,  # batch norm alone asks for it
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
        """∂J/∂θ [K, P]: back from the logits, and the penalty's part"""
        slope = 0.0 if penalty_gradient is None else penalty_gradient()
        return np.asarray(flatten(backward(tape, logits_gradient()), network.entries) + slope)

    return J, gradient, tape, _buffers(problem, state, statistics, total)


def whole_objective(problem: Problem, state: State) -> Floats:
    """The objective [K] over all rows of members that have equally many, in evaluation mode: dropout off, batch norm on
    its running statistics, the penalty included."""
    rows = all_rows(problem, state.members)
    logits = ReferenceEngine().logits(problem, state, rows.x)
    return objective_of_logits(problem, state, logits, rows)


def objective_of_logits(problem: Problem, state: State, logits: Floats, rows: Batch) -> Floats:
    """The objective [K] of given logits [K, B, C], the penalty included."""
    with np.errstate(all="ignore"):
        J, _ = data_term(problem.loss, problem.reduction, problem.network.output, logits, rows.y, rows.w)
        if problem.penalty is not None:
            strength, samples = problem.strength[state.members, None].astype(problem.dtype), rows.w.sum(-2)
            chosen = problem.penalized.astype(problem.dtype)
            J = J + penalty_term(problem.penalty, strength, state.theta, chosen, samples)[0]
    return np.asarray(J)


def apply_optimizer(
    problem: Problem, state: State, g: Floats, numbers: Numbers | None = None
) -> tuple[Floats, dict[str, Floats]]:
    """The parameters and the optimizer's slots after an update with the gradient g [K, P]; `numbers` as in `update`."""
    optimizer = problem.optimizer
    if optimizer.update is None:
        raise BadInput(f"the optimizer '{optimizer.name}' makes no single updates; use it through train")
    numbers = next(optimizer_numbers(problem, state, 1)) if numbers is None else numbers
    remembered = [state.slots[name] for name in optimizer.slots]  # by name: a checkpoint has an order of its own
    if optimizer.once_a_step:
        theta, *slots = optimizer.update(state.theta, g, *remembered, *numbers.values())
    else:
        norm = {"norm": array_norms(problem, g)} if optimizer.norms else {}
        theta, *slots = optimizer.update(state.theta, g, *remembered, **numbers, **norm)
    return theta, dict(zip(optimizer.slots, slots, strict=True))


def optimizer_numbers(problem: Problem, state: State, n: int) -> Iterator[Numbers]:
    """The numbers of each of the next n updates, made one update at a time: those that differ within θ are [K, P]."""
    members, steps = state.members, state.step + np.arange(n)
    numbers = {name: value[members] for name, value in problem.numbers.items()}
    numbers["learning_rate"] = problem.rates(members, steps) * state.factor
    if problem.factors:
        yield from _numbers_by_range(problem, steps, numbers)
        return
    told, apart = _step_numbers(problem, steps, numbers), {}
    if problem.optimizer.decay:
        spared = _step_numbers(problem, steps, numbers | {"weight_decay": 0 * numbers["weight_decay"]})
        apart = {name: value for name, value in spared.items() if not np.array_equal(value, told[name])}

    def at(i: int, name: Any) -> Floats:
        own = told[name][i, :, None]
        return np.where(problem.penalized, own, apart[name][i, :, None]) if name in apart else own

    yield from ({name: at(i, name) for name in told} for i in range(n))


def _numbers_by_range(problem: Problem, steps: Integers, numbers: dict[str, Floats]) -> Iterator[Numbers]:
    """The same where arrays have factors: each number is [K, P], or [K, 1] where it is one for all of θ."""
    ranges = problem.update_ranges
    told = [_step_numbers(problem, steps, problem.range_numbers(part, numbers)) for part in ranges]
    lengths = [part.stop - part.start for part in ranges]
    for i in range(len(steps)):
        found: Numbers = {}
        for name in told[0]:
            of_ranges = np.stack([each[name][i] for each in told], -1)
            is_one = (of_ranges == of_ranges[:, :1]).all()
            found[name] = of_ranges[:, :1] if is_one else np.repeat(of_ranges, lengths, axis=1)
        yield found


def _step_numbers(problem: Problem, steps: Integers, numbers: dict[str, Floats]) -> Numbers:
    """What an update is given of the optimizer's numbers, each [n, K].    numbers [K] or [n, K]"""
    once, shape = problem.optimizer.once_a_step, numbers["learning_rate"].shape
    if once is None:
        return {name: np.broadcast_to(value, shape).astype(problem.dtype) for name, value in numbers.items()}
    found = everywhere(once, steps[:, None] + 1.0, **numbers)
    return {index: value.astype(problem.dtype) for index, value in enumerate(found)}


def array_norms(problem: Problem, g: Floats) -> Floats:
    """For each entry of the gradient [K, P], the length of the array (W1, b1 …) that it belongs to."""
    norms = np.empty_like(g)
    for entry in problem.network.entries:
        part = g[:, entry.start : entry.stop]
        norms[:, entry.start : entry.stop] = np.sqrt((part * part).sum(-1, keepdims=True))
    return norms


def dropout_masks(
    problem: Problem, state: State, rows: Batch
) -> tuple[dict[int, Floats] | None, dict[int, Floats] | None]:
    """The dropout masks [K, B, H] and rates [K, 1, 1] of this step by layer number; None where no member drops."""
    if not problem.drops:
        return None, None
    members, keep, rate = state.members, {}, {}
    for layer, rates in zip(problem.network.layers[:-1], problem.dropout[members].T, strict=True):
        n = layer.number
        drawn = random.keep_mask(problem.dropout_seeds[members], n, state.step, rows.positions, layer.units, rates)
        keep[n], rate[n] = drawn.astype(problem.dtype), rates[:, None, None].astype(problem.dtype)
    return keep, rate


def finite(state: State, objective: Floats) -> Floats:
    """Which members [K] are still finite: their objective, their parameters, the running statistics of
    batch norm and their optimizer's memory."""
    arrays = (objective, state.theta, state.buffers, *state.slots.values())
    # A sum of squares is finite only if all are, and takes a third of the time of asking each.
    if np.isfinite(sum(np.vdot(array, array) for array in arrays)):
        return np.ones(len(objective), bool)
    sound = np.isfinite(objective) & np.isfinite(state.theta).all(-1) & np.isfinite(state.buffers).all(-1)
    for slot in state.slots.values():
        sound &= np.isfinite(slot).all(-1)
    return np.asarray(sound)


def _buffers(problem: Problem, state: State, statistics: dict[str, tuple[Floats, Floats]], total: Floats) -> Floats:
    if not statistics:
        return state.buffers
    entries = problem.network.buffers
    updated = updated_buffers(views(state.buffers, entries), statistics, total)
    return np.asarray(flatten(updated, entries))


def first_nonfinite(problem: Problem, state: State) -> tuple[int, str]:
    """Where a member stops being finite in the update that follows this state: its layer, and what of it.

    The state holds that one member. The first array that is not finite on the way forward, then the loss, then the
    running statistics, then on the way back, then in the update.
    """
    network = problem.network
    with one_blas_thread(), np.errstate(all="ignore"):
        done = objective_and_gradient(problem, state, batch(problem, state.members, state.step))
        theta, slots = state.theta, state.slots
        if problem.optimizer.update is not None:  # L-BFGS makes no single updates
            theta, slots = apply_optimizer(problem, state, done.gradient)
    for taped in done.tape:
        if not np.isfinite(taped.value).all():
            return taped.layer, taped.name
    if not np.isfinite(done.objective).all():
        return network.layers[-1].number, "loss"
    for what, vector, entries in (
        ("running ", done.buffers, network.buffers),
        ("gradient of ", done.gradient, network.entries),
        ("", theta, network.entries),
        *((f"optimizer's {name} of ", slot, network.entries) for name, slot in slots.items()),
    ):
        for entry in reversed(entries):
            if not np.isfinite(vector[:, entry.start : entry.stop]).all():
                return entry.layer, what + entry.name
    return network.layers[-1].number, "update"  # another engine's, whose last bits are not those of this one
