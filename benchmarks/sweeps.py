"""What a sweep costs beside its training, and whether it survives: measured, and told as JSON.

    python benchmarks/sweeps.py [--members 10000] [--kills 50]

Members are encoders of the bundled study, each with a learning rate of its own, in a store on the disk. A sweep of
`tests/sweeps/killed.py` is killed at random moments, gone on with, and its table and weights are held against those of
one that nobody disturbed.
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

KILLED = Path(__file__).parents[1] / "tests" / "sweeps" / "killed.py"


def overhead(members: int) -> dict[str, Any]:
    """The seconds of a sweep of so many encoders from beginning to end, and of finding its ten best rows."""
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


def start(folder: Path) -> "subprocess.Popen[bytes]":
    """The sweep in a process of its own."""
    folder.mkdir(exist_ok=True)
    return subprocess.Popen([sys.executable, str(KILLED), str(folder), "all"])


def came_to(folder: Path) -> tuple[list[dict[str, Any]], list[bytes]]:
    """Every row but for its seconds, and the weights."""
    table = load_sweep(folder / "out")
    rows = [{name: value for name, value in row.items() if not name.endswith("_seconds")} for row in table.rows()]
    weights = [table.network(row["key"]).theta.tobytes() for row in rows]
    table.close()
    return rows, weights


def killed(kills: int, seed: int = 0) -> dict[str, Any]:
    """Kill sweeps at random moments, as many times in all, each of them up to five times."""
    chance, done, alike, sweeps = random.Random(seed), 0, True, 0
    with tempfile.TemporaryDirectory() as parent:
        started = time.perf_counter()
        assert start(Path(parent) / "undisturbed").wait() == 0
        takes = time.perf_counter() - started
        expected = came_to(Path(parent) / "undisturbed")
        while done < kills:
            folder, sweeps = Path(parent) / str(sweeps), sweeps + 1
            for _ in range(min(5, kills - done)):
                process = start(folder)
                time.sleep(chance.uniform(0, takes))
                process.kill()
                done += process.wait() != 0  # one that was done already was not killed
            assert start(folder).wait() == 0
            alike = alike and came_to(folder) == expected
    return {"kills": done, "sweeps": sweeps, "rows": len(expected[0]), "alike": alike}


def main() -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--members", type=int, default=10_000)
    parser.add_argument("--kills", type=int, default=50)
    given = parser.parse_args()
    record = {"overhead": overhead(given.members), "killed": killed(given.kills)}
    print(json.dumps(record, indent=2))
    sys.exit(not record["killed"]["alike"])


if __name__ == "__main__":
    main()
