"""Encode fitted networks for model files, and decode them with every value checked.

Arrays: theta [K, P]; running [K, Q], the running statistics of batch norm; target_mean and target_scale [C] if targets
are standardized.
"""

import math
import re
from collections.abc import Mapping
from dataclasses import asdict
from functools import partial
from typing import Any

import numpy as np

from deltarule.errors import BadInput
from deltarule.estimators.mlp.base import BaseMLP
from deltarule.estimators.mlp.classifier import MLPClassifier
from deltarule.estimators.mlp.fitted import with_members
from deltarule.estimators.mlp.problem_settings import ACTIVATION_TEST_POINTS, Architecture
from deltarule.estimators.mlp.regressor import MLPRegressor
from deltarule.estimators.model_file import Codec, register_codec
from deltarule.estimators.serialization import from_json_value, set_weights, to_json_value, weights_of
from deltarule.problem.network import Network

CLASSES_DTYPE = re.compile(r"[<>|]?([biuf][1248]|U[1-9]\d{0,4}|O8?)")
"""NumPy dtypes that class labels may have: booleans, numbers, texts, objects."""
CURVES = ("loss_curve_", "validation_loss_curve_", "validation_scores_")
COUNTS = ("n_features_in_", "n_iter_", "t_")
RECORD = ("best_loss_", "best_validation_score_", "loss_", *COUNTS, *CURVES)
"""The attributes of a fit that a file holds: numbers and curves."""
OPTIONAL_RECORD = ("best_loss_", "best_validation_score_", "validation_loss_curve_", "validation_scores_")
"""The attributes in `RECORD` that may be None."""


def encode_network(model: BaseMLP) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Convert a fitted classifier or regressor to arrays and JSON metadata."""
    arrays = weights_of(model)
    if getattr(model, "target_scale_", None) is not None:
        arrays |= {"target_mean": model.target_mean_, "target_scale": model.target_scale_}
    for name, array in arrays.items():
        if not np.isfinite(array).all():
            raise BadInput(f"the model's {name} holds numbers that are not finite, which cannot be saved; fit it anew")
    names = getattr(model, "feature_names_in_", None)
    metadata = {
        "parameters": {name: to_json_value(value) for name, value in model.get_params(deep=False).items()},
        "architecture": asdict(model._architecture) | {"values": to_json_value(model._architecture.values)},
        "feature_names": None if names is None else np.asarray(names, object).tolist(),
        "record": {name: to_json_value(getattr(model, name)) for name in RECORD if hasattr(model, name)},
    }
    if isinstance(model, MLPClassifier):
        metadata |= {
            "classes": _encode_classes(model.classes_),
            "classes_dtype": model.classes_.dtype.str,
            "labels": model._labels,
        }
    return arrays, metadata


def decode_network(
    estimator_class: type[MLPClassifier | MLPRegressor], arrays: dict[str, np.ndarray], metadata: Mapping[str, Any]
) -> Any:
    """Rebuild the fitted estimator that `encode_network` encoded.

    Raises `ValueError`, or one of the other `MISMATCH_ERRORS`, for metadata that do not fit the arrays.
    """
    parameters = {name: from_json_value(value) for name, value in metadata["parameters"].items()}
    if isinstance(parameters["hidden_layer_sizes"], list):
        parameters["hidden_layer_sizes"] = tuple(parameters["hidden_layer_sizes"])
    model = estimator_class(**parameters)
    architecture = _decode_architecture(metadata["architecture"])
    network = architecture.network()
    for name, array in arrays.items():
        if not np.isfinite(array).all():
            raise ValueError(f"{name} holds numbers that are not finite")
    set_weights(model, network, arrays)
    if any((array < 0).any() for name, array in model._running.items() if name.startswith("variance")):
        raise ValueError("a variance is negative")
    model._architecture, model.out_activation_ = architecture, architecture.output
    model.n_layers_, model.n_outputs_ = len(network.sizes), network.outputs
    for name, value in metadata["record"].items():
        setattr(model, name, _decode_record(name, value))
    if model.n_features_in_ != network.inputs:
        raise ValueError(f"{model.n_features_in_} features for {network.inputs} inputs")
    if (names := metadata["feature_names"]) is not None:
        if not isinstance(names, list) or len(names) != network.inputs or not all(map(_is_label, names)):
            raise ValueError(f"the {network.inputs} features are called {names!r}")
        model.feature_names_in_ = np.array(names, object)
    if isinstance(model, MLPClassifier):
        _set_classes(model, network, metadata)
    else:
        _set_target_scale(model, network, arrays)
    return model


def _decode_architecture(encoded: Mapping[str, Any]) -> Architecture:
    """Rebuild the architecture from the metadata of a file, checking its values."""
    if not all(type(size) is int for size in encoded["sizes"]):
        raise ValueError(f"the layers have {encoded['sizes']} units")
    activations = tuple(encoded["activations"])
    values = [from_json_value(each) for each in encoded.get("values", [[]] * len(activations))]  # absent in older files
    lengths = (0, len(ACTIVATION_TEST_POINTS))
    if not all(len(value) in lengths and all(type(number) is float for number in value) for value in values):
        raise ValueError(f"the activations give {values!r}")
    return Architecture(
        tuple(encoded["sizes"]),
        activations,
        encoded["output"],
        bool(encoded["batch_norm"]),
        tuple(map(tuple, values)),
        bool(encoded.get("scaling_layer", False)),  # absent in older files
    )


def _decode_record(name: str, value: Any) -> Any:
    """Check and convert the JSON value of a fit's attribute; null in older files is NaN, or None if optional."""
    if name not in RECORD:
        raise KeyError(name)
    if value is None and name in OPTIONAL_RECORD:
        return None
    is_curve = name in CURVES
    numbers = [np.nan if number is None else from_json_value(number) for number in (value if is_curve else [value])]
    types = (int,) if name in COUNTS else (int, float)
    if not all(type(number) in types for number in numbers):
        raise ValueError(f"{name} is {value!r}")
    return numbers if is_curve else numbers[0]


def _set_target_scale(model: MLPRegressor, network: Network, arrays: dict[str, np.ndarray]) -> None:
    """Set the mean and scale of a regressor's targets, after checking that they fit its network."""
    if model.out_activation_ not in ("identity", "exp"):  # the loss of the fit is unknown: it may have been set since
        raise ValueError(f"the outputs of a regressor are {model.out_activation_}")
    model.target_mean_, model.target_scale_ = arrays.get("target_mean"), arrays.get("target_scale")
    if (model.target_mean_ is None) != (model.target_scale_ is None):
        raise ValueError("either the mean or the scale of the targets is missing")
    for values in (model.target_mean_, model.target_scale_):
        if values is not None and values.shape != (network.outputs,):
            raise ValueError(f"the scale of targets has the shape {values.shape} for {network.outputs} outputs")


def _set_classes(model: MLPClassifier, network: Network, metadata: Mapping[str, Any]) -> None:
    """Set the class labels of a classifier, after checking that they fit its network."""
    names, has_labels = metadata["classes"], metadata["labels"]
    outputs = len(names) if has_labels or len(names) > 2 else 1
    if network.outputs != outputs or not names:
        raise ValueError(f"{len(names)} classes for {network.outputs} outputs")
    model.classes_, model._labels = _decode_classes(names, metadata["classes_dtype"]), has_labels
    if not isinstance(has_labels, bool) or model._loss_and_activation()[1] != model.out_activation_:
        raise ValueError(f"labels are {has_labels!r} for outputs that are {model.out_activation_}")


def _decode_classes(names: Any, dtype: str) -> np.ndarray:
    """Convert class labels to an array of a dtype; a text width far beyond the longest label is reduced."""
    if not CLASSES_DTYPE.fullmatch(dtype):
        raise ValueError(f"{len(names)} classes are {dtype!r}")
    if not isinstance(names, list) or not all(map(_is_label, names)) or len(set(names)) < len(names):
        raise ValueError("the classes are not different names")
    order, is_text, width = dtype.partition("U")
    if is_text:
        # Characters by which the dtype of class labels may exceed the longest label; every prediction takes as much
        # room.
        room = min(int(width), max(len(str(name)) for name in names) + 256)
        # Limit for the array of class labels: NumPy gives each text the room of the longest, which a file may
        # overstate.
        if len(names) * room * np.dtype("U1").itemsize > 2**28:
            raise ValueError(f"{len(names)} classes with names of up to {room:,} characters are too many")
        dtype = f"{order}U{room}"
    classes = np.array(names, dtype)
    if repr(classes.tolist()) != repr(names):
        raise ValueError(f"the classes are not {dtype}")
    return classes


def _encode_classes(classes: np.ndarray) -> list[Any]:
    """Class labels as JSON values; raises `BadInput` for labels that a file cannot hold."""
    names = [name.item() if isinstance(name, np.generic) else name for name in classes.tolist()]
    invalid = [name for name in names if not _is_label(name)]
    if invalid or not CLASSES_DTYPE.fullmatch(classes.dtype.str):
        raise BadInput(
            f"the classes are of the type {classes.dtype}, such as {[*invalid, *names][0]!r}, which a file cannot "
            "hold; fit to numbers that are finite, or to texts of less than 100,000 characters, as y.astype(str) makes "
            "them of dates"
        )
    return names


def _is_label(value: Any) -> bool:
    """Whether a value may be a class label or a feature name: a text or a finite number."""
    return isinstance(value, str | int) or (isinstance(value, float) and math.isfinite(value))


def network_weights(model: BaseMLP) -> dict[str, np.ndarray]:
    """All weights and running statistics of a fitted model by name, [K, D, H]."""
    parameters, running = model._arrays()
    return with_members({**parameters, **running}, model._members)


for _estimator_class in (MLPClassifier, MLPRegressor):
    register_codec(
        Codec(_estimator_class, "coefs_", encode_network, partial(decode_network, _estimator_class), network_weights)
    )
