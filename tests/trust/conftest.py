import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

from deltarule.cli import main

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


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


def script(name: str) -> ModuleType:
    """A script of benchmarks/ as a module."""
    spec = importlib.util.spec_from_file_location(name, BENCHMARKS / f"{name}.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def fuzz() -> ModuleType:
    return script("fuzz")


@pytest.fixture(scope="session")
def hard_numbers() -> ModuleType:
    return script("hard_numbers")
