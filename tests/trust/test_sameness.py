"""The same seed gives the same result: in another process, on other numbers of threads, resumed or not."""

import os
import subprocess
import sys

import pytest

# Rows enough for blocks on several threads, and a network whose products BLAS would divide among its threads.
SCRIPT = """
import hashlib, sys
from pathlib import Path
from deltarule import Network, create_problem, load, train
from deltarule.engines.selection import engine
name, threads, half = sys.argv[1], int(sys.argv[2]), sys.argv[3] == "half"
chosen = engine(name)
if hasattr(chosen, "threads"):
    chosen.threads = threads
data = load("digits")
y = data.encode(data.train, 10)
problem = create_problem(Network([64, 48, 10], "tanh", "softmax", batch_norm=True), data.train.x / 16, y,
                         loss="cross_entropy", optimizer="adam", batch_size=256, dropout=0.1, seeds=range(3))
file, interrupt = Path("part.safetensors"), None
if half:
    import signal
    interrupt = lambda seen: signal.raise_signal(signal.SIGINT) if seen.step >= 9 else None
run = train(problem, engine=chosen, max_steps=30, checkpoint=file, resume=True, progress=interrupt,
            record=["gradients", "outputs"])
seen = [run.history.series(name) for name in sorted(run.history.names)]
print(run.interrupted, hashlib.sha256(b"".join(one.tobytes() for one in [run.state.theta, *seen])).hexdigest())
"""


def train_in_process(folder, engine, threads, half="whole"):
    """Train in a new process; returns whether it was interrupted, and a hash of all results. `half` interrupts it."""
    folder.mkdir(exist_ok=True)
    names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS", "PYTHONHASHSEED")
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, engine, str(threads), half],
        cwd=folder,
        env=os.environ | dict.fromkeys(names, str(threads)),
        capture_output=True,
        encoding="utf-8",
        check=True,
    )
    return tuple(done.stdout.split())


@pytest.mark.parametrize("engine", ["reference", "compiled"])
def test_processes_threads_and_a_resume_change_no_bit(tmp_path, engine):
    one = train_in_process(tmp_path / "one", engine, 1)
    assert train_in_process(tmp_path / "two", engine, 2, "half")[0] == "True"
    assert train_in_process(tmp_path / "two", engine, 2) == one == ("False", one[1])
