"""Validate the target of a table: classes or numbers, without missing values.

N rows
"""

from numbers import Number
from typing import Any

import numpy as np
from sklearn.utils import column_or_1d

from deltarule.errors import BadInput
from deltarule.problem.problem import Floats
from deltarule.tables.category_matching import match_categories
from deltarule.tables.cell_diagnosis import describe_first_text
from deltarule.tables.cell_parsing import (
    as_text,
    float64_merges_integers,
    is_missing,
    lossless_array,
    reject_sequences,
    to_float64_by_repr,
)


def target_name(y: Any) -> str:
    """The name of a target that is a pandas Series or a frame with one column; "target" if it has none."""
    names: Any = getattr(y, "column_names", getattr(y, "columns", ()))  # PyArrow's `columns` are not names
    name = names[0] if len(names) == 1 else getattr(y, "name", None)
    return "target" if name is None else str(name).strip()


def check_length(rows: int, y: Any) -> None:
    """Raise `BadInput` for a target y that does not have one value for each of `rows` rows."""
    if lossless_array(y).ndim == 0:
        raise BadInput(f"the target is {y!r}; give a list, with one value for each row")
    if len(y) != rows:
        raise BadInput(f"the table has {rows} rows and the target {len(y)}; give one target for each row")


def is_in_classes(y: Any, classes: Any) -> Any:
    """A mask [N] of the values y that are among the classes [C]; without sorting, which is slow for objects.

    >>> is_in_classes(np.array(["a", "b", "a"], object), np.array(["a"]))
    array([ True, False,  True])
    """
    names = set(classes.tolist())
    return np.array([value in names for value in y.tolist()], bool)


def validate_target(y: Any) -> Any:
    """Convert a target to an array [N] of one type; raises `BadInput` for missing values and for other shapes."""
    array = lossless_array(y)
    if array.ndim == 2 and array.shape[1] == 1:
        array = column_or_1d(array, warn=True)
    if array.ndim != 1:
        raise BadInput(f"the target has the shape {array.shape}; give one value for each row")
    missing = np.array([is_missing(value) for value in array.tolist()], bool)
    if missing.any():
        raise BadInput(f"the target is missing in row {int(missing.argmax())} (counted from 0); leave such rows out")
    reject_sequences("the target", array)
    _check_dtype(array)
    types = set(map(type, array)) if array.dtype.kind == "O" else set()
    if types <= {str}:
        return array
    are_numbers = all(issubclass(one, Number) and one is not bool for one in types)
    if len(types) > 1 and not (are_numbers and isinstance(y, list | tuple)):
        return class_names(array)
    array = _to_common_type(array)
    _check_dtype(array)
    return array


def _to_common_type(values: Any) -> Any:
    """Convert values [N] to NumPy's common type; numbers without one, or that would be merged, become texts."""
    array = np.array(values.tolist())
    has_none = array.dtype.kind == "O" and any(isinstance(value, int | float) for value in values)
    are_merged = array.dtype.kind == "f" and float64_merges_integers(values, array, are_names=False)
    return class_names(values) if has_none or are_merged else array


def _check_dtype(y: Any) -> None:
    """Raise `BadInput` unless a target is booleans, numbers, texts or objects."""
    if y.dtype.kind not in "biufOU":
        raise BadInput(f"the target holds {y.dtype}; make numbers of them, or texts")


def class_names(classes: Any) -> Any:
    """Convert classes [N] to texts, as `as_text` writes them."""
    array = np.asarray(classes)
    return np.array(
        [as_text(one) for one in (to_float64_by_repr(array) if array.dtype.kind == "f" else array).tolist()], object
    )


def to_class_names(y: Any, classes: Any) -> tuple[Any, list[str]]:
    """Convert a target to class names [N] of a model; returns them, and the names that the model does not know.

    Names are matched by `match_categories`, so that truth values match 1 and 0.

    >>> to_class_names([1.0, 0.0], [False, True]), to_class_names(["a", "c"], ["a", "b"])
    ((array(['True', 'False'], dtype=object), []), (array(['a', 'c'], dtype=object), ['c']))
    >>> to_class_names(["TRUE", "FALSE"], [0, 1])
    (array(['1', '0'], dtype=object), [])
    """
    names = class_names(classes).tolist()
    texts = match_categories(class_names(validate_target(y)).tolist(), names)
    return np.array(texts, object), sorted({*texts} - {*names})


def as_numbers(y: Any) -> Floats:
    """Convert a target to finite numbers [N]; raises `BadInput` for texts and infinite numbers.

    >>> as_numbers(["1.5", "2"])
    array([1.5, 2. ])
    """
    array = validate_target(y)
    try:
        numbers = array.astype(np.float64)
    except (TypeError, ValueError):
        raise BadInput(
            f"the target holds texts: {describe_first_text(array)}; a regressor needs numbers, so correct it or use a "
            "classifier"
        ) from None
    except OverflowError:  # a whole number of more than 308 digits
        numbers = np.full(len(array), np.inf)
    if not np.isfinite(numbers).all():
        raise BadInput("the target is infinite in some rows; replace it, or leave them out")
    return numbers
