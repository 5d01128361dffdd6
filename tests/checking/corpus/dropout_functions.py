"""Two hidden layers with dropout of different rates; the masks are drawn once and reused by loss and gradient."""

from typing import Any

from student_programs import Measurement, Slip, Style, Variant

from deltarule import check_gradient

HALF = "second"

SOURCE = """\
import numpy as np

r = np.random.RandomState(33)
data, answers = r.randn(10, 3), r.randn(10, 2)
keep1, keep2 = 0.8, 0.5
M1 = (r.rand(10, 6) < keep1) * 1.0
M2 = (r.rand(10, 6) < keep2) * 1.0
theta = {
    "W1": r.randn(3, 6),
    "b1": 0.1 * r.randn(6),
    "W2": 0.5 * r.randn(6, 6),
    "b2": 0.1 * r.randn(6),
    "W3": 0.5 * r.randn(6, 2),
}


def feedforward(th):
    a1 = np.tanh(data @ th["W1"] + th["b1"])
    h1 = a1 * M1 / keep1
    a2 = np.tanh(h1 @ th["W2"] + th["b2"])
    h2 = a2 * M2 / keep2
    return a1, h1, a2, h2, h2 @ th["W3"]


def cost(th):
    return ((feedforward(th)[-1] - answers) ** 2).sum() / (2 * len(data))


def cost_grad(th):
    a1, h1, a2, h2, out = feedforward(th)
    d3 = (out - answers) / len(data)
    dh2 = d3 @ th["W3"].T
    da2 = dh2 * M2 / keep2
    d2 = da2 * (1 - a2**2)
    dh1 = d2 @ th["W2"].T
    da1 = dh1 * M1 / keep1
    d1 = da1 * (1 - a1**2)
    return {"W1": data.T @ d1, "b1": d1.sum(0), "W2": h1.T @ d2, "b2": d2.sum(0), "W3": h2.T @ d3}
"""


def check(student: Any) -> Any:
    return check_gradient(student.cost, student.cost_grad, student.theta)


def measure(student: Any) -> Measurement:
    theta = student.theta
    return Measurement(lambda: student.cost(theta), lambda: student.cost_grad(theta), theta)


CONNECTIONS = (
    ("keep1, keep2 = 0.8, 0.5\n", "keep1, keep2 = 0.8, 0.5\nMW = (r.rand(6, 6) < 0.6) * 1.0\n"),
    ("    h1 = a1 * M1 / keep1\n", "    h1 = a1\n"),
    ('np.tanh(h1 @ th["W2"]', 'np.tanh(h1 @ (th["W2"] * MW)'),
    ('dh1 = d2 @ th["W2"].T', 'dh1 = d2 @ (th["W2"] * MW).T'),
    ("da1 = dh1 * M1 / keep1", "da1 = dh1"),
    ('"W2": h1.T @ d2', '"W2": (h1.T @ d2) * MW'),
)
PLAIN = (
    ("a1 * M1 / keep1", "a1 * M1"),
    ("a2 * M2 / keep2", "a2 * M2"),
    ("dh1 * M1 / keep1", "dh1 * M1"),
    ("dh2 * M2 / keep2", "dh2 * M2"),
)
VARIANTS = (
    Variant("dropped connections", CONNECTIONS),
    Variant("masks without a scale", PLAIN),
    Variant("derivative of dropped activations", (("d2 = da2 * (1 - a2**2)", "d2 = da2 * (1 - (h2 * keep2) ** 2)"),)),
    Variant("a mask of ones", (("(r.rand(10, 6) < keep1) * 1.0", "np.ones((10, 6))"), ("0.8, 0.5", "1.0, 0.5"))),
)

FIRST = ("W1", "b1")
BOTH = (*FIRST, "W2", "b2")
SLIPS = (
    Slip("scale of the second layer", "da2 = dh2 * M2 / keep2", "da2 = dh2 * M2",
         ("dropout_mask", "scale_missing", "factor_two"), BOTH, "the gradient lacks the 1 / keep of the second layer"),
    Slip("scale of the other layer", "da2 = dh2 * M2 / keep2", "da2 = dh2 * M2 / keep1",
         ("dropout_mask", "scale_missing", "factor"), BOTH, "the gradient has the 1 / keep of the first layer"),
    Slip("scale once more", "da1 = dh1 * M1 / keep1", "da1 = dh1 * M1 / keep1 / keep1",
         ("dropout_mask", "scale_missing", "factor"), FIRST, "the gradient is divided by keep twice"),
    Slip("mask of the other layer", "da2 = dh2 * M2", "da2 = dh2 * M1", ("other_mask", "dropout_mask"), BOTH,
         "the gradient has the mask of the first layer"),
    Slip("no mask in the second layer", "da2 = dh2 * M2 / keep2", "da2 = dh2", ("dropout_mask", "mask_missing"), BOTH,
         "the gradient lacks the second mask and its scale"),
    Slip("inverted mask", "da1 = dh1 * M1", "da1 = dh1 * (1 - M1)", ("mask_inverted", "dropout_mask"), FIRST,
         "the gradient passes where dropout stopped the activation"),
    Slip("derivative of the scaled activation", "da2 * (1 - a2**2)", "da2 * (1 - h2**2)",
         ("derivative_of_z", "wrong_input"), BOTH, "tanh's derivative is computed from the activation after dropout"),
    Slip("activation before dropout at the weights", '"W3": h2.T @ d3', '"W3": a2.T @ d3',
         ("wrong_input", "dropout_mask", "mask_missing"), ("W3",),
         "the weights' gradient uses the activation before dropout"),
    Slip("connections without their mask", '(h1.T @ d2) * MW', "h1.T @ d2", ("dropout_mask", "mask_missing"),
         ("W2",), "the gradient of dropped connections is not 0", on="dropped connections"),
    Slip("dropped connections on the way back", 'd2 @ (th["W2"] * MW).T', 'd2 @ th["W2"].T',
         ("dropout_mask", "mask_missing"), FIRST,
         "the way back goes through dropped connections too", on="dropped connections"),
)  # fmt: skip

STYLE = Style(SOURCE, check, measure, SLIPS, VARIANTS)
