"""Functions of JAX with a custom rule for reverse-mode differentiation."""

from contextlib import AbstractContextManager
from typing import Any

import jax
import numpy as np
from student_programs import Measurement, Slip, Style, Variant

from deltarule import check_gradient

HALF = "first"

SOURCE = """\
import jax
import jax.numpy as jnp
import numpy as np


@jax.custom_vjp
def activation(z):
    return jnp.tanh(z)


def activation_fwd(z):
    a = activation(z)
    return a, (z, a)


def activation_bwd(saved, g):
    z, a = saved
    return (g * (1 - a**2),)


activation.defvjp(activation_fwd, activation_bwd)


@jax.custom_vjp
def cross_entropy(logits, targets):
    return -jnp.mean(jnp.sum(targets * jax.nn.log_softmax(logits), axis=1))


def cross_entropy_fwd(logits, targets):
    return cross_entropy(logits, targets), (logits, targets)


def cross_entropy_bwd(saved, g):
    logits, targets = saved
    d = (jax.nn.softmax(logits) - targets) / len(targets)
    return g * d, None


cross_entropy.defvjp(cross_entropy_fwd, cross_entropy_bwd)

rng = np.random.default_rng(2)
x = rng.normal(size=(6, 3))
targets = np.eye(3)[[0, 1, 2, 2, 1, 0]]
params = {
    "W1": rng.normal(size=(3, 5)),
    "b1": np.zeros(5),
    "W2": rng.normal(size=(5, 3)),
    "b2": np.zeros(3),
}


def loss(params):
    h = activation(x @ params["W1"] + params["b1"])
    return cross_entropy(h @ params["W2"] + params["b2"], targets)


loss_and_grad = jax.jit(jax.value_and_grad(loss))
"""

ALL, HIDDEN = ("W1", "b1", "W2", "b2"), ("W1", "b1")


def double_precision() -> AbstractContextManager[Any]:
    return jax.enable_x64(True)


def check(student: Any) -> Any:
    if "X64" in vars(student):
        with double_precision():
            return check_gradient(student.loss_and_grad, None, student.params)
    return check_gradient(student.loss_and_grad, None, student.params)


def measure(student: Any) -> Measurement:
    params = student.params
    return Measurement(
        lambda: student.loss_and_grad(params)[0],
        lambda: {name: np.array(array) for name, array in student.loss_and_grad(params)[1].items()},
        params,
    )


TANH = "    return jnp.tanh(z)\n"
VARIANTS = (
    Variant("double precision", (("rng = np.random", "X64 = True\nrng = np.random"),)),
    Variant("softplus", ((TANH, "    return jnp.log1p(jnp.exp(z))\n"), ("g * (1 - a**2)", "g * jax.nn.sigmoid(z)"))),
    Variant("relu", ((TANH, "    return jnp.maximum(z, 0)\n"), ("g * (1 - a**2)", "g * (z > 0)"))),
)  # fmt: skip

SLIPS = (
    Slip("upstream gradient ignored", "(g * (1 - a**2),)", "((1 - a**2),)", ("upstream_ignored",), HIDDEN,
         "the rule of tanh ignores g", (r"upstream", r"ignore")),
    Slip("derivative at the input", "(1 - a**2)", "(1 - z**2)", ("derivative_of_z",), HIDDEN,
         "tanh's derivative 1 − a² is computed from z"),
    Slip("mean missing", " - targets) / len(targets)", " - targets)", ("mean_missing",), ALL,
         "the gradient of the loss is not divided by the number of samples", on="double precision"),
    Slip("p/N − y", "(jax.nn.softmax(logits) - targets) / len(targets)",
         "jax.nn.softmax(logits) / len(targets) - targets", ("targets_not_averaged", "mean_before_target"), ALL,
         "only the probabilities are divided by N, not the targets", (r"p ?/ ?N", r"only .*divided")),
    Slip("divided by all entries", "- targets) / len(targets)", "- targets) / targets.size", ("mean_twice", "factor"),
         ALL, "the gradient is divided by the number of entries instead of samples"),
    Slip("exp for softplus", "g * jax.nn.sigmoid(z)", "g * jnp.exp(z)", ("other_derivative", "derivative_wrong"),
         HIDDEN, "the derivative of log(1 + eᶻ) lacks the division by 1 + eᶻ", on="softplus"),
    Slip("mask on the gradient", "g * (z > 0)", "g * (g > 0)", ("mask_of_gradient", "other_mask"), HIDDEN,
         "ReLU's mask is taken from the sign of the gradient instead of the input", (r"mask.*gradient",), on="relu"),
    Slip("sign", "return g * d, None", "return -g * d, None", ("sign",), ALL,
         "the gradient has the opposite sign", on="double precision"),
)  # fmt: skip

STYLE = Style(SOURCE, check, measure, SLIPS, VARIANTS, double_precision)
