"""Mistakes in the derivatives of activations, normalizations and the loss, found among the recorded operations."""

# mypy: disable-error-code="misc"
# mypy does not infer lambdas with defaults, which bind the variable of a loop.

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from deltarule.checking.mistakes.tape_candidates import MAX_MEMBERS, Candidate, describe_lines
from deltarule.checking.mistakes.tape_composites import SLOPES_OF_OUTPUT, Composite, ancestors, sigmoid
from deltarule.checking.tape.backward import Changes, Recording, run_backward
from deltarule.checking.tape.operations import Array, Node


def activation_mistakes(recording: Recording, composites: Sequence[Composite]) -> Iterator[Candidate]:
    """Wrong derivatives of activations, of softmax and of normalizations."""
    yield from _derivatives_after_dropout(recording, composites)
    by_line: dict[Any, list[Composite]] = {}
    by_name: dict[Any, list[Composite]] = {}
    for one in composites:
        by_line.setdefault((one.name, one.rank, one.output.line, len(one.wrong)), []).append(one)
        by_name.setdefault((one.name, one.rank), []).append(one)
    sets = [*by_line.values(), *(group for group in by_name.values() if len({one.output.line for one in group}) > 1)]
    sets += [[one] for group in by_name.values() if 1 < len(group) <= 2 * MAX_MEMBERS for one in group]
    callers: dict[Any, list[Composite]] = {}
    for one in composites:  # a function that is called on several lines is one line itself
        callers.setdefault((one.name, one.rank, one.input.line), []).append(one)
    sets += [group for group in callers.values() if group not in sets]
    for group in sets:
        if len({len(one.wrong) for one in group}) > 1:
            continue
        place = f"at {describe_lines([group[0].output])}"
        for i, (code, text, _) in enumerate(group[0].wrong):
            jumps = {one.output.index: (one.input, _jump(one, one.wrong[i][2])) for one in group}
            yield Candidate(code, f"the derivative of {group[0].name} {text}, {place}", Changes(jumps=jumps))
    elementwise = [one for one in composites if one.slope is not None]
    everywhere = [] if len({one.name for one in elementwise}) < 2 else [elementwise]
    for group in [*by_name.values(), *everywhere]:
        yield from _slopes_elsewhere(group)


def _derivatives_after_dropout(recording: Recording, composites: Sequence[Composite]) -> Iterator[Candidate]:
    """Formulas for a = f(z) that are given a after it was multiplied by a mask or a constant."""
    scaled: dict[int, Node] = {}
    for node in recording.nodes:
        active = [one for one in node.inputs if isinstance(one, Node) and one.is_active]
        if node.name in ("multiply", "divide") and len(active) == 1 and active[0].value.shape == node.value.shape:
            scaled.setdefault(active[0].index, node)
    groups: dict[Any, list[tuple[Composite, Node]]] = {}
    for one in composites:
        last = one.output
        while last.index in scaled:
            last = scaled[last.index]
        if one.name in SLOPES_OF_OUTPUT and last is not one.output:
            groups.setdefault((one.name, last.line), []).append((one, last))
    for (name, _), pairs in groups.items():
        slope = SLOPES_OF_OUTPUT[name]
        jumps = {
            one.output.index: (one.input, lambda g, slope=slope, last=last: g * slope(last.value))
            for one, last in pairs
        }
        text = f"the derivative of {name} is computed from its output after dropout, at {describe_lines([pairs[0][1]])}"
        yield Candidate("derivative_of_z", text, Changes(jumps=jumps))


def _jump(one: Composite, rule: Any) -> Callable[[Array], Array]:
    return lambda g: rule(g, one.input.value, one.output.value)


def _slopes_elsewhere(group: Sequence[Composite]) -> Iterator[Candidate]:
    """The derivative at the input of another layer, or of a neighbor in a loop."""
    if len(group) < 2 or len(group) > 4 * MAX_MEMBERS or group[0].slope is None:
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
    following = _following(group)
    for sentence, pairs in (
        ("at the z of the next layer", following),
        ("at the z of the layer before", [(other, one) for one, other in following]),
    ):
        if pairs:
            yield Candidate("other_mask", f"the derivative of {name} is taken {sentence}", elsewhere(pairs))
    for other in group:
        sentence = f"the derivative of {name} is taken at one z for all, that of {describe_lines([other.input])}"
        yield Candidate("other_mask", sentence, elsewhere([(one, other) for one in group]))
    for one in group if len(group) <= MAX_MEMBERS else ():
        for other in group:
            if one is not other:
                sentence = (
                    f"the derivative of {name} at {describe_lines([one.output])} is taken at the z of another layer"
                )
                yield Candidate("other_mask", sentence, elsewhere([(one, other)]))


def _following(group: Sequence[Composite]) -> list[tuple[Composite, Composite]]:
    """Each activation with the one of the next layer, which is computed from it, where there is one."""
    by_output = {one.output.index: one for one in group}
    pairs = []
    for other in group:
        nearest = next((by_output[node.index] for node in ancestors(other.input) if node.index in by_output), None)
        if nearest is not None:
            pairs.append((nearest, other))
    return pairs


def output_mistakes(recording: Recording) -> Iterator[Candidate]:
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
    yield "sign_of_part", "has the wrong sign of the targets: p + y", (p + y) / N
    yield "derivative_twice", "is multiplied by the output's derivative once too often", (p - y) / N * slope
    if rowwise:
        yield "derivative_missing", "lacks the derivative of softmax", -y / p / N
        yield "softmax_elementwise", "takes softmax as elementwise", -y / p / N * slope
        for axis in range(y.ndim):
            columns = np.broadcast_to(y.max(axis=axis, keepdims=True), y.shape)
            yield "target_indexing", "has 1 subtracted in the whole columns of all targets", (p - columns) / N
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
