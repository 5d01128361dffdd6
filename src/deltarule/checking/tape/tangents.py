"""Tangents: how the values of a recorded pass move when its parameters do.

Along a direction of the parameters, a change δ of one value's gradient changes the derivative of the loss by ⟨δ, ẋ⟩,
with ẋ the tangent of that value. So what a planted mistake does to the gradient is seen without going back to the
parameters.

Source: Baydin et al. 2018, "Automatic differentiation in machine learning: a survey", sections 3.1 and 3.2.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from deltarule.checking.tape.backward import ELEMENTWISE, Array, Changes, Node, RecordedPass, added_gradients

Tangents = Mapping[int, Array]
"""By node index, how a value moves."""


def tangents(recording: RecordedPass, direction: Sequence[Array]) -> Tangents:
    """How all values move when the parameters move along a direction."""
    moved = {node.index: move for node, move in zip(recording.parameters, direction, strict=True)}
    for node in recording.nodes:
        parts = [_moved_by(node, k, moved[entry.index]) for k, entry in node.active_inputs if entry.index in moved]
        if parts:
            moved[node.index] = sum(parts[1:], parts[0])
    return moved


def _moved_by(node: Node, k: int, move: Array) -> Array:
    """How an operation's value moves when its input k does."""
    x = node.values
    if node.name in ELEMENTWISE:
        return np.broadcast_to(ELEMENTWISE[node.name][k](move, x, node.value, x[0]), node.value.shape)
    if node.name in ("matmul", "einsum"):
        factors = [*x[:k], move, *x[k + 1 :]]
        return np.asarray(factors[0] @ factors[1] if node.name == "matmul" else np.einsum(node.data, *factors))
    if node.name == "sum":
        return np.asarray(move.sum(axis=node.data)).reshape(node.value.shape)
    source = node.data[k]  # of a gather
    return np.where(source >= 0, move.ravel()[source], 0.0)


def added_along(recording: RecordedPass, changes: Changes, of_directions: Sequence[Tangents]) -> list[float]:
    """What changes of a backward pass add to the derivative of the loss along each direction."""
    first = min(changes.places, default=0)
    added = [(index, delta) for index, delta in added_gradients(recording, changes, first).items() if index < first]
    return [sum(float((delta * moved[index]).sum()) for index, delta in added) for moved in of_directions]
