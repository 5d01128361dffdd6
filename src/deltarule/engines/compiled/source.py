"""The formulas of `maths` as source text for a compiled program: taken from the functions themselves, never rewritten.

A formula is an elementwise Python function over the helpers of `elementary` and a few of NumPy's functions. Its text is
taken as it stands, without docstring and annotations, where it is what the function does; a power of ours becomes a
call, so that it too runs in SIMD lanes.
"""

import ast
import inspect
import math
import re
import textwrap
from collections.abc import Callable, Collection, Iterable, Mapping
from pathlib import Path
from types import CodeType, FunctionType, ModuleType
from typing import Any, TypeVar

import numpy as np

from deltarule.engines.compiled import wholes
from deltarule.errors import DeltaruleError
from deltarule.maths import elementary

ENTRY = '@njit(error_model="numpy", nogil=True, cache=True, no_cfunc_wrapper=True)'
"""What stands before the one function of a program that Python calls."""
HELPERS = frozenset({"select", "erf", "exp", "expm1", "log", "log1p", "sqrt", "tanh", "cos", "floor"})
_OF_TRUTHS = (ast.Mult, ast.Div, ast.BitAnd, ast.BitOr, ast.BitXor)
"""What NumPy makes of two truths as Numba does."""
_OF_ITEMS = (ast.Tuple, ast.List, ast.ListComp, ast.Dict)
_Node = TypeVar("_Node", bound=ast.AST)


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
        found += [(repr(value), value) if isinstance(value, int | float) else None for value in values]  # True is 1
        found += [value if isinstance(value, np.ufunc | ModuleType) else type(value) for value in values]
        left += [value for value in values if isinstance(value, FunctionType) and value not in left]
    return tuple(found)


class Formulas:
    """The formulas that a program needs, each under a name of its own, those that they call before them."""

    def __init__(self) -> None:
        self._names: dict[Callable[..., Any], str] = {}
        self._begun: list[Callable[..., Any]] = []
        self.texts: list[str] = []
        self.of_items: set[str] = set()
        """The formulas that may give a tuple or a list."""

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
        rewriter = _Rewriter(self, function)
        rewriter.once = set(definition.body)
        definition.body = [rewriter.visit(statement) for statement in definition.body]
        rewriter.check_changed()
        if not is_ours(function):
            rewriter.check_wholes()
        if any(isinstance(one, _OF_ITEMS) for one in ast.walk(definition)) or self.of_items & _names(definition):
            self.of_items.add(name)
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


def _number(function: FunctionType, value: Any) -> ast.expr:
    """A number that a formula reads. Whole ones stay what they are: they may count something."""
    if not isinstance(value, int | float) or value != value:
        raise NotCompilable(f"'{function.__name__}', which reads {value!r}")
    if isinstance(value, bool):
        return ast.Constant(value)
    plain = int(value) if isinstance(value, int) and abs(value) < 2**53 else float(value)
    # A constant below 0 would be written without its parentheses, and -0.9**2 is another number.
    return ast.UnaryOp(ast.USub(), ast.Constant(abs(plain))) if math.copysign(1, plain) < 0 else ast.Constant(plain)


def _helper(value: Any) -> str:
    """The name of what a program has of its own in the place of one of NumPy's functions, or of ours; else ""."""
    name = getattr(value, "__name__", "")
    known = isinstance(value, np.ufunc) or value is getattr(elementary, name, None)
    return name if known and name in HELPERS else ""


class _Rewriter(ast.NodeTransformer):
    """Helpers and other formulas get their names in the program, global numbers their values, powers of ours become
    calls. What NumPy's arrays do otherwise than numbers do is refused.

    Every expression is a number or a truth, as z > 0 is, and every variable one of both throughout. A truth is 0 or 1
    in sums with numbers and in products; but the sum of two truths is their "or" in NumPy, and 2 among numbers.
    """

    def __init__(self, formulas: Formulas, function: FunctionType) -> None:
        self.formulas, self.function = formulas, function
        self.own = set(function.__code__.co_varnames)
        self.known: Mapping[str, Any] = function.__globals__
        self.truths: set[ast.AST] = set()
        code, defaults = function.__code__, function.__defaults__ or ()
        arguments = code.co_varnames[: code.co_argcount]
        needed = (None,) * (len(arguments) - len(defaults))
        self.variables = {n: isinstance(v, bool) for n, v in zip(arguments, needed + defaults, strict=True)}
        """Whether a variable is a truth, for each that has had a value."""
        self.shared, self.ever, self.changed = set(arguments), set(arguments), set[str]()
        """Variables whose array may have a second name, here or at the caller's: now, or anywhere; and those changed in
        place within loops and tests."""
        self.once: set[ast.stmt] = set()
        """The statements that stand in no loop and in no test."""

    def visit_Name(self, node: ast.Name) -> ast.AST:
        if node.id in self.own:
            if isinstance(node.ctx, ast.Store):
                self._assigned(node, False)
            elif node.id not in self.variables:
                raise self._lacking(f"'{node.id}' above its first value")
            return self._judged(node, self.variables[node.id])
        if node.id not in self.known:
            return node
        value = self.known[node.id]
        if helper := _helper(value):
            return self._named(helper)
        if isinstance(value, FunctionType):
            return self._named(self.formulas.name(value))
        if isinstance(value, int | float):
            return self._judged(_number(self.function, value), isinstance(value, bool))
        raise self._lacking(node.id)

    def visit_Constant(self, node: ast.Constant) -> ast.AST:
        return self._judged(node, isinstance(node.value, bool))

    def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
        """`np.exp` is exp."""
        if isinstance(node.value, ast.Name) and node.value.id not in self.own:
            module = self.known.get(node.value.id)
            if isinstance(module, ModuleType) and (helper := _helper(getattr(module, node.attr, None))):
                return self._named(helper)
        raise self._lacking(f".{node.attr}")

    def visit_BinOp(self, node: ast.BinOp) -> ast.AST:
        self.generic_visit(node)
        both = self._are_truths(node.left, node.right)
        if both == {True} and not isinstance(node.op, _OF_TRUTHS):
            raise self._lacking("a sum or the like of two comparisons")
        self._judged(node, both == {True} and not isinstance(node.op, ast.Div))
        if isinstance(node.op, ast.Pow):
            if is_ours(self.function):  # whose bases are never negative
                return ast.Call(ast.Name("raised", ast.Load()), [node.left, node.right], [])
            node.left, power = _as_float(node.left), node.right
            # Of 0.0 to a whole power below 0 Numba makes an error, where NumPy has infinity.
            if isinstance(power, ast.UnaryOp) and isinstance(power.operand, ast.Constant):
                node.right = power.operand
                return ast.BinOp(ast.Constant(1.0), ast.Div(), node) if isinstance(power.op, ast.USub) else node
            if not isinstance(power, ast.Constant):
                node.right = _as_float(power)
        return node

    def visit_Assign(self, node: ast.Assign) -> ast.AST:
        node.value = self.visit(node.value)
        self._bound(node.value, *node.targets)
        if node in self.once and self._is_new(node.value, *node.targets):
            self.shared -= _names(node.targets[0])
        for target in node.targets:
            if isinstance(target, ast.Name):
                self._assigned(target, node.value in self.truths)
            else:
                self.visit(target)
                self._check_numbers([node.value])
        return node

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST:
        """y: float = 2 * z is y = 2 * z."""
        return self.visit_Assign(ast.Assign([node.target], node.value)) if node.value else ast.Pass()

    def visit_AugAssign(self, node: ast.AugAssign) -> ast.AST:
        """f *= k is f = f * k, but for an array that has another name, which changes with it."""
        if not isinstance(node.target, ast.Name):
            raise self._lacking("an assignment to a part of something")
        old: ast.expr = ast.Name(node.target.id, ast.Load())
        made = self.visit_Assign(ast.Assign([node.target], ast.BinOp(old, node.op, node.value)))
        if node not in self.once:
            self.changed.add(node.target.id)
        elif node.target.id in self.shared:  # also by a name that the value gave it
            raise self._changing(node.target.id)
        return made

    def visit_For(self, node: ast.For) -> ast.AST:
        self.generic_visit(node)
        self._bound(ast.Subscript(node.iter, ast.Constant(0), ast.Load()), node.target)
        return node

    def visit_NamedExpr(self, node: ast.NamedExpr) -> ast.AST:
        self.generic_visit(node)
        self._bound(node.value, node.target)
        return node

    def visit_If(self, node: ast.If | ast.While | ast.Assert) -> ast.AST:
        """A test may be either."""
        return super().generic_visit(node)

    visit_While = visit_Assert = visit_If

    def visit_IfExp(self, node: ast.IfExp) -> ast.AST:
        super().generic_visit(node)
        return self._of_one_kind(node, node.body, node.orelse)

    def visit_BoolOp(self, node: ast.BoolOp) -> ast.AST:
        super().generic_visit(node)
        return self._of_one_kind(node, *node.values)

    def visit_Compare(self, node: ast.Compare) -> ast.AST:
        return self._judged(super().generic_visit(node), True)

    def visit_UnaryOp(self, node: ast.UnaryOp) -> ast.AST:
        if isinstance(node.op, ast.Invert):
            raise self._lacking("~")
        if isinstance(node.op, ast.Not):
            return self._judged(super().generic_visit(node), True)
        return self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> ast.AST:
        """The test of `select` may be either; what else is handed to a function is a number."""
        if isinstance(node.func, ast.Name) and node.func.id not in self.own | set(self.known):
            if node.func.id in ("all", "any", "bool"):
                raise self._lacking(node.func.id)
            if node.func.id == "round":
                digits = [*node.args[1:], *(one.value for one in node.keywords)]
                if not all(isinstance(one, ast.Constant) and one.value is None for one in digits):
                    raise self._lacking("round with a number of digits")  # of 2.675 to 2 digits Numba makes 2.68
                node.args, node.keywords = node.args[:1], []
            if node.func.id == "pow" and len(node.args) == 2:
                return self.visit_BinOp(ast.BinOp(node.args[0], ast.Pow(), node.args[1]))
        node.func = self.visit(node.func)
        node.args = [self.visit(one) for one in node.args]
        node.keywords = [self.visit(one) for one in node.keywords]
        free = 1 if isinstance(node.func, ast.Name) and node.func.id == "select" else 0
        self._check_numbers(node.args[free:])
        return node

    def visit_Global(self, node: ast.Global) -> ast.AST:
        raise self._lacking("global")

    def generic_visit(self, node: ast.AST) -> ast.AST:
        """All that has no rule of its own is made of numbers."""
        super().generic_visit(node)
        if not isinstance(node, ast.BinOp | ast.Expr):
            self._check_numbers(ast.iter_child_nodes(node))
        return node

    def check_changed(self) -> None:
        """Refuse what changes in place, in a loop or a test, an array that may have another name."""
        for name in sorted(self.changed & self.ever):
            raise self._changing(name)

    def check_wholes(self) -> None:
        """Refuse whole numbers that may be others in a program than in Python, where they have no end."""
        try:
            wholes.returned(self.function, {}, _source)
        except wholes.Growing:
            raise self._lacking("whole numbers that may grow beyond 64 bits; begin with 1.0 in place of 1") from None

    def _check_numbers(self, nodes: Iterable[ast.AST]) -> None:
        if True in self._are_truths(*nodes):
            raise self._lacking("a comparison where a number belongs")

    def _are_truths(self, *nodes: ast.AST) -> set[bool]:
        return {node in self.truths for node in nodes}

    def _judged(self, node: _Node, truth: bool) -> _Node:
        """A node of which is known whether it is a truth."""
        if truth:
            self.truths.add(node)
        return node

    def _of_one_kind(self, node: ast.expr, *parts: ast.expr) -> ast.AST:
        kinds = self._are_truths(*parts)
        if len(kinds) > 1:
            raise self._lacking("either a comparison or a number")
        return self._judged(node, kinds == {True})

    def _bound(self, value: ast.expr, *targets: ast.expr) -> None:
        """Note which variables may be one array from here on."""
        if not self._is_new(value, *targets) and not isinstance(value, ast.Constant):
            names = self._handed_on(value, *targets).union(*map(_names, targets))
            self.shared |= names
            self.ever |= names

    def _is_new(self, value: ast.expr, *targets: ast.expr) -> bool:
        """Whether one variable gets what has no other name."""
        return len(targets) == 1 and not self._handed_on(value, *targets)

    def _handed_on(self, value: ast.expr, *targets: ast.expr) -> set[str]:
        """The variables in a value that may be what the targets are; what is taken apart may be a sum of tuples."""
        whole = isinstance(value, ast.Tuple) or all(isinstance(one, ast.Name) for one in targets)
        return self.own & (_kept(value, self.formulas.of_items) if whole else _names(value))

    def _assigned(self, target: ast.Name, truth: bool) -> None:
        if self.variables.setdefault(target.id, truth) != truth:
            raise self._lacking(f"'{target.id}' for a comparison and for a number")

    def _named(self, name: str) -> ast.Name:
        """A function of the program."""
        if name in self.own:
            raise self._lacking(f"a variable with the name of {name}")
        return ast.Name(name, ast.Load())

    def _changing(self, name: str) -> NotCompilable:
        return self._lacking(f"a change in place of '{name}', whose array may have another name")

    def _lacking(self, what: str) -> NotCompilable:
        return NotCompilable(f"'{self.function.__name__}', which uses {what}")


def _as_float(node: ast.expr) -> ast.expr:
    """A number times 1.0: a whole one of 64 bits has no power below 0."""
    return ast.BinOp(node, ast.Mult(), ast.Constant(1.0))


def _kept(node: ast.AST, of_items: set[str]) -> set[str]:
    """The names of what an expression may hand on as it is; arithmetic makes something new.

    of_items  the functions that may give a tuple or a list
    """
    if isinstance(node, ast.Subscript):
        return _names(node)
    if isinstance(node, ast.BinOp):
        return _kept_items(node, of_items)
    if isinstance(node, ast.UnaryOp | ast.Compare) or _calls(node, HELPERS | {"abs", "raised"}):
        return set()
    own = {node.id} if isinstance(node, ast.Name) else set()
    return own.union(*(_kept(one, of_items) for one in ast.iter_child_nodes(node)))


def _kept_items(node: ast.AST, of_items: set[str]) -> set[str]:
    """The names of the items of tuples and lists in a part of a sum or a product: a sum of them, or a multiple, has
    their items.
    """
    if isinstance(node, _OF_ITEMS) or _calls(node, of_items):
        return _names(node)
    parts = ast.iter_child_nodes(node)
    if isinstance(node, ast.Subscript) and not isinstance(node.slice, ast.Slice):  # a number as a rule
        parts = ast.iter_child_nodes(node.value) if isinstance(node.value, _OF_ITEMS) else iter([node.value])
    return set().union(*(_kept_items(one, of_items) for one in parts))


def _calls(node: ast.AST, functions: Collection[str]) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in functions


def _names(node: ast.AST) -> set[str]:
    return {one.id for one in ast.walk(node) if isinstance(one, ast.Name)}
