"""Measure the time of updates with each engine, and what the choice of `engine="auto"` costs beside the best one.

    python benchmarks/costs.py [--write]

Updates of many small and large networks are timed, each as the minimum of several times; with --write they replace
those in costs.json. Printed is how many times as long trainings of 100 to 1,000,000 updates would take as with the
engine that turns out to be the fastest, compilation included: on average and at worst.
"""

import argparse
import json
from datetime import date
from itertools import groupby, product
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

from deltarule.engines.base import Engine
from deltarule.engines.selection import PRICES, engine, expected_seconds, startup_seconds
from deltarule.problem.create import create_problem
from deltarule.problem.network import Network
from deltarule.problem.problem import Problem
from deltarule.problem.state import initial_state

COSTS_FILE = Path(__file__).parent / "costs.json"
SIZES = [(2, 3, 3, 1), (8, 3, 8), (8, 16, 16, 2), (30, 50, 2), (64, 100, 10), (784, 100, 10), (100, 200, 200, 10)]
BATCHES = [8, 64, 256]
MEMBERS = [1, 16, 256]
MAX_PRODUCTS = 2e8  # rows · parameters of an update: larger ones take too long to be timed often


def problem_of(sizes: tuple[int, ...], batch: int, members: int, dtype: str) -> Problem:
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
        seeds=range(members),
        dtype=dtype,
    )


def time_update(timed: Engine, problem: Problem) -> float:
    """The nanoseconds of an update: the minimum over several series of updates."""
    state = initial_state(problem)
    timed.advance(problem, state, 1)
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
    """Time an update of every combination of sizes, batch and members that is not too large, with each engine."""
    measurements: list[dict[str, Any]] = []
    for sizes, batch, members, dtype in product(SIZES, BATCHES, MEMBERS, ("float64", "float32")):
        problem = problem_of(sizes, batch, members, dtype)
        if batch * members * problem.network.parameters > MAX_PRODUCTS:
            continue
        for name in PRICES:
            entry = {"sizes": sizes, "batch": batch, "members": members, "engine": f"{name} {dtype}"}
            measurements.append({**entry, "nanoseconds": round(time_update(engine(name), problem))})
            print(*measurements[-1].values(), flush=True)
    return measurements


def ratios(measurements: list[dict[str, Any]]) -> list[float]:
    """The time with the chosen engine divided by that with the fastest, for each problem and number of updates."""

    def work(one: dict[str, Any]) -> Any:
        return one["sizes"], one["batch"], one["members"], one["engine"].split()[1]

    found = []
    for (sizes, batch, members, dtype), rows in groupby(sorted(measurements, key=work), work):
        problem = problem_of(tuple(sizes), batch, members, dtype)
        update = {row["engine"].split()[0]: row["nanoseconds"] * 1e-9 for row in rows}
        starting = {"reference": 0.0, "compiled": startup_seconds(problem)}
        for steps in 10 ** np.arange(2, 6.1, 0.5):
            took = {name: steps * seconds + starting[name] for name, seconds in update.items()}
            expected = {name: expected_seconds(name, problem, steps) + starting[name] for name in update}
            found.append(took[min(expected, key=expected.__getitem__)] / min(took.values()))
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
