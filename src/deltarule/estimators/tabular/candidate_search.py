"""Choose a tabular model's hyperparameters within a budget of training.

The budget decides how many rows are searched, how many epochs a network is trained and how many an ensemble has.
"""

import math
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from sklearn.model_selection import ParameterGrid

from deltarule.estimators.mlp.base import BaseMLP
from deltarule.estimators.mlp.fit_context import require_complete_fit, suppress_fit_warnings
from deltarule.estimators.search.search_fits import SearchFits
from deltarule.estimators.tabular.splits import RowDivision
from deltarule.problem.problem import Floats

PENALTIES = (1e-4, 0.01, 0.1, 3.0)
DEEP_HIDDEN_SIZES = (128, 128, 128)
CANDIDATES: tuple[dict[str, Sequence[Any]], ...] = (
    {"hidden_layer_sizes": [()], "learning_rate_init": [0.01], "alpha": PENALTIES},
    {"hidden_layer_sizes": [(64,)], "learning_rate_init": [0.003, 0.01], "alpha": PENALTIES},
    {"hidden_layer_sizes": [DEEP_HIDDEN_SIZES], "learning_rate_init": [0.004, 0.01], "alpha": [1e-4]},
)
"""Grids of the candidates: linear models, often the best for little data; small networks; and deep ones
(`TableNetwork`)."""
UPDATES, EPOCHS_RANGE = 10_000, (10, 100)
"""The number of updates of a network, and the bounds of its epochs, which take precedence."""
MAX_MEMBERS, MIN_MEMBERS, LARGE_TABLE_ROWS = 8, 2, 100_000
"""Networks of an ensemble; larger tables get the minimum, because averaging helps less the more rows there are."""
MAX_ENSEMBLE_MULTIPLICATIONS = 1.2e12
"""Multiplications for which an ensemble may have more than the minimum: about half a minute."""


class Choice(NamedTuple):
    """The best candidate of a cross-validation.

    `rows` is the number that the network of a fold is trained on; `out_of_fold` has for each fold the network trained
    on all others, and the rows x, y of the fold.
    """

    settings: dict[str, Any]
    rows: int
    out_of_fold: list[tuple[BaseMLP, Floats, Any]]


def choose_candidate(
    make_network: Callable[..., BaseMLP],
    x: Floats,
    y: Any,
    division: RowDivision,
    outputs: int,
    seed: int,
    score_pair: Callable[[Any, Floats, Any], tuple[float, float]],
) -> Choice:
    """Cross-validate all candidates on a sample of the rows and return the best.

    `score_pair` gives the primary and the tie-breaking score of a network on rows.
    """
    random = np.random.default_rng(seed)
    rows = np.sort(random.permutation(len(x))[: search_rows(x.shape[1], len(x), outputs)])
    x, y = x[rows], y[rows]
    splits = division.take(rows).folds(fold_count(len(rows)), random)
    candidates = list(ParameterGrid(CANDIDATES))
    training_rows = len(rows) - len(rows) // len(splits)
    with suppress_fit_warnings():  # the user did not choose the candidates
        search = SearchFits(make_network(**training_settings(training_rows)), x, y, {})
        fits, _ = search.train(candidates, splits)
    scores = np.full((len(candidates), len(splits), 2), -np.inf)
    for (candidate, fold), model in fits.items():
        if not isinstance(model, Exception):
            test = splits[fold][1]
            scores[candidate, fold] = score_pair(model, x[test], y[test])
    primary, tie_breaking = scores.mean(axis=1).T
    # A quarter of the standard error of an accuracy; 0 for negative squared errors.
    best_score = float(primary.max())
    tolerance = 0.25 * math.sqrt(max(0.0, best_score * (1 - best_score)) / len(x))
    best = best_candidate(primary, tie_breaking, tolerance)
    best_fits = [(fits[best, fold], x[test], y[test]) for fold, (_, test) in enumerate(splits)]
    return Choice(candidates[best], training_rows, [fit for fit in best_fits if not isinstance(fit[0], Exception)])


def train_ensemble(make_network: Callable[..., BaseMLP], x: Floats, y: Any, choice: Choice, members: int) -> BaseMLP:
    alpha = scale_alpha(choice.settings["alpha"], choice.rows, len(x))
    settings = training_settings(len(x)) | choice.settings | {"alpha": alpha}
    model: Any = make_network(**settings, n_members=members)
    with suppress_fit_warnings(), require_complete_fit():  # it is meant to train for `max_iter` epochs
        fitted: BaseMLP = model.fit(x, y)
    return fitted


def best_candidate(primary: Floats, tie_breaking: Floats, tolerance: float = 0.0) -> int:
    """The index of the candidate with the best primary score, −∞ where there is none."""
    # Means of the same scores may differ by rounding, by 1e-12 at most.
    return int(np.where(primary >= primary.max() - tolerance - 1e-12, tie_breaking, -np.inf).argmax())


# --- the budget ------------------------------------------------------------------------------------------------------


def search_rows(inputs: int, rows: int, outputs: int = 1) -> int:
    """The number of rows on which a search takes about half a minute."""
    weights = sum(
        _weight_count(inputs, candidate["hidden_layer_sizes"], outputs) for candidate in ParameterGrid(CANDIDATES)
    )
    multiplications_per_row = 6 * weights * EPOCHS_RANGE[1] * 2  # forward and backward, two of three folds each time
    # 2e11 multiplications take about half a minute.
    return min(rows, max(1000, int(2e11 / multiplications_per_row)))


def _weight_count(inputs: int, hidden_sizes: tuple[int, ...], outputs: int) -> int:
    sizes = (inputs, *hidden_sizes, outputs)
    weights = sum(fan_in * units for fan_in, units in pairwise(sizes))
    return weights // 2 if hidden_sizes == DEEP_HIDDEN_SIZES else weights


def scale_alpha(alpha: float, searched_rows: int, rows: int) -> float:
    """Convert alpha, chosen on `searched_rows` rows, for `rows` rows.

    The penalty keeps its weight against the sum of the losses. An estimator adds it to their mean over a batch, so that
    alpha decreases with the number of rows, and increases with the batch size.
    """
    return alpha * _penalty_weight(searched_rows) / _penalty_weight(rows)


def _penalty_weight(rows: int) -> float:
    batch = training_settings(rows)["batch_size"]
    batch_sizes = np.minimum(batch, rows - np.arange(0, rows, batch))
    return rows * float((1 / batch_sizes).mean())


def fold_count(rows: int) -> int:
    """The number of folds for this number of rows.

    >>> fold_count(150), fold_count(1000)
    (5, 3)
    """
    return 5 if rows < 1000 else 3


def training_settings(rows: int) -> dict[str, Any]:
    batch = _batch_size(rows)
    epochs = int(np.clip(UPDATES * batch // rows, *EPOCHS_RANGE))
    return {
        "batch_size": batch,
        "max_iter": epochs,
        "tol": 0.0,
        "n_iter_no_change": np.inf,
        "learning_rate": {"name": "cosine", "steps": epochs, "per": "epoch"},
    }


def _batch_size(rows: int) -> int:
    # Alpha is divided by the rows of each batch: a last one of a single row would pull all weights to 0 once an epoch.
    target_count = math.ceil(rows / np.clip(rows // 16, 8, 256))
    counts = (target_count + distance * sign for distance in range(target_count) for sign in (1, -1))
    sizes = (math.ceil(rows / count) for count in counts)
    return next(size for size in sizes if -rows % size <= size * 2 / 3)


def member_count(inputs: int, rows: int, outputs: int = 1) -> int:
    """The number of networks of an ensemble, between 2 and 8."""
    weights = max(_weight_count(inputs, hidden, outputs) for hidden in (DEEP_HIDDEN_SIZES, ()))
    multiplications_per_member = 6 * weights * rows * training_settings(rows)["max_iter"]
    affordable = int(np.clip(MAX_ENSEMBLE_MULTIPLICATIONS // multiplications_per_member, MIN_MEMBERS, MAX_MEMBERS))
    return affordable if rows <= LARGE_TABLE_ROWS else MIN_MEMBERS
