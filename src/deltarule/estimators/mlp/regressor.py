"""MLPRegressor: numeric targets in one or several columns."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from sklearn.base import RegressorMixin

from deltarule.estimators.mlp.base import BaseMLP, only_for_stochastic_solvers
from deltarule.estimators.mlp.fit import Fit
from deltarule.estimators.mlp.fit_context import restore_on_error
from deltarule.estimators.mlp.parameters import RegressorParameters
from deltarule.estimators.mlp.prediction import mean_and_std, mean_of_members
from deltarule.estimators.mlp.row_checks import cast_finite
from deltarule.problem.problem import Floats


class MLPRegressor(RegressorMixin, BaseMLP, RegressorParameters):
    """Multi-layer perceptron regressor with the parameters of scikit-learn's.

    Its losses are sums over the outputs, and it descends the gradient of the loss that it reports. (scikit-learn
    reports the mean squared error over C outputs but descends their sum: without the penalty its number is C times
    smaller, and its steps are the same except for "lbfgs", which uses both.)

    Parameters
    ----------
    SHARED_PARAMETERS

    Attributes
    ----------
    SHARED_ATTRIBUTES
    target_mean_, target_scale_ : ndarray or None
        Mean and standard deviation of the targets, [C], if `scale_target`.

    Raises
    ------
    ValueError
        For invalid parameters and data, in scikit-learn's wording.

    Examples
    --------
    >>> import numpy as np
    >>> from deltarule import MLPRegressor
    >>> x = np.linspace(-1, 1, 50)[:, None]
    >>> model = MLPRegressor(hidden_layer_sizes=(10,), solver="lbfgs", random_state=0).fit(x, x[:, 0] ** 2)
    >>> bool(model.score(x, x[:, 0] ** 2) > 0.99)
    True
    """

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags

    @only_for_stochastic_solvers
    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None) -> "MLPRegressor":
        """Continue training with one epoch over these rows; not for "lbfgs", nor with `early_stopping`.

        Parameters
        ----------
        X, y, sample_weight
            As for `fit`.

        Returns
        -------
        self
        """
        with restore_on_error(self):
            self._keep(Fit(self, X, y, sample_weight, is_incremental=True).by_one_epoch())
        return self

    def predict(self, X: Any, return_std: bool = False) -> Any:
        """Predict the targets of each row.

        Parameters
        ----------
        X : array-like, [N, D]
            Features.
        return_std : bool, default=False
            Whether to return the standard deviation over the members, too.

        Returns
        -------
        ndarray, [N] or [N, C]
            Predictions; with `return_std` a tuple of these and their standard deviations.

        Raises
        ------
        ValueError
            If a single member has no standard deviation.
        """
        summarize = mean_and_std if return_std else mean_of_members
        targets = self._predict_members(X, lambda outputs: summarize(self._unscale(outputs)))
        targets = targets[..., 0] if targets.shape[-1] == 1 else targets
        return tuple(targets) if return_std else targets

    # --- meaning of the targets ---

    def _update_targets(self, y: Any, weights: Floats | None, dtype: Any, is_new_fit: bool, incremental: bool) -> None:
        """Learn the mean and scale of the targets in a new fit, if they are scaled."""
        if not is_new_fit:
            return
        self.target_mean_: Floats | None = None
        self.target_scale_: Floats | None = None
        if self.scale_target:
            columns = _numbers(y, dtype)
            mean = np.average(columns, axis=0, weights=weights)
            scale = np.sqrt(np.average((columns - mean) ** 2, axis=0, weights=weights))
            self.target_mean_ = mean.astype(dtype)
            self.target_scale_ = np.where(scale > 0, scale, 1).astype(dtype)

    def _encode_targets(self, y: Any, dtype: Any) -> Floats:
        columns = _numbers(y, dtype)
        if self.target_scale_ is None:
            return columns
        return (columns - self.target_mean_) / self.target_scale_

    def _unscale(self, outputs: Floats) -> Floats:
        if self.target_scale_ is None:
            return outputs
        with np.errstate(over="ignore"):  # too large a prediction is infinite
            return np.asarray(outputs * self.target_scale_ + self.target_mean_)

    def _loss_and_activation(self) -> tuple[Any, str]:
        """The loss in our definition, and the output's activation that belongs to it."""
        loss = dict(self.loss) if isinstance(self.loss, Mapping) else {"name": self.loss}
        if loss.get("name") == "squared_error":
            loss["name"] = "half_squared_error"  # scikit-learn's is half of it
        if loss.get("name") != "poisson":
            return loss, "identity"
        if self.scale_target:
            raise ValueError("loss='poisson' needs counts, which scale_target would change; leave scale_target out.")
        return loss, "exp"

    def _score_metric(self) -> str:
        return "r_squared"


def _numbers(y: Any, dtype: Any) -> Floats:
    if y.dtype.kind not in "biuf":
        y = np.array(y.tolist(), np.float64)
    return cast_finite(y, dtype, "y").reshape(len(y), -1)
