"""A batch of sequences through a causal self-attention block with a skip connection; padded tokens do not count."""

from typing import Any

from student_programs import Measurement, Slip, Style, Variant

from deltarule import check_gradient

HALF = "second"

SOURCE = """\
import numpy as np

rng = np.random.default_rng(88)
B, T, D, heads = 2, 4, 4, 1
tokens = rng.normal(size=(B, T, 3))
target = rng.normal(size=(B, T, D))
keep = np.array([[1.0, 1, 1, 1], [1, 1, 1, 0]])[:, :, None]
causal = np.tril(np.ones((T, T)))
P = {"E": rng.normal(size=(3, D))}
for name in ("Wq", "Wk", "Wv", "Wo"):
    P[name] = 0.6 * rng.normal(size=(D, D))


def split(a):
    return a.reshape(B, T, heads, -1).transpose(0, 2, 1, 3)


def merge(a):
    return a.transpose(0, 2, 1, 3).reshape(B, T, D)


def block(P):
    h = tokens @ P["E"]
    q, k, v = split(h @ P["Wq"]), split(h @ P["Wk"]), split(h @ P["Wv"])
    s = q @ k.swapaxes(-1, -2) / np.sqrt(q.shape[-1])
    s = s + (1 - causal) * -1e9
    a = np.exp(s - s.max(axis=-1, keepdims=True))
    a = a / a.sum(axis=-1, keepdims=True)
    o = merge(a @ v)
    out = h + o @ P["Wo"]
    return h, q, k, v, a, o, out


def loss(P):
    out = block(P)[-1]
    return np.sum(keep * (out - target) ** 2) / keep.sum()


def weight_grad(inputs, d):
    return np.einsum("bti,btj->ij", inputs, d)


def backprop(P):
    h, q, k, v, a, o, out = block(P)
    G = {}
    dout = 2 * keep * (out - target) / keep.sum()
    G["Wo"] = weight_grad(o, dout)
    do = split(dout @ P["Wo"].T)
    da = do @ v.swapaxes(-1, -2)
    dv = a.swapaxes(-1, -2) @ do
    ds = a * (da - (da * a).sum(axis=-1, keepdims=True))
    scale = 1 / np.sqrt(q.shape[-1])
    dq = ds @ k * scale
    dk = ds.swapaxes(-1, -2) @ q * scale
    dh = dout.copy()
    for name, d in (("Wq", dq), ("Wk", dk), ("Wv", dv)):
        d = merge(d)
        G[name] = weight_grad(h, d)
        dh += d @ P[name].T
    G["E"] = weight_grad(tokens, dh)
    return G
"""


def check(student: Any) -> Any:
    return check_gradient(student.loss, student.backprop, student.P)


def measure(student: Any) -> Measurement:
    return Measurement(lambda: student.loss(student.P), lambda: student.backprop(student.P), student.P)


AFTER = (
    ("    s = s + (1 - causal) * -1e9\n", ""),
    (
        "    a = a / a.sum(axis=-1, keepdims=True)\n    o = merge(a @ v)\n",
        "    a = a / a.sum(axis=-1, keepdims=True)\n    o = merge((a * causal) @ v)\n",
    ),
    ("da = do @ v.swapaxes(-1, -2)", "da = do @ v.swapaxes(-1, -2) * causal"),
    ("dv = a.swapaxes(-1, -2) @ do", "dv = (a * causal).swapaxes(-1, -2) @ do"),
)
VARIANTS = (
    Variant("two heads", (("heads = 2, 4, 4, 1", "heads = 2, 4, 4, 2"),)),
    Variant("mask behind the softmax", AFTER),
    Variant("no skip connection", (("out = h + o @", "out = o @"), ("dh = dout.copy()", "dh = np.zeros_like(h)"))),
    Variant("mask repeated in the backward pass", (("ds = a * (da", "ds = causal * a * (da"),)),
)  # fmt: skip

QUERIES = ("E", "Wq", "Wk")
INPUTS = (*QUERIES, "Wv")
ALL = (*INPUTS, "Wo")
SLIPS = (
    Slip("padded tokens counted", "dout = 2 * keep * (out - target)", "dout = 2 * (out - target)",
         ("mask_missing", "scale_missing"), ALL, "the gradient lacks the mask of padded tokens"),
    Slip("divided by all tokens", "(out - target) / keep.sum()\n    G", "(out - target) / keep.size\n    G",
         ("factor", "mean_twice"), ALL, "the gradient is divided by all tokens, the loss by those that count"),
    Slip("sum of the attention's gradient", "(da * a).sum(axis=-1", "da.sum(axis=-1",
         # The report says "has the sum of g in place of that of a g"; the code is that of every wrong Jacobian.
         ("softmax_jacobian", "softmax_elementwise"), QUERIES,
         "softmax's Jacobian subtracts the sum of the gradient rather than its weighted mean"),
    Slip("scale at the queries only", "dk = ds.swapaxes(-1, -2) @ q * scale", "dk = ds.swapaxes(-1, -2) @ q",
         ("scale_missing", "attention_scale", "factor", "factor_two"), ("E", "Wk"),
         "the gradient of the keys lacks the 1 / √d"),
    Slip("width of the model in the scale", "scale = 1 / np.sqrt(q.shape[-1])", "scale = 1 / np.sqrt(D)",
         ("scale_missing", "attention_scale", "factor"), QUERIES,
         "the scale has the width of all heads instead of one", on="two heads"),
    Slip("heads not transposed", "do = split(dout @ P[\"Wo\"].T)",
         "do = (dout @ P[\"Wo\"].T).reshape(B, heads, T, -1)", ("reshape_order", "heads_mixed"), INPUTS,
         "the gradient is split into heads without exchanging the axes of heads and time",
         on="two heads"),
    Slip("skip connection", "dh = dout.copy()", "dh = np.zeros_like(h)", ("path_missing", "gradient_overwritten"),
         ("E",), "the gradient along the skip connection is left out"),
    Slip("input of queries, keys and values overwritten", "dh += d @ P[name].T", "dh = d @ P[name].T",
         ("gradient_overwritten", "path_missing"), ("E",), "each of the three uses of h overwrites its gradient"),
    Slip("mask behind the softmax", "da = do @ v.swapaxes(-1, -2) * causal", "da = do @ v.swapaxes(-1, -2)",
         ("mask_missing", "scale_missing"), QUERIES, "the gradient of the weights lacks the mask",
         on="mask behind the softmax"),
    Slip("values without the mask", "dv = (a * causal).swapaxes", "dv = a.swapaxes",
         ("mask_missing", "wrong_input", "scale_missing"), ("E", "Wv"),
         "the gradient of the values uses the weights before the mask",
         on="mask behind the softmax"),
    Slip("output weights not transposed", "do = split(dout @ P[\"Wo\"].T)", "do = split(dout @ P[\"Wo\"])",
         ("weights_not_transposed", "not_transposed"), INPUTS, "Wo is not transposed"),
    Slip("output's input", "G[\"Wo\"] = weight_grad(o, dout)", "G[\"Wo\"] = weight_grad(h, dout)", ("wrong_input",),
         ("Wo",), "the gradient of Wo uses the block's input instead of the heads' output"),
)  # fmt: skip

STYLE = Style(SOURCE, check, measure, SLIPS, VARIANTS)
