"""What the letters on the page about the chain rule stand for: nodes in front of an arbitrary smooth objective."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from blackboard import Values
from derivatives import jacobian


def node(function: Callable[[Any, Any], Any], x: float, y: float) -> Values:
    """A node of two numbers, and an objective behind it; every derivative is taken without a formula."""

    def objective(z: Any) -> Any:
        return np.sin(z) + z * z

    z = function(x, y)
    return Values(
        {
            "x": x,
            "y": y,
            "z": z,
            "∂J/∂z": jacobian(objective, z),
            "∂J/∂x": jacobian(lambda x: objective(function(x, y)), x),
            "∂J/∂y": jacobian(lambda y: objective(function(x, y)), y),
            "∂z/∂x": jacobian(lambda x: function(x, y), x),
            "∂z/∂y": jacobian(lambda y: function(x, y), y),
        }
    )


def any_nodes() -> Iterator[Values]:
    """Nodes of several kinds."""
    for function in (lambda x, y: x * y, lambda x, y: x + y, lambda x, y: np.exp(x) / (1 + y * y)):
        yield node(function, 0.7, -1.3)


def numbers() -> Iterator[Values]:
    """The example, z = x y with an upstream derivative of 0.5."""
    yield Values({"∂J/∂x": jacobian(lambda x: 0.5 * x * -2.0, 3.0), "∂J/∂y": jacobian(lambda y: 0.5 * 3.0 * y, -2.0)})


def sums() -> Iterator[Values]:
    """z = x + y"""
    yield node(lambda x, y: x + y, 0.7, -1.3)


def products() -> Iterator[Values]:
    """z = x y"""
    yield node(lambda x, y: x * y, 0.7, -1.3)


def functions() -> Iterator[Values]:
    """z = tanh x"""
    values = node(lambda x, y: np.tanh(x), 0.7, 0.0)
    yield values.with_names(f=np.tanh, **{"f'": lambda x: 1 / np.cosh(x) ** 2})


def outputs_of(n: int) -> Values:
    """A node of n numbers with 4 outputs."""
    generator = np.random.default_rng(n)
    A, x = generator.normal(size=(4, n)), generator.normal(size=n)

    def function(x: Any) -> Any:
        return np.tanh(A @ x)

    def objective(z: Any) -> Any:
        return (z * z * z).sum()

    derivatives = {
        "∂J/∂z": jacobian(objective, function(x)),
        "∂J/∂x": jacobian(lambda x: objective(function(x)), x),
        "∂z/∂x": jacobian(function, x),
    }
    return Values(derivatives, {"i": n, "k": 4})


def used_often() -> Iterator[Values]:
    """Several outputs of one number."""
    values = outputs_of(1)
    yield Values({name: np.squeeze(array) for name, array in values.names.items()}, values.ranges)


def many() -> Iterator[Values]:
    """Several outputs of several numbers."""
    yield outputs_of(3)


VALUES = {
    "One node": any_nodes,
    "With numbers": numbers,
    "A sum": sums,
    "A product": products,
    "A function": functions,
    "A value that is used more than once": used_often,
    "Many inputs and outputs": many,
}
