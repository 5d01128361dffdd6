"""Validate the table that is passed to a tabular estimator."""

from collections.abc import Callable, Collection, Mapping
from typing import Any

import numpy as np
from scipy import sparse

from deltarule.errors import BadInput
from deltarule.estimators.tabular.scores import list_first_classes
from deltarule.tables.frame import Frame, frame_of

MIN_ROWS = 10
"""A fifth of the rows is set aside for the scores; of fewer than 10 that is at most one whole row."""


def frame_of_input(X: Any, categories: Collection[str], is_used: Callable[[str], bool] | None) -> Frame:
    """The columns of a table by name.

    Parameters
    ----------
    X : data frame, mapping of columns, or array-like
    categories : names of columns whose values are categories
    is_used : whether a column is used, by its name
    """
    if sparse.issparse(X):
        raise BadInput("the table is sparse, and sparse data are not supported; give X.toarray()")
    if isinstance(X, np.ndarray) and X.ndim == 1 and not X.dtype.names:
        raise BadInput("the table is a single row or column. Reshape your data to rows and columns")
    return frame_of(X, categories, is_used)


def check_row_count(rows: int, qualifier: str = "") -> None:
    """Raise `BadInput` for fewer than 10 rows."""
    if rows < MIN_ROWS:
        text = "is 1 sample" if rows == 1 else f"are {rows} rows"
        raise BadInput(
            f"there {text}{qualifier and ' '}{qualifier}, too few to set some aside; give at least {MIN_ROWS}"
        )


def describe_single_row_classes(classes: Any) -> list[str]:
    """A sentence, in a list, about classes that occur in one row."""
    listed = list_first_classes(classes)
    if len(classes) < 2:
        return [f"the class {listed} occurs in one row and is left out: what is learned of it cannot be tested"] * len(
            classes
        )
    return [
        f"the classes {listed}, {len(classes):,} in all, occur in one row each and are left out: what is learned of "
        "them cannot be tested"
    ]


def declared_types(types: Any) -> dict[str, str]:
    """The column types that the user declared, by name."""
    if types is not None and not isinstance(types, Mapping):
        raise BadInput(f"types is {types!r}; give the kinds by the columns' names, as {{'size': 'number'}}")
    return {str(name).strip(): kind for name, kind in (types or {}).items()}


def has_names(X: Any) -> bool:
    """Whether the columns of a table have names: those of arrays and lists have none."""
    return isinstance(X, Mapping) or hasattr(X, "columns")
