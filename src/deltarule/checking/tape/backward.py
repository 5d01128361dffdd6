"""The operations of a tape, their derivatives, and its backward pass.

A node's gradient function maps (k, g, inputs, output) to the gradient of input k, where g is that of the output.
Everything that only moves numbers (indexing, reshaping, stacking, maxima) has the derivative of a gather.
"""

import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Gradient = Callable[[int, Array, Sequence[Array], Array], Array]
"""(k, g, inputs, output) → the gradient of input k, from the gradient g of the output."""

SourceLine = tuple[str, int, int]
"""File and line of user code, and the position of the instruction."""
NO_LINE: SourceLine = ("", 0, 0)


@dataclass(eq=False)
class Node:
    """One operation of a forward pass, or a parameter or constant.

    inputs      nodes, or constant arrays
    gradient    gives the gradients of the inputs; None for a parameter or constant
    line        file and line of the user's code, and the position of the instruction
    site        the same of the line that called that code, if several do
    data        of a gather: by input, the flat index in it of each output entry, −1 for none
    is_active   whether the value depends on a parameter
    """

    index: int
    name: str
    value: Array
    inputs: tuple[Any, ...] = ()
    gradient: Gradient | None = None
    line: SourceLine = NO_LINE
    site: SourceLine = NO_LINE
    data: Any = None
    is_active: bool = field(default=False)

    @cached_property
    def values(self) -> tuple[Array, ...]:
        return tuple(entry.value if isinstance(entry, Node) else entry for entry in self.inputs)

    @cached_property
    def active_inputs(self) -> list[tuple[int, "Node"]]:
        return [(k, entry) for k, entry in enumerate(self.inputs) if isinstance(entry, Node) and entry.is_active]


def unbroadcast(gradient: Array, shape: tuple[int, ...]) -> Array:
    """Sum a gradient over the axes along which an array of `shape` was broadcast."""
    if gradient.shape == shape:
        return gradient
    extra = gradient.ndim - len(shape)
    if extra > 0:
        gradient = gradient.sum(axis=tuple(range(extra)))
    axes = tuple(i for i, n in enumerate(shape) if n == 1 and gradient.shape[i] != 1)
    return gradient.sum(axis=axes, keepdims=True) if axes else gradient


_DERIVATIVES = tomllib.loads(Path(__file__).with_name("derivatives.toml").read_text(encoding="utf-8"))
SLOPES: dict[str, str] = _DERIVATIVES["functions"]
"""By name of a function y of u, the formula of its derivative."""
_FORMULAS: dict[str, list[str]] = {name: [f"g * ({slope})"] for name, slope in SLOPES.items()}
_FORMULAS |= _DERIVATIVES["operations"]
ELEMENTWISE: dict[str, list[Callable[..., Array]]] = {
    name: [eval(f"lambda g, x, y, u: {formula}", {"np": np, "exp": np.exp}) for formula in formulas]
    for name, formulas in _FORMULAS.items()
}
"""By name of a ufunc, the gradients of its inputs, before they are summed over broadcast axes."""

WITHOUT_GRADIENT = {
    *("greater", "greater_equal", "less", "less_equal", "equal", "not_equal", "sign", "floor", "ceil", "rint"),
    *("isfinite", "isnan", "isinf", "logical_and", "logical_or", "logical_not", "heaviside", "floor_divide"),
    *("remainder", "bitwise_and", "bitwise_or", "invert", "trunc"),
}
"""Ufuncs whose derivative is 0 or undefined: the tape does not trace their results."""


def elementwise_gradient(name: str) -> Gradient:
    rules = ELEMENTWISE[name]
    return lambda k, g, x, y: unbroadcast(np.asarray(rules[k](g, x, y, x[0])), np.shape(x[k]))


def matmul_gradient(k: int, g: Array, x: Sequence[Array], y: Array) -> Array:
    """The gradient of factor k of the matrix product x[0] @ x[1]."""
    if k == 0:
        return unbroadcast(g @ np.swapaxes(x[1], -1, -2), x[0].shape)
    return unbroadcast(np.swapaxes(x[0], -1, -2) @ g, x[1].shape)


def einsum_gradient(subscripts: str) -> Gradient:
    """The gradient function of np.einsum with explicit subscripts."""
    left, output = subscripts.split("->")
    terms = left.split(",")

    @cache
    def product(k: int) -> tuple[str, list[int], set[str]]:
        """The product that gives the gradient of factor k: subscripts, other factors, and the indices of these."""
        others = [i for i in range(len(terms)) if i != k]
        available = set(output).union(*(terms[i] for i in others))
        remaining = "".join(name for name in terms[k] if name in available)
        return f"{','.join([output, *(terms[i] for i in others)])}->{remaining}", others, available

    def gradient(k: int, g: Array, x: Sequence[Array], y: Array) -> Array:
        names, others, available = product(k)
        reduced = np.einsum(names, g, *(x[i] for i in others))
        shape = [n if name in available else 1 for name, n in zip(terms[k], x[k].shape, strict=True)]
        return np.array(np.broadcast_to(reduced.reshape(shape), x[k].shape))

    return gradient


def gather_gradient(sources: Sequence[NDArray[np.int64]]) -> Gradient:
    """The gradient function of a gather: entries go back where they came from.

    By input, `sources` has the flat index in it of each output entry, −1 for none.
    """
    positions = [np.flatnonzero(source.ravel() >= 0) for source in sources]  # in the output
    origins = [source.ravel()[indices] for source, indices in zip(sources, positions, strict=True)]  # in the input

    def gradient(k: int, g: Array, x: Sequence[Array], y: Array) -> Array:
        summed = np.bincount(origins[k], g.ravel()[positions[k]], minlength=x[k].size)
        return summed.reshape(x[k].shape)

    return gradient


def sum_gradient(axis: Any, *, keepdims: bool) -> Gradient:
    """The gradient function of np.sum over an axis, several, or all (None)."""

    def gradient(k: int, g: Array, x: Sequence[Array], y: Array) -> Array:
        if axis is not None and not keepdims:
            g = np.expand_dims(g, axis)
        elif axis is None:
            g = g.reshape((1,) * x[0].ndim)
        return np.array(np.broadcast_to(g, x[0].shape))

    return gradient


EdgeRule = Callable[[int, Array, Node], Array | None]
"""(k, g, node) → a wrong gradient of input k, from the gradient g of the output; None for no gradient."""


@dataclass(frozen=True, eq=False)
class RecordedPass:
    """A recorded forward pass, from the parameters to the loss."""

    nodes: Sequence[Node]
    parameters: Sequence[Node]
    loss: Node

    @cached_property
    def users(self) -> dict[int, list[Node]]:
        """By node index, the operations that take the node as an input."""
        users: dict[int, list[Node]] = {}
        for node in self.nodes:
            for entry in {id(entry): entry for entry in node.inputs if isinstance(entry, Node)}.values():
                users.setdefault(entry.index, []).append(node)
        return users

    @cached_property
    def right(self) -> list[Array]:
        """The gradients of the parameters."""
        return [self.gradients.get(node.index, np.zeros(node.value.shape)) for node in self.parameters]

    @cached_property
    def last_parameter_use(self) -> int:
        indices = {node.index for node in self.parameters}
        return max((user.index for index in indices for user in self.users.get(index, [])), default=-1)

    @cached_property
    def gradients(self) -> dict[int, Array]:
        return run_backward(self)

    def operation_groups(self) -> Iterator[list[Node]]:
        """Groups of equal operations, by instruction, caller and line of user code."""
        for length in (3, 2):
            by_line: dict[Any, list[Node]] = {}
            for node in self.nodes:
                if node.gradient is not None:
                    shapes = tuple(np.shape(value) for value in node.values)
                    by_line.setdefault((node.name, node.line[:length], shapes), []).append(node)
            for group in by_line.values():
                if length == 3 or len({node.line for node in group}) > 1:
                    yield group
                by_site: dict[SourceLine, list[Node]] = {}
                for node in group if length == 3 else ():
                    by_site.setdefault(node.site, []).append(node)
                yield from by_site.values() if len(by_site) > 1 else ()


@dataclass(frozen=True, eq=False)
class Changes:
    """Mistakes to plant in a backward pass.

    rules       by node index, the rule that replaces the derivatives of the node
    jumps       by node index, the earlier node that receives its gradient directly, and the function applied to it
    upstream    by node index and input, the later node whose gradient is taken in place of the node's own
    writers     indices of operations that assign the gradients of their inputs, instead of adding to them
    is_first    an assigned entry is not assigned again: the first contribution of the backward pass stays, not the last
    """

    rules: Mapping[int, EdgeRule] = field(default_factory=dict)
    jumps: Mapping[int, tuple[Node, Callable[[Array], Array]]] = field(default_factory=dict)
    upstream: Mapping[tuple[int, int], int] = field(default_factory=dict)
    writers: frozenset[int] = frozenset()
    is_first: bool = False

    @cached_property
    def places(self) -> set[int]:
        """The indices of the operations that pass back something else."""
        return {*self.rules, *self.jumps, *(index for index, _ in self.upstream)}


_NO_CHANGES = Changes()


def run_backward(recording: RecordedPass, changes: Changes = _NO_CHANGES) -> dict[int, Array]:
    """The gradient of the loss with respect to every node, by node index."""
    gradients: dict[int, Array] = {recording.loss.index: np.ones_like(recording.loss.value, float)}
    written: dict[int, Array] = {}  # by node index, which entries have been assigned
    for node in reversed(recording.nodes):
        g = gradients.get(node.index)
        if g is None:
            continue
        for entry, gradient in _contributions(node, g, changes, gradients.get):
            old = gradients.get(entry.index)
            if node.index not in changes.writers:
                gradients[entry.index] = gradient if old is None else old + gradient
                continue
            touched = np.ones(gradient.shape, bool)
            if node.data is not None and node.name == "getitem":
                touched = np.isin(np.arange(gradient.size), node.data[0]).reshape(gradient.shape)
            before = written.get(entry.index, np.zeros(gradient.shape, bool))
            if changes.is_first:
                touched = touched & ~before
            written[entry.index] = before | touched
            gradients[entry.index] = np.where(touched, gradient, 0 if old is None else old)
    return gradients


def _contributions(
    node: Node, g: Array, changes: Changes, gradient_of: Callable[[int], Array | None]
) -> Iterator[tuple[Node, Array]]:
    """What a node with the gradient g adds to the gradients of earlier nodes."""
    if node.index in changes.jumps:
        target, function = changes.jumps[node.index]
        yield target, function(g)
        return
    rule, right = changes.rules.get(node.index), node.gradient
    if right is None or node.index not in changes.places:
        yield from _right_contributions(node, g)
        return
    for k, entry in node.active_inputs:
        later = changes.upstream.get((node.index, k))
        other = None if later is None else gradient_of(later)
        upstream = g if other is None else other
        gradient = rule(k, upstream, node) if rule else right(k, upstream, node.values, node.value)
        if gradient is not None:
            yield entry, _fitting(gradient, entry)


def _right_contributions(node: Node, g: Array) -> list[tuple[Node, Array]]:
    right = node.gradient
    if right is None:
        return []
    return [(entry, _fitting(right(k, g, node.values, node.value), entry)) for k, entry in node.active_inputs]


def _fitting(gradient: Array, entry: Node) -> Array:
    shape = entry.value.shape
    return gradient if np.shape(gradient) == shape else np.broadcast_to(gradient, shape)


def parameter_gradients(recording: RecordedPass, changes: Changes = _NO_CHANGES) -> list[Array]:
    if changes.writers:
        gradients = run_backward(recording, changes)
        return [gradients.get(node.index, np.zeros(node.value.shape)) for node in recording.parameters]
    added = added_gradients(recording, changes)
    pairs = zip(recording.parameters, recording.right, strict=True)
    return [right + added[node.index] if node.index in added else right for node, right in pairs]


def added_gradients(recording: RecordedPass, changes: Changes, down_to: int = 0) -> dict[int, Array]:
    """What changes of some operations add to the gradients of values, by node index.

    By linearity it is passed back alone, through the operations from the index `down_to` on.
    """
    right = recording.gradients
    deltas = dict[int, Array]()

    def gradient_of(index: int) -> Array | None:
        return right[index] + deltas.get(index, 0) if index in right else None

    changed = changes.places
    for node in reversed(recording.nodes):
        index = node.index
        if index < down_to:
            break
        if index in changed and index in right:
            parts = list(_contributions(node, right[index] + deltas.get(index, 0), changes, gradient_of))
            parts += [(entry, -part) for entry, part in _right_contributions(node, right[index])]
        elif index in deltas:
            parts = _right_contributions(node, deltas[index])
        else:
            continue
        for entry, part in parts:
            deltas[entry.index] = deltas[entry.index] + part if entry.index in deltas else part
    return deltas
