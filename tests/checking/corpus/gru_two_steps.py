"""A GRU over two time steps, written out in one function over a dictionary; the last state is regressed."""

from typing import Any

from student_programs import Measurement, Slip, Style, Variant

from deltarule import check_gradient

HALF = "second"

SOURCE = """\
import numpy as np

rng = np.random.RandomState(11)
sig = lambda v: 1.0 / (1.0 + np.exp(-v))
X = rng.randn(2, 5, 3)
goal = rng.randn(5, 4)
p = {}
for gate in "zrn":
    p["W" + gate] = 0.6 * rng.randn(3, 4)
    p["U" + gate] = 0.6 * rng.randn(4, 4)
    p["b" + gate] = 0.1 * rng.randn(4)
h0 = 0.5 * rng.randn(5, 4)


def forward(p):
    h, tape = h0, []
    for xt in X:
        z = sig(xt @ p["Wz"] + h @ p["Uz"] + p["bz"])
        r = sig(xt @ p["Wr"] + h @ p["Ur"] + p["br"])
        n = np.tanh(xt @ p["Wn"] + (r * h) @ p["Un"] + p["bn"])
        tape.append((xt, h, z, r, n))
        h = (1 - z) * n + z * h
    return h, tape


def loss(p):
    h, _ = forward(p)
    return 0.5 * ((h - goal) ** 2).sum() / len(goal)


def grad(p):
    h, tape = forward(p)
    g = {key: np.zeros_like(value) for key, value in p.items()}
    dh = (h - goal) / len(goal)
    for xt, hp, z, r, n in reversed(tape):
        dn = dh * (1 - z) * (1 - n**2)
        dz = dh * (hp - n) * z * (1 - z)
        drh = dn @ p["Un"].T
        dr = drh * hp * r * (1 - r)
        for gate, d, inner in (("z", dz, hp), ("r", dr, hp), ("n", dn, r * hp)):
            g["W" + gate] += xt.T @ d
            g["U" + gate] += inner.T @ d
            g["b" + gate] += d.sum(0)
        dh = dh * z + drh * r + dz @ p["Uz"].T + dr @ p["Ur"].T
    return g
"""


def check(student: Any) -> Any:
    return check_gradient(student.loss, student.grad, student.p)


def measure(student: Any) -> Measurement:
    return Measurement(lambda: student.loss(student.p), lambda: student.grad(student.p), student.p)


VARIANTS = (
    Variant("state of zeros", (("h0 = 0.5 * rng.randn(5, 4)", "h0 = np.zeros((5, 4))"),)),
    Variant("one sequence", (("X = rng.randn(2, 5, 3)", "X = rng.randn(2, 1, 3)"),
        ("goal = rng.randn(5, 4)", "goal = rng.randn(1, 4)"), ("h0 = 0.5 * rng.randn(5, 4)", "h0 = rng.randn(1, 4)"))),
    Variant("three steps", (("X = rng.randn(2, 5, 3)", "X = rng.randn(3, 5, 3)"),)),
)  # fmt: skip

ALL = tuple(kind + gate for gate in "zrn" for kind in "WUb")
R, Z, N = (tuple(kind + gate for kind in "WUb") for gate in "rzn")
TIME = (r"time|recurren|path",)
PATHS = ("truncated_through_time", "path_missing", "recurrence_missing")
SLIPS = (
    Slip("path over the update gate kept state", "dh = dh * z + drh", "dh = drh", PATHS, ALL,
         "the direct path through z to the previous state is missing", TIME),
    Slip("path over the reset gate", " + dr @ p[\"Ur\"].T", "", PATHS, ALL,
         "the path through the reset gate to the previous state is missing", TIME),
    Slip("path over the update gate", " + dz @ p[\"Uz\"].T", "", PATHS, ALL,
         "the path through the update gate to the previous state is missing", TIME),
    Slip("reset gate left out of the path", "drh * r +", "drh +", ("path_factor", "factor_missing",
         "derivative_missing"), ALL, "the path through r ∗ h lacks the factor r", TIME),
    Slip("sign of the update gate", "dh * (hp - n) * z", "dh * (n - hp) * z", ("gate_sign", "sign"), ALL,
         "the gradient of the update gate has the wrong sign", (r"sign",)),
    Slip("update gate's derivative", "(hp - n) * z * (1 - z)", "(hp - n)", ("derivative_missing",), ALL,
         "sigmoid's derivative is missing at the update gate"),
    Slip("candidate's derivative", "(1 - z) * (1 - n**2)", "(1 - z)", ("derivative_missing",), ALL,
         "tanh's derivative is missing at the candidate"),
    Slip("candidate weighted by z", "dn = dh * (1 - z)", "dn = dh * z", ("gate_wrong", "wrong_gate"), ALL,
         "the candidate is weighted by z instead of 1 − z", (r"gate|1 − z",)),
    Slip("reset gate's input", "(\"n\", dn, r * hp)", "(\"n\", dn, hp)", ("wrong_input",), ("Un",),
         "the gradient of Un uses h instead of r ∗ h"),
    Slip("recurrent weights overwritten", "g[\"U\" + gate] += inner", "g[\"U\" + gate] = inner",
         ("gradient_overwritten", "last_sample"), ("Uz", "Ur", "Un"), "each time step overwrites the gradient",
         (r"overwrit|\+=",)),
    Slip("biases averaged", "d.sum(0)", "d.mean(0)", ("mean_twice",), ("bz", "br", "bn"),
         "the biases are averaged twice"),
    Slip("recurrent weights not transposed", "drh = dn @ p[\"Un\"].T", "drh = dn @ p[\"Un\"]",
         ("weights_not_transposed",), ALL, "Un is not transposed"),
)  # fmt: skip

STYLE = Style(SOURCE, check, measure, SLIPS, VARIANTS)
