"""Compare our estimators with scikit-learn's, store the record in benchmarks/records and fill its pages.

    python benchmarks/estimators.py                     everything (two hours, on a computer that does nothing else)
    python benchmarks/estimators.py fit predict search  some parts: fit, predict, search, same, tables, times
    python benchmarks/estimators.py tables --rows 1000  made sets of these rows alone;  --only iris "classes 1000"
    python benchmarks/estimators.py --drawn             only draw the pages from the stored record again

Every measurement runs in a fresh process, and is stored in estimators.json as soon as it is done.
Within a process the compared estimators take turns, round after round. Environment variables of OpenBLAS are removed,
so that each copy of it, NumPy's and ours, uses the kernels that it finds best.

fit      the same settings, the same number of epochs
predict  for one row and for many
search   100 candidates on 5 folds of breast_cancer
same     scores, epochs and losses of the same settings, over many seeds
tables   scikit-learn's MLP and ours with their defaults behind a StandardScaler, Tabular…, and HistGradientBoosting,
         which many would pick, on the same folds: 10 of the bundled sets, 3 of made ones, 1 from 100,000 rows on;
         on twice 5 folds of real tables, in the folder tables of DELTARULE_DATA, also a linear model, and with --peers
         LightGBM, CatBoost and RealMLP
times    seconds of a fit to the same tables, for a computer that is busy while it scores: they replace those of tables
"""

import argparse
import json
import os
import subprocess
import sys
import warnings
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from against_sklearn import tables
from against_sklearn.page import fill_page
from against_sklearn.same import SETS, repeat_fits
from against_sklearn.speed import FITS, PREDICTS, SEARCHES, searchers, time_fits, time_predictions, time_search
from against_sklearn.tables import (
    BUNDLED,
    CONTENDERS,
    PEERS,
    REAL,
    REAL_CONTENDERS,
    score_contender,
    time_contender,
)

from deltarule.doctor import examine
from deltarule.files import write_whole
from deltarule.json_files import read_json, to_jsonable, write_json

FOLDER = Path(__file__).parent / "records"
RECORD = FOLDER / "estimators.json"
PAGES = (FOLDER / "estimators.md", Path(__file__).parents[1] / "docs" / "reference" / "performance.md")
PARTS = ("fit", "predict", "search", "same", "tables", "times")
ENVIRONMENT = {name: value for name, value in os.environ.items() if not name.startswith("OPENBLAS_")}


def plan(given: argparse.Namespace) -> list[tuple[str, str, list[Any]]]:
    """The measurements to make, each as (part, name in the record, call); a call is a function's name and arguments."""
    made = [f"{kind} {rows}" for rows in given.rows for kind in ("classes", "numbers")]
    contests = [
        (name, contender)
        for name in given.only or [*BUNDLED, *REAL, *made]
        for contender in (REAL_CONTENDERS if name in REAL else CONTENDERS)
        if (contender not in PEERS or given.peers) and contender in (given.contenders or (contender,))
    ]
    calls: dict[str, list[tuple[str, list[Any]]]] = {
        "fit": [(name, ["time_fits", name]) for name in FITS],
        "predict": [(name, ["time_predictions", name]) for name in PREDICTS],
        "search": [
            (f"{name}, {who}, {jobs}", ["time_search", name, who, jobs])
            for name in SEARCHES
            for who, jobs in searchers()
        ],
        "same": [(name, ["repeat_fits", name]) for name in SETS],
        "tables": [(f"{name}, {contender}", ["score_contender", name, contender]) for name, contender in contests],
        "times": [(f"{name}, {contender}", ["time_contender", name, contender]) for name, contender in contests],
    }
    return [(part, name, call) for part in given.parts or PARTS for name, call in calls[part]]


def describe_environment() -> dict[str, Any]:
    """The machine, the versions of libraries, and the kernels of the copies of OpenBLAS."""
    findings = examine()
    kernels = {
        name: library["architecture"]
        for library in findings.blas
        for name in ("numpy", "scipy")  # scikit-learn multiplies by NumPy's copy of OpenBLAS, we by SciPy's
        if f"{name}.libs" in library["filepath"]
    }
    return {"machine": asdict(findings.machine), "versions": findings.versions, "kernels": kernels}


CALLS = {
    call.__name__: call
    for call in (
        describe_environment,
        time_fits,
        time_predictions,
        time_search,
        repeat_fits,
        score_contender,
        time_contender,
    )
}


def run_in_fresh_process(call: list[Any], peers: str | None = None) -> Any:
    """Run a call in a fresh process, and return its result, or {"error": message}.

    Parameters: `peers`, the Python in which the other libraries are installed.
    """
    command = [sys.executable, __file__, "--one", json.dumps(call)]
    if peers and call[-1] in PEERS:
        command = [peers, tables.__file__, *call[1:]]
    done = subprocess.run(command, env=ENVIRONMENT, capture_output=True, encoding="utf-8")
    if done.returncode:
        return {"error": (done.stderr.strip().splitlines() or ["nothing was said"])[-1]}
    return json.loads(done.stdout.splitlines()[-1])


def occasion_index(record: dict[str, Any], environment: dict[str, Any], note: str | None) -> int:
    """The index of this date and environment among the record's occasions, to which they are added if new."""
    now = {"date": datetime.now(UTC).date().isoformat(), **environment, "notes": [note] if note else []}
    if now not in record["occasions"]:
        record["occasions"].append(now)
    return int(record["occasions"].index(now))


def main() -> None:
    """Measure, store the record, and fill the pages."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", metavar="PART")
    parser.add_argument("--rows", type=int, nargs="*", default=[1000, 10_000, 100_000, 1_000_000])
    parser.add_argument("--only", nargs="+", help="of tables these sets alone, such as iris or 'classes 1000'")
    parser.add_argument("--contenders", nargs="+", help="of tables these alone, such as Tabular")
    parser.add_argument("--peers", metavar="PYTHON", help="of tables also the peers that this Python has")
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
            print(json.dumps(to_jsonable(CALLS[name](*arguments))))
        return
    empty = {"occasions": [], "measured": {part: {} for part in PARTS}, **{part: {} for part in PARTS}}
    record = read_json(RECORD) if RECORD.exists() else empty
    environment = {} if given.drawn else run_in_fresh_process(["describe_environment"])
    if "error" in environment:
        sys.exit(environment["error"])
    for part, name, call in [] if given.drawn else plan(given):
        print(f"{part}: {name}", file=sys.stderr, flush=True)
        record.setdefault(part, {})[name] = run_in_fresh_process(call, given.peers)
        record["measured"].setdefault(part, {})[name] = occasion_index(record, environment, given.note)
        write_json(RECORD, record)
    for page in PAGES:
        write_whole(page, fill_page(page.read_text(encoding="utf-8"), read_json(RECORD)))


if __name__ == "__main__":
    main()
