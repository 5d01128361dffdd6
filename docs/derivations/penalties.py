"""What the letters on the page about penalties stand for."""

from collections.abc import Callable, Iterator
from functools import partial

import numpy as np
import sympy
from blackboard import Values
from derivatives import jacobian

from deltarule.maths.objective import penalty_term
from deltarule.maths.optimizers import sgd
from deltarule.maths.penalties import PENALTIES

STRENGTH, SAMPLES = 0.3, 7.0


def objective(name: str) -> Iterator[Values]:
    """An objective with a penalty, and its gradient from the code and by the complex step."""
    w, penalty, pull = np.array([0.4, -1.5, 2.0]), PENALTIES[name], np.array([1.0, -0.2, 0.5])
    value, slope = penalty_term(penalty, STRENGTH, w, np.ones(3), SAMPLES)
    J = (pull * w).sum()
    for gradient in (pull + slope(), jacobian(lambda w: penalized(name, pull, w), w)):
        yield Values(
            {
                "J": J,
                "tilde J": J + value,
                "w": w,
                "v": penalty.value,
                "v'": penalty.derivative,
                "λ": STRENGTH,
                "N": SAMPLES,
                "∂J/∂w": pull,
                "∂tilde J/∂w": gradient,
            },
            {"k": 3},
        )


def penalized(name: str, pull: object, w: object) -> object:
    """J̃ of weights that may be complex, where J is pull · w."""
    return (pull * w).sum() + penalty_term(PENALTIES[name], STRENGTH, w, np.ones(3), SAMPLES)[0]


def named(name: str) -> Iterator[Values]:
    """What a weight costs, and its slope from the code and by the complex step."""
    penalty = PENALTIES[name]
    for w in (-2.0, 0.0, 0.7):
        for slope in [penalty.derivative(w)] + [jacobian(penalty.value, w)] * (w not in penalty.kinks):
            yield Values({"w": w, "v": float(penalty.value(w)), "∂v/∂w": float(slope)})


def squares() -> Iterator[Values]:
    """The same of the square, and a matrix with its norm."""
    W = np.random.default_rng(0).normal(size=(4, 3))
    for values in named("l2"):
        yield Values({**values.names, "W": W}, {"d": 4, "h": 3})


def step() -> Iterator[Values]:
    """One update of plain gradient descent."""
    w, g, rate = 1.7, -0.4, 0.1
    [after] = sgd(w, g + STRENGTH * PENALTIES["weight_decay"].derivative(w), rate)
    yield Values({"w": w, "∂J/∂w": g, "α": rate, "λ": STRENGTH}, after={"w": after})


def symbolic(section: str) -> Values:
    """Symbols for the letters of a section, for SymPy to differentiate."""
    return Values({"w": sympy.Symbol("w", real=True)})


VALUES: dict[str, Callable[[], Iterator[Values]]] = {
    "Penalties: L2 regularization, weight decay, L1": partial(objective, "l2"),
    "l2": squares,
    "weight_decay": partial(named, "weight_decay"),
    "One step of gradient descent with weight_decay": step,
    "l1": partial(named, "l1"),
    "Per sample": partial(objective, "l2_per_sample"),
}
