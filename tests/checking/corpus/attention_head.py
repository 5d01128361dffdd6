"""One head of scaled dot-product attention as a layer with a cache."""

from typing import Any

from student_programs import Measurement, Slip, Style, Variant, measure_layer

from deltarule import check_vjp

HALF = "first"

SOURCE = """\
import numpy as np


def softmax(s):
    e = np.exp(s - s.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def attention_forward(x, Wq, Wk, Wv):
    d = Wq.shape[1]
    q, k, v = x @ Wq, x @ Wk, x @ Wv
    scores = q @ k.T / np.sqrt(d)
    weights = softmax(scores)
    out = weights @ v
    return out, (x, Wq, Wk, Wv, q, k, v, weights)


def attention_backward(dout, cache):
    x, Wq, Wk, Wv, q, k, v, weights = cache
    d = Wq.shape[1]
    dweights = dout @ v.T
    dv = weights.T @ dout
    dscores = weights * (dweights - (dweights * weights).sum(axis=-1, keepdims=True))
    dscores = dscores / np.sqrt(d)
    dq = dscores @ k
    dk = dscores.T @ q
    dx = dq @ Wq.T + dk @ Wk.T + dv @ Wv.T
    return dx, x.T @ dq, x.T @ dk, x.T @ dv


rng = np.random.default_rng(31)
x = rng.normal(size=(4, 5))
Wq, Wk, Wv = (0.7 * rng.normal(size=(5, 3)) for _ in range(3))
"""

NAMES = ("x", "Wq", "Wk", "Wv")


def check(student: Any) -> Any:
    inputs = tuple(getattr(student, name) for name in NAMES)
    return check_vjp(student.attention_forward, student.attention_backward, inputs)


def measure(student: Any) -> Measurement:
    inputs = {name: getattr(student, name) for name in NAMES}

    def backward(upstream: Any) -> Any:
        return student.attention_backward(upstream, student.attention_forward(*inputs.values())[1])

    return measure_layer(lambda *values: student.attention_forward(*values)[0], backward, inputs)


CAUSAL = (
    (
        "    weights = softmax(scores)\n",
        "    scores = np.where(np.tri(len(x), dtype=bool), scores, -np.inf)\n    weights = softmax(scores)\n",
    ),
)
VARIANTS = (
    Variant("causal mask", CAUSAL),
    Variant("queries as wide as inputs", (("size=(5, 3)", "size=(5, 5)"),)),
    Variant("one token", (("x = rng.normal(size=(4, 5))", "x = rng.normal(size=(1, 5))"),)),
    Variant("jacobian per row", ((
        "    dscores = weights * (dweights - (dweights * weights).sum(axis=-1, keepdims=True))\n",
        "    dscores = np.stack([(np.diag(p) - np.outer(p, p)) @ g for p, g in zip(weights, dweights)])\n",
    ),)),
)  # fmt: skip

SCORES = ("x", "Wq", "Wk")
SOFTMAX = "dscores = weights * (dweights - (dweights * weights).sum(axis=-1, keepdims=True))"
SLIPS = (
    Slip(
        "softmax left out", SOFTMAX, "dscores = dweights",
        ("softmax_jacobian_missing", "derivative_missing", "softmax_elementwise"), SCORES,
        "the gradient of the scores lacks the Jacobian of softmax", (r"softmax",),
    ),
    Slip(
        "softmax elementwise", SOFTMAX, "dscores = dweights * weights * (1 - weights)",
        ("softmax_elementwise",), SCORES, "softmax is differentiated like sigmoid, p (1 − p)",
        (r"softmax.*elementwise",),
    ),
    Slip(
        "outer product left out", SOFTMAX, "dscores = weights * dweights",
        ("softmax_outer_product_missing", "softmax_elementwise"), SCORES,
        "the Jacobian of softmax is only its diagonal p, without − p pᵀ", (r"outer product", r"softmax"),
    ),
    Slip(
        "softmax over the queries", SOFTMAX, SOFTMAX.replace("axis=-1", "axis=0"),
        ("wrong_axis", "softmax_axis"), SCORES, "the sum in softmax's Jacobian goes over queries instead of keys",
        (r"axis",),
    ),
    Slip(
        "scale left out", "    dscores = dscores / np.sqrt(d)\n", "",
        ("attention_scale", "scale_missing", "factor"), SCORES, "the gradient of the scores lacks the 1 / √d",
        (r"√", r"scale"),
    ),
    Slip(
        "scale d instead of √d", "dscores / np.sqrt(d)", "dscores / d",
        ("attention_scale", "scale_missing", "factor"), SCORES, "the scores' gradient is divided by d, not by √d",
        (r"√", r"scale"),
    ),
    Slip(
        "scores not transposed", "dk = dscores.T @ q", "dk = dscores @ q", ("not_transposed", "weights_not_transposed"),
        ("x", "Wk"), "the keys' gradient uses the scores' gradient without transposing it", (r"transpos",),
    ),
    Slip(
        "weights not transposed", "dv = weights.T @ dout", "dv = weights @ dout",
        ("not_transposed", "weights_not_transposed"), ("x", "Wv"),
        "the values' gradient uses the attention weights without transposing them", (r"transpos",),
    ),
    Slip(
        "queries and keys exchanged", "x.T @ dq, x.T @ dk, x.T @ dv", "x.T @ dk, x.T @ dq, x.T @ dv",
        ("exchanged",), ("Wq", "Wk"), "the gradients of Wq and Wk are exchanged",
    ),
    Slip(
        "input's gradient through the values only", "dq @ Wq.T + dk @ Wk.T + dv @ Wv.T", "dv @ Wv.T",
        ("path_missing", "gradient_overwritten"), ("x",), "the gradient of x lacks the paths through queries and keys",
        (r"path|branch",),
    ),
)  # fmt: skip

STYLE = Style(SOURCE, check, measure, SLIPS, VARIANTS)
