"""The base class of the tabular estimators.

N rows · D inputs of the network
"""

import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from scipy import sparse
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.model_selection import train_test_split
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from deltarule.errors import BadInput, count_of
from deltarule.estimators.mlp.base import BaseMLP
from deltarule.estimators.mlp.fit_context import warn_user
from deltarule.estimators.tabular.candidate_search import CandidateSearch, Choice, member_count
from deltarule.estimators.tabular.scores import (
    Scores,
    baseline_warnings,
    describe_calibration,
    describe_dominant_errors,
    describe_wide_range,
    list_first_classes,
    probability_warnings,
)
from deltarule.problem.network import Network
from deltarule.problem.problem import Floats, Integers
from deltarule.tables.column_encoder import (
    CATEGORY,
    UNUSED,
    Column,
    category_columns,
    encode_columns,
    fit_columns,
    used_columns,
)
from deltarule.tables.column_types import infer_column_types
from deltarule.tables.diagnostics import (
    SURPRISING,
    categories_without_feature,
    columns_read_as_categories,
    render_diagnostics,
    unknown_categories,
    unused_columns,
    unusual_numbers,
)
from deltarule.tables.frame import Frame, count_rows, frame_of, row_numbers_of, select_rows
from deltarule.tables.leaks import find_leaks
from deltarule.tables.targets import (
    check_length,
    target_name,
)

MIN_ROWS = 10
"""A fifth of the rows is set aside for the scores; of fewer than 10 that is at most one whole row."""
MAX_SINGLE_ROW_SHARE = 0.1
"""Share of the rows: if more have a class that occurs once, the target identifies rows or counts something."""
MAX_ENCODED_NUMBERS = 2**24
"""Input numbers that are encoded at a time for a prediction: 128 MiB."""


@dataclass(frozen=True)
class TabularReport:
    """The result of a fit.

    rows             number of rows of the table, without those that were left out
    validation_rows  how many of them were set aside for the scores
    scores           on the rows set aside, of an ensemble trained on the others
    candidates       number of candidates of the cross-validation
    settings         hyperparameters of the best one; alpha is reduced for an ensemble trained on more rows
    notes            sentences for the user
    seconds          duration of the fit
    """

    rows: int
    validation_rows: int
    scores: Scores
    candidates: int
    settings: dict[str, Any]
    notes: tuple[str, ...]
    seconds: float


@dataclass(frozen=True)
class PreparedTable:
    """A validated and encoded table, before anything is trained.

    started           time.perf_counter() at the beginning of the fit
    has_names         whether the columns have names
    frame, y          the columns by name, and the target [N]
    columns           the encoding of the columns, fitted to all rows
    train, held_out   indices of the training rows, and of those set aside for scores
    x                 inputs of the network [N, D], encoded by `training_columns`
    training_columns  the encoding of the columns, fitted to the training rows
    notes             sentences about rows that were left out
    """

    started: float
    has_names: bool
    frame: Frame
    y: Any
    columns: tuple[Column, ...]
    train: Any
    held_out: Any
    x: Floats
    training_columns: tuple[Column, ...]
    notes: list[str]


class BaseTabular(BaseEstimator):
    """The common part of the tabular estimators."""

    def __init__(self, types: Mapping[str, str] | None = None, random_state: Any = None) -> None:
        self.types = types
        self.random_state = random_state

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "report_")

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = tags.input_tags.string = tags.input_tags.categorical = True
        return tags

    # --- defined by the classifier and the regressor ---

    def _learn_target(self, y: Any) -> Any:
        raise NotImplementedError

    def _single_row_mask(self, y: Any) -> Any:
        return np.zeros(len(y), bool)

    def _create_network(self, **settings: Any) -> BaseMLP:
        raise NotImplementedError

    def _held_out_strata(self, y: Any, held_out_count: int) -> Any:
        return None

    def _fold_strata(self, y: Any) -> Integers:
        return np.zeros(len(y), np.int64)

    def _score_pair(self, model: Any, x: Floats, y: Any) -> tuple[float, float]:
        raise NotImplementedError

    def _tie_tolerance(self, best_score: float, rows: int) -> float:
        return 0.0

    def _assess(self, ensemble: BaseMLP, choice: Choice, x: Floats, y: Any) -> tuple[Scores, Any]:
        raise NotImplementedError

    @property
    def _output_count(self) -> int:
        return 1

    feature_names_in_: np.ndarray

    # --- fitting ---

    def _fit_anew(self, X: Any, y: Any) -> None:
        # A fit that fails or is interrupted leaves the model as it was.
        fitted = object.__new__(type(self))  # copy.copy would omit attributes that a subclass does not pickle
        fitted.__dict__ = vars(self).copy()
        fitted._fit(fitted._prepare(X, y))
        self.__dict__ = fitted.__dict__

    def _prepare(self, X: Any, y: Any) -> PreparedTable:
        """Validate and encode the table of a fit."""
        started = time.perf_counter()
        if self.types is not None and not isinstance(self.types, Mapping):
            raise BadInput(f"types is {self.types!r}; give the kinds by the columns' names, as {{'size': 'number'}}")
        types = {str(name).strip(): kind for name, kind in (self.types or {}).items()}
        names = [name for name, kind in types.items() if kind == CATEGORY]
        frame = frame_of_input(X, names, lambda name: types.get(name) != UNUSED)
        if not frame:
            raise BadInput(f"0 feature(s) (shape={np.shape(X)}) while a minimum of 1 is required; add columns")
        if y is None:
            raise BadInput(f"{type(self).__name__} requires y to be passed, but the target y is None")
        self.target_ = target_name(y)
        y = y if hasattr(y, "__len__") else np.asarray(y)
        check_length(count_rows(frame), y)
        _check_row_count(count_rows(frame), "")
        y = self._learn_target(y)
        is_left_out = self._single_row_mask(y)
        notes = []
        if is_left_out.any():
            listed = list_first_classes(np.unique(y[is_left_out]))
            notes = [f"left out: {count_of(int(is_left_out.sum()), 'row')} whose class occurs nowhere else ({listed})"]
            frame, y = select_rows(frame, ~is_left_out), y[~is_left_out]
            _check_row_count(count_rows(frame), " left of classes that occur in more than one")
        kinds = infer_column_types(frame, types)
        self._seed = int(check_random_state(self.random_state).randint(2**31 - 1))
        train, held_out = self._split(y)
        training_columns = fit_columns(select_rows(frame, train), kinds)
        x = encode_columns(training_columns, frame)
        if not x.shape[1]:
            raise BadInput("no column is left to learn from: no text occurs twice; add rows, or columns of numbers")
        columns = fit_columns(frame, kinds)
        return PreparedTable(started, has_names(X), frame, y, columns, train, held_out, x, training_columns, notes)

    @property
    def _search(self) -> CandidateSearch:
        return CandidateSearch(self._create_network, self._output_count, self._seed)

    def _describe_work(self, prepared: PreparedTable) -> str:
        return self._search.describe(prepared.x.shape[1], len(prepared.train), len(prepared.y))

    def _fit(self, prepared: PreparedTable) -> None:
        """Search, score an ensemble on held-out rows, and train one on all rows."""
        search, y, train, held_out = self._search, prepared.y, prepared.train, prepared.held_out
        x_train, y_train, y_held_out = prepared.x[train], y[train], y[held_out]
        choice = search.choose(x_train, y_train, self._fold_strata(y_train), self._score_pair, self._tie_tolerance)
        self.columns_ = prepared.columns
        x = encode_columns(self.columns_, prepared.frame)
        members = member_count(x.shape[1], len(y), self._output_count)
        ensemble = search.train_ensemble(x_train, y_train, choice, members)
        scores, predictions = self._assess(ensemble, choice, prepared.x[held_out], y_held_out)
        poor_scores = baseline_warnings(scores, y_held_out, predictions) + probability_warnings(scores)
        held_out_frame, dominant_errors = select_rows(prepared.frame, held_out), []
        if not isinstance(self, ClassifierMixin):
            dominant_errors = describe_dominant_errors(y_held_out, predictions, row_numbers_of(held_out_frame))
        if reasons := poor_scores or dominant_errors:
            unusual = render_diagnostics(unusual_numbers(prepared.training_columns, held_out_frame))
            reasons += [f"in the rows set aside {sentence}" for sentence in unusual]
        # The final model is trained on the rows set aside, too.
        self.model_ = search.train_ensemble(x, y, choice, members)
        further_notes = dominant_errors + describe_calibration(scores)
        notes = self._collect_notes(prepared.frame, y, prepared.notes + poor_scores, further_notes)
        self._set_feature_names(list(prepared.frame), prepared.has_names)
        seconds = time.perf_counter() - prepared.started
        self.report_ = TabularReport(len(y), len(held_out), scores, search.count, choice.settings, notes, seconds)

    def _set_feature_names(self, names: list[str], have_names: bool = True) -> None:
        self.n_features_in_ = len(names)
        if hasattr(self, "feature_names_in_"):
            del self.feature_names_in_
        if have_names:
            self.feature_names_in_ = np.array(names, object)

    def _split(self, y: Any) -> tuple[Any, Any]:
        count = max(2, round(0.2 * len(y)))
        train, held_out = train_test_split(
            np.arange(len(y)), test_size=count, random_state=self._seed, stratify=self._held_out_strata(y, count)
        )
        return np.sort(train), np.sort(held_out)

    def _collect_notes(self, frame: Frame, y: Any, warnings: list[str], further_notes: list[str]) -> tuple[str, ...]:
        """Issue the warnings and return all notes of the report."""
        is_classifier = isinstance(self, ClassifierMixin)
        misread = render_diagnostics(columns_read_as_categories(self.columns_))
        suspicious = warnings + render_diagnostics(find_leaks(frame, self.columns_, y, is_classifier)) + misread
        for sentence in suspicious + render_diagnostics(unused_columns(self.columns_, SURPRISING)):
            warn_user(sentence)
        others = render_diagnostics([*categories_without_feature(self.columns_, frame), *unused_columns(self.columns_)])
        wide_range = [] if is_classifier else describe_wide_range(y)
        return (*suspicious, *further_notes, *wide_range, *others)

    # --- predictions ---

    def _validated_table(self, X: Any) -> Frame:
        """The validated columns of a table for predictions, by name."""
        check_is_fitted(self)
        frame = self._columns_by_name(X)
        diagnostics = unknown_categories(self.columns_, frame) + unusual_numbers(self.columns_, frame)
        for sentence in render_diagnostics(diagnostics):
            warn_user(sentence)
        return frame

    def _predict_in_parts(self, frame: Frame, predict: Callable[[Floats], Any]) -> Any:
        """Apply `predict` to encoded rows, a part at a time to save memory."""
        rows = count_rows(frame)
        size = max(MAX_ENCODED_NUMBERS // max(sum(len(column.inputs) for column in self.columns_), 1), 1)
        if rows <= size:
            return predict(encode_columns(self.columns_, frame))
        parts = (select_rows(frame, slice(start, start + size)) for start in range(0, rows, size))
        return np.concatenate([predict(encode_columns(self.columns_, part)) for part in parts])

    def _columns_by_name(self, X: Any) -> Frame:
        """The columns of a table by the names of the fit."""
        had_names, named = hasattr(self, "feature_names_in_"), has_names(X)
        names = [column.name for column in self.columns_]
        is_used = used_columns(self.columns_).__contains__ if had_names and named else None
        frame = frame_of_input(X, category_columns(self.columns_), is_used)
        if named and (had_names or set(names) <= set(frame)):
            return frame
        if len(frame) != self.n_features_in_:
            raise BadInput(
                f"X has {len(frame)} features, but {type(self).__name__} is expecting {self.n_features_in_} features "
                "as input; give one column for each, or columns with names"
            )
        are_numbered = names == [f"x{index}" for index in range(len(names))]  # as a file names columns without names
        if named or (had_names and not are_numbered):
            here, there = ("has", "without") if named else ("does not have", "with")
            warn_user(
                f"X {here} feature names, but {type(self).__name__} was fitted {there} feature names: its columns are "
                "taken in their order"
            )
        return dict(zip(names, frame.values(), strict=True))

    def member_parts(self, member: int) -> tuple[Network, dict[str, Floats], Floats]:
        """As `MLPClassifier.member_parts`, of the network in `model_`."""
        check_is_fitted(self)
        return self.model_.member_parts(member)

    def save(self, path: str | Path) -> None:
        """Write the fitted model to a file, which `deltarule.load_model` reads."""
        import_module("deltarule.estimators.model_file").save_model(self, path)  # on use: it imports this module


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


def _check_row_count(rows: int, which: str) -> None:
    if rows < MIN_ROWS:
        text = "is 1 sample" if rows == 1 else f"are {rows} rows"
        raise BadInput(f"there {text}{which}, too few to set some aside; give at least {MIN_ROWS}")


def has_names(X: Any) -> bool:
    """Whether the columns of a table have names: those of arrays and lists have none."""
    return isinstance(X, Mapping) or hasattr(X, "columns")
