"""Measure the time of updates with each engine, and what the choice of `engine="auto"` costs beside the best one.

    python benchmarks/costs.py [--write]

Updates of many small and large networks are timed, each as the minimum of several times, and the first of a program in
an empty cache; with --write they replace those in costs.json. Printed is how many times as long trainings of 10 to
1,000,000 updates would take as with the engine that turns out to be the fastest, compilation included: on average and
at worst.
"""

import argparse
import json
from datetime import date
from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any
from unittest.mock import patch

import numpy as np

from deltarule.engines.base import Engine
from deltarule.engines.compiled import cache, machine_code, texts
from deltarule.engines.selection import TRAININGS_OF_A_PROGRAM, engine, engine_for
from deltarule.problem.create import create_problem
from deltarule.problem.network import Network
from deltarule.problem.problem import Problem
from deltarule.problem.state import initial_state

ENGINES = ("reference", "compiled")
COSTS_FILE = Path(__file__).parent / "costs.json"
SIZES = [
    (2, 3, 3, 1),
    (8, 3, 8),
    (8, 16, 16, 2),
    (30, 50, 2),
    (64, 100, 10),
    (784, 100, 10),
    (100, 200, 200, 10),
    (12, *[8] * 12, 2),
]
BATCHES = [8, 64, 256]
MEMBERS = [1, 16, 256]
DROPOUT_RATES = {(30, 50, 2): [0.0, 0.2], (100, 200, 200, 10): [0.0, 0.2]}
MAX_PRODUCTS = 2e8  # rows · parameters of an update: larger ones take too long to be timed often


def problem_of(sizes: tuple[int, ...], batch: int, members: int, dtype: str, dropout: float) -> Problem:
    """A usual problem of these layer sizes: sigmoid units, (binary) cross-entropy, weight decay and momentum."""
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(2 * batch, sizes[0])), np.eye(sizes[-1])[rng.integers(0, sizes[-1], 2 * batch)]
    output = ("softmax", "cross_entropy") if sizes[-1] > 1 else ("sigmoid", "binary_cross_entropy")
    return create_problem(
        Network(list(sizes), "sigmoid", output[0]),
        x,
        y,
        loss=output[1],
        penalty="weight_decay",
        strength=1e-4,
        optimizer="momentum",
        learning_rate=0.01,
        batch_size=batch,
        dropout=dropout,
        seeds=range(members),
        dtype=dtype,
    )


def time_first_update(timed: Engine, problem: Problem) -> float:
    """The seconds of a first update, printing and compiling included."""
    texts._of_programs.clear()
    machine_code._compiled.cache_clear()
    with TemporaryDirectory() as folder, patch.object(cache, "folder", lambda: Path(folder)):
        started = perf_counter()
        timed.advance(problem, initial_state(problem), 1)
        return perf_counter() - started


def time_update(timed: Engine, problem: Problem) -> float:
    """The nanoseconds of an update: the minimum over several series of updates."""
    state = initial_state(problem)
    count, took = 1, 0.0
    while took < 0.02:
        count = max(2 * count, int(count * 0.03 / max(took, 1e-6))) if took else count
        started = perf_counter()
        timed.advance(problem, state, count)
        took = perf_counter() - started
    times = [took]
    for _ in range(4):
        started = perf_counter()
        timed.advance(problem, state, count)
        times.append(perf_counter() - started)
    return min(times) / count * 1e9


def measure_updates() -> list[dict[str, Any]]:
    """Time updates of every combination of sizes, batch and members that is not too large, with both engines."""
    measurements: list[dict[str, Any]] = []
    for sizes, batch, members, dtype in product(SIZES, BATCHES, MEMBERS, ("float64", "float32")):
        for dropout in DROPOUT_RATES.get(sizes, [0.0]):
            given = {"sizes": sizes, "batch": batch, "members": members, "dtype": dtype, "dropout": dropout}
            problem = problem_of(**given)
            if batch * members * problem.network.parameters > MAX_PRODUCTS:
                continue
            first = time_first_update(engine("compiled"), problem)
            update = {name: round(time_update(engine(name), problem)) for name in ENGINES}
            measurements.append({**given, **update, "seconds_to_compile": round(first, 3)})
            print(*measurements[-1].values(), flush=True)
    return measurements


def ratios(measurements: list[dict[str, Any]]) -> list[float]:
    """The time of trainings with the chosen engine divided by that with the fastest, by network and by updates."""
    found = []
    for row in measurements:
        problem = problem_of(**{name: row[name] for name in ("sizes", "batch", "members", "dtype", "dropout")})
        for steps in (10 ** np.arange(1, 6.1, 0.5)).astype(int).tolist():
            took = {name: steps * row[name] * 1e-9 for name in ENGINES}
            took["compiled"] += row["seconds_to_compile"] / TRAININGS_OF_A_PROGRAM
            found.append(took[engine_for("auto", problem, steps).name] / min(took.values()))
    return found


def main() -> None:
    """Measure, report, and with --write store the record."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true")
    arguments = parser.parse_args()
    measurements = measure_updates()
    found = ratios(measurements)
    print(f"{len(found)} trainings: {np.mean(found):.4f} on average, {max(found):.2f} at worst")
    if arguments.write:
        lines = ",\n".join(f"  {json.dumps(row)}" for row in measurements)
        text = f'{{\n "date": "{date.today().isoformat()}",\n "measurements": [\n{lines}\n ]\n}}\n'
        COSTS_FILE.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
