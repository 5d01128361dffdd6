"""Wrong derivatives of functions spelled out in several operations.

u   the input      v = f(u)   the output      g   the gradient of the output
"""

# mypy: disable-error-code="misc"
# mypy does not infer lambdas with defaults, which bind the variable of a loop.

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from deltarule.checking.mistakes.rules import Candidate, describe_line
from deltarule.checking.tape.backward import Array, Changes, Node, Recording

Rule = Callable[[Array, Array, Array], Array]
"""(g, u, v) → a wrong gradient of the input."""
WrongRule = tuple[str, str, Rule]
"""A mistake's code, the end of the sentence "the derivative of tanh …", and the wrong rule."""
Elementwise = tuple[Callable[[Array], Array], Callable[[Array], Array], Callable[[Array], Array]]
"""A function f(u), its derivative f′(u), and its derivative as a function of the output v."""
_MAX_DEPTH = 14
"""Operations between the input and the output of a function."""
_MAX_SINGLE = 16
"""The largest number of functions of one kind that are also changed one by one."""


def sigmoid(z: Array) -> Array:
    return 1 / (1 + np.exp(-z))


def _leaky_relu(leak: float) -> Elementwise:
    def slope(z: Array) -> Array:
        return np.where(z > 0, 1, leak)

    return lambda z: z * slope(z), slope, slope


_ELEMENTWISE: dict[str, Elementwise] = {
    "sigmoid": (sigmoid, lambda z: sigmoid(z) * (1 - sigmoid(z)), lambda a: a * (1 - a)),
    "tanh": (np.tanh, lambda z: 1 - np.tanh(z) ** 2, lambda a: 1 - a**2),
    "relu": _leaky_relu(0),
    **{f"leaky_relu ({leak})": _leaky_relu(leak) for leak in (0.01, 0.1, 0.2, 0.05)},
    "softplus": (lambda z: np.logaddexp(z, 0), sigmoid, lambda a: 1 - np.exp(-a)),
}
_OTHERS = ("sigmoid", "tanh", "relu")
"""Functions with derivatives that people write in place of another's."""
_OWN_RULES: dict[str, tuple[WrongRule, ...]] = {
    "sigmoid": (
        ("derivative_missing", "has a alone", lambda g, u, v: g * v),
        ("derivative_missing", "has 1 − a alone", lambda g, u, v: g * (1 - v)),
        ("derivative_twice", "is multiplied by a once more", lambda g, u, v: g * v**2 * (1 - v)),
        ("derivative_twice", "is multiplied by 1 − a once more", lambda g, u, v: g * v * (1 - v) ** 2),
        ("derivative_missing", "is left out, and the rest doubled", lambda g, u, v: 2 * g),
        ("derivative_missing", "is left out, and the rest halved", lambda g, u, v: g / 2),
        ("derivative_twice", "is multiplied twice, and doubled", lambda g, u, v: 2 * g * (v * (1 - v)) ** 2),
        ("derivative_twice", "is multiplied twice, and halved", lambda g, u, v: g * (v * (1 - v)) ** 2 / 2),
    ),
    "tanh": (("other_derivative", "has a for a²", lambda g, u, v: g * (1 - v)),),
    "relu": (("other_derivative", "has a in place of 1", lambda g, u, v: g * v),),
    "softplus": (("other_derivative", "is that of exp", lambda g, u, v: g * np.exp(u)),),
}


def _elementwise_rules(name: str) -> Iterator[WrongRule]:
    """Wrong rules for an elementwise function."""
    function, slope, slope_of_output = _ELEMENTWISE[name]
    yield "derivative_missing", "is left out", lambda g, u, v: g
    yield "derivative_missing", "is the function of its output", lambda g, u, v: g * function(v)
    yield "derivative_at_output", "is taken at its output", lambda g, u, v: g * slope(v)
    yield "derivative_twice", "is multiplied twice", lambda g, u, v: g * slope(u) ** 2
    yield "upstream_ignored", "stands alone, without the upstream gradient", lambda g, u, v: slope(u)
    if "relu" in name:
        yield "mask_of_gradient", "goes by the sign of the gradient, not of its input", lambda g, u, v: g * slope(g)
        yield "mask_inverted", "has its two slopes exchanged", lambda g, u, v: g * slope(-u)
    else:
        yield "derivative_of_z", "has z in a formula for a", lambda g, u, v: g * slope_of_output(u)
    for other in _OTHERS:
        if other != name:
            _, of_input, of_output = _ELEMENTWISE[other]
            yield "other_derivative", f"is that of {other}", lambda g, u, v, f=of_input: g * f(u)
            if other != "relu":  # 1 wherever a > 0
                yield "other_derivative", f"is that of {other}, of a", lambda g, u, v, f=of_output: g * f(v)
    yield from _OWN_RULES.get(name, ())


_RULES = {name: tuple(_elementwise_rules(name)) for name in _ELEMENTWISE}


def _softmax_rules(axis: int) -> Iterator[WrongRule]:
    """Wrong rules for softmax over an axis."""

    def total(x: Array, axis: int = axis) -> Array:
        return x.sum(axis=axis, keepdims=True)

    def back(g: Array, v: Array) -> Array:
        return v * (g - total(g * v))

    yield "softmax_elementwise", "is taken as elementwise, a (1 − a)", lambda g, u, v: g * v * (1 - v)
    yield "softmax_elementwise", "lacks the outer product: the sum of a g", lambda g, u, v: g * v
    yield "derivative_missing", "is left out", lambda g, u, v: g
    yield "softmax_elementwise", "has the sum of g in place of that of a g", lambda g, u, v: v * (g - total(g))
    yield "sign_of_part", "has the wrong sign in its outer product", lambda g, u, v: v * (g + total(g * v))
    yield "wrong_axis", "sums over the other axis", lambda g, u, v: v * (g - total(g * v, -1 - axis))
    yield "derivative_twice", "is multiplied twice", lambda g, u, v: back(back(g, v), v)


def _whole_softmax_rules(ndim: int) -> Iterator[WrongRule]:
    """Wrong rules for softmax over all entries at once, which is meant to be over one axis."""
    for axis in range(ndim):
        text = f"is that of softmax over axis {axis}, while the forward pass divides by the sum of all entries"
        yield "wrong_axis", text, lambda g, u, v, axis=axis: v * (g - (g * v).sum(axis=axis, keepdims=True))


def _log_softmax_rules(axis: int) -> Iterator[WrongRule]:
    """Wrong rules for log softmax; the correct gradient is g − softmax(u) Σ g."""

    def total(x: Array, axis: int = axis) -> Array:
        return x.sum(axis=axis, keepdims=True)

    yield "derivative_missing", "is left out", lambda g, u, v: g
    yield "softmax_elementwise", "lacks the sum of g", lambda g, u, v: g - np.exp(v) * g
    yield "other_derivative", "is that of softmax", lambda g, u, v: np.exp(v) * (g - total(g * np.exp(v)))
    yield "other_derivative", "has log p in place of p", lambda g, u, v: g - v * total(g)
    yield "upstream_ignored", "has p in place of p times the sum of the gradient", lambda g, u, v: g - np.exp(v)
    yield (
        "mean_twice",
        "has the mean of g in place of the sum",
        lambda g, u, v: g - np.exp(v) * total(g) / g.shape[axis],
    )
    yield "sign_of_part", "has the wrong sign before p", lambda g, u, v: g + np.exp(v) * total(g)
    yield "wrong_axis", "sums over the other axis", lambda g, u, v: g - np.exp(v) * total(g, -1 - axis)


def _normalizations(u: Array, v: Array) -> Iterator[tuple[str, tuple[WrongRule, ...]]]:
    """The normalizations over an axis that v may be of u, with their wrong rules."""
    for axis in range(u.ndim) if u.size > 3 else ():
        count = u.shape[axis]
        if count < 2:
            continue
        axis = axis if axis == 0 else axis - u.ndim
        deviation = u - u.mean(axis=axis, keepdims=True)
        is_centered = is_close(deviation, u)
        if is_close(deviation, v) and not is_centered:
            yield "the centering", tuple(_normalization_rules(axis, count, 1.0, "mean", ""))
        squares = (v**2).sum(axis=axis, keepdims=True)
        for core in (u,) if is_centered else (deviation, u):
            i = np.sqrt(squares / (core**2).sum(axis=axis, keepdims=True))
            if not np.isfinite(i).all() or not is_close(core * i, v):
                continue
            if (np.abs(squares - count) < 1e-2 * count).all():
                mean, scale = ("", "variance" if is_centered else "length") if core is u else ("mean", "variance")
                yield "the normalization", tuple(_normalization_rules(axis, count, i, mean, scale))
            elif core is u and (np.abs(squares - 1) < 1e-2).all():
                yield "unit length", tuple(_normalization_rules(axis, count, i, "", "length", np.sum))


def _normalization_rules(
    axis: int, N: int, i: Any, mean: str, scale: str, reduce: Callable[..., Array] = np.mean
) -> Iterator[WrongRule]:
    """Wrong rules for v = (u − mean) i over an axis of length N.

    The correct gradient is i (g − m − s) with m = mean g, through the mean, and s = v · mean(g v), through the scale.
    `mean` and `scale` name what is subtracted and divided by, or are "". A vector of length 1 takes np.sum as `reduce`.
    """

    def weighted(factor: Any, a: float, b: Any, mean_axis: int = axis, scale_axis: int = axis) -> Rule:
        def rule(g: Array, u: Array, v: Array) -> Array:
            m = g.mean(axis=mean_axis, keepdims=True) if mean else 0.0
            s = v * reduce(g * v, axis=scale_axis, keepdims=True) if scale else 0.0
            return factor * (g - a * m - b * s)

        return rule

    other = -1 if axis == 0 else 0
    both = " and ".join(name for name in (mean, scale) if name)
    yield ("batch_norm_constants", f"takes {both} as constant", weighted(i, 0, 0))
    for name, a, b in ((mean, 0, 1), (scale, 1, 0)):
        yield "batch_norm_constants", f"takes the {name} as a constant", weighted(i, a, b)
    for axes in ((other, other), (other, axis), (axis, other)):
        yield "wrong_axis", "takes a mean over the other axis", weighted(i, 1, 1, *axes)
    yield "mean_missing", "lacks the N of N g in its compact form", weighted(i / N, N, N)
    yield "scale_missing", f"lacks the 1 / {scale}", weighted(1, 1, 1)
    yield "scale_missing", f"has the 1 / {scale} twice", weighted(i**2, 1, 1)
    for how, power in (("much", i), ("little", 1 / i), ("much", i**2), ("little", 1 / i**2)):
        yield "scale_missing", f"has 1 / deviation too {how} in the {scale}'s part", weighted(i, 1, power)
    for name, a, b in ((mean, 1, 0), (scale, 0, 1), (both, 1, 1)):
        text = f"has the wrong sign in what comes back through the {name}"
        yield "sign_of_part", text, weighted(i, 1 - 2 * a, 1 - 2 * b)
        text = f"has a sum for the mean in the part of the {name}"
        yield "mean_missing", text, weighted(i, 1 + a * (N - 1), 1 + b * (N - 1))


@dataclass(frozen=True, eq=False)
class Function:
    """A function recognized on a tape, with its wrong derivatives.

    slope   the correct derivative f′(u) of an elementwise function, else None
    rank    0 for the nearest of all nodes of which the output may be a function, then 1, 2, …
    """

    name: str
    input: Node
    output: Node
    slope: Callable[[Array], Array] | None
    wrong: Sequence[WrongRule]
    rank: int = 0

    def jump(self, rule: Rule) -> tuple[Node, Callable[[Array], Array]]:
        """The change of a backward pass by which the function has a wrong rule."""
        return self.input, lambda g: rule(g, self.input.value, self.output.value)


def find_functions(recording: Recording) -> list[Function]:
    """All activations, softmaxes and normalizations on a tape."""
    functions: list[Function] = []
    outputs: set[int] = set()
    with np.errstate(all="ignore"):
        for node in recording.nodes:
            if node.value.dtype.kind == "f" and np.isfinite(node.value).all():
                found = list(_functions_of(node, outputs))
                functions += [replace(function, rank=rank) for rank, function in enumerate(found)]
                outputs |= {node.index for function in found if function.slope is not None}
    return functions


def _functions_of(output: Node, elementwise_indices: set[int]) -> Iterator[Function]:
    """The functions that may have computed a node's value, nearest first.

    Softmax of z − max z is also that of z and, with a bias of 0, of W x.
    """
    v, is_blocked = output.value, False
    for node in ancestors(output):
        u = node.value
        is_blocked = is_blocked or node.index in elementwise_indices  # 1 − sigmoid(z) is no other function of z
        if u.shape != v.shape or not np.isfinite(u).all():
            continue
        for name, (f, slope, _) in _ELEMENTWISE.items():
            if "relu" in name and output.name not in ("maximum", "multiply", "where", "setitem"):
                continue
            if not is_blocked and is_close(f(u.flat[:3]), v.flat[:3]) and is_close(f(u), v):
                is_blocked = True
                yield Function(name, node, output, slope, _RULES[name])
        for axis in range(-1, u.ndim - 1) if u.size > 1 else ():
            if u.shape[axis] > 1 and v.min() >= 0 and is_close(softmax(u, axis), v):
                yield Function("softmax", node, output, None, tuple(_softmax_rules(axis)))
            if u.ndim > 1 and axis == -1 and v.min() >= 0 and abs(v.sum() - 1) < 1e-9 and is_close(softmax(u, None), v):
                yield Function("softmax", node, output, None, tuple(_whole_softmax_rules(u.ndim)))
            if u.shape[axis] > 1 and v.max() <= 0 and is_close(softmax(u, axis), np.exp(v)):
                yield Function("log softmax", node, output, None, tuple(_log_softmax_rules(axis)))
        for name, wrong in _normalizations(u, v):
            yield Function(name, node, output, None, wrong)


def is_close(first: Array, second: Array) -> bool:
    return bool((np.abs(first - second) <= 1e-9 * np.abs(second) + 1e-12).all())


def ancestors(node: Node) -> Iterator[Node]:
    """The nodes, about 60 at most, that a node is computed from, nearest first."""
    seen, layer = {node.index}, [node]
    for _ in range(_MAX_DEPTH):
        layer = list({e.index: e for one in layer for _, e in one.active_inputs if e.index not in seen}.values())
        seen |= {entry.index for entry in layer}
        yield from layer
        if not layer or len(seen) > 60:
            return


def function_mistakes(functions: Sequence[Function]) -> Iterator[Candidate]:
    """Wrong derivatives of activations, softmax and normalizations."""
    by_key: dict[Any, list[Function]] = {}
    for function in functions:
        # A function that is called on several lines is known by its input's line.
        output = function.output
        for line in (output.line, function.input.line, (output.line, output.site), None):
            by_key.setdefault((function.name, function.rank, line), []).append(function)
    by_name = [group for (_, _, line), group in by_key.items() if line is None]
    groups = list({tuple(map(id, group)): group for group in by_key.values()}.values())
    groups += [group[:-1] for group in by_name if len(group) > 1]  # all but that of the output
    groups += [[f] for group in by_name if 1 < len(group) <= _MAX_SINGLE for f in group]
    for group in groups:
        place, name = describe_line([f.output for f in group]), group[0].name
        for i, (code, text, _) in enumerate(group[0].wrong):
            jumps = {f.output.index: f.jump(f.wrong[i][2]) for f in group}
            text = f"has a derivative of {name} that {text}, at {place}"
            yield Candidate(code, text, Changes(jumps=jumps), activation=name)
    for group in [*by_name, [f for f in functions if f.slope is not None]]:
        yield from _slopes_at_other_inputs(group)


def _slopes_at_other_inputs(group: Sequence[Function]) -> Iterator[Candidate]:
    """Mistakes that take an activation's derivative at another layer's z."""
    if not group or group[0].slope is None:
        return
    following = list(zip(group, group[1:], strict=False))
    of_next = [(f, other) for f, other in following if any(node is f.output for node in ancestors(other.input))]
    sets = [following, [(other, f) for f, other in following], of_next]  # samples one by one: not the next one's
    if len(group) <= _MAX_SINGLE // 2:
        sets += [[(f, other)] for f in group for other in group if f is not other]
    for pairs in sets:
        jumps = {
            f.output.index: f.jump(lambda g, u, v, f=f, other=other: g * f.slope(other.input.value))
            for f, other in pairs
            if f.input.value.shape == other.input.value.shape
        }
        if jumps:
            place = describe_line([pairs[0][0].output])
            text = f"has the derivative of {group[0].name} at the z of another layer or step, at {place}"
            yield Candidate("other_mask", text, Changes(jumps=jumps))


def softmax(z: Array, axis: int | None) -> Array:
    powers = np.exp(z - z.max(axis=axis, keepdims=True))
    return powers / powers.sum(axis=axis, keepdims=True)
