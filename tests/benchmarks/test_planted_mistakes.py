"""A small part of what benchmarks/planted_mistakes.py counts."""

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "planted_mistakes.py"


@pytest.fixture(scope="module")
def planted_mistakes() -> ModuleType:
    spec = importlib.util.spec_from_file_location("planted_mistakes", SCRIPT)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_no_correct_network_is_accused(planted_mistakes: ModuleType) -> None:
    counted = planted_mistakes.count_correct(200, seed=1)
    assert counted["accused"] == 0 and counted["not_proved"] < 20


def test_planted_mistakes_are_rejected_and_most_are_named(planted_mistakes: ModuleType) -> None:
    counted = planted_mistakes.count_planted(200, seed=1)
    assert counted["planted"] == counted["rejected"] == 200
    assert counted["named"] >= 190
