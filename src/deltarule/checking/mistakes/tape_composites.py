"""Functions spelled out in several operations of a tape, recognized by their values; and their wrong derivatives."""

# mypy: disable-error-code="misc"
# mypy does not infer lambdas with defaults, which bind the variable of a loop.

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from deltarule.checking.mistakes.tape_scalings import scaling_mistakes
from deltarule.checking.tape.backward import Recording
from deltarule.checking.tape.operations import Array, Node

_MAX_DEPTH = 14
"""Operations between the input and the output of a function."""
Rule = Callable[[Array, Array, Array], Array]
"""The gradient of the input from g, the input u and the output v."""
WrongRule = tuple[str, str, Rule]
"""A mistake's code, the end of the sentence "the derivative of tanh …", and the wrong rule."""


@dataclass(frozen=True, eq=False)
class Composite:
    """A function on a tape: its name, input and output, its right derivative if elementwise, and wrong rules.

    rank   among all inputs of which the output may be a function, the nearest first
    """

    name: str
    input: Node
    output: Node
    slope: Callable[[Array], Array] | None
    wrong: Sequence[WrongRule]
    rank: int = 0


def sigmoid(z: Array) -> Array:
    """The logistic function."""
    return 1 / (1 + np.exp(-z))


def _sigmoid_slope(z: Array) -> Array:
    return sigmoid(z) * (1 - sigmoid(z))


def _tanh_slope(z: Array) -> Array:
    return 1 - np.tanh(z) ** 2


def _step(z: Array) -> Array:
    return (z > 0).astype(float)


SLOPES_OF_OUTPUT: dict[str, Callable[[Array], Array]] = {
    "sigmoid": lambda a: a * (1 - a),
    "tanh": lambda a: 1 - a**2,
    "relu": _step,
}
"""The derivatives as functions of the output a."""
_SLOPES = {"sigmoid": _sigmoid_slope, "tanh": _tanh_slope, "relu": _step}
_LEAKS = (0.01, 0.1, 0.2, 0.05)


def _common_mistakes(slope: Callable[[Array], Array], name: str) -> Iterator[WrongRule]:
    yield "derivative_missing", "is left out", lambda g, u, v: g
    yield "derivative_at_output", "is taken at its output", lambda g, u, v: g * slope(v)
    yield "derivative_twice", "is multiplied twice", lambda g, u, v: g * slope(u) ** 2
    for other, other_slope in _SLOPES.items():
        if other != name:
            yield "other_derivative", f"is that of {other}", lambda g, u, v, f=other_slope: g * f(u)
    yield "upstream_ignored", "stands alone, without the upstream gradient", lambda g, u, v: slope(u)


_SIGMOID: tuple[WrongRule, ...] = (
    *_common_mistakes(_sigmoid_slope, "sigmoid"),
    ("derivative_of_z", "has z in a formula for a: z (1 − z)", lambda g, u, v: g * u * (1 - u)),
    ("derivative_missing", "has a alone", lambda g, u, v: g * v),
    ("other_derivative", "has a² for a (1 − a)", lambda g, u, v: g * v**2),
    ("derivative_missing", "has 1 − a alone", lambda g, u, v: g * (1 - v)),
    ("other_derivative", "is that of tanh, of a", lambda g, u, v: g * (1 - v**2)),
    ("other_derivative", "has 1 + a for 1 − a", lambda g, u, v: g * v * (1 + v)),
)
_TANH: tuple[WrongRule, ...] = (
    *_common_mistakes(_tanh_slope, "tanh"),
    ("derivative_of_z", "has z in a formula for a: 1 − z²", lambda g, u, v: g * (1 - u**2)),
    ("other_derivative", "is that of sigmoid, of a", lambda g, u, v: g * v * (1 - v)),
    ("other_derivative", "has a for a²", lambda g, u, v: g * (1 - v)),
    ("other_derivative", "has 1 + a² for 1 − a²", lambda g, u, v: g * (1 + v**2)),
    ("derivative_missing", "has a² alone", lambda g, u, v: g * v**2),
)
_RELU: tuple[WrongRule, ...] = (
    ("derivative_missing", "is left out", lambda g, u, v: g),
    ("mask_of_gradient", "masks by the sign of the gradient, not of its input", lambda g, u, v: g * (g > 0)),
    ("mask_inverted", "is 1 where it should be 0", lambda g, u, v: g * (u <= 0)),
    ("other_derivative", "has a in place of 1", lambda g, u, v: g * v),
    ("other_derivative", "is that of sigmoid", lambda g, u, v: g * _sigmoid_slope(u)),
    ("other_derivative", "is that of tanh", lambda g, u, v: g * _tanh_slope(u)),
    ("other_derivative", "is the sign", lambda g, u, v: g * np.sign(u)),
    ("upstream_ignored", "stands alone, without the upstream gradient", lambda g, u, v: _step(u)),
)


def _leaky_mistakes(leak: float) -> tuple[WrongRule, ...]:
    return (
        ("derivative_missing", "is left out", lambda g, u, v: g),
        ("other_derivative", "lacks the slope below 0", lambda g, u, v: g * (u > 0)),
        ("mask_of_gradient", "goes by the sign of the gradient", lambda g, u, v: g * np.where(g > 0, 1, leak)),
        ("mask_inverted", "has its two slopes exchanged", lambda g, u, v: g * np.where(u > 0, leak, 1)),
    )


def _softmax_mistakes(axis: int) -> tuple[WrongRule, ...]:
    def total(x: Array, other: bool = False) -> Array:
        return x.sum(axis=-1 - axis if other else axis, keepdims=True)

    return (
        ("softmax_elementwise", "is taken as elementwise, a (1 − a)", lambda g, u, v: g * v * (1 - v)),
        ("softmax_elementwise", "lacks the outer product: the sum of a g", lambda g, u, v: g * v),
        ("derivative_missing", "is left out", lambda g, u, v: g),
        ("softmax_elementwise", "has the sum of g in place of that of a g", lambda g, u, v: v * (g - total(g))),
        ("softmax_elementwise", "lacks the factor a", lambda g, u, v: g - total(g * v)),
        (
            "sign_of_part",
            "has the wrong sign in its outer product: it adds the sum of a g",
            lambda g, u, v: v * (g + total(g * v)),
        ),
        ("wrong_axis", "sums over the other axis", lambda g, u, v: v * (g - total(g * v, other=True))),
        ("derivative_twice", "is multiplied twice", lambda g, u, v: _softmax_back(_softmax_back(g, v, axis), v, axis)),
        ("upstream_ignored", "stands alone, without the upstream gradient", lambda g, u, v: v * (1 - v)),
    )


def _log_softmax_mistakes(axis: int) -> tuple[WrongRule, ...]:
    def total(x: Array) -> Array:
        return x.sum(axis=axis, keepdims=True)

    return (
        ("upstream_ignored", "has 1 for the sum of the upstream gradient", lambda g, u, v: g - np.exp(v)),
        ("softmax_elementwise", "has g for the sum of the upstream gradient", lambda g, u, v: g * (1 - np.exp(v))),
        ("softmax_elementwise", "is that of softmax", lambda g, u, v: _softmax_back(g, np.exp(v), axis)),
        ("derivative_missing", "is left out", lambda g, u, v: g),
        ("sign_of_part", "has the wrong sign in its second part", lambda g, u, v: g + np.exp(v) * total(g)),
        ("derivative_at_output", "has its output for softmax", lambda g, u, v: g - v * total(g)),
        ("upstream_ignored", "stands alone, without the upstream gradient", lambda g, u, v: 1 - np.exp(v)),
    )


def _softmax_back(g: Array, v: Array, axis: int) -> Array:
    return v * (g - (g * v).sum(axis=axis, keepdims=True))


def _normalization_mistakes(axis: int, inverse: Array) -> Iterator[WrongRule]:
    """Mistakes of v = (u − mean) / deviation over an axis."""

    def mean(x: Array, along: int = axis) -> Array:
        return x.mean(axis=along, keepdims=True)

    other = -1 if axis == 0 else 0
    yield "batch_norm_constants", "takes mean and variance as constants", lambda g, u, v: inverse * g
    yield "batch_norm_constants", "takes the mean as a constant", lambda g, u, v: inverse * (g - v * mean(g * v))
    yield "batch_norm_constants", "takes the variance as a constant", lambda g, u, v: inverse * (g - mean(g))
    yield (
        "wrong_axis",
        "takes means over the other axis",
        lambda g, u, v: inverse * (g - mean(g, other) - v * mean(g * v, other)),
    )
    for in_mean, in_variance in ((other, axis), (axis, other)):
        yield (
            "wrong_axis",
            "takes one of its means over the other axis",
            lambda g, u, v, a=in_mean, b=in_variance: inverse * (g - mean(g, a) - v * mean(g * v, b)),
        )
    for text, power in (
        ("1 / deviation too much", 1),
        ("1 / deviation too little", -1),
        ("1 / deviation² too much", 2),
        ("1 / deviation² too little", -2),
    ):
        yield (
            "scale_missing",
            f"has {text} in the variance's part",
            lambda g, u, v, power=power: inverse * (g - mean(g) - inverse**power * v * mean(g * v)),
        )
    for text, factor in (("twice", 2.0), ("half", 0.5)):
        yield (
            "power_rule",
            f"has {text} the variance's part",
            lambda g, u, v, factor=factor: inverse * (g - mean(g) - factor * v * mean(g * v)),
        )
    yield (
        "mean_missing",
        "lacks the N of N g in its compact form",
        lambda g, u, v: inverse * (g / u.shape[axis] - mean(g) - v * mean(g * v)),
    )
    yield "scale_missing", "lacks the 1 / deviation", lambda g, u, v: g - mean(g) - v * mean(g * v)
    yield (
        "scale_missing",
        "lacks the 1 / deviation in its first part",
        lambda g, u, v: g - inverse * (mean(g) + v * mean(g * v)),
    )
    yield "scale_missing", "has 1 / variance", lambda g, u, v: inverse**2 * (g - mean(g) - v * mean(g * v))
    yield (
        "sign_of_part",
        "has the wrong sign in what comes back through the variance",
        lambda g, u, v: inverse * (g - mean(g) + v * mean(g * v)),
    )
    yield (
        "sign_of_part",
        "has the wrong sign in what comes back through the mean",
        lambda g, u, v: inverse * (g + mean(g) - v * mean(g * v)),
    )
    for text, first, second in (
        ("mean's", True, False),
        ("variance's", False, True),
        ("mean's and variance's", True, True),
    ):
        yield (
            "mean_missing",
            f"has a sum for the mean in the {text} part",
            lambda g, u, v, first=first, second=second: (
                inverse
                * (g - mean(g) * (u.shape[axis] if first else 1) - v * mean(g * v) * (u.shape[axis] if second else 1))
            ),
        )


def find_composites(recording: Recording) -> list[Composite]:
    """The activations, softmaxes and normalizations on a tape."""
    found: list[Composite] = []
    outputs: set[int] = set()
    with np.errstate(all="ignore"):
        for node in recording.nodes:
            if node.value.dtype.kind == "f" and np.isfinite(node.value).all():
                functions = _functions_of(node, outputs)
                found += functions
                outputs |= {node.index for one in functions if one.slope is not None}
    return found


def value_mistakes(g: Array, u: Array, v: Array) -> Iterator[tuple[str, str, Array]]:
    """Codes, sentences and wrong gradients of a layer v = f(u) by the upstream gradient g, if f is recognized."""
    with np.errstate(all="ignore"):
        if u.shape != v.shape or not np.isfinite(v).all():
            return
        source = Node(0, "input", u, is_active=True)
        output = Node(1, "where", v, (source,), is_active=True)
        for one in _functions_of(output, set()):
            for code, text, rule in one.wrong:
                yield code, f"the derivative of {one.name} {text}", rule(g, u, v)


def _functions_of(output: Node, outputs: set[int]) -> list[Composite]:
    """The functions whose output a node is: an elementwise one of the nearest input, others of all that are possible.

    Softmax of z − max z is that of z too, and with a bias of 0 of W x.
    """
    found: list[Composite] = []
    for composite in _possible_functions(output, outputs):
        if composite.slope is None or all(one.slope is None for one in found):
            found.append(replace(composite, rank=len(found)))
    return found


def _possible_functions(output: Node, outputs: set[int]) -> Iterator[Composite]:
    v, is_blocked = output.value, False
    for node in ancestors(output):
        u = node.value
        is_blocked = is_blocked or node.index in outputs  # 1 − sigmoid(z) is no other function of z
        if u.shape != v.shape or not np.isfinite(u).all():
            continue
        for name, function, slope, wrong in () if is_blocked else _ELEMENTWISE:
            head = u.flat[:3]
            if _is_close(function(head), v.flat[:3]) and _is_close(function(u), v):
                if "relu" in name and output.name not in ("maximum", "multiply", "where", "setitem"):
                    continue
                yield Composite(name, node, output, slope, wrong)
        if u.ndim and u.size > 1 and v.min() >= 0:
            for axis in (-1, 0) if u.ndim > 1 else (-1,):
                powers = np.exp(u - u.max(axis=axis, keepdims=True))
                if u.shape[axis] > 1 and _is_close(powers / powers.sum(axis=axis, keepdims=True), v):
                    yield Composite("softmax", node, output, None, _softmax_mistakes(axis))
        if u.ndim and u.size > 1 and v.max() <= 0:
            for axis in (-1, 0) if u.ndim > 1 else (-1,):
                high = u.max(axis=axis, keepdims=True)
                total = high + np.log(np.exp(u - high).sum(axis=axis, keepdims=True))
                if u.shape[axis] > 1 and _is_close(u - total, v):
                    yield Composite("log-softmax", node, output, None, _log_softmax_mistakes(axis))
        yield from _normalizations(node, output)
        for name, wrong in scaling_mistakes(u, v):
            yield Composite(name, node, output, None, wrong)


def _normalizations(node: Node, output: Node) -> Iterator[Composite]:
    u, v = node.value, output.value
    for axis in range(u.ndim) if u.size > 3 else ():
        if u.shape[axis] < 2:
            continue
        deviation = u - u.mean(axis=axis, keepdims=True)
        scale = np.sqrt((deviation**2).sum(axis=axis, keepdims=True) / (v**2).sum(axis=axis, keepdims=True))
        excess = scale**2 - u.var(axis=axis, keepdims=True)
        if np.isfinite(scale).all() and _is_close(deviation / scale, v) and (np.abs(excess) < 1e-2 * scale**2).all():
            axis = axis if axis == 0 else axis - u.ndim
            yield Composite("the normalization", node, output, None, tuple(_normalization_mistakes(axis, 1 / scale)))


_ELEMENTWISE: tuple[tuple[str, Any, Any, Any], ...] = (
    ("sigmoid", sigmoid, _sigmoid_slope, _SIGMOID),
    ("tanh", np.tanh, _tanh_slope, _TANH),
    ("relu", lambda z: np.maximum(z, 0), _step, _RELU),
    *(
        (
            "leaky_relu",
            lambda z, k=k: np.where(z > 0, z, k * z),
            lambda z, k=k: np.where(z > 0, 1, k),
            _leaky_mistakes(k),
        )
        for k in _LEAKS
    ),
    (
        "softplus",
        lambda z: np.logaddexp(z, 0),
        sigmoid,
        (
            ("derivative_missing", "is left out", lambda g, u, v: g),
            ("derivative_at_output", "is taken at its output", lambda g, u, v: g * sigmoid(v)),
            ("other_derivative", "is that of sigmoid", lambda g, u, v: g * _sigmoid_slope(u)),
        ),
    ),
)


def _is_close(first: Array, second: Array) -> bool:
    return bool((np.abs(first - second) <= 1e-9 * np.abs(second) + 1e-12).all())


def ancestors(node: Node) -> Iterator[Node]:
    """The active nodes behind a node, the nearest first."""
    seen, layer = {node.index}, [node]
    for _ in range(_MAX_DEPTH):
        layer = [one for node in layer for one in node.inputs if isinstance(one, Node) and one.is_active]
        layer = [one for i, one in enumerate(layer) if one.index not in seen and one not in layer[:i]]
        seen |= {one.index for one in layer}
        yield from layer
        if not layer or len(seen) > 60:
            return
