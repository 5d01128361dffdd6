"""Code as it is found in teaching, in six styles: right code passes as it is, planted mistakes are named."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from deltarule import Network, check_gradient, check_object, check_update
from deltarule.checking.report import CodeReport

GENERATOR = np.random.default_rng(7)
X, LABELS = GENERATOR.normal(size=(9, 3)), np.array([0, 1, 1, 0, 2, 2, 1, 0, 2])
Y = np.eye(3)[LABELS]
LIKE: dict[str, Any] = {"like": Network([3, 4, 3], "sigmoid", "softmax"), "x": X, "y": LABELS}


def sigmoid(z: Any) -> Any:
    return 1 / (1 + np.exp(-z))


def softmax(z: Any, axis: int = 1) -> Any:
    e = np.exp(z - z.max(axis=axis, keepdims=True))
    return e / e.sum(axis=axis, keepdims=True)


def weights(rows: int, columns: int) -> Any:
    return np.random.default_rng([rows, columns]).normal(size=(rows, columns))


# A script: everything is global, functions take nothing.
SCRIPT = """
import numpy as np
W1, b1, W2, b2 = 0.5 * first, np.zeros((1, 4)), 0.5 * second, np.zeros((1, 3))
lr, N = 0.1, len(X)

def forward():
    global a1, p
    a1 = sigmoid(X @ W1 + b1)
    p = softmax(a1 @ W2 + b2)
    return -np.log(p[np.arange(N), LABELS]).mean()

def backward():
    forward()
    delta2 = p.copy()
    delta2[np.arange(N), LABELS] -= 1
    delta2 /= N
    delta1 = delta2 @ W2.T * a1 * (1 - a1)
    return [X.T @ delta1, delta1.sum(0, keepdims=True), a1.T @ delta2, delta2.sum(0, keepdims=True)]
"""


def script(right: str = "", wrong: str = "") -> CodeReport:
    assert right in SCRIPT
    names: dict[str, Any] = {"X": X, "LABELS": LABELS, "sigmoid": sigmoid, "softmax": softmax}
    names |= {"first": weights(3, 4), "second": weights(4, 3)}
    exec(SCRIPT.replace(right, wrong), names)
    params = {name: names[name] for name in ("W1", "b1", "W2", "b2")}
    before = {name: array.copy() for name, array in params.items()}
    report = check_gradient(names["forward"], names["backward"], params, **LIKE)
    assert all(np.array_equal(params[name], before[name]) for name in before)
    return report


# A class that updates itself while it goes back, and keeps no gradients.
class InPlace:
    def __init__(self, mistake: str = "") -> None:
        self.W1, self.b1, self.W2, self.b2 = weights(3, 4), np.zeros(4), weights(4, 3), np.zeros(3)
        self.mistake = mistake

    def cost(self) -> Any:
        self.a = sigmoid(X @ self.W1 + self.b1)
        self.p = softmax(self.a @ self.W2 + self.b2)
        return -(Y * np.log(self.p)).sum() / len(X)

    def train_step(self, rate: float = 0.5) -> None:
        self.cost()
        d2 = (self.p - Y) / (1 if self.mistake == "mean_missing" else len(X))
        back = self.W2.copy()
        self.W2 = self.W2 - rate * (self.a.T @ d2)
        self.b2 = self.b2 - rate * d2.sum(axis=0)
        d1 = d2 @ (self.W2 if self.mistake == "updated_weights" else back).T * self.a * (1 - self.a)
        sign = -1 if self.mistake == "sign" else 1
        self.W1 = self.W1 - sign * rate * (X.T @ d1)
        self.b1 = self.b1 - rate * d1.sum(axis=0)


def in_place(mistake: str = "") -> CodeReport:
    net = InPlace(mistake)
    before = net.W1.copy()
    report = check_update(net.train_step, net.cost, lambda: [net.W1, net.b1, net.W2, net.b2], 0.5, **LIKE)
    assert np.array_equal(net.W1, before)
    return report


# Columns: a sample is a column, weights are outputs × inputs, biases are columns.
def columns(mistake: str = "") -> CodeReport:
    x, y, m = X.T, Y.T, X.shape[0]

    def cost(parameters: dict[str, Any]) -> Any:
        A1 = sigmoid(parameters["W1"] @ x + parameters["b1"])
        A2 = softmax(parameters["W2"] @ A1 + parameters["b2"], axis=0)
        return -np.sum(y * np.log(A2)) / m, {"A1": A1, "A2": A2}

    def gradients(parameters: dict[str, Any]) -> dict[str, Any]:
        _, cache = cost(parameters)
        A1, dZ2 = cache["A1"], cache["A2"] - y
        dW2 = dZ2 @ A1.T / m
        db2 = np.sum(dZ2, axis=1, keepdims=True) / m
        dZ1 = parameters["W2"].T @ dZ2 * A1 * (1 - A1)
        if mistake == "derivative_missing":
            dZ1 = parameters["W2"].T @ dZ2
        dW1 = dZ1 @ x.T / (m * m if mistake == "mean_twice" else m)
        db1 = np.sum(dZ1, axis=1, keepdims=True) / m
        if mistake == "not_summed":
            db1 = dZ1 / m
        return {"dW1": dW1, "db1": db1, "dW2": dW2, "db2": db2}

    parameters = {"W1": weights(4, 3), "b1": np.zeros((4, 1)), "W2": weights(3, 4), "b2": np.zeros((3, 1))}
    return check_gradient(cost, gradients, parameters, **(LIKE | {"x": x, "y": y}))


# A list of layers, each an object with its own forward, backward and gradients.
class Dense:
    def __init__(self, inputs: int, outputs: int) -> None:
        self.W, self.b = weights(inputs, outputs), np.zeros(outputs)

    def forward(self, x: Any) -> Any:
        self.x = x
        return x @ self.W + self.b

    def backward(self, upstream: Any) -> Any:
        self.dW, self.db = self.x.T @ upstream, upstream.sum(axis=0)
        return upstream @ self.W.T


class Sigmoid:
    def __init__(self, mistake: str) -> None:
        self.mistake = mistake

    def forward(self, z: Any) -> Any:
        self.z, self.a = z, sigmoid(z)
        return self.a

    def backward(self, upstream: Any) -> Any:
        at = self.a if self.mistake == "derivative_at_output" else self.z
        return upstream * sigmoid(at) * (1 - sigmoid(at))


class Layers:
    def __init__(self, mistake: str) -> None:
        self.layers: list[Any] = [Dense(3, 4), Sigmoid(mistake), Dense(4, 3)]
        self.mistake = mistake

    def loss(self) -> Any:
        a = X
        for layer in self.layers:
            a = layer.forward(a)
        self.p = softmax(a)
        return -np.log(self.p[range(len(X)), LABELS]).mean()

    def backward(self) -> None:
        upstream = self.p / len(X) if self.mistake == "target_missing" else (self.p - Y) / len(X)
        for layer in reversed(self.layers):
            upstream = layer.backward(upstream)
        if self.mistake == "exchanged":
            self.layers[0].dW = self.layers[2].dW.T


def layers(mistake: str = "") -> CodeReport:
    net = Layers(mistake)
    names = ["layers[0].W", "layers[0].b", "layers[2].W", "layers[2].b"]
    grads = ["layers[0].dW", "layers[0].db", "layers[2].dW", "layers[2].db"]
    return check_object(net, params=names, grads=grads, loss=net.loss, backward=net.backward, **LIKE)


# One function with caches that gives loss and gradients at once, with a penalty.
def with_caches(mistake: str = "") -> CodeReport:
    def model(params: dict[str, Any], reg: float = 0.05) -> Any:
        h1, cache1 = sigmoid(X @ params["W1"] + params["b1"]), X
        scores, cache2 = h1 @ params["W2"] + params["b2"], h1
        p = softmax(scores)
        loss = -np.log(p[np.arange(len(X)), LABELS]).mean()
        loss += 0.5 * reg * (np.sum(params["W1"] ** 2) + np.sum(params["W2"] ** 2))
        dscores = p.copy()
        dscores[np.arange(len(X)), LABELS] -= 1
        dscores /= len(X)
        grads = {"W2": cache2.T @ dscores, "b2": dscores.sum(axis=0)}
        dh = dscores @ params["W2"].T * h1 * (1 - h1)
        grads |= {"W1": cache1.T @ dh, "b1": dh.sum(axis=0)}
        for name in ("W1", "W2"):
            grads[name] += (2 if mistake == "penalty_factor" else 1) * reg * params[name]
        if mistake == "penalty_missing":
            grads["W2"] -= reg * params["W2"]
        if mistake == "single_row":
            grads["W1"][1] = 0
        return loss, grads

    params = {"W1": weights(3, 4), "b1": np.zeros(4), "W2": weights(4, 3), "b2": np.zeros(3)}
    return check_gradient(model, None, params, **LIKE)


# A flat list of arrays, two functions of them one by one, and something beside the gradient.
def one_by_one(mistake: str = "") -> CodeReport:
    def loss(w1: Any, c1: Any, w2: Any, c2: Any) -> Any:
        return -(Y * np.log(softmax(sigmoid(X @ w1 + c1) @ w2 + c2))).mean()

    def gradient(w1: Any, c1: Any, w2: Any, c2: Any) -> Any:
        a = sigmoid(X @ w1 + c1)
        p = softmax(a @ w2 + c2)
        d2 = (p - Y) / (len(X) if mistake == "mean_missing" else Y.size)
        d1 = d2 @ w2.T * a * (1 - a)
        dw1 = np.zeros_like(w1) if mistake == "zero_gradient" else X.T @ d1
        return dw1, d1.sum(axis=0), a.T @ d2, d2.sum(axis=0), p

    return check_gradient(loss, gradient, [weights(3, 4), np.zeros(4), weights(4, 3), np.zeros(3)], **LIKE)


STYLES: dict[Callable[..., CodeReport], tuple[str, ...]] = {
    in_place: ("mean_missing", "updated_weights", "sign"),
    columns: ("derivative_missing", "mean_twice", "not_summed"),
    layers: ("derivative_at_output", "target_missing", "exchanged"),
    with_caches: ("penalty_factor", "penalty_missing", "single_row"),
    one_by_one: ("mean_missing", "zero_gradient"),
}


@pytest.mark.parametrize("style", [script, *STYLES])
def test_right_code_passes_as_it_is(style: Callable[..., CodeReport]) -> None:
    report = style()
    assert report.ok and report.compared == report.entries == 31 and not report.diagnosis
    assert any("recognized" in note for note in report.notes)


@pytest.mark.parametrize(
    ("style", "mistake"), [(style, mistake) for style, mistakes in STYLES.items() for mistake in mistakes]
)
def test_a_planted_mistake_is_named(style: Callable[..., CodeReport], mistake: str) -> None:
    report = style(mistake)
    assert not report.ok and [found.code for found in report.diagnosis] == [mistake]


@pytest.mark.parametrize(
    ("right", "wrong", "code"),
    [
        ("    delta2[np.arange(N), LABELS] -= 1\n", "", "target_missing"),
        ("W2.T * a1 * (1 - a1)", "W2.T", "derivative_missing"),
        ("a1.T @ delta2, delta2", "2 * a1.T @ delta2, 2 * delta2", "factor_two"),
        ("delta1.sum(0, keepdims=True)", "delta1.sum() * np.ones((1, 4))", "wrong_axis"),
    ],
)
def test_a_mistake_in_a_script_is_named(right: str, wrong: str, code: str) -> None:
    report = script(right, wrong)
    assert not report.ok and [found.code for found in report.diagnosis] == [code]
