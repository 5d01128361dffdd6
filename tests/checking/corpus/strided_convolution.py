"""Convolution of signals with stride and padding, in a loop over output positions, as a layer with a cache."""

from typing import Any

from student_programs import Measurement, Slip, Style, Variant, measure_layer

from deltarule import check_vjp

HALF = "second"

SOURCE = """\
import numpy as np

stride, pad = 2, 2


def conv1d(x, w, b):
    N, C, L = x.shape
    F, _, K = w.shape
    xp = np.zeros((N, C, L + 2 * pad))
    xp[:, :, pad : pad + L] = x
    out_len = (L + 2 * pad - K) // stride + 1
    y = np.empty((N, F, out_len))
    for i in range(out_len):
        s = i * stride
        y[:, :, i] = np.einsum("nck,fck->nf", xp[:, :, s : s + K], w) + b
    return y, (xp, w)


def conv1d_backward(dy, cache):
    xp, w = cache
    K = w.shape[-1]
    dxp, dw, db = np.zeros_like(xp), np.zeros_like(w), np.zeros(len(w))
    for i in range(dy.shape[-1]):
        s = i * stride
        dw += np.einsum("nf,nck->fck", dy[:, :, i], xp[:, :, s : s + K])
        dxp[:, :, s : s + K] += np.einsum("nf,fck->nck", dy[:, :, i], w)
        db += dy[:, :, i].sum(axis=0)
    return dxp[:, :, pad:-pad], dw, db


rng = np.random.default_rng(29)
x = rng.normal(size=(2, 3, 9))
w = rng.normal(size=(3, 3, 4))
b = rng.normal(size=3)
"""

NAMES = ("x", "w", "b")


def check(student: Any) -> Any:
    return check_vjp(student.conv1d, student.conv1d_backward, tuple(getattr(student, name) for name in NAMES))


def measure(student: Any) -> Measurement:
    inputs = {name: getattr(student, name) for name in NAMES}

    def backward(upstream: Any) -> Any:
        return student.conv1d_backward(upstream, student.conv1d(*inputs.values())[1])

    return measure_layer(lambda *values: student.conv1d(*values)[0], backward, inputs)


CAUSAL = (
    ("L + 2 * pad))\n    xp", "L + pad))\n    xp"),
    ("(L + 2 * pad - K)", "(L + pad - K)"),
    ("dxp[:, :, pad:-pad]", "dxp[:, :, pad:]"),
)
FLIPPED = (
    ("xp[:, :, s : s + K], w) + b", "xp[:, :, s : s + K], w[:, :, ::-1]) + b"),
    ("dw += np.einsum(", "dw[:, :, ::-1] += np.einsum("),
    ('"nf,fck->nck", dy[:, :, i], w)', '"nf,fck->nck", dy[:, :, i], w[:, :, ::-1])'),
)
VARIANTS = (
    Variant("padding in front only", CAUSAL),
    Variant("kernel flipped as in the definition", FLIPPED),
    Variant("stride larger than the kernel", (("stride, pad = 2, 2", "stride, pad = 3, 1"),
                                              ("size=(3, 3, 4)", "size=(3, 3, 2)"))),
)  # fmt: skip

SLIPS = (
    Slip("padding left on", "return dxp[:, :, pad:-pad], dw, db", "return dxp, dw, db",
         ("padding", "wrong_shape"), ("x",), "the gradient still has the padding"),
    Slip("padding cut off at the end only", "return dxp[:, :, pad:], dw, db", "return dxp[:, :, :-pad], dw, db",
         ("padding", "wrong_padding"), ("x",), "the padding in front is kept, and as much cut off at the end",
         on="padding in front only"),
    Slip("stride left out at the weights", "dy[:, :, i], xp[:, :, s : s + K])", "dy[:, :, i], xp[:, :, i : i + K])",
         ("stride", "wrong_stride"), ("w",), "the weights' gradient takes windows as for a stride of 1"),
    Slip("stride left out at the input", "dxp[:, :, s : s + K] +=", "dxp[:, :, i : i + K] +=",
         ("stride", "wrong_stride"), ("x",), "the input's gradient goes to windows as for a stride of 1"),
    Slip("bias of the last position", "db += dy", "db = dy", ("gradient_overwritten",), ("b",),
         "the bias's gradient is that of the last position"),
    Slip("channels exchanged in the weights' gradient", '"nf,nck->fck"', '"nf,nck->cfk"',
         ("transposed", "channels_exchanged"), ("w",), "input and output channels are exchanged in the gradient"),
    Slip("channels exchanged in the input's gradient", '"nf,fck->nck"', '"nf,cfk->nck"',
         ("weights_not_transposed", "not_transposed", "transposed"), ("x",),
         "the kernel's channels are contracted in the wrong order"),
    Slip("weights' gradient flipped the other way", "dw[:, :, ::-1] += np.einsum(", "dw += np.einsum(",
         ("kernel_not_flipped",), ("w",), "the gradient of the flipped kernel is not flipped back",
         on="kernel flipped as in the definition"),
    Slip("weights averaged over the positions", "    return dxp[:, :, pad:-pad]",
         "    dw /= dy.shape[-1]\n    return dxp[:, :, pad:-pad]", ("mean_twice", "factor"), ("w",),
         "the weights' gradient is divided by the number of positions"),
)  # fmt: skip

STYLE = Style(SOURCE, check, measure, SLIPS, VARIANTS)
