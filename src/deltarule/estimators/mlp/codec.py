"""Encode fitted networks for model files, and decode them.

Arrays: theta [K, P]; running [K, Q], the running statistics of batch norm; target_mean and target_scale [C] if targets
are standardized.
"""

import math
import re
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np
from pydantic import BaseModel, TypeAdapter

from deltarule.errors import BadInput
from deltarule.estimators.mlp.base import BaseMLP
from deltarule.estimators.mlp.classifier import MLPClassifier
from deltarule.estimators.mlp.fitted import with_members
from deltarule.estimators.mlp.problem_settings import ACTIVATION_TEST_POINTS, Architecture
from deltarule.estimators.mlp.regressor import MLPRegressor
from deltarule.estimators.serialization import from_json_value, set_weights, to_json_value, weights_of
from deltarule.problem.network import Network

ESTIMATORS = {"MLPClassifier": MLPClassifier, "MLPRegressor": MLPRegressor}
CLASSES_DTYPE = re.compile(r"[<>|]?([biuf][1248]|U[1-9]\d{0,4}|O8?)")
"""NumPy dtypes that class labels may have: booleans, numbers, texts, objects."""
MAX_CLASSES_BYTES = 2**28
"""NumPy gives each text the room of the longest, which a file may overstate."""


class FitRecord(BaseModel):
    """The numbers and curves of a fit that a file holds."""

    n_features_in_: int
    n_iter_: int = 0
    t_: int = 0
    loss_: float = math.nan
    best_loss_: float | None = None
    best_validation_score_: float | None = None
    loss_curve_: list[float] = []
    validation_loss_curve_: list[float] | None = None
    validation_scores_: list[float] | None = None


ARCHITECTURE, NAMES = TypeAdapter(Architecture), TypeAdapter(list[bool | int | float | str])


def encode(model: BaseMLP) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
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
        "record": {n: to_json_value(getattr(model, n)) for n in FitRecord.model_fields if hasattr(model, n)},
    }
    if isinstance(model, MLPClassifier):
        metadata |= {
            "classes": _encode_classes(model.classes_),
            "classes_dtype": model.classes_.dtype.str,
            "labels": model._labels,
        }
    return arrays, metadata


def decode(kind: str, arrays: dict[str, np.ndarray], metadata: Mapping[str, Any]) -> Any:
    """Rebuild the fitted estimator of the class `kind` that `encode` encoded.

    Raises `ValueError`, or one of the other `MISMATCH_ERRORS`, for metadata that do not fit the arrays.
    """
    parameters = {name: from_json_value(value) for name, value in metadata["parameters"].items()}
    if isinstance(parameters["hidden_layer_sizes"], list):
        parameters["hidden_layer_sizes"] = tuple(parameters["hidden_layer_sizes"])
    model = ESTIMATORS[kind](**parameters)
    architecture = ARCHITECTURE.validate_python(metadata["architecture"])
    if any(len(values) not in (0, len(ACTIVATION_TEST_POINTS)) for values in architecture.values or ()):
        raise ValueError(f"the activations give {architecture.values!r}")
    network = architecture.network()
    for name, array in arrays.items():
        if not np.isfinite(array).all():
            raise ValueError(f"{name} holds numbers that are not finite")
    set_weights(model, network, arrays)
    if any((array < 0).any() for name, array in model._running.items() if name.startswith("variance")):
        raise ValueError("a variance is negative")
    model._architecture, model.out_activation_ = architecture, architecture.output
    model.n_layers_, model.n_outputs_ = len(network.sizes), network.outputs
    for name, value in FitRecord.model_validate(metadata["record"]).model_dump(exclude_unset=True).items():
        setattr(model, name, value)
    if model.n_features_in_ != network.inputs:
        raise ValueError(f"{model.n_features_in_} features for {network.inputs} inputs")
    if metadata["feature_names"] is not None:
        names = NAMES.validate_python(metadata["feature_names"])
        if len(names) != network.inputs:
            raise ValueError(f"the {network.inputs} features are called {names!r}")
        model.feature_names_in_ = np.array(names, object)
    if isinstance(model, MLPClassifier):
        _set_classes(model, network, metadata)
    else:
        _set_target_scale(model, network, arrays)
    return model


def _set_target_scale(model: MLPRegressor, network: Network, arrays: dict[str, np.ndarray]) -> None:
    """Set the mean and scale of a regressor's targets after checking them."""
    if model.out_activation_ not in ("identity", "exp"):  # the loss of the fit is unknown: it may have been set since
        raise ValueError(f"the outputs of a regressor are {model.out_activation_}")
    model.target_mean_, model.target_scale_ = arrays.get("target_mean"), arrays.get("target_scale")
    shapes = [None if each is None else each.shape for each in (model.target_mean_, model.target_scale_)]
    if shapes not in ([None, None], [(network.outputs,)] * 2):
        raise ValueError(f"mean and scale of the targets have the shapes {shapes} for {network.outputs} outputs")


def _set_classes(model: MLPClassifier, network: Network, metadata: Mapping[str, Any]) -> None:
    """Set the class labels of a classifier, after checking that they fit its network."""
    names, has_labels = NAMES.validate_python(metadata["classes"]), metadata["labels"]
    outputs = len(names) if has_labels or len(names) > 2 else 1
    if network.outputs != outputs or not names:
        raise ValueError(f"{len(names)} classes for {network.outputs} outputs")
    model.classes_, model._labels = _decode_classes(names, metadata["classes_dtype"]), bool(has_labels)
    if model._loss_and_activation()[1] != model.out_activation_:
        raise ValueError(f"labels are {has_labels!r} for outputs that are {model.out_activation_}")


def _decode_classes(names: list[bool | int | float | str], dtype: str) -> np.ndarray:
    """Convert class labels to an array of a dtype."""
    if not CLASSES_DTYPE.fullmatch(dtype) or len(set(names)) < len(names):
        raise ValueError(f"the classes are not different names of the type {dtype!r}")
    if len(names) * np.dtype(dtype).itemsize > MAX_CLASSES_BYTES:
        raise ValueError(f"{len(names)} classes of the type {dtype!r} are too many")
    classes = np.array(names, dtype)
    if repr(classes.tolist()) != repr(names):
        raise ValueError(f"the classes are not {dtype}")
    return classes


def _encode_classes(classes: np.ndarray) -> list[Any]:
    """Encode class labels as JSON values."""
    names = [name.item() if isinstance(name, np.generic) else name for name in classes.tolist()]
    invalid = [name for name in names if not isinstance(name, str | int) and not _is_finite_float(name)]
    if invalid or not CLASSES_DTYPE.fullmatch(classes.dtype.str):
        raise BadInput(
            f"the classes are of the type {classes.dtype}, such as {[*invalid, *names][0]!r}, which a file cannot "
            "hold; fit to numbers that are finite, or to texts of less than 100,000 characters, as y.astype(str) makes "
            "them of dates"
        )
    return names


def _is_finite_float(value: Any) -> bool:
    return isinstance(value, float) and math.isfinite(value)


def network_weights(model: BaseMLP) -> dict[str, np.ndarray]:
    """All weights and running statistics of a fitted model by name, [K, D, H]."""
    parameters, running = model._arrays()
    return with_members({**parameters, **running}, model._members)
