"""Measure what histories, evaluations and a whole command take, beside the updates alone or beside NumPy."""

import contextlib
import io
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from bench import peers_jax
from bench.contenders import LeftOut
from bench.timing import Spread
from bench.workloads import encoder, images
from deltarule.cli import main
from deltarule.cli.options import chosen_recipe
from deltarule.engines.compiled.engine import CompiledEngine
from deltarule.engines.reference import ReferenceEngine
from deltarule.problem.create import create_problem
from deltarule.problem.network import Network
from deltarule.problem.problem import Problem
from deltarule.problem.state import initial_state
from deltarule.recipes import dataset_of
from deltarule.stats.metrics import find
from deltarule.studies.runner import population_of
from deltarule.training.run import Run
from deltarule.training.train import train

ROUNDS, QUICK_ROUNDS = 5, 1
Function = Callable[[], Any]


@dataclass(frozen=True)
class History:
    """Two measurements in turn, in seconds, and their ratio.

    name   what is compared     bound   the largest ratio that is wanted, or None
    alone, watched   the seconds without and with it, such as the engine's updates and a training with a history
    """

    name: str
    bound: float | None
    alone: Spread
    watched: Spread
    ratio: float


def histories(quick: bool, report: Callable[[str], None]) -> list[History]:
    """Measure all of them; `report` is called with the name of each before it begins."""
    measured = []
    for name, bound, make in _comparisons(quick):
        report(name)
        try:
            functions = make()
        except LeftOut:
            continue
        seconds = _seconds_in_turn(functions, QUICK_ROUNDS if quick else ROUNDS)
        alone, watched = map(Spread.of, seconds)
        measured.append(History(name, bound, alone, watched, watched.median / alone.median))
    return measured


def _comparisons(quick: bool) -> list[tuple[str, float | None, Callable[[], tuple[Function, Function]]]]:
    """Return name, bound and maker of the two functions of each comparison."""
    members, many, images_members = (64, 128, 2) if quick else (4_096, 131_072, 64)
    batches = 3 if quick else 235
    rows: list[tuple[str, float | None, Callable[[], tuple[Function, Function]]]] = []
    for dtype, default, accuracy, command in (("float64", 1.15, 1.4, 1.4), ("float32", 1.3, 1.6, 1.6)):
        rows += [
            (
                f"{members:,} encoders, 976 updates, {dtype}: train by default / the updates alone",
                default,
                lambda dtype=dtype: _training(encoder("", members, dtype=dtype).problem, 976),  # type: ignore[misc]
            ),
            (
                f"the same, {dtype}, with accuracy and validation rows",
                accuracy,
                lambda dtype=dtype: _training(  # type: ignore[misc]
                    encoder("", members, dtype=dtype).problem, 976, record=["accuracy"], validation=(np.eye(8),) * 2
                ),
            ),
            (
                f"deltarule run encoder --seeds {members}, {dtype}, without start-up / the updates alone",
                command,
                lambda dtype=dtype: _command(members, dtype),  # type: ignore[misc]
            ),
        ]
    return [
        *rows,
        (
            f"{many:,} encoders, 60 updates, float32: train with a history of two points / the updates alone",
            1.5,
            lambda: _training(encoder("", many, dtype="float32").problem, 60, history_every=60),
        ),
        *(
            (
                f"one network {'-'.join(map(str, sizes))}, three epochs: the default history / none",
                1.25,
                lambda sizes=sizes: _one_network(sizes, 500 if quick else 20_000),  # type: ignore[misc]
            )
            for sizes in ((784, 100, 10), (784, 256, 128, 10))
        ),
        (f"outputs of {members:,} encoders for 1,000 rows, float64 / by NumPy", 0.3, lambda: _outputs(members)),
        (
            f"{images_members} of 784-100-10, an epoch of {batches} updates: with accuracy on 10,000 rows / without",
            1.1,
            lambda: _validation(images("", images_members, batches=batches).problem),
        ),
        (f"JAX vmap, {members:,} encoders, 976 updates: with its history / without", None, lambda: _jax(members)),
    ]


def _training(problem: Problem, updates: int, **options: Any) -> tuple[Function, Function]:
    engine, state = CompiledEngine(), initial_state(problem)
    return (
        lambda: engine.advance(problem, state, updates),
        lambda: train(problem, engine=engine, max_steps=updates, **options),
    )


def _one_network(sizes: tuple[int, ...], rows: int) -> tuple[Function, Function]:
    generator = np.random.default_rng(1)
    x, y = generator.random((rows, sizes[0])), np.eye(sizes[-1])[generator.integers(0, sizes[-1], rows)]
    problem = create_problem(Network(sizes, "relu", "softmax"), x, y, loss="cross_entropy", batch_size=100)
    return lambda: train(problem, max_epochs=3, history_every=0), lambda: train(problem, max_epochs=3)


def _command(members: int, dtype: str) -> tuple[Function, Function]:
    words = ["run", "encoder", "--seeds", str(members), "--engine", "compiled", "--set", f"run.dtype={dtype}"]
    recipe = chosen_recipe("encoder", None, [f"run.dtype={dtype}"], None, members)
    problem = population_of(recipe, dataset_of(recipe, None)).problem
    updates = recipe.configuration.stopping.max_steps
    assert isinstance(updates, int)

    def run_command() -> None:
        """Run the command in this process, without its output."""
        before, sys.argv = sys.argv, ["deltarule", *words]
        try:
            with contextlib.redirect_stdout(io.StringIO()), contextlib.suppress(SystemExit):
                main()
        finally:
            sys.argv = before

    return _training(problem, updates)[0], run_command


def _outputs(members: int) -> tuple[Function, Function]:
    problem, x = encoder("", members).problem, np.random.default_rng(0).random((1_000, 8))
    state = initial_state(problem)
    return (
        lambda: ReferenceEngine().outputs(problem, state, x),
        lambda: CompiledEngine().outputs(problem, state, x),
    )


def _validation(problem: Problem) -> tuple[Function, Function]:
    generator = np.random.default_rng(1)
    rows = generator.random((10_000, 784), np.float32), np.eye(10)[generator.integers(0, 10, 10_000)]
    engine, updates = CompiledEngine(), problem.steps_per_epoch(0)
    metrics = {"accuracy": find("accuracy").value}

    def train_alone() -> Run:
        return train(problem, engine=engine, max_steps=updates, history_every=0)

    return train_alone, lambda: engine.evaluate(problem, train_alone().state, rows, metrics)


def _jax(members: int) -> tuple[Function, Function]:
    problem = encoder("", members).problem
    alone, watched = peers_jax.vmap_population(problem), peers_jax.vmap_population(problem, with_history=True)
    return lambda: alone.advance(976), lambda: watched.advance(976)


def _seconds_in_turn(functions: tuple[Function, Function], rounds: int) -> list[list[float]]:
    """Call two functions once, so that all is compiled, and then time them in turn."""
    seconds: list[list[float]] = [[], []]
    for turn in range(rounds + 1):
        for index, function in enumerate(functions):
            time.sleep(0.005)  # the threads of a library keep spinning for a moment
            started = time.perf_counter()
            function()
            if turn:
                seconds[index].append(time.perf_counter() - started)
    return seconds
