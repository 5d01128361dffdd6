"""Measure the time of updates with each engine, and fit the prices by which `engine="auto"` chooses.

    python benchmarks/costs.py [--write]

With --write, the measurements and the prices are written to src/deltarule/engines/costs.json. Updates of many small and
large networks are timed, each as the minimum of several times. Prices are never negative, and minimize the relative
errors, because an error of 10 % matters as much for a millisecond as for a microsecond.
"""

import argparse
import json
import subprocess
import sys
from datetime import date
from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter, process_time

import numpy as np
from scipy.optimize import nnls

from deltarule.engines.base import Engine
from deltarule.engines.compiled import cache
from deltarule.engines.compiled.engine import CompiledEngine
from deltarule.engines.selection import engine, form_of, quantities
from deltarule.problem.create import create_problem
from deltarule.problem.network import Network
from deltarule.problem.problem import Problem
from deltarule.problem.state import initial_state

COSTS_FILE = Path(__file__).parents[1] / "src" / "deltarule" / "engines" / "costs.json"
SIZES = [(2, 3, 3, 1), (8, 3, 8), (8, 16, 16, 2), (30, 50, 2), (64, 100, 10), (784, 100, 10), (100, 200, 200, 10)]
BATCHES = [8, 64, 256]
MEMBERS = [1, 16, 256]
PRODUCTS_INDEX = 4  # the index of rows · parameters among the quantities
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


def measure_updates() -> list[dict[str, object]]:
    """Time an update of every combination of sizes, batch and members that is not too large, with each engine."""
    measurements: list[dict[str, object]] = []
    for sizes, batch, members, dtype in product(SIZES, BATCHES, MEMBERS, ("float64", "float32")):
        problem = problem_of(sizes, batch, members, dtype)
        if quantities(problem)[4] > MAX_PRODUCTS:
            continue
        # For a small network the compiled engine has two forms: a program for its sizes, and one for all sizes.
        engines = engine("reference"), CompiledEngine(), CompiledEngine(own_shape=False)
        for form, timed in {form_of(candidate, problem): candidate for candidate in engines}.items():
            entry = {"sizes": sizes, "batch": batch, "members": members, "form": f"{form} {dtype}"}
            measurements.append({**entry, "nanoseconds": round(time_update(timed, problem))})
            print(*measurements[-1].values(), flush=True)
    return measurements


def fit_prices(measurements: list[dict[str, object]]) -> dict[str, list[float]]:
    """Fit the prices of the quantities for each form of an engine, by least squares of the relative errors.

    In the measured networks, products are a small part of the reference engine's work, so their price would be fitted
    badly, even to 0, and the engine would be chosen for the largest networks. Its products cannot cost less than those
    of the compiled engine, whose BLAS is at least as fast.
    """
    prices: dict[str, list[float]] = {}
    for form in sorted({str(one["form"]) for one in measurements}):  # "products" before "reference"
        rows = [row for row in measurements if row["form"] == form]
        name, dtype = form.split()
        took = np.array([row["nanoseconds"] for row in rows], float)
        A = np.array([quantities(problem_of(row["sizes"], row["batch"], row["members"], dtype)) for row in rows])
        least = np.zeros(A.shape[1])
        if name == "reference":
            least[PRODUCTS_INDEX] = prices[f"products {dtype}"][PRODUCTS_INDEX]
        above = nnls(A / took[:, None], 1 - A @ least / took)[0]
        prices[form] = [float(f"{price:.4g}") for price in least + above]
    return prices


COMPILATIONS = [
    *(([4, *[5] * hidden, 4], members) for hidden in (1, 4, 8, 16) for members in (1, 16)),
    *(([8, *[16] * hidden, 4], 16) for hidden in (4, 8, 16)),
    *(([30, *[32] * hidden, 10], 1) for hidden in (1, 4, 8, 16)),
]
"""Sizes and members of networks whose programs are compiled: with lanes (for a member alone, in tiles) and products."""
LOADED = {"lanes": ([4, 5, 4], 16), "products": ([30, 100, 1], 1)}


def time_first_update(sizes: list[int], members: int, folder: str) -> tuple[str, float]:
    """The form and the processor seconds of this process's first compiled update, with its programs in a folder."""
    problem = problem_of(tuple(sizes), 16, members, "float64")
    cache.folder = lambda: Path(folder)
    started = process_time()
    engine("compiled").advance(problem, initial_state(problem), 1)
    return form_of(engine("compiled"), problem), process_time() - started


def measure_first_updates(sizes: list[int], members: int) -> tuple[str, float, float]:
    """The form of a network, and its seconds before the first update: if its program is compiled, and if loaded."""
    with TemporaryDirectory(prefix="deltarule-costs-") as folder:
        command = [sys.executable, __file__, "--first-update", json.dumps(sizes), str(members), folder]
        outputs = [
            subprocess.run(command, check=True, capture_output=True, encoding="utf-8").stdout.split() for _ in range(2)
        ]
    (form, compiling), (_, loading) = outputs
    return form, float(compiling), float(loading)


def measure_compilations() -> list[dict[str, object]]:
    """Measure the seconds in which programs of networks of several depths are compiled."""
    compilations: list[dict[str, object]] = []
    for sizes, members in COMPILATIONS:
        form, seconds, _ = measure_first_updates(sizes, members)
        compilations.append({"sizes": sizes, "members": members, "form": form, "seconds": round(seconds, 2)})
        print(*compilations[-1].values(), flush=True)
    return compilations


def fit_compilations(compilations: list[dict[str, object]]) -> dict[str, list[float]]:
    """Fit the prices of compilation by form: of the program, of a layer, and of the square of their number."""
    prices = {}
    for form in LOADED:
        rows = [row for row in compilations if row["form"] == form]
        took = np.array([row["seconds"] for row in rows], float)
        layers = np.array([len(row["sizes"]) - 1 for row in rows], float)
        A = np.stack([np.ones_like(layers), layers, layers**2], axis=1)
        prices[form] = [float(f"{price:.4g}") for price in nnls(A / took[:, None], np.ones(len(rows)))[0]]
    return prices


def main() -> None:
    """Measure, fit, and with --write store the record."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--first-update", nargs=3, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.first_update:
        sizes, members, folder = arguments.first_update
        print(*time_first_update(json.loads(sizes), int(members), folder))
        return
    measurements, compilations = measure_updates(), measure_compilations()
    record = {
        "date": date.today().isoformat(),
        "quantities": ["1", "layers", "members", "rows * units", "rows * parameters", "parameters"],
        "seconds_to_compile": fit_compilations(compilations),
        "seconds_to_load": {form: min(measure_first_updates(*LOADED[form])[2] for _ in range(3)) for form in LOADED},
        "nanoseconds": fit_prices(measurements),
    }
    if arguments.write:
        text = json.dumps(record, indent=1)[:-2]
        for name, rows in (("compilations", compilations), ("measurements", measurements)):
            lines = ",\n".join(f"  {json.dumps(row)}" for row in rows)
            text += f',\n "{name}": [\n{lines}\n ]'
        COSTS_FILE.write_text(f"{text}\n}}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
