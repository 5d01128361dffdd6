"""Measure what a sweep costs in addition to its training, and whether it survives kills; print a JSON object.

    python benchmarks/sweeps.py [--members 10000] [--kills 50]

Members are encoders of the bundled study, each with a different learning rate, in a store on the disk. A sweep of
`tests/sweeps/killed.py` is killed at random moments and resumed, and its table and weights are compared with those of
an undisturbed sweep.
"""

import argparse
import json
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from deltarule import load_sweep, sweep

SWEEP_SCRIPT = Path(__file__).parents[1] / "tests" / "sweeps" / "killed.py"


def measure_overhead(members: int) -> dict[str, Any]:
    """The seconds of a sweep of encoders, of their training alone, and of finding the ten best rows."""
    with tempfile.TemporaryDirectory() as folder:
        started = time.perf_counter()
        table = sweep("encoder", {"optimizer.learning_rate": np.linspace(0.1, 20, members)}, seeds=1, out=folder)
        seconds = time.perf_counter() - started
        started = time.perf_counter()
        table.best(10)
        best = time.perf_counter() - started
        trained = sum(row["train_seconds"] for row in table.rows())
        table.close()
    return {"members": members, "seconds": seconds, "training_seconds": trained, "best_seconds": best}


def start_sweep(folder: Path) -> "subprocess.Popen[bytes]":
    """Start or resume the sweep of a folder in a new process."""
    folder.mkdir(exist_ok=True)
    return subprocess.Popen([sys.executable, str(SWEEP_SCRIPT), str(folder), "all"])


def result_of(folder: Path) -> tuple[list[dict[str, Any]], list[bytes]]:
    """The rows of a sweep without their seconds, and the weights of each."""
    table = load_sweep(folder / "out")
    rows = [{name: value for name, value in row.items() if not name.endswith("_seconds")} for row in table.rows()]
    weights = [table.network(row["key"]).theta.tobytes() for row in rows]
    table.close()
    return rows, weights


def kill_sweeps(kills: int, seed: int = 0) -> dict[str, Any]:
    """Kill sweeps at random moments, `kills` times in all and each at most five times, and compare their results."""
    chance, done, are_equal, sweeps = random.Random(seed), 0, True, 0
    with tempfile.TemporaryDirectory() as parent:
        started = time.perf_counter()
        assert start_sweep(Path(parent) / "undisturbed").wait() == 0
        takes = time.perf_counter() - started
        expected = result_of(Path(parent) / "undisturbed")
        while done < kills:
            folder, sweeps = Path(parent) / str(sweeps), sweeps + 1
            for _ in range(min(5, kills - done)):
                process = start_sweep(folder)
                time.sleep(chance.uniform(0, takes))
                process.kill()
                done += process.wait() != 0  # a sweep that had finished already was not killed
            assert start_sweep(folder).wait() == 0
            are_equal = are_equal and result_of(folder) == expected
    return {"kills": done, "sweeps": sweeps, "rows": len(expected[0]), "alike": are_equal}


def main() -> None:
    """Measure, and print the record."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--members", type=int, default=10_000)
    parser.add_argument("--kills", type=int, default=50)
    given = parser.parse_args()
    record = {"overhead": measure_overhead(given.members), "killed": kill_sweeps(given.kills)}
    print(json.dumps(record, indent=2))
    sys.exit(not record["killed"]["alike"])


if __name__ == "__main__":
    main()
