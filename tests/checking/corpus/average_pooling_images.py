"""A network for small images in vectorized NumPy: one filter bank, average pooling and softmax."""

from typing import Any

from student_programs import Measurement, Slip, Style, Variant

from deltarule import check_gradient

HALF = "second"

SOURCE = """\
import numpy as np

rng = np.random.RandomState(52)
imgs = rng.randn(5, 6, 6)
labels = np.array([0, 2, 1, 1, 0])
K = rng.randn(2, 3, 3)
kb = 0.1 * rng.randn(2)
V = rng.randn(8, 3)


def model(K, kb, V):
    z = np.zeros((5, 2, 4, 4))
    for i in range(3):
        for j in range(3):
            z += K[:, i, j].reshape(1, 2, 1, 1) * imgs[:, None, i : i + 4, j : j + 4]
    z += kb.reshape(1, 2, 1, 1)
    a = np.maximum(z, 0)
    pooled = a.reshape(5, 2, 2, 2, 2, 2).mean(axis=(3, 5))
    flat = pooled.reshape(5, -1)
    logits = flat @ V
    logits = logits - logits.max(axis=1, keepdims=True)
    logp = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
    return z, a, pooled, flat, logp


def loss(K, kb, V):
    return -model(K, kb, V)[-1][range(5), labels].mean()


def grad(K, kb, V):
    z, a, pooled, flat, logp = model(K, kb, V)
    d = np.exp(logp)
    d[range(5), labels] -= 1
    d /= 5
    dV = flat.T @ d
    dpooled = (d @ V.T).reshape(pooled.shape)
    da = dpooled.repeat(2, axis=2).repeat(2, axis=3) / 4
    dz = da * (z > 0)
    dkb = dz.sum(axis=(0, 2, 3))
    dK = np.zeros_like(K)
    for i in range(3):
        for j in range(3):
            dK[:, i, j] = (dz * imgs[:, None, i : i + 4, j : j + 4]).sum(axis=(0, 2, 3))
    return dK, dkb, dV
"""

NAMES = ("K", "kb", "V")


def check(student: Any) -> Any:
    return check_gradient(student.loss, student.grad, {name: getattr(student, name) for name in NAMES})


def measure(student: Any) -> Measurement:
    values = {name: getattr(student, name) for name in NAMES}
    return Measurement(
        lambda: student.loss(*values.values()),
        lambda: dict(zip(NAMES, student.grad(*values.values()), strict=True)),
        values,
    )


UNPOOL = "    da = dpooled.repeat(2, axis=2).repeat(2, axis=3) / 4\n"
GLOBAL = (
    ("    pooled = a.reshape(5, 2, 2, 2, 2, 2).mean(axis=(3, 5))\n", "    pooled = a.mean(axis=(2, 3))\n"),
    ("V = rng.randn(8, 3)", "V = rng.randn(2, 3)"),
    (UNPOOL, "    da = dpooled[:, :, None, None] * np.ones(a.shape) / 16\n"),
)
VARIANTS = (
    Variant("global average pooling", GLOBAL),
    Variant("kronecker product for unpooling", ((UNPOOL, "    da = np.kron(dpooled, np.full((1, 1, 2, 2), 0.25))\n"),)),
    Variant("tanh behind the pooling", (
        ("    a = np.maximum(z, 0)\n", "    a = z\n"),
        (".mean(axis=(3, 5))", ".mean(axis=(3, 5))\n    h = np.tanh(pooled)"),
        ("pooled.reshape(5, -1)", "h.reshape(5, -1)"), ("dz = da * (z > 0)", "dz = da"),
        (".reshape(pooled.shape)", ".reshape(pooled.shape) * (1 - np.tanh(pooled) ** 2)"),
    )),
)  # fmt: skip

FILTERS = ("K", "kb")
SLIPS = (
    Slip("count of the pool", UNPOOL, UNPOOL.replace(" / 4", ""), ("scale_missing", "pool_count", "factor"), FILTERS,
         "the gradient of the mean is not divided by the 4 entries of its window"),
    Slip("side of the pool", UNPOOL, UNPOOL.replace(" / 4", " / 2"),
         ("scale_missing", "pool_count", "factor", "factor_two"), FILTERS,
         "the gradient of the mean is divided by the side of the window"),
    Slip("tiled instead of repeated", UNPOOL, "    da = np.tile(dpooled, (1, 1, 2, 2)) / 4\n",
         ("pool_routing", "unpooling"), FILTERS, "the gradients of the windows are tiled, so that they get to others"),
    Slip("one entry of the window", UNPOOL, "    da = np.zeros_like(a)\n    da[:, :, ::2, ::2] = dpooled\n",
         ("pool_routing",), FILTERS, "the whole gradient of a mean goes to the first entry of its window"),
    Slip("mask of the pooled map", UNPOOL + "    dz = da * (z > 0)\n",
         "    da = (dpooled * (pooled > 0)).repeat(2, axis=2).repeat(2, axis=3) / 4\n    dz = da\n",
         ("other_mask", "wrong_input"), FILTERS,
         "ReLU's mask is taken of the pooled map instead of the pre-activation"),
    Slip("images flipped at the filter", "(dz * imgs[:, None, i : i + 4, j : j + 4])",
         "(dz[:, :, ::-1, ::-1] * imgs[:, None, i : i + 4, j : j + 4])", ("kernel_not_flipped",), ("K",),
         "the filters' gradient flips the gradient of the map"),
    Slip("one mean of the global pool", "* np.ones(a.shape) / 16", "* np.ones(a.shape) / 4",
         ("scale_missing", "pool_count", "factor"), FILTERS,
         "the gradient is divided by the 4 entries of a row instead of all 16",
         on="global average pooling"),
    Slip("bias averaged over positions", "dkb = dz.sum(axis=(0, 2, 3))", "dkb = dz.sum(axis=0).mean(axis=(1, 2))",
         ("mean_twice", "factor"), ("kb",), "the bias's gradient is averaged over the positions"),
)  # fmt: skip

STYLE = Style(SOURCE, check, measure, SLIPS, VARIANTS)
