"""Compare the results of equal settings in scikit-learn and ours: scores, epochs and losses over many seeds."""

from typing import Any

import numpy as np

from against_sklearn.tables import CONTENDERS, contender_of, data_of, divisions

SETS = ("breast_cancer", "digits", "diabetes")
SEEDS = range(14)
KINDS = CONTENDERS[:2]


def repeat_fits(name: str) -> dict[str, Any]:
    """The mean score, epochs and last loss of both estimators over ten folds of a set, for every seed.

    Each fold has a different seed: with one for all folds, one lucky draw of initial weights would count ten times.
    """
    x, y, classify = data_of(name)
    folds = [(train, test) for division, train, test in divisions(name, x, y, classify) if division == 0]
    found: dict[str, list[list[float]]] = {who: [] for who in KINDS}
    for seed in SEEDS:
        for who in KINDS:
            fits = []
            for fold, (train, test) in enumerate(folds):
                model = contender_of(who, classify, len(folds) * seed + fold).fit(x[train], y[train])
                fits.append([model.score(x[test], y[test]), model[-1].n_iter_, model[-1].loss_])
            found[who].append(np.mean(fits, axis=0).tolist())
    return {"set": name, "fits": len(SEEDS) * len(folds), **found}
