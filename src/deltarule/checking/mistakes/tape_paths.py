"""Mistakes in what a path starts from: a product that goes back from a later value, past the derivatives between."""

from collections.abc import Iterator, Sequence
from typing import Any

from deltarule.checking.mistakes.tape_candidates import Candidate, describe_lines
from deltarule.checking.tape.backward import Changes, Recording
from deltarule.checking.tape.operations import Node

_MAX_STEPS = 10
"""Operations from a product to the value whose gradient is taken in its place."""


def skipped_derivatives(recording: Recording, groups: Sequence[Sequence[Node]]) -> Iterator[Candidate]:
    """One factor of a product is differentiated from the gradient of a(z), where the others are from that of z."""
    users: dict[int, list[Node]] = {}
    for node in recording.nodes:
        for entry in node.inputs:
            if isinstance(entry, Node):
                users.setdefault(entry.index, []).append(node)
    for group in groups:
        if group[0].name not in ("multiply", "matmul", "einsum", "divide"):
            continue
        later = [_later_values(node, users) for node in group]
        for k in range(len(group[0].inputs)):
            members = [
                (node, values)
                for node, values in zip(group, later, strict=True)
                if isinstance(node.inputs[k], Node) and node.inputs[k].is_active
            ]
            keys = dict.fromkeys(key for _, values in members for key in values)
            for key in keys:
                pairs = [(node, values[key]) for node, values in members if key in values]
                upstream = {(node.index, k): other.index for node, other in pairs}
                text = (
                    f"what comes back through {describe_lines([pairs[0][0]])} lacks the derivative of what follows it, "
                    f"up to {describe_lines([pairs[0][1]])}"
                )
                yield Candidate("derivative_missing", text, Changes(upstream=upstream), 1)


def _later_values(node: Node, users: dict[int, list[Node]]) -> dict[Any, Node]:
    """The values of the same shape that are computed from one, by their instruction, along its only user each."""
    found: dict[Any, Node] = {}
    layer = [node]
    for _ in range(_MAX_STEPS):
        layer = [user for one in layer for user in users.get(one.index, [])][:4]
        for one in layer:
            if one.value.shape == node.value.shape:
                found.setdefault((one.line, one.name), one)
    return found
