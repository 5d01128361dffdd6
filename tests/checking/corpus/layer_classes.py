"""A list of layer classes with `forward` and `backward`, which store dinputs, dweights and dbiases."""

from typing import Any

from student_programs import Measurement, Slip, Style, Variant

from deltarule import Network, check_object

HALF = "first"

SOURCE = """\
import numpy as np


class Layer_Dense:
    def __init__(self, n_inputs, n_neurons, seed, l2=0.0):
        self.weights = 0.6 * np.random.RandomState(seed).randn(n_inputs, n_neurons)
        self.biases = np.zeros((1, n_neurons))
        self.l2 = l2

    def forward(self, inputs):
        self.inputs = inputs
        self.output = np.dot(inputs, self.weights) + self.biases

    def backward(self, dvalues):
        self.dweights = np.dot(self.inputs.T, dvalues)
        self.dbiases = np.sum(dvalues, axis=0, keepdims=True)
        if self.l2 > 0:
            self.dweights += 2 * self.l2 * self.weights
        self.dinputs = np.dot(dvalues, self.weights.T)


class Activation_ReLU:
    def forward(self, inputs):
        self.inputs = inputs
        self.output = np.maximum(0, inputs)

    def backward(self, dvalues):
        self.dinputs = dvalues.copy()
        self.dinputs[self.inputs <= 0] = 0


class Layer_Dropout:
    def __init__(self, keep, seed):
        self.keep = keep
        self.seed = seed

    def forward(self, inputs):
        self.mask = np.random.RandomState(self.seed).binomial(1, self.keep, size=inputs.shape) / self.keep
        self.output = inputs * self.mask

    def backward(self, dvalues):
        self.dinputs = dvalues * self.mask


class Activation_Softmax:
    def forward(self, inputs):
        exp_values = np.exp(inputs - np.max(inputs, axis=1, keepdims=True))
        self.output = exp_values / np.sum(exp_values, axis=1, keepdims=True)

    def backward(self, dvalues):
        self.dinputs = np.empty_like(dvalues)
        for index, (single_output, single_dvalues) in enumerate(zip(self.output, dvalues)):
            single_output = single_output.reshape(-1, 1)
            jacobian = np.diagflat(single_output) - np.dot(single_output, single_output.T)
            self.dinputs[index] = np.dot(jacobian, single_dvalues)


class Loss_CategoricalCrossentropy:
    def calculate(self, output, y):
        return np.mean(-np.log(output[range(len(output)), y]))

    def backward(self, output, y):
        y_onehot = np.eye(output.shape[1])[y]
        self.dinputs = -y_onehot / output
        self.dinputs = self.dinputs / len(output)


class Model:
    def __init__(self):
        self.dense1 = Layer_Dense(4, 4, seed=5, l2=5e-2)
        self.activation1 = Activation_ReLU()
        self.dropout1 = Layer_Dropout(0.8, seed=6)
        self.dense2 = Layer_Dense(4, 4, seed=7)
        self.activation2 = Activation_Softmax()
        self.layers = [self.dense1, self.activation1, self.dropout1, self.dense2, self.activation2]
        self.loss_function = Loss_CategoricalCrossentropy()

    def loss(self, X, y):
        output = X
        for layer in self.layers:
            layer.forward(output)
            output = layer.output
        loss = self.loss_function.calculate(output, y)
        for layer in (self.dense1, self.dense2):
            loss += layer.l2 * np.sum(layer.weights**2)
        return loss

    def backward(self, y):
        self.loss_function.backward(self.activation2.output, y)
        dvalues = self.loss_function.dinputs
        for layer in reversed(self.layers):
            layer.backward(dvalues)
            dvalues = layer.dinputs


X = np.random.RandomState(8).randn(9, 4)
y = np.array([0, 1, 2, 3, 0, 1, 2, 1, 0])
model = Model()
"""

PARAMETERS = [f"dense{number}.{name}" for number in (1, 2) for name in ("weights", "biases")]
GRADIENTS = [f"dense{number}.d{name}" for number in (1, 2) for name in ("weights", "biases")]
FIRST, SECOND = tuple(PARAMETERS[:2]), tuple(PARAMETERS[2:])


def check(student: Any) -> Any:
    model = student.model
    model.loss(student.X, student.y)
    options: dict[str, Any] = {}
    if "TANH" not in vars(student):
        options = {"like": Network([4, 4, 4], "relu", "softmax"), "x": student.X, "y": student.y}
    return check_object(
        model, params=PARAMETERS, grads=GRADIENTS, loss=lambda: model.loss(student.X, student.y),
        backward=lambda: model.backward(student.y), **options,
    )  # fmt: skip


def measure(student: Any) -> Measurement:
    model = student.model

    def gradient() -> Any:
        model.loss(student.X, student.y)
        model.backward(student.y)
        return {
            "dense1.weights": model.dense1.dweights,
            "dense1.biases": model.dense1.dbiases,
            "dense2.weights": model.dense2.dweights,
            "dense2.biases": model.dense2.dbiases,
        }

    parameters = {f"dense{n}.{name}": getattr(getattr(model, f"dense{n}"), name) for n in (1, 2)
                  for name in ("weights", "biases")}  # fmt: skip
    return Measurement(lambda: model.loss(student.X, student.y), gradient, parameters)


NO_DROPOUT = (("self.activation1, self.dropout1, self.dense2", "self.activation1, self.dense2"),)
TANH = (
    ("        self.output = np.maximum(0, inputs)\n", "        self.output = np.tanh(inputs)\n"),
    ("        self.dinputs[self.inputs <= 0] = 0\n", "        self.dinputs *= 1 - self.output**2\n"),
    ("model = Model()", "TANH = True\nmodel = Model()"),
)
COMBINED = (
    (
        "        self.dinputs = -y_onehot / output\n        self.dinputs = self.dinputs / len(output)\n",
        "        self.dinputs = (output - y_onehot) / len(output)\n",
    ),
    (
        "        for layer in reversed(self.layers):\n",
        "        for layer in reversed(self.layers[:-1]):  # softmax is in the gradient of the loss already\n",
    ),
)

VARIANTS = (
    Variant("no dropout", NO_DROPOUT),
    Variant("tanh without the network", TANH),
    Variant("softmax and loss combined", COMBINED),
    Variant("penalty on both layers", (("seed=7)", "seed=7, l2=5e-2)"),)),
    Variant("float32", (
        ("randn(n_inputs, n_neurons)", "randn(n_inputs, n_neurons).astype(np.float32)"),
        ("np.zeros((1, n_neurons))", "np.zeros((1, n_neurons), dtype=np.float32)"),
        ("randn(9, 4)", "randn(9, 4).astype(np.float32)"),
    )),
)  # fmt: skip

SLIPS = (
    Slip(
        "mask left out, scale kept", "self.dinputs = dvalues * self.mask", "self.dinputs = dvalues / self.keep",
        ("dropout_mask",), FIRST, "the backward pass of dropout divides by keep, but lacks the mask",
    ),
    Slip(
        "scale left out", "self.dinputs = dvalues * self.mask", "self.dinputs = dvalues * (self.mask > 0)",
        ("dropout_mask",), FIRST, "the backward pass of dropout lacks the 1 / keep",
    ),
    Slip(
        "new mask in the backward pass",
        "        self.dinputs = dvalues * self.mask\n",
        "        self.mask = np.random.binomial(1, self.keep, size=dvalues.shape) / self.keep\n"
        "        self.dinputs = dvalues * self.mask\n",
        ("random_gradient", "dropout_mask"), FIRST, "the backward pass draws a new dropout mask",
    ),
    Slip(
        "softmax without the outer product",
        "jacobian = np.diagflat(single_output) - np.dot(single_output, single_output.T)",
        "jacobian = np.diagflat(single_output)",
        ("softmax_outer_product_missing", "softmax_elementwise"), (*FIRST, *SECOND),
        "the Jacobian of softmax is only its diagonal p, without − p pᵀ", (r"outer product", r"p ?pᵀ"),
    ),
    Slip(
        "softmax elementwise",
        "jacobian = np.diagflat(single_output) - np.dot(single_output, single_output.T)",
        "jacobian = np.diagflat(single_output * (1 - single_output))",
        ("softmax_elementwise",), (*FIRST, *SECOND), "softmax is differentiated like sigmoid, p (1 − p)",
    ),
    Slip(
        "mean missing", "        self.dinputs = self.dinputs / len(output)\n", "", ("mean_missing",),
        (*FIRST, *SECOND), "the gradient of the loss is not divided by the number of samples",
    ),
    Slip(
        "mask from the gradient", "self.dinputs[self.inputs <= 0] = 0", "self.dinputs[self.dinputs <= 0] = 0",
        ("mask_of_gradient", "other_mask"), FIRST,
        "ReLU's mask is taken from the sign of the gradient instead of the inputs", (r"mask.*gradient",),
    ),
    Slip(
        "mask that never holds", "self.dinputs[self.inputs <= 0] = 0", "self.dinputs[self.output < 0] = 0",
        ("derivative_missing",), FIRST, "no output of ReLU is negative, so that its derivative is missing",
    ),
    Slip(
        "weights not transposed", "np.dot(dvalues, self.weights.T)", "np.dot(dvalues, self.weights)",
        ("weights_not_transposed",), FIRST, "the gradient of the inputs uses W instead of its transpose",
        on="no dropout",
    ),
    Slip(
        "penalty without the 2", "self.dweights += 2 * self.l2", "self.dweights += self.l2", ("penalty_factor",),
        ("dense1.weights", "dense2.weights"), "the penalty's derivative is half of what the loss has",
        on="penalty on both layers",
    ),
    Slip(
        "penalty missing in one layer", "if self.l2 > 0:", "if self.l2 > 0 and self is model.dense1:",
        ("penalty_missing", "penalty_on_some_layers"), ("dense2.weights",),
        "only the first layer has the penalty's derivative", on="penalty on both layers",
    ),
    Slip(
        "gradients accumulate over calls",
        "        self.dbiases = np.sum(dvalues, axis=0, keepdims=True)\n",
        "        self.dbiases = getattr(self, \"dbiases\", 0) + np.sum(dvalues, axis=0, keepdims=True)\n",
        ("accumulated",), ("dense1.biases", "dense2.biases"), "dbiases is never set to 0 between calls",
    ),
    Slip(
        "softmax differentiated twice", "reversed(self.layers[:-1])", "reversed(self.layers)",
        ("derivative_twice",), (*FIRST, *SECOND), "the combined gradient goes through softmax once more",
        on="softmax and loss combined",
    ),
    Slip(
        "derivative from the inputs", "self.dinputs *= 1 - self.output**2", "self.dinputs *= 1 - self.inputs**2",
        ("derivative_of_z",), FIRST, "tanh's derivative 1 − a² is computed from z", on="tanh without the network",
    ),
)  # fmt: skip

STYLE = Style(SOURCE, check, measure, SLIPS, VARIANTS)
