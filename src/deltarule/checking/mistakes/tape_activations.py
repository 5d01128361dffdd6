"""Mistakes in the derivatives of recorded activations and output layers."""

# mypy: disable-error-code="misc"
# mypy does not infer lambdas with defaults, which bind the variable of a loop.

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from deltarule.checking.mistakes.tape_candidates import MAX_CHANGED_SINGLY, Candidate, describe_line
from deltarule.checking.mistakes.tape_composites import SLOPES_OF_OUTPUT, Composite, ancestors, sigmoid
from deltarule.checking.tape.backward import Changes, Recording, run_backward
from deltarule.checking.tape.operations import Array, Node


def activation_mistakes(recording: Recording, composites: Sequence[Composite]) -> Iterator[Candidate]:
    """Wrong derivatives of activations, softmax and normalizations."""
    yield from _derivatives_after_dropout(recording, composites)
    by_line: dict[Any, list[Composite]] = {}
    by_name: dict[Any, list[Composite]] = {}
    for composite in composites:
        key = composite.name, composite.rank
        by_line.setdefault((*key, composite.output.line, len(composite.wrong)), []).append(composite)
        by_name.setdefault(key, []).append(composite)
    sets = [*by_line.values(), *(group for group in by_name.values() if len({c.output.line for c in group}) > 1)]
    sets += [group[:-1] for group in by_name.values() if len(group) > 1]  # all but that of the output
    sets += [[c] for group in by_name.values() if 1 < len(group) <= 2 * MAX_CHANGED_SINGLY for c in group]
    by_caller: dict[Any, list[Composite]] = {}
    for composite in composites:  # a function that is called on several lines is one line itself
        by_caller.setdefault((composite.name, composite.rank, composite.input.line), []).append(composite)
    sets += [group for group in by_caller.values() if group not in sets]
    for group in sets:
        if len({len(composite.wrong) for composite in group}) > 1:
            continue
        place = f"at {describe_line([group[0].output])}"
        for i, (code, text, _) in enumerate(group[0].wrong):
            jumps = {c.output.index: (c.input, _gradient_of_input(c, c.wrong[i][2])) for c in group}
            yield Candidate(code, f"the derivative of {group[0].name} {text}, {place}", Changes(jumps=jumps))
    elementwise = [composite for composite in composites if composite.slope is not None]
    activations = [c for c in composites if c.slope is not None or c.name == "softmax" and not c.rank]
    if len({composite.name for composite in activations}) > 1:
        yield from _mistakes_of_all_activations(activations)
    all_elementwise = [] if len({composite.name for composite in elementwise}) < 2 else [elementwise]
    for group in [*by_name.values(), *all_elementwise]:
        yield from _slopes_at_other_inputs(group)


def _mistakes_of_all_activations(composites: Sequence[Composite]) -> Iterator[Candidate]:
    """The same mistake at activations of different kinds."""
    for text in ("is left out", "is multiplied twice", "is taken at its output"):
        rules = [(c, rule, code) for c in composites for code, own_text, rule in c.wrong if own_text == text]
        jumps = {c.output.index: (c.input, _gradient_of_input(c, rule)) for c, rule, _ in rules}
        if rules:
            yield Candidate(rules[0][2], f"the derivative of every activation {text}", Changes(jumps=jumps))


def _derivatives_after_dropout(recording: Recording, composites: Sequence[Composite]) -> Iterator[Candidate]:
    """Derivatives wrongly computed from a = f(z) after dropout."""
    scaled: dict[int, Node] = {}
    for node in recording.nodes:
        active = [entry for _, entry in node.active_inputs]
        if node.name in ("multiply", "divide") and len(active) == 1 and active[0].value.shape == node.value.shape:
            scaled.setdefault(active[0].index, node)
    groups: dict[Any, list[tuple[Composite, Node]]] = {}
    for composite in composites:
        last = composite.output
        while last.index in scaled:
            last = scaled[last.index]
        if composite.name in SLOPES_OF_OUTPUT and last is not composite.output:
            groups.setdefault((composite.name, last.line), []).append((composite, last))
    for (name, _), pairs in groups.items():
        slope = SLOPES_OF_OUTPUT[name]
        jumps = {
            composite.output.index: (composite.input, lambda g, slope=slope, last=last: g * slope(last.value))
            for composite, last in pairs
        }
        text = f"the derivative of {name} is computed from its output after dropout, at {describe_line([pairs[0][1]])}"
        yield Candidate("derivative_of_z", text, Changes(jumps=jumps))


def _gradient_of_input(composite: Composite, rule: Any) -> Callable[[Array], Array]:
    return lambda g: rule(g, composite.input.value, composite.output.value)


def _slopes_at_other_inputs(group: Sequence[Composite]) -> Iterator[Candidate]:
    """Mistakes that take an activation's derivative at another layer's z."""
    if len(group) < 2 or len(group) > 4 * MAX_CHANGED_SINGLY or group[0].slope is None:
        return

    def changes_of(pairs: Sequence[tuple[Composite, Composite]]) -> Changes:
        """The changes that take one activation's derivative at another's input."""
        jumps = {}
        for composite, other in pairs:
            if composite.input.value.shape == other.input.value.shape and composite.slope:
                slope = composite.slope(other.input.value)
                jumps[composite.output.index] = composite.input, lambda g, slope=slope: g * slope
        return Changes(jumps=jumps)

    name = group[0].name
    for shift in (1, -1):
        pairs = [(c, group[i + shift]) for i, c in enumerate(group) if 0 <= i + shift < len(group)]
        sentence = f"the derivative of {name} is taken at the z of a neighboring layer or step"
        yield Candidate("other_mask", sentence, changes_of(pairs))
    consecutive = _consecutive_pairs(group)
    for sentence, pairs in (
        ("at the z of the next layer", consecutive),
        ("at the z of the layer before", [(later, earlier) for earlier, later in consecutive]),
    ):
        if pairs:
            yield Candidate("other_mask", f"the derivative of {name} is taken {sentence}", changes_of(pairs))
    for other in group:
        sentence = f"the derivative of {name} is taken at one z for all, that of {describe_line([other.input])}"
        yield Candidate("other_mask", sentence, changes_of([(composite, other) for composite in group]))
    for composite in group if len(group) <= MAX_CHANGED_SINGLY else ():
        for other in group:
            if composite is not other:
                place = describe_line([composite.output])
                sentence = f"the derivative of {name} at {place} is taken at the z of another layer"
                yield Candidate("other_mask", sentence, changes_of([(composite, other)]))


def _consecutive_pairs(group: Sequence[Composite]) -> list[tuple[Composite, Composite]]:
    """The pairs (earlier, later) of activations of consecutive layers."""
    by_output = {composite.output.index: composite for composite in group}
    pairs = []
    for later in group:
        nearest = next((by_output[node.index] for node in ancestors(later.input) if node.index in by_output), None)
        if nearest is not None:
            pairs.append((nearest, later))
    return pairs


def output_mistakes(recording: Recording) -> Iterator[Candidate]:
    """Wrong forms of ∂J/∂z = (p − y) / N."""
    gradients, count_found = run_backward(recording), 0
    for node in reversed(recording.nodes):
        z, gradient = node.value, gradients.get(node.index)
        if gradient is None or z.ndim not in (1, 2) or z.size < 2:
            continue
        for p, is_softmax in _predictions_of(z):
            for count in dict.fromkeys((z.shape[0], z.shape[-1], 1, z.size)):
                difference = p - count * gradient
                y = np.round(difference)
                if not (np.abs(difference - y) < 1e-7).all() or y.min() != 0 or y.max() != 1:
                    continue
                for code, text, wrong in _wrong_output_slopes(p, y, count, is_softmax=is_softmax):
                    yield Candidate(code, f"∂J/∂z of the output {text}", Changes(fixed={node.index: wrong}))
                count_found += 1
        if count_found > 3:  # z, −z and z without its bias
            return


def _predictions_of(z: Array) -> Iterator[tuple[Array, bool]]:
    for axis in (-1, 0) if z.ndim > 1 else (-1,):
        if z.shape[axis] > 1:
            powers = np.exp(z - z.max(axis=axis, keepdims=True))
            yield powers / powers.sum(axis=axis, keepdims=True), True
    yield sigmoid(z), False


def _wrong_output_slopes(p: Array, y: Array, N: int, *, is_softmax: bool) -> Iterator[tuple[str, str, Array]]:
    """Wrong forms of (p − y) / N for softmax or sigmoid p."""
    slope = p * (1 - p)
    yield "targets_not_averaged", "divides p by N and not y: p / N − y", p / N - y
    yield "targets_not_averaged", "divides y by N and not p: p − y / N", p - y / N
    yield "target_missing", "lacks the targets", p / N
    yield "sign_of_part", "has the wrong sign of the targets: p + y", (p + y) / N
    yield "derivative_twice", "is multiplied by the output's derivative once too often", (p - y) / N * slope
    if is_softmax:
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
