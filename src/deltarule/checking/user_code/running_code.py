"""The source of the user's functions that run: which lines run, how often, and where functions are defined."""

import ast
import linecache
import site
import sys
import sysconfig
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import CodeType
from typing import Any

FunctionNode = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda
_FUNCTION_NODES = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
_OWN_FOLDER = str(Path(__file__).parents[2])
_LIBRARY_FOLDERS = (
    *(path for name, path in sysconfig.get_paths().items() if name in ("stdlib", "platstdlib", "purelib", "platlib")),
    *site.getsitepackages(),
)
_MAX_SOURCE_LINES = 5000
"""A longer file is no program of a learner; parsing it would take seconds."""


@dataclass(eq=False)
class SourceFile:
    """A file of the program with its syntax tree, in which edits are made."""

    path: str
    lines: list[str]
    tree: ast.Module
    parents: dict[ast.AST, ast.AST] = field(default_factory=dict)

    def relink(self) -> None:
        """Find the parent of each node again, after edits that stay."""
        self.parents = {child: node for node in ast.walk(self.tree) for child in ast.iter_child_nodes(node)}

    def ancestors(self, node: ast.AST | None) -> Iterator[ast.AST]:
        """A node and the nodes around it, from the inside to the outside."""
        while node is not None:
            yield node
            node = self.parents.get(node)

    def statement_of(self, node: ast.AST) -> ast.stmt | None:
        return next((around for around in self.ancestors(node) if isinstance(around, ast.stmt)), None)


def read_source(path: str) -> SourceFile | None:
    """The source of a file or cell with its syntax tree; None where there is none, or too much of it."""
    lines = linecache.getlines(path)
    if lines and len(lines) <= _MAX_SOURCE_LINES:
        with suppress(SyntaxError, ValueError):
            file = SourceFile(path, lines, ast.parse("".join(lines)))
            file.relink()
            return file
    return None


def is_users(path: str) -> bool:
    """Whether a file is the user's: neither a library's nor ours."""
    return not path.startswith((_OWN_FOLDER, *_LIBRARY_FOLDERS, "<frozen")) and "site-packages" not in path


def trace_lines(call: Callable[[], Any]) -> dict[CodeType, Counter[int]]:
    """By code of the user's functions, the lines that a call runs, and how often."""
    lines: dict[CodeType, Counter[int]] = {}

    def trace(frame: Any, event: str, _: Any) -> Any:
        code = frame.f_code
        if code not in lines:
            if not is_users(code.co_filename):
                return None
            lines[code] = Counter()
        lines[code][frame.f_lineno] += event == "line"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        with suppress(Exception):
            call()
    finally:
        sys.settrace(before)
    inner = [code for code in lines if code.co_name in ("<listcomp>", "<genexpr>", "<dictcomp>", "<setcomp>")]
    for code in inner:  # their lines are those of the function around
        around = [outer for outer in lines if outer not in inner and code in nested_codes(outer)]
        for outer in around[-1:]:
            lines[outer] += lines[code]
        del lines[code]
    return {code: counts for code, counts in lines.items() if code.co_name != "<module>"}


def nested_codes(code: CodeType) -> list[CodeType]:
    inner = [constant for constant in code.co_consts if isinstance(constant, CodeType)]
    return inner + [deeper for nested in inner for deeper in nested_codes(nested)]


def find_node(file: SourceFile, code: CodeType) -> FunctionNode | None:
    """The definition of a function's code; lambdas of one line differ in their columns."""
    nodes = [
        node
        for node in ast.walk(file.tree)
        if isinstance(node, _FUNCTION_NODES) and getattr(node, "name", "<lambda>") == code.co_name
    ]
    if code.co_name == "<lambda>":
        return min((node for node in nodes if _may_have_code(node, code)), key=_extent, default=None)
    return next((node for node in nodes if _first_line(node) == code.co_firstlineno), None)


def _first_line(node: Any) -> int:
    return min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])


def _may_have_code(node: ast.AST, code: CodeType) -> bool:
    """Whether a lambda begins where code does, and the places of the code, but for two, lie within it."""
    start, end = (node.lineno, node.col_offset), (node.end_lineno or 0, node.end_col_offset or 0)  # type: ignore[attr-defined]
    places = [(line, column) for line, _, column, _ in code.co_positions() if line is not None and column is not None]
    inside = [place for place in places if start <= place <= end]
    return start[0] == code.co_firstlineno and len(inside) >= len(places) - 2


def _extent(node: Any) -> tuple[int, int]:
    lines = (node.end_lineno or 0) - node.lineno
    return lines, 0 if lines else (node.end_col_offset or 0) - node.col_offset
