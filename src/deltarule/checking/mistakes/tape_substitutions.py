"""Mistakes that substitute a wrong value in a derivative."""

# mypy: disable-error-code="misc"
# mypy does not infer lambdas with defaults, which bind the variable of a loop.

from collections.abc import Iterator, Sequence
from itertools import combinations, permutations

import numpy as np

from deltarule.checking.mistakes.tape_candidates import (
    Candidate,
    changes_at,
    correct_gradient,
    describe_line,
    is_parameter,
    rule_for_input,
    rule_with_operand,
    rule_with_values,
)
from deltarule.checking.mistakes.tape_parameter_uses import RecordedUses
from deltarule.checking.mistakes.tape_penalties import penalty_terms
from deltarule.checking.tape.backward import Changes, EdgeRule, Recording, parameter_gradients
from deltarule.checking.tape.operations import Array, Node


def weights_of_other_lines(recording: Recording, operation_groups: Sequence[Sequence[Node]]) -> Iterator[Candidate]:
    """Mistakes that go back through the weights of another line in a loop."""
    products = [group for group in operation_groups if group[0].name == "matmul" and len(group) > 1]
    for group, other in permutations(products, 2):
        for k in range(2):
            weights = [node.values[1 - k] for node in other]
            shape = np.shape(group[0].values[1 - k])
            is_active = any(isinstance(node.inputs[k], Node) and node.inputs[k].is_active for node in group)
            if (
                is_active
                and len(other) == len(group)
                and is_parameter(recording, other[0].inputs[1 - k])
                and all(weight.shape == shape for weight in weights)
            ):
                rules = {node.index: rule_with_operand(k, weight) for node, weight in zip(group, weights, strict=True)}
                text = f"what comes back through {describe_line(group)} takes the weights of {describe_line(other)}"
                yield Candidate("other_weights", text, Changes(rules=rules), 1)


def padding_mistakes(recording: Recording) -> Iterator[Candidate]:
    """Mistakes that cut the padding off a gradient on one side only."""
    for node in recording.nodes:
        if node.name != "pad":
            continue
        source = node.data[0]
        inside = np.argwhere(source >= 0)
        low, high = inside.min(0), np.array(source.shape) - 1 - inside.max(0)
        shape = node.values[0].shape
        for start in (np.zeros_like(low), low + high):
            region = tuple(slice(s, s + n) for s, n in zip(start, shape, strict=True))
            text = f"the padding is cut off on one side only, going back through {describe_line([node])}"
            yield Candidate("padding", text, changes_at([node], lambda k, g, n, region=region: g[region]))


def wrong_weights(recording: Recording, learning_rate: float | None) -> Iterator[Candidate]:
    """Mistakes that go back through wrong or wrongly oriented weights."""
    gradients = parameter_gradients(recording)
    for parameter, gradient in zip(recording.parameters, gradients, strict=True):
        value = parameter.value
        if value.size < 2:
            continue
        variants: list[tuple[str, str, Array]] = []
        if value.ndim:
            axes = [(-1,), *([(-2, -1), (-2,)] if value.ndim > 1 else []), *([(0,), (0, 1)] if value.ndim > 2 else [])]
            for flipped in axes:
                variants.append(("kernel_not_flipped", "flipped, or not flipped", np.flip(value, flipped)))
        for i, j in combinations(range(value.ndim), 2):
            if value.shape[i] == value.shape[j]:
                variants.append(("weights_not_transposed", "not transposed", np.swapaxes(value, i, j)))
        for other in recording.parameters:
            if other is not parameter and other.value.shape == value.shape:
                variants.append(("other_weights", "taken for those of another parameter", other.value))
        if learning_rate is not None:
            variants.append(("updated_weights", "those after their update", value - learning_rate * gradient))
        for code, text, variant in variants:
            rules = rules_with_value(recording, parameter, variant)
            if rules:
                sentence = f"going back, the weights of the parameter of shape {value.shape} are {text}"
                yield Candidate(code, sentence, Changes(rules=rules))


def rules_with_value(recording: Recording, parameter: Node, value: Array) -> dict[int, EdgeRule]:
    """Rules, by node index, that make products use `value` for a parameter."""
    values: dict[int, Array] = {parameter.index: value}
    rules: dict[int, EdgeRule] = {}
    for node in recording.nodes:
        inputs = [entry for entry in node.inputs if isinstance(entry, Node) and entry.index in values]
        if not inputs:
            continue
        if node.name in ("reshape", "transpose", "getitem", "repeat"):
            values[node.index] = values[inputs[0].index].ravel()[node.data[0]]
        elif node.name in ("multiply", "matmul", "einsum"):
            rules[node.index] = rule_with_values({entry.index: values[entry.index] for entry in inputs})
    return rules


def statistics_as_constants(operation_groups: Sequence[Sequence[Node]]) -> Iterator[Candidate]:
    """Mistakes that take a mean, variance or norm as a constant, one or two of them."""
    sums = [group for group in operation_groups if group[0].name in ("sum", "max") and group[0].value.size > 1]
    drops = [Changes(rules={n.index: lambda k, g, node: None for n in group}) for group in sums]
    for group, changes in zip(sums, drops, strict=True):
        text = f"the statistic of {describe_line(group)} is taken as a constant"
        yield Candidate("batch_norm_constants", text, changes)
    for (first, changes), (second, more_changes) in combinations(list(zip(sums, drops, strict=True))[:8], 2):
        text = f"the statistics of {describe_line(first)} and {describe_line(second)} are taken as constants"
        yield Candidate("batch_norm_constants", text, Changes(rules={**changes.rules, **more_changes.rules}), 1)


def generic_mistakes(recording: Recording, operations: Sequence[Node]) -> Iterator[Candidate]:
    """Mistakes of any operation, such as a wrong sign or a factor of 2."""
    if operations[0].name == "join" and not any(np.ndim(value) for value in operations[0].values):
        return  # a list of numbers becomes an array
    place = describe_line(operations)
    for k in range(len(operations[0].inputs)):
        if not all(k < len(n.inputs) for n in operations):
            continue
        if not any(isinstance(n.inputs[k], Node) and n.inputs[k].is_active for n in operations):
            continue
        text = f"the gradient lacks what comes back through {place}"
        yield Candidate("path_missing", text, changes_at(operations, rule_for_input(k, lambda g, n: None)), 2)
        text = f"the gradient that comes back through {place} has the wrong sign"
        code = "loss_derivative_sign" if operations[0].index > recording.last_parameter_use else "sign_of_part"
        yield Candidate(
            code, text, changes_at(operations, rule_for_input(k, lambda g, n, k=k: -correct_gradient(k, g, n))), 1
        )
        for share, how in ((2.0, "doubled"), (0.5, "halved")):
            text = f"the gradient that comes back through {place} is {how}"
            rule = rule_for_input(k, lambda g, n, k=k, share=share: share * correct_gradient(k, g, n))
            yield Candidate("factor_two", text, changes_at(operations, rule), 2)
        if operations[0].name in ("matmul", "einsum", "add") and not is_parameter(recording, operations[0].inputs[k]):
            for axis in range(operations[0].value.ndim):
                text = f"what comes back is summed over the samples before it has gone through {place}"
                early = _rule_of_early_sum(axis)
                for rule in (early, rule_for_input(k, lambda g, n, k=k, early=early: early(k, g, n))):
                    yield Candidate("summed_early", text, changes_at(operations, rule))
        if operations[0].value.size > 1:
            text = f"the upstream gradient is left out at {place}"
            ignoring = rule_for_input(k, lambda g, n, k=k: correct_gradient(k, np.ones_like(g), n))
            yield Candidate("upstream_ignored", text, changes_at(operations, ignoring), 2)


def _rule_of_early_sum(axis: int) -> EdgeRule:
    return lambda k, g, n: correct_gradient(k, np.broadcast_to(g.sum(axis=axis, keepdims=True), g.shape), n)


def penalties_through_network(recording: Recording, uses: RecordedUses) -> Iterator[Candidate]:
    """Mistakes that add the penalty's derivative, c V, to a value's gradient."""
    for parameter in recording.parameters:
        for c, is_sign in penalty_terms(uses.parts(parameter), parameter.value):
            penalty = c * (np.sign(parameter.value) if is_sign else parameter.value)
            for node in recording.nodes:
                gradient = uses.gradients.get(node.index)
                for part in (penalty, penalty.T):
                    if gradient is not None and part.shape == gradient.shape:
                        text = f"the gradient of the value of {describe_line([node])} has a penalty in it"
                        yield Candidate("penalty_through_network", text, Changes(fixed={node.index: gradient + part}))
