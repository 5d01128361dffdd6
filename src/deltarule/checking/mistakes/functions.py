"""Wrong derivatives of functions spelled out in several operations.

u   the input      v = f(u)   the output      g   the gradient of the output
"""

# mypy: disable-error-code="misc"
# mypy does not infer lambdas with defaults, which bind the variable of a loop.

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from deltarule.checking.mistakes.candidates import Candidate, describe_line
from deltarule.checking.tape.backward import Changes, Recording
from deltarule.checking.tape.operations import Array, Node

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
    """The logistic function."""
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
    _, slope, slope_of_output = _ELEMENTWISE[name]
    yield "derivative_missing", "is left out", lambda g, u, v: g
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

    def back(g: Array, v: Array, axis: int = axis) -> Array:
        return v * (g - (g * v).sum(axis=axis, keepdims=True))

    def total(x: Array) -> Array:
        return x.sum(axis=axis, keepdims=True)

    yield "softmax_elementwise", "is taken as elementwise, a (1 − a)", lambda g, u, v: g * v * (1 - v)
    yield "softmax_elementwise", "lacks the outer product: the sum of a g", lambda g, u, v: g * v
    yield "derivative_missing", "is left out", lambda g, u, v: g
    yield "softmax_elementwise", "has the sum of g in place of that of a g", lambda g, u, v: v * (g - total(g))
    yield "sign_of_part", "has the wrong sign in its outer product", lambda g, u, v: v * (g + total(g * v))
    yield "wrong_axis", "sums over the other axis", lambda g, u, v: back(g, v, -1 - axis)
    yield "derivative_twice", "is multiplied twice", lambda g, u, v: back(back(g, v), v)


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
    axis: int, count: int, i: Any, mean: str, scale: str, reduce: Callable[..., Array] = np.mean
) -> Iterator[WrongRule]:
    """Wrong rules for v = (u − mean) i over an axis.

    The correct gradient is i (g − m − s) with m = mean g, through the mean, and s = v · mean(g v), through the scale.

    mean, scale   names of what is subtracted and divided by; "" for nothing
    reduce        np.sum in place of the mean, for a vector of length 1
    """
    other = -1 if axis == 0 else 0

    def parts(g: Array, v: Array, mean_axis: int = axis, scale_axis: int = axis) -> tuple[Any, Any]:
        m = g.mean(axis=mean_axis, keepdims=True) if mean else 0.0
        return m, v * reduce(g * v, axis=scale_axis, keepdims=True) if scale else 0.0

    def weighted(a: float, b: Any) -> Rule:
        def rule(g: Array, u: Array, v: Array) -> Array:
            m, s = parts(g, v)
            return i * (g - a * m - b * s)

        return rule

    def over(mean_axis: int, scale_axis: int) -> Rule:
        return lambda g, u, v: i * (g - sum(parts(g, v, mean_axis, scale_axis)))

    both = f"{mean} and {scale} as constants" if mean and scale else f"the {mean or scale} as a constant"
    yield "batch_norm_constants", f"takes {both}", lambda g, u, v: i * g
    yield "wrong_axis", "takes means over the other axis", over(other, other)
    if mean and scale:
        yield "batch_norm_constants", f"takes the {mean} as a constant", weighted(0, 1)
        yield "batch_norm_constants", f"takes the {scale} as a constant", weighted(1, 0)
        yield "wrong_axis", "takes one of its means over the other axis", over(other, axis)
        yield "wrong_axis", "takes one of its means over the other axis", over(axis, other)
        text = "lacks the N of N g in its compact form"
        yield "mean_missing", text, lambda g, u, v: i * (g / count - sum(parts(g, v)))
    if scale:
        yield "scale_missing", f"lacks the 1 / {scale}", lambda g, u, v: g - sum(parts(g, v))
        yield "scale_missing", f"has the 1 / {scale} twice", lambda g, u, v: i**2 * (g - sum(parts(g, v)))
        for name, power in (("much", 1), ("little", -1), ("much", 2), ("little", -2)):
            text = f"has 1 / deviation{'²' if abs(power) == 2 else ''} too {name} in the {scale}'s part"
            yield "scale_missing", text, weighted(1, i**power)
        yield "power_rule", f"has twice the {scale}'s part", weighted(1, 2)
        yield "power_rule", f"has half the {scale}'s part", weighted(1, 0.5)
    for name, a, b in ((mean, 1, 0), (scale, 0, 1), (mean and scale and f"{mean}'s and {scale}", 1, 1)):
        if name:
            text = f"has the wrong sign in what comes back through the {name}"
            yield "sign_of_part", text, weighted(1 - 2 * a, 1 - 2 * b)
            text = f"has a sum for the mean in the {name}'s part"
            yield "mean_missing", text, weighted(1 + a * (count - 1), 1 + b * (count - 1))


@dataclass(frozen=True, eq=False)
class Function:
    """A function recognized on a tape, with its wrong derivatives.

    slope   the correct derivative f′(u) of an elementwise function, else None
    wrong   the wrong rules that are tried
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
                found = _functions_of(node, outputs)
                functions += found
                outputs |= {node.index for function in found if function.slope is not None}
    return functions


def value_mistakes(g: Array, u: Array, v: Array) -> Iterator[tuple[str, str, Array]]:
    """The mistakes in the gradient ∂/∂u of a recognized layer v = f(u)."""
    with np.errstate(all="ignore"):
        if u.shape != v.shape or not np.isfinite(v).all():
            return
        source = Node(0, "input", u, is_active=True)
        output = Node(1, "where", v, (source,), is_active=True)
        for function in _functions_of(output, set()):
            for code, text, rule in function.wrong:
                yield code, f"the derivative of {function.name} {text}", rule(g, u, v)


def _functions_of(output: Node, elementwise_indices: set[int]) -> list[Function]:
    """The functions that may have computed a node's value.

    Softmax of z − max z is also that of z and, with a bias of 0, of W x.
    """
    functions: list[Function] = []
    for function in _possible_functions(output, elementwise_indices):
        if function.slope is None or all(known.slope is None for known in functions):
            functions.append(replace(function, rank=len(functions)))
    return functions


def _possible_functions(output: Node, elementwise_indices: set[int]) -> Iterator[Function]:
    """Known functions that give the values of `output`, nearest first."""
    v, is_blocked = output.value, False
    for node in ancestors(output):
        u = node.value
        is_blocked = is_blocked or node.index in elementwise_indices  # 1 − sigmoid(z) is no other function of z
        if u.shape != v.shape or not np.isfinite(u).all():
            continue
        for name, (f, slope, _) in {} if is_blocked else _ELEMENTWISE.items():
            if "relu" in name and output.name not in ("maximum", "multiply", "where", "setitem"):
                continue
            if is_close(f(u.flat[:3]), v.flat[:3]) and is_close(f(u), v):
                yield Function(name, node, output, slope, _RULES[name])
        for axis in () if not u.ndim or u.size < 2 else (-1, 0) if u.ndim > 1 else (-1,):
            powers = np.exp(u - u.max(axis=axis, keepdims=True))
            p = powers / powers.sum(axis=axis, keepdims=True)
            if u.shape[axis] > 1 and v.min() >= 0 and is_close(p, v):
                yield Function("softmax", node, output, None, tuple(_softmax_rules(axis)))
        for name, wrong in _normalizations(u, v):
            yield Function(name, node, output, None, wrong)


def is_close(first: Array, second: Array) -> bool:
    """Whether two arrays are equal up to rounding."""
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
        kind = function.name, function.rank
        # A function that is called on several lines is known by its input's line.
        for key in (function.output.line, function.input.line, None):
            by_key.setdefault((*kind, key, len(function.wrong)), []).append(function)
    sets = list({tuple(map(id, group)): group for group in by_key.values()}.values())
    by_name = [group for (_, _, key, _), group in by_key.items() if key is None]
    sets += [group[:-1] for group in by_name if len(group) > 1]  # all but that of the output
    sets += [[f] for group in by_name if 1 < len(group) <= _MAX_SINGLE for f in group]
    for group in sets:
        place = f"at {describe_line([group[0].output])}"
        for i, (code, text, _) in enumerate(group[0].wrong):
            jumps = {f.output.index: f.jump(f.wrong[i][2]) for f in group}
            name = group[0].name
            text = f"has a derivative of {name} that {text}, {place}"
            yield Candidate(code, text, Changes(jumps=jumps), activation=name)
    activations = [f for f in functions if f.slope is not None or f.name == "softmax" and not f.rank]
    if len({function.name for function in activations}) > 1:
        for text in ("is left out", "is multiplied twice", "is taken at its output"):
            rules = [(f, rule, code) for f in activations for code, own_text, rule in f.wrong if own_text == text]
            jumps = {f.output.index: f.jump(rule) for f, rule, _ in rules}
            yield Candidate(rules[0][2], f"has a derivative of every activation that {text}", Changes(jumps=jumps))
    elementwise = [f for f in functions if f.slope is not None]
    for group in [*by_name, elementwise]:
        yield from _slopes_at_other_inputs(group)


def _slopes_at_other_inputs(group: Sequence[Function]) -> Iterator[Candidate]:
    """Mistakes that take an activation's derivative at another layer's z."""
    if group and len(group) > 1 and group[0].slope is not None:
        by_output = {function.output.index: function for function in group}
        nearest = {
            f: next((by_output[node.index] for node in ancestors(f.input) if node.index in by_output), None)
            for f in group
        }
        consecutive = [(before, after) for after, before in nearest.items() if before is not None]
        sets = [consecutive, [(after, before) for before, after in consecutive]]
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


def output_mistakes(recording: Recording) -> Iterator[Candidate]:
    """Wrong forms of ∂J/∂z = (p − y) / N."""
    count_found = 0
    for node in reversed(recording.nodes):
        z, gradient = node.value, recording.gradients.get(node.index)
        if gradient is None or z.ndim not in (1, 2) or z.size < 2:
            continue
        for p, wrong_axis in _predictions_of(z):
            for N in dict.fromkeys((z.shape[0], z.shape[-1], 1, z.size)):
                difference = p - N * gradient
                y = np.round(difference)
                if not (np.abs(difference - y) < 1e-7).all() or y.min() != 0 or y.max() != 1:
                    continue
                for code, text, wrong in _wrong_output_gradients(p, y, N, wrong_axis):
                    yield Candidate(code, f"∂J/∂z of the output {text}", Changes(fixed={node.index: wrong}))
                count_found += 1
        if count_found > 3:  # z, −z and z without its bias
            return


def _predictions_of(z: Array) -> Iterator[tuple[Array, Array | None]]:
    """Predictions for z, and for softmax those over the other axis."""
    powers = np.exp(z - z.max())
    over_axes = [powers / powers.sum(axis=axis, keepdims=True) for axis in range(z.ndim)]
    for axis in range(z.ndim):
        if z.shape[axis] > 1:
            yield over_axes[axis], over_axes[z.ndim - 1 - axis]
    yield sigmoid(z), None


def _wrong_output_gradients(p: Array, y: Array, N: int, wrong_axis: Array | None) -> Iterator[tuple[str, str, Array]]:
    """Wrong forms of (p − y) / N for softmax or sigmoid p."""
    slope = p * (1 - p)
    yield "targets_not_averaged", "divides p by N and not y: p / N − y", p / N - y
    yield "targets_not_averaged", "divides y by N and not p: p − y / N", p - y / N
    yield "target_missing", "lacks the targets", p / N
    yield "sign_of_part", "has the wrong sign of the targets: p + y", (p + y) / N
    yield "derivative_twice", "is multiplied by the output's derivative once too often", (p - y) / N * slope
    if wrong_axis is not None:
        yield "wrong_axis", "has softmax over the samples", (wrong_axis - y) / N
        yield "derivative_missing", "lacks the derivative of softmax", -y / p / N
        yield "softmax_elementwise", "takes softmax as elementwise", -y / p / N * slope
        for axis in range(y.ndim):
            columns = np.broadcast_to(y.max(axis=axis, keepdims=True), y.shape)
            yield "target_indexing", "has 1 subtracted in the whole columns of all targets", (p - columns) / N
    else:
        ones, zeros = -y / p, (1 - y) / (1 - p)
        yield "loss_derivative_sign", "has a wrong sign inside the loss's derivative", (ones - zeros) * slope / N
        yield "derivative_missing", "lacks the derivative of sigmoid", (ones + zeros) / N
