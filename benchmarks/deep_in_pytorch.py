"""Train the deeper networks of the study cifar by our engine and in plain PyTorch, with equal weights and batches.

    python benchmarks/deep_in_pytorch.py --data DIR [--epochs 10] [--only NAME …] [--out FILE]

One member (seed 0) of each of the 36 networks is trained by our engine, and an untrained copy by PyTorch's modules,
autograd and Adam. At first the two differ only by rounding, which in float32 makes them diverge, as it does two runs of
PyTorch on different machines. What must agree are their final accuracies.
"""

import argparse
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

from deltarule.data.dataset import Dataset
from deltarule.export.torch_modules import to_torch
from deltarule.json_files import write_json
from deltarule.problem.batches import row_orders
from deltarule.problem.problem import Problem
from deltarule.studies.judges.cifar import DEEP, deep_settings
from deltarule.studies.recipes import dataset_of, load_recipe, problem_of, with_experiment, with_settings
from deltarule.training.train import train

EARLY_UPDATES = 20
"""Updates after which the parameters are compared, before rounding has driven them apart."""


def train_in_pytorch(problem: Problem, epochs: int) -> tuple[torch.nn.Sequential, dict[str, Any]]:
    """Train a problem's network by PyTorch alone; return the module, and its state after EARLY_UPDATES updates."""
    module = to_torch(train(problem, max_steps=0))[:-1].train()  # without the softmax, which is part of the loss
    named = list(module.named_parameters())
    decayed = [parameter for name, parameter in named if name.startswith("z") and name.endswith("weight")]
    others = [parameter for _, parameter in named if not any(parameter is weight for weight in decayed)]
    groups = [{"params": decayed, "weight_decay": float(problem.strength[0])}, {"params": others}]
    rate, numbers = float(problem.numbers["learning_rate"][0]), problem.schedule_numbers
    optimizer = torch.optim.Adam(groups, lr=rate)
    x, answers = torch.from_numpy(np.array(problem.x)), torch.from_numpy(problem.y.argmax(1))
    size, batches = problem.batch_rows(0), problem.steps_per_epoch(0)
    early: dict[str, Any] = {}
    for epoch in range(epochs):
        for group in optimizer.param_groups:
            group["lr"] = rate * float(numbers["factor"][0]) ** epoch
        order = torch.from_numpy(np.array(row_orders(problem, np.array([0]), epoch * batches, batches)[0][0, 0]))
        for index, batch in enumerate(order.split(size)):
            optimizer.zero_grad()
            torch.nn.functional.cross_entropy(module(x[batch]), answers[batch]).backward()
            optimizer.step()
            if epoch == 0 and index + 1 == EARLY_UPDATES:
                early = {name: array.clone() for name, array in module.state_dict().items()}
    return module.eval(), early


def relative_distance(early: dict[str, Any], problem: Problem) -> float:
    """The distance of PyTorch's early state from ours, as a share of the distance of ours from the start."""
    start, ours = (to_torch(train(problem, max_steps=n, engine="compiled")).state_dict() for n in (0, EARLY_UPDATES))
    names = [name for name in early if not name.endswith("num_batches_tracked")]
    between, moved = (
        sum(float((ours[name] - other[name]).double().square().sum()) for name in names) for other in (early, start)
    )
    return float(np.sqrt(between / moved))


def accuracy(module: torch.nn.Sequential, dataset: Dataset) -> float:
    """The accuracy of a module on the validation images."""
    rows = dataset.validation
    assert rows is not None
    with torch.no_grad():
        answers = module(torch.from_numpy(np.array(rows.x, np.float32))).argmax(1).numpy()
    return float((answers == rows.answers).mean())


def compare(problem: Problem, dataset: Dataset, epochs: int) -> dict[str, Any]:
    """Train one network in both ways, and return accuracies, seconds and the early distance."""
    rows = dataset.validation
    assert rows is not None
    started = time.perf_counter()
    run = train(problem, max_epochs=epochs, history_every=10**9, engine="compiled")
    ours = float((run.outputs(rows.x)[0].argmax(1) == rows.answers).mean())
    between = time.perf_counter()
    module, early = train_in_pytorch(problem, epochs)
    with torch.no_grad():
        copied = to_torch(run)(torch.from_numpy(np.array(rows.x, np.float32))).argmax(1).numpy()
    return {
        "ours": ours,
        "pytorch": accuracy(module, dataset),
        "our_network_in_pytorch": float((copied == rows.answers).mean()),
        "our_seconds": between - started,
        "pytorch_seconds": time.perf_counter() - between,
        "apart_at_first": relative_distance(early, problem),
    }


def main() -> None:
    """Compare all networks, print a line for each, and write or print the record."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", help="the folder of the data files")
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--only", nargs="+", metavar="NAME", help='"2 layers, relu, without batch norm" and so on')
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    recipe = with_settings(with_experiment(load_recipe("cifar"), "framework"), {"run.seeds": 1})
    dataset = dataset_of(recipe, given.data)
    results: dict[str, dict[str, Any]] = {}
    named = {
        f"{depth} layers, {kind}, {'with' if norm else 'without'} batch norm": (depth, norm, kind)
        for depth, norm, kind in DEEP
    }
    for name in given.only or named:
        problem = problem_of(with_settings(recipe, deep_settings(*named[name])), dataset)
        results[name] = result = compare(problem, dataset, given.epochs)
        accuracies = f"ours {result['ours']:.3f}  PyTorch {result['pytorch']:.3f}"
        print(f"{name:45} {accuracies}  apart at first {result['apart_at_first']:.0e}", flush=True)
    differences = [abs(result["ours"] - result["pytorch"]) for result in results.values()]
    print(f"accuracies differ by {np.median(differences):.4f} (median), {max(differences):.4f} at most")
    largest = max(result["apart_at_first"] for result in results.values())
    print(f"after {EARLY_UPDATES} updates apart by {largest:.1e} of the way at most")
    if given.out is not None:
        write_json(given.out, {"epochs": given.epochs, "networks": results})
    else:
        print(json.dumps(results))


if __name__ == "__main__":
    main()
