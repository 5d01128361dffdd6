"""A two-layer network as a class with a dictionary of parameters, whose `loss` returns loss and gradients."""

from typing import Any

from student_programs import Measurement, Slip, Style, Variant

from deltarule import Network, check_gradient

HALF = "first"

SOURCE = '''\
import numpy as np


class TwoLayerNet:
    """affine - relu - affine - softmax, with L2 regularization of the weights."""

    def __init__(self, input_size, hidden_size, num_classes, std=0.5):
        rng = np.random.default_rng(3)
        self.params = {}
        self.params["W1"] = std * rng.normal(size=(input_size, hidden_size))
        self.params["b1"] = np.zeros(hidden_size)
        self.params["W2"] = std * rng.normal(size=(hidden_size, num_classes))
        self.params["b2"] = np.zeros(num_classes)

    def loss(self, X, y, reg=0.1):
        W1, b1 = self.params["W1"], self.params["b1"]
        W2, b2 = self.params["W2"], self.params["b2"]
        N = X.shape[0]

        # forward pass
        hidden_in = X.dot(W1) + b1
        hidden = np.maximum(0, hidden_in)
        scores = hidden.dot(W2) + b2

        # softmax loss
        exp_scores = np.exp(scores - scores.max(axis=1, keepdims=True))
        probs = exp_scores / exp_scores.sum(axis=1, keepdims=True)
        loss = -np.log(probs[np.arange(N), y]).sum() / N
        loss += reg * (np.sum(W1 * W1) + np.sum(W2 * W2))

        # backward pass
        dscores = probs.copy()
        dscores[np.arange(N), y] -= 1
        dscores /= N

        grads = {}
        grads["W2"] = hidden.T.dot(dscores) + 2 * reg * W2
        grads["b2"] = dscores.sum(axis=0)
        dhidden = dscores.dot(W2.T)
        dhidden[hidden_in <= 0] = 0
        grads["W1"] = X.T.dot(dhidden) + 2 * reg * W1
        grads["b1"] = dhidden.sum(axis=0)
        return loss, grads


rng = np.random.default_rng(0)
X = rng.normal(size=(7, 4))
y = np.array([0, 2, 1, 1, 0, 2, 1])
net = TwoLayerNet(4, 5, 3)
'''

ALL = ("W1", "b1", "W2", "b2")
LIKE = Network([4, 5, 3], "relu", "softmax")


def check(student: Any) -> Any:
    return check_gradient(
        lambda params: student.net.loss(student.X, student.y), None, student.net.params, like=LIKE, x=student.X,
        y=student.y,
    )  # fmt: skip


def measure(student: Any) -> Measurement:
    def loss() -> Any:
        return student.net.loss(student.X, student.y)[0]

    def gradient() -> Any:
        return {name.removeprefix("g"): array for name, array in student.net.loss(student.X, student.y)[1].items()}

    parameters = {name: array for name, array in student.net.params.items() if name in ALL}
    return Measurement(loss, gradient, parameters)


HINGE = (
    (
        "        exp_scores = np.exp(scores - scores.max(axis=1, keepdims=True))\n"
        "        probs = exp_scores / exp_scores.sum(axis=1, keepdims=True)\n"
        "        loss = -np.log(probs[np.arange(N), y]).sum() / N\n",
        "        margins = np.maximum(0, scores - scores[np.arange(N), y][:, None] + 1)\n"
        "        margins[np.arange(N), y] = 0\n"
        "        loss = margins.sum() / N\n",
    ),
    (
        "        dscores = probs.copy()\n        dscores[np.arange(N), y] -= 1\n",
        "        dscores = (margins > 0).astype(float)\n        dscores[np.arange(N), y] -= dscores.sum(axis=1)\n",
    ),
)
RANDOM_BIASES = tuple(
    (f"np.zeros({size})", f"0.3 * rng.normal(size={size})") for size in ("hidden_size", "num_classes")
)

VARIANTS = (
    Variant("random biases", RANDOM_BIASES),
    Variant("no regularization", (("reg=0.1", "reg=0.0"),)),
    Variant("small weights as in the assignment", (("std=0.5", "std=1e-2"),)),
    Variant("hinge loss", HINGE),
    Variant("learning rate among the parameters", (
        ("np.zeros(num_classes)\n", "np.zeros(num_classes)\n        self.params[\"lr\"] = 0.1\n"),
    )),
    Variant("gradients called gW", tuple(
        (f"grads[\"{name}\"]", f"grads[\"g{name}\"]") for name in ("W1", "b1", "W2", "b2")
    )),
    Variant("tanh in float32", (
        ("np.maximum(0, hidden_in)", "np.tanh(hidden_in)"),
        ("dhidden[hidden_in <= 0] = 0", "dhidden *= 1 - hidden**2"),
        ("        self.params[\"b2\"] = np.zeros(num_classes)\n",
         "        self.params[\"b2\"] = np.zeros(num_classes)\n"
         "        for name in self.params:\n            self.params[name] = self.params[name].astype(np.float32)\n"),
        ("size=(7, 4))", "size=(7, 4)).astype(np.float32)"),
    )),
    Variant("one hidden unit is dead", (
        ("        self.params[\"W2\"]", "        self.params[\"W1\"][:, 1] = -np.abs(self.params[\"W1\"][:, 1])\n"
         "        self.params[\"W2\"]"),
        ("rng.normal(size=(7, 4))", "np.abs(rng.normal(size=(7, 4)))"),
    )),
)  # fmt: skip

SLIPS = (
    Slip(
        "mask on the gradient", "dhidden[hidden_in <= 0] = 0", "dhidden[dhidden <= 0] = 0",
        ("mask_of_gradient", "other_mask"), ("W1", "b1"),
        "ReLU's mask is taken from the sign of the gradient instead of the pre-activation",
        (r"mask.*gradient",),
    ),
    Slip(
        "mean before the targets",
        "        dscores[np.arange(N), y] -= 1\n        dscores /= N\n",
        "        dscores /= N\n        dscores[np.arange(N), y] -= 1\n",
        ("targets_not_averaged", "mean_before_target"), ALL,
        "the gradient at the output is p/N − y: only the probabilities are divided by N, not the targets",
        (r"p ?/ ?N", r"only .*(probabilit|prediction).* divided"),
    ),
    Slip(
        "mean missing", "        dscores /= N\n", "", ("mean_missing",), ALL,
        "the gradient of the data loss is not divided by the number of samples",
    ),
    Slip(
        "penalty on the first layer only", "dscores) + 2 * reg * W2", "dscores)",
        ("penalty_missing", "penalty_on_some_layers"), ("W2",), "the gradient of W2 lacks the penalty's derivative",
    ),
    Slip(
        "penalty without the 2", "+ 2 * reg * W1", "+ reg * W1", ("penalty_factor",), ("W1",),
        "the penalty's derivative in W1 is half of what the loss has",
    ),
    Slip(
        "penalty on biases too", "dscores.sum(axis=0)", "dscores.sum(axis=0) + 2 * reg * b2",
        ("penalty_on_biases",), ("b2",), "the gradient of b2 has a penalty that the loss puts on weights only",
        on="random biases",
    ),
    Slip(
        "targets forgotten", "        dscores[np.arange(N), y] -= 1\n", "", ("target_missing",), ALL,
        "the derivative of softmax and cross-entropy lacks − y",
    ),
    Slip(
        "relu forgotten", "        dhidden[hidden_in <= 0] = 0\n", "", ("derivative_missing",), ("W1", "b1"),
        "ReLU's derivative is missing between the layers",
    ),
    Slip(
        "mask inverted", "dhidden[hidden_in <= 0]", "dhidden[hidden_in > 0]",
        ("mask_inverted", "other_derivative", "other_mask"), ("W1", "b1"),
        "ReLU's mask is inverted: the gradient passes where the unit is off", (r"invert", r"opposite"),
    ),
    Slip(
        "bias gradient averaged", "dscores.sum(axis=0)", "dscores.mean(axis=0)", ("mean_twice",), ("b2",),
        "the gradient of b2 is divided by the number of samples twice",
    ),
    Slip(
        "pre-activations in place of activations", "hidden.T.dot(dscores)", "hidden_in.T.dot(dscores)",
        ("wrong_input",), ("W2",), "the gradient of W2 uses the hidden layer's input instead of its output",
    ),
    Slip(
        "right class of the hinge loss counted once", "-= dscores.sum(axis=1)", "= -1",
        ("hinge_count_missing", "loss_wrong"), ALL,
        "the gradient at the right class is −1 instead of minus the number of violated margins",
        (r"margin",), on="hinge loss",
    ),
)  # fmt: skip

STYLE = Style(SOURCE, check, measure, SLIPS, VARIANTS)
