"""Edits that use only what stands in an expression: without a part, in another order, with another operator."""

import ast
import itertools
import tomllib
from collections.abc import Iterator, Sequence
from pathlib import Path

from deltarule.checking.repair.edits.derivatives import OPERATORS

FORMS: dict[str, dict[str, float]] = tomllib.loads(Path(__file__).with_name("forms.toml").read_text(encoding="utf-8"))
"""By kind, forms of an expression with their costs."""


def formed(kind: str, **words: str) -> Iterator[tuple[str, float]]:
    """The texts of a kind of form, each with its cost."""
    return ((form.format(**words), cost) for form, cost in FORMS[kind].items())


def structural_edits(node: ast.expr, numpy: str) -> Iterator[tuple[str, float]]:
    """Edits that use only what stands in an expression."""
    match node:
        case ast.BinOp():
            yield from _edits_of_operation(node)
        case ast.Constant(value=bool()):
            yield repr(not node.value), 1.0
        case ast.Constant(value=int() | float() as x):
            yield from ((repr(c), 1.3) for c in (0, 1, 2, -1, 0.5, x + 1, x - 1, -x, x * 2, x / 2))
        case ast.UnaryOp():
            yield ast.unparse(node.operand), 0.6
        case ast.Subscript():
            yield ast.unparse(node.value), 0.5
        case ast.Compare(ops=[_]):
            left, right = ast.unparse(node.left), ast.unparse(node.comparators[0])
            yield left, 0.8
            for operator in (">", "<", ">=", "<=", "==", "!="):
                cost = 0.7 if operator == _COMPLEMENTS.get(type(node.ops[0])) else 1.0
                yield f"({left}) {operator} ({right})", cost
        case ast.Attribute(attr="T"):
            yield ast.unparse(node.value), 1.0
        case ast.Tuple():
            for i, j in itertools.combinations(range(len(node.elts)), 2):
                items = [ast.unparse(item) for item in node.elts]
                items[i], items[j] = items[j], items[i]
                yield f"({', '.join(items)},)", 1.0
            if len(node.elts) == 3:
                items = [ast.unparse(item) for item in node.elts]
                yield f"({items[1]}, {items[2]}, {items[0]})", 1.5
                yield f"({items[2]}, {items[0]}, {items[1]})", 1.5
        case ast.Call():
            yield from _edits_of_call(node, numpy)


_COMPLEMENTS = {ast.Gt: "<=", ast.Lt: ">=", ast.GtE: "<", ast.LtE: ">", ast.Eq: "!=", ast.NotEq: "=="}


def _factors(node: ast.expr) -> list[ast.expr]:
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult):
        return [*_factors(node.left), *_factors(node.right)]
    return [node]


def _edits_of_product(factors: Sequence[ast.expr]) -> Iterator[tuple[str, float]]:
    """A product without one of its factors, or with the derivative of another activation in the place of some."""
    texts = [f"({ast.unparse(factor)})" for factor in factors]
    names = _variables_in(factors)
    for i in range(len(texts)):
        rest = " * ".join([*texts[:i], *texts[i + 1 :]])
        yield rest, 0.9
        if i and len(texts) > 2:
            yield " * ".join([*texts[: i - 1], *texts[i + 1 :]]), 1.0
        yield f"{texts[i]} + {rest}", 1.2
    for size in (1, 2):
        for gone in itertools.combinations(range(len(texts)), size):
            kept = [text for i, text in enumerate(texts) if i not in gone]
            for name in [name for name in names if any(name in texts[i] for i in gone)]:
                for slope in (f"(1 - {name} ** 2)", f"{name} * (1 - {name})", f"({name} > 0)"):
                    yield " * ".join([*kept, slope]), 1.1 + size / 10


def _variables_in(factors: Sequence[ast.expr]) -> list[str]:
    nodes = [node for factor in factors for node in ast.walk(factor)]
    return sorted({ast.unparse(node) for node in nodes if isinstance(node, ast.Name | ast.Attribute | ast.Subscript)})


def _edits_of_operation(node: ast.BinOp) -> Iterator[tuple[str, float]]:
    left, right = ast.unparse(node.left), ast.unparse(node.right)
    operator = OPERATORS.get(type(node.op), "+")
    yield left, 0.9
    yield right, 1.0
    yield f"({right}) {operator} ({left})", 0.6 if operator == "-" else 0.9
    others = {"+": "-*/@", "-": "+*/@", "*": "/@+-", "/": "*-+@", "@": "*+-/"}.get(operator, "+-*/@")
    yield from ((f"({left}) {other} ({right})", 0.8 + i / 5) for i, other in enumerate(others))
    factors = _factors(node)
    if 1 < len(factors) < 6:
        yield from _edits_of_product(factors)
    if operator in ("*", "@"):
        yield from formed(operator, l=left, r=right, lt=_transposed(left), rt=_transposed(right))
    yield from _regrouped(node, left, right, operator)


def _transposed(text: str) -> str:
    return text.removesuffix(".T") if text.endswith(".T") else f"({text}).T"


def _regrouped(node: ast.BinOp, left: str, right: str, operator: str) -> Iterator[tuple[str, float]]:
    """(a + b) * c as a + b * c or a * c + b, and with a or b alone; likewise c * (a + b)."""
    for side, is_left in ((node.left, True), (node.right, False)):
        if isinstance(side, ast.BinOp) and type(side.op) in OPERATORS:
            a, b = (f"({ast.unparse(operand)})" for operand in (side.left, side.right))
            form = "({0} " + operator + " ({1}))" if is_left else "(({1}) " + operator + " {0})"
            ac, bc = (form.format(operand, right if is_left else left) for operand in (a, b))
            yield from formed("regrouped", a=a, b=b, ac=ac, bc=bc, inner=OPERATORS[type(side.op)])


def _edits_of_call(node: ast.Call, numpy: str) -> Iterator[tuple[str, float]]:
    function = ast.unparse(node.func)
    arguments = [ast.unparse(argument) for argument in node.args]
    head, _, name = function.rpartition(".")
    is_method = head not in (numpy, "np", "")
    if is_method:
        yield head, 1.0
    if not node.keywords:
        yield from _edits_of_arguments(function, arguments, numpy)
    if name in ("sum", "mean", "max"):
        yield from _edits_of_reduction(node, is_method)
    if name in ("transpose", "swapaxes", "reshape") and is_method and 1 < len(arguments) < 5:
        orders = (order for order in itertools.permutations(arguments) if list(order) != arguments)
        yield from ((f"{function}({', '.join(order)})", 1.2) for order in orders)
    if name == "range" and len(arguments) < 3:
        low, high = (["0", *arguments])[-2:]
        yield from formed("range", low=low, high=high, call=ast.unparse(node))
    if name in ("reversed", "list") and len(arguments) == 1:
        yield arguments[0], 1.0


def _edits_of_arguments(function: str, arguments: Sequence[str], numpy: str) -> Iterator[tuple[str, float]]:
    """A call of one or two arguments without it, with another operation, or with the arguments exchanged."""
    head, _, name = function.rpartition(".")
    if len(arguments) == 1:
        yield from formed("call", f=function, x=arguments[0])
        if name == "dot":
            yield from formed("method_dot", head=head, x=arguments[0])
    if len(arguments) == 2:
        words = dict(zip("xy", arguments, strict=True), f=function, np=numpy)
        for kind in ("call_of_two", "product_of_two")[: 1 + (name in ("dot", "matmul", "outer"))]:
            yield from formed(kind, **words)


def _edits_of_reduction(node: ast.Call, is_method: bool) -> Iterator[tuple[str, float]]:
    """A sum for a mean and a mean for a sum, over each axis."""
    arguments = [ast.unparse(argument) for argument in node.args]
    head, _, name = ast.unparse(node.func).rpartition(".")
    inside = ", ".join([*arguments, *map(ast.unparse, node.keywords)])
    yield f"{head}.{'sum' if name == 'mean' else 'mean'}({inside})", 0.5
    kept = [] if is_method else arguments[:1]
    axes = ("axis=0", "axis=1", "axis=-1", "axis=(0, 1)", "axis=(0, 2, 3)", "")
    for other, axis, keep in itertools.product(("sum", "mean"), axes, ("keepdims=True", "")):
        inside = ", ".join(filter(None, (*kept, axis, keep)))
        yield f"{head}.{other}({inside})", 1 + (other != name) / 2
