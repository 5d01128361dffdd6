"""A tiny automatic differentiation of scalars: nodes that store `data` and `grad`, and networks of them."""

from typing import Any

import numpy as np
from student_programs import Measurement, Slip, Style, Variant

from deltarule import check_gradient

HALF = "first"

SOURCE = """\
import math


class Value:
    def __init__(self, data, children=()):
        self.data = data
        self.grad = 0.0
        self.children = children
        self._backward = lambda: None

    def __add__(self, other):
        other = other if isinstance(other, Value) else Value(other)
        out = Value(self.data + other.data, (self, other))

        def _backward():
            self.grad += out.grad
            other.grad += out.grad

        out._backward = _backward
        return out

    def __mul__(self, other):
        other = other if isinstance(other, Value) else Value(other)
        out = Value(self.data * other.data, (self, other))

        def _backward():
            self.grad += other.data * out.grad
            other.grad += self.data * out.grad

        out._backward = _backward
        return out

    def __pow__(self, n):
        out = Value(self.data**n, (self,))

        def _backward():
            self.grad += n * self.data ** (n - 1) * out.grad

        out._backward = _backward
        return out

    def tanh(self):
        t = math.tanh(self.data)
        out = Value(t, (self,))

        def _backward():
            self.grad += (1 - t**2) * out.grad

        out._backward = _backward
        return out

    def relu(self):
        out = Value(self.data if self.data > 0 else 0.0, (self,))

        def _backward():
            self.grad += (self.data > 0) * out.grad

        out._backward = _backward
        return out

    def __sub__(self, other):
        return self + other * -1.0

    __radd__ = __add__
    __rmul__ = __mul__

    def backward(self):
        topo, visited = [], set()

        def build(v):
            if v not in visited:
                visited.add(v)
                for child in v.children:
                    build(child)
                topo.append(v)

        build(self)
        self.grad = 1.0
        for v in reversed(topo):
            v._backward()


xs = [[2.0, 3.0, -1.0], [3.0, -1.0, 0.5], [0.5, 1.0, 1.0], [1.0, 1.5, -1.0]]
ys = [1.0, -1.0, -1.0, 1.0]

params = {
    "w1": [[0.4, -0.3, 0.5], [-0.2, 0.25, 0.35]],
    "b1": [0.0, 0.0],
    "w2": [0.7, -0.6],
    "b2": [0.1],
}


def forward(w1, b1, w2, b2, x):
    hidden = [sum((wi * xi for wi, xi in zip(row, x)), b).tanh() for row, b in zip(w1, b1)]
    return sum((wi * hi for wi, hi in zip(w2, hidden)), b2[0])


def loss_and_gradient(params):
    w1 = [[Value(w) for w in row] for row in params["w1"]]
    b1 = [Value(b) for b in params["b1"]]
    w2 = [Value(w) for w in params["w2"]]
    b2 = [Value(b) for b in params["b2"]]
    loss = Value(0.0)
    for x, y in zip(xs, ys):
        loss = loss + (forward(w1, b1, w2, b2, x) - y) ** 2
    loss = loss * (1 / len(xs))
    loss.backward()
    grads = {
        "w1": [[w.grad for w in row] for row in w1],
        "b1": [b.grad for b in b1],
        "w2": [w.grad for w in w2],
        "b2": [b.grad for b in b2],
    }
    return loss.data, grads
"""

ALL = ("w1", "b1", "w2", "b2")


def check(student: Any) -> Any:
    return check_gradient(student.loss_and_gradient, None, student.params)


def measure(student: Any) -> Measurement:
    arrays = {name: np.array(values) for name, values in student.params.items()}

    def compute() -> Any:
        return student.loss_and_gradient({name: array.tolist() for name, array in arrays.items()})

    return Measurement(lambda: compute()[0], lambda: compute()[1], arrays)


PENALTY = (
    (
        "    loss.backward()\n",
        "    loss = loss + 0.05 * sum((w * w for row in w1 for w in row), Value(0.0))\n    loss.backward()\n",
    ),
)
RELU = (("zip(row, x)), b).tanh()", "zip(row, x)), b).relu()"),)
# One layer twice: each weight is in two places of the graph.
SHARED = (
    (
        "    return sum((wi * hi",
        "    hidden = [(hidden[0] * row[0] + hidden[1] * row[1] + b).tanh() for row, b in zip(w1, b1)]\n"
        "    return sum((wi * hi",
    ),
)

VARIANTS = (
    Variant("relu", RELU),
    Variant("penalty", PENALTY),
    Variant("shared layer", SHARED),
    Variant("relu with zero biases and a sample of zeros", (*RELU, ("[0.5, 1.0, 1.0]", "[0.0, 0.0, 0.0]"))),
    Variant("arrays of object are avoided", (("xs = [[2.0", "import numpy as np\n\nxs = [[2.0"), (
        "    return loss.data, grads\n",
        "    return loss.data, {name: np.array(value) for name, value in grads.items()}\n",
    ))),
)  # fmt: skip

SLIPS = (
    Slip(
        "assignment in add", "            self.grad += out.grad\n", "            self.grad = out.grad\n",
        ("gradient_overwritten", "last_sample"), ("b1", "b2"),
        "addition overwrites a gradient instead of adding to it", (r"overwrit", r"instead of add", r"\+="),
    ),
    Slip(
        "assignment in both factors",
        "            self.grad += other.data * out.grad\n            other.grad += self.data * out.grad\n",
        "            self.grad = other.data * out.grad\n            other.grad = self.data * out.grad\n",
        ("gradient_overwritten", "last_sample"), ("w1", "w2"),
        "multiplication overwrites gradients instead of adding to them", (r"overwrit", r"instead of add", r"\+="),
    ),
    Slip(
        "assignment in tanh", "self.grad += (1 - t**2) * out.grad", "self.grad = (1 - t**2)",
        ("upstream_ignored",), ("w1", "b1"), "tanh ignores the gradient of its output", (r"upstream", r"ignore"),
    ),
    Slip(
        "own factor in multiplication", "self.grad += other.data * out.grad", "self.grad += self.data * out.grad",
        ("product_rule", "wrong_input"), ALL, "the derivative of a product is its own factor instead of the other one",
        (r"product",),
    ),
    Slip(
        "power rule without n", "self.grad += n * self.data ** (n - 1)", "self.grad += self.data ** (n - 1)",
        ("factor_two",), ALL, "the derivative of u² lacks the 2",
    ),
    Slip(
        "power not lowered", "n * self.data ** (n - 1)", "n * self.data**n", ("power_rule", "loss_wrong"), ALL,
        "the derivative of uⁿ is n uⁿ instead of n uⁿ⁻¹", (r"power", r"exponent"),
    ),
    Slip(
        "derivative of tanh at the input", "(1 - t**2)", "(1 - self.data**2)", ("derivative_of_z",), ("w1", "b1"),
        "tanh's derivative 1 − t² is computed from the input",
    ),
    Slip(
        "nodes before their outputs", "for v in reversed(topo):", "for v in topo:",
        ("zero_gradient", "topological_order"), ALL, "the graph is traversed from the parameters to the loss",
        (r"order", r"revers"),
    ),
    Slip(
        "relu from the gradient", "(self.data > 0) * out.grad", "(out.grad > 0) * out.grad",
        ("mask_of_gradient", "other_mask"), ("w1", "b1"),
        "ReLU's mask is taken from the sign of the gradient instead of the input", (r"mask.*gradient",), on="relu",
    ),
    Slip(
        "assignment with a shared layer", "            self.grad += other.data * out.grad\n",
        "            self.grad = other.data * out.grad\n",
        ("gradient_overwritten", "last_sample"), ("w1", "b1", "w2"), "a weight used twice keeps one of its gradients",
        (r"overwrit", r"instead of add", r"\+="), on="shared layer",
    ),
)  # fmt: skip

STYLE = Style(SOURCE, check, measure, SLIPS, VARIANTS)
