"""Models of other libraries as ours."""

from copy import copy
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from sklearn import neural_network
from sklearn.base import is_classifier
from sklearn.utils.validation import check_is_fitted

from deltarule.errors import BadInput
from deltarule.estimators.base import BaseMLP
from deltarule.estimators.classifier import MLPClassifier
from deltarule.estimators.regressor import MLPRegressor
from deltarule.estimators.settings import Architecture, hidden_activations
from deltarule.maths.network import BATCH_NORM_EPSILON
from deltarule.problem.problem import Floats
from deltarule.problem.registry import Named

TAKEN_OVER = (
    "best_loss_",
    "best_validation_score_",
    "feature_names_in_",
    "loss_",
    "loss_curve_",
    "n_features_in_",
    "n_iter_",
    "n_layers_",
    "n_outputs_",
    "out_activation_",
    "t_",
    "validation_scores_",
)
"""Attributes that mean the same in both libraries."""


def from_sklearn(model: Any) -> Any:
    """Make a fitted MLPClassifier or MLPRegressor of scikit-learn one of deltarule's.

    Parameters: `model`, fitted; it stays as it is.
    Returns: an estimator with the same parameters, weights and answers. Further fits are deltarule's own; the memory of
    scikit-learn's optimizer is not taken over.
    Errors: `BadInput` for anything else; scikit-learn's `NotFittedError` for one that is not fitted.

    >>> X, y = [[0.0], [1.0], [2.0], [3.0]], [0, 0, 1, 1]
    >>> theirs = neural_network.MLPClassifier((3,), solver="lbfgs", random_state=0).fit(X, y)
    >>> ours = from_sklearn(theirs)
    >>> np.allclose(ours.predict_proba(X), theirs.predict_proba(X))
    True
    """
    if not isinstance(model, neural_network.MLPClassifier | neural_network.MLPRegressor):
        raise BadInput(f"the model is a {type(model).__name__}; give an MLPClassifier or MLPRegressor of scikit-learn")
    check_is_fitted(model)
    kind: type[BaseMLP] = MLPClassifier if is_classifier(model) else MLPRegressor
    made = kind(**model.get_params(deep=False))
    for name in TAKEN_OVER:
        if hasattr(model, name):
            setattr(made, name, copy(getattr(model, name)))  # curves grow
    made.loss_curve_ = getattr(made, "loss_curve_", [])  # lbfgs leaves none
    made.coefs_ = [np.array(array) for array in model.coefs_]
    made.intercepts_ = [np.array(array) for array in model.intercepts_]
    sizes = (made.n_features_in_, *(len(array) for array in made.intercepts_))
    made._architecture = Architecture(
        sizes, hidden_activations(model.activation, len(sizes) - 2), model.out_activation_
    )
    made._members, made._normalization, made._running = 1, {}, {}
    if isinstance(made, MLPClassifier):
        made.classes_ = model.classes_
        made._labels = model._label_binarizer.y_type_.startswith("multilabel")
    else:
        made.target_mean_ = made.target_scale_ = None
    return made


def from_torch(module: Any, classes: Any = None) -> Any:
    """Make a network of PyTorch one of deltarule's estimators: what `to_torch` makes, and others of that form.

    Parameters
    ----------
    module : an `nn.Sequential` of Linear modules, behind each of the hidden ones maybe a BatchNorm1d, an activation
        and a Dropout, behind the last maybe a Sigmoid or a Softmax.
    classes : the names of the classes, where there are any; 0, 1 … if left out. They make a classifier of a network
        that ends with its logits, as PyTorch's losses like it.

    Returns an `MLPClassifier`, or where there are neither classes nor a Sigmoid or Softmax an `MLPRegressor`, with the
    same answers.

    Raises `BadInput` for anything else.

    >>> import torch
    >>> module = torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.Tanh(), torch.nn.Linear(3, 1))
    >>> from_torch(module)
    MLPRegressor(activation=['tanh'], hidden_layer_sizes=(3,))
    """
    layers = _layers_of(module)
    *hidden, last = layers
    output = _output(last, classes)
    if any(layer.activation == "softmax" for layer in hidden):
        raise BadInput("a Softmax stands behind a hidden layer; it can only be the last module")
    sizes = (len(layers[0].arrays["W"]), *(layer.arrays["W"].shape[1] for layer in layers))
    names: Any = (
        (np.arange(max(2, sizes[-1])) if classes is None else np.asarray(classes)) if output != "identity" else None
    )
    if names is not None and sizes[-1] != (1 if len(names) == 2 and output == "logistic" else len(names)):
        raise BadInput(f"the network has {sizes[-1]} outputs for {len(names)} classes; give one each, or 1 for two")
    normalized = [layer.batch_norm for layer in hidden]
    if any(normalized) and not all(normalized):
        raise BadInput("some hidden layers have batch norm and some have none; it must be all of them or none")
    given: dict[str, Any] = {
        "hidden_layer_sizes": sizes[1:-1],
        "activation": [layer.activation for layer in hidden],
        "dropout": [layer.dropout for layer in hidden] if any(layer.dropout for layer in hidden) else 0.0,
        "batch_norm": any(normalized),
    }
    made: BaseMLP = MLPRegressor(**given) if names is None else MLPClassifier(**given)
    made._architecture = Architecture(sizes, tuple(given["activation"]), output, given["batch_norm"])
    arrays = {f"{name}{n}": array[None] for n, one in enumerate(layers, start=1) for name, array in one.arrays.items()}
    running = {name: array for name, array in arrays.items() if name.startswith(("mean", "variance"))}
    made._hold_arrays({name: arrays[name] for name in arrays if name not in running}, running, len(layers))
    made.n_features_in_, made.n_layers_, made.n_outputs_ = sizes[0], len(sizes), sizes[-1]
    made.out_activation_, made.t_, made.n_iter_, made.loss_curve_ = output, 0, 0, []
    if isinstance(made, MLPClassifier):
        made.classes_, made._labels = np.unique(names), False
        if made.classes_.tolist() != list(names):
            raise BadInput(f"the classes {list(names)} must be different and in sorted order, like the outputs")
    else:
        made.target_mean_ = made.target_scale_ = None
    return made


@dataclass
class _Layer:
    """What the modules from one Linear to the next amount to."""

    arrays: dict[str, Floats]
    activation: Named = "identity"
    dropout: float = 0.0
    batch_norm: bool = False
    seen: list[str] = field(default_factory=list)


def _layers_of(module: Any) -> list[_Layer]:
    layers: list[_Layer] = []
    for one in module.children() if type(module).__name__ == "Sequential" else ():
        kind = type(one).__name__
        if kind == "Linear":
            W = np.ascontiguousarray(_array(one.weight).T)
            if layers and len(W) != (before := layers[-1].arrays["W"].shape[1]):
                raise BadInput(f"{one!r} takes {len(W)} inputs from a layer of {before} units; they must be as many")
            bias = np.zeros((1, W.shape[1]), W.dtype) if one.bias is None else _array(one.bias)[None]
            layers.append(_Layer({"W": W, "b": bias}))
        elif not layers or kind in layers[-1].seen or not _taken(layers[-1], one, kind):
            raise BadInput(f"there is no form for {one!r} where it stands; see from_torch for what may follow what")
        else:
            layers[-1].seen.append(kind)
    if not layers:
        raise BadInput(f"the module is a {type(module).__name__} without a Linear; give an nn.Sequential of some")
    return layers


def _taken(layer: _Layer, module: Any, kind: str) -> bool:
    """Note a module behind a Linear; whether there is a form for it."""
    activations: dict[str, Named] = {
        "Sigmoid": "logistic",
        "Tanh": "tanh",
        "ReLU": "relu",
        "LeakyReLU": {"name": "leaky_relu", "slope": getattr(module, "negative_slope", 0.0)},
        "ELU": {"name": "elu", "alpha": getattr(module, "alpha", 0.0)},
        "Softplus": "softplus",
        "SiLU": "silu",
        "GELU": "gelu",
        "Softmax": "softmax",
    }
    if kind in activations and layer.activation == "identity" and not layer.dropout:
        layer.activation = activations[kind]
        usual = getattr(module, "approximate", "none") == "none" and getattr(module, "beta", 1) == 1
        return usual and (kind != "Softmax" or module.dim in (1, -1))
    if kind == "Dropout":
        layer.dropout = module.p
        return True
    if kind == "BatchNorm1d" and not layer.seen:
        layer.batch_norm = True
        if not module.affine or module.running_mean is None or module.eps != BATCH_NORM_EPSILON:
            return False
        names = {"gamma": "weight", "beta": "bias", "mean": "running_mean", "variance": "running_var"}
        layer.arrays |= {ours: _array(getattr(module, theirs))[None] for ours, theirs in names.items()}
        return True
    return kind == "Identity"


def _output(last: _Layer, classes: Any) -> str:
    """The output activation, by scikit-learn's name."""
    if last.batch_norm or last.dropout or last.activation not in ("identity", "logistic", "softmax"):
        raise BadInput("behind the last Linear stands more than a Sigmoid or a Softmax; leave it out")
    if last.activation == "identity" and classes is not None:
        return "logistic" if last.arrays["W"].shape[1] == 1 else "softmax"
    return str(last.activation)


def _array(tensor: Any) -> Floats:
    """Numbers of a tensor; half precision becomes single, in which there are networks here."""
    kept = tensor.detach().cpu()
    return np.array((kept if kept.element_size() >= 4 else kept.float()).numpy())
