"""Wrong derivatives of functions spelled out in several operations; `wrong_formulas.toml` has their formulas.

u   the input      v = f(u)   the output      g   the gradient of the output
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain
from typing import Any

import numpy as np

from deltarule.checking.mistakes.rules import PlantedMistake, describe_line, evaluate, formulas_of, with_gradient
from deltarule.checking.tape.backward import Array, Changes, Node, RecordedPass
from deltarule.maths.activations import ACTIVATIONS, Activation, sigmoid

DerivativeRule = Callable[[Array, Array, Array], Array]
"""(g, u, v) → a wrong gradient of the input."""
WrongRule = tuple[str, str, DerivativeRule]
"""A mistake's code, the end of the sentence "the derivative of tanh …", and the wrong rule."""
_MAX_DEPTH = 14
"""Operations between the input and the output of a function."""
_MAX_SINGLE = 16
"""The largest number of functions of one kind that are also changed one by one."""
_PLAIN = ("identity", "exponential", "leaky_relu")
"""Activations that are one operation, and the one that is tried with several slopes."""
_ELEMENTWISE = {
    **{f.name: f for f in ACTIVATIONS.values() if not f.rowwise and f.name not in _PLAIN},
    **{
        f"leaky_relu ({leak})": replace(ACTIVATIONS["leaky_relu"], parameters={"slope": leak})
        for leak in (0.01, 0.1, 0.2, 0.05)
    },
}
_OTHERS = ("sigmoid", "tanh", "relu")
"""Functions with derivatives that people write in place of another's."""


def _rules(kind: str, group: str, names: Callable[..., Mapping[str, Any]], **words: str) -> Iterator[WrongRule]:
    """The rules of a group of formulas; `names(g, u, v)` are what they use beside these."""
    for code, text, formula in formulas_of(kind, group, **words):
        yield code, text, partial(_by_formula, formula, names)


def _by_formula(formula: Any, names: Callable[..., Mapping[str, Any]], g: Array, u: Array, v: Array) -> Array:
    return np.asarray(evaluate(formula, {"g": g, "u": u, "v": v, **names(g, u, v)}))


def value_of(activation: Activation, z: Array) -> Array:
    return activation.function(z, **activation.parameters)


def slope_of(activation: Activation, z: Array, a: Array | None = None) -> Array:
    """f′(z) by its formula with z and a = f(z), or with another a."""
    return activation.derivative(z, value_of(activation, z) if a is None else a, **activation.parameters)


def _elementwise_rules(name: str) -> Iterator[WrongRule]:
    """Wrong rules for an elementwise function."""

    def names_of(f: Activation) -> Callable[..., Mapping[str, Any]]:
        return lambda *_: {"f": partial(value_of, f), "slope": partial(slope_of, f)}

    own = names_of(_ELEMENTWISE[name])
    for group in ("every", "with_mask" if "relu" in name else "smooth"):
        yield from _rules("elementwise", group, own)
    for other in _OTHERS:
        if other != name:
            for group in ("every",) if other == "relu" else ("every", "smooth"):  # of a, ReLU's is 1 wherever a > 0
                yield from _rules("other", group, names_of(_ELEMENTWISE[other]), other=other)
    yield from _rules("elementwise", name, own)


_RULES = {name: tuple(_elementwise_rules(name)) for name in _ELEMENTWISE}


def _softmax_rules(group: str, axis: int) -> tuple[WrongRule, ...]:
    """Wrong rules for softmax, or its logarithm, over an axis."""

    def names(g: Array, u: Array, v: Array) -> Mapping[str, Any]:
        def total(x: Array, over: int = axis) -> Array:
            return x.sum(axis=over, keepdims=True)

        return {"total": total, "back": lambda x: v * (x - total(x * v)), "axis": axis, "other": -1 - axis}

    return tuple(_rules("softmax", group, names, axis=str(axis)))


def _normalizations(u: Array, v: Array) -> Iterator[tuple[str, tuple[WrongRule, ...]]]:
    """The normalizations over an axis that v may be of u, with their wrong rules."""
    for axis in range(u.ndim) if u.size > 3 else ():
        if u.shape[axis] > 1:
            yield from _normalizations_over(axis if axis == 0 else axis - u.ndim, u, v)


def _normalizations_over(axis: int, u: Array, v: Array) -> Iterator[tuple[str, tuple[WrongRule, ...]]]:
    count = u.shape[axis]
    deviation = u - u.mean(axis=axis, keepdims=True)
    is_centered = is_close(deviation, u)
    if is_close(deviation, v) and not is_centered:
        yield "the centering", _normalization_rules(axis, count, 1.0, "mean", "")
    squares = (v**2).sum(axis=axis, keepdims=True)
    for core in (u,) if is_centered else (deviation, u):
        i = np.sqrt(squares / (core**2).sum(axis=axis, keepdims=True))
        if not np.isfinite(i).all() or not is_close(core * i, v):
            continue
        if (np.abs(squares - count) < 1e-2 * count).all():
            mean, scale = ("", "variance" if is_centered else "length") if core is u else ("mean", "variance")
            yield "the normalization", _normalization_rules(axis, count, i, mean, scale)
        elif core is u and (np.abs(squares - 1) < 1e-2).all():
            yield "unit length", _normalization_rules(axis, count, i, "", "length", np.sum)


def _normalization_rules(
    axis: int, N: int, i: Any, mean: str, scale: str, reduce: Callable[..., Array] = np.mean
) -> tuple[WrongRule, ...]:
    """Wrong rules for v = (u − mean) i over an axis of length N.

    `mean` and `scale` name what is subtracted and divided by, or are "". A vector of length 1 takes np.sum as `reduce`.
    """

    def names(g: Array, u: Array, v: Array) -> Mapping[str, Any]:
        axes = (axis, -1 if axis == 0 else 0)
        m, m_other = (g.mean(axis=along, keepdims=True) if mean else 0.0 for along in axes)
        s, s_other = (v * reduce(g * v, axis=along, keepdims=True) if scale else 0.0 for along in axes)
        return {"N": N, "i": i, "m": m, "s": s, "m_other": m_other, "s_other": s_other}

    both = " and ".join(name for name in (mean, scale) if name)
    return tuple(_rules("normalization", "every", names, mean=mean, scale=scale, both=both))


@dataclass(frozen=True, eq=False)
class RecognizedFunction:
    """A function recognized on a tape, with its wrong derivatives.

    activation   our own function, if it is an elementwise one
    rank         0 for the nearest of all nodes of which the output may be a function, then 1, 2, …
    """

    name: str
    input: Node
    output: Node
    activation: Activation | None
    wrong: Sequence[WrongRule]
    rank: int = 0

    def jump(self, rule: DerivativeRule) -> tuple[Node, Callable[[Array], Array]]:
        """The change of a backward pass by which the function has a wrong rule."""
        return self.input, lambda g: rule(g, self.input.value, self.output.value)


def find_functions(recording: RecordedPass) -> list[RecognizedFunction]:
    """All activations, softmaxes and normalizations on a tape."""
    functions: list[RecognizedFunction] = []
    outputs: set[int] = set()
    with np.errstate(all="ignore"):
        for node in recording.nodes:
            if node.value.dtype.kind == "f" and np.isfinite(node.value).all():
                functions_of_node = list(_functions_of(node, outputs))
                functions += [replace(function, rank=rank) for rank, function in enumerate(functions_of_node)]
                outputs |= {node.index for function in functions_of_node if function.activation}
    return functions


def _functions_of(output: Node, elementwise_indices: set[int]) -> Iterator[RecognizedFunction]:
    """The functions that may have computed a node's value, nearest first.

    Softmax of z − max z is also that of z and, with a bias of 0, of W x.
    """
    v = output.value
    is_blocked = False
    for node in ancestors(output):
        u = node.value
        is_blocked = is_blocked or node.index in elementwise_indices  # 1 − sigmoid(z) is no other function of z
        if u.shape != v.shape or not np.isfinite(u).all():
            continue
        for name, f in _ELEMENTWISE.items():
            if "relu" in name and output.name not in ("maximum", "multiply", "where", "setitem"):
                continue
            if not is_blocked and is_close(value_of(f, u.flat[:3]), v.flat[:3]) and is_close(value_of(f, u), v):
                is_blocked = True
                yield RecognizedFunction(name, node, output, f, _RULES[name])
        for name, wrong in chain(_softmaxes(u, v), _normalizations(u, v)):
            yield RecognizedFunction(name, node, output, None, wrong)


def _softmaxes(u: Array, v: Array) -> Iterator[tuple[str, Sequence[WrongRule]]]:
    """The softmaxes, over an axis or over all entries, that v may be of u, with their wrong rules."""
    for axis in range(-1, u.ndim - 1) if u.size > 1 else ():
        if u.shape[axis] > 1 and v.min() >= 0 and is_close(softmax(u, axis), v):
            yield "softmax", _softmax_rules("every", axis)
        if u.ndim > 1 and axis == -1 and v.min() >= 0 and abs(v.sum() - 1) < 1e-9 and is_close(softmax(u, None), v):
            yield "softmax", [rule for over in range(u.ndim) for rule in _softmax_rules("whole", over)]
        if u.shape[axis] > 1 and v.max() <= 0 and is_close(softmax(u, axis), np.exp(v)):
            yield "log softmax", _softmax_rules("log", axis)


def is_close(first: Array, second: Array) -> bool:
    return bool((np.abs(first - second) <= 1e-9 * np.abs(second) + 1e-12).all())


def ancestors(node: Node) -> Iterator[Node]:
    """The nodes, about 60 at most, that a node is computed from, nearest first."""
    seen = {node.index}
    layer = [node]
    for _ in range(_MAX_DEPTH):
        layer = list({e.index: e for below in layer for _, e in below.active_inputs if e.index not in seen}.values())
        seen |= {entry.index for entry in layer}
        yield from layer
        if not layer or len(seen) > 60:
            return


def function_mistakes(functions: Sequence[RecognizedFunction]) -> Iterator[PlantedMistake]:
    """Wrong derivatives of activations, softmax and normalizations."""
    by_key: dict[Any, list[RecognizedFunction]] = {}
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
        yield from _wrong_derivatives(group)
    for group in [*by_name, [f for f in functions if f.activation]]:
        yield from _slopes_at_other_inputs(group)


def _wrong_derivatives(group: Sequence[RecognizedFunction]) -> Iterator[PlantedMistake]:
    place = describe_line([function.output for function in group])
    name = group[0].name
    for i, (code, text, _) in enumerate(group[0].wrong):
        jumps = {function.output.index: function.jump(function.wrong[i][2]) for function in group}
        yield PlantedMistake(
            code, f"has a derivative of {name} that {text}, at {place}", Changes(jumps=jumps), activation=name
        )


def _slopes_at_other_inputs(group: Sequence[RecognizedFunction]) -> Iterator[PlantedMistake]:
    """Mistakes that take an activation's derivative at another layer's z."""
    following = list(zip(group, group[1:], strict=False))
    of_next = [(f, other) for f, other in following if any(node is f.output for node in ancestors(other.input))]
    sets = [following, [(other, f) for f, other in following], of_next]  # samples one by one: not the next one's
    if len(group) <= _MAX_SINGLE // 2:
        sets += [[(f, other)] for f in group for other in group if f is not other]
    for pairs in sets:
        jumps = {
            f.output.index: f.jump(partial(_at_other_input, f.activation, other.input.value))
            for f, other in pairs
            if f.activation and f.input.value.shape == other.input.value.shape
        }
        if jumps:
            place = describe_line([pairs[0][0].output])
            text = f"has the derivative of {group[0].name} at the z of another layer or step, at {place}"
            yield PlantedMistake("other_mask", text, Changes(jumps=jumps))


def _at_other_input(activation: Activation, z: Array, g: Array, u: Array, v: Array) -> Array:
    return g * slope_of(activation, z)


def softmax(z: Array, axis: int | None) -> Array:
    powers = np.exp(z - z.max(axis=axis, keepdims=True))
    return powers / powers.sum(axis=axis, keepdims=True)


def output_mistakes(recording: RecordedPass) -> Iterator[PlantedMistake]:
    """Wrong forms of ∂J/∂z = (p − y) / N, with p = softmax(z) or sigmoid(z)."""
    count_found = 0
    for node in reversed(recording.nodes):
        z = node.value
        gradient = recording.gradients.get(node.index)
        if gradient is None or z.ndim not in (1, 2) or z.size < 2:
            continue
        for axis in (*(axis for axis in range(z.ndim) if z.shape[axis] > 1), None):
            p = sigmoid(z) if axis is None else softmax(z, axis)
            for N in dict.fromkeys((z.shape[0], z.shape[-1], 1, z.size)):
                difference = p - N * gradient
                y = np.round(difference)
                if not (np.abs(difference - y) < 1e-7).all() or y.min() != 0 or y.max() != 1:
                    continue
                for code, text, wrong in _wrong_output_gradients(z, p, y, N, axis):
                    yield PlantedMistake(code, f"∂J/∂z of the output {text}", with_gradient(node, wrong / N))
                count_found += 1
        if count_found > 3:  # z, −z and z without its bias
            return


def _wrong_output_gradients(z: Array, p: Array, y: Array, N: int, axis: int | None) -> Iterator[tuple[str, str, Array]]:
    """Wrong forms of p − y for softmax over an axis, or for sigmoid."""
    yield "targets_not_averaged", "divides p by N and not y: p / N − y", p - N * y
    yield "targets_not_averaged", "divides y by N and not p: p − y / N", N * p - y
    yield "target_missing", "lacks the targets", p
    yield "derivative_twice", "is multiplied by the output's derivative once too often", (p - y) * p * (1 - p)
    if axis is None:
        text = "has a wrong sign inside the loss's derivative"
        yield "loss_derivative_sign", text, -y * (1 - p) - (1 - y) * p
        return
    yield "wrong_axis", "has softmax over the samples", softmax(z, z.ndim - 1 - axis) - y
    for over in range(y.ndim):
        text = "has 1 subtracted in the whole columns of all targets"
        yield "target_indexing", text, p - y.max(axis=over, keepdims=True)
