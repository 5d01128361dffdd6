"""By what Tabular… chooses its settings, tried on sets that had no part in deciding so."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

SURENESS, MIN_PROBABILITY = 0.05, 0.05
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
    return float(right.mean() + SURENESS * np.log(np.maximum(own, MIN_PROBABILITY)).mean())


@dataclass(frozen=True)
class Found:
    """What a search knows of its candidates, and what became of them.

    settings   the candidates, ordered by network, rate and penalty   accuracy [candidates, folds]
    mixed, likelihood [candidates], the other scores   ahead [candidates], the accuracy of each one's ensemble on rows
    that nobody has seen
    """

    settings: list[dict[str, Any]]
    accuracy: Any
    mixed: Any
    likelihood: Any
    ahead: Any

    @property
    def mean(self) -> Any:
        """The accuracy [candidates]."""
        return self.accuracy.mean(axis=1)

    @property
    def grid(self) -> Any:
        """The same by network, rate and penalty."""
        return self.mean.reshape([len({str(one[name]) for one in self.settings}) for name in self.settings[0]])


def smoothed(found: Found) -> Any:
    """Scores with half the weight on those of neighbors in rate and penalty, and a quarter on theirs."""
    grid = found.grid
    total, weight = np.zeros_like(grid), np.zeros_like(grid)
    for rate in (-1, 0, 1):
        for penalty in (-1, 0, 1):
            share = 0.5 ** (abs(rate) + abs(penalty))
            for i, j in np.ndindex(grid.shape[1:]):
                if 0 <= i + rate < grid.shape[1] and 0 <= j + penalty < grid.shape[2]:
                    total[:, i, j] += share * grid[:, i + rate, j + penalty]
                    weight[:, i, j] += share
    return (total / weight).ravel()


def additive(found: Found) -> Any:
    """Half the score, and half what each parameter does alone, which is known better."""
    grid, axes = found.grid, set(range(3))
    alone = sum(grid.mean(axis=tuple(axes - {axis}), keepdims=True) for axis in axes) - 2 * grid.mean()
    return ((grid + alone) / 2).ravel()


def within(found: Found, better: Callable[[dict[str, Any]], Any]) -> int:
    """Of all candidates within a standard error of the best the one that is better otherwise."""
    best = found.accuracy[int(np.argmax(found.mean))]
    least = best.mean() - best.std(ddof=1) / np.sqrt(len(best))
    return max(np.flatnonzero(found.mean >= least), key=lambda place: (better(found.settings[place]), -place))


RULES: dict[str, Callable[[Found], int]] = {
    "accuracy": lambda found: int(np.argmax(found.mean)),
    "accuracy and a little likelihood": lambda found: int(np.argmax(found.mixed)),
    "likelihood": lambda found: int(np.argmax(found.likelihood)),
    "accuracy, smoothed by neighbors": lambda found: int(np.argmax(smoothed(found))),
    "accuracy, half of it what each parameter does alone": lambda found: int(np.argmax(additive(found))),
    "the largest network within a standard error": lambda found: within(
        found, lambda one: sum(one["hidden_layer_sizes"])
    ),
    "the strongest penalty within a standard error": lambda found: within(found, lambda one: one["alpha"]),
    "always 128 units, 0.003 and 0.01": lambda found: found.settings.index(
        {"alpha": 0.01, "hidden_layer_sizes": (128,), "learning_rate_init": 0.003}
    ),
    "what turns out best": lambda found: int(np.argmax(found.ahead)),
}


def ruled(name: str, rows: int) -> list[dict[str, Any]]:
    """For every seed the accuracy of what each rule chooses, on rows that nobody has seen."""
    found = [candidates_of(name, rows, seed) for seed in SEEDS]
    scores = [{rule: float(one.ahead[chosen(one)]) for rule, chosen in RULES.items()} for one in found]
    return [{"set": name, "rows": rows, "seed": seed, "scores": own} for seed, own in zip(SEEDS, scores, strict=True)]


def candidates_of(name: str, rows: int, seed: int) -> Found:
    """The candidates of TabularClassifier on a set, and each one's ensemble on rows that nobody has seen."""
    from sklearn.model_selection import StratifiedKFold

    from deltarule import PopulationSearchCV, TabularClassifier
    from deltarule.estimators.search.population_fits import fit_together
    from deltarule.estimators.tabular import training_budget

    x, y = unseen(name, rows, seed)
    mean, scale = x[:rows].mean(axis=0), x[:rows].std(axis=0)
    x, model = (x - mean) / scale, TabularClassifier()
    model._seed = seed
    model.classes_ = np.unique(y[:rows])
    scoring = {"accuracy": "accuracy", "mixed": with_likelihood, "likelihood": "neg_log_loss"}
    folds = StratifiedKFold(training_budget.folds_of(rows), shuffle=True, random_state=seed)
    network = model._estimator(**training_budget.training_for(rows))
    grid = {key: list(values) for key, values in training_budget.CANDIDATES.items()}
    search = PopulationSearchCV(network, grid, cv=folds, scoring=scoring, refit=False).fit(x[:rows], y[:rows])
    about, settings = search.cv_results_, search.cv_results_["params"]
    order = sorted(range(len(settings)), key=lambda k: [grid[key].index(settings[k][key]) for key in grid])
    each = np.stack([about[f"split{fold}_test_accuracy"] for fold in range(folds.get_n_splits())], axis=1)
    searched = training_budget.fold_rows(rows)
    ensembles = [model._search.ensemble(rows, x.shape[1], settings[k], searched) for k in order]
    fit_together(ensembles, [one._plan(*one._prepare_rows(x[:rows], y[:rows], None)) for one in ensembles])
    ahead = np.array([one.score(x[rows:], y[rows:]) for one in ensembles])
    scores = [about[f"mean_test_{one}"][order] for one in ("mixed", "likelihood")]
    return Found([{key: settings[k][key] for key in grid} for k in order], each[order], *scores, ahead)
