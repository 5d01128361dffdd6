"""A training step that updates the weights in place, with momentum; gradients are never returned."""

from typing import Any

from student_programs import Measurement, Slip, Style, Variant, measure_step

from deltarule import Network, check_update

HALF = "first"

SOURCE = """\
import numpy as np

rng = np.random.default_rng(14)
x = rng.normal(size=(8, 3))
y = rng.normal(size=(8, 2))
W1, b1 = rng.normal(size=(3, 4)), 0.1 * rng.normal(size=4)
W2, b2 = rng.normal(size=(4, 2)), 0.1 * rng.normal(size=2)
vW1, vb1, vW2, vb2 = np.zeros((3, 4)), np.zeros(4), np.zeros((4, 2)), np.zeros(2)
learning_rate, momentum = 0.05, 0.0


def loss():
    return 0.5 * np.sum((np.tanh(x @ W1 + b1) @ W2 + b2 - y) ** 2) / len(x)


def train_step():
    global vW1, vb1, vW2, vb2
    a1 = np.tanh(x @ W1 + b1)
    delta2 = (a1 @ W2 + b2 - y) / len(x)
    delta1 = delta2 @ W2.T * (1 - a1**2)
    vW2 = momentum * vW2 - learning_rate * a1.T @ delta2
    vb2 = momentum * vb2 - learning_rate * delta2.sum(axis=0)
    vW1 = momentum * vW1 - learning_rate * x.T @ delta1
    vb1 = momentum * vb1 - learning_rate * delta1.sum(axis=0)
    W1[...] += vW1
    b1[...] += vb1
    W2[...] += vW2
    b2[...] += vb2
"""

NAMES = ("W1", "b1", "W2", "b2")


def check(student: Any) -> Any:
    arrays = {name: getattr(student, name) for name in NAMES}
    return check_update(
        student.train_step, student.loss, arrays, student.learning_rate, momentum=student.momentum,
        like=Network([3, 4, 2], "tanh", "identity"), x=student.x, y=student.y,
    )  # fmt: skip


def measure(student: Any) -> Measurement:
    """Measure the first update only: later ones contain velocities."""
    parameters = {name: getattr(student, name) for name in NAMES}

    def step() -> None:
        for name in NAMES:
            setattr(student, f"v{name}", 0 * getattr(student, f"v{name}"))
        student.train_step()

    return measure_step(step, student.loss, parameters, student.learning_rate)


MOMENTUM = (("momentum = 0.05, 0.0", "momentum = 0.05, 0.9"),)
LAYER_BY_LAYER = (
    ("    W1[...] += vW1\n    b1[...] += vb1\n    W2[...] += vW2\n    b2[...] += vb2\n",
     "    W1[...] += vW1\n    b1[...] += vb1\n"),
    ("    vW1 = momentum", "    W2[...] += vW2\n    b2[...] += vb2\n    vW1 = momentum"),
)  # fmt: skip

VARIANTS = (
    Variant("momentum", MOMENTUM),
    Variant("layer by layer", LAYER_BY_LAYER),
    Variant("biases of zero", (("0.1 * rng.normal(size=4)", "np.zeros(4)"),
        ("0.1 * rng.normal(size=2)", "np.zeros(2)"))),
    Variant("weight decay in the loss", (
        ("** 2) / len(x)\n", "** 2) / len(x) + 0.05 * (np.sum(W1**2) + np.sum(W2**2))\n"),
        ("* a1.T @ delta2", "* (a1.T @ delta2 + 0.1 * W2)"), ("* x.T @ delta1", "* (x.T @ delta1 + 0.1 * W1)"))),
)  # fmt: skip

SLIPS = (
    Slip("ascent", "W2[...] += vW2", "W2[...] -= vW2", ("sign",), ("W2",), "W2 moves against the descent direction"),
    Slip("learning rate forgotten", "vb1 - learning_rate * delta1.sum", "vb1 - delta1.sum", ("learning_rate",),
         ("b1",), "the update of b1 lacks the learning rate"),
    Slip("velocity of another parameter", "b1[...] += vb1", "b1[...] += vW1[0]",
         ("wrong_velocity", "wrong_input", "exchanged"), ("b1",), "b1 is moved by a row of the velocity of W1"),
    Slip("weights updated before they are used",
         "vW1 - learning_rate * x.T @ delta1\n",
         "vW1 - learning_rate * x.T @ (delta2 @ W2.T * (1 - a1**2))\n",
         ("updated_weights",), ("W1",), "the delta of W1 is computed with W2 after its update", on="layer by layer"),
    Slip("y forgotten", "b2 - y) / len(x)\n    delta1", "b2) / len(x)\n    delta1", ("target_missing",), NAMES,
         "the error at the output lacks the targets"),
    Slip("derivative forgotten", "W2.T * (1 - a1**2)", "W2.T", ("derivative_missing",), ("W1", "b1"),
         "tanh's derivative is missing in the hidden layer"),
    Slip("running mean", "vW1 - learning_rate * x.T", "vW1 - (1 - momentum) * learning_rate * x.T",
         ("running_mean",), ("W1",), "the velocity of W1 is a running mean", on="momentum"),
    Slip("Nesterov's step", "    W1[...] += vW1\n", "    W1[...] += momentum * vW1 - learning_rate * x.T @ delta1\n",
         ("nesterov",), ("W1",), "W1 moves as with Nesterov's momentum", on="momentum"),
    Slip("decay without the 2", "x.T @ delta1 + 0.1 * W1", "x.T @ delta1 + 0.05 * W1", ("penalty_factor",), ("W1",),
         "the penalty's derivative is half of what the loss has", on="weight decay in the loss"),
    Slip("decay on one layer only", "(a1.T @ delta2 + 0.1 * W2)", "(a1.T @ delta2)",
         ("penalty_missing", "penalty_on_some_layers"), ("W2",), "the update of W2 lacks the penalty's derivative",
         on="weight decay in the loss"),
)  # fmt: skip

STYLE = Style(SOURCE, check, measure, SLIPS, VARIANTS)
