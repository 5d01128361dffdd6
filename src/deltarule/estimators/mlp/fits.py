"""Train a model by epochs, for one epoch or by L-BFGS, and store the result.

K members · E epochs
"""

from collections.abc import Callable
from dataclasses import replace
from itertools import count
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.optimize import minimize
from sklearn.exceptions import ConvergenceWarning

from deltarule.blas_threads import one_blas_thread
from deltarule.engines.reference import objective_and_gradient
from deltarule.estimators.mlp import problem_settings
from deltarule.estimators.mlp.fit_context import COMPLETE_FIT_REQUIRED, FIT_WARNINGS_SUPPRESSED, Rows
from deltarule.estimators.mlp.fit_plan import Plan, prepare_rows
from deltarule.estimators.mlp.weights import resumed_state
from deltarule.problem.batches import all_rows, orders
from deltarule.problem.problem import Floats, Integers, Problem
from deltarule.problem.state import State
from deltarule.training.epochs import Epoch, EpochRun, one_epoch, train_epochs

if TYPE_CHECKING:
    from deltarule.estimators.mlp.base import BaseMLP


def fit_epochs(model: "BaseMLP", plan: Plan) -> list[Warning]:
    """Train a model as planned, store the result, and return the warnings."""
    callbacks = [] if model.callbacks is None else model.callbacks
    callbacks = list(callbacks) if isinstance(callbacks, list | tuple) else [callbacks]

    def finish_epoch(epoch: Epoch, state: State) -> bool:
        """Update the model after an epoch and return whether to stop."""
        model._set_state(plan.problem.network, state)
        model.n_iter_, model.loss_ = epoch.number, epoch.loss
        if model.verbose:
            seconds_left = epoch.seconds / epoch.number * (model.max_iter - epoch.number)
            print(f"Iteration {epoch.number}, loss = {epoch.loss:.8f}, at most {seconds_left:.0f} s left")
            if epoch.validation_score is not None:
                print(f"Validation score: {epoch.validation_score:f}")
        results = [callback(epoch, model) for callback in callbacks]  # all of them, even if the first says stop
        return any(isinstance(result, bool | np.bool_) and result for result in results)

    run = train_epochs(
        plan.problem,
        plan.start,
        plan.rules,
        engine=model.engine,
        in_order=not model.shuffle,
        validation=plan.validation,
        after_epoch=finish_epoch if callbacks or model.verbose else None,
        resumes=getattr(model, "best_validation_score_", None) is not None,
    )
    return store_run(model, plan.problem, run)


def store_run(model: "BaseMLP", problem: Problem, run: EpochRun) -> list[Warning]:
    """Store weights, counts and curves of a run, and return its warnings."""
    _store_state(model, problem, run.state)
    model.n_iter_ = int(run.epochs.max())
    model.t_ += model.n_iter_ * problem.row_count(0)
    curves = {
        "loss_curve_": run.losses,
        "validation_scores_": run.validation_scores,
        "validation_loss_curve_": run.validation_losses,
    }
    for name, values in curves.items():
        if values is not None:  # new lists: copies of the model share the old
            setattr(model, name, (getattr(model, name, None) or []) + mean_curve(values))
    model.loss_ = model.loss_curve_[-1] if model.loss_curve_ else float("nan")
    if run.best_scores is not None:
        model.best_validation_score_ = float(np.mean(run.best_scores))
    model.best_loss_ = None if model.early_stopping else min(model.loss_curve_, default=float("nan"))
    messages: list[Warning] = []
    is_diverged = np.array([reason == "diverged" for reason in run.reasons])
    if is_diverged.any():
        epoch = len(model.loss_curve_) - len(run.losses) + run.epochs[is_diverged.argmax()]
        best_scores = run.best_scores if model.early_stopping else None
        if best_scores is None or not np.isfinite(best_scores[is_diverged]).all():  # no better weights to restore
            raise _nonfinite_error(f" It happened in epoch {epoch}.")
        if not FIT_WARNINGS_SUPPRESSED.get():
            kept = f"Training diverged in epoch {epoch}; the weights of the best validation score are kept"
            messages.append(ConvergenceWarning(f"{kept}. Reduce learning_rate_init, or scale the data."))
    if "interrupted" in run.reasons:
        if COMPLETE_FIT_REQUIRED.get():
            raise KeyboardInterrupt
        messages.append(UserWarning("Training interrupted by user."))
    if "max_epochs" in run.reasons and not FIT_WARNINGS_SUPPRESSED.get():
        reached = f"Stochastic Optimizer: Maximum iterations ({model.max_iter}) reached"
        messages.append(ConvergenceWarning(f"{reached} and the optimization hasn't converged yet."))
    return messages


def fit_one_epoch(model: "BaseMLP", X: Any, y: Any, sample_weight: Any) -> None:
    """Train a model for one epoch, as `partial_fit` does, and store the result."""
    rows, generator, is_new_fit = prepare_rows(model, X, y, sample_weight, incremental=True)
    completed = len(model.loss_curve_)
    problem = model._create_problem(rows, generator, rows_seen=0)
    factor = np.ones(model.n_members) if model._fitted.factor is None else model._fitted.factor
    if problem.schedule.per == "epoch":
        problem, factor = problem_settings.fix_learning_rate(problem, completed, model.t_)
    state = replace(resumed_state(model, model._initial_state(problem, is_new_fit)), factor=factor)
    order = np.arange(len(rows.x))
    if model.shuffle and problem.batch_size is not None:
        # The same order as in this epoch of `fit`.
        order = orders(tuple(problem.data_seeds.tolist()), completed, len(rows.x))
    store_run(model, problem, one_epoch(problem, state, order, model.engine))
    if model.verbose:
        print(f"Iteration {model.n_iter_}, loss = {model.loss_:.8f}")


def fit_lbfgs(model: "BaseMLP", rows: Rows, generator: np.random.RandomState, is_new_fit: bool) -> list[Warning]:
    """Minimize the loss by L-BFGS, member by member, and store the result."""
    problem = model._create_problem(rows, generator, rows_seen=0)
    limits = int(model.max_iter), int(model.max_fun), model.tol
    start = model._initial_state(problem, is_new_fit)
    state, results = minimize_members(problem, start, *limits, bool(model.verbose))
    if not np.isfinite(state.theta).all():
        raise _nonfinite_error()
    _store_state(model, problem, state)
    model.n_iter_ = min(max(result.nit for result in results), int(model.max_iter))
    model.loss_ = float(np.mean([result.fun for result in results]))
    model.best_loss_ = None
    failures = [result for result in results if result.status != 0]
    return [
        ConvergenceWarning(
            f"lbfgs failed to converge after {model.n_iter_} iteration(s) (status={result.status}):\n"
            f"{result.message}\n\nIncrease the number of iterations (max_iter) or scale the data."
        )
        for result in failures[:1]
    ]


def minimize_members(
    problem: Problem, state: State, max_iterations: int, max_evaluations: int, tolerance: float, verbose: bool = False
) -> tuple[State, list[Any]]:
    """Minimize the objective of each member on all rows; with SciPy's result for each.

    Source: Liu & Nocedal 1989
    """
    options = {"maxiter": max_iterations, "maxfun": max_evaluations, "gtol": tolerance, "ftol": 2.2e-9}
    results = []
    for index in np.arange(problem.members)[:, None]:
        start, rows = state.take(index), all_rows(problem, index)

        def value_and_gradient(theta: Floats, start: State = start, rows: Any = rows) -> tuple[float, Floats]:
            with np.errstate(all="ignore"):
                result = objective_and_gradient(problem, _with_theta(start, theta), rows)
            return float(result.objective[0]), result.gradient[0].astype(np.float64)

        with one_blas_thread():  # SciPy's own sums, too
            theta = start.theta[0].astype(np.float64)
            tell = _iteration_printer() if verbose else None
            result = minimize(value_and_gradient, theta, jac=True, method="L-BFGS-B", options=options, callback=tell)
        state = state.put(index, _with_theta(start, result.x))
        results.append(result)
    return state, results


def _iteration_printer() -> Callable[[Any], None]:
    numbers = count(1)

    def tell(intermediate_result: Any) -> None:  # SciPy goes by the parameter's name
        print(f"Iteration {next(numbers)}, loss = {intermediate_result.fun:.8f}")

    return tell


def _with_theta(state: State, theta: Floats) -> State:
    return replace(state, theta=theta[None].astype(state.theta.dtype))


def _store_state(model: "BaseMLP", problem: Problem, state: State) -> None:
    model._set_state(problem.network, replace(state, theta=state.theta.copy()))
    model._fitted = replace(model._fitted, slots=dict(state.slots), updates=int(state.step), factor=state.factor)


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
    epoch, is_missing = np.arange(len(values))[:, None], np.isnan(values)
    last: Integers = np.maximum.accumulate(np.where(is_missing, 0, epoch), axis=0)
    means = np.take_along_axis(values, last, axis=0).mean(axis=1)
    curve: list[float] = np.where(is_missing.all(axis=1), np.nan, means).tolist()
    return curve
