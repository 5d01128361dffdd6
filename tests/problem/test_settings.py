"""One declaration serves functions and recipes: the same defaults, the same sentence for a wrong value."""

import inspect
from typing import Any

import numpy as np
import pytest
from refusals import refuses

from deltarule import Network, StopRules, create_problem, train
from deltarule.problem.configuration import parse
from deltarule.problem.settings import NUMBERS, SETTINGS

X = np.eye(2)
TABLE = {"data": {"name": "xor"}, "network": {"layers": [2, 2, 1]}, "stopping": {"max_steps": 1}}
SECTIONS = {key.partition(".")[2]: key.partition(".")[0] for key in SETTINGS}
OF_PROBLEMS = set(inspect.signature(create_problem).parameters) & set(NUMBERS)
ARGUMENTS = {
    "data_seed": "data_seeds",
    "dropout_seed": "dropout_seeds",
    "loss.name": "loss",
    "optimizer.name": "optimizer",
}
CALLED = {"network": [Network, create_problem], "stopping": [train, StopRules], "run": [create_problem, train]}
OF_OTHER_ARGUMENTS = {"threshold", "history_every", "components", "data_seed", "dropout_seed"}
WITHOUT_DEFAULT = ("network.layers", "run.seeds")


def call(name: str, value: Any) -> None:
    if name in OF_PROBLEMS:
        given = {"penalty": "l2", "optimizer": "momentum", "loss": "binary_cross_entropy", name: value}
        create_problem(Network([2, 2, 2], output="sigmoid"), X, X, **given)
    else:
        train(create_problem(Network([2, 2]), X, X), **{"max_steps": 1, name: value})


@pytest.mark.parametrize("key", [key for key in SETTINGS if key[:5] != "data." and key not in WITHOUT_DEFAULT])
def test_defaults_of_functions_are_those_of_the_sections(key: str) -> None:
    section, name = key.split(".")
    argument = ARGUMENTS.get(key, ARGUMENTS.get(name, name))
    called = [inspect.signature(each).parameters for each in CALLED.get(section, [create_problem])]
    defaults = [parameters[argument].default for parameters in called if argument in parameters]
    assert defaults
    assert set(defaults) == {SETTINGS[key].default}


@pytest.mark.parametrize("value", [-0.5, "much", float("nan")])
@pytest.mark.parametrize("name", sorted(NUMBERS.keys() - OF_OTHER_ARGUMENTS))
def test_wrong_value_gets_the_same_sentence(name: str, value: Any) -> None:
    allowed = NUMBERS[name].form.range.words
    with refuses(name, *([allowed] if value == -0.5 else [])):
        call(name, value)
    section = {**TABLE.get(SECTIONS[name], {}), name: value}
    with refuses(f"{SECTIONS[name]}.{name}", allowed):
        parse({**TABLE, SECTIONS[name]: section})
