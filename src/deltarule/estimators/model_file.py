"""Fitted estimators as files: safetensors with one text of JSON beside the weights. Reading one runs nothing of it.

θ [K, P], running [K, Q] (the running statistics of batch norm), scale_mean, scale [C] where targets are standardized
"""

import contextlib
import math
import re
from collections.abc import Mapping
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from deltarule.errors import BadInput
from deltarule.estimators.mlp.base import BaseMLP
from deltarule.estimators.mlp.classifier import MLPClassifier
from deltarule.estimators.mlp.fitted import with_members
from deltarule.estimators.mlp.problem_settings import POINTS, Architecture
from deltarule.estimators.mlp.regressor import MLPRegressor
from deltarule.estimators.serialization import plain, put_weights, unplain, weights_of
from deltarule.estimators.tabular.column_encoder import KINDS as COLUMN_KINDS
from deltarule.estimators.tabular.column_encoder import Column
from deltarule.estimators.tabular.scores import Scores
from deltarule.estimators.tabular.tabular import BaseTabular, TabularClassifier, TabularRegressor, TabularReport
from deltarule.files import load_arrays, save_arrays, to_jsonable
from deltarule.problem.network import Network

FORMAT = 1
CLASSES_DTYPE = re.compile(r"[<>|]?([biuf][1248]|U[1-9]\d{0,4}|O8?)")
"""How NumPy writes the types of class names: booleans, numbers, texts, objects."""
MOST_CLASSES = 2**28
"""Bytes of the names of classes: NumPy gives each text the room of the longest, which in a small file may be long."""
MOST_SPARE = 256
"""Characters of room that names may have beyond the longest; an answer to each row has as much."""
KINDS: dict[str, type[BaseMLP]] = {"MLPClassifier": MLPClassifier, "MLPRegressor": MLPRegressor}
TABULAR: dict[str, type[BaseTabular]] = {
    "TabularClassifier": TabularClassifier,
    "TabularRegressor": TabularRegressor,
}
CURVES = ("loss_curve_", "validation_loss_curve_", "validation_scores_")
COUNTS = ("n_features_in_", "n_iter_", "t_")
RECORD = ("best_loss_", "best_validation_score_", "loss_", *COUNTS, *CURVES)
"""What a file tells of the training: numbers, and curves of such."""
MAY_LACK = ("best_loss_", "best_validation_score_", "validation_loss_curve_", "validation_scores_")
"""Where a fit leaves None."""
UNFIT = (ArithmeticError, AttributeError, KeyError, IndexError, RecursionError, TypeError, ValueError)
"""What a description that does not fit its arrays leads to."""


def save_model(model: Any, path: str | Path) -> None:
    """Write a fitted estimator: what its `save` does.

    Parameters: `model`, an `MLPClassifier`, `MLPRegressor`, `TabularClassifier` or `TabularRegressor`; `path`.
    Errors: `BadInput` for another model, one that is not fitted, one with weights that are not finite, classes that a
    file cannot hold, such as dates, attributes set by hand that could not be read again, or a place that cannot be
    written.

    >>> import tempfile
    >>> model = MLPClassifier((3,), solver="lbfgs", random_state=0).fit([[0.0], [1.0], [2.0], [3.0]], [0, 0, 1, 1])
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save_model(model, Path(folder) / "model.safetensors")
    ...     load_model(Path(folder) / "model.safetensors")
    MLPClassifier(hidden_layer_sizes=(3,), random_state=0, solver='lbfgs')
    """
    arrays, about = _model_content(model)
    try:
        with contextlib.suppress(BadInput):  # a formula that is not registered here may be so where the file is read
            _model_of(arrays, to_jsonable(about))
    except UNFIT as error:
        raise BadInput(f"the model could not be read again ({error}); set that right, or fit it anew") from error
    save_arrays(path, arrays, about)


def _network_described(model: BaseMLP) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    arrays = weights_of(model)
    if getattr(model, "target_scale_", None) is not None:
        arrays |= {"target_mean": model.target_mean_, "target_scale": model.target_scale_}
    for name, array in arrays.items():
        if not np.isfinite(array).all():
            raise BadInput(
                f"the model's {name} holds numbers that are not finite, and only finite ones can be read again; fit it "
                "anew"
            )
    names = getattr(model, "feature_names_in_", None)
    about = {
        "parameters": {name: plain(value) for name, value in model.get_params(deep=False).items()},
        "architecture": asdict(model._architecture) | {"values": plain(model._architecture.values)},
        "feature_names": None if names is None else np.asarray(names, object).tolist(),
        "record": {name: plain(getattr(model, name)) for name in RECORD if hasattr(model, name)},
    }
    if isinstance(model, MLPClassifier):
        about |= {
            "classes": _classes_listed(model.classes_),
            "classes_dtype": model.classes_.dtype.str,
            "labels": model._labels,
        }
    return arrays, about


def _classes_listed(classes: np.ndarray) -> list[Any]:
    names = [one.item() if isinstance(one, np.generic) else one for one in classes.tolist()]
    strange = [one for one in names if not _is_name(one)]
    if strange or not CLASSES_DTYPE.fullmatch(classes.dtype.str):
        raise BadInput(
            f"the classes are of the type {classes.dtype}, such as {[*strange, *names][0]!r}, which a file cannot "
            "hold; fit to numbers that are finite, or to texts of less than 100,000 characters, as y.astype(str) makes "
            "them of dates"
        )
    return names


def _is_name(one: Any) -> bool:
    return isinstance(one, str | int) or (isinstance(one, float) and math.isfinite(one))


def _table_described(model: BaseTabular) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    arrays, network = _network_described(model.model_)
    types = model.types
    if isinstance(types, Mapping):
        types = {_name_kept(name): kind for name, kind in types.items()}
    return arrays, {
        "parameters": {name: plain(value) for name, value in (model.get_params(deep=False) | {"types": types}).items()},
        "columns": [asdict(column) for column in model.columns_],
        "named": hasattr(model, "feature_names_in_"),
        "target": model.target_,
        "usual": plain(model.usual_),
        "report": asdict(model.report_),
        "network": network,
    }


def _name_kept(name: Any) -> Any:
    """A column's name as a file can hold it: texts, whole numbers and tuples of such, of others the text that is
    compared."""
    parts = name if isinstance(name, tuple) else (name,)
    return name if all(type(part) in (str, int) for part in parts) else str(name)


def save_weights(model: Any, path: str | Path) -> None:
    """Write the weights of a fitted estimator as plain arrays, layer by layer, for other programs to read.

    Parameters: `model`, an estimator of deltarule; `path`. The arrays are W1, b1 and so on [K, D, H], and those of
    batch norm; the metadata are those that `save` writes.
    Errors: as of `save_model`.

    >>> import tempfile
    >>> model = MLPClassifier((3,), solver="lbfgs", random_state=0).fit([[0.0], [1.0], [2.0], [3.0]], [0, 0, 1, 1])
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save_weights(model, Path(folder) / "weights.safetensors")
    ...     {name: array.shape for name, array in load_arrays(Path(folder) / "weights.safetensors")[0].items()}
    {'W1': (1, 1, 3), 'W2': (1, 3, 1), 'b1': (1, 1, 3), 'b2': (1, 1, 1)}
    """
    arrays, about = _model_content(model)
    inner: BaseMLP = model.model_ if isinstance(model, BaseTabular) else model
    parameters, running = inner._arrays()
    kept = {name: array for name, array in arrays.items() if name.startswith("target_")}
    save_arrays(path, with_members({**parameters, **running}, inner._members) | kept, about | {"kind": "weights"})


def _model_content(model: Any) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """The arrays and the text of a model's file."""
    kind = type(model).__name__  # scikit-learn's are called the same
    if KINDS.get(kind) is type(model) and hasattr(model, "coefs_"):
        arrays, about = _network_described(model)
    elif TABULAR.get(kind) is type(model) and hasattr(model, "report_"):
        arrays, about = _table_described(model)
    else:
        raise BadInput(
            f"{model!r} cannot be saved; give a fitted estimator of deltarule, and of a model of scikit-learn what "
            "from_sklearn makes of it"
        )
    versions = {name: version(name) for name in ("deltarule", "numpy", "scikit-learn")}
    return arrays, {"format": FORMAT, "kind": kind} | about | {"versions": versions}


def load_model(path: str | Path) -> MLPClassifier | MLPRegressor | TabularClassifier | TabularRegressor:
    """Read an estimator that its `save` wrote.

    Parameters: `path`.
    Returns: the fitted estimator, with the same answers to the last bit. Callbacks and the optimizer's memory stay
    behind.
    Errors: `BadInput` when the file cannot be read, is damaged, is no such model, or has an activation of one's own
    that is not registered, or that is another formula now.

    >>> load_model("missing.safetensors")
    Traceback (most recent call last):
        ...
    deltarule.errors.BadInput: missing.safetensors does not exist; check the name and the folder
    """
    arrays, about = load_arrays(path)
    if str(about.get("kind")) not in {**KINDS, **TABULAR} or about.get("format") != FORMAT:
        raise BadInput(f"{path} holds no model that this version can read; write it with an estimator's save")
    try:
        return _model_of(arrays, about)
    except BadInput as error:
        raise BadInput(f"{path} cannot be read here: {error}") from error
    except UNFIT as error:
        raise BadInput(
            f"{path} is damaged: its description does not fit its arrays ({error}); write it again"
        ) from error


def _model_of(arrays: dict[str, np.ndarray], about: Mapping[str, Any]) -> Any:
    kind = about["kind"]
    return _rebuilt(KINDS[kind], arrays, about) if kind in KINDS else _rebuilt_table(TABULAR[kind], arrays, about)


def _rebuilt(kind: type[BaseMLP], arrays: dict[str, np.ndarray], about: Mapping[str, Any]) -> BaseMLP:
    given = {name: unplain(value) for name, value in about["parameters"].items()}
    if isinstance(given["hidden_layer_sizes"], list):
        given["hidden_layer_sizes"] = tuple(given["hidden_layer_sizes"])
    model = kind(**given)
    shape = about["architecture"]
    if not all(type(size) is int for size in shape["sizes"]):
        raise ValueError(f"the layers have {shape['sizes']} units")
    activations = tuple(shape["activations"])
    values = [unplain(each) for each in shape.get("values", [[]] * len(activations))]  # which earlier files lack
    if not all(len(each) in (0, len(POINTS)) and all(type(a) is float for a in each) for each in values):
        raise ValueError(f"the activations give {values!r}")
    architecture = Architecture(
        tuple(shape["sizes"]),
        activations,
        shape["output"],
        bool(shape["batch_norm"]),
        tuple(map(tuple, values)),
    )
    network = architecture.network()
    for name, array in arrays.items():
        if not np.isfinite(array).all():
            raise ValueError(f"{name} holds numbers that are not finite")
    put_weights(model, network, arrays)
    if any((array < 0).any() for name, array in model._running.items() if name.startswith("variance")):
        raise ValueError("a variance is negative")
    model._architecture, model.out_activation_ = architecture, architecture.output
    model.n_layers_, model.n_outputs_ = len(network.sizes), network.outputs
    for name, value in about["record"].items():
        if name not in RECORD:
            raise KeyError(name)
        setattr(model, name, _restore_record(name, value))
    if model.n_features_in_ != network.inputs:
        raise ValueError(f"{model.n_features_in_} features for {network.inputs} inputs")
    if (names := about["feature_names"]) is not None:
        if not isinstance(names, list) or len(names) != network.inputs or not all(map(_is_name, names)):
            raise ValueError(f"the {network.inputs} features are called {names!r}")
        model.feature_names_in_ = np.array(names, object)
    _put_targets(model, network, arrays, about)
    return model


def _restore_record(name: str, value: Any) -> Any:
    """What a file tells of the training; earlier ones have None for losses and scores that are not finite."""
    if value is None and name in MAY_LACK:
        return None
    told = [np.nan if one is None else unplain(one) for one in (value if name in CURVES else [value])]
    kinds = (int,) if name in COUNTS else (int, float)
    if not all(type(one) in kinds for one in told):
        raise ValueError(f"{name} is {value!r}")
    return told if name in CURVES else told[0]


def _rebuilt_table(kind: type[BaseTabular], arrays: dict[str, np.ndarray], about: Mapping[str, Any]) -> BaseTabular:
    inner = MLPClassifier if kind is TabularClassifier else MLPRegressor
    model = kind(**{name: unplain(value) for name, value in about["parameters"].items()})
    model.model_ = _rebuilt(inner, arrays, about["network"])
    model.columns_ = tuple(_column(**each) for each in about["columns"])
    names = [column.name for column in model.columns_]
    if len(set(names)) < len(names):
        raise ValueError(f"two columns have one name, of {names!r}")
    inputs = sum(len(column.inputs) for column in model.columns_)
    if inputs != model.model_.n_features_in_:
        raise ValueError(f"the columns make {inputs} inputs for a network of {model.model_.n_features_in_}")
    report = dict(about["report"])
    told, settings = dict(report.pop("scores")), dict(report.pop("settings"))
    told |= {name: np.nan for name in ("score", "low", "high", "baseline") if told[name] is None}
    if isinstance(settings.get("hidden_layer_sizes"), list):
        settings["hidden_layer_sizes"] = tuple(settings["hidden_layer_sizes"])
    model.report_ = TabularReport(
        scores=Scores(**told), settings=settings, notes=tuple(map(str, report.pop("notes"))), **report
    )
    model.target_ = str(about["target"])
    model._put_names(names, bool(about.get("named", True)))
    if isinstance(model.model_, MLPClassifier):
        model.classes_ = model.model_.classes_
        model.usual_ = model.classes_[model.classes_.tolist().index(about["usual"])]
    else:
        model.usual_ = float(about["usual"])
    return model


def _column(name: str, kind: str, why: str, categories: list[str], gaps: bool, **numbers: float) -> Column:
    texts_only = all(isinstance(text, str) for text in (name, why, *categories))
    are_different = texts_only and len(set(categories)) == len(categories)
    plain = {key: float(number) for key, number in numbers.items()}
    if (
        not are_different
        or kind not in COLUMN_KINDS
        or not np.isfinite(list(plain.values())).all()
        or not plain["scale"]
        or plain.get("reach", 0.0) < 0
        or plain.get("least", 0.0) > plain.get("greatest", 0.0)
    ):
        raise ValueError(f"the column {name!r} is none")
    return Column(name.strip(), kind, why, categories=tuple(categories), gaps=bool(gaps), **plain)


def _put_targets(model: BaseMLP, network: Network, arrays: dict[str, np.ndarray], about: Mapping[str, Any]) -> None:
    if isinstance(model, MLPClassifier):
        names, labels = about["classes"], about["labels"]
        outputs = len(names) if labels or len(names) > 2 else 1
        if network.outputs != outputs or not names:
            raise ValueError(f"{len(names)} classes for {network.outputs} outputs")
        model.classes_, model._labels = _classes(names, about["classes_dtype"]), labels
        if not isinstance(labels, bool) or model._loss()[1] != model.out_activation_:
            raise ValueError(f"labels are {labels!r} for outputs that are {model.out_activation_}")
        return
    assert isinstance(model, MLPRegressor)
    if model.out_activation_ not in ("identity", "exp"):  # the loss of the fit is not known: it may have been set since
        raise ValueError(f"the outputs of a regressor are {model.out_activation_}")
    model.target_mean_, model.target_scale_ = arrays.get("target_mean"), arrays.get("target_scale")
    if (model.target_mean_ is None) != (model.target_scale_ is None):
        raise ValueError("of the scale and the mean of targets one is missing")
    for values in (model.target_mean_, model.target_scale_):
        if values is not None and values.shape != (network.outputs,):
            raise ValueError(f"the scale of targets has the shape {values.shape} for {network.outputs} outputs")


def _classes(names: Any, dtype: str) -> np.ndarray:
    """Names of classes as the array that they were; far more room than texts need is left out."""
    if not CLASSES_DTYPE.fullmatch(dtype):
        raise ValueError(f"{len(names)} classes are {dtype!r}")
    if not isinstance(names, list) or not all(map(_is_name, names)) or len(set(names)) < len(names):
        raise ValueError("the classes are not different names")
    order, is_text, width = dtype.partition("U")
    if is_text:
        room = min(int(width), max(len(str(one)) for one in names) + MOST_SPARE)
        if len(names) * room * np.dtype("U1").itemsize > MOST_CLASSES:
            raise ValueError(f"{len(names)} classes with names of up to {room:,} characters are too many")
        dtype = f"{order}U{room}"
    classes = np.array(names, dtype)
    if repr(classes.tolist()) != repr(names):
        raise ValueError(f"the classes are not {dtype}")
    return classes
