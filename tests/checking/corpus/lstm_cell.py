"""A step of an LSTM with all gates in one matrix, used in a loop over time."""

from typing import Any

from student_programs import Measurement, Slip, Style, Variant

from deltarule import check_gradient

HALF = "first"

SOURCE = """\
import numpy as np


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def lstm_step_forward(x, prev_h, prev_c, Wx, Wh, b):
    H = prev_h.shape[1]
    a = x @ Wx + prev_h @ Wh + b
    i = sigmoid(a[:, :H])
    f = sigmoid(a[:, H : 2 * H])
    o = sigmoid(a[:, 2 * H : 3 * H])
    g = np.tanh(a[:, 3 * H :])
    next_c = f * prev_c + i * g
    tanh_c = np.tanh(next_c)
    next_h = o * tanh_c
    cache = (x, prev_h, prev_c, Wx, Wh, i, f, o, g, tanh_c)
    return next_h, next_c, cache


def lstm_step_backward(dnext_h, dnext_c, cache):
    x, prev_h, prev_c, Wx, Wh, i, f, o, g, tanh_c = cache
    do = dnext_h * tanh_c
    dc = dnext_c + dnext_h * o * (1 - tanh_c**2)
    df = dc * prev_c
    di = dc * g
    dg = dc * i
    dprev_c = dc * f
    da_i = di * i * (1 - i)
    da_f = df * f * (1 - f)
    da_o = do * o * (1 - o)
    da_g = dg * (1 - g**2)
    da = np.hstack([da_i, da_f, da_o, da_g])
    dx = da @ Wx.T
    dprev_h = da @ Wh.T
    dWx = x.T @ da
    dWh = prev_h.T @ da
    db = da.sum(axis=0)
    return dx, dprev_h, dprev_c, dWx, dWh, db


N, T, D, H = 3, 4, 2, 3
rng = np.random.default_rng(12)
target = rng.normal(size=(N, H))
params = {
    "x": rng.normal(size=(N, T, D)),
    "h0": rng.normal(size=(N, H)),
    "Wx": rng.normal(size=(D, 4 * H)),
    "Wh": rng.normal(size=(H, 4 * H)),
    "b": rng.normal(size=4 * H),
}


def loss_and_grads(params):
    x, h, Wx, Wh, b = params["x"], params["h0"], params["Wx"], params["Wh"], params["b"]
    c = np.zeros_like(h)
    caches = []
    for t in range(T):
        h, c, cache = lstm_step_forward(x[:, t, :], h, c, Wx, Wh, b)
        caches.append(cache)
    loss = 0.5 * np.sum((h - target) ** 2)

    dh, dc = h - target, np.zeros_like(c)
    dx = np.zeros_like(x)
    dWx, dWh, db = np.zeros_like(Wx), np.zeros_like(Wh), np.zeros_like(b)
    for t in reversed(range(T)):
        dx[:, t, :], dh, dc, dWx_t, dWh_t, db_t = lstm_step_backward(dh, dc, caches[t])
        dWx += dWx_t
        dWh += dWh_t
        db += db_t
    return loss, {"x": dx, "h0": dh, "Wx": dWx, "Wh": dWh, "b": db}
"""

ALL = ("x", "h0", "Wx", "Wh", "b")


def check(student: Any) -> Any:
    return check_gradient(student.loss_and_grads, None, student.params)


def measure(student: Any) -> Measurement:
    params = student.params
    return Measurement(lambda: student.loss_and_grads(params)[0], lambda: student.loss_and_grads(params)[1], params)


VARIANTS = (
    Variant("one time step", (("N, T, D, H = 3, 4, 2, 3", "N, T, D, H = 3, 1, 2, 3"),)),
    Variant("forget gate biased to 1", (("\n\ndef loss_and_grads",
        "params[\"b\"][:] = 0\nparams[\"b\"][H : 2 * H] = 1\n\n\ndef loss_and_grads"),)),
    Variant("mean squared error", (("0.5 * np.sum((h - target) ** 2)", "np.mean((h - target) ** 2)"),
        ("dh, dc = h - target,", "dh, dc = 2 * (h - target) / h.size,"))),
    Variant("float32", (("\n\ndef loss_and_grads", "params = {k: v.astype(np.float32) for k, v in params.items()}\n"
        "target = target.astype(np.float32)\n\n\ndef loss_and_grads"),)),
)  # fmt: skip

GATE = ("gate_derivative", "derivative_missing", "other_derivative")
SLIPS = (
    Slip(
        "input gate without its derivative", "da_i = di * i * (1 - i)", "da_i = di", GATE, ALL,
        "the input gate lacks sigmoid's derivative", (r"gate",),
    ),
    Slip(
        "sigmoid's derivative for the candidate", "da_g = dg * (1 - g**2)", "da_g = dg * g * (1 - g)", GATE, ALL,
        "the candidate has tanh, but sigmoid's derivative", (r"gate|candidate",),
    ),
    Slip(
        "forget gate times the new cell", "df = dc * prev_c", "df = dc * g", ("gate_factor", "wrong_input"), ALL,
        "the gradient of the forget gate uses the candidate instead of the previous cell", (r"gate",),
    ),
    Slip(
        "output gate times the cell", "do = dnext_h * tanh_c", "do = dnext_h * o", ("gate_factor", "wrong_input"), ALL,
        "the gradient of the output gate is multiplied by the gate instead of tanh(c)", (r"gate",),
    ),
    Slip(
        "gates in another order", "[da_i, da_f, da_o, da_g]", "[da_f, da_i, da_o, da_g]",
        ("gates_exchanged", "exchanged"), ALL, "the gradients of input gate and forget gate are exchanged", (r"gate",),
    ),
    Slip(
        "cell's gradient forgotten", "dc = dnext_c + dnext_h * o", "dc = dnext_h * o",
        ("truncated_through_time", "cell_gradient_missing"), ALL,
        "the gradient of the next cell is not added", (r"cell|time",),
    ),
    Slip(
        "tanh of the cell without derivative", "dnext_h * o * (1 - tanh_c**2)", "dnext_h * o",
        ("derivative_missing", "gate_derivative"), ALL, "tanh's derivative is missing between h and c",
    ),
    Slip(
        "weights of the last step only", "dWh += dWh_t", "dWh = dWh_t", ("gradient_overwritten", "last_sample"),
        ("Wh",), "the gradient of Wh is overwritten at each time step", (r"overwrit", r"instead of add", r"\+="),
    ),
    Slip(
        "cell passed on without the forget gate", "dprev_c = dc * f", "dprev_c = dc",
        ("gate_factor", "cell_gradient_wrong"), ALL, "the gradient of the previous cell lacks the forget gate",
        (r"gate",),
    ),
)  # fmt: skip

STYLE = Style(SOURCE, check, measure, SLIPS, VARIANTS)
