"""Convolution and max pooling with naive loops, in a network with a dense layer behind them."""

from typing import Any

from student_programs import Measurement, Slip, Style, Variant

from deltarule import check_gradient

HALF = "first"

SOURCE = """\
import numpy as np


def conv_forward(x, w, b, stride=1, pad=1):
    N, C, H, W = x.shape
    F, _, HH, WW = w.shape
    xp = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    Ho = 1 + (H + 2 * pad - HH) // stride
    Wo = 1 + (W + 2 * pad - WW) // stride
    out = np.zeros((N, F, Ho, Wo))
    for i in range(Ho):
        for j in range(Wo):
            patch = xp[:, :, i * stride : i * stride + HH, j * stride : j * stride + WW]
            out[:, :, i, j] = np.tensordot(patch, w, axes=([1, 2, 3], [1, 2, 3])) + b
    return out, (xp, w, stride, pad)


def conv_backward(dout, cache):
    xp, w, stride, pad = cache
    F, _, HH, WW = w.shape
    _, _, Ho, Wo = dout.shape
    dxp = np.zeros_like(xp)
    dw = np.zeros_like(w)
    db = dout.sum(axis=(0, 2, 3))
    for i in range(Ho):
        for j in range(Wo):
            rows = slice(i * stride, i * stride + HH)
            cols = slice(j * stride, j * stride + WW)
            for f in range(F):
                g = dout[:, f, i, j][:, None, None, None]
                dw[f] += np.sum(xp[:, :, rows, cols] * g, axis=0)
                dxp[:, :, rows, cols] += w[f] * g
    H, W = xp.shape[2:]
    dx = dxp[:, :, pad : H - pad, pad : W - pad]
    return dx, dw, db


def max_pool_forward(x, size=2, stride=2):
    N, C, H, W = x.shape
    Ho, Wo = 1 + (H - size) // stride, 1 + (W - size) // stride
    out = np.zeros((N, C, Ho, Wo))
    for i in range(Ho):
        for j in range(Wo):
            window = x[:, :, i * stride : i * stride + size, j * stride : j * stride + size]
            out[:, :, i, j] = window.max(axis=(2, 3))
    return out, (x, size, stride)


def max_pool_backward(dout, cache):
    x, size, stride = cache
    dx = np.zeros_like(x)
    N, C, Ho, Wo = dout.shape
    for n in range(N):
        for c in range(C):
            for i in range(Ho):
                for j in range(Wo):
                    r, s = i * stride, j * stride
                    window = x[n, c, r : r + size, s : s + size]
                    k, l = np.unravel_index(np.argmax(window), window.shape)
                    dx[n, c, r + k, s + l] += dout[n, c, i, j]
    return dx


rng = np.random.default_rng(21)
x = rng.normal(size=(2, 2, 5, 5))
t = rng.normal(size=(2, 3))
params = {
    "w1": rng.normal(size=(2, 2, 3, 3)),
    "b1": 0.1 * rng.normal(size=2),
    "w2": rng.normal(size=(2, 2, 3, 3)) / 3,
    "b2": 0.1 * rng.normal(size=2),
    "wout": rng.normal(size=(8, 3)),
}


def forward(p):
    z1, conv1 = conv_forward(x, p["w1"], p["b1"])
    a1 = np.tanh(z1)
    z2, conv2 = conv_forward(a1, p["w2"], p["b2"])
    pooled, pool = max_pool_forward(z2)
    flat = pooled.reshape(len(x), -1)
    error = flat @ p["wout"] - t
    return error, (z1, a1, pooled, flat, conv1, conv2, pool)


def loss(p):
    return 0.5 * np.sum(forward(p)[0] ** 2)


def gradients(p):
    error, (z1, a1, pooled, flat, conv1, conv2, pool) = forward(p)
    grads = {"wout": flat.T @ error}
    dpooled = (error @ p["wout"].T).reshape(pooled.shape)
    dz2 = max_pool_backward(dpooled, pool)
    da1, grads["w2"], grads["b2"] = conv_backward(dz2, conv2)
    dz1 = da1 * (1 - a1**2)
    _, grads["w1"], grads["b1"] = conv_backward(dz1, conv1)
    return grads
"""

FIRST, SECOND = ("w1", "b1"), ("w2", "b2")


def check(student: Any) -> Any:
    return check_gradient(student.loss, student.gradients, student.params)


def measure(student: Any) -> Measurement:
    params = student.params
    return Measurement(lambda: student.loss(params), lambda: student.gradients(params), params)


OVERLAPPING = (("def max_pool_forward(x, size=2, stride=2)", "def max_pool_forward(x, size=3, stride=2)"),)
STRIDE = (
    ("conv_forward(a1, p[\"w2\"], p[\"b2\"])", "conv_forward(a1, p[\"w2\"], p[\"b2\"], stride=2, pad=2)"),
    ("max_pool_forward(z2)", "max_pool_forward(z2, size=2, stride=2)"),
)  # fmt: skip

VARIANTS = (
    Variant("overlapping windows", OVERLAPPING),
    Variant("stride and padding of 2", STRIDE),
    Variant("relu with zero biases", (
        ("a1 = np.tanh(z1)", "a1 = np.maximum(0, z1)"), ("da1 * (1 - a1**2)", "da1 * (z1 > 0)"),
        ('"b1": 0.1 * rng.normal(size=2)', '"b1": np.zeros(2)'),
        ('"b2": 0.1 * rng.normal(size=2)', '"b2": np.zeros(2)'),
    )),
    Variant("images of few gray levels", (("x = rng.normal(size=(2, 2, 5, 5))",
                                           "x = rng.integers(0, 3, size=(2, 2, 5, 5)) / 2"),)),
)  # fmt: skip

SLIPS = (
    Slip(
        "kernel flipped in the wrong pass", "dxp[:, :, rows, cols] += w[f] * g",
        "dxp[:, :, rows, cols] += w[f][:, ::-1, ::-1] * g", ("kernel_not_flipped", "kernel_flipped"), FIRST,
        "the gradient of the input uses the kernel rotated by 180°", (r"flip", r"rotat", r"180"),
    ),
    Slip(
        "padding cut off on one side", "dxp[:, :, pad : H - pad, pad : W - pad]",
        "dxp[:, :, : H - 2 * pad, : W - 2 * pad]", ("padding", "wrong_padding"), FIRST,
        "the padding is removed at the end only, so that the gradient is shifted", (r"padd", r"shift"),
    ),
    Slip(
        "overlapping patches overwritten", "dxp[:, :, rows, cols] += w[f] * g", "dxp[:, :, rows, cols] = w[f] * g",
        ("gradient_overwritten", "last_sample"), FIRST,
        "overlapping patches overwrite the gradient of the input", (r"overwrit", r"instead of add", r"\+="),
    ),
    Slip(
        "stride forgotten", "rows = slice(i * stride, i * stride + HH)", "rows = slice(i, i + HH)",
        ("stride", "wrong_stride"), (*FIRST, "w2"), "the backward pass ignores the stride of the rows", (r"stride",),
        on="stride and padding of 2",
    ),
    Slip(
        "filters overwritten", "dw[f] += np.sum(xp", "dw[f] = np.sum(xp", ("gradient_overwritten", "last_sample"),
        ("w1", "w2"), "the gradient of a filter is that of the last patch", (r"overwrit", r"instead of add", r"\+="),
    ),
    Slip(
        "bias summed over samples only", "db = dout.sum(axis=(0, 2, 3))", "db = dout.sum(axis=0).mean(axis=(1, 2))",
        ("mean_twice", "factor", "wrong_axis"), ("b1", "b2"),
        "the gradient of the bias is averaged over positions", (r"position", r"average"),
    ),
    Slip(
        "bias summed over channels too", "db = dout.sum(axis=(0, 2, 3))", "db = dout.sum() * np.ones(F)",
        ("wrong_axis",), ("b1", "b2"), "the gradient of the bias is summed over filters too",
    ),
    Slip(
        "pooling averages on the way back", "dx[n, c, r + k, s + l] += dout[n, c, i, j]",
        "dx[n, c, r : r + size, s : s + size] += dout[n, c, i, j] / size**2", ("pool_routing", "max_pool_routing"),
        (*FIRST, "w2"), "the gradient of the maximum is spread over the window as for a mean",
        (r"pool|maxim|window",),
    ),
    Slip(
        "pooling to the whole window", "dx[n, c, r + k, s + l] += dout[n, c, i, j]",
        "dx[n, c, r : r + size, s : s + size] += dout[n, c, i, j]", ("pool_routing", "max_pool_routing"),
        (*FIRST, *SECOND), "every entry of the window gets the gradient of the maximum", (r"pool|maxim|window",),
    ),
    Slip(
        "windows overwrite each other", "dx[n, c, r + k, s + l] += dout", "dx[n, c, r + k, s + l] = dout",
        ("gradient_overwritten", "pool_routing"), (*FIRST, *SECOND),
        "an entry that is the maximum of two windows keeps one gradient", (r"overwrit", r"instead of add", r"\+="),
        on="overlapping windows",
    ),
    Slip(
        "row and column of the maximum exchanged", "dx[n, c, r + k, s + l]", "dx[n, c, r + l, s + k]",
        ("pool_routing", "max_pool_routing"), (*FIRST, "w2"),
        "row and column of the maximum are exchanged", (r"pool|maxim|window",),
    ),
)  # fmt: skip

STYLE = Style(SOURCE, check, measure, SLIPS, VARIANTS)
