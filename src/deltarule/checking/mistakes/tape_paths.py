"""Mistakes in products, such as skipped derivatives and exchanged factors."""

from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Any

from deltarule.checking.mistakes.tape_candidates import Candidate, describe_line, rule_with_operand
from deltarule.checking.tape.backward import Changes, Recording
from deltarule.checking.tape.operations import Node

_MAX_STEPS = 10
"""Operations from a product to the later value whose gradient is taken in its place."""


def skipped_derivatives(recording: Recording, operation_groups: Sequence[Sequence[Node]]) -> Iterator[Candidate]:
    """Mistakes that skip the derivative of a(z) after a product z."""
    users = recording.users
    for group in operation_groups:
        if group[0].name not in ("multiply", "matmul", "einsum", "divide", "add", "subtract"):
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
                is_scaled = _is_scaled(*pairs[0])
                lacking = "factor" if is_scaled else "derivative"
                text = (
                    f"what comes back through {describe_line([pairs[0][0]])} lacks the {lacking} of what follows it, "
                    f"up to {describe_line([pairs[0][1]])}"
                )
                code = "scale_missing" if is_scaled else "derivative_missing"
                yield Candidate(code, text, Changes(upstream=upstream), 1)


def _is_scaled(node: Node, later: Node) -> bool:
    """Whether a later value is a value that is only scaled by constants."""
    while later is not node:
        active = [entry for _, entry in later.active_inputs]
        if later.name not in ("multiply", "divide") or len(active) != 1:
            return False
        (later,) = active
    return True


def _later_values(node: Node, users_by_index: dict[int, list[Node]]) -> dict[Any, Node]:
    """The nearby later values of the same shape as a node."""
    values: dict[Any, Node] = {}
    layer = [node]
    for _ in range(_MAX_STEPS):
        layer = [user for source in layer for user in users_by_index.get(source.index, [])][:4]
        for later in layer:
            if later.value.shape == node.value.shape and later.line[0]:
                values.setdefault((later.line, later.name), later)
    return values


def neighboring_factors(
    recording: Recording, operation_groups: Sequence[Sequence[Node]], sigmoid_indices: AbstractSet[int]
) -> Iterator[Candidate]:
    """Mistakes by which a product takes a factor of a neighboring one.

    sigmoid_indices   indices of the nodes that are outputs of a sigmoid: such a factor is called a gate
    """
    users = recording.users
    for group in operation_groups:
        if group[0].name not in ("multiply", "matmul"):
            continue
        neighbors = [_neighboring_values(node, users) for node in group]
        for key in dict.fromkeys(key for values in neighbors for key in values):
            pairs = [(node, values[key]) for node, values in zip(group, neighbors, strict=True) if key in values]
            for k in range(2):
                members = [
                    (node, other)
                    for node, other in pairs
                    if isinstance(node.inputs[k], Node)
                    and node.inputs[k].is_active
                    and other.value.shape == node.values[1 - k].shape
                    and other is not node.inputs[1 - k]
                ]
                if members:
                    rules = {node.index: rule_with_operand(k, other.value) for node, other in members}
                    what = "gate" if members[0][1].index in sigmoid_indices else "value"
                    place, source = describe_line([members[0][0]]), describe_line([members[0][1]])
                    text = f"the gradient of the product at {place} takes the {what} of {source} instead"
                    yield Candidate("wrong_input", text, Changes(rules=rules), 1)


def _neighboring_values(node: Node, users_by_index: Mapping[int, Sequence[Node]]) -> dict[Any, Node]:
    """The values near a product, by instruction and input."""
    values: dict[Any, Node] = {}
    nearby = [(user, node, "sum") for user in users_by_index.get(node.index, []) if user.name in ("add", "subtract")]
    for entry in node.inputs:
        if isinstance(entry, Node):
            nearby += [(user, entry, "factor") for user in users_by_index.get(entry.index, []) if user is not node]
    for user, known, kind in nearby:
        for j, other in enumerate(user.inputs):
            if not isinstance(other, Node) or other is known:
                continue
            key = (kind, user.line, user.name, j)
            values.setdefault(key, other)
            if kind == "sum":
                for i, factor in enumerate(other.inputs):
                    if isinstance(factor, Node):
                        values.setdefault((*key, i), factor)
    return values
