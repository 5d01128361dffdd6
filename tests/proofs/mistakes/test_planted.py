"""Mistakes at the end of a network that students make in two ways: in the loss, and in the gradient."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deltarule import BadInput, Network, check_gradient
from deltarule.proofs.own_code.report import CodeReport

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


@settings(max_examples=20, deadline=None)
@given(st.floats(-8, -3).map(lambda exponent: 10**exponent))
def test_an_epsilon_in_the_loss_alone_is_named_with_its_size(epsilon: float) -> None:
    report = checked(lambda p: cross_entropy(p, epsilon), lambda p: (p - Y) / N)
    assert not report.ok and codes(report) == ["epsilon"]
    assert f"the loss adds {epsilon:.3g} to predictions" in report.diagnosis[0].sentence


def test_an_epsilon_in_both_is_right_and_one_too_small_to_be_seen_too() -> None:
    def through(p: Any) -> Any:
        dp = -Y / (p + 1e-3) / N
        return p * (dp - (p * dp).sum(1, keepdims=True))

    assert checked(lambda p: cross_entropy(p, 1e-3), through).ok
    assert checked(lambda p: cross_entropy(p, 1e-15), lambda p: (p - Y) / N).ok
    alone = checked(cross_entropy, through)
    assert codes(alone) == ["epsilon"] and "predictions plus 0.001" in alone.diagnosis[0].sentence


@pytest.mark.parametrize("epsilon", [1e-7, 1e-3])
def test_an_epsilon_in_the_loss_alone_behind_a_sigmoid(epsilon: float) -> None:
    def loss(p: Any) -> Any:
        return -(Y * np.log(p + epsilon) + (1 - Y) * np.log(1 - p + epsilon)).mean()

    like = {**LIKE, "like": Network([D, H, C], "tanh", "sigmoid")}
    report = checked(loss, lambda p: (p - Y) / Y.size, like, lambda z: 1 / (1 + np.exp(-z)))
    assert codes(report) == ["epsilon"] and report.diagnosis[0].where == ("loss",)


def test_other_losses_have_no_epsilon() -> None:
    """The gradient of cross-entropy, and a loss that is not it: label smoothing, and a base of 2."""
    smooth = 0.9 * Y + 0.1 / C
    assert codes(checked(lambda p: -(smooth * np.log(p)).sum() / N, lambda p: (p - Y) / N)) == ["loss_wrong"]
    assert "epsilon" not in codes(checked(lambda p: cross_entropy(p) / np.log(2), lambda p: (p - Y) / N))


def test_a_softmax_over_the_samples_is_named_in_the_loss() -> None:
    alike = checked(cross_entropy, lambda q: (q - Y) / N, output=lambda z: over(z, 0))
    assert codes(alike) == ["wrong_axis"] and alike.diagnosis[0].where == ("loss",)
    # Samples as columns: axis 0 is that of the outputs, and right.

    def columns(W1: Any, b1: Any, W2: Any, b2: Any) -> Any:
        a = np.tanh(W1 @ X.T + b1)
        p = over(W2 @ a + b2, 0)
        d2 = (p - Y.T) / N
        d1 = (W2.T @ d2) * (1 - a**2)
        sums = (d1.sum(1, keepdims=True), d2.sum(1, keepdims=True))
        return -(Y.T * np.log(p)).sum() / N, (d1 @ X, sums[0], d2 @ a.T, sums[1])

    params = (W1.T.copy(), B1[:, None], W2.T.copy(), B2[:, None])
    assert check_gradient(columns, None, params, **{**LIKE, "x": X.T, "y": Y.T}).ok


def test_softmax_times_its_elementwise_derivative_is_twice() -> None:
    report = checked(cross_entropy, lambda p: (p - Y) * p * (1 - p) / N)
    assert codes(report) == ["derivative_twice"]


def folded(V1: Any, V2: Any) -> Any:
    x = np.c_[X, np.ones(N)]
    a = np.c_[np.tanh(x @ V1), np.ones(N)]
    p = over(a @ V2, 1)
    d = (p - Y) / N
    return cross_entropy(p), (x.T @ ((d @ V2[:-1].T) * (1 - a[:, :-1] ** 2)), a.T @ d)


def unrolled(w: Any) -> Any:
    ends = np.cumsum([W1.size, B1.size, W2.size])
    V1, c1, V2, c2 = np.split(w, ends)
    loss, (d1, d2) = folded(np.concatenate([V1.reshape(D, H), c1[None]]), np.concatenate([V2.reshape(H, C), c2[None]]))
    return loss, np.concatenate([d1.ravel(), d2.ravel()])


@pytest.mark.parametrize(
    ("function", "params"),
    [
        (folded, (np.r_[W1, B1[None]], np.r_[W2, B2[None]])),
        (unrolled, np.concatenate([one.ravel() for one in (W1, B1, W2, B2)])),
    ],
)
def test_arrays_in_another_form_are_checked_without_the_network(function: Part, params: Any) -> None:
    report = check_gradient(function, None, params, **LIKE)
    assert report.ok and any("checked without `like`" in note and "W1 (3, 5)" in note for note in report.notes)

    def doubled(*given: Any) -> Any:
        loss, found = function(*given)
        return loss, [2 * one for one in found] if isinstance(found, tuple) else 2 * found

    assert codes(check_gradient(doubled, None, params, **LIKE)) == ["factor_two"]
    with pytest.raises(BadInput, match="but the network has"):
        check_gradient(function, None, params, **{**LIKE, "like": Network([D, H + 1, C], "tanh", "softmax")})
