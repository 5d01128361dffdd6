"""Layer normalization of [batch, time, features], step by step, as a function that returns its backward pass."""

from typing import Any

from student_programs import Measurement, Slip, Style, Variant, measure_layer

from deltarule import check_vjp

HALF = "second"

SOURCE = """\
import numpy as np


def layernorm(x, g, b):
    H = x.shape[-1]
    mu = x.sum(-1, keepdims=True) / H
    centered = x - mu
    var = (centered * centered).sum(-1, keepdims=True) / H
    rstd = (var + 1e-5) ** -0.5
    norm = centered * rstd
    out = norm * g + b

    def backward(dout):
        db = dout.sum((0, 1))
        dg = (dout * norm).sum((0, 1))
        dnorm = dout * g
        dcentered = dnorm * rstd
        drstd = (dnorm * centered).sum(-1, keepdims=True)
        dvar = -0.5 * drstd * (var + 1e-5) ** -1.5
        dcentered += 2 * centered * dvar / H
        dmu = -dcentered.sum(-1, keepdims=True)
        dx = dcentered + dmu / H
        return dx, dg, db

    return out, backward


rng = np.random.default_rng(41)
x = 1.5 * rng.normal(size=(2, 3, 4)) + 0.5
g = 1 + 0.3 * rng.normal(size=4)
b = 0.2 * rng.normal(size=4)
"""

NAMES = ("x", "g", "b")


def check(student: Any) -> Any:
    return check_vjp(student.layernorm, None, {name: getattr(student, name) for name in NAMES})


def measure(student: Any) -> Measurement:
    inputs = {name: getattr(student, name) for name in NAMES}

    def backward(upstream: Any) -> Any:
        return student.layernorm(*inputs.values())[1](upstream)

    return measure_layer(lambda *values: student.layernorm(*values)[0], backward, inputs)


STEPS = (
    "        drstd = (dnorm * centered).sum(-1, keepdims=True)\n"
    "        dvar = -0.5 * drstd * (var + 1e-5) ** -1.5\n"
    "        dcentered += 2 * centered * dvar / H\n"
    "        dmu = -dcentered.sum(-1, keepdims=True)\n"
    "        dx = dcentered + dmu / H\n"
)
TWO_MEANS = (
    ("        dcentered = dnorm * rstd\n", ""),
    (
        STEPS,
        "        m1 = dnorm.mean(-1, keepdims=True)\n"
        "        m2 = (dnorm * norm).mean(-1, keepdims=True)\n"
        "        dx = rstd * (dnorm - m1 - norm * m2)\n",
    ),
)
ROOT_MEAN_SQUARE = (
    ("    mu = x.sum(-1, keepdims=True) / H\n    centered = x - mu\n", "    centered = x\n"),
    ("        dmu = -dcentered.sum(-1, keepdims=True)\n        dx = dcentered + dmu / H\n", "        dx = dcentered\n"),
)
VARIANTS = (
    Variant("two means", TWO_MEANS),
    Variant("root mean square", ROOT_MEAN_SQUARE),
    # The gradient through the variance sums to 0 over the features, so that it does not reach the mean.
    Variant("mean before the variance", (
        ("        dcentered += 2 * centered * dvar / H\n        dmu = -dcentered.sum(-1, keepdims=True)\n",
         "        dmu = -dcentered.sum(-1, keepdims=True)\n        dcentered += 2 * centered * dvar / H\n"),
    )),
)  # fmt: skip

X = ("x",)
VARIANCE_STEP = "dcentered += 2 * centered * dvar / H"
SLIPS = (
    Slip("gain not summed over the time", "(dout * norm).sum((0, 1))", "(dout * norm).sum(0)",
         ("not_summed", "wrong_shape", "wrong_axis"), ("g",),
         "the gradient of the gain is summed over the batch, and not over the time steps"),
    Slip("direct path overwritten", VARIANCE_STEP, "dcentered = 2 * centered * dvar / H",
         ("gradient_overwritten", "path_missing"), X, "the path through the variance overwrites the direct one"),
    Slip("features not counted at the variance", VARIANCE_STEP, "dcentered += 2 * centered * dvar",
         ("scale_missing", "mean_missing", "normalization_mean"), X,
         "the gradient of the squares is not divided by the number of features"),
    Slip("exponent not lowered", "** -1.5", "** -0.5", ("power_rule", "variance_exponent"), X,
         "the derivative of v^−½ has the exponent −½ instead of −3/2"),
    Slip("path through the mean", "dx = dcentered + dmu / H", "dx = dcentered",
         ("path_missing", "normalization_constants", "batch_norm_constants"), X,
         "the path through the mean is left out"),
    Slip("mean of the gradient before the gain", "m1 = dnorm.mean", "m1 = dout.mean",
         ("scale_missing", "gain_missing", "gamma_missing"), X,
         "the mean is taken of the gradient in front of the gain", on="two means"),
    Slip("two sums in place of means",
         "m1 = dnorm.mean(-1, keepdims=True)\n        m2 = (dnorm * norm).mean(",
         "m1 = dnorm.sum(-1, keepdims=True)\n        m2 = (dnorm * norm).sum(",
         ("mean_missing", "normalization_mean", "scale_missing"), X,
         "sums stand in place of means over the features", on="two means"),
    Slip("root mean square as a constant", "        dcentered += 2 * centered * dvar / H\n", "",
         ("normalization_constants", "norm_constant", "path_missing", "batch_norm_constants"), X,
         "the root of the mean square is treated as a constant", on="root mean square"),
)  # fmt: skip

STYLE = Style(SOURCE, check, measure, SLIPS, VARIANTS)
