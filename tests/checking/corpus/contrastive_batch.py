"""Images and captions are projected to unit length and matched by cross-entropy in both directions."""

from typing import Any

from student_programs import Measurement, Slip, Style, Variant

from deltarule import check_gradient

HALF = "second"

SOURCE = """\
import numpy as np

rng = np.random.default_rng(101)
N, tau = 5, 0.5
images = rng.normal(size=(N, 6))
texts = rng.normal(size=(N, 4))
weights = {"A": 0.6 * rng.normal(size=(6, 3)), "B": 0.6 * rng.normal(size=(4, 3))}


def normalize(z):
    n = np.linalg.norm(z, axis=1, keepdims=True)
    return z / n, n


def softmax(s, axis):
    e = np.exp(s - s.max(axis=axis, keepdims=True))
    return e / e.sum(axis=axis, keepdims=True)


def forward(w):
    za, na = normalize(images @ w["A"])
    zb, nb = normalize(texts @ w["B"])
    s = za @ zb.T / tau
    return za, na, zb, nb, s


def clip_loss(w):
    s = forward(w)[-1]
    rows = np.log(np.diag(softmax(s, 1)))
    columns = np.log(np.diag(softmax(s, 0)))
    return -(rows.mean() + columns.mean()) / 2


def clip_grad(w):
    za, na, zb, nb, s = forward(w)
    drows = (softmax(s, 1) - np.eye(N)) / N
    dcolumns = (softmax(s, 0) - np.eye(N)) / N
    ds = (drows + dcolumns) / 2
    dza = ds @ zb / tau
    dzb = ds.T @ za / tau
    da = (dza - za * (dza * za).sum(axis=1, keepdims=True)) / na
    db = (dzb - zb * (dzb * zb).sum(axis=1, keepdims=True)) / nb
    return {"A": images.T @ da, "B": texts.T @ db}
"""


def check(student: Any) -> Any:
    return check_gradient(student.clip_loss, student.clip_grad, student.weights)


def measure(student: Any) -> Measurement:
    weights = student.weights
    return Measurement(lambda: student.clip_loss(weights), lambda: student.clip_grad(weights), weights)


LEARNED = (
    ("(4, 3))}\n", '(4, 3)), "t": np.array([0.7])}\n'),
    ("    s = za @ zb.T / tau\n", '    s = za @ zb.T * np.exp(w["t"])\n'),
    ("dza = ds @ zb / tau", 'dza = ds @ zb * np.exp(w["t"])'),
    ("dzb = ds.T @ za / tau", 'dzb = ds.T @ za * np.exp(w["t"])'),
    ('"B": texts.T @ db}', '"B": texts.T @ db, "t": np.array([(ds * s).sum()])}'),
)
VARIANTS = (
    Variant("learned temperature", LEARNED),
    Variant("from images to texts only", (
        ("-(rows.mean() + columns.mean()) / 2", "-rows.mean()"), ("ds = (drows + dcolumns) / 2", "ds = drows"),
    )),
)  # fmt: skip

BOTH = ("A", "B")
SLIPS = (
    Slip("temperature left out", "dza = ds @ zb / tau", "dza = ds @ zb", ("scale_missing", "factor", "factor_two"),
         ("A",), "the gradient of the images lacks the temperature"),
    Slip("temperature multiplied", "dzb = ds.T @ za / tau", "dzb = ds.T @ za * tau", ("scale_missing", "factor"),
         ("B",), "the gradient of the texts is multiplied by the temperature"),
    Slip("similarities not transposed", "dzb = ds.T @ za", "dzb = ds @ za",
         ("not_transposed", "weights_not_transposed"), ("B",),
         "the texts' gradient uses the similarities' gradient without transposing it"),
    Slip("rows twice", "dcolumns = (softmax(s, 0)", "dcolumns = (softmax(s, 1)", ("wrong_axis", "softmax_axis"), BOTH,
         "the gradient of the second direction normalizes over texts again"),
    Slip("one direction", "ds = (drows + dcolumns) / 2", "ds = drows / 2", ("path_missing", "loss_wrong"), BOTH,
         "the gradient lacks the direction from texts to images"),
    Slip("pairs not subtracted", "drows = (softmax(s, 1) - np.eye(N)) / N", "drows = softmax(s, 1) / N",
         ("target_missing",), BOTH, "1 is not subtracted at the pairs of the first direction"),
    Slip("pairs not averaged", "dcolumns = (softmax(s, 0) - np.eye(N)) / N",
         "dcolumns = softmax(s, 0) / N - np.eye(N)", ("targets_not_averaged",), BOTH,
         "only the probabilities are divided by the number of pairs"),
    Slip("projection over the batch", "za * (dza * za).sum(axis=1, keepdims=True)", "za * (dza * za).sum(axis=0)",
         ("wrong_axis", "normalization_axis"), ("A",),
         "the sum in the derivative of the unit vector goes over the batch"),
    Slip("unit length as a constant", "db = (dzb - zb * (dzb * zb).sum(axis=1, keepdims=True)) / nb",
         "db = dzb / nb", ("normalization_constants", "norm_constant", "batch_norm_constants", "path_missing"), ("B",),
         "the norm of the texts is treated as a constant"),
    Slip("norm left out", "keepdims=True)) / na", "keepdims=True))", ("scale_missing", "deviation_missing"), ("A",),
         "the gradient of the images is not divided by their norm"),
    Slip("temperature's own gradient without its exponential", "np.array([(ds * s).sum()])",
         "np.array([(ds * (za @ zb.T)).sum()])", ("derivative_missing", "scale_missing", "factor"), ("t",),
         "the gradient of t lacks the derivative of the exponential function", on="learned temperature"),
)  # fmt: skip

STYLE = Style(SOURCE, check, measure, SLIPS, VARIANTS)
