"""The body of a loop as a function, so that it can be run again and edited as functions are.

In the text the header becomes a `def`, in the same line: all other lines keep their numbers and columns. The variables
that the body assigns are free variables of the function: their cells have the values before and after a turn.
"""

import ast
import linecache
from collections.abc import Iterator, MutableMapping, Sequence
from types import CellType, FrameType, FunctionType
from typing import Any, TypeGuard

from deltarule.checking.repair.program import compile_inside, shared

NAME = "turn_of_the_loop"


class LoopBody:
    """The body of the loop at a line, as a function of the variables of a frame.

    `values` has the variables that the body changes: before a turn as it will find them, after it as it left them.
    Global variables are among them only if the body is to be edited. `targets` are those that the header assigns.
    """

    def __init__(self, path: str, lines: list[str], line: int, frame: FrameType, is_edited: bool = True) -> None:
        loop = next(node for node in ast.walk(ast.parse("\n".join(lines) + "\n")) if _is_loop_at(node, line))
        text = _text_with_function(lines, loop)
        tree = ast.parse(text, path)
        node = next(node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef) and node.name == NAME)
        targets = ast.walk(loop.target) if isinstance(loop, ast.For) else ()
        self.targets = {target.id for target in targets if isinstance(target, ast.Name)}
        linecache.cache[path] = (len(text), None, text.splitlines(keepends=True), path)
        self.is_module = frame.f_code.co_name == "<module>"
        own = {} if self.is_module else dict(frame.f_locals)
        self.names = sorted(
            _stored_names(node) | ({inner.id for inner in ast.walk(node) if isinstance(inner, ast.Name)} & own.keys())
        )
        self._globals = frame.f_globals
        known = self._globals if self.is_module else own
        code = frame.f_code
        own_names = {*code.co_varnames, *code.co_cellvars, *code.co_freevars}
        free = [name for name in self.names if is_edited or name in own_names]
        rest = [name for name in self.names if name not in free]
        first = [*shared(free), *([ast.Global(rest)] if rest else [])]
        inner = ast.FunctionDef(NAME, node.args, [*first, *node.body], [], None)
        new = compile_inside(inner, NAME, free, path, node.lineno).replace(co_firstlineno=node.lineno)
        self.values = _Cells(new.co_freevars)
        self._begin = {name: known[name] for name in free if name in known}
        self.values.update(self._begin)
        new = new if is_edited else new.replace(co_name=code.co_name)
        self.function = FunctionType(new, self._globals, NAME, None, tuple(self.values.cells.values()))

    def begin(self) -> None:
        """Give the variables the values that they had in the frame."""
        self.values.clear()
        self.values.update(self._begin)

    def run(self) -> None:
        """Go through the body once."""
        if self.is_module:
            self._globals.update(self.values)  # as functions read them
        self.function()

    def assign(self, variables: dict[str, Any]) -> None:
        """Give variables of the frame new values."""
        for name, value in variables.items():
            if name in self.values.cells:
                self.values[name] = value
            elif self.is_module:
                self._globals[name] = value


class _Cells(MutableMapping[str, Any]):
    """Variables that a function shares with what is around it, by name."""

    def __init__(self, names: Sequence[str]) -> None:
        self.cells = {name: CellType() for name in names}

    def __getitem__(self, name: str) -> Any:
        try:
            return self.cells[name].cell_contents
        except ValueError:
            raise KeyError(name) from None

    def __setitem__(self, name: str, value: Any) -> None:
        self.cells[name].cell_contents = value

    def __delitem__(self, name: str) -> None:
        del self.cells[name].cell_contents

    def __iter__(self) -> Iterator[str]:
        return iter([name for name in self.cells if name in self])

    def __contains__(self, name: object) -> bool:
        try:
            return self.cells[str(name)].cell_contents is not self
        except (KeyError, ValueError):
            return False

    def __len__(self) -> int:
        return len(list(iter(self)))


def _is_loop_at(node: ast.AST, line: int) -> TypeGuard[ast.For | ast.While]:
    return isinstance(node, ast.For | ast.While) and node.lineno == line


def _text_with_function(lines: list[str], loop: ast.For | ast.While) -> str:
    """The file with the loop's header as that of a function, and what leaves or goes on with the loop as `return`."""
    line = loop.lineno
    first = loop.body[0].lineno
    if first == line:
        raise ValueError("a loop in one line")
    new = [line.rstrip("\n") for line in lines]
    new[line - 1] = f"{new[line - 1][: loop.col_offset]}def {NAME}():"
    for number in range(line + 1, first):
        new[number - 1] = ""
    if loop.orelse:
        last = loop.body[-1].end_lineno or first
        for number in range(last + 1, (loop.orelse[-1].end_lineno or last) + 1):
            new[number - 1] = ""
    for leave in _breaks_and_continues(loop.body):
        text = new[leave.lineno - 1].encode()
        word = b"break" if isinstance(leave, ast.Break) else b"continue"
        new[leave.lineno - 1] = (
            text[: leave.col_offset] + text[leave.col_offset :].replace(word, b"return", 1)
        ).decode()
    return "\n".join(new) + "\n"


def _breaks_and_continues(body: list[ast.stmt]) -> list[ast.Break | ast.Continue]:
    """The statements that leave a loop, or go on with its next turn, without those of loops inside."""
    statements: list[ast.Break | ast.Continue] = []
    for statement in body:
        if isinstance(statement, ast.Break | ast.Continue):
            statements.append(statement)
        elif isinstance(statement, ast.For | ast.While):
            statements += _breaks_and_continues(statement.orelse)
        elif not isinstance(statement, ast.FunctionDef | ast.ClassDef):
            for field in ("body", "orelse", "finalbody"):
                statements += _breaks_and_continues(getattr(statement, field, []))
            for handler in getattr(statement, "handlers", []):
                statements += _breaks_and_continues(handler.body)
    return statements


def _stored_names(node: ast.FunctionDef) -> set[str]:
    """The variables that the statements of a function assign, but for those of functions and comprehensions inside."""
    names: set[str] = set()
    waiting: list[ast.AST] = list(node.body)
    while waiting:
        inner = waiting.pop()
        if isinstance(inner, ast.FunctionDef | ast.ClassDef):
            names.add(inner.name)
        elif isinstance(inner, ast.alias):
            names.add((inner.asname or inner.name).partition(".")[0])
        elif isinstance(inner, ast.Name) and isinstance(inner.ctx, ast.Store):
            names.add(inner.id)
        elif not isinstance(inner, ast.Lambda | ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp):
            waiting += ast.iter_child_nodes(inner)
    return names
