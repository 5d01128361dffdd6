"""The tables of the two lanes, in conftest.py at the root."""

import re
import runpy
import shutil
import subprocess
import sys
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


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with our table of lanes: two slow files, a slow test, and one of three cases."""
    folder = tmp_path_factory.mktemp("project")
    shutil.copy(ROOT / "conftest.py", folder)
    shutil.copytree(ROOT / "tests" / "helpers", folder / "tests" / "helpers")
    options = '[tool.pytest.ini_options]\ntestpaths = ["tests"]\npythonpath = ["tests/helpers"]\n'
    (folder / "pyproject.toml").write_text(options, encoding="utf-8")
    for slow in ("tests/browser/test_page.py", "tests/cli/test_reproduce.py"):
        (folder / slow).parent.mkdir()
        (folder / slow).write_text("def test_one(): pass\n", encoding="utf-8")
    text = "import pytest\n@pytest.mark.slow\ndef test_slow(): pass\n"
    text += "@pytest.mark.sampled(3)\n@pytest.mark.parametrize('n', range(3))\ndef test_sampled(n): pass\n"
    (folder / "tests" / "test_fast.py").write_text(text, encoding="utf-8")
    return folder


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "count"), [((), 1), (("--everything",), 6), (("tests/browser",), 1), (("tests/test_fast.py",), 4)]
)
def test_each_lane_runs_its_tests_in_workers_too(project: Path, words: tuple[str, ...], count: int) -> None:
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-n", "1", *words]
    said = subprocess.run(command, cwd=project, capture_output=True, text=True, check=False).stdout
    assert re.findall(r"(\d+) passed", said) == [str(count)], said
