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
import shutil
import signal
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
from disturbed.processes import ROOMY, can_forbid, ended, is_running, mounted, set_disk, start, workers_of
from disturbed.subjects import SUBJECTS, prepare
from disturbed.trial import Trial, Watch

MAX_IN_A_ROW = 5


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
    for _ in range(min(MAX_IN_A_ROW, len(kinds))):
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
            coming = kinds[-MAX_IN_A_ROW:]
            wanted = "read_only" in coming or ("no_room" in coming and chance.random() < 0.5)
            with mounted(folder / "out", wanted) as is_mounted:
                prepare(folder, drawn)
                disturbed(Trial(name, subject, folder, is_mounted, seconds, expected, largest), kinds, chance, watch)
            shutil.rmtree(folder)


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
        print(f"{name}: {taken:.0f} s so far", json.dumps(watch.record()), file=sys.stderr, flush=True)
    print(json.dumps(watch.record(), indent=2))
    sys.exit(bool(watch.wrong))


if __name__ == "__main__":
    main_of_script()
