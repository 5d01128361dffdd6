"""One list of settings serves functions and recipes: the same defaults, and the same sentence for a wrong value."""

import inspect
import re
from typing import Any

import numpy as np
import pytest

from deltarule import Network, create_problem, train
from deltarule.errors import BadInput
from deltarule.problem.configuration import SETTABLE, parse
from deltarule.problem.settings import SETTINGS

X = np.eye(2)
TABLE = {"data": {"name": "xor"}, "network": {"layers": [2, 2, 1]}, "stopping": {"max_steps": 1}}
SECTIONS = {key: section for section, model in SETTABLE.items() for key in model.model_fields if key in SETTINGS}
OF_PROBLEMS = set(inspect.signature(create_problem).parameters) & set(SETTINGS)


def call(name: str, value: Any) -> None:
    if name in OF_PROBLEMS:
        given = {"penalty": "l2", "optimizer": "momentum", "loss": "binary_cross_entropy", name: value}
        create_problem(Network([2, 2, 2], output="sigmoid"), X, X, **given)
    else:
        train(create_problem(Network([2, 2]), X, X), **{"max_steps": 1, name: value})


def test_every_setting_has_a_key_and_an_argument() -> None:
    assert SECTIONS.keys() == SETTINGS.keys()
    assert OF_PROBLEMS | set(inspect.signature(train).parameters) >= SETTINGS.keys()


@pytest.mark.parametrize("name", SETTINGS)
def test_defaults_are_those_of_the_list(name: str) -> None:
    function = create_problem if name in OF_PROBLEMS else train
    assert inspect.signature(function).parameters[name].default == SETTINGS[name].default


@pytest.mark.parametrize("value", [-0.5, "much", float("nan")])
@pytest.mark.parametrize("name", sorted(SETTINGS.keys() - {"threshold", "history_every"}))
def test_wrong_value_gets_the_same_sentence(name: str, value: Any) -> None:
    allowed = SETTINGS[name].allowed.words
    with pytest.raises(BadInput, match=f"^{name} is .*; give {re.escape(allowed) if value == -0.5 else ''}"):
        call(name, value)
    section = {**TABLE.get(SECTIONS[name], {}), name: value}
    with pytest.raises(BadInput, match=f"{SECTIONS[name]}.{name} is .*; give {allowed}"):
        parse({**TABLE, SECTIONS[name]: section})
