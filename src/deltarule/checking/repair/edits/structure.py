"""Edits that use only what stands in an expression: without a part, in another order, with another operator."""

import ast
import itertools
from collections.abc import Iterator, Sequence
from contextlib import suppress

from deltarule.checking.repair.edits.derivatives import OPERATORS


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
    nodes = [node for factor in factors for node in ast.walk(factor)]
    names = {ast.unparse(node) for node in nodes if isinstance(node, ast.Name | ast.Attribute | ast.Subscript)}
    for i in range(len(texts)):
        rest = " * ".join([*texts[:i], *texts[i + 1 :]])
        yield rest, 0.9
        if i and len(texts) > 2:
            yield " * ".join([*texts[: i - 1], *texts[i + 1 :]]), 1.0
        yield f"{texts[i]} + {rest}", 1.2
    for size in (1, 2):
        for gone in itertools.combinations(range(len(texts)), size):
            kept = [text for i, text in enumerate(texts) if i not in gone]
            inside = {name for name in names for i in gone if name in ast.unparse(factors[i])}
            for name in sorted(inside):
                for slope in (f"(1 - {name} ** 2)", f"{name} * (1 - {name})", f"({name} > 0)"):
                    yield " * ".join([*kept, slope]), 1.1 + size / 10


def _edits_of_operation(node: ast.BinOp) -> Iterator[tuple[str, float]]:
    left, right, operator = ast.unparse(node.left), ast.unparse(node.right), OPERATORS.get(type(node.op), "+")
    yield left, 0.9
    yield right, 1.0
    yield f"({right}) {operator} ({left})", 0.6 if operator == "-" else 0.9
    others = {"+": "-*/@", "-": "+*/@", "*": "/@+-", "/": "*-+@", "@": "*+-/"}.get(operator, "+-*/@")
    yield from ((f"({left}) {other} ({right})", 0.8 + i / 5) for i, other in enumerate(others))
    factors = _factors(node)
    if 1 < len(factors) < 6:
        yield from _edits_of_product(factors)
    if operator == "*":
        yield f"{_transposed(left)} @ ({right})", 1.0
        yield f"({left}) @ {_transposed(right)}", 1.2
    if operator == "@":
        for first, second in ((left, right), (right, left)):
            for a, b in itertools.product(("", ".T"), repeat=2):
                sides = [_transposed(text) if turned else f"({text})" for text, turned in ((first, a), (second, b))]
                yield " @ ".join(sides), 0.7 + (a + b != ".T") / 2
    yield from _regrouped(node, left, right, operator)


def _transposed(text: str) -> str:
    return text.removesuffix(".T") if text.endswith(".T") else f"({text}).T"


def _regrouped(node: ast.BinOp, left: str, right: str, operator: str) -> Iterator[tuple[str, float]]:
    """(a + b) * c as a + b * c or a * c + b, and with a or b alone; likewise c * (a + b)."""
    for side, is_left in ((node.left, True), (node.right, False)):
        if not isinstance(side, ast.BinOp) or type(side.op) not in OPERATORS:
            continue
        inner = OPERATORS[type(side.op)]
        texts = [f"({ast.unparse(side.left)})", f"({ast.unparse(side.right)})"]
        a, b = texts
        joined = [f"({text} {operator} ({right}))" if is_left else f"(({left}) {operator} {text})" for text in texts]
        yield f"{a} {inner} {joined[1]}", 1.3
        yield f"{joined[0]} {inner} {b}", 1.3
        yield joined[0], 1.4
        yield joined[1], 1.4


def _edits_of_call(node: ast.Call, numpy: str) -> Iterator[tuple[str, float]]:
    function, arguments = ast.unparse(node.func), [ast.unparse(one) for one in node.args]
    head, _, name = function.rpartition(".")
    is_library = head in (numpy, "np", "")
    if head and not is_library:
        yield head, 1.0
    if len(arguments) == 1 and not node.keywords:
        yield arguments[0], 1.0
        yield f"{function}(({arguments[0]})[::-1])[::-1]", 1.8
        if name == "dot":
            (x,) = arguments
            yield from ((t, 1.0) for t in (f"({x}).dot({head})", f"({head}).T.dot({x})"))
            yield from ((t, 1.0) for t in (f"({head}).dot(({x}).T)", f"({x}).T.dot({head})"))
    if len(arguments) == 2 and not node.keywords:
        x, y = arguments
        yield f"{function}({y}, {x})", 1.0
        yield f"({x}) * ({y})", 1.5
        if name in ("dot", "matmul", "outer"):
            yield from ((f"{numpy}.outer({a}, {b})", 1.5) for a, b in ((x, y), (y, x)))
            for a, b in ((f"({x}).T", y), (x, f"({y}).T"), (f"({y}).T", x), (y, f"({x}).T")):
                yield f"{function}({a}, {b})", 1.5
    if name in ("sum", "mean", "max"):
        inside = ", ".join([*arguments, *(ast.unparse(one) for one in node.keywords)])
        yield f"{head}.{'sum' if name == 'mean' else 'mean'}({inside})", 0.5
        kept = arguments[:1] if is_library else []
        axes = ("axis=0", "axis=1", "axis=-1", "axis=(0, 1)", "axis=(0, 2, 3)", "")
        for other, axis, keep in itertools.product(("sum", "mean"), axes, ("keepdims=True", "")):
            inside = ", ".join(part for part in (*kept, axis, keep) if part)
            yield f"{head}.{other}({inside})", 1 + (other != name) / 2
    if name in ("transpose", "swapaxes", "reshape") and not is_library and len(arguments) > 1:
        for order in itertools.permutations(arguments):
            if list(order) != arguments and len(arguments) < 5:
                yield f"{function}({', '.join(order)})", 1.2
    if name == "range" and len(arguments) < 3:
        low, high = (["0", *arguments])[-2:]
        bounds = (
            *(f"{low}, {high} - 1", f"{low}, {high} + 1", f"{low} + 1, {high}"),
            *(f"{high} - 1, {high}", f"{low}, {low} + 1"),
        )
        yield from ((f"range({bound})", 1.5) for bound in bounds)
        yield f"reversed({ast.unparse(node)})", 1.5
    if name in ("reversed", "list") and len(arguments) == 1:
        with suppress(SyntaxError):
            yield arguments[0], 1.0
