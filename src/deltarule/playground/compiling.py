"""Compile a problem's program in another process, while this one trains.

In a thread, Numba would hold Python's lock for seconds, could not be stopped, and would break off with an error if the
process ended meanwhile. The program comes back by the cache on disk.
"""

import contextlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from deltarule.engines.base import Engine
from deltarule.engines.compiled.structure_cache import structure_key
from deltarule.engines.selection import engine
from deltarule.playground.exports import recipe_toml
from deltarule.playground.past import Past, Present
from deltarule.playground.population import population_of
from deltarule.problem.configuration import parse_toml
from deltarule.problem.problem import Problem
from deltarule.problem.state import initial_state
from deltarule.studies.recipes import Recipe, dataset_of

Compiler = subprocess.Popen[bytes]

_loaded: set[Any] = set()


def is_loaded(engine: Engine, problem: Problem) -> bool:
    """Whether an engine advances a problem at once."""
    return engine.name == "reference" or _program_key(problem) in _loaded


def start_compiler(engine: Engine, recipe: Recipe) -> Compiler:
    told = [engine.name, recipe.name, str(recipe.folder), recipe_toml(recipe.configuration)]
    command = [sys.executable, "-m", "deltarule.playground.compiling"]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    assert process.stdin is not None
    with contextlib.suppress(OSError), process.stdin as stdin:  # it may have been stopped
        stdin.write(json.dumps(told).encode())
    return process


def load_programs(engine: Engine, moment: Present) -> None:
    moment.evaluate(engine)
    engine.advance(moment.problem, moment.state, 1)
    _loaded.add(_program_key(moment.problem))


def _program_key(problem: Problem) -> Any:
    return structure_key(problem), problem.members, problem.batch_size, len(problem.x)


def _compile(engine_name: str, name: str, folder: str, toml: str) -> None:
    recipe = Recipe(name, Path(folder), parse_toml(toml))
    dataset = dataset_of(recipe)
    problem = population_of(recipe, dataset)
    state = initial_state(problem)
    load_programs(engine(engine_name), Present(recipe, dataset, problem, state, {}, Past(problem, state), 0))


if __name__ == "__main__":
    _compile(*json.load(sys.stdin))
