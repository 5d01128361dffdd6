"""Fit a multi-layer perceptron by scikit-learn's rules.

K members · N rows · D features · C outputs
"""

import contextlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any, Self, TypeVar

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import train_test_split

from deltarule.errors import count_of
from deltarule.estimators.mlp import problem_settings
from deltarule.estimators.mlp.fit_context import (
    COMPLETE_FIT_REQUIRED,
    FIT_WARNINGS_SUPPRESSED,
    Epoch,
    Plan,
    Rows,
    mean_curve,
    mean_over_members,
    warn_of_parameters,
)
from deltarule.estimators.mlp.input_validation import validation_pair
from deltarule.estimators.mlp.lbfgs import minimize_from
from deltarule.estimators.mlp.validation import ValidatedMLP, as_callback_list
from deltarule.estimators.serialization import weights_of
from deltarule.estimators.user_warnings import warn_user
from deltarule.maths.network import views
from deltarule.problem.create import create_problem
from deltarule.problem.problem import Floats, Problem
from deltarule.problem.state import State, initial_state
from deltarule.training import epoch_records
from deltarule.training.epoch_records import EpochRules, EpochRun, Validation
from deltarule.training.epochs import train_epochs

Function = TypeVar("Function", bound=Callable[..., Any])


def can_join_population(fit: Function) -> Function:
    """Mark a `fit` that a search may replace by training a population."""
    fit.can_join_population = True  # type: ignore[attr-defined]
    return fit


class BaseMLP(ValidatedMLP):
    """A multi-layer perceptron with `fit`; subclasses define the meaning of targets."""

    def _store_parameters(self, parameters: Mapping[str, Any]) -> None:
        for name, value in parameters.items():
            if name != "self":
                setattr(self, name, value)

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
        self._fit(X, y, sample_weight, validation_pair(eval_set, X_val, y_val))
        return self

    def _stratify(self, y: Floats) -> Any:
        return None

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

    def _fit(self, X: Any, y: Any, sample_weight: Any, eval_set: Any = None) -> None:
        """Validate the input, train the network and store the result in attributes."""
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

    # --- before the training run ---

    def _plan(self, rows: Rows, generator: np.random.RandomState, is_new_fit: bool, eval_set: Any = None) -> Plan:
        rows, validation = self._split_validation(rows, generator, eval_set)
        problem = self._create_problem(rows, generator, rows_seen=self.t_)
        rules = EpochRules(int(self.max_iter), float(self.tol), self.n_iter_no_change)
        return Plan(problem, self._initial_state(problem, is_new_fit), rules, validation)

    def _create_problem(self, rows: Rows, generator: np.random.RandomState, rows_seen: int) -> Problem:
        """Create the problem of a fit."""
        count = len(rows.x)
        if self._solver == "lbfgs":
            size = count
        elif self.batch_size == "auto":
            size = min(200, count)
        else:
            if self.batch_size > count:
                message = "Got `batch_size` less than 1 or larger than sample size. It is going to be clipped"
                warn_of_parameters(message)
            size = min(int(self.batch_size), count)
        if self._architecture.batch_norm and self.n_layers_ > 2:
            _check_batch_sizes(count, size)
        seeds, data_seeds = problem_settings.draw_seeds(generator, self.n_members)
        loss, parameters = self._loss_and_activation()[0], self._parameters
        return create_problem(
            self._architecture.network(),
            rows.x,
            rows.y,
            loss=loss,
            penalty="weight_decay_per_sample" if self.alpha else None,
            strength=float(self.alpha),
            optimizer=problem_settings.optimizer(parameters),
            learning_rate=float(self.learning_rate_init),
            schedule=problem_settings.schedule(parameters, count, rows_seen),
            batch_size=size if size < count else None,
            dropout=self.dropout,
            weights=rows.w,
            seeds=seeds,
            data_seeds=data_seeds,
            dtype=rows.x.dtype.name,
            copy=False,  # the problem is private to this fit
        )

    def _split_validation(
        self, rows: Rows, generator: np.random.RandomState, eval_set: Any
    ) -> tuple[Rows, Validation | None]:
        """Split the rows of a fit into training and validation rows."""
        if eval_set is not None:
            validation = self._check_eval_set(eval_set, rows.x)
            if self.early_stopping and self._score_metric() == "r_squared" and (validation.y == validation.y[0]).all():
                raise ValueError(
                    f"eval_set has {count_of(len(validation.x), 'row')} with the same target, for which R² is "
                    "undefined and cannot stop the training; give rows whose targets differ, or leave early_stopping "
                    "out."
                )
        elif self.early_stopping and self._solver != "lbfgs":
            training_indices, validation_indices = train_test_split(
                np.arange(len(rows.x)),
                random_state=generator,
                test_size=self.validation_fraction,
                stratify=self._stratify(rows.y),
            )
            if len(validation_indices) < 2:
                raise ValueError(
                    "The validation set is too small. Increase 'validation_fraction' or the size of your dataset."
                )
            rows, validation = rows.take(training_indices), rows.take(validation_indices)
        else:
            return rows, None
        w = np.ones(len(validation.x), rows.x.dtype) if validation.w is None else validation.w
        return rows, Validation(validation.x, validation.y, w[:, None], self._score_metric(), bool(self.early_stopping))

    def _initial_state(self, problem: Problem, is_new_fit: bool) -> State:
        """The state that training starts from."""
        if is_new_fit:
            state = initial_state(problem)
            if self.output_bias == "prior":
                biases = views(state.theta, problem.network.entries)[f"b{len(problem.network.layers)}"]
                biases[...] = problem_settings.prior_logits(problem.y, problem.weights, self.out_activation_)
            return state
        arrays = weights_of(self)
        state = initial_state(problem, arrays["theta"])
        return replace(state, buffers=arrays["running"].astype(problem.dtype)) if "running" in arrays else state

    def _epoch_callback(self, problem: Problem) -> Callable[[epoch_records.Epoch], bool] | None:
        """The function called after each epoch, which returns whether to stop."""
        callbacks = as_callback_list(self.callbacks)
        if not callbacks and not self.verbose:
            return None

        def finish_epoch(member_epoch: epoch_records.Epoch) -> bool:
            """Update the model after an epoch and return whether to stop."""
            self._set_state(problem.network, member_epoch.state, copy=False)
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

    # --- after the training run ---

    def _finish_fit(self, plan: Plan, run: EpochRun) -> None:
        for message in self._store_run(plan, run):
            warn_user(message)

    def _store_run(self, plan: Plan, run: EpochRun) -> list[Warning]:
        """Store weights, counts and curves of a run, and return its warnings."""
        self._store_state(plan.problem, run.state)
        self._stall, self._factor = run.patience, run.state.factor
        self.n_iter_ = int(run.epochs.max())
        self.t_ += self.n_iter_ * plan.problem.row_count(0)
        self._store_curves(run)
        return self._run_warnings(run)

    def _store_state(self, problem: Problem, state: State) -> None:
        self._set_state(problem.network, state, copy=True)
        self._slots, self._updates = dict(state.slots), int(state.step)

    def _store_curves(self, run: EpochRun) -> None:
        """Append losses and validation scores to the curves."""
        self._passes = self._completed_epochs + len(run.losses)
        self.loss_curve_ = self.loss_curve_ + mean_curve(run.losses)  # a new list: copies of the model share the old
        self.loss_ = self.loss_curve_[-1] if self.loss_curve_ else float("nan")
        self.validation_scores_ = _extend_curve(getattr(self, "validation_scores_", None), run.validation_scores)
        self.validation_loss_curve_ = _extend_curve(
            getattr(self, "validation_loss_curve_", None), run.validation_losses
        )
        self.best_validation_score_ = None if run.best_scores is None else float(np.mean(run.best_scores))
        self.best_loss_ = None if self.early_stopping else min(self.loss_curve_, default=float("nan"))

    @property
    def _completed_epochs(self) -> int:
        return getattr(self, "_passes", len(self.loss_curve_))

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

    def _fit_lbfgs(self, rows: Rows, generator: np.random.RandomState, is_new_fit: bool) -> list[Warning]:
        """Minimize the loss by L-BFGS, member by member, and store the result."""
        problem = self._create_problem(rows, generator, rows_seen=0)
        state = self._initial_state(problem, is_new_fit)
        results = []
        for member in range(problem.members):
            index = np.array([member])
            limits = int(self.max_iter), int(self.max_fun), self.tol
            minimum, result = minimize_from(problem, state.take(index), *limits)
            state = state.put(index, minimum)
            results.append(result)
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


def _check_batch_sizes(row_count: int, batch_size: int) -> None:
    """Raise `ValueError` or warn for batches of one row."""
    if batch_size == 1:
        raise ValueError(
            "batch_norm compares the rows of a batch, and here a batch is 1 row; give batches of 2 rows or more, or "
            "leave batch_norm out."
        )
    if row_count % batch_size == 1:
        warn_user(
            f"the last batch of {row_count} rows has 1 row, from which batch_norm learns nothing, and which lowers its "
            f"running variance; choose another batch_size than {batch_size}."
        )


def _extend_curve(curve: list[float] | None, values: Floats | None) -> list[float] | None:
    return None if values is None else (curve or []) + mean_curve(values)
