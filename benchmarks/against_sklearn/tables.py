"""Measure scores, seconds and memory of estimators with their defaults, on equal divisions of equal tables.

PYTHON benchmarks/against_sklearn/tables.py SET CONTENDER      with peers that are installed beside another Python
"""

import json
import os
import statistics
import sys
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

BUNDLED = ("iris", "wine", "breast_cancer", "digits", "diabetes")
CONTENDERS = ("sklearn MLP", "MLP", "Tabular", "HistGradientBoosting")
PEERS = ("LightGBM", "CatBoost", "RealMLP")
"""Contenders for the real tables that may be installed in another Python."""
STOPPED = "boosting stopped early"
BEST = "Tabular best"
REAL_CONTENDERS = ("linear", "sklearn MLP", "random forest", "Tabular", BEST, "HistGradientBoosting", STOPPED, *PEERS)
INPUTS = 50
DIVISIONS = dict.fromkeys(BUNDLED, 5)
"""How often a set is divided into folds; synthetic sets and large tables once."""
MAX_REAL_ROWS = 12_000
"""Rows that are drawn from a larger real table, once for all contenders, so that a comparison takes only hours."""
MAX_CATEGORIES = 255
"""The number of categories that HistGradientBoosting accepts in a column; columns with more are dropped for it."""


class RealTable(NamedTuple):
    """A real table: its target, whether that is a class, and columns that all contenders go without.

    These reveal the target, or are times that no contender reads.
    """

    target: str
    classify: bool
    left_out: tuple[str, ...] = ()


CHOOSING = {
    "abalone": RealTable("rings", classify=False),
    "german_credit": RealTable("risk", classify=True),
    "ionosphere": RealTable("radar", classify=True),
    "mpg": RealTable("mpg", classify=False),
    "phoneme": RealTable("nasal", classify=True),
}
"""The tables on which the defaults of Tabular… were chosen; they were selected before any default was tried."""
HELD = {
    "adult": RealTable("income", classify=True),
    "automobile": RealTable("price", classify=False),
    "diamonds": RealTable("price", classify=False),
    "taxis": RealTable("fare", classify=False, left_out=("total", "pickup", "dropoff")),
    "titanic": RealTable("survived", classify=True, left_out=("alive",)),
    "wine_quality_white": RealTable("quality", classify=False),
}
"""The tables that did not decide the defaults of Tabular… at first.

Changes of 27 November 2026 were also tried on automobile, titanic and wine_quality_white, which are no longer unseen.
"""
REAL = CHOOSING | HELD
DIVISIONS |= dict.fromkeys(REAL, 2) | dict.fromkeys(("adult", "diamonds", "taxis"), 1)


def data_of(name: str) -> tuple[Any, Any, bool]:
    """Load or make a set by its name: inputs, targets, and whether these are classes.

    A synthetic set is named by its kind and number of rows, such as "classes 1000".
    """
    from sklearn import datasets

    if name in REAL:
        return real_table(name)
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


def real_table(name: str) -> tuple[Any, Any, bool]:
    """Load a real table, or rows drawn from a large one.

    A data frame of numbers and categories, targets, and whether these are classes.
    """
    import pandas as pd

    table = REAL[name]
    file = Path(os.environ["DELTARULE_DATA"]) / "tables" / f"{name}.csv.xz"
    frame = pd.read_csv(file, na_values=["?"]).drop(columns=list(table.left_out))
    if len(frame) > MAX_REAL_ROWS:
        frame = frame.sample(MAX_REAL_ROWS, random_state=0).reset_index(drop=True)
    y = frame.pop(table.target).to_numpy()
    texts = [column for column in frame if not pd.api.types.is_numeric_dtype(frame[column])]
    frame = frame.astype(dict.fromkeys(texts, "category"))
    return frame, y if table.classify else y.astype(float), table.classify


def contender_of(name: str, classify: bool, seed: int, x: Any = None) -> Any:
    """An estimator with its defaults, by its name; for a data frame x with the usual preprocessing for its kind."""
    from sklearn import ensemble

    kind = "Classifier" if classify else "Regressor"
    is_table = hasattr(x, "columns")
    if name in ("Tabular", BEST):
        import deltarule

        preset = "best" if name == BEST else "default"
        return getattr(deltarule, f"Tabular{kind}")(random_state=seed, preset=preset)
    if name in ("HistGradientBoosting", STOPPED):
        own: dict[str, Any] = {"categorical_features": "from_dtype"} if is_table else {}
        own |= {"early_stopping": True} if name == STOPPED else {}
        trees = getattr(ensemble, f"HistGradientBoosting{kind}")(random_state=seed, **own)
        return _without_many_categories(trees, x)
    if name in PEERS:
        return _peer(name, kind, seed, x)
    return _pipeline(name, classify, seed, x)


def _pipeline(name: str, classify: bool, seed: int, x: Any) -> Any:
    """A model after a StandardScaler; for a table, gaps get the mean and categories are one-hot encoded."""
    from sklearn import ensemble, linear_model, neural_network
    from sklearn.compose import TransformedTargetRegressor, make_column_selector, make_column_transformer
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    if name == "linear":
        model: Any = linear_model.LogisticRegression(max_iter=1000) if classify else linear_model.Ridge()
    elif name == "random forest":
        model = getattr(ensemble, f"RandomForest{'Classifier' if classify else 'Regressor'}")(random_state=seed)
    else:
        import deltarule

        home = neural_network if name.startswith("sklearn") else deltarule
        model = getattr(home, f"MLP{'Classifier' if classify else 'Regressor'}")(random_state=seed)
    if not hasattr(x, "columns"):
        return make_pipeline(StandardScaler(), model)
    columns = make_column_transformer(
        (
            OneHotEncoder(handle_unknown="infrequent_if_exist", min_frequency=2, sparse_output=False),
            make_column_selector(dtype_include="category"),
        ),
        remainder=make_pipeline(SimpleImputer(add_indicator=True), StandardScaler()),
    )
    pipeline = make_pipeline(columns, model)
    return pipeline if classify else TransformedTargetRegressor(pipeline, transformer=StandardScaler())


def _without_many_categories(model: Any, x: Any) -> Any:
    """The model after a step that drops columns with more categories than it accepts."""
    from sklearn.compose import make_column_transformer
    from sklearn.pipeline import make_pipeline

    many = [column for column in getattr(x, "columns", ()) if str(x[column].dtype) == "category"]
    many = [column for column in many if x[column].nunique() > MAX_CATEGORIES]
    if not many:
        return model
    left_out = make_column_transformer(("drop", many), remainder="passthrough", verbose_feature_names_out=False)
    return make_pipeline(left_out.set_output(transform="pandas"), model)


def _peer(name: str, kind: str, seed: int, x: Any) -> Any:
    """A Classifier or Regressor (`kind`) of another library, by its name."""
    if name == "LightGBM":
        import lightgbm

        return getattr(lightgbm, f"LGBM{kind}")(random_state=seed, verbose=-1, n_jobs=2)
    if name == "CatBoost":
        import catboost
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import FunctionTransformer

        categories = [column for column in x if str(x[column].dtype) == "category"]
        model = getattr(catboost, f"CatBoost{kind}")(
            random_seed=seed, verbose=False, cat_features=categories, thread_count=2, allow_writing_files=False
        )
        return make_pipeline(FunctionTransformer(_texts_of_categories), model)
    import pytabkit

    return getattr(pytabkit, f"RealMLP_TD_S_{kind}")(random_state=seed, device="cpu", n_threads=2)


def _texts_of_categories(frame: Any) -> Any:
    """Replace missing categories by empty texts, because CatBoost accepts none."""
    texts = {
        column: frame[column].astype(object).fillna("") for column in frame if str(frame[column].dtype) == "category"
    }
    return frame.assign(**texts)


def divisions(name: str, x: Any, y: Any, classify: bool) -> Iterator[tuple[int, Any, Any]]:
    """Yield the seed of each division of a set into folds, with the training and test rows of each of its folds.

    The score on a small set depends on the seed and on the division as much as on the estimator, so bundled sets and
    real tables are divided several times.
    """
    from sklearn.model_selection import KFold, ShuffleSplit, StratifiedKFold

    for seed in range(DIVISIONS.get(name, 1)):
        if len(x) >= 100_000:
            folds: Any = ShuffleSplit(1, test_size=0.2, random_state=seed)
        else:
            count = 10 if name in BUNDLED else 5 if name in REAL else 3
            folds = (StratifiedKFold if classify else KFold)(count, shuffle=True, random_state=seed)
        for train, test in folds.split(x, y):
            yield seed, train, test


def score_contender(name: str, contender: str) -> dict[str, Any]:
    """Score a contender on every fold of a set, with the median seconds of a fit and of the predictions for a fold.

    For classes there are also log losses; for `Tabular…` the score that each fit reported, its interval and rows,
    and those of the fold; for numbers the share of the targets in 90 % intervals, by thirds of the predictions.
    """
    x, y, classify = data_of(name)
    scores, losses, estimates, covered, fits, predictions = [], [], [], [], [], []
    for seed, train, test in divisions(name, x, y, classify):
        model = contender_of(contender, classify, seed, x)
        x_train, x_test = (x.iloc[rows] if name in REAL else x[rows] for rows in (train, test))
        fits.append(timed_fit(model, x_train, y[train]))
        fitted = time.perf_counter()
        predicted = np.ravel(model.predict(x_test))
        predictions.append(time.perf_counter() - fitted)
        scores.append(accuracy(y[test], predicted) if classify else r_squared(y[test], predicted))
        if classify:
            losses.append(log_loss(y[test], model.predict_proba(x_test), model.classes_))
        if contender in ("Tabular", BEST):
            found = model.report_.scores
            estimates.append([found.score, found.low, found.high, found.rows, len(test)])
            if not classify:
                covered.append(coverage_by_thirds(y[test], predicted, model.predict(x_test, quantiles=[0.05, 0.95])))
        share = len(test) / len(train)
    record = {name: statistics.median(each[name] for each in fits) for name in fits[0]}
    record |= {"predict_seconds": statistics.median(predictions)}
    record |= {"score": float(np.mean(scores)), "folds": scores}
    record |= {"log_loss": statistics.fmean(losses), "log_losses": losses} if losses else {}
    record |= {"estimates": estimates} if estimates else {}
    record |= {"covered": np.mean(covered, axis=0).tolist()} if covered else {}
    return record | {"interval": interval(scores, share), **_memory()}


def time_contender(name: str, contender: str) -> dict[str, Any]:
    """The seconds of a contender's second fit to the training rows of a set's first fold, and of the processors."""
    x, y, classify = data_of(name)
    seed, train, _ = next(divisions(name, x, y, classify))
    rows = x.iloc[train] if name in REAL else x[train]
    _, second = (timed_fit(contender_of(contender, classify, seed, x), rows, y[train]) for _ in range(2))
    return {"rows": len(rows), **second}


def timed_fit(model: Any, x: Any, y: Any) -> dict[str, float]:
    """Fit a model, and return its seconds by the clock and of the processors."""
    started, before = time.perf_counter(), time.process_time()
    model.fit(x, y)
    return {"fit_seconds": time.perf_counter() - started, "fit_processor_seconds": time.process_time() - before}


def coverage_by_thirds(y: Any, predicted: Any, limits: Any) -> list[float]:
    """The share of targets within limits [N, 2], for the lowest, middle and highest third of the predictions."""
    is_inside = (limits[:, 0] <= y) & (y <= limits[:, 1])
    return [float(is_inside[rows].mean()) for rows in np.array_split(np.argsort(predicted, kind="stable"), 3)]


def accuracy(y: Any, predicted: Any) -> float:
    """The share of correct predictions."""
    return float(np.mean(predicted == y))


def log_loss(y: Any, probabilities: Any, classes: Any) -> float:
    """The mean of −ln of the probability of the true class, which is at least 1e-15."""
    true = np.asarray(probabilities)[np.arange(len(y)), np.searchsorted(classes, y)]
    return float(-np.log(np.maximum(true, 1e-15)).mean())


def r_squared(y: Any, predicted: Any) -> float:
    """R² of predictions p: 1 − Σ(y − p)² / Σ(y − ȳ)²."""
    return float(1 - np.square(y - predicted).sum() / np.square(y - y.mean()).sum())


def interval(scores: list[float], share: float = 0.0) -> list[float] | None:
    """The 95 % interval of the mean of scores, by Student's t distribution; None for a single score.

    share : test rows divided by training rows. Folds share training rows, so their scores are correlated, which widens
        the interval (Nadeau and Bengio, Inference for the generalization error, 2003).
    """
    from scipy import stats

    if len(scores) < 2:
        return None
    half = stats.t.ppf(0.975, len(scores) - 1) * np.sqrt(np.var(scores, ddof=1) * (1 / len(scores) + share))
    return [float(np.mean(scores) - half), float(np.mean(scores) + half)]


def _memory() -> dict[str, Any]:
    """The peak memory of this process in MB; None if the system does not report it."""
    try:
        import resource
    except ImportError:  # Windows
        return {"peak_megabytes": None}
    unit = 1e6 if sys.platform == "darwin" else 1e3
    return {"peak_megabytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit}


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    print(json.dumps(score_contender(*sys.argv[1:])))
