"""The formulas of `maths` as source text for a compiled program: taken from the functions themselves, never rewritten.

A formula is an elementwise Python function over the helpers of `elementary` and a few of NumPy's functions. Its text is
taken as it stands, without docstring and annotations, where it is what the function does; a power of ours becomes a
call, so that it too runs in SIMD lanes.
"""

import ast
import inspect
import re
import textwrap
from collections.abc import Callable, Mapping
from pathlib import Path
from types import CodeType, FunctionType, ModuleType
from typing import Any

import numpy as np

from deltarule.errors import DeltaruleError
from deltarule.maths import elementary

ENTRY = '@njit(error_model="numpy", nogil=True, cache=True, no_cfunc_wrapper=True)'
"""What stands before the one function of a program that Python calls."""
HELPERS = frozenset({"select", "erf", "exp", "expm1", "log", "log1p", "sqrt", "tanh", "cos", "floor"})


def heads(*names: str) -> list[str]:
    """The files of this folder that a program begins with; what one imports of another is for its readers."""
    texts = [(Path(__file__).parent / name).read_text(encoding="utf-8") for name in names]
    return ["\n".join(one for one in text.splitlines() if not one.startswith("from deltarule.")) for text in texts]


class NotCompilable(DeltaruleError):
    """A formula that cannot be taken into a compiled program; the text says why."""


def is_ours(function: Callable[..., Any]) -> bool:
    """Whether a formula is built in; all others are somebody's own."""
    return str(getattr(function, "__module__", "")).startswith("deltarule.")


def meaning(function: Callable[..., Any]) -> tuple[Any, ...]:
    """All that decides the text of somebody's own formula: code and defaults, and the globals that it reads, with the
    formulas among them. It can be hashed, and is another one as soon as a global number has changed.

    >>> import deltarule.maths.losses as losses
    >>> meaning(losses.huber) == meaning(losses.huber) != meaning(losses.huber_derivative)
    True
    """
    found: list[Any] = []
    left = [function]
    for one in left:  # which grows
        if not isinstance(one, FunctionType):
            found.append(type(one))
            continue
        values = [one.__globals__.get(name) for name in one.__code__.co_names]
        found += [one.__code__, repr(one.__defaults__)]
        found += [value if isinstance(value, int | float | np.ufunc | ModuleType) else type(value) for value in values]
        left += [value for value in values if isinstance(value, FunctionType) and value not in left]
    return tuple(found)


class Formulas:
    """The formulas that a program needs, each under a name of its own, those that they call before them."""

    def __init__(self) -> None:
        self._names: dict[Callable[..., Any], str] = {}
        self._begun: list[Callable[..., Any]] = []
        self.texts: list[str] = []

    def name(self, function: Callable[..., Any]) -> str:
        """The name of a formula within the program; its text is added when it is first asked for."""
        if not isinstance(function, FunctionType):
            raise NotCompilable(f"a formula that is no function of def, but a {type(function).__name__}")
        if function not in self._names:
            if function in self._begun:
                raise NotCompilable(f"'{function.__name__}', which calls itself")
            self._begun.append(function)
            module = f"{function.__module__}".rsplit(".", 1)[-1]
            # Two cells of a notebook may each have a function of one name, and a head one of that name, too.
            own = "" if is_ours(function) else f"own{len(self._begun)}_"
            text_name = re.sub(r"\W", "_", f"{own}{module}_{function.__name__}")
            text = self._text(function, text_name)
            self._names[function] = text_name
            self.texts.append(text)
        return self._names[function]

    def call(self, function: Callable[..., Any], *arguments: str, **parameters: float) -> str:
        """A call of a formula, as text."""
        given = [*arguments, *(f"{name}={float(value)!r}" for name, value in parameters.items())]
        return f"{self.name(function)}({', '.join(given)})"

    def _text(self, function: FunctionType, name: str) -> str:
        tree = _source(function)
        definition = tree.body[0]
        assert isinstance(definition, ast.FunctionDef)
        definition.name, definition.decorator_list, definition.returns = name, [ast.Name("compiled")], None
        if ast.get_docstring(definition):
            definition.body = definition.body[1:]
        arguments = definition.args
        if arguments.posonlyargs or arguments.kwonlyargs or arguments.vararg or arguments.kwarg:
            raise NotCompilable(f"'{function.__name__}', which has / or * among its arguments")
        for argument in arguments.args:
            argument.annotation = None
        arguments.defaults = [_number(function, value) for value in function.__defaults__ or ()]
        definition.body = [_Rewriter(self, function).visit(statement) for statement in definition.body]
        return ast.unparse(ast.fix_missing_locations(tree))


def _source(function: FunctionType) -> ast.Module:
    """The definition of a function, by def and on its own.

    A file may have been edited since, and two lambdas may stand on one line: so the text must compile to the very code
    that the function has.
    """
    name, code = function.__name__, function.__code__
    if code.co_freevars:
        raise NotCompilable(f"'{name}', which is made by another function and keeps its {', '.join(code.co_freevars)}")
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(code)))
    except (OSError, TypeError, SyntaxError):
        raise NotCompilable(f"'{name}', whose source cannot be read") from None
    if len(tree.body) != 1 or not isinstance(tree.body[0], ast.FunctionDef):
        raise NotCompilable(f"'{name}', which is not defined by def")
    modules = [name for name in code.co_names if isinstance(function.__globals__.get(name), ModuleType)]
    imports = [ast.fix_missing_locations(ast.Import([ast.alias(name)])) for name in modules]
    # What Python makes of np.exp(z) depends on whether it sees the import of np: a cell of a notebook may lack it.
    wholes = [compile(ast.Module([*some, *tree.body], []), "", "exec", dont_inherit=True) for some in ([], imports)]
    made = [one for whole in wholes for one in whole.co_consts if isinstance(one, CodeType)]
    if not any(_does_the_same(one, code) for one in made):
        raise NotCompilable(f"'{name}', whose source has changed since, or which defines functions of its own")
    return tree


def _does_the_same(one: CodeType, other: CodeType) -> bool:
    """Whether two functions are the same instructions, names and constants; functions within them never are."""
    first, second = (
        (code.co_code, code.co_names, code.co_varnames, code.co_argcount, repr(code.co_consts)) for code in (one, other)
    )
    return first == second


def _number(function: FunctionType, value: Any) -> ast.Constant:
    """A number that a formula reads. Whole ones stay what they are: they may count something."""
    if not isinstance(value, int | float) or value != value:
        raise NotCompilable(f"'{function.__name__}', which reads {value!r}")
    return ast.Constant(value if isinstance(value, int) and abs(value) < 2**53 else float(value))


def _helper(value: Any) -> str:
    """The name of what a program has of its own in the place of one of NumPy's functions, or of ours; else ""."""
    name = getattr(value, "__name__", "")
    known = isinstance(value, np.ufunc) or value is getattr(elementary, name, None)
    return name if known and name in HELPERS else ""


class _Rewriter(ast.NodeTransformer):
    """Helpers and other formulas get their names in the program, global numbers their values, powers of ours become
    calls. What NumPy's arrays do otherwise than numbers do is refused."""

    def __init__(self, formulas: Formulas, function: FunctionType) -> None:
        self.formulas, self.function = formulas, function
        self.own = set(function.__code__.co_varnames)
        self.known: Mapping[str, Any] = function.__globals__
        self.truths: set[ast.expr] = set()

    def visit_Name(self, node: ast.Name) -> ast.AST:
        if node.id in self.own or node.id not in self.known:
            return node
        value = self.known[node.id]
        if helper := _helper(value):
            return self._named(helper)
        if isinstance(value, FunctionType):
            return self._named(self.formulas.name(value))
        if isinstance(value, int | float):
            return _number(self.function, value)
        raise self._lacking(node.id)

    def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
        """`np.exp` is exp."""
        if isinstance(node.value, ast.Name) and node.value.id not in self.own:
            module = self.known.get(node.value.id)
            if isinstance(module, ModuleType) and (helper := _helper(getattr(module, node.attr, None))):
                return self._named(helper)
        raise self._lacking(f".{node.attr}")

    def visit_BinOp(self, node: ast.BinOp) -> ast.AST:
        if isinstance(node.op, ast.Mult):
            self.truths |= {node.left, node.right}
        self.generic_visit(node)
        if isinstance(node.op, ast.Pow) and is_ours(self.function):  # whose bases are never negative
            return ast.Call(ast.Name("raised", ast.Load()), [node.left, node.right], [])
        return node

    def visit_If(self, node: ast.If | ast.IfExp) -> ast.AST:
        self.truths.add(node.test)
        return self.generic_visit(node)

    visit_IfExp = visit_If

    def visit_Compare(self, node: ast.Compare) -> ast.AST:
        """z > 0 is 0 or 1 in a product; NumPy's sum of two such is one of them, that of numbers may be 2."""
        if node not in self.truths:
            raise self._lacking("a comparison outside of a product")
        return self.generic_visit(node)

    def visit_Invert(self, node: ast.Invert) -> ast.AST:
        raise self._lacking("~")

    def visit_Global(self, node: ast.Global) -> ast.AST:
        raise self._lacking("global")

    def _named(self, name: str) -> ast.Name:
        """A function of the program."""
        if name in self.own:
            raise self._lacking(f"a variable with the name of {name}")
        return ast.Name(name, ast.Load())

    def _lacking(self, what: str) -> NotCompilable:
        return NotCompilable(f"'{self.function.__name__}', which uses {what}")
