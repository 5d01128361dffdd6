"""The parts of two lines that are compared: in one form for what means the same, by terms and by factors."""

import ast
from collections import Counter

REDUCTIONS = ("sum", "mean", "max", "average")


def parse_line(line: str) -> ast.AST | None:
    for text in (line, f"{line} pass", f"{line}\n    pass"):
        try:
            return _PlainForm().visit(ast.parse(text))
        except SyntaxError:
            continue
    return None


class _PlainForm(ast.NodeTransformer):
    """np.sum(x, axis=0) as x.sum(0), np.dot(a, b) as a @ b: one form for what means the same."""

    def visit_Call(self, node: ast.Call) -> ast.expr:
        self.generic_visit(node)
        node.args += [one.value for one in node.keywords if one.arg == "axis"]
        node.keywords = [one for one in node.keywords if one.arg not in ("axis", "keepdims")]
        name = node.func.attr if isinstance(node.func, ast.Attribute) else ""
        if isinstance(node.func, ast.Attribute) and node.args:
            is_library = isinstance(node.func.value, ast.Name) and node.func.value.id in ("np", "numpy", "jnp", "torch")
            if name in ("dot", "matmul") and len(node.args) in (1, 2):
                left, right = node.args if is_library and len(node.args) == 2 else (node.func.value, node.args[0])
                return ast.BinOp(left, ast.MatMult(), right)
            if name in REDUCTIONS and is_library:
                node.func.value = node.args.pop(0)
        return node

    def visit_Tuple(self, node: ast.Tuple) -> ast.Tuple:
        self.generic_visit(node)
        return ast.Tuple(node.elts, ast.Load())


def children_of(node: ast.AST) -> list[ast.AST]:
    return [child for child in ast.iter_child_nodes(node) if not isinstance(child, ast.expr_context)]


def method_of(node: ast.AST) -> str:
    """The name of the method that an expression calls, or ""."""
    return node.func.attr if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) else ""


def arguments_of(call: ast.AST) -> ast.Tuple:
    return ast.Tuple([*call.args, *(one.value for one in call.keywords)], ast.Load())  # type: ignore[attr-defined]


def terms_of(node: ast.expr, sign: int = 1) -> list[tuple[int, ast.expr]]:
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add | ast.Sub):
        of_right = sign if isinstance(node.op, ast.Add) else -sign
        return [*terms_of(node.left, sign), *terms_of(node.right, of_right)]
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        return terms_of(node.operand, -sign)
    return [(sign, node)]


def factors_of(node: ast.expr, power: int = 1) -> list[tuple[int, ast.expr]]:
    """The factors of a product, a divisor with the power −1."""
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult | ast.Div):
        of_right = power if isinstance(node.op, ast.Mult) else -power
        return [*factors_of(node.left, power), *factors_of(node.right, of_right)]
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        return [(power, ast.Constant(-1)), *factors_of(node.operand, power)]
    return [(power, node)]


def only_in(these: list[tuple[int, ast.expr]], those: list[tuple[int, ast.expr]]) -> list[tuple[int, ast.expr]]:
    left = Counter((sign, ast.unparse(node)) for sign, node in those)
    found = []
    for sign, node in these:
        key = sign, ast.unparse(node)
        left[key] -= 1
        if left[key] < 0:
            found.append((sign, node))
    return found


def variables_of(node: ast.AST) -> list[ast.expr]:
    if isinstance(node, ast.Name | ast.Attribute | ast.Subscript):
        return [node]
    function = getattr(node, "func", None)
    return [one for child in ast.iter_child_nodes(node) if child is not function for one in variables_of(child)]
