"""A classifier for tables: class frequencies, probabilities, and what the model confuses."""

from typing import Any

import numpy as np
from sklearn.base import ClassifierMixin
from sklearn.metrics import accuracy_score

from deltarule.errors import BadInput
from deltarule.estimators.mlp.base import BaseMLP
from deltarule.estimators.mlp.classifier import to_text_classes
from deltarule.estimators.tabular.calibration import calibrate, fit_calibration
from deltarule.estimators.tabular.candidate_search import Choice
from deltarule.estimators.tabular.evaluation import Inspection, classes_inspected, sample_rows
from deltarule.estimators.tabular.scores import Scores, log_loss, scores_of_classes
from deltarule.estimators.tabular.table_network import TableNetworkClassifier
from deltarule.estimators.tabular.tabular import MAX_LEFT_OUT, BaseTabular
from deltarule.estimators.user_warnings import warn_user
from deltarule.problem.problem import Floats, Integers
from deltarule.tables.cell_parsing import as_text, shorten_repr
from deltarule.tables.frame import rows_of
from deltarule.tables.target_validation import (
    are_among,
    as_classes,
    check_length,
    class_names,
    validate_target,
)


class TabularClassifier(ClassifierMixin, BaseTabular):
    """Tells classes apart from a table as it is: texts, numbers, gaps.

    Kinds of columns are guessed: numbers are standardized and their gaps filled with the median; texts become an
    input for each category that occurs twice or more, up to 500 (of many rows up to 50); what says nothing about other
    rows (identifiers, free text, the same value everywhere) is not used, with a warning where it may be meant to count.
    A fifth of the rows is set aside to score; on the others the settings are chosen by cross-validation of 14
    candidates, linear models, small networks and deep ones: by log loss, of those whose accuracy is the best or within
    a quarter of its standard error. The model that is kept is an ensemble of networks with the best settings, trained
    on all rows. Its probabilities are calibrated by the answers of the cross-validation.

    Parameters
    ----------
    types : kinds that you know better, by the column's name: "number", "category" or "unused".
    random_state : seed of everything that is drawn.

    After `fit` there are: `columns_`, what it makes of each column; `report_`, with the scores beside a baseline and
    the settings; `model_`, the `MLPClassifier` inside; `classes_`.

    Raises `BadInput` for tables that nothing can be learned from: fewer than 10 rows, fewer than two classes in
    more than one row, more than a tenth of the rows the only ones of their classes, a target with gaps.

    >>> rows = {"color": ["red", "blue", None, "red"] * 15, "size": [float(n % 4) for n in range(60)]}
    >>> model = TabularClassifier(random_state=0).fit(rows, ["apple", "plum", "plum", "cherry"] * 15)
    >>> model.predict({"color": ["red"], "size": [3.0]}).tolist()
    ['cherry']
    >>> [column.kind for column in model.columns_]
    ['category', 'number']
    """

    def fit(self, X: Any, y: Any) -> "TabularClassifier":
        """Fit to rows and their classes.

        Parameters: `X`, a data frame, a mapping of columns, or rows [N, D]; `y`, classes [N].
        Returns: the estimator.
        Errors: `BadInput` for whatever cannot be learned from.
        """
        self._fit_anew(X, y)
        return self

    def predict(self, X: Any) -> Any:
        """The class of each row."""
        frame = self._validated_table(X)
        return self._predict_in_parts(frame, self.model_.predict)

    def predict_proba(self, X: Any) -> Any:
        """The probability of every class for each row [N, C], in the order of `classes_`."""
        frame = self._validated_table(X)
        return self._predict_in_parts(frame, self.model_.predict_proba)

    def evaluate(self, X: Any, y: Any) -> Scores:
        """The scores on rows that had no part in the training; classes go by their names, so that 1 is "1", too."""
        frame = self._validated_table(X)
        y = self._by_class(y, rows_of(frame))
        probabilities = self._predict_in_parts(frame, self.model_.predict_proba)
        return scores_of_classes(y, probabilities, class_names(self.classes_), as_text(self.usual_))

    def inspect(self, X: Any, y: Any) -> Inspection:
        """Where it errs, and what its answers hang on, on rows that had no part in the training.

        Parameters: `X`, as of `predict`; `y`, classes [N].
        Returns: the scores; recall and precision of each class; which are taken for which; whether what is said to be
        probable is; and for each column how much of the accuracy is lost where its cells are shuffled among the rows.
        Errors: `BadInput` for rows that it cannot answer, or a target of another length.
        """
        frame = self._validated_table(X)
        y = self._by_class(y, rows_of(frame))
        probabilities = self._predict_in_parts(frame, self.model_.predict_proba)
        return classes_inspected(self.model_, y, probabilities, sample_rows(self.columns_, frame), as_text(self.usual_))

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """The accuracy on rows; classes go by their names, as of `evaluate`."""
        frame = self._validated_table(X)
        answers = class_names(self._predict_in_parts(frame, self.model_.predict))
        return float(accuracy_score(self._by_class(y, len(answers)), answers, sample_weight=sample_weight))

    def _by_class(self, y: Any, rows: int) -> Any:
        """A target of so many rows as the names of classes [N]."""
        check_length(rows, y)
        found, unknown = as_classes(y, self.classes_)
        if unknown:
            text = ", ".join(map(shorten_repr, unknown[:5]))
            warn_user(f"the model does not know the classes {text}, so it cannot say them")
        return found

    @property
    def _outputs(self) -> int:
        return len(self.classes_) if len(self.classes_) > 2 else 1

    def _learn_target(self, y: Any) -> Any:
        y = validate_target(y)
        if y.dtype.kind == "f" and (y != np.floor(y)).any():
            raise BadInput(
                "Unknown label type: continuous. The target holds numbers, not classes; use a regressor, "
                "or make texts of it"
            )
        if y.dtype.kind == "O" and not all(isinstance(one, str) for one in y):
            raise BadInput(f"the classes are such as {y[0]!r}, a {type(y[0]).__name__}; make texts or numbers of them")
        classes, counts = np.unique(y, return_counts=True)
        if len(classes) < 2:
            raise BadInput(f"every row has the class {as_text(classes[0])!r}; there must be two to tell apart")
        self.classes_ = to_text_classes(classes[counts > 1])
        if len(self.classes_) < 2:
            some = f"only {shorten_repr(as_text(self.classes_[0]))}" if len(self.classes_) else "none"
            raise BadInput(
                f"of the {len(counts)} classes {some} occurs in more than one row, and there must be two such to tell "
                "apart; add rows of the others, or learn another target"
            )
        alone = len(classes) - len(self.classes_)
        if alone > MAX_LEFT_OUT * len(y):
            raise BadInput(
                f"{alone:,} classes occur in one row each, more than the tenth of {len(y):,} rows that may be left "
                "out; add rows of these, or learn another target (counts with a regressor)"
            )
        self.usual_ = self.classes_[counts[counts > 1].argmax()]
        return y

    def _left_out(self, y: Any) -> Any:
        return ~are_among(y, self.classes_)

    def _estimator(self, **settings: Any) -> BaseMLP:
        return TableNetworkClassifier(**settings, output_bias="prior", random_state=self._seed)

    def _strata(self, y: Any, aside: int) -> Any:
        return y if len(self.classes_) <= aside else None

    def _kinds(self, y: Any) -> Integers:
        return np.unique(y, return_inverse=True)[1]

    def _credits(self, model: Any, x: Floats, y: Any) -> tuple[float, float]:
        probabilities = model.predict_proba(x)
        right = model.classes_[probabilities.argmax(axis=1)] == y
        return float(right.mean()), -log_loss(y, probabilities, model.classes_)

    def _tie_tolerance(self, best: float, rows: int) -> float:
        # Accuracies within a quarter of a standard error of the best are about the same.
        return 0.25 * float(np.sqrt(max(0.0, best * (1 - best)) / rows))

    def _calibrate(self, model: Any, choice: Choice) -> BaseMLP:
        each = [self._out_of_fold(*fold) for fold in choice.out_of_fold]
        classes, probabilities = map(np.concatenate, zip(*each, strict=True))
        scale, biases = fit_calibration(classes, probabilities)
        known = np.searchsorted(self.classes_, model.classes_)  # all but those whose only rows are set aside
        calibrate(model, scale, biases[known])
        return model

    def _out_of_fold(self, model: Any, x: Floats, y: Any) -> tuple[Integers, Floats]:
        """The classes of rows [n], and the probabilities of every class [n, C] that a model of other rows gives them.

        A class of two rows may have both in this fold; then they are left out.
        """
        known = are_among(y, model.classes_)
        probabilities = np.zeros((known.sum(), len(self.classes_)))
        probabilities[:, np.searchsorted(self.classes_, model.classes_)] = model.predict_proba(x[known])
        return np.searchsorted(self.classes_, y[known]), probabilities

    def _scores(self, x: Floats, y: Any) -> Scores:
        return scores_of_classes(y, self.model_.predict_proba(x), self.model_.classes_, self.usual_)
