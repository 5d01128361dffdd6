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
            for entry in node.inputs:
                if isinstance(entry, Node):
                    users.setdefault(entry.index, []).append(node)
        return users

    @cached_property
    def last_parameter_use(self) -> int:
        """The index of the last operation with a parameter as an input."""
        indices = {node.index for node in self.parameters}
        return max((user.index for index in indices for user in self.users.get(index, [])), default=-1)

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
    overwrite   indices of nodes whose gradient is assigned by each of their uses, instead of added up
    writers     indices of operations that assign the gradients of their inputs, instead of adding to them
    is_first    an assigned entry is not assigned again: the first contribution of the backward pass stays, not the last
    is_sparse   only contributed entries that are not 0 are assigned
    fixed       by node index, a gradient that replaces the node's own
    upstream    by node index and input, the later node whose gradient is taken in place of the node's own
    """

    rules: Mapping[int, EdgeRule] = field(default_factory=dict)
    jumps: Mapping[int, tuple[Node, Callable[[Array], Array]]] = field(default_factory=dict)
    overwrite: frozenset[int] = frozenset()
    writers: frozenset[int] = frozenset()
    is_first: bool = False
    is_sparse: bool = False
    fixed: Mapping[int, Array] = field(default_factory=dict)
    upstream: Mapping[tuple[int, int], int] = field(default_factory=dict)


def run_backward(recording: Recording, changes: Changes | None = None) -> dict[int, Array]:
    """The gradient of the loss with respect to every node, by node index."""
    changes = changes or Changes()
    gradients: dict[int, Array] = {recording.loss.index: np.ones_like(recording.loss.value, float)}

    written: dict[int, Array] = {}  # by node index, which entries have been assigned

    def contribute(node: Node, gradient: Array | None, writer: Node) -> None:
        """Add to the gradient of `node` what operation `writer` contributes."""
        if gradient is None:
            return
        old = gradients.get(node.index)
        if node.index not in changes.overwrite and writer.index not in changes.writers:
            gradients[node.index] = gradient if old is None else old + gradient
            return
        touched = np.ones(gradient.shape, bool)
        if writer.data is not None and writer.name == "getitem":
            touched = np.isin(np.arange(gradient.size), writer.data[0]).reshape(gradient.shape)
        if changes.is_sparse:
            touched = touched & (gradient != 0)
        before = written.get(node.index, np.zeros(gradient.shape, bool))
        if changes.is_first:
            touched = touched & ~before
        written[node.index] = before | touched
        gradients[node.index] = np.where(touched, gradient, 0 if old is None else old)

    for node in reversed(recording.nodes):
        g = changes.fixed.get(node.index, gradients.get(node.index))
        if g is None:
            continue
        if node.index in changes.jumps:
            target, function = changes.jumps[node.index]
            contribute(target, function(g), node)
            continue
        if node.gradient is None:
            continue
        rule = changes.rules.get(node.index)
        for k, entry in node.active_inputs:
            source = gradients.get(changes.upstream.get((node.index, k), node.index)) if changes.upstream else g
            upstream = g if source is None else source
            gradient = rule(k, upstream, node) if rule else node.gradient(k, upstream, node.values, node.value)
            if gradient is not None and np.shape(gradient) != entry.value.shape:
                gradient = np.broadcast_to(gradient, entry.value.shape)
            contribute(entry, gradient, node)
    return gradients


def parameter_gradients(recording: Recording, changes: Changes | None = None) -> list[Array]:
    """The gradients of the loss with respect to the parameters."""
    gradients = run_backward(recording, changes)
    return [gradients.get(node.index, np.zeros(node.value.shape)) for node in recording.parameters]
