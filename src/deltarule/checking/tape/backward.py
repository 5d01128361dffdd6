"""Run the backward pass of a tape, correct or with planted mistakes."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from deltarule.checking.tape.operations import Array, Node

EdgeRule = Callable[[int, Array, Node], Array | None]
"""(k, g, node) → a wrong gradient of input k, from the gradient g of the output; None for no gradient."""


@dataclass(frozen=True, eq=False)
class Recording:
    """A recorded forward pass.

    nodes        the operations between the parameters and the loss, in order
    parameters   the nodes of the parameters
    loss         the node of the loss
    """

    nodes: Sequence[Node]
    parameters: Sequence[Node]
    loss: Node

    @cached_property
    def users(self) -> dict[int, list[Node]]:
        """By node index, the operations that take the node as an input."""
        users: dict[int, list[Node]] = {}
        for node in self.nodes:
            for entry in {id(entry): entry for entry in node.inputs if isinstance(entry, Node)}.values():
                users.setdefault(entry.index, []).append(node)
        return users

    @cached_property
    def last_parameter_use(self) -> int:
        """The index of the last operation with a parameter as an input."""
        indices = {node.index for node in self.parameters}
        return max((user.index for index in indices for user in self.users.get(index, [])), default=-1)

    @cached_property
    def gradients(self) -> dict[int, Array]:
        """By node index, the correct gradient of the loss."""
        return run_backward(self)

    def operation_groups(self) -> Iterator[list[Node]]:
        """Groups of equal operations, by instruction and then by line of user code."""
        for length in (3, 2):
            by_line: dict[Any, list[Node]] = {}
            for node in self.nodes:
                if node.gradient is not None:
                    shapes = tuple(np.shape(value) for value in node.values)
                    by_line.setdefault((node.name, node.line[:length], shapes), []).append(node)
            for group in by_line.values():
                if length == 3 or len({node.line for node in group}) > 1:
                    yield group


@dataclass(frozen=True, eq=False)
class Changes:
    """Mistakes to plant in a backward pass.

    rules       by node index, the rule that replaces the derivatives of the node
    jumps       by node index, the earlier node that receives its gradient directly, and the function applied to it
    upstream    by node index and input, the later node whose gradient is taken in place of the node's own
    writers     indices of operations that assign the gradients of their inputs, instead of adding to them
    is_first    an assigned entry is not assigned again: the first contribution of the backward pass stays, not the last
    """

    rules: Mapping[int, EdgeRule] = field(default_factory=dict)
    jumps: Mapping[int, tuple[Node, Callable[[Array], Array]]] = field(default_factory=dict)
    upstream: Mapping[tuple[int, int], int] = field(default_factory=dict)
    writers: frozenset[int] = frozenset()
    is_first: bool = False


_NO_CHANGES = Changes()


def run_backward(recording: Recording, changes: Changes = _NO_CHANGES) -> dict[int, Array]:
    """The gradient of the loss with respect to every node, by node index."""
    gradients: dict[int, Array] = {recording.loss.index: np.ones_like(recording.loss.value, float)}
    written: dict[int, Array] = {}  # by node index, which entries have been assigned
    for node in reversed(recording.nodes):
        g = gradients.get(node.index)
        if g is None:
            continue
        for entry, gradient in _contributions(node, g, changes, gradients.get):
            old = gradients.get(entry.index)
            if node.index not in changes.writers:
                gradients[entry.index] = gradient if old is None else old + gradient
                continue
            touched = np.ones(gradient.shape, bool)
            if node.data is not None and node.name == "getitem":
                touched = np.isin(np.arange(gradient.size), node.data[0]).reshape(gradient.shape)
            before = written.get(entry.index, np.zeros(gradient.shape, bool))
            if changes.is_first:
                touched = touched & ~before
            written[entry.index] = before | touched
            gradients[entry.index] = np.where(touched, gradient, 0 if old is None else old)
    return gradients


def _contributions(
    node: Node, g: Array, changes: Changes, gradient_of: Callable[[int], Array | None]
) -> Iterator[tuple[Node, Array]]:
    """What a node with the gradient g adds to the gradients of earlier nodes."""
    if node.index in changes.jumps:
        target, function = changes.jumps[node.index]
        yield target, function(g)
        return
    if node.gradient is None:
        return
    rule, right = changes.rules.get(node.index), node.gradient
    for k, entry in node.active_inputs:
        later = changes.upstream.get((node.index, k))
        other = None if later is None else gradient_of(later)
        upstream = g if other is None else other
        gradient = rule(k, upstream, node) if rule else right(k, upstream, node.values, node.value)
        if gradient is not None:
            is_fitting = np.shape(gradient) == entry.value.shape
            yield entry, gradient if is_fitting else np.broadcast_to(gradient, entry.value.shape)


def parameter_gradients(recording: Recording, changes: Changes = _NO_CHANGES) -> list[Array]:
    """The gradients of the loss with respect to the parameters."""
    if changes.writers:
        gradients = run_backward(recording, changes)
    else:
        gradients = recording.gradients | _changed_gradients(recording, changes)
    return [gradients.get(node.index, np.zeros(node.value.shape)) for node in recording.parameters]


def _changed_gradients(recording: Recording, changes: Changes) -> dict[int, Array]:
    """The gradients that changes of some nodes change, by linearity."""
    right, deltas = recording.gradients, dict[int, Array]()

    def gradient_of(index: int) -> Array | None:
        return right[index] + deltas.get(index, 0) if index in right else None

    changed = {*changes.rules, *changes.jumps, *(index for index, _ in changes.upstream)}
    for node in reversed(recording.nodes):
        index = node.index
        if index in changed and index in right:
            parts = list(_contributions(node, right[index] + deltas.get(index, 0), changes, gradient_of))
            parts += [(entry, -part) for entry, part in _contributions(node, right[index], _NO_CHANGES, right.get)]
        elif index in deltas:
            parts = list(_contributions(node, deltas[index], _NO_CHANGES, right.get))
        else:
            continue
        for entry, part in parts:
            deltas[entry.index] = deltas[entry.index] + part if entry.index in deltas else part
    parameters = [node.index for node in recording.parameters if node.index in deltas]
    return {index: right.get(index, 0) + deltas[index] for index in parameters}
