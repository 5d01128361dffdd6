"""Whether anything is lost when things go wrong: told as JSON, with status 1 where something is.

    python benchmarks/crashes.py [--kills 200] [--others 4] [--seed 0] [--only run sweep]

Commands run as processes of their own, forked from this one, and are disturbed at random moments:

    killed      by kill -9, the command or a worker of its sweep
    ctrl_c      by Ctrl-C, once or twice
    terminated  by SIGTERM
    no_room     by files that may not grow beyond a random size, or a full disk (a tmpfs, where one may be mounted)
    read_only   by a folder in which nothing may be written
    no_memory   by workers that get no more memory than they have

After each of them every file must be whole, what was done must still be there, nothing may be there twice, and what the
command says on its way out must tell how to go on. After at most five the command is left alone: what it comes to must
be, bit for bit, what it comes to without any disturbance, but for seconds.
"""

import argparse
import json
import math
import os
import random
import re
import resource
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from multiprocessing import util
from pathlib import Path
from typing import Any

import psutil

from deltarule import load_sweep
from deltarule.cli import main
from deltarule.errors import BadInput
from deltarule.files import PART, load_arrays, read_json
from deltarule.sweeps.store import FILE, LOCK
from deltarule.systems import sqlite_address
from deltarule.training import train as training

MOST_IN_A_ROW = 5
ROOMY = 2**28

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


# --- what commands come to -------------------------------------------------------------------------------------------


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


# --- processes -------------------------------------------------------------------------------------------------------


def start(folder: Path, words: tuple[str, ...], limit: int | None = None) -> int:
    """A command in a process of its own, which has all of this one's modules already; gives its number."""
    process = os.fork()
    if process:
        return process
    status = 1
    try:
        os.chdir(folder)
        for stream, name in ((1, "told"), (2, "said")):
            os.dup2(os.open(folder / name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o666), stream)
        signal.signal(signal.SIGINT, signal.default_int_handler)  # what runs in the background may ignore it
        training.CHECKPOINT_SECONDS = 0.05  # so that most are disturbed with a checkpoint behind them
        if limit is not None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
        sys.argv = ["deltarule", *words]
        try:
            main()
        except SystemExit as ended:
            status = int(ended.code or 0)
        except BaseException:
            sys.excepthook(*sys.exc_info())
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # it has said its last word
        util._exit_function()  # as at the end of any process: it gives back the semaphores of workers
        sys.stderr.flush()
    finally:
        os._exit(status)


def ended(process: int) -> int:
    """The status of a process when it ends; a signal counts as minus its number."""
    return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])


def is_running(process: int) -> bool:
    """Whether a process has not ended; one that has, waits for `ended`."""
    return psutil.Process(process).status() != psutil.STATUS_ZOMBIE


def workers_of(process: int) -> list[psutil.Process]:
    """The processes that a sweep has started to do work."""
    found = []
    with suppress(psutil.NoSuchProcess):
        for one in psutil.Process(process).children(recursive=True):
            with suppress(psutil.Error):  # it may end while it is looked at
                if "popen_loky" in " ".join(one.cmdline()):
                    found.append(one)
    return found


@contextmanager
def mounted(folder: Path, wanted: bool) -> Iterator[bool]:
    """A disk of its own for a folder, whose size can be changed, where it may be mounted; gives whether it is."""
    options = ["-t", "tmpfs", "-o", f"size={ROOMY},mode=755", "tmpfs", str(folder)]
    is_mounted = wanted and subprocess.run(["mount", *options], capture_output=True, check=False).returncode == 0
    try:
        yield is_mounted
    finally:
        if is_mounted:
            subprocess.run(["umount", str(folder)], check=True)


def can_forbid() -> bool:
    """Whether this process can be kept from writing: root is by a disk alone, which may have to be mounted."""
    with tempfile.TemporaryDirectory() as folder, mounted(Path(folder), os.geteuid() == 0) as is_mounted:
        return is_mounted or os.geteuid() != 0


def set_disk(folder: Path, option: str) -> None:
    """Change the disk of a folder: its size, in bytes; "ro" to be read only, "rw" to be written, too."""
    subprocess.run(["mount", "-o", f"remount,{option}", str(folder)], check=True)


# --- what must hold --------------------------------------------------------------------------------------------------


def damaged(out: Path) -> list[str]:
    """The files that are not whole; what a killed process has left of a file has a name of its own, and is none."""
    found = []
    for path in sorted(out.rglob("*")) if out.exists() else []:
        if path.is_dir() or path.match(PART) or path.name == LOCK or path.name.startswith(f"{FILE}-"):
            continue
        try:
            assert is_whole(path)
        except (AssertionError, BadInput, sqlite3.Error):
            found.append(path.name)
    return found


def is_whole(path: Path) -> bool:
    """Whether a file is as it was meant to be written."""
    if path.suffix == ".json":
        return isinstance(read_json(path), dict)
    if path.suffix in (".safetensors", ".rows"):
        return bool(load_arrays(path))
    if path.suffix == ".sqlite":
        with closing(sqlite3.connect(sqlite_address(path, "ro"), uri=True)) as connection:
            return connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    endings = {".html": b"</html>", ".svg": b"</svg>", ".png": b"IEND\xaeB`\x82"}
    return path.read_bytes().rstrip().endswith(endings[path.suffix])


class Watch:
    """What has been seen: how many moments of each kind, and everything that must not be."""

    def __init__(self) -> None:
        self.moments: Counter[str] = Counter()
        self.wrong: list[str] = []

    def check(self, what: str, trial: "Trial", before: dict[str, Any]) -> dict[str, Any]:
        """Look at what a disturbance has left; gives what is done."""
        done = trial.subject.done(trial.out)
        self.wrong += [f"{what}: {name} is damaged" for name in damaged(trial.out)]
        self.wrong += [f"{what}: {name} was done and is lost" for name in before if name not in done]
        self.wrong += [f"{what}: {name} is another one" for name in done if done[name] != trial.expected.get(name)]
        return done

    def heard(self, what: str, folder: Path, status: int, allowed: tuple[int, ...], room: int = -1) -> None:
        """Look at how a command ended that was not killed."""
        said = (folder / "said").read_text(encoding="utf-8")
        last = ([line for line in said.splitlines() if line.startswith("deltarule: ")] or [said[-200:]])[-1]
        if status not in allowed:
            self.wrong.append(f"{what}: it ended with status {status}: {last}")
        if "Traceback" in said:
            self.wrong.append(f"{what}: a traceback: {said[said.index('Traceback') :][:2000]}")
        if len(said.encode()) == room:  # what was said found no more room than any other file: its end is missing
            return
        if status and not (last.startswith("deltarule: ") and ("--resume" in last or "again" in last or status == 2)):
            self.wrong.append(f"{what}: it does not say how to go on: {last!r}")


# --- disturbances ----------------------------------------------------------------------------------------------------


@dataclass
class Trial:
    """A command in a folder of its own; how long it takes undisturbed, what it comes to, and its largest file."""

    name: str
    subject: Subject
    folder: Path
    is_mounted: bool
    seconds: float
    expected: dict[str, Any]
    largest: int

    @property
    def out(self) -> Path:
        """Where it writes to."""
        return self.folder / "out"

    def start(self, **hindered: Any) -> int:
        """Start it, or go on with it."""
        return start(self.folder, self.subject.words, **hindered)


def disturb(trial: Trial, kind: str, chance: random.Random, watch: Watch) -> bool:
    """Start a command and disturb it; gives whether that came before its end."""
    what = f"{trial.name} {kind}"
    if kind == "no_room":
        return no_room(trial, chance, watch)
    if kind == "read_only":
        return read_only(trial, watch)
    if kind == "no_memory":
        return no_memory(trial, chance, watch)
    process = trial.start()
    time.sleep(chance.uniform(0.0, trial.seconds))
    if kind == "killed" and chance.random() < 0.5 and (workers := workers_of(process)):
        chance.choice(workers).kill()
        watch.heard(what, trial.folder, ended(process), (0, 1))
        return True
    signals = {"killed": [signal.SIGKILL], "terminated": [signal.SIGTERM], "ctrl_c": [signal.SIGINT]}[kind]
    for number in signals * (2 if kind == "ctrl_c" and chance.random() < 0.5 else 1):
        os.kill(process, number)
        time.sleep(chance.uniform(0.0, 0.1))
    status = ended(process)
    if kind == "killed":
        return status == -signal.SIGKILL
    watch.heard(what, trial.folder, status, (0, 1))
    return status == 1


def no_room(trial: Trial, chance: random.Random, watch: Watch) -> bool:
    """Let it fill its disk, or come to the largest size that a file may have."""
    room = int(trial.largest ** chance.uniform(0.3, 1.0))
    if trial.is_mounted:
        set_disk(trial.out, f"size={shutil.disk_usage(trial.out).used + room}")
    status = ended(trial.start(limit=None if trial.is_mounted else room))
    if trial.is_mounted:
        set_disk(trial.out, f"size={ROOMY}")
    watch.heard(f"{trial.name} no_room", trial.folder, status, (0, 1), -1 if trial.is_mounted else room)
    return status == 1


def no_memory(trial: Trial, chance: random.Random, watch: Watch) -> bool:
    """Give the workers no more memory than they have, once they are at work: before, none is there to say so.

    Workers that need no more go on to the end. Early, when much is still to be done, that is seldom so.
    """
    known, process = trial.subject.done(trial.out), trial.start()
    time.sleep(chance.uniform(0.0, trial.seconds / 3))
    while is_running(process) and trial.subject.done(trial.out).keys() == known.keys():
        time.sleep(0.02)
    for worker in workers_of(process):
        with suppress(psutil.NoSuchProcess):
            has = worker.memory_info().vms
            worker.rlimit(psutil.RLIMIT_AS, (has, has))
            worker.rlimit(psutil.RLIMIT_DATA, (1, 1))  # nor may it use more of the addresses that it has reserved
    status = ended(process)
    watch.heard(f"{trial.name} no_memory", trial.folder, status, (0, 1))
    return status == 1


def read_only(trial: Trial, watch: Watch) -> bool:
    """Let it write into a folder that may only be read."""

    def seen() -> list[Any]:
        return sorted((path.name, path.stat().st_mtime_ns) for path in trial.out.iterdir())

    before = seen()
    may_write(trial, False)
    status = ended(trial.start())
    may_write(trial, True)
    watch.heard(f"{trial.name} read_only", trial.folder, status, (2,))
    if seen() != before:
        watch.wrong.append(f"{trial.name} read_only: something has changed")
    return True


def may_write(trial: Trial, allowed: bool) -> None:
    """Let it write into its folder, or not: by the folder's mode, which does not keep root off, or by its disk."""
    if trial.is_mounted:
        set_disk(trial.out, "rw" if allowed else "ro")
    else:
        trial.out.chmod(0o755 if allowed else 0o555)


def disturbed(trial: Trial, kinds: list[str], chance: random.Random, watch: Watch) -> None:
    """Disturb a command, some times in a row, and hold what it comes to then against what it should."""
    before: dict[str, Any] = {}
    for _ in range(min(MOST_IN_A_ROW, len(kinds))):
        if not disturb(trial, kinds[-1], chance, watch):
            break  # it was done before
        kind = kinds.pop()
        watch.moments[f"{trial.name} {kind}"] += 1
        before = watch.check(f"{trial.name} {kind}", trial, before)
    status = ended(trial.start())
    watch.heard(f"{trial.name} afterwards", trial.folder, status, (0,))
    watch.check(f"{trial.name} afterwards", trial, before)
    if status == 0 and trial.subject.result(trial.out) != trial.expected:
        watch.wrong.append(f"{trial.name}: the result is another one")


def tried(name: str, kinds: list[str], chance: random.Random, watch: Watch) -> None:
    """Disturb a command in each of these ways."""
    subject, drawn = SUBJECTS[name], None
    with tempfile.TemporaryDirectory() as parent:
        home = Path(parent)
        home.chmod(0o755)
        if name == "report":
            (home / "drawn").mkdir()
            prepare(home / "drawn", None)
            assert ended(start(home / "drawn", SUBJECTS["run"].words)) == 0
            drawn = home / "drawn" / "out"
        (home / "undisturbed").mkdir()
        prepare(home / "undisturbed", drawn)
        started = time.perf_counter()
        status = ended(start(home / "undisturbed", subject.words))
        seconds, out = time.perf_counter() - started, home / "undisturbed" / "out"
        assert status == 0, (home / "undisturbed" / "said").read_text(encoding="utf-8")
        expected, largest = subject.result(out), max(path.stat().st_size for path in out.iterdir())
        chance.shuffle(kinds)
        while kinds:
            folder = home / str(len(kinds))
            (folder / "out").mkdir(parents=True)
            coming = kinds[-MOST_IN_A_ROW:]
            wanted = "read_only" in coming or ("no_room" in coming and chance.random() < 0.5)
            with mounted(folder / "out", wanted) as is_mounted:
                prepare(folder, drawn)
                disturbed(Trial(name, subject, folder, is_mounted, seconds, expected, largest), kinds, chance, watch)
            shutil.rmtree(folder)


def seen(watch: Watch) -> dict[str, Any]:
    """The record of all that was tried so far."""
    kills = sum(count for what, count in watch.moments.items() if what.endswith("killed"))
    return {
        "kills": kills,
        "other_disturbances": watch.moments.total() - kills,
        "by_command": dict(sorted(watch.moments.items())),
        "wrong": watch.wrong,
    }


def main_of_script() -> None:
    """Disturb, and print what was seen."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=200, help="how many in all")
    parser.add_argument("--others", type=int, default=4, help="how many of each other kind for each command")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", nargs="+", choices=SUBJECTS, default=list(SUBJECTS))
    given = parser.parse_args()
    chance, watch, started = random.Random(given.seed), Watch(), time.perf_counter()
    share = sum(SUBJECTS[name].share for name in given.only)
    for name in given.only:
        others = ["ctrl_c", "terminated", "no_room"] + ["no_memory"] * SUBJECTS[name].workers
        kinds = ["killed"] * math.ceil(given.kills * SUBJECTS[name].share / share) + others * given.others
        tried(name, kinds + ["read_only"] * (given.others > 0 and can_forbid()), chance, watch)
        taken = time.perf_counter() - started
        print(f"{name}: {taken:.0f} s so far", json.dumps(seen(watch)), file=sys.stderr, flush=True)
    print(json.dumps(seen(watch), indent=2))
    sys.exit(bool(watch.wrong))


if __name__ == "__main__":
    main_of_script()
