"""A formula's expression rewritten for a compiled program: kinds of numbers, precision, and what is refused."""

import ast
import builtins
import math
from collections.abc import Callable, Collection, Mapping, Sequence
from types import FunctionType, ModuleType
from typing import Any, Protocol

import numpy as np

from deltarule.engines.compiled.formula_functions import defaulted_arguments, is_ours
from deltarule.errors import DeltaruleError
from deltarule.maths import elementary

Kinds = frozenset[tuple[str, str]]
"""Names with "plain", of numbers of Python's, or with "wide", of float64; all others are of float32."""

HELPERS = frozenset(
    "select erf exp expm1 log log1p sqrt tanh sin cos sinh cosh arctan floor maximum minimum".split()  # of vector.py
)


IN_FLOAT32 = frozenset("exp expm1 log log1p tanh".split())
"""Those that have a form of float32 besides, as `exp_single`."""


_OF_TRUTHS = (ast.Mult, ast.Div, ast.BitAnd, ast.BitOr, ast.BitXor)
"""What NumPy makes of two truths as Numba does; then of a truth and a number, and of two numbers."""


_OF_BOTH = (ast.Add, ast.Sub, ast.Mult, ast.Div)


_OF_NUMBERS = (*_OF_BOTH, ast.FloorDiv, ast.Mod)


_COMPARED = (ast.Lt, ast.LtE, ast.Gt, ast.GtE, ast.Eq, ast.NotEq)


_EXACT = 2.0**53
"""Up to which every whole number is one of float64."""


_SHOWN = 40


def _float(function: FunctionType, value: Any) -> ast.expr:
    """A number that a formula reads, as a float; a truth stays one."""
    if not isinstance(value, int | float) or value != value:
        raise NotCompilable(f"'{function.__name__}', which reads {value!r}")
    if isinstance(value, bool):
        return ast.Constant(value)
    try:
        number = float(value)
    except OverflowError:
        raise NotCompilable(f"'{function.__name__}', which reads a whole number beyond all floats") from None
    # A constant below 0 would be written without its parentheses, and -0.9**2 is another number.
    return ast.UnaryOp(ast.USub(), ast.Constant(-number)) if math.copysign(1, number) < 0 else ast.Constant(number)


def _helper(value: Any) -> str:
    """The name of what a program has of its own in the place of one of NumPy's functions, or of ours; else ""."""
    if value is np.abs:
        return "abs"
    name = getattr(value, "__name__", "")
    known = isinstance(value, np.ufunc) or value is getattr(elementary, name, None)
    return name if known and name in HELPERS else ""


class NotCompilable(DeltaruleError):
    """A formula that cannot be taken into a compiled program; the text says why."""


class FormulaNames(Protocol):
    """The other formulas of a program, which a formula may call."""

    reaches: dict[str, float | None]
    kinds: dict[str, str | None]

    def name(self, function: Callable[..., Any], left: frozenset[str], kinds: Kinds | None) -> str:
        """The name of a formula within the program."""

    def constant(self, value: float) -> str:
        """A number as it stands in expressions of the arrays' precision."""


class FormulaRewriter(ast.NodeVisitor):
    """A formula as it stands in a program: helpers and other formulas under their names there, global numbers as their
    values, whole numbers as floats, powers of ours as calls.

    A formula is a row of `name = expression`, and what it returns. Loops, tests, lists and changes in place, of which
    NumPy's arrays make something else than numbers do, are refused: the reference engine runs them as they stand.

    Every expression is a number or a truth, as z > 0 is. A truth is 0 or 1 in sums with numbers and in products; but
    the sum of two truths is their "or" in NumPy, and 2 among numbers. Whole numbers have no end in Python and 64 bits
    in NumPy's arrays: below 2**53 they are in both what floats are, but that a whole 0 has no sign.

    What is made of numbers of Python's alone, as 1 − q, is plain, and computed in float64; in a formula of float32 it
    is rounded where it meets what is of float32. Beside truths alone it is not, and gives what is wide, of float64.
    """

    def __init__(
        self, formulas: FormulaNames, function: FunctionType, arguments: Collection[str], kinds: Kinds | None
    ) -> None:
        self.formulas, self.function, self.rounds = formulas, function, kinds is not None
        self.own = set(function.__code__.co_varnames)
        self.known: Mapping[str, Any] = function.__globals__
        self.truths: set[ast.expr] = set()
        self.wholes: dict[ast.expr, float] = {}
        """How far from 0 an expression may be of which all values are whole numbers in Python."""
        self.variables: dict[str, ast.expr] = {name: ast.Constant(0.0) for name in arguments}
        """The last value that each variable has had; of arguments, any number."""
        self.kinds = {self.variables[name]: kind for name, kind in kinds or ()}
        self.returned: tuple[float | None, str | None] = None, None

    # --- statements ---

    def statement(self, node: ast.stmt) -> ast.stmt:
        """A statement of the formula as one of the program."""
        if isinstance(node, ast.AnnAssign) and node.value:  # y: float = 2 * z is y = 2 * z
            node = ast.Assign([node.target], node.value)
        if isinstance(node, ast.Assign) and len(node.targets) == 1 and isinstance(node.targets[0], ast.Name):
            name = node.targets[0].id
            value = self.visit(node.value)
            if name in self.variables and (self.variables[name] in self.truths) != (value in self.truths):
                raise self._refusal(f"'{name}' for a comparison and for a number")
            self.variables[name] = value
            return ast.Assign(node.targets, value, lineno=0)
        if isinstance(node, ast.Return) and node.value:
            if isinstance(node.value, ast.Tuple):
                return ast.Return(self._several(node.value))
            value = self._require_number(node.value)
            self.returned = self.wholes.get(value), self.kinds.get(value)
            return ast.Return(value)
        if isinstance(node, ast.AugAssign):
            raise self._refusal(f"a change in place; write {_expand_augmented(node)} in place of {ast.unparse(node)}")
        raise self._unsupported(node)

    def _several(self, node: ast.Tuple) -> ast.expr:
        """What an optimizer returns; * before a call stands for all that it returns."""
        return ast.Tuple(
            [
                ast.Starred(self._require_number(elt.value), ast.Load())
                if isinstance(elt, ast.Starred)
                else self._require_number(elt)
                for elt in node.elts
            ],
            ast.Load(),
        )

    # --- expressions ---

    def generic_visit(self, node: ast.AST) -> Any:
        """What has no rule below has none in a program."""
        raise self._unsupported(node)

    def visit_Constant(self, node: ast.Constant) -> ast.expr:
        """Round a number as NumPy does."""
        return self._constant(node.value)

    def visit_Name(self, node: ast.Name) -> ast.expr:
        """Take an argument, a variable or a global number."""
        if node.id in self.own:
            if node.id not in self.variables:
                raise self._refusal(f"'{node.id}' above its first value")
            value = self.variables[node.id]
            made = self._with_kind(ast.Name(node.id, ast.Load()), value in self.truths, self.wholes.get(value))
            return self._made_of(made, value)
        return self._global_number(self.known.get(node.id), node.id)

    def visit_Attribute(self, node: ast.Attribute) -> ast.expr:
        """`np.pi` is a number."""
        return self._global_number(self._attribute(node), ast.unparse(node))

    def visit_UnaryOp(self, node: ast.UnaryOp) -> ast.expr:
        """Keep a sign."""
        if not isinstance(node.op, ast.USub | ast.UAdd):
            raise self._unsupported(node)
        value = self._require_number(node.operand)
        made: ast.expr = ast.UnaryOp(node.op, value)
        if value in self.wholes and not _literal(value):
            made = _without_sign(made)
        return self._made_of(self._with_kind(made, whole=self.wholes.get(value)), value)

    def visit_Compare(self, node: ast.Compare) -> ast.expr:
        """Keep a comparison of two numbers, which is 0 or 1."""
        if len(node.ops) > 1 or not isinstance(node.ops[0], _COMPARED):
            raise self._unsupported(node)
        left, right = self.visit(node.left), self.visit(node.comparators[0])
        self._check_wholes(left, right)
        first, second = self._together(left, right)
        return self._made_of(self._with_kind(ast.Compare(first, node.ops, [second]), truth=True), left, right)

    def visit_BinOp(self, node: ast.BinOp) -> ast.expr:
        """Keep arithmetic that NumPy and the compiler do alike."""
        if isinstance(node.op, ast.Pow):
            return self._power(node.left, node.right)
        left, right, op = self.visit(node.left), self.visit(node.right), node.op
        truths = {left in self.truths, right in self.truths}
        if truths == {True} and not isinstance(op, _OF_TRUTHS):
            raise self._refusal("a sum or the like of two comparisons")
        allowed = _OF_TRUTHS if truths == {True} else _OF_BOTH if True in truths else _OF_NUMBERS
        if not isinstance(op, allowed):
            raise self._unsupported(node)
        first, second = self._together(left, right)
        made: ast.expr = ast.BinOp(first, op, second)
        if truths == {True} and not isinstance(op, ast.Div):
            return self._made_of(self._with_kind(made, truth=True), left, right)
        reach = None if isinstance(op, ast.Div) else self._reach(op, left, right)
        if reach is not None:
            made = self._with_kind(_without_sign(made), whole=reach)
        return self._made_of(made, left, right)

    def _power(self, base: ast.expr, exponent: ast.expr) -> ast.expr:
        """A power: of ours, whose bases are never negative, a call; else a product where its exponent is a number."""
        left, right = self._require_number(base), self._require_number(exponent)
        first, second = self._together(left, right)
        power = _literal(right)
        made: ast.expr
        if is_ours(self.function):
            made = self._in_float32(ast.Call(ast.Name("raised", ast.Load()), [first, second], []), left, right)
        elif power is None or not power.is_integer() or abs(power) >= 2**31:
            made = self._with_kind(ast.BinOp(first, ast.Pow(), second), whole=self._reach(ast.Pow(), left, right))
        else:
            made = ast.BinOp(first, ast.Pow(), ast.Constant(abs(int(power))))
            if power < 0:  # of 0.0 to a whole power below 0 Numba makes an error, where NumPy has infinity
                one = self._together(left, right, self._constant(1.0))[-1]
                made = ast.BinOp(one, ast.Div(), made)
            else:
                made = self._with_kind(made, whole=self._reach(ast.Pow(), left, right))
        return self._made_of(made, left, right)

    def visit_Call(self, node: ast.Call) -> ast.expr:
        """Call a helper, or another formula, by its compiled name."""
        value = self._callee(node.func)
        if value is pow and len(node.args) == 2 and not node.keywords:
            return self._power(*node.args)
        if isinstance(value, FunctionType) and not _helper(value):
            return self._own_formula(node, value)
        is_where = value is np.where
        name = "abs" if value is abs else "select" if is_where else _helper(value)
        if not name:
            raise self._unsupported(node.func)
        if node.keywords:
            raise self._refusal(f"'{_first_line(node.func)}' with names for its arguments")
        # The test of `select` may be a number or a truth; np.where takes any number but 0 for true.
        tests = [self.visit(one) for one in node.args[: name == "select"]]
        if is_where and (len(node.args) != 3 or tests[0] not in self.truths):
            raise self._refusal("np.where of what is no comparison")
        numbers = [self._require_number(one) for one in node.args[len(tests) :]]
        # Our `select` gives Python's numbers the dtype of a test that is a number; np.where goes by its numbers alone.
        test = next((one for one in tests if one not in self.truths), None)
        meets = [test] if test else numbers
        given = [*tests, *(self._together(*meets, number)[-1] for number in numbers)]
        own = f"{name}_single" if name in IN_FLOAT32 and self._is_float32(numbers) else name
        call: ast.expr = ast.Call(self._function_name(own), given, [])
        if name == "erf":
            call = self._in_float32(call, *numbers)
        return self._made_of(
            self._with_kind(call, whole=self._farthest(name, numbers)),
            *(test if test and self.kinds.get(number) == "plain" else number for number in numbers),
            by_numpy=value is not abs,
        )

    def _own_formula(self, node: ast.Call, function: FunctionType) -> ast.expr:
        """A call of another formula, which is written for floats."""
        arguments = [self._require_number(one) for one in node.args]
        keywords = [ast.keyword(keyword.arg, self._require_number(keyword.value)) for keyword in node.keywords]
        if self.wholes.keys() & {*arguments, *(keyword.value for keyword in keywords)}:
            raise self._refusal(f"a whole number for '{function.__name__}'; write 2.0 in place of 2")
        kinds = None
        if self.rounds:
            names = function.__code__.co_varnames[: len(arguments)]
            of_names = [*zip(names, arguments, strict=False), *((keyword.arg, keyword.value) for keyword in keywords)]
            kinds = frozenset((name, self.kinds[given]) for name, given in of_names if name and given in self.kinds)
        name = self.formulas.name(function, defaulted_arguments(function, node), kinds)
        made = self._with_kind(
            ast.Call(self._function_name(name), arguments, keywords), whole=self.formulas.reaches[name]
        )
        kind = self.formulas.kinds[name]
        if kind:
            self.kinds[made] = kind
        return made

    def _farthest(self, name: str, numbers: list[ast.expr]) -> float | None:
        """How far from 0 the one of some whole numbers may be that a helper gives."""
        # The helpers that give whole numbers where they get such.
        if (
            name not in ("select", "abs", "floor", "maximum", "minimum")
            or not numbers
            or not self.wholes.keys() >= set(numbers)
        ):
            return None
        return max(self.wholes[number] for number in numbers)

    # --- what is known of them ---

    def _require_number(self, node: ast.expr) -> ast.expr:
        """An expression that has to be a number."""
        value: ast.expr = self.visit(node)
        if value in self.truths:
            raise self._refusal("a comparison where a number belongs")
        return value

    def _global_number(self, value: Any, name: str) -> ast.expr:
        """A global number."""
        if not isinstance(value, int | float):
            raise self._refusal(f"'{name}'")
        return self._constant(value)

    def _constant(self, value: Any) -> ast.expr:
        """A number that stands in a formula, or that it reads; NumPy's own are of float64, and stay so."""
        made = self._with_kind(_float(self.function, value), *_kind(value))
        self.kinds[made] = "wide" if isinstance(value, np.floating) else "plain"
        return made

    def _made_of(self, node: ast.expr, *parts: ast.expr, by_numpy: bool = False) -> ast.expr:
        """An expression that is plain where all are that it is made of, unless by NumPy; wide where one is, or where
        none is of float32."""
        kinds = {self.kinds.get(part) for part in parts}
        if kinds == {"plain"} and not by_numpy:
            self.kinds[node] = "plain"
        elif node not in self.truths and ("wide" in kinds or not self._has_float32(parts)):
            self.kinds[node] = "wide"
        return node

    def _has_float32(self, parts: Sequence[ast.expr]) -> bool:
        return any(part not in self.kinds and part not in self.truths for part in parts)

    def _together(self, *parts: ast.expr) -> list[ast.expr]:
        """Expressions that meet each other: those that are plain are rounded where one is of float32, and none wide."""
        wide = any(self.kinds.get(part) == "wide" for part in parts)
        return list(parts) if wide or not self._has_float32(parts) else [self._round_constant(part) for part in parts]

    def _is_float32(self, numbers: Sequence[ast.expr]) -> bool:
        """Whether what is computed of some numbers is of float32."""
        return self.rounds and self._has_float32(numbers) and not any(self.kinds.get(one) == "wide" for one in numbers)

    def _in_float32(self, node: ast.expr, *numbers: ast.expr) -> ast.expr:
        """What is computed in float64, rounded where the numbers are of float32."""
        return self._round_to_float32(node) if self._is_float32(numbers) else node

    def _round_to_float32(self, node: ast.expr) -> ast.expr:
        return ast.Call(ast.Attribute(self._function_name("np"), "float32", ast.Load()), [node], [])

    def _round_constant(self, node: ast.expr) -> ast.expr:
        """A plain number as it is beside arrays of float32."""
        if not self.rounds or self.kinds.get(node) != "plain" or node in self.truths:
            return node
        number = _literal(node)
        return self._round_to_float32(node) if number is None else ast.Name(self.formulas.constant(number), ast.Load())

    def _callee(self, node: ast.expr) -> Any:
        """What a call calls."""
        if isinstance(node, ast.Name) and node.id not in self.own:
            return self.known.get(node.id, getattr(builtins, node.id, None))
        return self._attribute(node) if isinstance(node, ast.Attribute) else None

    def _attribute(self, node: ast.Attribute) -> Any:
        """What stands in a module and stays what it is; all else is read from a formula's own globals alone."""
        if not isinstance(node.value, ast.Name) or node.value.id in self.own:
            return None
        module = self.known.get(node.value.id)
        found = getattr(module, node.attr, None) if isinstance(module, ModuleType) else None
        return found if module in (np, math) or _helper(found) else None

    def _with_kind(self, node: ast.expr, truth: bool = False, whole: float | None = None) -> ast.expr:
        """An expression of which is known whether it is a truth, or a whole number, and how far that may be from 0."""
        if truth:
            self.truths.add(node)
        elif whole is not None:
            self.wholes[node] = whole
        return node

    def _reach(self, op: ast.operator, *parts: ast.expr) -> float | None:
        """How far from 0 a whole number may be that is made of others; None where one of them is no whole number."""
        if not all(part in self.wholes or part in self.truths for part in parts):
            return None
        one, other = (self.wholes.get(part, 1.0) for part in parts)
        self._check_wholes(*parts)
        match op:
            case ast.Mult():
                reach = one * other
            case ast.Pow():
                reach = min(int(one) ** int(min(other, 64.0)), _EXACT)
            case _:
                reach = one + other
        if reach >= _EXACT:
            raise self._too_large()
        return reach

    def _check_wholes(self, *parts: ast.expr) -> None:
        if any(self.wholes.get(part, 0.0) >= _EXACT for part in parts):
            raise self._too_large()

    def _too_large(self) -> NotCompilable:
        return self._refusal("whole numbers beyond 2**53; write 2.0 in place of 2")

    def _function_name(self, name: str) -> ast.Name:
        """A function of the program."""
        if name in self.own:
            raise self._refusal(f"a variable with the name of {name}")
        return ast.Name(name, ast.Load())

    def _unsupported(self, node: ast.AST) -> NotCompilable:
        return self._refusal(f"'{_first_line(node)}'")

    def _refusal(self, what: str) -> NotCompilable:
        return NotCompilable(f"'{self.function.__name__}', which uses {what}")


def _kind(value: Any) -> tuple[bool, float | None]:
    """Whether a number that a formula reads is a truth, and how far from 0 it is if it is a whole one."""
    is_whole = isinstance(value, int) and not isinstance(value, bool)
    return isinstance(value, bool), float(abs(value)) if is_whole else None


def _without_sign(node: ast.expr) -> ast.expr:
    """A whole number of which no 0 is -0.0."""
    return ast.BinOp(node, ast.Add(), ast.Constant(0.0))


def _literal(node: ast.expr) -> float | None:
    """The number that an expression is, as it stands in a program."""
    match node:
        case ast.Constant(value=float(number)):
            return number
        case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=float(number))):
            return -number
    return None


def _expand_augmented(node: ast.AugAssign) -> str:
    """f = f * k, for f *= k."""
    return ast.unparse(
        ast.fix_missing_locations(ast.Assign([node.target], ast.BinOp(node.target, node.op, node.value)))
    )


def _first_line(node: ast.AST) -> str:
    """The beginning of a part of a formula, as Python writes it."""
    line = ast.unparse(node).splitlines()[0]
    return line if len(line) <= _SHOWN else f"{line[: _SHOWN - 1]}…"
