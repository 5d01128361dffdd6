"""Accuracy, seconds and memory of estimators with their defaults, on the same divisions of the same tables."""

import statistics
import sys
import time
from collections.abc import Iterator
from typing import Any

import numpy as np

BUNDLED = ("iris", "wine", "breast_cancer", "digits", "diabetes")
CONTENDERS = ("sklearn MLP", "MLP", "Tabular", "HistGradientBoosting")
INPUTS = 50
DIVISIONS = 5


def data_of(name: str) -> tuple[Any, Any, bool]:
    """Rows, targets, and whether they are classes. A made set is named by its kind and rows: "classes 1000"."""
    from sklearn import datasets

    if name in BUNDLED:
        return *getattr(datasets, f"load_{name}")(return_X_y=True), name != "diabetes"
    kind, rows = name.split()
    if kind == "classes":
        made = datasets.make_classification(
            int(rows), INPUTS, n_informative=20, n_classes=5, flip_y=0.05, random_state=0
        )
        return *made, True
    x = np.random.default_rng(0).normal(size=(int(rows), INPUTS))
    noise = np.random.default_rng(1).normal(size=int(rows))
    return x, np.sin(2 * x[:, 0]) * x[:, 1] + x[:, 2] ** 2 + x[:, 3:10].sum(axis=1) + noise, False


def contender_of(name: str, classify: bool, seed: int) -> Any:
    """An estimator with its defaults."""
    from sklearn import ensemble, neural_network
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    import deltarule

    kind = "Classifier" if classify else "Regressor"
    if name == "HistGradientBoosting":
        return getattr(ensemble, name + kind)(random_state=seed)
    if name == "Tabular":
        return getattr(deltarule, name + kind)(random_state=seed)
    home = neural_network if name.startswith("sklearn") else deltarule
    return make_pipeline(StandardScaler(), getattr(home, f"MLP{kind}")(random_state=seed))


def divided(name: str, x: Any, y: Any, classify: bool) -> Iterator[tuple[int, Any, Any]]:
    """The seed of a division, and the rows to learn from and to judge on, of each of its parts.

    What a network answers to the rows of a small set depends on its seed and on the division as much as on whose it is:
    one division says little, and that of bundled sets is made anew several times.
    """
    from sklearn.model_selection import KFold, ShuffleSplit, StratifiedKFold

    for seed in range(DIVISIONS if name in BUNDLED else 1):
        if len(x) >= 100_000:
            folds: Any = ShuffleSplit(1, test_size=0.2, random_state=seed)
        else:
            count = 10 if name in BUNDLED else 3
            folds = (StratifiedKFold if classify else KFold)(count, shuffle=True, random_state=seed)
        for train, test in folds.split(x, y):
            yield seed, train, test


def compared(name: str, contender: str) -> dict[str, Any]:
    """Scores of every fold, and the median seconds of a fit and of the answers to the fold's rows."""
    x, y, classify = data_of(name)
    scores, fits, predictions = [], [], []
    for seed, train, test in divided(name, x, y, classify):
        model = contender_of(contender, classify, seed)
        started = time.perf_counter()
        model.fit(x[train], y[train])
        done = time.perf_counter()
        model.predict(x[test])
        predictions.append(time.perf_counter() - done)
        fits.append(done - started)
        scores.append(model.score(x[test], y[test]))
        share = len(test) / len(train)
    record = {"fit_seconds": statistics.median(fits), "predict_seconds": statistics.median(predictions)}
    record |= {"score": float(np.mean(scores)), "folds": scores}
    return record | {"interval": interval(scores, share), **_memory()}


def interval(scores: list[float], share: float = 0.0) -> list[float] | None:
    """The 95 % interval of the mean, by Student's law.

    share : rows that judge for each row that was learned from. Folds share the latter, so their scores are alike, and
        the interval is wider by that (Nadeau and Bengio, Inference for the generalization error, 2003).
    """
    from scipy import stats

    if len(scores) < 2:
        return None
    half = stats.t.ppf(0.975, len(scores) - 1) * np.sqrt(np.var(scores, ddof=1) * (1 / len(scores) + share))
    return [float(np.mean(scores) - half), float(np.mean(scores) + half)]


def _memory() -> dict[str, Any]:
    """The most memory that this process had, in MB; None where the system does not tell."""
    try:
        import resource
    except ImportError:  # Windows
        return {"peak_megabytes": None}
    unit = 1e6 if sys.platform == "darwin" else 1e3
    return {"peak_megabytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit}
