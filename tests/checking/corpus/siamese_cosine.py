"""Pairs through one shared encoder, compared by their cosine; dissimilar pairs have a margin."""

from typing import Any

from student_programs import Measurement, Slip, Style, Variant

from deltarule import check_gradient

HALF = "second"

SOURCE = """\
import numpy as np

gen = np.random.default_rng(70)
left = gen.normal(size=(6, 4))
right = gen.normal(size=(6, 4))
same = np.array([1, 0, 1, 0, 0, 1])
margin = -0.6
W = gen.normal(size=(4, 3))
b = 0.2 * gen.normal(size=3)


def siamese(W, b):
    u = np.tanh(left @ W + b)
    v = np.tanh(right @ W + b)
    nu = np.sqrt((u**2).sum(axis=1))
    nv = np.sqrt((v**2).sum(axis=1))
    cos = (u * v).sum(axis=1) / (nu * nv)
    loss = np.mean(same * (1 - cos) + (1 - same) * np.maximum(0, cos - margin))

    dcos = (-same + (1 - same) * (cos > margin)) / len(same)
    du = dcos[:, None] * (v / (nu * nv)[:, None] - cos[:, None] * u / (nu**2)[:, None])
    dv = dcos[:, None] * (u / (nu * nv)[:, None] - cos[:, None] * v / (nv**2)[:, None])
    dzu = du * (1 - u**2)
    dzv = dv * (1 - v**2)
    dW = left.T @ dzu
    dW += right.T @ dzv
    db = (dzu + dzv).sum(axis=0)
    return loss, dW, db
"""

NAMES = ("W", "b")


def check(student: Any) -> Any:
    return check_gradient(student.siamese, None, [student.W, student.b])


def measure(student: Any) -> Measurement:
    values = {name: getattr(student, name) for name in NAMES}
    return Measurement(
        lambda: student.siamese(*values.values())[0],
        lambda: dict(zip(NAMES, student.siamese(*values.values())[1:], strict=True)),
        values,
    )


DISTANCE = (
    ("margin = -0.6", "margin = 2.5"),
    (
        "    nu = np.sqrt((u**2).sum(axis=1))\n    nv = np.sqrt((v**2).sum(axis=1))\n"
        "    cos = (u * v).sum(axis=1) / (nu * nv)\n"
        "    loss = np.mean(same * (1 - cos) + (1 - same) * np.maximum(0, cos - margin))\n",
        "    dist = np.sqrt(((u - v) ** 2).sum(axis=1))\n"
        "    gap = np.maximum(0, margin - dist)\n"
        "    loss = np.mean(same * dist**2 + (1 - same) * gap**2)\n",
    ),
    (
        "    dcos = (-same + (1 - same) * (cos > margin)) / len(same)\n"
        "    du = dcos[:, None] * (v / (nu * nv)[:, None] - cos[:, None] * u / (nu**2)[:, None])\n"
        "    dv = dcos[:, None] * (u / (nu * nv)[:, None] - cos[:, None] * v / (nv**2)[:, None])\n",
        "    ddist = (2 * same * dist - 2 * (1 - same) * gap) / len(same)\n"
        "    du = (ddist / dist)[:, None] * (u - v)\n"
        "    dv = -du\n",
    ),
)
SQUARED = (
    ("same * (1 - cos) +", "same * (1 - cos) ** 2 +"),
    ("(-same + (1 - same)", "(-2 * same * (1 - cos) + (1 - same)"),
)
VARIANTS = (
    Variant("contrastive loss of the distance", DISTANCE),
    Variant("square of one minus the cosine", SQUARED),
)

HINGE = "(1 - same) * (cos > margin)"
U = "cos[:, None] * u / (nu**2)[:, None]"
DISTANCE_NAME = "contrastive loss of the distance"
SLIPS = (
    Slip("norm as a constant", f"(v / (nu * nv)[:, None] - {U})", "(v / (nu * nv)[:, None])",
         # The report says "the statistic of nu = np.sqrt(...) is taken as a constant".
         ("normalization_constants", "norm_constant", "path_missing", "batch_norm_constants"), NAMES,
         "the gradient through the norm of the left vector is left out"),
    Slip("norm not squared", U, "cos[:, None] * u / nu[:, None]", ("power_rule", "scale_missing"), NAMES,
         "the cosine's derivative divides by the norm instead of its square"),
    Slip("norms exchanged", U, "cos[:, None] * u / (nv**2)[:, None]", ("wrong_norm", "wrong_input"),
         NAMES, "the cosine's derivative divides by the norm of the other vector"),
    Slip("right branch left out", "    dW += right.T @ dzv\n", "", ("path_missing", "shared_use_missing"), ("W",),
         "the gradient of the shared weights lacks the right branch"),
    Slip("right branch overwrites", "dW += right.T @ dzv", "dW = right.T @ dzv",
         ("gradient_overwritten", "path_missing"), ("W",), "the right branch overwrites the left one"),
    Slip("right branch with the left input", "right.T @ dzv", "left.T @ dzv", ("wrong_input",), ("W",),
         "the right branch uses the left input"),
    Slip("margin ignored", HINGE, "(1 - same)", ("derivative_missing", "mask_missing"), NAMES,
         "pairs beyond the margin get a gradient"),
    Slip("sign of similar pairs", "(-same +", "(same +", ("loss_derivative_sign",), NAMES,
         "similar pairs are pushed apart"),
    Slip("tanh of the other branch", "dv * (1 - v**2)", "dv * (1 - u**2)",
         ("other_mask", "other_derivative", "wrong_input"), NAMES,
         "tanh's derivative of the right branch is taken at the left one"),
    Slip("distance not divided out", "du = (ddist / dist)[:, None]", "du = ddist[:, None]",
         ("scale_missing", "power_rule", "derivative_missing"), NAMES,
         "the derivative of the distance lacks the division by it", on=DISTANCE_NAME),
    Slip("gradient of the second vector", "dv = -du", "dv = du", ("loss_derivative_sign",), NAMES,
         "the second vector's gradient has the wrong sign", on=DISTANCE_NAME),
    Slip("sign of the gap", "- 2 * (1 - same) * gap", "+ 2 * (1 - same) * gap", ("loss_derivative_sign",),
         NAMES, "dissimilar pairs are pulled together", on=DISTANCE_NAME),
    Slip("square without the two", "-2 * same * (1 - cos)", "-same * (1 - cos)", ("power_rule", "factor_two"), NAMES,
         "the derivative of the square lacks its 2", on="square of one minus the cosine"),
)  # fmt: skip

STYLE = Style(SOURCE, check, measure, SLIPS, VARIANTS)
