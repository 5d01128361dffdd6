"""Measurements that run in a fresh process: `python -m deltarule.benchmarks.fresh_process first-call|memory ROW
[MEMBERS]`.

It prints one JSON object. Memory can be told where the system keeps a process's greatest size, and lets it be set back:
on Linux.
"""

import json
import sys
import time
from pathlib import Path

import numpy as np

from deltarule.benchmarks.workloads import work_of
from deltarule.engines.selection import engine
from deltarule.problem.problem import Problem
from deltarule.problem.state import initial_state
from deltarule.training.train import train

UPDATES = 40
"""Updates in a fresh process: enough for the memory to reach its peak."""
STATUS, RESET = Path("/proc/self/status"), Path("/proc/self/clear_refs")


def first_call(row: str) -> dict[str, float]:
    """Seconds of the first update by the compiled engine, compilation included."""
    problem = work_of(row).problem
    state, compiled = initial_state(problem), engine("compiled")
    started = time.perf_counter()
    compiled.advance(problem, state, 1)
    return {"seconds": time.perf_counter() - started}


def memory(row: str, members: int) -> dict[str, int] | None:
    """Additional memory of a population beyond process, data and programs: for updates, and for training.

    needed    θ, the optimizer's state and the activations of one batch
    advance   the greatest size during some updates of the compiled engine, the states before and after among it
    train     the same of a whole `train`, which also looks at all rows from time to time
    """
    if not RESET.exists():
        return None
    problem = work_of(row, members=members).problem
    few = problem.take(np.arange(min(members, 128)))  # as many as make every program that will be needed
    train(few, max_steps=UPDATES, engine="compiled", history_every=UPDATES)
    compiled = engine("compiled")
    before = _size("VmRSS")
    RESET.write_text("5", encoding="utf-8")
    _, trace = compiled.advance(problem, initial_state(problem), UPDATES)
    advanced = _size("VmHWM") - before
    del trace, _
    before = _size("VmRSS")
    RESET.write_text("5", encoding="utf-8")
    train(problem, max_steps=UPDATES, engine="compiled", history_every=UPDATES)
    return {"needed": _updates_needed(problem), "advance": advanced, "train": _size("VmHWM") - before}


def _updates_needed(problem: Problem) -> int:
    vectors = (1 + len(problem.optimizer.slots)) * problem.network.parameters
    activations = problem.batch_rows(0) * sum(layer.units for layer in problem.network.layers)
    return problem.members * (vectors + activations) * problem.dtype.itemsize


def _size(name: str) -> int:
    """Memory of this process in bytes: VmRSS now, VmHWM the maximum since the last reset."""
    for line in STATUS.read_text(encoding="utf-8").splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) * 1024
    raise OSError(f"{STATUS} has no {name}")


if __name__ == "__main__":
    task, row, *count = sys.argv[1:]
    print(json.dumps(first_call(row) if task == "first-call" else memory(row, int(count[0]))))
