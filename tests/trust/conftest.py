from types import ModuleType

import pytest
from scripts import benchmark


@pytest.fixture(scope="session")
def fuzz() -> ModuleType:
    return benchmark("fuzz")


@pytest.fixture(scope="session")
def hard_numbers() -> ModuleType:
    return benchmark("hard_numbers")
