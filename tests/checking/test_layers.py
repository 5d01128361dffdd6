"""Backward passes of layers."""

from functools import wraps
from typing import Any

import numpy as np
import pytest
import torch
from linear_code import PARAMS, X

from deltarule import check_vjp


@pytest.mark.slow
def test_messages_about_layers_do_not_mention_a_loss() -> None:
    counts = {"calls": 0.0}

    def count(x: Any) -> Any:
        counts["calls"] += 1
        return x * counts["calls"]

    random = check_vjp(count, lambda g: g, X)
    constant = check_vjp(lambda x: np.ones(3), lambda g: 0 * X, X)
    unused = check_vjp(lambda x, w: x**2, lambda g: (2 * X * g, 0 * X[0]), (X, X[0]))
    near = np.array([[1e-12, 1.0]])
    edge = check_vjp(lambda x: 2 * np.sqrt(x), lambda g: g / np.sqrt(near), near)
    for report in (random, constant, unused, edge):
        assert "loss" not in str(report), str(report)
    assert random.vacuous == (
        "the output of forward changes between calls with the same input: it draws numbers or keeps state; set the "
        "seed inside, or what it keeps, so that each call gives the same"
    )
    assert constant.vacuous == ("the output of forward is constant: it does not change, however far the input is moved")
    assert any(note == "the output of forward does not depend on w at all" for note in unused.notes)


@pytest.mark.slow
def test_layer_with_several_inputs_is_checked() -> None:
    def affine(x: Any, w: Any, b: Any) -> Any:
        return x @ w + b, (x, w)

    def back(upstream: Any, cache: Any) -> Any:
        x, w = cache
        return upstream @ w.T, x.T @ upstream, upstream.sum(axis=0)

    given = (X, PARAMS["W"], PARAMS["b"])
    report = check_vjp(affine, back, given)
    assert report.ok and report.entries == 32 + 8 + 2

    def wrong(upstream: Any, cache: Any) -> Any:
        return upstream @ cache[1].T, cache[0].T @ upstream, upstream.mean(axis=0)

    report = check_vjp(affine, wrong, given)
    assert not report.ok and report.worst is not None and report.worst.name == "b"
    assert report.diagnosis[0].where == ("b",)


@pytest.mark.parametrize(
    ("forward", "backward"),
    [
        (lambda x: [np.tanh(row) for row in x], lambda g: g * (1 - np.tanh(X) ** 2)),
        (lambda x: np.tanh(x).tolist(), lambda g: (g * (1 - np.tanh(X) ** 2)).tolist()),
        (lambda x: [np.tanh(x), lambda g: g * (1 - np.tanh(X) ** 2)], None),
        (lambda x: torch.tanh(torch.tensor(x)), lambda g: torch.tensor(g) * (1 - torch.tanh(torch.tensor(X)) ** 2)),
        (lambda x: with_autograd(x), None),
        (lambda x: (np.tanh(x), x), lambda g, cache: g / np.cosh(cache) ** 2),
    ],
)
def test_layer_may_return_lists_and_tensors(forward: Any, backward: Any) -> None:
    report = check_vjp(forward, backward, X)
    assert report.ok and report.compared == X.size
    if backward:
        wrong = check_vjp(forward, wraps(backward)(lambda *given: 2 * np.asarray(backward(*given))), X)
        assert [mistake.code for mistake in wrong.diagnosis] == ["factor_two"]


def with_autograd(x: Any) -> Any:
    given = torch.tensor(x, requires_grad=True)
    made = torch.tanh(given)
    return made, lambda g: torch.autograd.grad(made, given, torch.tensor(g))[0]


def batch_norm(x: Any, gamma: Any, beta: Any) -> Any:
    centered = x - x.mean(0)
    inverse = 1 / np.sqrt((centered**2).mean(0) + 1e-5)
    return gamma * centered * inverse + beta, (centered * inverse, inverse, gamma)


def batch_norm_back(upstream: Any, cache: Any, where: str = "everywhere") -> Any:
    """The way back, with γ everywhere, nowhere, or in the second term alone."""
    normal, inverse, gamma = cache
    first, second = (gamma if where in ("everywhere", only) else 1.0 for only in ("first", "second"))
    rest = (first * upstream).mean(0) + normal * (second * upstream * normal).mean(0)
    dx = inverse * (first * upstream - rest)
    return dx, (upstream * normal).sum(0), upstream.sum(0)


@pytest.mark.slow
@pytest.mark.parametrize("where", ["everywhere", "nowhere", "second"])
def test_constant_gamma_hides_no_mistake(where: str) -> None:
    def back(upstream: Any, cache: Any) -> Any:
        return batch_norm_back(upstream, cache, where)

    ones, zeros = np.ones(X.shape[1]), np.zeros(X.shape[1])
    report = check_vjp(batch_norm, back, (X, ones, zeros))
    assert report.ok == (where == "everywhere")
    assert any("checked with other numbers too" in note for note in report.notes)
    assert not any("other numbers" in note for note in check_vjp(batch_norm, batch_norm_back, (X, X[0], X[1])).notes)


@pytest.mark.slow
def test_backward_pass_that_reads_gamma_from_outside_is_right() -> None:
    gamma, beta = np.ones(X.shape[1]), np.zeros(X.shape[1])
    kept = batch_norm(X, gamma, beta)[1]
    holder = {"gamma": gamma}
    ways: list[Any] = [
        lambda upstream, cache: batch_norm_back(upstream, (*cache[:2], gamma)),
        lambda upstream, cache: batch_norm_back(upstream, (*cache[:2], holder["gamma"])),
        lambda upstream: batch_norm_back(upstream, kept),
    ]
    for back in ways:
        assert check_vjp(batch_norm, back, (X, gamma, beta)).ok


class KeepsInputs:
    """A layer that adds each input to a list, of which its backward pass takes the first ones."""

    def __init__(self, factor: float) -> None:
        self.inputs: list[Any] = []
        self.factor = factor

    def forward(self, x: Any) -> Any:
        self.inputs.append(x)
        return np.tanh(x)

    def backward(self, upstream: Any) -> Any:
        for x in self.inputs[:1]:
            upstream *= self.factor * (1 - np.tanh(x) ** 2)
        return upstream


@pytest.mark.parametrize("factor", [1.0, 2.0])
def test_layer_that_keeps_its_inputs_and_changes_upstream_in_place_is_judged(factor: float) -> None:
    layer = KeepsInputs(factor)
    for forward in (layer.forward, lambda x: layer.forward(x)):
        assert check_vjp(forward, layer.backward, X).ok == (factor == 1.0)
        assert not layer.inputs
