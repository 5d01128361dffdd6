"""What a script prints, with the label before it: `print("cost:", J)`, `print(f"loss {np.mean(e ** 2):.3f}")`."""

import ast
import re
from collections.abc import Iterator

_SPEC = r"%[-+ #0-9.]*[a-zA-Z]"
_FIELD = r"\{[^{}]*\}"
_OF_ONE_NUMBER = ("str", "repr", "float", "round", "np.round")


def printed_values(statement: ast.stmt) -> Iterator[tuple[str, ast.expr]]:
    """The (label, expression) of what a statement prints after a text."""
    call = statement.value if isinstance(statement, ast.Expr) else None
    if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Name) or call.func.id != "print":
        return
    before = ""
    for part in (part for argument in call.args for part in _parts(argument)):
        if isinstance(part, str):
            before = part
            continue
        label = re.sub(r"\W+$", "", re.split(r"[,;|\n]", before.rstrip(" ,;|\n"))[-1]).strip()
        if label:
            yield label, part
        before = ""


def _parts(node: ast.expr) -> Iterator[str | ast.expr]:
    """Texts and expressions in the order in which they are printed."""
    match node:
        case ast.Constant(value=str(text)):
            yield text
        case ast.JoinedStr(values=values):
            for value in values:
                yield from _parts(value.value if isinstance(value, ast.FormattedValue) else value)
        case ast.BinOp(left=ast.Constant(value=str(text)), op=ast.Mod(), right=right):
            yield from _filled(re.split(_SPEC, text), right.elts if isinstance(right, ast.Tuple) else [right])
        case ast.BinOp(left=left, op=ast.Add(), right=right) if _is_text(left) or _is_text(right):
            yield from _parts(left)
            yield from _parts(right)
        case ast.Call(func=ast.Attribute(value=ast.Constant(value=str(text)), attr="format"), args=args):
            yield from _filled(re.split(_FIELD, text), args)
        case ast.Call(func=function, args=[inner, *_]) if ast.unparse(function) in _OF_ONE_NUMBER:
            yield from _parts(inner)
        case _:
            yield node


def _filled(texts: list[str], values: list[ast.expr]) -> Iterator[str | ast.expr]:
    for text, value in zip(texts, values, strict=False):
        yield text
        yield from _parts(value)


def _is_text(node: ast.expr) -> bool:
    return any(isinstance(inner, ast.Constant) and isinstance(inner.value, str) for inner in ast.walk(node))
