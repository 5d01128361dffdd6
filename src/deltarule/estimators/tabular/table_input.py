"""The table that an estimator is given: its columns by name, how many rows it needs, what is refused."""

from collections.abc import Callable, Collection, Mapping
from typing import Any

import numpy as np
from scipy import sparse

from deltarule.errors import BadInput
from deltarule.estimators.tabular.scores import first_named
from deltarule.tables.frame import Frame, frame_of

MIN_ROWS = 10


def frame_of_input(X: Any, names: Collection[str], is_used: Callable[[str], bool] | None) -> Frame:
    """The columns of a table by name; refuse what is sparse, or a single row or column."""
    if sparse.issparse(X):
        raise BadInput("the table is sparse, and sparse data are not supported; give X.toarray()")
    if isinstance(X, np.ndarray) and X.ndim == 1 and not X.dtype.names:
        raise BadInput("the table is a single row or column. Reshape your data to rows and columns")
    return frame_of(X, names, is_used)


def check_row_count(rows: int, which: str = "") -> None:
    """Refuse so few rows that none can be set aside."""
    if rows < MIN_ROWS:
        text = "is 1 sample" if rows == 1 else f"are {rows} rows"
        raise BadInput(f"there {text}{which and ' '}{which}, too few to set some aside; give at least {MIN_ROWS}")


def describe_single_row_classes(classes: Any) -> list[str]:
    """A sentence about classes that occur in one row."""
    told = first_named(classes)
    if len(classes) < 2:
        why = "nothing can be learned of it that could be tested"
        return [f"the class {told} occurs in one row, and is left out: {why}"] if told else []
    return [
        f"the classes {told}, {len(classes):,} in all, occur in one row each, and are left out: nothing can be learned "
        "of them that could be tested"
    ]


def declared_types(given: Any) -> dict[str, str]:
    """The kinds of columns that somebody told, by their names as texts."""
    if given is not None and not isinstance(given, Mapping):
        raise BadInput(f"types is {given!r}; give the kinds by the columns' names, as {{'size': 'number'}}")
    return {str(name).strip(): kind for name, kind in (given or {}).items()}


def has_names(X: Any) -> bool:
    """Whether the columns of a table have names of their own."""
    return isinstance(X, Mapping) or hasattr(X, "columns")
