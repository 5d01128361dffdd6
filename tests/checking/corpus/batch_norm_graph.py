"""Batch normalization between two dense layers, one line per node of the computational graph."""

from typing import Any

from student_programs import Measurement, Slip, Style, Variant

from deltarule import check_gradient

HALF = "second"

SOURCE = """\
import numpy as np

eps = 1e-5


def bn_forward(x, gamma, beta):
    N, D = x.shape
    mu = 1 / N * np.sum(x, axis=0)
    xmu = x - mu
    sq = xmu**2
    var = 1 / N * np.sum(sq, axis=0)
    sqrtvar = np.sqrt(var + eps)
    ivar = 1 / sqrtvar
    xhat = xmu * ivar
    return gamma * xhat + beta, (xhat, gamma, xmu, ivar, sqrtvar)


def bn_backward(dout, cache):
    xhat, gamma, xmu, ivar, sqrtvar = cache
    N, D = dout.shape
    dbeta = np.sum(dout, axis=0)
    dgamma = np.sum(dout * xhat, axis=0)
    dxhat = dout * gamma
    divar = np.sum(dxhat * xmu, axis=0)
    dxmu1 = dxhat * ivar
    dsqrtvar = -1 / sqrtvar**2 * divar
    dvar = 0.5 / sqrtvar * dsqrtvar
    dsq = 1 / N * np.ones((N, D)) * dvar
    dxmu2 = 2 * xmu * dsq
    dx1 = dxmu1 + dxmu2
    dmu = -np.sum(dx1, axis=0)
    dx2 = 1 / N * np.ones((N, D)) * dmu
    return dx1 + dx2, dgamma, dbeta


rng = np.random.default_rng(63)
images = rng.normal(size=(8, 4))
classes = np.array([0, 1, 2, 1, 0, 2, 2, 1])
params = {
    "W1": rng.normal(size=(4, 5)),
    "gamma": rng.uniform(0.5, 1.5, size=5),
    "beta": 0.3 * rng.normal(size=5),
    "W2": rng.normal(size=(5, 3)),
    "b2": 0.1 * rng.normal(size=3),
}


def forward(p):
    s, cache = bn_forward(images @ p["W1"], p["gamma"], p["beta"])
    h = np.maximum(s, 0)
    scores = h @ p["W2"] + p["b2"]
    e = np.exp(scores - scores.max(axis=1, keepdims=True))
    return s, h, e / e.sum(axis=1, keepdims=True), cache


def loss(p):
    probs = forward(p)[2]
    return -np.mean(np.log(probs[np.arange(len(classes)), classes]))


def gradient(p):
    s, h, probs, cache = forward(p)
    d = (probs - np.eye(3)[classes]) / len(classes)
    grads = {"W2": h.T @ d, "b2": d.sum(axis=0)}
    ds = d @ p["W2"].T * (s > 0)
    dz, grads["gamma"], grads["beta"] = bn_backward(ds, cache)
    grads["W1"] = images.T @ dz
    return grads
"""


def check(student: Any) -> Any:
    return check_gradient(student.loss, student.gradient, student.params)


def measure(student: Any) -> Measurement:
    params = student.params
    return Measurement(lambda: student.loss(params), lambda: student.gradient(params), params)


GRAPH = (
    "    dxhat = dout * gamma\n"
    "    divar = np.sum(dxhat * xmu, axis=0)\n"
    "    dxmu1 = dxhat * ivar\n"
    "    dsqrtvar = -1 / sqrtvar**2 * divar\n"
    "    dvar = 0.5 / sqrtvar * dsqrtvar\n"
    "    dsq = 1 / N * np.ones((N, D)) * dvar\n"
    "    dxmu2 = 2 * xmu * dsq\n"
    "    dx1 = dxmu1 + dxmu2\n"
    "    dmu = -np.sum(dx1, axis=0)\n"
    "    dx2 = 1 / N * np.ones((N, D)) * dmu\n"
    "    return dx1 + dx2, dgamma, dbeta\n"
)
COMPACT = (
    (
        GRAPH,
        "    dx = gamma * ivar / N * (N * dout - xhat * dgamma - dbeta)\n    return dx, dgamma, dbeta\n",
    ),
)
VARIANTS = (
    Variant("compact", COMPACT),
    Variant("bias in front of the norm", (
        ('    "gamma": rng', '    "b1": rng.normal(size=5),\n    "gamma": rng'),
        ('images @ p["W1"], p', 'images @ p["W1"] + p["b1"], p'),
        ('    grads["W1"] = images.T @ dz\n', '    grads["W1"] = images.T @ dz\n    grads["b1"] = dz.sum(axis=0)\n'),
    )),
    Variant("tanh", (("np.maximum(s, 0)", "np.tanh(s)"), ("(s > 0)", "(1 - h**2)"))),
)  # fmt: skip

W1 = ("W1",)
SLIPS = (
    Slip("derivative of the inverse", "-1 / sqrtvar**2", "-1 / sqrtvar", ("power_rule", "variance_exponent"), W1,
         "the derivative of 1 / s is −1 / s instead of −1 / s²"),
    Slip("sign of the inverse", "-1 / sqrtvar**2", "1 / sqrtvar**2", ("power_rule", "variance_sign"), W1,
         "the derivative of 1 / s lacks its minus"),
    Slip("half of the square root", "0.5 / sqrtvar", "1 / sqrtvar", ("power_rule", "factor_two", "scale_missing"), W1,
         "the derivative of the square root lacks its ½"),
    Slip("two of the square", "2 * xmu * dsq", "xmu * dsq", ("power_rule", "factor_two", "scale_missing"), W1,
         "the derivative of the square lacks its 2"),
    Slip("mean of the input", "dx2 = 1 / N * np.ones", "dx2 = np.ones",
         ("mean_missing", "scale_missing", "normalization_mean"), W1,
         "the gradient of the mean is not divided by the number of samples"),
    Slip("inverse deviation's gradient not summed", "divar = np.sum(dxhat * xmu, axis=0)", "divar = dxhat * xmu",
         ("not_summed", "sum_missing"), W1, "the gradient of the inverse deviation has a row for each sample"),
    Slip("unbiased variance forward", "var = 1 / N * np.sum(sq, axis=0)", "var = np.var(x, axis=0, ddof=1)",
         ("scale_missing", "variance_correction", "forward_differs", "factor"), W1,
         "the forward pass divides the squares by N − 1, the backward pass by N"),
    Slip("sum over the units in the compact form", "- dbeta)\n", "- dout.sum(axis=1, keepdims=True))\n",
         ("wrong_axis", "normalization_axis"), W1,
         "the sum of the compact form goes over units instead of samples", on="compact"),
    Slip("centered for normalized input", "xhat * dgamma - dbeta", "xmu * dgamma - dbeta",
         ("scale_missing", "wrong_input", "deviation_missing"), W1,
         "the centered input stands in place of the normalized one", on="compact"),
    Slip("gamma's gradient from the input of the norm", "dgamma = np.sum(dout * xhat, axis=0)",
         "dgamma = np.sum(dout * (gamma * xhat), axis=0)",
         # dout * gamma is the gradient of the normalized input, which stands in place of the output's.
         ("scale_missing", "wrong_input", "factor", "other_delta"), ("gamma",),
         "gamma's gradient is taken with gamma times the normalized input"),
)  # fmt: skip

STYLE = Style(SOURCE, check, measure, SLIPS, VARIANTS)
