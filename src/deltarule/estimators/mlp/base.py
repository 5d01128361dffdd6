"""What the classifier and the regressor share: fitting by scikit-learn's rules on deltarule's training.

K members · N rows · D features · C outputs
"""

import contextlib
import warnings
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
from scipy import sparse
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import train_test_split
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import validate_parameter_constraints
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import _check_sample_weight, validate_data

from deltarule.errors import count_of
from deltarule.estimators.mlp import problem_settings
from deltarule.estimators.mlp.fit_context import QUIET, WHOLE_OR_NONE, warn
from deltarule.estimators.mlp.fit_records import CheckedRows, Epoch, Plan, Rows, curve, plain, with_weight
from deltarule.estimators.mlp.fitted import DTYPES, FittedMLP
from deltarule.estimators.mlp.input_validation import holds_tables, in_precision, made_dense, refuse_dates
from deltarule.estimators.mlp.parallel import all_finite
from deltarule.estimators.mlp.problem_settings import Architecture
from deltarule.estimators.mlp.scaling_checks import other_scale, unusual_size
from deltarule.estimators.serialization import weights_of
from deltarule.maths.network import views
from deltarule.problem import registry
from deltarule.problem import validation as checks
from deltarule.problem.batches import orders
from deltarule.problem.create import create_problem
from deltarule.problem.problem import Floats, Problem
from deltarule.problem.state import State, initial_state
from deltarule.training import epochs
from deltarule.training.epochs import EpochRules, EpochRun, Stall, Validation, one_epoch, train_epochs
from deltarule.training.lbfgs import minimize_from

MANY_NUMBERS = 2**20
"""From so many on it is worth waking other threads to look whether all are finite."""


class BaseMLP(FittedMLP):
    """A multi-layer perceptron that fits, and goes on fitting; what its targets mean, the classes below say."""

    # --- what the classifier and the regressor say for themselves ---

    _kind_constraints: dict[str, list[Any]]

    def _learn_targets(self, y: Any, weights: Floats | None, dtype: Any) -> None:
        """Take from the first targets what all of them mean: classes, or a scale."""
        raise NotImplementedError

    def _learn(self, y: Any, weights: Floats | None, dtype: Any, first: bool, incremental: bool) -> None:
        """The same of the first targets; later ones are held to them."""
        raise NotImplementedError

    def _targets(self, y: Any, dtype: Any) -> Floats:
        """Targets as numbers [N, C]."""
        raise NotImplementedError

    def _loss(self) -> tuple[Any, str]:
        """The loss, and scikit-learn's name of the output activation that belongs to it."""
        raise NotImplementedError

    def _metric(self) -> str:
        """The metric of validation scores."""
        raise NotImplementedError

    def _target_columns(self) -> int:
        """How many columns targets have, as they are given."""
        return int(self.n_outputs_)

    def _stratify(self, y: Floats) -> Any:
        """What a validation split keeps in proportion, or None."""
        return None

    def _weights_of(self, y: Any, sample_weight: Floats | None, incremental: bool) -> Floats | None:
        """The rows' weights, after those of their classes."""
        return sample_weight

    # --- fitting ---

    @contextlib.contextmanager
    def _whole_or_as_before(self) -> Iterator[None]:
        """A fit that an exception ends, whichever it is, leaves the model as it was.

        What is told of a fit that is done is told outside: where warnings are errors, the fit stays none the less.
        """
        before = vars(self).copy()  # as nothing that a model holds is written into
        try:
            yield
        except BaseException:
            self.__dict__ = before
            raise

    def _fit(self, X: Any, y: Any, sample_weight: Any, eval_set: Any = None) -> None:
        with self._whole_or_as_before():
            rows, generator, first = self._ready(X, y, sample_weight, eval_set)
            if self._solver == "lbfgs":
                told = self._fit_lbfgs(rows, generator, first)
            else:
                plan = self._plan(rows, generator, first, eval_set)
                run = train_epochs(
                    plan.problem,
                    plan.start,
                    plan.rules,
                    engine=self.engine,
                    in_order=not self.shuffle,
                    validation=plan.validation,
                    after_epoch=self._after_epoch(plan.problem),
                    goes_on=getattr(self, "best_validation_score_", None) is not None,
                )
                told = self._keep_run(plan, run)
        for warning in told:
            warnings.warn(warning, stacklevel=3)

    def _ready(
        self,
        X: Any,
        y: Any,
        sample_weight: Any,
        eval_set: Any = None,
        incremental: bool = False,
        checked: CheckedRows | None = None,
        sound: bool = False,
    ) -> tuple[Rows, np.random.RandomState, bool]:
        """Check everything that is given; returned are the rows, the generator, and whether the fit begins anew.

        Parameters: `checked`, what another model has found of the very same X and y; `sound`, whether another one with
        the very same parameters has been found good.
        """
        if not sound:
            self._check_parameters(eval_set, incremental)
        first = not hasattr(self, "coefs_") or not (self.warm_start or incremental)
        if checked is None:
            X, y = self._validate_data(X, y, reset=first)
            if not first:
                X = self._in_own_precision(X)
        else:
            X, y = checked.X, checked.y
            for name, value in checked.learned.items():
                setattr(self, name, value)
        if sample_weight is not None:
            sample_weight = _check_sample_weight(sample_weight, X, dtype=X.dtype, ensure_non_negative=True)
        weights = self._weights_of(y, sample_weight, incremental)
        targets = None if checked is None else checked.targets
        if targets is None:
            self._learn(y, weights, X.dtype, first, incremental)
            targets = self._targets(y, X.dtype)
        rows = with_weight(Rows(X, targets, weights))
        self._shape(rows, first)
        if first and not incremental:
            size = unusual_size(rows.x, self._feature)
            if size:
                warn(
                    f"the features are not scaled: {size}, and networks learn badly from such; put a StandardScaler "
                    "before the estimator.",
                    stacklevel=4,
                )
        if first:
            self._forget()
        return rows, check_random_state(self.random_state), first

    @property
    def _solver(self) -> str:
        return self.solver if isinstance(self.solver, str) else self.solver.get("name", "")

    @property
    def _parameters(self) -> dict[str, Any]:
        """All that decides a fit, also in a subclass that is given less, and says the rest itself."""
        return {name: getattr(self, name) for name in self._names_of_parameters()}

    @classmethod
    @cache
    def _names_of_parameters(cls) -> tuple[str, ...]:
        return tuple(problem_settings.constraints() | cls._kind_constraints)

    def _check_parameters(self, eval_set: Any, incremental: bool) -> None:
        validate_parameter_constraints(
            problem_settings.constraints() | self._kind_constraints,
            self._parameters,
            caller_name=type(self).__name__,
        )
        strange = [call for call in _several(self.callbacks) if not callable(call)]
        if strange:
            raise ValueError(f"callbacks must be functions, called as callback(epoch, model); got {strange[0]!r}.")
        if incremental and self.early_stopping:
            raise ValueError("partial_fit does not support early_stopping=True")
        if self._solver == "lbfgs":
            if self.batch_norm or np.any(np.asarray(self.dropout, float)):
                raise ValueError("solver='lbfgs' needs a loss that stays the same; leave dropout and batch_norm out.")
            if eval_set is not None:
                raise ValueError("solver='lbfgs' has no epochs after which eval_set could be scored; leave it out.")
            if _several(self.callbacks):
                raise ValueError("solver='lbfgs' has no epochs after which callbacks could be called; leave them out.")

    def _validate_data(self, X: Any, y: Any, reset: bool) -> tuple[Floats, Any]:
        refuse_dates(X, "X")
        # Of many numbers scikit-learn looks on one thread whether all are finite; where some are not, it says so.
        is_large = type(X) is np.ndarray and X.ndim == 2 and X.size >= MANY_NUMBERS and X.dtype in DTYPES
        how = {"accept_sparse": ["csr", "csc"], "multi_output": True, "dtype": DTYPES}
        with np.errstate(all="ignore"):  # it sums all numbers to see whether one is not finite
            X, y = validate_data(self, X, y, reset=reset, ensure_all_finite=not (is_large and all_finite(X)), **how)
        if getattr(y, "ndim", 1) == 2 and y.shape[1] == 1:
            y = self._one_column(y)
        return (made_dense(X) if sparse.issparse(X) else X), y

    def _in_own_precision(self, X: Floats) -> Floats:
        """Rows in the precision of the network, which goes on in it."""
        own = np.float32 if np.asarray(self.coefs_[0]).dtype == np.float32 else np.float64
        return X if X.dtype == own else in_precision(X, own, "X")

    def _checked_rows(self, X: Any, y: Any) -> CheckedRows:
        """Rows that were checked, with what a model learns of them: for all that are to be fitted to the same."""
        X, y = self._validate_data(X, y, reset=True)
        names = ("n_features_in_", "feature_names_in_", *self._learned_of_y)
        targets = None
        if self._learned_of_y:
            self._learn_targets(y, None, X.dtype)
            targets = self._targets(y, X.dtype)
        learned = {name: getattr(self, name) for name in names if hasattr(self, name)}
        return CheckedRows(X, y, learned, targets)

    _learned_of_y: tuple[str, ...] = ()
    """What `_learn_targets` finds where it looks at nothing but the targets."""

    @classmethod
    @cache
    def _get_param_names(cls) -> list[str]:
        """As scikit-learn finds them, which takes longer than much of what it is asked for."""
        names: list[str] = super()._get_param_names()
        return names

    @staticmethod
    def _one_column(y: Any) -> Any:
        from sklearn.utils import column_or_1d

        return column_or_1d(y, warn=True)

    def _shape(self, rows: Rows, first: bool) -> None:
        """The network's shape; one that goes on fitting keeps the one it has."""
        hidden = problem_settings.hidden_sizes(self.hidden_layer_sizes)
        loss, output = self._loss()
        wanted = Architecture(
            sizes=(rows.x.shape[1], *hidden, rows.y.shape[1]),
            activations=problem_settings.hidden_activations(self.activation, len(hidden)),
            output=output,
            batch_norm=bool(self.batch_norm),
        )
        if first:
            self._architecture = wanted
            self.n_layers_, self.n_outputs_ = len(wanted.sizes), wanted.sizes[-1]
            self.out_activation_ = output
        elif (wanted, self.n_members) != (self._architecture, self._members):
            raise ValueError(
                f"the network has the layers {self._architecture.sizes} and {self._members} members, and cannot go on "
                f"as one of {wanted.sizes} and {self.n_members} (or of other activations); fit a new one."
            )

    def _forget(self) -> None:
        """Nothing of an earlier fit is left in one that begins anew."""
        self.t_ = 0
        validation = ("validation_scores_", "validation_loss_curve_", "best_validation_score_")
        for name in ("_slots", "_updates", "_stall", "_factor", "_passes", *validation):
            if hasattr(self, name):
                delattr(self, name)
        self.loss_curve_: list[float] = []

    def _problem(self, rows: Rows, generator: np.random.RandomState, seen: int) -> Problem:
        count = len(rows.x)
        if self._solver == "lbfgs":
            size = count
        elif self.batch_size == "auto":
            size = min(200, count)
        else:
            if self.batch_size > count:
                warn("Got `batch_size` less than 1 or larger than sample size. It is going to be clipped", stacklevel=5)
            size = min(int(self.batch_size), count)
        if self._architecture.batch_norm and self.n_layers_ > 2:
            _check_norm(count, size)
        seeds, data_seeds = problem_settings.weight_seeds(generator, self.n_members)
        loss, parameters = self._loss()[0], self._parameters
        return create_problem(
            self._architecture.network(),
            rows.x,
            rows.y,
            loss=loss,
            penalty="weight_decay_per_sample" if self.alpha else None,
            strength=float(self.alpha),
            optimizer=problem_settings.optimizer(parameters),
            learning_rate=float(self.learning_rate_init),
            schedule=problem_settings.schedule(parameters, count, seen),
            batch_size=size if size < count else None,
            dropout=self.dropout,
            weights=rows.w,
            seeds=seeds,
            data_seeds=data_seeds,
            dtype=rows.x.dtype.name,
            copy=False,  # nobody else has the problem, and it ends with the fit
        )

    def _plan(self, rows: Rows, generator: np.random.RandomState, first: bool, eval_set: Any = None) -> Plan:
        """What is to be trained, and how."""
        rows, validation = self._set_aside(rows, generator, eval_set)
        problem = self._problem(rows, generator, seen=self.t_)
        rules = EpochRules(int(self.max_iter), float(self.tol), self.n_iter_no_change)
        return Plan(problem, self._start(problem, first), rules, validation)

    def _conclude(self, plan: Plan, run: EpochRun) -> None:
        """Keep what a training came to, and say what a person should know of it."""
        for warning in self._keep_run(plan, run):
            warnings.warn(warning, stacklevel=4)

    def _keep_run(self, plan: Plan, run: EpochRun) -> list[Warning]:
        """Keep what a training came to; returned is what a person should know of it."""
        self._keep(plan.problem, run.state)
        self._stall, self._factor = run.stall, run.state.factor
        self.n_iter_ = int(run.epochs.max())
        self.t_ += self.n_iter_ * plan.problem.row_count(0)
        self._keep_curves(run)
        return self._warnings_of(run)

    def _set_aside(self, rows: Rows, generator: np.random.RandomState, eval_set: Any) -> tuple[Rows, Validation | None]:
        """The rows to train on, and those that score: the user's own, or a part set aside for early stopping."""
        if eval_set is not None:
            aside = self._own_validation(eval_set, rows.x)
            if self.early_stopping and self._metric() == "r_squared" and (aside.y == aside.y[0]).all():
                raise ValueError(
                    f"eval_set has {count_of(len(aside.x), 'row')} with one and the same target, of which there is no "
                    "R² that could stop the training; give rows whose targets differ, or leave early_stopping out."
                )
        elif self.early_stopping and self._solver != "lbfgs":
            indices = np.arange(len(rows.x))
            kept, held = train_test_split(
                indices,
                random_state=generator,
                test_size=self.validation_fraction,
                stratify=self._stratify(rows.y),
            )
            if len(held) < 2:
                raise ValueError(
                    "The validation set is too small. Increase 'validation_fraction' or the size of your dataset."
                )
            rows, aside = rows.take(kept), rows.take(held)
        else:
            return rows, None
        w = np.ones(len(aside.x), rows.x.dtype) if aside.w is None else aside.w
        return rows, Validation(aside.x, aside.y, w[:, None], self._metric(), bool(self.early_stopping))

    def _own_validation(self, eval_set: Any, trained: Floats) -> Rows:
        if not isinstance(eval_set, list | tuple) or len(eval_set) != 2 or holds_tables(eval_set[0]):
            raise ValueError("eval_set must be a pair (X, y) of validation rows.")
        network, loss, dtype = self._architecture.network(), registry.loss(self._loss()[0]), trained.dtype
        try:
            X, y = self._validate_data(eval_set[0], eval_set[1], reset=False)
            given, wanted = (y.shape[1] if np.ndim(y) == 2 or sparse.issparse(y) else 1), self._target_columns()
            if given != wanted:
                raise ValueError(
                    f"y has {given} targets in a row, and the training rows have {wanted}; give targets of one kind."
                )
            self._learn(y, None, dtype, first=False, incremental=True)
            targets = checks.targets(self._targets(y, dtype), network, loss, dtype.name)
        except ValueError as error:
            raise ValueError(f"eval_set: {error}") from None
        X = in_precision(X, dtype, "X")
        size = other_scale(X, trained, self._feature)
        if size:
            warnings.warn(
                f"the features of eval_set are not scaled as those of the training rows: {size}; transform them alike, "
                "as a pipeline does with X_val and y_val in place of eval_set, and transform_input=['X_val'].",
                stacklevel=6,
            )
        return Rows(X, targets, None)

    def _feature(self, place: int) -> Any:
        """What a feature is called."""
        return getattr(self, "feature_names_in_", {place: f"number {place}"})[place]

    def _after_epoch(self, problem: Problem) -> Callable[[epochs.Epoch], bool] | None:
        calls = _several(self.callbacks)
        if not calls and not self.verbose:
            return None

        def after(seen: epochs.Epoch) -> bool:
            self._hold(problem.network, seen.state, copy=False)
            epoch = plain(seen)
            self.n_iter_, self.loss_ = epoch.number, epoch.loss
            if self.verbose:
                self._print(epoch)
            answers = [call(epoch, self) for call in calls]  # each of them, also where an earlier one says stop
            return any(isinstance(answer, bool | np.bool_) and answer for answer in answers)

        return after

    def _print(self, epoch: Epoch) -> None:
        left = epoch.seconds / epoch.number * (self.max_iter - epoch.number)
        print(f"Iteration {epoch.number}, loss = {epoch.loss:.8f}, at most {left:.0f} s left")
        if epoch.validation_score is not None:
            print(f"Validation score: {epoch.validation_score:f}")

    @property
    def _epochs_so_far(self) -> int:
        """The epochs that there have been; where nobody counted, as in a file, the curve tells them."""
        return getattr(self, "_passes", len(self.loss_curve_))

    def _keep_curves(self, run: EpochRun) -> None:
        self._passes = self._epochs_so_far + len(run.losses)
        self.loss_curve_ = self.loss_curve_ + curve(run.losses)  # a new list: a copy of the model may have the other
        self.loss_ = self.loss_curve_[-1] if self.loss_curve_ else float("nan")
        self.validation_scores_ = _longer(getattr(self, "validation_scores_", None), run.validation_scores)
        self.validation_loss_curve_ = _longer(getattr(self, "validation_loss_curve_", None), run.validation_losses)
        self.best_validation_score_ = None if run.best_scores is None else float(np.mean(run.best_scores))
        self.best_loss_ = None if self.early_stopping else min(self.loss_curve_, default=float("nan"))

    def _warnings_of(self, run: EpochRun) -> list[Warning]:
        told: list[Warning] = []
        if "diverged" in run.reasons:
            self._refuse_nonfinite(f" It happened in epoch {run.epochs[run.reasons.index('diverged')]}.")
        if "interrupted" in run.reasons:
            if WHOLE_OR_NONE.get():
                raise KeyboardInterrupt
            told.append(UserWarning("Training interrupted by user."))
        if "max_epochs" in run.reasons and not QUIET.get():
            reached = f"Stochastic Optimizer: Maximum iterations ({self.max_iter}) reached"
            told.append(ConvergenceWarning(f"{reached} and the optimization hasn't converged yet."))
        return told

    def _refuse_nonfinite(self, where: str = "") -> None:
        raise ValueError(
            "Solver produced non-finite parameter weights. The input data may contain large values and need to be "
            f"preprocessed.{where}"
        )

    def _fit_once(self, X: Any, y: Any, sample_weight: Any) -> None:
        """One pass over the rows, from wherever an earlier one ended."""
        rows, generator, first = self._ready(X, y, sample_weight, incremental=True)
        passes = self._epochs_so_far
        problem, factor = self._rates_going_on(self._problem(rows, generator, seen=0), passes)
        state = self._going_on(problem, first, factor)
        order = np.arange(len(rows.x))
        if self.shuffle and problem.batch_size is not None:
            # Remembered, for a pass that is an epoch of the training asks again.
            order = orders(tuple(problem.data_seeds.tolist()), passes, len(rows.x))
        state, loss, bad = one_epoch(problem, state, order, self.engine)
        if (bad >= 0).any():
            self._refuse_nonfinite()
        self._keep(problem, state)
        # A copy, to write into: the arrays of a model that joblib has mapped into memory are read-only.
        stall = getattr(self, "_stall", Stall.of(self.n_members))
        self._stall = Stall(stall.best.copy(), stall.waited.copy())
        self._factor, self.n_iter_ = factor, 1
        self.t_ += len(rows.x)
        self._slow_down(problem, loss)
        self.loss_ = float(loss.mean())
        self._passes = passes + 1
        best = getattr(self, "best_loss_", None)
        self.loss_curve_ = [*self.loss_curve_, self.loss_]
        self.best_loss_ = min(self.loss_curve_ if best is None else (best, self.loss_))
        self.validation_scores_ = self.validation_loss_curve_ = self.best_validation_score_ = None
        if self.verbose:
            print(f"Iteration {self.n_iter_}, loss = {self.loss_:.8f}")

    def _rates_going_on(self, problem: Problem, passes: int) -> tuple[Problem, Floats]:
        """A schedule by epochs as a factor: here the number of updates does not say how many epochs there were."""
        schedule, rate = problem.schedule, problem.numbers["learning_rate"]
        if schedule.per != "epoch":
            return problem, getattr(self, "_factor", np.ones(self.n_members))
        by_rows = schedule.name == problem_settings.INVSCALING.name
        passed = np.full(self.n_members, self.t_ / len(problem.x) if by_rows else float(passes))
        factor = schedule.rate(passed, rate, **problem.schedule_numbers) / rate
        return replace(problem, schedule=problem_settings.SCHEDULES["constant"], schedule_numbers={}), factor

    def _slow_down(self, problem: Problem, loss: Floats) -> None:
        """The adaptive schedule, one epoch on."""
        rules = EpochRules(1, float(self.tol), self.n_iter_no_change)
        _, stuck = self._stall.note(np.arange(self.n_members), loss, rules)
        self._stall.waited[stuck] = 0
        if problem.schedule.adaptive:
            slowed = stuck & (self.learning_rate_init * self._factor > epochs.LOWEST_RATE)
            divided = self._factor / problem.schedule_numbers["divide"]
            self._factor = np.where(slowed, divided, self._factor)

    def _fit_lbfgs(self, rows: Rows, generator: np.random.RandomState, first: bool) -> list[Warning]:
        problem = self._problem(rows, generator, seen=0)
        state = self._start(problem, first)
        found = []
        for member in range(problem.members):
            chosen = np.array([member])
            reached, about = minimize_from(problem, state.take(chosen), int(self.max_iter), int(self.max_fun))
            state = state.put(chosen, reached)
            found.append(about)
        if not np.isfinite(state.theta).all():
            self._refuse_nonfinite()
        self._keep(problem, state)
        self.n_iter_ = min(max(about.nit for about in found), int(self.max_iter))
        self.loss_ = float(np.mean([about.fun for about in found]))
        self.best_loss_ = None
        self.validation_scores_ = self.validation_loss_curve_ = self.best_validation_score_ = None
        return [
            ConvergenceWarning(
                f"lbfgs failed to converge after {self.n_iter_} iteration(s) (status={about.status}):\n"
                f"{about.message}\n\nIncrease the number of iterations (max_iter) or scale the data."
            )
            for about in found
            if about.status != 0
        ][:1]

    # --- weights ---

    def _start(self, problem: Problem, first: bool) -> State:
        """Fresh weights, or those of the fit before, for a training that begins."""
        if first:
            state = initial_state(problem)
            if self.output_bias == "prior":
                biases = views(state.theta, problem.network.entries)[f"b{len(problem.network.layers)}"]
                biases[...] = problem_settings.prior_logits(problem.y, problem.weights, self.out_activation_)
            return state
        arrays = weights_of(self)
        state = initial_state(problem, arrays["theta"])
        return replace(state, buffers=arrays["running"].astype(problem.dtype)) if "running" in arrays else state

    def _going_on(self, problem: Problem, first: bool, factor: Floats) -> State:
        """The state that an earlier pass left, with what the optimizer remembers."""
        state = replace(self._start(problem, first), factor=factor)
        slots = getattr(self, "_slots", {})
        if set(slots) != set(state.slots):
            return state
        kept = {name: slot.astype(problem.dtype) for name, slot in slots.items()}
        return replace(state, slots=kept, step=getattr(self, "_updates", 0))

    def _keep(self, problem: Problem, state: State) -> None:
        self._hold(problem.network, state, copy=True)
        self._slots, self._updates = dict(state.slots), int(state.step)


def _several(callbacks: Any) -> list[Any]:
    """Callbacks that are given as one, several, or none."""
    return [] if callbacks is None else list(callbacks) if isinstance(callbacks, list | tuple) else [callbacks]


def _check_norm(count: int, size: int) -> None:
    """Batch norm takes the rows of a batch apart from their mean: of a single row nothing is left."""
    if size == 1:
        raise ValueError(
            "batch_norm compares the rows of a batch, and here a batch is 1 row; give batches of 2 rows or more, or "
            "leave batch_norm out."
        )
    if count % size == 1:
        warnings.warn(
            f"the last batch of {count} rows is 1 row, of which batch_norm learns nothing, and by which its running "
            f"variance falls; choose another batch_size than {size}.",
            stacklevel=6,
        )


def _longer(before: list[float] | None, values: Floats | None) -> list[float] | None:
    """A curve that goes on, by the values of all members after each epoch; None where there are none."""
    return None if values is None else (before or []) + curve(values)


def has_epochs(estimator: BaseMLP) -> bool:
    """Whether the solver goes by epochs, so that there is a partial_fit."""
    if estimator._solver == "lbfgs":
        raise AttributeError(
            f"partial_fit is only available for stochastic optimizers. {estimator._solver} is not stochastic."
        )
    return True


for_epochs = available_if(has_epochs)
