"""Candidates: mistakes to plant in a recorded backward pass.

g   the gradient of a node's output      k   the index of one of its inputs
"""

# mypy: disable-error-code="misc"
# mypy does not infer lambdas with defaults, which bind the variable of a loop.

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
MAX_CHANGED_SINGLY = 8
"""The largest number of operations on one line that are also changed one by one."""


@dataclass(frozen=True, eq=False)
class Candidate:
    """A mistake, and the changes of the backward pass that plant it."""

    code: str
    sentence: str
    changes: Changes
    constants: int = 0


def describe_line(nodes: Sequence[Node]) -> str:
    """Describe a line of user code, as "line 7 of net.py: z = x @ W"."""
    file, line, _ = nodes[0].line
    if not file:
        return "the output"
    text = linecache.getline(file, line).strip()
    if file == NETWORK_FILE:
        return f"{text} of the network"
    shown = f": {text}" if text else ""
    return f"line {line} of {Path(file).name}{shown}"


def changes_at(operations: Sequence[Node], rule: EdgeRule) -> Changes:
    """The changes that apply one rule to several operations."""
    return Changes(rules={node.index: rule for node in operations})


def correct_gradient(k: int, g: Array, node: Node, values: Sequence[Array] | None = None) -> Array:
    """The correct gradient of input k, from the gradient g of the output."""
    assert node.gradient is not None
    return node.gradient(k, g, node.values if values is None else values, node.value)


def rule_for_input(input_index: int, function: Callable[[Array, Node], Array | None]) -> EdgeRule:
    """A rule that gives one input the gradient function(g, node)."""
    return lambda k, g, node: function(g, node) if k == input_index else correct_gradient(k, g, node)


def in_shape_of_input(g: Array, node: Node, k: int) -> Array:
    """Broadcast or sum the gradient g of a node's output to the shape of input k."""
    shape = np.shape(node.values[k])
    return unbroadcast(np.array(np.broadcast_to(g, np.broadcast_shapes(g.shape, shape))), shape)


def is_parameter(recording: Recording, node: Any) -> bool:
    """Whether a node is a parameter or a view of one."""
    while isinstance(node, Node) and node.name in ("transpose", "reshape", "getitem"):
        node = node.inputs[0]
    return any(node is parameter for parameter in recording.parameters)


def rule_with_operand(k: int, operand: Array) -> EdgeRule:
    """A rule that computes input k's gradient with another operand."""

    def rule(input_index: int, g: Array, node: Node) -> Array:
        if input_index != k:
            return correct_gradient(input_index, g, node)
        values = list(node.values)
        values[1 - k] = operand
        return correct_gradient(k, g, node, values)

    return rule


def rule_with_values(values: Mapping[int, Array]) -> EdgeRule:
    """A rule that computes gradients with other values of the inputs."""

    def rule(k: int, g: Array, node: Node) -> Array:
        changed = [
            values.get(entry.index, value) if isinstance(entry, Node) and i != k else value
            for i, (entry, value) in enumerate(zip(node.inputs, node.values, strict=True))
        ]
        return correct_gradient(k, g, node, changed)

    return rule
