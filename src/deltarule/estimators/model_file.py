"""Save fitted estimators as safetensors files, and load them."""

import contextlib
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from deltarule.array_files import load_arrays, save_arrays
from deltarule.errors import BadInput
from deltarule.json_files import to_jsonable

FORMAT = 1
MISMATCH_ERRORS = (ArithmeticError, AttributeError, KeyError, IndexError, RecursionError, TypeError, ValueError)
"""The errors that decoding raises for metadata that do not fit the arrays."""


def _codec() -> Any:
    # Imported on use: it imports the estimators, which import this module.
    return import_module("deltarule.estimators.codec")


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
        For another model, one that is not fitted or has weights that are not finite, classes that a file cannot hold,
        such as dates, attributes set by hand that could not be read again, or a path that cannot be written.

    Examples
    --------
    >>> import tempfile
    >>> from deltarule import MLPClassifier
    >>> model = MLPClassifier((3,), solver="lbfgs", random_state=0).fit([[0.0], [1.0], [2.0], [3.0]], [0, 0, 1, 1])
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save_model(model, Path(folder) / "model.safetensors")
    ...     load_model(Path(folder) / "model.safetensors")
    MLPClassifier(hidden_layer_sizes=(3,), random_state=0, solver='lbfgs')
    """
    arrays, metadata = _encode(model)
    try:
        with contextlib.suppress(BadInput):  # a custom formula may be registered where the file is loaded
            _codec().decode(type(model).__name__, arrays, to_jsonable(metadata))
    except MISMATCH_ERRORS as error:
        raise BadInput(
            f"the model could not be read again ({_describe(error)}); correct that, or fit it anew"
        ) from error
    save_arrays(path, arrays, metadata)


def save_weights(model: Any, path: str | Path) -> None:
    """Write the weights of a fitted estimator as plain arrays.

    The arrays are W1, b1 and so on [K, D, H], and those of batch norm; the metadata are those of `save_model`.

    Parameters
    ----------
    model : estimator
        A fitted estimator of deltarule.
    path : str or Path
        The file.

    Raises
    ------
    BadInput
        As `save_model`.

    Examples
    --------
    >>> import tempfile
    >>> from deltarule import MLPClassifier
    >>> model = MLPClassifier((3,), solver="lbfgs", random_state=0).fit([[0.0], [1.0], [2.0], [3.0]], [0, 0, 1, 1])
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save_weights(model, Path(folder) / "weights.safetensors")
    ...     {name: array.shape for name, array in load_arrays(Path(folder) / "weights.safetensors")[0].items()}
    {'W1': (1, 1, 3), 'W2': (1, 3, 1), 'b1': (1, 1, 3), 'b2': (1, 1, 1)}
    """
    arrays, metadata = _encode(model)
    target_scale = {name: array for name, array in arrays.items() if name.startswith("target_")}
    save_arrays(path, _codec().network_weights(model) | target_scale, metadata | {"kind": "weights"})


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
        If the file cannot be read, is damaged, holds no model, or uses a custom activation that is not registered, or
        is registered with another formula.

    Examples
    --------
    >>> load_model("missing.safetensors")
    Traceback (most recent call last):
        ...
    deltarule.errors.BadInput: missing.safetensors does not exist; check the name and the folder
    """
    arrays, metadata = load_arrays(path)
    kind = str(metadata.get("kind"))
    if kind not in _codec().ESTIMATORS or metadata.get("format") != FORMAT:
        raise BadInput(f"{path} holds no model that this version can read; write it with an estimator's save")
    try:
        return _codec().decode(kind, arrays, metadata)
    except BadInput as error:
        raise BadInput(f"{path} cannot be read here: {error}") from error
    except MISMATCH_ERRORS as error:
        raise BadInput(
            f"{path} is damaged: its description does not fit its arrays ({_describe(error)}); write it again"
        ) from error


def _describe(error: Exception) -> str:
    if not isinstance(error, ValidationError):
        return str(error)
    first = error.errors()[0]
    return f"{error.title} {'.'.join(map(str, first['loc']))}: {first['msg']}"


def _encode(model: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """The arrays and metadata of a fitted model."""
    # By class, not by name alone: scikit-learn's MLPClassifier has the same name.
    if type(model) not in _codec().ESTIMATORS.values() or not model.__sklearn_is_fitted__():
        raise BadInput(
            f"{model!r} cannot be saved; give a fitted estimator of deltarule, or convert a model of scikit-learn with "
            "from_sklearn"
        )
    arrays, content = _codec().encode(model)
    versions = {name: version(name) for name in ("deltarule", "numpy", "scikit-learn")}
    return arrays, {"format": FORMAT, "kind": type(model).__name__} | content | {"versions": versions}
