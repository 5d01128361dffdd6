"""Lists of weights and biases, backpropagation of one sample in a loop over layers, sums over a mini-batch."""

from typing import Any

from student_programs import Measurement, Slip, Style, Variant

from deltarule import Network, check_gradient

HALF = "first"

SOURCE = """\
import numpy as np


def sigmoid(z):
    return 1.0 / (1.0 + np.exp(-z))


def sigmoid_prime(z):
    return sigmoid(z) * (1 - sigmoid(z))


class Network:
    def __init__(self, sizes):
        rng = np.random.RandomState(4)
        self.num_layers = len(sizes)
        self.sizes = sizes
        self.biases = [rng.randn(y, 1) for y in sizes[1:]]
        self.weights = [rng.randn(y, x) for x, y in zip(sizes[:-1], sizes[1:])]

    def feedforward(self, a):
        for b, w in zip(self.biases, self.weights):
            a = sigmoid(np.dot(w, a) + b)
        return a

    def cost(self, batch):
        total = 0.0
        for x, y in batch:
            a = self.feedforward(x)
            total += 0.5 * np.sum((a - y) ** 2)
        return total / len(batch)

    def cost_derivative(self, output_activations, y):
        return output_activations - y

    def backprop(self, x, y):
        nabla_b = [np.zeros(b.shape) for b in self.biases]
        nabla_w = [np.zeros(w.shape) for w in self.weights]
        activation = x
        activations = [x]
        zs = []
        for b, w in zip(self.biases, self.weights):
            z = np.dot(w, activation) + b
            zs.append(z)
            activation = sigmoid(z)
            activations.append(activation)
        delta = self.cost_derivative(activations[-1], y) * sigmoid_prime(zs[-1])
        nabla_b[-1] = delta
        nabla_w[-1] = np.dot(delta, activations[-2].T)
        for l in range(2, self.num_layers):
            z = zs[-l]
            sp = sigmoid_prime(z)
            delta = np.dot(self.weights[-l + 1].T, delta) * sp
            nabla_b[-l] = delta
            nabla_w[-l] = np.dot(delta, activations[-l - 1].T)
        return nabla_b, nabla_w

    def gradient(self, batch):
        nabla_b = [np.zeros(b.shape) for b in self.biases]
        nabla_w = [np.zeros(w.shape) for w in self.weights]
        for x, y in batch:
            delta_b, delta_w = self.backprop(x, y)
            nabla_b = [nb + db for nb, db in zip(nabla_b, delta_b)]
            nabla_w = [nw + dw for nw, dw in zip(nabla_w, delta_w)]
        return [nw / len(batch) for nw in nabla_w] + [nb / len(batch) for nb in nabla_b]


net = Network([4, 4, 4, 4])
rng = np.random.RandomState(9)
batch = [(rng.randn(4, 1), np.eye(4)[:, [rng.randint(4)]]) for _ in range(5)]
X = np.hstack([x for x, _ in batch])
Y = np.hstack([y for _, y in batch])
"""

W, B = ("w1", "w2", "w3"), ("b1", "b2", "b3")
ALL, HIDDEN = (*W, *B), ("w1", "w2", "b1", "b2")


def check(student: Any) -> Any:
    """Pair weights with biases in the order of `gradient`; loss and gradient read the arrays in place."""
    net = student.net
    return check_gradient(
        lambda: net.cost(student.batch), lambda: net.gradient(student.batch), [*net.weights, *net.biases],
        like=Network(net.sizes, "sigmoid", "sigmoid"), x=student.X, y=student.Y,
    )  # fmt: skip


def measure(student: Any) -> Measurement:
    net = student.net
    names = [f"{letter}{layer}" for letter in "wb" for layer in range(1, net.num_layers)]
    parameters = dict(zip(names, [*net.weights, *net.biases], strict=True))
    return Measurement(
        lambda: net.cost(student.batch), lambda: dict(zip(names, net.gradient(student.batch), strict=True)), parameters
    )


CROSS_ENTROPY = (
    ("total += 0.5 * np.sum((a - y) ** 2)", "total += np.sum(-y * np.log(a) - (1 - y) * np.log(1 - a))"),
    ("delta = self.cost_derivative(activations[-1], y) * sigmoid_prime(zs[-1])", "delta = activations[-1] - y"),
)
PENALTY = (
    (
        "        return total / len(batch)\n",
        "        return total / len(batch) + 0.5 * 0.1 / len(batch) * sum(np.sum(w**2) for w in self.weights)\n",
    ),
    (
        "        return [nw / len(batch) for nw in nabla_w]",
        "        nabla_w = [nw + 0.1 * w for nw, w in zip(nabla_w, self.weights)]\n"
        "        return [nw / len(batch) for nw in nabla_w]",
    ),
)

VARIANTS = (
    Variant("cross-entropy", CROSS_ENTROPY),
    Variant("penalty", PENALTY),
    Variant("one hidden layer", (("Network([4, 4, 4, 4])", "Network([4, 6, 4])"),)),
    Variant("zero biases", (("rng.randn(y, 1)", "np.zeros((y, 1))"),)),
    Variant("tanh", (
        ("    return 1.0 / (1.0 + np.exp(-z))\n", "    return np.tanh(z)  # it is tanh now\n"),
        ("    return sigmoid(z) * (1 - sigmoid(z))\n", "    return 1 - np.tanh(z) ** 2\n"),
    )),
)  # fmt: skip

SLIPS = (
    Slip(
        "pre-activation of the next layer", "z = zs[-l]\n", "z = zs[-l + 1]\n", ("other_mask",), HIDDEN,
        "the derivative of each hidden layer is taken at the pre-activation of the layer behind it",
    ),
    Slip(
        "activation of the wrong layer", "activations[-l - 1].T", "activations[-l].T", ("wrong_input",),
        ("w1", "w2"), "the gradients of the hidden layers' weights use the layer's output instead of its input",
    ),
    Slip(
        "weights of the wrong layer", "self.weights[-l + 1].T", "self.weights[-l].T", ("other_weights",), HIDDEN,
        "the backward pass multiplies by the weights of the layer itself instead of those of the next one",
    ),
    Slip(
        "weights not transposed", "np.dot(self.weights[-l + 1].T, delta)", "np.dot(self.weights[-l + 1], delta)",
        ("weights_not_transposed",), HIDDEN, "the backward pass multiplies by W instead of its transpose in all layers",
    ),
    Slip(
        "derivative left out in hidden layers", ".T, delta) * sp", ".T, delta)", ("derivative_missing",), HIDDEN,
        "sigmoid's derivative is missing in all hidden layers",
    ),
    Slip(
        "last sample only", "nw + dw for nw, dw", "dw for nw, dw", ("last_sample", "gradient_overwritten"), W,
        "the gradients of the weights are those of the last sample, not summed",
    ),
    Slip(
        "y − a", "return output_activations - y", "return y - output_activations", ("sign",), ALL,
        "the derivative of the cost has the opposite sign",
    ),
    Slip(
        "z (1 − z)", "    return sigmoid(z) * (1 - sigmoid(z))\n", "    return z * (1 - z)\n",
        ("derivative_of_z",), ALL, "sigmoid's derivative a (1 − a) is computed from z",
    ),
    Slip(
        "derivative at the activation", "sp = sigmoid_prime(z)", "sp = sigmoid_prime(activations[-l])",
        ("derivative_at_output",), HIDDEN, "sigmoid's derivative is taken at the activation in all hidden layers",
    ),
    Slip(
        "derivative at the output forgotten", "activations[-1], y) * sigmoid_prime(zs[-1])", "activations[-1], y)",
        ("derivative_missing", "loss_wrong"), ALL, "sigmoid's derivative is missing at the output",
    ),
    Slip(
        "sigmoid's derivative with cross-entropy", "delta = activations[-1] - y",
        "delta = (activations[-1] - y) * sigmoid_prime(zs[-1])", ("derivative_twice", "loss_wrong"), ALL,
        "with cross-entropy a − y contains the derivative already", on="cross-entropy",
    ),
    Slip(
        "transposed weight gradient", "nabla_w[-l] = np.dot(delta, activations[-l - 1].T)",
        "nabla_w[-l] = np.dot(activations[-l - 1], delta.T)", ("transposed",), ("w1", "w2"),
        "the gradients of the hidden layers' weights are transposed",
    ),
    Slip(
        "penalty not averaged", "        nabla_w = [nw + 0.1 * w for nw, w in zip(nabla_w, self.weights)]\n",
        "        nabla_w = [nw + 0.1 * len(batch) * w for nw, w in zip(nabla_w, self.weights)]\n",
        ("penalty_factor",), W, "the penalty's derivative is too large by the number of samples", on="penalty",
    ),
)  # fmt: skip

STYLE = Style(SOURCE, check, measure, SLIPS, VARIANTS)
