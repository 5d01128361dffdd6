"""Stale gradients, and gradients that only seem so."""

from typing import Any

import numpy as np
import pytest
from linear_code import PARAMS, X, Y, gradient, loss

from deltarule import check_gradient, check_object


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


@pytest.mark.slow
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


def test_mistake_that_shows_nearby_alone_is_not_blamed_on_earlier_calls() -> None:
    w = np.array([1.0, 2.0])
    report = check_gradient(lambda w: (w**4).sum(), lambda w: 4 * np.where(w % 1 == 0, w**3, w**3 + np.sin(w)), w)
    assert [mistake.code for mistake in report.diagnosis] == ["stale"] and "earlier call" not in str(
        report.diagnosis[0].sentence
    )


@pytest.mark.slow
def test_constant_gradient_is_stale_unless_it_is_one_array() -> None:
    def loss_of(w: Any) -> Any:
        return ((X @ w - Y[:, 0]) ** 2).sum()

    kept: dict[str, Any] = {}
    w = np.array([0.5, -1.0, 2.0, 0.3])
    once = check_gradient(loss_of, lambda w: 2 * X.T @ (X @ kept.setdefault("w", w.copy()) - Y[:, 0]), w)
    assert str(once.diagnosis[0].sentence) == (
        "the gradient of w is right at these parameters and wrong near them: it uses values of an earlier call"
    )
    made = 2 * X.T @ (X @ w - Y[:, 0])
    assert check_gradient(loss_of, lambda w: made, w).ok


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
