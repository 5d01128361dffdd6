"""Where the moves follow another loss than the script's own: the lines that compute the loss that they follow."""

import ast
import re
from collections.abc import Iterator

from deltarule.checking.catalog import LineChange
from deltarule.checking.scripts.printed import printed_values
from deltarule.checking.scripts.source import ScriptSource
from deltarule.checking.scripts.verdict import HELD, StepVerdict

_LOGS = {
    "cross-entropy": "{y} * {np}.log({p})",
    "binary cross-entropy": "{y} * {np}.log({p}) + (1 - {y}) * {np}.log(1 - {p})",
}


def loss_changes(source: ScriptSource, verdict: StepVerdict) -> Iterator[LineChange]:
    """Changes of the line of the script's own loss, after which it may be the one that the moves follow."""
    node = _expression_of_loss(source, verdict)
    numpy = re.search(r"^import numpy as (\w+)", "\n".join(source.lines), re.MULTILINE)
    if node is None or numpy is None or HELD in verdict.loss:
        return
    line = source.lines[node.lineno - 1]
    begin, end = (len(line.encode()[:column].decode()) for column in (node.col_offset, node.end_col_offset or 0))
    for text in _texts_of_loss(verdict, numpy[1]):
        yield LineChange(node.lineno, line.strip(), (line[:begin] + text + line[end:]).strip())


def _expression_of_loss(source: ScriptSource, verdict: StepVerdict) -> ast.expr | None:
    """What stands in the line that assigns, returns or prints the script's own loss."""
    _, line, _ = verdict.own_loss_place
    for statement in ast.walk(source.tree):
        if not isinstance(statement, ast.stmt) or getattr(statement, "lineno", 0) != line:
            continue
        value: ast.expr | None = None
        if isinstance(statement, ast.Assign | ast.Return) and not isinstance(statement.value, ast.Tuple):
            value = statement.value
        elif isinstance(statement, ast.Expr):
            values = {f'"{label}"': node for label, node in printed_values(statement)}
            value = values.get(verdict.own_loss)
        if value is not None and value.lineno == value.end_lineno:
            return value
    return None


def _texts_of_loss(verdict: StepVerdict, np: str) -> Iterator[str]:
    """Expressions of the loss that the moves follow, as large as a rate says that the script names."""
    parsed = _parse_made_loss(verdict.loss)
    if parsed is None or verdict.factor is None:
        return
    form, y, p = parsed
    inner = _LOGS[form].format(y=y, p=p, np=np) if form in _LOGS else f"({y} - {p}) ** 2"
    sign, times = ("-", 1.0) if form in _LOGS else ("", 0.5)
    for rate in [verdict.rate] if verdict.rate is not None else verdict.named_rates:
        scale = times * verdict.factor / (rate or 1.0)
        if abs(scale - round(2 * scale) / 2) < 1e-6:
            yield f"{sign}{'' if scale == 1 else f'{scale:g} * '}{np}.sum({inner})"
            continue
        for half in ("", "0.5 * ") if form not in _LOGS else ("",):
            yield f"{sign}{half}{np}.mean({inner})"
            yield f"{sign}{half}{np}.sum({inner}) / len({y})"


def _parse_made_loss(name: str) -> tuple[str, str, str] | None:
    """The form of a loss that the script does not compute, and what it compares: labels and predictions."""
    if match := re.fullmatch(r"½Σ\((.*)\)²", name):
        node = ast.parse(match[1].replace("−", "-"), mode="eval").body
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Sub):
            return "½", _operand(node.left), _operand(node.right)
        return None
    if match := re.fullmatch(r"((?:binary )?cross-entropy)(\(.*\))", name):
        node = ast.parse(f"f{match[2]}", mode="eval").body
        if isinstance(node, ast.Call) and len(node.args) == 2:
            return match[1], _operand(node.args[0]), _operand(node.args[1])
    return None


def _operand(node: ast.expr) -> str:
    text = ast.unparse(node)
    return f"({text})" if isinstance(node, ast.BinOp | ast.UnaryOp | ast.IfExp) else text
