"""An autoencoder whose decoder is the transposed encoder: one weight matrix with two contributions."""

from typing import Any

from student_programs import Measurement, Slip, Style, Variant

from deltarule import check_gradient

HALF = "second"

SOURCE = """\
import numpy as np

rng = np.random.default_rng(77)
data = rng.uniform(size=(7, 6))
W = rng.normal(size=(6, 3))
c = 0.2 * rng.normal(size=3)
d = 0.2 * rng.normal(size=6)


def encode_decode(W, c, d):
    code = 1 / (1 + np.exp(-(data @ W + c)))
    recon = code @ W.T + d
    err = recon - data
    value = np.sum(err**2) / (2 * len(data))
    g_out = err / len(data)
    g_code = g_out @ W
    g_hid = g_code * code * (1 - code)
    grad_W = data.T @ g_hid
    grad_W += g_out.T @ code
    grad_c = g_hid.sum(0)
    grad_d = g_out.sum(0)
    return value, grad_W, grad_c, grad_d
"""

NAMES = ("W", "c", "d")


def check(student: Any) -> Any:
    return check_gradient(student.encode_decode, None, [student.W, student.c, student.d])


def measure(student: Any) -> Measurement:
    values = {name: getattr(student, name) for name in NAMES}
    return Measurement(
        lambda: student.encode_decode(*values.values())[0],
        lambda: dict(zip(NAMES, student.encode_decode(*values.values())[1:], strict=True)),
        values,
    )


SIGMOID = (("recon = code @ W.T + d", "recon = 1 / (1 + np.exp(-(code @ W.T + d)))"),
           ("g_out = err / len(data)", "g_out = err * recon * (1 - recon) / len(data)"))  # fmt: skip
VARIANTS = (
    Variant("sigmoid output", SIGMOID),
    Variant("code as wide as the data", (("W = rng.normal(size=(6, 3))", "W = rng.normal(size=(6, 6))"),
        ("rng.normal(size=3)", "rng.normal(size=6)"))),
    Variant("tanh code", (("1 / (1 + np.exp(-(data @ W + c)))", "np.tanh(data @ W + c)"),
        ("code * (1 - code)", "(1 - code**2)"))),
)  # fmt: skip

SLIPS = (
    Slip("decoder's part overwrites", "grad_W += g_out.T", "grad_W = g_out.T", ("gradient_overwritten",
         "path_missing"), ("W",), "the decoder's contribution overwrites the encoder's", (r"overwrit|\+=|path",)),
    Slip("encoder only", "    grad_W += g_out.T @ code\n", "", ("path_missing", "gradient_overwritten"), ("W",),
         "the contribution of the decoder to W is missing", (r"path|contribution|overwrit",)),
    Slip("decoder's part not transposed", "g_out.T @ code", "(g_out.T @ code).T", ("transposed",), ("W",),
         "the decoder's contribution is transposed", (r"transpos",), on="code as wide as the data"),
    Slip("weights transposed on the way back", "g_out @ W\n", "g_out @ W.T\n", ("weights_not_transposed",), ("W", "c"),
         "the gradient of the code uses Wᵀ instead of W", (r"transpos",), on="code as wide as the data"),
    Slip("sigmoid's derivative left out", "g_code * code * (1 - code)", "g_code", ("derivative_missing",), ("W", "c"),
         "the derivative of the code's sigmoid is missing"),
    Slip("half of the derivative", "g_code * code * (1 - code)", "g_code * (1 - code)", ("derivative_missing",
         "other_derivative", "derivative_wrong"), ("W", "c"), "the factor code is missing"),
    Slip("output's derivative left out", "err * recon * (1 - recon) / len", "err / len", ("derivative_missing",
         "loss_wrong"), NAMES, "the derivative of the output's sigmoid is missing", on="sigmoid output"),
    Slip("two in the gradient", "g_out = err / len(data)", "g_out = 2 * err / len(data)", ("factor_two",), NAMES,
         "the loss has ½ and the gradient still has the 2"),
    Slip("tanh without square", "(1 - code**2)", "(1 - code)", ("other_derivative", "derivative_wrong"), ("W", "c"),
         "tanh's derivative lacks the square", on="tanh code"),
)  # fmt: skip

STYLE = Style(SOURCE, check, measure, SLIPS, VARIANTS)
