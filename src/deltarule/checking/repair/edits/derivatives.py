"""Derivatives of the elementwise formulas that a program itself writes, as text."""

import ast
import copy
import re
from collections.abc import Iterator, Sequence
from contextlib import suppress

from deltarule.checking.tape.backward import SLOPES

MAX_FORMULA_LENGTH = 160
MAX_FORMULAS = 40
OPERATORS: dict[type[ast.operator], str] = {
    ast.Add: "+",
    ast.Sub: "-",
    ast.Mult: "*",
    ast.Div: "/",
    ast.MatMult: "@",
    ast.FloorDiv: "//",
    ast.Pow: "**",
}


class Substitute(ast.NodeTransformer):
    """Puts expressions in the place of names."""

    def __init__(self, table: dict[str, ast.expr]) -> None:
        self.table = table

    def visit_Name(self, node: ast.Name) -> ast.expr:
        is_known = node.id in self.table and isinstance(node.ctx, ast.Load)
        return copy.deepcopy(self.table[node.id]) if is_known else node


def differentiate(node: ast.expr, name: str) -> str:
    """The derivative of an expression with respect to a name; raises `ValueError` where there is no rule."""
    text = ast.unparse(node)
    if text == name:
        return "1"
    variables = (node for node in ast.walk(node) if isinstance(node, ast.Name | ast.Attribute))
    if name not in text or not any(ast.unparse(variable) == name for variable in variables):
        return "0"
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        return _times("-1", differentiate(node.operand, name))
    if isinstance(node, ast.BinOp):
        return _differentiate_operation(node, name)
    if isinstance(node, ast.Call) and node.args:
        return _differentiate_call(node, name)
    raise ValueError


def _differentiate_operation(node: ast.BinOp, name: str) -> str:
    left, right = ast.unparse(node.left), ast.unparse(node.right)
    of_left, of_right = differentiate(node.left, name), differentiate(node.right, name)
    match OPERATORS.get(type(node.op)):
        case "+" | "-" as sign:
            return _plus(of_left, of_right, sign)
        case "*":
            return _plus(_times(of_left, right), _times(left, of_right))
        case "/":
            first = "0" if of_left == "0" else f"({of_left}) / ({right})"
            return _plus(first, "0" if of_right == "0" else f"({left}) * ({of_right}) / ({right}) ** 2", "-")
        case "**" if of_right == "0":
            return _times(f"({right}) * ({left}) ** (({right}) - 1)", of_left)
    raise ValueError


def _differentiate_call(node: ast.Call, name: str) -> str:
    library, dot, function = ast.unparse(node.func).rpartition(".")
    library += dot
    first = ast.unparse(node.args[0])
    if function in SLOPES and len(node.args) == 1:
        words = {"y": ast.unparse(node), "u": f"({first})", "np.": library}
        slope = re.sub(r"\by\b|\bu\b|\bnp\.", lambda word: words[word[0]], SLOPES[function])
        return _times(f"({slope})", differentiate(node.args[0], name))
    if (function, len(node.args)) in (("where", 3), ("maximum", 2)):
        condition = first if function == "where" else f"({first}) > ({ast.unparse(node.args[1])})"
        branches = (differentiate(branch, name) for branch in node.args[-2:])
        return f"{library}where({condition}, {', '.join(branches)})"
    raise ValueError


def _times(a: str, b: str) -> str:
    if "0" in (a, b):
        return "0"
    return b if a == "1" else a if b == "1" else f"({a}) * ({b})"


def _plus(a: str, b: str, sign: str = "+") -> str:
    if b == "0":
        return a
    if a == "0":
        return b if sign == "+" else f"-({b})"
    return f"({a}) {sign} ({b})"


VARIABLE = "variable__"
"""The name of the variable in a derivative, to be replaced by a value."""


def derivatives_of_functions(nodes: Sequence[ast.AST]) -> list[str]:
    """The derivatives of the formulas that functions compute, as texts of `VARIABLE`."""
    pairs = dict.fromkeys(pair for node in nodes for pair in _derivatives_of(node))
    texts = dict.fromkeys(_of_variable(*pair) for pair in pairs if len(pair[1]) > 3)
    return sorted(texts, key=len)[:MAX_FORMULAS]


def _of_variable(name: str, derivative: str) -> str:
    tree = ast.parse(derivative, mode="eval").body
    variable = ast.Name(VARIABLE, ast.Load())
    return ast.unparse(_Simplify().visit(_Replace(name, variable).visit(tree)))


class _Simplify(ast.NodeTransformer):
    """Works out what is made of numbers alone, and drops factors and exponents of 1."""

    def visit_BinOp(self, node: ast.BinOp) -> ast.expr:
        self.generic_visit(node)
        left, right = (side.value if isinstance(side, ast.Constant) else None for side in (node.left, node.right))
        if isinstance(node.op, ast.Sub) and isinstance(left, int) and isinstance(right, int):
            return ast.Constant(left - right)
        if isinstance(node.op, ast.Mult) and left == 1:
            return node.right
        is_unchanged = isinstance(node.op, ast.Mult | ast.Div | ast.Pow) and right == 1
        return node.left if is_unchanged else node


class _Replace(ast.NodeTransformer):
    """Puts a variable in the place of a name or attribute."""

    def __init__(self, text: str, variable: ast.expr) -> None:
        self.text, self.variable = text, variable

    def generic_visit(self, node: ast.AST) -> ast.AST:
        if isinstance(node, ast.Name | ast.Attribute) and ast.unparse(node) == self.text:
            return self.variable
        return super().generic_visit(node)


def _derivatives_of(node: ast.AST) -> Iterator[tuple[str, str]]:
    table: dict[str, ast.expr] = {}
    if not isinstance(node, ast.FunctionDef | ast.Lambda):
        return
    statements: list[ast.stmt] = [ast.Return(node.body)] if isinstance(node, ast.Lambda) else node.body
    for statement in [inner for whole in statements for inner in ast.walk(whole)]:
        if not isinstance(statement, ast.Return | ast.Assign) or statement.value is None:
            continue
        formula = Substitute(table).visit(copy.deepcopy(statement.value))
        for target in getattr(statement, "targets", ()):
            if isinstance(target, ast.Name):
                table[target.id] = formula
        yield from _with_respect_to_names(statement.value)
        if len(ast.unparse(formula)) > MAX_FORMULA_LENGTH:
            continue
        yield from _with_respect_to_names(formula)


def _with_respect_to_names(formula: ast.expr) -> Iterator[tuple[str, str]]:
    names = {ast.unparse(node) for node in ast.walk(formula) if isinstance(node, ast.Name | ast.Attribute)}
    for name in sorted(names):
        with suppress(ValueError):
            derivative = differentiate(formula, name)
            if derivative not in ("0", "1"):
                yield name, derivative
