"""A deep network in functions: samples are columns, the forward pass stores a cache per layer."""

from typing import Any

from student_programs import Measurement, Slip, Style, Variant

from deltarule import Network, check_gradient

HALF = "first"

SOURCE = """\
import numpy as np


def sigmoid(Z):
    return 1 / (1 + np.exp(-Z))


def relu(Z):
    return np.maximum(0, Z)


def initialize_parameters(layer_dims):
    rng = np.random.default_rng(1)
    parameters = {}
    for l in range(1, len(layer_dims)):
        parameters["W" + str(l)] = rng.normal(size=(layer_dims[l], layer_dims[l - 1])) / np.sqrt(layer_dims[l - 1])
        parameters["b" + str(l)] = np.zeros((layer_dims[l], 1))
    return parameters


def model_forward(X, parameters):
    caches = []
    A = X
    L = len(parameters) // 2
    for l in range(1, L + 1):
        W, b = parameters["W" + str(l)], parameters["b" + str(l)]
        Z = np.dot(W, A) + b
        linear_cache = (A, W, b)
        activation_cache = Z
        caches.append((linear_cache, activation_cache))
        A = sigmoid(Z) if l == L else relu(Z)
    return A, caches


def compute_cost(AL, Y):
    m = Y.shape[1]
    return -np.sum(Y * np.log(AL) + (1 - Y) * np.log(1 - AL)) / m


def linear_backward(dZ, cache):
    A_prev, W, b = cache
    m = A_prev.shape[1]
    dW = np.dot(dZ, A_prev.T) / m
    db = np.sum(dZ, axis=1, keepdims=True) / m
    dA_prev = np.dot(W.T, dZ)
    return dA_prev, dW, db


def relu_backward(dA, Z):
    dZ = np.array(dA, copy=True)
    dZ[Z <= 0] = 0
    return dZ


def sigmoid_backward(dA, Z):
    s = sigmoid(Z)
    return dA * s * (1 - s)


def model_backward(AL, Y, caches):
    grads = {}
    L = len(caches)
    dA = -(np.divide(Y, AL) - np.divide(1 - Y, 1 - AL))
    for l in reversed(range(L)):
        linear_cache, activation_cache = caches[l]
        if l == L - 1:
            dZ = sigmoid_backward(dA, activation_cache)
        else:
            dZ = relu_backward(dA, activation_cache)
        dA, dW, db = linear_backward(dZ, linear_cache)
        grads["dA" + str(l)] = dA
        grads["dW" + str(l + 1)] = dW
        grads["db" + str(l + 1)] = db
    return grads


def cost(parameters):
    AL, caches = model_forward(X, parameters)
    return compute_cost(AL, Y)


def gradients(parameters):
    AL, caches = model_forward(X, parameters)
    return model_backward(AL, Y, caches)


layer_dims = [3, 5, 4, 1]
rng = np.random.default_rng(2)
X = rng.normal(size=(layer_dims[0], 8))
Y = (rng.random(size=(layer_dims[-1], 8)) < 0.5).astype(float)
parameters = initialize_parameters(layer_dims)
"""

HIDDEN = ("W1", "b1", "W2", "b2")
ALL = (*HIDDEN, "W3", "b3")


def check(student: Any) -> Any:
    activation = "tanh" if "tanh" in vars(student) else "relu"
    network = Network(student.layer_dims, activation, "sigmoid")
    return check_gradient(
        student.cost, student.gradients, student.parameters, like=network, x=student.X, y=student.Y
    )  # fmt: skip


def measure(student: Any) -> Measurement:
    def gradient() -> Any:
        return {name.removeprefix("d"): array for name, array in student.gradients(student.parameters).items()}

    return Measurement(lambda: student.cost(student.parameters), gradient, student.parameters)


# Only layers of equal widths let a program run that takes the wrong matrix.
EQUAL_WIDTHS = (("layer_dims = [3, 5, 4, 1]", "layer_dims = [4, 4, 4, 4]"),)
TANH = (
    ("def relu(Z):\n    return np.maximum(0, Z)\n", "def tanh(Z):\n    return np.tanh(Z)\n"),
    ("relu(Z)\n    return A, caches", "tanh(Z)\n    return A, caches"),
    ("def relu_backward", "def tanh_backward"),
    (
        "    dZ = np.array(dA, copy=True)\n    dZ[Z <= 0] = 0\n    return dZ\n",
        "    return dA * (1 - np.tanh(Z) ** 2)\n",
    ),
    ("dZ = relu_backward", "dZ = tanh_backward"),
)
PENALTY = (
    ("def compute_cost(AL, Y):", "def compute_cost(AL, Y, parameters):"),
    ("np.log(1 - AL)) / m\n", "np.log(1 - AL)) / m + lambd / (2 * m) * sum(\n"
     "        np.sum(np.square(parameters[name])) for name in parameters if name[0] == \"W\"\n    )\n"),
    ("compute_cost(AL, Y)\n", "compute_cost(AL, Y, parameters)\n"),
    ("    dW = np.dot(dZ, A_prev.T) / m\n", "    dW = np.dot(dZ, A_prev.T) / m + lambd / m * W\n"),
    ("layer_dims = [3", "lambd = 0.7\nlayer_dims = [3"),
)  # fmt: skip
SHORTCUT = (
    ("    dA = -(np.divide(Y, AL) - np.divide(1 - Y, 1 - AL))\n", "    dA = None\n"),
    ("dZ = sigmoid_backward(dA, activation_cache)", "dZ = AL - Y"),
)

VARIANTS = (
    Variant("equal widths", EQUAL_WIDTHS),
    Variant("tanh", TANH),
    Variant("penalty", PENALTY),
    Variant("shortcut at the output", SHORTCUT),
    Variant("biases of 0.1", (("np.zeros((layer_dims[l], 1))", "np.full((layer_dims[l], 1), 0.1)"),)),
    # Four layers of ReLU: samples with all units off are common, and the next pre-activation is exactly 0.
    Variant("narrow and deep", (("layer_dims = [3, 5, 4, 1]", "layer_dims = [3, 3, 2, 2, 2, 1]"),)),
)

SLIPS = (
    Slip(
        "sign within the derivative of the cost", "-(np.divide(Y, AL) - np", "-(np.divide(Y, AL) + np",
        ("loss_derivative_sign", "loss_wrong"), ALL,
        "the derivative of binary cross-entropy has the wrong sign in its second term: −y/a − (1−y)/(1−a)",
        (r"sign.*(term|cross)",),
    ),
    Slip(
        "minus before the derivative forgotten", "dA = -(np.divide", "dA = (np.divide", ("sign",), ALL,
        "the derivative of the cost has the opposite sign",
    ),
    Slip(
        "cached pre-activation of another layer",
        "        linear_cache, activation_cache = caches[l]\n",
        "        linear_cache, activation_cache = caches[l][0], caches[max(l - 1, 0)][1]\n",
        ("other_mask",), ALL,
        "each layer takes the activation's derivative at the pre-activation of the layer before",
        on="equal widths",
    ),
    Slip(
        "weights not transposed", "dA_prev = np.dot(W.T, dZ)", "dA_prev = np.dot(W, dZ)",
        ("weights_not_transposed",), HIDDEN, "the backward pass multiplies by W instead of its transpose in all layers",
        on="equal widths",
    ),
    Slip(
        "z (1 − z)", "    return dA * s * (1 - s)", "    return dA * Z * (1 - Z)", ("derivative_of_z",), ALL,
        "sigmoid's derivative is a (1 − a), but is computed from z",
    ),
    Slip(
        "mean missing in dW", "dW = np.dot(dZ, A_prev.T) / m", "dW = np.dot(dZ, A_prev.T)",
        ("mean_missing",), ("W1", "W2", "W3"), "the gradients of all weights are not divided by the number of samples",
    ),
    Slip(
        "sum over all entries", "db = np.sum(dZ, axis=1, keepdims=True) / m", "db = np.sum(dZ) / m",
        ("wrong_axis",), ("b1", "b2"), "db is summed over the units too", on="shortcut at the output",
    ),
    Slip(
        "sum over units", "db = np.sum(dZ, axis=1, keepdims=True) / m", "db = np.sum(dZ, axis=0, keepdims=True) / m",
        ("wrong_axis",), ("b1", "b2", "b3"), "db is summed over the units instead of the samples",
    ),
    Slip(
        "mask on the gradient", "dZ[Z <= 0] = 0", "dZ[dA <= 0] = 0",
        ("mask_of_gradient", "other_mask"), HIDDEN,
        "ReLU's mask is taken from the sign of the gradient instead of the pre-activation",
        (r"mask.*gradient",),
    ),
    Slip(
        "relu's backward pass does nothing", "    dZ[Z <= 0] = 0\n", "", ("derivative_missing",), HIDDEN,
        "ReLU's derivative is missing in all hidden layers",
    ),
    Slip(
        "derivative at the activation", "return dA * (1 - np.tanh(Z) ** 2)", "return dA * (1 - Z**2)",
        ("derivative_of_z",), HIDDEN, "tanh's derivative 1 − a² is computed from z", on="tanh",
    ),
    Slip(
        "sigmoid's derivative at the output again", "dZ = AL - Y", "dZ = (AL - Y) * AL * (1 - AL)",
        ("derivative_twice", "loss_wrong"), ALL, "a − y contains the derivative of sigmoid already",
        on="shortcut at the output",
    ),
    Slip(
        "penalty not divided by m", "+ lambd / m * W\n", "+ lambd * W\n", ("penalty_factor",), ("W1", "W2", "W3"),
        "the penalty's derivative is too large by the number of samples", on="penalty",
    ),
    Slip(
        "output layer not regularized", "+ lambd / m * W\n", "+ lambd / m * W * (W.shape[0] > 1)\n",
        ("penalty_missing", "penalty_on_some_layers"), ("W3",), "the gradient of W3 lacks the penalty's derivative",
        on="penalty",
    ),
)  # fmt: skip

STYLE = Style(SOURCE, check, measure, SLIPS, VARIANTS)
