"""The regressor."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from scipy import sparse
from sklearn.base import RegressorMixin

from deltarule.estimators.mlp import problem_settings
from deltarule.estimators.mlp.base import can_join_population
from deltarule.estimators.mlp.incremental import IncrementalMLP, only_for_stochastic_solvers
from deltarule.estimators.mlp.input_validation import cast_finite, reject_datetimes, validation_pair
from deltarule.estimators.sklearn_compat import StrOptions
from deltarule.problem.problem import Floats


class MLPRegressor(RegressorMixin, IncrementalMLP):
    """A multi-layer perceptron that predicts numbers, with the parameters and meanings of scikit-learn's.

    Its losses are sums over the outputs, and their gradient is that of the loss it tells. (scikit-learn's squared error
    for C outputs is told as their mean and descended as their sum: without the penalty the number is C times less, and
    the steps are the same but for "lbfgs", which looks at both.)

    Parameters
    ----------
    loss : "squared_error" (half of it), "poisson", "huber", "absolute_error" or "quantile", by name or table, such as
        {"name": "quantile", "quantile": 0.9}.
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
    output_bias : where the biases of the outputs begin: "random", as in scikit-learn; or "prior", where the answers are
        the targets' mean.
    scale_target : whether targets are standardized for training, and answers brought back; losses are then those of the
        standardized targets.

    After `fit` there are, beside scikit-learn's usual attributes:

    loss_, best_loss_   last and least loss        loss_curve_   of every epoch, on the batches as they were seen
    validation_scores_, best_validation_score_, validation_loss_curve_   with a validation set, else None
    coefs_, intercepts_   weights and biases of every layer; with several members these are the first axis
    n_iter_, t_   epochs, and rows seen        n_layers_, n_outputs_, out_activation_   the network's shape
    target_mean_, target_scale_   [C], where targets are standardized

    Raises `ValueError` with scikit-learn's wording for whatever does not fit.

    >>> x = np.linspace(-1, 1, 50)[:, None]
    >>> model = MLPRegressor(hidden_layer_sizes=(10,), solver="lbfgs", random_state=0).fit(x, x[:, 0] ** 2)
    >>> bool(model.score(x, x[:, 0] ** 2) > 0.99)
    True
    """

    _kind_constraints = {
        "loss": [StrOptions({"squared_error", "poisson", "huber", "absolute_error", "quantile"}), dict],
        "scale_target": ["boolean"],
    }

    def __init__(
        self,
        loss: Any = "squared_error",
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
        scale_target: bool = False,
    ) -> None:
        self.loss = loss
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
        self.scale_target = scale_target

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
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
    ) -> "MLPRegressor":
        """Fit to rows and their targets.

        Parameters
        ----------
        X : features [N, D]: an array, a data frame or a sparse matrix, which is made dense; float32 stays float32.
        y : targets [N] or [N, C].
        sample_weight : weights of the rows [N]; 2 counts as the row twice, 0 as if it were not there.
        eval_set : a pair (X, y) of validation rows, scored after every epoch; with `early_stopping` they decide.
        X_val, y_val : the same, apart, so that a pipeline with `transform_input=["X_val"]` transforms the rows as X.

        Returns the estimator. Raises `ValueError` for whatever does not fit.
        """
        self._fit(X, y, sample_weight, validation_pair(eval_set, X_val, y_val))
        return self

    @only_for_stochastic_solvers
    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None) -> "MLPRegressor":
        """Go on fitting with one epoch over these rows.

        Parameters: `X`, `y` and `sample_weight` as for `fit`.
        Returns: the estimator.
        """
        with self._restore_on_error():
            self._fit_one_epoch(X, y, sample_weight)
        return self

    def predict(self, X: Any, return_std: bool = False) -> Any:
        """The predicted targets [N] or [N, C] of each row.

        Parameters: `X`, features [N, D]; `return_std`, whether the standard deviation over the members is wanted too.
        Returns: predictions, or these and their standard deviations.
        Errors: `ValueError` for the standard deviation over a single member.
        """
        told = self._mean_and_std if return_std else self._mean
        found = self._predict_members(X, lambda each: told(self._unscale(each)))
        found = found[..., 0] if found.shape[-1] == 1 else found
        return tuple(found) if return_std else found

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """R² on rows X [N, D] with the targets y [N] or [N, C].

        Parameters: `X`, `y`; `sample_weight`, weights of the rows [N].
        Returns: 1 at best, 0 where the answers are no better than the mean of the targets.
        Errors: `ValueError` for targets that are dates or durations.
        """
        reject_datetimes(y, "y")
        return float(super().score(X, y, sample_weight))

    # --- what targets mean ---

    def _validate_data(self, X: Any, y: Any, reset: bool) -> tuple[Floats, Any]:
        reject_datetimes(y, "y")
        return super()._validate_data(X, y, reset)

    def _update_targets(self, y: Any, weights: Floats | None, dtype: Any, first: bool, incremental: bool) -> None:
        if first:
            self._learn_targets(y, weights, dtype)
        elif self.scale_target != (self.target_scale_ is not None):
            raise ValueError(
                f"scale_target is {self.scale_target}, and the network was fitted with {not self.scale_target}; set it "
                "back, or fit a new one."
            )

    def _learn_targets(self, y: Any, weights: Floats | None, dtype: Any) -> None:
        self.target_mean_: Floats | None = None
        self.target_scale_: Floats | None = None
        if self.scale_target:
            columns = _numbers(y, dtype)
            with np.errstate(over="ignore", invalid="ignore"):  # which is told below
                mean = np.average(columns, axis=0, weights=weights)
                scale = np.sqrt(np.average((columns - mean) ** 2, axis=0, weights=weights))
            if not np.isfinite(scale).all():
                raise ValueError("scale_target cannot square targets that are so large; give them in another unit.")
            self.target_mean_, self.target_scale_ = mean.astype(dtype), np.where(scale > 0, scale, 1).astype(dtype)

    def _targets(self, y: Any, dtype: Any) -> Floats:
        columns = _numbers(y, dtype)
        if self.target_scale_ is None:
            return columns
        return (columns - self.target_mean_) / self.target_scale_

    def _unscale(self, outputs: Floats) -> Floats:
        """Outputs in the unit of the targets as they were given."""
        if self.target_scale_ is None:
            return outputs
        with np.errstate(over="ignore"):  # an answer beyond all numbers is told as infinite
            return np.asarray(outputs * self.target_scale_ + self.target_mean_)

    def _loss(self) -> tuple[Any, str]:
        name = self.loss.get("name") if isinstance(self.loss, Mapping) else self.loss
        if isinstance(name, str) and name in problem_settings.LOSSES:
            ours = problem_settings.LOSSES[name]
            return ({**self.loss, "name": ours} if isinstance(self.loss, Mapping) else ours), "identity"
        if name != "poisson":
            return self.loss, "identity"
        if self.scale_target:
            raise ValueError("loss='poisson' needs counts, and scale_target would make other numbers of them.")
        return self.loss, "exp"

    def _metric(self) -> str:
        return "r_squared"


def _numbers(y: Any, dtype: Any) -> Floats:
    """Targets [N] or [N, C] as finite numbers [N, C].

    Errors: `ValueError` for sparse ones, and whatever else is no number.
    """
    if sparse.issparse(y):
        raise ValueError("y is sparse, and a regressor needs all numbers of it; give y.toarray().")
    if y.dtype.kind not in "biuf":
        try:
            y = np.array(y.tolist(), np.float64)
        except (OverflowError, TypeError, ValueError) as error:
            raise ValueError(
                f"y holds what is no number ({error}); a regressor needs numbers, so correct it or use a classifier."
            ) from None
    return cast_finite(y, dtype, "y").reshape(len(y), -1)
