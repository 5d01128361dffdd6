"""Judge the claims of the CIFAR-10 report with networks that a GPU trains.

`python benchmarks/gpu_grids.py FOLDER --data DATA [--seeds N] [--processes P] [--device cuda]`

First the autograd engine on the device is checked against the reference engine: ten of the networks, three updates in
float64. Then processes share the networks that the claims need, and their stores are merged in FOLDER, where the claims
are judged over as many seeds as decide, as by `deltarule claims cifar --out FOLDER --resume`.
"""

import argparse
import multiprocessing
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import torch

from deltarule.engines.autograd import AutogradEngine
from deltarule.engines.reference import ReferenceEngine
from deltarule.problem.state import initial_state
from deltarule.recipes import load_recipe, populations_of_settings, with_settings
from deltarule.studies.claim_results import judge_study
from deltarule.studies.claims import claims_of_study
from deltarule.studies.experiments import Experiments
from deltarule.studies.judges import cifar
from deltarule.sweeps.sweep import merge_sweeps

STUDY = "cifar"
TOLERANCE = 1e-10
"""Of θ after three updates, relative to the farthest that a parameter has moved."""
FIRST_SEEDS = 6
"""The seeds of the first look, trained before the others."""

COSTS = [(hidden, steps) for hidden in (100, 200, 300) for steps in (3000, 4000, 5000)]
COMBINATIONS = dict.fromkeys(
    [
        *cifar.OF_BATCH.values(),
        *cifar.AT_RATES.values(),
        *((200, steps, 256, rate, 1e-3) for rate in (1e-3, 1e-4, 1e-2) for steps in (3000, 4000, 5000)),
        *((*cost, 256, 1e-3, 1e-3) for cost in COSTS),
        *cifar.ROWS,
        *cifar.TEN_WORST,
    ]
)
"""Those of the grid that claims 1 to 4, 10, 14 and 15 compare."""


def sweeps() -> dict[str, tuple[list[dict[str, Any]], dict[str, Any]]]:
    """The sweeps that the claims need: settings and options, by the name of the store."""
    kept: list[dict[str, Any]] = [
        {},
        {"loss.strength": 1e-2},
        cifar.NO_PENALTY,
        *({"optimizer.learning_rate": rate} for rate in cifar.BAD_RATES.values()),
    ]
    deep = [cifar.deep_settings(*name) for name in sorted(cifar.DEEP, reverse=True)]
    networks = [cifar.settings_of(*one) for one in COMBINATIONS if one[:3] != cifar.BEST[:3]]
    asked: dict[str, tuple[list[dict[str, Any]], dict[str, Any]]] = {
        "weights": (kept, {"keep": True}),
        "networks": (networks, {}),
    }
    for name, weights in cifar.WEIGHTS.items():
        asked[f"deep-{name}"] = deep, {"experiment": "framework", "set": {"network.initializer": weights}}
    return asked


def train_part(folder: Path, data: Path, seeds: int, device: str, name: str, part: int, parts: int) -> str:
    """Train a share of a sweep's networks into a store of its own."""
    torch.set_default_device(device)
    settings, options = sweeps()[name]
    experiments = Experiments(STUDY, seeds=seeds, engine="autograd", data_dir=data, folder=folder / f"part-{part}")
    started = time.perf_counter()
    for count in sorted({min(FIRST_SEEDS, seeds), seeds}):
        experiments.sweep(name, settings[part::parts], seeds=count, **options)
    experiments.close()
    return f"{name}, part {part + 1} of {parts}: {time.perf_counter() - started:.0f} s"


def largest_difference(data: Path, device: str) -> float:
    """How far θ of ten networks is from the reference engine's after three updates."""
    recipe = with_settings(load_recipe(STUDY), {"run.dtype": "float64", "run.seeds": 2})
    dataset = Experiments(recipe, seeds=2, data_dir=data).dataset
    chosen = [
        *(cifar.settings_of(*one) for one in (cifar.BEST, cifar.SECOND, cifar.TENTH, cifar.OF_BATCH[128])),
        *(cifar.deep_settings(depth, norm, kind) for depth, norm, kind in cifar.DEEP[::6]),
    ]
    differences = []
    for settings in chosen:
        [population] = populations_of_settings(recipe, dataset, [settings], data)
        problem = population.problem
        start = initial_state(problem)
        engines = ReferenceEngine(), AutogradEngine(device)
        theta, found = (engine.advance(problem, start, 3)[0].theta for engine in engines)
        differences.append(np.abs(found - theta).max() / np.abs(theta - start.theta).max())
    return float(max(differences))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--processes", type=int, default=4, help="for each of the four sweeps")
    parser.add_argument("--device", default="cuda")
    arguments = parser.parse_args()
    folder, data, seeds, device = arguments.folder, arguments.data, arguments.seeds, arguments.device

    difference = largest_difference(data, device)
    print(f"ten networks after three updates: {difference:.1e} of the largest move from the reference engine's")
    if not difference <= TOLERANCE:
        raise SystemExit(f"more than {TOLERANCE:g}: nothing is trained")

    started = time.perf_counter()
    names, parts = list(sweeps()), arguments.processes
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(parts * len(names), context) as pool:
        tasks = [
            pool.submit(train_part, folder, data, seeds, device, name, part, parts)
            for name in names
            for part in range(parts)
        ]
        for task in tasks:
            print(task.result(), flush=True)
    for name in names:
        merge_sweeps([folder / f"part-{part}" / name for part in range(parts)], folder / name)
    print(f"all networks: {time.perf_counter() - started:.0f} s", flush=True)

    torch.set_default_device(device)
    recipe = load_recipe(STUDY)
    experiments = Experiments(recipe, seeds=seeds, engine="autograd", data_dir=data, folder=folder)
    claims = tuple(claim for claim in claims_of_study(recipe) if claim.id not in ("cifar-6", "cifar-13"))
    results = judge_study(experiments, claims, sequential=True, resume=True)
    for verdict in results.claims:
        print(verdict.id, verdict.verdict, {name: one.verdict for name, one in verdict.readings.items()})


if __name__ == "__main__":
    main()
