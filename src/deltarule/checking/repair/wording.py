"""The words of a correction: the lines that an edit changes, as they would stand in the file."""

import ast
import tokenize
from collections.abc import Iterator
from contextlib import suppress
from io import StringIO
from typing import Any

from deltarule.checking.catalog import LineChange
from deltarule.checking.repair.program import Change, Edit, applied
from deltarule.checking.user_code.running_code import SourceFile


def line_changes(edit: Edit) -> list[LineChange]:
    """The lines that an edit changes, in the order of the file."""
    assert edit.file is not None
    changes: list[LineChange] = []
    by_statement: dict[ast.stmt, list[Change]] = {}
    for change in edit.changes:
        if isinstance(change.index, slice):
            changes += _changes_of_statements(edit.file, change)
        else:
            statement = _statement_around(edit.file, change.owner)
            by_statement.setdefault(statement, []).append(change)
    for statement, of_statement in by_statement.items():
        changes += _changes_of_expressions(edit.file, statement, of_statement)
    return sorted(dict.fromkeys(changes), key=lambda change: change.line)


def _statement_around(file: SourceFile, node: ast.AST) -> ast.stmt:
    while not isinstance(node, ast.stmt):
        node = file.parents[node]
    return node


def _changes_of_statements(file: SourceFile, change: Change) -> Iterator[LineChange]:
    before = getattr(change.owner, change.field)[change.index]
    kept = [node for node in change.new if node in before]
    if kept and len(kept) == len(change.new) == len(before):  # another order
        start = min(node.lineno for node in before)
        old = "; ".join(source_of(file, node) for node in before)
        yield LineChange(start, old, "; ".join(source_of(file, node) for node in change.new))
        return
    new = [ast.unparse(node) for node in change.new if not isinstance(node, ast.Pass)]
    if len(before) == 1 and len(new) == 2 and new[0] == ast.unparse(before[0]):
        yield LineChange(before[0].lineno, source_of(file, before[0]), f"{source_of(file, before[0])}; {new[1]}")
        return
    if len(before) == len(new):
        for node, text in zip(before, new, strict=True):
            yield LineChange(node.lineno, source_of(file, node), text)
        return
    yield LineChange(before[0].lineno, "; ".join(source_of(file, node) for node in before), "; ".join(new))


def _changes_of_expressions(file: SourceFile, statement: ast.stmt, changes: list[Change]) -> Iterator[LineChange]:
    by_line: dict[int, list[tuple[Change, Any]]] = {}
    for change in changes:
        node = _node_at(change)
        by_line.setdefault(node.lineno, []).append((change, node))
    if all(node.lineno == node.end_lineno for nodes in by_line.values() for _, node in nodes):
        written = [_line_with_changes(file, line, nodes) for line, nodes in by_line.items()]
        if all(written):
            yield from (line_change for line_change in written if line_change)
            return
    with applied(changes):
        new = ast.unparse(statement)
    yield LineChange(statement.lineno, source_of(file, statement), new.split("\n")[0])


def _node_at(change: Change) -> Any:
    value = getattr(change.owner, change.field)
    node = value if change.index is None else value[change.index]
    return node if isinstance(node, ast.AST) else change.owner


def _line_with_changes(file: SourceFile, line: int, pairs: list[tuple[Change, Any]]) -> LineChange | None:
    """The source line with new expressions in it, with parentheses where it would mean something else without."""
    original = file.lines[line - 1]
    with applied(change for change, _ in pairs):
        wanted = ast.dump(file.tree)
    for form in ("{}", "({})"):
        text = original.encode()
        for change, node in sorted(pairs, key=lambda pair: -pair[1].col_offset):
            assert node.end_col_offset is not None
            new = form.format(_with_quotes_of(original, _text_of(change.new))).encode()
            text = text[: node.col_offset] + new + text[node.end_col_offset :]
        lines = [*file.lines[: line - 1], text.decode(), *file.lines[line:]]
        try:
            if ast.dump(ast.parse("".join(lines))) == wanted:
                return _lambda_alone(
                    file, pairs, LineChange(line, without_comment(original), without_comment(text.decode()))
                )
        except SyntaxError:
            continue
    return None


MAX_LINE = 72


def _lambda_alone(file: SourceFile, pairs: list[tuple[Change, Any]], change: LineChange) -> LineChange:
    """The function alone, of a long line in which it is written without a name."""
    around = (node for node in file.ancestors(pairs[0][1]) if isinstance(node, ast.Lambda | ast.stmt))
    node = next(around, None)
    if not isinstance(node, ast.Lambda) or len(change.old) <= MAX_LINE or node.lineno != node.end_lineno:
        return change
    function = (
        "".join(file.lines).splitlines()[node.lineno - 1].encode()[node.col_offset : node.end_col_offset].decode()
    )
    begin = change.old.find(function)
    rest = len(change.old) - begin - len(function)
    return LineChange(change.line, function, change.new[begin : len(change.new) - rest]) if begin >= 0 else change


def _text_of(new: Any) -> str:
    return new if isinstance(new, str) else ast.unparse(new)


def _with_quotes_of(line: str, text: str) -> str:
    """A text with double quotes where the line has them."""
    if '"' in line and "'" not in line and '"' not in text:
        return text.replace("'", '"')
    return text


def without_comment(line: str) -> str:
    """A line without the comment at its end."""
    with suppress(tokenize.TokenError, IndentationError, SyntaxError):
        for token in tokenize.generate_tokens(StringIO(line.strip()).readline):
            if token.type == tokenize.COMMENT and token.start[0] == 1:
                return line.strip()[: token.start[1]].strip()
    return line.strip()


def source_of(file: SourceFile, node: ast.stmt | ast.expr) -> str:
    """The text of a statement as it stands in the file, in one line."""
    segment = ast.get_source_segment("".join(file.lines), node) or ast.unparse(node)
    lines = segment.split("\n")
    return " ".join(line.strip() for line in lines) if len(lines) < 4 else lines[0].strip()
