"""The formulas of `maths` as source text for a compiled program: taken from the functions themselves, never rewritten.

A formula is an elementwise Python function over the helpers of `elementary` and a few of NumPy's functions. Its text is
taken as it stands, without docstring and annotations; a power becomes a call, so that it too runs in SIMD lanes.
"""

import ast
import inspect
import textwrap
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from deltarule.errors import DeltaruleError

ENTRY = '@njit(error_model="numpy", nogil=True, cache=True, no_cfunc_wrapper=True)'
"""What stands before the one function of a program that Python calls."""
HELPERS = frozenset({"select", "erf", "exp", "expm1", "log", "log1p", "sqrt", "tanh", "cos", "floor"})


def heads(*names: str) -> list[str]:
    """The files of this folder that a program begins with; what one imports of another is for its readers."""
    texts = [(Path(__file__).parent / name).read_text(encoding="utf-8") for name in names]
    return ["\n".join(one for one in text.splitlines() if not one.startswith("from deltarule.")) for text in texts]


class NotCompilable(DeltaruleError):
    """A formula that cannot be taken into a compiled program; the text says why."""


class Formulas:
    """The formulas that a program needs, each under a name of its own, those that they call before them."""

    def __init__(self) -> None:
        self._names: dict[Callable[..., Any], str] = {}
        self.texts: list[str] = []

    def name(self, function: Callable[..., Any]) -> str:
        """The name of a formula within the program; its text is added when it is first asked for."""
        if function not in self._names:
            text_name = f"{function.__module__.rsplit('.', 1)[-1]}_{function.__name__}"
            text = self._text(function, text_name)
            self._names[function] = text_name
            self.texts.append(text)
        return self._names[function]

    def call(self, function: Callable[..., Any], *arguments: str, **parameters: float) -> str:
        """A call of a formula, as text."""
        given = [*arguments, *(f"{name}={float(value)!r}" for name, value in parameters.items())]
        return f"{self.name(function)}({', '.join(given)})"

    def _text(self, function: Callable[..., Any], name: str) -> str:
        try:
            tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
        except (OSError, TypeError, SyntaxError):
            raise NotCompilable(f"the source of '{function.__name__}' cannot be read") from None
        definition = tree.body[0]
        if not isinstance(definition, ast.FunctionDef):
            raise NotCompilable(f"'{function.__name__}' is not defined by def")
        definition.name, definition.decorator_list, definition.returns = name, [ast.Name("compiled")], None
        if ast.get_docstring(definition):
            definition.body = definition.body[1:]
        for argument in definition.args.args:
            argument.annotation = None
        definition.body = [_Rewriter(self, function).visit(statement) for statement in definition.body]
        return ast.unparse(ast.fix_missing_locations(tree))


class _Rewriter(ast.NodeTransformer):
    """Names of helpers stay, other formulas get their name in the program, powers become calls."""

    def __init__(self, formulas: Formulas, function: Callable[..., Any]) -> None:
        self.formulas, self.function = formulas, function
        self.arguments = set(inspect.signature(function).parameters)
        self.known: Mapping[str, Any] = function.__globals__

    def visit_Name(self, node: ast.Name) -> ast.AST:
        if node.id in self.arguments or node.id not in self.known or isinstance(node.ctx, ast.Store):
            return node
        value = self.known[node.id]
        if node.id in HELPERS:
            return node
        if isinstance(value, int | float):
            return ast.Constant(float(value))
        if inspect.isfunction(value):
            return ast.Name(self.formulas.name(value), node.ctx)
        raise NotCompilable(f"'{self.function.__name__}' uses {node.id}, which a compiled program lacks")

    def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
        """`np.exp` is exp."""
        value = self.known.get(node.value.id) if isinstance(node.value, ast.Name) else None
        if getattr(value, "__name__", "") == "numpy" and node.attr in HELPERS:
            return ast.Name(node.attr, node.ctx)
        raise NotCompilable(f"'{self.function.__name__}' uses .{node.attr}, which a compiled program lacks")

    def visit_BinOp(self, node: ast.BinOp) -> ast.AST:
        self.generic_visit(node)
        if isinstance(node.op, ast.Pow):
            return ast.Call(ast.Name("raised", ast.Load()), [node.left, node.right], [])
        return node
