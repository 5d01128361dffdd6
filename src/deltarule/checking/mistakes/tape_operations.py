"""Mistakes in the derivatives of recorded arithmetic operations."""

# mypy: disable-error-code="misc"
# mypy does not infer lambdas with defaults, which bind the variable of a loop.

from collections.abc import Callable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from typing import Any

import numpy as np

from deltarule.checking.mistakes.tape_candidates import (
    MAX_CHANGED_SINGLY,
    Candidate,
    changes_at,
    correct_gradient,
    describe_line,
    in_shape_of_input,
    is_parameter,
    rule_for_input,
    rule_with_operand,
)
from deltarule.checking.mistakes.tape_pooling import averaging_mistakes, pooling_mistakes
from deltarule.checking.tape.backward import Changes, EdgeRule, Recording
from deltarule.checking.tape.operations import Array, Node

_MAX_SUBSTITUTES = 24
"""Recorded values that are tried in place of a factor."""


InputRule = Callable[[int, Array, Node], Array]
"""(k, g, node) → a wrong gradient of input k, before it is summed to its shape."""


def _other(k: int, node: Node) -> Array:
    return node.values[1 - k]


def _without_operand(k: int, g: Array, node: Node) -> Array:
    return g


def _with_operand_twice(k: int, g: Array, node: Node) -> Array:
    return _times_operand(_times_operand(g, node, k), node, k)


def _by_own(k: int, g: Array, node: Node) -> Array:
    return g * node.values[k]


def _at_input(k: int, rule: InputRule) -> EdgeRule:
    return rule_for_input(k, lambda g, n: in_shape_of_input(rule(k, g, n), n, k))


_MASK_RULES: tuple[tuple[str, str, InputRule], ...] = (
    ("dropout_mask", "lacks the mask", _without_operand),
    ("dropout_mask", "lacks the mask, but has its scale", lambda k, g, n: g * _other(k, n).max()),
    ("dropout_mask", "lacks the 1 / keep of the mask", lambda k, g, n: g * (_other(k, n) > 0)),
    ("mask_of_gradient", "masks by the sign of the gradient", lambda k, g, n: _mask_by_sign(g)),
    ("mask_inverted", "has the mask inverted", lambda k, g, n: g * (_other(k, n) == 0)),
    ("dropout_mask", "has the mask twice", lambda k, g, n: g * _other(k, n) ** 2),
)
"""Wrong derivatives of a product with a mask; a missing one is `mask_missing` if it has no scale."""
_UNARY_RULES: tuple[tuple[str, str, InputRule], ...] = (
    ("derivative_missing", "is left out", _without_operand),
    ("derivative_at_output", "is taken at its output", lambda k, g, n: correct_gradient(k, g, n, [n.value])),
    ("derivative_twice", "is multiplied twice", lambda k, g, n: correct_gradient(k, correct_gradient(k, g, n), n)),
    (
        "upstream_ignored",
        "stands alone, without the upstream gradient",
        lambda k, g, n: correct_gradient(k, 1 + 0 * g, n),
    ),
)
_POWER_RULES: tuple[tuple[str, str, InputRule], ...] = (
    ("power_rule", "lacks its exponent", lambda k, g, n: correct_gradient(0, g, n) / n.values[1]),
    ("power_rule", "has an exponent that is not lowered by 1", lambda k, g, n: g * n.values[1] * n.value),
    ("derivative_missing", "is left out", _without_operand),
)
_WITHOUT_DERIVATIVE = {
    *("sum", "getitem", "negative", "positive", "reshape", "transpose", "pad", "repeat", "where", "setitem", "join"),
    "einsum",
}
"""Operations of one input that have other mistakes."""
_DIVISOR_RULES: tuple[tuple[str, InputRule], ...] = (
    ("has the wrong sign", lambda k, g, n: -correct_gradient(k, g, n)),
    ("divides by the divisor, not by its square", lambda k, g, n: -g * n.value),
    ("lacks the numerator", lambda k, g, n: -g / n.values[1] ** 2),
    ("is that of the logarithm", lambda k, g, n: g / n.values[1]),
)
"""Wrong derivatives of a quotient by its divisor."""


def operation_mistakes(
    recording: Recording, operations: Sequence[Node], sigmoid_indices: AbstractSet[int]
) -> Iterator[Candidate]:
    """Wrong derivatives of equal operations.

    operations        the operations that all have the mistake
    sigmoid_indices   indices of the nodes that are outputs of a sigmoid: such a factor is called a gate
    """
    name = operations[0].name
    if name in ("multiply", "divide"):
        yield from _product_mistakes(recording, operations, sigmoid_indices)
    elif name == "matmul":
        yield from _matmul_mistakes(recording, operations)
    elif name in ("max", "min"):
        yield from pooling_mistakes(operations)
    elif name == "power":
        yield from _table_mistakes(operations, "power", _POWER_RULES)
    elif len(operations[0].inputs) == 1 and name not in _WITHOUT_DERIVATIVE:
        yield from _table_mistakes(operations, name, _UNARY_RULES)
    elif name == "sum":
        counts = [np.size(node.values[0]) / max(node.value.size, 1) for node in operations]
        if len(set(counts)) == 1 and counts[0] > 1:
            text = f"the gradient of a sum is divided by the count, at {describe_line(operations)}"
            yield Candidate(
                "mean_twice", text, changes_at(operations, lambda k, g, n: correct_gradient(k, g, n) / counts[0])
            )
            yield from averaging_mistakes(operations, counts[0])


def _table_mistakes(
    operations: Sequence[Node], name: str, rules: Sequence[tuple[str, str, InputRule]]
) -> Iterator[Candidate]:
    for code, text, rule in rules:
        sentence = f"the derivative of {name} {text}, at {describe_line(operations)}"
        yield Candidate(code, sentence, changes_at(operations, _at_input(0, rule)))


def _product_mistakes(
    recording: Recording, operations: Sequence[Node], sigmoid_indices: AbstractSet[int]
) -> Iterator[Candidate]:
    """Wrong derivatives of products and quotients."""
    place, node = describe_line(operations), operations[0]
    for k in range(2):
        if not any(isinstance(operation.inputs[k], Node) and operation.inputs[k].is_active for operation in operations):
            continue
        other = node.values[1 - k]
        is_divided = node.name == "divide"
        if is_divided and k == 1:
            for text, rule in _DIVISOR_RULES:
                sentence = f"the derivative of the quotient by its divisor {text}, at {place}"
                yield Candidate("power_rule", sentence, changes_at(operations, _at_input(1, rule)))
            continue
        if _is_mask(other):
            scales = [_constant_scale_after(recording, operation) for operation in operations]
            missing = "dropout_mask" if other.max() != 1 or all(scales) else "mask_missing"
            for kind, text, rule in _MASK_RULES:
                code = missing if kind == "dropout_mask" else kind
                yield Candidate(code, f"the gradient {text}, at {place}", changes_at(operations, _at_input(k, rule)))
            for mask in _other_masks(recording, other):
                text = f"the gradient has the mask of another layer, at {place}"
                yield Candidate("other_mask", text, changes_at(operations, rule_with_operand(k, mask)))
            if all(scales):
                rules = dict.fromkeys((operation.index for operation in operations), _at_input(k, _without_operand))
                rules |= {scale.index: lambda k, g, n: g for scale in scales if scale is not None}
                text = f"the gradient lacks the mask and its scale, at {place}"
                yield Candidate(missing, text, Changes(rules=rules))
            continue
        is_count = is_divided and other.size == 1 and float(other.reshape(())) in _possible_counts(node)
        others = [operation.inputs[1 - k] for operation in operations]
        is_gate = any(isinstance(entry, Node) and entry.index in sigmoid_indices for entry in others)
        what = "1 / N" if is_count else "divisor" if is_divided else "gate" if is_gate else "factor"
        code = "mean_missing" if is_count else "scale_missing"
        twice = "mean_twice" if is_count else "scale_missing"
        for kind, text, rule, constants in (
            (code, f"the gradient lacks the {what} of {place}", _without_operand, 0),
            (twice, f"the gradient has the {what} twice, of {place}", _with_operand_twice, 1),
            ("wrong_input", f"the gradient is multiplied by the wrong factor of the product, at {place}", _by_own, 0),
        ):
            yield Candidate(kind, text, changes_at(operations, _at_input(k, rule)), constants)
        if len(operations) > 1:
            for shift in (1, -1):
                text = f"the gradient is multiplied by the {what} of a neighboring product, at {place}"
                yield Candidate("wrong_input", text, _with_neighboring_operand(operations, k, shift), 1)


def _other_masks(recording: Recording, mask: Array) -> Iterator[Array]:
    """Other masks by which the forward pass multiplies, with the same shape as `mask`."""
    factors: dict[int, Array] = {}
    for node in recording.nodes:
        if node.name == "multiply":
            factors |= {
                id(value): value for value in node.values if np.shape(value) == mask.shape and value is not mask
            }
    yield from (factor for factor in list(factors.values())[:_MAX_SUBSTITUTES] if _is_mask(factor))


def _constant_scale_after(recording: Recording, node: Node) -> Node | None:
    """The only user of a node, if it multiplies or divides by a constant."""
    users = recording.users.get(node.index, [])
    if len(users) != 1 or users[0].name not in ("multiply", "divide") or users[0].inputs[0] is not node:
        return None
    other = users[0].inputs[1]
    is_constant = not (isinstance(other, Node) and other.is_active)
    return users[0] if is_constant and users[0].values[1].size == 1 else None


def _mask_by_sign(g: Array) -> Array:
    if (g >= 0).all():
        raise ValueError("the mask changes nothing")
    return g * (g > 0)


def _times_operand(g: Array, node: Node, k: int) -> Array:
    return g / node.values[1] if node.name == "divide" else g * node.values[1 - k]


def _possible_counts(node: Node) -> set[float]:
    """Divisors by which a quotient would be a mean."""
    value = node.inputs[0].value if isinstance(node.inputs[0], Node) else node.values[0]
    sizes = {float(n) for n in np.shape(value)} | {float(np.size(value))}
    source = node.inputs[0]
    while isinstance(source, Node) and source.name in ("sum", "negative") and source.inputs:
        sizes |= {float(n) for n in source.values[0].shape} | {float(source.values[0].size)}
        source = source.inputs[0]
    return {n for n in sizes if n > 1} | {float(n) for n in range(2, 10_000) if not sizes - {1.0}}


def _is_mask(array: Array) -> bool:
    if array.size < 2 or not (array == 0).any():
        return False
    values = array[array != 0]
    return bool(values.size and (values == values.flat[0]).all())


def _with_neighboring_operand(operations: Sequence[Node], k: int, shift: int) -> Changes:
    """Changes that take the operand of a product `shift` places later."""
    rules: dict[int, EdgeRule] = {}
    for i, node in enumerate(operations):
        j = i + shift
        neighbor = operations[j].values[1 - k] if 0 <= j < len(operations) else None
        if neighbor is not None and neighbor.shape == np.shape(node.values[1 - k]):
            rules[node.index] = rule_with_operand(k, neighbor)
    return Changes(rules=rules)


def _matmul_mistakes(recording: Recording, operations: Sequence[Node]) -> Iterator[Candidate]:
    """Wrong derivatives of matrix products."""
    place = describe_line(operations)
    for k in range(2):
        if not any(isinstance(node.inputs[k], Node) and node.inputs[k].is_active for node in operations):
            continue
        square = [n for n in operations if n.values[1 - k].ndim == 2 and len(set(n.values[1 - k].shape)) == 1]
        if square:
            rules = {n.index: rule_with_operand(k, n.values[1 - k].T) for n in square}
            text = f"the gradient goes back through a matrix that is not transposed, at {place}"
            yield Candidate("weights_not_transposed", text, Changes(rules=rules))
        if operations[0].value.ndim > 1 and operations[0].value.shape[-1] == operations[0].value.shape[-2]:
            text = f"the gradient goes back through a product without being transposed, at {place}"
            transposed = rule_for_input(k, lambda g, n, k=k: correct_gradient(k, np.swapaxes(g, -1, -2), n))
            yield Candidate("weights_not_transposed", text, changes_at(operations, transposed))
        for shift in (1, -1) if len(operations) > 1 else ():
            code = "other_weights" if is_parameter(recording, operations[0].inputs[1 - k]) else "wrong_input"
            text = f"the product takes the factor of a neighboring layer or step, at {place}"
            yield Candidate(code, text, _with_neighboring_operand(operations, k, shift))
        if len(operations) > MAX_CHANGED_SINGLY:
            continue
        operand = operations[0].values[1 - k]
        substitutes = [n for n in recording.nodes if n.value.shape == operand.shape and n.value is not operand]
        for substitute in substitutes[:_MAX_SUBSTITUTES]:
            code = _code_of_substitute(recording, operations[0].inputs[1 - k], substitute)
            text = f"the gradient of the product at {place} takes the value of {describe_line([substitute])} instead"
            yield Candidate(code, text, changes_at(operations, rule_with_operand(k, substitute.value)), 1)


def _code_of_substitute(recording: Recording, operand: Any, substitute: Node) -> str:
    """The code of the mistake that a product takes `substitute` as a factor."""
    if (
        isinstance(operand, Node)
        and operand.name == "multiply"
        and any(entry is substitute for entry in operand.inputs)
    ):
        mask = operand.values[0 if operand.inputs[1] is substitute else 1]
        if _is_mask(mask):
            return "mask_missing" if mask.max() == 1 else "dropout_mask"
    return "other_weights" if is_parameter(recording, substitute) else "wrong_input"
