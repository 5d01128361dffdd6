"""Interpret a target as classes or as numbers.

N rows
"""

from collections import Counter
from typing import Any, NamedTuple

import numpy as np

from deltarule.errors import BadInput
from deltarule.problem.problem import Floats
from deltarule.tables.cell_texts import as_text, examples_of_texts, list_names, match_categories
from deltarule.tables.column_types import reason, text_code
from deltarule.tables.diagnostics import Diagnostic
from deltarule.tables.number_forms import parse_numbers

MAX_CLASSES = 20
"""Whole numbers with more distinct values than this are a quantity, not classes, unless they count classes."""
MAX_COUNTED_CLASSES, MIN_CLASS_ROWS = 100, 5
"""The most classes that are numbered from 0 or 1 on, and the mean of their rows."""
MIN_CLASS_SHARE = 1 / 3
"""Share of the mean that the rarest class has at least. Quantities have rare extremes: of 600 ages some occur once."""

LIKE_NUMBERS = ("nearly-numbers", "commas", "mixed-forms")
"""Codes of texts that may be meant as numbers."""


class Target(NamedTuple):
    """A target, interpreted as classes or as numbers.

    `values` [N] are the classes as they are, or float64. `code` says why: texts, one of LIKE_NUMBERS,
    truth-values, whole-numbers or fractions are classes; numbers are not.
    """

    is_classes: bool
    values: Any
    code: str

    @property
    def labels(self) -> Any:
        """The values [N] as an estimator takes them: texts, truth values or whole numbers."""
        if self.code == "fractions":  # an estimator would take them for quantities
            return class_names(self.values)
        return self.values.astype(int) if self.code == "whole-numbers" else self.values


def infer_target(y: Any, task: str = "auto", name: str = "the target") -> Target:
    """Interpret a target y [N] without missing values as classes or numbers.

    Texts and truth values are classes. So are whole numbers with two distinct values, with at most 20 that occur twice
    each on average, or with at most 100 that number classes. `name` is what messages call the target.
    """
    values = validate_target(y, name)
    if task == "regress":
        return Target(False, _as_numbers(values, name), "numbers")
    if values.dtype.kind == "b":
        return Target(True, values, "truth-values")
    if values.dtype.kind in "OU":
        return _infer_text_target(values, task, name)
    numbers = _finite(values, name)
    are_whole = bool((values == np.floor(values)).all())
    if task == "classify":
        return Target(True, values, "whole-numbers" if are_whole else "fractions")
    if are_whole and _may_be_classes(values):
        return Target(True, values, "whole-numbers")
    return Target(False, numbers, "numbers")


def _may_be_classes(values: Any) -> bool:
    counts = Counter(values.tolist())
    distinct = len(counts)
    return distinct <= 2 or distinct <= min(MAX_CLASSES, len(values) // 2) or _are_counted_classes(counts)


def _are_counted_classes(counts: Counter[Any]) -> bool:
    """Whether values are numbers from 0 or 1 on, none of them rare, as classes are numbered."""
    mean = counts.total() / len(counts)
    if len(counts) > MAX_COUNTED_CLASSES or mean < MIN_CLASS_ROWS or min(counts.values()) < MIN_CLASS_SHARE * mean:
        return False
    return any({*counts} == {*range(first, first + len(counts))} for first in (0, 1))


def _infer_text_target(values: Any, task: str, name: str) -> Target:
    """Take texts as classes, but refuse texts like numbers with too many values unless the task is declared."""
    texts = values.tolist()
    code = text_code(texts)
    if code not in LIKE_NUMBERS:
        return Target(True, values, "texts")
    if task == "auto" and not _may_be_classes(values):
        raise BadInput(f"{name} holds {reason(code, texts)}; or say task classify if they are names of classes")
    return Target(True, values, code)


def describe_target(target: Target, name: str) -> list[Diagnostic]:
    """Describe how to correct the inferred task of a target."""
    if target.code in LIKE_NUMBERS:
        return [Diagnostic("target-like-numbers", name, {"why": reason(target.code, target.values.tolist())})]
    if target.code == "texts":
        classes = sorted({*target.values.tolist()})
        class_counts = Counter(map(str.casefold, classes))
        alike = [text for text in classes if class_counts[text.casefold()] > 1]
        return [Diagnostic("target-case", name, {"examples": list_names(alike)})] if alike else []
    if target.code == "whole-numbers":
        counts = np.unique(target.values, return_counts=True)[1]
        if (count := int((counts > 1).sum())) > 2:  # goals or children are counts
            return [Diagnostic("target-counts", name, {"count": count})]
    if target.code == "numbers" and (target.values == np.floor(target.values)).all():
        distinct = len(np.unique(target.values))
        if distinct <= min(MAX_COUNTED_CLASSES, len(target.values) // MIN_CLASS_ROWS):
            return [Diagnostic("target-may-be-classes", name, {"count": distinct})]
    return []


def validate_target(y: Any, name: str = "the target") -> Any:
    """Convert a target to an array [N] of truth values, numbers or texts."""
    import pandas as pd
    from sklearn.utils import column_or_1d

    array = np.asarray(y, object) if isinstance(y, list | tuple) else np.asarray(y)
    if array.ndim == 2 and array.shape[1] == 1:
        array = column_or_1d(array, warn=True)
    if array.ndim != 1:
        raise BadInput(f"{name} has the shape {array.shape}; give one value for each row")
    missing = pd.isna(array)
    if missing.any():
        raise BadInput(f"{name} is missing in row {int(missing.argmax())} (counted from 0); leave such rows out")
    if array.dtype.kind == "O":
        kind = pd.api.types.infer_dtype(array)
        if kind in ("integer", "floating", "mixed-integer-float", "decimal", "boolean"):
            array = np.array(array.tolist(), np.float64 if kind == "decimal" else None)
        if kind == "string" or array.dtype.kind == "O":
            array = np.array([as_text(value) for value in np.asarray(y, object).ravel()], object)
    if array.dtype.kind not in "biufOU":
        raise BadInput(f"{name} holds {array.dtype}; make numbers of them, or texts")
    return array


def _as_numbers(values: Any, name: str) -> Floats:
    """Convert a validated target to finite numbers [N]; raises `BadInput` for texts."""
    if values.dtype.kind in "OU":
        parsed = parse_numbers(values.tolist())
        if parsed is None:
            texts = values.tolist()
            code = text_code(texts)
            if code in LIKE_NUMBERS:
                raise BadInput(f"{name} holds {reason(code, texts)}")
            raise BadInput(f"{name} holds texts such as {examples_of_texts(texts)}, where numbers are needed")
        values = parsed.numbers
    return _finite(values, name)


def _finite(values: Any, name: str) -> Floats:
    numbers: Floats = values.astype(np.float64)
    if not np.isfinite(numbers).all():
        raise BadInput(f"{name} is infinite in some rows; replace it, or leave them out")
    return numbers


def target_name(y: Any) -> str:
    names: Any = getattr(y, "column_names", getattr(y, "columns", ()))  # PyArrow's `columns` are not names
    name = names[0] if len(names) == 1 else getattr(y, "name", None)
    return "target" if name is None else str(name).strip()


def to_text_classes(classes: Any) -> Any:
    """Convert classes that are Python texts to a NumPy text array."""
    are_texts = classes.dtype.kind == "O" and all(isinstance(name, str) for name in classes)
    return np.array(classes.tolist(), str) if are_texts else classes


def class_names(classes: Any) -> Any:
    """Convert classes [N] to texts, as `as_text` writes them."""
    return np.array([as_text(one) for one in np.asarray(classes).tolist()], object)


def to_class_names(y: Any, classes: Any) -> tuple[Any, list[str]]:
    """Convert a target to class names [N], and list those unknown to the model."""
    names = class_names(classes).tolist()
    texts = match_categories(class_names(validate_target(y)).tolist(), names)
    return np.array(texts, object), sorted({*texts} - {*names})
