"""Compare this checkout's results with those of another revision, bit for bit.

    python benchmarks/same_results.py --against REVISION [--only TEXT]

runs about 230 cases with the code of both, each in its own process, on the same machine and with the same libraries:
every engine, optimizer, loss, activation, penalty and schedule, dropout, batch norm, batches, weights, rows, stop
rules, checkpoints, estimators, a table, a search, a sweep, checks of gradients and commands. The names of cases that
differ in a bit are printed, and the exit status is 1. Only public names are used, so that code may move.
"""

import argparse
import dataclasses
import hashlib
import io
import json
import subprocess
import sys
import tarfile
import tempfile
import warnings
from collections.abc import Callable, Iterator, Mapping
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from compared.trainings import Result, problem_of, training_cases

ROOT = Path(__file__).parents[1]


def estimator_cases() -> Iterator[tuple[str, Callable[[], Result]]]:
    """Yield the cases of estimators, with their names; their results include the predictions."""
    random = np.random.default_rng(4)
    x = random.normal(size=(150, 6))
    labels, numbers = (x[:, 0] + x[:, 1] ** 2 > 1).astype(int), x[:, :2] @ [1.0, -2.0] + x[:, 2] ** 2
    variants: dict[str, dict[str, Any]] = {
        "adam": {},
        "sgd": {"solver": "sgd", "learning_rate": "adaptive", "momentum": 0.8},
        "invscaling": {"solver": "sgd", "learning_rate": "invscaling"},
        "lbfgs": {"solver": "lbfgs"},
        "early": {"early_stopping": True, "n_iter_no_change": 3, "max_iter": 60},
        "ensemble": {"n_members": 3, "dropout": 0.1},
        "batch norm": {"batch_norm": True},
        "in order": {"shuffle": False, "batch_size": 32},
    }
    for (name, given), kind in product(variants.items(), ("MLPClassifier", "MLPRegressor")):
        yield f"{kind} {name}", fit_case(kind, x, labels if kind == "MLPClassifier" else numbers, given)
    yield "partial_fit", lambda: partial_fit(x, labels)
    yield "search", lambda: search(x, labels)
    yield "table", lambda: table(x, labels)


def fit_case(kind: str, x: Any, y: Any, given: Mapping[str, Any]) -> Callable[[], Result]:
    """The case that fits an estimator (`kind`, its class) with these parameters."""

    def case() -> Result:
        import deltarule

        model = getattr(deltarule, kind)(
            **{"hidden_layer_sizes": (8,), "max_iter": 25, "random_state": 0, **given}
        ).fit(x, y)
        answers = model.predict_proba(x) if hasattr(model, "predict_proba") else model.predict(x)
        return {
            "answers": answers,
            "coefs": [*map(np.asarray, model.coefs_)],
            "loss": getattr(model, "loss_curve_", None),
        }

    return case


def partial_fit(x: Any, y: Any) -> Result:
    """Fit a classifier by three calls of `partial_fit`."""
    import deltarule

    model = deltarule.MLPClassifier((5,), random_state=1)
    for start in range(0, 150, 50):
        model.partial_fit(x[start : start + 50], y[start : start + 50], classes=[0, 1])
    return {"answers": model.predict_proba(x)}


def search(x: Any, y: Any) -> Result:
    """Run a search whose candidates train as one population."""
    import deltarule

    model = deltarule.MLPClassifier((5,), max_iter=15, random_state=0)
    found = deltarule.PopulationSearchCV(model, {"alpha": [1e-4, 1.0], "learning_rate_init": [0.001, 0.05]}, cv=3).fit(
        x, y
    )
    return {"scores": found.cv_results_["mean_test_score"], "answers": found.predict_proba(x)}


def table(x: Any, y: Any) -> Result:
    """Fit an estimator for tables to columns with a category and missing values."""
    import deltarule

    columns = {f"c{number}": column for number, column in enumerate(x.T)}
    columns |= {
        "color": np.array(["red", "blue", "green"])[np.arange(150) % 3],
        "gap": np.where(x[:, 0] > 1, np.nan, x[:, 3]),
    }
    model = deltarule.TabularClassifier(random_state=0).fit(columns, y)
    return {"answers": model.predict_proba(columns), "report": without_texts(model.report_)}


def check_cases() -> Iterator[tuple[str, Callable[[], Result]]]:
    """Yield the cases of checks, with their names: correct and wrong gradients, our own gradient, and a range test."""
    random = np.random.default_rng(5)
    x, t = random.normal(size=(7, 4)), random.integers(0, 2, (7, 1)).astype(float)
    start = {
        "W1": random.normal(size=(4, 3)),
        "b1": random.normal(size=3),
        "W2": random.normal(size=(3, 1)),
        "b2": np.zeros(1),
    }

    def forward(p: Any) -> Any:
        h = np.tanh(x @ p["W1"] + p["b1"])
        return h, 1 / (1 + np.exp(-(h @ p["W2"] + p["b2"])))

    def loss(p: Any) -> float:
        a = forward(p)[1]
        return float(-np.mean(t * np.log(a) + (1 - t) * np.log(1 - a)))

    def gradient(p: Any, slip: str = "") -> Any:
        h, a = forward(p)
        d2 = (a - t) / (1 if slip == "mean" else len(x))
        d1 = d2 @ p["W2"].T * (h * (1 - h) if slip == "derivative" else 1 - h**2)
        sign = -1 if slip == "sign" else 1
        return {"W1": x.T @ d1, "b1": d1.sum(0), "W2": sign * h.T @ d2, "b2": d2.sum(0)}

    def check(slip: str) -> Callable[[], Result]:
        def case() -> Result:
            import deltarule

            report = deltarule.check_gradient(loss, lambda p: gradient(p, slip), start, seconds=0.0)
            return {"report": without_texts(dataclasses.asdict(report))}

        return case

    for slip in ("", "mean", "derivative", "sign"):
        yield f"check {slip or 'right'}", check(slip)
    yield "check_problem", lambda: {"report": without_texts(check_problem())}
    yield "range test", lambda: {"rates": range_test()}


def check_problem() -> Any:
    """Check our own gradient of a problem."""
    import deltarule

    return dataclasses.asdict(deltarule.check_problem(problem_of(batch_norm=True, penalty="l2", strength=0.1)))


def range_test() -> Any:
    """The objectives of a learning-rate range test."""
    import deltarule

    return np.asarray(deltarule.range_test(problem_of(batch_size=4), steps=60).objective)


def command_cases() -> Iterator[tuple[str, Callable[[], Result]]]:
    """Yield the cases of commands with --json; their results are the fields, and the numbers that are not times."""
    for words in (
        "run encoder --seeds 4 --json",
        "run boundary-xor --seeds 3 --engine reference --json",
        "check encoder --json",
        "explain encoder --json",
        "show mnist --json",
        "list --json",
        "run nosuchstudy --json",
    ):
        yield words, command_case(words)


def command_case(words: str) -> Callable[[], Result]:
    """The case that runs a command line in a new process."""

    def case() -> Result:
        done = subprocess.run(
            [sys.executable, "-m", "deltarule", *words.split()], capture_output=True, encoding="utf-8"
        )
        return {"status": done.returncode, "record": without_texts(json.loads(done.stdout)) if done.stdout else None}

    return case


def without_texts(record: Any) -> Any:
    """Remove times from a record, and replace its texts, whose wording may change, by their type."""
    if isinstance(record, Mapping):
        return {str(key): without_texts(value) for key, value in record.items() if "seconds" not in str(key)}
    if isinstance(record, list | tuple):
        return [without_texts(value) for value in record]
    return record if isinstance(record, bool | int | float | None) else type(record).__name__


def digest_arrays(value: Any) -> Any:
    """Convert a result to JSON values, with the digest of its bytes for each array."""
    if isinstance(value, Mapping):
        return {key: digest_arrays(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [digest_arrays(part) for part in value]
    if isinstance(value, np.ndarray | np.generic):
        array = np.ascontiguousarray(value)
        return f"{array.dtype}{array.shape} {hashlib.sha256(array.tobytes()).hexdigest()}"
    return value if isinstance(value, bool | int | float | str | None) else repr(type(value))


def run_cases(only: str) -> Result:
    """Run all cases whose name contains a text; return the digests of their results, or of failed ones the error."""
    results: Result = {}
    for name, case in [*training_cases(), *estimator_cases(), *check_cases(), *command_cases()]:
        if only in name:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                try:
                    results[name] = digest_arrays(case())
                except Exception as error:  # a case that fails in one revision must fail in the other
                    results[name] = f"fails: {type(error).__name__}: {error}"
    return results


def results_of(source: Path, only: str) -> Result:
    """Run the cases in a new process with the code of a folder `src`."""
    environment = {"PYTHONPATH": str(source), "PATH": "", "HOME": tempfile.gettempdir()}
    words = [sys.executable, __file__, "--results", "--only", only]
    done = subprocess.run(words, env=environment, stdout=subprocess.PIPE, encoding="utf-8", check=True)
    results: Result = json.loads(done.stdout.splitlines()[-1])
    return results


def main() -> int:
    """Compare two revisions, and print the cases that differ; return 1 if there are any, else 0."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--against", metavar="REVISION", default="HEAD")
    parser.add_argument("--only", metavar="TEXT", default="", help="cases whose name has this text")
    parser.add_argument("--results", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.results:
        print(json.dumps(run_cases(options.only)))
        return 0
    archive = subprocess.run(
        ["git", "archive", options.against, "src"], cwd=ROOT, capture_output=True, check=True
    ).stdout
    with tempfile.TemporaryDirectory() as folder:
        tarfile.open(fileobj=io.BytesIO(archive)).extractall(folder, filter="data")
        before, after = results_of(Path(folder) / "src", options.only), results_of(ROOT / "src", options.only)
    different = [name for name in sorted({*before, *after}) if before.get(name) != after.get(name)]
    for name in different:
        print(f"{name}: {str(before.get(name))[:300]}\n    now {str(after.get(name))[:300]}")
    failed = sum(str(result).startswith("fails") for result in after.values())
    print(f"{len(after)} cases, {failed} of which fail in both; {len(different)} differ from {options.against}")
    return 1 if different else 0


if __name__ == "__main__":
    sys.exit(main())
