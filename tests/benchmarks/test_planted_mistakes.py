"""A small part of what benchmarks/planted_mistakes.py counts."""

from types import ModuleType

import pytest
from scripts import benchmark


@pytest.fixture(scope="module")
def planted_mistakes() -> ModuleType:
    return benchmark("planted_mistakes")


def test_no_correct_network_is_accused(planted_mistakes: ModuleType) -> None:
    counted = planted_mistakes.count_correct(65, seed=1)
    assert counted["accused"] == 0 and counted["not_proved"] < 20


def test_planted_mistakes_are_rejected_and_most_are_named(planted_mistakes: ModuleType) -> None:
    counted = planted_mistakes.count_planted(65, seed=1)
    assert counted["planted"] == counted["rejected"] == 65
    assert counted["named"] >= 60
