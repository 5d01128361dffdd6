"""All private names of scikit-learn that deltarule uses, in one place.

Each has a reason; where there is a public alternative at little cost, that is used instead.
"""

from functools import cache
from typing import Any

from sklearn import utils
from sklearn.utils import _param_validation, multiclass, validation

# Rows of anything that scikit-learn accepts (frames, lists, sparse matrices); there is no public function for it.
safe_indexing = utils._safe_indexing

# Parameter validation with scikit-learn's own error messages, which users and its estimator checks expect.
Interval, StrOptions = _param_validation.Interval, _param_validation.StrOptions
validate_parameter_constraints = _param_validation.validate_parameter_constraints


@cache
def network_constraints() -> dict[str, Any]:
    """The limits of the parameters of scikit-learn's networks, which ours share."""
    from sklearn.neural_network import MLPClassifier  # imported on use

    constraints: dict[str, Any] = MLPClassifier._parameter_constraints
    return constraints


# Feature-name warnings without the rest of validate_data, which takes longer than the prediction of a single row.
check_feature_names = validation._check_feature_names

# Fit parameters such as sample_weight, indexed by the rows of a fold exactly as in GridSearchCV.
check_method_params = validation._check_method_params

# The classes of a first `partial_fit`, noted and compared with later ones.
check_partial_fit_first_call = multiclass._check_partial_fit_first_call

# Sample weights with scikit-learn's error messages.
check_sample_weight = validation._check_sample_weight

# The number of rows of an array, frame, list or sparse matrix.
row_count = validation._num_samples
