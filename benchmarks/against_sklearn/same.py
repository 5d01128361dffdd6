"""Whether the same settings come to the same: scores, epochs and losses over many seeds."""

from typing import Any

import numpy as np

from against_sklearn.tables import contender_of, data_of

SETS = ("breast_cancer", "digits", "diabetes")
SEEDS, FOLDS = range(14), 10
KINDS = ("sklearn MLP", "MLP")


def repeated(name: str) -> dict[str, Any]:
    """For every seed the mean score, epochs and last loss of both over ten folds, each fold with a seed of its own.

    With one seed for all folds of a division they have the same first weights, and one lucky draw counts ten times.
    """
    from sklearn.model_selection import KFold, StratifiedKFold

    x, y, classify = data_of(name)
    folds = list((StratifiedKFold if classify else KFold)(FOLDS, shuffle=True, random_state=0).split(x, y))
    found: dict[str, list[list[float]]] = {who: [] for who in KINDS}
    for seed in SEEDS:
        for who in KINDS:
            fits = []
            for fold, (train, test) in enumerate(folds):
                model = contender_of(who, classify, FOLDS * seed + fold).fit(x[train], y[train])
                fits.append([model.score(x[test], y[test]), model[-1].n_iter_, model[-1].loss_])
            found[who].append(np.mean(fits, axis=0).tolist())
    return {"set": name, "fits": len(SEEDS) * FOLDS, **found}
