"""Check and convert the input of fits and predictions.

N, M rows · D features
"""

from typing import Any

import numpy as np
from scipy import sparse
from sklearn.utils import assert_all_finite, column_or_1d
from sklearn.utils.validation import validate_data

from deltarule.estimators.mlp import problem_settings
from deltarule.estimators.mlp.fit_context import warn_of_parameters
from deltarule.estimators.sklearn_compat import validate_parameter_constraints
from deltarule.problem.problem import Floats

SCALED_FEATURE_RMS_RANGE = (0.01, 100.0)
"""The largest root mean square of a feature lies in this range for data that was scaled in any usual way."""


DTYPES = (np.float64, np.float32)


def check_parameters(model: Any, incremental: bool) -> None:
    """Raise `ValueError` for invalid parameters of `fit` or `partial_fit`."""
    constraints = problem_settings.constraints() | model._kind_constraints
    validate_parameter_constraints(constraints, model._parameters, caller_name=type(model).__name__)
    if incremental and model.early_stopping:
        raise ValueError("partial_fit does not support early_stopping=True")
    if model._solver == "lbfgs":
        if model.batch_norm or np.any(np.asarray(model.dropout, float)):
            raise ValueError("solver='lbfgs' needs a deterministic loss; leave dropout and batch_norm out.")
        if model.callbacks:
            raise ValueError("solver='lbfgs' has no epochs; leave callbacks out.")


def check_rows(model: Any, X: Any, y: Any, reset: bool) -> tuple[Floats, Any]:
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


def warn_of_unscaled_features(model: Any, x: Floats) -> None:
    """Warn about the largest feature if the data was apparently not scaled."""
    with np.errstate(over="ignore"):  # infinity counts as large
        sizes = np.sqrt(np.mean(np.square(x[:: max(1, len(x) // 1000)], dtype=np.float64), axis=0))
    largest = int(sizes.argmax())
    if sizes[largest] and not SCALED_FEATURE_RMS_RANGE[0] <= sizes[largest] <= SCALED_FEATURE_RMS_RANGE[1]:
        name = getattr(model, "feature_names_in_", {largest: f"number {largest}"})[largest]
        warn_of_parameters(
            f"the features are not scaled: the values of feature {name} are around {sizes[largest]:.3g}, and networks "
            "learn badly from such features; put a StandardScaler before the estimator."
        )
