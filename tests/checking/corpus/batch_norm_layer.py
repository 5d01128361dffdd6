"""Batch normalization as a layer: forward with a cache, backward with the mean and variance of the batch."""

from typing import Any

from student_programs import Measurement, Slip, Style, Variant, measure_layer

from deltarule import check_vjp

HALF = "first"

SOURCE = """\
import numpy as np


def batchnorm_forward(x, gamma, beta, eps=1e-5):
    mu = x.mean(axis=0)
    xmu = x - mu
    var = (xmu**2).mean(axis=0)
    std = np.sqrt(var + eps)
    xhat = xmu / std
    out = gamma * xhat + beta
    cache = (xhat, xmu, std, gamma)
    return out, cache


def batchnorm_backward(dout, cache):
    xhat, xmu, std, gamma = cache
    N = dout.shape[0]
    dgamma = np.sum(dout * xhat, axis=0)
    dbeta = np.sum(dout, axis=0)
    dxhat = dout * gamma
    dvar = np.sum(dxhat * xmu, axis=0) * -0.5 * std**-3
    dmu = -np.sum(dxhat, axis=0) / std
    dx = dxhat / std + dvar * 2 * xmu / N + dmu / N
    return dx, dgamma, dbeta


rng = np.random.default_rng(4)
x = 2 * rng.normal(size=(6, 4)) + 1
gamma = rng.normal(size=4)
beta = rng.normal(size=4)
"""


def check(student: Any) -> Any:
    inputs = (student.x, student.gamma, student.beta)
    return check_vjp(student.batchnorm_forward, student.batchnorm_backward, inputs)


def measure(student: Any) -> Measurement:
    inputs = {name: getattr(student, name) for name in ("x", "gamma", "beta")}

    def forward(*values: Any) -> Any:
        return student.batchnorm_forward(*values)[0]

    def backward(upstream: Any) -> Any:
        return student.batchnorm_backward(upstream, student.batchnorm_forward(*inputs.values())[1])

    return measure_layer(forward, backward, inputs)


COMPACT = (
    (
        "    dvar = np.sum(dxhat * xmu, axis=0) * -0.5 * std**-3\n"
        "    dmu = -np.sum(dxhat, axis=0) / std\n"
        "    dx = dxhat / std + dvar * 2 * xmu / N + dmu / N\n",
        "    dx = (N * dxhat - dxhat.sum(axis=0) - xhat * (dxhat * xhat).sum(axis=0)) / (N * std)\n",
    ),
)

VARIANTS = (
    Variant("compact formula", COMPACT),
    Variant("gamma of ones and beta of zeros", (("gamma = rng.normal(size=4)", "gamma = np.ones(4)"),
                                                ("beta = rng.normal(size=4)", "beta = np.zeros(4)"))),
    Variant("large eps", (("eps=1e-5", "eps=0.1"),)),
)  # fmt: skip

CONSTANTS = ("batch_norm_constants", "normalization_constants")
SLIPS = (
    Slip(
        "mean as a constant", "+ dvar * 2 * xmu / N + dmu / N", "+ dvar * 2 * xmu / N", CONSTANTS, ("x",),
        "the backward pass treats the batch's mean as a constant", (r"mean.*constant",),
    ),
    Slip(
        "variance as a constant", "dx = dxhat / std + dvar * 2 * xmu / N + dmu / N", "dx = dxhat / std + dmu / N",
        CONSTANTS, ("x",), "the backward pass treats the batch's variance as a constant", (r"variance.*constant",),
    ),
    Slip(
        "mean and variance as constants", "dx = dxhat / std + dvar * 2 * xmu / N + dmu / N", "dx = dxhat / std",
        CONSTANTS, ("x",), "the backward pass treats mean and variance as constants", (r"constant",),
    ),
    Slip(
        "gamma left out", "dxhat = dout * gamma", "dxhat = dout", ("gamma_missing", "scale_missing"), ("x",),
        "the gradient of the input lacks gamma", (r"gamma",),
    ),
    Slip(
        "normalized input left out", "np.sum(dout * xhat, axis=0)", "np.sum(dout * xmu, axis=0)",
        ("wrong_input", "gamma_input"), ("gamma",),
        "the gradient of gamma uses the centered input instead of the normalized one", (r"normalized",),
    ),
    Slip(
        "exponent of the deviation", "-0.5 * std**-3", "-0.5 * std**-1", ("variance_exponent", "variance_derivative"),
        ("x",), "the derivative in the variance has the exponent of the deviation itself", (r"varianc",),
    ),
    Slip(
        "sign of the mean's gradient", "dmu = -np.sum", "dmu = np.sum", ("mean_gradient_sign", *CONSTANTS), ("x",),
        "the gradient through the mean has the wrong sign", (r"through the (batch's )?mean",),
    ),
    Slip(
        "N left out in the compact formula", "(N * dxhat - dxhat.sum", "(dxhat - dxhat.sum",
        ("mean_missing", "normalization_mean"), ("x",), "the sums are not divided by the number of samples",
        on="compact formula",
    ),
    Slip(
        "beta averaged", "dbeta = np.sum(dout, axis=0)", "dbeta = np.mean(dout, axis=0)", ("mean_twice",), ("beta",),
        "the gradient of beta is divided by the number of samples",
    ),
)  # fmt: skip

STYLE = Style(SOURCE, check, measure, SLIPS, VARIANTS)
