"""A fitted network under the names that scikit-learn's users know, and what it answers.

K members · N rows · D features · H outputs of a layer · C outputs · A numbers of an answer
"""

import contextlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from scipy import sparse
from sklearn.base import BaseEstimator
from sklearn.utils.validation import _check_feature_names, check_is_fitted, validate_data

from deltarule.errors import BadInput
from deltarule.estimators.mlp.input_validation import refuse_dates
from deltarule.estimators.mlp.prediction import NotFinite, outputs_of
from deltarule.estimators.mlp.problem_settings import Architecture
from deltarule.maths.network import views
from deltarule.problem import validation
from deltarule.problem.network import Network
from deltarule.problem.problem import Floats
from deltarule.problem.state import State

DTYPES = (np.float64, np.float32)


class FittedMLP(BaseEstimator):
    """The weights of a model, wherever they come from (a fit, a file, another library), and its answers."""

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

    def _hold(self, network: Network, state: State, copy: bool) -> None:
        """Take the weights of a state."""
        theta = state.theta.copy() if copy else state.theta
        self._hold_arrays(views(theta, network.entries), views(state.buffers, network.buffers), len(network.layers))

    def _hold_arrays(self, parameters: dict[str, Floats], running: dict[str, Floats], layers: int) -> None:
        """Take parameters and running statistics {name: [K, D, H]} as the attributes that scikit-learn's users know."""
        self._members = len(parameters["W1"])
        if self._members == 1:
            parameters = {name: array[0] for name, array in parameters.items()}
            running = {name: array[0] for name, array in running.items()}
        self.coefs_ = [parameters[f"W{n}"] for n in range(1, layers + 1)]
        self.intercepts_ = [parameters[f"b{n}"][..., 0, :] for n in range(1, layers + 1)]
        self._normalization = {name: each for name, each in parameters.items() if name.startswith(("gamma", "beta"))}
        self._running = running

    def _arrays(self) -> tuple[dict[str, Floats], dict[str, Floats]]:
        """The parameters and the running statistics by name, [D, H] or [K, D, H], from the public attributes."""
        parameters = {f"W{n}": np.asarray(array) for n, array in enumerate(self.coefs_, start=1)}
        parameters |= {f"b{n}": np.asarray(array)[..., None, :] for n, array in enumerate(self.intercepts_, start=1)}
        return parameters | self._normalization, self._running

    def member_parts(self, member: int) -> tuple[Network, dict[str, Floats], Floats]:
        """A member's network, its arrays [D, H] by name, and the dropout rates of its hidden layers.

        Errors: `BadInput` for a member that there is not, or where `dropout` was set to what the network cannot have;
        `NotFittedError`.
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
        """Write the fitted model as a file of safetensors, which `deltarule.load_model` reads.

        Parameters: `path`.
        Errors: `BadInput` when it is not fitted, or for a place that cannot be written.
        """
        from deltarule.estimators.model_file import save_model  # which imports this module

        save_model(self, path)

    # --- answers ---

    def _predict_members(self, X: Any, answer: Callable[[Floats], Floats]) -> Floats:
        """What `answer` makes of every member's outputs for some rows, [K, n, C]  →  [.., n, A], for all of them."""
        if self._is_plain(X):
            with contextlib.suppress(NotFinite):  # which is then said below
                found = self._answers_of(X, answer, check=True)
                if hasattr(self, "feature_names_in_"):  # which an array has not: scikit-learn warns of it
                    _check_feature_names(self, X, reset=False)
                return found
        check_is_fitted(self)
        refuse_dates(X, "X")
        with np.errstate(all="ignore"):
            X = validate_data(self, X, accept_sparse=["csr", "csc"], reset=False)
        return self._answers_of(X.tocsr() if sparse.issparse(X) else X, answer)

    def _answers_of(self, X: Any, answer: Callable[[Floats], Floats], check: bool = False) -> Floats:
        def of_members(outputs: Floats) -> Floats:
            return answer(outputs if outputs.ndim == 3 else outputs[None])

        parameters, running = self._arrays()
        return outputs_of(self._architecture.network(), parameters, running, X, check, of_members)

    def _is_plain(self, X: Any) -> bool:
        """Whether there is nothing to check but that numbers are finite: of a single row all that scikit-learn looks
        at would take longer than its answer."""
        if type(X) is not np.ndarray or X.ndim != 2 or X.dtype not in DTYPES or not len(X):
            return False
        return bool(X.shape[1] == getattr(self, "n_features_in_", None))

    @staticmethod
    def _mean(each: Floats) -> Floats:
        """The mean over the members.    [K, ..]  →  [..]"""
        with np.errstate(all="ignore"):  # of weights that are huge answers are infinite, of both signs
            return each[0] if len(each) == 1 else np.asarray(each.mean(axis=0))

    def _mean_and_spread(self, each: Floats) -> Floats:
        """The mean and the standard deviation over the members.    [K, ..]  →  [2, ..]"""
        if len(each) < 2:
            raise ValueError("return_std needs several members to differ; fit with n_members of 2 or more.")
        with np.errstate(all="ignore"):
            return np.stack([self._mean(each), each.std(axis=0, ddof=1)])


def with_members(arrays: Mapping[str, Floats], members: int) -> dict[str, Floats]:
    """Arrays [D, H] of a single member as [1, D, H], too."""
    return {name: array.reshape(members, *array.shape[-2:]) for name, array in arrays.items()}
