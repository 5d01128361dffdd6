"""The formulas of `maths` as expression trees: its functions, run on trees.

Where `maths` computes in a form that no number overflows, the textbook's form stands here. A custom formula that cannot
be run on a tree appears as a function with its name.
"""

from collections.abc import Callable, Mapping
from math import pi
from typing import Any

from numpy import exp, log, sqrt, tanh

from deltarule.maths.activations import Activation
from deltarule.maths.elementary import erf
from deltarule.maths.losses import Loss
from deltarule.maths.optimizers import Optimizer
from deltarule.problem.registry import is_built_in
from deltarule.tracing.expressions import (
    Expression,
    Function,
    Index,
    Number,
    Ref,
    Series,
    Weighted,
    replace_parts,
)

E = Expression
Row = Callable[[Index], Expression]
"""The entries of a sample's row, as a function of their index."""
Numbers = Mapping[str, Expression]
"""Numbers by name: a formula's parameters, or an optimizer's slots."""

PI = Ref("π", (), pi)


def run(name: str, function: Callable[..., Any], *arguments: E, **numbers: E) -> E:
    """Run a formula on trees; if it cannot, its name stands for it."""
    try:
        result = function(*arguments, **numbers)
        if isinstance(result, Expression | float | int):
            return result if isinstance(result, Expression) else Number(result)
    except Exception:  # whatever a formula of the user's raises on what is not an array
        pass

    def call(*values: Any) -> Any:
        count = len(arguments)
        return function(*values[:count], **dict(zip(numbers, values[count:], strict=True)))

    return Function(name, (*arguments, *numbers.values()), call)


# --- activations -----------------------------------------------------------------------------------------------------


def _sigmoid(z: E) -> E:
    return 1 / (1 + exp(-z))


def _tanh_of_softplus(z: E) -> E:
    return tanh(log(1 + exp(z)))


def _normal_distribution(z: E) -> E:
    return (1 + erf(z / sqrt(Number(2)))) / 2


_ACTIVATIONS: Mapping[str, tuple[Callable[[E], E], Callable[[E, E], E]]] = {
    "sigmoid": (_sigmoid, lambda z, a: a * (1 - a)),
    "softplus": (lambda z: log(1 + exp(z)), lambda z, a: _sigmoid(z)),
    "silu": (lambda z: z / (1 + exp(-z)), lambda z, a: _sigmoid(z) * (1 + z * (1 - _sigmoid(z)))),
    "mish": (
        lambda z: z * _tanh_of_softplus(z),
        lambda z, a: _tanh_of_softplus(z) + z * _sigmoid(z) * (1 - _tanh_of_softplus(z) ** 2),
    ),
    "gelu": (
        lambda z: z * _normal_distribution(z),
        lambda z, a: _normal_distribution(z) + z * exp(-(z**2) / 2) / sqrt(2 * PI),
    ),
}
"""f(z) and f′ of z and a, where `maths` has another form."""


def activation_value(activation: Activation, z: Row, j: Index, units: int, p: Numbers) -> E | None:
    """The formula of the activation a[j] = f(z)[j]."""
    if activation.rowwise:
        softmax = exp(z(j)) / Series(("k",), (units,), lambda k: exp(z(k)))
        return softmax if is_built_in(activation) else None
    if is_built_in(activation) and activation.name in _ACTIVATIONS:
        return _ACTIVATIONS[activation.name][0](z(j))
    return run(activation.name, activation.function, z(j), **p)


def activation_backward(activation: Activation, z: Row, a: Row, da: Row, j: Index, units: int, p: Numbers) -> E | None:
    """The formula of ∂J/∂z[j] from the row da = ∂J/∂a."""
    if activation.rowwise:
        through_softmax = a(j) * (da(j) - Series(("k",), (units,), lambda k: a(k) * da(k)))
        return through_softmax if is_built_in(activation) else None
    if is_built_in(activation) and activation.name in _ACTIVATIONS:
        slope = _ACTIVATIONS[activation.name][1](z(j), a(j))
    else:
        slope = run(f"{activation.name}′", activation.derivative, z(j), a(j), **p)
    return da(j) if slope == Number(1) else slope * da(j)


# --- losses ----------------------------------------------------------------------------------------------------------


def _weighted_log(weight: E, p: E) -> E:
    return Weighted(weight, weight * log(p))


def _ratio(weight: E, p: E) -> E:
    return Weighted(weight, weight / p)


_LOSSES: Mapping[str, tuple[Callable[[E, E], E], Callable[[E, E], E]]] = {
    "poisson": (lambda p, y: p - y + Weighted(y, y * log(y / p)), lambda p, y: 1 - _ratio(y, p)),
    "binary_cross_entropy": (
        lambda p, y: -_weighted_log(y, p) - _weighted_log(1 - y, 1 - p),
        lambda p, y: _ratio(1 - y, 1 - p) - _ratio(y, p),
    ),
    "cross_entropy": (lambda p, y: -_weighted_log(y, p), lambda p, y: -_ratio(y, p)),
}
"""ℓ and ∂ℓ/∂p, where `maths` has another form: a term whose weight is 0 is 0."""

_FUSED: Mapping[tuple[str, str], tuple[Callable[[Row, Row, Index, int], E], Callable[[Row, Row, Index, int], E]]] = {
    ("poisson", "exponential"): (
        lambda z, y, j, outputs: exp(z(j)) - y(j) + _weighted_log(y(j), y(j)) - y(j) * z(j),
        lambda p, y, j, outputs: p(j) - y(j),
    ),
    ("binary_cross_entropy", "sigmoid"): (
        lambda z, y, j, outputs: (1 - y(j)) * log(1 + exp(z(j))) + y(j) * log(1 + exp(-z(j))),
        lambda p, y, j, outputs: p(j) - y(j),
    ),
    ("cross_entropy", "softmax"): (
        lambda z, y, j, outputs: y(j) * (log(Series(("k",), (outputs,), lambda k: exp(z(k)))) - z(j)),
        lambda p, y, j, outputs: p(j) * Series(("k",), (outputs,), y) - y(j),
    ),
}


def is_fused(loss: Loss, output: Activation) -> bool:
    """Whether loss and output activation are computed together, from the logits."""
    return loss.fused_with(output) is not None


def loss_value(loss: Loss, output: Activation, z: Row, p: Row, y: Row, j: Index, outputs: int, n: Numbers) -> E | None:
    """The formula of the loss ℓ[j], from logits z if fused, else from p."""
    if is_fused(loss, output):
        known = _FUSED.get((loss.name, output.name)) if is_built_in(loss) else None
        return known[0](z, y, j, outputs) if known else None
    if is_built_in(loss) and loss.name in _LOSSES:
        return _LOSSES[loss.name][0](p(j), y(j))
    return run(loss.name, loss.value, p(j), y(j), **n)


def loss_slope(loss: Loss, output: Activation, p: Row, y: Row, j: Index, outputs: int, n: Numbers) -> E | None:
    """The formula of ∂ℓ/∂p[j] or, if fused, of ∂(Σℓ)/∂z[j]."""
    if is_fused(loss, output):
        known = _FUSED.get((loss.name, output.name)) if is_built_in(loss) else None
        return known[1](p, y, j, outputs) if known else None
    if is_built_in(loss) and loss.name in _LOSSES:
        return _LOSSES[loss.name][1](p(j), y(j))
    return run(f"{loss.name}′", loss.derivative, p(j), y(j), **n)


# --- optimizers ------------------------------------------------------------------------------------------------------


def optimizer_update(
    optimizer: Optimizer, theta: E, g: E, old: Numbers, new: Numbers, numbers: Mapping[str, E | float]
) -> dict[str, E] | None:
    """The formulas of the parameter ("theta") and of each slot after an update.

    old, new   the slots before the update, and those after it that formulas may refer to, by name
    numbers    what the update takes, in its order
    """
    given = ([*numbers.values()], {}) if optimizer.once_a_step else ([], dict(numbers))
    try:
        updated = optimizer.update(theta, g, *(old[slot] for slot in optimizer.slots), *given[0], **given[1])
        formulas = dict(zip(("theta", *optimizer.slots), updated, strict=True))
    except Exception:  # as in `run`
        return None
    found = [(formulas[slot], new[slot]) for slot in new if not isinstance(formulas[slot], Ref)]
    return {
        name: replace_parts(formula, [pair for pair in found if pair[0] is not formula])
        for name, formula in formulas.items()
    }
