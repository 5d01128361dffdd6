"""Estimators that take a table as it is: kinds of columns are guessed, settings are searched, an ensemble is trained.

N rows · D inputs of the network
"""

import time
import warnings
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from scipy import sparse
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.model_selection import ParameterGrid, train_test_split
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from deltarule.data.cell_parsing import shorten_repr
from deltarule.data.frame import Frame, frame_of, numbers_of_rows, rows_of, select_rows
from deltarule.errors import BadInput, count_of
from deltarule.estimators.mlp.base import BaseMLP
from deltarule.estimators.mlp.fit_context import require_complete_fit, suppress_fit_warnings
from deltarule.estimators.model_file import save_model
from deltarule.estimators.search.search_fits import SearchFits
from deltarule.estimators.tabular import training_budget
from deltarule.estimators.tabular.column_encoder import (
    CATEGORY,
    UNUSED,
    Column,
    encode_columns,
    fit_columns,
    named_columns,
    used_columns,
)
from deltarule.estimators.tabular.column_kinds import check_together, infer_kinds
from deltarule.estimators.tabular.diagnostics import unknown_categories, unused_told, unusual_numbers, without_input
from deltarule.estimators.tabular.leaks import leaks
from deltarule.estimators.tabular.scores import (
    Scores,
    doubted_probabilities,
    doubts,
    few_make_the_errors,
    first_named,
    wide,
)
from deltarule.estimators.tabular.target_validation import (
    check_length,
    name_of,
)
from deltarule.problem.network import Network
from deltarule.problem.problem import Floats, Integers

MIN_ROWS = 10
VALIDATION_SHARE = 0.2
MAX_LEFT_OUT = 0.1
"""A share of the rows: where more are of classes of a single row, the target names rows or counts something."""
ROUNDING = 1e-12
"""By so much means of the same shares may differ."""
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

    def _near(self, best: float, rows: int) -> float:
        """By how much less than the best a score of so many rows may be and is about the same."""
        return 0.0

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
        types = _types(self.types)
        names = [name for name, kind in types.items() if kind == CATEGORY]
        frame = _frame(X, names, lambda name: types.get(name) != UNUSED)
        if not frame:
            raise BadInput(f"0 feature(s) (shape={np.shape(X)}) while a minimum of 1 is required; add columns")
        if y is None:
            raise BadInput(f"{type(self).__name__} requires y to be passed, but the target y is None")
        self.target_ = name_of(y)
        y = y if hasattr(y, "__len__") else np.asarray(y)
        check_length(rows_of(frame), y)
        _check_count(rows_of(frame))
        y = self._learn_target(y)
        left_out = self._left_out(y)
        notes = _alone_told(np.unique(y[left_out]))
        if notes:
            frame, y = select_rows(frame, ~left_out), y[~left_out]
            _check_count(rows_of(frame), "left of classes that occur in more than one")
        kinds = infer_kinds(frame, types)
        check_together(frame, kinds)
        self._seed = int(check_random_state(self.random_state).randint(2**31 - 1))
        train, held = self._split(y)
        seen = fit_columns(select_rows(frame, train), kinds)
        x = encode_columns(seen, frame, together=True)
        if not x.shape[1]:
            raise BadInput("no column is left to learn from: no text occurs twice; add rows, or columns of numbers")
        return Beginning(began, _has_names(X), frame, y, fit_columns(frame, kinds), train, held, x, seen, notes)

    def _work_told(self, begun: Beginning) -> str:
        """The work that lies ahead, in words."""
        rows, inputs = len(begun.train), begun.x.shape[1]
        some = training_budget.search_rows(inputs, rows, self._outputs)
        folds = training_budget.folds_of(some)
        return (
            f"{self._count} settings on {folds} folds of {some:,} rows × {count_of(inputs, 'input')}, "
            f"then {training_budget.members_for(inputs, len(begun.y), self._outputs)} networks on {len(begun.y):,} rows"
        )

    def _fit(self, begun: Beginning) -> None:
        began, has_names, frame, y, columns, train, held, x, seen, left_out = begun
        found = self._search_settings(x[train], y[train])
        searched = training_budget.fold_rows(training_budget.search_rows(x.shape[1], len(train), self._outputs))
        self.model_ = self._train_ensemble(x[train], y[train], found, searched)
        scores = self._scores(x[held], y[held])
        answers = self.model_.predict(x[held])
        doubted = doubts(scores, y[held], answers) + doubted_probabilities(scores)
        aside, few = select_rows(frame, held), []
        if not isinstance(self, ClassifierMixin):
            few = few_make_the_errors(y[held], answers, numbers_of_rows(aside))
        if reasons := doubted or few:
            reasons += [f"in the rows set aside {told}" for told in unusual_numbers(seen, aside)]
        # The rows set aside have done their work; the model that is kept has seen them, too.
        self.columns_ = columns
        self.model_ = self._train_ensemble(encode_columns(self.columns_, frame), y, found, searched)
        notes = self._notes(frame, y, left_out + doubted, few)
        self._put_names(list(frame), has_names)
        self.report_ = TabularReport(len(y), len(held), scores, self._count, found, notes, time.perf_counter() - began)

    def _put_names(self, names: list[str], named: bool = True) -> None:
        """What scikit-learn wants to know of columns, of which those without names are called x0, x1 …"""
        self.n_features_in_ = len(names)
        if hasattr(self, "feature_names_in_"):
            del self.feature_names_in_
        if named:
            self.feature_names_in_ = np.array(names, object)

    @property
    def _count(self) -> int:
        return int(np.prod([len(values) for values in training_budget.CANDIDATES.values()]))

    def _split(self, y: Any) -> tuple[Any, Any]:
        aside = max(2, round(VALIDATION_SHARE * len(y)))
        train, held = train_test_split(
            np.arange(len(y)), test_size=aside, random_state=self._seed, stratify=self._strata(y, aside)
        )
        return np.sort(train), np.sort(held)

    def _search_settings(self, x: Floats, y: Any) -> dict[str, Any]:
        """The settings with the best score over folds of the rows."""
        affordable = training_budget.search_rows(x.shape[1], len(x), self._outputs)
        random = np.random.default_rng(self._seed)
        rows = np.sort(random.permutation(len(x))[:affordable])
        x, y = x[rows], y[rows]
        splits = stratified_folds(self._kinds(y), training_budget.folds_of(len(rows)), random)
        candidates = list(ParameterGrid({name: list(values) for name, values in training_budget.CANDIDATES.items()}))
        task = SearchFits(
            self._estimator(**training_budget.training_for(training_budget.fold_rows(len(rows)))), x, y, {}
        )
        with suppress_fit_warnings():  # a candidate may be a bad one
            task.train(candidates, splits)
        found = np.full((len(candidates), len(splits), 2), -np.inf)
        for (candidate, fold), model in task.fits.items():
            if not isinstance(model, Exception):
                test = splits[fold][1]
                found[candidate, fold] = self._credits(model, x[test], y[test])
        means, others = found.mean(axis=1).T
        return candidates[best_candidate(means, others, self._near(float(means.max()), len(x)))]

    def _train_ensemble(self, x: Floats, y: Any, found: dict[str, Any], searched: int) -> BaseMLP:
        """An ensemble with settings that were found by trainings on so many rows."""
        model: Any = self._ensemble(len(x), x.shape[1], found, searched)
        with suppress_fit_warnings(), require_complete_fit():  # that it made all its epochs, as it should
            fitted: BaseMLP = model.fit(x, y)
        return fitted

    def _ensemble(self, rows: int, inputs: int, found: dict[str, Any], searched: int) -> BaseMLP:
        """The estimator that is to learn from so many rows, with settings found by trainings on fewer."""
        found = found | {"alpha": training_budget.alpha_for(found["alpha"], searched, rows)}
        members = training_budget.members_for(inputs, rows, self._outputs)
        return self._estimator(**training_budget.training_for(rows), **found, n_members=members)

    def _notes(self, frame: Frame, y: Any, doubted: list[str], few: list[str]) -> tuple[str, ...]:
        is_classes = isinstance(self, ClassifierMixin)
        unused = unused_told(self.columns_)
        slips = [
            f"the column {shorten_repr(c.name)} is read as categories: {c.why}"
            for c in self.columns_
            if c.kind == CATEGORY and "look like numbers" in c.why
        ]
        suspicious = doubted + leaks(frame, self.columns_, y, is_classes) + slips
        meant = [told for told, why in unused.items() if "an identifier" in why or "look like" in why]
        for sentence in suspicious + meant:
            warnings.warn(sentence, stacklevel=5)
        return (*suspicious, *few, *([] if is_classes else wide(y)), *without_input(self.columns_, frame), *unused)

    # --- answers ---

    def _validated_table(self, X: Any) -> Frame:
        """A table to be answered, with a word about what training has not seen."""
        check_is_fitted(self)
        frame = self._by_name(X)
        for sentence in unknown_categories(self.columns_, frame) + unusual_numbers(self.columns_, frame):
            warnings.warn(sentence, stacklevel=3)
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
        had_names, has_names = hasattr(self, "feature_names_in_"), _has_names(X)
        names = [column.name for column in self.columns_]
        is_used = used_columns(self.columns_).__contains__ if had_names and has_names else None
        frame = _frame(X, named_columns(self.columns_), is_used)
        if has_names and (had_names or set(names) <= set(frame)):
            return frame
        if len(frame) != self.n_features_in_:
            raise BadInput(
                f"X has {len(frame)} features, but {type(self).__name__} is expecting {self.n_features_in_} features "
                "as input; give one column for each, or columns with names"
            )
        numbered = names == [f"x{place}" for place in range(len(names))]  # as a file names columns without names
        if has_names or (had_names and not numbered):
            here, there = ("has", "without") if has_names else ("does not have", "with")
            warnings.warn(
                f"X {here} feature names, but {type(self).__name__} was fitted {there} feature names: its columns are "
                "taken in their order",
                stacklevel=4,
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


def stratified_folds(kinds: Integers, folds: int, random: np.random.Generator) -> list[tuple[Integers, Integers]]:
    """Rows dealt out to folds, each kind [N] in turn, so that every fold has its share: those of the others, its own.

    >>> splits = stratified_folds(np.array([0, 0, 0, 0, 1, 1]), 2, np.random.default_rng(0))
    >>> [[int((own < 4).sum()), int((own >= 4).sum())] for _, own in splits]
    [[2, 1], [2, 1]]
    """
    fold = np.empty(len(kinds), np.int64)
    fold[np.lexsort((random.permutation(len(kinds)), kinds))] = np.arange(len(kinds)) % folds
    return [(np.flatnonzero(fold != number), np.flatnonzero(fold == number)) for number in range(folds)]


def best_candidate(scores: Floats, others: Floats, near: float = 0.0) -> int:
    """The candidate with the best score; of those whose score is that or by no more than `near` less, the best by the
    other.

    scores, others [candidates], −∞ where there is none

    >>> best_candidate(np.array([0.85, 0.85, 0.84, 0.15]), np.array([-2.0, -1.0, -0.5, 0.0]))
    1
    >>> best_candidate(np.array([0.85, 0.85, 0.84, 0.15]), np.array([-2.0, -1.0, -0.5, 0.0]), near=0.02)
    2
    """
    return int(np.where(scores >= scores.max() - near - ROUNDING, others, -np.inf).argmax())


def _frame(X: Any, names: Collection[str], is_used: Callable[[str], bool] | None) -> Frame:
    if sparse.issparse(X):
        raise BadInput("the table is sparse, and sparse data are not supported; give X.toarray()")
    if isinstance(X, np.ndarray) and X.ndim == 1 and not X.dtype.names:
        raise BadInput("the table is a single row or column. Reshape your data to rows and columns")
    return frame_of(X, names, is_used)


def _check_count(rows: int, which: str = "") -> None:
    """Refuse so few rows that none can be set aside."""
    if rows < MIN_ROWS:
        text = "is 1 sample" if rows == 1 else f"are {rows} rows"
        raise BadInput(f"there {text}{which and ' '}{which}, too few to set some aside; give at least {MIN_ROWS}")


def _alone_told(classes: Any) -> list[str]:
    """A sentence about classes that occur in one row."""
    told = first_named(classes)
    if len(classes) < 2:
        why = "nothing can be learned of it that could be tested"
        return [f"the class {told} occurs in one row, and is left out: {why}"] if told else []
    return [
        f"the classes {told}, {len(classes):,} in all, occur in one row each, and are left out: nothing can be learned "
        "of them that could be tested"
    ]


def _types(given: Any) -> dict[str, str]:
    """The kinds of columns that somebody told, by their names as texts."""
    if given is not None and not isinstance(given, Mapping):
        raise BadInput(f"types is {given!r}; give the kinds by the columns' names, as {{'size': 'number'}}")
    return {str(name).strip(): kind for name, kind in (given or {}).items()}


def _has_names(X: Any) -> bool:
    return isinstance(X, Mapping) or hasattr(X, "columns")
