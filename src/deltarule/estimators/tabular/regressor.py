"""TabularRegressor, the estimator for tables with a numeric target."""

from collections.abc import Sequence
from types import MappingProxyType
from typing import Any

import numpy as np
from sklearn.base import RegressorMixin

from deltarule.errors import BadInput
from deltarule.estimators.mlp.base import BaseMLP
from deltarule.estimators.tabular.candidate_search import Choice
from deltarule.estimators.tabular.evaluation import Inspection, r_squared_importances, sample_rows
from deltarule.estimators.tabular.intervals import MAX_ERRORS, fit_intervals
from deltarule.estimators.tabular.scores import Scores, scores_of_numbers
from deltarule.estimators.tabular.table_network import TableNetworkRegressor
from deltarule.estimators.tabular.tabular import BaseTabular
from deltarule.problem.problem import Floats, Integers
from deltarule.tables.targets import infer_target


class TabularRegressor(RegressorMixin, BaseTabular):
    """Regressor for raw tables with numbers, texts and missing values.

    Columns are encoded and hyperparameters chosen as by `TabularClassifier`, here by the mean squared error. Targets
    are standardized for training; predictions are in their unit.

    Parameters
    ----------
    SHARED_PARAMETERS

    Attributes
    ----------
    columns_ : tuple of Column
        The type and encoding of each column.
    report_ : TabularReport
        The scores, with a baseline, and the hyperparameters.
    model_ : MLPRegressor
        The fitted networks.
    intervals_ : Intervals
        The errors, target − prediction, for the rows set aside, in units of their size near each prediction; if these
        rows are fewer than 1,000, also for those of the cross-validation. 1,000 quantiles of them if there are more.

    Raises
    ------
    BadInput
        For fewer than 10 rows, or a target that is constant, or has missing values or texts.

    Examples
    --------
    >>> import numpy as np
    >>> from deltarule import TabularRegressor
    >>> size = np.linspace(0, 1, 60)
    >>> model = TabularRegressor(random_state=0).fit({"size": size}, 3 * size)
    >>> model.predict({"size": [0.5]}).round(1).tolist()
    [1.5]
    """

    _metrics = MappingProxyType({"r2": "R²", "mae": "mean absolute error"})

    def predict(self, X: Any, quantiles: Sequence[float] | None = None) -> Any:
        """Predict the target of each row.

        Parameters
        ----------
        X : as for `fit`
        quantiles : sequence of float, optional
            Shares (above 0, below 1) of new targets that are to lie below a number, such as [0.05, 0.5, 0.95].

        Returns
        -------
        ndarray, [N] or [N, quantiles]
            Predictions; with `quantiles` these numbers: the prediction plus a quantile of the errors for rows that were
            not trained on, which are as far apart as errors are large near that prediction (`intervals_`). If no target
            was negative, neither are they.
        """
        predictions = self._frame_and_predictions(X)[1]
        if quantiles is None:
            return predictions
        return self.intervals_.quantiles(predictions, quantiles)

    def evaluate(self, X: Any, y: Any) -> Scores:
        """Score predictions for rows that were not used in training.

        Parameters
        ----------
        X : as for `predict`
        y : array-like, [N]
            Numbers.

        Returns
        -------
        Scores
        """
        frame, predictions = self._frame_and_predictions(X, y)
        numbers = infer_target(y, "regress").values
        self._warn_of_known_rows(frame, numbers)
        return scores_of_numbers(numbers, predictions, self.usual_)

    def inspect(self, X: Any, y: Any) -> Inspection:
        """Evaluate predictions, by column, for rows that were not used in training.

        Parameters
        ----------
        X : as for `predict`
        y : array-like, [N]
            Numbers.

        Returns
        -------
        Inspection
            The scores, the targets and predictions, and for each column the R² that is lost if its cells are shuffled.
        """
        frame, predictions = self._frame_and_predictions(X, y)
        numbers = infer_target(y, "regress").values
        self._warn_of_known_rows(frame, numbers)
        rows, x = sample_rows(self.columns_, frame)
        importances = r_squared_importances(self._predictor.predict_inputs, self.columns_, x, numbers[rows])
        scores = scores_of_numbers(numbers, predictions, self.usual_)
        return Inspection(scores, importances, (), (), (), numbers, predictions)

    def _learn_target(self, y: Any) -> tuple[Floats, Any]:
        y = infer_target(y, "regress").values
        if (y == y[0]).all():
            raise BadInput(f"the target is {y[0]:g} in every row; there must be differences to learn")
        self.usual_ = float(y.mean())
        self._floor = -np.inf if y.min() < 0 else 0.0
        return y, np.zeros(len(y), bool)

    def _meaning(self) -> dict[str, Any]:
        return {
            "mean": self.model_.target_mean_,
            "scale": self.model_.target_scale_,
            "intervals": self.intervals_,
        }

    def _create_network(self, **settings: Any) -> BaseMLP:
        return TableNetworkRegressor(**settings, output_bias="prior", scale_target=True, random_state=self._seed)

    def _score_pair(self, model: Any, x: Floats, y: Any, weights: Floats | None) -> tuple[float, float]:
        with np.errstate(over="ignore"):
            errors = model.predict(x) - y
            score = -float(np.average(np.abs(errors) if self.metric == "mae" else np.square(errors), weights=weights))
        return score, score

    def _assess(
        self, ensemble: Any, choice: Choice, x: Floats, y: Any, weights: Floats | None, groups: Integers | None
    ) -> tuple[Scores, Any]:
        """Set `intervals_`, then score the ensemble on the rows set aside."""
        predictions = ensemble.predict(x)
        parts = [(y, predictions, weights)]
        if len(y) < MAX_ERRORS:  # too few for the outer quantiles, and for the sizes of errors
            parts += [(fold_y, model.predict(fold_x), own) for model, fold_x, fold_y, own in choice.out_of_fold]
        targets, known, own_weights = zip(*parts, strict=True)
        joined = None if weights is None else np.concatenate(own_weights)
        self.intervals_ = fit_intervals(np.concatenate(targets), np.concatenate(known), joined, self._floor)
        return scores_of_numbers(y, predictions, self.usual_, weights, groups), predictions
