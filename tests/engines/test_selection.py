"""Which engine `auto` takes, beside measured times."""

import json
import os
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from scripts import benchmark

from deltarule.engines.compiled.engine import CompiledEngine
from deltarule.engines.selection import (
    engine,
    engine_for,
    expected_seconds,
    form_of,
    startup_seconds,
)
from deltarule.errors import BadInput
from deltarule.problem.create import create_problem
from deltarule.problem.network import Network
from deltarule.problem.problem import Problem


def network(sizes: list[int], members: int = 1, rows: int = 32, **given: Any) -> Problem:
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(rows, sizes[0])), rng.normal(size=(rows, sizes[-1]))
    return create_problem(Network(sizes), x, y, seeds=range(members), **given)


def test_choices_are_nearly_the_best_of_the_measured() -> None:
    costs = benchmark("costs")
    found = costs.ratios(json.loads(costs.COSTS_FILE.read_text(encoding="utf-8"))["measurements"])
    assert len(found) > 1000 and np.mean(found) < 1.005 and max(found) < 1.75


@pytest.mark.parametrize("members", [1, 16])
def test_auto_does_not_compile_a_deep_network_of_few_units_for_a_short_training(members: int) -> None:
    deep = network([64, *[8] * 22, 10], members)
    compiling = startup_seconds("lanes", False, 23)
    assert compiling > 20
    steps = int(2 / expected_seconds("reference", deep, 1))
    assert engine_for("auto", deep, steps).name == "reference"
    steps = int(2 * compiling / (expected_seconds("reference", deep, 1) - expected_seconds("lanes", deep, 1)))
    assert engine_for("auto", deep, steps).name == "compiled"


def test_auto_weighs_the_work() -> None:
    small, large = network([8, 3, 8], members=1), network([30, 100, 1])
    assert form_of(CompiledEngine(), small) == "lanes" and form_of(CompiledEngine(), large) == "products"
    assert engine_for("auto", small, steps=10).name == "reference"
    assert engine_for("auto", network([8, 3, 8], members=1000), steps=100_000).name == "compiled"
    assert engine_for("auto", large, steps=10).name == "reference"
    assert engine_for("auto", large, steps=100_000).name == "compiled"
    assert engine_for("auto", network([30, 100, 1], optimizer="normalized_gradient"), 10**6).name == "reference"
    assert engine_for("compiled", small, steps=1).name == "compiled"


def test_a_small_network_takes_the_program_for_large_ones_where_more_trainings_are_to_follow() -> None:
    small = network([30, 10, 1], rows=200)
    assert engine_for("auto", small, 5000).name == "reference"
    several = engine_for("auto", small, 5000, others_follow=True)
    assert isinstance(several, CompiledEngine) and not several.own_shape
    many = engine_for("auto", network([30, 10, 1], rows=200, members=1000), 100_000, others_follow=True)
    assert isinstance(many, CompiledEngine) and many.own_shape
    # Half a second is not worth six of compiling.
    assert engine_for("auto", small, 1500, others_follow=True).name == "reference"


def test_several_sizes_take_one_program_for_all_of_them_where_it_is_done_first() -> None:
    few = network([8, 16, 8], members=3)
    assert engine_for("auto", few, 3000).name == "reference"
    several = engine_for("auto", few, 3000, shapes=32)
    assert isinstance(several, CompiledEngine) and not several.own_shape
    assert engine_for("auto", few, 100, shapes=32).name == "reference"
    many = engine_for("auto", network([8, 3, 8], members=1000), 100_000, shapes=32)
    assert isinstance(many, CompiledEngine) and many.own_shape
    named = engine_for("compiled", few, 3000, shapes=32)
    assert isinstance(named, CompiledEngine) and named.own_shape


def test_a_program_for_all_sizes_is_compiled_once_for_all_shapes_of_a_sweep() -> None:
    few = network([8, 16, 8], members=3)
    assert engine_for("auto", few, 800, shapes=10).name == "reference"
    assert engine_for("auto", few, 800, shapes=100).name == "compiled"


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("batch_norm", [False, True])
def test_networks_larger_than_all_that_were_measured_are_compiled(dtype: str, batch_norm: bool) -> None:
    # There the compiled engine needs half the processor time: products in cheaper kernels, little beside them.
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(128, 784)), rng.normal(size=(128, 10))
    for units in (512, 1024, 2048):
        large = create_problem(Network([784, units, units, 10], "relu", batch_norm=batch_norm), x, y, dtype=dtype)
        assert engine_for("auto", large, steps=5000).name == "compiled"


NUMBA_REFUSES = """
import deltarule
from deltarule.doctor import examine
from deltarule.engines.selection import engine_for
problem = deltarule.create_problem(deltarule.Network([1, 1]), [[0.0]], [0.0], seeds=range(99))
print(engine_for("auto", problem, 10**9).name)
try:
    deltarule.train(problem, engine="compiled", max_steps=1)
except deltarule.BadInput as error:
    print(error)
print(examine().engines["compiled"])
"""


@pytest.mark.slow
@pytest.mark.parametrize("number", ["0", "-3"])
def test_a_variable_that_numba_refuses_is_named_and_auto_goes_without(number: str) -> None:
    words, environment = [sys.executable, "-c", NUMBA_REFUSES], os.environ | {"NUMBA_NUM_THREADS": number}
    done = subprocess.run(words, env=environment, capture_output=True, encoding="utf-8", check=False)
    told = (
        'the engine "compiled" needs Numba, which cannot be loaded (Number of threads specified must be > 0); install'
        ' it, correct its variables (NUMBA_…) of the environment, or use "reference"'
    )
    assert done.stdout.splitlines() == ["reference", told, told], done


@pytest.mark.needs("torch")
def test_a_device_is_pytorchs() -> None:
    assert engine("autograd", "cpu").name == "autograd"
    for name in ("reference", "compiled"):
        with pytest.raises(BadInput, match=f"the engine '{name}' computes on the processor alone"):
            engine(name, "cpu")
    with pytest.raises(BadInput, match="there is no engine 'warp'"):
        engine("warp")


def test_auto_goes_without_a_numba_that_is_switched_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NUMBA_DISABLE_JIT", "1")
    assert engine_for("auto", network([1, 1], members=99), 10**9).name == "reference"
