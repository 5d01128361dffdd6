"""Edits of whole statements: with another operator or index, removed, exchanged, moved; and of statements alike."""

import ast
import copy
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import combinations

from deltarule.checking.repair.edits.derivatives import OPERATORS
from deltarule.checking.repair.probe import EditPlace
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
        functions = [function for function in program.functions if function.file is file]
        indices = [node for node in ast.walk(file.tree) if isinstance(node, ast.Subscript)]
        indices = [node for node in indices if isinstance(node.slice, ast.Tuple) or _has_slice(node)]
        texts = list(dict.fromkeys(map(_index_text, indices)))
        run = [(node, function) for function in functions for node in ast.walk(function.node) if node in set(indices)]
        for text in texts:
            places = [(node, function) for node, function in run if _index_text(node) == text]
            places = [(node, function) for node, function in places if node.lineno in function.gradient_lines]
            for other in [form for form in texts if form != text and form.count(",") == text.count(",")]:
                edits = [edit for node, _ in places for edit in [_with_index(file, node, other)] if edit]
                yield from edits
                if 1 < len(edits) < 6:
                    yield _joint_edit(edits, f"{other} in the place of {text}", 2.0)


def _has_slice(node: ast.Subscript) -> bool:
    return any(isinstance(bound, ast.Slice) and (bound.lower or bound.upper) for bound in ast.walk(node.slice))


def _index_text(node: ast.AST) -> str:
    assert isinstance(node, ast.Subscript)
    return ast.unparse(node).removeprefix(ast.unparse(node.value))


def _with_index(file: SourceFile, node: ast.AST, text: str) -> StatementEdit | None:
    assert isinstance(node, ast.Subscript)
    statement: ast.AST = node
    while not isinstance(statement, ast.stmt):
        statement = file.parents[statement]
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
    body = block.body
    statement = body[i]
    following = body[i + 1] if i + 1 < len(body) and not isinstance(body[i + 1], ast.Return) else None
    edits: list[StatementEdit | None] = []
    if is_single_assignment(statement):
        target = target_of(statement)
        value = ast.unparse(statement.value)  # type: ignore[attr-defined]
        written = OPERATORS[type(statement.op)] if isinstance(statement, ast.AugAssign) else ""
        for operator in ("", "+", "-", "*", "/"):
            if operator != written:
                cost = 1.0 + (operator in ("*", "/"))
                text = f"{ast.unparse(target)} {operator}= {value}"
                edit = block.replace(i, i + 1, text, cost, "operator of an assignment")
                edits.append(edit)
                if edit:
                    alike.setdefault((operator, ast.unparse(target).rpartition(".")[2]), []).append(edit)
        if isinstance(target, ast.Subscript):
            sign = "-" if written == "-" else ""
            has_slice = any(isinstance(bound, ast.Slice) for bound in ast.walk(target.slice))
            brackets = ast.unparse(target).removeprefix(ast.unparse(target.value))
            index = f"np.s_{brackets}" if has_slice else ast.unparse(target.slice)
            text = f"np.add.at({ast.unparse(target.value)}, {index}, {sign}({value}))"
            edits.append(block.replace(i, i + 1, ast.unparse(ast.parse(text)), 1.5, "add.at"))
    if not isinstance(statement, ast.Return):
        edits.append(block.replace(i, i + 1, [], 1.5, "line removed", "(line removed)"))
    if following:
        exchanged = [following, statement]
        edits.append(block.replace(i, i + 2, exchanged, 1.5, "lines exchanged", "(exchanged with the next line)"))
        edits += _edits_of_pair(block, i)
    for j in range(i + 2, min(i + 6, len(body))):
        if not isinstance(body[j], ast.Return):
            moved = [*body[i + 1 : j + 1], statement]
            said = f"(moved behind line {body[j].lineno})"
            edits.append(block.replace(i, j + 1, moved, 2.0 + (j - i) / 10, "line moved", said))
            moved = [body[j], *body[i:j]]
            said = f"(line {body[j].lineno} moved before it)"
            edits.append(block.replace(i, j + 1, moved, 2.0 + (j - i) / 10, "line moved", said))
    inner = getattr(statement, "body", None)
    if isinstance(statement, ast.For | ast.While) and inner and len(inner) > 1:
        edits.append(
            block.replace(
                i,
                i + 1,
                [_without_last_statement(statement), inner[-1]],
                2.0,
                "line moved",
                "(its last line behind the loop)",
            )
        )
    yield from (edit for edit in edits if edit)


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


def skeleton(node: ast.AST) -> str:
    """The form of a statement, without its names."""
    return f"{type(node).__name__}({','.join(map(skeleton, ast.iter_child_nodes(node)))})"


def renamed(text: str, one: ast.AST, other: ast.AST) -> str:
    """A text of statement `one` with the names of statement `other`, which has the same form."""
    table = {}
    for first, second in zip(_names(one), _names(other), strict=False):
        table[_name(first)] = _name(second)
        if _name(first)[0] == _name(second)[0] == "d":  # with dW1 for dW2 there is W1 for W2
            table.setdefault(_name(first)[1:].lstrip("_"), _name(second)[1:].lstrip("_"))
    tree = ast.parse(text, mode="eval").body
    for node in _names(tree):
        name = table.get(_name(node), _name(node))
        if isinstance(node, ast.Name):
            node.id = name
        else:
            node.attr = name
    return ast.unparse(tree)


def _names(node: ast.AST) -> list[ast.Name | ast.Attribute]:
    return [inner for inner in ast.walk(node) if isinstance(inner, ast.Name | ast.Attribute)]


def _name(node: ast.Name | ast.Attribute) -> str:
    return node.id if isinstance(node, ast.Name) else node.attr


def siblings(statement: ast.stmt, file: SourceFile) -> list[ast.stmt]:
    """The statements near a statement that have its form."""
    parent = file.parents.get(statement)
    for name in ("body", "orelse"):
        block = getattr(parent, name, None)
        if isinstance(block, list) and statement in block:
            i = block.index(statement)
            near = [*block[max(0, i - 3) : i], *block[i + 1 : i + 4]]
            return [sibling for sibling in near if skeleton(sibling) == skeleton(statement)]
    return []


def twins_of(place: EditPlace, by_node: dict[ast.AST, EditPlace]) -> list[EditPlace]:
    """The places of the same role in statements of the same form near by."""
    if place.statement is None:
        return []
    role = next(i for i, node in enumerate(ast.walk(place.statement)) if node is place.node)
    others = siblings(place.statement, place.file)
    twins = [by_node.get(next(itertools.islice(ast.walk(sibling), role, None))) for sibling in others]
    return [] if None in twins or not twins else [twin for twin in twins if twin is not None]


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
