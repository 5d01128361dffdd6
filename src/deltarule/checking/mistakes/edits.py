"""Generic mistakes: another operand or gradient, a wrong factor, `=` for `+=`.

Each changes what comes back to one input of equal operations. Where that input is a parameter, only the line of one
gradient is wrong; else all gradients before it.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import replace
from functools import cache, partial
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deltarule.checking.mistakes import rules
from deltarule.checking.mistakes.edges import Edge, Nearest, as_node, find_edges, nearby_values, nearest_by_instruction
from deltarule.checking.tape.backward import Array, Changes, EdgeRule, Node, RecordedPass

EVERY_OPERATION = "every operation"


def edit_mistakes(
    recording: RecordedPass, groups: Sequence[Sequence[Node]], wrong: Sequence[Node], gates: AbstractSet[int]
) -> Iterator[rules.PlantedMistake]:
    """The generic mistakes at all operations, the most specific first."""
    edges = list(find_edges(recording, groups, wrong))
    nearest = cache(partial(nearest_by_instruction, recording))
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
            yield from _overwriting_edits(chosen)


def _overwriting_edits(edges: Sequence[Edge]) -> Iterator[rules.PlantedMistake]:
    """Mistakes that keep of several repetitions only the last, or the first."""
    for kept, which in ((-1, "last"), (0, "first")):
        lost = [(node, edge.k) for edge in edges for node in edge.nodes if node is not edge.nodes[kept]]
        edge_rules = {node.index: rules.at_input(k, lambda g, n: None) for node, k in lost}
        if edge_rules:
            text = f"has only the part of the {which} of several repetitions of {edges[0].place}"
            yield edges[0].candidate("gradient_overwritten", text, edge_rules)


def _operand_edits(edge: Edge, nearest: Nearest, gates: AbstractSet[int]) -> Iterator[rules.PlantedMistake]:
    """Mistakes that multiply by a wrong value."""
    k, first = edge.k, edge.nodes[0]
    if len(first.inputs) != 2 or first.name not in rules.PRODUCTS:
        return
    operands = {node.index: np.asarray(node.values[1 - k]) for node in edge.nodes}
    yield from _turned_operands(edge, operands)
    others = [(0, pairs) for pairs in _operands_of_neighbors(edge)]
    others += [(1, pairs) for pairs in nearby_values(edge, nearest)]
    others += [(0, pairs) for pairs in _last_states(edge, operands)]
    for constants, pairs in others:
        node, other = pairs[0]
        fitting = {n.index: o.value for n, o in pairs if o.value.shape == operands[n.index].shape}
        is_number = other.value.size < 2 and not other.is_active  # which would be any factor
        if not fitting or other is node.inputs[1 - k] or is_number or not other.value.any():
            continue
        text = _text_of_operand(operands[node.index], other, gates)
        code = _code_of_operand(edge, first.inputs[1 - k], other)
        yield edge.with_operands(code, text, fitting, constants)


def _turned_operands(edge: Edge, operands: Mapping[int, Array]) -> Iterator[rules.PlantedMistake]:
    """Mistakes that multiply by a matrix with exchanged axes, or by flipped weights."""
    first = edge.nodes[0]
    operand = operands[first.index]
    for i, j in combinations(range(operand.ndim), 2):
        exchanged = {index: np.swapaxes(value, i, j) for index, value in operands.items()}
        if exchanged[first.index].shape == operand.shape:
            text = "goes back through a matrix that is not transposed"
            yield edge.with_operands("weights_not_transposed", text, exchanged)
    if edge.parameter is None and rules.parameter_of(edge.recording, first.inputs[1 - edge.k]) is not None:
        for axes in ((-1,), (-2, -1), (-2,), (0,), (0, 1))[: max(0, 2 * operand.ndim - 1)]:
            flipped = {index: np.flip(value, axes) for index, value in operands.items()}
            text = "goes back through weights that are flipped, or not flipped"
            yield edge.with_operands("kernel_not_flipped", text, flipped)


def _operands_of_neighbors(edge: Edge) -> Iterator[list[tuple[Node, Node]]]:
    """The factors of the next operation on the line, and of the one before."""
    if len(edge.nodes) < 2:
        return
    for nodes, others in ((edge.nodes[:-1], edge.nodes[1:]), (edge.nodes[1:], edge.nodes[:-1])):
        yield [(node, as_node(other.inputs[1 - edge.k])) for node, other in zip(nodes, others, strict=True)]


def _last_states(edge: Edge, operands: Mapping[int, Array]) -> Iterator[list[tuple[Node, Node]]]:
    """The last values of each line's arrays, in the place of zeros at the start: h[−1] at t = 0."""
    if edge.parameter is None or len(edge.nodes) < 2:
        return
    for start in edge.nodes:
        zeros = operands[start.index]
        if not zeros.any():
            last = {node.line: node for node in edge.recording.nodes if node.value.size == zeros.size}
            yield from ([(start, replace(node, value=node.value.reshape(zeros.shape)))] for node in last.values())


def _text_of_operand(operand: Array, other: Node, gates: AbstractSet[int]) -> str:
    what = "gate" if other.index in gates else "value"
    zero = "" if operand.any() else ", which is 0 in the first step: does an index of −1 take the last value?"
    return f"takes the {what} of {rules.describe_line([other])} for another factor{zero}"


def _code_of_operand(edge: Edge, operand: Any, other: Node) -> str:
    """The code of the mistake that a product takes `other` for its factor `operand`."""
    if rules.is_mask(as_node(operand).value) and rules.is_mask(other.value):
        return "other_mask"
    if isinstance(operand, Node) and operand.name == "multiply" and any(entry is other for entry in operand.inputs):
        mask = operand.values[0 if operand.inputs[1] is other else 1]
        if rules.is_mask(mask):
            return "mask_missing" if mask.max() == 1 else "dropout_mask"
    is_weight = edge.parameter is None and rules.parameter_of(edge.recording, other) is not None
    return "other_weights" if is_weight else "wrong_input"


def _upstream_edits(edge: Edge, nearest: Nearest) -> Iterator[rules.PlantedMistake]:
    """Mistakes that take a wrong upstream gradient."""
    k, first, place = edge.k, edge.nodes[0], edge.place
    is_product = first.name in (*rules.PRODUCTS, "add", "subtract", "divide")

    if first.value.ndim > 1 and first.value.shape[-1] == first.value.shape[-2] and first.name == "matmul":
        text = f"goes back without being transposed, at {place}"
        yield edge.candidate("weights_not_transposed", text, _with_upstream(k, lambda g: np.swapaxes(g, -1, -2)))
    if is_product:
        yield from _sample_edits(edge)
    if first.value.size > 1:
        text = f"leaves out the upstream gradient, at {place}"
        yield edge.candidate("upstream_ignored", text, _with_upstream(k, np.ones_like), 1 if edge.parameter else 2)
    if is_product or edge.parameter is not None:
        yield from _other_upstreams(edge, nearest)


def _other_upstreams(edge: Edge, nearest: Nearest) -> Iterator[rules.PlantedMistake]:
    """Mistakes that take the gradient of another value, as where a derivative is left out."""
    first, k = edge.nodes[0], edge.k
    pairs_by_key = nearby_values(edge, nearest)
    count_nearby = len(pairs_by_key)
    if edge.parameter is not None and len(edge.nodes) == 1:
        pairs_by_key += [[(first, other)] for other in edge.recording.nodes if other is not first]
    for i, pairs in enumerate(pairs_by_key):
        upstream = {(node.index, k): other.index for node, other in pairs if _may_be_upstream(edge, node, other)}
        if not upstream:
            continue
        node, other = pairs[0]
        code = _code_of_upstream(edge, node, other)
        text = f"lacks the derivative of what follows {edge.place}, up to {rules.describe_line([other])}"
        if code == "other_delta":
            text = f"is computed from the gradient of the value of {rules.describe_line([other])}, at {edge.place}"
        constants = 1 + (len(upstream) < len(edge.nodes) or i >= count_nearby)
        yield rules.PlantedMistake(code, text, Changes(upstream=upstream), constants, edge.parameter)


def _may_be_upstream(edge: Edge, node: Node, other: Node) -> bool:
    has_gradient = other.index in edge.recording.gradients and other.value.shape == node.value.shape
    return has_gradient and (edge.parameter is not None or (other.index > node.index and bool(other.line[0])))


def _code_of_upstream(edge: Edge, node: Node, other: Node) -> str:
    names = _names_between(other, node)
    if names is not None and names <= {"multiply", "divide"}:
        return "scale_missing"
    return "other_delta" if names is None and edge.parameter else "derivative_missing"


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
