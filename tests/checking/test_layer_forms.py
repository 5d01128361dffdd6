"""The forms in which strangers write layers, each right and with one mistake."""

from typing import Any

import numpy as np
import pytest
import torch
from linear_code import X

from deltarule import CodeReport, check_vjp

U = 3
GENERATOR = np.random.default_rng(8)
W, B = GENERATOR.normal(size=(4, U)), GENERATOR.normal(size=U)


def verdicts(report: CodeReport) -> dict[str, str]:
    return {array.name: array.verdict for array in report.arrays}


class Dense:
    """Parameters and gradients are attributes; `k` spoils the gradient of the weights."""

    def __init__(self, k: float = 1) -> None:
        self.W, self.b, self.k = W.copy(), B.copy(), k

    def forward(self, x: Any) -> Any:
        self.x = x
        return x @ self.W + self.b

    def backward(self, dout: Any) -> Any:
        self.dW, self.db = self.k * self.x.T @ dout, dout.sum(axis=0)
        return dout @ self.W.T


class Adds(Dense):
    """It adds to gradients that begin at 0."""

    def __init__(self, k: float = 1) -> None:
        super().__init__(k)
        self.dW, self.db = np.zeros_like(W), np.zeros_like(B)

    def backward(self, dout: Any) -> Any:
        self.dW += self.k * self.x.T @ dout
        self.db += dout.sum(axis=0)
        return dout @ self.W.T


class Dictionaries(Dense):
    def __init__(self, k: float = 1) -> None:
        self.params, self.grads, self.k = {"W": W.copy(), "b": B.copy()}, dict[str, Any](), k

    def forward(self, x: Any) -> Any:
        self.x = x
        return x @ self.params["W"] + self.params["b"]

    def backward(self, dout: Any) -> Any:
        self.grads["W"], self.grads["b"] = self.k * self.x.T @ dout, dout.sum(axis=0)
        return dout @ self.params["W"].T


class Parameter:
    def __init__(self, data: Any) -> None:
        self.data, self.grad = data, None


class WithParameters(Dense):
    def __init__(self, k: float = 1) -> None:
        self.W, self.b, self.k = Parameter(W.copy()), Parameter(B.copy()), k

    def forward(self, x: Any) -> Any:
        self.x = x
        return x @ self.W.data + self.b.data

    def backward(self, dout: Any) -> Any:
        self.W.grad, self.b.grad = self.k * self.x.T @ dout, dout.sum(axis=0)
        return dout @ self.W.data.T


class Returns(Dense):
    def backward(self, dout: Any) -> Any:
        return dout @ self.W.T, self.k * self.x.T @ dout, dout.sum(axis=0)


class ReturnsNothing(Dense):
    """As printed in "Neural Networks from Scratch"."""

    def __init__(self, k: float = 1) -> None:
        self.weights, self.biases, self.k = W.copy(), B.copy()[None], k

    def forward(self, inputs: Any) -> Any:
        self.inputs = inputs
        self.output = inputs @ self.weights + self.biases

    def backward(self, dvalues: Any) -> Any:
        self.dweights = self.k * self.inputs.T @ dvalues
        self.dbiases = dvalues.sum(axis=0, keepdims=True)
        self.dinputs = dvalues @ self.weights.T


class TakesInput(Dense):
    def backward(self, x: Any, grad_output: Any) -> Any:
        self.grad_W, self.grad_b = self.k * x.T @ grad_output, grad_output.sum(axis=0)
        return grad_output @ self.W.T


class UpdatesItself(Dense):
    """The backward pass moves the parameters."""

    def backward(self, output_gradient: Any, learning_rate: Any) -> Any:
        dx = output_gradient @ self.W.T
        self.W -= learning_rate * self.k * self.x.T @ output_gradient
        self.b -= learning_rate * output_gradient.sum(axis=0)
        return dx


FORMS = [Dense, Adds, Dictionaries, WithParameters, Returns, ReturnsNothing, TakesInput, UpdatesItself]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("k", [1, 3])
def test_arrays_that_a_layer_holds_are_checked(form: Any, k: int) -> None:
    layer = form(k)
    report = check_vjp(layer.forward, layer.backward, X)
    x, weights, bias = verdicts(report)
    assert verdicts(report) == {x: "right", weights: "right" if k == 1 else "wrong", bias: "right"}
    assert x in ("x", "inputs") and ("W" in weights or weights == "weights")
    held = layer.__dict__.get("params") or vars(layer)
    kept = held.get("W", held.get("weights"))
    assert np.array_equal(getattr(kept, "data", kept), W)


class Network:
    def __init__(self, *layers: Any) -> None:
        self.layers = list(layers)

    def forward(self, x: Any) -> Any:
        for layer in self.layers:
            x = layer.forward(x)
        return x

    def backward(self, d: Any) -> Any:
        for layer in reversed(self.layers):
            d = layer.backward(d)
        return d


@pytest.mark.parametrize("k", [1, 3])
def test_layers_within_a_network_are_checked(k: int) -> None:
    network = Network(Dense(k), Dictionaries())
    network.layers[1].params = {"W": GENERATOR.normal(size=(U, 2)), "b": GENERATOR.normal(size=2)}
    report = check_vjp(network.forward, network.backward, X)
    assert verdicts(report) == {
        "x": "right",
        "layers[0].W": "right" if k == 1 else "wrong",
        "layers[0].b": "right",
        "layers[1].params['W']": "right",
        "layers[1].params['b']": "right",
    }


def test_array_without_a_gradient_is_named() -> None:
    layer = Dense()
    report = check_vjp(layer.forward, lambda dout: dout @ layer.W.T, X)
    assert report.ok and verdicts(report) == {"x": "right"}
    assert any(note.startswith("W and b: forward reads this too") for note in report.notes)
    report = check_vjp(lambda x: x @ W, lambda g: g @ W.T, X)
    assert report.ok and any(note.startswith("W: forward reads this too") for note in report.notes)


def sigmoid(z: Any) -> Any:
    return 1 / (1 + np.exp(-z))


def cell(x: Any, prev_h: Any, prev_c: Any) -> Any:
    forget, new = sigmoid(x + prev_h), np.tanh(x - prev_h)
    next_c = forget * prev_c + (1 - forget) * new
    return np.tanh(next_c), next_c, (forget, new, prev_c, next_c)


def cell_back(dnext_h: Any, dnext_c: Any, cache: Any) -> Any:
    forget, new, prev_c, next_c = cache
    dc = dnext_c + dnext_h * (1 - np.tanh(next_c) ** 2)
    df, dn = dc * (prev_c - new) * forget * (1 - forget), dc * (1 - forget) * (1 - new**2)
    return df + dn, df - dn, dc * forget


@pytest.mark.slow
@pytest.mark.parametrize("share", [1.0, 0.0])
def test_layer_with_two_outputs_has_two_upstream_gradients(share: float) -> None:
    def back(dnext_h: Any, dnext_c: Any, cache: Any) -> Any:
        return cell_back(dnext_h, share * dnext_c, cache)

    def unclear(a: Any, b: Any, c: Any) -> Any:
        return cell_back(a, share * b, c)

    inputs = tuple(GENERATOR.normal(size=(3, 2)) for _ in range(3))
    assert check_vjp(cell, back, inputs).verdict == ("right" if share else "WRONG")
    assert check_vjp(cell, unclear, inputs).verdict == ("right" if share else "not proved")


@pytest.mark.slow
@pytest.mark.parametrize("k", [1, 2])
def test_second_output_may_be_a_cache(k: int) -> None:
    ways: list[Any] = [
        lambda g, kept: k * g * (1 - kept**2),
        lambda dout, a: k * dout * (1 - a**2),
        lambda upstream, cache: k * upstream * (1 - cache**2),
    ]
    for back in ways:
        assert check_vjp(lambda x: (np.tanh(x), np.tanh(x)), back, X).ok == (k == 1)


class Cube(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Any, k: Any) -> Any:
        ctx.save_for_backward(x, k)
        return k * x**3

    @staticmethod
    def backward(ctx: Any, g: Any) -> Any:
        x, k = ctx.saved_tensors
        return g * 3 * k * x**2, g * x**3


class WrongCube(Cube):
    @staticmethod
    def backward(ctx: Any, g: Any) -> Any:
        return g * ctx.saved_tensors[0] ** 2, g * ctx.saved_tensors[0] ** 3


@pytest.mark.parametrize("function", [Cube, WrongCube])
@pytest.mark.parametrize("tensors", [True, False])
def test_function_of_pytorch_is_checked_by_itself(function: Any, tensors: bool) -> None:
    given = [torch.tensor(one) if tensors else one for one in (X, X + 1)]
    report = check_vjp(function, None, tuple(given))
    assert report.ok == (function is Cube)


def test_tensors_come_back_as_tensors() -> None:
    x = torch.linspace(-3, 3, 5, dtype=torch.float64)

    def backward(g: torch.Tensor) -> Any:
        inside = x.clone().requires_grad_()
        (inside**3).backward(g)
        return inside.grad

    assert check_vjp(lambda x: x**3, backward, x).ok


class Embedding:
    """Rows of a table are looked up: the input does not move. `how` says what happens to a row that occurs twice."""

    def __init__(self, how: str) -> None:
        self.W, self.how = GENERATOR.normal(size=(5, 3)), how

    def forward(self, rows: Any) -> Any:
        self.rows = rows
        return self.W[rows]

    def backward(self, dout: Any) -> None:
        self.dW = np.zeros_like(self.W)
        if self.how == "adds":
            np.add.at(self.dW, self.rows, dout)
        else:
            self.dW[self.rows] = dout


@pytest.mark.parametrize("how", ["adds", "assigns"])
def test_table_of_rows_is_checked_at_labels(how: str) -> None:
    table = Embedding(how)
    report = check_vjp(table.forward, table.backward, np.array([0, 2, 2, 1]))
    assert verdicts(report) == {"W": "right" if how == "adds" else "wrong"}
    assert how == "adds" or report.diagnosis[0].code == "gradient_overwritten"
