import sys
from types import ModuleType

import pytest
from scripts import benchmark

from deltarule.cli import main


@pytest.fixture
def deltarule(monkeypatch, capsys):
    """Run the program as the console script does: its status, what it printed, and what it said on stderr."""

    def called(*words):
        monkeypatch.setattr(sys, "argv", ["deltarule", *map(str, words)])
        with pytest.raises(SystemExit) as ended:
            main()
        said = capsys.readouterr()
        return ended.value.code or 0, said.out, said.err

    return called


@pytest.fixture(scope="session")
def fuzz() -> ModuleType:
    return benchmark("fuzz")


@pytest.fixture(scope="session")
def hard_numbers() -> ModuleType:
    return benchmark("hard_numbers")
