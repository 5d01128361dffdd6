"""`check(anything)`: functions, layers, networks, classes, modules and what PyTorch has."""

import sys
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch

from deltarule import BadInput, CodeReport, check

GENERATOR = np.random.default_rng(6)
X, LABELS = GENERATOR.normal(size=(6, 3)), np.array([0, 1, 2, 2, 1, 0])
W, b = GENERATOR.normal(size=(3, 3)), np.zeros(3)


def verdicts(report: CodeReport) -> dict[str, str]:
    return {array.name: array.verdict for array in report.arrays}


def softmax_loss(W: Any, b: Any, X: Any, LABELS: Any, k: float = 1.0) -> Any:
    z = X @ W + b
    p = np.exp(z - z.max(axis=1, keepdims=True))
    p /= p.sum(axis=1, keepdims=True)
    d = p.copy()
    d[np.arange(len(X)), LABELS] -= 1
    d /= len(X)
    return -np.log(p[np.arange(len(X)), LABELS]).mean(), X.T @ d, k * d.sum(axis=0)


def cost(W: Any, b: Any) -> Any:
    return softmax_loss(W, b, X, LABELS)[0]


def slopes(W: Any, b: Any) -> Any:
    return softmax_loss(W, b, X, LABELS)[1:]


@pytest.mark.parametrize(
    "given",
    [(softmax_loss, W, b, X, LABELS), (softmax_loss,), (cost, slopes, W, b), (cost, slopes)],
    ids=["at arguments", "at variables", "a pair at arguments", "a pair at variables"],
)
def test_function_with_its_gradient_is_checked(given: Any) -> None:
    report = check(*given)
    assert report.ok and verdicts(report) == {"W": "right", "b": "right"}
    assert report.what == f"gradient of {given[0].__name__}"


def test_wrong_gradient_of_a_function_is_named() -> None:
    report = check(lambda W, b, X, y: softmax_loss(W, b, X, y, 2.0), W, b, X, LABELS)
    assert verdicts(report) == {"W": "right", "b": "wrong"} and report.diagnosis[0].code == "factor_two"
    report = check(lambda W, b: cost(W, b), lambda W, b: {"db": slopes(W, b)[1], "dW": 2 * slopes(W, b)[0]}, W, b)
    assert verdicts(report) == {"W": "wrong", "b": "right"}


def sigmoid(z: Any) -> Any:
    return 1 / (1 + np.exp(-z))


@pytest.mark.slow
def test_activation_with_its_derivative_is_checked() -> None:
    assert check(sigmoid, lambda z: sigmoid(z) * (1 - sigmoid(z)), X).ok
    report = check(sigmoid, lambda z: z * (1 - z), X)
    assert report.what == "backward pass of sigmoid" and report.diagnosis[0].code == "derivative_of_z"
    assert check(lambda x: (np.maximum(x, 0), x), lambda dout, cache: dout * (cache > 0), X).ok


class Dense:
    def __init__(self, inputs: int, units: int) -> None:
        self.W, self.b = GENERATOR.normal(size=(inputs, units)), np.zeros(units)

    def forward(self, x: Any) -> Any:
        self.x = x
        return x @ self.W + self.b

    def backward(self, dout: Any) -> Any:
        self.dW, self.db = self.x.T @ dout, dout.sum(axis=0)
        return dout @ self.W.T


@pytest.mark.parametrize("given", [(Dense(3, 4), X), (Dense(7, 2),), (Dense, X), (Dense,)])
def test_layer_or_its_class_is_checked(given: Any) -> None:
    report = check(*given)
    assert report.ok and verdicts(report) == {"x": "right", "W": "right", "b": "right"}
    assert report.what == "backward pass of Dense"


class Returning:
    """As in CS231n: the loss returns gradients by the names of its parameters."""

    def __init__(self, k: float) -> None:
        self.params, self.k = {"W": W.copy(), "b": b.copy()}, k

    def loss(self, X: Any, y: Any = None, reg: float = 0.0) -> Any:
        if y is None:
            return X @ self.params["W"]
        loss, dW, db = softmax_loss(**self.params, X=X, LABELS=y, k=self.k)
        return loss, {"W": dW, "b": db}


class Holding:
    """The backward pass sets attributes, and needs what the forward pass kept."""

    def __init__(self, k: float) -> None:
        self.W, self.b, self.k = W.copy(), b.copy(), k

    def forward(self, x: Any) -> Any:
        self.x = x
        self.out = x @ self.W + self.b
        return self.out

    def loss(self, y_pred: Any, y: Any) -> Any:
        return ((y_pred - y) ** 2).sum() / 2

    def backward(self, y: Any) -> None:
        d = self.out - y
        self.dW, self.db = self.x.T @ d, self.k * d.sum(axis=0)


class Listing(Holding):
    def compute_cost(self, x: Any, y: Any) -> Any:
        return ((self.forward(x) - y) ** 2).sum() / 2

    loss = None  # type: ignore[assignment]

    def backward(self, x: Any, y: Any) -> Any:  # type: ignore[override]
        d = self.out - y
        return [x.T @ d, self.k * d.sum(axis=0)]


@pytest.mark.parametrize("k", [1.0, 3.0])
@pytest.mark.parametrize(("kind", "y"), [(Returning, LABELS), (Holding, X + 1), (Listing, X + 1)])
def test_network_with_a_loss_is_checked(kind: Any, y: Any, k: float) -> None:
    report = check(kind(k), X, y)
    assert verdicts(report) == {"W": "right", "b": "right" if k == 1 else "wrong"}
    assert report.what == f"gradient of {kind.__name__}"


class DropoutLayer:
    """As printed in "Neural Networks from Scratch": an option stands beside the input."""

    def __init__(self, rate: float) -> None:
        self.rate = 1 - rate

    def forward(self, inputs: Any, training: bool) -> None:
        self.mask = np.random.binomial(1, self.rate, size=inputs.shape) / self.rate if training else 1.0
        self.output = inputs * self.mask

    def backward(self, dvalues: Any) -> None:
        self.dinputs = dvalues * self.mask


def dropout_forward(x: Any, settings: Any) -> Any:
    mask = (np.random.rand(*x.shape) < settings["p"]) / settings["p"]
    return x * mask, (settings, mask)


@pytest.mark.slow
def test_options_beside_the_input_stay_as_they_are() -> None:
    assert check(DropoutLayer(0.3), X, True).ok
    for k in (1, 2):
        report = check(dropout_forward, lambda dout, cache, k=k: k * dout * cache[1], X, {"p": 0.7, "mode": "train"})
        assert verdicts(report) == {"x": "right" if k == 1 else "wrong"}


class CrossEntropyLoss:
    def __init__(self, k: float) -> None:
        self.k = k

    def forward(self, y_pred: Any, y_true: Any) -> Any:
        return -np.log(y_pred[np.arange(len(y_pred)), y_true])

    def backward(self, dvalues: Any, y_true: Any) -> None:
        self.dinputs = -self.k * np.eye(3)[y_true] / dvalues / len(dvalues)


@pytest.mark.parametrize("k", [1.0, 6.0, 2.0])
def test_loss_as_an_object_is_checked(k: float) -> None:
    predicted = np.exp(X) / np.exp(X).sum(axis=1, keepdims=True)
    report = check(CrossEntropyLoss(k), predicted, LABELS)  # of the mean, or of the sum over 6 samples
    assert report.ok == (k != 2.0) and report.what == "gradient of CrossEntropyLoss"


class SoftmaxWithLoss:
    """As in "Deep Learning from Scratch": backward takes nothing that is needed."""

    def forward(self, x: Any, t: Any) -> Any:
        self.t, powers = t, np.exp(x - x.max(axis=1, keepdims=True))
        self.y = powers / powers.sum(axis=1, keepdims=True)
        return -np.log(self.y[np.arange(len(x)), t]).mean()

    def backward(self, dout: Any = 1) -> Any:
        dx = self.y.copy()
        dx[np.arange(len(dx)), self.t] -= 1
        return dx * dout / len(dx)


def test_output_with_its_loss_is_checked() -> None:
    assert check(SoftmaxWithLoss(), X, LABELS).ok


class Tanh(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Any) -> Any:
        ctx.save_for_backward(x)
        return torch.tanh(x)

    @classmethod
    def backward(cls, ctx: Any, g: Any) -> Any:
        return g * (1 - torch.tanh(ctx.saved_tensors[0]) ** 2)


class WrongTanh(Tanh):
    @classmethod
    def backward(cls, ctx: Any, g: Any) -> Any:
        return g * (1 - torch.tanh(ctx.saved_tensors[0]))


@pytest.mark.slow
@pytest.mark.parametrize(("function", "is_right"), [(Tanh, True), (WrongTanh, False)])
def test_function_and_module_of_pytorch_are_checked(function: Any, is_right: bool) -> None:
    class Module(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.linear = torch.nn.Linear(3, 4)

        def forward(self, x: Any) -> Any:
            return function.apply(self.linear(x))

    assert check(function, torch.tensor(X)).ok == is_right
    report = check(Module(), torch.tensor(X))
    assert report.ok == is_right and [*verdicts(report)] == ["x", "linear_weight", "linear_bias"]


SOURCE = """
import numpy as np
def affine_forward(x, w): return x @ w, (x, w)
def affine_backward(dout, cache): return dout @ cache[1].T, cache[0].T @ dout
def tanh(z): return np.tanh(z)
def tanh_derivative(z): return 1 - np.tanh(z) ** POWER
def show(unknown): return unknown
def other_loss(unknown): return unknown
POWER = 2
x = z = np.random.default_rng(0).normal(size=(4, 3))
w = np.full((3, 2), 0.3)
"""


@pytest.mark.parametrize(("power", "verdict"), [(2, "right"), (1, "wrong")])
def test_functions_of_a_python_module_are_checked(power: int, verdict: str) -> None:
    module = ModuleType("functions_of_a_student")
    sys.modules[module.__name__] = module
    try:
        exec(compile(SOURCE, "functions_of_a_student.py", "exec"), module.__dict__)
        vars(module)["POWER"] = power
        report = check(module)
    finally:
        del sys.modules[module.__name__]
    assert report.ok == (verdict == "right")
    assert verdicts(report) == {"affine_forward: x": "right", "affine_forward: w": "right", "tanh: z": verdict}
    assert [note for note in report.notes if "not checked" in note] == [
        "not checked, as its arguments are not known: other_loss"
    ]


class Needs:
    def __init__(self, x: Any) -> None:
        self.shape = x.shape


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ((3,), "int has no forward and backward, and no loss"),
        ((lambda unknown: unknown,), r"is given nothing to be called with; give it, as check\(<lambda>, unknown\)"),
        ((np.tanh, X), "forward returns no backward function"),
        ((lambda W: (W**2).sum(), W), "returns no gradient"),
        ((ModuleType("empty"),), "empty has no gradients that can be checked"),
        (
            (type("Needs", (), {"__init__": lambda self, x: x.shape}), X),
            r"give an object of the class, as check\(Needs",
        ),
    ],
)
def test_what_cannot_be_checked_gets_one_sentence(given: Any, words: str) -> None:
    with pytest.raises(BadInput, match=words):
        check(*given)


CLASSES = """
import numpy as np
class Dense:
    def __init__(self, inputs, units):
        self.W = np.random.randn(inputs, units)
    def forward(self, x):
        self.x = x
        return x @ self.W
    def backward(self, d):
        self.dW = FACTOR * self.x.T @ d
        return d @ self.W.T
class Net:
    def __init__(self):
        self.first = Dense(3, 1)
    def forward(self, x):
        return self.first.forward(x)
    def loss(self, X, y):
        self.p = self.forward(X)
        return ((self.p - y) ** 2).mean()
    def backward(self, X, y):
        self.first.backward(2 * (self.p - y) / y.size)
class Record:
    pass
FACTOR = 1
X, y = np.random.randn(6, 3), np.random.randn(6, 1)
net = Net()
"""


@pytest.mark.slow
@pytest.mark.parametrize(("factor", "verdict"), [(1, "right"), (3, "wrong")])
def test_classes_and_objects_of_a_python_module_are_checked(factor: int, verdict: str) -> None:
    module = ModuleType("classes_of_a_student")
    sys.modules[module.__name__] = module
    try:
        exec(compile(CLASSES, "classes_of_a_student.py", "exec"), module.__dict__)
        vars(module)["FACTOR"] = factor
        report = check(module)
    finally:
        del sys.modules[module.__name__]
    assert verdicts(report) == {"net: first.W": verdict, "Dense: x": "right", "Dense: W": verdict}
