"""Read, check and use custom activations and losses that a user types in."""

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from deltarule.errors import BadInput, short_repr
from deltarule.maths.activations import Activation
from deltarule.maths.losses import Loss
from deltarule.playground.formula_reader import read_formula
from deltarule.problem.network import Network
from deltarule.problem.problem import Problem

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
    """Check that a kind of formula is "activation" or "loss" and return it."""
    if not isinstance(kind, str) or kind not in NAMES:
        raise BadInput(f"the kind of formula is {short_repr(kind)}; give one of {', '.join(NAMES)}")
    return kind


def read_pair(kind: str, function: Any, derivative: Any) -> Activation | Loss:
    """Read a custom formula from the texts of its function and its derivative.

    Raises `BadInput` for texts that are no formulas.
    """
    for role, text in (("function", function), ("derivative", derivative)):
        if not isinstance(text, str) or not text.strip():
            raise BadInput(f"the {role} is {short_repr(text)}; give a formula of {' and '.join(NAMES[kind][1])}")
    value, slope = (read_formula(text, names) for text, names in zip((function, derivative), NAMES[kind], strict=True))
    return Activation("yours", value, slope) if kind == "activation" else Loss("yours", value, slope)


def check_pair(formula: Activation | Loss) -> "CodeReport":
    """Check the derivative of a formula numerically at random points."""
    from deltarule.checking.check import check_vjp  # imported on use: it takes as long as drawing the first picture

    random = np.random.default_rng(2026)
    if isinstance(formula, Activation):
        function, derivative, x = formula.function, formula.derivative, 2 * random.standard_normal((6, 4))
        return check_vjp(lambda z: (function(z), z), lambda upstream, z: upstream * derivative(z, function(z)), x)
    value, slope, x = formula.value, formula.derivative, random.uniform(0.05, 0.95, (6, 4))
    y = (random.random((6, 4)) < 0.5) * 1.0
    return check_vjp(lambda p: (value(p, y), p), lambda upstream, p: upstream * slope(p, y), x)


def with_formulas(problem: Problem, formulas: Formulas) -> Problem:
    """Replace a problem's hidden activations and its loss by custom formulas."""
    if isinstance(activation := formulas.get("activation"), Activation):
        old, first = problem.network, problem.network.layers[0]
        options = {"bias": first.bias, "batch_norm": first.batch_norm, "scaling_layer": first.scaling}
        hidden = [activation] * (len(old.layers) - 1)
        network = Network(old.sizes, hidden, old.output, initializer=old.initializer, **options)
        problem = replace(problem, network=network)
    if isinstance(loss := formulas.get("loss"), Loss):
        problem = replace(problem, loss=loss)
    return problem
