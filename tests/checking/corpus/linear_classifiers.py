"""Multiclass hinge loss and softmax regression with one weight matrix, in the form of exercise functions."""

from typing import Any

from student_programs import Measurement, Slip, Style, Variant

from deltarule import check_gradient

HALF = "second"

SOURCE = """\
import numpy as np

np.random.seed(3)
X_dev = np.random.randn(10, 6)
y_dev = np.random.randint(4, size=10)
W = np.random.randn(6, 4) * 0.8
reg = 0.05


def classifier_loss(W):
    num_train = X_dev.shape[0]
    scores = X_dev.dot(W)
    rows = np.arange(num_train)
    correct = scores[rows, y_dev][:, np.newaxis]
    margins = np.maximum(0, scores - correct + 1.0)
    margins[rows, y_dev] = 0
    loss = margins.sum() / num_train + reg * np.sum(W * W)
    dS = (margins > 0).astype(float)
    dS[rows, y_dev] = -dS.sum(axis=1)
    dW = X_dev.T.dot(dS) / num_train
    dW += 2 * reg * W
    return loss, dW
"""


def check(student: Any) -> Any:
    return check_gradient(student.classifier_loss, None, {"W": student.W})


def measure(student: Any) -> Measurement:
    return Measurement(
        lambda: student.classifier_loss(student.W)[0],
        lambda: {"W": student.classifier_loss(student.W)[1]},
        {"W": student.W},
    )


SOFTMAX = (
    ("    correct = scores[rows, y_dev][:, np.newaxis]\n    margins = np.maximum(0, scores - correct + 1.0)\n"
     "    margins[rows, y_dev] = 0\n",
     "    P = np.exp(scores - scores.max(axis=1, keepdims=True))\n    P /= P.sum(axis=1, keepdims=True)\n"),
    ("margins.sum() / num_train", "-np.log(P[rows, y_dev]).sum() / num_train"),
    ("    dS = (margins > 0).astype(float)\n    dS[rows, y_dev] = -dS.sum(axis=1)\n",
     "    dS = P.copy()\n    dS[rows, y_dev] -= 1\n"),
)  # fmt: skip
LOOPS = (
    ("    dW = X_dev.T.dot(dS) / num_train\n",
     "    dW = np.zeros_like(W)\n    for i in range(num_train):\n        for j in range(W.shape[1]):\n"
     "            dW[:, j] += dS[i, j] * X_dev[i] / num_train\n"),
)  # fmt: skip
SQUARED = (("margins.sum() /", "(margins**2).sum() /"), ("(margins > 0).astype(float)", "2 * margins"))
VARIANTS = (
    Variant("softmax", SOFTMAX),
    Variant("two loops", LOOPS),
    Variant("squared hinge", SQUARED),
)

ONLY = ("W",)
SLIPS = (
    Slip("correct class forgotten", "    dS[rows, y_dev] = -dS.sum(axis=1)\n", "", ("target_missing",
         "hinge_correct_class"), ONLY, "the row of the correct class is missing", (r"correct class|target",)),
    Slip("correct class counted once", "= -dS.sum(axis=1)", "= -1", ("hinge_count", "hinge_correct_class",
         "loss_wrong"), ONLY, "the correct class gets −1 rather than minus the number of violated margins",
         (r"number of.*margin", r"correct class")),
    Slip("correct class with plus", "= -dS.sum(axis=1)", "= dS.sum(axis=1)", ("sign", "hinge_correct_class"), ONLY,
         "the correct class has the wrong sign", (r"sign",)),
    Slip("not averaged", "X_dev.T.dot(dS) / num_train", "X_dev.T.dot(dS)", ("mean_missing",), ONLY,
         "the gradient of the data term is not divided by the samples"),
    Slip("penalty factor", "dW += 2 * reg * W", "dW += reg * W", ("penalty_factor",), ONLY,
         "the penalty's gradient lacks the two"),
    Slip("penalty forgotten", "    dW += 2 * reg * W\n", "", ("penalty_missing",), ONLY, "the penalty is missing"),
    Slip("penalty averaged", "/ num_train\n    dW += 2 * reg * W", "\n    dW += 2 * reg * W\n    dW /= num_train",
         ("penalty_factor",), ONLY, "the penalty's gradient is divided by the samples"),
    Slip("margins as the derivative", "(margins > 0).astype(float)", "margins.copy()", ("derivative_wrong",
         "loss_wrong", "other_derivative"), ONLY, "the margins stand in place of their indicator",
         (r"mask|indicator",)),
    Slip("squared hinge without two", "dS = 2 * margins", "dS = margins.copy()", ("factor_two",), ONLY,
         "the derivative of the square lacks the two", on="squared hinge"),
    Slip("indicator for the squared hinge", "dS = 2 * margins", "dS = (margins > 0) * 1.0", ("derivative_missing",
         "derivative_wrong", "loss_wrong", "other_derivative"), ONLY,
         "the derivative is that of the hinge: that of the square is left out", on="squared hinge"),
    Slip("targets not subtracted", "    dS[rows, y_dev] -= 1\n", "", ("target_missing",), ONLY,
         "1 is not subtracted at the targets", (r"target|− ?y",), on="softmax"),
    Slip("one subtracted everywhere", "dS[rows, y_dev] -= 1", "dS[:, y_dev] -= 1", ("target_indexing", "loss_wrong"),
         ONLY, "1 is subtracted in whole columns", (r"index|column",), on="softmax"),
    Slip("p (1 − p) in addition", "dS[rows, y_dev] -= 1\n", "dS[rows, y_dev] -= 1\n    dS *= P * (1 - P)\n",
         ("derivative_twice", "loss_wrong"), ONLY, "the derivative of softmax is multiplied once more", on="softmax"),
    Slip("last sample", "dW[:, j] += dS[i, j]", "dW[:, j] = dS[i, j]", ("gradient_overwritten", "last_sample"), ONLY,
         "each sample overwrites the gradient", (r"overwrit",), on="two loops"),
)  # fmt: skip

STYLE = Style(SOURCE, check, measure, SLIPS, VARIANTS)
