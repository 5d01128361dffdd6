"""One update of a network: objective and gradient of a batch, then the optimizer's step.

θ, g [.., P]   x [.., B, D]   y [.., B, C]   w [.., B, 1]   J [..]   λ [.., 1]   the strength of the penalty

The reference engine runs these functions on arrays of NumPy, and `program` on arrays that note each operation.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from deltarule.maths.activations import Activation
from deltarule.maths.elementary import Array
from deltarule.maths.losses import Loss
from deltarule.maths.network import (
    Entry,
    PlacedLayer,
    Taped,
    backward,
    flatten,
    forward,
    updated_buffers,
    views,
)
from deltarule.maths.objective import data_term, penalty_term
from deltarule.maths.optimizers import Optimizer
from deltarule.maths.penalties import Penalty


@dataclass(frozen=True)
class Objective:
    """What training minimizes: a network's loss on weighted rows, reduced, and a penalty.

    `output` is the activation behind the layers, `entries` are the positions of the arrays in θ, `statistics` those of
    what layers keep in the buffers.
    """

    layers: tuple[PlacedLayer, ...]
    output: Activation
    entries: tuple[Entry, ...]
    statistics: tuple[Entry, ...]
    loss: Loss
    reduction: str
    penalty: Penalty | None = None


class TrainingPass(NamedTuple):
    """The result of a forward pass in training mode; `gradient` runs the backward pass."""

    objective: Array
    gradient: Callable[[], Array]
    tape: list[Taped]
    buffers: Array


def training_pass(
    objective: Objective,
    theta: Array,
    buffers: Array,
    x: Array,
    y: Array,
    w: Array,
    *,
    dropped: Mapping[str, Array] | None = None,
    strength: Array | None = None,
    penalized: Array | None = None,
) -> TrainingPass:
    """Run a batch in training mode.

    `dropped` are the dropout masks and rates by name, as `forward` takes them. `penalized` [P] is 1 for entries that
    the penalty counts and 0 for others. θ may be complex, as the complex step needs: then all that follows is.
    """
    layers, entries, penalty = objective.layers, objective.entries, objective.penalty
    total = w.sum(-2, keepdims=True)
    given = dict(dropped or {})
    if objective.statistics:
        given["share"] = w / total
    tape, statistics = forward(layers, views(theta, entries), x, given)
    logits = tape[-1].value
    J, logits_gradient = data_term(objective.loss, objective.reduction, objective.output, logits, y, w)
    penalty_gradient = None
    if penalty is not None:
        value, penalty_gradient = penalty_term(penalty, strength, theta, penalized, w.sum(-2))
        J = J + value

    def gradient() -> Array:
        slope = 0.0 if penalty_gradient is None else penalty_gradient()
        return flatten(backward(tape, logits_gradient()), entries) + slope

    if statistics:
        running = views(buffers, objective.statistics)
        buffers = flatten(updated_buffers(layers, running, statistics, total), objective.statistics)
    return TrainingPass(J, gradient, tape, buffers)


def optimizer_step(
    optimizer: Optimizer,
    entries: Sequence[Entry],
    theta: Array,
    g: Array,
    slots: Sequence[Array],
    numbers: Mapping[str, Array],
    *,
    longest: Array | None = None,
    factors: Array | None = None,
) -> tuple[Array, ...]:
    """Return θ and the slots after an update with the gradient g.

    `longest` [.., 1] is the length to which a longer g is shortened first. `factors` [P] or [.., P] multiply the change
    of each entry of θ: 0 leaves it as it was, bit for bit, and 1 takes the optimizer's. Lengths of gradients count only
    the entries that move.
    """
    if factors is not None and (longest is not None or optimizer.norms):
        g = np.where(factors == 0, 0.0, g)
    if longest is not None:
        length = np.sqrt((g * g).sum(-1, keepdims=True))
        g = np.where(length > longest, g * (longest / np.maximum(length, longest)), g)
    norm = {"norm": array_norms(entries, g)} if optimizer.norms else {}
    new, *new_slots = updated(optimizer, entries, (theta, g, *slots), {**numbers, **norm})
    if factors is not None:
        new = np.where(factors == 0, theta, np.where(factors == 1, new, theta + factors * (new - theta)))
    return new, *new_slots


def updated(
    optimizer: Optimizer, entries: Sequence[Entry], vectors: Sequence[Array], numbers: Mapping[str, Array]
) -> tuple[Array, ...]:
    """Return θ and the slots after the update, from `vectors`: θ, g and the slots, all [.., P]."""
    if not optimizer.whole_arrays:
        return optimizer.update(*vectors, **numbers)
    of_arrays = []
    for entry in entries:
        its = {}
        for name, number in numbers.items():  # alike for all entries of an array
            one = number[..., entry.start : entry.start + 1] if number.shape[-1] != 1 else number
            its[name] = one.reshape(*one.shape, 1)
        of_arrays.append(optimizer.update(*(views(vector, [entry])[entry.name] for vector in vectors), **its))
    names = [entry.name for entry in entries]
    return tuple(flatten(dict(zip(names, arrays, strict=True)), entries) for arrays in zip(*of_arrays, strict=True))


def array_norms(entries: Sequence[Entry], g: Array) -> Array:
    """For each entry of g the norm of its array, [.., P]."""
    parts = [g[..., entry.start : entry.stop] for entry in entries]
    return np.concatenate(
        [np.broadcast_to(np.sqrt((part * part).sum(-1, keepdims=True)), part.shape) for part in parts], axis=-1
    )
