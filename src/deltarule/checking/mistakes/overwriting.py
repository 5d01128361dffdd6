"""Mistakes that write `=` for `+=`, and mistakes in the windows of arrays."""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from deltarule.checking.mistakes.candidates import PRODUCTS, Candidate, describe_line, rule_with_values
from deltarule.checking.tape.backward import Changes, EdgeRule, Recording
from deltarule.checking.tape.operations import Array, Node, gather_gradient

Index = NDArray[np.int64]
"""Flat indices of entries of an array."""


def overwritten_gradients(recording: Recording) -> Iterator[Candidate]:
    """Mistakes that assign gradients of values which are used several times."""
    groups = [(group, describe_line(group)) for group in recording.operation_groups()]
    for is_first in (False, True):
        for nodes, place in ((recording.nodes, "every operation"), *groups):
            text = f"of values that are used several times is overwritten by {place}, not added up"
            writers = frozenset(node.index for node in nodes)
            yield Candidate("gradient_overwritten", text, Changes(writers=writers, is_first=is_first))
    for group, place in groups:
        if group[0].name == "getitem" and any(len(np.unique(node.data[0])) < node.data[0].size for node in group):
            text = f"of rows that occur several times is overwritten, not added up, at {place}"
            for order in (slice(None), slice(None, None, -1)):
                rules = {node.index: _assign_to(node.data[0], order) for node in group}
                for writers in (frozenset[int](), frozenset(rules)):
                    yield Candidate("gradient_overwritten", text, Changes(rules=rules, writers=writers))


def _assign_to(source: Index, order: slice) -> EdgeRule:
    """A rule that assigns gradients to flat entries instead of adding them."""

    def rule(k: int, g: Array, node: Node) -> Array:
        result = np.zeros(np.size(node.values[0]))
        result[source.ravel()[order]] = g.ravel()[order]
        return result.reshape(np.shape(node.values[0]))

    return rule


def forgotten_strides(recording: Recording) -> Iterator[Candidate]:
    """Mistakes that find windows one apart in the backward pass, whatever their stride."""
    for group in recording.operation_groups():
        axes = range(np.ndim(group[0].values[0]))
        if group[0].name != "getitem" or not axes or len(group) < 2 or len({node.value.shape for node in group}) > 1:
            continue
        arrays: dict[int, list[Node]] = {}
        for node in group:
            arrays.setdefault(node.inputs[0].index, []).append(node)
        for chosen in (*([axis] for axis in axes), axes):
            moved = {index: one for windows in arrays.values() for index, one in _one_apart(windows, chosen).items()}
            if not any((moved[node.index] != node.data[0]).any() for node in group):
                continue
            gathers = {index: _scatter_to(source) for index, source in moved.items()}
            products: dict[int, dict[int, Array]] = {}
            for node in group:
                for user in recording.users.get(node.index, []):
                    if user.name in PRODUCTS:
                        products.setdefault(user.index, {})[node.index] = node.values[0].ravel()[moved[node.index]]
            factors = {index: rule_with_values(values) for index, values in products.items()}
            text = f"forgets the stride of the windows, going back through {describe_line(group)}"
            for rules in (gathers | factors, gathers, factors):
                yield Candidate("wrong_stride", text, Changes(rules=rules))


def _one_apart(windows: Sequence[Node], axes: Sequence[int]) -> dict[int, Index]:
    """By node index, the flat indices of windows as if they were one step apart along axes."""
    shape = windows[0].values[0].shape
    indices = np.array([np.unravel_index(node.data[0], shape) for node in windows])
    starts = indices.reshape(*indices.shape[:2], -1)[..., 0]
    for axis in axes:
        steps = np.unique(starts[:, axis], return_inverse=True)[1] + starts[:, axis].min()
        indices[:, axis] += (steps - starts[:, axis]).reshape(-1, *[1] * (indices.ndim - 2))
    return {node.index: np.ravel_multi_index(tuple(one), shape) for node, one in zip(windows, indices, strict=True)}


def _scatter_to(source: Index) -> EdgeRule:
    return lambda k, g, node: gather_gradient([source])(0, g, node.values, node.value)
