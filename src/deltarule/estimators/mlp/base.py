"""The common class of MLPClassifier and MLPRegressor.

K members · N rows · D features · H outputs of a layer · C outputs
"""

import contextlib
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, Self

import numpy as np
from scipy import sparse
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted, validate_data

from deltarule.estimators.mlp import problem_settings
from deltarule.estimators.mlp.fit_context import (
    FIT_WARNINGS_SUPPRESSED,
    Rows,
    restore_on_error,
    share_docstring,
    warn_user,
)
from deltarule.estimators.mlp.fit_plan import DTYPES, plan_epochs, prepare_rows
from deltarule.estimators.mlp.fits import fit_epochs, fit_lbfgs
from deltarule.estimators.mlp.prediction import NonFiniteInput, outputs_of
from deltarule.estimators.mlp.weights import FittedNetwork, fitted_state, named_weights, set_weights
from deltarule.estimators.shared_methods import SavedEstimator
from deltarule.estimators.sklearn_compat import check_feature_names
from deltarule.maths.network import views
from deltarule.problem.network import Network
from deltarule.problem.problem import Floats, Problem
from deltarule.problem.state import State, initial_state


class BaseMLP(SavedEstimator):
    """A multi-layer perceptron; subclasses define the meaning of targets.

    Parameters
    ----------
    hidden_layer_sizes : int or sequence of int, default=(100,)
        Units of each hidden layer; () for none.
    activation : str, dict or list, default="relu"
        "identity", "logistic", "tanh", "relu", or another of deltarule's activations. A dict sets parameters:
        {"name": "leaky_relu", "slope": 0.2}. A list has one for each hidden layer.
    solver : str or dict, default="adam"
        "adam", "sgd", "lbfgs", or another of deltarule's optimizers, such as "rmsprop". Numbers in a dict take
        precedence over the parameters below.
    alpha : float, default=0.0001
        Strength λ of the penalty ½ λ ‖W‖², divided by the number of rows in the batch.
    batch_size : int or "auto", default="auto"
        Rows of a mini-batch; "auto" means 200, or all rows if there are fewer.
    learning_rate : str or dict, default="constant"
        "constant"; "invscaling" or "adaptive", which have no effect with "adam"; or another of deltarule's schedules,
        such as {"name": "cosine", "steps": 100, "per": "epoch"}.
    learning_rate_init : float, default=0.001
        The initial learning rate.
    power_t : float, default=0.5
        The exponent of "invscaling".
    max_iter : int, default=200
        Maximum number of epochs, or of iterations for "lbfgs".
    shuffle : bool, default=True
        Whether to reorder the rows in every epoch.
    random_state : int, RandomState or None, default=None
        Seed of the weights, the orders of rows and the validation split. The result does not depend on the number of
        threads.
    tol : float, default=0.0001
        The smallest improvement of the loss or the validation score that counts; the gradient tolerance of "lbfgs".
    verbose : bool, default=False
        Whether to print every epoch, with an upper limit for the seconds left.
    warm_start : bool, default=False
        Whether `fit` continues with the weights of the previous fit.
    momentum : float, default=0.9
        Momentum of "sgd", from 0 to 1.
    nesterovs_momentum : bool, default=True
        Whether to use Nesterov's momentum.
    early_stopping : bool, default=False
        Whether to stop when the validation score no longer improves, and to restore the best weights.
    validation_fraction : float, default=0.1
        Share of the rows that early stopping sets aside for validation.
    beta_1 : float, default=0.9
        Decay rate of Adam's first moment.
    beta_2 : float, default=0.999
        Decay rate of Adam's second moment.
    epsilon : float, default=1e-08
        The number that Adam adds to its denominator.
    n_iter_no_change : int, default=10
        Maximum number of consecutive epochs without improvement.
    max_fun : int, default=15000
        Maximum number of evaluations of the loss for "lbfgs".
    dropout : float or list of float, default=0.0
        Dropout rate of the hidden layers, or one rate for each.
    batch_norm : bool, default=False
        Whether hidden layers normalize their pre-activations over the batch.
    scaling_layer : bool, default=False
        Whether each feature is multiplied by a trained weight, initially 1, before the first layer.
    n_members : int, default=1
        Number of networks in an ensemble, trained as one population; predictions are averaged.
    callbacks : callable, list of callables or None, default=None
        Functions called after each epoch of `fit` as `callback(epoch, model)`, with an `Epoch` (`epoch.number`,
        `epoch.loss`, ...); if one returns True, the fit ends.
    engine : {"auto", "reference", "compiled"}, default="auto"
        "reference" uses NumPy, "compiled" LLVM; "auto" selects the faster one.
    output_bias : {"random", "prior"}, default="random"
        Initial biases of the outputs: random, as in scikit-learn; or such that the network predicts about the mean
        of the targets, which saves many updates if a class is rare.
    scoring : "loss" or None, default=None
        What early stopping scores on the validation rows: the negative loss, or the accuracy or R².

    Attributes
    ----------
    loss_ : float
        The last loss.
    best_loss_ : float or None
        The lowest loss; None with `early_stopping` or "lbfgs".
    loss_curve_ : list of float
        The loss of every epoch, on the batches as they were trained on; empty for "lbfgs".
    validation_scores_ : list of float or None
        The validation score of every epoch, if there are validation rows.
    validation_loss_curve_ : list of float or None
        The validation loss of every epoch, if there are validation rows.
    best_validation_score_ : float or None
        The best validation score, if there are validation rows.
    coefs_ : list of ndarray
        The weights of each layer, [D, H], or [K, D, H] with several members. With `scaling_layer` the first
        apply to the scaled features.
    intercepts_ : list of ndarray
        The biases of each layer, [H], or [K, H] with several members.
    n_features_in_ : int
        Number of features.
    feature_names_in_ : ndarray of str
        Names of the features, if `X` has any.
    n_iter_ : int
        Number of epochs of the last fit; iterations for "lbfgs".
    t_ : int
        Number of rows seen.
    n_layers_ : int
        Number of layers, counting the inputs.
    n_outputs_ : int
        Number of outputs.
    out_activation_ : str
        scikit-learn's name of the output activation.
    """

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        share_docstring(BaseMLP, cls)

    coefs_: list[Floats]
    intercepts_: list[Floats]

    _fitted: FittedNetwork

    # --- defined by the classifier and the regressor ---

    _kind_constraints: dict[str, list[Any]]
    _update_targets: Callable[..., None]
    _encode_targets: Callable[..., Floats]
    _loss_and_activation: Callable[[], tuple[Any, str]]
    _score_metric: Callable[[], str]

    def _row_weights(self, y: Any, sample_weight: Floats | None, incremental: bool) -> Floats | None:
        return sample_weight

    def _stratify(self, y: Floats) -> Any:
        return None

    # --- parameters ---

    def _store_parameters(self, parameters: Mapping[str, Any]) -> None:
        for name, value in parameters.items():
            if name != "self":
                setattr(self, name, value)

    @property
    def _solver(self) -> str:
        return self.solver if isinstance(self.solver, str) else self.solver.get("name", "")

    @property
    def _parameters(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self._parameter_names()}

    @classmethod
    @cache
    def _parameter_names(cls) -> tuple[str, ...]:  # a subclass may take fewer
        return tuple(problem_settings.constraints() | cls._kind_constraints)

    @classmethod
    @cache
    def _get_param_names(cls) -> list[str]:
        # Cached, because scikit-learn inspects the signature in every call.
        return list(super()._get_param_names())

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "coefs_")

    # --- fits ---

    def fit(self, X: Any, y: Any, sample_weight: Any = None, *, X_val: Any = None, y_val: Any = None) -> Self:
        """Fit to features and targets.

        Parameters
        ----------
        X : array-like, data frame or sparse matrix, [N, D]
            Features. Sparse rows are made dense; float32 stays float32.
        y : array-like, [N] or [N, C]
            Targets: a classifier's classes, or 0 and 1 for several labels at once; a regressor's numbers.
        sample_weight : array-like, [N], optional
            Weights of the rows: weight 2 counts a row twice, 0 drops it.
        X_val, y_val : array-like, optional
            Validation rows, scored after every epoch (not with "lbfgs"); `early_stopping` uses them. With metadata
            routing and `set_fit_request(X_val=True, y_val=True)`, a pipeline's `transform_input=["X_val"]` transforms
            `X_val`.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            For invalid input, and if training diverges, unless `early_stopping` has scored weights to restore.
        """
        with restore_on_error(self):
            prepared = prepare_rows(self, X, y, sample_weight)
            if self._solver != "lbfgs":
                messages = fit_epochs(self, plan_epochs(self, *prepared, X_val, y_val))
            elif X_val is None:
                messages = fit_lbfgs(self, *prepared)
            else:
                raise ValueError("solver='lbfgs' has no epochs; leave X_val out.")
        for message in () if FIT_WARNINGS_SUPPRESSED.get() else messages:
            warn_user(message)
        return self

    def _create_problem(self, rows: Rows, generator: np.random.RandomState, rows_seen: int) -> Problem:
        network, loss = self._fitted.architecture.network, self._loss_and_activation()[0]
        return problem_settings.create(self._parameters, network, loss, rows, generator, rows_seen)

    def _initial_state(self, problem: Problem, is_new_fit: bool) -> State:
        if not is_new_fit:
            return fitted_state(self, problem)
        state = initial_state(problem)
        if self.output_bias == "prior":
            biases = views(state.theta, problem.network.entries)[f"b{problem.network.depth}"]
            biases[...] = problem_settings.prior_logits(problem.y, problem.weights, self.out_activation_)
        return state

    # --- predictions and weights ---

    def _predict_members(self, X: Any, transform: Callable[[Floats], Floats]) -> Floats:
        """Validate rows X and return `transform` of the outputs [K, N, C]."""

        def predict(X: Any, check_rows_finite: bool) -> Floats:
            network, arrays = self._fitted.architecture.network, named_weights(self)
            return outputs_of(
                network, arrays, X, check_rows_finite, lambda each: transform(each if each.ndim == 3 else each[None])
            )

        # For a single row scikit-learn's checks take longer than the prediction.
        is_number_array = type(X) is np.ndarray and X.ndim == 2 and X.dtype in DTYPES and len(X) > 0
        if is_number_array and X.shape[1] == getattr(self, "n_features_in_", None):
            with contextlib.suppress(NonFiniteInput):  # validate_data then reports it below
                predictions = predict(X, check_rows_finite=True)
                if hasattr(self, "feature_names_in_"):  # scikit-learn warns that an array has none
                    check_feature_names(self, X, reset=False)
                return predictions
        check_is_fitted(self)
        with np.errstate(all="ignore"):
            X = validate_data(self, X, accept_sparse=["csr", "csc"], reset=False)
        return predict(X.toarray() if sparse.issparse(X) else X, check_rows_finite=False)

    def _set_state(self, network: Network, state: State) -> None:
        set_weights(self, views(state.theta, network.entries) | views(state.buffers, network.buffers))


def _is_stochastic_solver(estimator: BaseMLP) -> bool:
    if estimator._solver == "lbfgs":
        raise AttributeError("partial_fit is only available for stochastic optimizers. lbfgs is not stochastic.")
    return True


only_for_stochastic_solvers = available_if(_is_stochastic_solver)
