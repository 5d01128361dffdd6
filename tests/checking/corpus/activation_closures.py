"""Single layers that return their output and the function for the backward pass."""

from typing import Any

from student_programs import Measurement, Slip, Style, Variant, measure_layer

from deltarule import check_vjp

HALF = "first"

SOURCE = """\
import numpy as np


def layer(x):
    a = 1 / (1 + np.exp(-x))

    def backward(upstream):
        return upstream * a * (1 - a)

    return a, backward


x = np.random.default_rng(0).normal(size=(5, 4))
"""


def check(student: Any) -> Any:
    return check_vjp(student.layer, None, student.x)


def measure(student: Any) -> Measurement:
    inputs = {"x": student.x}
    return measure_layer(lambda x: student.layer(x)[0], lambda upstream: student.layer(student.x)[1](upstream), inputs)


FORWARD = "    a = 1 / (1 + np.exp(-x))\n"
BACKWARD = "        return upstream * a * (1 - a)\n"
EXP = "    e = np.exp(x - x.max(axis=1, keepdims=True))\n    a = e / e.sum(axis=1, keepdims=True)\n"
SOFTMAX = "        return a * (upstream - (upstream * a).sum(axis=1, keepdims=True))\n"
LOG_SOFTMAX = "        return upstream - np.exp(a) * upstream.sum(axis=1, keepdims=True)\n"
NORM = "        return (upstream - a * (a * upstream).sum(axis=1, keepdims=True)) / norm\n"

VARIANTS = (
    Variant("tanh", ((FORWARD, "    a = np.tanh(x)\n"), (BACKWARD, "        return upstream * (1 - a**2)\n"))),
    Variant("relu", ((FORWARD, "    a = np.maximum(x, 0)\n"), (BACKWARD, "        return upstream * (x > 0)\n"))),
    Variant("leaky relu", ((FORWARD, "    a = np.where(x > 0, x, 0.1 * x)\n"),
                           (BACKWARD, "        return upstream * np.where(x > 0, 1, 0.1)\n"))),
    Variant("softmax", ((FORWARD, EXP), (BACKWARD, SOFTMAX))),
    Variant("log-softmax", ((FORWARD, "    a = x - np.log(np.exp(x).sum(axis=1, keepdims=True))\n"),
                            (BACKWARD, LOG_SOFTMAX))),
    Variant("unit length", ((FORWARD, "    norm = np.sqrt((x**2).sum(axis=1, keepdims=True))\n    a = x / norm\n"),
                            (BACKWARD, NORM))),
)  # fmt: skip

X = ("x",)
SLIPS = (
    Slip("upstream gradient ignored", "upstream * a * (1 - a)", "a * (1 - a)", ("upstream_ignored",), X,
         "the backward pass ignores the gradient that it is given"),
    Slip("z (1 − z)", "upstream * a * (1 - a)", "upstream * x * (1 - x)", ("derivative_of_z",), X,
         "sigmoid's derivative a (1 − a) is computed from z"),
    Slip("half of the derivative", "upstream * a * (1 - a)", "upstream * (1 - a)", ("derivative_missing",), X,
         "sigmoid's derivative lacks the factor a"),
    Slip("sigmoid's derivative for tanh", "upstream * (1 - a**2)", "upstream * a * (1 - a)", ("other_derivative",), X,
         "the derivative is that of sigmoid", on="tanh"),
    Slip("tanh's derivative at the output", "(1 - a**2)", "(1 - np.tanh(a) ** 2)", ("derivative_at_output",), X,
         "tanh's derivative is taken at a instead of z", on="tanh"),
    Slip("mask on the gradient", "upstream * (x > 0)", "upstream * (upstream > 0)",
         ("mask_of_gradient", "other_mask"), X,
         "ReLU's mask is taken from the sign of the gradient instead of the input", (r"mask.*gradient",), on="relu"),
    Slip("upstream gradient replaced by the mask", "upstream * (x > 0)", "(x > 0) * 1.0", ("upstream_ignored",), X,
         "the backward pass returns the mask and ignores the gradient that it is given", on="relu"),
    Slip("slope of the negative side forgotten", "np.where(x > 0, 1, 0.1)", "(x > 0)", ("other_derivative",), X,
         "the derivative is that of ReLU, without the slope for negative inputs", on="leaky relu"),
    Slip("softmax without the outer product", SOFTMAX, "        return a * upstream\n",
         ("softmax_outer_product_missing", "softmax_elementwise"), X,
         "the Jacobian of softmax is only its diagonal p, without − p pᵀ", (r"outer product",), on="softmax"),
    Slip("softmax over the wrong axis", SOFTMAX, SOFTMAX.replace("axis=1", "axis=0"),
         ("wrong_axis", "softmax_axis"), X, "the sum in softmax's Jacobian goes over samples",
         (r"axis",), on="softmax"),
    Slip("softmax with the sign reversed", SOFTMAX, SOFTMAX.replace("upstream - (", "upstream + ("),
         ("softmax_sign", "softmax_outer_product_sign"), X,
         "the outer product in softmax's Jacobian has the wrong sign",
         (r"outer product.*sign", r"sign.*outer product"), on="softmax"),
    Slip("log-softmax of one class", LOG_SOFTMAX, "        return upstream - np.exp(a)\n",
         ("upstream_sum_missing", "softmax_upstream_sum"), X,
         "the sum of the upstream gradient is missing, as if it were 1", (r"sum of the (upstream )?gradient",),
         on="log-softmax"),
    Slip("norm as a constant", NORM, "        return upstream / norm\n", ("normalization_constants", "norm_constant"),
         X, "the norm is treated as a constant", (r"constant",), on="unit length"),
)  # fmt: skip

STYLE = Style(SOURCE, check, measure, SLIPS, VARIANTS)
