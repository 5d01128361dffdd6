"""Convert fitted models of scikit-learn and PyTorch to deltarule's estimators."""

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn import neural_network
from sklearn.base import is_classifier
from sklearn.utils.validation import check_is_fitted

from deltarule.errors import BadInput
from deltarule.estimators.mlp.classifier import MLPClassifier
from deltarule.estimators.mlp.fitted_network import (
    Architecture,
    FittedNetwork,
    hidden_activations,
    set_network,
    set_weights,
)
from deltarule.estimators.mlp.regressor import MLPRegressor
from deltarule.export.torch_modules import SOFTPLUS_THRESHOLD, TENSORS_OF_BATCH_NORM
from deltarule.maths.activations import ACTIVATIONS
from deltarule.maths.layers import BATCH_NORM_EPSILON
from deltarule.problem.problem import Floats
from deltarule.problem.registry import Named
from deltarule.tables.targets import to_text_classes


def from_sklearn(model: Any) -> MLPClassifier | MLPRegressor:
    """Convert a fitted MLPClassifier or MLPRegressor of scikit-learn.

    Parameters
    ----------
    model : sklearn.neural_network.MLPClassifier or MLPRegressor
        A fitted model, which is not changed.

    Returns
    -------
    MLPClassifier or MLPRegressor
        An estimator with the same parameters, weights and predictions. Further fits are deltarule's; the memory of
        scikit-learn's optimizer is not copied.

    Raises
    ------
    BadInput
        For anything else.
    sklearn.exceptions.NotFittedError
        For a model that is not fitted.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn import neural_network
    >>> from deltarule import from_sklearn
    >>> X, y = [[0.0], [1.0], [2.0], [3.0]], [0, 0, 1, 1]
    >>> theirs = neural_network.MLPClassifier((3,), solver="lbfgs", random_state=0).fit(X, y)
    >>> ours = from_sklearn(theirs)
    >>> np.allclose(ours.predict_proba(X), theirs.predict_proba(X))
    True
    """
    if not isinstance(model, neural_network.MLPClassifier | neural_network.MLPRegressor):
        raise BadInput(f"the model is a {type(model).__name__}; give an MLPClassifier or MLPRegressor of scikit-learn")
    check_is_fitted(model)
    kind: type[MLPClassifier] | type[MLPRegressor] = MLPClassifier if is_classifier(model) else MLPRegressor
    theirs = getattr(neural_network, kind.__name__)
    made = kind(**{name: getattr(model, name) for name in theirs().get_params()})
    for name, value in vars(model).items():
        if name.endswith("_") and not name.startswith("_"):  # with the same meaning in both libraries
            setattr(made, name, deepcopy(value))
    made.loss_curve_ = getattr(made, "loss_curve_", [])  # lbfgs leaves none
    sizes = (made.n_features_in_, *(len(array) for array in made.intercepts_))
    activations = hidden_activations(model.activation, len(sizes) - 2)
    set_network(made, FittedNetwork(Architecture(sizes, activations, model.out_activation_)))
    if isinstance(made, MLPClassifier):
        made._labels = model._label_binarizer.y_type_.startswith("multilabel")
    else:
        made.target_mean_ = made.target_scale_ = None
    return made


def from_torch(module: Any, classes: Any = None) -> MLPClassifier | MLPRegressor:
    """Convert a PyTorch network to an estimator.

    The inverse of `to_torch`.

    Parameters
    ----------
    module : torch.nn.Sequential or torch.nn.Linear
        Linear modules; hidden ones may be followed by a BatchNorm1d (all or none), an activation and a Dropout, the
        last by a Sigmoid, Softmax or LogSoftmax; a Flatten may come first. Nested Sequentials and Identity are allowed.
    classes : sequence, optional
        The sorted class labels; 0, 1, ... by default. With classes, a network that ends with logits, as PyTorch's
        losses expect, becomes a classifier.

    Returns
    -------
    MLPClassifier or MLPRegressor
        A regressor if there are neither classes nor a Sigmoid or Softmax. It predicts what the module computes in
        evaluation mode: probabilities, also for a LogSoftmax. A Sigmoid over several outputs gives one label for each.
        Two logits become one output, their difference.

    Raises
    ------
    BadInput
        For anything else.

    Examples
    --------
    >>> from deltarule import from_torch
    >>> import torch
    >>> module = torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.Tanh(), torch.nn.Linear(3, 1))
    >>> from_torch(module)
    MLPRegressor(activation=['tanh'], hidden_layer_sizes=(3,))
    """
    layers = _read_layers(module)
    *hidden, last = layers
    output, class_names = _output_meaning(last, classes)
    parameters = _hidden_parameters(hidden)
    if class_names is None:
        made: MLPClassifier | MLPRegressor = MLPRegressor(**parameters)
        made.target_mean_ = made.target_scale_ = None
    else:
        made = MLPClassifier(**parameters)
        made.classes_, made._labels = class_names, output == "logistic" and last.units > 1
    sizes = (len(layers[0].arrays["W"]), *(layer.units for layer in layers))
    set_network(made, FittedNetwork(Architecture(sizes, tuple(made.activation), output, made.batch_norm)))
    arrays = {
        f"{name}{n}": array[None] for n, layer in enumerate(layers, start=1) for name, array in layer.arrays.items()
    }
    set_weights(made, arrays)
    made.n_features_in_, made.t_, made.n_iter_, made.loss_curve_ = sizes[0], 0, 0, []
    return made


def _hidden_parameters(hidden: "Sequence[_Layer]") -> dict[str, Any]:
    """The parameters of an estimator with these hidden layers."""
    if any(layer.activation == "log_softmax" for layer in hidden):
        raise BadInput("a LogSoftmax stands behind a hidden layer; it can only be the last module")
    normalized = ["gamma" in layer.arrays for layer in hidden]
    if any(normalized) and not all(normalized):
        raise BadInput("some hidden layers have batch norm and some have none; it must be all of them or none")
    rates = [layer.dropout for layer in hidden]
    return {
        "hidden_layer_sizes": tuple(layer.units for layer in hidden),
        "activation": [layer.activation for layer in hidden],
        "dropout": rates if any(rates) else 0.0,
        "batch_norm": any(normalized),
    }


# --- modules as layers -----------------------------------------------------------------------------------------------

ALLOWED_SETTINGS: dict[str, dict[str, tuple[Any, ...]]] = {
    "LogSoftmax": {"dim": (1, -1)},
    "BatchNorm1d": {"eps": (BATCH_NORM_EPSILON,)},
    "GELU": {"approximate": ("none",)},
    "Softmax": {"dim": (1, -1)},
    "Softplus": {"beta": (1,), "threshold": (20, SOFTPLUS_THRESHOLD)},
}
"""The supported values of settings, by kind of module."""


_ACTIVATIONS = {activation.module: name for name, activation in ACTIVATIONS.items() if activation.module}
_ACTIVATIONS |= {"Sigmoid": "logistic", "LogSoftmax": "log_softmax"}  # the latter in the last layer only
_PARAMETERS = {"LeakyReLU": {"slope": "negative_slope"}, "ELU": {"alpha": "alpha"}}
_PLACES = {"BatchNorm1d": 1, **dict.fromkeys(_ACTIVATIONS, 2), "Dropout": 3}
"""The order of modules behind a Linear; each is there at most once."""


@dataclass
class _Layer:
    """A layer: a Linear, and the modules up to the next Linear."""

    arrays: dict[str, Floats]
    activation: Named = "identity"
    dropout: float = 0.0
    place: int = 0

    @property
    def units(self) -> int:
        return self.arrays["W"].shape[1]

    def merge_two_logits(self) -> None:
        """Give the layer one output, the difference of its two: softmax(z)₂ = σ(z₂ − z₁)."""
        self.arrays = {name: array[:, 1:] - array[:, :1] for name, array in self.arrays.items()}


def _read_layers(module: Any) -> list[_Layer]:
    layers: list[_Layer] = []
    for part in _flatten_modules(module):
        kind = _module_kind(part)
        for name, allowed in ALLOWED_SETTINGS.get(kind, {}).items():
            if getattr(part, name) not in allowed:
                choices, given = " or ".join(map(str, allowed)), getattr(part, name)
                raise BadInput(f"{part!r} has {name}={given}, which has no form here; give one with {name}={choices}")
        if kind == "Linear":
            W = np.ascontiguousarray(_read_array(part, "weight").T)
            b = np.zeros((1, W.shape[1]), W.dtype) if part.bias is None else _read_array(part, "bias")[None]
            layers.append(_Layer({"W": W, "b": b}))
        elif kind == "Identity" or (not layers and kind == "Flatten"):
            continue  # rows are flat
        elif not layers or _PLACES.get(kind, 0) <= layers[-1].place:
            raise BadInput(f"there is no form for {part!r} where it stands; see from_torch for what may follow what")
        else:
            _add_to_layer(layers[-1], part, kind)
    if not layers:
        raise BadInput(f"the module is a {type(module).__name__} without a Linear; give an nn.Sequential of some")
    return layers


def _flatten_modules(module: Any) -> list[Any]:
    """The modules of a Sequential or a Linear, unnested, in the order of execution."""
    if _module_kind(module) != "Sequential":
        return [module]
    parts: list[Any] = []
    for part in module._modules.values():  # children() leaves repetitions out
        parts += _flatten_modules(part)
    return parts


def _module_kind(module: Any) -> str:
    return type(module).__name__ if type(module).__module__.startswith("torch.nn.modules.") else ""


def _add_to_layer(layer: _Layer, module: Any, kind: str) -> None:
    layer.place = _PLACES[kind]
    if kind == "Dropout":
        layer.dropout = module.p
    elif kind == "BatchNorm1d":
        layer.arrays |= {ours: _read_array(module, theirs)[None] for ours, theirs in TENSORS_OF_BATCH_NORM.items()}
    else:
        name = _ACTIVATIONS[kind]
        numbers = {ours: getattr(module, theirs) for ours, theirs in _PARAMETERS.get(kind, {}).items()}
        layer.activation = {"name": name, **numbers} if numbers else name


def _read_array(module: Any, name: str) -> Floats:
    """Copy a module's parameter `name` to an array, from half precision to float32."""
    tensor = getattr(module, name).detach().cpu()
    return np.array((tensor if tensor.element_size() >= 4 else tensor.float()).numpy())


# --- what outputs mean -----------------------------------------------------------------------------------------------


OUTPUTS = ("identity", "logistic", "softmax", "log_softmax")


def _output_meaning(last: _Layer, classes: Any) -> tuple[str, Any]:
    """The output activation and the classes, or None for numbers."""
    if last.activation not in OUTPUTS or "gamma" in last.arrays or last.dropout:
        raise BadInput("behind the last Linear stands more than a Sigmoid or a Softmax; leave it out")
    output = str(last.activation).removeprefix("log_")
    if output == "softmax" and last.units == 1:
        raise BadInput("a Softmax over 1 output always gives 1; put a Sigmoid there, or let there be 2 outputs")
    if output == "identity":
        if classes is None:
            return output, None
        output = "logistic" if last.units == 1 else "softmax"
    names = np.arange(max(2, last.units)) if classes is None else _class_labels(classes, last.units)
    if output == "logistic" and last.units > 1 and names.tolist() != list(range(last.units)):
        raise BadInput(f"a Sigmoid over {last.units} outputs makes labels, which have no names; leave the classes out")
    if output == "softmax" and last.units == 2:
        last.merge_two_logits()
        output = "logistic"
    return output, names


def _class_labels(classes: Any, outputs: int) -> Any:
    names, ordered = np.asarray(classes), np.unique(classes)
    if outputs != len(names) and (outputs, len(names)) != (1, 2):
        raise BadInput(f"the network has {outputs} outputs for {len(names)} classes; give one each, or 1 for two")
    if ordered.tolist() != names.tolist():
        raise BadInput(f"the classes {names.tolist()} must be different and in sorted order, like the outputs")
    return to_text_classes(ordered)
