"""The base class of the tabular estimators.

N rows · D inputs of the network
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from time import perf_counter
from typing import Any, Self

import numpy as np
from sklearn.base import is_classifier
from sklearn.utils import check_consistent_length, check_random_state
from sklearn.utils.validation import check_is_fitted

from deltarule.errors import BadInput, count_of
from deltarule.estimators.mlp.base import BaseMLP
from deltarule.estimators.mlp.fit_context import restore_on_error, warn_user
from deltarule.estimators.mlp.fitted_network import named_weights
from deltarule.estimators.shared_methods import SavedEstimator, share_docstring
from deltarule.estimators.sklearn_compat import check_sample_weight, safe_indexing
from deltarule.estimators.tabular.candidate_search import (
    MIN_CONTINUED_ROWS,
    MIN_MEMBERS,
    Budget,
    Choice,
    choose_candidate,
    continue_ensemble,
    is_linear,
    member_count,
    train_ensemble,
)
from deltarule.estimators.tabular.evaluation import (
    MIN_KNOWN_SHARE,
    digests_to_keep,
    row_digests,
    share_of_known,
)
from deltarule.estimators.tabular.fit_notes import collect_notes, score_warnings, shared_row_warnings
from deltarule.estimators.tabular.parameters import TabularParameters, codes_by_column, frame_of_input
from deltarule.estimators.tabular.parts import ChosenInputs, Part, blend, of_all_parts, plain_inputs, without_worse
from deltarule.estimators.tabular.predictor import TablePredictor
from deltarule.estimators.tabular.scores import Scores, TabularReport
from deltarule.estimators.tabular.splits import RowDivision, group_indices, take, time_numbers
from deltarule.problem.problem import Floats, Integers
from deltarule.tables.cell_texts import list_classes
from deltarule.tables.column_encoder import (
    Column,
    encode_columns,
    fit_columns,
)
from deltarule.tables.column_types import ColumnType, infer_column_types
from deltarule.tables.frame import Frame, count_rows, has_names, mark_missing, ordered_categories, select_rows
from deltarule.tables.readings import ColumnReading, column_readings
from deltarule.tables.targets import target_name

MAX_BLENDED_MEMBERS = 4
"""Networks of each kind with the preset "best"; otherwise all kinds together have as many as one kind alone would."""
MIN_ROWS = 10
"""A fifth of the rows is set aside for the scores; of fewer than 10 that is at most one whole row."""
MAX_SINGLE_ROW_SHARE = 0.1
"""Share of the rows: if more have a class that occurs once, the target identifies rows or counts something."""


@dataclass(frozen=True)
class TrainingTable:
    """Columns and target [N] to learn from.

    With them: the divisions of the rows, notes, and how the columns are read.
    """

    frame: Frame
    y: Any
    division: RowDivision
    notes: list[str]
    readings: tuple[ColumnReading, ...]


class BaseTabular(SavedEstimator, TabularParameters):
    """The common part of the tabular estimators."""

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        share_docstring(cls, SHARED_PARAMETERS=(TabularParameters.__doc__ or "").partition("----------\n")[2])

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "report_")

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = tags.input_tags.string = tags.input_tags.categorical = True
        return tags

    # --- defined by the classifier and the regressor ---

    # The names of the metrics, with what messages call them.
    _metrics: Mapping[str, str]

    # Validates the target [N], learns its classes or its mean, and returns it with the rows [N] to leave out.
    _learn_target: Callable[..., tuple[Any, Any]]
    _create_network: Callable[..., BaseMLP]
    # The primary and the tie-breaking score of a fitted network on rows x, y.
    _score_pair: Callable[[Any, Floats, Any, Floats | None], tuple[float, float]]
    # The scores of an ensemble on the rows set aside, and its predictions; calibrates a classifier.
    _assess: Callable[..., tuple[Scores, Any]]
    # The fields of a `TablePredictor` that say what outputs mean.
    _meaning: Callable[[], dict[str, Any]]

    feature_names_in_: np.ndarray

    # --- fitting ---

    def fit(self, X: Any, y: Any, sample_weight: Any = None, *, groups: Any = None, time: Any = None) -> Self:
        """Fit to rows and their targets.

        Parameters
        ----------
        X : data frame, mapping of columns, or array-like, [N, D]
        y : array-like, [N]
            Classes, or a regressor's numbers.
        sample_weight : array-like, [N], optional
            How much each row counts in training, in the choice of settings, in calibration and in the scores.
        groups : array-like, [N], optional
            What each row belongs to, such as a patient: networks are scored on groups that they were not trained on.
        time : array-like, [N], optional
            Numbers or dates: networks are scored on rows later than those that they were trained on. With `groups` the
            earlier rows of the later rows' groups are left out of that training.

        Returns
        -------
        self

        Raises
        ------
        BadInput
            For tables and targets that cannot be learned from, fewer than three groups or times, or groups that all
            have late rows.
        """
        with restore_on_error(self):
            self._fit(self._prepare(X, y, groups, time, sample_weight))
        return self

    def _prepare(
        self, X: Any, y: Any, groups: Any = None, time: Any = None, sample_weight: Any = None
    ) -> TrainingTable:
        """Validate a table and learn the types of its columns."""
        self._check_parameters(self._metrics)
        frame, y = self._check_table(X, y)
        if sample_weight is not None:
            sample_weight = check_sample_weight(sample_weight, np.empty((len(y), 1)), ensure_non_negative=True)
            counting = np.flatnonzero(sample_weight)
            frame = select_rows(frame, counting)
            sample_weight = sample_weight[counting]
            y, groups, time = (None if each is None else safe_indexing(each, counting) for each in (y, groups, time))
        rows = count_rows(frame)
        groups = None if groups is None else group_indices(groups, rows)
        times = None if time is None else time_numbers(time, rows, self.dates)
        frame, columns = self._typed_columns(frame, ordered_categories(X))
        y, is_left_out = self._learn_target(y)
        division = RowDivision(np.zeros(rows, np.int64), groups, times, self._weights(y, sample_weight))
        notes = []
        if is_left_out.any():
            listed = list_classes(np.unique(y[is_left_out]))
            notes = [f"left out: {count_of(int(is_left_out.sum()), 'row')} whose class occurs nowhere else ({listed})"]
            frame = select_rows(frame, ~is_left_out)
            y = y[~is_left_out]
            division = division.take(~is_left_out)
        _check_row_count(count_rows(frame), " left, of a weight and of a class that occurs twice")
        if is_classifier(self):
            division = replace(division, strata=np.unique(y, return_inverse=True)[1])
        self.columns_ = fit_columns(frame, columns)
        self.n_features_in_ = len(frame)
        self.__dict__.pop("feature_names_in_", None)
        if has_names(X):
            self.feature_names_in_ = np.array(list(frame), object)
        return TrainingTable(frame, y, division, notes, tuple(column_readings(self.columns_, frame)))

    def _check_table(self, X: Any, y: Any) -> tuple[Frame, Any]:
        """The columns of X, and a target with as many rows."""
        frame = frame_of_input(X)
        if not frame:
            raise BadInput(f"0 feature(s) (shape={np.shape(X)}) while a minimum of 1 is required; add columns")
        if y is None:
            raise BadInput(f"{type(self).__name__} requires y to be passed, but the target y is None")
        self.target_ = target_name(y)
        y = y if hasattr(y, "__len__") else np.asarray(y)
        check_consistent_length(*frame.values(), y)
        _check_row_count(count_rows(frame), "")
        return frame, y

    def _typed_columns(self, frame: Frame, ordered: Mapping[str, ColumnType]) -> tuple[Frame, list[Column]]:
        """The columns' types, and the table with its missing values marked.

        Types that are not given are inferred.
        """
        types = {**ordered, **{str(name).strip(): kind for name, kind in (self.types or {}).items()}}
        codes = codes_by_column(self.missing, frame)
        frame = mark_missing(frame, codes)
        inferred = infer_column_types(frame, types, self.dates).values()
        return frame, [replace(column, missing=codes.get(column.origin, ())) for column in inferred]

    def _fit(self, table: TrainingTable, progress: Callable[[str, float], None] | None = None) -> None:
        """Search, score an ensemble on held-out rows, and train one on all rows."""
        frame, y = table.frame, table.y
        budget = Budget(self.preset, self.time_limit or math.inf)
        budget.progress = progress or budget.progress
        self._seed = int(check_random_state(self.random_state).randint(2**31 - 1))
        train, held_out = table.division.hold_out(self._seed)
        chosen = self._choose_inputs(table, train, budget)
        choice, known, parts = chosen.choice, chosen.known, chosen.parts
        members = self._member_count(chosen, len(y), budget)
        budget.begin("an ensemble is trained and scored", (budget.total - budget.done) / 2)
        weights = table.division.weights
        own_weights = take(weights, train)
        ensembles = [
            train_ensemble(self._create_network, known[train][:, used], y[train], part, members, own_weights)
            for part, used in parts
        ]
        of_rows = [take(each, held_out) for each in (known, y, weights, table.division.groups)]
        scores, predictions = self._assess(blend(ensembles, parts), choice, *of_rows)
        warnings = score_warnings(self.columns_, frame, y, train, held_out, scores, predictions)
        is_classes = is_classifier(self)
        warnings += shared_row_warnings(self.columns_, chosen.plain, y, train, held_out, is_classes=is_classes)
        budget.begin("it is trained on all rows", budget.total - budget.done)
        # The final model is trained on the rows set aside, too.
        for index, (part, used) in enumerate(parts):
            rows = chosen.x[:, used], y, part
            if len(y) < MIN_CONTINUED_ROWS or is_linear(part.settings):
                ensembles[index] = train_ensemble(self._create_network, *rows, members, weights)
            else:
                ensembles[index] = continue_ensemble(ensembles[index], *rows, weights)
        self.model_ = blend(ensembles, parts)
        is_divided = table.division.groups is not None or table.division.times is not None
        told = table.notes + warnings
        if budget.was_short:
            told.append(f"the time limit was too short for all settings; {choice.candidates} were compared")
        notes = collect_notes(self.columns_, frame, y, told, scores.score, is_divided=is_divided, is_classes=is_classes)
        self.known_rows_ = digests_to_keep(row_digests(chosen.x, y.tolist()), train, held_out)
        self.report_ = TabularReport(
            len(y),
            len(held_out),
            scores,
            choice.candidates,
            self._metrics[self.metric or next(iter(self._metrics))],
            choice.settings,
            tuple(notes),
            perf_counter() - budget.started,
            len(parts),
            table.readings,
        )

    @property
    def _output_count(self) -> int:
        return len(self.classes_) if is_classifier(self) and len(self.classes_) > 2 else 1

    def _choose_inputs(self, table: TrainingTable, train: Integers, budget: Budget) -> ChosenInputs:
        """Search the settings for columns as they are, then for columns in pieces.

        The second search runs if there is time.
        """
        x = encode_columns(self.columns_, table.frame)
        if not x.shape[1]:
            raise BadInput("no column is left to learn from: no text occurs twice; add rows, or columns of numbers")

        def choose(x: Floats, earlier: Choice | None = None) -> tuple[Floats, Choice]:
            # What is in no two rows trained on is not known there, as it would not be in new rows.
            known = np.where(np.count_nonzero(x[train], axis=0) > 1, x, 0.0)
            rows = known[train], table.y[train], table.division.take(train)
            scored = self._seed, self._score_pair, budget
            return known, choose_candidate(self._create_network, *rows, self._output_count, *scored, earlier)

        known, choice = choose(x)
        is_blended = self.preset != "fast"
        in_pieces = fit_columns(table.frame, self.columns_, in_pieces=True)
        if not (any(column.knots for column in in_pieces) and choice.kinds and budget.may_search()):
            parts = without_worse(list(map(Part, choice.kinds)), self._score_pair) if is_blended else [Part(choice)]
            return ChosenInputs(x, x, known, of_all_parts(choice, parts), parts)
        x_in_pieces = encode_columns(in_pieces, table.frame)
        known_in_pieces, other = choose(x_in_pieces, choice)
        is_better = other.is_better_than(choice)
        best = (other if is_better else choice)._replace(candidates=choice.candidates + other.candidates)
        parts = [Part(best)]
        if is_blended:
            is_plain = plain_inputs(in_pieces)
            kinds = [*map(Part, other.kinds), *(Part(kind, is_plain) for kind in choice.kinds)]
            parts = without_worse(kinds, self._score_pair)
            is_better = any(part.used is not is_plain for part in parts)
        if not is_better:
            parts = [Part(part.choice) for part in parts]
            return ChosenInputs(x, x, known, of_all_parts(best, parts), parts)
        self.columns_ = in_pieces
        return ChosenInputs(x, x_in_pieces, known_in_pieces, of_all_parts(best, parts), parts)

    def _member_count(self, chosen: ChosenInputs, rows: int, budget: Budget) -> int:
        """The number of networks of each part of an ensemble."""
        choices = [part.choice for part in chosen.parts if not is_linear(part.choice.settings)]
        counts = [member_count(each.settings, chosen.x.shape[1], rows, self._output_count) for each in choices]
        members = min(counts, default=1)
        members = min(members, MIN_MEMBERS) if self.preset == "fast" else members
        if len(choices) > 1:
            members = min(members, MAX_BLENDED_MEMBERS) if self.preset == "best" else max(1, members // len(choices))
        return budget.affordable(members, sum(each.seconds for each in choices) * rows / chosen.choice.rows)

    def _weights(self, y: Any, sample_weight: Floats | None) -> Floats | None:
        return sample_weight

    # --- predictions ---

    @property
    def _predictor(self) -> TablePredictor:
        check_is_fitted(self)
        network = self.model_._fitted.architecture.network
        return TablePredictor(self.columns_, self.target_, network, named_weights(self.model_), **self._meaning())

    def _frame_and_predictions(self, X: Any, y: Any = None) -> tuple[Frame, Floats]:
        """A table, and its numbers [N] or probabilities [N, C]; y must have as many rows."""
        predictor = self._predictor
        frame = predictor.mark_missing(self._columns_by_name(X))
        if not count_rows(frame):
            name = type(self).__name__
            shape = (0, len(frame))
            raise BadInput(f"Found array with 0 sample(s) (shape={shape}) while a minimum of 1 is required by {name}.")
        if y is not None:
            check_consistent_length(*frame.values(), y)
        return frame, predictor.predict(frame)

    def _warn_of_known_rows(self, frame: Frame, targets: Any) -> None:
        digests = row_digests(encode_columns(self.columns_, frame), targets.tolist())
        if (share := share_of_known(digests, getattr(self, "known_rows_", ()))) >= MIN_KNOWN_SHARE:
            known = f"{100 * share:.0f} % of these rows are rows that the model was trained on"
            warn_user(f"{known}; the score is too good for others")

    def _columns_by_name(self, X: Any) -> Frame:
        """Match columns by name where both sides have names, else by position with a warning."""
        had_names = hasattr(self, "feature_names_in_")
        named = has_names(X)
        names = list(dict.fromkeys(column.origin for column in self.columns_))
        frame = frame_of_input(X)
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
        forms = {name: frame.forms[old] for name, old in zip(names, frame, strict=True) if old in frame.forms}
        return Frame(zip(names, frame.values(), strict=True), forms)


def _check_row_count(rows: int, which: str) -> None:
    if rows < MIN_ROWS:
        text = "is 1 sample" if rows == 1 else f"are {rows} rows"
        raise BadInput(f"there {text}{which}, too few to set some aside; give at least {MIN_ROWS}")
