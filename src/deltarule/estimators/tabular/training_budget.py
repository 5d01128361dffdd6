"""How much work a table gets: which settings are searched, on how many rows, and how long networks are trained."""

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from sklearn.model_selection import ParameterGrid

PENALTIES = (1e-4, 0.01, 0.1, 3.0)
DEEP = (128, 128, 128)
CANDIDATES: tuple[dict[str, Sequence[Any]], ...] = (
    {"hidden_layer_sizes": [()], "learning_rate_init": [0.01], "alpha": PENALTIES},
    {"hidden_layer_sizes": [(64,)], "learning_rate_init": [0.003, 0.01], "alpha": PENALTIES},
    {"hidden_layer_sizes": [DEEP], "learning_rate_init": [0.004, 0.01], "alpha": [1e-4]},
)
"""Grids of the settings that are tried: linear models, which little data often calls for, small networks, and deep ones
(`TableNetwork`)."""
UPDATES, EPOCHS = 10_000, (10, 100)
"""So many updates a network makes, in no fewer and no more epochs than these."""
MEMBERS, MEMBERS_OF_LARGE, LARGE = 8, 2, 100_000
"""Networks of an ensemble: the more rows, the less their mean is better than one of them."""
ENSEMBLE_WORK = 1.2e12
"""Multiplications that an ensemble of more than two may need: about half a minute. Wide tables get fewer networks."""


def search_rows(inputs: int, rows: int, outputs: int = 1) -> int:
    """How many rows a search can afford.

    >>> search_rows(4, 150), search_rows(784, 60000) < 3000, search_rows(4, 6000, outputs=300)
    (150, True, 1000)
    """
    weights = sum(_weights(inputs, one["hidden_layer_sizes"], outputs) for one in ParameterGrid(CANDIDATES))
    a_row = 6 * weights * EPOCHS[1] * 2  # forward and back, over three folds' two parts
    # Multiplications that a search may need: about half a minute. Larger tables are searched on some of their rows.
    return min(rows, max(1000, int(2e11 / a_row)))


def _weights(inputs: int, hidden: tuple[int, ...], outputs: int) -> int:
    """How many numbers of float64 the weights of a network are; a deep one's are float32, half as many."""
    sizes = (inputs, *hidden, outputs)
    weights = sum(fan_in * units for fan_in, units in pairwise(sizes))
    return weights // 2 if hidden == DEEP else weights


def alpha_for(alpha: float, searched: int, rows: int) -> float:
    """The penalty's strength for more rows than those on which it was chosen: against the sum of their losses it stays.

    An estimator divides alpha by the rows of a batch, so it is part of their mean loss: of more rows it shall be less.

    >>> [round(alpha_for(3.0, 1000, rows), 2) for rows in (1000, 10_000, 100_000)]
    [3.0, 1.28, 0.13]
    """
    return alpha * _penalty(searched) / _penalty(rows)


def _penalty(rows: int) -> float:
    """What an alpha of 1 is against the sum of so many rows' losses, over the batches of an epoch."""
    batch = training_for(rows)["batch_size"]
    batches = np.minimum(batch, rows - np.arange(0, rows, batch))
    return rows * float((1 / batches).mean())


def folds_of(rows: int) -> int:
    """More folds where there are few rows, whose scores are noisy.

    >>> folds_of(150), folds_of(1000)
    (5, 3)
    """
    return 5 if rows < 1000 else 3


def fold_rows(rows: int) -> int:
    """On how many of so many rows a candidate is trained for each fold; for some of the folds it may be one less.

    >>> fold_rows(150), fold_rows(1500), fold_rows(151)
    (120, 1000, 121)
    """
    return rows - rows // folds_of(rows)


def training_for(rows: int) -> dict[str, Any]:
    """How long networks are trained: a rate that goes to 0 along a cosine takes the place of stopping early."""
    batch = _batch_for(rows)
    epochs = int(np.clip(UPDATES * batch // rows, *EPOCHS))
    return {
        "batch_size": batch,
        "max_iter": epochs,
        "tol": 0.0,
        "n_iter_no_change": np.inf,
        "learning_rate": {"name": "cosine", "steps": epochs, "per": "epoch"},
    }


def _batch_for(rows: int) -> int:
    """Of the batches near to a sixteenth of the rows, 8 and 256 at the ends, that of which the last is a third or more.

    Alpha is divided by the rows of each batch: a last one of a single row would pull all weights to 0 once an epoch.
    """
    meant = math.ceil(rows / np.clip(rows // 16, 8, 256))
    counts = (meant + away * side for away in range(meant) for side in (1, -1))
    batches = (math.ceil(rows / count) for count in counts)
    return next(batch for batch in batches if -rows % batch <= batch * 2 / 3)


def members_for(inputs: int, rows: int, outputs: int = 1) -> int:
    """How many networks an ensemble has that learns from so many rows.

    >>> members_for(20, 1000), members_for(635, 16_274), members_for(20, 10**6)
    (8, 2, 2)
    """
    weights = max(_weights(inputs, hidden, outputs) for hidden in (DEEP, ()))
    one = 6 * weights * rows * training_for(rows)["max_iter"]
    affordable = int(np.clip(ENSEMBLE_WORK // one, MEMBERS_OF_LARGE, MEMBERS))
    return affordable if rows <= LARGE else MEMBERS_OF_LARGE
