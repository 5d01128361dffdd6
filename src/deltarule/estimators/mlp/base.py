"""The common class of MLPClassifier and MLPRegressor.

K members · N rows · D features · H outputs of a layer · C outputs
"""

import contextlib
from collections.abc import Callable
from functools import cache
from typing import Any, Self

import numpy as np
from scipy import sparse
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted, validate_data

from deltarule.estimators.mlp.fit import Fit, TrainableNetwork
from deltarule.estimators.mlp.fit_context import FIT_WARNINGS_SUPPRESSED, restore_on_error, warn_user
from deltarule.estimators.mlp.fitted_network import named_weights
from deltarule.estimators.mlp.parameters import describe_parameters
from deltarule.estimators.mlp.prediction import NonFiniteInput, outputs_of
from deltarule.estimators.mlp.row_checks import DTYPES
from deltarule.estimators.shared_methods import share_docstring
from deltarule.estimators.sklearn_compat import check_feature_names
from deltarule.problem.problem import Floats


class BaseMLP(TrainableNetwork):
    """A multi-layer perceptron; subclasses define the meaning of targets.

    Attributes
    ----------
    loss_ : float
        The last loss.
    best_loss_ : float or None
        The lowest loss; None with `early_stopping` or "lbfgs".
    loss_curve_ : list of float
        The loss of every epoch, on the batches as they were trained on; empty for "lbfgs".
    validation_scores_ : list of float or None
        The validation score of every epoch, if there are validation rows.
    validation_loss_curve_ : list of float or None
        The validation loss of every epoch, if there are validation rows.
    best_validation_score_ : float or None
        The best validation score, if there are validation rows.
    coefs_ : list of ndarray
        The weights of each layer, [D, H], or [K, D, H] with several members. With `scaling_layer` the first
        apply to the scaled features.
    intercepts_ : list of ndarray
        The biases of each layer, [H], or [K, H] with several members.
    n_features_in_ : int
        Number of features.
    feature_names_in_ : ndarray of str
        Names of the features, if `X` has any.
    n_iter_ : int
        Number of epochs of the last fit; iterations for "lbfgs".
    t_ : int
        Number of rows seen.
    n_layers_ : int
        Number of layers, counting the inputs.
    n_outputs_ : int
        Number of outputs.
    out_activation_ : str
        scikit-learn's name of the output activation.
    """

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        attributes = (BaseMLP.__doc__ or "").partition("----------\n")[2]
        share_docstring(cls, SHARED_PARAMETERS=describe_parameters(cls), SHARED_ATTRIBUTES=attributes)

    @classmethod
    @cache
    def _get_param_names(cls) -> list[str]:
        # Cached, because scikit-learn inspects the signature in every call.
        return list(super()._get_param_names())

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "coefs_")

    # --- fits ---

    def fit(self, X: Any, y: Any, sample_weight: Any = None, *, X_val: Any = None, y_val: Any = None) -> Self:
        """Fit to features and targets.

        Parameters
        ----------
        X : array-like, data frame or sparse matrix, [N, D]
            Features. Sparse rows are made dense; float32 stays float32.
        y : array-like, [N] or [N, C]
            Targets: a classifier's classes, or 0 and 1 for several labels at once; a regressor's numbers.
        sample_weight : array-like, [N], optional
            Weights of the rows: weight 2 counts a row twice, 0 drops it.
        X_val, y_val : array-like, optional
            Validation rows, scored after every epoch (not with "lbfgs"); `early_stopping` uses them. With metadata
            routing and `set_fit_request(X_val=True, y_val=True)`, a pipeline's `transform_input=["X_val"]` transforms
            `X_val`.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            For invalid input, and if training diverges, unless `early_stopping` has scored weights to restore.
        """
        with restore_on_error(self):
            fit = Fit(self, X, y, sample_weight)
            if self._solver != "lbfgs":
                messages = self._keep(fit.plan(X_val, y_val).by_epochs())
            elif X_val is None:
                messages = self._keep(fit.by_lbfgs())
            else:
                raise ValueError("solver='lbfgs' has no epochs; leave X_val out.")
        for message in () if FIT_WARNINGS_SUPPRESSED.get() else messages:
            warn_user(message)
        return self

    # --- predictions ---

    def _predict_members(self, X: Any, transform: Callable[[Floats], Floats]) -> Floats:
        """Validate rows X and return `transform` of the outputs [K, N, C]."""

        def predict(X: Any, check_rows_finite: bool) -> Floats:
            network = self._fitted.architecture.network
            arrays = named_weights(self)
            return outputs_of(
                network, arrays, X, check_rows_finite, lambda each: transform(each if each.ndim == 3 else each[None])
            )

        # For a single row scikit-learn's checks take longer than the prediction.
        is_number_array = type(X) is np.ndarray and X.ndim == 2 and X.dtype in DTYPES and len(X) > 0
        if is_number_array and X.shape[1] == getattr(self, "n_features_in_", None):
            with contextlib.suppress(NonFiniteInput):  # validate_data then reports it below
                predictions = predict(X, check_rows_finite=True)
                if hasattr(self, "feature_names_in_"):  # scikit-learn warns that an array has none
                    check_feature_names(self, X, reset=False)
                return predictions
        check_is_fitted(self)
        with np.errstate(all="ignore"):
            X = validate_data(self, X, accept_sparse=["csr", "csc"], reset=False)
        return predict(X.toarray() if sparse.issparse(X) else X, check_rows_finite=False)


def _is_stochastic_solver(estimator: BaseMLP) -> bool:
    if estimator._solver == "lbfgs":
        raise AttributeError("partial_fit is only available for stochastic optimizers. lbfgs is not stochastic.")
    return True


only_for_stochastic_solvers = available_if(_is_stochastic_solver)
