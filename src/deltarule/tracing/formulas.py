"""The formulas of `maths` as expression trees, in textbook form.

A custom formula has no tree: it appears as a function with its name.
"""

from collections.abc import Callable, Mapping
from functools import partial
from math import pi
from typing import Any

from deltarule.maths.activations import SELU_ALPHA, SELU_SCALE, Activation
from deltarule.maths.losses import Loss
from deltarule.maths.optimizers import Optimizer
from deltarule.maths.penalties import Penalty
from deltarule.maths.schedules import Schedule
from deltarule.problem.registry import is_built_in
from deltarule.tracing.expressions import (
    Expression,
    Function,
    Index,
    Number,
    Ref,
    Series,
    Weighted,
    above,
    below,
    cases,
    exp,
    log,
    sqrt,
)

E = Expression
Row = Callable[[Index], Expression]
"""The entries of a sample's row, as a function of their index."""
Numbers = Mapping[str, Expression]
"""Numbers by name: a formula's parameters, or an optimizer's slots."""

PI = Ref("π", (), pi)


def sigmoid(z: E) -> E:
    """The logistic function, 1 / (1 + e⁻ᶻ)."""
    return 1 / (1 + exp(-z))


def normal_distribution(z: E) -> E:
    """The standard normal distribution function, Φ(z)."""
    return (1 + Function("erf", (z / sqrt(Number(2)),))) / 2


def sign(x: E) -> E:
    """The sign of x: 1, −1 or 0."""
    return cases((above(x, 0), 1), (below(x, 0), -1), otherwise=0)


# --- activations -----------------------------------------------------------------------------------------------------

_ACTIVATIONS: dict[str, tuple[Callable[[E, Numbers], E], Callable[[E, E, Numbers], E]]] = {
    "identity": (lambda z, p: z, lambda z, a, p: Number(1)),
    "sigmoid": (lambda z, p: sigmoid(z), lambda z, a, p: a * (1 - a)),
    "tanh": (lambda z, p: Function("tanh", (z,)), lambda z, a, p: 1 - a**2),
    "relu": (
        lambda z, p: cases((above(z, 0), z), otherwise=0),
        lambda z, a, p: cases((above(z, 0), 1), otherwise=0),
    ),
    "leaky_relu": (
        lambda z, p: cases((above(z, 0), z), otherwise=p["slope"] * z),
        lambda z, a, p: cases((above(z, 0), 1), otherwise=p["slope"]),
    ),
    "elu": (
        lambda z, p: cases((above(z, 0), z), otherwise=p["alpha"] * (exp(z) - 1)),
        lambda z, a, p: cases((above(z, 0), 1), otherwise=a + p["alpha"]),
    ),
    "selu": (
        lambda z, p: cases((above(z, 0), SELU_SCALE * z), otherwise=SELU_SCALE * SELU_ALPHA * (exp(z) - 1)),
        lambda z, a, p: cases((above(z, 0), SELU_SCALE), otherwise=a + SELU_SCALE * SELU_ALPHA),
    ),
    "softplus": (lambda z, p: log(1 + exp(z)), lambda z, a, p: sigmoid(z)),
    "silu": (lambda z, p: z / (1 + exp(-z)), lambda z, a, p: sigmoid(z) * (1 + z * (1 - sigmoid(z)))),
    "mish": (
        lambda z, p: z * Function("tanh", (log(1 + exp(z)),)),
        lambda z, a, p: (
            Function("tanh", (log(1 + exp(z)),)) + z * sigmoid(z) * (1 - Function("tanh", (log(1 + exp(z)),)) ** 2)
        ),
    ),
    "gelu": (
        lambda z, p: z * normal_distribution(z),
        lambda z, a, p: normal_distribution(z) + z * exp(-(z**2) / 2) / sqrt(2 * PI),
    ),
    "exponential": (lambda z, p: exp(z), lambda z, a, p: a),
}


def activation_value(activation: Activation, z: Row, j: Index, units: int, p: Numbers) -> E | None:
    """The formula of the activation a[j] = f(z)[j]."""
    if activation.rowwise:
        softmax = exp(z(j)) / Series(("k",), (units,), lambda k: exp(z(k)))
        return softmax if is_built_in(activation) else None
    if is_built_in(activation):
        return _ACTIVATIONS[activation.name][0](z(j), p)
    return Function(activation.name, (z(j),), partial(activation.function, **activation.parameters))


def activation_backward(activation: Activation, z: Row, a: Row, da: Row, j: Index, units: int, p: Numbers) -> E | None:
    """The formula of ∂J/∂z[j] from the row da = ∂J/∂a."""
    if activation.rowwise:
        through_softmax = a(j) * (da(j) - Series(("k",), (units,), lambda k: a(k) * da(k)))
        return through_softmax if is_built_in(activation) else None
    if is_built_in(activation):
        slope = _ACTIVATIONS[activation.name][1](z(j), a(j), p)
        return da(j) if slope == Number(1) else slope * da(j)
    derivative = partial(activation.derivative, **activation.parameters)
    return Function(f"{activation.name}′", (z(j), a(j)), derivative) * da(j)


# --- losses ----------------------------------------------------------------------------------------------------------


def _weighted_log(weight: E, p: E) -> E:
    return Weighted(weight, weight * log(p))


def _ratio(weight: E, p: E) -> E:
    return Weighted(weight, weight / p)


def _huber(p: E, y: E, n: Numbers) -> E:
    e, delta = Function("abs", (p - y,)), n["delta"]
    return cases((above(e, delta), delta * (e - delta / 2)), otherwise=(p - y) ** 2 / 2)


def _huber_derivative(p: E, y: E, n: Numbers) -> E:
    e, delta = p - y, n["delta"]
    return cases((above(e, delta), delta), (below(e, -delta), -delta), otherwise=e)


def _quantile(p: E, y: E, n: Numbers) -> E:
    q = n["quantile"]
    return cases((above(p, y), (1 - q) * (p - y)), otherwise=q * (y - p))


def _quantile_derivative(p: E, y: E, n: Numbers) -> E:
    q = n["quantile"]
    return cases((above(p, y), 1 - q), (below(p, y), -q), otherwise=0)


_LOSSES: dict[str, tuple[Callable[[E, E, Numbers], E], Callable[[E, E, Numbers], E]]] = {
    "squared_error": (lambda p, y, n: (p - y) ** 2, lambda p, y, n: 2 * (p - y)),
    "half_squared_error": (lambda p, y, n: (p - y) ** 2 / 2, lambda p, y, n: p - y),
    "absolute_error": (lambda p, y, n: Function("abs", (p - y,)), lambda p, y, n: sign(p - y)),
    "huber": (_huber, _huber_derivative),
    "quantile": (_quantile, _quantile_derivative),
    "poisson": (lambda p, y, n: p - y + Weighted(y, y * log(y / p)), lambda p, y, n: 1 - _ratio(y, p)),
    "binary_cross_entropy": (
        lambda p, y, n: -_weighted_log(y, p) - _weighted_log(1 - y, 1 - p),
        lambda p, y, n: _ratio(1 - y, 1 - p) - _ratio(y, p),
    ),
    "cross_entropy": (lambda p, y, n: -_weighted_log(y, p), lambda p, y, n: -_ratio(y, p)),
    "naive_binary_cross_entropy": (
        lambda p, y, n: -y * log(p) - (1 - y) * log(1 - p),
        lambda p, y, n: (1 - y) / (1 - p + n["epsilon"]) - y / (p + n["epsilon"]),
    ),
}

_FUSED: dict[tuple[str, str], tuple[Callable[[Row, Row, Index, int], E], Callable[[Row, Row, Index, int], E]]] = {
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
    if is_built_in(loss):
        return _LOSSES[loss.name][0](p(j), y(j), n)
    return Function(loss.name, (p(j), y(j)), partial(loss.value, **loss.parameters))


def loss_slope(loss: Loss, output: Activation, p: Row, y: Row, j: Index, outputs: int, n: Numbers) -> E | None:
    """The formula of ∂ℓ/∂p[j] or, if fused, of ∂(Σℓ)/∂z[j]."""
    if is_fused(loss, output):
        known = _FUSED.get((loss.name, output.name)) if is_built_in(loss) else None
        return known[1](p, y, j, outputs) if known else None
    if is_built_in(loss):
        return _LOSSES[loss.name][1](p(j), y(j), n)
    return Function(f"{loss.name}′", (p(j), y(j)), partial(loss.derivative, **loss.parameters))


# --- penalties -------------------------------------------------------------------------------------------------------

_PENALTIES: dict[str, tuple[Callable[[E], E], Callable[[E], E]]] = {
    "l2": (lambda w: w**2, lambda w: 2 * w),
    "weight_decay": (lambda w: w**2 / 2, lambda w: w),
    "l1": (lambda w: Function("abs", (w,)), sign),
}


def penalty_value(penalty: Penalty, w: E) -> E:
    """The formula of the penalty of a single weight w, without the factor λ."""
    if is_built_in(penalty):
        return _PENALTIES[penalty.name.removesuffix("_per_sample")][0](w)
    return Function(penalty.name, (w,), penalty.value)


def penalty_slope(penalty: Penalty, w: E) -> E:
    """The formula of the derivative of the penalty, without λ, for a weight w."""
    if is_built_in(penalty):
        return _PENALTIES[penalty.name.removesuffix("_per_sample")][1](w)
    return Function(f"{penalty.name}′", (w,), penalty.derivative)


# --- optimizers ------------------------------------------------------------------------------------------------------

Update = Callable[[E, E, Numbers, Numbers, Numbers], E]
"""(θ, g, slots before, slots after, hyperparameters) → the new value of θ or of a slot"""

_STEP = {"v": lambda w, g, old, new, n: n["momentum"] * old["v"] - n["learning_rate"] * g}
_MOMENTS: dict[str, Update] = {
    "m": lambda w, g, old, new, n: n["beta1"] * old["m"] + (1 - n["beta1"]) * g,
    "v": lambda w, g, old, new, n: n["beta2"] * old["v"] + (1 - n["beta2"]) * g**2,
}


def _adam(w: E, g: E, old: Numbers, new: Numbers, n: Numbers) -> E:
    return w - n["rate"] * new["m"] / (sqrt(new["v"]) + n["epsilon"])


def _adamw(w: E, g: E, old: Numbers, new: Numbers, n: Numbers) -> E:
    decayed = w - n["learning_rate"] * n["weight_decay"] * w if "weight_decay" in n else w
    return _adam(decayed, g, old, new, n)


def _rprop_size(w: E, g: E, old: Numbers, new: Numbers, n: Numbers) -> E:
    """The formula of Rprop's new step size."""
    size = cases((above(old["size"], 0), old["size"]), otherwise=n["learning_rate"])
    agreement = g * old["previous"]
    return cases(
        (above(agreement, 0), Function("min", (size * n["increase"], n["largest"]))),
        (below(agreement, 0), Function("max", (size * n["decrease"], n["smallest"]))),
        otherwise=size,
    )


_UPDATES: dict[str, tuple[Mapping[str, Update], Update]] = {
    "sgd": ({}, lambda w, g, old, new, n: w - n["learning_rate"] * g),
    "momentum": (_STEP, lambda w, g, old, new, n: w + new["v"]),
    "nesterov": (_STEP, lambda w, g, old, new, n: w + n["momentum"] * new["v"] - n["learning_rate"] * g),
    "adagrad": (
        {"s": lambda w, g, old, new, n: old["s"] + g**2},
        lambda w, g, old, new, n: w - n["learning_rate"] * g / (sqrt(new["s"]) + n["epsilon"]),
    ),
    "normalized_gradient": ({}, lambda w, g, old, new, n: w - n["learning_rate"] * g / (n["norm"] + n["epsilon"])),
    "rmsprop": (
        {"s": lambda w, g, old, new, n: n["decay"] * old["s"] + (1 - n["decay"]) * g**2},
        lambda w, g, old, new, n: w - n["learning_rate"] * g / (sqrt(new["s"]) + n["epsilon"]),
    ),
    "adam": (_MOMENTS, _adam),
    "adamw": (_MOMENTS, _adamw),
    "rprop": (
        {
            "previous": lambda w, g, old, new, n: cases((below(g * old["previous"], 0), 0), otherwise=g),
            "size": _rprop_size,
        },
        lambda w, g, old, new, n: (
            w - cases((above(new["previous"], 0), new["size"]), (below(new["previous"], 0), -new["size"]), otherwise=0)
        ),
    ),
}


def optimizer_update(optimizer: Optimizer) -> tuple[Mapping[str, Update], Update] | None:
    """The formulas of each slot and of the parameter after an update."""
    return _UPDATES[optimizer.name] if is_built_in(optimizer) else None


# --- schedules -------------------------------------------------------------------------------------------------------


def _cosine(t: E, rate: E, n: Numbers) -> E:
    lowest, start, steps = n["lowest"], n["warm_up"], n["steps"]
    falling = lowest + (1 - lowest) * (1 + Function("cos", (PI * ((t - start) / (steps - start)),))) / 2
    return cases(
        (below(t, start), rate * ((t + 1) / (start + 1))), (below(t, steps), rate * falling), otherwise=rate * lowest
    )


def _coslog4(t: E, rate: E, n: Numbers) -> E:
    def cosine_of_share(share: E) -> E:
        return rate * (1 - Function("cos", (2 * PI * (log(1 + 15 * share) / log(Number(2))),))) / 2

    return cases((below(t, n["steps"]), cosine_of_share(t / n["steps"])), otherwise=cosine_of_share(Number(1)))


def _flat_cosine(t: E, rate: E, n: Numbers) -> E:
    steps, flat = n["steps"], n["flat"]
    falling = rate * (1 + Function("cos", (PI * ((t / steps - flat) / (1 - flat)),))) / 2
    return cases((below(t, flat * steps), rate), (below(t, steps), falling), otherwise=0)


def _ramp(t: E, n: Numbers, rising: E) -> E:
    return cases((below(t, n["steps"] - 1), rising), otherwise=n["highest"])


_SCHEDULES: dict[str, Callable[[E, E, Numbers], E]] = {
    "constant": lambda t, rate, n: rate,
    "step": lambda t, rate, n: rate * n["factor"] ** Function("floor", (t / n["every"],)),
    "exponential": lambda t, rate, n: rate * n["factor"] ** t,
    "inverse_scaling": lambda t, rate, n: rate / (t + 1) ** n["power"],
    "adaptive": lambda t, rate, n: rate,
    "squaring": lambda t, rate, n: rate ** (2 ** (Function("floor", (t / n["every"],)) + n["at_start"])),
    "cosine": _cosine,
    "coslog4": _coslog4,
    "flat_cosine": _flat_cosine,
    "warm_up": lambda t, rate, n: cases((below(t, n["steps"]), rate * ((t + 1) / (n["steps"] + 1))), otherwise=rate),
    "linear_ramp": lambda t, rate, n: _ramp(t, n, rate + (n["highest"] - rate) * (t / (n["steps"] - 1))),
    "exponential_ramp": lambda t, rate, n: _ramp(t, n, rate * (n["highest"] / rate) ** (t / (n["steps"] - 1))),
}


def scheduled_rate(schedule: Schedule, t: E, rate: E, n: Numbers) -> E:
    """The formula of the learning rate after t updates or epochs."""
    if is_built_in(schedule):
        return _SCHEDULES[schedule.name](t, rate, n)
    names = list(schedule.parameters)

    def call_schedule(t: Any, rate: Any, *values: Any) -> Any:
        return schedule.rate(t, rate, **dict(zip(names, values, strict=True)))

    return Function(schedule.name, (t, rate, *(n[name] for name in names)), call_schedule)
