"""Disturb commands at random moments, and report as JSON what is lost; the exit status is 1 if anything is.

    python benchmarks/crashes.py [--kills 200] [--others 4] [--seed 0] [--only run sweep]

Commands run in processes that are forked from this one, and are disturbed at random moments:

    killed      by kill -9, the command or a worker of its sweep
    ctrl_c      by Ctrl-C, once or twice
    terminated  by SIGTERM
    no_room     by files that may not grow beyond a random size, or a full disk (a tmpfs, if one may be mounted)
    read_only   by a folder in which nothing may be written
    no_memory   by workers that get no more memory than they have

After each disturbance every file must be whole, completed work must be neither lost nor stored twice, and the
command's last message must say how to resume. After at most five disturbances the command runs to its end: apart from
seconds, its result must equal, bit for bit, that of an undisturbed command.
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
from disturbed.processes import (
    AMPLE_BYTES,
    can_forbid_writing,
    exit_status,
    is_running,
    mounted,
    set_disk,
    start,
    workers_of,
)
from disturbed.subjects import SUBJECTS, prepare
from disturbed.trial import Trial, Watch

MAX_IN_A_ROW = 5


def disturb(trial: Trial, kind: str, chance: random.Random, watch: Watch) -> bool:
    """Start a command and disturb it in one way; return whether it was disturbed before its end."""
    title = f"{trial.name} {kind}"
    if kind == "no_room":
        return disturb_by_full_disk(trial, chance, watch)
    if kind == "read_only":
        return disturb_by_read_only(trial, watch)
    if kind == "no_memory":
        return disturb_by_memory_limit(trial, chance, watch)
    process = trial.start()
    time.sleep(chance.uniform(0.0, trial.seconds))
    if kind == "killed" and chance.random() < 0.5 and (workers := workers_of(process)):
        chance.choice(workers).kill()
        watch.check_exit(title, trial.folder, exit_status(process), (0, 1))
        return True
    signals = {"killed": [signal.SIGKILL], "terminated": [signal.SIGTERM], "ctrl_c": [signal.SIGINT]}[kind]
    for number in signals * (2 if kind == "ctrl_c" and chance.random() < 0.5 else 1):
        os.kill(process, number)
        time.sleep(chance.uniform(0.0, 0.1))
    status = exit_status(process)
    if kind == "killed":
        return status == -signal.SIGKILL
    watch.check_exit(title, trial.folder, status, (0, 1))
    return status == 1


def disturb_by_full_disk(trial: Trial, chance: random.Random, watch: Watch) -> bool:
    """Run a command that fills its disk, or reaches a limit on the size of files."""
    room = int(trial.largest ** chance.uniform(0.3, 1.0))
    if trial.is_mounted:
        set_disk(trial.out, f"size={shutil.disk_usage(trial.out).used + room}")
    status = exit_status(trial.start(limit=None if trial.is_mounted else room))
    if trial.is_mounted:
        set_disk(trial.out, f"size={AMPLE_BYTES}")
    watch.check_exit(f"{trial.name} no_room", trial.folder, status, (0, 1), -1 if trial.is_mounted else room)
    return status == 1


def disturb_by_memory_limit(trial: Trial, chance: random.Random, watch: Watch) -> bool:
    """Allow the workers of a command no more memory than they have, once they have started to work.

    Workers that need no more are not disturbed; early, when much is still to be done, that is rare.
    """
    known, process = trial.subject.done(trial.out), trial.start()
    time.sleep(chance.uniform(0.0, trial.seconds / 3))
    while is_running(process) and trial.subject.done(trial.out).keys() == known.keys():
        time.sleep(0.02)
    for worker in workers_of(process):
        with suppress(psutil.NoSuchProcess):
            size = worker.memory_info().vms
            worker.rlimit(psutil.RLIMIT_AS, (size, size))
            worker.rlimit(psutil.RLIMIT_DATA, (1, 1))  # nor may it use more of its reserved addresses
    status = exit_status(process)
    watch.check_exit(f"{trial.name} no_memory", trial.folder, status, (0, 1))
    return status == 1


def disturb_by_read_only(trial: Trial, watch: Watch) -> bool:
    """Run a command whose output folder is read-only."""

    def files() -> list[Any]:
        return sorted((path.name, path.stat().st_mtime_ns) for path in trial.out.iterdir())

    before = files()
    set_writable(trial, False)
    status = exit_status(trial.start())
    set_writable(trial, True)
    watch.check_exit(f"{trial.name} read_only", trial.folder, status, (2,))
    if files() != before:
        watch.wrong.append(f"{trial.name} read_only: something has changed")
    return True


def set_writable(trial: Trial, allowed: bool) -> None:
    """Allow or forbid writing into the output folder, by its mode, or by its disk, because root ignores the mode."""
    if trial.is_mounted:
        set_disk(trial.out, "rw" if allowed else "ro")
    else:
        trial.out.chmod(0o755 if allowed else 0o555)


def run_trial(trial: Trial, kinds: list[str], chance: random.Random, watch: Watch) -> None:
    """Disturb a command some times in a row, let it finish, and compare its result with the expected one."""
    before: dict[str, Any] = {}
    for _ in range(min(MAX_IN_A_ROW, len(kinds))):
        if not disturb(trial, kinds[-1], chance, watch):
            break  # it had finished before
        kind = kinds.pop()
        watch.moments[f"{trial.name} {kind}"] += 1
        before = watch.check(f"{trial.name} {kind}", trial, before)
    status = exit_status(trial.start())
    watch.check_exit(f"{trial.name} afterwards", trial.folder, status, (0,))
    watch.check(f"{trial.name} afterwards", trial, before)
    if status == 0 and trial.subject.result(trial.out) != trial.expected:
        watch.wrong.append(f"{trial.name}: the result is another one")


def try_command(name: str, kinds: list[str], chance: random.Random, watch: Watch) -> None:
    """Run a command undisturbed, then disturb it in each of these ways in random order."""
    subject, drawn = SUBJECTS[name], None
    with tempfile.TemporaryDirectory() as parent:
        home = Path(parent)
        home.chmod(0o755)
        if name == "report":
            (home / "drawn").mkdir()
            prepare(home / "drawn", None)
            assert exit_status(start(home / "drawn", SUBJECTS["run"].words)) == 0
            drawn = home / "drawn" / "out"
        (home / "undisturbed").mkdir()
        prepare(home / "undisturbed", drawn)
        started = time.perf_counter()
        status = exit_status(start(home / "undisturbed", subject.words))
        seconds, out = time.perf_counter() - started, home / "undisturbed" / "out"
        assert status == 0, (home / "undisturbed" / "said").read_text(encoding="utf-8")
        expected, largest = subject.result(out), max(path.stat().st_size for path in out.iterdir())
        chance.shuffle(kinds)
        while kinds:
            folder = home / str(len(kinds))
            (folder / "out").mkdir(parents=True)
            next_kinds = kinds[-MAX_IN_A_ROW:]
            needs_disk = "read_only" in next_kinds or ("no_room" in next_kinds and chance.random() < 0.5)
            with mounted(folder / "out", needs_disk) as is_mounted:
                prepare(folder, drawn)
                run_trial(Trial(name, subject, folder, is_mounted, seconds, expected, largest), kinds, chance, watch)
            shutil.rmtree(folder)


def main() -> None:
    """Disturb all commands, and print the record."""
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
        try_command(name, kinds + ["read_only"] * (given.others > 0 and can_forbid_writing()), chance, watch)
        taken = time.perf_counter() - started
        print(f"{name}: {taken:.0f} s so far", json.dumps(watch.record()), file=sys.stderr, flush=True)
    print(json.dumps(watch.record(), indent=2))
    sys.exit(bool(watch.wrong))


if __name__ == "__main__":
    main()
