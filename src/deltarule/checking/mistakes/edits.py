"""Generic mistakes: another operand or gradient, a wrong factor, `=` for `+=`.

Each changes what comes back to one input of equal operations. Where that input is a parameter, only the line of one
gradient is wrong; else all gradients before it.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from functools import cache, partial
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deltarule.checking.mistakes import rules
from deltarule.checking.tape.backward import Array, Changes, EdgeRule, Node, RecordedPass

MAX_CHANGED_SINGLY = 8
"""The largest number of operations on one line that are also changed one by one."""
EVERY_OPERATION = "every operation"
_MAX_NEARBY = 48
"""The largest number of nearby operations; their values and gradients are tried."""

Nearest = Callable[[Node], Mapping[Any, Node]]
"""The nodes around a node, the nearest of each instruction."""


@dataclass(frozen=True, eq=False)
class Edge:
    """Input k of equal operations, or with `is_part` of one of several of a line.

    `parameter` is the one that this input is, perhaps through views.
    """

    recording: RecordedPass
    nodes: Sequence[Node]
    k: int
    is_part: bool
    parameter: Node | None

    @property
    def place(self) -> str:
        return rules.describe_line(self.nodes)

    def candidate(
        self, code: str, text: str, edge_rules: Mapping[int, EdgeRule] | EdgeRule, constants: int = 0
    ) -> rules.PlantedMistake:
        if not isinstance(edge_rules, Mapping):
            edge_rules = dict.fromkeys((node.index for node in self.nodes), edge_rules)
        return rules.PlantedMistake(code, text, Changes(rules=edge_rules), constants, self.parameter)


def edit_mistakes(
    recording: RecordedPass, groups: Sequence[Sequence[Node]], wrong: Sequence[Node], gates: AbstractSet[int]
) -> Iterator[rules.PlantedMistake]:
    """The generic mistakes at all operations, the most specific first."""
    edges = list(_edges(recording, groups, wrong))
    nearest = cache(partial(_nearest_by_instruction, recording))
    for edge in edges:
        if not edge.is_part or edge.parameter is None and edge.nodes[0].name == "matmul":
            yield from _operand_edits(edge, nearest, gates)
    for edge in edges:
        if not edge.is_part:
            yield from _upstream_edits(edge, nearest)
    for edge in edges:
        yield from _factor_edits(edge)
    for parameter in wrong:
        uses = [edge for edge in edges if edge.parameter is parameter and not edge.is_part]
        for chosen in (*([edge] for edge in uses), uses):
            for kept, which in ((-1, "last"), (0, "first")):
                lost = [(node, edge.k) for edge in chosen for node in edge.nodes if node is not edge.nodes[kept]]
                edge_rules = {node.index: rules.at_input(k, lambda g, n: None) for node, k in lost}
                if edge_rules:
                    text = f"has only the part of the {which} of several repetitions of {chosen[0].place}"
                    yield chosen[0].candidate("gradient_overwritten", text, edge_rules)


def _edges(recording: RecordedPass, groups: Sequence[Sequence[Node]], wrong: Sequence[Node]) -> Iterator[Edge]:
    """Yield the inputs of operations through which a wrong gradient passes."""
    for group in groups:
        for members in (group, *([node] for node in group if 1 < len(group) <= MAX_CHANGED_SINGLY)):
            if members[0].name == "join" and not any(np.ndim(value) for value in members[0].values):
                continue  # a list of numbers becomes an array
            for k in range(len(members[0].inputs)):
                if all(k < len(node.inputs) for node in members) and any(rules.is_active(node, k) for node in members):
                    parameters = {id(p): p for p in (rules.parameter_of(recording, n.inputs[k]) for n in members)}
                    parameter = next(iter(parameters.values())) if len(parameters) == 1 else None
                    if parameter is None or parameter in wrong:
                        yield Edge(recording, members, k, members is not group, parameter)


def _nearby(edge: Edge, nearest: Nearest) -> list[list[tuple[Node, Node]]]:
    """The pairs of an edge's operations and the values around them, by instruction."""
    aligned: dict[Any, list[tuple[Node, Node]]] = {}
    for node in edge.nodes:
        for key, other in nearest(node).items():
            aligned.setdefault(key, []).append((node, other))
    return list({tuple(id(other.value) for _, other in pairs): pairs for pairs in aligned.values()}.values())


def _nearest_by_instruction(recording: RecordedPass, node: Node) -> Mapping[Any, Node]:
    """The nodes around a node by users and inputs, the nearest of each instruction."""
    seen = {node.index}
    layer = [node]
    nearest: dict[Any, Node] = {}
    while layer and len(seen) <= _MAX_NEARBY:
        reached: dict[int, Node] = {}
        for near in layer:
            if near.name != "parameter":  # which is used everywhere
                reached |= {user.index: user for user in recording.users.get(near.index, [])}
            for k, entry in enumerate(near.inputs):
                other = _as_node(entry)
                if other is not node:
                    nearest.setdefault((near.line, near.name, near.index > node.index, k), other)
                    reached[other.index] = other
        layer = [other for other in reached.values() if other.index >= 0 and other.index not in seen]
        seen |= set(reached)
        for other in layer:
            nearest.setdefault((other.line, other.name, other.index > node.index), other)
    return nearest


def _operand_edits(edge: Edge, nearest: Nearest, gates: AbstractSet[int]) -> Iterator[rules.PlantedMistake]:
    """Mistakes that multiply by a wrong value."""
    nodes, k, first = edge.nodes, edge.k, edge.nodes[0]
    if len(first.inputs) != 2 or first.name not in rules.PRODUCTS:
        return

    def with_values(
        code: str, text: str, values: Mapping[int, Array], constants: int = 0
    ) -> Iterator[rules.PlantedMistake]:
        edge_rules = {n.index: rules.with_operand(k, values[n.index]) for n in nodes if n.index in values}
        yield edge.candidate(code, f"{text}, at {edge.place}", edge_rules, constants + (len(edge_rules) < len(nodes)))

    operands = {node.index: np.asarray(node.values[1 - k]) for node in nodes}
    ndim = operands[first.index].ndim
    for i, j in combinations(range(ndim), 2):
        exchanged = {index: np.swapaxes(value, i, j) for index, value in operands.items()}
        if exchanged[first.index].shape == operands[first.index].shape:
            text = "goes back through a matrix that is not transposed"
            yield from with_values("weights_not_transposed", text, exchanged)
    if edge.parameter is None and rules.parameter_of(edge.recording, first.inputs[1 - k]) is not None:
        for axes in ((-1,), (-2, -1), (-2,), (0,), (0, 1))[: max(0, 2 * ndim - 1)]:
            flipped = {index: np.flip(value, axes) for index, value in operands.items()}
            text = "goes back through weights that are flipped, or not flipped"
            yield from with_values("kernel_not_flipped", text, flipped)
    neighbors = [(nodes[:-1], nodes[1:]), (nodes[1:], nodes[:-1])]
    others = [(0, [(node, _as_node(n.inputs[1 - k])) for node, n in zip(*both, strict=True)]) for both in neighbors]
    others += [(1, pairs) for pairs in _nearby(edge, nearest)]
    is_start = [edge.parameter is not None and not operands[node.index].any() for node in nodes]
    for start in (node for node, is_zero in zip(nodes, is_start, strict=True) if is_zero and len(nodes) > 1):
        zeros = operands[start.index]
        last = {node.line: node for node in edge.recording.nodes if node.value.size == zeros.size}  # h[−1] at t = 0
        others += [(0, [(start, replace(node, value=node.value.reshape(zeros.shape)))]) for node in last.values()]
    for constants, pairs in others:
        values = {node.index: other.value for node, other in pairs}
        fitting = {index: value for index, value in values.items() if value.shape == operands[index].shape}
        if not fitting:
            continue
        is_same = pairs[0][1] is pairs[0][0].inputs[1 - k]
        is_number = pairs[0][1].value.size < 2 and not pairs[0][1].is_active  # which would be any factor
        if is_same or is_number or not pairs[0][1].value.any():
            continue
        what = "gate" if pairs[0][1].index in gates else "value"
        text = f"takes the {what} of {rules.describe_line([pairs[0][1]])} for another factor"
        if not operands[pairs[0][0].index].any():
            text += ", which is 0 in the first step: does an index of −1 take the last value?"
        code = _code_of_operand(edge, first.inputs[1 - k], pairs[0][1])
        yield from with_values(code, text, fitting, constants)


def _as_node(entry: Any) -> Node:
    return entry if isinstance(entry, Node) else Node(-1, "constant", np.asarray(entry))


def _code_of_operand(edge: Edge, operand: Any, other: Node) -> str:
    """The code of the mistake that a product takes `other` for its factor `operand`."""
    if rules.is_mask(_as_node(operand).value) and rules.is_mask(other.value):
        return "other_mask"
    if isinstance(operand, Node) and operand.name == "multiply" and any(entry is other for entry in operand.inputs):
        mask = operand.values[0 if operand.inputs[1] is other else 1]
        if rules.is_mask(mask):
            return "mask_missing" if mask.max() == 1 else "dropout_mask"
    is_weight = edge.parameter is None and rules.parameter_of(edge.recording, other) is not None
    return "other_weights" if is_weight else "wrong_input"


def _upstream_edits(edge: Edge, nearest: Nearest) -> Iterator[rules.PlantedMistake]:
    """Mistakes that take a wrong upstream gradient."""
    nodes, k, first, place = edge.nodes, edge.k, edge.nodes[0], edge.place
    is_product = first.name in (*rules.PRODUCTS, "add", "subtract", "divide")

    if first.value.ndim > 1 and first.value.shape[-1] == first.value.shape[-2] and first.name == "matmul":
        text = f"goes back without being transposed, at {place}"
        yield edge.candidate("weights_not_transposed", text, _with_upstream(k, lambda g: np.swapaxes(g, -1, -2)))
    if is_product:
        yield from _sample_edits(edge)
    if first.value.size > 1:
        text = f"leaves out the upstream gradient, at {place}"
        yield edge.candidate("upstream_ignored", text, _with_upstream(k, np.ones_like), 1 if edge.parameter else 2)
    if not is_product and edge.parameter is None:
        return
    gradients = edge.recording.gradients
    pairs_by_key = _nearby(edge, nearest)
    count_nearby = len(pairs_by_key)
    if edge.parameter is not None and len(nodes) == 1:
        pairs_by_key += [[(first, other)] for other in edge.recording.nodes if other is not first]
    for i, pairs in enumerate(pairs_by_key):
        upstream = {
            (node.index, k): other.index
            for node, other in pairs
            if other.index in gradients
            and other.value.shape == node.value.shape
            and (edge.parameter is not None or other.index > node.index and other.line[0])
        }
        if not upstream:
            continue
        node, other = pairs[0]
        names = _names_between(other, node)
        code = "other_delta" if names is None and edge.parameter else "derivative_missing"
        code = "scale_missing" if names is not None and names <= {"multiply", "divide"} else code
        text = f"lacks the derivative of what follows {place}, up to {rules.describe_line([other])}"
        if code == "other_delta":
            text = f"is computed from the gradient of the value of {rules.describe_line([other])}, at {place}"
        constants = 1 + (len(upstream) < len(nodes) or i >= count_nearby)
        yield rules.PlantedMistake(code, text, Changes(upstream=upstream), constants, edge.parameter)


def _with_upstream(k: int, function: Callable[[Array], Array]) -> EdgeRule:
    return rules.at_input(k, lambda g, n: rules.correct_gradient(k, function(g), n))


def _names_between(later: Node, node: Node) -> set[str] | None:
    """The operations that make `later` of a node alone, but for biases; else None."""
    names = set[str]()
    while later is not node:
        sources = [entry for _, entry in later.active_inputs if entry.name != "parameter"]
        if len(sources) != 1 or later.name in ("matmul", "einsum", "sum"):
            return None
        names.add(later.name)
        (later,) = sources
    return names


def _sample_edits(edge: Edge) -> Iterator[rules.PlantedMistake]:
    """Mistakes that sum the upstream gradient over samples, or keep that of one."""
    nodes, k, place = edge.nodes, edge.k, edge.place
    for axis in range(min(node.value.ndim for node in nodes)):
        count = nodes[0].value.shape[axis]
        if edge.parameter is None and nodes[0].name in ("matmul", "einsum", "add"):

            def early(g: Array, axis: int = axis) -> Array:
                return np.broadcast_to(g.sum(axis=axis, keepdims=True), g.shape)

            text = f"is summed over the samples before it has gone through {place}"
            yield edge.candidate("summed_early", text, lambda i, g, n: rules.correct_gradient(i, early(g), n))
            yield edge.candidate("summed_early", text, _with_upstream(k, early))
        for position, which in ((count - 1, "last"), (0, "first")) if edge.parameter is not None else ():
            for share in (1, count):

                def single(g: Array, axis: int = axis, position: int = position, share: int = share) -> Array:
                    is_kept = np.arange(g.shape[axis]) == position
                    return share * g * is_kept.reshape([-1 if i == axis else 1 for i in range(g.ndim)])

                text = f"is that of the {which} sample alone, at {place}"
                yield edge.candidate("last_sample", text, _with_upstream(k, single), int(share > 1))


def _factor_edits(edge: Edge) -> Iterator[rules.PlantedMistake]:
    """Mistakes that transpose, drop, negate, double or halve a gradient."""
    nodes, k, place = edge.nodes, edge.k, edge.place
    is_leaf = edge.parameter is not None

    def rule_of(factor: float) -> EdgeRule:
        return rules.at_input(k, lambda g, n: factor * rules.correct_gradient(k, g, n))

    if is_leaf and np.ndim(nodes[0].values[k]) == 2:
        transposed = rules.at_input(k, lambda g, n: rules.correct_gradient(k, g, n).T)
        yield edge.candidate("transposed", f"has the part that comes back through {place} transposed", transposed)
    text = f"lacks what comes back through {place}"
    yield edge.candidate("path_missing", text, rules.at_input(k, lambda g, n: None), 1 if is_leaf else 2)
    code = "loss_derivative_sign" if nodes[0].index > edge.recording.last_parameter_use else "sign_of_part"
    yield edge.candidate(code, f"has the wrong sign in what comes back through {place}", rule_of(-1.0), 1)
    for factor, how in ((2.0, "twice"), (0.5, "half")):
        yield edge.candidate("factor_two", f"has {how} what comes back through {place}", rule_of(factor), 2)


def overwritten_gradients(recording: RecordedPass) -> Iterator[rules.PlantedMistake]:
    """Mistakes that assign gradients of values which are used several times."""
    groups = [(group, rules.describe_line(group)) for group in recording.operation_groups()]
    for is_first in (False, True):
        for nodes, place in ((recording.nodes, EVERY_OPERATION), *groups):
            text = f"of values that are used several times is overwritten by {place}, not added up"
            writers = frozenset(node.index for node in nodes)
            yield rules.PlantedMistake("gradient_overwritten", text, Changes(writers=writers, is_first=is_first))
    for group, place in groups:
        if group[0].name == "getitem" and any(len(np.unique(node.data[0])) < node.data[0].size for node in group):
            text = f"of rows that occur several times is overwritten, not added up, at {place}"
            for order in (slice(None), slice(None, None, -1)):
                edge_rules = {node.index: _assign_to(node.data[0], order) for node in group}
                for writers, is_first in (
                    (frozenset[int](), False),
                    (frozenset(edge_rules), False),
                    (frozenset(edge_rules), True),
                ):
                    changes = Changes(rules=edge_rules, writers=writers, is_first=is_first)
                    yield rules.PlantedMistake("gradient_overwritten", text, changes)


def _assign_to(source: NDArray[np.int64], order: slice) -> EdgeRule:
    """A rule that assigns gradients to flat entries instead of adding them."""

    def rule(k: int, g: Array, node: Node) -> Array:
        result = np.zeros(np.size(node.values[0]))
        result[source.ravel()[order]] = g.ravel()[order]
        return result.reshape(np.shape(node.values[0]))

    return rule
