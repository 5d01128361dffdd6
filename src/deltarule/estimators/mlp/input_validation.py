"""What people give an estimator beside plain arrays: dates, sparse rows, validation rows in two ways.

N rows · D features
"""

import contextlib
import re
from collections.abc import Mapping
from datetime import date, time, timedelta
from typing import Any

import numpy as np
from sklearn.utils import assert_all_finite

from deltarule.problem import validation
from deltarule.problem.problem import Floats

MOMENT = re.compile("(dictionary<values=|run_end_encoded<.*values: )?(date|time|duration)", re.IGNORECASE)
NUMBER = re.compile(r"u?int\d|float|double|bool", re.IGNORECASE)
"""How the libraries of frames begin the names of such types."""


def in_precision(array: Any, dtype: Any, name: str) -> Floats:
    """Finite numbers in a network's precision.

    Errors: `ValueError` with scikit-learn's wording where it does not hold one of them.
    """
    with np.errstate(all="ignore"):  # scikit-learn sums them, and says what it finds
        numbers = np.asarray(array, dtype)
        assert_all_finite(numbers, input_name=name)
    return numbers


def made_dense(X: Any) -> Floats:
    """Sparse rows as an array.

    Errors: `MemoryError` where they take more than this machine has.
    """
    needed = X.shape[0] * X.shape[1] * X.dtype.itemsize
    if needed > validation.memory():
        rows, columns = X.shape
        raise MemoryError(
            f"X is sparse with {rows:,} rows of {columns:,} numbers, which take {needed / 2**30:,.0f} GiB when they "
            "are made dense to fit; keep fewer columns, as by SelectKBest or TruncatedSVD before the estimator, or "
            "give fewer rows at a time to partial_fit."
        )
    return np.asarray(X.toarray())


def refuse_dates(given: Any, name: str) -> None:
    """Refuse dates, times and durations: of some scikit-learn's checks would make the numbers that stand in memory.

    Errors: `ValueError`.
    """
    if type(given) is np.ndarray and given.dtype.kind not in "mMO":
        return
    kinds: list[Any] = []
    with contextlib.suppress(Exception):  # of what has no rows scikit-learn speaks
        types = _types_of_columns(given)
        kinds = sorted(filter(MOMENT.match, types))
        if not kinds and not (types and all(map(NUMBER.match, types))):
            kinds = _moments_among(given)
    if kinds:
        raise ValueError(
            f"{name} holds dates or durations ({kinds[0]}), and a network learns from numbers; give the days since a "
            "date, or the hours, as numbers."
        )


def _types_of_columns(given: Any) -> set[str]:
    """What pandas, polars or pyarrow calls the types of a frame's columns; of anything else nothing."""
    types = getattr(given, "dtypes", None)
    if types is None:
        types = getattr(getattr(given, "schema", None), "types", None)
    return {*map(str, set(types))} if np.iterable(types) and not isinstance(types, Mapping) else set()


def _moments_among(given: Any) -> list[Any]:
    """The types of dates, times and durations that are found by looking at values."""
    first = np.asarray(given[:1])
    if first.dtype.kind in "mM":
        return [first.dtype]
    if first.dtype.kind != "O" and not isinstance(given, list | tuple):
        return []
    moments = date, time, timedelta, np.datetime64, np.timedelta64
    mixed = given.select_dtypes(exclude=["number", "bool"]) if hasattr(given, "select_dtypes") else given
    held = {*map(type, first.flat), *map(type, np.asarray(mixed, object).flat)}
    found = {kind.__name__ for kind in held if issubclass(kind, moments) or kind.__name__ == "Period"}
    return sorted(found - {"NaTType"}) or [*found]


def validation_pair(eval_set: Any, X_val: Any, y_val: Any) -> Any:
    """Validation rows as one pair (X, y), or None, whichever way they are given.

    Errors: `ValueError` where they are given in both ways, or by half.
    """
    if X_val is None and y_val is None:
        return eval_set
    if eval_set is not None:
        raise ValueError("eval_set is given, and X_val or y_val, too, which say the same; leave one or the other out.")
    if X_val is None or y_val is None:
        given, missing = ("X_val", "y_val") if y_val is None else ("y_val", "X_val")
        raise ValueError(f"{given} is given without {missing}; give both of them, or neither.")
    return X_val, y_val


def holds_tables(X: Any) -> bool:
    """Whether what should be rows is a pair (X, y), of which others take several."""
    return isinstance(X, list | tuple) and len(X) > 0 and len(getattr(X[0], "shape", ())) == 2
