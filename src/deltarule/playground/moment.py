"""One moment of a training run in the workbench.

K members
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from deltarule.data.dataset import Dataset
from deltarule.engines.reference import ReferenceEngine
from deltarule.playground.past import Past
from deltarule.problem.problem import Floats, Problem
from deltarule.problem.state import State
from deltarule.studies.recipes import Recipe
from deltarule.training.history import EvaluationSchedule, evaluate
from deltarule.training.populations import metrics_of

SOLVED_AT = 0.95
"""The accuracy (or R²) on the training rows from which a member counts as solved, unless the recipe has a criterion."""


@dataclass(frozen=True, eq=False)
class Moment:
    """The current population and its state: immutable, so that drawing needs no lock.

    values   objective and metric of every member, {name: [K]}, on training rows; "validation …" on test rows. They are
             those of the last point of the curves, which may be some updates ago.
    past     curves and snapshots of the same members; the only field that grows.
    version  changes with the settings.
    """

    recipe: Recipe
    dataset: Dataset
    problem: Problem
    state: State
    values: Mapping[str, Floats]
    past: Past
    version: int

    @property
    def score(self) -> str:
        """The name of the metric by which members are judged."""
        return score_of(self.recipe, self.dataset)

    @property
    def is_solved(self) -> NDArray[np.bool_]:
        """Whether each member has solved its task, [K]."""
        criterion = self.recipe.configuration.study.criterion
        if criterion is None:
            return np.asarray(self.values[self.score] >= SOLVED_AT)
        name = self.score if criterion.part == "train" else f"validation {self.score}"
        return np.asarray(criterion.is_met(self.values[name]))


def score_of(recipe: Recipe, dataset: Dataset) -> str:
    """The name of the metric by which members are judged."""
    criterion = recipe.configuration.study.criterion
    return metrics_of(dataset)[0] if criterion is None else criterion.name


def evaluate_members(dataset: Dataset, problem: Problem, state: State, metric: str) -> dict[str, Floats]:
    """Objective and metric of each member, {name: [K]}."""
    held_out = dataset.test or dataset.validation
    rows = None if held_out is None else (held_out.x, dataset.encode(held_out, problem.network.outputs))
    return evaluate(problem, ReferenceEngine(), state, EvaluationSchedule(1, (metric,)), rows)
