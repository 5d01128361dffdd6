"""Measure what an update costs with each engine, and fit the prices by which `engine="auto"` chooses.

    python benchmarks/costs.py [--write]

With --write the measurements and the prices go into src/deltarule/engines/costs.json. An update of many small and large
networks is timed, the least of several times; prices are never negative, and are fitted so that the error in per cent
is small, for a millisecond that is 10 % off matters as much as a microsecond that is.
"""

import argparse
import json
import subprocess
import sys
from datetime import date
from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter

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

KEPT = Path(__file__).parents[1] / "src" / "deltarule" / "engines" / "costs.json"
SIZES = [(2, 3, 3, 1), (8, 3, 8), (8, 16, 16, 2), (30, 50, 2), (64, 100, 10), (784, 100, 10), (100, 200, 200, 10)]
BATCHES = [8, 64, 256]
MEMBERS = [1, 16, 256]
PRODUCTS = 4  # the place of rows · parameters among the quantities
LARGEST = 2e8  # rows · parameters of an update: more takes too long to be timed often


def problem_of(sizes: tuple[int, ...], batch: int, members: int, dtype: str) -> Problem:
    """Networks with what is usual: sigmoid, softmax and cross-entropy or a squared error, weight decay, momentum."""
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


def nanoseconds(chosen: Engine, problem: Problem) -> float:
    """The least time of an update, of several stretches."""
    state = initial_state(problem)
    chosen.advance(problem, state, 1)
    count, took = 1, 0.0
    while took < 0.02:
        count = max(2 * count, int(count * 0.03 / max(took, 1e-6))) if took else count
        started = perf_counter()
        chosen.advance(problem, state, count)
        took = perf_counter() - started
    times = [took]
    for _ in range(4):
        started = perf_counter()
        chosen.advance(problem, state, count)
        times.append(perf_counter() - started)
    return min(times) / count * 1e9


def measured() -> list[dict[str, object]]:
    """Every combination that is not too large, with each engine."""
    found: list[dict[str, object]] = []
    for sizes, batch, members, dtype in product(SIZES, BATCHES, MEMBERS, ("float64", "float32")):
        problem = problem_of(sizes, batch, members, dtype)
        if quantities(problem)[4] > LARGEST:
            continue
        # Of a small network the compiled engine has two forms: a program of its sizes, and that of all sizes.
        engines = engine("reference"), CompiledEngine(), CompiledEngine(own_shape=False)
        for form, chosen in {form_of(one, problem): one for one in engines}.items():
            entry = {"sizes": sizes, "batch": batch, "members": members, "form": f"{form} {dtype}"}
            found.append({**entry, "nanoseconds": round(nanoseconds(chosen, problem))})
            print(*found[-1].values(), flush=True)
    return found


def fitted(measurements: list[dict[str, object]]) -> dict[str, list[float]]:
    """The prices of each form, least squares of the relative errors.

    In the networks that are measured products are a small part of what the reference engine does, and their price is
    fitted badly, to 0 even: then it would be taken for the largest networks. They cannot cost it less than the compiled
    engine, whose BLAS is at least as fast.
    """
    prices: dict[str, list[float]] = {}
    for form in sorted({str(one["form"]) for one in measurements}):  # "products" before "reference"
        chosen = [one for one in measurements if one["form"] == form]
        name, dtype = form.split()
        took = np.array([one["nanoseconds"] for one in chosen], float)
        A = np.array([quantities(problem_of(one["sizes"], one["batch"], one["members"], dtype)) for one in chosen])
        least = np.zeros(A.shape[1])
        if name == "reference":
            least[PRODUCTS] = prices[f"products {dtype}"][PRODUCTS]
        above = nnls(A / took[:, None], 1 - A @ least / took)[0]
        prices[form] = [float(f"{price:.4g}") for price in least + above]
    return prices


PROGRAMS = {"lanes": ((4, 5, 4), 8, 16), "products": ((30, 100, 1), 200, 1)}


def first_update(form: str, folder: str) -> float:
    """How long the first update of a process takes, whose programs lie in a folder."""
    sizes, batch, members = PROGRAMS[form]
    problem = problem_of(sizes, batch, members, "float64")
    assert form_of(engine("compiled"), problem) == form
    cache.folder = lambda: Path(folder)
    started = perf_counter()
    engine("compiled").advance(problem, initial_state(problem), 1)
    return perf_counter() - started


def seconds_to_begin() -> dict[str, dict[str, float]]:
    """What is lost before the first update, by the form of the program: where it is compiled, and where it is loaded.

    The least of three processes each.
    """
    found: dict[str, dict[str, float]] = {"seconds_to_compile": {}, "seconds_to_load": {}}
    for form in PROGRAMS:
        times: dict[str, list[float]] = {name: [] for name in found}
        for _ in range(3):
            with TemporaryDirectory(prefix="deltarule-costs-") as folder:
                for name in found:
                    command = [sys.executable, __file__, "--first-update", form, folder]
                    said = subprocess.run(command, check=True, capture_output=True, encoding="utf-8").stdout
                    times[name].append(float(said))
        for name, each in times.items():
            found[name][form] = round(min(each), 2)
    return found


def main() -> None:
    """Measure, fit, and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--first-update", nargs=2, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.first_update:
        print(first_update(*arguments.first_update))
        return
    measurements = measured()
    record = {
        "date": date.today().isoformat(),
        "quantities": ["1", "layers", "members", "rows * units", "rows * parameters", "parameters"],
        **seconds_to_begin(),
        "nanoseconds": fitted(measurements),
        "measurements": measurements,
    }
    if arguments.write:
        head = json.dumps({key: value for key, value in record.items() if key != "measurements"}, indent=1)[:-2]
        lines = ",\n".join(f"  {json.dumps(one)}" for one in measurements)
        KEPT.write_text(f'{head},\n "measurements": [\n{lines}\n ]\n}}\n', encoding="utf-8")


if __name__ == "__main__":
    main()
