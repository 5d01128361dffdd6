"""Convert fitted estimators to arrays and metadata for model files, and back.

Arrays: theta [K, P]; running [K, Q], the running statistics of batch norm; target_mean and target_scale [C] if targets
are standardized. Pydantic checks the metadata of a file on their own; here is checked that they fit the arrays.
"""

import math
from collections.abc import Collection, Mapping
from dataclasses import asdict
from numbers import Integral, Real
from typing import Any

import numpy as np
from pydantic import BaseModel, TypeAdapter

from deltarule.errors import BadInput
from deltarule.estimators.mlp.architecture import ACTIVATION_TEST_POINTS, Architecture
from deltarule.estimators.mlp.base import BaseMLP
from deltarule.estimators.mlp.classifier import MLPClassifier, to_text_classes
from deltarule.estimators.mlp.regressor import MLPRegressor
from deltarule.estimators.mlp.weights import flat_weights, set_weights, weights_of_members
from deltarule.estimators.tabular.calibration import LogitCalibration, calibrate_arrays
from deltarule.estimators.tabular.classifier import TabularClassifier
from deltarule.estimators.tabular.regressor import TabularRegressor
from deltarule.estimators.tabular.tabular import BaseTabular, TabularReport
from deltarule.maths.network import views
from deltarule.problem.network import Network
from deltarule.tables.column_encoder import KINDS, Column

ESTIMATORS: dict[str, Any] = {
    kind.__name__: kind for kind in (MLPClassifier, MLPRegressor, TabularClassifier, TabularRegressor)
}
PAIRS = "pairs"

Name = bool | int | float | str


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


class NetworkMetadata(BaseModel):
    """The metadata of an MLPClassifier or MLPRegressor."""

    parameters: dict[str, Any]
    architecture: Architecture
    feature_names: list[Name] | None
    record: FitRecord
    classes: list[Name] = []
    labels: bool = False


class CalibrationMetadata(BaseModel):
    """The metadata of a `LogitCalibration`."""

    scale: float
    biases: list[float]


class TabularMetadata(BaseModel):
    """The metadata of a TabularClassifier or TabularRegressor."""

    parameters: dict[str, Any]
    columns: tuple[Column, ...]
    named: bool
    target: str
    usual: Name
    report: dict[str, Any]
    network: NetworkMetadata
    calibration: CalibrationMetadata | None = None


def encode(model: BaseMLP | BaseTabular) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Convert a fitted estimator to arrays and JSON metadata."""
    if isinstance(model, BaseMLP):
        return _encode_network(model)
    arrays, network = _encode_network(model.model_)
    parameters = model.get_params(deep=False)
    if isinstance(model.types, Mapping):
        parameters["types"] = {str(name): kind for name, kind in model.types.items()}
    metadata = {
        "parameters": {name: to_json_value(value) for name, value in parameters.items()},
        "columns": [asdict(column) for column in model.columns_],
        "named": hasattr(model, "feature_names_in_"),
        "target": model.target_,
        "usual": to_json_value(model.usual_),
        "report": asdict(model.report_),
        "network": network,
    }
    return arrays, metadata | ({"calibration": model.calibration_._asdict()} if hasattr(model, "calibration_") else {})


def _encode_network(model: BaseMLP) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    arrays = flat_weights(model)
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
        metadata |= {"classes": _encode_classes(model.classes_), "labels": model._labels}
    return arrays, metadata


def _encode_classes(classes: np.ndarray) -> list[Any]:
    """The class labels as JSON values."""
    names = classes.tolist()
    are_finite = all(math.isfinite(name) for name in names if isinstance(name, float))
    if classes.dtype.kind not in "biufUO" or not are_finite or not all(isinstance(name, Name) for name in names):
        raise BadInput(
            f"the classes are of the type {classes.dtype}, such as {names[0]!r}, which a file cannot hold; fit to "
            "numbers that are finite, or to texts, as y.astype(str) makes them of dates"
        )
    return names


def decode(kind: str, arrays: dict[str, np.ndarray], metadata: Mapping[str, Any]) -> Any:
    """Rebuild the fitted estimator of the class `kind` that `encode` converted.

    Raises `ValueError`, or one of the other `MISMATCH_ERRORS`, for metadata that do not fit the arrays.
    """
    if issubclass(ESTIMATORS[kind], BaseMLP):
        return _decode_network(kind, arrays, NetworkMetadata.model_validate(metadata))
    table = TabularMetadata.model_validate(metadata)
    model = ESTIMATORS[kind](**from_json_value(table.parameters))
    model.model_ = _decode_network(kind.replace("Tabular", "MLP"), arrays, table.network)
    model.columns_, model.report_, model.target_ = table.columns, _decode_report(table.report), table.target
    for column in table.columns:
        if column.kind not in KINDS or not column.scale or len(set(column.categories)) < len(column.categories):
            raise ValueError(f"the column {column.name!r} is not valid")
    names = [column.name for column in table.columns]
    if len(set(names)) < len(names):
        raise ValueError(f"two columns have one name, of {names!r}")
    inputs = sum(len(column.inputs) for column in table.columns)
    if inputs != model.model_.n_features_in_:
        raise ValueError(f"the columns make {inputs} inputs for a network of {model.model_.n_features_in_}")
    model._set_feature_names(names, table.named)
    if not isinstance(model, TabularClassifier):
        model.usual_ = float(table.usual)
        return model
    model.classes_ = model.model_.classes_
    calibration = table.calibration or CalibrationMetadata(scale=math.nan, biases=[])
    scale, biases = calibration.scale, np.array(calibration.biases)
    if biases.shape != model.classes_.shape or not np.isfinite([scale, *biases]).all():
        raise ValueError(f"the calibration is {scale} and {biases} for {len(model.classes_)} classes")
    model.calibration_ = LogitCalibration(scale, biases)
    model.usual_ = model.classes_[model.classes_.tolist().index(table.usual)]
    return model


def _decode_network(kind: str, arrays: dict[str, np.ndarray], metadata: NetworkMetadata) -> Any:
    """Rebuild a fitted MLPClassifier or MLPRegressor."""
    parameters = from_json_value(metadata.parameters)
    if isinstance(parameters["hidden_layer_sizes"], list):
        parameters["hidden_layer_sizes"] = tuple(parameters["hidden_layer_sizes"])
    model = ESTIMATORS[kind](**parameters)
    architecture = metadata.architecture
    if any(len(values) not in (0, len(ACTIVATION_TEST_POINTS)) for values in architecture.values or ()):
        raise ValueError(f"the activations give {architecture.values!r}")
    network = architecture.network()
    _set_weights(model, network, arrays)
    model._architecture, model.out_activation_ = architecture, architecture.output
    model.n_layers_, model.n_outputs_ = len(network.sizes), network.outputs
    vars(model).update(metadata.record.model_dump(exclude_unset=True))
    if model.n_features_in_ != network.inputs:
        raise ValueError(f"{model.n_features_in_} features for {network.inputs} inputs")
    if metadata.feature_names is not None:
        if len(metadata.feature_names) != network.inputs:
            raise ValueError(f"the {network.inputs} features are called {metadata.feature_names!r}")
        model.feature_names_in_ = np.array(metadata.feature_names, object)
    if isinstance(model, MLPClassifier):
        _set_classes(model, metadata)
    else:
        _set_target_scale(model, arrays)
    return model


def _set_weights(model: BaseMLP, network: Network, arrays: dict[str, np.ndarray]) -> None:
    """Set the weights of a model after checking them."""
    for name, array in arrays.items():
        if not np.isfinite(array).all():
            raise ValueError(f"{name} holds numbers that are not finite")
    theta = arrays["theta"]
    running = arrays.get("running", np.zeros((len(theta), 0), theta.dtype))
    expected = (len(theta), network.parameters), (len(theta), sum(e.stop - e.start for e in network.buffers))
    if not len(theta) or theta.dtype.kind != "f" or (theta.shape, running.shape) != expected:
        raise ValueError(f"θ has the shape {theta.shape}, statistics {running.shape}, and {network!r} needs {expected}")
    set_weights(model, views(theta, network.entries), views(running, network.buffers))
    if any((array < 0).any() for name, array in model._running.items() if name.startswith("variance")):
        raise ValueError("a variance is negative")


def _set_target_scale(model: MLPRegressor, arrays: dict[str, np.ndarray]) -> None:
    """Set the mean and scale of a regressor's targets after checking them."""
    if model.out_activation_ not in ("identity", "exp"):  # the loss of the fit is unknown: it may have been set since
        raise ValueError(f"the outputs of a regressor are {model.out_activation_}")
    model.target_mean_, model.target_scale_ = arrays.get("target_mean"), arrays.get("target_scale")
    shapes = [None if each is None else each.shape for each in (model.target_mean_, model.target_scale_)]
    if shapes not in ([None, None], [(model.n_outputs_,)] * 2):
        raise ValueError(f"mean and scale of the targets have the shapes {shapes} for {model.n_outputs_} outputs")


def _set_classes(model: MLPClassifier, metadata: NetworkMetadata) -> None:
    """Set the class labels of a classifier after checking that they fit its network."""
    names, has_labels = metadata.classes, metadata.labels
    if model.n_outputs_ != (len(names) if has_labels or len(names) > 2 else 1) or not names:
        raise ValueError(f"{len(names)} classes for {model.n_outputs_} outputs")
    classes = np.array(names)
    if len(set(names)) < len(names) or repr(classes.tolist()) != repr(names):
        raise ValueError(f"the classes {names!r} are not different names of one type")
    model.classes_ = to_text_classes(classes.astype(object)) if classes.dtype.kind == "U" else classes
    model._labels = has_labels
    if model._loss_and_activation()[1] != model.out_activation_:
        raise ValueError(f"labels are {has_labels!r} for outputs that are {model.out_activation_}")


def _decode_report(encoded: Mapping[str, Any]) -> TabularReport:
    undefined = {name: np.nan for name in ("score", "low", "high", "baseline") if encoded["scores"][name] is None}
    settings = encoded["settings"] | {"hidden_layer_sizes": tuple(encoded["settings"]["hidden_layer_sizes"])}
    record = dict(encoded) | {"scores": encoded["scores"] | undefined, "settings": settings}
    return TypeAdapter(TabularReport).validate_python(record)


def network_weights(model: BaseMLP | BaseTabular) -> dict[str, np.ndarray]:
    """All weights and running statistics of a fitted model by name, [K, D, H]."""
    if isinstance(model, BaseMLP):
        return weights_of_members(model)
    arrays = weights_of_members(model.model_)
    if isinstance(model, TabularClassifier):  # as its `predict_proba`
        arrays = calibrate_arrays(arrays, len(model.model_.coefs_), model.calibration_)
    return arrays


def to_json_value(value: Any) -> Any:
    """Convert a parameter to a JSON value; functions and generators become None.

    >>> to_json_value((1, {"alpha": np.float64(0.5)}, range(2), float("-inf")))
    [1, {'pairs': [['alpha', 0.5]]}, [0, 1], '-inf']
    """
    if value is None or isinstance(value, bool | str):
        return value
    if callable(value):  # first, because a callable may have any attribute
        return None
    if isinstance(value, Integral):
        return int(value)
    if isinstance(value, Real):
        return float(value) if math.isfinite(value) else str(float(value))
    if hasattr(value, "tolist"):
        return to_json_value(value.tolist())
    if isinstance(value, Mapping):  # as pairs: JSON's keys are texts, and classes may be numbers
        return {PAIRS: [[to_json_value(key), to_json_value(item)] for key, item in value.items()]}
    if isinstance(value, Collection):
        return None if any(map(callable, value)) else [to_json_value(item) for item in value]
    return None


def from_json_value(value: Any) -> Any:
    """The inverse of `to_json_value`, except that tuples become lists.

    >>> from_json_value(to_json_value({"alpha": 0.5, "n_iter_no_change": float("inf")}))
    {'alpha': 0.5, 'n_iter_no_change': inf}
    """
    if isinstance(value, dict):  # keys are not converted: "nan" may be a name
        return {key: from_json_value(item) for key, item in value.get(PAIRS, value.items())}
    if isinstance(value, list):
        return [from_json_value(item) for item in value]
    # Numbers that JSON cannot express, as Python writes them.
    return float(value) if value in ("inf", "-inf", "nan") else value
