"""What the letters on the page about losses stand for: each loss of `deltarule.maths` at many points."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np
import sympy
from blackboard import Values
from derivatives import gradient, jacobian, symbols

from deltarule.maths.activations import ACTIVATIONS, IDENTITY, SOFTMAX, softmax
from deltarule.maths.losses import (
    CROSS_ENTROPY,
    LOSSES,
    SQUARED_ERROR,
    smooth_labels,
)
from deltarule.maths.objective import data_term

POINTS = {"real": (-3.0, -0.6, 0.2, 0.9, 4.0), "positive": (0.3, 1.0, 4.0), "unit": (0.01, 0.3, 0.6, 0.97)}
TARGETS = {"real": (-1.1, 0.2, 3.3), "nonnegative": (0.5, 1.0, 3.0), "unit": (0.0, 0.3, 1.0)}
LETTERS = {"huber": {"δ": "delta"}, "quantile": {"q": "quantile"}}


def named(name: str) -> Iterator[Values]:
    """A loss of one output: ℓ and ∂ℓ/∂p from the code, then ∂ℓ/∂p from differences."""
    loss = LOSSES[name]
    numbers = {**loss.parameters, **({"quantile": 0.3} if name == "quantile" else {})}
    letters = {letter: numbers[parameter] for letter, parameter in LETTERS.get(name, {}).items()}
    for p in POINTS[loss.domain]:
        for y in TARGETS[loss.targets]:
            value = partial(loss.value, y=y, **numbers)
            slopes = [loss.derivative(p, y, **numbers)]
            if p - y not in loss.kinks:
                slopes.append(jacobian(value, p))
            for slope in slopes:
                yield Values({"p": p, "y": y, "ℓ": float(value(p)), "∂ℓ/∂p": float(slope), **letters})


def from_logits(name: str, output: str) -> Iterator[Values]:
    """A loss and the activation before it in one."""
    fused = LOSSES[name].fused[output]
    for z in (-20.0, -1.5, 0.3, 4.0):
        for y in TARGETS[LOSSES[name].targets]:
            p = ACTIVATIONS[output].function(z)
            for slope in (fused.derivative(z, y), jacobian(partial(fused.value, y=y), z)):
                yield Values({"z": z, "p": float(p), "y": y, "ℓ": float(fused.value(z, y)), "∂ℓ/∂z": float(slope)})


def cross_entropy() -> Iterator[Values]:
    """The cross-entropy of a row, by its predictions."""
    generator = np.random.default_rng(0)
    p, y = softmax(generator.normal(size=5)), generator.random(5)
    value = CROSS_ENTROPY.value(p, y).sum()
    for slope in (CROSS_ENTROPY.derivative(p, y), jacobian(lambda p: CROSS_ENTROPY.value(p, y).sum(), p)):
        yield Values({"p": p, "y": y, "ℓ": value, "∂ℓ/∂p": slope}, {"i": 5})


def cross_entropy_from_logits(sum_to_1: bool) -> Iterator[Values]:
    """The same by the logits: from the code, from differences, and on symbols."""
    generator = np.random.default_rng(1)
    z, y = generator.normal(size=5), generator.random(5)
    y = y / y.sum() if sum_to_1 else y
    each, backward = CROSS_ENTROPY.forward(SOFTMAX, z[None], y[None])
    slope = jacobian(lambda z: CROSS_ENTROPY.value(softmax(z), y).sum(), z)
    for found in (backward(np.ones((1, 1)))[0], slope):
        yield row(z, softmax(z), y, each.sum(), found)
    z, y = symbols("z", 3), symbols("y", 3)
    if sum_to_1:
        y[2] = 1 - y[0] - y[1]
    powers = np.array([sympy.exp(entry) for entry in z], object)
    loss = sum(entry * (sympy.log(powers.sum()) - logit) for entry, logit in zip(y, z, strict=True))
    yield row(z, powers / powers.sum(), y, loss, gradient(loss, z))


def row(z: Any, p: Any, y: Any, loss: Any, slope: Any) -> Values:
    """These arrays by the names of the page."""
    return Values({"z": z, "p": p, "y": y, "ℓ": loss, "∂ℓ/∂z": slope}, {"i": len(z), "j": len(z)})


def smoothed() -> Iterator[Values]:
    """The cross-entropy of smoothed targets that sum to 1: from the code, and from differences."""
    generator, s = np.random.default_rng(3), 0.15
    z, y = generator.normal(size=5), generator.random(5)
    y = y / y.sum()
    q = smooth_labels(CROSS_ENTROPY, y, s)
    each, backward = CROSS_ENTROPY.forward(SOFTMAX, z[None], q[None])
    slope = jacobian(lambda z: CROSS_ENTROPY.value(softmax(z), q).sum(), z)
    for found in (backward(np.ones((1, 1)))[0], slope):
        values = row(z, softmax(z), y, each.sum(), found)
        yield values.with_names(q=q, s=s, C=5)


def naive() -> Iterator[Values]:
    """The boundary report's loss, its own gradient g, and the derivative that it is not."""
    loss = LOSSES["naive_binary_cross_entropy"]
    for y in (0.0, 1.0):
        p = 0.3
        g, slope = loss.derivative(p, y, 1e-8), jacobian(lambda p: loss.value(p, y, 1e-8), p)  # noqa: B023
        yield Values({"p": p, "y": y, "ε": 1e-8, "ℓ": loss.value(p, y, 1e-8), "g": g, "∂ℓ/∂p": float(slope)})


def reduced(reduction: str) -> Iterator[Values]:
    """A batch of weighted samples, and its objective."""
    generator = np.random.default_rng(2)
    z, y, w = generator.normal(size=(6, 3)), generator.normal(size=(6, 3)), generator.random((6, 1))
    J, _ = data_term(SQUARED_ERROR, reduction, IDENTITY, z, y, w)
    yield Values({"J": J, "w": w[:, 0], "ℓ": SQUARED_ERROR.value(z, y), "C": 3}, {"n": 6, "i": 3})


def symbolic(section: str) -> Values:
    """Symbols for the letters of a section, for SymPy to differentiate."""
    z = sympy.Symbol("z", real=True)
    predictions = {
        "Poisson, from logits": sympy.exp(z),
        "Binary cross-entropy, from logits": 1 / (1 + sympy.exp(-z)),
    }
    positive = {letter: sympy.Symbol(letter, positive=True) for letter in "pyδq"}
    return Values({**positive, "z": z, "p": predictions.get(section, positive["p"])})


VALUES: dict[str, Callable[[], Iterator[Values]]] = {
    "sum": partial(reduced, "sum"),
    "mean_samples": partial(reduced, "mean_samples"),
    "mean_elements": partial(reduced, "mean_elements"),
    "Squared error": partial(named, "squared_error"),
    "Half squared error": partial(named, "half_squared_error"),
    "Absolute error": partial(named, "absolute_error"),
    "Huber": partial(named, "huber"),
    "Quantile": partial(named, "quantile"),
    "Poisson": partial(named, "poisson"),
    "Poisson, from logits": partial(from_logits, "poisson", "exponential"),
    "Binary cross-entropy": partial(named, "binary_cross_entropy"),
    "Binary cross-entropy, from logits": partial(from_logits, "binary_cross_entropy", "sigmoid"),
    "Cross-entropy": cross_entropy,
    "Cross-entropy, from logits": partial(cross_entropy_from_logits, sum_to_1=False),
    "Cross-entropy, targets that sum to 1": partial(cross_entropy_from_logits, sum_to_1=True),
    "Label smoothing": smoothed,
    "Naive binary cross-entropy": naive,
}
