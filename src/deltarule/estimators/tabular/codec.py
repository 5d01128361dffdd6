"""Encode fitted tabular estimators for model files, and decode them."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np
from pydantic import TypeAdapter

from deltarule.estimators.mlp import codec
from deltarule.estimators.serialization import from_json_value, to_json_value
from deltarule.estimators.tabular.calibration import LogitCalibration, calibrate_arrays
from deltarule.estimators.tabular.classifier import TabularClassifier
from deltarule.estimators.tabular.regressor import TabularRegressor
from deltarule.estimators.tabular.tabular import BaseTabular, TabularReport
from deltarule.tables.column_encoder import KINDS, Column

ESTIMATORS = {"TabularClassifier": TabularClassifier, "TabularRegressor": TabularRegressor}
COLUMNS, REPORT = TypeAdapter(tuple[Column, ...]), TypeAdapter(TabularReport)


def encode(model: BaseTabular) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Convert a fitted tabular estimator to arrays and JSON metadata."""
    arrays, network = codec.encode(model.model_)
    parameters = model.get_params(deep=False)
    if isinstance(model.types, Mapping):
        parameters["types"] = {str(name): kind for name, kind in model.types.items()}
    return arrays, {
        "parameters": {name: to_json_value(value) for name, value in parameters.items()},
        "columns": [asdict(column) for column in model.columns_],
        "named": hasattr(model, "feature_names_in_"),
        "target": model.target_,
        "usual": to_json_value(model.usual_),
        "report": asdict(model.report_),
        "network": network,
    } | ({"calibration": model.calibration_._asdict()} if isinstance(model, TabularClassifier) else {})


def decode(kind: str, arrays: dict[str, np.ndarray], metadata: Mapping[str, Any]) -> BaseTabular:
    """Rebuild the fitted estimator of the class `kind` that `encode` encoded.

    Raises `ValueError`, or one of the other `MISMATCH_ERRORS`, for metadata that do not fit the arrays.
    """
    model = ESTIMATORS[kind](**{name: from_json_value(value) for name, value in metadata["parameters"].items()})
    network_kind = "MLPClassifier" if kind == "TabularClassifier" else "MLPRegressor"
    model.model_ = codec.decode(network_kind, arrays, metadata["network"])
    model.columns_ = COLUMNS.validate_python(metadata["columns"])
    for column in model.columns_:
        if column.kind not in KINDS or not column.scale or len(set(column.categories)) < len(column.categories):
            raise ValueError(f"the column {column.name!r} is not valid")
    names = [column.name for column in model.columns_]
    if len(set(names)) < len(names):
        raise ValueError(f"two columns have one name, of {names!r}")
    inputs = sum(len(column.inputs) for column in model.columns_)
    if inputs != model.model_.n_features_in_:
        raise ValueError(f"the columns make {inputs} inputs for a network of {model.model_.n_features_in_}")
    model.report_ = _decode_report(metadata["report"])
    model.target_ = str(metadata["target"])
    model._set_feature_names(names, bool(metadata["named"]))
    if isinstance(model, TabularClassifier):
        model.classes_ = model.model_.classes_
        scale, biases = float(metadata["calibration"]["scale"]), np.array(metadata["calibration"]["biases"], float)
        if biases.shape != model.classes_.shape or not np.isfinite([scale, *biases]).all():
            raise ValueError(f"the calibration is {scale} and {biases} for {len(model.classes_)} classes")
        model.calibration_ = LogitCalibration(scale, biases)
        model.usual_ = model.classes_[model.classes_.tolist().index(metadata["usual"])]
    else:
        model.usual_ = float(metadata["usual"])
    return model


def _decode_report(encoded: Mapping[str, Any]) -> TabularReport:
    undefined = {name: np.nan for name in ("score", "low", "high", "baseline") if encoded["scores"][name] is None}
    settings = encoded["settings"] | {"hidden_layer_sizes": tuple(encoded["settings"]["hidden_layer_sizes"])}
    return REPORT.validate_python(dict(encoded) | {"scores": encoded["scores"] | undefined, "settings": settings})


def network_weights(model: BaseTabular) -> dict[str, np.ndarray]:
    """All weights of the networks of a tabular estimator by name, [K, D, H]."""
    arrays = codec.network_weights(model.model_)
    if isinstance(model, TabularClassifier):
        arrays = calibrate_arrays(arrays, len(model.model_.coefs_), model.calibration_)
    return arrays
