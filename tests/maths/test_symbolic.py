"""The formulas run on symbols: what comes out is their own formula, which SymPy holds against its derivative.

That proves them for all numbers at once, on each side of every branch. GELU is left to numbers: its erf is compiled.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import sympy as sp

from deltarule.maths.activations import ACTIVATIONS, SOFTMAX, TANH, Activation
from deltarule.maths.layers import (
    BATCH_NORM_EPSILON,
    DENSE,
    batch_norm,
    batch_norm_evaluation,
    dense,
    dropout,
    scaling,
)
from deltarule.maths.losses import LOSSES
from deltarule.maths.network import PlacedLayer, backward, forward
from deltarule.maths.objective import data_term, penalty_term
from deltarule.maths.penalties import PENALTIES


class Term:
    """A SymPy formula that NumPy computes with; where a branch is asked for, its sample number decides."""

    def __init__(self, formula: Any, number: float) -> None:
        self.formula, self.number = sp.sympify(formula), number

    def _with(self, other: Any, operation: Callable[[Any, Any], Any]) -> "Term":
        if isinstance(other, np.ndarray):
            return NotImplemented  # the array takes it entry by entry
        other = other if isinstance(other, Term) else Term(exact(other), float(other))
        return Term(operation(self.formula, other.formula), operation(self.number, other.number))

    def __add__(self, other: Any) -> "Term":
        return self._with(other, lambda a, b: a + b)

    def __sub__(self, other: Any) -> "Term":
        return self._with(other, lambda a, b: a - b)

    def __rsub__(self, other: Any) -> "Term":
        return self._with(other, lambda a, b: b - a)

    def __mul__(self, other: Any) -> "Term":
        return self._with(other, lambda a, b: a * b)

    def __truediv__(self, other: Any) -> "Term":
        return self._with(other, lambda a, b: a / b)

    def __rtruediv__(self, other: Any) -> "Term":
        return self._with(other, lambda a, b: b / a)

    def __pow__(self, power: int) -> "Term":
        return Term(self.formula**power, self.number**power)

    __radd__, __rmul__ = __add__, __mul__

    def __neg__(self) -> "Term":
        return Term(-self.formula, -self.number)

    def __gt__(self, other: Any) -> bool:
        return self.number > (other.number if isinstance(other, Term) else other)

    def __ge__(self, other: "Term") -> bool:
        return self.number >= other.number

    def exp(self) -> "Term":
        return Term(sp.exp(self.formula), np.exp(self.number))

    def expm1(self) -> "Term":
        return Term(sp.exp(self.formula) - 1, np.expm1(self.number))

    def log(self) -> "Term":
        return Term(sp.log(self.formula), np.log(self.number))

    def log1p(self) -> "Term":
        return Term(sp.log(1 + self.formula), np.log1p(self.number))

    def tanh(self) -> "Term":
        return Term(sp.tanh(self.formula), np.tanh(self.number))

    def sqrt(self) -> "Term":
        return Term(sp.sqrt(self.formula), np.sqrt(self.number))


def exact(number: Any) -> Any:
    """A number of a formula as a fraction: 0.5 is ½, and 1e-5 is a 100,000th."""
    return sp.Rational(str(number))


def symbols(name: str, numbers: Any) -> np.ndarray:
    """An array of symbols with sample numbers."""
    samples = np.asarray(numbers, float)
    array = np.empty(samples.shape, object)
    for place in np.ndindex(*samples.shape):
        symbol = sp.Symbol(f"{name}{''.join(map(str, place))}", real=True)
        array[place] = Term(symbol, float(samples[place]))
    return array


def formula(array: Any) -> Any:
    """The one formula of an array with one entry."""
    (term,) = np.asarray(array, object).ravel()
    return term.formula if isinstance(term, Term) else exact(term)


def assert_same(found: Any, expected: Any) -> None:
    """Two formulas are equal: SymPy brings their difference to 0, or it is so to 50 digits at random points."""
    difference = found - expected
    if sp.simplify(difference) == 0:
        return
    random = np.random.default_rng(0)
    for _ in range(5):
        point = {s: sp.Rational(int(random.integers(50, 150)), 100) for s in sorted(difference.free_symbols, key=str)}
        assert abs(difference.subs(point).evalf(60)) < sp.Float(10) ** -50, sp.simplify(difference)


def assert_gradients(J: Any, found: np.ndarray, variables: np.ndarray) -> None:
    """Each found formula is the derivative of J by its variable."""
    assert found.shape == variables.shape
    for place in np.ndindex(*variables.shape):
        assert_same(formula(found[place]), sp.diff(J, formula(variables[place])))


# --- elementwise formulas, on each side of their branches

Z = sp.Symbol("z", real=True)
# GELU's erf is compiled, softmax is below; above 0 ELU and SELU take an exponential of the plain number 0.
NOT_BY_SYMBOLS = {("gelu", 2.5), ("gelu", -2.5), ("softmax", 2.5), ("softmax", -2.5), ("elu", 2.5), ("selu", 2.5)}
SIDES_OF_Z = [
    (activation, sample)
    for activation in ACTIVATIONS.values()
    for sample in (2.5, -2.5)
    if (activation.name, sample) not in NOT_BY_SYMBOLS
]


@pytest.mark.sampled(4)
@pytest.mark.parametrize(("activation", "sample"), SIDES_OF_Z, ids=lambda value: getattr(value, "name", value))
def test_activations(activation: Activation, sample: float) -> None:
    """What each is, its page says, whose formulas are held against the code: here its slope is that of the code."""
    parameters = {key: Term(sp.Symbol(key, positive=True), 0.7) for key in activation.parameters}
    z = np.array([Term(Z, sample)], object)
    a = activation.function(z, **parameters)
    assert_same(formula(activation.derivative(z, a, **parameters)), sp.diff(formula(a), Z))


P, Y = sp.symbols("p y", real=True)
ONE_SIDE: dict[str, Callable[..., Any]] = {
    "squared_error": lambda p, y: (p - y) ** 2,
    "half_squared_error": lambda p, y: (p - y) ** 2 / 2,
    "poisson": lambda p, y: p - y + y * (sp.log(y) - sp.log(p)),
    "binary_cross_entropy": lambda p, y: -y * sp.log(p) - (1 - y) * sp.log(1 - p),
    "cross_entropy": lambda p, y: -y * sp.log(p),
    "naive_binary_cross_entropy": lambda p, y, epsilon: -y * sp.log(p) - (1 - y) * sp.log(1 - p),
}
BY_SIDE: dict[str, tuple[Callable[..., Any], ...]] = {  # p above y, p below y, and for Huber farther than δ
    "absolute_error": (lambda p, y: p - y, lambda p, y: y - p),
    "quantile": (lambda p, y, quantile: (1 - quantile) * (p - y), lambda p, y, quantile: quantile * (y - p)),
    "huber": (
        lambda p, y, delta: (p - y) ** 2 / 2,
        lambda p, y, delta: (p - y) ** 2 / 2,
        lambda p, y, delta: delta * (p - y - delta / 2),
        lambda p, y, delta: delta * (y - p - delta / 2),
    ),
}
SIDES = [(0.6, 0.4), (0.3, 0.5), (3.0, 0.5), (0.5, 3.0)]
CASES = [(name, value, SIDES[0]) for name, value in ONE_SIDE.items()]
CASES += [(name, value, side) for name, values in BY_SIDE.items() for value, side in zip(values, SIDES, strict=False)]


def test_every_loss_is_here() -> None:
    assert {name for name, _, _ in CASES} == set(LOSSES)


@pytest.mark.parametrize(("name", "expected", "side"), CASES, ids=lambda value: str(value) if value in LOSSES else "")
def test_losses(name: str, expected: Callable[..., Any], side: tuple[float, float]) -> None:
    loss = LOSSES[name]
    parameters = {key: Term(sp.Symbol(key, positive=True), 0.7) for key in loss.parameters}
    p, y = np.array([Term(P, side[0])], object), np.array([Term(Y, side[1])], object)
    value = formula(loss.value(p, y, **parameters))
    assert_same(value, expected(P, Y, **{key: term.formula for key, term in parameters.items()}))
    slope = formula(loss.derivative(p, y, **parameters))
    if loss.exact:
        assert_same(slope, sp.diff(value, P))
    else:  # the published slope is that of another function, and of this one where ε is 0
        epsilon = parameters["epsilon"].formula
        assert_same(slope, sp.diff(-Y * sp.log(P + epsilon) - (1 - Y) * sp.log(1 - P + epsilon), P))
        assert_same(slope.subs(epsilon, 0), sp.diff(value, P))
        assert sp.simplify(slope - sp.diff(value, P)) != 0


FUSED = [(loss.name, output) for loss in LOSSES.values() for output in loss.fused]


@pytest.mark.slow
@pytest.mark.parametrize(("name", "output"), FUSED)
@pytest.mark.parametrize("sample", [0.8, -0.8])
def test_losses_from_logits(name: str, output: str, sample: float) -> None:
    """The fused form is the loss of the activation, and its slope that of the sum over the outputs."""
    loss, units = LOSSES[name], 3 if output == "softmax" else 1
    z, y = symbols("z", np.arange(units) + sample), symbols("y", np.linspace(0.2, 0.5, units))
    total = sum(term.formula for term in y)
    predicted = ACTIVATIONS[output].function(z)
    fused = loss.fused[output].value(z, y)
    for unit in range(units):
        assert_same(formula(fused[unit]), formula(loss.value(predicted[[unit]], y[[unit]])))
    J = sum(term.formula for term in fused)
    found = loss.fused[output].derivative(z, y)
    assert_gradients(J, found, z)
    for unit in range(units):  # predicted minus target, where the targets of a sample sum to 1
        target = formula(y[unit])
        expected = formula(predicted[unit]) * (total if output == "softmax" else 1) - target
        assert_same(formula(found[unit]), expected)


@pytest.mark.parametrize("sample", [1.5, -1.5], ids=["w > 0", "w < 0"])
@pytest.mark.parametrize("name", PENALTIES)
def test_penalties(name: str, sample: float) -> None:
    theta, penalty = symbols("w", [[sample, 2.0]]), PENALTIES[name]
    strength, samples = Term(sp.Symbol("lambda"), 0.1), Term(sp.Symbol("N", positive=True), 7.0)
    chosen = np.array([1, 0])
    J, found = penalty_term(penalty, np.array([[strength]]), theta, chosen, np.array([[samples]]))
    W = formula(theta[0, 0])
    expected = {"l2": W**2, "weight_decay": W**2 / 2, "l1": W if sample > 0 else -W}[name.removesuffix("_per_sample")]
    scale = strength.formula / samples.formula if penalty.per_sample else strength.formula
    assert_same(formula(J), scale * expected)
    assert_gradients(formula(J), found(), theta)


# --- layers: for any upstream gradient, the product of it and the Jacobian


def weighted(upstream: np.ndarray, output: np.ndarray) -> Any:
    """Σ upstream · output: its gradient is the vector-Jacobian product."""
    return sum(term.formula for term in (upstream * output).ravel())


@pytest.mark.slow
def test_softmax_has_the_full_jacobian() -> None:
    z, da = symbols("z", [0.2, 1.1, -0.4]), symbols("d", [0.5, -1.0, 0.3])
    a, back = SOFTMAX.forward(z)
    exponentials = [sp.exp(term.formula) for term in z]
    for unit in range(3):
        assert_same(formula(a[unit]), exponentials[unit] / sum(exponentials))
    assert_gradients(weighted(da, a), back(da), z)


def test_dense() -> None:
    x, W, b = symbols("x", np.ones((2, 3))), symbols("W", np.ones((3, 2))), symbols("b", np.ones((1, 2)))
    z, back = dense(x, W, b)
    upstream = symbols("d", np.ones((2, 2)))
    for found, variables in zip(back(upstream), (x, W, b), strict=True):
        assert_gradients(weighted(upstream, z), found, variables)


def test_scaling() -> None:
    x, s = symbols("x", np.ones((2, 3))), symbols("s", np.ones((1, 3)))
    u, back = scaling(x, s)
    upstream = symbols("d", np.ones((2, 3)))
    for found, variables in zip(back(upstream), (x, s), strict=True):
        assert_gradients(weighted(upstream, u), found, variables)


def test_dropout() -> None:
    a, upstream = symbols("a", np.ones((2, 2))), symbols("d", np.ones((2, 2)))
    keep, rate = np.array([[1, 0], [1, 1]]), np.array([[Term(sp.Symbol("r", positive=True), 0.3)]])
    dropped, back = dropout(a, keep, rate)
    assert formula(dropped[0, 1]) == 0
    assert_gradients(weighted(upstream, dropped), back(upstream), a)


@pytest.mark.slow
def test_batch_norm_of_rows_that_weigh_differently() -> None:
    z, upstream = symbols("z", [[0.1], [0.9], [0.4]]), symbols("d", [[1.0], [-2.0], [0.5]])
    gamma, beta = symbols("g", [[1.2]]), symbols("h", [[0.3]])
    share = np.array([[exact("0.5")], [exact("0.25")], [exact("0.25")]])
    n, back, mean, variance = batch_norm(z, gamma, beta, share, BATCH_NORM_EPSILON)
    plain = [term.formula for term in z.ravel()]
    mu = plain[0] / 2 + plain[1] / 4 + plain[2] / 4
    assert_same(formula(mean), mu)
    assert_same(formula(variance), (plain[0] - mu) ** 2 / 2 + (plain[1] - mu) ** 2 / 4 + (plain[2] - mu) ** 2 / 4)
    for found, variables in zip(back(upstream), (z, gamma, beta), strict=True):
        assert_gradients(weighted(upstream, n), found, variables)


def test_batch_norm_in_evaluation() -> None:
    z, upstream = symbols("z", [[0.1, 0.3]]), symbols("d", [[1.0, -2.0]])
    gamma, beta = symbols("g", [[1.2, 0.8]]), symbols("h", [[0.3, 0.1]])
    mean, variance = symbols("m", [[0.2, 0.1]]), symbols("v", [[1.0, 2.0]])
    n, back = batch_norm_evaluation(z, gamma, beta, mean, variance, BATCH_NORM_EPSILON)
    for found, variables in zip(back(upstream), (z, gamma, beta), strict=True):
        assert_gradients(weighted(upstream, n), found, variables)


@pytest.mark.slow
def test_a_whole_network() -> None:
    """Two layers, tanh, cross-entropy behind a sigmoid, two weighted samples: the chain rule from the loss to W1."""
    layers = [PlacedLayer(DENSE, 1, 2, 2), PlacedLayer(TANH, 1, 2, 2), PlacedLayer(DENSE, 2, 2, 1)]
    random = np.random.default_rng(0)
    parameters = {
        name: symbols(name, random.normal(size=shape))
        for name, shape in (("W1", (2, 2)), ("b1", (1, 2)), ("W2", (2, 1)), ("b2", (1, 1)))
    }
    x, y, w = symbols("x", [[0.3, -1.0], [2.0, 0.7]]), symbols("y", [[0.1], [0.8]]), symbols("w", [[1.0], [2.0]])
    tape, _ = forward(layers, parameters, x, {})
    J, gradient = data_term(
        LOSSES["binary_cross_entropy"], "mean_samples", ACTIVATIONS["sigmoid"], tape[-1].value, y, w
    )
    found = backward(tape, gradient())
    for name, variables in parameters.items():
        assert_gradients(formula(J), found[name], variables)
