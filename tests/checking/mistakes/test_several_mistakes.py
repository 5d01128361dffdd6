"""Two mistakes at once: the first wrong layer on the way back is explained, and the rest is pointed at."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from deltarule import check_gradient

generator = np.random.default_rng(0)
X, Y = generator.normal(size=(7, 4)), np.eye(3)[generator.integers(0, 3, 7)]
SHAPES = {"W1": (4, 5), "b1": (5,), "W2": (5, 5), "b2": (5,), "W3": (5, 3), "b3": (3,)}
PARAMS = {name: generator.normal(size=shape) for name, shape in SHAPES.items()}
Change = Callable[[Any], Any]


def forward(p: dict[str, Any]) -> tuple[Any, Any, Any]:
    a1 = np.tanh(X @ p["W1"] + p["b1"])
    a2 = np.tanh(a1 @ p["W2"] + p["b2"])
    z = a2 @ p["W3"] + p["b3"]
    e = np.exp(z - z.max(axis=1, keepdims=True))
    return a1, a2, e / e.sum(axis=1, keepdims=True)


def loss(p: dict[str, Any]) -> Any:
    return -(Y * np.log(forward(p)[2])).sum() / len(X)


def tanh_slope(a: Any) -> Any:
    return 1 - a**2


def sigmoid_slope(a: Any) -> Any:
    return a * (1 - a)


def same(gradient: Any) -> Any:
    return gradient


def gradient_with(
    output: Change = same, last: Change = same, slope2: Change = tanh_slope, slope1: Change = tanh_slope
) -> Callable[[dict[str, Any]], dict[str, Any]]:
    def gradient(p: dict[str, Any]) -> dict[str, Any]:
        a1, a2, probabilities = forward(p)
        d3 = output((probabilities - Y) / len(X))
        d2 = (d3 @ p["W3"].T) * slope2(a2)
        d1 = (d2 @ p["W2"].T) * slope1(a1)
        gradients = {"W3": last(a2.T @ d3), "b3": d3.sum(0), "W2": a1.T @ d2, "b2": d2.sum(0)}
        return gradients | {"W1": X.T @ d1, "b1": d1.sum(0)}

    return gradient


@pytest.mark.slow
@pytest.mark.parametrize(
    ("changes", "code", "where", "rest"),
    [
        ({"last": lambda g: -g, "slope2": sigmoid_slope}, "sign", {"W3"}, "W1, b1, W2 and b2"),
        ({"slope2": sigmoid_slope, "slope1": lambda a: a}, "other_derivative", {"W2", "b2"}, "W1 and b1"),
        ({"output": lambda d: d / 2, "slope1": lambda a: a}, "factor_two", {"W3", "b3", "W2", "b2"}, "W1 and b1"),
    ],
)
def test_first_of_two_mistakes(changes: dict[str, Change], code: str, where: set[str], rest: str) -> None:
    report = check_gradient(loss, gradient_with(**changes), PARAMS)
    [mistake] = report.diagnosis
    assert (mistake.code, set(mistake.where)) == (code, where)
    assert f"there is more: another mistake in {rest}; correct this one first" in " ".join(report.notes)


@pytest.mark.slow
@pytest.mark.parametrize(("factor", "code"), [(7, "mean_missing"), (2, "factor_two"), (0.3, "factor"), (-1, "sign")])
@pytest.mark.parametrize("place", ["slope1", "slope2", "output"])
def test_factor_and_mistake_are_both_named(factor: float, code: str, place: str) -> None:
    """Beside a mistake at the output no array is a multiple of its right gradient."""
    changes: dict[str, Change] = {"output": lambda d: factor * d, place: sigmoid_slope}
    if place == "output":
        changes = {"output": lambda d: factor * (d + Y / len(X))}
    report = check_gradient(loss, gradient_with(**changes), PARAMS)
    named = [mistake.code for mistake in report.diagnosis]
    assert named == [code, "target_missing" if place == "output" else "other_derivative"]
    assert report.diagnosis[1].sentence.startswith("beside that, ")


@pytest.mark.parametrize("slope", [sigmoid_slope, lambda a: 1.0, lambda a: 1 - np.arctanh(a) ** 2])
def test_fix_is_that_of_the_activation(slope: Change) -> None:
    [mistake] = check_gradient(loss, gradient_with(slope1=slope), PARAMS).diagnosis
    assert mistake.fix.endswith("; of tanh it is 1 − a²")
