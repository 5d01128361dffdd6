"""Check the rows that a network is fitted to.

Warn of columns that were apparently not scaled.
"""

from typing import Any

import numpy as np
from scipy import sparse
from sklearn.base import is_regressor
from sklearn.utils import assert_all_finite, column_or_1d
from sklearn.utils.validation import validate_data

from deltarule.estimators.mlp.fit_context import warn_of_parameters
from deltarule.estimators.mlp.fitted_network import TrainingRows
from deltarule.problem.problem import Floats

DTYPES = (np.float64, np.float32)
SCALED_RMS_RANGE = (0.01, 100.0)
"""The largest root mean square of a column lies in this range for data that was scaled in any usual way."""
MAX_TARGET_RMS_IN_DEVIATIONS = 10.0
"""Farther from 0 the output bias is long on its way: on Friedman's function with Adam R² was 0.92 at 3, 0.2 at 10."""


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


def warn_of_unscaled_rows(model: Any, rows: TrainingRows) -> None:
    _warn_of_unscaled_features(model, rows.x)
    if is_regressor(model) and model.target_scale_ is None and model.out_activation_ == "identity":
        _warn_of_unscaled_targets(rows.y)


def _warn_of_unscaled_features(model: Any, x: Floats) -> None:
    """Warn about the largest feature if the data was apparently not scaled."""
    sizes, _ = _sizes_and_deviations(x)
    largest = int(sizes.argmax())
    if sizes[largest] and not _is_scaled(sizes)[largest]:
        name = getattr(model, "feature_names_in_", {largest: f"number {largest}"})[largest]
        warn_of_parameters(
            f"the features are not scaled: the values of feature {name} are around {sizes[largest]:.3g}, and networks "
            "learn badly from such features; put a StandardScaler before the estimator."
        )


def _warn_of_unscaled_targets(y: Floats) -> None:
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
