"""Mistakes in the derivatives of recorded pooling operations."""

from collections.abc import Iterator, Sequence

import numpy as np

from deltarule.checking.mistakes.tape_candidates import Candidate, changes_at, correct_gradient, describe_line
from deltarule.checking.tape.operations import Array, Node


def _window(g: Array, node: Node) -> tuple[Array, Array, Array]:
    _, axes, keepdims = node.data
    top, wide = (array if keepdims else np.expand_dims(array, axes) for array in (node.value, g))
    return node.values[0], wide, node.values[0] == top


def _to_exchanged_axes(k: int, g: Array, node: Node) -> Array:
    result, axes = correct_gradient(k, g, node), node.data[1]
    if len(axes) < 2 or len({result.shape[axis] for axis in axes[-2:]}) > 1:
        raise ValueError("the window is no square")
    return np.swapaxes(result, *axes[-2:])


def _to_all_ties(k: int, g: Array, node: Node) -> Array:
    _, wide, ties = _window(g, node)
    return wide * ties


def _shared_among_ties(k: int, g: Array, node: Node) -> Array:
    _, wide, ties = _window(g, node)
    return wide * ties / ties.sum(axis=node.data[1], keepdims=True)


def _to_opposite_extreme(k: int, g: Array, node: Node) -> Array:
    value, wide, _ = _window(g, node)
    extreme = value.min if node.name == "max" else value.max
    return wide * (value == extreme(axis=node.data[1], keepdims=True))


def _to_all_entries(k: int, g: Array, node: Node) -> Array:
    value, wide, _ = _window(g, node)
    return np.array(np.broadcast_to(wide, value.shape))


def _averaged(k: int, g: Array, node: Node) -> Array:
    return _to_all_entries(k, g, node) / (np.size(node.values[0]) / max(node.value.size, 1))


def _to_last_tie(k: int, g: Array, node: Node) -> Array:
    _, wide, ties = _window(g, node)
    axes = node.data[1]
    if len(axes) > 1:
        last = np.zeros(ties.size, bool)
        last[np.flatnonzero(ties)[-1]] = True
        return np.where(last.reshape(ties.shape), wide, 0)
    flipped = np.flip(ties, axes[0])
    return wide * np.flip(flipped & (np.cumsum(flipped, axes[0]) == 1), axes[0])


_POOLING = (
    ("goes to the entry with row and column exchanged", _to_exchanged_axes),
    ("goes to every entry that ties with the maximum", _to_all_ties),
    ("is shared among entries that tie with the maximum", _shared_among_ties),
    ("goes to the smallest entry, not to the largest", _to_opposite_extreme),
    ("goes to all entries, not to the largest", _to_all_entries),
    ("is averaged over all entries, not given to the largest", _averaged),
    ("goes to the last entry that ties with the maximum", _to_last_tie),
)
"""Wrong derivatives of maxima over windows."""


def pooling_mistakes(operations: Sequence[Node]) -> Iterator[Candidate]:
    """Wrong derivatives of maxima and minima over axes."""
    for text, rule in _POOLING:
        sentence = f"the gradient of the maximum {text}, at {describe_line(operations)}"
        yield Candidate("pool_routing", sentence, changes_at(operations, rule))


def averaging_mistakes(operations: Sequence[Node], count: float) -> Iterator[Candidate]:
    """Wrong derivatives of means over `count` entries of windows."""
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
