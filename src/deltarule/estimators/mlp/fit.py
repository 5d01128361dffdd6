"""A fit of a network: its input is checked, and one object owns the state from the first weights to the fitted model.

K members · N rows · D features · C outputs · E epochs
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import train_test_split
from sklearn.utils import check_random_state

from deltarule.estimators.mlp import fitted_network
from deltarule.estimators.mlp.fit_context import COMPLETE_FIT_REQUIRED, FIT_WARNINGS_SUPPRESSED
from deltarule.estimators.mlp.fitted_network import (
    Architecture,
    FittedNetwork,
    TrainingRows,
    fitted_state,
    resumed_state,
    set_network,
    set_weights,
)
from deltarule.estimators.mlp.lbfgs import minimize_members
from deltarule.estimators.mlp.parameters import NetworkParameters, check_limits
from deltarule.estimators.mlp.row_checks import cast_finite, check_rows, warn_of_unscaled_rows
from deltarule.estimators.shared_methods import SavedEstimator
from deltarule.estimators.sklearn_compat import check_sample_weight
from deltarule.maths.network import views
from deltarule.problem import registry, validation
from deltarule.problem.batches import orders
from deltarule.problem.network import Network
from deltarule.problem.problem import Floats, Integers, Problem
from deltarule.problem.state import State, initial_state
from deltarule.training.epochs import Epoch, EpochRules, Validation, one_epoch, train_epochs
from deltarule.training.run import Run


class Result(NamedTuple):
    """The result of a fit: a network's state, attributes by name, and warnings.

    The attributes are scikit-learn's.
    """

    network: Network
    state: State
    attributes: dict[str, Any]
    warnings: list[Warning]


class TrainableNetwork(SavedEstimator, NetworkParameters):
    """What a fit reads and sets of an estimator, and what estimators change of it."""

    coefs_: list[Floats]
    intercepts_: list[Floats]
    out_activation_: str
    loss_curve_: list[float]
    t_: int

    _fitted: FittedNetwork

    # Defined by the classifier and the regressor: the meaning of targets.
    _update_targets: Callable[..., None]
    _encode_targets: Callable[..., Floats]
    _loss_and_activation: Callable[[], tuple[Any, str]]
    _score_metric: Callable[[], str]

    @property
    def _solver(self) -> str:
        return self.solver if isinstance(self.solver, str) else self.solver.get("name", "")

    def _row_weights(self, y: Any, sample_weight: Floats | None, incremental: bool) -> Floats | None:
        return sample_weight

    def _stratify(self, y: Floats) -> Any:
        return None

    def _create_problem(self, rows: TrainingRows, generator: np.random.RandomState, rows_seen: int) -> Problem:
        network = self._fitted.architecture.network
        loss = self._loss_and_activation()[0]
        return fitted_network.create(self._parameters, network, loss, rows, generator, rows_seen)

    def _initial_state(self, problem: Problem, is_new_fit: bool) -> State:
        """Continue from the fitted weights or draw new ones, with output biases at the prior if so chosen."""
        if not is_new_fit:
            return fitted_state(self, problem)
        state = initial_state(problem)
        if self.output_bias == "prior":
            biases = views(state.theta, problem.network.entries)[f"b{problem.network.depth}"]
            biases[...] = fitted_network.prior_logits(problem.y, problem.weights, self.out_activation_)
        return state

    def _set_state(self, network: Network, state: State) -> None:
        set_weights(self, views(state.theta, network.entries) | views(state.buffers, network.buffers))

    def _keep(self, result: Result) -> list[Warning]:
        """Store the result of a fit, and return its warnings."""
        state = result.state
        self._set_state(result.network, replace(state, theta=state.theta.copy()))
        self._fitted = replace(self._fitted, slots=dict(state.slots), updates=int(state.step), factor=state.factor)
        for name, value in result.attributes.items():
            setattr(self, name, value)
        return result.warnings


class Fit:
    """A fit of a model, with its checked rows; `plan` makes the problem and the first state.

    `is_new` says whether it begins with new weights; `validation` are the rows that are scored after each epoch.
    """

    problem: Problem
    state: State
    validation: Validation | None = None

    def __init__(
        self, model: TrainableNetwork, X: Any, y: Any, sample_weight: Any = None, *, is_incremental: bool = False
    ) -> None:
        """Check a fit's input and set up the model."""
        _check_parameters(model, is_incremental)
        is_new = not hasattr(model, "coefs_") or not (model.warm_start or is_incremental)
        X, y = check_rows(model, X, y, reset=is_new)
        if not is_new:
            dtype = np.float32 if model.coefs_[0].dtype == np.float32 else np.float64
            X = X if X.dtype == dtype else cast_finite(X, dtype, "X")
        if sample_weight is not None:
            sample_weight = check_sample_weight(sample_weight, X, dtype=X.dtype, ensure_non_negative=True)
        weights = model._row_weights(y, sample_weight, is_incremental)
        model._update_targets(y, weights, X.dtype, is_new, is_incremental)
        rows = TrainingRows(X, model._encode_targets(y, X.dtype), weights)
        if weights is not None and not weights.all():
            if not weights.any():
                raise ValueError("Sample weights must contain at least one non-zero number.")
            rows = rows.take(weights > 0)
        self.model, self.rows, self.is_new = model, rows, is_new
        self.generator = check_random_state(model.random_state)
        self._set_architecture()
        if is_new:
            if not is_incremental:
                warn_of_unscaled_rows(model, rows)
            model.t_ = 0
            model.loss_curve_ = []
            model.validation_scores_ = model.validation_loss_curve_ = model.best_validation_score_ = None

    def _set_architecture(self) -> None:
        """Set the network's architecture in a new fit, or check that it is unchanged."""
        model, rows = self.model, self.rows
        hidden = fitted_network.hidden_sizes(model.hidden_layer_sizes)
        architecture = Architecture(
            sizes=(rows.x.shape[1], *hidden, rows.y.shape[1]),
            activations=fitted_network.hidden_activations(model.activation, len(hidden)),
            output=model._loss_and_activation()[1],
            batch_norm=bool(model.batch_norm),
            scaling_layer=bool(model.scaling_layer),
        )
        if self.is_new:
            set_network(model, FittedNetwork(architecture))  # forgets the optimizer's memory
        elif (architecture, model.n_members) != (model._fitted.architecture, model._fitted.members):
            fitted = model._fitted
            raise ValueError(
                f"a network {fitted.architecture.sizes} cannot continue as {architecture.sizes}; fit a new one."
            )

    # --- by epochs ---

    def plan(self, X_val: Any = None, y_val: Any = None) -> "Fit":
        """Set rows aside for validation, and make the problem and the first state."""
        rows = self._split_validation(X_val, y_val)
        self.problem = self.model._create_problem(rows, self.generator, rows_seen=self.model.t_)
        self.state = self.model._initial_state(self.problem, self.is_new)
        return self

    @property
    def rules(self) -> EpochRules:
        return EpochRules(int(self.model.max_iter), float(self.model.tol), self.model.n_iter_no_change)

    def _split_validation(self, X_val: Any, y_val: Any) -> TrainingRows:
        """Return the rows to train on, and keep those that are scored."""
        model, rows = self.model, self.rows
        if X_val is not None:
            dtype = rows.x.dtype
            X, y = check_rows(model, X_val, y_val, reset=False)
            model._update_targets(y, None, dtype, is_new_fit=False, incremental=True)
            loss = registry.loss(model._loss_and_activation()[0])
            network = model._fitted.architecture.network
            targets = validation.check_targets(model._encode_targets(y, dtype), network, loss, dtype.name)
            held_out = TrainingRows(cast_finite(X, dtype, "X_val"), targets, None)
        elif model.early_stopping:
            training_indices, validation_indices = train_test_split(
                np.arange(len(rows.x)),
                random_state=self.generator,
                test_size=model.validation_fraction,
                stratify=model._stratify(rows.y),
            )
            if len(validation_indices) < 2:
                raise ValueError(
                    "The validation set is too small. Increase 'validation_fraction' or the size of your dataset."
                )
            rows, held_out = rows.take(training_indices), rows.take(validation_indices)
        else:
            return rows
        w = np.ones(len(held_out.x), rows.x.dtype) if held_out.w is None else held_out.w
        metric = model.scoring or model._score_metric()
        self.validation = Validation(held_out.x, held_out.y, w[:, None], metric, bool(model.early_stopping))
        return rows

    def by_epochs(self) -> Result:
        """Train as planned."""
        model = self.model
        callbacks = [] if model.callbacks is None else model.callbacks
        callbacks = list(callbacks) if isinstance(callbacks, list | tuple) else [callbacks]

        def finish_epoch(epoch: Epoch, state: State) -> bool:
            """Update the model after an epoch and return whether to stop."""
            model._set_state(self.problem.network, state)
            model.n_iter_, model.loss_ = epoch.number, epoch.loss
            if model.verbose:
                seconds_left = epoch.seconds / epoch.number * (model.max_iter - epoch.number)
                print(f"Iteration {epoch.number}, loss = {epoch.loss:.8f}, at most {seconds_left:.0f} s left")
                if epoch.validation_score is not None:
                    print(f"Validation score: {epoch.validation_score:f}")
            results = [callback(epoch, model) for callback in callbacks]  # all of them, even if the first says stop
            return any(isinstance(result, bool | np.bool_) and result for result in results)

        run = train_epochs(
            self.problem,
            self.state,
            self.rules,
            engine=model.engine,
            in_order=not model.shuffle,
            validation=self.validation,
            after_epoch=finish_epoch if callbacks or model.verbose else None,
            resumes=getattr(model, "best_validation_score_", None) is not None,
        )
        return self.result(run)

    def by_one_epoch(self) -> Result:
        """Train for one epoch, as `partial_fit` does."""
        model, rows = self.model, self.rows
        completed = len(model.loss_curve_)
        problem = model._create_problem(rows, self.generator, rows_seen=0)
        factor = np.ones(model.n_members) if model._fitted.factor is None else model._fitted.factor
        if problem.schedule.per == "epoch":
            problem, factor = fitted_network.fix_learning_rate(problem, completed, model.t_)
        self.problem = problem
        self.state = replace(resumed_state(model, model._initial_state(problem, self.is_new)), factor=factor)
        order = np.arange(len(rows.x))
        if model.shuffle and problem.batch_size is not None:
            # The same order as in this epoch of `fit`.
            order = orders(tuple(problem.data_seeds.tolist()), completed, len(rows.x))
        result = self.result(one_epoch(problem, self.state, order, model.engine))
        if model.verbose:
            print(f"Iteration 1, loss = {result.attributes['loss_']:.8f}")
        return result

    def result(self, run: Run) -> Result:
        """Return weights, counts and curves of a run, and its warnings."""
        model, is_validated = self.model, "validation_score" in run.history.names
        epochs = run.steps // self.problem.steps_per_epoch(0) + (np.array(run.reasons) == "diverged")
        count = int(epochs.max())
        kept: dict[str, Any] = {"n_iter_": count, "t_": model.t_ + count * self.problem.row_count(0)}
        curves = {"loss_curve_": "loss", "validation_scores_": "validation_score"}
        for attribute, name in (curves | {"validation_loss_curve_": "validation_loss"}).items():
            if name == "loss" or self.validation is not None:  # new lists: copies of the model share the old
                kept[attribute] = (getattr(model, attribute, None) or []) + mean_curve(self._curve(run, name, count))
        curve = kept["loss_curve_"]
        kept["loss_"] = curve[-1] if curve else float("nan")
        kept["best_loss_"] = None if model.early_stopping else min(curve, default=float("nan"))
        scores = np.fmax.reduce(run.history.series("validation_score"), axis=0) if is_validated else None
        if scores is not None:
            kept["best_validation_score_"] = float(np.mean(scores))
        warnings = self._warnings_of(run, len(curve) - count + epochs, scores if model.early_stopping else None)
        return Result(self.problem.network, run.state, kept, warnings)

    def _curve(self, run: Run, name: str, epochs: int) -> Floats:
        """Return a series of the run [E, K], of the epochs that its members made."""
        last, rows = epochs * self.problem.steps_per_epoch(0), run.history.values.get(name, [])
        steps = zip(run.history.steps, rows, strict=False)
        return np.array([row for step, row in steps if row is not None and 0 < step <= last])

    def _warnings_of(self, run: Run, epochs: Integers, best_scores: Floats | None) -> list[Warning]:
        """Raise if a diverged or interrupted run leaves no result to keep; else collect what to warn about."""
        model = self.model
        messages = list[Warning]()
        is_diverged = np.array([reason == "diverged" for reason in run.reasons])
        if is_diverged.any():
            epoch = epochs[is_diverged.argmax()]
            if run.interrupted and is_diverged.all():  # no result to keep
                raise KeyboardInterrupt
            if best_scores is None or not np.isfinite(best_scores[is_diverged]).all():  # no better weights to restore
                raise _nonfinite_error(f" It happened in epoch {epoch}.")
            if not FIT_WARNINGS_SUPPRESSED.get():
                kept = f"Training diverged in epoch {epoch}; the weights of the best validation score are kept"
                messages.append(ConvergenceWarning(f"{kept}. Reduce learning_rate_init, or scale the data."))
        if run.interrupted:
            if COMPLETE_FIT_REQUIRED.get():
                raise KeyboardInterrupt
            messages.append(UserWarning("Training interrupted by user."))
        elif "max_epochs" in run.reasons and not FIT_WARNINGS_SUPPRESSED.get():
            reached = f"Stochastic Optimizer: Maximum iterations ({model.max_iter}) reached"
            messages.append(ConvergenceWarning(f"{reached} and the optimization hasn't converged yet."))
        return messages

    # --- by L-BFGS ---

    def by_lbfgs(self) -> Result:
        """Minimize the loss by L-BFGS, member by member."""
        model = self.model
        self.problem = model._create_problem(self.rows, self.generator, rows_seen=0)
        limits = int(model.max_iter), int(model.max_fun), model.tol
        start = model._initial_state(self.problem, self.is_new)
        self.state, results = minimize_members(self.problem, start, *limits, bool(model.verbose))
        if not np.isfinite(self.state.theta).all():
            raise _nonfinite_error()
        count = min(max(result.nit for result in results), int(model.max_iter))
        kept = {"n_iter_": count, "loss_": float(np.mean([result.fun for result in results])), "best_loss_": None}
        failures = [result for result in results if result.status != 0]
        warnings: list[Warning] = [
            ConvergenceWarning(
                f"lbfgs failed to converge after {count} iteration(s) (status={result.status}):\n"
                f"{result.message}\n\nIncrease the number of iterations (max_iter) or scale the data."
            )
            for result in failures[:1]
        ]
        return Result(self.problem.network, self.state, kept, warnings)


def _nonfinite_error(detail: str = "") -> ValueError:
    return ValueError(
        "Solver produced non-finite parameter weights. The input data may contain large values and need to be "
        f"preprocessed.{detail}"
    )


def mean_curve(values: Floats) -> list[float]:
    """The mean over members for each epoch, [E, K] → list of E.

    A member that ended counts with its last value, but an epoch in which none has a value has none.
    """
    if not len(values):
        return []
    epoch = np.arange(len(values))[:, None]
    is_missing = np.isnan(values)
    last: Integers = np.maximum.accumulate(np.where(is_missing, 0, epoch), axis=0)
    means = np.take_along_axis(values, last, axis=0).mean(axis=1)
    curve: list[float] = np.where(is_missing.all(axis=1), np.nan, means).tolist()
    return curve


def _check_parameters(model: TrainableNetwork, is_incremental: bool) -> None:
    """Raise `ValueError` for invalid parameters of `fit` or `partial_fit`."""
    check_limits(model, model._parameters)
    if is_incremental and model.early_stopping:
        raise ValueError("partial_fit does not support early_stopping=True")
    if model._solver == "lbfgs":
        if model.batch_norm or np.any(np.asarray(model.dropout, float)):
            raise ValueError("solver='lbfgs' needs a deterministic loss; leave dropout and batch_norm out.")
        if model.callbacks:
            raise ValueError("solver='lbfgs' has no epochs; leave callbacks out.")
