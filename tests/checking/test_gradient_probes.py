"""Stale gradients, and gradients that only seem so."""

from typing import Any

import numpy as np
import pytest
from linear_code import PARAMS, X, Y, gradient, loss

from deltarule import check_gradient, check_object, check_vjp


class Kept:
    """Two layers whose way back takes what the way forward kept: at once, only once, or of the call before."""

    def __init__(self, how: str) -> None:
        generator = np.random.default_rng(2)
        self.W, self.V = generator.normal(size=(4, 5)), generator.normal(size=(5, 2))
        self.how, self.calls, self.mean = how, 0, np.zeros(5)
        self.h: Any = None

    def loss(self) -> Any:
        h = np.tanh(X @ self.W)
        self.error = h @ self.V - Y
        self.before = h if self.h is None else self.h
        self.h = self.h if self.how == "once" and self.h is not None else h
        self.calls += 1
        self.mean = 0.9 * self.mean + 0.1 * h.mean(axis=0)  # as batch norm keeps for later
        return (self.error**2).sum()

    def backward(self) -> list[Any]:
        h = self.before if self.how == "late" else self.h
        d = 2 * self.error
        self.dV, self.dW = h.T @ d, X.T @ (d @ self.V.T * (1 - h * h))
        return [self.dW, self.dV]


@pytest.mark.parametrize("called", [False, True], ids=["", "called before"])
@pytest.mark.parametrize(("how", "codes"), [("once", ["stale"]), ("late", ["stale"]), ("at once", [])])
def test_stale_backward_pass_is_found(how: str, codes: list[str], called: bool) -> None:
    net, script = Kept(how), Kept(how)
    if called:
        net.loss(), script.loss()
    for report in (
        check_object(net, params=["W", "V"], grads=["dW", "dV"], loss=net.loss, backward=net.backward),
        check_gradient(script.loss, script.backward, [script.W, script.V]),
    ):
        assert report.ok == (not codes) and [mistake.code for mistake in report.diagnosis] == codes


def test_constant_gradient_is_stale_unless_it_is_one_array() -> None:
    def loss_of(w: Any) -> Any:
        return ((X @ w - Y[:, 0]) ** 2).sum()

    kept: dict[str, Any] = {}
    w = np.array([0.5, -1.0, 2.0, 0.3])
    once = check_gradient(loss_of, lambda w: 2 * X.T @ (X @ kept.setdefault("w", w.copy()) - Y[:, 0]), w)
    assert str(once.diagnosis[0].sentence) == (
        "the gradient of w is right at these parameters and wrong near them, as one that uses values of an earlier "
        "call of the loss"
    )
    made = 2 * X.T @ (X @ w - Y[:, 0])
    assert check_gradient(loss_of, lambda w: made, w).ok


def test_values_set_by_the_first_call_are_not_stale() -> None:
    """A layer that centers by the first batch that it meets, as ActNorm does: Kingma & Dhariwal 2018."""

    class Centered:
        def __init__(self) -> None:
            self.W, self.mean = np.random.default_rng(4).normal(size=(4, 3)), None

        def loss(self) -> Any:
            h = X @ self.W
            self.mean = h.mean(axis=0) if self.mean is None else self.mean
            self.a = np.tanh(h - self.mean)
            return (self.a**2).sum()

        def backward(self) -> None:
            self.dW = X.T @ (2 * self.a * (1 - self.a**2))

    net = Centered()
    assert check_object(net, params=["W"], grads=["dW"], loss=net.loss, backward=net.backward).ok
    np.testing.assert_array_equal(net.mean, (X @ net.W).mean(axis=0))
    net = Centered()
    assert check_gradient(lambda _: net.loss(), lambda _: (net.backward(), net.dW)[1], net.W).ok
    np.testing.assert_array_equal(net.mean, (X @ net.W).mean(axis=0))
    seen: list[Any] = []
    check_vjp(lambda x: (seen.append(x.copy()), np.tanh(x))[1], lambda above: above * (1 - np.tanh(X) ** 2), X)
    np.testing.assert_array_equal(seen[0], X)


@pytest.mark.parametrize(
    ("spoiled", "code"),
    [
        (lambda W, b: (W / 2 / np.linalg.norm(W), b), "factor"),
        (lambda W, b: (W, 0 * b), "zero_gradient"),
        (lambda W, b: (2 * W, b), "factor_two"),
    ],
    ids=["clipped", "0 while the bias is 0", "twice while the bias is 0"],
)
def test_wrong_gradient_is_not_stale(spoiled: Any, code: str) -> None:
    p = {**PARAMS, "b": np.zeros_like(PARAMS["b"])}

    def slope(p: Any) -> Any:
        found = gradient(p)
        if not p["b"].any():
            found["W"], found["b"] = spoiled(found["W"], found["b"])
        return found

    assert [mistake.code for mistake in check_gradient(loss, slope, p).diagnosis] == [code]


def test_counted_masks_are_not_stale() -> None:
    """Each call of the loss counts, and draws the mask of its layer's number, whatever was called before."""
    net, masks = Kept("at once"), iter(range(10**9))

    def value(p: Any) -> Any:
        next(masks)
        kept["mask"] = np.random.default_rng(3).random(p.shape) < 0.5
        return ((kept["mask"] * p) ** 2).sum()

    kept: dict[str, Any] = {}
    assert check_gradient(value, lambda p: 2 * kept["mask"] * p, net.W).ok
