"""Estimators that take a table as it is: kinds of columns are guessed, settings are searched, an ensemble is trained.

N rows · D inputs of the network
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.model_selection import train_test_split
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from deltarule.errors import BadInput
from deltarule.estimators.mlp.base import BaseMLP
from deltarule.estimators.model_file import save_model
from deltarule.estimators.tabular import training_budget
from deltarule.estimators.tabular.candidate_search import CandidateSearch, Choice
from deltarule.estimators.tabular.scores import (
    Scores,
    doubted_probabilities,
    doubts,
    few_make_the_errors,
    wide,
)
from deltarule.estimators.tabular.table_input import (
    check_row_count,
    declared_types,
    describe_single_row_classes,
    frame_of_input,
    has_names,
)
from deltarule.estimators.user_warnings import warn_user
from deltarule.problem.network import Network
from deltarule.problem.problem import Floats, Integers
from deltarule.tables.cell_parsing import shorten_repr
from deltarule.tables.column_encoder import (
    CATEGORY,
    UNUSED,
    Column,
    encode_columns,
    fit_columns,
    named_columns,
    used_columns,
)
from deltarule.tables.column_kinds import check_together, infer_kinds
from deltarule.tables.diagnostics import (
    render_diagnostics,
    unknown_categories,
    unused_columns,
    unusual_numbers,
    without_feature,
)
from deltarule.tables.frame import Frame, numbers_of_rows, rows_of, select_rows
from deltarule.tables.leaks import leaks
from deltarule.tables.target_validation import (
    check_length,
    name_of,
)

MAX_LEFT_OUT = 0.1
"""A share of the rows: where more are of classes of a single row, the target names rows or counts something."""
MAX_INPUTS = 2**24
"""Numbers that the network's inputs are made of at a time: 128 MiB."""


@dataclass(frozen=True)
class TabularReport:
    """What a training came to.

    rows, validation_rows   learned from, and how many of them were set aside to score   scores: on these
    settings   the best of so many candidates, by cross-validation of the others; of more rows than those a network has
               an alpha that is less   notes: sentences worth knowing
    seconds   of all of it
    """

    rows: int
    validation_rows: int
    scores: Scores
    candidates: int
    settings: dict[str, Any]
    notes: tuple[str, ...]
    seconds: float


class Beginning(NamedTuple):
    """What is made of a table before anything is trained.

    began          when, as of time.perf_counter   has_names   whether the columns had names of their own
    frame, y [N]   the columns by name, and the target   columns   what all rows tell of them
    train, held    the rows to learn from, and those set aside   x [N, D]   the inputs, by `seen`
    seen           what the rows to learn from tell of the columns   notes   of rows that are left out
    """

    began: float
    has_names: bool
    frame: Frame
    y: Any
    columns: tuple[Column, ...]
    train: Any
    held: Any
    x: Floats
    seen: tuple[Column, ...]
    notes: list[str]


class BaseTabular(BaseEstimator):
    """What both do with a table; what their targets mean, the classes below say."""

    def __init__(self, types: Mapping[str, str] | None = None, random_state: Any = None) -> None:
        self.types = types
        self.random_state = random_state

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "report_")

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = tags.input_tags.string = tags.input_tags.categorical = True
        return tags

    # --- what the classifier and the regressor say for themselves ---

    def _learn_target(self, y: Any) -> Any:
        """Check the target: as an array [N]."""
        raise NotImplementedError

    def _left_out(self, y: Any) -> Any:
        """Which rows of a checked target [N] cannot be learned from."""
        return np.zeros(len(y), bool)

    def _estimator(self, **settings: Any) -> BaseMLP:
        """The estimator inside."""
        raise NotImplementedError

    def _strata(self, y: Any, aside: int) -> Any:
        """By what rows are set aside in proportion, or None."""
        return None

    def _kinds(self, y: Any) -> Integers:
        """Of what rows every fold has its share, as numbers [N]."""
        return np.zeros(len(y), np.int64)

    def _credits(self, model: Any, x: Floats, y: Any) -> tuple[float, float]:
        """By what candidates are compared, and by what those of which it is about the same."""
        raise NotImplementedError

    def _tie_tolerance(self, best: float, rows: int) -> float:
        """By how much less than the best a score of so many rows may be and is about the same."""
        return 0.0

    def _calibrate(self, model: BaseMLP, choice: Choice) -> BaseMLP:
        """An ensemble whose probabilities are as sure as those of the search were right."""
        return model

    def _scores(self, x: Floats, y: Any) -> Scores:
        """How good the answers of the network inside are."""
        raise NotImplementedError

    @property
    def _outputs(self) -> int:
        """Of the network."""
        return 1

    feature_names_in_: np.ndarray

    # --- fitting ---

    def _fit_anew(self, X: Any, y: Any) -> None:
        """Fit, all at once: what is refused or interrupted leaves everything as it was."""
        fitted = object.__new__(type(self))  # copy.copy would leave out what a subclass does not pickle
        fitted.__dict__ = vars(self).copy()
        fitted._fit(fitted._prepare(X, y))
        self.__dict__ = fitted.__dict__

    def _prepare(self, X: Any, y: Any) -> Beginning:
        """Look at a table: all of it that can be refused is, before the minutes of work."""
        began = time.perf_counter()
        types = declared_types(self.types)
        names = [name for name, kind in types.items() if kind == CATEGORY]
        frame = frame_of_input(X, names, lambda name: types.get(name) != UNUSED)
        if not frame:
            raise BadInput(f"0 feature(s) (shape={np.shape(X)}) while a minimum of 1 is required; add columns")
        if y is None:
            raise BadInput(f"{type(self).__name__} requires y to be passed, but the target y is None")
        self.target_ = name_of(y)
        y = y if hasattr(y, "__len__") else np.asarray(y)
        check_length(rows_of(frame), y)
        check_row_count(rows_of(frame))
        y = self._learn_target(y)
        left_out = self._left_out(y)
        notes = describe_single_row_classes(np.unique(y[left_out]))
        if notes:
            frame, y = select_rows(frame, ~left_out), y[~left_out]
            check_row_count(rows_of(frame), "left of classes that occur in more than one")
        kinds = infer_kinds(frame, types)
        check_together(frame, kinds)
        self._seed = int(check_random_state(self.random_state).randint(2**31 - 1))
        train, held = self._split(y)
        seen = fit_columns(select_rows(frame, train), kinds)
        x = encode_columns(seen, frame, together=True)
        if not x.shape[1]:
            raise BadInput("no column is left to learn from: no text occurs twice; add rows, or columns of numbers")
        return Beginning(began, has_names(X), frame, y, fit_columns(frame, kinds), train, held, x, seen, notes)

    @property
    def _search(self) -> CandidateSearch:
        return CandidateSearch(self._estimator, self._outputs, self._seed)

    def _describe_work(self, begun: Beginning) -> str:
        """The work that lies ahead, in words."""
        return self._search.describe(begun.x.shape[1], len(begun.train), len(begun.y))

    def _fit(self, begun: Beginning) -> None:
        began, named, frame, y, columns, train, held, x, seen, left_out = begun
        search = self._search
        choice = search.choose(x[train], y[train], self._kinds(y[train]), self._credits, self._tie_tolerance)
        found = choice.settings
        searched = training_budget.fold_rows(training_budget.search_rows(x.shape[1], len(train), self._outputs))
        self.model_ = self._calibrate(search.train_ensemble(x[train], y[train], found, searched), choice)
        scores = self._scores(x[held], y[held])
        answers = self.model_.predict(x[held])
        doubted = doubts(scores, y[held], answers) + doubted_probabilities(scores)
        aside, few = select_rows(frame, held), []
        if not isinstance(self, ClassifierMixin):
            few = few_make_the_errors(y[held], answers, numbers_of_rows(aside))
        if reasons := doubted or few:
            reasons += [f"in the rows set aside {told}" for told in render_diagnostics(unusual_numbers(seen, aside))]
        # The rows set aside have done their work; the model that is kept has seen them, too.
        self.columns_ = columns
        self.model_ = self._calibrate(
            search.train_ensemble(encode_columns(self.columns_, frame), y, found, searched), choice
        )
        notes = self._notes(frame, y, left_out + doubted, few)
        self._put_names(list(frame), named)
        self.report_ = TabularReport(len(y), len(held), scores, search.count, found, notes, time.perf_counter() - began)

    def _put_names(self, names: list[str], named: bool = True) -> None:
        """What scikit-learn wants to know of columns, of which those without names are called x0, x1 …"""
        self.n_features_in_ = len(names)
        if hasattr(self, "feature_names_in_"):
            del self.feature_names_in_
        if named:
            self.feature_names_in_ = np.array(names, object)

    def _split(self, y: Any) -> tuple[Any, Any]:
        aside = max(2, round(0.2 * len(y)))
        train, held = train_test_split(
            np.arange(len(y)), test_size=aside, random_state=self._seed, stratify=self._strata(y, aside)
        )
        return np.sort(train), np.sort(held)

    def _notes(self, frame: Frame, y: Any, doubted: list[str], few: list[str]) -> tuple[str, ...]:
        is_classes = isinstance(self, ClassifierMixin)
        unused = unused_columns(self.columns_)
        slips = [
            f"the column {shorten_repr(c.name)} is read as categories: {c.why}"
            for c in self.columns_
            if c.kind == CATEGORY and "look like numbers" in c.why
        ]
        suspicious = doubted + render_diagnostics(leaks(frame, self.columns_, y, is_classes)) + slips
        surprising = [one for one in unused if "an identifier" in one.reason or "look like" in one.reason]
        for sentence in suspicious + render_diagnostics(surprising):
            warn_user(sentence)
        others = render_diagnostics([*without_feature(self.columns_, frame), *unused])
        return (*suspicious, *few, *([] if is_classes else wide(y)), *others)

    # --- answers ---

    def _validated_table(self, X: Any) -> Frame:
        """A table to be answered, with a word about what training has not seen."""
        check_is_fitted(self)
        frame = self._by_name(X)
        diagnostics = unknown_categories(self.columns_, frame) + unusual_numbers(self.columns_, frame)
        for sentence in render_diagnostics(diagnostics):
            warn_user(sentence)
        return frame

    def _predict_in_parts(self, frame: Frame, ask: Callable[[Floats], Any]) -> Any:
        """What the network inside says of each row: of many a part at a time, as its inputs are more than the table."""
        rows = rows_of(frame)
        some = max(MAX_INPUTS // max(sum(len(column.inputs) for column in self.columns_), 1), 1)
        if rows <= some:
            return ask(encode_columns(self.columns_, frame))
        parts = (select_rows(frame, slice(start, start + some)) for start in range(0, rows, some))
        return np.concatenate([ask(encode_columns(self.columns_, part)) for part in parts])

    def _by_name(self, X: Any) -> Frame:
        """The columns by the names that they were learned by: where either side has none, by their places."""
        had_names, named = hasattr(self, "feature_names_in_"), has_names(X)
        names = [column.name for column in self.columns_]
        is_used = used_columns(self.columns_).__contains__ if had_names and named else None
        frame = frame_of_input(X, named_columns(self.columns_), is_used)
        if named and (had_names or set(names) <= set(frame)):
            return frame
        if len(frame) != self.n_features_in_:
            raise BadInput(
                f"X has {len(frame)} features, but {type(self).__name__} is expecting {self.n_features_in_} features "
                "as input; give one column for each, or columns with names"
            )
        numbered = names == [f"x{place}" for place in range(len(names))]  # as a file names columns without names
        if named or (had_names and not numbered):
            here, there = ("has", "without") if named else ("does not have", "with")
            warn_user(
                f"X {here} feature names, but {type(self).__name__} was fitted {there} feature names: its columns are "
                "taken in their order"
            )
        return dict(zip(names, frame.values(), strict=True))

    def member_parts(self, member: int) -> tuple[Network, dict[str, Floats], Floats]:
        """As of the network inside."""
        check_is_fitted(self)
        return self.model_.member_parts(member)

    def save(self, path: str | Path) -> None:
        """Write the fitted model, with all that it makes of a table, as a file that `deltarule.load_model` reads.

        Parameters: `path`.
        Errors: `BadInput` when it is not fitted, or for a place that cannot be written.
        """
        save_model(self, path)
