"""The parts of a line: its terms and factors, and what they are by their names, form and values.

Two lines are compared in one form for what means the same. A part may be a gradient, mask, count, slope or penalty.
"""

import ast
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

REDUCTIONS = ("sum", "mean", "max", "average")
GRADIENT = re.compile(r"(d|grad|delta|g)([A-Z_]|\d|[a-z]{0,6}\d?$)|.*(grad|delta|upstream|dout)")
"""Names of gradients, such as dz2, d_h, dW, delta3, grad_output."""
MASK = re.compile(r"(?i)mask|drop|keep|kept|active|alive|valid")
DROPOUT = re.compile(r"(?i)drop|keep|kept")
COUNT = re.compile(r"len\(.+\)|.+\.shape\[-?\d\]|.+\.size|[nNmMbB]|(self\.)?(batch(_size)?|num_\w+|n_\w+|count)")
SLOPE = re.compile(r"grad|deriv|prime|slope")
TARGET = re.compile(r"(?i)^(self\.)?(y|t|Y|T|target\w*|labels?|y_?true|one_?hot\w*|\w*\.?eye\(.*\)|y_\w+|ys?\[.*\])$")
PRE_ACTIVATION = re.compile(r"(self\.)?(z|Z|pre|net|logit)|.*_in\b")


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
        node.args += [keyword.value for keyword in node.keywords if keyword.arg == "axis"]
        node.keywords = [keyword for keyword in node.keywords if keyword.arg not in ("axis", "keepdims")]
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
    return ast.Tuple([*call.args, *(keyword.value for keyword in call.keywords)], ast.Load())  # type: ignore[attr-defined]


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
    lonely = []
    for sign, node in these:
        key = sign, ast.unparse(node)
        left[key] -= 1
        if left[key] < 0:
            lonely.append((sign, node))
    return lonely


def variables_of(node: ast.AST) -> list[ast.expr]:
    if isinstance(node, ast.Name | ast.Attribute | ast.Subscript):
        return [node]
    function = getattr(node, "func", None)
    return [inner for child in ast.iter_child_nodes(node) if child is not function for inner in variables_of(child)]


@dataclass(frozen=True)
class Facts:
    """What is known about a program beside its lines.

    parameters     the names of its parameters
    inputs         the names of the arguments of its backward pass
    value_of       the value that a text has where the mistake is; None where it has none
    of_numbers     all parameters are numbers: then another number is rarely a constant
    """

    parameters: tuple[str, ...]
    inputs: tuple[str, ...] = ()
    value_of: Callable[[str], Any] = lambda text: None
    of_numbers: bool = False

    def is_parameter(self, text: str) -> bool:
        names = {re.findall(r"\w+", name)[-1] for name in self.parameters if re.findall(r"\w+", name)}
        words = re.findall(r"\w+", text.replace(".T", ""))
        return bool(words) and (text.replace(".T", "") in self.parameters or words[-1] in names)

    def is_number(self, text: str) -> bool:
        value = self.value_of(text)
        is_plain = re.fullmatch(r"-?[\d.]+(e-?\d+)?", text) or "sqrt(" in text
        return bool(is_plain) or (value is not None and np.ndim(value) == 0 and not self.of_numbers)

    def are_numbers(self, *texts: str) -> bool:
        return all(map(self.is_number, texts))

    def is_count(self, text: str) -> bool:
        """Whether a text is a number of samples, by its name and its value."""
        value = self.value_of(text)
        return bool(COUNT.fullmatch(text)) and not self.is_parameter(text) and (value is None or value == value // 1)

    def is_mask(self, node: ast.expr) -> bool:
        text = ast.unparse(node)
        value = self.value_of(text)
        is_named = isinstance(node, ast.Name | ast.Attribute | ast.Subscript) and bool(MASK.search(text))
        return isinstance(node, ast.Compare) or is_named or getattr(value, "dtype", np.dtype(float)).kind == "b"


def is_penalty(term: ast.expr, facts: Facts) -> bool:
    """Whether a term has nothing but a parameter, or its signs, and numbers."""
    factors = [ast.unparse(node) for _, node in factors_of(term)]
    of_parameters = [factor for factor in factors if facts.is_parameter(re.sub(r"^\w+\.sign\((.*)\)$", r"\1", factor))]
    rest = [factor for factor in factors if factor not in of_parameters]
    are_numbers = all(COUNT.fullmatch(factor) or re.fullmatch(r"[\w.]+", factor) for factor in rest)
    return len(of_parameters) == 1 and bool(rest) and are_numbers


def is_slope(node: ast.expr, facts: Facts) -> bool:
    """Whether a factor is the derivative of an activation: 1 − a², a (1 − a), or a function called so."""
    text = ast.unparse(node)
    if isinstance(node, ast.Call) and SLOPE.search(ast.unparse(node.func)):
        return True
    return bool(re.search(r"\b1(\.0)? - ", text)) and not GRADIENT.match(text)


def has_gradient(text: str) -> bool:
    return any(is_gradient(word) for word in re.findall(r"[A-Za-z_]\w*", text))


def is_gradient(text: str) -> bool:
    return bool(GRADIENT.match(re.sub(r"^self\.", "", text)))


@cache
def is_named_after(gradient: str, value: str) -> bool:
    """Whether a name such as d_h, dh, grad_h or grads["h"] is that of the gradient of h."""
    own, other = (re.findall(r"[A-Za-z_]\w*", text.lower()) for text in (gradient, value))
    if not own or not other:
        return False
    last, name = own[-1].replace("_", ""), other[-1].replace("_", "")
    if last == name:
        return len(own) > 1 and own[-2].replace("_", "").startswith(("grad", "dparam", "d"))
    return last.endswith(name) and last.removesuffix(name) in GRADIENT_PREFIXES


GRADIENT_PREFIXES = frozenset("d grad g gradient delta dl dj dc dloss derr dcost dout dldg dself".split())
