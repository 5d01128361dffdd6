"""Measure whether a long sweep's memory, open files, threads and commits stay as in its first minutes.

    python benchmarks/load.py [--members 100000] [--minutes 10] [--workers 1]

The result is a JSON object; the exit status is 1 if something has grown. Members are encoders of the bundled study,
each with a different learning rate, in a store on the disk; all of them together take the minutes. Every half second
the resident memory, open files and threads of the process and its workers are sampled, and every commit to the store is
timed. After a warm-up of a fifth, the first fifth of the rest is compared with the last. A commit takes somewhat longer
in a larger table, whose keys and scores are in no order, but must not take a noticeable share of the time.
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

SAMPLE_INTERVAL_SECONDS = 0.5
MAX_MEMORY_GROWTH = 0.05
MAX_COMMIT_SHARE = 0.01
"""The allowed share of commits in the time of a sweep of short trainings, at its end."""


class Sampler(threading.Thread):
    """Samples this process and its workers until it is stopped: (seconds, bytes, files, threads) each time."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.samples: list[tuple[float, int, int, int]] = []
        self.stopped = threading.Event()

    def run(self) -> None:
        """Sample until stopped."""
        started, this = time.perf_counter(), psutil.Process()
        while not self.stopped.wait(SAMPLE_INTERVAL_SECONDS):
            totals = np.zeros(3, np.int64)
            for process in [this, *this.children(recursive=True)]:
                try:
                    with process.oneshot():
                        totals += process.memory_info().rss, process.num_fds(), process.num_threads()
                except psutil.NoSuchProcess:
                    continue
            self.samples.append((time.perf_counter() - started, *totals.tolist()))


def record_commits() -> list[tuple[int, float]]:
    """Patch the store to time every commit; return a list that collects the rows and seconds of each."""
    took: list[tuple[int, float]] = []
    add_rows = Store.add_rows

    def timed(self: Store, table: Any, *given: Any, **shared: Any) -> None:
        started = time.perf_counter()
        add_rows(self, table, *given, **shared)
        took.append((len(table), time.perf_counter() - started))

    Store.add_rows = timed  # type: ignore[method-assign]
    return took


def time_sweep(members: int, steps: int, workers: int) -> float:
    """The seconds of a sweep of encoders with this number of members and of steps for each."""
    grid = {"optimizer.learning_rate": np.linspace(0.1, 20, members), "stopping.max_steps": [steps]}
    with tempfile.TemporaryDirectory() as folder:
        started = time.perf_counter()
        table = sweep("encoder", grid, seeds=1, out=Path(folder), workers=workers, engine="compiled")
        assert len(table) == members
        table.close()
        return time.perf_counter() - started


def steps_per_member(members: int, minutes: float, workers: int) -> int:
    """The number of updates per member for which a sweep takes these minutes, estimated with a few members."""
    few = max(1000, members // 50)
    time_sweep(few, 10, workers)  # compiles
    base, more = time_sweep(few, 10, workers), time_sweep(few, 2010, workers)
    each = max(more - base, 1e-3) / (few * 2000)
    return max(100, int((60 * minutes - base * members / few) / (each * members)))


def first_and_last(values: Any) -> tuple[float, float]:
    """The medians of the first fifth of values after the warm-up, and of the last fifth."""
    rest = np.asarray(values, float)[len(values) // 5 :]
    part = max(1, len(rest) // 5)
    return float(np.median(rest[:part])), float(np.median(rest[-part:]))


def main() -> None:
    """Run the sweep, and print the record."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--members", type=int, default=100_000)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--workers", type=int, default=1)
    given = parser.parse_args()
    steps = steps_per_member(given.members, given.minutes, given.workers)
    commits, sampler = record_commits(), Sampler()
    sampler.start()
    seconds = time_sweep(given.members, steps, given.workers)
    sampler.stopped.set()
    sampler.join()
    _, memory, files, threads = zip(*sampler.samples, strict=True)
    bytes_before, bytes_after = first_and_last(memory)
    rest = len(memory) // 5
    milliseconds = [1000 * took * 1000 / rows for rows, took in commits]
    before, after = first_and_last(milliseconds)
    record = {
        "members": given.members,
        "updates_each": steps,
        "workers": given.workers,
        "seconds": seconds,
        "commits": len(commits),
        "megabytes": [bytes_before / 1e6, bytes_after / 1e6],
        "memory_growth": bytes_after / bytes_before - 1,
        "files": first_and_last(files),
        "most_files": max(files[rest:]),
        "threads": first_and_last(threads),
        "most_threads": max(threads[rest:]),
        "milliseconds_of_a_commit_of_1000_rows": [before, after],
        "share_of_commits": [each / 1e6 / (seconds / given.members) for each in (before, after)],
    }
    print(json.dumps(record, indent=2))
    constant = all(first_and_last(values)[0] == first_and_last(values)[1] for values in (files, threads))
    quick = record["share_of_commits"][1] < MAX_COMMIT_SHARE
    sys.exit(not (constant and quick and record["memory_growth"] < MAX_MEMORY_GROWTH))


if __name__ == "__main__":
    main()
