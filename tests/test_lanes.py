"""The tables of the two lanes, in conftest.py at the root."""

import runpy
from importlib.util import find_spec
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
LANES = runpy.run_path(str(ROOT / "conftest.py"))


@pytest.mark.parametrize("path", [*LANES["SLOW"], *LANES["NEEDS"]])
def test_whatever_the_lanes_name_is_there(path: str) -> None:
    assert (ROOT / path).exists()


def test_a_file_needs_the_libraries_that_it_imports(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(LANES["missing_libraries"].__globals__, "ROOT", tmp_path)
    monkeypatch.setitem(LANES["missing_libraries"].__globals__, "LIBRARIES", {"nosuchlibrary": "", "numpy": ""})
    page = tmp_path / "page.md"
    page.write_text(">>> import numpy\n>>> import nosuchlibrary\n", encoding="utf-8")
    assert [*LANES["missing_libraries"](page)] == ["nosuchlibrary"] and find_spec("numpy")
    page.write_text("It could import nosuchlibrary.\n", encoding="utf-8")
    assert not [*LANES["missing_libraries"](page)]
