"""Small wrong programs with the corrections that are meant, and what the checker makes of them.

A file of `tests/checking/repair/corpus` holds programs, each under a line with its name. In each program one line is
wrong; the right one stands behind it, after `#!`.
"""

import ast
import runpy
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from time import thread_time
from typing import Any

CORPUS = Path(__file__).parents[1] / "checking" / "repair" / "corpus"
HEADER = """\
import numpy as np
from deltarule import check_gradient, check_object, check_vjp
rng = np.random.default_rng(0)
"""


@dataclass(frozen=True)
class RepairedProgram:
    """A wrong program, the number of its wrong line, and that line as it should be."""

    name: str
    wrong: str
    line: int
    right_line: str

    @property
    def right(self) -> str:
        lines = self.wrong.split("\n")
        old = lines[self.line - 1]
        lines[self.line - 1] = old[: len(old) - len(old.lstrip())] + self.right_line
        return "\n".join(lines)


@dataclass(frozen=True)
class Judgment:
    """How far the first correction that is shown is the one that is meant.

    exact     it makes the program the right one, up to the order of factors and terms
    is_line   it changes the wrong line
    found     there is a correction
    corrected the program with it
    """

    program: RepairedProgram
    verdict: str
    exact: bool
    is_line: bool
    found: bool
    seconds: float
    shown: str
    corrected: str


def list_repaired_programs() -> list[RepairedProgram]:
    return [program for path in sorted(CORPUS.glob("*.txt")) for program in _programs_of(path)]


def _programs_of(path: Path) -> Iterator[RepairedProgram]:
    for text in path.read_text(encoding="utf-8").split("--- ")[1:]:
        name, _, body = text.partition("\n")
        lines = (HEADER + body).split("\n")
        (line,) = [i for i, one in enumerate(lines) if "#!" in one]
        wrong, _, right = lines[line].partition("  #!")
        lines[line] = wrong
        yield RepairedProgram(name, "\n".join(lines), line + 1, right.strip())


def check_program(folder: Path, source: str) -> Any:
    """The `report` of a program, run from a file as a user does."""
    path = folder / "program.py"
    path.write_text(source, encoding="utf-8")
    return runpy.run_path(str(path))["report"]


def judge(program: RepairedProgram) -> Judgment:
    """Check a wrong program, and compare the correction that is shown first with the one that is meant."""
    begin = thread_time()
    with tempfile.TemporaryDirectory() as folder:
        report = check_program(Path(folder), program.wrong)
    seconds = thread_time() - begin
    correction = report.correction
    changes = correction.changes if correction else ()
    shown = "; ".join(f"{change.line}: {change.new}" for change in changes)
    if correction and not changes:
        shown = f"{correction.line}: {correction.code} {correction.meaning}"
    is_line = bool(correction) and program.line in {correction.line, *(change.line for change in changes)}
    corrected = _corrected(program, changes)
    exact = bool(changes) and _has_same_form(corrected, program.right)
    return Judgment(program, report.verdict, exact, is_line, bool(changes), seconds, shown, corrected)


def _corrected(program: RepairedProgram, changes: Any) -> str:
    lines = program.wrong.split("\n")
    for change in changes:
        old = lines[change.line - 1]
        indent = old[: len(old) - len(old.lstrip())]
        if change.old in old:
            lines[change.line - 1] = old.replace(change.old, change.new)
        else:
            lines[change.line - 1] = indent + (change.new or "pass")
    return "\n".join(lines)


def _has_same_form(one: str, other: str) -> bool:
    try:
        return normal_form(one) == normal_form(other)
    except SyntaxError:
        return False


def normal_form(source: str) -> str:
    """The syntax tree of a program as text, with the factors of products and the terms of sums in one order."""
    return ast.dump(_Sorted().visit(ast.parse(source)))


class _Sorted(ast.NodeTransformer):
    def visit_BinOp(self, node: ast.BinOp) -> ast.AST:
        inverse = {ast.Add: ast.Sub, ast.Mult: ast.Div}
        for direct, other in inverse.items():
            if isinstance(node.op, direct | other):
                parts = [(sign, self.visit(part)) for sign, part in _parts(node, direct, other, 1)]
                return ast.Constant(f"{direct.__name__} {sorted(f'{sign}{ast.dump(part)}' for sign, part in parts)}")
        return self.generic_visit(node)

    def visit_keyword(self, node: ast.keyword) -> ast.AST:
        self.generic_visit(node)
        return node.value if node.arg == "axis" else node

    def visit_Call(self, node: ast.Call) -> ast.AST:
        """np.sum(x, axis=0), x.sum(axis=0) and x.sum(0) are one."""
        self.generic_visit(node)
        axes: list[Any] = [one for one in node.keywords if not isinstance(one, ast.keyword)]
        node.args += axes
        node.keywords = [one for one in node.keywords if isinstance(one, ast.keyword)]
        if isinstance(node.func, ast.Attribute) and node.func.attr in ("sum", "mean") and node.args:
            if isinstance(node.func.value, ast.Name) and node.func.value.id == "np":
                node.func.value = node.args.pop(0)
        return node


def _parts(node: ast.AST, direct: type, other: type, sign: int) -> Iterator[tuple[int, ast.AST]]:
    if isinstance(node, ast.BinOp) and isinstance(node.op, direct | other):
        yield from _parts(node.left, direct, other, sign)
        yield from _parts(node.right, direct, other, sign if isinstance(node.op, direct) else -sign)
    else:
        yield sign, node
