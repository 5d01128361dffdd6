"""Choose a tabular model's hyperparameters by cross-validation."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from sklearn.model_selection import ParameterGrid

from deltarule.errors import count_of
from deltarule.estimators.mlp.base import BaseMLP
from deltarule.estimators.mlp.fit_context import require_complete_fit, suppress_fit_warnings
from deltarule.estimators.search.search_fits import SearchFits
from deltarule.estimators.tabular import training_budget
from deltarule.problem.problem import Floats, Integers


class Choice(NamedTuple):
    """The best candidate of a cross-validation.

    settings      its hyperparameters
    rows          the number of rows that the network of a fold is trained on
    out_of_fold   for each fold the network trained on the other folds, and the rows x, y of the fold
    """

    settings: dict[str, Any]
    rows: int
    out_of_fold: list[tuple[BaseMLP, Floats, Any]]


class CandidateSearch:
    """Cross-validate candidates and train an ensemble with the best one.

    make_estimator   creates an estimator with the given hyperparameters
    outputs          number of outputs of its network
    seed             of the folds and of the sample of rows that is searched
    """

    def __init__(self, make_estimator: Callable[..., BaseMLP], outputs: int, seed: int) -> None:
        self.make_estimator, self.outputs, self.seed = make_estimator, outputs, seed

    @property
    def count(self) -> int:
        """The number of candidates."""
        return len(ParameterGrid(training_budget.CANDIDATES))

    def describe(self, inputs: int, training_rows: int, all_rows: int) -> str:
        """Describe the work ahead in one sentence."""
        searched = training_budget.search_rows(inputs, training_rows, self.outputs)
        folds = training_budget.fold_count(searched)
        members = training_budget.member_count(inputs, all_rows, self.outputs)
        return (
            f"{self.count} settings on {folds} folds of {searched:,} rows × {count_of(inputs, 'input')}, "
            f"then {members} networks on {all_rows:,} rows"
        )

    def choose(
        self,
        x: Floats,
        y: Any,
        strata: Integers,
        score_pair: Callable[[Any, Floats, Any], tuple[float, float]],
        tie_tolerance: Callable[[float, int], float],
    ) -> Choice:
        """Cross-validate all candidates on a sample of the rows and return the best.

        strata : the stratum of each row [N]; every fold gets its share of each.
        score_pair : returns the primary and the tie-breaking score of a fitted network on rows x, y.
        tie_tolerance : returns, for the best score and N, how much lower a score may be and still count as a tie.
        """
        random = np.random.default_rng(self.seed)
        rows = np.sort(random.permutation(len(x))[: training_budget.search_rows(x.shape[1], len(x), self.outputs)])
        x, y = x[rows], y[rows]
        splits = stratified_folds(strata[rows], training_budget.fold_count(len(rows)), random)
        candidates = list(ParameterGrid(training_budget.CANDIDATES))
        training_rows = training_budget.fold_training_rows(len(rows))
        settings = training_budget.training_settings(training_rows)
        search = SearchFits(self.make_estimator(**settings), x, y, {})
        with suppress_fit_warnings():  # the user did not choose the candidates
            search.train(candidates, splits)
        scores = np.full((len(candidates), len(splits), 2), -np.inf)
        for (candidate, fold), model in search.fits.items():
            if not isinstance(model, Exception):
                test = splits[fold][1]
                scores[candidate, fold] = score_pair(model, x[test], y[test])
        primary, tie_breaking = scores.mean(axis=1).T
        best = best_candidate(primary, tie_breaking, tie_tolerance(float(primary.max()), len(x)))
        fits = [(search.fits[best, fold], x[test], y[test]) for fold, (_, test) in enumerate(splits)]
        return Choice(candidates[best], training_rows, [fit for fit in fits if not isinstance(fit[0], Exception)])

    def train_ensemble(self, x: Floats, y: Any, choice: Choice, members: int) -> BaseMLP:
        """Train an ensemble of `members` networks on x [N, D], y [N]."""
        alpha = training_budget.scale_alpha(choice.settings["alpha"], choice.rows, len(x))
        settings = training_budget.training_settings(len(x)) | choice.settings | {"alpha": alpha}
        model: Any = self.make_estimator(**settings, n_members=members)
        with suppress_fit_warnings(), require_complete_fit():  # it is meant to train for `max_iter` epochs
            fitted: BaseMLP = model.fit(x, y)
        return fitted


def stratified_folds(strata: Integers, fold_count: int, random: np.random.Generator) -> list[tuple[Integers, Integers]]:
    """The indices of training and test rows of each stratified fold.

    >>> splits = stratified_folds(np.array([0, 0, 0, 0, 1, 1]), 2, np.random.default_rng(0))
    >>> [[int((test < 4).sum()), int((test >= 4).sum())] for _, test in splits]
    [[2, 1], [2, 1]]
    """
    fold = np.empty(len(strata), np.int64)
    fold[np.lexsort((random.permutation(len(strata)), strata))] = np.arange(len(strata)) % fold_count
    return [(np.flatnonzero(fold != number), np.flatnonzero(fold == number)) for number in range(fold_count)]


def best_candidate(primary: Floats, tie_breaking: Floats, tolerance: float = 0.0) -> int:
    """The index of the candidate with the best primary score.

    primary, tie_breaking [candidates]: scores, −∞ where there is none

    >>> best_candidate(np.array([0.85, 0.85, 0.84, 0.15]), np.array([-2.0, -1.0, -0.5, 0.0]))
    1
    >>> best_candidate(np.array([0.85, 0.85, 0.84, 0.15]), np.array([-2.0, -1.0, -0.5, 0.0]), tolerance=0.02)
    2
    """
    # Means of the same scores may differ by rounding, by 1e-12 at most.
    return int(np.where(primary >= primary.max() - tolerance - 1e-12, tie_breaking, -np.inf).argmax())
