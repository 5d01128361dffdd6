"""Rewrite a formula's syntax tree for a compiled program: precision, integers, booleans; refuse what differs there."""

import ast
import builtins
import math
from collections.abc import Callable, Collection, Mapping, Sequence
from types import FunctionType, ModuleType
from typing import Any, Protocol

import numpy as np

from deltarule.engines.compiled.formula_functions import defaulted_arguments, is_library_function
from deltarule.errors import DeltaruleError
from deltarule.maths import elementary

Kinds = frozenset[tuple[str, str]]
"""Pairs of an argument's name and "plain", for a Python number, or "wide", for float64; other arguments are float32."""

HELPERS = frozenset("select erf exp expm1 log log1p sqrt tanh sin cos sinh cosh arctan floor maximum minimum".split())
"""The functions of simd_math.py that formulas may call."""

IN_FLOAT32 = frozenset("exp expm1 log log1p tanh".split())
"""Those that also have a form for float32, such as `exp_single`."""

_BOOLEAN_OPERATORS = (ast.Mult, ast.Div, ast.BitAnd, ast.BitOr, ast.BitXor)
_MIXED_OPERATORS = (ast.Add, ast.Sub, ast.Mult, ast.Div)
_NUMBER_OPERATORS = (*_MIXED_OPERATORS, ast.FloorDiv, ast.Mod)
"""The operators that NumPy and Numba apply alike to two booleans, to a boolean and a number, and to two numbers."""

_COMPARISONS = (ast.Lt, ast.LtE, ast.Gt, ast.GtE, ast.Eq, ast.NotEq)

_EXACT_LIMIT = 2.0**53
"""Up to this limit float64 represents every integer."""

_MAX_SHOWN_CHARACTERS = 40
"""Characters of a formula's line that an error message quotes, so that the sentence stays readable."""


def _float_literal(function: FunctionType, value: Any) -> ast.expr:
    """Return the literal of a number that `function` reads: of a boolean as it is, of any other as a float."""
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


def _helper_name(value: Any) -> str:
    """Return the name of the program's own version of a NumPy or deltarule function, such as "exp"; "" for others."""
    if value is np.abs:
        return "abs"
    name = getattr(value, "__name__", "")
    known = isinstance(value, np.ufunc) or value is getattr(elementary, name, None)
    return name if known and name in HELPERS else ""


class NotCompilable(DeltaruleError):
    """Raised if a formula or a problem has no compiled program; the message names what the program lacks."""


class FormulaNames(Protocol):
    """The formulas of a program, with which a formula looks up those that it calls; `Formulas` implements it."""

    reaches: dict[str, float | None]
    kinds: dict[str, str | None]

    def name(self, function: Callable[..., Any], defaulted: frozenset[str], kinds: Kinds | None) -> str:
        """Return the name of a formula within the program; parameters as in `Formulas.name`."""

    def constant(self, value: float) -> str:
        """Return the text of a number in expressions of the arrays' precision."""


class FormulaRewriter(ast.NodeVisitor):
    """Rewrites the statements of a formula's function for a compiled program, and refuses those that it cannot have.

    Helpers and other formulas get their names in the program, global numbers become their values, integers floats,
    powers in built-in formulas calls.

    A formula is a sequence of `name = expression`, and a return. Loops, tests, lists and changes in place, which NumPy
    arrays treat differently from numbers, are refused: the reference engine runs them as they stand.

    Every expression is a number or a boolean, such as z > 0. A boolean is 0 or 1 in sums with numbers and in products;
    but the sum of two booleans is their "or" in NumPy, and 2 among numbers. Integers are unbounded in Python and have
    64 bits in NumPy's arrays: below 2**53 both equal floats, except that an integer 0 has no sign.

    An expression of Python numbers alone, such as 1 − q, is plain, and computed in float64; in a float32 formula it is
    rounded where it is combined with float32. Combined only with booleans it is not rounded, and the result is wide,
    float64.
    """

    def __init__(
        self, formulas: FormulaNames, function: FunctionType, arguments: Collection[str], kinds: Kinds | None
    ) -> None:
        self.formulas, self.function, self.rounds = formulas, function, kinds is not None
        self.own = set(function.__code__.co_varnames)
        self.known: Mapping[str, Any] = function.__globals__
        self.booleans: set[ast.expr] = set()
        self.integers: dict[ast.expr, float] = {}
        """The expressions that are integers in Python, each with its largest possible absolute value."""
        self.variables: dict[str, ast.expr] = {name: ast.Constant(0.0) for name in arguments}
        """The last expression assigned to each variable; for arguments any number."""
        self.kinds = {self.variables[name]: kind for name, kind in kinds or ()}
        self.returned: tuple[float | None, str | None] = None, None

    # --- statements ---

    def statement(self, node: ast.stmt) -> ast.stmt:
        """Rewrite a statement of the formula for the program."""
        if isinstance(node, ast.AnnAssign) and node.value:  # y: float = 2 * z is y = 2 * z
            node = ast.Assign([node.target], node.value)
        if isinstance(node, ast.Assign) and len(node.targets) == 1 and isinstance(node.targets[0], ast.Name):
            name = node.targets[0].id
            value = self.visit(node.value)
            if name in self.variables and (self.variables[name] in self.booleans) != (value in self.booleans):
                raise self._refusal(f"'{name}' for a comparison and for a number")
            self.variables[name] = value
            return ast.Assign(node.targets, value, lineno=0)
        if isinstance(node, ast.Return) and node.value:
            if isinstance(node.value, ast.Tuple):
                return ast.Return(self._tuple(node.value))
            value = self._require_number(node.value)
            self.returned = self.integers.get(value), self.kinds.get(value)
            return ast.Return(value)
        if isinstance(node, ast.AugAssign):
            raise self._refusal(f"a change in place; write {_expand_augmented(node)} in place of {ast.unparse(node)}")
        raise self._unsupported(node)

    def _tuple(self, node: ast.Tuple) -> ast.expr:
        """Rewrite the tuple of numbers that an optimizer returns; it may contain *call(…)."""
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
        """Refuse every expression that has no method below."""
        raise self._unsupported(node)

    def visit_Constant(self, node: ast.Constant) -> ast.expr:
        """Rewrite a literal number as a float."""
        return self._constant(node.value)

    def visit_Name(self, node: ast.Name) -> ast.expr:
        """Keep an argument or a variable; replace a global number by its value."""
        if node.id in self.own:
            if node.id not in self.variables:
                raise self._refusal(f"'{node.id}' above its first value")
            value = self.variables[node.id]
            name = self._mark(ast.Name(node.id, ast.Load()), value in self.booleans, self.integers.get(value))
            return self._with_kind(name, value)
        return self._global_number(self.known.get(node.id), node.id)

    def visit_Attribute(self, node: ast.Attribute) -> ast.expr:
        """Replace a number of a module, such as `np.pi`, by its value."""
        return self._global_number(self._attribute(node), ast.unparse(node))

    def visit_UnaryOp(self, node: ast.UnaryOp) -> ast.expr:
        """Rewrite −x or +x of a number."""
        if not isinstance(node.op, ast.USub | ast.UAdd):
            raise self._unsupported(node)
        value = self._require_number(node.operand)
        result: ast.expr = ast.UnaryOp(node.op, value)
        if value in self.integers and not _literal_value(value):
            result = _without_negative_zero(result)
        return self._with_kind(self._mark(result, reach=self.integers.get(value)), value)

    def visit_Compare(self, node: ast.Compare) -> ast.expr:
        """Rewrite a comparison of two numbers, which is a boolean."""
        if len(node.ops) > 1 or not isinstance(node.ops[0], _COMPARISONS):
            raise self._unsupported(node)
        left, right = self.visit(node.left), self.visit(node.comparators[0])
        self._check_integers(left, right)
        first, second = self._round_together(left, right)
        return self._with_kind(self._mark(ast.Compare(first, node.ops, [second]), is_boolean=True), left, right)

    def visit_BinOp(self, node: ast.BinOp) -> ast.expr:
        """Rewrite an arithmetic operation, and refuse one that NumPy and the compiler do differently."""
        if isinstance(node.op, ast.Pow):
            return self._power(node.left, node.right)
        left, right, op = self.visit(node.left), self.visit(node.right), node.op
        are_booleans = {left in self.booleans, right in self.booleans}
        are_both = are_booleans == {True}
        if are_both and not isinstance(op, _BOOLEAN_OPERATORS):
            raise self._refusal("a sum or the like of two comparisons")
        allowed = _BOOLEAN_OPERATORS if are_both else _MIXED_OPERATORS if True in are_booleans else _NUMBER_OPERATORS
        if not isinstance(op, allowed):
            raise self._unsupported(node)
        first, second = self._round_together(left, right)
        result: ast.expr = ast.BinOp(first, op, second)
        if are_both and not isinstance(op, ast.Div):
            return self._with_kind(self._mark(result, is_boolean=True), left, right)
        reach = None if isinstance(op, ast.Div) else self._reach(op, left, right)
        if reach is not None:
            result = self._mark(_without_negative_zero(result), reach=reach)
        return self._with_kind(result, left, right)

    def _power(self, base: ast.expr, exponent: ast.expr) -> ast.expr:
        """Rewrite base**exponent: in built-in formulas, whose bases are never negative, as a call of `raised`."""
        left, right = self._require_number(base), self._require_number(exponent)
        first, second = self._round_together(left, right)
        power = _literal_value(right)
        result: ast.expr
        if is_library_function(self.function):
            result = self._in_float32(ast.Call(ast.Name("raised", ast.Load()), [first, second], []), left, right)
        elif power is None or not power.is_integer() or abs(power) >= 2**31:
            result = self._mark(ast.BinOp(first, ast.Pow(), second), reach=self._reach(ast.Pow(), left, right))
        else:
            result = ast.BinOp(first, ast.Pow(), ast.Constant(abs(int(power))))
            if power < 0:  # for 0.0 to a negative integer power Numba raises an error, and NumPy gives infinity
                one = self._round_together(left, right, self._constant(1.0))[-1]
                result = ast.BinOp(one, ast.Div(), result)
            else:
                result = self._mark(result, reach=self._reach(ast.Pow(), left, right))
        return self._with_kind(result, left, right)

    def visit_Call(self, node: ast.Call) -> ast.expr:
        """Rewrite a call of a helper or of another formula with its name in the program."""
        value = self._callee(node.func)
        if value is pow and len(node.args) == 2 and not node.keywords:
            return self._power(*node.args)
        if isinstance(value, FunctionType) and not _helper_name(value):
            return self._formula_call(node, value)
        is_where = value is np.where
        name = "abs" if value is abs else "select" if is_where else _helper_name(value)
        if not name:
            raise self._unsupported(node.func)
        if node.keywords:
            raise self._refusal(f"'{_first_line(node.func)}' with names for its arguments")
        # The test of `select` may be a number or a boolean; np.where takes any number but 0 for true.
        tests = [self.visit(argument) for argument in node.args[: name == "select"]]
        if is_where and (len(node.args) != 3 or tests[0] not in self.booleans):
            raise self._refusal("np.where of what is no comparison")
        numbers = [self._require_number(argument) for argument in node.args[len(tests) :]]
        # Our `select` gives Python's numbers the dtype of a test that is a number; np.where uses its numbers alone.
        test = next((one for one in tests if one not in self.booleans), None)
        partners = [test] if test else numbers
        arguments = [*tests, *(self._round_together(*partners, number)[-1] for number in numbers)]
        program_name = f"{name}_single" if name in IN_FLOAT32 and self._is_float32(numbers) else name
        call: ast.expr = ast.Call(self._function_name(program_name), arguments, [])
        if name == "erf":
            call = self._in_float32(call, *numbers)
        return self._with_kind(
            self._mark(call, reach=self._helper_reach(name, numbers)),
            *(test if test and self.kinds.get(number) == "plain" else number for number in numbers),
            by_numpy=value is not abs,
        )

    def _formula_call(self, node: ast.Call, function: FunctionType) -> ast.expr:
        """Rewrite a call of another formula, whose arguments must not be integers."""
        arguments = [self._require_number(argument) for argument in node.args]
        keywords = [ast.keyword(keyword.arg, self._require_number(keyword.value)) for keyword in node.keywords]
        if self.integers.keys() & {*arguments, *(keyword.value for keyword in keywords)}:
            raise self._refusal(f"a whole number for '{function.__name__}'; write 2.0 in place of 2")
        kinds = None
        if self.rounds:
            names = function.__code__.co_varnames[: len(arguments)]
            named = [*zip(names, arguments, strict=False), *((keyword.arg, keyword.value) for keyword in keywords)]
            kinds = frozenset((name, self.kinds[value]) for name, value in named if name and value in self.kinds)
        name = self.formulas.name(function, defaulted_arguments(function, node), kinds)
        call = self._mark(ast.Call(self._function_name(name), arguments, keywords), reach=self.formulas.reaches[name])
        kind = self.formulas.kinds[name]
        if kind:
            self.kinds[call] = kind
        return call

    def _helper_reach(self, name: str, numbers: list[ast.expr]) -> float | None:
        """Return the largest absolute value of a helper's result if it is an integer, else None."""
        # These helpers return integers if their arguments are integers.
        if (
            name not in ("select", "abs", "floor", "maximum", "minimum")
            or not numbers
            or not self.integers.keys() >= set(numbers)
        ):
            return None
        return max(self.integers[number] for number in numbers)

    # --- properties of expressions ---

    def _require_number(self, node: ast.expr) -> ast.expr:
        """Rewrite an expression, and refuse it if it is a boolean."""
        value: ast.expr = self.visit(node)
        if value in self.booleans:
            raise self._refusal("a comparison where a number belongs")
        return value

    def _global_number(self, value: Any, name: str) -> ast.expr:
        """Return the value of a global name as a literal, and refuse anything but a number."""
        if not isinstance(value, int | float):
            raise self._refusal(f"'{name}'")
        return self._constant(value)

    def _constant(self, value: Any) -> ast.expr:
        """Return a number as a literal; NumPy's numbers are float64, and stay so."""
        literal = self._mark(_float_literal(self.function, value), *_boolean_and_reach(value))
        self.kinds[literal] = "wide" if isinstance(value, np.floating) else "plain"
        return literal

    def _with_kind(self, node: ast.expr, *parts: ast.expr, by_numpy: bool = False) -> ast.expr:
        """Record in `kinds` whether an expression of `parts` is plain or wide, and return the expression.

        It is plain if all parts are, unless a NumPy function computes it (`by_numpy`); wide if one is, or if none is
        float32.
        """
        kinds = {self.kinds.get(part) for part in parts}
        if kinds == {"plain"} and not by_numpy:
            self.kinds[node] = "plain"
        elif node not in self.booleans and ("wide" in kinds or not self._has_float32(parts)):
            self.kinds[node] = "wide"
        return node

    def _has_float32(self, parts: Sequence[ast.expr]) -> bool:
        """Whether any of the expressions is a float32 number."""
        return any(part not in self.kinds and part not in self.booleans for part in parts)

    def _round_together(self, *parts: ast.expr) -> list[ast.expr]:
        """Return the operands of an operation: plain ones are rounded if another is float32 and none is wide."""
        is_wide = any(self.kinds.get(part) == "wide" for part in parts)
        return list(parts) if is_wide or not self._has_float32(parts) else [self._round_plain(part) for part in parts]

    def _is_float32(self, numbers: Sequence[ast.expr]) -> bool:
        """Whether a function of these numbers is computed in float32."""
        return self.rounds and self._has_float32(numbers) and not any(self.kinds.get(one) == "wide" for one in numbers)

    def _in_float32(self, node: ast.expr, *numbers: ast.expr) -> ast.expr:
        """Return the node of a float64 function's call, rounded to float32 if its arguments `numbers` are float32."""
        return self._round_to_float32(node) if self._is_float32(numbers) else node

    def _round_to_float32(self, node: ast.expr) -> ast.expr:
        return ast.Call(ast.Attribute(self._function_name("np"), "float32", ast.Load()), [node], [])

    def _round_plain(self, node: ast.expr) -> ast.expr:
        """Round a plain number to float32, a literal by a named constant; return other expressions unchanged."""
        if not self.rounds or self.kinds.get(node) != "plain" or node in self.booleans:
            return node
        number = _literal_value(node)
        return self._round_to_float32(node) if number is None else ast.Name(self.formulas.constant(number), ast.Load())

    def _callee(self, node: ast.expr) -> Any:
        """Return the function to which the expression `node` of a call refers; None if it is not known."""
        if isinstance(node, ast.Name) and node.id not in self.own:
            return self.known.get(node.id, getattr(builtins, node.id, None))
        return self._attribute(node) if isinstance(node, ast.Attribute) else None

    def _attribute(self, node: ast.Attribute) -> Any:
        """Return the value of an attribute of NumPy or math, or a helper in another module; None for any other."""
        if not isinstance(node.value, ast.Name) or node.value.id in self.own:
            return None
        module = self.known.get(node.value.id)
        value = getattr(module, node.attr, None) if isinstance(module, ModuleType) else None
        return value if module in (np, math) or _helper_name(value) else None

    def _mark(self, node: ast.expr, is_boolean: bool = False, reach: float | None = None) -> ast.expr:
        """Record that an expression is a boolean, or an integer up to ±`reach` (None: neither), and return it."""
        if is_boolean:
            self.booleans.add(node)
        elif reach is not None:
            self.integers[node] = reach
        return node

    def _reach(self, op: ast.operator, *parts: ast.expr) -> float | None:
        """Return the largest absolute value of an operation on two integers (2**53 is refused); None for floats."""
        if not all(part in self.integers or part in self.booleans for part in parts):
            return None
        first, second = (self.integers.get(part, 1.0) for part in parts)
        self._check_integers(*parts)
        match op:
            case ast.Mult():
                reach = first * second
            case ast.Pow():
                reach = min(int(first) ** int(min(second, 64.0)), _EXACT_LIMIT)
            case _:
                reach = first + second
        if reach >= _EXACT_LIMIT:
            raise self._too_large()
        return reach

    def _check_integers(self, *parts: ast.expr) -> None:
        """Refuse integers that float64 may not represent."""
        if any(self.integers.get(part, 0.0) >= _EXACT_LIMIT for part in parts):
            raise self._too_large()

    def _too_large(self) -> NotCompilable:
        return self._refusal("whole numbers beyond 2**53; write 2.0 in place of 2")

    def _function_name(self, name: str) -> ast.Name:
        """Return a reference to a function of the program; refuse a formula with a variable of the same name."""
        if name in self.own:
            raise self._refusal(f"a variable with the name of {name}")
        return ast.Name(name, ast.Load())

    def _unsupported(self, node: ast.AST) -> NotCompilable:
        return self._refusal(f"'{_first_line(node)}'")

    def _refusal(self, construct: str) -> NotCompilable:
        return NotCompilable(f"'{self.function.__name__}', which uses {construct}")


def _boolean_and_reach(value: Any) -> tuple[bool, float | None]:
    """Return whether a number is a boolean, and its absolute value if it is an integer."""
    is_integer = isinstance(value, int) and not isinstance(value, bool)
    return isinstance(value, bool), float(abs(value)) if is_integer else None


def _without_negative_zero(node: ast.expr) -> ast.expr:
    """Return an integer expression + 0.0, so that it never is -0.0."""
    return ast.BinOp(node, ast.Add(), ast.Constant(0.0))


def _literal_value(node: ast.expr) -> float | None:
    """Return the value of a float literal, with or without a sign; None for any other expression."""
    match node:
        case ast.Constant(value=float(number)):
            return number
        case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=float(number))):
            return -number
    return None


def _expand_augmented(node: ast.AugAssign) -> str:
    """Return an augmented assignment written out: "f = f * k" for f *= k."""
    return ast.unparse(
        ast.fix_missing_locations(ast.Assign([node.target], ast.BinOp(node.target, node.op, node.value)))
    )


def _first_line(node: ast.AST) -> str:
    """Return the first line of a node's source text, shortened for a message."""
    line = ast.unparse(node).splitlines()[0]
    return line if len(line) <= _MAX_SHOWN_CHARACTERS else f"{line[: _MAX_SHOWN_CHARACTERS - 1]}…"
