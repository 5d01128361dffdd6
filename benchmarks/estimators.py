"""Our estimators beside scikit-learn's, measured, stored and put onto the page: docs/reference/estimators.json and .md.

    python benchmarks/estimators.py                     everything (two hours, on a computer that does nothing else)
    python benchmarks/estimators.py fit predict search  only some parts: fit, predict, search, tables, rule
    python benchmarks/estimators.py tables --rows 1000  made sets of these rows alone;  --only iris "classes 1000"
    python benchmarks/estimators.py --drawn             only draw the page from the stored record again

Every measurement is a process of its own, and is stored as soon as it is there; whatever ends the benchmark, the rest
of the record stays. Within a process whoever is compared takes turns, round after round.

fit      the same settings, the same number of epochs
predict  for one row and for many
search   100 candidates on 5 folds of breast_cancer
tables   scikit-learn's MLP and ours with their defaults behind a StandardScaler, Tabular…, and HistGradientBoosting,
         which many would pick, on the same folds: 10 of the bundled sets, 3 of made ones, 1 from 100,000 rows on
rule     by what Tabular… chooses its settings, on sets that had no part in deciding so
"""

import argparse
import json
import re
import statistics
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from deltarule.doctor import machine, versions
from deltarule.files import read_json, to_jsonable, write_json, write_whole
from deltarule.reports.markdown import table
from deltarule.reports.performance import in_words

FOLDER = Path(__file__).parents[1] / "docs" / "reference"
RECORD, PAGE = FOLDER / "estimators.json", FOLDER / "estimators.md"
PARTS = ("fit", "predict", "search", "tables", "rule")
ROUNDS = 5

# --- fit: the same settings ------------------------------------------------------------------------------------------

FITS: dict[str, dict[str, Any]] = {
    "breast_cancer": {"target": 2.0, "epochs": 100},
    "10,000 × 50": {"target": 2.0, "epochs": 10},
    "60,000 × 784": {"target": 2.0, "epochs": 2, "batch_size": 256},
    "60,000 × 784, float32": {"target": 2.5, "epochs": 2, "batch_size": 256, "dtype": "float32"},
    "60,000 × 784, without our BLAS": {"target": 1.6, "epochs": 2, "batch_size": 256, "blas": False},
    "60,000 × 784, float32, without our BLAS": {
        "target": 1.6,
        "epochs": 2,
        "batch_size": 256,
        "dtype": "float32",
        "blas": False,
    },
}


def fitted(name: str) -> dict[str, Any]:
    """Seconds of fits that differ in nothing but whose they are; the first of each, in which ours may be compiled, does
    not count."""
    from sklearn import neural_network

    import deltarule

    about = FITS[name]
    if not about.get("blas", True):
        sys.modules["scipy_openblas64"] = None  # type: ignore[assignment]  # as if it were not installed
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
    """Seconds of the products of matrices of a fit, and nothing else; the least of several times."""
    from deltarule import Network, create_problem
    from deltarule.benchmarks.floors import products

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
    from sklearn.datasets import load_breast_cancer
    from sklearn.preprocessing import StandardScaler

    random = np.random.default_rng(0)
    if name == "breast_cancer":
        x, y = load_breast_cancer(return_X_y=True)
        return StandardScaler().fit_transform(x), y
    rows, inputs = (10_000, 50) if name.startswith("10,000") else (60_000, 784)
    return random.normal(size=(rows, inputs)), random.integers(2 if inputs == 50 else 10, size=rows)


REST_SECONDS = 0.2
"""Before each turn: after a product OpenBLAS's threads wait busily for a tenth of a second, on processors that whoever
is next would have."""


def in_turn(
    calls: Mapping[str, Callable[[], Any]], rounds: int = ROUNDS, repeats: int = 1, warm: bool = False
) -> dict[str, Any]:
    """Seconds of each call in several rounds after one that does not count; somebody else begins each time.

    With `warm`, a call that does not count comes first in each turn: processors have fallen asleep in the rest.
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


# --- predict ---------------------------------------------------------------------------------------------------------

PREDICTS = {
    "30-100-1": (30, 2, (100,)),
    "50-100-5": (50, 5, (100,)),
    "784-100-10": (784, 10, (100,)),
    "20-100-100-3": (20, 3, (100, 100)),
}


def predicted(name: str) -> list[dict[str, Any]]:
    """Seconds of `predict` and `predict_proba` for so many rows."""
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
            turns = in_turn(calls, rounds=9, repeats=max(1, 200 // rows), warm=True)
            found.append({"network": name, "rows": rows, "method": method, **turns})
    return found


# --- search ----------------------------------------------------------------------------------------------------------

SEARCHES = {"100 hidden units": (100,), "30 hidden units": (30,), "10 hidden units": (10,)}
SEARCHERS = ("PopulationSearchCV", "GridSearchCV, ours", "GridSearchCV, theirs")


def searched(name: str, who: str, jobs: int) -> dict[str, Any]:
    """Seconds of a search over 10 penalties and 10 rates on 5 folds, and what it found."""
    from sklearn import neural_network
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
        kept: Any = deltarule.PopulationSearchCV(model, grid, cv=5)
        deltarule.PopulationSearchCV(model.set_params(max_iter=2), grid, cv=5).fit(x, y)  # what is to be compiled, is
        model.set_params(max_iter=200)
    else:
        kept = GridSearchCV(model, grid, cv=5, n_jobs=jobs)
    began = time.perf_counter(), time.process_time()
    kept.fit(x, y)
    seconds, of_processors = time.perf_counter() - began[0], time.process_time() - began[1]
    return {
        **{"search": name, "who": who, "jobs": jobs, "seconds": seconds, "processor_seconds": of_processors},
        **{"best": kept.best_params_, "score": kept.best_score_},
    }


# --- tables: accuracy, time and memory -------------------------------------------------------------------------------

BUNDLED = ("iris", "wine", "breast_cancer", "digits", "diabetes")
CONTENDERS = ("sklearn MLP", "MLP", "Tabular", "HistGradientBoosting")
INPUTS = 50
DIVISIONS = 3


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


# --- the rule by which Tabular… chooses ------------------------------------------------------------------------------

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


# --- all of it -------------------------------------------------------------------------------------------------------


def plan(given: argparse.Namespace) -> list[tuple[str, str, list[Any]]]:
    """What is to be measured: of which part, under which name in the record, and by which call."""
    made = [f"{kind} {rows}" for rows in given.rows for kind in ("classes", "numbers")]
    calls: dict[str, list[tuple[str, list[Any]]]] = {
        "fit": [(name, ["fitted", name]) for name in FITS],
        "predict": [(name, ["predicted", name]) for name in PREDICTS],
        "search": [
            (f"{name}, {who}, {jobs}", ["searched", name, who, jobs])
            for name in SEARCHES
            for who in SEARCHERS
            for jobs in ((1,) if who == SEARCHERS[0] else (1, 2))
        ],
        "tables": [
            (f"{name}, {contender}", ["compared", name, contender])
            for name in given.only or [*BUNDLED, *made]
            for contender in CONTENDERS
        ],
        "rule": [(f"{name} {rows}", ["ruled", name, rows]) for rows in (200, 1000) for name in UNSEEN],
    }
    return [(part, name, call) for part in given.parts or PARTS for name, call in calls[part]]


def fresh(call: list[Any]) -> Any:
    """What a call comes to in a process of its own; or the last line of what went wrong."""
    command = [sys.executable, __file__, "--one", json.dumps(call)]
    done = subprocess.run(command, capture_output=True, encoding="utf-8")
    if done.returncode:
        return {"error": (done.stderr.strip().splitlines() or ["nothing was said"])[-1]}
    return json.loads(done.stdout.splitlines()[-1])


def drawn(page: str, record: Mapping[str, Any]) -> str:
    """The page with what is between its markers drawn from the record."""
    for name, part in parts_of_page(record).items():
        between = re.compile(rf"(<!-- {name}, drawn from estimators.json -->\n).*?(<!-- end -->)", re.DOTALL)
        page, count = between.subn(lambda found, part=part: f"{found[1]}\n{part}\n\n{found[2]}", page)
        assert count == 1, f"{PAGE} has no place for {name}"
    return page


def parts_of_page(record: Mapping[str, Any]) -> dict[str, str]:
    """The tables of the page, as Markdown by their names."""
    tables: dict[str, tuple[list[str], list[list[str]]]] = {
        "fit": (
            ["fit", "theirs, s", "ours, s", "products alone, s", "theirs / ours", "least … most", "meant", "reached"],
            [_fit_cells(one) for one in _good(record["fit"])],
        ),
        "predict": (
            ["network", "rows", "predict: theirs / ours", "predict_proba: theirs / ours", "predict, ours"],
            _predict_cells(record),
        ),
        "search": (
            ["search", "who", "n_jobs", "seconds", "processor seconds", "times ours", "score"],
            _search_cells(record),
        ),
        "tables": (
            ["set", "who", "score", "95 %", "fit, s", "predict, ms", "memory, MB"],
            _table_cells(record["tables"]),
        ),
        "rule": (["rows", "rule", "mean accuracy", "less than our rule's, 95 %"], _rule_cells(record["rule"])),
    }
    measured = {name: table(*cells) if cells[1] else "Not measured yet." for name, cells in tables.items()}
    return {"machine": "\n".join(f"- {line}" for line in _occasions(record)), **measured}


def _occasions(record: Mapping[str, Any]) -> Iterator[str]:
    """When and on what was measured what."""
    for number, occasion in enumerate(record["occasions"]):
        parts = []
        for part, names in record["measured"].items():
            own = [name for name, one in names.items() if one == number]
            sets = sorted({name.rsplit(", ", 1)[0] if part == "tables" else name for name in own})
            parts += [part if len(own) == len(names) else f"{part} ({', '.join(sets)})"] if own else []
        told = ", ".join(f"{name} {version}" for name, version in occasion["versions"].items())
        notes = "".join(f" **{note}**" for note in occasion["notes"])
        if parts:
            yield f"{'; '.join(parts)}: {in_words(occasion)}. With {told}.{notes}"


def occasion_of(record: dict[str, Any], note: str | None) -> int:
    """The number of this day, machine and versions among those of the record, to which it is added if it is new."""
    now: dict[str, Any] = {
        "date": datetime.now(UTC).date().isoformat(),
        "machine": asdict(machine()),
        "versions": versions(),
        "notes": [note] if note else [],
    }
    now = to_jsonable(now)
    if now not in record["occasions"]:
        record["occasions"].append(now)
    return int(record["occasions"].index(now))


def _good(found: Mapping[str, Any]) -> list[Any]:
    return [one for one in found.values() if "error" not in one]


def _fit_cells(one: Mapping[str, Any]) -> list[str]:
    theirs, ours = (statistics.median(one["seconds"][who]) for who in ("theirs", "ours"))
    spread = f"{min(one['ratios']):.2f} … {max(one['ratios']):.2f}"
    reached = "yes" if one["ratio"] >= one["target"] else "no"
    name = f"{one['name']}, {one['epochs']} epochs"
    times = [f"{seconds:.3f}" for seconds in (theirs, ours, one["products"])]
    return [name, *times, f"{one['ratio']:.2f}", spread, f"{one['target']:g}", reached]


def _predict_cells(record: Mapping[str, Any]) -> list[list[str]]:
    lines: dict[tuple[str, int], dict[str, Any]] = {}
    for part in _good(record["predict"]):
        for one in part:
            lines.setdefault((one["network"], one["rows"]), {})[one["method"]] = one
    return [
        [
            *(network, f"{rows:,}", f"{each['predict']['ratio']:.2f}", f"{each['predict_proba']['ratio']:.2f}"),
            f"{1e3 * statistics.median(each['predict']['seconds']['ours']):.3g} ms",
        ]
        for (network, rows), each in lines.items()
    ]


def _search_cells(record: Mapping[str, Any]) -> list[list[str]]:
    found = _good(record["search"])
    ours = {one["search"]: one["seconds"] for one in found if one["who"] == SEARCHERS[0]}
    return [
        [
            *(one["search"], one["who"], "all" if one["who"] == SEARCHERS[0] else str(one["jobs"])),
            f"{one['seconds']:.1f}",
            f"{one['processor_seconds']:.1f}" if one["jobs"] == 1 else "",
            f"{one['seconds'] / ours[one['search']]:.2f}",
            f"{one['score']:.4f}",
        ]
        for one in found
        if one["search"] in ours
    ]


def _table_cells(found: Mapping[str, Any]) -> list[list[str]]:
    lines = []
    for name, one in sorted(found.items(), key=lambda item: _place(*item[0].rsplit(", ", 1))):
        start = name.rsplit(", ", 1)
        if "error" in one:
            lines.append([*start, one["error"], "", "", "", ""])
            continue
        low_high = "one split" if one["interval"] is None else "{:.3f} … {:.3f}".format(*one["interval"])
        megabytes = "" if one["peak_megabytes"] is None else f"{one['peak_megabytes']:,.0f}"
        times = [f"{one['fit_seconds']:.2f}", f"{1e3 * one['predict_seconds']:.3g}"]
        lines.append([*start, f"{one['score']:.3f}", low_high, *times, megabytes])
    return lines


def _place(name: str, contender: str) -> tuple[int, int, str, int]:
    """Where a line stands in the table: bundled sets first, then made ones by their rows."""
    kind, _, rows = name.partition(" ")
    bundled = BUNDLED.index(name) if name in BUNDLED else len(BUNDLED)
    return bundled, int(rows or 0), kind, CONTENDERS.index(contender)


def _rule_cells(found: Mapping[str, Any]) -> list[list[str]]:
    lines = []
    for rows in (200, 1000):
        scores = [one["scores"] for part in _good(found) for one in part if one["rows"] == rows]
        for rule in RULES if scores else ():
            less = interval([one[RULES[0]] - one[rule] for one in scores])
            told = "" if rule == RULES[0] or less is None else "{:+.4f} … {:+.4f}".format(*less)
            mean = statistics.fmean(one[rule] for one in scores)
            lines.append([str(rows), rule, f"{mean:.4f} ({len(scores)} sets)", told])
    return lines


def main() -> None:
    """Measure, store and draw."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", metavar="PART")
    parser.add_argument("--rows", type=int, nargs="*", default=[1000, 10_000, 100_000, 1_000_000])
    parser.add_argument("--only", nargs="+", help="of tables these sets alone, such as iris or 'classes 1000'")
    parser.add_argument("--drawn", action="store_true")
    parser.add_argument("--note", help="a sentence about the circumstances, for the page")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if set(given.parts) - set(PARTS):
        parser.error(f"the parts are {', '.join(PARTS)}")
    if given.one:
        name, *arguments = json.loads(given.one)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            print(json.dumps(to_jsonable(globals()[name](*arguments))))
        return
    empty = {"occasions": [], "measured": {part: {} for part in PARTS}, **{part: {} for part in PARTS}}
    record = read_json(RECORD) if RECORD.exists() else empty
    for part, name, call in [] if given.drawn else plan(given):
        print(f"{part}: {name}", file=sys.stderr, flush=True)
        record[part][name] = fresh(call)
        record["measured"][part][name] = occasion_of(record, given.note)
        write_json(RECORD, record)
    write_whole(PAGE, drawn(PAGE.read_text(encoding="utf-8"), read_json(RECORD)))


if __name__ == "__main__":
    main()
