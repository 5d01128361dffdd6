"""The inputs of a table's networks, and the parts of an ensemble: networks of one kind that have some of the inputs."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from deltarule.estimators.mlp.base import BaseMLP
from deltarule.estimators.tabular.candidate_search import Choice
from deltarule.estimators.tabular.table_network import blend_networks
from deltarule.problem.problem import Floats
from deltarule.tables.column_encoder import Column


class Part(NamedTuple):
    """Networks of an ensemble: their settings, and which of the inputs [D] they have."""

    choice: Choice
    used: Any = slice(None)


class ChosenInputs(NamedTuple):
    """The inputs of networks [N, D] with the best settings for them.

    `plain` are those of columns that are in no pieces; `known` those of `x` that several rows trained on have. Of the
    `parts` of an ensemble, several with the preset "best", the first has all inputs.
    """

    plain: Floats
    x: Floats
    known: Floats
    choice: Choice
    parts: Sequence[Part]


def plain_inputs(columns: Sequence[Column]) -> NDArray[np.bool_]:
    """Which of the inputs [D] of columns in pieces are those that the columns have as they are."""
    pairs = ((replace(column, knots=()).inputs, column.inputs) for column in columns)
    return np.array([name in plain for plain, names in pairs for name in names])


def blend(models: Sequence[BaseMLP], parts: Sequence[Part]) -> BaseMLP:
    return blend_networks(models, [part.used for part in parts])


def of_all_parts(choice: Choice, parts: Sequence[Part]) -> Choice:
    """The choice, with the networks of all parts together for each fold."""
    folds = zip(*(part.choice.out_of_fold for part in parts), strict=True)
    return choice._replace(out_of_fold=[(blend([fit[0] for fit in fits], parts), *fits[0][1:]) for fits in folds])
