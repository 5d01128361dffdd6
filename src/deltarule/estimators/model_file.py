"""Save fitted estimators as safetensors files, and load them.

The arrays are the parameters and running statistics by name, [members, D, H]; all else is JSON. Pydantic checks each
attribute on its own; here is checked that they fit each other.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from pydantic import TypeAdapter
from pydantic_core import from_json, to_json

from deltarule.array_files import load_arrays, save_arrays
from deltarule.errors import BadInput, one_line
from deltarule.estimators.mlp.fitted_network import (
    Architecture,
    FittedNetwork,
    set_network,
    set_weights,
    squeeze_members,
    weights_of_members,
)
from deltarule.estimators.tabular.calibration import LogitCalibration, calibrate_arrays
from deltarule.estimators.tabular.intervals import Intervals
from deltarule.estimators.tabular.prediction_sets import SetScores
from deltarule.estimators.tabular.predictor import TablePredictor
from deltarule.estimators.tabular.scores import TabularReport
from deltarule.tables.column_encoder import KINDS, Column
from deltarule.tables.dates import PARTS, TEXT_PART
from deltarule.tables.number_forms import NumberForm
from deltarule.tables.targets import to_text_classes

FORMAT = 1
MISMATCH_ERRORS = (ArithmeticError, AttributeError, KeyError, IndexError, RecursionError, TypeError, ValueError)
"""The errors that decoding raises for metadata that do not fit the arrays."""

ESTIMATORS = {
    "MLPClassifier": "deltarule.estimators.mlp.classifier",
    "MLPRegressor": "deltarule.estimators.mlp.regressor",
    "TabularClassifier": "deltarule.estimators.tabular.classifier",
    "TabularRegressor": "deltarule.estimators.tabular.regressor",
}
"""Import the estimators' modules, of which a `TablePredictor` needs none."""

Name = bool | int | float | str

ATTRIBUTES: dict[str, TypeAdapter[Any]] = {
    "_architecture": TypeAdapter(Architecture),
    "_labels": TypeAdapter(bool),
    "n_features_in_": TypeAdapter(int),
    "feature_names_in_": TypeAdapter(list[Name]),
    "classes_": TypeAdapter(list[Name]),
    "n_iter_": TypeAdapter(int),
    "t_": TypeAdapter(int),
    "loss_": TypeAdapter(float),
    "best_loss_": TypeAdapter(float | None),
    "best_validation_score_": TypeAdapter(float | None),
    "loss_curve_": TypeAdapter(list[float]),
    "validation_loss_curve_": TypeAdapter(list[float] | None),
    "validation_scores_": TypeAdapter(list[float] | None),
    "target_mean_": TypeAdapter(list[float] | None),
    "target_scale_": TypeAdapter(list[float] | None),
    "columns_": TypeAdapter(tuple[Column, ...]),
    "target_": TypeAdapter(str),
    "target_form_": TypeAdapter(NumberForm | None),
    "usual_": TypeAdapter(Name),
    "report_": TypeAdapter(TabularReport),
    "intervals_": TypeAdapter(Intervals),
    "known_rows_": TypeAdapter(tuple[int, ...]),
    "calibration_": TypeAdapter(tuple[float, list[float]]),
    "set_scores_": TypeAdapter(SetScores),
}
"""The attributes of a fitted estimator that a file holds, with their types in JSON."""


def save_model(model: Any, path: str | Path) -> None:
    """Write a fitted estimator as a safetensors file."""
    save_arrays(path, *_encode(model))


def save_weights(model: Any, path: str | Path) -> None:
    """Write the weights of a fitted estimator, calibrated for a TabularClassifier."""
    arrays, metadata = _encode(model)
    if hasattr(model, "calibration_"):  # as its `predict_proba`
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
    >>> from deltarule import load_model
    >>> load_model("missing.safetensors")
    Traceback (most recent call last):
        ...
    deltarule.errors.BadInput: missing.safetensors does not exist; check the name and the folder
    """
    return _read(path, _decode)


def load_predictor(path: str | Path) -> TablePredictor:
    """Read a tabular estimator for predictions alone, without importing scikit-learn."""
    return _read(path, _decode_predictor)


T = TypeVar("T")


def _read(path: str | Path, decode: Callable[[str, Mapping[str, Any], dict[str, np.ndarray]], T]) -> T:
    """Decode a file, and say what is wrong with it if that is impossible."""
    arrays, metadata = load_arrays(path)
    kind = str(metadata.get("kind"))
    if kind not in ESTIMATORS or metadata.get("format") != FORMAT:
        raise BadInput(f"{path} holds no model that this version can read; write it with an estimator's save")
    try:
        return decode(kind, metadata, arrays)
    except BadInput as error:
        raise BadInput(f"{path} cannot be read here: {error}") from error
    except MISMATCH_ERRORS as error:
        reason = one_line(error)
        raise BadInput(f"{path} is damaged: description and arrays do not fit ({reason}); write it again") from error


def _encode(model: Any) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    # By class, not by name alone: scikit-learn's MLPClassifier has the same name.
    if ESTIMATORS.get(type(model).__name__) != type(model).__module__ or not model.__sklearn_is_fitted__():
        raise BadInput(f"{model!r} cannot be saved; give a fitted estimator of deltarule, as from_sklearn makes them")
    network = getattr(model, "model_", model)
    versions = {name: version(name) for name in ("deltarule", "numpy", "scikit-learn")}
    return weights_of_members(network), {"format": FORMAT, "versions": versions} | _encode_attributes(model)


def _encode_attributes(model: Any) -> dict[str, Any]:
    """Fitted attributes as JSON values, or `BadInput` for classes of another type."""
    kind = getattr(model, "classes_", np.zeros(0)).dtype
    if kind.kind not in "biufUO":
        raise BadInput(f"the classes are {kind}, which a file cannot hold; fit to numbers or texts: y.astype(str)")
    values = {name: getattr(model, name) for name in ATTRIBUTES if hasattr(model, name)}
    if hasattr(model, "model_"):
        values["model_"] = _encode_attributes(model.model_)
    else:
        values["_architecture"] = model._fitted.architecture
    values |= {"kind": type(model).__name__.replace("TableNetwork", "MLP"), "parameters": _encode_parameters(model)}

    def as_list(value: Any) -> Any:
        return value.tolist() if hasattr(value, "tolist") else None  # functions are not kept

    attributes: dict[str, Any] = from_json(to_json(values, inf_nan_mode="strings", fallback=as_list))
    return attributes


def _decode(kind: str, metadata: Mapping[str, Any], arrays: dict[str, np.ndarray]) -> Any:
    """The model of a file, with its parameters, attributes and network."""
    model = getattr(import_module(ESTIMATORS[kind]), kind)(**_decode_parameters(metadata["parameters"]))
    for name, value in _decode_attributes(metadata).items():
        setattr(model, name, value)
    if hasattr(model, "feature_names_in_"):
        model.feature_names_in_ = np.array(model.feature_names_in_, object)
    if "model_" not in metadata:
        _complete_network(model, arrays)
        return model
    predictor = _decode_predictor(kind, metadata, arrays)
    model.model_ = _decode(kind.replace("Tabular", "MLP"), metadata["model_"], arrays)
    if predictor.classes is not None:
        model.classes_, model.calibration_ = predictor.classes, predictor.calibration
        model.usual_ = model.classes_[model.classes_.tolist().index(model.usual_)]
    return model


def _decode_attributes(metadata: Mapping[str, Any]) -> dict[str, Any]:
    """Fitted attributes from a file's JSON, checked against their types."""
    values = {name: each.validate_python(metadata[name]) for name, each in ATTRIBUTES.items() if name in metadata}
    if "classes_" in values:
        classes = np.array(values["classes_"])
        is_text = classes.dtype.kind == "U"
        values["classes_"] = to_text_classes(np.array(values["classes_"], object)) if is_text else classes
    for name in ("target_mean_", "target_scale_"):
        if values.get(name) is not None:
            values[name] = np.array(values[name])
    return values


def _decode_predictor(kind: str, metadata: Mapping[str, Any], arrays: dict[str, np.ndarray]) -> TablePredictor:
    """Check that columns, arrays and classes fit the stored network before they make a predictor."""
    if "model_" not in metadata:
        raise BadInput(f"it holds an {kind}, which takes no tables; make one with deltarule train")
    own, of_network = _decode_attributes(metadata), _decode_attributes(metadata["model_"])
    network = of_network["_architecture"].network
    columns = own["columns_"]
    classes = of_network.get("classes_")
    inputs = sum(len(column.inputs) for column in columns)
    has_parts = all(column.part in ("", *PARTS, TEXT_PART) for column in columns)
    if inputs != network.inputs or not has_parts or any(c.kind not in KINDS or not c.scale for c in columns):
        raise ValueError(f"the columns make {inputs} inputs for a network of {network.inputs}")
    _check_arrays(of_network["_architecture"], arrays)
    predictor = TablePredictor(columns, own["target_"], network, squeeze_members(arrays))
    if classes is None:
        mean, scale = of_network["target_mean_"], of_network["target_scale_"]
        return replace(predictor, mean=mean, scale=scale, intervals=own["intervals_"])
    scale, biases = own["calibration_"]
    if len(biases) != len(classes):
        raise ValueError(f"{len(biases)} biases for {len(classes)} classes")
    return replace(predictor, classes=classes, calibration=LogitCalibration(scale, np.array(biases)))


def _check_arrays(architecture: Architecture, arrays: dict[str, np.ndarray]) -> None:
    network = architecture.network
    members = len(arrays["W1"])
    shapes = {name: array.shape for name, array in arrays.items()}
    expected = {entry.name: (members, *entry.shape) for entry in (*network.entries, *network.buffers)}
    if not members or shapes != expected or any(array.dtype.kind != "f" for array in arrays.values()):
        raise ValueError(f"the arrays are {shapes}, and {network!r} needs {expected}")


def _complete_network(model: Any, arrays: dict[str, np.ndarray]) -> None:
    """Set the weights of a network and check that its attributes fit them."""
    architecture = vars(model).pop("_architecture")
    _check_arrays(architecture, arrays)
    set_network(model, FittedNetwork(architecture))
    set_weights(model, arrays)
    network = architecture.network
    if {model.n_features_in_, len(getattr(model, "feature_names_in_", range(network.inputs)))} != {network.inputs}:
        raise ValueError(f"{model.n_features_in_} features or their names do not fit {network.inputs} inputs")
    if hasattr(model, "classes_"):
        count = len(model.classes_)
        if not count or network.outputs != (count if model._labels or count > 2 else 1):
            raise ValueError(f"{count} classes for {network.outputs} outputs")
    elif model.target_scale_ is not None:
        dtype = model.coefs_[0].dtype
        model.target_mean_, model.target_scale_ = (
            each.astype(dtype).reshape(network.outputs) for each in (model.target_mean_, model.target_scale_)
        )


def _encode_parameters(model: Any) -> dict[str, Any]:
    """The parameters of an estimator, with class weights as pairs: JSON has text keys."""
    parameters: dict[str, Any] = model.get_params(deep=False)
    if "callbacks" in parameters:
        parameters["callbacks"] = None
    if parameters.get("types") is not None:
        parameters["types"] = {str(name): kind for name, kind in model.types.items()}
    if isinstance(parameters.get("class_weight"), Mapping):
        parameters["class_weight"] = list(model.class_weight.items())
    return parameters


def _decode_parameters(parameters: dict[str, Any]) -> dict[str, Any]:
    """The inverse of `_encode_parameters`; tuples become lists, except those of sizes."""
    decoded = dict(parameters)
    if isinstance(parameters.get("class_weight"), list):
        decoded["class_weight"] = dict(parameters["class_weight"])
    if isinstance(parameters.get("hidden_layer_sizes"), list):
        decoded["hidden_layer_sizes"] = tuple(parameters["hidden_layer_sizes"])
    if parameters.get("n_iter_no_change") == "Infinity":
        decoded["n_iter_no_change"] = np.inf
    return decoded
