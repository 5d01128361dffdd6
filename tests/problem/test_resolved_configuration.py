import hashlib
import os
import subprocess
import sys
from dataclasses import asdict, replace
from typing import Any

import pytest

from deltarule.maths.activations import SIGMOID, TANH
from deltarule.problem import registry
from deltarule.problem.configuration import configuration_hash, own_formulas, parse, resolve_configuration, with_changes
from deltarule.problem.settings import SETTINGS

FULL: dict[str, Any] = {
    "data": {"name": "xor"},
    "network": {"layers": [2, 3, 3, 1], "activation": {"name": "leaky_relu", "slope": 0.1}, "output": "sigmoid"},
    "loss": {"name": "binary_cross_entropy", "penalty": "l2", "strength": 1e-5},
    "optimizer": {"name": "momentum", "learning_rate": 10, "schedule": "step"},
    "stopping": {"max_steps": 10},
    "run": {"seeds": 3},
}
# For every key another value that fits the recipe above.
OTHER: dict[str, Any] = {
    "data.name": "linear",
    "data.file": "my.csv",
    "data.offline": "iris",
    "data.split": {"test": 3},
    "data.scale": "unit",
    "data.mirrored": True,
    "data.components": 2,
    "network.layers": [2, 3, 4, 1],
    "network.activation": "tanh",
    "network.output": {"name": "softmax"},
    "network.bias": False,
    "network.dropout": 0.5,
    "network.batch_norm": True,
    "network.scaling_layer": True,
    "network.initializer": {"name": "glorot_uniform", "biases": "same"},
    "network.initial_scale": 2,
    "loss.name": "squared_error",
    "loss.reduction": "sum",
    "loss.penalty": "l1",
    "loss.strength": 2e-5,
    "loss.penalize_biases": True,
    "loss.label_smoothing": 0.1,
    "optimizer.name": "nesterov",
    "optimizer.learning_rate": 10.5,
    "optimizer.momentum": 0.8,
    "optimizer.batch_size": 5,
    "optimizer.schedule": {"name": "step", "per": "epoch"},
    "optimizer.learning_rate_factors": {"b": 0.1},
    "optimizer.parametrization": "neural_tangent",
    "optimizer.clip_norm": 2.5,
    "stopping.max_steps": 11,
    "stopping.max_epochs": 11,
    "stopping.threshold": 0.1,
    "stopping.times": 2,
    "stopping.metric": "accuracy",
    "stopping.tolerance": 0.1,
    "stopping.patience": 1,
    "run.seeds": [1, 2, 3],
    "run.data_seed": 1,
    "run.dropout_seed": 1,
    "run.dtype": "float32",
    "run.engine": "reference",
    "run.history_every": 5,
}
KEYS = list(SETTINGS)


def hash_with(settings: dict[str, Any]) -> str:
    return configuration_hash(with_changes(parse(FULL), settings))


@pytest.mark.parametrize("dotted", [key for key in KEYS if key != "data.target"])
def test_another_value_of_any_key_is_another_hash(dotted: str) -> None:
    assert hash_with({dotted: OTHER[dotted]}) != configuration_hash(parse(FULL))


def test_a_split_that_extends_is_another_hash() -> None:
    assert hash_with({"data.split": {"test": 3, "extend": True}}) != hash_with({"data.split": {"test": 3}})


@pytest.mark.parametrize("dotted", KEYS)
def test_a_default_that_is_written_out_is_the_same_hash(dotted: str) -> None:
    section, key = dotted.split(".")
    if key not in FULL.get(section, {}):
        value = asdict(getattr(parse(FULL), section))[key]
        table = {**FULL, section: {**FULL.get(section, {}), key: value}}
        assert configuration_hash(parse(table)) == configuration_hash(parse(FULL))


@pytest.mark.parametrize(
    "settings",
    [
        {"data.name": {"name": "xor"}},
        {"data.split": {}},
        {"network.activation": [{"name": "leaky_relu", "slope": 0.1}] * 2},
        {"network.dropout": [0, 0]},
        {"network.output": {"name": "sigmoid"}},
        {"loss.name": {"name": "binary_cross_entropy"}},
        {"optimizer.learning_rate": 10.0},
        {"optimizer.momentum": 0.9},
        {"optimizer.name": {"name": "momentum", "momentum": 0.9}},
        {"optimizer.schedule": {"name": "step", "every": 1000.0, "factor": 0.5, "per": "step"}},
        {"run.seeds": [0, 1, 2]},
    ],
)
def test_two_ways_to_write_the_same_are_the_same_hash(settings: dict[str, Any]) -> None:
    assert hash_with(settings) == configuration_hash(parse(FULL))


def test_texts_experiments_and_the_grid_do_not_change_the_hash() -> None:
    more = {
        "study": {"title": "t", "criterion": "accuracy"},
        "grid": {"run.seeds": [1, 2]},
        "experiment": [{"name": "a", "set": {"run.seeds": 1}}],
        "assumption": [{"what": "a", "value": 1, "why": "b"}],
    }
    assert configuration_hash(parse(FULL | more)) == configuration_hash(parse(FULL))


@pytest.mark.parametrize("dotted", [key for key in KEYS if key != "data.target"])
def test_a_resolved_configuration_is_an_equivalent_recipe(dotted: str) -> None:
    configuration = with_changes(parse(FULL), {dotted: OTHER[dotted]})
    table = resolve_configuration(configuration)
    assert configuration_hash(parse(table)) == configuration_hash(configuration)


def test_all_defaults_are_filled_in() -> None:
    table = resolve_configuration(parse(FULL))
    assert {f"{section}.{key}" for section, keys in table.items() for key in keys} == set(KEYS)
    assert table["optimizer"]["name"] == {"name": "momentum", "momentum": 0.9}
    assert table["optimizer"]["schedule"] == {"name": "step", "every": 1000, "factor": 0.5}


# The definition, written out by hand: sorted keys, no spaces, whole numbers without a point, null for what is left out.
SMALLEST = {"data": {"name": "xor"}, "network": {"layers": [2, 1]}, "stopping": {"max_steps": 10}}
CANONICAL = (
    '{"data":{"components":null,"file":null,"mirrored":0,"name":"xor","offline":null,"scale":"none","split":{"draw":"random",'
    '"extend":0,"seed":0,"stratify":1,"test":0,"validation":0},"target":null},'
    '"loss":{"label_smoothing":0,"name":"squared_error","penalize_biases":0,"penalty":null,"reduction":"mean_samples","strength":0},'
    '"network":{"activation":"relu","batch_norm":0,"bias":1,"dropout":0,"initial_scale":1,'
    '"initializer":"glorot_uniform","layers":[2,1],"output":"identity","scaling_layer":0},'
    '"numerics":1,'
    '"optimizer":{"batch_size":null,"clip_norm":null,"learning_rate":0.01,"learning_rate_factors":null,"momentum":null,"name":"sgd",'
    '"parametrization":"standard","schedule":"constant"},'
    '"run":{"data_seed":0,"dropout_seed":null,"dtype":"float64","engine":"auto","history_every":null,"seeds":1},'
    '"stopping":{"max_epochs":null,"max_steps":10,"metric":"objective","patience":null,'
    '"threshold":null,"times":1,"tolerance":null}}'
)


@pytest.mark.slow
def test_the_hash_is_sha_256_of_canonical_json_in_any_process() -> None:
    expected = hashlib.sha256(CANONICAL.encode()).hexdigest()
    assert configuration_hash(parse(SMALLEST)) == expected
    code = (
        "from deltarule.problem.configuration import parse\n"
        "from deltarule.problem.configuration import configuration_hash\n"
        f"print(configuration_hash(parse({dict(reversed(SMALLEST.items()))!r})))"
    )
    for hash_seed in ("1", "2"):
        environment = os.environ | {"PYTHONHASHSEED": hash_seed}
        done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
        assert done.stdout.strip() == expected


def test_the_hash_includes_what_a_custom_formula_computes() -> None:
    table = {**SMALLEST, "network": {"layers": [2, 3, 1], "activation": {"name": "mine", "k": 2}}}
    hashes = []
    for function in (TANH, SIGMOID, TANH):
        registry.add("activation", replace(function, name="mine", parameters={"k": 1.0}))
        try:
            hashes.append(configuration_hash(parse(table)))
            assert list(own_formulas(parse(table))) == [("activation", "mine")]
            assert own_formulas(parse(table))["activation", "mine"].parameters == {"k": 1.0}
        finally:
            registry.remove("activation", "mine")
    assert hashes[0] == hashes[2] != hashes[1]
