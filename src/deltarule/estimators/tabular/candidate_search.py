"""The search for the settings of a table's model: candidates scored over folds, the best chosen."""

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
    """What a search chose, and what its networks answer to rows that they have not seen.

    settings   of the best candidate   out_of_fold   its networks of all folds, each with the rows of its fold
    """

    settings: dict[str, Any]
    out_of_fold: list[tuple[BaseMLP, Floats, Any]]


class CandidateSearch:
    """Chooses settings by cross-validation of candidates, and trains an ensemble with them.

    make_estimator   the estimator with given settings      outputs   of its network
    seed             of folds and of the rows that are searched
    """

    def __init__(self, make_estimator: Callable[..., BaseMLP], outputs: int, seed: int) -> None:
        self.make_estimator, self.outputs, self.seed = make_estimator, outputs, seed

    @property
    def count(self) -> int:
        """How many candidates there are."""
        return len(ParameterGrid(training_budget.CANDIDATES))

    def describe(self, inputs: int, rows: int, all_rows: int) -> str:
        """The work that lies ahead, in words: the search on so many rows, then the ensemble on all of them."""
        searched = training_budget.search_rows(inputs, rows, self.outputs)
        folds = training_budget.folds_of(searched)
        members = training_budget.members_for(inputs, all_rows, self.outputs)
        return (
            f"{self.count} settings on {folds} folds of {searched:,} rows × {count_of(inputs, 'input')}, "
            f"then {members} networks on {all_rows:,} rows"
        )

    def choose(
        self,
        x: Floats,
        y: Any,
        kinds: Integers,
        credits: Callable[[Any, Floats, Any], tuple[float, float]],
        near: Callable[[float, int], float],
    ) -> Choice:
        """The candidate with the best score over folds of the rows.

        kinds [N] : of which rows every fold has its share.
        credits : the score of a fitted candidate on rows, and the one by which candidates with about the same compare.
        near : by how much less than the best a score of so many rows may be and is about the same.
        """
        random = np.random.default_rng(self.seed)
        rows = np.sort(random.permutation(len(x))[: training_budget.search_rows(x.shape[1], len(x), self.outputs)])
        x, y = x[rows], y[rows]
        splits = stratified_folds(kinds[rows], training_budget.folds_of(len(rows)), random)
        candidates = list(ParameterGrid(training_budget.CANDIDATES))
        settings = training_budget.training_for(training_budget.fold_rows(len(rows)))
        search = SearchFits(self.make_estimator(**settings), x, y, {})
        with suppress_fit_warnings():  # a candidate may be a bad one
            search.train(candidates, splits)
        scores = np.full((len(candidates), len(splits), 2), -np.inf)
        for (candidate, fold), model in search.fits.items():
            if not isinstance(model, Exception):
                test = splits[fold][1]
                scores[candidate, fold] = credits(model, x[test], y[test])
        means, others = scores.mean(axis=1).T
        best = best_candidate(means, others, near(float(means.max()), len(x)))
        fits = [(search.fits[best, fold], x[test], y[test]) for fold, (_, test) in enumerate(splits)]
        return Choice(candidates[best], [fit for fit in fits if not isinstance(fit[0], Exception)])

    def ensemble(self, rows: int, inputs: int, settings: dict[str, Any], searched: int) -> BaseMLP:
        """The estimator that is to learn from so many rows, with settings found by trainings on fewer."""
        settings = settings | {"alpha": training_budget.alpha_for(settings["alpha"], searched, rows)}
        members = training_budget.members_for(inputs, rows, self.outputs)
        return self.make_estimator(**training_budget.training_for(rows), **settings, n_members=members)

    def train_ensemble(self, x: Floats, y: Any, settings: dict[str, Any], searched: int) -> BaseMLP:
        """An ensemble with settings that were found by trainings on so many rows."""
        model: Any = self.ensemble(len(x), x.shape[1], settings, searched)
        with suppress_fit_warnings(), require_complete_fit():  # that it made all its epochs, as it should
            fitted: BaseMLP = model.fit(x, y)
        return fitted


def stratified_folds(kinds: Integers, folds: int, random: np.random.Generator) -> list[tuple[Integers, Integers]]:
    """Rows dealt out to folds, each kind [N] in turn, so that every fold has its share: those of the others, its own.

    >>> splits = stratified_folds(np.array([0, 0, 0, 0, 1, 1]), 2, np.random.default_rng(0))
    >>> [[int((own < 4).sum()), int((own >= 4).sum())] for _, own in splits]
    [[2, 1], [2, 1]]
    """
    fold = np.empty(len(kinds), np.int64)
    fold[np.lexsort((random.permutation(len(kinds)), kinds))] = np.arange(len(kinds)) % folds
    return [(np.flatnonzero(fold != number), np.flatnonzero(fold == number)) for number in range(folds)]


def best_candidate(scores: Floats, others: Floats, near: float = 0.0) -> int:
    """The candidate with the best score; of those whose score is that or by no more than `near` less, the best by the
    other.

    scores, others [candidates], −∞ where there is none

    >>> best_candidate(np.array([0.85, 0.85, 0.84, 0.15]), np.array([-2.0, -1.0, -0.5, 0.0]))
    1
    >>> best_candidate(np.array([0.85, 0.85, 0.84, 0.15]), np.array([-2.0, -1.0, -0.5, 0.0]), near=0.02)
    2
    """
    # Means of the same shares may differ by rounding, by 1e-12 at most.
    return int(np.where(scores >= scores.max() - near - 1e-12, others, -np.inf).argmax())
