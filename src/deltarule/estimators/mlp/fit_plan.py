"""Validate the input of a fit, set up the model, and plan its training.

N rows · D features · C outputs
"""

from dataclasses import dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import sparse
from sklearn.base import is_regressor
from sklearn.model_selection import train_test_split
from sklearn.utils import assert_all_finite, check_random_state, column_or_1d
from sklearn.utils.validation import validate_data

from deltarule.estimators.mlp import problem_settings
from deltarule.estimators.mlp.fit_context import Rows, warn_of_parameters
from deltarule.estimators.mlp.weights import Architecture, FittedNetwork, set_network
from deltarule.estimators.sklearn_compat import StrOptions, check_sample_weight, validate_parameter_constraints
from deltarule.problem import registry, validation
from deltarule.problem.problem import Floats, Problem
from deltarule.problem.state import State
from deltarule.training.epochs import EpochRules, Validation

if TYPE_CHECKING:
    from deltarule.estimators.mlp.base import BaseMLP

SCALED_RMS_RANGE = (0.01, 100.0)
"""The largest root mean square of a column lies in this range for data that was scaled in any usual way."""
MAX_TARGET_RMS_IN_DEVIATIONS = 10.0
"""Farther from 0 the output bias is long on its way: on Friedman's function with Adam R² was 0.92 at 3, 0.2 at 10."""
DTYPES = (np.float64, np.float32)


@dataclass(frozen=True, eq=False)
class Plan:
    """A validated training run that has not started."""

    problem: Problem
    start: State
    rules: EpochRules
    validation: Validation | None


def prepare_rows(
    model: "BaseMLP", X: Any, y: Any, sample_weight: Any, incremental: bool = False
) -> tuple[Rows, np.random.RandomState, bool]:
    """Validate a fit's input and set up the model.

    The last result is whether the fit is a new one.
    """
    check_parameters(model, incremental)
    is_new_fit = not hasattr(model, "coefs_") or not (model.warm_start or incremental)
    X, y = check_rows(model, X, y, reset=is_new_fit)
    if not is_new_fit:
        dtype = np.float32 if model.coefs_[0].dtype == np.float32 else np.float64
        X = X if X.dtype == dtype else cast_finite(X, dtype, "X")
    if sample_weight is not None:
        sample_weight = check_sample_weight(sample_weight, X, dtype=X.dtype, ensure_non_negative=True)
    weights = model._row_weights(y, sample_weight, incremental)
    model._update_targets(y, weights, X.dtype, is_new_fit, incremental)
    rows = Rows(X, model._encode_targets(y, X.dtype), weights)
    if weights is not None and not weights.all():
        if not weights.any():
            raise ValueError("Sample weights must contain at least one non-zero number.")
        rows = rows.take(weights > 0)
    _update_architecture(model, rows, is_new_fit)
    if is_new_fit:
        if not incremental:
            warn_of_unscaled_features(model, rows.x)
            if is_regressor(model) and model.target_scale_ is None and model.out_activation_ == "identity":
                warn_of_unscaled_targets(rows.y)
        model.t_, model.loss_curve_ = 0, []
        model.validation_scores_ = model.validation_loss_curve_ = model.best_validation_score_ = None
    return rows, check_random_state(model.random_state), is_new_fit


def _update_architecture(model: "BaseMLP", rows: Rows, is_new_fit: bool) -> None:
    """Set the network's architecture in a new fit, or check that it is unchanged."""
    hidden = problem_settings.hidden_sizes(model.hidden_layer_sizes)
    architecture = Architecture(
        sizes=(rows.x.shape[1], *hidden, rows.y.shape[1]),
        activations=problem_settings.hidden_activations(model.activation, len(hidden)),
        output=model._loss_and_activation()[1],
        batch_norm=bool(model.batch_norm),
        scaling_layer=bool(model.scaling_layer),
    )
    if is_new_fit:
        set_network(model, FittedNetwork(architecture))  # forgets the optimizer's memory
    elif (architecture, model.n_members) != (model._fitted.architecture, model._fitted.members):
        fitted = model._fitted
        raise ValueError(
            f"a network {fitted.architecture.sizes} cannot continue as {architecture.sizes}; fit a new one."
        )


def plan_epochs(
    model: "BaseMLP",
    rows: Rows,
    generator: np.random.RandomState,
    is_new_fit: bool,
    X_val: Any = None,
    y_val: Any = None,
) -> Plan:
    """Plan the training of a model by epochs, with the results of `prepare_rows`."""
    rows, validation_rows = _split_validation(model, rows, generator, X_val, y_val)
    problem = model._create_problem(rows, generator, rows_seen=model.t_)
    rules = EpochRules(int(model.max_iter), float(model.tol), model.n_iter_no_change)
    return Plan(problem, model._initial_state(problem, is_new_fit), rules, validation_rows)


def _split_validation(
    model: "BaseMLP", rows: Rows, generator: np.random.RandomState, X_val: Any, y_val: Any
) -> tuple[Rows, Validation | None]:
    if X_val is not None:
        dtype = rows.x.dtype
        X, y = check_rows(model, X_val, y_val, reset=False)
        model._update_targets(y, None, dtype, is_new_fit=False, incremental=True)
        loss, network = registry.loss(model._loss_and_activation()[0]), model._fitted.architecture.network
        targets = validation.check_targets(model._encode_targets(y, dtype), network, loss, dtype.name)
        held_out = Rows(cast_finite(X, dtype, "X_val"), targets, None)
    elif model.early_stopping:
        training_indices, validation_indices = train_test_split(
            np.arange(len(rows.x)),
            random_state=generator,
            test_size=model.validation_fraction,
            stratify=model._stratify(rows.y),
        )
        if len(validation_indices) < 2:
            raise ValueError(
                "The validation set is too small. Increase 'validation_fraction' or the size of your dataset."
            )
        rows, held_out = rows.take(training_indices), rows.take(validation_indices)
    else:
        return rows, None
    w = np.ones(len(held_out.x), rows.x.dtype) if held_out.w is None else held_out.w
    metric = model.scoring or model._score_metric()
    return rows, Validation(held_out.x, held_out.y, w[:, None], metric, bool(model.early_stopping))


# --- checks of the input --------------------------------------------------------------------------------------------


def check_parameters(model: "BaseMLP", incremental: bool) -> None:
    """Raise `ValueError` for invalid parameters of `fit` or `partial_fit`."""
    constraints = problem_settings.constraints() | model._kind_constraints
    try:
        validate_parameter_constraints(constraints, model._parameters, caller_name=type(model).__name__)
    except ValueError as error:
        hints = _close_options(constraints, model._parameters)
        raise type(error)(f"{error} Did you mean {' and '.join(hints)}?" if hints else str(error)) from None
    if incremental and model.early_stopping:
        raise ValueError("partial_fit does not support early_stopping=True")
    if model._solver == "lbfgs":
        if model.batch_norm or np.any(np.asarray(model.dropout, float)):
            raise ValueError("solver='lbfgs' needs a deterministic loss; leave dropout and batch_norm out.")
        if model.callbacks:
            raise ValueError("solver='lbfgs' has no epochs; leave callbacks out.")


def _close_options(constraints: dict[str, list[Any]], parameters: dict[str, Any]) -> list[str]:
    """The closest text for each parameter that is none of its texts: solver='adam'."""
    hints = []
    for name, value in parameters.items():
        options = {text for each in constraints[name] if isinstance(each, StrOptions) for text in each.options}
        if isinstance(value, str) and value not in options and (close := get_close_matches(value.lower(), options, 1)):
            hints.append(f"{name}={close[0]!r}")
    return hints


def check_rows(model: "BaseMLP", X: Any, y: Any, reset: bool) -> tuple[Floats, Any]:
    """Validate X and y as scikit-learn does."""
    options = {"accept_sparse": ["csr", "csc"], "multi_output": True, "dtype": DTYPES}
    with np.errstate(all="ignore"):  # scikit-learn sums all numbers to find one that is not finite
        X, y = validate_data(model, X, y, reset=reset, **options)
    if getattr(y, "ndim", 1) == 2 and y.shape[1] == 1:
        y = column_or_1d(y, warn=True)
    return (X.toarray() if sparse.issparse(X) else X), y


def cast_finite(array: Any, dtype: Any, name: str) -> Floats:
    """Convert an array to a dtype in which all its numbers are finite."""
    with np.errstate(all="ignore"):  # scikit-learn sums the numbers, and reports what is wrong itself
        numbers = np.asarray(array, dtype)
        assert_all_finite(numbers, input_name=name)
    return numbers


def warn_of_unscaled_features(model: "BaseMLP", x: Floats) -> None:
    """Warn about the largest feature if the data was apparently not scaled."""
    sizes, _ = _sizes_and_deviations(x)
    largest = int(sizes.argmax())
    if sizes[largest] and not _is_scaled(sizes)[largest]:
        name = getattr(model, "feature_names_in_", {largest: f"number {largest}"})[largest]
        warn_of_parameters(
            f"the features are not scaled: the values of feature {name} are around {sizes[largest]:.3g}, and networks "
            "learn badly from such features; put a StandardScaler before the estimator."
        )


def warn_of_unscaled_targets(y: Floats) -> None:
    """Warn about the first column of targets [N, C] that was apparently not scaled."""
    sizes, deviations = _sizes_and_deviations(y)
    is_scaled = _is_scaled(sizes) & (sizes < MAX_TARGET_RMS_IN_DEVIATIONS * deviations)
    for column in np.flatnonzero(~is_scaled & (deviations > 0))[:1]:
        warn_of_parameters(
            f"the targets are not scaled: they are around {sizes[column]:.3g} with a standard deviation of "
            f"{deviations[column]:.3g}, and networks learn badly to predict such numbers; give scale_target=True, "
            "which standardizes them for training only."
        )


def _sizes_and_deviations(values: Floats) -> tuple[Floats, Floats]:
    """The root mean square and deviation of each column, from about a thousand rows."""
    sample = values[:: max(1, len(values) // 1000)].astype(np.float64)
    with np.errstate(over="ignore", invalid="ignore"):  # infinity counts as large
        return np.sqrt(np.mean(np.square(sample), axis=0)), sample.std(axis=0)


def _is_scaled(sizes: Floats) -> Any:
    return (sizes >= SCALED_RMS_RANGE[0]) & (sizes <= SCALED_RMS_RANGE[1])
