"""A mistake in the recorded backward pass, and the rules from which such mistakes are made.

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

MAX_MEMBERS = 8
"""Operations of one line that are also changed one by one."""


@dataclass(frozen=True, eq=False)
class Candidate:
    """A mistake and the changes of the backward pass that it makes."""

    code: str
    sentence: str
    changes: Changes
    constants: int = 0


def describe_lines(nodes: Sequence[Node]) -> str:
    """The line of the user's code to which recorded operations belong."""
    file, line, _ = nodes[0].line
    if not file:
        return "the output"
    text = linecache.getline(file, line).strip()
    shown = f": {text}" if text else ""
    return f"line {line} of {Path(file).name}{shown}"


def changes_at(members: Sequence[Node], rule: EdgeRule) -> Changes:
    """The changes that one rule makes at several operations."""
    return Changes(rules={node.index: rule for node in members})


def right_gradient(k: int, g: Array, node: Node, values: Sequence[Array] | None = None) -> Array:
    """The right gradient of input k; `values` are put in the place of the recorded inputs."""
    assert node.gradient is not None
    return node.gradient(k, g, node.values if values is None else values, node.value)


def rule_for_input(edge: int, function: Callable[[Array, Node], Array | None]) -> EdgeRule:
    """A rule for one input; the others are right."""
    return lambda k, g, node: function(g, node) if k == edge else right_gradient(k, g, node)


def in_shape_of_input(g: Array, node: Node, k: int) -> Array:
    """A gradient of a node's output in the shape of input k."""
    shape = np.shape(node.values[k])
    return unbroadcast(np.array(np.broadcast_to(g, np.broadcast_shapes(g.shape, shape))), shape)


def is_parameter(recording: Recording, node: Any) -> bool:
    """Whether a node is a parameter, or one that is only transposed, reshaped or indexed."""
    while isinstance(node, Node) and node.name in ("transpose", "reshape", "getitem"):
        node = node.inputs[0]
    return any(node is one for one in recording.parameters)


def rule_with_operand(k: int, operand: Array) -> EdgeRule:
    """A rule for input k of a product, with another operand in the place of the recorded one."""

    def rule(edge: int, g: Array, node: Node) -> Array:
        if edge != k:
            return right_gradient(edge, g, node)
        values = list(node.values)
        values[1 - k] = operand
        return right_gradient(k, g, node, values)

    return rule


def rule_with_values(values: Mapping[int, Array]) -> EdgeRule:
    """A rule that sees other values of inputs, by their nodes' indices, but for the one it differentiates."""

    def rule(k: int, g: Array, node: Node) -> Array:
        changed = [
            values.get(one.index, value) if isinstance(one, Node) and i != k else value
            for i, (one, value) in enumerate(zip(node.inputs, node.values, strict=True))
        ]
        return right_gradient(k, g, node, changed)

    return rule
