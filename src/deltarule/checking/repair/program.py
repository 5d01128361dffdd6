"""The functions of a user's program that run in a check: their source, and edited code in their place.

An edit changes the syntax tree of a function. The function is compiled again and its code object exchanged, so that
everything else of the program, such as closures, objects and data, stays as it is.
"""

import ast
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from gc import get_objects
from types import CodeType, FunctionType
from typing import Any

from deltarule.checking.catalog import LineChange
from deltarule.checking.user_code.running_code import (
    FunctionNode,
    SourceFile,
    find_node,
    nested_codes,
    read_source,
    trace_lines,
)


@dataclass(eq=False)
class RunningFunction:
    """A function that runs in the check.

    node      its definition in the tree of `file`
    code      its code as the program has it
    objects   the function objects that run this code
    lines     its lines that run, in the loss and in the gradient
    outer     the function around it that runs too, and makes it
    """

    file: SourceFile
    node: FunctionNode
    code: CodeType
    objects: list[FunctionType]
    loss_lines: set[int] = field(default_factory=set)
    gradient_lines: set[int] = field(default_factory=set)
    outer: "RunningFunction | None" = None

    @property
    def name(self) -> str:
        return getattr(self.node, "name", "lambda")

    @property
    def namespace(self) -> dict[str, Any]:
        return self.objects[0].__globals__ if self.objects else {}


@dataclass(frozen=True)
class Change:
    """A node, or some statements, that takes the place of others: `owner.field`, or an item or slice of that list."""

    owner: ast.AST
    field: str
    index: int | slice | None
    new: Any

    def apply(self) -> Callable[[], None]:
        """Make the change, and return the function that takes it back."""
        before = getattr(self.owner, self.field)
        if self.index is None:
            setattr(self.owner, self.field, self.new)
            return lambda: setattr(self.owner, self.field, before)
        saved = before[:]
        before[self.index] = self.new

        def undo() -> None:
            before[:] = saved

        return undo


@contextmanager
def applied(changes: Iterable[Change]) -> Iterator[None]:
    """The syntax trees with some changes."""
    undos = [change.apply() for change in changes]
    try:
        yield
    finally:
        for undo in reversed(undos):
            undo()


@dataclass(eq=False)
class Edit:
    """A small edit of the program.

    line, old, new   where it is, what stands there, and what takes its place
    cost             the lower, the earlier it is tried
    kind             how the edit was made: "expression", "line removed", …
    described        the lines that it changes, of an edit that was kept
    is_labelled      after it the statement's value is the right gradient of a forward value
    """

    line: int
    old: str
    new: str
    cost: float
    make_changes: Callable[[], list[Change]]
    kind: str = "expression"
    file: SourceFile | None = None
    described: list[LineChange] = field(default_factory=list)
    is_labelled: bool = False

    @cached_property
    def changes(self) -> list[Change]:
        """What it changes; most edits are never tried, and need none."""
        return self.make_changes()

    def __str__(self) -> str:
        return f"line {self.line}: {self.old}  →  {self.new}"


class RunningProgram:
    """The functions that run when a loss and its gradient are computed."""

    def __init__(self, loss: Callable[[], Any], gradient: Callable[[], Any]) -> None:
        loss_lines, gradient_lines = trace_lines(loss), trace_lines(gradient)
        self.functions: list[RunningFunction] = []
        files: dict[str, SourceFile | None] = {}
        objects: dict[CodeType, list[FunctionType]] = {code: [] for code in (*loss_lines, *gradient_lines)}
        for thing in get_objects():
            if type(thing) is FunctionType and thing.__code__ in objects:
                objects[thing.__code__].append(thing)
        for code, live in objects.items():
            if code.co_filename not in files:
                files[code.co_filename] = read_source(code.co_filename)
            file = files[code.co_filename]
            node = find_node(file, code) if file else None
            if file is not None and node is not None:
                lines = (set(loss_lines.get(code, ())), set(gradient_lines.get(code, ())))
                self.functions.append(RunningFunction(file, node, code, live, *lines))
        self.files = [file for file in files.values() if file is not None]
        self._by_node = {function.node: function for function in self.functions}
        for function in self.functions:
            function.outer = next(self.functions_around(function.file.parents.get(function.node), function.file), None)

    def functions_around(self, node: ast.AST | None, file: SourceFile) -> Iterator[RunningFunction]:
        return (self._by_node[around] for around in file.ancestors(node) if around in self._by_node)

    @contextmanager
    def edited(self, edit: Edit) -> Iterator[None]:
        """The program with an edit; raises `SyntaxError` or `ValueError` for one that makes no program."""
        assert edit.file is not None
        functions = {f for change in edit.changes for f in self.functions_around(change.owner, edit.file)}
        with applied(edit.changes):
            replaced = _compiled_again(functions)
        with swapped(replaced):
            yield

    def keep(self, edit: Edit) -> None:
        """Make an edit for good: later edits are tried with it in place."""
        with self.edited(edit):
            for change in edit.changes:
                change.apply()
            assert edit.file is not None
            edit.file.relink()

    @contextmanager
    def current(self) -> Iterator[None]:
        """The program with the edits that were kept."""
        with swapped(_compiled_again(self.functions)):
            yield


@contextmanager
def swapped(replaced: Iterable[tuple[RunningFunction, CodeType]]) -> Iterator[None]:
    before = []
    try:
        for function, code in replaced:
            for running in function.objects:
                before.append((running, running.__code__))
                running.__code__ = code
        yield
    finally:
        for running, code in before:
            running.__code__ = code


def compile_function(function: RunningFunction) -> CodeType:
    """The code of a function's definition as it stands in the tree, with the closure of the running one."""
    node = function.node
    original = function.code
    free = [name for name in original.co_freevars if name != "__class__"]
    body = [ast.Return(node.body)] if isinstance(node, ast.Lambda) else node.body
    kind = ast.AsyncFunctionDef if isinstance(node, ast.AsyncFunctionDef) else ast.FunctionDef
    inner: ast.stmt = kind(original.co_name, _without_defaults(node.args), [*shared(free), *body], [], None)
    owner = function.file.parents.get(node)
    if isinstance(owner, ast.ClassDef) or "__class__" in original.co_freevars:
        name = owner.name if isinstance(owner, ast.ClassDef) else "_"
        inner = ast.ClassDef(name, [], [], [inner], [])
        if "__class__" in original.co_freevars and not _mentions_class(node):
            raise ValueError
    code = compile_inside(inner, original.co_name, free, function.file.path, node.lineno)
    if code.co_freevars != original.co_freevars:
        raise ValueError
    return code.replace(co_firstlineno=original.co_firstlineno, co_qualname=original.co_qualname)


def _compiled_again(functions: Iterable[RunningFunction]) -> list[tuple[RunningFunction, CodeType]]:
    """Functions, each with the code of its definition as it stands in the tree.

    One that captures a further variable can have no new code; it is left out where the function around it makes it
    anew.
    """
    compiled = []
    for function in functions:
        if function.objects:
            try:
                compiled.append((function, compile_function(function)))
            except ValueError:
                if function.outer is None:
                    raise
    return compiled


def shared(names: list[str]) -> list[ast.stmt]:
    """The first statement of a function that shares variables with the one around it."""
    return [ast.Nonlocal(names)] if names else []


def compile_inside(inner: ast.stmt, name: str, free: list[str], path: str, line: int) -> CodeType:
    """The code of the function of a name in a definition that stands in one with the variables `free`."""
    if free:
        assigned: list[ast.stmt] = [ast.Assign([ast.Name(name, ast.Store())], ast.Constant(None)) for name in free]
        no_arguments = ast.arguments([], [], None, [], [], None, [])
        inner = ast.FunctionDef("_", no_arguments, [*assigned, inner], [], None)
    module = ast.Module([inner], [])
    _locate(module, line)
    return next(code for code in nested_codes(compile(module, path, "exec", dont_inherit=True)) if code.co_name == name)


def _locate(node: ast.AST, line: int) -> None:
    """Give the nodes around a function a line; those of the function have theirs."""
    for child in ast.iter_child_nodes(node):
        if hasattr(child, "lineno") and not isinstance(child, ast.arguments):
            continue
        if "lineno" in child._attributes:
            child.lineno = child.end_lineno = line  # type: ignore[attr-defined]
            child.col_offset = child.end_col_offset = 0  # type: ignore[attr-defined]
        _locate(child, line)


def _without_defaults(arguments: ast.arguments) -> ast.arguments:
    """The arguments for the code alone: defaults belong to the function object, and stay."""
    a = arguments
    return ast.arguments(a.posonlyargs, a.args, a.vararg, a.kwonlyargs, [None] * len(a.kwonlyargs), a.kwarg, [])


def _mentions_class(node: ast.AST) -> bool:
    return any(isinstance(inner, ast.Name) and inner.id in ("super", "__class__") for inner in ast.walk(node))
