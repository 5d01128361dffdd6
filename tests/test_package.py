import inspect
import os
import re
import shutil
import subprocess
import sys
import tomllib
from importlib import resources
from pathlib import Path

import pytest
from half_imported import assert_waits
from packaging.requirements import Requirement

import deltarule

ROOT = Path(__file__).parents[1]
HEAVY = {"llvmlite", "matplotlib", "scipy", "sklearn", "torch"}
FOR_THE_SCREEN = {"rich", "typer"}
DOCUMENTS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
SCRIPT = shutil.which("deltarule", path=str(Path(sys.executable).parent))


@pytest.mark.parametrize(
    ("environment", "is_required"),
    [
        ({"sys_platform": "linux", "python_version": "3.13"}, True),
        ({"sys_platform": "win32", "python_version": "3.11"}, True),
        ({"sys_platform": "emscripten", "python_version": "3.13", "platform_machine": "wasm32"}, False),
    ],
    ids=["linux", "windows", "browser"],
)
def test_llvmlite_is_required_only_where_there_is_one(environment, is_required):
    """In a browser Pyodide installs the wheel only if every requirement has a wheel for it."""
    environment = {"platform_python_implementation": "CPython", "platform_machine": "x86_64", **environment}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    [requirement] = [one for one in map(Requirement, project["dependencies"]) if one.name == "llvmlite"]
    assert requirement.marker.evaluate(environment) is is_required


def packages_imported_by(*command: str) -> set[str]:
    """The top-level packages that a fresh process imports, as Python itself reports them."""
    done = subprocess.run(
        command, env=os.environ | {"PYTHONPROFILEIMPORTTIME": "1"}, capture_output=True, encoding="utf-8", check=True
    )
    modules = re.findall(r"^import time:.*\|\s*(\S+)$", done.stderr, re.MULTILINE)
    return {module.partition(".")[0] for module in modules}


def test_import_deltarule_loads_nothing_heavy() -> None:
    imported = packages_imported_by(sys.executable, "-c", "import deltarule")
    assert "deltarule" in imported
    assert imported & (HEAVY | FOR_THE_SCREEN) == set()


def test_help_loads_nothing_heavy() -> None:
    assert SCRIPT, "the console script is installed beside this Python"
    imported = packages_imported_by(SCRIPT, "--help")
    assert "deltarule" in imported
    assert imported & HEAVY == set()


@pytest.mark.slow
def test_run_loads_no_library_of_tables_or_figures() -> None:
    imported = packages_imported_by(str(SCRIPT), "run", "encoder", "--quiet")
    assert "numpy" in imported
    assert imported & {"pandas", "scipy", "sklearn", "matplotlib", "torch"} == set()


def test_only_what_is_public_is_listed() -> None:
    assert {*dir(deltarule), "__version__"} == {*deltarule.__all__}


@pytest.mark.parametrize("name", deltarule.__all__)
def test_public_names_have_docstrings(name: str) -> None:
    value = getattr(deltarule, name)
    assert name == "__version__" or inspect.getdoc(value)
    if inspect.isclass(value):
        found = {one: method for one, method in vars(value).items() if inspect.isfunction(inspect.unwrap(method))}
        assert not [one for one, method in found.items() if one[0] != "_" and not inspect.getdoc(method)]


def test_types_are_shipped() -> None:
    assert (resources.files(deltarule) / "py.typed").is_file()
    assert (resources.files(deltarule) / "__init__.pyi").is_file()


def test_version_is_that_of_the_project_the_changelog_and_the_citation() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert deltarule.__version__ == project["version"]
    assert f"\n## {project['version']}" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert f"\nversion: {project['version']}\n" in (ROOT / "CITATION.cff").read_text(encoding="utf-8")


def test_the_lowest_versions_that_are_tried_are_the_lowest_that_are_allowed() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = [
        one
        for name in ("dask", "excel", "frames", "notebook", "onnx")
        for one in project["optional-dependencies"][name]
    ]
    allowed = [re.match(r"([\w-]+)>=([\d.]+)", one) for one in [*project["dependencies"], *extras]]
    lines = [line for line in (ROOT / "lowest.txt").read_text(encoding="utf-8").splitlines() if line[0] != "#"]
    tried = dict(line.split("==") for line in lines)
    assert {one[1] for one in allowed if one} == set(tried) and None not in allowed
    for one in allowed:
        assert one and f"{tried[one[1]]}.".startswith(f"{one[2]}."), one


@pytest.mark.parametrize("section", ["Run it", "Test it"])
def test_readme_gives_one_command_line(section: str) -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    body = re.search(rf"^## {section}\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL)
    assert body
    [block] = re.findall(r"^```sh\n(.*?)^```$", body[1], re.MULTILINE | re.DOTALL)
    assert block.count("\n") == 1


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_python_in_documents_is_written_as_examples_that_run(document: Path) -> None:
    # A block below a file's name is that file, which the page's examples use; all others are examples.
    blocks = r"(^`[\w./-]+\.py`:\n\n)?^```(?:python|pycon|py)\n(.*?)^```$"
    for file, block in re.findall(blocks, document.read_text(encoding="utf-8"), re.M | re.S):
        assert file or block.startswith(">>> "), block


def test_while_another_thread_imports_ipython_deltarule_waits_for_it() -> None:
    assert_waits("IPython", "get_ipython", "import deltarule")
