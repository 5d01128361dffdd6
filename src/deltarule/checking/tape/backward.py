"""Go back over a tape, with or without mistakes."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from deltarule.checking.tape.operations import Array, Node

EdgeRule = Callable[[int, Array, Node], Array | None]
"""The gradient of input k of a node, in place of the right one; None for no gradient."""


@dataclass(frozen=True, eq=False)
class Recording:
    """A recorded forward pass.

    nodes        operations that lie between the parameters and the loss, in their order
    parameters   the nodes of the parameters
    loss         the node of the loss
    """

    nodes: Sequence[Node]
    parameters: Sequence[Node]
    loss: Node

    @cached_property
    def users(self) -> dict[int, list[Node]]:
        """By index of a node, the operations that it is an input of."""
        users: dict[int, list[Node]] = {}
        for node in self.nodes:
            for entry in node.inputs:
                if isinstance(entry, Node):
                    users.setdefault(entry.index, []).append(node)
        return users

    @cached_property
    def last_use(self) -> int:
        """The index of the last operation that a parameter goes into: behind it are the loss and activations alone."""
        inside = {node.index for node in self.parameters}
        return max((user.index for index in inside for user in self.users.get(index, [])), default=-1)

    def groups(self) -> Iterator[list[Node]]:
        """Operations of the same instruction of the code, as those of a loop, in their order; then those of a line."""
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
    """What is wrong in a backward pass.

    rules       by index of a node, another rule for the gradients of its inputs
    jumps       by index of a node, the node that its gradient goes to at once, and the function for it
    overwrite   indices of nodes whose gradient is overwritten instead of added to: by the last or the first use
    writers     indices of nodes whose contributions overwrite what is there
    is_first    the first written contribution stays
    is_sparse   only contributed entries that are not 0 overwrite
    fixed       by index of a node, the gradient that it has instead
    upstream    by index of a node and of its input, the later node whose gradient is taken for the node's own
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
    """The gradient of the loss by every node, by its index."""
    changes = changes or Changes()
    gradients: dict[int, Array] = {recording.loss.index: np.ones_like(recording.loss.value, float)}

    written: dict[int, Array] = {}  # entries that an overwriting operation has written

    def contribute(node: Node, gradient: Array | None, writer: Node) -> None:
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
    """The gradients of the loss by the parameters."""
    gradients = run_backward(recording, changes)
    return [gradients.get(node.index, np.zeros(node.value.shape)) for node in recording.parameters]
