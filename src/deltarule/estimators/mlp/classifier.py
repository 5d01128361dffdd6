"""MLPClassifier: class labels, multi-label targets and class weights."""

from typing import Any

import numpy as np
from scipy import sparse
from sklearn.utils.multiclass import check_classification_targets, type_of_target

from deltarule.estimators.mlp.base import BaseMLP, only_for_stochastic_solvers
from deltarule.estimators.mlp.fit import Fit
from deltarule.estimators.mlp.fit_context import restore_on_error
from deltarule.estimators.mlp.parameters import ClassifierParameters
from deltarule.estimators.mlp.prediction import class_probabilities, mean_and_std, mean_of_members
from deltarule.estimators.shared_methods import ProbabilityMixin
from deltarule.estimators.sklearn_compat import check_partial_fit_first_call
from deltarule.problem.problem import Floats
from deltarule.tables.targets import to_text_classes


class MLPClassifier(ProbabilityMixin, BaseMLP, ClassifierParameters):
    """Multi-layer perceptron classifier with the parameters of scikit-learn's.

    Parameters
    ----------
    SHARED_PARAMETERS

    Attributes
    ----------
    SHARED_ATTRIBUTES
    classes_ : ndarray
        The class labels, [C].

    Raises
    ------
    ValueError
        For invalid parameters and data, in scikit-learn's wording.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.preprocessing import scale
    >>> from deltarule import MLPClassifier
    >>> X, y = load_iris(return_X_y=True)
    >>> model = MLPClassifier((10,), solver="lbfgs", random_state=0).fit(scale(X), y)
    >>> bool(model.score(scale(X), y) > 0.95)
    True
    """

    classes_: Any

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags

    @only_for_stochastic_solvers
    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None, classes: Any = None) -> "MLPClassifier":
        """Continue training with one epoch over these rows; not for "lbfgs".

        Parameters
        ----------
        X, y, sample_weight
            As for `fit`.
        classes : array-like, [C]
            All class labels; required in the first call.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            Without classes in the first call, with others later, or with `early_stopping` or balanced weights.
        """
        with restore_on_error(self):
            self._note_classes(y, classes)
            self._keep(Fit(self, X, y, sample_weight, is_incremental=True).by_one_epoch())
        return self

    def predict(self, X: Any) -> Any:
        """Predict the class of each row.

        Parameters
        ----------
        X : array-like, [N, D]
            Features.

        Returns
        -------
        ndarray, [N] or [N, C]
            Classes; or labels as 0 and 1, sparse if `y` was sparse in `fit`.
        """
        return self._decode(self._predict_members(X, mean_of_members))

    def predict_proba(self, X: Any, return_std: bool = False) -> Any:
        """Predict the probability of each class or label [N, C].

        Parameters
        ----------
        X : array-like, [N, D]
            Features.
        return_std : bool, default=False
            Whether to return the standard deviation over the members, too.

        Returns
        -------
        ndarray, [N, C]
            Probabilities, in the order of `classes_`; with `return_std` a tuple of these and their standard deviations.

        Raises
        ------
        ValueError
            If a single member has no standard deviation.
        """
        summarize = mean_and_std if return_std else mean_of_members

        def combine(outputs: Floats) -> Floats:
            return summarize(outputs if self._labels else class_probabilities(outputs, len(self.classes_)))

        probabilities = self._predict_members(X, combine)
        return tuple(probabilities) if return_std else probabilities

    # --- meaning of the targets ---

    _sparse = False
    """Whether predicted labels are sparse, as y was in `fit`; a loaded model predicts arrays."""

    def _note_classes(self, y: Any, classes: Any) -> None:
        """Set `classes_` in the first `partial_fit`, and check them in later ones."""
        if self.class_weight == "balanced":
            raise ValueError("class_weight='balanced' is not supported for partial_fit; give the weights by class.")
        if check_partial_fit_first_call(self, classes):
            self.classes_ = to_text_classes(self.classes_)
            self._labels = type_of_target(y) == "multilabel-indicator"
            self._sparse = sparse.issparse(y)
            count = np.shape(y)[-1]
            if self._labels and not np.array_equal(self.classes_, np.arange(count)):
                raise ValueError(f"classes of {count} labels are their numbers, from 0 on; got {classes!r}.")

    def _update_targets(self, y: Any, weights: Floats | None, dtype: Any, is_new_fit: bool, incremental: bool) -> None:
        """Learn the classes in a new fit, or check that y agrees with them."""
        if is_new_fit and not incremental:
            kind = type_of_target(y, input_name="y")
            if kind not in ("binary", "multiclass", "multilabel-indicator"):
                check_classification_targets(y)
                _reject_multiple_columns(y)
            self._labels = kind == "multilabel-indicator"
            self._sparse = sparse.issparse(y)
            self.classes_ = np.arange(y.shape[1]) if self._labels else to_text_classes(np.unique(y))
            return
        if self._labels != (type_of_target(y) == "multilabel-indicator"):
            raise ValueError("`y` holds classes and held labels, or the reverse, when last fitted; fit a new model.")
        if not self._labels:
            _reject_multiple_columns(y)
        if self.warm_start and not incremental and not self._labels and set(np.unique(y)) != set(self.classes_):
            raise ValueError(
                "warm_start can only be used where `y` has the same classes as in the previous call to fit. "
                f"Previously got {self.classes_}, `y` has {np.unique(y)}"
            )

    def _encode_targets(self, y: Any, dtype: Any) -> Floats:
        """Targets as the network's outputs, or `ValueError` for unknown classes."""
        if self._labels:
            return np.asarray(y.toarray() if sparse.issparse(y) else y, dtype)
        y = np.asarray(y)
        unknown = np.setdiff1d(y, self.classes_)
        if len(unknown):
            raise ValueError(
                f"`y` has classes not in `self.classes_`. `self.classes_` has {self.classes_}. 'y' has {np.unique(y)}."
            )
        indices = np.searchsorted(self.classes_, y)
        if len(self.classes_) > 2:
            return np.asarray(np.eye(len(self.classes_), dtype=dtype)[indices])
        return np.asarray(indices[:, None], dtype)

    def _row_weights(self, y: Any, sample_weight: Floats | None, incremental: bool) -> Floats | None:
        """The products [N] of sample weights and class weights, or None."""
        if self.class_weight is None:
            return sample_weight
        if y.ndim == 2:
            raise ValueError("class_weight is for classes, and `y` has several labels; give sample_weight.")
        known = self.classes_ if incremental else ()  # a batch need not have all classes
        weights = class_weights(self.class_weight, y, known, sample_weight)
        if not (weights >= 0).all():
            raise ValueError(f"class_weight must be weights of 0 or more, got {self.class_weight}.")
        return np.asarray(weights if sample_weight is None else weights * sample_weight)

    def _loss_and_activation(self) -> tuple[str, str]:
        if self._labels or len(self.classes_) < 3:
            return "binary_cross_entropy", "logistic"
        return "cross_entropy", "softmax"

    def _score_metric(self) -> str:
        return "thresholded" if self._labels else "accuracy"

    def _stratify(self, y: Floats) -> Any:
        """The classes [N] of two, under the names by which errors call them."""
        return self.classes_[y[:, 0].astype(np.int64)] if y.shape[1] == 1 and not self._labels else None

    def _decode(self, outputs: Floats) -> Any:
        if self._labels:
            labels = (outputs > 0.5).astype(np.int64)
            return sparse.csr_matrix(labels) if self._sparse else labels
        if outputs.shape[-1] > 1:
            return self.classes_[outputs.argmax(axis=-1)]
        return self.classes_[np.minimum(outputs[:, 0] > 0.5, len(self.classes_) - 1)]


def class_weights(class_weight: Any, y: Any, known: Any = (), sample_weight: Floats | None = None) -> Floats:
    """The weights of rows by their classes y [N]; in a dict, 1 for other classes.

    Classes of `known` need not occur in y.
    """
    classes, indices = np.unique(y, return_inverse=True)
    if isinstance(class_weight, str):
        sums = np.bincount(indices, sample_weight)
        is_present = sums > 0
        balanced = np.divide(sums.sum(), is_present.sum() * sums, out=np.zeros(len(sums)), where=is_present)
        return np.asarray(balanced[indices])
    without_weight = [name for name in classes.tolist() if name not in class_weight]
    if without_weight and not {*classes.tolist(), *known}.issuperset(class_weight):
        raise ValueError(f"The classes, {without_weight}, are not in class_weight")
    return np.array([class_weight.get(name, 1.0) for name in classes.tolist()], np.float64)[indices]


def _reject_multiple_columns(y: Any) -> None:
    if y.ndim == 2:
        check_classification_targets(y)
        raise ValueError("y has several columns of several classes each; give one column, or labels as 0 and 1.")
