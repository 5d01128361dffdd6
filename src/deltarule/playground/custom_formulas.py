"""Custom activations and losses that a user types in, with derivatives that may be wrong: read, check and use them."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from deltarule.errors import BadInput, short_repr
from deltarule.maths.activations import Activation
from deltarule.maths.losses import Loss
from deltarule.playground.formula_reader import read_formula
from deltarule.problem.network import Network
from deltarule.problem.problem import Floats, Problem

if TYPE_CHECKING:
    from deltarule.checking.report import CodeReport

NAMES = {"activation": (("z",), ("z", "a")), "loss": (("p", "y"), ("p", "y"))}
"""The variables that the function and the derivative of each kind of formula may use."""
PRESETS = {
    "activation": {
        "sigmoid": ("1 / (1 + exp(-z))", "a * (1 - a)"),
        "tanh": ("tanh(z)", "1 - a^2"),
        "relu": ("max(z, 0)", "z > 0"),
        "softplus": ("log(1 + exp(z))", "1 - exp(-a)"),
        "identity": ("z", "1"),
    },
    "loss": {
        "squared_error": ("(p - y)^2", "2 * (p - y)"),
        "half_squared_error": ("(p - y)^2 / 2", "p - y"),
        "cross_entropy": ("-y * log(p)", "-y / p"),
        "binary_cross_entropy": ("-y * log(p) - (1 - y) * log(1 - p)", "(p - y) / (p * (1 - p))"),
    },
}
"""Examples of formulas to start from, (function, derivative) by kind and name."""

Formulas = Mapping[str, Activation | Loss]
"""The formulas in use, by kind."""


def check_kind(kind: Any) -> str:
    """Return a kind of formula unchanged; raise `BadInput` unless it is "activation" or "loss"."""
    if not isinstance(kind, str) or kind not in NAMES:
        raise BadInput(f"the kind of formula is {short_repr(kind)}; give one of {', '.join(NAMES)}")
    return kind


def read_pair(kind: str, function: Any, derivative: Any) -> Activation | Loss:
    """Read an activation or a loss from the texts of its function and its derivative, which may be wrong.

    Raises `BadInput` for texts that are no formulas.
    """
    for role, text in (("function", function), ("derivative", derivative)):
        if not isinstance(text, str) or not text.strip():
            raise BadInput(f"the {role} is {short_repr(text)}; give a formula of {' and '.join(NAMES[kind][1])}")
    value, slope = (read_formula(text, names) for text, names in zip((function, derivative), NAMES[kind], strict=True))
    return Activation("yours", value, slope) if kind == "activation" else Loss("yours", value, slope)


def check_pair(formula: Activation | Loss) -> "CodeReport":
    """Check the derivative of a formula numerically at random points; the report names the mistake, if there is one."""
    random = np.random.default_rng(2026)
    if isinstance(formula, Activation):
        z = 2 * random.standard_normal((6, 4))
        return _check(formula.function, lambda z: formula.derivative(z, formula.function(z)), z)
    p, y = random.uniform(0.05, 0.95, (6, 4)), (random.random((6, 4)) < 0.5) * 1.0
    return _check(lambda p: formula.value(p, y), lambda p: formula.derivative(p, y), p)


def _check(function: Callable[[Floats], Floats], derivative: Callable[[Floats], Floats], x: Floats) -> "CodeReport":
    """Check the derivative of an elementwise function numerically at the entries of x, of any shape."""
    from deltarule.checking.check import check_vjp  # imported on use: it takes as long as drawing the first picture

    return check_vjp(lambda x: (function(x), x), lambda upstream, x: upstream * derivative(x), x)


def with_formulas(problem: Problem, formulas: Formulas) -> Problem:
    """Replace the activation of all hidden layers, and the loss, of a problem by these formulas, where there is one."""
    if isinstance(activation := formulas.get("activation"), Activation):
        network = problem.network
        hidden = [activation] * (len(network.layers) - 1)
        first = network.layers[0]
        network = Network(
            network.sizes,
            hidden,
            network.output,
            bias=first.bias,
            batch_norm=first.batch_norm,
            scaling_layer=first.scaling,
            initializer=network.initializer,
        )
        problem = replace(problem, network=network)
    if isinstance(loss := formulas.get("loss"), Loss):
        problem = replace(problem, loss=loss)
    return problem
