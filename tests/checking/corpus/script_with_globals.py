"""A script: data, weights and intermediate results are global, functions take no arguments."""

from typing import Any

from student_programs import Measurement, Slip, Style, Variant

from deltarule import check_gradient

HALF = "first"

SOURCE = """\
import numpy as np

np.random.seed(42)

# training data: two inputs, XOR-like, with a third feature
X = np.array([[0, 0, 1], [0, 1, 1], [1, 0, 1], [1, 1, 1], [1, 0, 0], [0.5, 1, 0]], dtype=float)
y = np.array([[0], [1], [1], [0], [1], [1]], dtype=float)

W1 = 2 * np.random.random((3, 4)) - 1
b1 = np.zeros((1, 4))
W2 = 2 * np.random.random((4, 4)) - 1
b2 = np.zeros((1, 4))
W3 = 2 * np.random.random((4, 1)) - 1
b3 = np.zeros((1, 1))
m = X.shape[0]


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def deriv(out):
    return out * (1 - out)


def loss():
    global z1, a1, z2, a2, z3, out
    z1 = X @ W1 + b1
    a1 = sigmoid(z1)
    z2 = a1 @ W2 + b2
    a2 = sigmoid(z2)
    z3 = a2 @ W3 + b3
    out = sigmoid(z3)
    return -(y * np.log(out) + (1 - y) * np.log(1 - out)).mean()


def grads():
    loss()
    error = (out - y) / m
    d3 = error
    dW3 = a2.T @ d3
    db3 = np.sum(d3, axis=0, keepdims=True)
    d2 = d3 @ W3.T * deriv(a2)
    dW2 = a1.T @ d2
    db2 = np.sum(d2, axis=0, keepdims=True)
    d1 = d2 @ W2.T * deriv(a1)
    dW1 = X.T @ d1
    db1 = np.sum(d1, axis=0, keepdims=True)
    return [dW1, db1, dW2, db2, dW3, db3]
"""

NAMES = ("W1", "b1", "W2", "b2", "W3", "b3")


def check(student: Any) -> Any:
    return check_gradient(student.loss, student.grads, {name: getattr(student, name) for name in NAMES})


def measure(student: Any) -> Measurement:
    parameters = {name: getattr(student, name) for name in NAMES}
    return Measurement(student.loss, lambda: dict(zip(NAMES, student.grads(), strict=True)), parameters)


DROPOUT = (
    ("def sigmoid(x):", "keep = 0.75\nmask = np.random.RandomState(3).rand(6, 4) < keep\n\n\ndef sigmoid(x):"),
    ("    a2 = sigmoid(z2)\n", "    a2 = sigmoid(z2) * mask / keep\n"),
    ("    d2 = d3 @ W3.T * deriv(a2)\n", "    d2 = d3 @ W3.T * mask / keep * deriv(sigmoid(z2))\n"),
)
TANH = (("    a2 = sigmoid(z2)\n", "    a2 = np.tanh(z2)\n"), ("W3.T * deriv(a2)", "W3.T * (1 - a2**2)"))
SQUARED = (
    ("    return -(y * np.log(out) + (1 - y) * np.log(1 - out)).mean()\n", "    return ((out - y) ** 2).mean()\n"),
    ("    error = (out - y) / m\n    d3 = error\n", "    error = 2 * (out - y) / m\n    d3 = error * deriv(out)\n"),
)
EXPLICIT = (
    (
        "    error = (out - y) / m\n    d3 = error\n",
        "    error = (-y / out + (1 - y) / (1 - out)) / m\n    d3 = error * deriv(out)\n",
    ),
)
DECAY = (
    ("(1 - out)).mean()\n", "(1 - out)).mean() + 0.02 * sum(np.sum(W**2) for W in (W1, W2, W3))\n"),
    ("    return [dW1", "    for dW, W in ((dW1, W1), (dW2, W2), (dW3, W3)):\n        dW += 0.04 * W\n    return [dW1"),
)

VARIANTS = (
    Variant("dropout", DROPOUT),
    Variant("tanh in the second layer", TANH),
    Variant("squared error", SQUARED),
    Variant("explicit derivative of the loss", EXPLICIT),
    Variant("weight decay in the loss", DECAY),
    Variant("float32", (("W1 = 2", "np.random.seed(1)\nW1 = 2"), ("m = X.shape[0]",
        "W1, b1, W2, b2, W3, b3 = (v.astype(np.float32) for v in (W1, b1, W2, b2, W3, b3))\nm = X.shape[0]"))),
)  # fmt: skip

SLIPS = (
    Slip(
        "mask left out, keep stays", "W3.T * mask / keep * deriv", "W3.T / keep * deriv", ("dropout_mask",),
        NAMES[:4], "the backward pass divides by keep, but lacks the dropout mask", (r"dropout",), on="dropout",
    ),
    Slip(
        "derivative after dropout", "deriv(sigmoid(z2))", "deriv(a2)", ("derivative_of_z", "derivative_after_dropout"),
        NAMES[:4], "sigmoid's derivative a (1 − a) uses the activation after dropout", (r"dropout",), on="dropout",
    ),
    Slip(
        "sigmoid's derivative for tanh", "W3.T * (1 - a2**2)", "W3.T * deriv(a2)", ("other_derivative",), NAMES[:4],
        "the derivative a (1 − a) is sigmoid's, but the layer has tanh", on="tanh in the second layer",
    ),
    Slip(
        "z (1 − z)", "W2.T * deriv(a1)", "W2.T * deriv(z1)", ("derivative_of_z",), ("W1", "b1"),
        "sigmoid's derivative a (1 − a) is computed from z",
    ),
    Slip(
        "derivative of another layer", "W2.T * deriv(a1)", "W2.T * deriv(a2)", ("other_mask",), ("W1", "b1"),
        "the derivative of the first layer is taken at the second layer's activation",
    ),
    Slip(
        "p/N − y", "error = (out - y) / m", "error = out / m - y", ("targets_not_averaged", "mean_before_target"),
        NAMES, "only the prediction is divided by the number of samples, not the target",
        (r"p ?/ ?N", r"only .*divided"),
    ),
    Slip(
        "sign in the second term", "(-y / out + (1 - y) / (1 - out)) / m", "(-y / out - (1 - y) / (1 - out)) / m",
        ("loss_derivative_sign", "loss_wrong"), NAMES,
        "the second term of the derivative of binary cross-entropy has the wrong sign", (r"sign.*(term|cross)",),
        on="explicit derivative of the loss",
    ),
    Slip(
        "squared error without sigmoid's derivative", "d3 = error * deriv(out)", "d3 = error",
        ("derivative_missing", "loss_wrong"), NAMES, "sigmoid's derivative is missing at the output",
        on="squared error",
    ),
    Slip(
        "decay of one layer forgotten", "((dW1, W1), (dW2, W2), (dW3, W3))", "((dW1, W1), (dW3, W3))",
        ("penalty_missing", "penalty_on_some_layers"), ("W2",), "the gradient of W2 lacks the penalty's derivative",
        on="weight decay in the loss",
    ),
    Slip(
        "square matrix not transposed", "d1 = d2 @ W2.T", "d1 = d2 @ W2", ("weights_not_transposed",), ("W1", "b1"),
        "the backward pass multiplies by W2 instead of its transpose",
    ),
    Slip(
        "delta of the next layer", "db1 = np.sum(d1,", "db1 = np.sum(d2,", ("other_delta",), ("b1",),
        "the gradient of b1 sums the second layer's delta",
    ),
    Slip(
        "outputs in the wrong order", "return [dW1, db1, dW2, db2", "return [dW1, db2, dW2, db1", ("exchanged",),
        ("b1", "b2"), "the gradients of b1 and b2 are exchanged",
    ),
)  # fmt: skip

STYLE = Style(SOURCE, check, measure, SLIPS, VARIANTS)
