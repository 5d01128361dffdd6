"""JAX with custom rules of several arguments: root-mean-square normalization with a gain, and a robust loss."""

from contextlib import AbstractContextManager
from typing import Any

import jax
import numpy as np
from student_programs import Measurement, Slip, Style, Variant

from deltarule import check_gradient

HALF = "second"

SOURCE = """\
import jax
import jax.numpy as jnp
import numpy as np


@jax.custom_vjp
def rms_norm(x, gain):
    return gain * x / jnp.sqrt(jnp.mean(x**2, axis=-1, keepdims=True) + 1e-6)


def rms_norm_fwd(x, gain):
    rms = jnp.sqrt(jnp.mean(x**2, axis=-1, keepdims=True) + 1e-6)
    return gain * x / rms, (x / rms, rms, gain)


def rms_norm_bwd(residuals, g):
    y, rms, gain = residuals
    dgain = jnp.sum(g * y, axis=0)
    dy = g * gain
    dx = (dy - y * jnp.mean(dy * y, axis=-1, keepdims=True)) / rms
    return dx, dgain


rms_norm.defvjp(rms_norm_fwd, rms_norm_bwd)


@jax.custom_vjp
def huber(error):
    small = jnp.abs(error) < 0.8
    return jnp.mean(jnp.where(small, 0.5 * error**2, 0.8 * (jnp.abs(error) - 0.4)))


def huber_fwd(error):
    return huber(error), error


def huber_bwd(error, g):
    return (g * jnp.clip(error, -0.8, 0.8) / error.size,)


huber.defvjp(huber_fwd, huber_bwd)

rng = np.random.default_rng(19)
features = rng.normal(size=(7, 3))
targets = rng.normal(size=(7, 2))
weights = {
    "first": rng.normal(size=(3, 4)),
    "gain": rng.uniform(0.5, 1.5, size=4),
    "second": rng.normal(size=(4, 2)),
}


def loss(weights):
    h = rms_norm(features @ weights["first"], weights["gain"])
    return 10 * huber(jnp.sin(h) @ weights["second"] - targets)


gradient = jax.grad(loss)
"""

NAMES = ("first", "gain", "second")


def double_precision() -> AbstractContextManager[Any]:
    return jax.enable_x64(True)


def check(student: Any) -> Any:
    with double_precision():
        return check_gradient(student.loss, student.gradient, student.weights)


def measure(student: Any) -> Measurement:
    weights = student.weights
    return Measurement(
        lambda: student.loss(weights),
        lambda: {name: np.array(array) for name, array in student.gradient(weights).items()},
        weights,
    )


SKIP = (
    ('jnp.sin(h) @ weights["second"]', 'h @ weights["second"]'),
    ('    h = rms_norm(features @ weights["first"], weights["gain"])\n',
     '    z = features @ weights["first"]\n    h = z + rms_norm(z, weights["gain"])\n'),
)  # fmt: skip
LOG_COSH = (
    (
        "    small = jnp.abs(error) < 0.8\n"
        "    return jnp.mean(jnp.where(small, 0.5 * error**2, 0.8 * (jnp.abs(error) - 0.4)))\n",
        "    return jnp.mean(jnp.log(jnp.cosh(error)))\n",
    ),
    ("g * jnp.clip(error, -0.8, 0.8)", "g * jnp.tanh(error)"),
)
VARIANTS = (
    Variant("skip connection", SKIP),
    Variant("logarithm of cosh", LOG_COSH),
)

FIRST = ("first",)
DX = "(dy - y * jnp.mean(dy * y, axis=-1, keepdims=True)) / rms"
SLIPS = (
    Slip("norm as a constant", DX, "dy / rms", ("normalization_constants", "norm_constant", "path_missing",
         "batch_norm_constants"), FIRST, "the root mean square is treated as a constant"),
    Slip("sum for the mean", "y * jnp.mean(dy * y", "y * jnp.sum(dy * y", ("mean_missing", "scale_missing",
         "normalization_mean"), FIRST, "the projection is a sum over the features instead of a mean"),
    Slip("gain left out", "dy = g * gain", "dy = g", ("scale_missing", "gain_missing", "gamma_missing"), FIRST,
         "the input's gradient lacks the gain"),
    Slip("gain averaged", "dgain = jnp.sum(g * y", "dgain = jnp.mean(g * y", ("mean_twice", "factor"), ("gain",),
         "the gain's gradient is averaged over the samples"),
    Slip("gain times its own output", "dgain = jnp.sum(g * y, ", "dgain = jnp.sum(g * y * gain, ",
         ("scale_missing", "wrong_input"), ("gain",), "the gain's gradient is multiplied by the gain"),
    # branch_missing is the documented code: "the derivative of each branch where it holds, as clip(u, -1, 1)".
    Slip("clipping left out", "jnp.clip(error, -0.8, 0.8)", "error",
         ("branch_missing", "loss_wrong", "derivative_missing", "mask_missing"), NAMES,
         "the derivative is that of the squared error"),
    Slip("sign of the error everywhere", "jnp.clip(error, -0.8, 0.8)", "0.8 * jnp.sign(error)",
         ("branch_missing", "loss_wrong", "derivative_wrong", "other_derivative"), NAMES,
         "the derivative is that of the absolute error"),
    Slip("samples counted only", "/ error.size", "/ len(error)", ("mean_missing", "factor_two", "factor"), NAMES,
         "the gradient is divided by the samples only, the loss by the outputs too"),
    Slip("skip connection in the rule", DX, "dy + " + DX, ("path_twice", "upstream_twice", "other_derivative"),
         FIRST, "the rule adds the skip connection, which JAX adds already",
         on="skip connection"),
    Slip("tanh's derivative for tanh", "g * jnp.tanh(error)", "g * (1 - jnp.tanh(error) ** 2)",
         ("other_derivative", "loss_wrong"), NAMES,
         "the rule has the second derivative of the logarithm of cosh", on="logarithm of cosh"),
)  # fmt: skip

STYLE = Style(SOURCE, check, measure, SLIPS, VARIANTS, double_precision)
