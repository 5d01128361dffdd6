"""A list of modules whose parameters and gradients are dictionaries: dense, scale with dropout, PReLU, residual."""

from typing import Any

from student_programs import Measurement, Slip, Style, Variant

from deltarule import check_object

HALF = "second"

SOURCE = """\
import numpy as np

gen = np.random.RandomState(27)


class Module:
    def __init__(self, **params):
        self.params = params
        self.grads = {}


class Dense(Module):
    def __init__(self, n_in, n_out):
        super().__init__(W=gen.randn(n_in, n_out) / np.sqrt(n_in), b=0.1 * gen.randn(n_out))

    def forward(self, x):
        self.x = x
        return x @ self.params["W"] + self.params["b"]

    def backward(self, dy):
        self.grads["W"] = self.x.T @ dy
        self.grads["b"] = dy.sum(axis=0)
        return dy @ self.params["W"].T


class PReLU(Module):
    def __init__(self, width):
        super().__init__(slope=np.full(width, 0.2))

    def forward(self, x):
        self.x = x
        return np.where(x > 0, x, self.params["slope"] * x)

    def backward(self, dy):
        self.grads["slope"] = np.where(self.x > 0, 0, dy * self.x).sum(axis=0)
        return dy * np.where(self.x > 0, 1, self.params["slope"])


class Dropout(Module):
    def __init__(self, shape, keep):
        super().__init__()
        self.keep = keep
        self.mask = gen.rand(*shape) < keep

    def forward(self, x):
        return x * self.mask / self.keep

    def backward(self, dy):
        return dy * self.mask / self.keep


class Residual(Module):
    def __init__(self, *inner):
        super().__init__()
        self.inner = inner

    def forward(self, x):
        y = x
        for module in self.inner:
            y = module.forward(y)
        return x + y

    def backward(self, dy):
        dx = dy
        for module in reversed(self.inner):
            dx = module.backward(dx)
        return dy + dx


class MSE:
    def forward(self, y, t):
        self.diff = y - t
        return (self.diff**2).sum(axis=1).mean()

    def backward(self):
        return 2 * self.diff / len(self.diff)


class Model:
    def __init__(self):
        first, second = Dense(3, 4), Dense(4, 4)
        self.modules = [first, PReLU(4), Residual(second, PReLU(4), Dropout((9, 4), 0.7)), Dense(4, 2)]
        self.criterion = MSE()

    def loss(self, x, t):
        for module in self.modules:
            x = module.forward(x)
        return self.criterion.forward(x, t)

    def backward(self):
        d = self.criterion.backward()
        for module in self.modules[::-1]:
            d = module.backward(d)


x, t = gen.randn(9, 3), gen.randn(9, 2)
model = Model()
"""

PLACES = {
    "modules[0]": ("W", "b"),
    "modules[1]": ("slope",),
    "modules[2].inner[0]": ("W", "b"),
    "modules[2].inner[1]": ("slope",),
    "modules[3]": ("W", "b"),
}
PARAMETERS = tuple(f"{place}.params['{name}']" for place, names in PLACES.items() for name in names)


def check(student: Any) -> Any:
    model = student.model
    return check_object(
        model, params=PARAMETERS, grads=[path.replace("params", "grads") for path in PARAMETERS],
        loss=lambda: model.loss(student.x, student.t), backward=model.backward,
    )  # fmt: skip


def measure(student: Any) -> Measurement:
    model = student.model
    modules = (*model.modules[:2], *model.modules[2].inner[:2], model.modules[3])

    def gradient() -> Any:
        model.loss(student.x, student.t)
        model.backward()
        return dict(zip(PARAMETERS, (m.grads[name] for m in modules for name in m.params), strict=True))

    parameters = dict(zip(PARAMETERS, (array for m in modules for array in m.params.values()), strict=True))
    return Measurement(lambda: model.loss(student.x, student.t), gradient, parameters)


NO_DROPOUT = ((", Dropout((9, 4), 0.7)", ""),)
AVERAGED = (
    ("return x + y", "return (x + y) / 2"),
    ("        dx = dy\n", "        dx = dy = dy / 2\n"),
)
ONE_SLOPE = (
    ("slope=np.full(width, 0.2)", "slope=np.array([0.2])"),
    ("np.where(self.x > 0, 0, dy * self.x).sum(axis=0)", "np.array([np.where(self.x > 0, 0, dy * self.x).sum()])"),
)
VARIANTS = (
    Variant("no dropout", NO_DROPOUT),
    Variant("mean of both paths", AVERAGED),
    Variant("one slope for all units", ONE_SLOPE),
)

SLOPES = (PARAMETERS[2], PARAMETERS[5])
HEAD, INNER = PARAMETERS[:3], PARAMETERS[3:6]
BELOW = (*HEAD, *INNER)
DROP = "return dy * self.mask / self.keep"
SLIPS = (
    Slip("skip path dropped", "return dy + dx", "return dx", ("path_missing",), HEAD,
         "the residual module returns the gradient of its layers only"),
    Slip("dropout without its scale", DROP, "return dy * self.mask", ("dropout_mask", "scale_missing"), BELOW,
         "the gradient lacks the 1 / keep"),
    Slip("dropout without its mask", DROP, "return dy", ("dropout_mask", "mask_missing"), BELOW,
         "the gradient lacks mask and scale of dropout"),
    Slip("mask multiplied twice", DROP, "return dy * self.mask / self.keep**2", ("dropout_mask", "scale_missing"),
         BELOW, "the gradient is divided by keep twice"),
    Slip("slope's gradient without the input", "np.where(self.x > 0, 0, dy * self.x).sum",
         "np.where(self.x > 0, 0, dy).sum", ("product_rule", "wrong_input", "scale_missing"), SLOPES,
         "the slope's gradient lacks the input that it multiplies"),
    Slip("slope's gradient of all inputs", "np.where(self.x > 0, 0, dy * self.x).sum", "(dy * self.x).sum",
         ("mask_missing", "derivative_missing"), SLOPES, "the slope's gradient counts positive inputs too"),
    Slip("slope's gradient averaged", "np.where(self.x > 0, 0, dy * self.x).sum(axis=0)",
         "np.where(self.x > 0, 0, dy * self.x).mean(axis=0)", ("mean_twice",), SLOPES,
         "the slope's gradient is averaged over the samples"),
    Slip("slope's gradient of each sample", "np.where(self.x > 0, 0, dy * self.x).sum()",
         "np.where(self.x > 0, 0, dy * self.x)[-1].sum()", ("last_sample",), SLOPES,
         "the slope's gradient is that of the last sample", on="one slope for all units"),
    Slip("positive and negative side exchanged", "dy * np.where(self.x > 0, 1, self.params[\"slope\"])",
         "dy * np.where(self.x < 0, 1, self.params[\"slope\"])", ("mask_inverted",), (*HEAD[:2], *INNER[:2], HEAD[2]),
         "the slope is applied to the positive side"),
    Slip("paths not halved", "        dx = dy = dy / 2\n", "        dx = dy\n", ("scale_missing", "factor_two"), BELOW,
         "the gradient is not divided by the number of paths", on="mean of both paths"),
    Slip("only the layers halved", "        dx = dy = dy / 2\n", "        dx = dy / 2\n",
         # The report says that what comes back along the skip connection, (x + y) / 2, is doubled.
         ("scale_missing", "factor_two"), HEAD,
         "the gradient along the skip connection is not halved", on="mean of both paths"),
    Slip("outputs counted", "2 * self.diff / len(self.diff)", "2 * self.diff / self.diff.size",
         ("mean_twice", "factor", "factor_two"), PARAMETERS, "the gradient is divided by the number of outputs too"),
    Slip("inner layers in forward order", "for module in reversed(self.inner)", "for module in self.inner",
         ("layer_order", "wrong_order"), BELOW, "the inner modules go back in the order of the forward pass"),
)  # fmt: skip

STYLE = Style(SOURCE, check, measure, SLIPS, VARIANTS)
