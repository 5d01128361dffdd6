"""One large network on one processor and on all: an epoch of ours, of other libraries, and of its products alone."""

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
from threadpoolctl import threadpool_limits

from bench import peers_jax, peers_sklearn, peers_torch
from deltarule.engines.compiled.engine import CompiledEngine
from deltarule.maths.network import views
from deltarule.platforms import available_processors
from deltarule.problem.create import create_problem
from deltarule.problem.network import Network
from deltarule.problem.problem import Problem
from deltarule.problem.state import initial_state

ROUNDS = 5
NETWORKS = (
    ([784, 100, 10], 200, 20_000),
    ([784, 256, 128, 10], 128, 20_000),
    ([784, 512, 512, 10], 128, 10_000),
    ([784, 512, 512, 10], 512, 10_000),
    ([784, 256, 128, 10], 1_000, 20_000),
    ([20, 64, 64, 2], 32, 10_000),
)
"""Layers, rows of a batch, rows of the data."""


@dataclass(frozen=True)
class OnProcessors:
    """The seconds of an epoch of a network, medians, by what was measured."""

    name: str
    seconds: dict[str, float]


def on_processors(quick: bool, report: Callable[[str], None]) -> list[OnProcessors]:
    """Measure all networks, each contender in turn; `report` is called with the name of each before it begins."""
    measured = []
    for sizes, batch, rows in NETWORKS:
        name = f"{'-'.join(map(str, sizes))}, {batch}, {rows:,}"
        report(name)
        problem, updates = _problem(sizes, batch, rows), max(1, rows // batch // (20 if quick else 1))
        contenders = _contenders(problem)
        times: dict[str, list[float]] = {contender: [] for contender in contenders}
        for _ in range(ROUNDS + 1):
            for contender, advance in contenders.items():
                time.sleep(0.005)  # the threads of a library keep spinning for a moment
                started = time.perf_counter()
                advance(updates)
                times[contender].append(time.perf_counter() - started)
        seconds = {
            contender: statistics.median(values[1:]) for contender, values in times.items()
        }  # the first compiles
        measured.append(OnProcessors(name, seconds))
    return measured


def _problem(sizes: list[int], batch: int, rows: int) -> Problem:
    """Random pixels and classes; only whole batches, as other libraries take them."""
    random, rows = np.random.default_rng(0), rows // batch * batch
    x, y = random.random((rows, sizes[0]), np.float32), np.eye(sizes[-1])[random.integers(0, sizes[-1], rows)]
    return create_problem(
        Network(sizes, "relu", "softmax", initializer="he_normal"),
        x,
        y,
        loss="cross_entropy",
        optimizer="adam",
        learning_rate=0.001,
        batch_size=batch,
        seeds=[0],
        dtype="float32",
    )


def _contenders(problem: Problem) -> dict[str, Callable[[int], object]]:
    """Return functions that make n updates, by name; those with a number of threads first."""
    state, threads = initial_state(problem), available_processors()
    contenders: dict[str, Callable[[int], object]] = {}
    for count in (1, threads):
        contenders[f"ours {count}"] = partial(CompiledEngine(count).advance, problem, state)
        contenders[f"products {count}"] = _products(problem, count)
    contenders["JAX"] = peers_jax.scan(problem).advance
    contenders["PyTorch"] = peers_torch.eager(problem).advance
    if problem.network.outputs > 2:  # two classes are one output there
        contenders["scikit-learn"] = peers_sklearn.classifier(problem).advance
    return contenders


def _products(problem: Problem, threads: int) -> Callable[[int], None]:
    """Return a function that makes NumPy's products of n updates, into arrays that exist already."""
    rows = problem.batch_rows(0)
    parameters = views(initial_state(problem).theta[0], problem.network.entries)
    weights = [np.ascontiguousarray(parameters[f"W{n}"]) for n in problem.network.activations]
    inputs, outputs = ([np.ones((rows, W.shape[axis]), W.dtype) for W in weights] for axis in (0, 1))
    gradients, back = [np.empty_like(W) for W in weights], [np.empty_like(x) for x in inputs]

    def advance(n: int) -> None:
        with threadpool_limits(threads):
            for _ in range(n):
                for x, W, z in zip(inputs, weights, outputs, strict=True):
                    np.matmul(x, W, out=z)
                for index in reversed(range(len(weights))):
                    np.matmul(inputs[index].T, outputs[index], out=gradients[index])
                    if index:
                        np.matmul(outputs[index], weights[index].T, out=back[index])

    return advance
