"""Time fits, predictions and searches of our estimators and of scikit-learn's, with equal settings and in turn."""

import statistics
import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

ROUNDS = 5
REST_SECONDS = 0.2
"""The pause before each turn: after a product, OpenBLAS's threads spin for a tenth of a second, on processors that the
next turn needs."""


def in_turn(
    calls: Mapping[str, Callable[[], Any]], rounds: int = ROUNDS, repeats: int = 1, warm: bool = False
) -> dict[str, Any]:
    """Time calls in turn, in several rounds after one that does not count; each round begins with another call.

    Parameters: `calls`, named "theirs" and "ours"; `repeats`, calls in a turn; `warm`, whether each turn begins with a
    call that does not count, because processors have gone idle in the pause.
    Returns: the seconds of each, the ratio of their medians, and the ratios of all rounds.
    """
    names, seconds = list(calls), {name: [] for name in calls}
    for number in range(rounds + 1):
        for name in names[number % len(names) :] + names[: number % len(names)]:
            time.sleep(REST_SECONDS)
            if warm:
                calls[name]()
            started = time.perf_counter()
            for _ in range(repeats):
                calls[name]()
            if number:
                seconds[name].append((time.perf_counter() - started) / repeats)
    ratio = statistics.median(seconds["theirs"]) / statistics.median(seconds["ours"])
    each = [theirs / ours for theirs, ours in zip(seconds["theirs"], seconds["ours"], strict=True)]
    return {"seconds": seconds, "ratio": ratio, "ratios": each}


# --- fit ---

FITS: dict[str, dict[str, Any]] = {
    "breast_cancer": {"target": 2.0, "epochs": 100},
    "10,000 × 50": {"target": 2.0, "epochs": 10},
    "60,000 × 784": {"target": 2.0, "epochs": 2, "batch_size": 256},
    "60,000 × 784, float32": {"target": 2.5, "epochs": 2, "batch_size": 256, "dtype": "float32"},
}


def time_fits(name: str) -> dict[str, Any]:
    """Time fits with equal settings by scikit-learn and ours; the first, which may compile, does not count."""
    from sklearn import neural_network

    import deltarule

    about = FITS[name]
    x, y = _rows_of_fit(name)
    x = x.astype(about.get("dtype", "float64"))
    given = {"max_iter": about["epochs"], "tol": 0.0, "n_iter_no_change": 10**6, "random_state": 0}
    given["batch_size"] = about.get("batch_size", "auto")
    kinds: dict[str, Any] = {"theirs": neural_network.MLPClassifier, "ours": deltarule.MLPClassifier}
    found = in_turn({who: lambda kind=kind: kind(**given).fit(x, y) for who, kind in kinds.items()})
    model = kinds["ours"](**given).fit(x, y)
    products = products_alone(model, x, given["batch_size"])
    return {"name": name, "target": about["target"], "epochs": about["epochs"], "products": products, **found}


def products_alone(model: Any, x: Any, batch_size: Any) -> float:
    """The seconds that the matrix products of a fit take alone: the minimum of several times."""
    from bench.floors import products

    from deltarule import Network, create_problem

    size = min(200, len(x)) if batch_size == "auto" else batch_size
    sizes = [x.shape[1], *(array.shape[1] for array in model.coefs_)]
    problem = create_problem(Network(sizes), x[:size], np.zeros((size, sizes[-1])), dtype=x.dtype.name)
    floor, updates, took = products(problem), model.n_iter_ * -(-len(x) // size), []
    for _ in range(ROUNDS):
        started = time.perf_counter()
        floor.advance(updates)
        took.append(time.perf_counter() - started)
    return min(took)


def _rows_of_fit(name: str) -> tuple[Any, Any]:
    """The inputs and labels of a fit, random ones of its shape or scikit-learn's."""
    from sklearn.datasets import load_breast_cancer
    from sklearn.preprocessing import StandardScaler

    random = np.random.default_rng(0)
    if name == "breast_cancer":
        x, y = load_breast_cancer(return_X_y=True)
        return StandardScaler().fit_transform(x), y
    rows, inputs = (10_000, 50) if name.startswith("10,000") else (60_000, 784)
    return random.normal(size=(rows, inputs)), random.integers(2 if inputs == 50 else 10, size=rows)


# --- predict ---

PREDICTS = {
    "30-100-1": (30, 2, (100,)),
    "50-100-5": (50, 5, (100,)),
    "784-100-10": (784, 10, (100,)),
    "20-100-100-3": (20, 3, (100, 100)),
}


def time_predictions(name: str) -> list[dict[str, Any]]:
    """Time `predict` and `predict_proba` of a network for several numbers of rows."""
    from sklearn import neural_network

    import deltarule

    inputs, classes, hidden = PREDICTS[name]
    random = np.random.default_rng(0)
    x, y = random.normal(size=(300, inputs)), random.integers(classes, size=300)
    models = {
        "theirs": neural_network.MLPClassifier(hidden, max_iter=1).fit(x, y),
        "ours": deltarule.MLPClassifier(hidden, max_iter=1).fit(x, y),
    }
    found = []
    for rows in (1, 100, 1000, 10_000, 60_000):
        asked = random.normal(size=(rows, inputs))
        for method in ("predict", "predict_proba"):
            calls = {
                who: lambda m=m, method=method, asked=asked: getattr(m, method)(asked) for who, m in models.items()
            }
            rounds = 25 if rows <= 1000 else 9  # the shorter, the more it depends on who is woken when
            turns = in_turn(calls, rounds, repeats=max(1, 200 // rows), warm=True)
            found.append({"network": name, "rows": rows, "method": method, **turns})
    return found


# --- search ---

SEARCHES = {"100 hidden units": (100,), "30 hidden units": (30,), "10 hidden units": (10,)}
SEARCHES_OF_OURS = 3
"""How often ours is timed, of which the median counts: a few seconds are easily disturbed."""
SEARCHERS = ("PopulationSearchCV", "GridSearchCV, ours", "GridSearchCV, theirs")


def searchers() -> list[tuple[str, int]]:
    """The searchers that are timed, each with a number of processes."""
    return [(SEARCHERS[0], 1), *((who, jobs) for who in SEARCHERS[1:] for jobs in (1, 2))]


def time_search(name: str, who: str, jobs: int) -> dict[str, Any]:
    """Time a search over 10 penalties and 10 rates on 5 folds; return seconds, best parameters and best score."""
    from sklearn import neural_network
    from sklearn.base import clone
    from sklearn.datasets import load_breast_cancer
    from sklearn.model_selection import GridSearchCV
    from sklearn.preprocessing import StandardScaler

    import deltarule

    x, y = load_breast_cancer(return_X_y=True)
    x = StandardScaler().fit_transform(x)
    grid = {"alpha": np.logspace(-5, 1, 10).tolist(), "learning_rate_init": np.logspace(-4, -1.5, 10).tolist()}
    kind = neural_network.MLPClassifier if who.endswith("theirs") else deltarule.MLPClassifier
    model = kind(SEARCHES[name], random_state=0)
    if who == SEARCHERS[0]:
        search: Any = deltarule.PopulationSearchCV(model, grid, cv=5)
        clone(search).fit(x, y)  # to compile and load everything
    else:
        search = GridSearchCV(model, grid, cv=5, n_jobs=jobs)
        GridSearchCV(model, {}, cv=2, n_jobs=jobs).fit(x, y)  # to compile and load everything
    took = []
    for _ in range(SEARCHES_OF_OURS if who == SEARCHERS[0] else 1):  # those of the others take a minute
        began = time.perf_counter(), time.process_time()
        search.fit(x, y)
        took.append((time.perf_counter() - began[0], time.process_time() - began[1]))
    seconds, of_processors = sorted(took)[len(took) // 2]
    return {
        **{"search": name, "who": who, "jobs": jobs, "seconds": seconds, "processor_seconds": of_processors},
        **{"best": search.best_params_, "score": search.best_score_},
    }
