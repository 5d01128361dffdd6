"""Stochastic gradient descent in a class: the step returns new parameters, with momentum or weight decay."""

from typing import Any

from student_programs import Measurement, Slip, Style, Variant, measure_step

from deltarule import check_update

HALF = "second"

SOURCE = """\
import numpy as np

rnd = np.random.default_rng(5)
xs = rnd.normal(size=(9, 4))
ts = (rnd.random(9) < 0.5).astype(float)
lr, beta, decay = 0.1, 0.0, 0.0


class Neuron:
    def __init__(self):
        self.w = rnd.normal(size=4)
        self.b = 0.1 * rnd.normal(size=1)
        self.mw, self.mb = np.zeros(4), np.zeros(1)

    def predict(self):
        return 1 / (1 + np.exp(-(xs @ self.w + self.b)))

    def loss(self):
        q = self.predict()
        return -np.mean(ts * np.log(q) + (1 - ts) * np.log(1 - q)) + 0.5 * decay * np.sum(self.w**2)

    def step(self):
        diff = (self.predict() - ts) / len(ts)
        gw = xs.T @ diff + decay * self.w
        gb = np.sum(diff)
        self.mw = beta * self.mw - lr * gw
        self.mb = beta * self.mb - lr * gb
        self.w += self.mw
        self.b += self.mb


unit = Neuron()
"""


def check(student: Any) -> Any:
    unit = student.unit
    return check_update(unit.step, unit.loss, {"w": unit.w, "b": unit.b}, student.lr, momentum=student.beta)


def measure(student: Any) -> Measurement:
    unit = student.unit

    def step() -> None:
        unit.mw, unit.mb = 0 * unit.mw, 0 * unit.mb
        unit.step()

    return measure_step(step, unit.loss, {"w": unit.w, "b": unit.b}, student.lr)


VARIANTS = (
    Variant("momentum", (("lr, beta, decay = 0.1, 0.0", "lr, beta, decay = 0.1, 0.8"),)),
    Variant("decay", (("lr, beta, decay = 0.1, 0.0, 0.0", "lr, beta, decay = 0.1, 0.0, 0.3"),)),
    Variant("momentum and decay", (("lr, beta, decay = 0.1, 0.0, 0.0", "lr, beta, decay = 0.1, 0.9, 0.3"),)),
)

BOTH = ("w", "b")
SLIPS = (
    Slip("uphill", "self.predict() - ts)", "ts - self.predict())", ("sign",), BOTH, "the step goes uphill"),
    Slip("rate forgotten", "- lr * gw", "- gw", ("learning_rate",), ("w",), "the learning rate is missing for w"),
    Slip("mean forgotten", " - ts) / len(ts)", " - ts)", ("mean_missing",), BOTH, "the gradient is not averaged"),
    Slip("decay forgotten", " + decay * self.w\n", "\n", ("penalty_missing",), ("w",), "the penalty is missing",
         on="decay"),
    Slip("decay twice", "+ decay * self.w\n", "+ 2 * decay * self.w\n", ("penalty_factor",), ("w",),
         "the penalty's gradient is twice too large", on="decay"),
    Slip("decay on the bias", "gb = np.sum(diff)", "gb = np.sum(diff) + decay * self.b", ("penalty_on_biases",
         "penalty_not_in_loss"), ("b",), "the bias decays too", on="decay"),
    Slip("bias averaged twice", "np.sum(diff)", "np.mean(diff)", ("mean_twice",), ("b",), "b is averaged twice"),
    Slip("momentum one minus beta", "beta * self.mw - lr * gw", "beta * self.mw - (1 - beta) * lr * gw",
         ("running_mean", "factor"), ("w",), "the gradient is weighted by 1 − β", on="momentum"),
    Slip("velocity added with minus", "self.w += self.mw", "self.w -= self.mw", ("sign",), ("w",),
         "the velocity is subtracted", on="momentum"),
)  # fmt: skip

STYLE = Style(SOURCE, check, measure, SLIPS, VARIANTS)
