"""The commands that are disturbed: their input files, their results, and their completed parts."""

import re
import shutil
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from deltarule import load_sweep
from deltarule.array_files import load_arrays
from deltarule.errors import BadInput
from deltarule.json_files import read_json

TRAINING = """
[data]
name = "iris"
split = {test = 30}
scale = "standardize"
[network]
layers = ["auto", 6, "auto"]
output = "softmax"
dropout = 0.1
[loss]
name = "cross_entropy"
[optimizer]
name = "momentum"
batch_size = 16
[stopping]
max_epochs = 150
tolerance = 1e-4
[run]
seeds = 12
engine = "reference"
"""

GRID = """
[grid]
"optimizer.learning_rate" = [0.1, 1e300, 0.01]
"network.layers" = [["auto", 4, "auto"], ["auto", 3, "auto"], ["auto", 2, "auto"], ["auto", "auto"]]
"network.dropout" = [0.0]
"stopping.max_epochs" = [10, 40]
"""

STUDIES = ("train", "other")

CLAIMS = """
from deltarule.studies.claims import Evidence, claim


@claim("learns", says="It learns.", report="it does", criterion="the objective falls below one half", needed=0.5)
def learns(experiments):
    holds = experiments.run().objective < 0.5
    return Evidence(holds)
"""


@dataclass(frozen=True)
class Subject:
    """A command that is disturbed.

    words    of the command line, also to resume      share   of all kills
    result   reads its result from the output folder, by name
    done     reads the parts of the result that are completed already, which must not change
    workers  whether it has worker processes
    """

    words: tuple[str, ...]
    share: float
    result: Callable[[Path], dict[str, Any]]
    done: Callable[[Path], dict[str, Any]] = lambda out: {}
    workers: bool = False


def without_seconds(value: Any) -> Any:
    """Remove the seconds from a record (JSON values), which differ between runs."""
    if isinstance(value, dict):
        return {name: without_seconds(part) for name, part in value.items() if not name.endswith("seconds")}
    return [without_seconds(part) for part in value] if isinstance(value, list) else value


def arrays_of(file: Path) -> dict[str, Any]:
    """The arrays of a safetensors file as bytes, by name."""
    return {name: array.tobytes() for name, array in load_arrays(file)[0].items()}


def run_result(out: Path) -> dict[str, Any]:
    """The result of a run: its members, arrays and record."""
    arrays, about = load_arrays(out / "arrays.safetensors")
    members = {
        str(member): (about["reasons"][member], int(arrays["steps"][member]), theta.tobytes())
        for member, theta in enumerate(arrays["theta"])
    }
    others = {name: array.tobytes() for name, array in arrays.items()}
    return {**members, "arrays": others, "run": without_seconds(read_json(out / "run.json"))}


def run_done(out: Path) -> dict[str, Any]:
    """The members of an unfinished run that have ended, from its checkpoint."""
    if not (out / "checkpoint.safetensors").exists():
        return {}
    arrays, about = load_arrays(out / "checkpoint.safetensors")
    return {
        str(member): (reason, int(arrays["steps"][member]), arrays["ended theta"][member].tobytes())
        for member, reason in enumerate(about["reasons"])
        if reason
    }


def sweep_result(out: Path) -> dict[str, Any]:
    """The rows of a sweep and their weights, by key; raise `AssertionError` if a key occurs twice."""
    with closing(load_sweep(out)) as table:
        rows = [without_seconds(row) for row in table.rows()]
        by_key = {row["key"]: (row, table.network(row["key"]).theta.tobytes()) for row in rows}
    if len(by_key) != len(rows):
        raise AssertionError(f"{len(rows) - len(by_key)} rows are there twice")
    return by_key


def sweep_done(out: Path) -> dict[str, Any]:
    """The rows of an unfinished sweep that are committed, and their weights."""
    try:
        return sweep_result(out)
    except BadInput:  # it was ended before there was a table
        return {}


def claims_result(out: Path) -> dict[str, Any]:
    """The verdicts by claim, and the whole record."""
    record = without_seconds(read_json(out / "claims.json"))
    return {verdict["id"]: verdict for verdict in record["claims"]} | {"all": record}


def claims_done(out: Path) -> dict[str, Any]:
    """The verdicts that are stored already, by claim."""
    if not (out / "claims.json").exists():
        return {}
    return {name: verdict for name, verdict in claims_result(out).items() if name != "all"}


def reproduce_result(out: Path) -> dict[str, Any]:
    """The results of the two studies that are reproduced, and the whole record."""
    studies = {f"{name} {part}": result for name in STUDIES for part, result in run_result(out / name).items()}
    return studies | {"all": without_seconds(read_json(out / "reproduce.json"))}


def reproduce_done(out: Path) -> dict[str, Any]:
    """The members of the two studies that have ended."""
    return {f"{name} {part}": member for name in STUDIES for part, member in run_done(out / name).items()}


def model_result(out: Path) -> dict[str, Any]:
    """The arrays of a model file."""
    return {"arrays": arrays_of(out / "model.safetensors")}


def report_result(out: Path) -> dict[str, Any]:
    """The report page without the random names that Matplotlib gives to the outlines in its figures."""
    return {"page": re.sub(rb"-[a-z][0-9a-f]{10}\b", b"", (out / "report.html").read_bytes())}


SWEEP = ("sweep", "sweep.toml", "--out", "out", "--keep", "--resume")
SUBJECTS = {
    "run": Subject(("run", "train.toml", "--out", "out", "--resume"), 0.25, run_result, run_done),
    "sweep": Subject((*SWEEP, "--folds", "2"), 0.25, sweep_result, sweep_done),
    "workers": Subject((*SWEEP, "--workers", "2"), 0.1, sweep_result, sweep_done, workers=True),
    "train": Subject(("train", "flowers.csv", "--target", "kind", "--out", "out/model.safetensors"), 0.1, model_result),
    "report": Subject(("report", "out"), 0.1, report_result),
    "claims": Subject(
        ("claims", "train.toml", "--claims", "claims.py", "--seeds", "12", "--out", "out", "--resume"),
        0.1,
        claims_result,
        claims_done,
    ),
    "reproduce": Subject(
        ("reproduce", *(f"{name}.toml" for name in STUDIES), "--seeds", "8", "--out", "out"),
        0.1,
        reproduce_result,
        reproduce_done,
    ),
}


def prepare(folder: Path, records: Path | None) -> None:
    """Write the input files of all commands to a folder, and copy the records of a report to its output folder."""
    (folder / "train.toml").write_text(TRAINING, encoding="utf-8")
    (folder / "other.toml").write_text(TRAINING.replace('auto", 6,', 'auto", 3,'), encoding="utf-8")
    (folder / "sweep.toml").write_text(TRAINING + GRID, encoding="utf-8")
    (folder / "claims.py").write_text(CLAIMS, encoding="utf-8")
    (folder / "flowers.csv").write_text(flowers(), encoding="utf-8")
    (folder / "out").mkdir(exist_ok=True)
    if records is not None:
        shutil.copytree(records, folder / "out", dirs_exist_ok=True)


@cache
def flowers() -> str:
    """A CSV table with a column of texts."""
    from sklearn.datasets import load_iris

    given = load_iris()
    kinds = given.target_names[given.target]
    lines = [",".join(map(str, [*row, kind])) for row, kind in zip(given.data, kinds, strict=True)]
    return "\n".join(["a,b,c,d,kind", *lines[::3]]) + "\n"
