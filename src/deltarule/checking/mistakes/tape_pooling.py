"""Mistakes in the derivatives of recorded maxima, minima and means over windows, as in pooling layers."""

from collections.abc import Iterator, Sequence

import numpy as np

from deltarule.checking.mistakes.tape_candidates import Candidate, changes_at, correct_gradient, describe_line
from deltarule.checking.tape.operations import Array, Node


def pooling_mistakes(operations: Sequence[Node]) -> Iterator[Candidate]:
    """Wrong derivatives of maxima and minima over axes: the gradient goes to other entries than the extreme one."""

    def with_window_axes(node: Node, g: Array) -> tuple[Array, Array, Array]:
        _, axes, keepdims = node.data
        value = node.values[0]
        top = node.value if keepdims else np.expand_dims(node.value, axes)
        return value, top, g if keepdims else np.expand_dims(g, axes)

    def to_all_ties(k: int, g: Array, node: Node) -> Array:
        value, top, wide = with_window_axes(node, g)
        return wide * (value == top)

    def shared_among_ties(k: int, g: Array, node: Node) -> Array:
        value, top, wide = with_window_axes(node, g)
        ties = value == top
        return wide * ties / ties.sum(axis=node.data[1], keepdims=True)

    def to_all_entries(k: int, g: Array, node: Node) -> Array:
        value, _, wide = with_window_axes(node, g)
        return np.array(np.broadcast_to(wide, value.shape))

    def averaged_over_entries(k: int, g: Array, node: Node) -> Array:
        return to_all_entries(k, g, node) / (np.size(node.values[0]) / max(node.value.size, 1))

    def to_opposite_extreme(k: int, g: Array, node: Node) -> Array:
        value, _, wide = with_window_axes(node, g)
        extreme = value.min if node.name == "max" else value.max
        return wide * (value == extreme(axis=node.data[1], keepdims=True))

    def to_last_tie(k: int, g: Array, node: Node) -> Array:
        """Give the gradient to the last entry that equals the extreme one."""
        value, top, wide = with_window_axes(node, g)
        ties = value == top
        axes = node.data[1]
        if len(axes) > 1:
            return np.where(_last_true(ties.reshape(-1)).reshape(ties.shape), wide, 0)
        flipped = np.flip(ties, axes[0])
        first = flipped & (np.cumsum(flipped, axes[0]) == 1)
        return wide * np.flip(first, axes[0])

    def with_axes_exchanged(k: int, g: Array, node: Node) -> Array:
        result = correct_gradient(k, g, node)
        axes = node.data[1]
        if len(axes) < 2 or len({result.shape[axis] for axis in axes[-2:]}) > 1:
            raise ValueError("the window is no square")
        return np.swapaxes(result, *axes[-2:])

    place = describe_line(operations)
    for text, rule in (
        ("goes to the entry with row and column exchanged", with_axes_exchanged),
        ("goes to every entry that ties with the maximum", to_all_ties),
        ("is shared among entries that tie with the maximum", shared_among_ties),
        ("goes to the smallest entry, not to the largest", to_opposite_extreme),
        ("goes to all entries, not to the largest", to_all_entries),
        ("is averaged over all entries, not given to the largest", averaged_over_entries),
        ("goes to the last entry that ties with the maximum", to_last_tie),
    ):
        yield Candidate("pool_routing", f"the gradient of the maximum {text}, at {place}", changes_at(operations, rule))


def _last_true(mask: Array) -> Array:
    result = np.zeros(mask.shape, bool)
    result[np.flatnonzero(mask)[-1]] = True
    return result


def averaging_mistakes(operations: Sequence[Node], count: float) -> Iterator[Candidate]:
    """Wrong derivatives of means over `count` entries of windows, such as x.reshape(h, p, w, p).mean(axis=(1, 3))."""
    first = operations[0]
    axes = first.data
    if not isinstance(axes, tuple) or len(axes) < 2 or first.value.ndim != first.values[0].ndim - len(axes):
        return

    def to_first(k: int, g: Array, node: Node) -> Array:
        result = np.zeros(node.values[0].shape)
        reduced = {axis % result.ndim for axis in axes}
        result[tuple(0 if i in reduced else slice(None) for i in range(result.ndim))] = count * g
        return result

    def tiled(k: int, g: Array, node: Node) -> Array:
        shape = node.values[0].shape
        before = [axis % len(shape) - 1 for axis in axes]  # the axis of windows stands before that of their entries
        counts = [shape[i + 1] if i in before else 1 for i in range(len(shape)) if i - 1 not in before]
        return np.tile(g, counts).reshape(shape)

    place = describe_line(operations)
    for text, rule in (("goes to its first entry alone", to_first), ("is tiled, not repeated", tiled)):
        yield Candidate(
            "pool_routing", f"the gradient of a window's mean {text}, at {place}", changes_at(operations, rule)
        )
