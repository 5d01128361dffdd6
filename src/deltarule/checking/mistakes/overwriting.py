"""Mistakes that write `=` for `+=`, and others in the slices of arrays."""

# mypy: disable-error-code="misc"
# mypy does not infer lambdas with defaults, which bind the variable of a loop.

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deltarule.checking.mistakes.candidates import PRODUCTS, Candidate, correct_gradient, describe_line
from deltarule.checking.tape.backward import Changes, EdgeRule, Recording
from deltarule.checking.tape.operations import Array, Node, gather_gradient

Index = NDArray[np.int64]
"""Flat indices of entries of an array."""


def overwritten_gradients(recording: Recording) -> Iterator[Candidate]:
    """Mistakes that assign gradients of values which are used several times."""
    uses: dict[int, int] = {}
    for node in recording.nodes:
        for _, entry in node.active_inputs:
            uses[entry.index] = uses.get(entry.index, 0) + 1
    several = frozenset(index for index, count in uses.items() if count > 1)
    parameters = several & {node.index for node in recording.parameters}
    by_name: dict[str, list[Node]] = {}
    for node in recording.nodes:
        by_name.setdefault(node.name, []).append(node)
    writers = [(nodes, f"each {name}") for name, nodes in by_name.items()]
    writers += [(group, describe_line(group)) for group in recording.operation_groups() if len(group) > 1]
    for is_first in (False, True):
        for indices, what in ((parameters, "parameters"), (several, "all values")):
            text = f"of {what} that are used several times is overwritten, not added up"
            if indices:
                yield Candidate("gradient_overwritten", text, Changes(overwrite=indices, is_first=is_first))
        for nodes, place in writers:
            text = f"of values that are used several times is overwritten by {place}, not added up"
            indices = frozenset(node.index for node in nodes)
            yield Candidate("gradient_overwritten", text, Changes(writers=indices, is_first=is_first))


def slice_mistakes(recording: Recording) -> Iterator[Candidate]:
    """Mistakes that overwrite, misplace or exchange gradients of slices."""
    by_line: dict[Any, list[Node]] = {}
    for node in recording.nodes:
        if node.name == "getitem" and node.data:
            by_line.setdefault(node.line, []).append(node)
    for group in by_line.values():
        if any(len(np.unique(node.data[0])) < node.data[0].size for node in group):
            yield from _overwritten_slices(group, "rows that occur several times")
        elif len(group) > 1:
            yield from _overwritten_slices(group, "overlapping windows")
        by_source: dict[int, list[Node]] = {}
        for node in group:
            by_source.setdefault(node.inputs[0].index, []).append(node)
        yield from _other_strides(recording, list(by_source.values()))


def _overwritten_slices(group: Sequence[Node], what: str) -> Iterator[Candidate]:
    """Mistakes that assign the gradients of slices that have entries in common."""
    text = f"of {what} is overwritten, not added up, at {describe_line(group)}"
    writers = frozenset(node.index for node in group)
    for order in (slice(None), slice(None, None, -1)):
        rules = {node.index: _assign_to(node.data[0], order) for node in group}
        yield Candidate("gradient_overwritten", text, Changes(rules=rules))
        for is_first in (True, False):
            for is_sparse in (False, True):
                changes = Changes(rules=rules, writers=writers, is_first=is_first, is_sparse=is_sparse)
                yield Candidate("gradient_overwritten", text, changes)


def _assign_to(source: Index, order: slice) -> EdgeRule:
    """A rule that assigns gradients to flat entries instead of adding them."""

    def rule(k: int, g: Array, node: Node) -> Array:
        result = np.zeros(np.size(node.values[0]))
        result[source.ravel()[order]] = g.ravel()[order]
        return result.reshape(np.shape(node.values[0]))

    return rule


def _other_strides(recording: Recording, windows_by_array: Sequence[Sequence[Node]]) -> Iterator[Candidate]:
    """Mistakes that ignore the stride of windows in the backward pass."""
    first = windows_by_array[0]
    if len(first) < 2:
        return
    shape = first[0].values[0].shape
    offsets = np.array([np.unravel_index(int(node.data[0].flat[0]), shape) for node in first])
    strides = [_common_step(offsets[:, axis]) for axis in range(len(shape))]
    axes = [axis for axis, step in enumerate(strides) if step > 1]
    place = describe_line(first)
    for chosen in [*([axis] for axis in axes), *([axes] if len(axes) > 1 else [])]:
        gathers: dict[int, EdgeRule] = {}
        products: dict[int, dict[int, Array]] = {}
        for node in (node for group in windows_by_array for node in group):
            moved = _windows_one_apart(node, chosen, strides)
            if moved is None:
                return
            gathers[node.index] = _scatter_to(moved)
            for user in recording.users.get(node.index, []):
                if user.name in PRODUCTS:
                    products.setdefault(user.index, {})[node.index] = node.values[0].ravel()[moved]
        factors = {index: rule_with_values(values) for index, values in products.items()}
        text = f"forgets the stride of {' and '.join(str(strides[axis]) for axis in chosen)}"
        for rules in (gathers | factors, gathers, factors):
            if rules:
                yield Candidate("wrong_stride", f"{text}, going back through {place}", Changes(rules=rules))


def _common_step(offsets: Array) -> int:
    steps = np.unique(np.diff(np.unique(offsets)))
    return int(steps[0]) if len(steps) == 1 else 0


def _windows_one_apart(node: Node, axes: Sequence[int], strides: Sequence[int]) -> Index | None:
    """The indices of a window as if windows were one step apart."""
    shape = node.values[0].shape
    indices = [np.array(index) for index in np.unravel_index(node.data[0], shape)]
    for axis in axes:
        offset = int(indices[axis].flat[0])
        indices[axis] = indices[axis] - offset + offset // strides[axis]
        if indices[axis].max() >= shape[axis]:
            return None
    return np.ravel_multi_index(indices, shape)


def _scatter_to(source: Index) -> EdgeRule:
    return lambda k, g, node: gather_gradient([source])(0, g, node.values, node.value)


def rule_with_values(values: dict[int, Array]) -> EdgeRule:
    """A rule that computes gradients with other values of the inputs, by node index."""

    def rule(k: int, g: Array, node: Node) -> Array:
        changed = [
            values.get(entry.index, value) if isinstance(entry, Node) else value
            for entry, value in zip(node.inputs, node.values, strict=True)
        ]
        return correct_gradient(k, g, node, changed)

    return rule
