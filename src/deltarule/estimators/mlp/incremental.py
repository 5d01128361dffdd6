"""Train one epoch per call, for `partial_fit`.

K members · N rows
"""

from dataclasses import replace
from typing import Any

import numpy as np
from sklearn.utils.metaestimators import available_if

from deltarule.estimators.mlp import problem_settings
from deltarule.estimators.mlp.base import BaseMLP
from deltarule.problem.batches import orders
from deltarule.problem.problem import Floats, Problem
from deltarule.problem.state import State
from deltarule.training.epoch_monitor import MIN_LEARNING_RATE
from deltarule.training.epoch_records import Patience
from deltarule.training.epochs import one_epoch


class IncrementalMLP(BaseMLP):
    """A multi-layer perceptron that can also be trained epoch by epoch."""

    def _fit_one_epoch(self, X: Any, y: Any, sample_weight: Any) -> None:
        """Train for one epoch and store the result."""
        rows, generator, is_new_fit = self._prepare_rows(X, y, sample_weight, incremental=True)
        completed = self._completed_epochs
        problem, factor = self._fix_learning_rate(self._create_problem(rows, generator, rows_seen=0), completed)
        state = self._resumed_state(problem, is_new_fit, factor)
        order = np.arange(len(rows.x))
        if self.shuffle and problem.batch_size is not None:
            # The same order as in this epoch of `fit`.
            order = orders(tuple(problem.data_seeds.tolist()), completed, len(rows.x))
        state, loss, bad = one_epoch(problem, state, order, self.engine)
        if (bad >= 0).any():
            self._raise_nonfinite()
        self._store_state(problem, state)
        # A copy to write into: the arrays of a model that joblib has mapped into memory are read-only.
        stall = getattr(self, "_stall", Patience.initial(self.n_members))
        self._stall = Patience(stall.best.copy(), stall.waited.copy())
        self._factor, self.n_iter_ = factor, 1
        self.t_ += len(rows.x)
        self._count_stalled_epochs(problem, loss)
        self.loss_ = float(loss.mean())
        self._passes = completed + 1
        best = getattr(self, "best_loss_", None)
        self.loss_curve_ = [*self.loss_curve_, self.loss_]
        self.best_loss_ = min(self.loss_curve_ if best is None else (best, self.loss_))
        self.validation_scores_ = self.validation_loss_curve_ = self.best_validation_score_ = None
        if self.verbose:
            print(f"Iteration {self.n_iter_}, loss = {self.loss_:.8f}")

    def _fix_learning_rate(self, problem: Problem, completed_epochs: int) -> tuple[Problem, Floats]:
        """Replace an epoch-based schedule by a constant one with rate factors [K].

        The epoch does not follow from the number of updates here, because every call may have another number of rows.
        Other schedules stay.
        """
        schedule, rate = problem.schedule, problem.numbers["learning_rate"]
        if schedule.per != "epoch":
            return problem, getattr(self, "_factor", np.ones(self.n_members))
        counts_rows = schedule.name == problem_settings.INVSCALING.name
        epoch = np.full(self.n_members, self.t_ / len(problem.x) if counts_rows else float(completed_epochs))
        factor = schedule.rate(epoch, rate, **problem.schedule_numbers) / rate
        return replace(problem, schedule=problem_settings.SCHEDULES["constant"], schedule_numbers={}), factor

    def _count_stalled_epochs(self, problem: Problem, loss: Floats) -> None:
        """Count epochs without improvement and reduce adaptive learning rates."""
        self._stall.update(np.arange(self.n_members), loss, float(self.tol))
        is_stalled = self._stall.waited > self.n_iter_no_change
        self._stall.waited[is_stalled] = 0
        if problem.schedule.adaptive:
            is_reduced = is_stalled & (self.learning_rate_init * self._factor > MIN_LEARNING_RATE)
            divided = self._factor / problem.schedule_numbers["divide"]
            self._factor = np.where(is_reduced, divided, self._factor)

    def _resumed_state(self, problem: Problem, is_new_fit: bool, factor: Floats) -> State:
        """The state after the last epoch, with rate factors [K]."""
        state = replace(self._initial_state(problem, is_new_fit), factor=factor)
        slots = getattr(self, "_slots", {})
        if set(slots) != set(state.slots):
            return state
        cast_slots = {name: slot.astype(problem.dtype) for name, slot in slots.items()}
        return replace(state, slots=cast_slots, step=getattr(self, "_updates", 0))


def is_stochastic_solver(estimator: BaseMLP) -> bool:
    """Check that the solver trains by epochs, which `partial_fit` requires."""
    if estimator._solver == "lbfgs":
        raise AttributeError(
            f"partial_fit is only available for stochastic optimizers. {estimator._solver} is not stochastic."
        )
    return True


only_for_stochastic_solvers = available_if(is_stochastic_solver)
