"""The inputs of a table's networks, and the parts of an ensemble.

A part consists of networks of one kind that have some of the inputs.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.base import is_classifier

from deltarule.estimators.mlp.base import BaseMLP
from deltarule.estimators.tabular.candidate_search import Choice
from deltarule.estimators.tabular.table_network import blend_networks
from deltarule.problem.problem import Floats, Integers
from deltarule.tables.column_encoder import Column


class Part(NamedTuple):
    """Networks of an ensemble: their settings, and which of the inputs [D] they have."""

    choice: Choice
    used: Any = slice(None)


class ChosenInputs(NamedTuple):
    """The inputs of networks [N, D] with the best settings for them.

    `plain` are those of columns that are in no pieces; `known` those of `x` that several rows trained on have. Of the
    `parts` of an ensemble, one with the preset "fast", the first has all inputs.
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


@dataclass(frozen=True)
class _Mean:
    """Stands for the networks of which `predicted` is the mean.

    Rows are given by their numbers.
    """

    predicted: Floats
    classes_: Any

    def predict(self, rows: Integers) -> Floats:
        return self.predicted[rows]

    predict_proba = predict


def without_worse(parts: Sequence[Part], score_pair: Callable[..., tuple[float, float]]) -> list[Part]:
    """Leave out a part after the other while the mean of those that stay is better on the folds, by the smooth score.

    An ensemble selection that begins with all, as Caruana et al. (2004) begin with none: a part that makes little
    difference stays, because a mean of more varies less.
    """
    folds = list(zip(*(part.choice.out_of_fold for part in parts), strict=True))
    predicted = [[_predictions(model, x) for model, x, *_ in fits] for fits in folds]

    def score(kept: Sequence[int]) -> float:
        scores = []
        for fits, of_fold in zip(folds, predicted, strict=True):
            mean = _Mean(np.mean([of_fold[n] for n in kept], axis=0), getattr(fits[0][0], "classes_", None))
            _, _, y, weights = fits[0]
            scores.append(score_pair(mean, np.arange(len(y)), y, weights)[1])
        return float(np.mean(scores))

    kept, best = list(range(len(parts))), -np.inf
    others = [kept]
    while others:
        scores = [score(each) for each in others]
        if max(scores) <= best:
            break
        best, kept = max(scores), others[int(np.argmax(scores))]
        others = [[n for n in kept if n != left] for left in kept if len(kept) > 1]
    return [parts[n] for n in kept]


def _predictions(model: BaseMLP, x: Floats) -> Floats:
    predicted: Floats = model.predict_proba(x) if is_classifier(model) else model.predict(x)
    return predicted


def of_all_parts(choice: Choice, parts: Sequence[Part]) -> Choice:
    """The choice, with the networks of all parts together for each fold.

    A single part keeps its own networks.
    """
    if len(parts) == 1:
        return parts[0].choice._replace(candidates=choice.candidates)
    folds = zip(*(part.choice.out_of_fold for part in parts), strict=True)
    return choice._replace(out_of_fold=[(blend([fit[0] for fit in fits], parts), *fits[0][1:]) for fits in folds])
