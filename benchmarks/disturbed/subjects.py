"""Commands that are disturbed: what they need, what they come to, and what of it is done already."""

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
from deltarule.studies.verdicts import Evidence, claim


@claim("learns", says="It learns.", report="it does", criterion="the objective falls below one half", needed=0.5)
def learns(experiments):
    holds = experiments.run().objective < 0.5
    return Evidence(f"{holds.mean():.0%} of seeds", {"": holds})
"""


@dataclass(frozen=True)
class Subject:
    """A command that is disturbed.

    words    of the command line, also to go on      share   of all kills
    result   what it comes to, by name               done    what is done already: it must stay, and be in the result
    workers  whether it has some
    """

    words: tuple[str, ...]
    share: float
    result: Callable[[Path], dict[str, Any]]
    done: Callable[[Path], dict[str, Any]] = lambda out: {}
    workers: bool = False


def without_seconds(value: Any) -> Any:
    """A record without what no two runs share."""
    if isinstance(value, dict):
        return {name: without_seconds(one) for name, one in value.items() if not name.endswith("seconds")}
    return [without_seconds(one) for one in value] if isinstance(value, list) else value


def arrays_of(file: Path) -> dict[str, Any]:
    """The numbers of a file, as bytes."""
    return {name: array.tobytes() for name, array in load_arrays(file)[0].items()}


def run_result(out: Path) -> dict[str, Any]:
    """The members of a run, its arrays, and what it says of itself."""
    arrays, about = load_arrays(out / "arrays.safetensors")
    members = {
        str(member): (about["reasons"][member], int(arrays["steps"][member]), theta.tobytes())
        for member, theta in enumerate(arrays["theta"])
    }
    others = {name: array.tobytes() for name, array in arrays.items()}
    return {**members, "arrays": others, "run": without_seconds(read_json(out / "run.json"))}


def run_done(out: Path) -> dict[str, Any]:
    """The members that have ended, as the checkpoint has them."""
    if not (out / "checkpoint.safetensors").exists():
        return {}
    arrays, about = load_arrays(out / "checkpoint.safetensors")
    return {
        str(member): (reason, int(arrays["steps"][member]), arrays["ended theta"][member].tobytes())
        for member, reason in enumerate(about["reasons"])
        if reason
    }


def sweep_result(out: Path) -> dict[str, Any]:
    """The rows of a sweep and their weights, by key; a key that is there twice is none of these."""
    with closing(load_sweep(out)) as table:
        rows = [without_seconds(row) for row in table.rows()]
        found = {row["key"]: (row, table.network(row["key"]).theta.tobytes()) for row in rows}
    if len(found) != len(rows):
        raise AssertionError(f"{len(rows) - len(found)} rows are there twice")
    return found


def sweep_done(out: Path) -> dict[str, Any]:
    """The rows that are committed."""
    try:
        return sweep_result(out)
    except BadInput:  # it was ended before there was a table
        return {}


def claims_result(out: Path) -> dict[str, Any]:
    """The verdicts by claim, and everything else."""
    told = without_seconds(read_json(out / "claims.json"))
    return {one["id"]: one for one in told["claims"]} | {"all": told}


def claims_done(out: Path) -> dict[str, Any]:
    """The verdicts that are there."""
    if not (out / "claims.json").exists():
        return {}
    return {name: verdict for name, verdict in claims_result(out).items() if name != "all"}


def reproduce_result(out: Path) -> dict[str, Any]:
    """What its two studies come to, and everything else."""
    studies = {f"{name} {what}": one for name in STUDIES for what, one in run_result(out / name).items()}
    return studies | {"all": without_seconds(read_json(out / "reproduce.json"))}


def reproduce_done(out: Path) -> dict[str, Any]:
    """The members of its studies that have ended."""
    return {f"{name} {what}": one for name in STUDIES for what, one in run_done(out / name).items()}


def model_result(out: Path) -> dict[str, Any]:
    """The networks of a model."""
    return {"arrays": arrays_of(out / "model.safetensors")}


def report_result(out: Path) -> dict[str, Any]:
    """The page, but for the names that Matplotlib gives the outlines in its figures: those no two processes share."""
    return {"page": re.sub(rb"-[a-z][0-9a-f]{10}\b", b"", (out / "report.html").read_bytes())}


SWEEP = ("sweep", "sweep.toml", "--out", "out", "--keep", "all", "--resume")
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


def prepare(folder: Path, drawn: Path | None) -> None:
    """Put into a folder what the commands need; into the one for what they write, the records that a report draws."""
    (folder / "train.toml").write_text(TRAINING, encoding="utf-8")
    (folder / "other.toml").write_text(TRAINING.replace('auto", 6,', 'auto", 3,'), encoding="utf-8")
    (folder / "sweep.toml").write_text(TRAINING + GRID, encoding="utf-8")
    (folder / "claims.py").write_text(CLAIMS, encoding="utf-8")
    (folder / "flowers.csv").write_text(flowers(), encoding="utf-8")
    (folder / "out").mkdir(exist_ok=True)
    if drawn is not None:
        shutil.copytree(drawn, folder / "out", dirs_exist_ok=True)


@cache
def flowers() -> str:
    """A table with a column of text."""
    from sklearn.datasets import load_iris

    given = load_iris()
    kinds = given.target_names[given.target]
    lines = [",".join(map(str, [*row, kind])) for row, kind in zip(given.data, kinds, strict=True)]
    return "\n".join(["a,b,c,d,kind", *lines[::3]]) + "\n"
