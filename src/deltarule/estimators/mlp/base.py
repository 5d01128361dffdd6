"""The common class of MLPClassifier and MLPRegressor.

K members · N rows · D features · H outputs of a layer · C outputs
"""

import contextlib
import inspect
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_random_state
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from deltarule.estimators.mlp import problem_settings
from deltarule.estimators.mlp.architecture import Architecture
from deltarule.estimators.mlp.fit_context import (
    COMPLETE_FIT_REQUIRED,
    FIT_WARNINGS_SUPPRESSED,
    CheckedRows,
    Epoch,
    Plan,
    Rows,
    mean_curve,
    mean_over_members,
    warn_of_parameters,
    warn_user,
)
from deltarule.estimators.mlp.input_validation import (
    cast_finite,
    check_parameters,
    check_rows,
    describe_unscaled_feature,
    split_validation,
    validation_pair,
)
from deltarule.estimators.mlp.lbfgs import minimize_members
from deltarule.estimators.mlp.weights import (
    fitted_state,
    resumed_state,
    set_weights,
    weights_of_members,
)
from deltarule.estimators.model_file import save_model
from deltarule.estimators.sklearn_compat import check_sample_weight
from deltarule.maths.network import views
from deltarule.problem import validation
from deltarule.problem.batches import orders
from deltarule.problem.network import Network
from deltarule.problem.problem import Floats, Problem
from deltarule.problem.state import State, initial_state
from deltarule.training import epochs
from deltarule.training.epochs import MIN_LEARNING_RATE, EpochRules, EpochRun, one_epoch, train_epochs
from deltarule.training.rules import Patience

FIT_ATTRIBUTES = ("_slots", "_updates", "_stall", "_factor", "_passes")
VALIDATION_ATTRIBUTES = ("validation_scores_", "validation_loss_curve_", "best_validation_score_")


class BaseMLP(BaseEstimator):
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
        Consecutive epochs without improvement after which training stops.
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
        Functions called after each epoch of `fit` as `callback(epoch, model)`; if one returns True, the fit ends.
    engine : {"auto", "reference", "compiled"}, default="auto"
        "reference" uses NumPy, "compiled" Numba; "auto" selects the faster one.
    output_bias : {"random", "prior"}, default="random"
        Initial biases of the outputs: random, as in scikit-learn; or such that the network predicts the mean of the
        targets, which saves many updates if a class is rare.

    Attributes
    ----------
    loss_ : float
        The last loss.
    best_loss_ : float or None
        The lowest loss; None with `early_stopping`.
    loss_curve_ : list of float
        The loss of every epoch, on the batches as they were trained on.
    validation_scores_ : list of float or None
        The validation score of every epoch, if there are validation rows.
    validation_loss_curve_ : list of float or None
        The validation loss of every epoch, if there are validation rows.
    best_validation_score_ : float or None
        The best validation score, if there are validation rows.
    coefs_ : list of ndarray
        The weights of each layer, [D, H], or [K, D, H] with several members. With `scaling_layer` the first follow the
        scaled features.
    intercepts_ : list of ndarray
        The biases of each layer, [H], or [K, H] with several members.
    n_features_in_ : int
        Number of features.
    feature_names_in_ : ndarray of str
        Names of the features, if `X` has any.
    n_iter_ : int
        Number of epochs.
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
        """Insert the shared parameters and attributes into the docstring of a subclass."""
        super().__init_subclass__(**options)
        if BaseMLP.__doc__ and cls.__doc__:  # python -OO drops docstrings
            shared = inspect.cleandoc(BaseMLP.__doc__).split("----------\n")
            parameters = shared[1].removesuffix("\n\nAttributes\n")
            text = inspect.cleandoc(cls.__doc__).replace("SHARED_PARAMETERS", parameters)
            cls.__doc__ = text.replace("SHARED_ATTRIBUTES", shared[2])

    coefs_: list[Floats]
    intercepts_: list[Floats]
    best_loss_: float | None
    validation_scores_: list[float] | None
    validation_loss_curve_: list[float] | None
    best_validation_score_: float | None

    # With which a fit is continued: the optimizer's memory, the patience, the divided learning rates and the epochs.
    _slots: Mapping[str, Floats] = MappingProxyType({})
    _updates: int = 0
    _stall: Patience | None = None
    _factor: Floats | None = None
    _passes: int | None = None

    # --- defined by the classifier and the regressor ---

    _kind_constraints: dict[str, list[Any]]

    _target_attributes: tuple[str, ...] = ()
    """The attributes that `_learn_targets` sets, if it reads nothing but the targets."""

    def _learn_targets(self, y: Any, weights: Floats | None, dtype: Any) -> None:
        raise NotImplementedError

    def _update_targets(self, y: Any, weights: Floats | None, dtype: Any, is_new_fit: bool, incremental: bool) -> None:
        raise NotImplementedError

    def _encode_targets(self, y: Any, dtype: Any) -> Floats:
        raise NotImplementedError

    def _loss_and_activation(self) -> tuple[Any, str]:
        raise NotImplementedError

    def _score_metric(self) -> str:
        raise NotImplementedError

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
        names: list[str] = super()._get_param_names()
        return names

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "coefs_")

    @property
    def _callback_list(self) -> list[Any]:
        if self.callbacks is None:
            return []
        return list(self.callbacks) if isinstance(self.callbacks, list | tuple) else [self.callbacks]

    # --- fits ---

    def fit(
        self,
        X: Any,
        y: Any,
        sample_weight: Any = None,
        *,
        eval_set: Any = None,
        X_val: Any = None,
        y_val: Any = None,
    ) -> Self:
        """Fit to features and targets.

        Parameters
        ----------
        X : array-like, data frame or sparse matrix, [N, D]
            Features. Sparse rows are made dense; float32 stays float32.
        y : array-like, [N] or [N, C]
            Targets: a classifier's classes, or 0 and 1 for several labels at once; a regressor's numbers.
        sample_weight : array-like, [N], optional
            Weights of the rows: weight 2 counts a row twice, 0 drops it.
        eval_set : tuple (X, y), optional
            Validation rows, scored after every epoch; `early_stopping` uses them.
        X_val, y_val : array-like, optional
            The same as two arguments, so that a pipeline with `transform_input=["X_val"]` transforms `X_val`.

        Returns
        -------
        self
            The fitted estimator.

        Raises
        ------
        ValueError
            For invalid input, and if training diverges.
        """
        eval_set = validation_pair(eval_set, X_val, y_val)
        with self._restore_on_error():
            rows, generator, is_new_fit = self._prepare_rows(X, y, sample_weight, eval_set)
            if self._solver == "lbfgs":
                messages = self._fit_lbfgs(rows, generator, is_new_fit)
            else:
                plan = self._plan(rows, generator, is_new_fit, eval_set)
                run = train_epochs(
                    plan.problem,
                    plan.start,
                    plan.rules,
                    engine=self.engine,
                    in_order=not self.shuffle,
                    validation=plan.validation,
                    after_epoch=self._epoch_callback(plan.problem),
                    resumes=getattr(self, "best_validation_score_", None) is not None,
                )
                messages = self._store_run(plan, run)
        for message in messages:
            warn_user(message)
        return self

    @contextlib.contextmanager
    def _restore_on_error(self) -> Iterator[None]:
        """Restore all attributes if an exception ends a fit.

        Warnings are issued after this block: if they are turned into errors, the fit is still kept.
        """
        attributes = vars(self).copy()  # a shallow copy, because no fit writes into what a model holds
        try:
            yield
        except BaseException:
            self.__dict__ = attributes
            raise

    def _plan(self, rows: Rows, generator: np.random.RandomState, is_new_fit: bool, eval_set: Any = None) -> Plan:
        rows, validation_rows = split_validation(self, rows, generator, eval_set)
        problem = self._create_problem(rows, generator, rows_seen=self.t_)
        rules = EpochRules(int(self.max_iter), float(self.tol), self.n_iter_no_change)
        return Plan(problem, self._initial_state(problem, is_new_fit), rules, validation_rows)

    def _fit_lbfgs(self, rows: Rows, generator: np.random.RandomState, is_new_fit: bool) -> list[Warning]:
        """Minimize the loss by L-BFGS, member by member, and store the result."""
        problem = self._create_problem(rows, generator, rows_seen=0)
        limits = int(self.max_iter), int(self.max_fun), self.tol
        state, results = minimize_members(problem, self._initial_state(problem, is_new_fit), *limits)
        if not np.isfinite(state.theta).all():
            self._raise_nonfinite()
        self._store_state(problem, state)
        self.n_iter_ = min(max(result.nit for result in results), int(self.max_iter))
        self.loss_ = float(np.mean([result.fun for result in results]))
        self.best_loss_ = None
        self.validation_scores_ = self.validation_loss_curve_ = self.best_validation_score_ = None
        failures = [result for result in results if result.status != 0]
        return [
            ConvergenceWarning(
                f"lbfgs failed to converge after {self.n_iter_} iteration(s) (status={result.status}):\n"
                f"{result.message}\n\nIncrease the number of iterations (max_iter) or scale the data."
            )
            for result in failures[:1]
        ]

    # --- the input of a fit ---

    def _prepare_rows(
        self,
        X: Any,
        y: Any,
        sample_weight: Any,
        eval_set: Any = None,
        incremental: bool = False,
        checked: CheckedRows | None = None,
        are_parameters_valid: bool = False,
    ) -> tuple[Rows, np.random.RandomState, bool]:
        """Validate a fit's input and set up the model.

        incremental : whether `partial_fit` is called
        checked : the result of `_check_shared_rows` of another model for the same X and y
        are_parameters_valid : whether another model with the same parameters has been checked
        """
        if not are_parameters_valid:
            check_parameters(self, eval_set, incremental)
        is_new_fit = not hasattr(self, "coefs_") or not (self.warm_start or incremental)
        if checked is None:
            X, y = check_rows(self, X, y, reset=is_new_fit)
            if not is_new_fit:
                dtype = np.float32 if self.coefs_[0].dtype == np.float32 else np.float64
                X = X if X.dtype == dtype else cast_finite(X, dtype, "X")
        else:
            X, y = checked.X, checked.y
            self.__dict__.update(checked.learned)
        if sample_weight is not None:
            sample_weight = check_sample_weight(sample_weight, X, dtype=X.dtype, ensure_non_negative=True)
        weights = self._row_weights(y, sample_weight, incremental)
        targets = None if checked is None else checked.targets
        if targets is None:
            self._update_targets(y, weights, X.dtype, is_new_fit, incremental)
            targets = self._encode_targets(y, X.dtype)
        rows = Rows(X, targets, weights).drop_zero_weights()
        self._update_architecture(rows, is_new_fit)
        if is_new_fit and not incremental:
            unscaled = describe_unscaled_feature(rows.x, self._feature_name)
            if unscaled:
                warn_of_parameters(
                    f"the features are not scaled: {unscaled}, and networks learn badly from such features; put a "
                    "StandardScaler before the estimator."
                )
        if is_new_fit:
            self.t_, self.loss_curve_ = 0, list[float]()
            for name in (*FIT_ATTRIBUTES, *VALIDATION_ATTRIBUTES):
                self.__dict__.pop(name, None)
        return rows, check_random_state(self.random_state), is_new_fit

    def _check_shared_rows(self, X: Any, y: Any) -> CheckedRows:
        """Validate features and targets once for all models of a search."""
        X, y = check_rows(self, X, y, reset=True)
        targets = None
        if self._target_attributes:
            self._learn_targets(y, None, X.dtype)
            targets = self._encode_targets(y, X.dtype)
        names = ("n_features_in_", "feature_names_in_", *self._target_attributes)
        learned = {name: getattr(self, name) for name in names if hasattr(self, name)}
        return CheckedRows(X, y, learned, targets)

    def _update_architecture(self, rows: Rows, is_new_fit: bool) -> None:
        """Set the network's architecture in a new fit, or check that it is unchanged."""
        hidden = problem_settings.hidden_sizes(self.hidden_layer_sizes)
        _, output = self._loss_and_activation()
        architecture = Architecture(
            sizes=(rows.x.shape[1], *hidden, rows.y.shape[1]),
            activations=problem_settings.hidden_activations(self.activation, len(hidden)),
            output=output,
            batch_norm=bool(self.batch_norm),
            scaling_layer=bool(self.scaling_layer),
        )
        if is_new_fit:
            self._architecture = architecture
            self.n_layers_, self.n_outputs_ = len(architecture.sizes), architecture.sizes[-1]
            self.out_activation_ = output
        elif (architecture, self.n_members) != (self._architecture, self._members):
            raise ValueError(
                f"the network has the layers {self._architecture.sizes} and {self._members} members, and cannot go on "
                f"as one of {architecture.sizes} and {self.n_members} (or of other activations); fit a new one."
            )

    def _feature_name(self, index: int) -> Any:
        return getattr(self, "feature_names_in_", {index: f"number {index}"})[index]

    # --- the problem and its start ---

    def _create_problem(self, rows: Rows, generator: np.random.RandomState, rows_seen: int) -> Problem:
        loss = self._loss_and_activation()[0]
        return problem_settings.create(self._parameters, self._architecture.network(), loss, rows, generator, rows_seen)

    def _initial_state(self, problem: Problem, is_new_fit: bool) -> State:
        """The state that training starts from."""
        if is_new_fit:
            state = initial_state(problem)
            if self.output_bias == "prior":
                biases = views(state.theta, problem.network.entries)[f"b{len(problem.network.layers)}"]
                biases[...] = problem_settings.prior_logits(problem.y, problem.weights, self.out_activation_)
            return state
        return fitted_state(self, problem)

    def _epoch_callback(self, problem: Problem) -> Callable[[epochs.Epoch], bool] | None:
        """The function called after each epoch, which returns whether to stop."""
        callbacks = self._callback_list
        if not callbacks and not self.verbose:
            return None

        def finish_epoch(member_epoch: epochs.Epoch) -> bool:
            """Update the model after an epoch and return whether to stop."""
            self._set_state(problem.network, member_epoch.state)
            epoch = mean_over_members(member_epoch)
            self.n_iter_, self.loss_ = epoch.number, epoch.loss
            if self.verbose:
                self._print_epoch(epoch)
            results = [callback(epoch, self) for callback in callbacks]  # all of them, even if the first says stop
            return any(isinstance(result, bool | np.bool_) and result for result in results)

        return finish_epoch

    def _print_epoch(self, epoch: Epoch) -> None:
        seconds_left = epoch.seconds / epoch.number * (self.max_iter - epoch.number)
        print(f"Iteration {epoch.number}, loss = {epoch.loss:.8f}, at most {seconds_left:.0f} s left")
        if epoch.validation_score is not None:
            print(f"Validation score: {epoch.validation_score:f}")

    # --- the result of a fit ---

    def _store_run(self, plan: Plan, run: EpochRun) -> list[Warning]:
        """Store weights, counts and curves of a run, and return its warnings."""
        self._store_state(plan.problem, run.state)
        self._stall, self._factor = run.patience, run.state.factor
        self.n_iter_ = int(run.epochs.max())
        self.t_ += self.n_iter_ * plan.problem.row_count(0)
        self._passes = self._completed_epochs + len(run.losses)
        self.loss_curve_ = self.loss_curve_ + mean_curve(run.losses)  # a new list: copies of the model share the old
        self.loss_ = self.loss_curve_[-1] if self.loss_curve_ else float("nan")
        self.validation_scores_ = _extend_curve(getattr(self, "validation_scores_", None), run.validation_scores)
        self.validation_loss_curve_ = _extend_curve(
            getattr(self, "validation_loss_curve_", None), run.validation_losses
        )
        self.best_validation_score_ = None if run.best_scores is None else float(np.mean(run.best_scores))
        self.best_loss_ = None if self.early_stopping else min(self.loss_curve_, default=float("nan"))
        return self._run_warnings(run)

    def _store_state(self, problem: Problem, state: State) -> None:
        self._set_state(problem.network, replace(state, theta=state.theta.copy()))
        self._slots, self._updates = dict(state.slots), int(state.step)

    @property
    def _completed_epochs(self) -> int:
        return len(self.loss_curve_) if self._passes is None else self._passes

    def _run_warnings(self, run: EpochRun) -> list[Warning]:
        """The warnings to issue for a run."""
        messages: list[Warning] = []
        if "diverged" in run.reasons:
            self._raise_nonfinite(f" It happened in epoch {run.epochs[run.reasons.index('diverged')]}.")
        if "interrupted" in run.reasons:
            if COMPLETE_FIT_REQUIRED.get():
                raise KeyboardInterrupt
            messages.append(UserWarning("Training interrupted by user."))
        if "max_epochs" in run.reasons and not FIT_WARNINGS_SUPPRESSED.get():
            reached = f"Stochastic Optimizer: Maximum iterations ({self.max_iter}) reached"
            messages.append(ConvergenceWarning(f"{reached} and the optimization hasn't converged yet."))
        return messages

    def _raise_nonfinite(self, detail: str = "") -> None:
        raise ValueError(
            "Solver produced non-finite parameter weights. The input data may contain large values and need to be "
            f"preprocessed.{detail}"
        )

    # --- partial_fit ---

    def _fit_one_epoch(self, X: Any, y: Any, sample_weight: Any) -> None:
        """Train for one epoch and store the result."""
        rows, generator, is_new_fit = self._prepare_rows(X, y, sample_weight, incremental=True)
        completed = self._completed_epochs
        problem = self._create_problem(rows, generator, rows_seen=0)
        factor = np.ones(self.n_members) if self._factor is None else self._factor
        if problem.schedule.per == "epoch":
            problem, factor = problem_settings.fix_learning_rate(problem, completed, self.t_)
        state = replace(resumed_state(self, self._initial_state(problem, is_new_fit)), factor=factor)
        order = np.arange(len(rows.x))
        if self.shuffle and problem.batch_size is not None:
            # The same order as in this epoch of `fit`.
            order = orders(tuple(problem.data_seeds.tolist()), completed, len(rows.x))
        state, loss, bad = one_epoch(problem, state, order, self.engine)
        if (bad >= 0).any():
            self._raise_nonfinite()
        self._store_state(problem, state)
        self.n_iter_ = 1
        self.t_ += len(rows.x)
        self._stall, self._factor = self._count_stalled_epochs(problem, loss, factor)
        self.loss_ = float(loss.mean())
        self._passes = completed + 1
        best = getattr(self, "best_loss_", None)
        self.loss_curve_ = [*self.loss_curve_, self.loss_]
        self.best_loss_ = min(self.loss_curve_ if best is None else (best, self.loss_))
        self.validation_scores_ = self.validation_loss_curve_ = self.best_validation_score_ = None
        if self.verbose:
            print(f"Iteration {self.n_iter_}, loss = {self.loss_:.8f}")

    def _count_stalled_epochs(self, problem: Problem, loss: Floats, factor: Floats) -> tuple[Patience, Floats]:
        """Count epochs without improvement and reduce adaptive learning rates."""
        earlier = self._stall or Patience.initial(self.n_members)
        # A copy to write into: the arrays of a model that joblib has mapped into memory are read-only.
        patience = Patience(earlier.best.copy(), earlier.waited.copy())
        patience.update(np.arange(self.n_members), loss, float(self.tol))
        is_stalled = patience.waited > self.n_iter_no_change
        patience.waited[is_stalled] = 0
        if problem.schedule.adaptive:
            is_reduced = is_stalled & (self.learning_rate_init * factor > MIN_LEARNING_RATE)
            factor = np.where(is_reduced, factor / problem.schedule_numbers["divide"], factor)
        return patience, factor

    # --- weights ---

    def _set_state(self, network: Network, state: State) -> None:
        set_weights(self, views(state.theta, network.entries), views(state.buffers, network.buffers))

    def member_parts(self, member: int) -> tuple[Network, dict[str, Floats], Floats]:
        """A member's network, arrays [D, H] and dropout rates.

        Raises `BadInput` for a member that does not exist.
        """
        check_is_fitted(self)
        member = validation.member(member, self._members, "the model has the members")
        arrays = {name: array[member] for name, array in weights_of_members(self).items()}
        network = self._architecture.network()
        rates = np.broadcast_to(np.asarray(self.dropout, float), (self._members, len(network.layers) - 1))
        return network, arrays, rates[member]

    def save(self, path: str | Path) -> None:
        """Write the fitted model to a file, which `deltarule.load_model` reads."""
        save_model(self, path)


def _extend_curve(curve: list[float] | None, values: Floats | None) -> list[float] | None:
    return None if values is None else (curve or []) + mean_curve(values)


def _is_stochastic_solver(estimator: BaseMLP) -> bool:
    if estimator._solver == "lbfgs":
        raise AttributeError(
            f"partial_fit is only available for stochastic optimizers. {estimator._solver} is not stochastic."
        )
    return True


only_for_stochastic_solvers = available_if(_is_stochastic_solver)
