"""Models of other libraries as ours."""

from typing import Any

import numpy as np
from sklearn import neural_network
from sklearn.base import is_classifier
from sklearn.utils.validation import check_is_fitted

from deltarule.errors import BadInput
from deltarule.estimators.base import BaseMLP
from deltarule.estimators.classifier import MLPClassifier
from deltarule.estimators.regressor import MLPRegressor
from deltarule.estimators.settings import Architecture, hidden_activations

TAKEN_OVER = (
    "best_loss_",
    "best_validation_score_",
    "feature_names_in_",
    "loss_",
    "loss_curve_",
    "n_features_in_",
    "n_iter_",
    "n_layers_",
    "n_outputs_",
    "out_activation_",
    "t_",
    "validation_scores_",
)
"""Attributes that mean the same in both libraries."""


def from_sklearn(model: Any) -> Any:
    """Make a fitted MLPClassifier or MLPRegressor of scikit-learn one of deltarule's.

    Parameters: `model`, fitted; it stays as it is.
    Returns: an estimator with the same parameters, weights and answers. Further fits are deltarule's own; the memory of
    scikit-learn's optimizer is not taken over.
    Errors: `BadInput` for anything else; scikit-learn's `NotFittedError` for one that is not fitted.

    >>> X, y = [[0.0], [1.0], [2.0], [3.0]], [0, 0, 1, 1]
    >>> theirs = neural_network.MLPClassifier((3,), solver="lbfgs", random_state=0).fit(X, y)
    >>> ours = from_sklearn(theirs)
    >>> np.allclose(ours.predict_proba(X), theirs.predict_proba(X))
    True
    """
    if not isinstance(model, neural_network.MLPClassifier | neural_network.MLPRegressor):
        raise BadInput(f"the model is a {type(model).__name__}; give an MLPClassifier or MLPRegressor of scikit-learn")
    check_is_fitted(model)
    kind: type[BaseMLP] = MLPClassifier if is_classifier(model) else MLPRegressor
    made = kind(**model.get_params(deep=False))
    for name in TAKEN_OVER:
        if hasattr(model, name):
            setattr(made, name, getattr(model, name))
    made.coefs_ = [np.array(array) for array in model.coefs_]
    made.intercepts_ = [np.array(array) for array in model.intercepts_]
    sizes = (made.n_features_in_, *(len(array) for array in made.intercepts_))
    made._architecture = Architecture(
        sizes, hidden_activations(model.activation, len(sizes) - 2), model.out_activation_
    )
    made._members, made._normalization, made._running = 1, {}, {}
    if isinstance(made, MLPClassifier):
        made.classes_ = model.classes_
        made._labels = model._label_binarizer.y_type_.startswith("multilabel")
    else:
        made.target_mean_ = made.target_scale_ = None
    return made
