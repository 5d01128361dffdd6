"""The input of tabular estimators: parameters, codes for missing values, tables."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass
from typing import Any

import numpy as np
from scipy import sparse

from deltarule.errors import BadInput
from deltarule.estimators.tabular.candidate_search import PRESETS
from deltarule.tables.cell_texts import as_text, shorten_repr
from deltarule.tables.column_types import ColumnType
from deltarule.tables.frame import Frame, frame_of


@dataclass(eq=False, repr=False, match_args=False)
class TabularParameters:
    """The parameters of the tabular estimators.

    Parameters
    ----------
    types : dict, optional
        Column types that override the inferred ones, by name: "number", "category", "text" (whose words are inputs),
        "unused", or the order of categories, as ["low", "medium", "high"]. Ordered categories of pandas have theirs.
    random_state : int, RandomState or None, default=None
        Seed of everything random.
    dates : {"day-first", "month-first"}, optional
        How dates such as 01/02/2021 begin, if a column has none that shows it.
    missing : sequence or dict, optional
        Codes that stand for missing values, such as [-9999]; by the name of a column, as {"age": [99]}, or of all.
    preset : {"default", "fast", "best"}, default="default"
        Predictions are the mean of linear models, small and deep networks, each with numbers as they are and in pieces
        of their range, without the kinds that make it worse; with "best" of four networks of each, which takes up to
        three times as long. "fast" compares four to seven settings and trains at most two networks with the best ones.
    metric : {"accuracy", "auc", "log_loss", "r2", "mae"}, optional
        The score by which settings are chosen: of a classifier the accuracy, the area under ROC or the log loss; of a
        regressor R² or the mean absolute error. The default is the first.
    time_limit : float, optional
        The approximate limit of a fit, in seconds. No further settings are tried after 40 % of it, and fewer networks
        are trained if the rest is short. The result then depends on the computer.
    """

    types: Mapping[str, ColumnType] | None = None
    random_state: Any = None
    _: KW_ONLY
    dates: str | None = None
    missing: Sequence[Any] | Mapping[str, Sequence[Any]] | None = None
    preset: str = "default"
    metric: str | None = None
    time_limit: float | None = None

    def _check_parameters(self, metrics: Collection[str]) -> None:
        if self.preset not in PRESETS:
            raise BadInput(f"preset is {self.preset!r}; choose one of {', '.join(PRESETS)}")
        if self.metric is not None and self.metric not in metrics:
            raise BadInput(f"metric is {self.metric!r}; choose one of {', '.join(metrics)}")
        if self.time_limit is not None and not self.time_limit > 0:
            raise BadInput(f"time_limit is {self.time_limit!r}; give a positive number of seconds")


def codes_by_column(missing: Any, frame: Frame) -> dict[str, tuple[str, ...]]:
    """The codes for missing values, as texts, by the columns in which they occur."""
    by_column = missing if isinstance(missing, Mapping) else dict.fromkeys(frame, missing or ())
    for name, values in by_column.items():
        if name not in frame:
            raise BadInput(f"missing names the column {shorten_repr(str(name))}, which the table lacks")
        if isinstance(values, str) or not isinstance(values, Iterable):
            raise BadInput(f"missing is {missing!r}; give a list of codes, such as [-9999]")
    return {name: tuple(map(as_text, values)) for name, values in by_column.items() if len(values)}


def frame_of_input(X: Any) -> Frame:
    if sparse.issparse(X):
        raise BadInput("the table is sparse, and sparse data are not supported; give X.toarray()")
    if isinstance(X, np.ndarray) and X.ndim == 1 and not X.dtype.names:
        raise BadInput("the table is a single row or column. Reshape your data to rows and columns")
    return frame_of(X)
