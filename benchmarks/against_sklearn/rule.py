"""By what Tabular… chooses its settings, tried on sets that had no part in deciding so."""

import json
from typing import Any

import numpy as np

RULES = ("accuracy", "accuracy and a little likelihood", "likelihood")
SURENESS, LEAST_PROBABILITY = 0.05, 0.05
"""What the mean logarithm of the true class's probability counts beside the accuracy, and where it ends."""
UNSEEN = ("moons", "circles", "gaussian_quantiles", "hastie_10_2", "blobs", "classification")
SEEDS = range(4)
TEST_ROWS = 4000


def unseen(name: str, rows: int, seed: int) -> tuple[Any, Any]:
    """A set that nobody looked at when the rule was chosen: so many rows to learn from, and then those that judge."""
    from sklearn import datasets

    random, count = np.random.default_rng(seed), rows + TEST_ROWS
    if name == "moons":
        x, y = datasets.make_moons(count, noise=0.35, random_state=seed)
    elif name == "circles":
        x, y = datasets.make_circles(count, noise=0.2, factor=0.6, random_state=seed)
    elif name == "gaussian_quantiles":
        x, y = datasets.make_gaussian_quantiles(n_samples=count, n_features=6, n_classes=4, random_state=seed)
    elif name == "hastie_10_2":
        x, y = datasets.make_hastie_10_2(count, random_state=seed)
    elif name == "blobs":
        x, y = datasets.make_blobs(count, 8, centers=6, cluster_std=6.0, random_state=seed)
    else:
        x, y = datasets.make_classification(count, 30, n_informative=6, n_classes=3, flip_y=0.1, random_state=seed)
    order = random.permutation(count)
    return x[order], y[order]


def with_likelihood(model: Any, x: Any, y: Any) -> float:
    """The accuracy, and where it is nearly the same how sure the model is of what is true; all classes are known."""
    p = model.predict_proba(x)
    own = p[np.arange(len(y)), np.searchsorted(model.classes_, y)]
    right = model.classes_[p.argmax(axis=1)] == y
    return float(right.mean() + SURENESS * np.log(np.maximum(own, LEAST_PROBABILITY)).mean())


def ruled(name: str, rows: int) -> list[dict[str, Any]]:
    """For every seed the accuracy of what each rule chooses, on rows that nobody has seen."""
    from sklearn.model_selection import StratifiedKFold

    from deltarule import PopulationSearchCV, TabularClassifier
    from deltarule.estimators import tabular

    found = []
    for seed in SEEDS:
        x, y = unseen(name, rows, seed)
        mean, scale = x[:rows].mean(axis=0), x[:rows].std(axis=0)
        x, model = (x - mean) / scale, TabularClassifier()
        model._seed = seed
        model.classes_ = np.unique(y[:rows])
        scoring = {RULES[0]: model._scoring, RULES[1]: with_likelihood, RULES[2]: "neg_log_loss"}
        folds = StratifiedKFold(tabular.folds_of(rows), shuffle=True, random_state=seed)
        grid = {key: list(values) for key, values in tabular.CANDIDATES.items()}
        network = model._network(**tabular._budget(rows))
        search = PopulationSearchCV(network, grid, cv=folds, scoring=scoring, refit=False).fit(x[:rows], y[:rows])
        scores: dict[str, float] = {}
        chosen = {}
        for rule in RULES:
            best = search.cv_results_["params"][int(np.argmax(search.cv_results_[f"mean_test_{rule}"]))]
            chosen[rule] = json.dumps(best)
            if chosen[rule] not in scores:
                trained = model._trained(x[:rows], y[:rows], best, tabular.fold_rows(rows))
                scores[chosen[rule]] = float(trained.score(x[rows:], y[rows:]))
        found.append({"set": name, "rows": rows, "seed": seed, "scores": {r: scores[chosen[r]] for r in RULES}})
    return found
