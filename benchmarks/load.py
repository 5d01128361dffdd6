"""Whether a long sweep stays as it was after its first minutes: told as JSON, with status 1 where it does not.

    python benchmarks/load.py [--members 100000] [--minutes 10] [--workers 1]

Members are encoders of the bundled study, each with a learning rate of its own, in a store on the disk; all of them
together take the minutes. Every half second memory (what is resident, of the process and its workers together), open
files and threads are looked at, and every commit to the store is timed. After a warm-up of a fifth, the first fifth of
the rest is compared with the last. A commit takes somewhat longer in a larger table, whose keys and scores come in no
order; what must not be is that it takes a part of the time that anybody notices.
"""

import argparse
import json
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from deltarule import sweep
from deltarule.sweeps.store import Store

EVERY_SECONDS = 0.5
MAX_GROWTH = 0.05
MAX_OF_COMMITS = 0.01
"""Of the time of a sweep of short trainings, at its end."""


class Sampler(threading.Thread):
    """Looks at this process and its workers until it is told to stop: [seconds, bytes, files, threads] each time."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.seen: list[tuple[float, int, int, int]] = []
        self.stopped = threading.Event()

    def run(self) -> None:
        """Look."""
        started, this = time.perf_counter(), psutil.Process()
        while not self.stopped.wait(EVERY_SECONDS):
            found = np.zeros(3, np.int64)
            for one in [this, *this.children(recursive=True)]:
                try:
                    with one.oneshot():
                        found += one.memory_info().rss, one.num_fds(), one.num_threads()
                except psutil.NoSuchProcess:
                    continue
            self.seen.append((time.perf_counter() - started, *found.tolist()))


def timed_commits() -> list[tuple[int, float]]:
    """Time every commit from now on: rows and seconds."""
    took: list[tuple[int, float]] = []
    add_rows = Store.add_rows

    def timed(self: Store, table: Any, *given: Any, **shared: Any) -> None:
        started = time.perf_counter()
        add_rows(self, table, *given, **shared)
        took.append((len(table), time.perf_counter() - started))

    Store.add_rows = timed  # type: ignore[method-assign]
    return took


def swept(members: int, steps: int, workers: int) -> float:
    """The seconds of a sweep of so many encoders."""
    grid = {"optimizer.learning_rate": np.linspace(0.1, 20, members), "stopping.max_steps": [steps]}
    with tempfile.TemporaryDirectory() as folder:
        started = time.perf_counter()
        table = sweep("encoder", grid, seeds=1, out=Path(folder), workers=workers, engine="compiled")
        assert len(table) == members
        table.close()
        return time.perf_counter() - started


def steps_for(members: int, minutes: float, workers: int) -> int:
    """How many updates of each member take so long, from what a few of them take."""
    few = max(1000, members // 50)
    swept(few, 10, workers)  # compiles
    base, more = swept(few, 10, workers), swept(few, 2010, workers)
    each = max(more - base, 1e-3) / (few * 2000)
    return max(100, int((60 * minutes - base * members / few) / (each * members)))


def ends_of(values: Any) -> tuple[float, float]:
    """The median of the first fifth after the warm-up, and of the last fifth."""
    rest = np.asarray(values, float)[len(values) // 5 :]
    part = max(1, len(rest) // 5)
    return float(np.median(rest[:part])), float(np.median(rest[-part:]))


def main() -> None:
    """Sweep, and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--members", type=int, default=100_000)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--workers", type=int, default=1)
    given = parser.parse_args()
    steps = steps_for(given.members, given.minutes, given.workers)
    commits, sampler = timed_commits(), Sampler()
    sampler.start()
    seconds = swept(given.members, steps, given.workers)
    sampler.stopped.set()
    sampler.join()
    _, memory, files, threads = zip(*sampler.seen, strict=True)
    bytes_before, bytes_after = ends_of(memory)
    rest = len(memory) // 5
    milliseconds = [1000 * took * 1000 / rows for rows, took in commits]
    before, after = ends_of(milliseconds)
    record = {
        "members": given.members,
        "updates_each": steps,
        "workers": given.workers,
        "seconds": seconds,
        "commits": len(commits),
        "megabytes": [bytes_before / 1e6, bytes_after / 1e6],
        "memory_growth": bytes_after / bytes_before - 1,
        "files": ends_of(files),
        "most_files": max(files[rest:]),
        "threads": ends_of(threads),
        "most_threads": max(threads[rest:]),
        "milliseconds_of_a_commit_of_1000_rows": [before, after],
        "share_of_commits": [each / 1e6 / (seconds / given.members) for each in (before, after)],
    }
    print(json.dumps(record, indent=2))
    constant = all(ends_of(values)[0] == ends_of(values)[1] for values in (files, threads))
    quick = record["share_of_commits"][1] < MAX_OF_COMMITS
    sys.exit(not (constant and quick and record["memory_growth"] < MAX_GROWTH))


if __name__ == "__main__":
    main()
