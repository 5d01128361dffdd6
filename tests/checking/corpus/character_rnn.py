"""A character-level recurrent network: one-hot inputs, a loop over time steps forward and backward."""

from typing import Any

from student_programs import Measurement, Slip, Style, Variant

from deltarule import check_gradient

HALF = "first"

SOURCE = """\
import numpy as np

data = "hello hollow"
chars = sorted(set(data))
vocab_size = len(chars)
char_to_ix = {ch: i for i, ch in enumerate(chars)}

hidden_size = 5
rng = np.random.RandomState(0)
Wxh = rng.randn(hidden_size, vocab_size) * 0.5
Whh = rng.randn(hidden_size, hidden_size) * 0.5
Why = rng.randn(vocab_size, hidden_size) * 0.5
bh = np.zeros((hidden_size, 1))
by = np.zeros((vocab_size, 1))

inputs = [char_to_ix[ch] for ch in data[:7]]
targets = [char_to_ix[ch] for ch in data[1:8]]
hprev = np.zeros((hidden_size, 1))


def lossFun(Wxh, Whh, Why, bh, by):
    xs, hs, ys, ps = {}, {}, {}, {}
    hs[-1] = np.copy(hprev)
    loss = 0
    # forward pass
    for t in range(len(inputs)):
        xs[t] = np.zeros((vocab_size, 1))
        xs[t][inputs[t]] = 1
        hs[t] = np.tanh(np.dot(Wxh, xs[t]) + np.dot(Whh, hs[t - 1]) + bh)
        ys[t] = np.dot(Why, hs[t]) + by
        ps[t] = np.exp(ys[t]) / np.sum(np.exp(ys[t]))
        loss += -np.log(ps[t][targets[t], 0])
    # backward pass
    dWxh, dWhh, dWhy = np.zeros_like(Wxh), np.zeros_like(Whh), np.zeros_like(Why)
    dbh, dby = np.zeros_like(bh), np.zeros_like(by)
    dhnext = np.zeros_like(hs[0])
    for t in reversed(range(len(inputs))):
        dy = np.copy(ps[t])
        dy[targets[t]] -= 1
        dWhy += np.dot(dy, hs[t].T)
        dby += dy
        dh = np.dot(Why.T, dy) + dhnext
        dhraw = (1 - hs[t] * hs[t]) * dh
        dbh += dhraw
        dWxh += np.dot(dhraw, xs[t].T)
        dWhh += np.dot(dhraw, hs[t - 1].T)
        dhnext = np.dot(Whh.T, dhraw)
    return loss, dWxh, dWhh, dWhy, dbh, dby
"""

NAMES = ("Wxh", "Whh", "Why", "bh", "by")
HIDDEN = ("Wxh", "Whh", "bh")


def check(student: Any) -> Any:
    return check_gradient(student.lossFun, None, [getattr(student, name) for name in NAMES])


def measure(student: Any) -> Measurement:
    parameters = {name: getattr(student, name) for name in NAMES}
    return Measurement(
        lambda: student.lossFun(*parameters.values())[0],
        lambda: dict(zip(NAMES, student.lossFun(*parameters.values())[1:], strict=True)),
        parameters,
    )


MEAN = (
    ("    # backward pass\n", "    loss /= len(inputs)\n    # backward pass\n"),
    ("        dy[targets[t]] -= 1\n", "        dy[targets[t]] -= 1\n        dy /= len(inputs)\n"),
)
RELU = (("np.tanh(np.dot(Wxh", "np.maximum(0, np.dot(Wxh"), ("(1 - hs[t] * hs[t]) * dh", "(hs[t] > 0) * dh"))

VARIANTS = (
    Variant("mean over time", MEAN),
    Variant("relu with an initial state of zeros", RELU),
    Variant("random biases and state", (
        ("bh = np.zeros((hidden_size, 1))", "bh = 0.1 * rng.randn(hidden_size, 1)"),
        ("hprev = np.zeros((hidden_size, 1))", "hprev = 0.3 * rng.randn(hidden_size, 1)"),
    )),
    Variant("small weights as in the blog", (("Wxh = rng.randn(hidden_size, vocab_size) * 0.5",
        "Wxh = rng.randn(hidden_size, vocab_size) * 0.01"), ("vocab_size, hidden_size) * 0.5",
        "vocab_size, hidden_size) * 0.01"), ("(hidden_size, hidden_size) * 0.5", "(hidden_size, hidden_size) * 0.01"))),
)  # fmt: skip

OVERWRITTEN = (r"overwrit", r"instead of add", r"\+=")
SLIPS = (
    Slip(
        "recurrent weights of the last step only", "dWhh += np.dot", "dWhh = np.dot",
        ("gradient_overwritten", "last_sample"), ("Whh",),
        "the gradient of Whh is overwritten at each time step instead of summed", OVERWRITTEN,
    ),
    Slip(
        "bias of the last step only", "dby += dy", "dby = dy", ("gradient_overwritten", "last_sample"), ("by",),
        "the gradient of by is that of one time step", OVERWRITTEN,
    ),
    Slip(
        "input weights of the last step only", "dWxh += np.dot", "dWxh = np.dot",
        ("gradient_overwritten", "last_sample"), ("Wxh",),
        "the gradient of Wxh is overwritten at each time step instead of summed", OVERWRITTEN,
    ),
    Slip(
        "gradient through time forgotten", "np.dot(Why.T, dy) + dhnext", "np.dot(Why.T, dy)",
        ("truncated_through_time", "recurrence_missing"), HIDDEN,
        "the gradient of the next time step is not added to dh",
        (r"time",),
    ),
    Slip(
        "recurrent weights not transposed", "np.dot(Whh.T, dhraw)", "np.dot(Whh, dhraw)",
        ("weights_not_transposed",), HIDDEN, "the gradient goes through Whh instead of its transpose",
    ),
    Slip(
        "state of the same step", "np.dot(dhraw, hs[t - 1].T)", "np.dot(dhraw, hs[t].T)", ("wrong_input",), ("Whh",),
        "the gradient of Whh uses the state of the same step instead of the previous one", (r"previous",),
    ),
    Slip(
        "tanh passed by at the next step", "dhnext = np.dot(Whh.T, dhraw)", "dhnext = np.dot(Whh.T, dh)",
        ("derivative_missing",), HIDDEN, "the gradient through time lacks tanh's derivative",
    ),
    Slip(
        "tanh's derivative without the square", "(1 - hs[t] * hs[t]) * dh", "(1 - hs[t]) * dh",
        ("other_derivative", "derivative_wrong"), HIDDEN, "tanh's derivative is 1 − h² but is computed as 1 − h",
    ),
    Slip(
        "loss averaged over time, gradient not", "        dy /= len(inputs)\n", "", ("mean_missing",), NAMES,
        "the gradient is not divided by the number of time steps", on="mean over time",
    ),
)  # fmt: skip

STYLE = Style(SOURCE, check, measure, SLIPS, VARIANTS)
