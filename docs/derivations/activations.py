"""What the letters on the page about activations stand for: each activation of `deltarule.maths` at many points."""

import re
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
import sympy
from blackboard import Values
from derivatives import jacobian
from scipy.stats import norm

from deltarule.maths import activations
from deltarule.maths.activations import ACTIVATIONS
from deltarule.maths.elementary import erf

POINTS = (-30.0, -3.1, -0.7, 0.0, 0.4, 2.3, 20.0)
LETTERS: dict[str, dict[str, str]] = {"leaky_relu": {"s": "slope"}, "elu": {"α": "alpha"}}
CONSTANTS = {"λ": activations.SELU_SCALE, "α_0": activations.SELU_ALPHA}
FUNCTIONS = {
    "σ": activations.sigmoid,
    "Φ": norm.cdf,
    "Φ'": partial(jacobian, lambda z: (1 + erf(z / 2**0.5)) / 2),
    "φ": norm.pdf,
}


def named(name: str) -> Iterator[Values]:
    """An activation: a and ∂a/∂z from the code, then ∂a/∂z from differences, where there is no kink."""
    activation = ACTIVATIONS[name]
    numbers = dict(activation.parameters)
    letters = {letter: numbers[parameter] for letter, parameter in LETTERS.get(name, {}).items()}
    for z in POINTS:
        a = activation.function(z, **numbers)
        slopes = [activation.derivative(z, a, **numbers)]
        if z not in activation.kinks:
            slopes.append(jacobian(partial(activation.function, **numbers), z))
        for slope in slopes:
            yield Values({"z": z, "a": float(a), "∂a/∂z": float(slope), **letters, **CONSTANTS, **FUNCTIONS})


def mish() -> Iterator[Values]:
    """The same of Mish, with its gate w and the n of which the code makes it."""
    for values in named("mish"):
        n = np.exp(values.names["z"]) * (np.exp(values.names["z"]) + 2)
        yield values.with_names(w=n / (n + 2), n=n)


def any_of_them() -> Iterator[Values]:
    """Every activation in front of an objective: its own backward pass."""
    for activation in ACTIVATIONS.values():
        if not activation.rowwise:
            z = np.array([0.3])
            a, backward = activation.forward(z)
            slope = activation.derivative(z, a, **activation.parameters)
            yield Values({"∂J/∂a": 0.8, "∂J/∂z": backward(np.array([0.8]))[0], "∂a/∂z": slope[0]})


def symbolic(section: str) -> Values:
    """Symbols for the letters of a section, for SymPy to differentiate."""
    z = sympy.Symbol("z", real=True)
    return Values(
        {
            "z": z,
            "w": sympy.tanh(sympy.log(1 + sympy.exp(z))),
            "λ": sympy.Symbol("lambda", positive=True),
            "α_0": sympy.Symbol("alpha_0", positive=True),
            "s": sympy.Symbol("s", positive=True),
            "α": sympy.Symbol("alpha", positive=True),
            "σ": lambda z: 1 / (1 + sympy.exp(-z)),
            "Φ": lambda z: (1 + sympy.erf(z / sympy.sqrt(2))) / 2,
            "Φ'": lambda z: sympy.diff((1 + sympy.erf(z / sympy.sqrt(2))) / 2, z),
            "φ": lambda z: sympy.exp(-z * z / 2) / sympy.sqrt(2 * sympy.pi),
        }
    )


SECTIONS = re.findall("^## (.*)$", Path(__file__).with_suffix(".md").read_text(encoding="utf-8"), re.MULTILINE)
VALUES: dict[str, Callable[[], Iterator[Values]]] = {
    "Activations": any_of_them,
    **{section: partial(named, section.lower().replace(" ", "_")) for section in SECTIONS},
    "Mish": mish,
}
