"""Check and convert the input of fits and predictions.

N, M rows · D features
"""

import re
from collections.abc import Callable
from typing import Any

import numpy as np
from scipy import sparse
from sklearn.utils import assert_all_finite, column_or_1d
from sklearn.utils.validation import validate_data

from deltarule.estimators.mlp import problem_settings
from deltarule.estimators.sklearn_compat import validate_parameter_constraints
from deltarule.problem import validation
from deltarule.problem.problem import Floats

DATETIME_TYPE = re.compile("date|time|duration", re.IGNORECASE)
"""How pandas, Polars and PyArrow begin the names of such column types."""

SCALED_FEATURE_RMS_RANGE = (0.01, 100.0)
"""The largest root mean square of a feature lies in this range for data that was scaled in any usual way."""


DTYPES = (np.float64, np.float32)


def check_parameters(model: Any, eval_set: Any, incremental: bool) -> None:
    """Raise `ValueError` for invalid parameters of `fit` or `partial_fit`."""
    constraints = problem_settings.constraints() | model._kind_constraints
    validate_parameter_constraints(constraints, model._parameters, caller_name=type(model).__name__)
    callbacks = model._callback_list
    for callback in callbacks:
        if not callable(callback):
            raise ValueError(f"callbacks must be functions, called as callback(epoch, model); got {callback!r}.")
    if incremental and model.early_stopping:
        raise ValueError("partial_fit does not support early_stopping=True")
    if model._solver == "lbfgs":
        if model.batch_norm or np.any(np.asarray(model.dropout, float)):
            raise ValueError("solver='lbfgs' needs a deterministic loss; leave dropout and batch_norm out.")
        if eval_set is not None or callbacks:
            raise ValueError("solver='lbfgs' has no epochs; leave eval_set and callbacks out.")


def check_rows(model: Any, X: Any, y: Any, reset: bool) -> tuple[Floats, Any]:
    """Validate X and y as scikit-learn does."""
    reject_datetimes(X, "X")
    options = {"accept_sparse": ["csr", "csc"], "multi_output": True, "dtype": DTYPES}
    with np.errstate(all="ignore"):  # scikit-learn sums all numbers to find one that is not finite
        X, y = validate_data(model, X, y, reset=reset, **options)
    if getattr(y, "ndim", 1) == 2 and y.shape[1] == 1:
        y = column_or_1d(y, warn=True)
    return (to_dense(X) if sparse.issparse(X) else X), y


def cast_finite(array: Any, dtype: Any, name: str) -> Floats:
    """Convert an array to a dtype in which all its numbers are finite."""
    with np.errstate(all="ignore"):  # scikit-learn sums the numbers, and reports what is wrong itself
        numbers = np.asarray(array, dtype)
        assert_all_finite(numbers, input_name=name)
    return numbers


def to_dense(X: Any) -> Floats:
    """Convert a sparse matrix to an array."""
    needed = X.shape[0] * X.shape[1] * X.dtype.itemsize
    if needed > validation.memory_bytes():
        rows, columns = X.shape
        raise MemoryError(
            f"X is sparse with {rows:,} rows of {columns:,} numbers, which take {needed / 2**30:,.0f} GiB when they "
            "are made dense to fit; keep fewer columns, as by SelectKBest or TruncatedSVD before the estimator, or "
            "give fewer rows at a time to partial_fit."
        )
    return np.asarray(X.toarray())


def reject_datetimes(values: Any, name: str) -> None:
    """Raise `ValueError` for columns of dates or durations.

    NumPy converts some of them to numbers of nanoseconds.
    """
    types: list[Any]
    if isinstance(values, list | tuple):
        types = [np.asarray(values[:1]).dtype]
    elif isinstance(values, np.ndarray) or not hasattr(values, "columns"):
        types = [getattr(values, "dtype", None)]
    else:
        types = getattr(getattr(values, "schema", None), "types", None) or list(values.dtypes)
    moments = [kind for kind in map(str, types) if DATETIME_TYPE.match(kind)]
    if moments:
        raise ValueError(
            f"{name} holds dates or durations ({moments[0]}), and a network learns from numbers; give the days since a "
            "date, or the hours, as numbers."
        )


def validation_pair(eval_set: Any, X_val: Any, y_val: Any) -> Any:
    """The pair (X, y) of validation rows, or None."""
    if X_val is None and y_val is None:
        return eval_set
    if eval_set is not None:
        raise ValueError("eval_set is given together with X_val or y_val; give eval_set, or X_val and y_val.")
    if X_val is None or y_val is None:
        present, missing = ("X_val", "y_val") if y_val is None else ("y_val", "X_val")
        raise ValueError(f"{present} is given without {missing}; give both of them, or neither.")
    return X_val, y_val


def describe_unscaled_feature(x: Floats, feature_name: Callable[[int], Any]) -> str:
    """Describe the largest feature if the data was apparently not scaled.

    >>> describe_unscaled_feature(np.array([[1.0, 2000.0], [-1.0, 2000.0]]), ["age", "income"].__getitem__)
    'the values of feature income are around 2e+03'
    """
    sizes = _root_mean_squares(x)
    largest = int(sizes.argmax())
    if not sizes[largest] or SCALED_FEATURE_RMS_RANGE[0] <= sizes[largest] <= SCALED_FEATURE_RMS_RANGE[1]:
        return ""
    return f"the values of feature {feature_name(largest)} are around {sizes[largest]:.3g}"


def describe_scale_mismatch(x: Floats, training_x: Floats, feature_name: Callable[[int], Any]) -> str:
    """Describe the validation feature whose scale differs most from training.

    Medians are compared with root mean squares: a rare category may occur in few rows, or none.

    >>> describe_scale_mismatch(np.full((10, 1), 50.0), np.ones((90, 1)), ["age"].__getitem__)
    'the values of feature age are around 50, but around 1 in training'
    """
    sizes, training_sizes = _root_mean_squares(x), _root_mean_squares(training_x)
    both = (sizes > 0) & (training_sizes > 0)
    # Fewer validation rows may differ from the training rows by chance.
    if len(x) < 10 or not both.any():
        return ""
    with np.errstate(over="ignore"):
        ratios = np.maximum(_medians(x)[both] / training_sizes[both], _medians(training_x)[both] / sizes[both])
    # Validation features whose typical size differs by more than this factor were scaled differently.
    if ratios.max() <= 10.0:
        return ""
    worst = int(np.flatnonzero(both)[ratios.argmax()])
    feature = f"the values of feature {feature_name(worst)} are around {sizes[worst]:.3g}"
    return f"{feature}, but around {training_sizes[worst]:.3g} in training"


def _root_mean_squares(x: Floats) -> Floats:
    with np.errstate(over="ignore"):  # infinity counts as large
        return np.asarray(np.sqrt(np.mean(np.square(_sample_rows(x), dtype=np.float64), axis=0)))


def _medians(x: Floats) -> Floats:
    return np.asarray(np.median(np.abs(_sample_rows(x)), axis=0), np.float64)


def _sample_rows(x: Floats) -> Floats:
    return x[:: max(1, len(x) // 1000)]
