"""Validate the input of a fit.

N rows · D features · C outputs
"""

from functools import cache
from typing import Any

import numpy as np
from scipy import sparse
from sklearn.utils import check_random_state, column_or_1d
from sklearn.utils.validation import validate_data

from deltarule.errors import count_of
from deltarule.estimators.mlp import problem_settings
from deltarule.estimators.mlp.fit_context import CheckedRows, Rows, warn_of_parameters
from deltarule.estimators.mlp.fitted import DTYPES, FittedMLP
from deltarule.estimators.mlp.input_validation import (
    cast_finite,
    describe_scale_mismatch,
    describe_unscaled_feature,
    is_list_of_tables,
    reject_datetimes,
    to_dense,
)
from deltarule.estimators.mlp.parallel import all_finite
from deltarule.estimators.mlp.problem_settings import Architecture
from deltarule.estimators.sklearn_compat import check_sample_weight, validate_parameter_constraints
from deltarule.estimators.user_warnings import warn_user
from deltarule.problem import registry
from deltarule.problem import validation as checks
from deltarule.problem.problem import Floats

PARALLEL_CHECK_MIN_NUMBERS = 2**20
"""From this many numbers on, checking on several threads is faster than on one."""


class ValidatedMLP(FittedMLP):
    """A multi-layer perceptron that validates the input of a fit."""

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

    def _target_column_count(self) -> int:
        return int(self.n_outputs_)

    def _row_weights(self, y: Any, sample_weight: Floats | None, incremental: bool) -> Floats | None:
        return sample_weight

    # --- parameters ---

    @property
    def _solver(self) -> str:
        return self.solver if isinstance(self.solver, str) else self.solver.get("name", "")

    @property
    def _parameters(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self._parameter_names()}

    @classmethod
    @cache
    def _parameter_names(cls) -> tuple[str, ...]:
        return tuple(problem_settings.constraints() | cls._kind_constraints)

    @classmethod
    @cache
    def _get_param_names(cls) -> list[str]:
        # Cached, because scikit-learn inspects the signature in every call.
        names: list[str] = super()._get_param_names()
        return names

    def _check_parameters(self, eval_set: Any, incremental: bool) -> None:
        """Raise `ValueError` for invalid parameters."""
        validate_parameter_constraints(
            problem_settings.constraints() | self._kind_constraints,
            self._parameters,
            caller_name=type(self).__name__,
        )
        callbacks = as_callback_list(self.callbacks)
        for callback in callbacks:
            if not callable(callback):
                raise ValueError(f"callbacks must be functions, called as callback(epoch, model); got {callback!r}.")
        if incremental and self.early_stopping:
            raise ValueError("partial_fit does not support early_stopping=True")
        if self._solver == "lbfgs":
            if self.batch_norm or np.any(np.asarray(self.dropout, float)):
                raise ValueError("solver='lbfgs' needs a deterministic loss; leave dropout and batch_norm out.")
            if eval_set is not None:
                raise ValueError("solver='lbfgs' has no epochs after which eval_set could be scored; leave it out.")
            if callbacks:
                raise ValueError("solver='lbfgs' has no epochs after which callbacks could be called; leave them out.")

    # --- rows ---

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
            self._check_parameters(eval_set, incremental)
        is_new_fit = not hasattr(self, "coefs_") or not (self.warm_start or incremental)
        if checked is None:
            X, y = self._validate_data(X, y, reset=is_new_fit)
            if not is_new_fit:
                X = self._cast_to_network_dtype(X)
        else:
            X, y = checked.X, checked.y
            for name, value in checked.learned.items():
                setattr(self, name, value)
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
            self._reset_fit_state()
        return rows, check_random_state(self.random_state), is_new_fit

    def _validate_data(self, X: Any, y: Any, reset: bool) -> tuple[Floats, Any]:
        """Validate X and y as scikit-learn does."""
        reject_datetimes(X, "X")
        # scikit-learn checks on one thread that all numbers are finite, and reports those that are not.
        is_large = type(X) is np.ndarray and X.ndim == 2 and X.size >= PARALLEL_CHECK_MIN_NUMBERS and X.dtype in DTYPES
        options = {"accept_sparse": ["csr", "csc"], "multi_output": True, "dtype": DTYPES}
        with np.errstate(all="ignore"):  # scikit-learn sums all numbers to find one that is not finite
            X, y = validate_data(self, X, y, reset=reset, ensure_all_finite=not (is_large and all_finite(X)), **options)
        if getattr(y, "ndim", 1) == 2 and y.shape[1] == 1:
            y = column_or_1d(y, warn=True)
        return (to_dense(X) if sparse.issparse(X) else X), y

    def _cast_to_network_dtype(self, X: Floats) -> Floats:
        dtype = np.float32 if np.asarray(self.coefs_[0]).dtype == np.float32 else np.float64
        return X if X.dtype == dtype else cast_finite(X, dtype, "X")

    def _check_shared_rows(self, X: Any, y: Any) -> CheckedRows:
        """Validate features and targets once for all models of a search."""
        X, y = self._validate_data(X, y, reset=True)
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

    def _reset_fit_state(self) -> None:
        """Delete the curves, scores, counts and optimizer memory of an earlier fit."""
        self.t_ = 0
        validation = ("validation_scores_", "validation_loss_curve_", "best_validation_score_")
        for name in ("_slots", "_updates", "_stall", "_factor", "_passes", *validation):
            if hasattr(self, name):
                delattr(self, name)
        self.loss_curve_: list[float] = []

    def _check_eval_set(self, eval_set: Any, training_x: Floats) -> Rows:
        """Validate `eval_set` (X, y) and return its rows."""
        if not isinstance(eval_set, list | tuple) or len(eval_set) != 2 or is_list_of_tables(eval_set[0]):
            raise ValueError("eval_set must be a pair (X, y) of validation rows.")
        network, loss, dtype = (
            self._architecture.network(),
            registry.loss(self._loss_and_activation()[0]),
            training_x.dtype,
        )
        try:
            X, y = self._validate_data(eval_set[0], eval_set[1], reset=False)
            columns = y.shape[1] if np.ndim(y) == 2 or sparse.issparse(y) else 1
            if columns != self._target_column_count():
                raise ValueError(
                    f"y has {count_of(columns, 'column')}, and in training it has {self._target_column_count()}; "
                    "give the same number of columns."
                )
            self._update_targets(y, None, dtype, is_new_fit=False, incremental=True)
            targets = checks.check_targets(self._encode_targets(y, dtype), network, loss, dtype.name)
        except ValueError as error:
            raise ValueError(f"eval_set: {error}") from None
        X = cast_finite(X, dtype, "X")
        mismatch = describe_scale_mismatch(X, training_x, self._feature_name)
        if mismatch:
            warn_user(
                f"the features of eval_set are not scaled as those of the training rows: {mismatch}; transform them "
                "alike, as a pipeline does with X_val and y_val in place of eval_set, and transform_input=['X_val']."
            )
        return Rows(X, targets, None)

    def _feature_name(self, index: int) -> Any:
        return getattr(self, "feature_names_in_", {index: f"number {index}"})[index]


def as_callback_list(callbacks: Any) -> list[Any]:
    """Callbacks as a list, whether the user passed one, several or None."""
    if callbacks is None:
        return []
    return list(callbacks) if isinstance(callbacks, list | tuple) else [callbacks]
