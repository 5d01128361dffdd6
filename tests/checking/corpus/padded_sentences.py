"""A sentiment classifier as a class: embeddings of padded sentences, their mean over real words, logistic output."""

from typing import Any

from student_programs import Measurement, Slip, Style, Variant

from deltarule import check_object

HALF = "second"

SOURCE = """\
import numpy as np


class Sentiment:
    def __init__(self, n_words, dim):
        rs = np.random.RandomState(14)
        self.table = rs.randn(n_words, dim)
        self.W = rs.randn(dim, 1)
        self.b = 0.1 * rs.randn(1)

    def loss(self, ids, y):
        self.ids, self.y = ids, y
        self.mask = (ids > 0).astype(float)
        self.lengths = self.mask.sum(axis=1, keepdims=True)
        vectors = self.table[ids] * self.mask[:, :, None]
        self.mean = vectors.sum(axis=1) / self.lengths
        self.p = 1 / (1 + np.exp(-(self.mean @ self.W + self.b)))
        return -np.mean(y * np.log(self.p) + (1 - y) * np.log(1 - self.p))

    def backward(self):
        n, t = self.ids.shape
        d = (self.p - self.y) / n
        self.dW = self.mean.T @ d
        self.db = d.sum(axis=0)
        dmean = d @ self.W.T
        dvectors = dmean[:, None, :] * self.mask[:, :, None] / self.lengths[:, :, None]
        self.dtable = np.zeros_like(self.table)
        for i in range(n):
            for j in range(t):
                self.dtable[self.ids[i, j]] += dvectors[i, j]


ids = np.array([[4, 2, 2, 0, 0], [1, 3, 5, 4, 1], [2, 6, 0, 0, 0], [3, 1, 6, 5, 0]])
y = np.array([[1], [0], [0], [1]])
net = Sentiment(7, 3)
"""

PARAMETERS = ("table", "W", "b")


def check(student: Any) -> Any:
    net = student.net
    return check_object(
        net, params=PARAMETERS, grads=("dtable", "dW", "db"), loss=lambda: net.loss(student.ids, student.y),
        backward=net.backward,
    )  # fmt: skip


def measure(student: Any) -> Measurement:
    net = student.net

    def gradient() -> Any:
        net.loss(student.ids, student.y)
        net.backward()
        return {"table": net.dtable, "W": net.dW, "b": net.db}

    parameters = {name: getattr(net, name) for name in PARAMETERS}
    return Measurement(lambda: net.loss(student.ids, student.y), gradient, parameters)


ROOT = (
    ("vectors.sum(axis=1) / self.lengths", "vectors.sum(axis=1) / np.sqrt(self.lengths)"),
    ("/ self.lengths[:, :, None]", "/ np.sqrt(self.lengths[:, :, None])"),
)
ONE_HOT = (
    (
        "        self.dtable = np.zeros_like(self.table)\n        for i in range(n):\n            for j in range(t):\n"
        "                self.dtable[self.ids[i, j]] += dvectors[i, j]\n",
        "        onehot = np.eye(len(self.table))[self.ids.ravel()]\n"
        "        self.dtable = onehot.T @ dvectors.reshape(n * t, -1)\n",
    ),
)
SCORED = (
    ("/ self.lengths[:, :, None]\n", "/ self.lengths[:, :, None]\n        dvectors = dvectors * (1 - self.e**2)\n"),
    (
        "vectors = self.table[ids] * self.mask[:, :, None]",
        "self.e = np.tanh(self.table[ids])\n        vectors = self.e * self.mask[:, :, None]",
    ),
)
VARIANTS = (
    Variant("divided by the root of the length", ROOT),
    Variant("one-hot matrix", ONE_HOT),
    Variant("tanh of the embeddings", SCORED),
)

TABLE = ("table",)
SLIPS = (
    Slip("padded length", "/ self.lengths[:, :, None]", "/ t", ("scale_missing", "wrong_length"), TABLE,
         "the gradient is divided by the padded length of a sentence"),
    Slip("length left out", "self.mask[:, :, None] / self.lengths[:, :, None]", "self.mask[:, :, None]",
         ("scale_missing", "mean_missing"), TABLE, "the gradient is not divided by the length of a sentence"),
    Slip("padding trained", "self.mask[:, :, None] / self.lengths", "np.ones((n, t, 1)) / self.lengths",
         ("mask_missing", "single_row", "scale_missing"), TABLE,
         "the padding gets a gradient, which the loss masks"),
    Slip("length instead of its root", "/ np.sqrt(self.lengths[:, :, None])", "/ self.lengths[:, :, None]",
         ("scale_missing", "power_rule"), TABLE, "the gradient is divided by the length instead of its root",
         on="divided by the root of the length"),
    Slip("table's gradient made once", "        self.dtable = np.zeros_like(self.table)\n",
         "        if not hasattr(self, \"dtable\"):\n            self.dtable = np.zeros_like(self.table)\n",
         ("accumulated",), TABLE, "the gradient of the table adds up over calls"),
    Slip("word's gradient assigned", "self.dtable[self.ids[i, j]] += dv", "self.dtable[self.ids[i, j]] = dv",
         ("gradient_overwritten", "embedding_overwritten"), TABLE,
         "a word keeps the gradient of its last occurrence"),
    Slip("sigmoid's derivative with cross-entropy", "(self.p - self.y) / n",
         "(self.p - self.y) * self.p * (1 - self.p) / n", ("derivative_twice", "loss_wrong"), PARAMETERS,
         "the derivative of sigmoid is multiplied although cross-entropy cancels it"),
    Slip("tanh behind the mean", "dvectors = dvectors * (1 - self.e**2)",
         "dvectors = dvectors * (1 - self.mean[:, None, :] ** 2)",
         ("other_derivative", "derivative_of_z", "derivative_at_output", "wrong_input", "other_mask"), TABLE,
         "tanh's derivative is taken at the mean of the words", on="tanh of the embeddings"),
    Slip("one-hot matrix transposed through the reshape", "dvectors.reshape(n * t, -1)",
         "dvectors.transpose(1, 0, 2).reshape(n * t, -1)", ("reshape_order",), TABLE,
         "gradients and words are in different orders", on="one-hot matrix"),
)  # fmt: skip

STYLE = Style(SOURCE, check, measure, SLIPS, VARIANTS)
