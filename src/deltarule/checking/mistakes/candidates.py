"""Candidates: mistakes to plant in a recorded backward pass.

g   the gradient of a node's output      k   the index of one of its inputs
"""

import linecache
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from deltarule.checking.tape.backward import Changes, EdgeRule, Recording
from deltarule.checking.tape.operations import Array, Node, unbroadcast

NETWORK_FILE = "<network>"
"""The file name of the program of a recognized network."""
PRODUCTS = ("multiply", "matmul", "einsum")
VIEWS = ("reshape", "transpose", "getitem", "repeat")


@dataclass(frozen=True, eq=False)
class Candidate:
    """A mistake, and the changes of the backward pass that plant it.

    text         what the gradient has or lacks, such as "lacks the mask, at line 7 of net.py"
    constants    how many choices it has that could fit by coincidence
    parameter    the only parameter whose gradient changes, where the mistake is at a use of one
    activation   the name of the activation whose derivative is wrong, if there is one
    """

    code: str
    text: str
    changes: Changes
    constants: int = 0
    parameter: Node | None = None
    activation: str = ""


def describe_line(nodes: Sequence[Node]) -> str:
    """Describe a line of user code, as "line 7 of net.py: z = x @ W"."""
    file, line, _ = nodes[0].line
    if not file:
        return "another array" if nodes[0].name in ("parameter", "constant") else "the output"
    text = linecache.getline(file, line).strip()
    if file == NETWORK_FILE:
        return f"{text} of the network"
    shown = f": {text}" if text else ""
    return f"line {line} of {Path(file).name}{shown}"


def changes_at(operations: Sequence[Node], rule: EdgeRule) -> Changes:
    """The changes that apply one rule to several operations."""
    return Changes(rules={node.index: rule for node in operations})


def with_gradient(node: Node, gradient: Array) -> Changes:
    """The changes by which an operation's output has another gradient."""
    return changes_at([node], lambda k, g, n: correct_gradient(k, gradient, n))


def correct_gradient(k: int, g: Array, node: Node, values: Sequence[Array] | None = None) -> Array:
    """The correct gradient of input k, from the gradient g of the output."""
    assert node.gradient is not None
    return node.gradient(k, g, node.values if values is None else values, node.value)


def at_input(input_index: int, function: Callable[[Array, Node], Array | None]) -> EdgeRule:
    """A rule that gives an input the gradient function(g, node), made of its shape."""

    def rule(k: int, g: Array, node: Node) -> Array | None:
        if k != input_index:
            return correct_gradient(k, g, node)
        gradient = function(g, node)
        return None if gradient is None else in_shape_of_input(np.asarray(gradient), node, k)

    return rule


def in_shape_of_input(g: Array, node: Node, k: int) -> Array:
    """Broadcast or sum the gradient g of a node's output to the shape of input k."""
    shape = np.shape(node.values[k])
    return unbroadcast(np.array(np.broadcast_to(g, np.broadcast_shapes(g.shape, shape))), shape)


def with_operand(k: int, operand: Array) -> EdgeRule:
    """A rule that computes input k's gradient with another operand."""
    return at_input(
        k, lambda g, n: correct_gradient(k, g, n, [n.values[0], operand] if k == 0 else [operand, n.values[1]])
    )


def rule_with_values(values: Mapping[int, Array]) -> EdgeRule:
    """A rule that computes gradients with other values of the inputs, by node index."""

    def rule(k: int, g: Array, node: Node) -> Array:
        changed = [
            values.get(entry.index, value) if isinstance(entry, Node) else value
            for entry, value in zip(node.inputs, node.values, strict=True)
        ]
        return correct_gradient(k, g, node, changed)

    return rule


def is_active(node: Node, k: int) -> bool:
    """Whether input k of an operation depends on a parameter."""
    return isinstance(node.inputs[k], Node) and bool(node.inputs[k].is_active)


def is_mask(array: Array) -> bool:
    """Whether all entries of an array are 0 or another number, and some are 0."""
    values = array[array != 0]
    return 0 < values.size < array.size and bool((values == values.flat[0]).all())


def parameter_of(recording: Recording, entry: Any) -> Node | None:
    """The parameter that an input is, perhaps through views."""
    while isinstance(entry, Node) and entry.name in VIEWS:
        entry = entry.inputs[0]
    return next((parameter for parameter in recording.parameters if parameter is entry), None)
