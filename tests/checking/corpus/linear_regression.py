"""Linear regression in functions of (w, b): squared error, ridge, lasso, Huber's loss and logistic regression."""

from typing import Any

from student_programs import Measurement, Slip, Style, Variant

from deltarule import check_gradient

HALF = "second"

SOURCE = """\
import numpy as np

rs = np.random.RandomState(8)
features = rs.randn(12, 4)
target = features @ np.array([1.0, -2.0, 0.5, 0.0]) + 3 + 1.5 * rs.randn(12)
m = len(target)
alpha = 0.2
w = rs.randn(4)
b = np.array([0.3])


def cost(w, b):
    r = features @ w + b - target
    return (r**2).sum() / (2 * m)


def derivatives(w, b):
    r = features @ w + b - target
    dw = features.T @ r / m
    db = np.array([r.sum() / m])
    return dw, db
"""


def check(student: Any) -> Any:
    return check_gradient(student.cost, student.derivatives, (student.w, student.b))


def measure(student: Any) -> Measurement:
    values = {"w": student.w, "b": student.b}
    return Measurement(
        lambda: student.cost(student.w, student.b),
        lambda: dict(zip("wb", student.derivatives(student.w, student.b), strict=True)),
        values,
    )


COST, DW, DB = "(r**2).sum() / (2 * m)", "features.T @ r / m", "np.array([r.sum() / m])"
HUBER = (
    (COST, "np.where(np.abs(r) < 1, 0.5 * r**2, np.abs(r) - 0.5).mean()"),
    (f"    dw = {DW}", f"    g = np.where(np.abs(r) < 1, r, np.sign(r))\n    dw = {DW.replace('@ r', '@ g')}"),
    (DB, DB.replace("r.sum", "g.sum")),
)
LOGISTIC = (
    ("    r = features @ w + b - target\n    return " + COST,
     "    s = 1 / (1 + np.exp(-(features @ w + b)))\n    t = target > 3\n"
     "    return -np.mean(t * np.log(s) + (1 - t) * np.log(1 - s))"),
    ("    r = features @ w + b - target\n    dw",
     "    r = 1 / (1 + np.exp(-(features @ w + b))) - (target > 3)\n    dw"),
)  # fmt: skip
VARIANTS = (
    Variant("ridge", ((COST, f"{COST} + alpha / 2 * w @ w"), (DW, f"{DW} + alpha * w"))),
    Variant("lasso", ((COST, f"{COST} + alpha * np.abs(w).sum()"), (DW, f"{DW} + alpha * np.sign(w)"))),
    Variant("huber", HUBER),
    Variant("logistic", LOGISTIC),
    Variant("mean of squares", ((COST, "np.mean(r**2)"), (DW, "2 * features.T @ r / m"),
        (DB, "np.array([2 * r.mean()])"))),
)  # fmt: skip

BOTH = ("w", "b")
SLIPS = (
    Slip("residual reversed", "    r = features @ w + b - target\n    dw", "    r = target - features @ w - b\n    dw",
         ("sign",), BOTH, "the gradient has the opposite sign"),
    Slip("two forgotten", "2 * features.T @ r / m", "features.T @ r / m", ("factor_two",), ("w",),
         "the gradient of w lacks the factor two", on="mean of squares"),
    Slip("mean forgotten", DW, "features.T @ r", ("mean_missing",), ("w",), "w's gradient is not averaged"),
    Slip("bias not averaged", DB, "np.array([r.sum()])", ("mean_missing",), ("b",), "b's gradient is not averaged"),
    Slip("intercept of the last sample", DB, "np.array([r[-1] / m])", ("last_sample", "gradient_overwritten",
         "not_summed"), ("b",), "only the last sample counts for b"),
    Slip("bias left out of the prediction", "    r = features @ w + b - target\n    dw",
         "    r = features @ w - target\n    dw", ("forward_differs", "bias_missing", "forward_mismatch"), BOTH,
         "the backward pass predicts without the bias", (r"bias",)),
    Slip("ridge forgotten", f"{DW} + alpha * w", DW, ("penalty_missing",), ("w",), "the penalty is missing",
         on="ridge"),
    Slip("ridge with two", f"{DW} + alpha * w", f"{DW} + 2 * alpha * w", ("penalty_factor",), ("w",),
         "the penalty's gradient is twice too large", on="ridge"),
    Slip("ridge averaged", f"{DW} + alpha * w", f"{DW} + alpha * w / m", ("penalty_factor",), ("w",),
         "the penalty's gradient is divided by the samples", on="ridge"),
    Slip("ridge on the bias", DB, "np.array([r.sum() / m + alpha * b[0]])",
         ("penalty_on_biases", "penalty_not_in_loss"), ("b",), "b has a penalty", on="ridge"),
    Slip("lasso forgotten", f"{DW} + alpha * np.sign(w)", DW, ("penalty_missing",), ("w",), "the penalty is missing",
         on="lasso"),
    Slip("lasso as ridge", "alpha * np.sign(w)", "alpha * w", ("penalty_wrong", "penalty_kind", "penalty_factor",
         "penalty_not_in_loss", "penalty_missing"), ("w",), "the gradient of the penalty is that of the square",
         (r"sign\(",), on="lasso"),
    Slip("huber not clipped", "np.where(np.abs(r) < 1, r, np.sign(r))", "r", ("loss_wrong", "derivative_wrong",
         "loss_mismatch"), BOTH, "the derivative is that of the squared error", (r"squared|clip",), on="huber"),
    Slip("huber without the sign", "np.where(np.abs(r) < 1, r, np.sign(r))", "np.where(np.abs(r) < 1, r, 1)",
         ("loss_wrong", "derivative_wrong", "sign"), BOTH, "the linear part lacks the residual's sign", (r"sign",),
         on="huber"),
    Slip("logistic with squared error's derivative", "features @ w + b))) - (target > 3)\n",
         "features @ w + b))) - (target > 3)\n    q = r + (target > 3)\n    r = r * q * (1 - q)\n",
         ("loss_wrong", "derivative_twice", "loss_mismatch"), BOTH,
         "the derivative of the sigmoid is multiplied although cross-entropy cancels it", on="logistic"),
)  # fmt: skip

STYLE = Style(SOURCE, check, measure, SLIPS, VARIANTS)
