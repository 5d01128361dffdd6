"""Layer normalization as a class, which stores its gradients, and in a small network."""

from typing import Any

from student_programs import Measurement, Slip, Style, Variant

from deltarule import check_object

HALF = "first"

SOURCE = """\
import numpy as np


class LayerNorm:
    def __init__(self, size, eps=1e-5):
        rng = np.random.default_rng(7)
        self.gain = rng.normal(size=size)
        self.bias = rng.normal(size=size)
        self.eps = eps

    def forward(self, x):
        mean = x.mean(axis=-1, keepdims=True)
        var = x.var(axis=-1, keepdims=True)
        self.inv_std = 1 / np.sqrt(var + self.eps)
        self.xhat = (x - mean) * self.inv_std
        return self.gain * self.xhat + self.bias

    def backward(self, dout):
        self.dgain = (dout * self.xhat).sum(axis=0)
        self.dbias = dout.sum(axis=0)
        dxhat = dout * self.gain
        mean_d = dxhat.mean(axis=-1, keepdims=True)
        mean_dx = (dxhat * self.xhat).mean(axis=-1, keepdims=True)
        return self.inv_std * (dxhat - mean_d - self.xhat * mean_dx)


class Net:
    def __init__(self):
        rng = np.random.default_rng(8)
        self.W = rng.normal(size=(3, 5))
        self.norm = LayerNorm(5)
        self.V = rng.normal(size=(5, 2))

    def loss(self, x, t):
        self.x = x
        self.h = np.tanh(self.norm.forward(x @ self.W))
        self.error = self.h @ self.V - t
        return np.mean(self.error**2)

    def backward(self):
        d = 2 * self.error / self.error.size
        self.dV = self.h.T @ d
        d = (d @ self.V.T) * (1 - self.h**2)
        d = self.norm.backward(d)
        self.dW = self.x.T @ d


rng = np.random.default_rng(9)
x, t = rng.normal(size=(6, 3)), rng.normal(size=(6, 2))
net = Net()
"""

PARAMETERS = ("W", "norm.gain", "norm.bias", "V")
GRADIENTS = ("dW", "norm.dgain", "norm.dbias", "dV")


def check(student: Any) -> Any:
    net = student.net
    return check_object(
        net, params=PARAMETERS, grads=GRADIENTS, loss=lambda: net.loss(student.x, student.t), backward=net.backward
    )


def measure(student: Any) -> Measurement:
    net = student.net

    def gradient() -> Any:
        net.loss(student.x, student.t)
        net.backward()
        return dict(zip(PARAMETERS, (net.dW, net.norm.dgain, net.norm.dbias, net.dV), strict=True))

    parameters = dict(zip(PARAMETERS, (net.W, net.norm.gain, net.norm.bias, net.V), strict=True))
    return Measurement(lambda: net.loss(student.x, student.t), gradient, parameters)


VARIANTS = (
    Variant("gain of ones", (("self.gain = rng.normal(size=size)", "self.gain = np.ones(size)"),
                             ("self.bias = rng.normal(size=size)", "self.bias = np.zeros(size)"))),
    Variant("relu", (("np.tanh(self.norm.forward(x @ self.W))", "np.maximum(0, self.norm.forward(x @ self.W))"),
                     ("(1 - self.h**2)", "(self.h > 0)"))),
    Variant("sum as the loss", (("np.mean(self.error**2)", "0.5 * np.sum(self.error**2)"),
                                ("d = 2 * self.error / self.error.size", "d = self.error"))),
)  # fmt: skip

SLIPS = (
    Slip(
        "mean over the samples", "mean_d = dxhat.mean(axis=-1, keepdims=True)",
        "mean_d = dxhat.mean(axis=0, keepdims=True)", ("normalization_axis", "wrong_axis"), ("W",),
        "the gradient through the mean is averaged over samples instead of features", (r"axis", r"over (the )?samples"),
    ),
    Slip(
        "both means over the samples",
        "        mean_d = dxhat.mean(axis=-1, keepdims=True)\n"
        "        mean_dx = (dxhat * self.xhat).mean(axis=-1, keepdims=True)\n",
        "        mean_d = dxhat.mean(axis=0)\n        mean_dx = (dxhat * self.xhat).mean(axis=0)\n",
        ("normalization_axis", "wrong_axis"), ("W",),
        "the backward pass is that of batch norm: means over samples instead of features",
        (r"axis", r"over (the )?samples"),
    ),
    Slip(
        "statistics as constants", "self.inv_std * (dxhat - mean_d - self.xhat * mean_dx)", "self.inv_std * dxhat",
        ("normalization_constants", "layer_norm_constants", "batch_norm_constants"), ("W",),
        "mean and variance are treated as constants", (r"constant",),
    ),
    Slip(
        "variance as a constant", "(dxhat - mean_d - self.xhat * mean_dx)", "(dxhat - mean_d)",
        ("normalization_constants", "layer_norm_constants", "batch_norm_constants"), ("W",),
        "the variance is treated as a constant", (r"constant",),
    ),
    Slip(
        "gain left out", "dxhat = dout * self.gain", "dxhat = dout", ("gamma_missing", "gain_missing"), ("W",),
        "the gradient of the input lacks the gain", (r"gain|gamma",),
    ),
    Slip(
        "gain's gradient over the features", "(dout * self.xhat).sum(axis=0)", "(dout * self.xhat).sum(axis=-1)",
        ("wrong_axis",), ("norm.gain",), "the gradient of the gain is summed over features instead of samples",
    ),
    Slip(
        "bias's gradient averaged", "self.dbias = dout.sum(axis=0)", "self.dbias = dout.mean(axis=0)",
        ("mean_twice",), ("norm.bias",), "the gradient of the bias is divided by the number of samples twice",
    ),
    Slip(
        "deviation left out", "return self.inv_std * (dxhat - mean_d", "return (dxhat - mean_d",
        ("scale_missing", "deviation_missing"), ("W",), "the division by the deviation is missing", (r"deviation",),
    ),
    Slip(
        "derivative behind the norm left out", "(d @ self.V.T) * (1 - self.h**2)", "d @ self.V.T",
        ("derivative_missing",), ("W", "norm.gain", "norm.bias"), "tanh's derivative is missing",
    ),
)  # fmt: skip

STYLE = Style(SOURCE, check, measure, SLIPS, VARIANTS)
