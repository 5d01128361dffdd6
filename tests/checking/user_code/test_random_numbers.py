"""Code that draws random numbers at each call, as dropout does."""

import random
from typing import Any

import numpy as np
import pytest
import torch
from linear_code import X, Y

from deltarule import check_gradient, check_object, check_vjp

W = np.random.default_rng(5).normal(size=(4, 2))


def of_global(shape: Any) -> Any:
    return np.random.binomial(1, 0.7, size=shape) / 0.7


def of_python(shape: Any) -> Any:
    return np.array([random.random() < 0.7 for _ in range(int(np.prod(shape)))]).reshape(shape) / 0.7


def of_torch(shape: Any) -> Any:
    return (torch.rand(tuple(shape)) < 0.7).double().numpy() / 0.7


class Dropout:
    """A dropout layer with its own generator; `how` says what its backward pass does."""

    def __init__(self, how: str = "right", draw: Any = None) -> None:
        self.how = how
        self.generator = np.random.default_rng(3)
        self.draw = draw or (lambda shape: (self.generator.random(shape) < 0.7) / 0.7)

    def forward(self, x: Any) -> Any:
        self.mask = self.draw(x.shape)
        return x * self.mask

    def backward(self, upstream: Any) -> Any:
        if self.how == "draws anew":
            return upstream * self.draw(upstream.shape)
        return upstream * (self.mask > 0 if self.how == "lacks 1 / keep" else self.mask)


@pytest.mark.parametrize("draw", [None, of_global, of_python, of_torch])
@pytest.mark.parametrize(
    ("how", "code"), [("right", ""), ("lacks 1 / keep", "dropout_mask"), ("draws anew", "random_gradient")]
)
def test_dropout_layer_is_judged_with_one_mask(draw: Any, how: str, code: str) -> None:
    layer = Dropout(how, draw)
    before = np.random.get_state()[1].copy(), random.getstate(), layer.generator.bit_generator.state
    report = check_vjp(layer.forward, layer.backward, X)
    assert report.verdict == ("WRONG" if code else "right")
    assert [mistake.code for mistake in report.diagnosis][:1] == [code] * bool(code)
    after = np.random.get_state()[1], random.getstate(), layer.generator.bit_generator.state
    assert np.array_equal(before[0], after[0]) and before[1:] == after[1:]


class Net:
    """A layer with dropout whose parameters are attributes."""

    def __init__(self, how: str) -> None:
        self.W, self.how = W.copy(), how

    def loss(self) -> Any:
        self.mask = of_global(Y.shape)
        self.error = (X @ self.W) * self.mask - Y
        return (self.error**2).sum() / 2

    def backward(self) -> Any:
        mask = of_global(Y.shape) if self.how == "draws anew" else self.mask
        self.dW = X.T @ (self.error * mask)
        return self.dW


@pytest.mark.parametrize(("how", "codes"), [("right", []), ("draws anew", ["random_gradient"])])
def test_loss_with_dropout_is_judged_with_one_mask(how: str, codes: list[str]) -> None:
    net, script = Net(how), Net(how)
    for report in (
        check_object(net, params=["W"], grads=["dW"], loss=net.loss, backward=net.backward),
        check_gradient(script.loss, script.backward, script.W),
    ):
        assert report.ok == (not codes) and [mistake.code for mistake in report.diagnosis] == codes


def loss_of(w: Any) -> Any:
    return (((X @ w) * of_global(Y.shape) - Y) ** 2).sum() / 2


@pytest.mark.parametrize(("draws", "verdict"), [(1, "right"), (2, "not proved")])
def test_gradient_with_a_forward_pass_of_its_own_needs_the_same_numbers(draws: int, verdict: str) -> None:
    def gradient(w: Any) -> Any:
        mask = [of_global(Y.shape) for _ in range(draws)][-1]
        return X.T @ (((X @ w) * mask - Y) * mask)

    report = check_gradient(loss_of, gradient, W)
    assert report.verdict == verdict
    assert verdict == "right" or "draw different numbers" in str(report.vacuous)
