"""A training that is killed at any moment, in a process of its own, goes on to the very result of an unbroken one."""

import random
import subprocess
import sys
import time

import numpy as np

from deltarule.array_files import load_arrays

SCRIPT = """
import sys
import numpy as np
from deltarule.array_files import save_arrays
from deltarule.problem.create import create_problem
from deltarule.problem.network import Network
from deltarule.training import checkpoint, train as training

checkpoint.CHECKPOINT_INTERVAL_SECONDS, checkpoint.MAX_CHECKPOINT_TIME_SHARE = 0.02, 1.0
x = np.eye(8)
problem = create_problem(Network([8, 3, 8], "sigmoid", "sigmoid"), x, x, optimizer="momentum",
                         learning_rate=1.0, batch_size=3, dropout=0.1, seeds=range(20))
run = training.train(problem, max_steps=30000, threshold=0.001, times=2, record=["accuracy"], history_every=500,
                     checkpoint=sys.argv[1], resume=True, engine="reference")
save_arrays(sys.argv[2], {"theta": run.state.theta, "steps": run.steps, "seen": run.history.series("accuracy")}, {})
"""


def start(folder, name):
    return subprocess.Popen([sys.executable, "-c", SCRIPT, str(folder / f"{name}.checkpoint"), str(folder / name)])


def test_kill_and_resume_equals_unbroken(tmp_path):
    assert start(tmp_path, "unbroken").wait(timeout=300) == 0
    chance, kills = random.Random(0), 0
    while not (tmp_path / "killed").exists():
        process = start(tmp_path, "killed")
        if kills < 5:
            while process.poll() is None and not (tmp_path / "killed.checkpoint").exists():
                time.sleep(0.01)
            time.sleep(chance.uniform(0.0, 0.8))  # while it starts, while it trains, while it writes
            process.kill()
            kills += 1
        process.wait(timeout=300)
    one, other = (load_arrays(tmp_path / name)[0] for name in ("unbroken", "killed"))
    assert kills >= 2
    for name in one:
        assert np.array_equal(one[name], other[name], equal_nan=True)
    assert not [path for path in tmp_path.iterdir() if path.name.startswith("killed") and path.suffix == ".tmp"]
