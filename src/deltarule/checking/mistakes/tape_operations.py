"""Mistakes in the derivatives of recorded products, matrix products, powers, sums and functions of one input."""

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


def operation_mistakes(
    recording: Recording, operations: Sequence[Node], sigmoid_indices: AbstractSet[int]
) -> Iterator[Candidate]:
    """Wrong derivatives of equal operations; a factor whose node index is in `sigmoid_indices` is called a gate.

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
    elif len(operations[0].inputs) == 1 and name not in ("sum", "getitem", "negative", "positive"):
        yield from _unary_mistakes(operations)
    elif name == "power":
        exponent = operations[0].values[1]
        place = describe_line(operations)
        text = f"the derivative of the power lacks its exponent, at {place}"
        without_exponent = rule_for_input(0, lambda g, n: correct_gradient(0, g, n) / exponent)
        yield Candidate("power_rule", text, changes_at(operations, without_exponent))
        text = f"the exponent of the power is not lowered by 1, at {place}"
        not_lowered = rule_for_input(0, lambda g, n: g * exponent * n.value)
        yield Candidate("power_rule", text, changes_at(operations, not_lowered))
        text = f"the derivative of the power is left out, at {place}"
        left_out = rule_for_input(0, lambda g, n: in_shape_of_input(g, n, 0))
        yield Candidate("derivative_missing", text, changes_at(operations, left_out))
    elif name == "sum":
        counts = [np.size(node.values[0]) / max(node.value.size, 1) for node in operations]
        if len(set(counts)) == 1 and counts[0] > 1:
            text = f"the gradient of a sum is divided by the count, at {describe_line(operations)}"
            yield Candidate(
                "mean_twice", text, changes_at(operations, lambda k, g, n: correct_gradient(k, g, n) / counts[0])
            )
            yield from averaging_mistakes(operations, counts[0])


def _unary_mistakes(operations: Sequence[Node]) -> Iterator[Candidate]:
    """Wrong derivatives of functions of one input, such as exp."""
    if operations[0].name in ("reshape", "transpose", "pad", "repeat", "where", "setitem", "join", "einsum"):
        return
    subject, place = f"the derivative of {operations[0].name}", describe_line(operations)
    rules: list[tuple[str, str, EdgeRule]] = [
        ("derivative_missing", "is left out", lambda k, g, n: g),
        ("derivative_at_output", "is taken at its output", lambda k, g, n: correct_gradient(k, g, n, [n.value])),
        ("derivative_twice", "is multiplied twice", lambda k, g, n: correct_gradient(k, correct_gradient(k, g, n), n)),
        (
            "upstream_ignored",
            "stands alone, without the upstream gradient",
            lambda k, g, n: correct_gradient(k, 1 + 0 * g, n),
        ),
    ]
    for code, text, rule in rules:
        yield Candidate(code, f"{subject} {text}, at {place}", changes_at(operations, rule))


def _product_mistakes(
    recording: Recording, operations: Sequence[Node], sigmoid_indices: AbstractSet[int]
) -> Iterator[Candidate]:
    """Wrong derivatives of products and quotients, also by a mask, a count, or a gate (in `sigmoid_indices`)."""
    place, node = describe_line(operations), operations[0]
    for k in range(2):
        if not any(isinstance(operation.inputs[k], Node) and operation.inputs[k].is_active for operation in operations):
            continue
        other = node.values[1 - k]
        is_divided = node.name == "divide"
        if is_divided and k == 1:
            yield from _divisor_mistakes(operations)
            continue
        if _is_mask(other):
            scales = [_constant_scale_after(recording, operation) for operation in operations]
            missing = "dropout_mask" if other.max() != 1 or all(scales) else "mask_missing"
            masks: list[tuple[str, EdgeRule]] = [
                ("lacks the mask", rule_for_input(k, lambda g, n, k=k: in_shape_of_input(g, n, k))),
                (
                    "lacks the mask, but has its scale",
                    rule_for_input(k, lambda g, n, k=k: in_shape_of_input(g * n.values[1 - k].max(), n, k)),
                ),
                (
                    "lacks the 1 / keep of the mask",
                    rule_for_input(k, lambda g, n, k=k: in_shape_of_input(g * (n.values[1 - k] > 0), n, k)),
                ),
                (
                    "masks by the sign of the gradient",
                    rule_for_input(k, lambda g, n, k=k: in_shape_of_input(_mask_by_sign(g), n, k)),
                ),
                (
                    "has the mask inverted",
                    rule_for_input(k, lambda g, n, k=k: in_shape_of_input(g * (n.values[1 - k] == 0), n, k)),
                ),
                (
                    "has the mask twice",
                    rule_for_input(k, lambda g, n, k=k: in_shape_of_input(g * n.values[1 - k] ** 2, n, k)),
                ),
            ]
            codes = [missing] * 3 + ["mask_of_gradient", "mask_inverted", missing]
            for code, (text, rule) in zip(codes, masks, strict=True):
                yield Candidate(code, f"the gradient {text}, at {place}", changes_at(operations, rule))
            for mask in _other_masks(recording, other):
                text = f"the gradient has the mask of another layer, at {place}"
                yield Candidate("other_mask", text, changes_at(operations, rule_with_operand(k, mask)))
            if all(scales):
                rules: dict[int, EdgeRule] = {operation.index: masks[0][1] for operation in operations}
                rules |= {scale.index: lambda k, g, n: g for scale in scales if scale is not None}
                text = f"the gradient lacks the mask and its scale, at {place}"
                yield Candidate(missing, text, Changes(rules=rules))
            continue
        is_count = is_divided and other.size == 1 and float(other.reshape(())) in _possible_counts(node)
        others = [operation.inputs[1 - k] for operation in operations]
        is_gate = any(isinstance(entry, Node) and entry.index in sigmoid_indices for entry in others)
        what = "1 / N" if is_count else "divisor" if is_divided else "gate" if is_gate else "factor"
        code = "mean_missing" if is_count else "scale_missing"
        text = f"the gradient lacks the {what} of {place}"
        yield Candidate(
            code, text, changes_at(operations, rule_for_input(k, lambda g, n, k=k: in_shape_of_input(g, n, k)))
        )
        text = f"the gradient has the {what} twice, of {place}"
        again = changes_at(
            operations,
            rule_for_input(k, lambda g, n, k=k: in_shape_of_input(_times_operand(_times_operand(g, n, k), n, k), n, k)),
        )
        yield Candidate("mean_twice" if is_count else "scale_missing", text, again, 1)
        text = f"the gradient is multiplied by the wrong factor of the product, at {place}"
        own_factor = rule_for_input(k, lambda g, n, k=k: in_shape_of_input(g * n.values[k], n, k))
        yield Candidate("wrong_input", text, changes_at(operations, own_factor))
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
    """The only user of a node if it multiplies or divides by a constant, such as dropout's 1 / keep; else None."""
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


def _divisor_mistakes(operations: Sequence[Node]) -> Iterator[Candidate]:
    """Wrong forms of the derivative −a / b² of a quotient a / b with respect to b."""
    rules: list[tuple[str, Callable[[Array, Node], Array]]] = [
        ("has the wrong sign", lambda g, n: -correct_gradient(1, g, n)),
        ("divides by the divisor, not by its square", lambda g, n: in_shape_of_input(-g * n.value, n, 1)),
        ("lacks the numerator", lambda g, n: in_shape_of_input(-g / n.values[1] ** 2, n, 1)),
        ("is that of the logarithm", lambda g, n: in_shape_of_input(g / n.values[1], n, 1)),
    ]
    for text, rule in rules:
        sentence = f"the derivative of the quotient by its divisor {text}, at {describe_line(operations)}"
        yield Candidate("power_rule", sentence, changes_at(operations, rule_for_input(1, rule)))


def _times_operand(g: Array, node: Node, k: int) -> Array:
    return g / node.values[1] if node.name == "divide" else g * node.values[1 - k]


def _possible_counts(node: Node) -> set[float]:
    """Divisors by which a quotient would be a mean: lengths and sizes of its numerator and of what was summed to it."""
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
    """Changes by which input k of each product uses the other operand of the product `shift` places later."""
    rules: dict[int, EdgeRule] = {}
    for i, node in enumerate(operations):
        j = i + shift
        neighbor = operations[j].values[1 - k] if 0 <= j < len(operations) else None
        if neighbor is not None and neighbor.shape == np.shape(node.values[1 - k]):
            rules[node.index] = rule_with_operand(k, neighbor)
    return Changes(rules=rules)


def _matmul_mistakes(recording: Recording, operations: Sequence[Node]) -> Iterator[Candidate]:
    """Wrong derivatives of matrix products: a factor that is not transposed, or another value."""
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
    """The code of the mistake that a product takes `substitute` for its factor `operand`, such as one before a mask."""
    if (
        isinstance(operand, Node)
        and operand.name == "multiply"
        and any(entry is substitute for entry in operand.inputs)
    ):
        mask = operand.values[0 if operand.inputs[1] is substitute else 1]
        if _is_mask(mask):
            return "mask_missing" if mask.max() == 1 else "dropout_mask"
    return "other_weights" if is_parameter(recording, substitute) else "wrong_input"
