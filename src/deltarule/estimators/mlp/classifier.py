"""The classifier."""

from typing import Any

import numpy as np
from scipy import sparse
from sklearn.base import ClassifierMixin
from sklearn.utils.class_weight import compute_sample_weight
from sklearn.utils.multiclass import check_classification_targets, type_of_target

from deltarule.estimators.mlp.base import can_join_population
from deltarule.estimators.mlp.incremental import IncrementalMLP, only_for_stochastic_solvers
from deltarule.estimators.mlp.input_validation import validation_pair
from deltarule.estimators.sklearn_compat import StrOptions
from deltarule.problem.problem import Floats

MAX_TEXT_CLASS_LENGTH = 64
"""Letters of a class of text up to which answers are NumPy's texts."""


class MLPClassifier(ClassifierMixin, IncrementalMLP):
    """A multi-layer perceptron that tells classes apart, with the parameters and meanings of scikit-learn's.

    Parameters
    ----------
    hidden_layer_sizes : units of the hidden layers; () for none.
    activation : "relu", "identity", "logistic", "tanh", or another of deltarule's names; or a list with one for each
        hidden layer. Where a name stands, a table may: {"name": "leaky_relu", "slope": 0.2}.
    solver : "adam", "sgd", "lbfgs", or another of deltarule's optimizers by name or table, such as "rmsprop"; the
        numbers of a table go before those below, of which what it does not name is taken.
    alpha : strength λ of the penalty ½ λ ‖W‖², which is divided by the rows of the batch.
    batch_size : rows of a mini-batch; "auto" for 200, or all where there are fewer.
    learning_rate : "constant"; "invscaling" or "adaptive", which do nothing for "adam"; or one of deltarule's schedules
        by name or table: {"name": "cosine", "steps": 100, "per": "epoch"}.
    learning_rate_init : the learning rate to begin with.
    power_t : the exponent of "invscaling".
    max_iter : most epochs, or for "lbfgs" iterations.
    shuffle : whether every epoch has an order of its own.
    random_state : seed of the weights, the orders and the validation split; the result is the same for any number of
        threads.
    tol : what counts as better, in the loss or the validation score; for "lbfgs" the tolerance of the gradient.
    verbose : print every epoch, with the seconds left at most.
    warm_start : whether `fit` goes on with the weights of the fit before.
    momentum, nesterovs_momentum : momentum of "sgd", and whether it is Nesterov's.
    early_stopping : stop when the validation score no longer gets better, and bring the best weights back.
    validation_fraction : share of the rows that early stopping sets aside.
    beta_1, beta_2, epsilon : Adam's numbers.
    n_iter_no_change : epochs in a row that need not be better.
    max_fun : most evaluations of the loss by "lbfgs".
    dropout : rate of the hidden layers, or a list with one for each.
    batch_norm : whether hidden layers normalize their pre-activations over the batch.
    n_members : networks of an ensemble, trained as one population: answers are averaged.
    callbacks : a function, or several, called after each epoch of `fit` as `callback(epoch, model)`; one that returns
        True ends the fit.
    engine : what trains: "auto", "reference" or "compiled".
    output_bias : where the biases of the outputs begin: "random", as in scikit-learn; or "prior", where they say what
        the targets alone do, as shares of classes, so that rare ones need no long way.
    class_weight : "balanced", or weights by class: the rows of a class count with its weight.

    After `fit` there are, beside scikit-learn's usual attributes:

    loss_, best_loss_   last and least loss        loss_curve_   of every epoch, on the batches as they were seen
    validation_scores_, best_validation_score_, validation_loss_curve_   with a validation set, else None
    coefs_, intercepts_   weights and biases of every layer; with several members these are the first axis
    n_iter_, t_   epochs, and rows seen        n_layers_, n_outputs_, out_activation_   the network's shape
    classes_   the classes

    Raises `ValueError` with scikit-learn's wording for whatever does not fit.

    >>> from sklearn.datasets import load_iris
    >>> from sklearn.preprocessing import scale
    >>> X, y = load_iris(return_X_y=True)
    >>> model = MLPClassifier((10,), solver="lbfgs", random_state=0).fit(scale(X), y)
    >>> bool(model.score(scale(X), y) > 0.95)
    True
    """

    _kind_constraints = {"class_weight": [dict, list, StrOptions({"balanced"}), None]}

    def __init__(
        self,
        hidden_layer_sizes: Any = (100,),
        activation: Any = "relu",
        *,
        solver: Any = "adam",
        alpha: float = 0.0001,
        batch_size: Any = "auto",
        learning_rate: Any = "constant",
        learning_rate_init: float = 0.001,
        power_t: float = 0.5,
        max_iter: int = 200,
        shuffle: bool = True,
        random_state: Any = None,
        tol: float = 1e-4,
        verbose: bool = False,
        warm_start: bool = False,
        momentum: float = 0.9,
        nesterovs_momentum: bool = True,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-8,
        n_iter_no_change: float = 10,
        max_fun: int = 15000,
        dropout: Any = 0.0,
        batch_norm: bool = False,
        n_members: int = 1,
        callbacks: Any = None,
        engine: str = "auto",
        output_bias: str = "random",
        class_weight: Any = None,
    ) -> None:
        self.hidden_layer_sizes = hidden_layer_sizes
        self.activation = activation
        self.solver = solver
        self.alpha = alpha
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.learning_rate_init = learning_rate_init
        self.power_t = power_t
        self.max_iter = max_iter
        self.shuffle = shuffle
        self.random_state = random_state
        self.tol = tol
        self.verbose = verbose
        self.warm_start = warm_start
        self.momentum = momentum
        self.nesterovs_momentum = nesterovs_momentum
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.beta_1 = beta_1
        self.beta_2 = beta_2
        self.epsilon = epsilon
        self.n_iter_no_change = n_iter_no_change
        self.max_fun = max_fun
        self.dropout = dropout
        self.batch_norm = batch_norm
        self.n_members = n_members
        self.callbacks = callbacks
        self.engine = engine
        self.output_bias = output_bias
        self.class_weight = class_weight

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags

    @can_join_population
    def fit(
        self,
        X: Any,
        y: Any,
        sample_weight: Any = None,
        *,
        eval_set: Any = None,
        X_val: Any = None,
        y_val: Any = None,
    ) -> "MLPClassifier":
        """Fit to rows and their classes.

        Parameters
        ----------
        X : features [N, D]: an array, a data frame or a sparse matrix, which is made dense; float32 stays float32.
        y : classes [N], or for several labels at once 0 and 1 [N, C].
        sample_weight : weights of the rows [N]; 2 counts as the row twice, 0 as if it were not there.
        eval_set : a pair (X, y) of validation rows, scored after every epoch; with `early_stopping` they decide.
        X_val, y_val : the same, apart, so that a pipeline with `transform_input=["X_val"]` transforms the rows as X.

        Returns the estimator. Raises `ValueError` for whatever does not fit.
        """
        self._fit(X, y, sample_weight, validation_pair(eval_set, X_val, y_val))
        return self

    @only_for_stochastic_solvers
    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None, classes: Any = None) -> "MLPClassifier":
        """Go on fitting with one epoch over these rows.

        Parameters: `X`, `y` and `sample_weight` as for `fit`; `classes`, all that there will be, in the first call.
        Returns: the estimator.
        Errors: `ValueError` without classes in the first call, or with others later.
        """
        with self._restore_on_error():
            self._note_classes(y, classes)
            self._fit_one_epoch(X, y, sample_weight)
        return self

    def predict(self, X: Any) -> Any:
        """The class of each row of X [N, D], or its labels [N, C] as 0 and 1: sparse after a fit to sparse ones."""
        return self._decode(self._predict_members(X, self._mean))

    def predict_proba(self, X: Any, return_std: bool = False) -> Any:
        """The probability of every class for each row, in the order of `classes_`; for labels, of each label.

        Parameters: `X`, features [N, D]; `return_std`, whether the standard deviation over the members is wanted too.
        Returns: probabilities [N, C], or these and their standard deviations [N, C].
        Errors: `ValueError` for the standard deviation over a single member.
        """
        told = self._mean_and_std if return_std else self._mean
        found = self._predict_members(X, lambda each: told(self._probabilities(each)))
        return tuple(found) if return_std else found

    def predict_log_proba(self, X: Any) -> Any:
        """The logarithm of `predict_proba`."""
        with np.errstate(divide="ignore"):  # the logarithm of 0 is −∞, as it should be
            return np.log(self.predict_proba(X))

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """The accuracy on rows X [N, D] with the classes y [N]; of labels [N, C] the share of rows where all are right.

        Parameters: `X`, `y`; `sample_weight`, weights of the rows [N].
        Returns: between 0 and 1.
        """
        classes = type(y) is np.ndarray and y.ndim == 1 and y.dtype.kind in "biu"
        if (
            classes
            and sample_weight is None
            and self._is_valid_array(X)
            and len(X) == len(y)
            and not getattr(self, "_labels", True)
            and self.classes_.dtype.kind in "biu"
        ):
            return float((self.predict(X) == y).mean())  # there is nothing to check, which takes longer than to answer
        return float(super().score(X, y, sample_weight))

    # --- what targets mean ---

    def _learn_targets(self, y: Any, weights: Floats | None, dtype: Any) -> None:
        kind = type_of_target(y, input_name="y")
        if kind not in ("binary", "multiclass", "multilabel-indicator"):
            check_classification_targets(y)
            _reject_multiple_columns(y)
        self._labels, self._sparse = kind == "multilabel-indicator", sparse.issparse(y)
        self.classes_ = np.arange(y.shape[1]) if self._labels else to_text_classes(np.unique(y))

    _target_attributes = ("classes_", "_labels", "_sparse")
    _sparse = False
    """Whether labels are answered as they were given, sparse; what comes from a file answers with arrays."""

    def _note_classes(self, y: Any, classes: Any) -> None:
        """Take the classes of the first partial_fit, and hold later ones to them."""
        if "balanced" in (self.class_weight if isinstance(self.class_weight, list) else [self.class_weight]):
            raise ValueError(
                "class_weight='balanced' is not supported for partial_fit, which does not see all rows; "
                "give the weights by class."
            )
        known = getattr(self, "classes_", None)
        if classes is None:
            if known is None:
                raise ValueError("classes must be passed on the first call to partial_fit.")
            return
        given = to_text_classes(np.unique(classes))
        if (given != given).any():
            raise ValueError("Input classes contains NaN.")
        pieces = (isinstance(one, float | np.floating) and not one.is_integer() for one in given.tolist())
        if given.dtype.kind == "c" or any(pieces):
            check_classification_targets(given)  # which refuses them; of others it would say that they are many
        if known is None:
            labels = type_of_target(y) == "multilabel-indicator"
            count = np.shape(y)[-1]
            if labels and not np.array_equal(given, np.arange(count)):
                raise ValueError(f"classes of {count} labels are their numbers, from 0 on; got {classes!r}.")
            self.classes_, self._labels, self._sparse = given, labels, sparse.issparse(y)
        elif not np.array_equal(known, given):
            raise ValueError(f"`classes={classes!r}` is not the same as on last call to partial_fit, was: {known!r}")

    def _update_targets(self, y: Any, weights: Floats | None, dtype: Any, first: bool, incremental: bool) -> None:
        if first and not incremental:
            self._learn_targets(y, weights, dtype)
            return
        if self._labels != (type_of_target(y) == "multilabel-indicator"):
            raise ValueError(
                "`y` has labels where the previous call to fit had classes, or the other way; fit a new one."
            )
        if not self._labels:
            _reject_multiple_columns(y)
        if self.warm_start and not incremental and not self._labels and set(np.unique(y)) != set(self.classes_):
            raise ValueError(
                "warm_start can only be used where `y` has the same classes as in the previous call to fit. "
                f"Previously got {self.classes_}, `y` has {np.unique(y)}"
            )

    def _targets(self, y: Any, dtype: Any) -> Floats:
        if self._labels:
            labels = np.asarray(y.toarray() if sparse.issparse(y) else y, dtype)
            if not ((labels == 0) | (labels == 1)).all():
                raise ValueError(
                    f"the labels in y go from {labels.min():g} to {labels.max():g}; give 1 where a row has a label, "
                    "and 0 where it has not."
                )
            return labels
        y = np.asarray(y)
        unknown = np.setdiff1d(y, self.classes_)
        if len(unknown):
            raise ValueError(
                f"`y` has classes not in `self.classes_`. `self.classes_` has {self.classes_}. 'y' has {np.unique(y)}."
            )
        places = np.searchsorted(self.classes_, y)
        if len(self.classes_) > 2:
            return np.eye(len(self.classes_), dtype=dtype)[places]
        return places[:, None].astype(dtype)

    def _row_weights(self, y: Any, sample_weight: Floats | None, incremental: bool) -> Floats | None:
        if self.class_weight is None:
            return sample_weight
        if isinstance(self.class_weight, list) and np.ndim(y) == 1:
            raise ValueError(
                "class_weight is a list, which goes with labels [N, C]; give 'balanced' or {class: weight}."
            )
        if isinstance(self.class_weight, str):
            weights = balanced_weights(y, sample_weight)
        elif isinstance(self.class_weight, list) and len(self.class_weight) == y.shape[1]:
            columns = (y.toarray() if sparse.issparse(y) else y).T
            each = zip(self.class_weight, columns, strict=True)
            weights = np.prod([_label_weights(one, column, sample_weight) for one, column in each], axis=0)
        else:  # a batch need not have all classes
            given = _select_present_classes(self.class_weight, self.classes_, y) if incremental else self.class_weight
            weights = compute_sample_weight(given, y)
        if not (weights >= 0).all():
            raise ValueError(f"class_weight must be weights of 0 or more, got {self.class_weight}.")
        return weights if sample_weight is None else weights * sample_weight

    def _target_columns(self) -> int:
        return len(self.classes_) if self._labels else 1

    def _loss(self) -> tuple[str, str]:
        if self._labels or len(self.classes_) < 3:
            return "binary_cross_entropy", "logistic"
        return "cross_entropy", "softmax"

    def _metric(self) -> str:
        return "thresholded" if self._labels else "accuracy"

    def _stratify(self, y: Floats) -> Any:
        """As in scikit-learn, two classes keep their shares; more of them may be too rare to be divided."""
        return y if y.shape[1] == 1 and not self._labels else None

    def _probabilities(self, outputs: Floats) -> Floats:
        """Of every class, [.., N, C]: a single output is the probability of the second."""
        if self._labels or outputs.shape[-1] > 1:
            return outputs
        if len(self.classes_) == 1:
            return np.ones_like(outputs)
        both = np.empty((*outputs.shape[:-1], 2), outputs.dtype)
        np.subtract(1, outputs[..., 0], out=both[..., 0])
        both[..., 1] = outputs[..., 0]
        return both

    def _decode(self, outputs: Floats) -> Any:
        if self._labels:
            labels = (outputs > 0.5).astype(np.int64)
            return sparse.csr_matrix(labels) if self._sparse else labels
        if outputs.shape[-1] > 1:
            return self.classes_[outputs.argmax(axis=-1)]
        return self.classes_[np.minimum(outputs[:, 0] > 0.5, len(self.classes_) - 1)]


def _reject_multiple_columns(y: Any) -> None:
    """Refuse several columns [N, C] of what are no labels.

    Errors: `ValueError`.
    """
    if y.ndim == 2:
        check_classification_targets(y)
        raise ValueError("y has several columns of several classes each; give one column, or labels as 0 and 1.")


def to_text_classes(classes: Any) -> Any:
    """Classes [C] that are Python's texts as NumPy's, as scikit-learn has them; where these would differ, as they are.

    So are long ones: each answer of NumPy's takes the room of the longest.

    >>> to_text_classes(np.array(["no", "yes"], object))
    array(['no', 'yes'], dtype='<U3')
    """
    if classes.dtype.kind != "O" or not all(
        isinstance(one, str) and len(one) <= MAX_TEXT_CLASS_LENGTH for one in classes
    ):
        return classes
    texts = np.array(classes.tolist(), str)
    return texts if texts.tolist() == classes.tolist() else classes


def _label_weights(weights: Any, column: Any, sample_weight: Floats | None) -> Floats:
    """The weights of rows by one label [N], which need not be there."""
    if isinstance(weights, str) and weights == "balanced":
        return balanced_weights(column, sample_weight)
    return np.asarray(compute_sample_weight(_select_present_classes(weights, (0, 1), column), column))


def _select_present_classes(weights: Any, classes: Any, y: Any) -> Any:
    """Without the weights of classes that are not in y [N]."""
    if not isinstance(weights, dict):
        return weights
    absent = set(classes) - set(np.unique(y))
    return {name: weight for name, weight in weights.items() if name not in absent}


def balanced_weights(y: Any, weights: Floats | None = None) -> Floats:
    """Weights of rows by which every class counts as much as any other; of labels the product over the columns.

    y [N] or [N, C]; weights [N], of which 2 counts as a row twice   →   [N]

    >>> balanced_weights(np.array(["a", "a", "a", "b"])).round(2)
    array([0.67, 0.67, 0.67, 2.  ])
    """
    columns = (y.toarray() if sparse.issparse(y) else np.asarray(y)).reshape(y.shape[0], -1)
    found = np.ones(len(columns))
    for column in columns.T:
        classes = np.unique(column, return_inverse=True)[1]
        sums = np.bincount(classes, weights)
        there = sums > 0
        found *= np.divide(sums.sum(), there.sum() * sums, out=np.zeros(len(sums)), where=there)[classes]
    return found
