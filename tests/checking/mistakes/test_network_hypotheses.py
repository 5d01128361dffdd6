"""Mistakes at the end of a network that students make in two ways: in the loss, and in the gradient."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lanes import examples

from deltarule import Network, check_gradient
from deltarule.checking.report import CodeReport

GENERATOR = np.random.default_rng(7)
N, D, H, C = 9, 3, 5, 4
X, LABELS = GENERATOR.normal(size=(N, D)), np.array([0, 1, 2, 3, 0, 1, 2, 3, 1])
Y = np.eye(C)[LABELS]
W1, B1, W2, B2 = (0.6 * GENERATOR.normal(size=shape) for shape in ((D, H), (H,), (H, C), (C,)))
LIKE = {"like": Network([D, H, C], "tanh", "softmax"), "x": X, "y": Y}
Part = Callable[..., Any]


def over(z: Any, axis: int) -> Any:
    e = np.exp(z)
    return e / e.sum(axis=axis, keepdims=True)


def cross_entropy(p: Any, epsilon: float = 0.0) -> Any:
    return -(Y * np.log(p + epsilon)).sum() / N


def checked(loss: Part, slope: Part, like: Any = LIKE, output: Part = lambda z: over(z, 1)) -> CodeReport:
    """A network of two layers, with a loss of its logits and the gradient by them."""

    def code(W1: Any, b1: Any, W2: Any, b2: Any) -> Any:
        a = np.tanh(X @ W1 + b1)
        z = a @ W2 + b2
        p = output(z)
        d2 = slope(p)
        d1 = (d2 @ W2.T) * (1 - a**2)
        return loss(p), (X.T @ d1, d1.sum(0), a.T @ d2, d2.sum(0))

    return check_gradient(code, None, [W1, B1, W2, B2], **like)


def codes(report: CodeReport) -> list[str]:
    return [mistake.code for mistake in report.diagnosis]


@settings(max_examples=examples(10), deadline=None)
@given(st.floats(-8, -3).map(lambda exponent: 10**exponent))
def test_gradient_is_right_but_for_epsilon_in_the_loss(epsilon: float) -> None:
    report = checked(lambda p: cross_entropy(p, epsilon), lambda p: (p - Y) / N)
    assert report.ok and not report.diagnosis
    assert any(f"right but for ε: the loss adds {epsilon:.3g} to predictions" in note for note in report.notes)
    for wrong in (lambda p: p - Y, lambda p: (p - Y) * p / N):
        assert checked(lambda p: cross_entropy(p, epsilon), wrong).verdict == "WRONG"
    first: list[Any] = []

    def stale(p: Any) -> Any:
        first.append(p)
        return (first[0] - Y) / N

    assert checked(lambda p: cross_entropy(p, epsilon), stale).verdict == "WRONG"


def test_epsilon_in_both_is_right() -> None:
    def through(p: Any) -> Any:
        dp = -Y / (p + 1e-3) / N
        return p * (dp - (p * dp).sum(1, keepdims=True))

    assert checked(lambda p: cross_entropy(p, 1e-3), through).ok
    assert checked(lambda p: cross_entropy(p, 1e-15), lambda p: (p - Y) / N).ok
    alone = checked(cross_entropy, through)
    assert codes(alone) == ["epsilon"] and "predictions plus 0.001" in alone.diagnosis[0].sentence


def test_other_losses_have_no_epsilon() -> None:
    """The gradient of cross-entropy, and a loss that is not it: label smoothing, and a base of 2."""
    smooth = 0.9 * Y + 0.1 / C
    assert codes(checked(lambda p: -(smooth * np.log(p)).sum() / N, lambda p: (p - Y) / N)) == ["loss_wrong"]
    assert "epsilon" not in codes(checked(lambda p: cross_entropy(p) / np.log(2), lambda p: (p - Y) / N))


def sigmoid(z: Any) -> Any:
    return 1 / (1 + np.exp(-z))


def squared(p: Any) -> Any:
    return ((p - Y) ** 2).sum() / N


def binary(p: Any) -> Any:
    return -(Y * np.log(p) + (1 - Y) * np.log(1 - p)).sum() / N


@pytest.mark.parametrize(
    ("loss", "slope", "expected"),
    [
        (squared, lambda p: 2 * (p - Y), ["derivative_missing", "loss_wrong"]),
        (squared, lambda p: p - Y, ["derivative_missing", "loss_wrong"]),
        (binary, lambda p: 2 * (p - Y) * p * (1 - p), ["derivative_twice", "loss_wrong"]),
        (binary, lambda p: (p - Y) * p * (1 - p), ["derivative_twice", "loss_wrong"]),
        # The part of a Poisson law's loss behind a sigmoid, which nobody means.
        (squared, lambda p: 2 * (p - Y) * (1 - p), ["derivative_missing"]),
        (squared, lambda p: 2 * (p - Y) * p, ["derivative_missing"]),
        (binary, lambda p: (p - Y) * (1 - p), ["derivative_twice"]),
        (binary, lambda p: (p - Y) * p, ["derivative_twice"]),
    ],
)
def test_other_loss_and_derivative_of_sigmoid_are_both_named(loss: Part, slope: Part, expected: list[str]) -> None:
    like = {**LIKE, "like": Network([D, H, C], "tanh", "sigmoid")}
    found = codes(checked(loss, lambda p: slope(p) / N, like, sigmoid))
    assert found[: len(expected)] == expected and ("loss_wrong" in found) == ("loss_wrong" in expected)
