"""All private names of scikit-learn that deltarule uses, in one place.

Each has a reason; where there is a public alternative at little cost, that is used instead.
"""

# Rows of anything that scikit-learn accepts (frames, lists, sparse matrices); there is no public function for it.
from sklearn.utils import _safe_indexing as safe_indexing

# Parameter validation with scikit-learn's own error messages, which users and its estimator checks expect.
from sklearn.utils._param_validation import Interval, Options, StrOptions, validate_parameter_constraints

# Feature-name warnings without the rest of validate_data, which takes longer than the prediction of a single row.
from sklearn.utils.validation import _check_feature_names as check_feature_names

# Fit parameters such as sample_weight, indexed by the rows of a fold exactly as in GridSearchCV.
from sklearn.utils.validation import _check_method_params as check_method_params

# Sample weights with scikit-learn's error messages.
from sklearn.utils.validation import _check_sample_weight as check_sample_weight

# The number of rows of an array, frame, list or sparse matrix.
from sklearn.utils.validation import _num_samples as row_count

__all__ = [
    "Interval",
    "Options",
    "StrOptions",
    "check_feature_names",
    "check_method_params",
    "check_sample_weight",
    "row_count",
    "safe_indexing",
    "validate_parameter_constraints",
]
