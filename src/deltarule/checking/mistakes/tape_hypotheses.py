"""Mistakes planted in the tape of the user's own forward pass: no network has to be known.

Each candidate changes the backward pass at some operations, all of one line of the code (as those of a loop) or a
single one; the changed pass gives the gradients of a program with that mistake.
"""

# mypy: disable-error-code="misc"
# mypy does not infer lambdas with defaults, which bind the variable of a loop.

import linecache
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

from deltarule.checking.mistakes.evidence import Evidence, Hypothesis, one_mistake
from deltarule.checking.mistakes.tape_composites import Composite, find_composites, sigmoid
from deltarule.checking.numerics.parameter_lines import loss_at
from deltarule.checking.tape.backward import Changes, EdgeRule, Recording, parameter_gradients, run_backward
from deltarule.checking.tape.operations import Array, Node, unbroadcast
from deltarule.checking.tape.record import record_loss
from deltarule.checking.user_code.callables import Code
from deltarule.errors import BadInput

_TIME_LIMIT_SECONDS = 6.0
_MAX_MEMBERS = 8
"""Operations of one line that are also changed one by one."""
_MAX_SUBSTITUTES = 24


@dataclass(frozen=True, eq=False)
class Candidate:
    """A mistake and the changes of the backward pass that it makes."""

    code: str
    sentence: str
    changes: Changes
    constants: int = 0


def tape_hypotheses(code: Code, evidence: Evidence) -> list[Hypothesis]:
    """The mistakes in the backward pass of the user's own operations whose gradient is the one found."""
    recording = record_loss(code)
    with suppress(BadInput):  # what the code caches of its last call is of plain arrays again
        loss_at(code, code.start)
    if recording is None or any(one.shape_mistake for one in evidence.parameters):
        return []
    with np.errstate(all="ignore"):
        right = parameter_gradients(recording)
        if not all(map(_is_reference, right, evidence.parameters)):
            return []
        return list(_matching(recording, evidence))


def _is_reference(gradient: Array, parameter: Any) -> bool:
    """Whether the tape's gradient is the measured one."""
    known = np.isfinite(parameter.expected)
    error = np.abs(gradient - parameter.expected)[known]
    size = np.abs(parameter.expected[known]).max(initial=0)
    return bool((error <= parameter.finite_tolerance[known] + 1e-5 * size).all())


def _matching(recording: Recording, evidence: Evidence) -> Iterator[Hypothesis]:
    begin, codes = perf_counter(), set()
    for candidate in _candidates(recording):
        if perf_counter() - begin > _TIME_LIMIT_SECONDS:
            return
        if candidate.code in codes and candidate.constants:
            continue
        try:
            gradients = parameter_gradients(recording, candidate.changes)
        except (ValueError, IndexError):  # shapes that do not fit
            continue
        if any(not one.any() and p.found.any() for one, p in zip(gradients, evidence.parameters, strict=True)):
            continue  # beside zeros anything tiny would fit
        if all(np.isfinite(one).all() for one in gradients) and evidence.is_found(gradients):
            codes.add(candidate.code)
            names = [parameter.name for parameter in evidence.wrong]
            yield one_mistake(candidate.code, evidence.parameters, candidate.sentence, candidate.constants, names)


def _candidates(recording: Recording) -> Iterator[Candidate]:
    composites = find_composites(recording)
    yield from _overwritten(recording)
    yield from _composite_mistakes(composites)
    yield from _output_mistakes(recording)
    groups = list(recording.groups())
    for group in groups:
        for members in _subsets(group):
            yield from _edge_mistakes(recording, members)
    yield from _factors_of_other_lines(recording, groups)
    yield from _padding_mistakes(recording)
    yield from _last_samples(recording)
    yield from _other_weights(recording)
    yield from _statistics_as_constants(groups)
    for group in groups:
        for members in _subsets(group):
            yield from _generic_mistakes(members)


def _subsets(group: Sequence[Node]) -> list[Sequence[Node]]:
    return [group, *([node] for node in group if 1 < len(group) <= _MAX_MEMBERS)]


def _where(nodes: Sequence[Node]) -> str:
    file, line, _ = nodes[0].line
    text = linecache.getline(file, line).strip()
    shown = f": {text}" if text else ""
    return f"line {line} of {Path(file).name}{shown}"


def _rules(members: Sequence[Node], rule: EdgeRule) -> Changes:
    return Changes(rules={node.index: rule for node in members})


def _right(k: int, g: Array, node: Node, values: Sequence[Array] | None = None) -> Array:
    assert node.gradient is not None
    return node.gradient(k, g, node.values if values is None else values, node.value)


def _on_edge(edge: int, function: Callable[[Array, Node], Array | None]) -> EdgeRule:
    """A rule for one input; the others are right."""
    return lambda k, g, node: function(g, node) if k == edge else _right(k, g, node)


def _shaped(g: Array, node: Node, k: int) -> Array:
    """A gradient of a node's output in the shape of input k."""
    shape = np.shape(node.values[k])
    return unbroadcast(np.array(np.broadcast_to(g, np.broadcast_shapes(g.shape, shape))), shape)


# --- gradients that are overwritten -----------------------------------------------------------------------------------


def _overwritten(recording: Recording) -> Iterator[Candidate]:
    """`=` for `+=`, where a value is used several times."""
    uses: dict[int, int] = {}
    for node in recording.nodes:
        for entry in node.inputs:
            if isinstance(entry, Node) and entry.is_active:
                uses[entry.index] = uses.get(entry.index, 0) + 1
    several = [node for node in recording.nodes if uses.get(node.index, 0) > 1]
    parameters = [node for node in recording.parameters if uses.get(node.index, 0) > 1]
    sets: list[tuple[Sequence[Node], str]] = [
        (parameters, "the gradients of parameters that are used several times are overwritten, not added up"),
        (several, "the gradients of all values that are used several times are overwritten, not added up"),
    ]
    one_by_one = parameters if len(parameters) > 1 else []
    pairs = list(combinations(parameters, 2)) if 2 < len(parameters) <= 6 else []
    sets += [
        (nodes, "the gradient of a parameter that is used several times is overwritten, not added up")
        for nodes in [*([node] for node in one_by_one), *pairs]
    ]
    sets += [
        ([node], f"the gradient of the value of {_where([node])} is overwritten by its last use, not added up")
        for node in several[:60]
        if node not in parameters
    ]
    for nodes, sentence in sets:
        if nodes:
            indices = frozenset(node.index for node in nodes)
            for is_first in (False, True):
                changes = Changes(overwrite=indices, is_first=is_first)
                yield Candidate("gradient_overwritten", sentence, changes)
    yield from _overwriting_operations(recording)
    for node in recording.nodes:
        source = node.data[0] if node.name == "getitem" and node.data else None
        if source is not None and len(np.unique(source)) < source.size:
            sentence = f"rows that occur several times are overwritten, not added up, at {_where([node])}"
            for last in (True, False):
                yield Candidate("gradient_overwritten", sentence, _rules([node], _assigned(source, last)))


def _overwriting_operations(recording: Recording) -> Iterator[Candidate]:
    """Operations that assign the gradients of their inputs, where others add."""
    by_name: dict[str, list[Node]] = {}
    for node in recording.nodes:
        if node.gradient is not None:
            by_name.setdefault(node.name, []).append(node)
    sets = [(nodes, f"each {name}") for name, nodes in by_name.items()]
    sets.append(([n for name in ("matmul", "add", "getitem", "einsum") for n in by_name.get(name, [])], "each sample"))
    sets += [(group, _where(group)) for group in recording.groups() if len(group) > 1]
    for nodes, place in sets:
        sentence = f"the gradients of values that are used several times are overwritten by {place}, not added up"
        for is_first in (False, True):
            changes = Changes(writers=frozenset(node.index for node in nodes), is_first=is_first)
            yield Candidate("gradient_overwritten", sentence, changes)


def _assigned(source: Array, last: bool) -> EdgeRule:
    def rule(k: int, g: Array, node: Node) -> Array:
        result = np.zeros(np.size(node.values[0]))
        order = slice(None) if last else slice(None, None, -1)
        result[source.ravel()[order]] = g.ravel()[order]
        return result.reshape(np.shape(node.values[0]))

    return rule


# --- activations, softmax, normalization ------------------------------------------------------------------------------


def _composite_mistakes(composites: Sequence[Composite]) -> Iterator[Candidate]:
    by_line: dict[Any, list[Composite]] = {}
    by_name: dict[Any, list[Composite]] = {}
    for one in composites:
        by_line.setdefault((one.name, one.rank, one.output.line, len(one.wrong)), []).append(one)
        by_name.setdefault((one.name, one.rank), []).append(one)
    sets = [*by_line.values(), *(group for group in by_name.values() if len({one.output.line for one in group}) > 1)]
    sets += [[one] for group in by_name.values() if 1 < len(group) <= 2 * _MAX_MEMBERS for one in group]
    callers: dict[Any, list[Composite]] = {}
    for one in composites:  # a function that is called on several lines is one line itself
        callers.setdefault((one.name, one.rank, one.input.line), []).append(one)
    sets += [group for group in callers.values() if group not in sets]
    for group in sets:
        if len({len(one.wrong) for one in group}) > 1:
            continue
        place = f"at {_where([group[0].output])}"
        for i, (code, text, _) in enumerate(group[0].wrong):
            jumps = {one.output.index: (one.input, _jump(one, one.wrong[i][2])) for one in group}
            yield Candidate(code, f"the derivative of {group[0].name} {text}, {place}", Changes(jumps=jumps))
    elementwise = [one for one in composites if one.slope is not None]
    everywhere = [] if len({one.name for one in elementwise}) < 2 else [elementwise]
    for group in [*by_name.values(), *everywhere]:
        yield from _slopes_elsewhere(group)


def _jump(one: Composite, rule: Any) -> Callable[[Array], Array]:
    return lambda g: rule(g, one.input.value, one.output.value)


def _slopes_elsewhere(group: Sequence[Composite]) -> Iterator[Candidate]:
    """The derivative at the input of another layer, or of a neighbor in a loop."""
    if len(group) < 2 or len(group) > 4 * _MAX_MEMBERS or group[0].slope is None:
        return

    def elsewhere(pairs: Sequence[tuple[Composite, Composite]]) -> Changes:
        jumps = {}
        for one, other in pairs:
            if one.input.value.shape == other.input.value.shape and one.slope:
                slope = one.slope(other.input.value)
                jumps[one.output.index] = one.input, lambda g, slope=slope: g * slope
        return Changes(jumps=jumps)

    name = group[0].name
    for shift in (1, -1):
        pairs = [(one, group[i + shift]) for i, one in enumerate(group) if 0 <= i + shift < len(group)]
        sentence = f"the derivative of {name} is taken at the z of a neighboring layer or step"
        yield Candidate("other_mask", sentence, elsewhere(pairs))
    for other in group:
        sentence = f"the derivative of {name} is taken at one z for all, that of {_where([other.input])}"
        yield Candidate("other_mask", sentence, elsewhere([(one, other) for one in group]))
    for one in group if len(group) <= _MAX_MEMBERS else ():
        for other in group:
            if one is not other:
                sentence = f"the derivative of {name} at {_where([one.output])} is taken at the z of another layer"
                yield Candidate("other_mask", sentence, elsewhere([(one, other)]))


# --- the derivative of the loss ---------------------------------------------------------------------------------------


def _output_mistakes(recording: Recording) -> Iterator[Candidate]:
    """Wrong forms of (p − y) / N, at any z for which it is the right one."""
    gradients, found = run_backward(recording), 0
    for node in reversed(recording.nodes):
        z, right = node.value, gradients.get(node.index)
        if right is None or z.ndim not in (1, 2) or z.size < 2:
            continue
        for p, rowwise in _predictions(z):
            for count in dict.fromkeys((z.shape[0], z.shape[-1], 1, z.size)):
                y = p - count * right
                if not _are_targets(y):
                    continue
                y = np.round(y)
                for code, text, wrong in _wrong_output_slopes(p, y, count, rowwise=rowwise):
                    yield Candidate(code, f"∂J/∂z of the output {text}", Changes(fixed={node.index: wrong}))
                found += 1
        if found > 3:  # z, −z and z without its bias
            return


def _predictions(z: Array) -> Iterator[tuple[Array, bool]]:
    for axis in (-1, 0) if z.ndim > 1 else (-1,):
        if z.shape[axis] > 1:
            powers = np.exp(z - z.max(axis=axis, keepdims=True))
            yield powers / powers.sum(axis=axis, keepdims=True), True
    yield sigmoid(z), False


def _are_targets(y: Array) -> bool:
    nearest = np.round(y)
    return bool((np.abs(y - nearest) < 1e-7).all() and nearest.min() == 0 and nearest.max() == 1)


def _wrong_output_slopes(p: Array, y: Array, N: int, *, rowwise: bool) -> Iterator[tuple[str, str, Array]]:
    slope = p * (1 - p)
    yield "targets_not_averaged", "divides p by N and not y: p / N − y", p / N - y
    yield "targets_not_averaged", "divides y by N and not p: p − y / N", p - y / N
    yield "target_missing", "lacks the targets", p / N
    yield "derivative_twice", "is multiplied by the output's derivative once too often", (p - y) / N * slope
    if rowwise:
        yield "derivative_missing", "lacks the derivative of softmax", -y / p / N
        yield "softmax_elementwise", "takes softmax as elementwise", -y / p / N * slope
    else:
        whole = -y / p + (1 - y) / (1 - p)
        yield (
            "loss_derivative_sign",
            "has a wrong sign inside the loss's derivative",
            (-y / p - (1 - y) / (1 - p)) * slope / N,
        )
        yield "derivative_missing", "lacks the derivative of sigmoid", whole / N
        yield "derivative_missing", "has a alone for the derivative of sigmoid", whole * p / N
        yield "derivative_missing", "has 1 − a alone for the derivative of sigmoid", whole * (1 - p) / N
        yield "path_missing", "has only the part of the targets 1", -y / p * slope / N
        yield "path_missing", "has only the part of the targets 0", (1 - y) / (1 - p) * slope / N
    for share in (2, 0.5, N, 1 / N):
        yield (
            ("factor_two" if share in (2, 0.5) else "mean_missing" if share > 1 else "mean_twice"),
            (f"is {share:g} times the right one"),
            share * (p - y) / N,
        )


# --- single operations ------------------------------------------------------------------------------------------------


def _edge_mistakes(recording: Recording, members: Sequence[Node]) -> Iterator[Candidate]:
    name = members[0].name
    if name in ("multiply", "divide"):
        yield from _product_mistakes(members)
    elif name == "matmul":
        yield from _matmul_mistakes(recording, members)
    elif name in ("max", "min"):
        yield from _pooling_mistakes(members)
    elif len(members[0].inputs) == 1 and name not in ("sum", "getitem", "negative", "positive"):
        yield from _unary_mistakes(members)
    elif name == "power":
        exponent = members[0].values[1]
        place = _where(members)
        text = f"the derivative of the power lacks its exponent, at {place}"
        yield Candidate("power_rule", text, _rules(members, _on_edge(0, lambda g, n: _right(0, g, n) / exponent)))
        text = f"the exponent of the power is not lowered by 1, at {place}"
        yield Candidate("power_rule", text, _rules(members, _on_edge(0, lambda g, n: g * exponent * n.value)))
        text = f"the derivative of the power is left out, at {place}"
        yield Candidate("derivative_missing", text, _rules(members, _on_edge(0, lambda g, n: _shaped(g, n, 0))))
    elif name == "sum":
        counts = [np.size(node.values[0]) / max(node.value.size, 1) for node in members]
        if len(set(counts)) == 1 and counts[0] > 1:
            text = f"the gradient of a sum is divided by the count, at {_where(members)}"
            yield Candidate("mean_twice", text, _rules(members, lambda k, g, n: _right(k, g, n) / counts[0]))


def _unary_mistakes(members: Sequence[Node]) -> Iterator[Candidate]:
    if members[0].name in ("reshape", "transpose", "pad", "repeat", "where", "setitem", "join", "einsum"):
        return
    subject, place = f"the derivative of {members[0].name}", _where(members)
    rules: list[tuple[str, str, EdgeRule]] = [
        ("derivative_missing", "is left out", lambda k, g, n: g),
        ("derivative_at_output", "is taken at its output", lambda k, g, n: _right(k, g, n, [n.value])),
        ("derivative_twice", "is multiplied twice", lambda k, g, n: _right(k, _right(k, g, n), n)),
        ("upstream_ignored", "stands alone, without the upstream gradient", lambda k, g, n: _right(k, 1 + 0 * g, n)),
    ]
    for code, text, rule in rules:
        yield Candidate(code, f"{subject} {text}, at {place}", _rules(members, rule))


def _product_mistakes(members: Sequence[Node]) -> Iterator[Candidate]:
    place, node = _where(members), members[0]
    for k in range(2):
        if not (isinstance(node.inputs[k], Node) and node.inputs[k].is_active):
            continue
        other = node.values[1 - k]
        is_divided = node.name == "divide"
        if is_divided and k == 1:
            continue
        if _is_mask(other):
            masks: list[tuple[str, EdgeRule]] = [
                ("lacks the mask", _on_edge(k, lambda g, n, k=k: _shaped(g, n, k))),
                (
                    "lacks the mask, but has its scale",
                    _on_edge(k, lambda g, n, k=k: _shaped(g * n.values[1 - k].max(), n, k)),
                ),
                (
                    "lacks the 1 / keep of the mask",
                    _on_edge(k, lambda g, n, k=k: _shaped(g * (n.values[1 - k] > 0), n, k)),
                ),
                ("masks by the sign of the gradient", _on_edge(k, lambda g, n, k=k: _shaped(g * (g > 0), n, k))),
                ("has the mask inverted", _on_edge(k, lambda g, n, k=k: _shaped(g * (n.values[1 - k] == 0), n, k))),
                ("has the mask twice", _on_edge(k, lambda g, n, k=k: _shaped(g * n.values[1 - k] ** 2, n, k))),
            ]
            codes = ["dropout_mask"] * 3 + ["mask_of_gradient", "mask_inverted", "dropout_mask"]
            for code, (text, rule) in zip(codes, masks, strict=True):
                yield Candidate(code, f"the gradient {text}, at {place}", _rules(members, rule))
            continue
        is_count = is_divided and other.size == 1 and float(other.reshape(())) in _counts(node)
        what = "1 / N" if is_count else "divisor" if is_divided else "factor"
        code = "mean_missing" if is_count else "scale_missing"
        text = f"the gradient lacks the {what} of {place}"
        yield Candidate(code, text, _rules(members, _on_edge(k, lambda g, n, k=k: _shaped(g, n, k))))
        text = f"the gradient has the {what} twice, of {place}"
        again = _rules(members, _on_edge(k, lambda g, n, k=k: _shaped(_scaled(_scaled(g, n, k), n, k), n, k)))
        yield Candidate("mean_twice" if is_count else "scale_missing", text, again, 1)
        text = f"the gradient is multiplied by the wrong factor of the product, at {place}"
        own = _rules(members, _on_edge(k, lambda g, n, k=k: _shaped(g * n.values[k], n, k)))
        yield Candidate("wrong_input", text, own)
        if len(members) > 1:
            for shift in (1, -1):
                text = f"the gradient is multiplied by the factor of a neighboring step, at {place}"
                yield Candidate("wrong_input", text, _substituted(members, k, shift), 1)


def _scaled(g: Array, node: Node, k: int) -> Array:
    return g / node.values[1] if node.name == "divide" else g * node.values[1 - k]


def _counts(node: Node) -> set[float]:
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


def _substituted(members: Sequence[Node], k: int, shift: int) -> Changes:
    """The other operand of each product is that of a neighbor."""
    rules: dict[int, EdgeRule] = {}
    for i, node in enumerate(members):
        j = i + shift
        neighbor = members[j].values[1 - k] if 0 <= j < len(members) else None
        if neighbor is not None and neighbor.shape == np.shape(node.values[1 - k]):
            rules[node.index] = _with_operand(k, neighbor)
    return Changes(rules=rules)


def _with_operand(k: int, operand: Array) -> EdgeRule:
    def rule(edge: int, g: Array, node: Node) -> Array:
        if edge != k:
            return _right(edge, g, node)
        values = node.values
        values[1 - k] = operand
        return _right(k, g, node, values)

    return rule


def _matmul_mistakes(recording: Recording, members: Sequence[Node]) -> Iterator[Candidate]:
    place = _where(members)
    for k in range(2):
        if not any(isinstance(node.inputs[k], Node) and node.inputs[k].is_active for node in members):
            continue
        square = [n for n in members if n.values[1 - k].ndim == 2 and len(set(n.values[1 - k].shape)) == 1]
        if square:
            rules = {n.index: _with_operand(k, n.values[1 - k].T) for n in square}
            text = f"the gradient goes back through a matrix that is not transposed, at {place}"
            yield Candidate("weights_not_transposed", text, Changes(rules=rules))
        if members[0].value.ndim > 1 and members[0].value.shape[-1] == members[0].value.shape[-2]:
            text = f"the gradient goes back through a product without being transposed, at {place}"
            turned = _on_edge(k, lambda g, n, k=k: _right(k, np.swapaxes(g, -1, -2), n))
            yield Candidate("weights_not_transposed", text, _rules(members, turned))
        for shift in (1, -1) if len(members) > 1 else ():
            code = "other_weights" if _is_parameter(recording, members[0].inputs[1 - k]) else "wrong_input"
            text = f"the product takes the factor of a neighboring layer or step, at {place}"
            yield Candidate(code, text, _substituted(members, k, shift))
        if len(members) > _MAX_MEMBERS:
            continue
        own = members[0].values[1 - k]
        substitutes = [n for n in recording.nodes if n.value.shape == own.shape and n.value is not own]
        for substitute in substitutes[:_MAX_SUBSTITUTES]:
            code = "other_weights" if _is_parameter(recording, substitute) else "wrong_input"
            text = f"the gradient of the product at {place} takes the value of {_where([substitute])} instead"
            yield Candidate(code, text, _rules(members, _with_operand(k, substitute.value)), 1)


def _factors_of_other_lines(recording: Recording, groups: Sequence[Sequence[Node]]) -> Iterator[Candidate]:
    """A product in a loop whose gradient takes the value of another line of the loop, of the same or the next step."""
    for group in groups:
        if group[0].name not in ("multiply", "matmul") or len(group) < 2:
            continue
        for k in range(2):
            if not any(isinstance(n.inputs[k], Node) and n.inputs[k].is_active for n in group):
                continue
            shape = np.shape(group[0].values[1 - k])
            others = [one for one in groups if one[0].value.shape == shape and abs(len(one) - len(group)) < 2]
            for other in others:
                for shift in (0, 1, -1):
                    rules = {
                        node.index: _with_operand(k, other[i + shift].value)
                        for i, node in enumerate(group)
                        if 0 <= i + shift < len(other) and np.shape(node.values[1 - k]) == shape
                    }
                    text = f"the gradient of the product at {_where(group)} takes the value of {_where(other)} instead"
                    yield Candidate("wrong_input", text, Changes(rules=rules), 1)


def _padding_mistakes(recording: Recording) -> Iterator[Candidate]:
    """Gradients from which the padding is cut off on the wrong side."""
    for node in recording.nodes:
        if node.name != "pad":
            continue
        source = node.data[0]
        inside = np.argwhere(source >= 0)
        low, high = inside.min(0), np.array(source.shape) - 1 - inside.max(0)
        shape = node.values[0].shape
        for start in (np.zeros_like(low), low + high):
            region = tuple(slice(s, s + n) for s, n in zip(start, shape, strict=True))
            text = f"the padding is cut off on one side only, going back through {_where([node])}"
            yield Candidate("padding", text, _rules([node], lambda k, g, n, region=region: g[region]))


def _is_parameter(recording: Recording, node: Any) -> bool:
    while isinstance(node, Node) and node.name in ("transpose", "reshape", "getitem"):
        node = node.inputs[0]
    return any(node is one for one in recording.parameters)


def _pooling_mistakes(members: Sequence[Node]) -> Iterator[Candidate]:
    def windows(node: Node, g: Array) -> tuple[Array, Array, Array]:
        _, axes, keepdims = node.data
        value = node.values[0]
        top = node.value if keepdims else np.expand_dims(node.value, axes)
        return value, top, g if keepdims else np.expand_dims(g, axes)

    def to_all(k: int, g: Array, node: Node) -> Array:
        value, top, wide = windows(node, g)
        return wide * (value == top)

    def shared(k: int, g: Array, node: Node) -> Array:
        value, top, wide = windows(node, g)
        ties = value == top
        return wide * ties / ties.sum(axis=node.data[1], keepdims=True)

    def everywhere(k: int, g: Array, node: Node) -> Array:
        value, _, wide = windows(node, g)
        return np.array(np.broadcast_to(wide, value.shape))

    def averaged(k: int, g: Array, node: Node) -> Array:
        return everywhere(k, g, node) / (np.size(node.values[0]) / max(node.value.size, 1))

    def last(k: int, g: Array, node: Node) -> Array:
        value, top, wide = windows(node, g)
        ties = value == top
        axes = node.data[1]
        if len(axes) > 1:
            return np.where(_last_true(ties.reshape(-1)).reshape(ties.shape), wide, 0)
        flipped = np.flip(ties, axes[0])
        first = flipped & (np.cumsum(flipped, axes[0]) == 1)
        return wide * np.flip(first, axes[0])

    place = _where(members)
    for text, rule in (
        ("goes to every entry that ties with the maximum", to_all),
        ("is shared among entries that tie with the maximum", shared),
        ("goes to all entries, not to the largest", everywhere),
        ("is averaged over all entries, not given to the largest", averaged),
        ("goes to the last entry that ties with the maximum", last),
    ):
        yield Candidate("pool_routing", f"the gradient of the maximum {text}, at {place}", _rules(members, rule))


def _last_true(mask: Array) -> Array:
    result = np.zeros(mask.shape, bool)
    result[np.flatnonzero(mask)[-1]] = True
    return result


# --- everything at once -----------------------------------------------------------------------------------------------


def _last_samples(recording: Recording) -> Iterator[Candidate]:
    """Gradients of parameters that a loop over samples assigns instead of adding."""
    for axis in (0, -1):
        for is_last in (True, False):
            rules: dict[int, EdgeRule] = {}
            for node in recording.nodes:
                edges = {k for k, one in enumerate(node.inputs) if _is_parameter(recording, one)}
                if edges and node.value.ndim == 2 and node.name in ("matmul", "add", "subtract"):
                    rules[node.index] = _of_one_sample(edges, axis, -1 if is_last else 0)
            text = f"the gradient of parameters is that of the {'last' if is_last else 'first'} sample alone"
            yield Candidate("last_sample", text, Changes(rules=rules))


def _of_one_sample(edges: set[int], axis: int, position: int) -> EdgeRule:
    def rule(k: int, g: Array, node: Node) -> Array:
        if k not in edges:
            return _right(k, g, node)
        only = np.zeros_like(g)
        index = [slice(None)] * g.ndim
        index[axis] = position  # type: ignore[call-overload]
        only[tuple(index)] = g[tuple(index)]
        return _right(k, only, node)

    return rule


def _other_weights(recording: Recording) -> Iterator[Candidate]:
    """Products that go back through a parameter that is flipped, transposed or another one."""
    for parameter in recording.parameters:
        value = parameter.value
        if value.size < 2:
            continue
        variants: list[tuple[str, str, Array]] = []
        if value.ndim:
            axes = [(-1,), *([(-2, -1), (-2,)] if value.ndim > 1 else []), *([(0,), (0, 1)] if value.ndim > 2 else [])]
            for flipped in axes:
                variants.append(("kernel_not_flipped", "flipped, or not flipped", np.flip(value, flipped)))
        if value.ndim > 1 and value.shape[-1] == value.shape[-2]:
            variants.append(("weights_not_transposed", "not transposed", np.swapaxes(value, -1, -2)))
        for other in recording.parameters:
            if other is not parameter and other.value.shape == value.shape:
                variants.append(("other_weights", "taken for those of another parameter", other.value))
        for code, text, variant in variants:
            rules = _rules_with_value(recording, parameter, variant)
            if rules:
                sentence = f"going back, the weights of the parameter of shape {value.shape} are {text}"
                yield Candidate(code, sentence, Changes(rules=rules))


def _rules_with_value(recording: Recording, parameter: Node, value: Array) -> dict[int, EdgeRule]:
    """Rules by which products see another value of a parameter, through views of it."""
    seen: dict[int, Array] = {parameter.index: value}
    rules: dict[int, EdgeRule] = {}
    for node in recording.nodes:
        inputs = [one for one in node.inputs if isinstance(one, Node) and one.index in seen]
        if not inputs:
            continue
        if node.name in ("reshape", "transpose", "getitem", "repeat"):
            seen[node.index] = seen[inputs[0].index].ravel()[node.data[0]]
        elif node.name in ("multiply", "matmul", "einsum"):
            rules[node.index] = _with_values({one.index: seen[one.index] for one in inputs})
    return rules


def _with_values(values: Mapping[int, Array]) -> EdgeRule:
    def rule(k: int, g: Array, node: Node) -> Array:
        changed = [
            values.get(one.index, value) if isinstance(one, Node) and i != k else value
            for i, (one, value) in enumerate(zip(node.inputs, node.values, strict=True))
        ]
        return _right(k, g, node, changed)

    return rule


def _statistics_as_constants(groups: Sequence[Sequence[Node]]) -> Iterator[Candidate]:
    """Means, variances and norms that are taken for constants, alone or two of them."""
    sums = [group for group in groups if group[0].name in ("sum", "max") and group[0].value.size > 1]
    drops = [Changes(rules={n.index: lambda k, g, node: None for n in group}) for group in sums]
    for group, changes in zip(sums, drops, strict=True):
        text = f"the statistic of {_where(group)} is taken as a constant"
        yield Candidate("batch_norm_constants", text, changes)
    for (first, one), (second, other) in combinations(list(zip(sums, drops, strict=True))[:8], 2):
        text = f"the statistics of {_where(first)} and {_where(second)} are taken as constants"
        yield Candidate("batch_norm_constants", text, Changes(rules={**one.rules, **other.rules}), 1)


def _generic_mistakes(members: Sequence[Node]) -> Iterator[Candidate]:
    """A path that is left out, or has the wrong sign or a factor of 2, at an operation."""
    place = _where(members)
    for k in range(len(members[0].inputs)):
        if not all(k < len(n.inputs) for n in members):
            continue
        if not any(isinstance(n.inputs[k], Node) and n.inputs[k].is_active for n in members):
            continue
        text = f"the gradient lacks what comes back through {place}"
        yield Candidate("path_missing", text, _rules(members, _on_edge(k, lambda g, n: None)), 2)
        text = f"the gradient that comes back through {place} has the wrong sign"
        yield Candidate("sign", text, _rules(members, _on_edge(k, lambda g, n, k=k: -_right(k, g, n))), 1)
        for share, how in ((2.0, "doubled"), (0.5, "halved")):
            text = f"the gradient that comes back through {place} is {how}"
            rule = _on_edge(k, lambda g, n, k=k, share=share: share * _right(k, g, n))
            yield Candidate("factor_two", text, _rules(members, rule), 2)
        if members[0].value.size > 1:
            text = f"the upstream gradient is left out at {place}"
            ignoring = _on_edge(k, lambda g, n, k=k: _right(k, np.ones_like(g), n))
            yield Candidate("upstream_ignored", text, _rules(members, ignoring), 2)
    if len(members[0].inputs) == 1 or members[0].name in ("add", "subtract"):
        return
    if members[0].name in ("multiply", "matmul") and len(members) == 1:
        return
