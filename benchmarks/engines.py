"""The engines against each other and against the products alone, in one process, in turn, medians of several rounds.

    python benchmarks/engines.py [--rounds 7]

Each row is one piece of work. The losses after the same updates are compared first; then every contender has a turn in
each round, so that a machine that slows down slows them all. What counts are the ratios.
"""

import argparse
import statistics
import time
from collections.abc import Callable

import numpy as np

from deltarule import Network, create_problem
from deltarule.engines.autograd import AutogradEngine
from deltarule.engines.base import one_blas_thread
from deltarule.engines.compiled.engine import CompiledEngine
from deltarule.engines.reference import ReferenceEngine
from deltarule.problem.problem import Problem
from deltarule.problem.state import initial_state

Contender = Callable[[], None]


def encoder(members: int) -> Problem:
    """The encoder report's setting: eight one-hot vectors, all of them in every update."""
    x = np.eye(8)
    return create_problem(
        Network([8, 3, 8], "sigmoid", "sigmoid"),
        x,
        x,
        penalty="weight_decay_per_sample",
        strength=1e-5,
        learning_rate=10.0,
        seeds=range(members),
    )


def images(members: int) -> Problem:
    """Random images of MNIST's shape through 100 ReLU units, batches of 256, in float32."""
    rng = np.random.default_rng(0)
    x, labels = rng.random((5_000, 784)), rng.integers(0, 10, 5_000)
    return create_problem(
        Network([784, 100, 10], "relu", "softmax"),
        x,
        np.eye(10)[labels],
        loss="cross_entropy",
        optimizer="momentum",
        learning_rate=0.01,
        batch_size=256,
        seeds=range(members),
        dtype="float32",
    )


def products(problem: Problem, steps: int) -> Contender:
    """The floor of a large network: its products alone, on one thread, with the same BLAS."""
    rows = problem.batch_rows(0)
    layers = [
        tuple(
            np.ones(shape, problem.dtype) for shape in ((rows, one.inputs), (one.inputs, one.units), (rows, one.units))
        )
        for one in problem.network.layers
    ]

    def work() -> None:
        with one_blas_thread():
            for _ in range(steps * problem.members):
                for number, (x, W, dz) in enumerate(layers):
                    x @ W, x.T @ dz
                    if number:
                        dz @ W.T

    return work


def measured(
    problem: Problem, steps: dict[str, int], floor: bool, rounds: int
) -> dict[str, tuple[float, float, float]]:
    """Microseconds for each member's update: least, median and greatest of the rounds, by contender."""
    engines = {"reference": ReferenceEngine(), "compiled": CompiledEngine(), "autograd (PyTorch)": AutogradEngine()}
    state = initial_state(problem)
    losses = {name: engine.advance(problem, state, 5)[1].objective[-1] for name, engine in engines.items()}
    bound = 1e-9 if problem.dtype == np.float64 else 1e-3
    for name, loss in losses.items():
        assert np.allclose(loss, losses["reference"], rtol=bound), f"{name} trains something else"
    work: dict[str, tuple[Contender, int]] = {
        name: ((lambda engine=engine, n=steps[name]: engine.advance(problem, state, n)), steps[name])
        for name, engine in engines.items()
    }
    if floor:
        work["products alone"] = products(problem, steps["compiled"]), steps["compiled"]
    seconds: dict[str, list[float]] = {name: [] for name in work}
    for _ in range(rounds):
        for name, (contender, n) in work.items():
            started = time.perf_counter()
            contender()
            seconds[name].append((time.perf_counter() - started) / n / problem.members * 1e6)
    return {name: (min(times), statistics.median(times), max(times)) for name, times in seconds.items()}


def main() -> None:
    """Measure every row, and print it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7)
    rounds = parser.parse_args().rounds
    rows = [
        ("one encoder", encoder(1), {"reference": 500, "compiled": 5_000, "autograd (PyTorch)": 100}, False),
        ("4,096 encoders", encoder(4_096), {"reference": 5, "compiled": 100, "autograd (PyTorch)": 3}, False),
        ("one 784-100-10", images(1), dict.fromkeys(("reference", "compiled", "autograd (PyTorch)"), 40), True),
        ("16 times 784-100-10", images(16), dict.fromkeys(("reference", "compiled", "autograd (PyTorch)"), 5), True),
    ]
    for title, problem, steps, floor in rows:
        found = measured(problem, steps, floor, rounds)
        print(f"{title}: microseconds for a member's update (least, median, greatest), times the compiled median")
        for name, (least, middle, most) in found.items():
            print(f"  {name:20} {least:10.3f} {middle:10.3f} {most:10.3f}   {middle / found['compiled'][1]:8.2f}")


if __name__ == "__main__":
    main()
