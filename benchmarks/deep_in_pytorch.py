"""The deeper networks of the study cifar in plain PyTorch, beside ours: from the same weights, with the same batches.

    python benchmarks/deep_in_pytorch.py --data DIR [--epochs 10] [--only NAME …] [--out FILE]

Of each of the 36 networks one member (seed 0) is trained by our engine, and its untrained copy by PyTorch's own
modules, autograd and Adam. At first the two are the same but for rounding, which in float32 drives them apart, as it
drives apart two runs of PyTorch on different machines. What must agree is where they end: their accuracies.
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
from deltarule.studies.cifar.trainings import DEEP, deep_settings
from deltarule.studies.recipes import dataset_of, load_recipe, problem_of, with_experiment, with_settings
from deltarule.training.train import train

FIRST = 20
"""Updates after which the parameters are compared, before rounding has driven them apart."""


def in_pytorch(problem: Problem, epochs: int) -> tuple[torch.nn.Sequential, dict[str, Any]]:
    """Train the untrained network by PyTorch alone; gives the module, and its state after the first updates."""
    module = to_torch(train(problem, max_steps=0))[:-1].train()  # without the softmax, which the loss brings
    decayed = [one for name, one in module.named_parameters() if name.startswith("z") and name.endswith("weight")]
    others = [one for one in module.parameters() if not any(one is weight for weight in decayed)]
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
        for place, batch in enumerate(order.split(size)):
            optimizer.zero_grad()
            torch.nn.functional.cross_entropy(module(x[batch]), answers[batch]).backward()
            optimizer.step()
            if epoch == 0 and place + 1 == FIRST:
                early = {name: one.clone() for name, one in module.state_dict().items()}
    return module.eval(), early


def apart(early: dict[str, Any], problem: Problem) -> float:
    """How far PyTorch is from us after the first updates, as a share of how far we have come."""
    start, ours = (to_torch(train(problem, max_steps=n, engine="compiled")).state_dict() for n in (0, FIRST))
    names = [name for name in early if not name.endswith("num_batches_tracked")]
    between, come = (
        sum(float((ours[name] - other[name]).double().square().sum()) for name in names) for other in (early, start)
    )
    return float(np.sqrt(between / come))


def accuracy(module: torch.nn.Sequential, dataset: Dataset) -> float:
    """Of a module on the validation images."""
    rows = dataset.validation
    assert rows is not None
    with torch.no_grad():
        answers = module(torch.from_numpy(np.array(rows.x, np.float32))).argmax(1).numpy()
    return float((answers == rows.answers).mean())


def compared(problem: Problem, dataset: Dataset, epochs: int) -> dict[str, Any]:
    """Both ways of training one network."""
    rows = dataset.validation
    assert rows is not None
    started = time.perf_counter()
    run = train(problem, max_epochs=epochs, history_every=10**9, engine="compiled")
    ours = float((run.outputs(rows.x)[0].argmax(1) == rows.answers).mean())
    between = time.perf_counter()
    module, early = in_pytorch(problem, epochs)
    with torch.no_grad():
        copied = to_torch(run)(torch.from_numpy(np.array(rows.x, np.float32))).argmax(1).numpy()
    return {
        "ours": ours,
        "pytorch": accuracy(module, dataset),
        "our_network_in_pytorch": float((copied == rows.answers).mean()),
        "our_seconds": between - started,
        "pytorch_seconds": time.perf_counter() - between,
        "apart_at_first": apart(early, problem),
    }


def main() -> None:
    """Compare all 36, print a line for each, and write what was found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", help="the folder of the data files")
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--only", nargs="+", metavar="NAME", help='"2 layers, relu, without batch norm" and so on')
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    recipe = with_settings(with_experiment(load_recipe("cifar"), "framework"), {"run.seeds": 1})
    dataset = dataset_of(recipe, given.data)
    found: dict[str, dict[str, Any]] = {}
    named = {
        f"{depth} layers, {kind}, {'with' if norm else 'without'} batch norm": (depth, norm, kind)
        for depth, norm, kind in DEEP
    }
    for name in given.only or named:
        problem = problem_of(with_settings(recipe, deep_settings(*named[name])), dataset)
        found[name] = one = compared(problem, dataset, given.epochs)
        told = f"ours {one['ours']:.3f}  PyTorch {one['pytorch']:.3f}  apart at first {one['apart_at_first']:.0e}"
        print(f"{name:45} {told}", flush=True)
    ends = [abs(one["ours"] - one["pytorch"]) for one in found.values()]
    print(f"accuracies differ by {np.median(ends):.4f} (median), {max(ends):.4f} at most")
    print(
        f"after {FIRST} updates apart by {max(one['apart_at_first'] for one in found.values()):.1e} of the way at most"
    )
    if given.out is not None:
        write_json(given.out, {"epochs": given.epochs, "networks": found})
    else:
        print(json.dumps(found))


if __name__ == "__main__":
    main()
