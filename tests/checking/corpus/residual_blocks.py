"""A stack of residual blocks in a loop; parameters and gradients are lists of dictionaries."""

from typing import Any

from student_programs import Measurement, Slip, Style, Variant

from deltarule import check_gradient

HALF = "second"

SOURCE = """\
import numpy as np

rng = np.random.default_rng(55)
X = rng.normal(size=(7, 4))
Y = rng.normal(size=(7, 4))
blocks = []
for _ in range(3):
    blocks.append(
        {
            "W": 0.7 * rng.normal(size=(4, 4)),
            "b": 0.1 * rng.normal(size=4),
            "V": 0.7 * rng.normal(size=(4, 4)),
        }
    )


def run(blocks):
    h, saved = X, []
    for block in blocks:
        a = np.tanh(h @ block["W"] + block["b"])
        saved.append((h, a))
        h = h + a @ block["V"]
    return h, saved


def objective(blocks):
    return np.mean((run(blocks)[0] - Y) ** 2)


def gradients(blocks):
    h, saved = run(blocks)
    dh = 2 * (h - Y) / Y.size
    grads = []
    for block, (h, a) in zip(reversed(blocks), reversed(saved)):
        dV = a.T @ dh
        da = dh @ block["V"].T
        dz = da * (1 - a**2)
        grads.insert(0, {"W": h.T @ dz, "b": dz.sum(axis=0), "V": dV})
        dh = dh + dz @ block["W"].T
    return grads
"""

NAMES = tuple(f"{kind}{number}" for number in (1, 2, 3) for kind in "WbV")


def check(student: Any) -> Any:
    return check_gradient(student.objective, student.gradients, student.blocks)


def flatten(blocks: Any) -> dict[str, Any]:
    return {f"{kind}{number}": block[kind] for number, block in enumerate(blocks, 1) for kind in "WbV"}


def measure(student: Any) -> Measurement:
    blocks = student.blocks
    return Measurement(
        lambda: student.objective(blocks), lambda: flatten(student.gradients(blocks)), flatten(blocks)
    )  # fmt: skip


SCALED = (
    ('h = h + a @ block["V"]', 'h = (h + a @ block["V"]) / np.sqrt(2)'),
    ("        dV = a.T @ dh\n", "        dh = dh / np.sqrt(2)\n        dV = a.T @ dh\n"),
)
AFTER = (
    ('h = h + a @ block["V"]\n', 'h = np.maximum(0, h + a @ block["V"])\n        saved[-1] += (h,)\n'),
    ("block, (h, a) in", "block, (h, a, out) in"),
    ("        dV = a.T @ dh\n", "        dh = dh * (out > 0)\n        dV = a.T @ dh\n"),
)
GATED = (
    ('h = h + a @ block["V"]', 'h = 0.9 * h + 0.3 * a @ block["V"]'),
    ("dV = a.T @ dh", "dV = 0.3 * a.T @ dh"),
    ('da = dh @ block["V"].T', 'da = 0.3 * dh @ block["V"].T'),
    ("dh = dh + dz", "dh = 0.9 * dh + dz"),
)
VARIANTS = (
    Variant("sum divided by the root of two", SCALED),
    Variant("relu behind the sum", AFTER),
    Variant("weighted branches", GATED),
    Variant("a single block", (("for _ in range(3)", "for _ in range(1)"),)),
)

EARLIER = NAMES[:6]
SLIPS = (
    Slip("skip connection", 'dh = dh + dz @ block["W"].T', 'dh = dz @ block["W"].T',
         ("path_missing", "gradient_overwritten"), EARLIER, "the gradient along the skip connection is left out"),
    Slip("skip connection only", '        dh = dh + dz @ block["W"].T\n', "", ("path_missing",), EARLIER,
         "the gradient through the layers of a block is left out"),
    Slip("pre-activation's gradient in place of the weights'", 'dh + dz @ block["W"].T', 'dh + da @ block["W"].T',
         ("derivative_missing", "other_delta"), EARLIER,
         "tanh's derivative is missing on the way to the block below"),
    Slip("weights not transposed", 'dh + dz @ block["W"].T', 'dh + dz @ block["W"]', ("weights_not_transposed",),
         EARLIER, "W is not transposed"),
    Slip("weights of the other layer", 'dh + dz @ block["W"].T', 'dh + dz @ block["V"].T', ("other_weights",), EARLIER,
         "the way back goes through V instead of W"),
    Slip("root of two at the branch only", "        dh = dh / np.sqrt(2)\n        dV = a.T @ dh\n",
         "        dV = a.T @ dh / np.sqrt(2)\n", ("scale_missing",), (*EARLIER, "W3", "b3"),
         "only the gradient of V has the 1 / √2", on="sum divided by the root of two"),
    Slip("relu's mask at the branch only", "        dh = dh * (out > 0)\n        dV = a.T @ dh\n",
         "        dV = a.T @ (dh * (out > 0))\n", ("derivative_missing", "mask_missing"), (*EARLIER, "W3", "b3"),
         "only the gradient of V has ReLU's mask", on="relu behind the sum"),
    Slip("mask of the branch's sign", "dh * (out > 0)", "dh * (a > 0)", ("other_mask", "wrong_input"), NAMES,
         "ReLU's mask is taken at the hidden activation", on="relu behind the sum"),
    Slip("weight of the skip connection", "dh = 0.9 * dh + dz", "dh = dh + dz", ("scale_missing",), EARLIER,
         "the skip connection's factor of 0.9 is left out", on="weighted branches"),
    Slip("weight of the branch", 'da = 0.3 * dh @ block["V"].T', 'da = dh @ block["V"].T', ("scale_missing",),
         (*EARLIER, "W3", "b3"), "the branch's factor of 0.3 is left out",
         on="weighted branches"),
)  # fmt: skip

STYLE = Style(SOURCE, check, measure, SLIPS, VARIANTS)
