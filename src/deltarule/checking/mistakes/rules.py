"""Wrong derivatives of recorded operations: one table, by operation."""

from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet

import numpy as np

from deltarule.checking.mistakes.candidates import (
    Candidate,
    at_input,
    changes_at,
    correct_gradient,
    describe_line,
    in_shape_of_input,
    is_active,
    is_mask,
)
from deltarule.checking.tape.backward import Changes, EdgeRule, Recording
from deltarule.checking.tape.operations import Array, Node

Row = tuple[str, str, EdgeRule]
"""A mistake's code, the end of the sentence "the gradient …", and the wrong rule; it may raise ValueError."""


def _window(g: Array, node: Node) -> tuple[Array, Array, Array]:
    _, axes, keepdims = node.data
    top, wide = (array if keepdims else np.expand_dims(array, axes) for array in (node.value, g))
    return node.values[0], np.array(np.broadcast_to(wide, node.values[0].shape)), node.values[0] == top


def _to_all_ties(k: int, g: Array, node: Node) -> Array:
    _, wide, ties = _window(g, node)
    return wide * ties


def _to_opposite_extreme(k: int, g: Array, node: Node) -> Array:
    value, wide, _ = _window(g, node)
    extreme = value.min if node.name == "max" else value.max
    return wide * (value == extreme(axis=node.data[1], keepdims=True))


def _to_exchanged_axes(k: int, g: Array, node: Node) -> Array:
    result, axes = correct_gradient(k, g, node), node.data[1]
    if len(axes) < 2 or len({result.shape[axis] for axis in axes[-2:]}) > 1:
        raise ValueError("the window is no square")
    return np.swapaxes(result, *axes[-2:])


def _count(node: Node) -> float:
    return np.size(node.values[0]) / max(node.value.size, 1)


def _windows(node: Node) -> tuple[int, ...]:
    axes, ndim = node.data, node.values[0].ndim
    if not isinstance(axes, tuple) or len(axes) < 2 or node.value.ndim != ndim - len(axes):
        raise ValueError("no sum over windows")
    return tuple(axis % ndim for axis in axes)


def _to_first_entry(k: int, g: Array, node: Node) -> Array:
    axes, result = _windows(node), np.zeros(node.values[0].shape)
    result[tuple(0 if i in axes else slice(None) for i in range(result.ndim))] = _count(node) * g
    return result


def _tiled(k: int, g: Array, node: Node) -> Array:
    shape = node.values[0].shape
    before = [axis - 1 for axis in _windows(node)]  # the axis of windows stands before that of their entries
    counts = [shape[i + 1] if i in before else 1 for i in range(len(shape)) if i - 1 not in before]
    return np.tile(g, counts).reshape(shape)


def _without_padding(is_at_end: bool) -> EdgeRule:
    """A rule that cuts all of the padding off one side."""

    def rule(k: int, g: Array, node: Node) -> Array:
        inside = np.argwhere(node.data[0] >= 0)
        shape = node.values[0].shape
        extra = np.array(g.shape) - shape
        start = 0 * inside[0] if is_at_end else extra
        return g[tuple(slice(s, s + n) for s, n in zip(start, shape, strict=True))]

    return rule


def _one_margin(is_everywhere: bool) -> EdgeRule:
    """A rule by which one margin of each sample counts for the compared score."""

    def gradient(g: Array, node: Node) -> Array:
        shape = np.shape(node.values[1])
        if len(shape) != g.ndim:
            raise ValueError("no score for each sample")
        margin = np.abs(g).max() * np.ones_like(g) if is_everywhere else np.abs(g)
        return -np.array(margin.max(axis=tuple(i for i, n in enumerate(shape) if n == 1), keepdims=True))

    return at_input(1, gradient)


def _left_out(k: int, g: Array, node: Node) -> Array:
    return in_shape_of_input(g, node, k)


_MAXIMUM: list[Row] = [
    ("pool_routing", "of a maximum goes to the entry with row and column exchanged", _to_exchanged_axes),
    ("pool_routing", "of a maximum goes to every entry that ties with it", _to_all_ties),
    ("pool_routing", "of a maximum goes to the smallest entry", _to_opposite_extreme),
    ("pool_routing", "of a maximum goes to all entries", lambda k, g, n: _window(g, n)[1]),
    ("pool_routing", "of a maximum is averaged over all entries", lambda k, g, n: _window(g, n)[1] / _count(n)),
]
_DIVISOR: list[Row] = [
    ("power_rule", "of the divisor has the wrong sign", at_input(1, lambda g, n: -correct_gradient(1, g, n))),
    ("power_rule", "of the divisor is divided by it, not by its square", at_input(1, lambda g, n: -g * n.value)),
]
RULES: dict[str, list[Row]] = {
    "power": [
        ("power_rule", "of a power lacks its exponent", lambda k, g, n: correct_gradient(k, g, n) / n.values[1]),
        (
            "power_rule",
            "of a power has an exponent that is not lowered by 1",
            at_input(0, lambda g, n: g * n.values[1] * n.value),
        ),
        ("derivative_missing", "lacks the derivative of a power", _left_out),
    ],
    "divide": _DIVISOR,
    "max": _MAXIMUM,
    "min": _MAXIMUM,
    "sum": [
        ("pool_routing", "of a window's mean goes to its first entry alone", _to_first_entry),
        ("pool_routing", "of a window's mean is tiled, not repeated", _tiled),
    ],
    "pad": [
        ("padding", "has the padding cut off on one side only", _without_padding(is_at_end=True)),
        ("padding", "has the padding cut off on one side only", _without_padding(is_at_end=False)),
    ],
    "where": [
        ("branch_missing", "is that of the first branch everywhere", lambda k, g, n: None if k else _left_out(k, g, n)),
        (
            "branch_missing",
            "is that of the second branch everywhere",
            lambda k, g, n: _left_out(k, g, n) if k else None,
        ),
    ],
    **dict.fromkeys(("add", "subtract", "multiply", "matmul", "einsum", "maximum", "minimum", "join"), []),
    **dict.fromkeys(("getitem", "negative", "positive", "reshape", "transpose", "repeat", "setitem"), []),
}
"""By operation, its wrong derivatives; those of products, bounds and margins are below."""
_FUNCTION: list[Row] = [
    ("derivative_missing", "lacks the derivative of {name}", _left_out),
    (
        "derivative_at_output",
        "has the derivative of {name} at its output",
        lambda k, g, n: correct_gradient(k, g, n, [n.value]),
    ),
    (
        "derivative_twice",
        "has the derivative of {name} twice",
        lambda k, g, n: correct_gradient(k, correct_gradient(k, g, n), n),
    ),
    ("upstream_ignored", "is the derivative of {name} alone", lambda k, g, n: correct_gradient(k, np.ones_like(g), n)),
]
"""Wrong derivatives of any other function of one input."""


def _mask_rows(k: int, missing: str) -> Iterator[Row]:
    """Wrong derivatives of factor k of a product with a mask."""
    yield missing, "lacks the mask", at_input(k, lambda g, n: g)
    yield missing, "lacks the mask, but has its scale", at_input(k, lambda g, n: g * n.values[1 - k].max())
    yield missing, "lacks the 1 / keep of the mask", at_input(k, lambda g, n: g * (n.values[1 - k] > 0))
    yield "mask_inverted", "has the mask inverted", at_input(k, lambda g, n: g * (n.values[1 - k] == 0))


def _factor_rows(k: int, node: Node, what: str) -> Iterator[Row]:
    """Wrong derivatives of factor k of a product, or of the numerator of a quotient."""
    is_count = what == "1 / N"

    def twice(g: Array, n: Node) -> Array:
        return correct_gradient(k, correct_gradient(k, np.broadcast_to(g, n.value.shape), n), n)

    yield "mean_missing" if is_count else "scale_missing", f"lacks the {what}", at_input(k, lambda g, n: g)
    yield "mean_twice" if is_count else "scale_missing", f"has the {what} twice", at_input(k, twice)
    yield "wrong_input", "is multiplied by the wrong factor", at_input(k, lambda g, n: g * n.values[k])


def operation_mistakes(
    recording: Recording, operations: Sequence[Node], sigmoid_indices: AbstractSet[int]
) -> Iterator[Candidate]:
    """Wrong derivatives of equal operations.

    sigmoid_indices   indices of the nodes that are outputs of a sigmoid: such a factor is called a gate
    """
    node, place = operations[0], describe_line(operations)
    rows = list(RULES.get(node.name, _FUNCTION if len(node.inputs) == 1 else []))
    for k in range(2) if node.name in ("multiply", "divide") else ():
        if (node.name, k) == ("divide", 1) or not any(is_active(operation, k) for operation in operations):
            continue
        if is_mask(node.values[1 - k]):
            scales = [_constant_scale_after(recording, operation) for operation in operations]
            missing = "dropout_mask" if node.values[1 - k].max() != 1 or all(scales) else "mask_missing"
            rows += _mask_rows(k, missing)
            if all(scales):
                rules = dict.fromkeys((operation.index for operation in operations), at_input(k, lambda g, n: g))
                rules |= {scale.index: at_input(0, lambda g, n: g) for scale in scales if scale is not None}
                yield Candidate(missing, f"lacks the mask and its scale, at {place}", Changes(rules=rules))
        else:
            others = [operation.inputs[1 - k] for operation in operations]
            is_gate = any(isinstance(entry, Node) and entry.index in sigmoid_indices for entry in others)
            what = (
                "1 / N" if _is_count(node) else "divisor" if node.name == "divide" else "gate" if is_gate else "factor"
            )
            rows += _factor_rows(k, node, what)
    if node.name == "subtract" and np.size(node.values[1]) < node.value.size and _is_margin(recording, node):
        text = "of the correct class's score counts one margin, not all that are violated"
        rows += [("hinge_count", text, _one_margin(is_everywhere)) for is_everywhere in (True, False)]
        rows.append(("target_missing", "of the correct class's score is missing", at_input(1, lambda g, n: None)))
    if node.name in ("maximum", "minimum"):
        for k in range(2):
            if np.size(node.values[1 - k]) == 1 and not is_active(node, 1 - k):
                bound_ignored = changes_at(operations, at_input(k, lambda g, n: g))
                yield Candidate("branch_missing", f"takes no notice of the bound, at {place}", bound_ignored, 1)
    for code, text, rule in rows:
        yield Candidate(code, f"{text.format(name=node.name)}, at {place}", changes_at(operations, rule))
    if node.name == "subtract" and len(operations) == 1 and len(node.active_inputs) == 1:
        yield from _missing_targets(recording, node)


def _missing_targets(recording: Recording, node: Node) -> Iterator[Candidate]:
    """The mistake that p takes the place of p − y."""
    ((k, _),) = node.active_inputs
    value = node.values[k] if k == 0 else -node.values[k]
    if np.ndim(node.values[1 - k]) and value.shape == node.value.shape:

        def rule(k: int, g: Array, user: Node) -> Array:
            pairs = zip(user.inputs, user.values, strict=True)
            return correct_gradient(k, g, user, [value if entry is node else own for entry, own in pairs])

        text = f"lacks the targets of {describe_line([node])}"
        yield Candidate("target_missing", text, changes_at(recording.users.get(node.index, []), rule))


def _is_margin(recording: Recording, node: Node) -> bool:
    """Whether a difference of scores, perhaps with a margin, enters a maximum with 0."""
    users = recording.users.get(node.index, [])
    for _ in range(3):
        if any(user.name == "maximum" and any(not np.any(value) for value in user.values) for user in users):
            return True
        users = [later for user in users for later in recording.users.get(user.index, [])]
    return False


def _constant_scale_after(recording: Recording, node: Node) -> Node | None:
    users = recording.users.get(node.index, [])
    if len(users) != 1 or users[0].name not in ("multiply", "divide") or users[0].inputs[0] is not node:
        return None
    return users[0] if not is_active(users[0], 1) and users[0].values[1].size == 1 else None


def _is_count(node: Node) -> bool:
    """Whether a quotient is a mean: its divisor is a length of what was summed."""
    if node.name != "divide" or node.values[1].size > 1:
        return False
    divisor, sizes, source = float(node.values[1].reshape(())), set[float](), node.inputs[0]
    while isinstance(source, Node) and source.name in ("sum", "negative"):
        sizes |= {float(n) for n in (*source.values[0].shape, source.values[0].size)}
        source = source.inputs[0]
    sizes |= {float(n) for n in (*node.values[0].shape, node.values[0].size)}
    return divisor in sizes - {1.0} or (not sizes - {1.0} and divisor in range(2, 10_000))
