"""A sweep that is killed at any moment, in a process of its own, goes on to the very table of an undisturbed one."""

import random
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from tables_by_hand import without_seconds

from deltarule import load_sweep

SCRIPT = Path(__file__).with_name("killed.py")


def start(folder):
    folder.mkdir(exist_ok=True)
    return subprocess.Popen([sys.executable, str(SCRIPT), str(folder)])


def table(folder):
    """Every row but for its seconds, and the weights of those whose weights are kept."""
    sweep = load_sweep(folder / "out")
    return without_seconds(sweep), {row["key"]: sweep.network(row["key"]).theta for row in sweep.kept()}


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("undisturbed")
    assert start(folder).wait(timeout=300) == 0
    rows, weights = table(folder)
    assert len(rows) == len(weights) == 4 * 3 * 2 * 2 * 3
    assert {row["status"] for row in rows} == {"done", "diverged"}
    return rows, weights


@pytest.mark.parametrize("seed", range(3))
def test_kill_and_resume_equals_undisturbed(undisturbed, tmp_path, seed):
    chance, kills, process = random.Random(seed), 0, start(tmp_path)
    while process.poll() is None or process.returncode != 0:
        while process.poll() is None and not list(tmp_path.glob("out/sweep.sqlite")):
            time.sleep(0.01)
        if kills < 3:
            time.sleep(chance.uniform(0.0, 1.5))  # while it plans, while it trains, while it commits
            process.kill()
            kills += 1
            process.wait(timeout=300)
            process = start(tmp_path)
        else:
            assert process.wait(timeout=300) == 0
    rows, weights = table(tmp_path)
    assert rows == undisturbed[0]
    assert weights.keys() == undisturbed[1].keys()
    assert all(np.array_equal(weights[key], undisturbed[1][key]) for key in weights)
    left = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert left == ["sweep.lock", "sweep.sqlite"] or left == ["sweep.sqlite"]
