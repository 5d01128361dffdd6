"""A regressor for tables: targets in their own unit."""

from typing import Any

import numpy as np
from sklearn.base import RegressorMixin

from deltarule.errors import BadInput
from deltarule.estimators.mlp.base import BaseMLP
from deltarule.estimators.tabular.evaluation import Inspection, numbers_inspected, sample_rows
from deltarule.estimators.tabular.scores import Scores, scores_of_numbers
from deltarule.estimators.tabular.table_network import TableNetworkRegressor
from deltarule.estimators.tabular.tabular import BaseTabular
from deltarule.problem.problem import Floats
from deltarule.tables.frame import rows_of
from deltarule.tables.target_validation import as_numbers, check_length


class TabularRegressor(RegressorMixin, BaseTabular):
    """Predicts a number from a table as it is: texts, numbers, gaps.

    What it makes of the table, how it chooses its settings and what it keeps is as for `TabularClassifier`; the target
    is standardized for the training.

    Parameters
    ----------
    types : kinds that you know better, by the column's name: "number", "category" or "unused".
    random_state : seed of everything that is drawn.

    After `fit` there are: `columns_`, what it makes of each column; `report_`, with the scores beside a baseline and
    the settings; `model_`, the `MLPRegressor` inside.

    Raises `BadInput` for tables that nothing can be learned from: fewer than 10 rows, a target that is the same
    everywhere, or has gaps or texts.

    >>> size = np.linspace(0, 1, 60)
    >>> model = TabularRegressor(random_state=0).fit({"size": size}, 3 * size)
    >>> model.predict({"size": [0.5]}).round(1).tolist()
    [1.5]
    """

    def fit(self, X: Any, y: Any) -> "TabularRegressor":
        """Fit to rows and their targets.

        Parameters: `X`, a data frame, a mapping of columns, or rows [N, D]; `y`, numbers [N].
        Returns: the estimator.
        Errors: `BadInput` for whatever cannot be learned from.
        """
        self._fit_anew(X, y)
        return self

    def predict(self, X: Any) -> Any:
        """The predicted number of each row."""
        frame = self._validated_table(X)
        return self._predict_in_parts(frame, self.model_.predict)

    def evaluate(self, X: Any, y: Any) -> Scores:
        """The scores on rows that had no part in the training."""
        frame = self._validated_table(X)
        check_length(rows_of(frame), y)
        answers = self._predict_in_parts(frame, self.model_.predict)
        return scores_of_numbers(as_numbers(y), answers, self.usual_)

    def inspect(self, X: Any, y: Any) -> Inspection:
        """Where it errs, and what its answers hang on, on rows that had no part in the training.

        Parameters: `X`, as of `predict`; `y`, numbers [N].
        Returns: the scores, the answers beside the targets, and for each column how much of R² is lost where its cells
        are shuffled among the rows.
        Errors: `BadInput` for rows that it cannot answer, or a target of another length.
        """
        frame = self._validated_table(X)
        check_length(rows_of(frame), y)
        answers = self._predict_in_parts(frame, self.model_.predict)
        return numbers_inspected(self.model_, as_numbers(y), answers, sample_rows(self.columns_, frame), self.usual_)

    def _learn_target(self, y: Any) -> Any:
        y = as_numbers(y)
        if len(y) and (y == y[0]).all():
            raise BadInput(f"the target is {y[0]:g} in every row; there must be differences to learn")
        with np.errstate(over="ignore"):
            squares = np.square(y - y.mean()).sum()
        if not 0 < squares < np.inf:
            raise BadInput(
                f"the target goes from {y.min():g} to {y.max():g}, too far or too little for squares of differences; "
                "correct it, or give it in another unit"
            )
        self.usual_ = float(y.mean()) if len(y) else 0.0
        return y

    def _estimator(self, **settings: Any) -> BaseMLP:
        return TableNetworkRegressor(**settings, output_bias="prior", scale_target=True, random_state=self._seed)

    def _credits(self, model: Any, x: Floats, y: Any) -> tuple[float, float]:
        with np.errstate(over="ignore"):
            score = -float(np.square(model.predict(x) - y).mean())
        return score, score

    def _scores(self, x: Floats, y: Any) -> Scores:
        return scores_of_numbers(y, self.model_.predict(x), self.usual_)
