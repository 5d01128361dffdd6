"""Measure a first call or the memory of a population in this process, which must be fresh, and print a JSON object.

    cd benchmarks; python -m bench.fresh_process first-call|memory ROW [MEMBERS]

Memory is measured on Linux only, where a process's peak memory can be read and reset.
"""

import json
import sys
import time
from pathlib import Path

import numpy as np

from bench.workloads import work_of
from deltarule.engines.selection import engine
from deltarule.problem.problem import Problem
from deltarule.problem.state import initial_state
from deltarule.training.train import train

UPDATES = 40
"""Updates in a fresh process: enough for the memory to reach its peak."""
STATUS, RESET = Path("/proc/self/status"), Path("/proc/self/clear_refs")


def first_call(row: str) -> dict[str, float]:
    """Time the first update of a row by the compiled engine, including compilation: {"seconds": …}."""
    problem = work_of(row).problem
    state, compiled = initial_state(problem), engine("compiled")
    started = time.perf_counter()
    compiled.advance(problem, state, 1)
    return {"seconds": time.perf_counter() - started}


def memory(row: str, members: int) -> dict[str, int] | None:
    """Measure the bytes that a population needs, and takes in updates and in `train`; None if not on Linux.

    They are in addition to those of the process, the data and the programs.

    needed    θ, the optimizer's state and the activations of one batch
    advance   the peak during some updates of the compiled engine, including the states before and after
    train     the peak during a whole `train`, which also evaluates all rows from time to time
    """
    if not RESET.exists():
        return None
    problem = work_of(row, members=members).problem
    few = problem.take(np.arange(min(members, 128)))  # enough to compile every program that will be needed
    train(few, max_steps=UPDATES, engine="compiled", history_every=UPDATES)
    compiled = engine("compiled")
    before = _memory_bytes("VmRSS")
    RESET.write_text("5", encoding="utf-8")
    _, trace = compiled.advance(problem, initial_state(problem), UPDATES)
    advanced = _memory_bytes("VmHWM") - before
    del trace, _
    before = _memory_bytes("VmRSS")
    RESET.write_text("5", encoding="utf-8")
    train(problem, max_steps=UPDATES, engine="compiled", history_every=UPDATES)
    return {"needed": _needed_bytes(problem), "advance": advanced, "train": _memory_bytes("VmHWM") - before}


def _needed_bytes(problem: Problem) -> int:
    """The bytes of θ, the optimizer's slots and the activations of one batch, for all members."""
    vectors = (1 + len(problem.optimizer.slots)) * problem.network.parameters
    activations = problem.batch_rows(0) * sum(problem.network.sizes[1:])
    return problem.members * (vectors + activations) * problem.dtype.itemsize


def _memory_bytes(name: str) -> int:
    """The memory of this process in bytes: VmRSS, the current one, or VmHWM, the peak since the last reset."""
    for line in STATUS.read_text(encoding="utf-8").splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) * 1024
    raise OSError(f"{STATUS} has no {name}")


if __name__ == "__main__":
    task, row, *count = sys.argv[1:]
    print(json.dumps(first_call(row) if task == "first-call" else memory(row, int(count[0]))))
