"""Recognize functions that a tape spells out in several operations."""

# mypy: disable-error-code="misc"
# mypy does not infer lambdas with defaults, which bind the variable of a loop.

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from deltarule.checking.mistakes.tape_scalings import WrongRule, is_close, normalization_mistakes, scaling_mistakes
from deltarule.checking.tape.backward import Recording
from deltarule.checking.tape.operations import Array, Node

_MAX_DEPTH = 14
"""Operations between the input and the output of a function."""


@dataclass(frozen=True, eq=False)
class Composite:
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


def sigmoid(z: Array) -> Array:
    """The logistic function."""
    return 1 / (1 + np.exp(-z))


def _sigmoid_slope(z: Array) -> Array:
    return sigmoid(z) * (1 - sigmoid(z))


def _tanh_slope(z: Array) -> Array:
    return 1 - np.tanh(z) ** 2


def _relu_slope(z: Array) -> Array:
    return (z > 0).astype(float)


SLOPES_OF_OUTPUT: dict[str, Callable[[Array], Array]] = {
    "sigmoid": lambda a: a * (1 - a),
    "tanh": lambda a: 1 - a**2,
    "relu": _relu_slope,
}
"""By name of an activation, its derivative as a function of its output a."""
_SLOPES = {"sigmoid": _sigmoid_slope, "tanh": _tanh_slope, "relu": _relu_slope}
_LEAKS = (0.01, 0.1, 0.2, 0.05)
"""Slopes below 0 for which leaky ReLU is recognized."""


def _common_mistakes(slope: Callable[[Array], Array], name: str) -> Iterator[WrongRule]:
    """Wrong rules for the elementwise activation `name` with the derivative `slope`."""
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
    ("derivative_twice", "is multiplied by a once more", lambda g, u, v: g * v**2 * (1 - v)),
    ("derivative_twice", "is multiplied by 1 − a once more", lambda g, u, v: g * v * (1 - v) ** 2),
    ("derivative_missing", "is left out, and the rest doubled", lambda g, u, v: 2 * g),
    ("derivative_missing", "is left out, and the rest halved", lambda g, u, v: g / 2),
    ("derivative_twice", "is multiplied twice, and doubled", lambda g, u, v: 2 * g * (v * (1 - v)) ** 2),
    ("derivative_twice", "is multiplied twice, and halved", lambda g, u, v: g * (v * (1 - v)) ** 2 / 2),
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
    ("other_derivative", "is that of sigmoid, of a", lambda g, u, v: g * v * (1 - v)),
    ("other_derivative", "is that of tanh, of a", lambda g, u, v: g * (1 - v**2)),
    ("other_derivative", "is the sign", lambda g, u, v: g * np.sign(u)),
    ("upstream_ignored", "stands alone, without the upstream gradient", lambda g, u, v: _relu_slope(u)),
)


def _leaky_mistakes(leak: float) -> tuple[WrongRule, ...]:
    """Wrong rules for leaky ReLU with the slope `leak` below 0."""
    return (
        ("derivative_missing", "is left out", lambda g, u, v: g),
        ("other_derivative", "lacks the slope below 0", lambda g, u, v: g * (u > 0)),
        ("mask_of_gradient", "goes by the sign of the gradient", lambda g, u, v: g * np.where(g > 0, 1, leak)),
        ("derivative_twice", "is multiplied twice", lambda g, u, v: g * np.where(u > 0, 1, leak**2)),
        ("mask_inverted", "has its two slopes exchanged", lambda g, u, v: g * np.where(u > 0, leak, 1)),
    )


def _softmax_mistakes(axis: int) -> tuple[WrongRule, ...]:
    """Wrong rules for softmax over an axis."""

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
    """Wrong rules for log-softmax over an axis."""

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


def find_composites(recording: Recording) -> list[Composite]:
    """All activations, softmaxes, normalizations and scalings on a tape."""
    composites: list[Composite] = []
    outputs: set[int] = set()
    with np.errstate(all="ignore"):
        for node in recording.nodes:
            if node.value.dtype.kind == "f" and np.isfinite(node.value).all():
                functions = _functions_of(node, outputs)
                composites += functions
                outputs |= {node.index for composite in functions if composite.slope is not None}
    return composites


def value_mistakes(g: Array, u: Array, v: Array) -> Iterator[tuple[str, str, Array]]:
    """The mistakes in the gradient ∂/∂u of a recognized layer v = f(u)."""
    with np.errstate(all="ignore"):
        if u.shape != v.shape or not np.isfinite(v).all():
            return
        source = Node(0, "input", u, is_active=True)
        output = Node(1, "where", v, (source,), is_active=True)
        for composite in _functions_of(output, set()):
            for code, text, rule in composite.wrong:
                yield code, f"the derivative of {composite.name} {text}", rule(g, u, v)


def _functions_of(output: Node, elementwise_indices: set[int]) -> list[Composite]:
    """The functions whose output a node is.

    Softmax of z − max z is also that of z and, with a bias of 0, of W x.

    elementwise_indices   indices of nodes that are outputs of recognized elementwise functions
    """
    functions: list[Composite] = []
    for composite in _possible_functions(output, elementwise_indices):
        if composite.slope is None or all(function.slope is None for function in functions):
            functions.append(replace(composite, rank=len(functions)))
    return functions


def _possible_functions(output: Node, elementwise_indices: set[int]) -> Iterator[Composite]:
    """Known functions that give the values of `output`, nearest first."""
    v, is_blocked = output.value, False
    for node in ancestors(output):
        u = node.value
        is_blocked = is_blocked or node.index in elementwise_indices  # 1 − sigmoid(z) is no other function of z
        if u.shape != v.shape or not np.isfinite(u).all():
            continue
        for name, function, slope, wrong in () if is_blocked else _ELEMENTWISE:
            head = u.flat[:3]
            if is_close(function(head), v.flat[:3]) and is_close(function(u), v):
                if "relu" in name and output.name not in ("maximum", "multiply", "where", "setitem"):
                    continue
                yield Composite(name, node, output, slope, wrong)
        if u.ndim and u.size > 1 and v.min() >= 0:
            for axis in (-1, 0) if u.ndim > 1 else (-1,):
                powers = np.exp(u - u.max(axis=axis, keepdims=True))
                if u.shape[axis] > 1 and is_close(powers / powers.sum(axis=axis, keepdims=True), v):
                    yield Composite("softmax", node, output, None, _softmax_mistakes(axis))
        if u.ndim and u.size > 1 and v.max() <= 0:
            for axis in (-1, 0) if u.ndim > 1 else (-1,):
                high = u.max(axis=axis, keepdims=True)
                total = high + np.log(np.exp(u - high).sum(axis=axis, keepdims=True))
                if u.shape[axis] > 1 and is_close(u - total, v):
                    yield Composite("log-softmax", node, output, None, _log_softmax_mistakes(axis))
        for wrong in normalization_mistakes(u, v):
            yield Composite("the normalization", node, output, None, wrong)
        for name, wrong in scaling_mistakes(u, v):
            yield Composite(name, node, output, None, wrong)


_ELEMENTWISE: tuple[tuple[str, Any, Any, Any], ...] = (
    ("sigmoid", sigmoid, _sigmoid_slope, _SIGMOID),
    ("tanh", np.tanh, _tanh_slope, _TANH),
    ("relu", lambda z: np.maximum(z, 0), _relu_slope, _RELU),
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
            ("other_derivative", "is that of exp", lambda g, u, v: g * np.exp(u)),
            ("derivative_of_z", "has z in a formula for a: 1 − e⁻ᶻ", lambda g, u, v: g * (1 - np.exp(-u))),
            ("derivative_twice", "is multiplied twice", lambda g, u, v: g * sigmoid(u) ** 2),
        ),
    ),
)
"""Name, function, derivative and wrong rules of each elementwise activation."""


def ancestors(node: Node) -> Iterator[Node]:
    """The nodes, about 60 at most, that a node is computed from, nearest first."""
    seen, layer = {node.index}, [node]
    for _ in range(_MAX_DEPTH):
        layer = [entry for node in layer for _, entry in node.active_inputs]
        layer = [entry for i, entry in enumerate(layer) if entry.index not in seen and entry not in layer[:i]]
        seen |= {entry.index for entry in layer}
        yield from layer
        if not layer or len(seen) > 60:
            return
