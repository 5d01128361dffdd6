"""The target of a table: classes or numbers, of which none is missing.

N rows
"""

from numbers import Number
from typing import Any

import numpy as np
from sklearn.utils import column_or_1d

from deltarule.errors import BadInput
from deltarule.problem.problem import Floats
from deltarule.tables.category_matching import as_named
from deltarule.tables.cell_diagnosis import first_text
from deltarule.tables.cell_parsing import array_of, as_text, check_single, is_missing, to_float64_by_repr, too_long


def name_of(y: Any) -> str:
    """What a target is called."""
    names: Any = getattr(y, "column_names", getattr(y, "columns", ()))  # PyArrow's `columns` are no names
    name = names[0] if len(names) == 1 else getattr(y, "name", None)
    return "target" if name is None else str(name).strip()


def check_length(rows: int, y: Any) -> None:
    """Refuse a target that has not one value for each row: `BadInput`."""
    if array_of(y).ndim == 0:
        raise BadInput(f"the target is {y!r}; give a list, with one value for each row")
    if len(y) != rows:
        raise BadInput(f"the table has {rows} rows and the target {len(y)}; give one target for each row")


def are_among(y: Any, classes: Any) -> Any:
    """Which values [N] are one of the classes [C]: without a sort, which takes long where texts are objects.

    >>> are_among(np.array(["a", "b", "a"], object), np.array(["a"]))
    array([ True, False,  True])
    """
    names = set(classes.tolist())
    return np.array([one in names for one in y.tolist()], bool)


def validate_target(y: Any) -> Any:
    """A target without gaps [N]; texts as Python's own."""
    array = array_of(y)
    if array.ndim == 2 and array.shape[1] == 1:
        array = column_or_1d(array, warn=True)
    if array.ndim != 1:
        raise BadInput(f"the target has the shape {array.shape}; give one value for each row")
    gaps = np.array([is_missing(value) for value in array.tolist()], bool)
    if gaps.any():
        raise BadInput(f"the target is missing in row {int(gaps.argmax())} (counted from 0); leave such rows out")
    check_single("the target", array)
    _check_kind(array)
    kinds = set(map(type, array)) if array.dtype.kind == "O" else set()
    if kinds <= {str}:
        return array
    are_numbers = all(issubclass(kind, Number) and kind is not bool for kind in kinds)
    if len(kinds) > 1 and not (are_numbers and isinstance(y, list | tuple)):
        return class_names(array)
    array = _common_type(array)
    _check_kind(array)
    return array


def _common_type(values: Any) -> Any:
    """Values [N] in the one type that NumPy has for them; numbers that have none, or would become one, as texts."""
    array = np.array(values.tolist())
    has_none = array.dtype.kind == "O" and any(isinstance(value, int | float) for value in values)
    become_one = array.dtype.kind == "f" and too_long(values, array, are_names=False)
    return class_names(values) if has_none or become_one else array


def _check_kind(y: Any) -> None:
    if y.dtype.kind not in "biufOU":
        raise BadInput(f"the target holds {y.dtype}; make numbers of them, or texts")


def class_names(classes: Any) -> Any:
    """Classes as texts [N]."""
    array = np.asarray(classes)
    return np.array(
        [as_text(one) for one in (to_float64_by_repr(array) if array.dtype.kind == "f" else array).tolist()], object
    )


def as_classes(y: Any, classes: Any) -> tuple[Any, list[str]]:
    """A target as the names of classes [N] that a model has learned, and the names that are none of these.

    Names are taken as by `as_named`: where either side has truth values and the other 1 and 0, these are the same.

    >>> as_classes([1.0, 0.0], [False, True]), as_classes(["a", "c"], ["a", "b"])
    ((array(['True', 'False'], dtype=object), []), (array(['a', 'c'], dtype=object), ['c']))
    >>> as_classes(["TRUE", "FALSE"], [0, 1])
    (array(['1', '0'], dtype=object), [])
    """
    names = class_names(classes).tolist()
    texts = as_named(class_names(validate_target(y)).tolist(), names)
    return np.array(texts, object), sorted({*texts} - {*names})


def as_numbers(y: Any) -> Floats:
    """A target as finite numbers [N].

    >>> as_numbers(["1.5", "2"])
    array([1.5, 2. ])
    """
    array = validate_target(y)
    try:
        numbers = array.astype(np.float64)
    except (TypeError, ValueError):
        raise BadInput(
            f"the target holds texts: {first_text(array)}; a regressor needs numbers, so correct it or use a classifier"
        ) from None
    except OverflowError:  # a whole number of more than 308 digits
        numbers = np.full(len(array), np.inf)
    if not np.isfinite(numbers).all():
        raise BadInput("the target is infinite in some rows; replace it, or leave them out")
    return numbers
