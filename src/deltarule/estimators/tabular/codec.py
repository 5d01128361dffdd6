"""Encode fitted tabular estimators for model files, and decode them with every value checked."""

from collections.abc import Mapping
from dataclasses import asdict
from functools import partial
from typing import Any

import numpy as np

from deltarule.estimators.mlp.classifier import MLPClassifier
from deltarule.estimators.mlp.codec import decode_network, encode_network, network_weights
from deltarule.estimators.mlp.regressor import MLPRegressor
from deltarule.estimators.model_file import Codec, register_codec
from deltarule.estimators.serialization import from_json_value, to_json_value
from deltarule.estimators.tabular.classifier import TabularClassifier
from deltarule.estimators.tabular.regressor import TabularRegressor
from deltarule.estimators.tabular.scores import Scores
from deltarule.estimators.tabular.tabular import BaseTabular, TabularReport
from deltarule.tables.column_encoder import KINDS, Column


def encode_table_model(model: BaseTabular) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Convert a fitted tabular estimator to arrays and JSON metadata."""
    arrays, network = encode_network(model.model_)
    parameters = model.get_params(deep=False)
    if isinstance(model.types, Mapping):
        parameters["types"] = {_encode_name(name): kind for name, kind in model.types.items()}
    return arrays, {
        "parameters": {name: to_json_value(value) for name, value in parameters.items()},
        "columns": [asdict(column) for column in model.columns_],
        "named": hasattr(model, "feature_names_in_"),
        "target": model.target_,
        "usual": to_json_value(model.usual_),
        "report": asdict(model.report_),
        "network": network,
    }


def decode_table_model(
    estimator_class: type[TabularClassifier | TabularRegressor],
    arrays: dict[str, np.ndarray],
    metadata: Mapping[str, Any],
) -> BaseTabular:
    """Rebuild the fitted estimator that `encode_table_model` encoded.

    Raises `ValueError`, or one of the other `MISMATCH_ERRORS`, for metadata that do not fit the arrays.
    """
    network_class = MLPClassifier if estimator_class is TabularClassifier else MLPRegressor
    model = estimator_class(**{name: from_json_value(value) for name, value in metadata["parameters"].items()})
    model.model_ = decode_network(network_class, arrays, metadata["network"])
    model.columns_ = tuple(_decode_column(**column) for column in metadata["columns"])
    names = [column.name for column in model.columns_]
    if len(set(names)) < len(names):
        raise ValueError(f"two columns have one name, of {names!r}")
    inputs = sum(len(column.inputs) for column in model.columns_)
    if inputs != model.model_.n_features_in_:
        raise ValueError(f"the columns make {inputs} inputs for a network of {model.model_.n_features_in_}")
    model.report_ = _decode_report(dict(metadata["report"]))
    model.target_ = str(metadata["target"])
    model._set_feature_names(names, bool(metadata.get("named", True)))
    if isinstance(model.model_, MLPClassifier):
        model.classes_ = model.model_.classes_
        model.usual_ = model.classes_[model.classes_.tolist().index(metadata["usual"])]
    else:
        model.usual_ = float(metadata["usual"])
    return model


def _encode_name(name: Any) -> Any:
    """A column's name as JSON can hold it: texts, whole numbers and tuples of these stay, others become texts."""
    parts = name if isinstance(name, tuple) else (name,)
    return name if all(type(part) in (str, int) for part in parts) else str(name)


def _decode_report(report: dict[str, Any]) -> TabularReport:
    """Rebuild the report of a fit from the metadata of a file."""
    scores, settings = dict(report.pop("scores")), dict(report.pop("settings"))
    scores |= {name: np.nan for name in ("score", "low", "high", "baseline") if scores[name] is None}
    if isinstance(settings.get("hidden_layer_sizes"), list):
        settings["hidden_layer_sizes"] = tuple(settings["hidden_layer_sizes"])
    notes = tuple(map(str, report.pop("notes")))
    return TabularReport(scores=Scores(**scores), settings=settings, notes=notes, **report)


def _decode_column(name: str, kind: str, why: str, categories: list[str], gaps: bool, **numbers: float) -> Column:
    """Rebuild a column from its fields in a file, named as in `Column`; raises `ValueError` for invalid values."""
    texts_only = all(isinstance(text, str) for text in (name, why, *categories))
    are_different = texts_only and len(set(categories)) == len(categories)
    values = {key: float(number) for key, number in numbers.items()}
    if (
        not are_different
        or kind not in KINDS
        or not np.isfinite(list(values.values())).all()
        or not values["scale"]
        or values.get("reach", 0.0) < 0
        or values.get("least", 0.0) > values.get("greatest", 0.0)
    ):
        raise ValueError(f"the column {name!r} is not valid")
    return Column(name.strip(), kind, why, categories=tuple(categories), gaps=bool(gaps), **values)


def _network_weights(model: BaseTabular) -> dict[str, np.ndarray]:
    """All weights of the network of a tabular estimator by name, [K, D, H]."""
    return network_weights(model.model_)


for _estimator_class in (TabularClassifier, TabularRegressor):
    _decode = partial(decode_table_model, _estimator_class)
    register_codec(Codec(_estimator_class, "report_", encode_table_model, _decode, _network_weights))
