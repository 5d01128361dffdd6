"""Save fitted estimators as safetensors files, and load them.

The arrays are the parameters and running statistics by name, [members, D, H], and the scale of a regressor's targets.
Pydantic checks the metadata on their own; here is checked that they fit the arrays.
"""

import math
from collections.abc import Mapping
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import BaseModel, TypeAdapter, ValidationError

from deltarule.array_files import load_arrays, save_arrays
from deltarule.errors import BadInput
from deltarule.estimators.mlp.architecture import Architecture
from deltarule.estimators.mlp.base import BaseMLP
from deltarule.estimators.mlp.classifier import MLPClassifier, to_text_classes
from deltarule.estimators.mlp.regressor import MLPRegressor
from deltarule.estimators.mlp.weights import set_architecture, set_weights, weights_of_members
from deltarule.estimators.tabular.calibration import LogitCalibration, calibrate_arrays
from deltarule.estimators.tabular.classifier import TabularClassifier
from deltarule.estimators.tabular.regressor import TabularRegressor
from deltarule.estimators.tabular.tabular import TabularReport
from deltarule.tables.column_encoder import KINDS, Column

FORMAT = 1
MISMATCH_ERRORS = (ArithmeticError, AttributeError, KeyError, IndexError, RecursionError, TypeError, ValueError)
"""The errors that decoding raises for metadata that do not fit the arrays."""

ESTIMATORS: dict[str, Any] = {
    kind.__name__: kind for kind in (MLPClassifier, MLPRegressor, TabularClassifier, TabularRegressor)
}
TARGET_SCALE = ("target_mean_", "target_scale_")
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


class TabularMetadata(BaseModel):
    """The metadata of a TabularClassifier or TabularRegressor."""

    parameters: dict[str, Any]
    columns: tuple[Column, ...]
    named: bool
    target: str
    usual: Name
    report: dict[str, Any]
    network: NetworkMetadata
    scale: float = 1.0
    biases: list[float] = []


def save_model(model: Any, path: str | Path) -> None:
    """Write a fitted estimator as a safetensors file.

    Parameters
    ----------
    model : MLPClassifier, MLPRegressor, TabularClassifier or TabularRegressor
        A fitted estimator.
    path : str or Path
        The file.

    Raises
    ------
    BadInput
        For another model, one that is not fitted, classes that a file cannot hold, such as dates, or a path that cannot
        be written.

    Examples
    --------
    >>> import tempfile
    >>> model = MLPClassifier((3,), solver="lbfgs", random_state=0).fit([[0.0], [1.0], [2.0], [3.0]], [0, 0, 1, 1])
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save_model(model, Path(folder) / "model.safetensors")
    ...     load_model(Path(folder) / "model.safetensors")
    MLPClassifier(hidden_layer_sizes=(3,), random_state=0, solver='lbfgs')
    """
    save_arrays(path, *_encode(model))


def save_weights(model: Any, path: str | Path) -> None:
    """Write the weights of a fitted estimator, those of a TabularClassifier with its calibration.

    The file is that of `save_model`, except that it is not read as a model.
    """
    arrays, metadata = _encode(model)
    if isinstance(model, TabularClassifier):  # as its `predict_proba`
        arrays = calibrate_arrays(arrays, len(model.model_.coefs_), model.calibration_)
    save_arrays(path, arrays, metadata | {"kind": "weights"})


def load_model(path: str | Path) -> Any:
    """Read an estimator that its `save` wrote.

    Parameters
    ----------
    path : str or Path
        The file.

    Returns
    -------
    estimator
        The fitted estimator, with the same predictions bit for bit. Callbacks and the optimizer's memory are not saved.

    Raises
    ------
    BadInput
        If the file cannot be read, is damaged, holds no model, or uses a custom activation that is not registered.

    Examples
    --------
    >>> load_model("missing.safetensors")
    Traceback (most recent call last):
        ...
    deltarule.errors.BadInput: missing.safetensors does not exist; check the name and the folder
    """
    arrays, metadata = load_arrays(path)
    kind = str(metadata.get("kind"))
    if kind not in ESTIMATORS or metadata.get("format") != FORMAT:
        raise BadInput(f"{path} holds no model that this version can read; write it with an estimator's save")
    try:
        if issubclass(ESTIMATORS[kind], BaseMLP):
            return _decode_network(kind, arrays, NetworkMetadata.model_validate(metadata))
        return _decode_tabular(kind, arrays, TabularMetadata.model_validate(metadata))
    except BadInput as error:
        raise BadInput(f"{path} cannot be read here: {error}") from error
    except MISMATCH_ERRORS as error:
        reason = str(error)
        if isinstance(error, ValidationError):
            first = error.errors()[0]
            reason = f"{error.title} {'.'.join(map(str, first['loc']))}: {first['msg']}"
        raise BadInput(
            f"{path} is damaged: its description does not fit its arrays ({reason}); write it again"
        ) from error


def _encode(model: Any) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """The arrays and metadata of a fitted model."""
    # By class, not by name alone: scikit-learn's MLPClassifier has the same name.
    if type(model) not in ESTIMATORS.values() or not model.__sklearn_is_fitted__():
        raise BadInput(
            f"{model!r} cannot be saved; give a fitted estimator of deltarule, or convert a model of scikit-learn with "
            "from_sklearn"
        )
    arrays, content = _encode_network(model) if isinstance(model, BaseMLP) else _encode_tabular(model)
    versions = {name: version(name) for name in ("deltarule", "numpy", "scikit-learn")}
    return arrays, {"format": FORMAT, "kind": type(model).__name__} | content | {"versions": versions}


def _encode_tabular(model: Any) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    arrays, network = _encode_network(model.model_)
    parameters = model.get_params(deep=False)
    if model.types is not None:
        parameters["types"] = {str(name): kind for name, kind in model.types.items()}
    metadata = {
        "parameters": to_json_value(parameters),
        "columns": [asdict(column) for column in model.columns_],
        "named": hasattr(model, "feature_names_in_"),
        "target": model.target_,
        "usual": to_json_value(model.usual_),
        "report": to_json_value(asdict(model.report_)),
        "network": network,
    }
    return arrays, metadata | (model.calibration_._asdict() if isinstance(model, TabularClassifier) else {})


def _encode_network(model: BaseMLP) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    arrays = weights_of_members(model)
    arrays |= {name: getattr(model, name) for name in TARGET_SCALE if getattr(model, name, None) is not None}
    names = getattr(model, "feature_names_in_", None)
    metadata = {
        "parameters": to_json_value(model.get_params(deep=False)),
        "architecture": asdict(model._architecture),
        "feature_names": None if names is None else names.tolist(),
        "record": {n: to_json_value(getattr(model, n)) for n in FitRecord.model_fields if hasattr(model, n)},
    }
    if isinstance(model, MLPClassifier):
        if model.classes_.dtype.kind not in "biufUO":
            raise BadInput(
                f"the classes are {model.classes_.dtype}, which a file cannot hold; fit to numbers, or to texts, as "
                "y.astype(str) makes them of dates"
            )
        metadata |= {"classes": model.classes_.tolist(), "labels": model._labels}
    return arrays, metadata


def _decode_tabular(kind: str, arrays: dict[str, np.ndarray], metadata: TabularMetadata) -> Any:
    """Rebuild a fitted TabularClassifier or TabularRegressor."""
    model = ESTIMATORS[kind](**from_json_value(metadata.parameters))
    model.model_ = _decode_network(kind.replace("Tabular", "MLP"), arrays, metadata.network)
    model.columns_, model.target_ = metadata.columns, metadata.target
    model.report_ = TypeAdapter(TabularReport).validate_python(from_json_value(metadata.report))
    if any(column.kind not in KINDS or not column.scale for column in model.columns_):
        raise ValueError("a column has no valid encoding")
    inputs = sum(len(column.inputs) for column in model.columns_)
    if inputs != model.model_.n_features_in_:
        raise ValueError(f"the columns make {inputs} inputs for a network of {model.model_.n_features_in_}")
    model._set_feature_names([column.name for column in model.columns_], metadata.named)
    if not isinstance(model, TabularClassifier):
        model.usual_ = float(metadata.usual)
        return model
    model.classes_ = model.model_.classes_
    model.calibration_ = LogitCalibration(metadata.scale, np.array(metadata.biases))
    if model.calibration_.biases.shape != model.classes_.shape:
        raise ValueError(f"{len(metadata.biases)} biases for {len(model.classes_)} classes")
    model.usual_ = model.classes_[model.classes_.tolist().index(metadata.usual)]
    return model


def _decode_network(kind: str, arrays: dict[str, np.ndarray], metadata: NetworkMetadata) -> Any:
    """Rebuild a fitted MLPClassifier or MLPRegressor."""
    model = ESTIMATORS[kind](**from_json_value(metadata.parameters))
    set_architecture(model, metadata.architecture)
    network = metadata.architecture.network
    scale = {name: arrays.pop(name) for name in TARGET_SCALE if name in arrays}
    members, shapes = len(arrays["W1"]), {name: array.shape for name, array in arrays.items()}
    expected = {entry.name: (members, *entry.shape) for entry in (*network.entries, *network.buffers)}
    if not members or shapes != expected or any(array.dtype.kind != "f" for array in arrays.values()):
        raise ValueError(f"the arrays are {shapes}, and {network!r} needs {expected}")
    buffers = {entry.name: arrays.pop(entry.name) for entry in network.buffers}
    set_weights(model, arrays, buffers)
    vars(model).update(metadata.record.model_dump(exclude_unset=True))
    names = metadata.feature_names
    if model.n_features_in_ != network.inputs or (names is not None and len(names) != network.inputs):
        raise ValueError(f"{model.n_features_in_} features, called {names!r}, for {network.inputs} inputs")
    if names is not None:
        model.feature_names_in_ = np.array(names, object)
    if isinstance(model, MLPClassifier):
        count = len(metadata.classes)
        if not count or network.outputs != (count if metadata.labels or count > 2 else 1):
            raise ValueError(f"{count} classes for {network.outputs} outputs")
        model.classes_, model._labels = np.array(metadata.classes), metadata.labels
        if model.classes_.dtype.kind == "U":
            model.classes_ = to_text_classes(np.array(metadata.classes, object))
    else:
        for name in TARGET_SCALE:
            setattr(model, name, scale.get(name))
        if {name: array.shape for name, array in scale.items()} not in (
            {},
            dict.fromkeys(TARGET_SCALE, (network.outputs,)),
        ):
            raise ValueError(f"the scale of the targets does not fit {network.outputs} outputs")
    return model


def to_json_value(value: Any) -> Any:
    """Convert a parameter to a JSON value; functions and generators become None.

    >>> to_json_value((1, {2: np.float64(0.5)}, range(2), float("-inf")))
    [1, {'pairs': [[2, 0.5]]}, [0, 1], '-inf']
    """
    if callable(value):  # first, because a callable may have any attribute
        return None
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, Mapping):
        if all(isinstance(key, str) for key in value):
            return {key: to_json_value(item) for key, item in value.items()}
        return {PAIRS: [[to_json_value(key), to_json_value(item)] for key, item in value.items()]}
    if isinstance(value, list | tuple | range):
        return None if any(map(callable, value)) else [to_json_value(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value if isinstance(value, Name) else None


def from_json_value(value: Any) -> Any:
    """The inverse of `to_json_value`, except that tuples but those of sizes become lists.

    >>> from_json_value(to_json_value({"alpha": 0.5, "n_iter_no_change": float("inf")}))
    {'alpha': 0.5, 'n_iter_no_change': inf}
    """
    if isinstance(value, dict):  # keys are not converted: "nan" may be a name
        items = {key: from_json_value(item) for key, item in value.get(PAIRS, value.items())}
        sizes = items.get("hidden_layer_sizes")
        return items | ({"hidden_layer_sizes": tuple(sizes)} if isinstance(sizes, list) else {})
    if isinstance(value, list):
        return [from_json_value(item) for item in value]
    # Numbers that JSON cannot express, as Python writes them.
    return float(value) if value in ("inf", "-inf", "nan") else value
