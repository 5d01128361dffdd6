"""Choose rows, candidates and epochs for the training budget of a table."""

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from sklearn.model_selection import ParameterGrid

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


def search_rows(inputs: int, rows: int, outputs: int = 1) -> int:
    """The number of rows on which a search takes about half a minute.

    >>> search_rows(4, 150), search_rows(784, 60000) < 3000, search_rows(4, 6000, outputs=300)
    (150, True, 1000)
    """
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

    >>> [round(scale_alpha(3.0, 1000, rows), 2) for rows in (1000, 10_000, 100_000)]
    [3.0, 1.28, 0.13]
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


def fold_training_rows(rows: int) -> int:
    """The number of training rows of a fold.

    >>> fold_training_rows(150), fold_training_rows(1500), fold_training_rows(151)
    (120, 1000, 121)
    """
    return rows - rows // fold_count(rows)


def training_settings(rows: int) -> dict[str, Any]:
    """The estimator parameters for training on `rows` rows."""
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
    """The batch size, about a sixteenth of the rows.

    Alpha is divided by the rows of each batch: a last one of a single row would pull all weights to 0 once an epoch.
    """
    target_count = math.ceil(rows / np.clip(rows // 16, 8, 256))
    counts = (target_count + distance * sign for distance in range(target_count) for sign in (1, -1))
    sizes = (math.ceil(rows / count) for count in counts)
    return next(size for size in sizes if -rows % size <= size * 2 / 3)


def member_count(inputs: int, rows: int, outputs: int = 1) -> int:
    """The number of networks of an ensemble, between 2 and 8.

    >>> member_count(20, 1000), member_count(635, 16_274), member_count(20, 10**6)
    (8, 2, 2)
    """
    weights = max(_weight_count(inputs, hidden, outputs) for hidden in (DEEP_HIDDEN_SIZES, ()))
    multiplications_per_member = 6 * weights * rows * training_settings(rows)["max_iter"]
    affordable = int(np.clip(MAX_ENSEMBLE_MULTIPLICATIONS // multiplications_per_member, MIN_MEMBERS, MAX_MEMBERS))
    return affordable if rows <= LARGE_TABLE_ROWS else MIN_MEMBERS
