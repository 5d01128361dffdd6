"""Every promise names what holds it, and that is there."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "contributing" / "promises.md").read_text(encoding="utf-8")
HELD_BY = re.compile(r"`((?:tests|benchmarks|src)/[\w/.-]+\.py)(?:::(\w+))?`")


@pytest.mark.slow
def test_what_holds_a_promise_is_there() -> None:
    named = HELD_BY.findall(PAGE)
    assert len(named) > 30
    for path, test in named:
        assert (ROOT / path).is_file(), path
        if test:
            tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
            functions = {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
            assert test in functions, f"{path} has no {test}"


def test_every_promise_has_something_that_holds_it() -> None:
    rows = [line for line in PAGE.splitlines() if line.startswith("| ") and not line.startswith("| promise")]
    assert rows and [row for row in rows if not HELD_BY.search(row.split("|")[-2])] == []
