"""Which engine `auto` takes, beside measured times."""

import json
import sys
from typing import Any

import numpy as np
import pytest
from refusals import refuses
from scripts import benchmark

from deltarule.doctor import examine
from deltarule.engines.selection import engine, engine_for, reference_seconds, seconds_to_compile
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
    assert len(found) > 1000 and np.mean(found) < 1.02 and max(found) < 5


@pytest.mark.parametrize("members", [1, 16])
def test_auto_does_not_compile_a_deep_network_of_few_units_for_a_short_training(members: int) -> None:
    deep = network([64, *[8] * 22, 10], members)
    updates = seconds_to_compile(deep) / reference_seconds(deep, 1)
    assert engine_for("auto", deep, int(updates / 6)).name == "reference"
    assert engine_for("auto", deep, int(updates)).name == "compiled"


def test_the_more_trainings_share_a_program_the_sooner_it_is_compiled() -> None:
    a_table = network([30, 30, 1], rows=569, batch_size=200)
    fit = 50 * a_table.steps_per_epoch(0)
    assert [engine_for("auto", a_table, fit, trainings).name for trainings in (1, 10)] == ["reference", "compiled"]


def test_auto_weighs_the_work() -> None:
    small, large = network([8, 3, 8]), network([30, 100, 1])
    for short in (small, large, network([8, 3, 8], members=10)):
        assert engine_for("auto", short, steps=10).name == "reference"
    for given in (small, large, network([8, 3, 8], members=1000)):
        assert engine_for("auto", given, steps=100_000).name == "compiled"
    assert engine_for("compiled", small, steps=1).name == "compiled"


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("batch_norm", [False, True])
def test_networks_larger_than_all_that_were_measured_are_compiled(dtype: str, batch_norm: bool) -> None:
    # There the compiled engine needs half the processor time: products in cheaper kernels, little beside them.
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(128, 784)), rng.normal(size=(128, 10))
    for units in (512, 1024, 2048):
        large = create_problem(Network([784, units, units, 10], "relu", batch_norm=batch_norm), x, y, dtype=dtype)
        assert engine_for("auto", large, steps=5000).name == "compiled"


def test_auto_goes_without_an_llvmlite_that_cannot_be_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "llvmlite.binding", None)
    chosen = engine_for("auto", network([1, 1], members=99), 10**9)
    assert chosen.name == "reference" and "llvmlite" in chosen.notes(network([1, 1]))[0]
    with refuses("compiled", "llvmlite", "reference"):
        engine("compiled")
    assert "llvmlite" in str(examine().engines["compiled"])


@pytest.mark.needs("torch")
def test_a_device_is_pytorchs() -> None:
    assert engine("autograd", "cpu").name == "autograd"
    for name in ("reference", "compiled"):
        with refuses(name, "cpu", "autograd"):
            engine(name, "cpu")
    with refuses("warp"):
        engine("warp")
