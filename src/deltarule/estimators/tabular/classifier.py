"""TabularClassifier, the estimator for tables with classes as target."""

from dataclasses import KW_ONLY, dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
from sklearn.metrics import accuracy_score
from sklearn.utils.multiclass import check_classification_targets

from deltarule.errors import BadInput
from deltarule.estimators.mlp.base import BaseMLP
from deltarule.estimators.mlp.classifier import class_weights
from deltarule.estimators.mlp.fit_context import warn_user
from deltarule.estimators.shared_methods import ProbabilityMixin
from deltarule.estimators.tabular.calibration import (
    MIN_CALIBRATION_ROWS,
    LogitCalibration,
    apply_calibration,
    cross_calibrate,
    fit_calibration,
)
from deltarule.estimators.tabular.candidate_search import Choice
from deltarule.estimators.tabular.evaluation import Inspection, inspect_classes, permutation_importances, sample_rows
from deltarule.estimators.tabular.parameters import TabularParameters
from deltarule.estimators.tabular.prediction_sets import fit_sets
from deltarule.estimators.tabular.scores import Scores, area_under_roc, log_loss, scores_of_classes
from deltarule.estimators.tabular.splits import take
from deltarule.estimators.tabular.table_network import TableNetworkClassifier
from deltarule.estimators.tabular.tabular import MAX_SINGLE_ROW_SHARE, BaseTabular
from deltarule.problem.problem import Floats, Integers
from deltarule.tables.cell_texts import as_text, list_classes, shorten_repr
from deltarule.tables.targets import class_names, infer_target, to_class_names, to_text_classes


@dataclass(eq=False, repr=False, match_args=False)
class ClassifierParameters(TabularParameters):
    """The parameters of `TabularClassifier`."""

    _: KW_ONLY
    class_weight: Any = None


class TabularClassifier(ProbabilityMixin, BaseTabular, ClassifierParameters):
    """Classifier for raw tables with numbers, texts and missing values.

    Column types are inferred. Numbers are standardized, and missing ones imputed with the median. Each also has up to
    16 inputs for the pieces of its range, if that is better in the cross-validation. Dates become numbers of their
    parts, with waves of a year, a week and a day; texts one input for each category that occurs at least twice, up to
    500 (down to 50 if there are many rows).
    Columns that say nothing about other rows (identifiers, free text, a single value) are not used, with a warning if
    they may be meant to be.

    A fifth of the rows is set aside for scores. On the others, cross-validation of 9 to 13 candidates (linear
    models, small and deep networks) chooses the hyperparameters: the lowest log loss among candidates whose accuracy is
    within a quarter of a standard error of the best. The final model, an ensemble or one linear model, is trained on
    all rows (from 2,000 rows on, the scored ensemble is trained further on them). Its probabilities are calibrated on
    the rows set aside, as predicted without them; if these are fewer than 500, on the folds of the cross-validation.

    Parameters
    ----------
    SHARED_PARAMETERS
    class_weight : "balanced", dict or None, default=None
        Weight of the rows of each class; "balanced" gives every class the same total weight. Probabilities and scores
        are then those of classes so weighted.

    Attributes
    ----------
    columns_ : tuple of Column
        The type and encoding of each column.
    report_ : TabularReport
        The scores, with a baseline, and the hyperparameters.
    model_ : MLPClassifier
        The fitted networks, whose probabilities are not calibrated.
    calibration_ : LogitCalibration
        The scale and the biases [C] of calibrated logits.
    set_scores_ : SetScores
        The scores of rows that were not trained on, by which `predict_sets` chooses.
    classes_ : ndarray
        The class labels, [C].

    Raises
    ------
    BadInput
        For fewer than 10 rows, fewer than two classes that occur more than once, more than a tenth of the rows with
        classes that occur once, or a target with missing values.

    Examples
    --------
    >>> from deltarule import TabularClassifier
    >>> rows = {"color": ["red", "blue", None, "red"] * 15, "size": [float(n % 4) for n in range(60)]}
    >>> model = TabularClassifier(random_state=0).fit(rows, ["apple", "plum", "plum", "cherry"] * 15)
    >>> model.predict({"color": ["red"], "size": [3.0]}).tolist()
    ['cherry']
    >>> [column.kind for column in model.columns_]
    ['category', 'number']
    """

    _metrics = MappingProxyType({"accuracy": "accuracy", "auc": "area under ROC", "log_loss": "log loss"})

    def predict(self, X: Any) -> Any:
        """Predict the class of each row.

        Parameters
        ----------
        X : as for `fit`, with the same columns

        Returns
        -------
        ndarray, [N]
            Class labels.
        """
        probabilities = self.predict_proba(X)
        return self.classes_[probabilities.argmax(axis=1)]

    def predict_proba(self, X: Any) -> Any:
        """Predict the probability of every class for each row.

        Parameters
        ----------
        X : as for `predict`

        Returns
        -------
        ndarray, [N, C]
            Probabilities of the classes in the order of `classes_`.
        """
        return self._frame_and_predictions(X)[1]

    def predict_sets(self, X: Any, coverage: float = 0.9) -> Any:
        """Predict a set of classes for each row, which holds the true class of the promised share of rows.

        Parameters
        ----------
        X : as for `predict`
        coverage : float, default=0.9
            The share, between 0 and 1. It is promised for new rows like those of the fit, for certain and for uncertain
            ones, whose sets are larger. No set is empty, so that more of the certain rows may have their class in it.

        Returns
        -------
        ndarray of bool, [N, C]
            Whether a class is in the set, in the order of `classes_`.
        """
        probabilities = self._frame_and_predictions(X)[1]
        if not hasattr(self, "set_scores_"):
            raise BadInput("the file of this model is of an older version and lacks what sets need; train it again")
        return self.set_scores_.sets(probabilities, coverage)

    def evaluate(self, X: Any, y: Any) -> Scores:
        """Score predictions for rows that were not used in training.

        Parameters
        ----------
        X : as for `predict`
        y : array-like, [N]
            Classes.

        Returns
        -------
        Scores
        """
        frame, probabilities = self._frame_and_predictions(X, y)
        names = self._class_names(y)
        self._warn_of_known_rows(frame, names)
        return scores_of_classes(names, probabilities, class_names(self.classes_), as_text(self.usual_))

    def inspect(self, X: Any, y: Any) -> Inspection:
        """Evaluate predictions by class and by column on unseen rows.

        Parameters
        ----------
        X : as for `predict`
        y : array-like, [N]
            Classes.

        Returns
        -------
        Inspection
            The scores; recall and precision of each class; the confusions; the calibration of the probabilities; and
            for each column the accuracy that is lost if its cells are shuffled among the rows.
        """
        frame, probabilities = self._frame_and_predictions(X, y)
        names = self._class_names(y)
        classes = class_names(self.classes_)
        predictor = self._predictor
        self._warn_of_known_rows(frame, names)
        rows, sample = sample_rows(self.columns_, frame)

        def is_correct(x: Floats) -> Floats:
            return np.asarray(classes[predictor.predict_inputs(x).argmax(axis=1)] == names[rows], np.float64)

        importances = permutation_importances(self.columns_, sample, is_correct)
        return inspect_classes(names, probabilities, classes, as_text(self.usual_), importances)

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """The accuracy on rows that were not used in training.

        Parameters
        ----------
        X : as for `predict`
        y : array-like, [N]
            Classes.
        sample_weight : array-like, [N], optional
            How much each row counts.

        Returns
        -------
        float
            The share of rows that are predicted correctly.
        """
        probabilities = self._frame_and_predictions(X, y)[1]
        predictions = class_names(self.classes_)[probabilities.argmax(axis=1)]
        return float(accuracy_score(self._class_names(y), predictions, sample_weight=sample_weight))

    def _class_names(self, y: Any) -> Any:
        names, unknown = to_class_names(y, self.classes_)
        if unknown:
            listed = list_classes(unknown)
            warn_user(f"unknown classes {listed}: the model was not trained on them and never predicts them")
        return names

    def _weights(self, y: Any, sample_weight: Floats | None) -> Floats | None:
        if self.class_weight is None:
            return sample_weight
        weights = class_weights(self.class_weight, y, sample_weight=sample_weight)
        if not (weights > 0).all():
            raise BadInput(f"class_weight is {self.class_weight}; give each class a weight above 0")
        return weights if sample_weight is None else weights * sample_weight

    def _learn_target(self, y: Any) -> tuple[Any, Any]:
        """Learn the classes that occur in more than one row; refuse fewer than two."""
        y = infer_target(y, "classify").values
        check_classification_targets(y)
        classes, counts = np.unique(y, return_counts=True)
        self.classes_ = to_text_classes(classes[counts > 1])
        if len(self.classes_) < 2:
            some = f"only {shorten_repr(as_text(self.classes_[0]))} does" if len(self.classes_) else "none does"
            raise BadInput(f"two classes must occur in more than one row, and {some}; {_advice_on_rare(classes)}")
        alone = len(classes) - len(self.classes_)
        if alone > MAX_SINGLE_ROW_SHARE * len(y):
            many = f"{alone:,} classes occur in one row each, more than a tenth of all rows"
            raise BadInput(f"{many}; {_advice_on_rare(classes)}")
        self.usual_ = self.classes_[counts[counts > 1].argmax()]
        return y, ~np.isin(y, self.classes_)

    def _meaning(self) -> dict[str, Any]:
        return {"classes": self.classes_, "calibration": self.calibration_}

    def _create_network(self, **settings: Any) -> BaseMLP:
        return TableNetworkClassifier(**settings, output_bias="prior", random_state=self._seed)

    def _score_pair(self, model: Any, x: Floats, y: Any, weights: Floats | None) -> tuple[float, float]:
        """The score by `metric`, and the negative log loss as a smooth score."""
        classes, probabilities, weights = self._out_of_fold_probabilities(model, x, y, weights)
        loss = log_loss(classes, probabilities, weights)
        if self.metric == "log_loss":
            return -loss, -loss
        if self.metric == "auc":
            return area_under_roc(classes, probabilities, weights), -loss
        correct = np.average(probabilities.argmax(axis=1) == classes, weights=weights) * len(classes)
        return float(correct) / len(y), -loss

    def _assess(
        self, ensemble: Any, choice: Choice, x: Floats, y: Any, weights: Floats | None, groups: Integers | None
    ) -> tuple[Scores, Any]:
        """Set `calibration_` and `set_scores_`, then score the calibrated ensemble on the rows set aside."""
        probabilities = ensemble.predict_proba(x)
        is_known = np.isin(y, ensemble.classes_)
        columns = np.searchsorted(self.classes_, ensemble.classes_)  # without classes whose only rows are set aside
        if len(y) < MIN_CALIBRATION_ROWS:
            folds = [self._out_of_fold_probabilities(*fold) for fold in choice.out_of_fold]
            known_y, known_probabilities, own_weights = zip(*folds, strict=True)
            joined = None if weights is None else np.concatenate(own_weights)
            out_of_fold = np.concatenate(known_y), np.concatenate(known_probabilities)
            self.calibration_ = fit_calibration(*out_of_fold, joined)
            own = LogitCalibration(self.calibration_.scale, self.calibration_.biases[columns])
            probabilities = apply_calibration(probabilities, own)
            calibrated = cross_calibrate(*out_of_fold, joined)
            parts = [(out_of_fold[0], calibrated, joined)]
        else:
            biases = np.zeros(len(self.classes_))
            known = np.searchsorted(ensemble.classes_, y[is_known]), probabilities[is_known], take(weights, is_known)
            scale, biases[columns] = fit_calibration(*known)
            self.calibration_ = LogitCalibration(scale, biases)
            probabilities[is_known] = cross_calibrate(*known)
            parts = []
        of_all = np.zeros((int(is_known.sum()), len(self.classes_)))
        of_all[:, columns] = probabilities[is_known]
        parts.append((np.searchsorted(self.classes_, y[is_known]), of_all, take(weights, is_known)))
        indices, of_parts, set_weights = zip(*parts, strict=True)
        joined = None if weights is None else np.concatenate(set_weights)
        self.set_scores_ = fit_sets(np.concatenate(indices), np.concatenate(of_parts), joined)
        scores = scores_of_classes(y, probabilities, ensemble.classes_, self.usual_, weights, groups)
        return scores, ensemble.classes_[probabilities.argmax(axis=1)]

    def _out_of_fold_probabilities(
        self, model: Any, x: Floats, y: Any, weights: Floats | None
    ) -> tuple[Integers, Floats, Floats | None]:
        is_known = np.isin(y, model.classes_)  # both rows of a class may be in this fold
        probabilities = np.zeros((is_known.sum(), len(self.classes_)))
        probabilities[:, np.searchsorted(self.classes_, model.classes_)] = model.predict_proba(x[is_known])
        return np.searchsorted(self.classes_, y[is_known]), probabilities, take(weights, is_known)


def _advice_on_rare(classes: Any) -> str:
    """What to do about classes that occur once.

    If most of them hold digits, they may be numbers in an unknown form.
    """
    texts = [as_text(each) for each in classes.tolist()]
    with_digits = [text for text in texts if any(map(str.isdigit, text))]
    if 2 * len(with_digits) <= len(texts):
        return "add rows of these"
    example = shorten_repr(with_digits[0])
    return f"if {example} is a number, write numbers alone, without unit and mark, and regress; else add rows of these"
