"""Hypotheses that only the line of one parameter's gradient is wrong.

Such a gradient is a sum over the uses of the parameter: each adds a product of the upstream gradient δ of its operation
and the other operand, such as xᵀ δ. Here one of the two is another recorded value, or one of the parts is missing.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from typing import Any

import numpy as np

from deltarule.checking.mistakes.catalog import join_names
from deltarule.checking.mistakes.evidence import Evidence, Hypothesis, ParameterEvidence, one_mistake
from deltarule.checking.mistakes.tape_candidates import describe_line
from deltarule.checking.tape.backward import Recording, run_backward
from deltarule.checking.tape.operations import Array, Node

_MAX_RELATIVES = 24
"""Operations before a use, and after it, whose values and gradients are tried."""
_MAX_USES = 400
"""Uses of a parameter, such as by time steps and samples; scalar code has more, and other mistakes."""
_VIEWS = ("reshape", "transpose", "getitem", "repeat")
_PRODUCTS = ("multiply", "matmul", "einsum")
_OPERAND_PATHS = [(0,), (1,), *product(range(2), repeat=2), *product(range(2), repeat=3)]
"""Paths from a factor to the values that it is computed from: which input, one, two and three operations back."""
_MIN_INFORMATIVE = 3
"""Clearly wrong entries that a mistake must explain: one or two fit some recorded value by chance."""


@dataclass(frozen=True, eq=False)
class Use:
    """A use of a parameter as input k of an operation, perhaps through views."""

    node: Node
    k: int
    views: tuple[Node, ...]

    @property
    def key(self) -> Any:
        """What identifies the instruction in the code."""
        return self.node.line, self.node.name, self.k, tuple(view.line for view in self.views)

    @property
    def operand(self) -> Array:
        """The other factor, if the operation is a product."""
        return np.asarray(self.node.values[1 - self.k])

    def part(self, g: Array, operand: Array | None = None) -> Array:
        """The use's part of the parameter's gradient."""
        assert self.node.gradient is not None
        values = list(self.node.values)
        if operand is not None:
            values[1 - self.k] = operand
        gradient = self.node.gradient(self.k, g, values, self.node.value)
        shape = np.shape(values[self.k])
        gradient = gradient if np.shape(gradient) == shape else np.broadcast_to(gradient, shape)
        for view in reversed(self.views):
            assert view.gradient is not None
            gradient = view.gradient(0, gradient, view.values, view.value)
        return gradient


@dataclass(frozen=True, eq=False)
class _WrongGradient:
    """A wrong gradient of a parameter, with the mistake that gives it."""

    code: str
    sentence: str
    gradient: Array
    constants: int


class RecordedUses:
    """A recorded forward pass with gradients and uses of every value."""

    def __init__(self, recording: Recording) -> None:
        self.gradients = run_backward(recording)
        self.users: dict[int, list[Node]] = {}
        for node in recording.nodes:
            for entry in {id(entry): entry for entry in node.inputs if isinstance(entry, Node)}.values():
                self.users.setdefault(entry.index, []).append(node)
        self.recording = recording

    def uses(self, source: Node, views: tuple[Node, ...] = ()) -> Iterator[Use]:
        """The uses of a node, also through views of it."""
        for node in self.users.get(source.index, []):
            if node.name in _VIEWS:
                yield from self.uses(node, (*views, node))
            elif node.gradient is not None and node.name != "join":  # a list of numbers becomes an array
                yield from (Use(node, k, views) for k, entry in enumerate(node.inputs) if entry is source)

    def parts(self, parameter: Node) -> list[Array]:
        """The parts of a parameter's gradient, for each line of code that uses it."""
        uses = [use for use in self.uses(parameter) if use.node.index in self.gradients]
        by_line: dict[Any, Array] = {}
        for use in uses:
            part = use.part(self.gradients[use.node.index])
            by_line[use.key[0][:2]] = by_line.get(use.key[0][:2], 0) + part
        return list(by_line.values())

    def successors(self, node: Node) -> Iterator[Node]:
        """The operations that depend on a node, the nearest first."""
        return _breadth_first(node, lambda source: self.users.get(source.index, []))

    @cached_property
    def all_values(self) -> list[tuple[str, Array]]:
        """Every recorded value once, as (description, value)."""
        values: dict[int, tuple[str, Array]] = {}
        for node in self.recording.nodes:
            values.setdefault(id(node.value), (describe_line([node]), node.value))
            for value in node.values:
                values.setdefault(id(value), (f"an input of {describe_line([node])}", np.asarray(value)))
        return list(values.values())


def predecessors(node: Node) -> Iterator[Node]:
    """The operations and constants that a node depends on, the nearest first."""
    return _breadth_first(node, lambda user: [entry for entry in user.inputs if isinstance(entry, Node)])


def _breadth_first(node: Node, neighbors: Callable[[Node], Sequence[Node]]) -> Iterator[Node]:
    """The nodes, about 24, that are reached from a node, nearest first."""
    seen, layer = {node.index}, [node]
    while layer and len(seen) <= _MAX_RELATIVES:
        reached = {other.index: other for node in layer for other in neighbors(node) if other.index not in seen}
        layer = list(reached.values())
        seen |= set(reached)
        yield from layer


def parameter_hypotheses(tape: RecordedUses, evidence: Evidence) -> list[Hypothesis]:
    """Hypotheses that each explain one wrong gradient, or several by the same mistake."""
    by_code: dict[str, dict[ParameterEvidence, _WrongGradient]] = {}
    for parameter, node in zip(evidence.parameters, tape.recording.parameters, strict=True):
        needed = min(_MIN_INFORMATIVE, parameter.found.size)
        if not parameter.is_wrong or _count_clearly_wrong(parameter) < needed:
            continue
        uses = list(tape.uses(node))
        if not 0 < len(uses) <= _MAX_USES:
            continue
        for mistake in _wrong_gradients(tape, parameter, uses):
            explained = by_code.setdefault(mistake.code, {})
            is_simpler = parameter not in explained or mistake.constants < explained[parameter].constants
            is_number = np.isfinite(mistake.gradient).all() and mistake.gradient.any()
            if is_number and is_simpler and parameter.is_found(mistake.gradient):
                explained[parameter] = mistake
    hypotheses = []
    for code, explained in by_code.items():
        if explained:
            parameters = list(explained)
            subject = f"{evidence.prefix} {join_names([parameter.name for parameter in parameters])}".lstrip()
            sentence = f"{subject} {explained[parameters[0]].sentence}"
            constants = max(mistake.constants for mistake in explained.values())
            is_sure = any(_count_clearly_wrong(parameter) >= _MIN_INFORMATIVE for parameter in parameters)
            hypotheses.append(one_mistake(code, parameters, sentence, constants + (0 if is_sure else 2)))
    return hypotheses


def _count_clearly_wrong(parameter: ParameterEvidence) -> int:
    return int((np.abs(parameter.found - parameter.expected) > 10 * parameter.tolerance).sum())


def _wrong_gradients(tape: RecordedUses, parameter: ParameterEvidence, uses: Sequence[Use]) -> Iterator[_WrongGradient]:
    """The wrong gradients of a parameter that a mistake at some of its uses gives."""
    gradients = tape.gradients
    uses = [use for use in uses if use.node.index in gradients]
    parts = {id(use): use.part(gradients[use.node.index]) for use in uses}
    groups: dict[Any, list[Use]] = {}
    for use in uses:
        groups.setdefault(use.key, []).append(use)
    sets = list(groups.values()) if len(groups) < 2 else [*groups.values(), uses]

    def total(changed: Mapping[int, Array]) -> Array:
        return np.asarray(sum((changed.get(id(use), parts[id(use)]) for use in uses), np.zeros(parameter.value.shape)))

    counts = {len(group) for group in groups.values()}
    if len(groups) > 1 and len(counts) == 1 and counts != {1}:
        for position, which in ((-1, "last"), (0, "first")):
            zero = {id(use): 0 * parts[id(use)] for use in uses}
            remaining = {id(group[position]): parts[id(group[position])] for group in groups.values()}
            sentence = f"has only the part of the {which} of {counts.pop()} repetitions"
            yield _WrongGradient("gradient_overwritten", sentence, total(zero | remaining), 0)
            counts = {len(next(iter(groups.values())))}
    for group in sets:
        for code, sentence, changed, constants in _changes_of_group(
            tape, group, parts, is_only_group=len(group) == len(uses)
        ):
            if any(part.shape != parameter.value.shape for part in changed.values()):
                continue
            yield _WrongGradient(code, sentence, total(changed), constants)


_Change = tuple[str, str, Mapping[int, Array], int]
"""A mistake's code, the end of its sentence, the changed parts by id of the use, and the number of constants."""


def _changes_of_group(
    tape: RecordedUses, group: Sequence[Use], parts: Mapping[int, Array], *, is_only_group: bool
) -> Iterator[_Change]:
    """The mistakes at the uses of a parameter in one line of code.

    parts           by id of a use, its correct part of the gradient
    is_only_group   whether the parameter has no other uses
    """
    line_text = describe_line([group[0].node])
    zero = {id(use): 0 * parts[id(use)] for use in group}
    if len(group) > 1:
        for use, which in ((group[-1], "last"), (group[0], "first")):
            sentence = f"has only the part of the {which} of {len(group)} repetitions of {line_text}"
            yield "gradient_overwritten", sentence, zero | {id(use): parts[id(use)]}, 0
    if not is_only_group:
        yield "path_missing", f"lacks what comes back through {line_text}", zero, 1
        doubled = {id(use): 2 * parts[id(use)] for use in group}
        yield "factor_two", f"has twice what comes back through {line_text}", doubled, 2
        negative = {id(use): -parts[id(use)] for use in group}
        yield "sign_of_part", f"has the wrong sign in what comes back through {line_text}", negative, 1
    if all(part.ndim == 2 for part in parts.values()):
        transposed = {id(use): parts[id(use)].T for use in group}
        yield "transposed", f"has the part that comes back through {line_text} transposed", transposed, 0
    yield from _single_samples(tape, group, line_text)
    yield from _other_upstreams(tape, group, line_text)
    if all(use.node.name in _PRODUCTS and len(use.node.inputs) == 2 for use in group):
        yield from _other_operands(tape, group, line_text)


def _single_samples(tape: RecordedUses, group: Sequence[Use], line_text: str) -> Iterator[_Change]:
    """Mistakes that keep only the last or first sample's part of a gradient."""
    if any(use.node.name not in (*_PRODUCTS, "add", "subtract") for use in group):
        return
    whole = sum(use.part(tape.gradients[use.node.index]) for use in group)
    for axis in range(min(use.node.value.ndim for use in group)):
        for position, which in ((-1, "last"), (0, "first")):
            changed = {}
            for use in group:
                g = tape.gradients[use.node.index]
                only = np.zeros_like(g)
                index = [slice(None)] * g.ndim
                index[axis] = slice(position, None if position else 1)
                only[tuple(index)] = g[tuple(index)]
                changed[id(use)] = use.part(only)
            if not _has_lost_lines(np.asarray(sum(changed.values())), np.asarray(whole)):  # else the axis is of units
                yield "last_sample", f"is that of the {which} sample alone, at {line_text}", changed, 0
                without_mean = {key: part * group[0].node.value.shape[axis] for key, part in changed.items()}
                yield "last_sample", f"is that of the {which} sample alone, at {line_text}", without_mean, 1


def _has_lost_lines(part: Array, whole: Array) -> bool:
    lines = [[a.any(axis=tuple(set(range(a.ndim)) - {i})).sum() for i in range(a.ndim)] for a in (part, whole)]
    return any(remaining < 2 <= count for remaining, count in zip(*lines, strict=True))


def _other_upstreams(tape: RecordedUses, group: Sequence[Use], line_text: str) -> Iterator[_Change]:
    """Mistakes that take another δ as the upstream gradient."""
    gradients = tape.gradients
    ones = {id(use): use.part(np.ones_like(use.node.value, float)) for use in group}
    yield "upstream_ignored", f"leaves out the upstream gradient at {line_text}", ones, 1
    for direction in (tape.successors, predecessors):
        for nodes in _nearest_operations(group, direction).values():
            pairs = [
                (use, gradients[node.index])
                for use, node in nodes
                if node.index in gradients and node.value.shape == use.node.value.shape
            ]
            changed = {id(use): use.part(g) for use, g in pairs}
            if changed:
                text = f"is computed from the gradient of the value of {describe_line([nodes[0][1]])}, at {line_text}"
                is_before_derivative = all(_is_function_of(node, use.node) for use, node in nodes)
                code = "derivative_missing" if is_before_derivative else "other_delta"
                yield code, text, changed, 1 if len(changed) == len(group) else 2
    if len(group) > 1:
        return
    (use,) = group
    for node in tape.recording.nodes:
        g = gradients.get(node.index)
        if g is not None and node is not use.node and g.shape == use.node.value.shape:
            text = f"is computed from the gradient of the value of {describe_line([node])}, at {line_text}"
            yield "other_delta", text, {id(use): use.part(g)}, 2


def _is_function_of(later: Node, node: Node) -> bool:
    """Whether a later value depends on a node alone, apart from added biases."""
    while later is not node:
        sources = [entry for _, entry in later.active_inputs if entry.name != "parameter"]
        if len(sources) != 1 or later.name in ("matmul", "einsum", "sum"):
            return False
        (later,) = sources
    return True


def _other_operands(tape: RecordedUses, group: Sequence[Use], line_text: str) -> Iterator[_Change]:
    """Mistakes that multiply δ by a wrong value."""
    gradients = tape.gradients

    def part(use: Use, value: Array) -> Array:
        return use.part(gradients[use.node.index], value)

    for direction in (predecessors, tape.successors):
        for nodes in _nearest_operations(group, direction).values():
            pairs = [(use, node.value) for use, node in nodes if node.value.shape == use.operand.shape]
            if pairs:
                text = f"takes the value of {describe_line([nodes[0][1]])} for the other factor of {line_text}"
                changed = {id(use): part(use, value) for use, value in pairs}
                yield "wrong_input", text, changed, 1 if len(pairs) == len(group) else 2
    for path in _OPERAND_PATHS:
        pairs = [(use, value) for use in group if (value := _value_on_path(use, path)) is not None]
        if pairs:
            text = f"takes a value from before {line_text} for the other factor, as if an operation were left out"
            yield "wrong_input", text, {id(use): part(use, value) for use, value in pairs}, 1
    for shift in (1, -1) if len(group) > 1 else ():
        changed = {
            id(use): part(use, group[i + shift].operand)
            for i, use in enumerate(group)
            if 0 <= i + shift < len(group) and group[i + shift].operand.shape == use.operand.shape
        }
        yield "wrong_input", f"takes the other factor of {line_text} from a neighboring step", changed, 1
    if len(group) > 1:
        return
    (use,) = group
    for name, value in tape.all_values:
        if value.shape == use.operand.shape and value is not use.operand:
            text = f"takes the value of {name} for the other factor of {line_text}"
            yield "wrong_input", text, {id(use): part(use, value)}, 2


def _value_on_path(use: Use, path: Sequence[int]) -> Array | None:
    """The value on a path of input indices from which a factor is computed."""
    entry, value = use.node.inputs[1 - use.k], use.operand
    for k in path:
        if not isinstance(entry, Node) or k >= len(entry.inputs):
            return None
        entry, value = entry.inputs[k], np.asarray(entry.values[k])
    return value if value.shape == use.operand.shape else None


def _nearest_operations(
    group: Sequence[Use], direction: Callable[[Node], Iterator[Node]]
) -> dict[Any, list[tuple[Use, Node]]]:
    """The operations nearest to each use, by instruction."""
    aligned: dict[Any, list[tuple[Use, Node]]] = {}
    for use in group:
        nearest: dict[Any, Node] = {}
        for node in direction(use.node):
            nearest.setdefault((node.line, node.name), node)
        for key, node in nearest.items():
            aligned.setdefault(key, []).append((use, node))
    return aligned
