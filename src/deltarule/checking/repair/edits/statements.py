"""Edits of whole statements: with another operator or index, removed, exchanged, moved; and of statements alike."""

import ast
import copy
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import combinations

from deltarule.checking.repair.edits.derivatives import OPERATORS
from deltarule.checking.repair.program import Change, Edit, RunningFunction, RunningProgram
from deltarule.checking.user_code.running_code import SourceFile

SAME_EDIT = "same edit at several places"


@dataclass(frozen=True, eq=False)
class StatementEdit:
    """An edit with the statements that it touches."""

    edit: Edit
    statements: list[ast.stmt]


@dataclass(frozen=True, eq=False)
class StatementBlock:
    """Statements that follow each other."""

    file: SourceFile
    owner: ast.AST
    field: str

    @property
    def body(self) -> list[ast.stmt]:
        return list(getattr(self.owner, self.field))

    def replace(
        self, i: int, j: int, new: str | list[ast.stmt], cost: float, kind: str, said: str = ""
    ) -> StatementEdit | None:
        """An edit that puts statements in the place of those from i up to j."""
        body = self.body
        try:
            statements = ast.parse(new).body if isinstance(new, str) else new
        except SyntaxError:
            return None
        if isinstance(new, str):
            for node in [node for statement in statements for node in ast.walk(statement)]:
                ast.copy_location(node, body[i])
        if not statements and j - i == len(body):
            statements = [ast.copy_location(ast.Pass(), body[i])]
        old = "; ".join(ast.unparse(statement) for statement in body[i:j])
        text = said or (new if isinstance(new, str) else "; ".join(ast.unparse(statement) for statement in new))
        change = Change(self.owner, self.field, slice(i, j), statements)
        return StatementEdit(Edit(body[i].lineno, old, text, cost, lambda: [change], kind, self.file), body[i:j])


def statement_edits(program: RunningProgram) -> list[StatementEdit]:
    edits_of_all: list[StatementEdit] = []
    alike: dict[tuple[str, str], list[StatementEdit]] = {}
    for function in program.functions:
        lines = function.gradient_lines | function.loss_lines
        for block in _blocks(function):
            for i, statement in enumerate(block.body):
                if statement.lineno in lines:
                    edits_of_all += _edits_of_statement(block, i, alike)
    for (operator, _), edits in alike.items():
        if 1 < len(edits) < 12:
            edits_of_all.append(_joint_edit(edits, f"(each with {operator}=)", 2.0))
    for function in program.functions:
        edits_of_all += _exchanged_names(function)
        edits_of_all += _shifted_slices(function)
    edits_of_all += _indices_as_elsewhere(program)
    return edits_of_all


def _statements_that_run(function: RunningFunction) -> Iterator[ast.stmt]:
    for node in ast.walk(function.node):
        is_simple = isinstance(node, ast.Assign | ast.AugAssign | ast.Return)
        if is_simple and node.lineno in function.gradient_lines:  # type: ignore[attr-defined]
            yield node  # type: ignore[misc]


def _exchanged_names(function: RunningFunction) -> Iterator[StatementEdit]:
    """Two names of a statement exchange their places: rows and columns, k and l."""
    for statement in _statements_that_run(function):
        nodes = [node for node in ast.walk(statement) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)]
        called = {node.func for node in ast.walk(statement) if isinstance(node, ast.Call)}
        names = sorted({node.id for node in nodes if node not in called})
        for one, other in combinations(names, 2) if len(names) < 8 else ():
            changed = [node for node in nodes if node.id in (one, other)]
            if len(changed) < 3:
                yield _exchange_edit(function.file, statement, changed, {one: other, other: one})


def _exchange_edit(
    file: SourceFile, statement: ast.stmt, nodes: list[ast.Name], table: dict[str, str]
) -> StatementEdit:
    changes = [Change(node, "id", None, table[node.id]) for node in nodes]
    said = f"({' and '.join(table)} exchanged)"
    edit = Edit(statement.lineno, ast.unparse(statement), said, 1.8, partial(list, changes), "names exchanged", file)
    return StatementEdit(edit, [statement])


def _shifted_slices(function: RunningFunction) -> Iterator[StatementEdit]:
    """All slices of an index begin later, by a whole number such as a padding."""
    used = sorted({node.id for node in ast.walk(function.node) if isinstance(node, ast.Name) and len(node.id) < 9})
    for statement in _statements_that_run(function):
        for node in ast.walk(statement):
            if isinstance(node, ast.Subscript) and _has_slice(node):
                for shift in [*(name for name in used if "pad" in name or name == "p"), "1"]:
                    text = _index_text(_ShiftedSlices(shift).visit(copy.deepcopy(node)))
                    edit = _with_index(function.file, node, text)
                    if edit and text != _index_text(node):
                        yield edit


class _ShiftedSlices(ast.NodeTransformer):
    def __init__(self, shift: str) -> None:
        self.shift = ast.parse(shift, mode="eval").body

    def visit_Slice(self, node: ast.Slice) -> ast.Slice:
        if node.lower is None and node.upper is None:
            return node
        bounds = [bound and ast.BinOp(bound, ast.Add(), self.shift) for bound in (node.lower, node.upper)]
        return ast.Slice(bounds[0] or self.shift, bounds[1], node.step)


def _indices_as_elsewhere(program: RunningProgram) -> Iterator[StatementEdit]:
    """An index of several axes or with slices, as another line has it, in one line or at all places where it stands."""
    for file in program.files:
        indices = dict.fromkeys(filter(_is_index_of_axes, ast.walk(file.tree)))
        run: dict[str, list[ast.AST]] = {text: [] for text in map(_index_text, indices)}
        for function in program.functions:
            for node in ast.walk(function.node):
                if node in indices and node.lineno in function.gradient_lines:  # type: ignore[attr-defined]
                    run[_index_text(node)].append(node)
        for text, other in itertools.permutations(run, 2):
            if other.count(",") == text.count(","):
                edits = list(filter(None, (_with_index(file, node, other) for node in run[text])))
                yield from edits
                if 1 < len(edits) < 6:
                    yield _joint_edit(edits, f"{other} in the place of {text}", 2.0)


def _is_index_of_axes(node: ast.AST) -> bool:
    return isinstance(node, ast.Subscript) and (isinstance(node.slice, ast.Tuple) or _has_slice(node))


def _has_slice(node: ast.Subscript) -> bool:
    return any(isinstance(bound, ast.Slice) and (bound.lower or bound.upper) for bound in ast.walk(node.slice))


def _index_text(node: ast.AST) -> str:
    assert isinstance(node, ast.Subscript)
    return ast.unparse(node).removeprefix(ast.unparse(node.value))


def _with_index(file: SourceFile, node: ast.AST, text: str) -> StatementEdit | None:
    assert isinstance(node, ast.Subscript)
    statement = file.statement_of(node)
    assert statement is not None
    parsed = ast.parse(f"_{text}", mode="eval").body
    assert isinstance(parsed, ast.Subscript)
    for inner in ast.walk(parsed.slice):
        ast.copy_location(inner, node.slice)
    old = ast.unparse(node)
    change = Change(node, "slice", None, parsed.slice)
    new = f"{ast.unparse(node.value)}{text}"
    return StatementEdit(Edit(statement.lineno, old, new, 1.5, lambda: [change], "index", file), [statement])


def _blocks(function: RunningFunction) -> Iterator[StatementBlock]:
    if isinstance(function.node, ast.Lambda):
        return
    for node in ast.walk(function.node):
        for name in ("body", "orelse"):
            if isinstance(getattr(node, name, None), list):
                yield StatementBlock(function.file, node, name)


def _edits_of_statement(
    block: StatementBlock, i: int, alike: dict[tuple[str, str], list[StatementEdit]]
) -> Iterator[StatementEdit]:
    statement = block.body[i]
    edits: list[StatementEdit | None] = []
    if is_single_assignment(statement):
        variable = ast.unparse(target_of(statement)).rpartition(".")[2]
        for operator, edit in _other_operators(block, i):
            edits.append(edit)
            alike.setdefault((operator, variable), []).append(edit)
        if isinstance(target_of(statement), ast.Subscript):
            edits.append(_added_at(block, i))
    if not isinstance(statement, ast.Return):
        edits.append(block.replace(i, i + 1, [], 1.5, "line removed", "(line removed)"))
    edits += _moved_lines(block, i)
    if isinstance(statement, ast.For | ast.While) and len(statement.body) > 1:
        parts = [_without_last_statement(statement), statement.body[-1]]
        edits.append(block.replace(i, i + 1, parts, 2.0, "line moved", "(its last line behind the loop)"))
    yield from filter(None, edits)


def _other_operators(block: StatementBlock, i: int) -> Iterator[tuple[str, StatementEdit]]:
    """An assignment with another operator, or with none."""
    statement = block.body[i]
    target, value = ast.unparse(target_of(statement)), ast.unparse(statement.value)  # type: ignore[attr-defined]
    for operator in ("", "+", "-", "*", "/"):
        if operator != _operator_of(statement):
            cost = 1.0 + (operator in ("*", "/"))
            edit = block.replace(i, i + 1, f"{target} {operator}= {value}", cost, "operator of an assignment")
            if edit:
                yield operator, edit


def _operator_of(statement: ast.AST) -> str:
    return OPERATORS[type(statement.op)] if isinstance(statement, ast.AugAssign) else ""


def _added_at(block: StatementBlock, i: int) -> StatementEdit | None:
    """np.add.at for an assignment to items, some of which an index may name several times."""
    statement = block.body[i]
    target = target_of(statement)
    assert isinstance(target, ast.Subscript)
    sign = "-" if _operator_of(statement) == "-" else ""
    has_slice = any(isinstance(bound, ast.Slice) for bound in ast.walk(target.slice))
    index = f"np.s_{_index_text(target)}" if has_slice else ast.unparse(target.slice)
    value = ast.unparse(statement.value)  # type: ignore[attr-defined]
    text = f"np.add.at({ast.unparse(target.value)}, {index}, {sign}({value}))"
    return block.replace(i, i + 1, ast.unparse(ast.parse(text)), 1.5, "add.at")


def _moved_lines(block: StatementBlock, i: int) -> Iterator[StatementEdit | None]:
    """A statement exchanged with the next, or moved behind a later one; or a later one moved before it."""
    body = block.body
    if i + 1 < len(body) and not isinstance(body[i + 1], ast.Return):
        exchanged = [body[i + 1], body[i]]
        yield block.replace(i, i + 2, exchanged, 1.5, "lines exchanged", "(exchanged with the next line)")
        yield from _edits_of_pair(block, i)
    for j in range(i + 2, min(i + 6, len(body))):
        if not isinstance(body[j], ast.Return):
            cost = 2.0 + (j - i) / 10
            behind, before = f"(moved behind line {body[j].lineno})", f"(line {body[j].lineno} moved before it)"
            yield block.replace(i, j + 1, [*body[i + 1 : j + 1], body[i]], cost, "line moved", behind)
            yield block.replace(i, j + 1, [body[j], *body[i:j]], cost, "line moved", before)


def _without_last_statement(loop: ast.For | ast.While) -> ast.stmt:
    fields = dict(ast.iter_fields(loop))
    fields["body"] = loop.body[:-1]
    return ast.copy_location(type(loop)(**fields), loop)


def _edits_of_pair(block: StatementBlock, i: int) -> list[StatementEdit | None]:
    """Two assignments at once, with the old values, or with their targets exchanged."""
    one, other = block.body[i : i + 2]
    if not (is_single_assignment(one) and is_single_assignment(other)):
        return []
    x, y = ast.unparse(target_of(one)), ast.unparse(target_of(other))
    values = _value_of(one), _value_of(other)
    edits = [block.replace(i, i + 2, f"{x}, {y} = {values[0]}, {values[1]}", 2.0, "two updates at once")]
    if isinstance(one, ast.Assign) and isinstance(other, ast.Assign):
        edits.append(block.replace(i, i + 2, f"{y} = {values[0]}\n{x} = {values[1]}", 2.0, "targets exchanged"))
    return edits


def is_single_assignment(statement: ast.AST) -> bool:
    if isinstance(statement, ast.AugAssign):
        return True
    return (
        isinstance(statement, ast.Assign)
        and len(statement.targets) == 1
        and not isinstance(statement.targets[0], ast.Tuple)
    )


def target_of(statement: ast.AST) -> ast.expr:
    return statement.target if isinstance(statement, ast.AugAssign) else statement.targets[0]  # type: ignore[attr-defined]


def _value_of(statement: ast.AST) -> str:
    value = ast.unparse(statement.value)  # type: ignore[attr-defined]
    if isinstance(statement, ast.AugAssign):
        return f"{ast.unparse(statement.target)} {OPERATORS.get(type(statement.op), '+')} ({value})"
    return value


def _joint_edit(edits: Sequence[StatementEdit], new: str, cost: float, kind: str = SAME_EDIT) -> StatementEdit:
    first = edits[0].edit
    old = "; ".join(f"line {edit.edit.line}: {edit.edit.old}" for edit in edits)
    changes = [change for edit in edits for change in edit.edit.changes]
    edit = Edit(first.line, old, new, cost, lambda: changes, kind, first.file)
    return StatementEdit(edit, [statement for edit in edits for statement in edit.statements])


def divided_after(file: SourceFile, statement: ast.AugAssign, counts: Sequence[str]) -> Iterator[Edit]:
    """A line more after a statement: the array that it changes in place is divided by a count."""
    owner = file.parents[statement]
    assert isinstance(statement.target, ast.Subscript)
    for name in ("body", "orelse"):
        body = getattr(owner, name, None)
        if isinstance(body, list) and statement in body:
            i = body.index(statement)
            block = StatementBlock(file, owner, name)
            for count in counts:
                added = f"{ast.unparse(statement)}\n{ast.unparse(statement.target.value)} /= {count}"
                edit = block.replace(i, i + 1, added, 1.8, "line added")
                if edit:
                    yield edit.edit
