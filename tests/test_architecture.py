"""How the modules import each other: in no circle, and within functions only to spare a heavy import.

Imports between packages are held to their layers by `lint-imports`.
"""

import ast
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

import pytest

SOURCES = Path(__file__).parents[1] / "src"
MODULES = {
    ".".join(file.relative_to(SOURCES).with_suffix("").parts).removesuffix(".__init__"): file
    for file in (SOURCES / "deltarule").rglob("*.py")
}
HEAVY = (
    *("jinja2", "joblib", "llvmlite", "matplotlib", "numpy", "onnx", "pandas", "PIL", "pooch", "pydantic"),
    *("rich", "safetensors", "scipy", "sklearn", "threadpoolctl", "torch", "typer"),
)
"""Libraries that `import deltarule` and `deltarule --help` must not load: they take from 10 ms to seconds."""
ALLOWED = {
    "deltarule.checking.scripts.check_script": "waits for another process without loading what runs there",
    "deltarule.checking.scripts.loop_search": "loads what corrects once a step is wrong, so that `check` answers soon",
    "deltarule.checking.verdict": "loads what corrects once a gradient is wrong, so that `check` answers soon",
    "deltarule.cli.check": "starts the script before it loads what reports on it, so that both happen at a time",
    "deltarule.data.load": "loads what reads columns only once a file is named, so that `run` starts soon",
    "deltarule.doctor": "finds out what is there without loading what it does not ask for",
    "deltarule.engines.selection": "loads an engine only once it is chosen",
    "deltarule.playground.custom_formulas": "loads the checker only once asked, so that the first picture comes soon",
    "deltarule.playground.session": "loads what explains only once it is asked, so that the first picture comes soon",
    "deltarule.playground.exports": "writes a script only once it is asked, so that the first picture comes soon",
    "deltarule.reports.notebook": "is loaded by `import deltarule` within IPython, where it must be quick",
}
"""Modules whose functions may import others of ours for another reason."""


@cache
def tree(module: str) -> ast.Module:
    return ast.parse(MODULES[module].read_bytes())


def imported(nodes: Iterable[ast.AST]) -> Iterator[tuple[str, int]]:
    """The modules that statements import, each with its line."""
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                name = f"{node.module}.{alias.name}"
                yield (name if name in MODULES else node.module), node.lineno


@cache
def all_imports(module: str) -> set[str]:
    """Every module of ours that a module loads anywhere, so not those that only type checkers read.

    The package itself only names where its names are from.
    """
    if module == "deltarule":
        return set()
    for_types = {
        part
        for node in ast.walk(tree(module))
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"
        for part in node.body
    }
    nodes = (node for node in ast.walk(tree(module)) if node not in for_types)
    return {name for name, _ in imported(nodes) if name in MODULES and name != "deltarule"}


def top_imports(module: str) -> set[str]:
    """What is imported where a module is: not what functions import, and not what only type checkers read."""
    return {name for name, _ in imported(tree(module).body)}


@cache
def loaded(module: str) -> frozenset[str]:
    """The heavy libraries that importing a module loads."""
    found, waiting, known = set[str](), [module], {module}
    while waiting:
        for name in top_imports(waiting.pop()) - known:
            known.add(name)
            if name in MODULES:
                waiting.append(name)
            elif name.partition(".")[0] in HEAVY:
                found.add(name.partition(".")[0])
    return frozenset(found)


def reachable(module: str) -> set[str]:
    found, waiting = set[str](), [module]
    while waiting:
        new = all_imports(waiting.pop()) - found
        found |= new
        waiting += new
    return found


@pytest.mark.slow
def test_no_module_imports_itself_through_others() -> None:
    assert [module for module in MODULES if module in reachable(module)] == []


@pytest.mark.slow
def test_a_function_imports_ours_only_to_spare_a_heavy_library() -> None:
    without_need = []
    for module in MODULES.keys() - ALLOWED:
        functions = [
            node for node in ast.walk(tree(module)) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        ]
        inside = {found for function in functions for found in imported(ast.walk(function)) if found[0] in MODULES}
        without_need += [(module, name, line) for name, line in inside if not loaded(name) - loaded(module)]
    assert without_need == []


@pytest.mark.parametrize("module", ALLOWED)
def test_what_is_allowed_is_used(module: str) -> None:
    assert module in MODULES
