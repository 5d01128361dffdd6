"""Three layers with ReLU and softmax, written out: samples are columns, gradients are called gW and gb."""

from typing import Any

from student_programs import Measurement, Slip, Style, Variant

from deltarule import check_gradient

HALF = "second"

SOURCE = """\
import numpy as np

gen = np.random.default_rng(42)
d, h1, h2, k, n = 5, 6, 4, 3, 9
inp = gen.normal(size=(d, n))
lab = gen.integers(0, k, size=n)
T = np.zeros((k, n))
T[lab, np.arange(n)] = 1
reg = 0.0

theta = {
    "W1": gen.normal(size=(h1, d)) * np.sqrt(2 / d),
    "b1": np.zeros((h1, 1)),
    "W2": gen.normal(size=(h2, h1)) * np.sqrt(2 / h1),
    "b2": np.zeros((h2, 1)),
    "W3": gen.normal(size=(k, h2)) * np.sqrt(2 / h2),
    "b3": np.zeros((k, 1)),
}


def run(theta):
    u1 = theta["W1"] @ inp + theta["b1"]
    o1 = np.maximum(u1, 0)
    u2 = theta["W2"] @ o1 + theta["b2"]
    o2 = np.maximum(u2, 0)
    u3 = theta["W3"] @ o2 + theta["b3"]
    ex = np.exp(u3 - u3.max(axis=0))
    prob = ex / ex.sum(axis=0)
    J = -np.mean(np.log(prob[lab, np.arange(n)]))
    J += 0.5 * reg * sum(np.sum(theta[key] ** 2) for key in ("W1", "W2", "W3"))
    e3 = (prob - T) / n
    gW3 = e3 @ o2.T + reg * theta["W3"]
    gb3 = e3.sum(axis=1, keepdims=True)
    e2 = theta["W3"].T @ e3
    e2 = e2 * (u2 > 0)
    gW2 = e2 @ o1.T + reg * theta["W2"]
    gb2 = e2.sum(axis=1, keepdims=True)
    e1 = theta["W2"].T @ e2
    e1 = e1 * (u1 > 0)
    gW1 = e1 @ inp.T + reg * theta["W1"]
    gb1 = e1.sum(axis=1, keepdims=True)
    return J, {"W1": gW1, "b1": gb1, "W2": gW2, "b2": gb2, "W3": gW3, "b3": gb3}
"""


def check(student: Any) -> Any:
    return check_gradient(student.run, None, student.theta)


def measure(student: Any) -> Measurement:
    return Measurement(lambda: student.run(student.theta)[0], lambda: student.run(student.theta)[1], student.theta)


SQUARE = (("h1, h2, k, n = 5, 6, 4, 3, 9", "h1, h2, k, n = 5, 5, 5, 5, 9"),)
PENALTY = (("reg = 0.0", "reg = 0.3"),)
VARIANTS = (
    Variant("layers of one width", SQUARE),
    Variant("penalty", PENALTY),
    Variant("sum over samples", (("J = -np.mean(", "J = -np.sum("), ("(prob - T) / n", "prob - T"))),
    Variant("leaky units", (("o1 = np.maximum(u1, 0)", "o1 = np.maximum(u1, 0.01 * u1)"),
        ("e1 * (u1 > 0)", "e1 * np.where(u1 > 0, 1, 0.01)"))),
)  # fmt: skip

FIRST, HIDDEN = ("W1", "b1"), ("W1", "b1", "W2", "b2")
ALL = (*HIDDEN, "W3", "b3")
WEIGHTS = ("W1", "W2", "W3")
SLIPS = (
    Slip("one-hot minus probability", "(prob - T) / n", "(T - prob) / n", ("sign",), ALL,
         "the gradient has the opposite sign"),
    Slip("number of samples forgotten", "(prob - T) / n", "(prob - T)", ("mean_missing",), ALL,
         "the gradient is not divided by the number of samples"),
    Slip("divided by the classes", "(prob - T) / n", "(prob - T) / k", ("factor", "mean_missing", "mean_twice"), ALL,
         "the gradient is divided by the number of classes instead of the number of samples"),
    Slip("second mask left out", "    e2 = e2 * (u2 > 0)\n", "", ("derivative_missing",), HIDDEN,
         "ReLU's derivative is missing in the second layer"),
    Slip("first mask left out", "    e1 = e1 * (u1 > 0)\n", "", ("derivative_missing",), FIRST,
         "ReLU's derivative is missing in the first layer"),
    Slip("mask inverted", "e1 * (u1 > 0)", "e1 * (u1 < 0)", ("mask_inverted", "other_mask"), FIRST,
         "the mask of the first layer is inverted", (r"invert",)),
    Slip("mask of the gradient", "e2 * (u2 > 0)", "e2 * (e2 > 0)", ("mask_of_gradient", "other_mask"), HIDDEN,
         "the mask is that of the gradient's sign", (r"mask.*gradient",)),
    Slip("output instead of mask", "e1 * (u1 > 0)", "e1 * o1", ("derivative_wrong", "other_derivative",
         "derivative_is_activation"), FIRST, "ReLU's output stands where its derivative belongs"),
    Slip("third weights not transposed", 'theta["W3"].T @ e3', 'theta["W3"] @ e3', ("weights_not_transposed",), HIDDEN,
         "W3 is not transposed", on="layers of one width"),
    Slip("weights of the wrong layer", 'theta["W2"].T @ e2', 'theta["W3"].T @ e2', ("other_weights",), FIRST,
         "the gradient passes through W3 instead of W2", (r"W3.*W2",), on="layers of one width"),
    Slip("raw input for the second layer", "e2 @ o1.T", "e2 @ inp.T", ("wrong_input",), ("W2",),
         "the gradient of W2 uses the data instead of the hidden output", on="layers of one width"),
    Slip("pre-activation for the third layer", "e3 @ o2.T", "e3 @ u2.T", ("wrong_input",), ("W3",),
         "the gradient of W3 uses the pre-activation"),
    Slip("bias gradient over units", "gb3 = e3.sum(axis=1, keepdims=True)",
         "gb3 = e3.sum(axis=0, keepdims=True).T[:k]", ("wrong_axis",), ("b3",),
         "the bias sums over units instead of samples"),
    Slip("penalty of the first layer forgotten", 'inp.T + reg * theta["W1"]', "inp.T", ("penalty_missing",), ("W1",),
         "the penalty's gradient is missing in the first layer", on="penalty"),
    Slip("penalty doubled", 'reg * theta["W2"]', '2 * reg * theta["W2"]', ("penalty_factor",), ("W2",),
         "the gradient of W2 has twice the penalty", on="penalty"),
    Slip("gradient without the penalty's sign", 'o2.T + reg * theta["W3"]', 'o2.T - reg * theta["W3"]',
         ("penalty_factor", "penalty_sign"), ("W3",), "the penalty of W3 has the opposite sign", on="penalty"),
)  # fmt: skip

STYLE = Style(SOURCE, check, measure, SLIPS, VARIANTS)
