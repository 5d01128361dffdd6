"""The weights and predictions of a fitted multi-layer perceptron.

K members · N rows · D features · H outputs of a layer · C outputs · A numbers of a prediction
"""

import contextlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from scipy import sparse
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted, validate_data

from deltarule.errors import BadInput
from deltarule.estimators.mlp.input_validation import reject_datetimes
from deltarule.estimators.mlp.prediction import NonFiniteInput, outputs_of
from deltarule.estimators.mlp.problem_settings import Architecture
from deltarule.estimators.model_file import save_model
from deltarule.estimators.sklearn_compat import check_feature_names
from deltarule.maths.network import Layer, views, without_scaling
from deltarule.problem import validation
from deltarule.problem.network import Network
from deltarule.problem.problem import Floats
from deltarule.problem.state import State

DTYPES = (np.float64, np.float32)


class FittedMLP(BaseEstimator):
    """The weights of a model and its predictions."""

    _architecture: Architecture
    _members: int
    dropout: Any

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "coefs_")

    # --- weights ---

    def _set_state(self, network: Network, state: State, copy: bool) -> None:
        theta = state.theta.copy() if copy else state.theta
        self._set_weight_arrays(
            views(theta, network.entries), views(state.buffers, network.buffers), len(network.layers)
        )

    def _set_weight_arrays(self, parameters: dict[str, Floats], running: dict[str, Floats], layer_count: int) -> None:
        """Set scikit-learn's attributes from arrays {name: [K, D, H]}."""
        self._members = len(parameters["W1"])
        if self._members == 1:
            parameters = {name: array[0] for name, array in parameters.items()}
            running = {name: array[0] for name, array in running.items()}
        self.coefs_ = [parameters[f"W{n}"] for n in range(1, layer_count + 1)]
        self.intercepts_ = [parameters[f"b{n}"][..., 0, :] for n in range(1, layer_count + 1)]
        self._further_parameters = {
            name: parameter for name, parameter in parameters.items() if name.startswith(("scale", "gamma", "beta"))
        }
        self._running = running

    def _arrays(self) -> tuple[dict[str, Floats], dict[str, Floats]]:
        parameters = {f"W{n}": np.asarray(array) for n, array in enumerate(self.coefs_, start=1)}
        parameters |= {f"b{n}": np.asarray(array)[..., None, :] for n, array in enumerate(self.intercepts_, start=1)}
        return parameters | self._further_parameters, self._running

    def _evaluation_parts(self) -> tuple[tuple[Layer, ...], dict[str, Floats]]:
        parameters, running = self._arrays()
        arrays = with_members({**parameters, **running}, self._members)
        network = self._architecture.network()
        return without_scaling(network.layers, {name: array.astype(np.float64) for name, array in arrays.items()})

    def member_parts(self, member: int) -> tuple[Network, dict[str, Floats], Floats]:
        """A member's network, arrays [D, H] and dropout rates.

        Raises `BadInput` for a member that does not exist, or a `dropout` that does not fit the network.
        """
        check_is_fitted(self)
        member = validation.member(member, self._members, "the model has the members")
        parameters, running = self._arrays()
        each = with_members({**parameters, **running}, self._members)
        arrays = {name: array[member] for name, array in each.items()}
        network = self._architecture.network()
        hidden = len(network.layers) - 1
        try:
            rates = np.broadcast_to(np.asarray(self.dropout, float), (self._members, hidden))
        except (OverflowError, TypeError, ValueError):
            rates = np.full((self._members, hidden), np.nan)
        if not ((rates >= 0) & (rates <= 1)).all():
            raise BadInput(
                f"dropout is {self.dropout!r}, and the network has {hidden} hidden layers; set a rate from 0 to 1, or "
                "a list with one for each"
            )
        return network, arrays, rates[member]

    def save(self, path: str | Path) -> None:
        """Write the fitted model to a file, which `deltarule.load_model` reads."""
        save_model(self, path)

    # --- predictions ---

    def _predict_members(self, X: Any, transform: Callable[[Floats], Floats]) -> Floats:
        """Validate rows X and return `transform` of the outputs [K, N, C]."""
        if self._is_valid_array(X):
            with contextlib.suppress(NonFiniteInput):  # validate_data then reports it below
                predictions = self._predict_in_blocks(X, transform, check_rows_finite=True)
                if hasattr(self, "feature_names_in_"):  # scikit-learn warns that an array has none
                    check_feature_names(self, X, reset=False)
                return predictions
        check_is_fitted(self)
        reject_datetimes(X, "X")
        with np.errstate(all="ignore"):
            X = validate_data(self, X, accept_sparse=["csr", "csc"], reset=False)
        return self._predict_in_blocks(X.tocsr() if sparse.issparse(X) else X, transform)

    def _predict_in_blocks(
        self, X: Any, transform: Callable[[Floats], Floats], check_rows_finite: bool = False
    ) -> Floats:
        """Compute `transform` of the outputs [K, N, C] in blocks of rows."""

        def transform_members(outputs: Floats) -> Floats:
            return transform(outputs if outputs.ndim == 3 else outputs[None])

        parameters, running = self._arrays()
        return outputs_of(self._architecture.network(), parameters, running, X, check_rows_finite, transform_members)

    def _is_valid_array(self, X: Any) -> bool:
        # For a single row scikit-learn's checks take longer than the prediction.
        if type(X) is not np.ndarray or X.ndim != 2 or X.dtype not in DTYPES or not len(X):
            return False
        return bool(X.shape[1] == getattr(self, "n_features_in_", None))

    @staticmethod
    def _mean(predictions: Floats) -> Floats:
        with np.errstate(all="ignore"):  # huge weights give infinite outputs of both signs
            return predictions[0] if len(predictions) == 1 else np.asarray(predictions.mean(axis=0))

    def _mean_and_std(self, predictions: Floats) -> Floats:
        if len(predictions) < 2:
            raise ValueError("return_std needs several members to differ; fit with n_members of 2 or more.")
        with np.errstate(all="ignore"):
            return np.stack([self._mean(predictions), predictions.std(axis=0, ddof=1)])


def with_members(arrays: Mapping[str, Floats], members: int) -> dict[str, Floats]:
    """Arrays with a member axis [K, D, H], added if there is one member."""
    return {name: array.reshape(members, *array.shape[-2:]) for name, array in arrays.items()}
