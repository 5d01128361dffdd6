"""Check and convert the input of estimators.

N, M rows · D features
"""

import contextlib
import re
from collections.abc import Callable, Mapping
from datetime import date, time, timedelta
from typing import Any

import numpy as np
from sklearn.utils import assert_all_finite

from deltarule.problem import validation
from deltarule.problem.problem import Floats

# How pandas, Polars and PyArrow begin the names of their column types.
DATETIME_TYPE = re.compile("(dictionary<values=|run_end_encoded<.*values: )?(date|time|duration)", re.IGNORECASE)
NUMBER_TYPE = re.compile(r"u?int\d|float|double|bool", re.IGNORECASE)

SCALED_FEATURE_RMS_RANGE = (0.01, 100.0)
"""The largest root mean square of a feature lies in this range for data that was scaled in any usual way."""


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
    """Raise `ValueError` for dates and durations."""
    if type(values) is np.ndarray and values.dtype.kind not in "mMO":
        return
    kinds: list[Any] = []
    with contextlib.suppress(Exception):  # scikit-learn reports values that have no rows
        types = _column_types(values)
        kinds = sorted(filter(DATETIME_TYPE.match, types))
        if not kinds and not (types and all(map(NUMBER_TYPE.match, types))):
            kinds = _datetime_types_among(values)
    if kinds:
        raise ValueError(
            f"{name} holds dates or durations ({kinds[0]}), and a network learns from numbers; give the days since a "
            "date, or the hours, as numbers."
        )


def _column_types(values: Any) -> set[str]:
    types = getattr(values, "dtypes", None)
    if types is None:
        types = getattr(getattr(values, "schema", None), "types", None)
    return {*map(str, set(types))} if np.iterable(types) and not isinstance(types, Mapping) else set()


def _datetime_types_among(values: Any) -> list[Any]:
    """The types of dates, times and durations among the values themselves."""
    first_row = np.asarray(values[:1])
    if first_row.dtype.kind in "mM":
        return [first_row.dtype]
    if first_row.dtype.kind != "O" and not isinstance(values, list | tuple):
        return []
    datetime_types = date, time, timedelta, np.datetime64, np.timedelta64
    objects = values.select_dtypes(exclude=["number", "bool"]) if hasattr(values, "select_dtypes") else values
    types = {*map(type, first_row.flat), *map(type, np.asarray(objects, object).flat)}
    names = {kind.__name__ for kind in types if issubclass(kind, datetime_types) or kind.__name__ == "Period"}
    return sorted(names - {"NaTType"}) or [*names]


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


def is_list_of_tables(X: Any) -> bool:
    """Whether X is a list or tuple that begins with a table."""
    return isinstance(X, list | tuple) and len(X) > 0 and len(getattr(X[0], "shape", ())) == 2


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
