"""Compare the LLVM engine with the engine compiled by Numba, on populations: processor time of a member's update.

python benchmarks/populations.py            all rows (two minutes)
python benchmarks/populations.py 8-3-8      the rows whose name has this in it

Both train in turn in one process, on one thread; a figure is the median of several turns.
"""

import sys
import time
from statistics import geometric_mean, median

import numpy as np

from deltarule import Network, create_problem
from deltarule.engines.compiled.engine import CompiledEngine
from deltarule.engines.llvm.engine import LlvmEngine
from deltarule.problem.problem import Problem
from deltarule.problem.state import initial_state

MEMBERS, TURNS, SECONDS = 256, 7, 0.15
SOFTMAX = {"hidden": "relu", "output": "softmax", "loss": "cross_entropy"}
ROWS = [
    *(((8, 3, 8), 8, dtype, {}) for dtype in ("float64", "float32")),
    *(((2, 8, 8, 1), 300, dtype, {}) for dtype in ("float64", "float32")),
    ((2, 3, 3, 1), 100, "float64", {"optimizer": "momentum"}),
    *(((4, 16, 3), 150, dtype, {}) for dtype in ("float64", "float32")),
    *(((4, 16, 3), 150, dtype, SOFTMAX) for dtype in ("float64", "float32")),
    ((4, 16, 3), 150, "float32", SOFTMAX | {"batch_norm": True}),
    ((10, 32, 32, 2), 64, "float32", {}),
    ((10, 32, 32, 2), 64, "float32", SOFTMAX),
    ((10, 32, 32, 2), 64, "float32", SOFTMAX | {"batch_norm": True}),
    ((64, 128, 10), 96, "float32", SOFTMAX),
]


def problem_of(sizes: tuple[int, ...], rows: int, dtype: str, options: dict) -> Problem:
    """Return a population of one network, whose data are noise."""
    rng = np.random.default_rng(0)
    layers = {"hidden": "sigmoid", "output": "sigmoid"} | options
    network = Network(sizes, layers.pop("hidden"), layers.pop("output"), batch_norm=layers.pop("batch_norm", False))
    x, y = rng.normal(size=(rows, sizes[0])), rng.uniform(size=(rows, sizes[-1]))
    if network.output.name == "softmax":
        y = np.eye(sizes[-1])[y.argmax(1)]
    others = {"loss": "squared_error"} | layers
    return create_problem(network, x, y, learning_rate=0.1, members=MEMBERS, dtype=dtype, **others)


def name_of(sizes: tuple[int, ...], rows: int, dtype: str, options: dict) -> str:
    layers = "softmax" if "output" in options else "sigmoid"
    words = [layers, "batch norm" if "batch_norm" in options else "", options.get("optimizer", "")]
    return f"{'-'.join(map(str, sizes))}, {rows} rows, {' '.join(filter(None, words))}, {dtype}"


def microseconds(problem: Problem, engines: list) -> list[float]:
    """Return the processor time of a member's update in each engine."""
    state = initial_state(problem)

    def seconds(engine: object, updates: int) -> float:
        before = time.process_time()
        engine.advance(problem, state, updates)
        return time.process_time() - before

    counts = []
    for engine in engines:
        seconds(engine, 2)
        counts.append(max(2, int(2 * SECONDS / max(seconds(engine, 2), 1e-4))))
    for index, engine in enumerate(engines):  # the first estimate of a short update is that of the call
        counts[index] = max(2, int(counts[index] * SECONDS / max(seconds(engine, counts[index]), 1e-4)))
    turns = [[seconds(engine, n) / n for engine, n in zip(engines, counts, strict=True)] for _ in range(TURNS)]
    return [median(times) / MEMBERS * 1e6 for times in zip(*turns, strict=True)]


def main() -> None:
    """Print a table in Markdown."""
    ratios = []
    print("| population | Numba, µs | LLVM, µs | ratio |\n|---|---|---|---|")
    for row in ROWS:
        if all(word in name_of(*row) for word in sys.argv[1:]):
            numba, llvm = microseconds(problem_of(*row), [CompiledEngine(threads=1), LlvmEngine(threads=1)])
            ratios.append(llvm / numba)
            print(f"| {name_of(*row)} | {numba:.3f} | {llvm:.3f} | {llvm / numba:.2f} |", flush=True)
    print(f"\ngeometric mean {geometric_mean(ratios):.2f}, slowest {max(ratios):.2f}")


if __name__ == "__main__":
    main()
