"""Word embeddings: rows of a table are looked up, pooled, and classified; words repeat within a sentence."""

from typing import Any

from student_programs import Measurement, Slip, Style, Variant

from deltarule import check_gradient

HALF = "first"

SOURCE = """\
import numpy as np

sentences = [[0, 3, 3, 1], [2, 0, 2, 4], [1, 1, 5, 4]]
labels = [0, 1, 1]

rng = np.random.default_rng(17)
params = {
    "emb": rng.normal(size=(6, 3)),
    "W": rng.normal(size=(3, 2)),
    "b": np.zeros(2),
}


def softmax(s):
    e = np.exp(s - s.max())
    return e / e.sum()


def forward(params, words):
    vectors = params["emb"][words]
    pooled = vectors.mean(axis=0)
    h = np.tanh(pooled)
    p = softmax(h @ params["W"] + params["b"])
    return vectors, pooled, h, p


def loss(params):
    total = 0
    for words, label in zip(sentences, labels):
        total -= np.log(forward(params, words)[-1][label])
    return total / len(sentences)


def gradient(params):
    grads = {name: np.zeros_like(value) for name, value in params.items()}
    for words, label in zip(sentences, labels):
        vectors, pooled, h, p = forward(params, words)
        ds = p.copy()
        ds[label] -= 1
        ds /= len(sentences)
        grads["W"] += np.outer(h, ds)
        grads["b"] += ds
        dpooled = params["W"] @ ds * (1 - h**2)
        dvectors = np.ones((len(words), 1)) * dpooled / len(words)
        np.add.at(grads["emb"], words, dvectors)
    return grads
"""


def check(student: Any) -> Any:
    return check_gradient(student.loss, student.gradient, student.params)


def measure(student: Any) -> Measurement:
    params = student.params
    return Measurement(lambda: student.loss(params), lambda: student.gradient(params), params)


MAX_POOLING = (
    ("pooled = vectors.mean(axis=0)", "pooled = vectors.max(axis=0)"),
    (
        "        dvectors = np.ones((len(words), 1)) * dpooled / len(words)\n",
        "        dvectors = np.zeros_like(vectors)\n        dvectors[vectors.argmax(axis=0), np.arange(3)] = dpooled\n",
    ),
)
TIED = (
    ('    "W": rng.normal(size=(3, 2)),\n    "b": np.zeros(2),\n', '    "b": np.zeros(6),\n'),
    ('softmax(h @ params["W"] + params["b"])', 'softmax(params["emb"] @ h + params["b"])'),
    ('        grads["W"] += np.outer(h, ds)\n', '        grads["emb"] += np.outer(ds, h)\n'),
    ('dpooled = params["W"] @ ds', 'dpooled = ds @ params["emb"]'),
    ("labels = [0, 1, 1]", "labels = [5, 3, 0]"),
)

VARIANTS = (
    Variant("maximum over the words", MAX_POOLING),
    Variant("output layer shares the embeddings", TIED),
    Variant("sum instead of mean", (("vectors.mean(axis=0)", "vectors.sum(axis=0)"),
        (" * dpooled / len(words)", " * dpooled"))),
    Variant("a word that never occurs", (("size=(6, 3)", "size=(8, 3)"),)),
    Variant("float32", (("\n\ndef softmax",
        "params = {k: v.astype(np.float32) for k, v in params.items()}\n\n\ndef softmax"),)),
)  # fmt: skip

OVERWRITTEN = (r"overwrit", r"instead of add", r"\+=", r"repeat")
SLIPS = (
    Slip(
        "rows assigned", 'np.add.at(grads["emb"], words, dvectors)', 'grads["emb"][words] = dvectors',
        ("embedding_overwritten", "gradient_overwritten", "last_sample"), ("emb",),
        "rows of the embedding's gradient are overwritten instead of added to", OVERWRITTEN,
    ),
    Slip(
        "repeated words counted once", 'np.add.at(grads["emb"], words, dvectors)', 'grads["emb"][words] += dvectors',
        ("embedding_overwritten", "gradient_overwritten"), ("emb",),
        "+= with an array of indices adds once per word, however often it occurs in the sentence", OVERWRITTEN,
    ),
    Slip(
        "mean over words forgotten", " * dpooled / len(words)", " * dpooled", ("mean_missing", "factor"), ("emb",),
        "the gradient of the word vectors is not divided by the number of words",
    ),
    Slip(
        "output weights of the last sentence", 'grads["W"] += np.outer(h, ds)', 'grads["W"] = np.outer(h, ds)',
        ("gradient_overwritten", "last_sample"), ("W",), "the gradient of W is that of the last sentence", OVERWRITTEN,
    ),
    Slip(
        "both uses of a shared table", 'grads["emb"] += np.outer(ds, h)', 'grads["emb"] = np.outer(ds, h)',
        ("gradient_overwritten", "last_sample"), ("emb",),
        "the gradient of the shared table is overwritten instead of summed over its uses", OVERWRITTEN,
        on="output layer shares the embeddings",
    ),
    Slip(
        "one use of a shared table forgotten", '        np.add.at(grads["emb"], words, dvectors)\n', "",
        ("path_missing", "shared_use_missing", "gradient_overwritten"), ("emb",),
        "the gradient of the shared table lacks its use as an input", (r"path|use|shared",),
        on="output layer shares the embeddings",
    ),
    Slip(
        "every tie gets the maximum's gradient",
        "        dvectors = np.zeros_like(vectors)\n"
        "        dvectors[vectors.argmax(axis=0), np.arange(3)] = dpooled\n",
        "        dvectors = (vectors == pooled) * dpooled\n",
        ("pool_routing", "pool_ties", "max_pool_routing"), ("emb",),
        "a word that occurs twice is the maximum twice, and gets its gradient twice", (r"tie", r"pool|maxim"),
        on="maximum over the words",
    ),
    Slip(
        "tanh forgotten", '@ ds * (1 - h**2)\n', "@ ds\n", ("derivative_missing",), ("emb",),
        "tanh's derivative is missing between embeddings and output",
    ),
    Slip(
        "tanh's derivative at the pooled vector", "(1 - h**2)", "(1 - pooled**2)", ("derivative_of_z",), ("emb",),
        "tanh's derivative 1 − h² is computed from its input",
    ),
)  # fmt: skip

STYLE = Style(SOURCE, check, measure, SLIPS, VARIANTS)
