"""Layers without parameters as classes with `forward` and `backward`, each checked on its own."""

from typing import Any

from student_programs import Measurement, Slip, Style, Variant, measure_layer

from deltarule import check_vjp

HALF = "second"

SOURCE = """\
import numpy as np


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


class Layer:
    def forward(self, x):
        self.a, self.b = np.split(x, 2, axis=1)
        self.s = sigmoid(self.b)
        return self.a * self.s

    def backward(self, grad):
        da = grad * self.s
        db = grad * self.a * self.s * (1 - self.s)
        return np.concatenate([da, db], axis=1)


layer = Layer()
x = np.random.default_rng(91).normal(size=(3, 6))
"""


def check(student: Any) -> Any:
    return check_vjp(student.layer.forward, student.layer.backward, student.x)


def measure(student: Any) -> Measurement:
    return measure_layer(student.layer.forward, student.layer.backward, {"x": student.x})


GATED = (
    "        self.a, self.b = np.split(x, 2, axis=1)\n"
    "        self.s = sigmoid(self.b)\n"
    "        return self.a * self.s\n"
    "\n"
    "    def backward(self, grad):\n"
    "        da = grad * self.s\n"
    "        db = grad * self.a * self.s * (1 - self.s)\n"
    "        return np.concatenate([da, db], axis=1)\n"
)


def build_variant(name: str, forward: str, backward: str) -> Variant:
    """The layer whose methods have these bodies, a statement per line."""
    first, second = ("".join(f"        {line}\n" for line in body.splitlines()) for body in (forward, backward))
    return Variant(name, ((GATED, f"{first}\n    def backward(self, grad):\n{second}"),))


VARIANTS = (
    build_variant(
        "maxout",
        "self.x = x.reshape(len(x), -1, 2)\nself.winner = self.x.argmax(axis=2)\nreturn self.x.max(axis=2)",
        "dx = np.zeros_like(self.x)\nrows, units = np.indices(self.winner.shape)\n"
        "dx[rows, units, self.winner] = grad\nreturn dx.reshape(len(dx), -1)",
    ),
    build_variant(
        "elu", "self.x = x\nself.out = np.where(x > 0, x, 0.7 * (np.exp(x) - 1))\nreturn self.out",
        "return grad * np.where(self.x > 0, 1, self.out + 0.7)",
    ),
    build_variant(
        "softplus with a slope", "self.x = x\nreturn np.log(1 + np.exp(3 * x)) / 3",
        "return grad * sigmoid(3 * self.x)",
    ),
    build_variant(
        "running sum", "return np.cumsum(x, axis=1)", "return np.cumsum(grad[:, ::-1], axis=1)[:, ::-1]",
    ),
    build_variant(
        "centered features", "return x - x.mean(axis=1, keepdims=True)",
        "return grad - grad.mean(axis=1, keepdims=True)",
    ),
    build_variant(
        "average pooling with a window of three",
        "self.shape = x.shape\nreturn np.stack([x[:, i : i + 3].mean(axis=1) for i in range(x.shape[1] - 2)], axis=1)",
        "dx = np.zeros(self.shape)\nfor i in range(grad.shape[1]):\n    dx[:, i : i + 3] += grad[:, i : i + 1] / 3\n"
        "return dx",
    ),
    build_variant(
        "skip connection with tanh", "self.t = np.tanh(x)\nreturn x + self.t", "return grad + grad * (1 - self.t**2)",
    ),
)  # fmt: skip

X = ("x",)
WINDOW = "average pooling with a window of three"
WINDOW_STEP = "dx[:, i : i + 3] += grad[:, i : i + 1] / 3"
SLIPS = (
    Slip("gate's derivative", "self.a * self.s * (1 - self.s)", "self.a", ("derivative_missing",), X,
         "the derivative of the gate's sigmoid is missing"),
    Slip("value left out of the gate's gradient", "grad * self.a * self.s * (1 - self.s)",
         "grad * self.s * (1 - self.s)", ("product_rule", "scale_missing", "factor_missing"), X,
         "the gate's gradient lacks the value that it multiplies"),
    Slip("halves exchanged", "[da, db]", "[db, da]", ("exchanged",), X,
         "value and gate get each other's gradient"),
    Slip("gate as a constant", "db = grad * self.a * self.s * (1 - self.s)", "db = np.zeros_like(da)",
         ("path_missing",), X, "the gate gets no gradient"),
    Slip("every piece of maxout", "dx[rows, units, self.winner] = grad", "dx[rows, units] = grad[:, :, None]",
         ("pool_routing",), X, "both pieces get the gradient of the larger one", on="maxout"),
    Slip("the smaller piece of maxout", "dx[rows, units, self.winner] = grad",
         "dx[rows, units, 1 - self.winner] = grad",
         ("pool_routing", "mask_inverted"), X, "the smaller piece gets the gradient",
         on="maxout"),
    Slip("elu's derivative", "self.out + 0.7)", "self.out)", ("other_derivative", "derivative_wrong",
         "derivative_missing"), X, "elu's derivative for negative inputs lacks + α", on="elu"),
    Slip("elu's exponential without its factor", "self.out + 0.7)", "np.exp(self.x))",
         ("scale_missing", "other_derivative"), X, "elu's derivative for negative inputs lacks the factor α", on="elu"),
    Slip("slope of softplus", "return grad * sigmoid(3 * self.x)", "return grad * sigmoid(self.x)",
         ("scale_missing", "other_derivative", "derivative_of_z"), X, "sigmoid is taken without the slope",
         on="softplus with a slope"),
    Slip("slope of softplus once more", "return grad * sigmoid(3 * self.x)", "return 3 * grad * sigmoid(3 * self.x)",
         ("scale_missing", "factor"), X, "the gradient is multiplied by the slope, which the division cancels",
         on="softplus with a slope"),
    Slip("sum not reversed", "np.cumsum(grad[:, ::-1], axis=1)[:, ::-1]", "np.cumsum(grad, axis=1)",
         ("cumsum_not_reversed", "not_transposed", "reverse_order"), X,
         "the running sum of the gradient starts at the wrong end", on="running sum"),
    Slip("running sum left out", "np.cumsum(grad[:, ::-1], axis=1)[:, ::-1]", "grad", ("path_missing",
         "derivative_missing"), X, "only the direct path to each entry is left",
         on="running sum"),
    Slip("mean as a constant", "grad - grad.mean(axis=1, keepdims=True)", "grad",
         # What is returned is the upstream gradient itself: the layer's derivative is left out altogether.
         ("normalization_constants", "path_missing", "batch_norm_constants", "derivative_missing"), X,
         "the mean is treated as a constant",
         on="centered features"),
    Slip("mean over the batch", "grad - grad.mean(axis=1, keepdims=True)", "grad - grad.mean(axis=0)",
         ("wrong_axis", "normalization_axis"), X, "the gradient's mean goes over samples",
         on="centered features"),
    Slip("windows overwritten", WINDOW_STEP, WINDOW_STEP.replace("+=", "="), ("gradient_overwritten",), X,
         "overlapping windows overwrite each other", on=WINDOW),
    Slip("count of the window", WINDOW_STEP, WINDOW_STEP.replace(" / 3", ""),
         ("scale_missing", "mean_missing", "factor", "pool_count"), X, "the gradient is not divided by 3", on=WINDOW),
    Slip("middle of the window", WINDOW_STEP, "dx[:, i + 1] += grad[:, i]", ("pool_routing",), X,
         "the gradient goes to the middle of the window", on=WINDOW),
    Slip("identity left out", "return grad + grad * (1 - self.t**2)", "return grad * (1 - self.t**2)",
         ("path_missing",), X, "the skip connection is left out", on="skip connection with tanh"),
    Slip("paths multiplied", "return grad + grad * (1 - self.t**2)", "return grad * grad * (1 - self.t**2)",
         ("paths_multiplied", "path_missing", "upstream_twice"), X, "the paths are multiplied instead of added",
         on="skip connection with tanh"),
)  # fmt: skip

STYLE = Style(SOURCE, check, measure, SLIPS, VARIANTS)
