"""Our estimators beside scikit-learn's, on every bundled set and on made ones: accuracy, seconds and memory, as JSON.

    python benchmarks/estimators.py [--rows 1000 10000 100000 1000000] [--only NAME ...]

Contenders are scikit-learn's MLP and ours, with the defaults of both behind a StandardScaler; Tabular…, which chooses
its own settings; and HistGradientBoosting, what many would pick instead. Each trains in a process of its own, so that
its memory is its own; all of them on the same folds: 10 of the bundled sets, 3 of made ones, 1 of those of 100,000
rows and more. A score stands with the 95 % interval of its mean over the folds, by Student's law.
"""

import argparse
import json
import subprocess
import sys
import time
import warnings
from typing import Any

import numpy as np

BUNDLED = ("iris", "wine", "breast_cancer", "digits", "diabetes")
CONTENDERS = ("sklearn MLP", "MLP", "Tabular", "HistGradientBoosting")
INPUTS = 50


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


def contender_of(name: str, classify: bool) -> Any:
    """An estimator with its defaults."""
    from sklearn import ensemble, neural_network
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    import deltarule

    kind = "Classifier" if classify else "Regressor"
    if name == "HistGradientBoosting":
        return getattr(ensemble, name + kind)(random_state=0)
    if name == "Tabular":
        return getattr(deltarule, name + kind)(random_state=0)
    home = neural_network if name.startswith("sklearn") else deltarule
    return make_pipeline(StandardScaler(), getattr(home, f"MLP{kind}")(random_state=0))


def measured(name: str, contender: str) -> dict[str, Any]:
    """Scores of every fold, and the median seconds of a fit and of the answers to the fold's rows."""
    from sklearn.model_selection import KFold, ShuffleSplit, StratifiedKFold

    x, y, classify = data_of(name)
    if len(x) >= 100_000:
        folds: Any = ShuffleSplit(1, test_size=0.2, random_state=0)
    else:
        count = 10 if name in BUNDLED else 3
        folds = (StratifiedKFold if classify else KFold)(count, shuffle=True, random_state=0)
    scores, fits, predictions = [], [], []
    for train, test in folds.split(x, y):
        model = contender_of(contender, classify)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            started = time.perf_counter()
            model.fit(x[train], y[train])
            fitted = time.perf_counter()
            model.predict(x[test])
            predictions.append(time.perf_counter() - fitted)
            fits.append(fitted - started)
            scores.append(model.score(x[test], y[test]))
    record = {"fit_seconds": float(np.median(fits)), "predict_seconds": float(np.median(predictions))}
    return {"score": float(np.mean(scores)), "interval": _interval(scores), "folds": scores} | record | _memory()


def _interval(scores: list[float]) -> list[float] | None:
    from scipy import stats

    if len(scores) < 2:
        return None
    half = stats.t.ppf(0.975, len(scores) - 1) * stats.sem(scores)
    return [float(np.mean(scores) - half), float(np.mean(scores) + half)]


def _memory() -> dict[str, Any]:
    """The most memory that this process had, in MB; None where the system does not tell."""
    try:
        import resource
    except ImportError:  # Windows
        return {"peak_megabytes": None}
    unit = 1e6 if sys.platform == "darwin" else 1e3
    return {"peak_megabytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit}


def fresh(name: str, contender: str) -> dict[str, Any]:
    """The same in a process of its own."""
    done = subprocess.run([sys.executable, __file__, "--one", name, contender], capture_output=True, encoding="utf-8")
    if done.returncode:
        return {"error": (done.stderr.strip().splitlines() or ["nothing was said"])[-1]}
    record: dict[str, Any] = json.loads(done.stdout)
    return record


def main() -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, nargs="*", default=[1000, 10_000, 100_000, 1_000_000])
    parser.add_argument("--only", nargs="+", help="these sets alone, such as iris or 'classes 1000'")
    parser.add_argument("--one", nargs=2, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.one:
        print(json.dumps(measured(*given.one)))
        return
    made = [f"{kind} {rows}" for rows in given.rows for kind in ("classes", "numbers")]
    record: dict[str, Any] = {}
    for name in given.only or [*BUNDLED, *made]:
        record[name] = {}
        for contender in CONTENDERS:
            print(f"{name}, {contender}", file=sys.stderr, flush=True)
            record[name][contender] = fresh(name, contender)
    print(json.dumps(record, indent=2))


if __name__ == "__main__":
    main()
