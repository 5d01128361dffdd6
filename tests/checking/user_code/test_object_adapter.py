"""Networks that are objects with attributes."""

import copy
from typing import Any

import numpy as np
import pytest
import torch
from linear_code import PARAMS, X, Y, gradient, loss

from deltarule import check_gradient, check_object


def test_object_is_restored_after_the_check() -> None:
    class Net:
        def __init__(self) -> None:
            self.params = {"W": PARAMS["W"].copy(), "b": PARAMS["b"].copy()}

        def loss(self) -> Any:
            self.grads = gradient(self.params)
            self.seen = self.params["W"].copy()
            return loss(self.params)

    net = Net()
    report = check_object(net, params=["params"], grads=["grads"], loss=net.loss)
    assert report.ok and report.entries == 10
    assert np.array_equal(net.params["W"], PARAMS["W"]) and np.array_equal(net.seen, PARAMS["W"])
    report = check_object(net, params=["params['W']"], grads=["grads['b']"], loss=net.loss)
    assert not report.ok


@pytest.mark.parametrize("wrong", [False, True])
def test_pytorch_module_is_checked_in_place(wrong: bool) -> None:
    x, y = torch.tensor(X), torch.tensor(Y)

    class Module(torch.nn.Module):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.line = torch.nn.Linear(4, 2, dtype=torch.float64)

        def loss(self) -> Any:
            self.error = self.line(x) - y
            return (self.error**2).sum()

        def backward(self) -> None:
            with torch.no_grad():
                self.dW, self.db = 2 * self.error.T @ x, (1 if wrong else 2) * self.error.sum(0)

    net = Module()
    before = net.line.weight.detach().clone()
    names = {"params": ["line.weight", "line.bias"], "grads": ["dW", "db"]}
    report = check_object(net, loss=net.loss, backward=net.backward, **names)
    assert [mistake.code for mistake in report.diagnosis] == ["factor_two"] * wrong and report.ok != wrong
    assert torch.equal(net.line.weight, before)


@pytest.mark.parametrize("path", ["b", "layers[0].b", "more['b']", "row[1]"])
def test_plain_numbers_of_an_object_are_parameters(path: str) -> None:
    class Layer:
        b = 0.25

    class Line:
        def __init__(self) -> None:
            self.w, self.b = np.array([0.5, -1.0]), 0.25
            self.layers, self.more, self.row = [Layer()], {"b": 0.25}, [1.0, 0.25]

        def bias(self) -> float:
            return {"b": self.b, "layers[0].b": self.layers[0].b, "more['b']": self.more["b"], "row[1]": self.row[1]}[
                path
            ]

        def loss(self, factor: float = 1.0) -> float:
            error = X @ self.w + self.bias() - Y
            self.dw, self.db = 2 * X.T @ error, factor * 2 * error.sum()
            return float((error**2).sum())

    X, Y = np.array([[1.0, 2.0], [3.0, 5.0], [0.0, 1.0]]), np.array([1.0, 2.0, 4.0])
    line = Line()
    assert check_object(line, params=["w", path], grads=["dw", "db"], loss=line.loss).ok
    assert line.bias() == 0.25
    report = check_object(line, params=["w", path], grads=["dw", "db"], loss=lambda: line.loss(-1.0))
    assert [array.verdict for array in report.arrays] == ["right", "wrong"]
    assert report.diagnosis[0].code == "sign"


@pytest.mark.parametrize("factor", [1.0, 2.0])
def test_nested_lists_of_numbers_are_parameters(factor: float) -> None:
    """As in networks without NumPy: a list of neurons, each a list of its weights, moved where it stands."""
    layers = {"hidden": [[0.1, 0.2], [0.3, -0.4]], "output": [0.5, -0.6]}
    before = copy.deepcopy(layers)

    def both() -> Any:
        h = [w[0] * 0.5 - w[1] for w in layers["hidden"]]
        o = layers["output"][0] * h[0] + layers["output"][1] * h[1]
        slopes = [2 * o * w for w in layers["output"]]
        return o**2, {"hidden": [[0.5 * s, -factor * s] for s in slopes], "output": [2 * o * one for one in h]}

    assert check_gradient(both, None, layers).ok == (factor == 1.0)
    assert layers == before
