"""Rewrite a formula's syntax tree for a compiled program.

What a program would compute otherwise than NumPy is refused: the reference engine trains such a formula as it stands.
"""

import ast
import builtins
import math
from collections.abc import Callable, Collection, Mapping, Sequence
from types import FunctionType, ModuleType
from typing import Any, Protocol

import numpy as np

from deltarule.errors import DeltaruleError
from deltarule.maths import elementary

Kinds = frozenset[tuple[str, str]]
"""Pairs of an argument's name and "plain", for a Python number, or "wide", for float64; other arguments are float32."""

HELPERS = frozenset("select erf exp expm1 log log1p sqrt tanh sin cos sinh cosh arctan floor maximum minimum".split())
"""The functions of simd_math.py that formulas may call."""

IN_FLOAT32 = frozenset("exp expm1 log log1p tanh".split())
"""Those that also have a form for float32, such as `exp_single`."""

_NUMBER_OPERATORS = (ast.Add, ast.Sub, ast.Mult, ast.Div)
_BOOLEAN_OPERATORS = (ast.Mult, ast.BitAnd, ast.BitOr)
_COMPARISONS = (ast.Lt, ast.LtE, ast.Gt, ast.GtE, ast.Eq, ast.NotEq)

_MAX_SHOWN_CHARACTERS = 40
"""Characters of a formula's line that an error message quotes, so that the sentence stays readable."""


class NotCompilable(DeltaruleError):
    """Raised if a formula or a problem has no compiled program."""


class FormulaNames(Protocol):
    """The formulas of a program, in which a formula looks up those it calls."""

    kinds: dict[str, str | None]

    def name(self, function: Callable[..., Any], defaulted: frozenset[str], kinds: Kinds | None) -> str:
        """Return the name of a formula within the program."""

    def constant(self, value: float) -> str:
        """Return the text of a number in expressions of the arrays' precision."""


def is_library_function(function: Callable[..., Any]) -> bool:
    return str(getattr(function, "__module__", "")).startswith("deltarule.")


def defaulted_arguments(function: Callable[..., Any], call: ast.Call) -> frozenset[str]:
    """Return the arguments that a call of a formula leaves to their defaults."""
    if not isinstance(function, FunctionType):
        return frozenset()
    passed = {*function.__code__.co_varnames[: len(call.args)], *(keyword.arg for keyword in call.keywords)}
    return frozenset(default_values(function)) - passed


def default_values(function: FunctionType) -> dict[str, Any]:
    names, values = function.__code__.co_varnames[: function.__code__.co_argcount], function.__defaults__ or ()
    return dict(zip(names[len(names) - len(values) :], values, strict=True))


class FormulaRewriter(ast.NodeVisitor):
    """Rewrites the statements of a formula's function for a compiled program.

    A formula is a sequence of `name = expression`, and a return. Helpers and other formulas get their names in the
    program, numbers become floats, global ones their values, and powers in built-in formulas calls.

    Every expression is a number or a boolean, such as z > 0, which is 0 or 1 beside a number. The sum of two booleans
    is their "or" in NumPy, and 2 among numbers: it is refused.

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
        self.variables: dict[str, ast.expr] = {name: ast.Constant(0.0) for name in arguments}
        """The last expression assigned to each variable; for arguments any number."""
        self.kinds = {self.variables[name]: kind for name, kind in kinds or ()}
        self.returned_kind: str | None = None

    # --- statements ---

    def statement(self, node: ast.stmt) -> ast.stmt:
        if isinstance(node, ast.Assign) and len(node.targets) == 1 and isinstance(node.targets[0], ast.Name):
            value = self.visit(node.value)
            self.variables[node.targets[0].id] = value
            return ast.Assign(node.targets, value, lineno=0)
        if isinstance(node, ast.Return) and node.value:
            if isinstance(node.value, ast.Tuple):  # an optimizer's
                return ast.Return(ast.Tuple([self._tuple_entry(entry) for entry in node.value.elts], ast.Load()))
            value = self._require_number(node.value)
            self.returned_kind = self.kinds.get(value)
            return ast.Return(value)
        raise self._unsupported(node)

    def _tuple_entry(self, node: ast.expr) -> ast.expr:
        if isinstance(node, ast.Starred):
            return ast.Starred(self._require_number(node.value), ast.Load())
        return self._require_number(node)

    # --- expressions ---

    def generic_visit(self, node: ast.AST) -> Any:
        """Refuse every expression that has no method below."""
        raise self._unsupported(node)

    def visit_Constant(self, node: ast.Constant) -> ast.expr:
        return self._constant(node.value, ast.unparse(node))

    def visit_Name(self, node: ast.Name) -> ast.expr:
        """Keep an argument or a variable; replace a global number by its value."""
        if node.id not in self.own:
            return self._constant(self.known.get(node.id), node.id)
        if node.id not in self.variables:
            raise self._refusal(f"'{node.id}' above its first value")
        value, name = self.variables[node.id], ast.Name(node.id, ast.Load())
        if value in self.booleans:
            self.booleans.add(name)
        return self._with_kind(name, value)

    def visit_Attribute(self, node: ast.Attribute) -> ast.expr:
        """Replace a number of a module, such as `np.pi`, by its value."""
        return self._constant(self._attribute(node), ast.unparse(node))

    def visit_UnaryOp(self, node: ast.UnaryOp) -> ast.expr:
        if not isinstance(node.op, ast.USub | ast.UAdd):
            raise self._unsupported(node)
        value = self._require_number(node.operand)
        return self._with_kind(ast.UnaryOp(node.op, value), value)

    def visit_Compare(self, node: ast.Compare) -> ast.expr:
        """Rewrite a comparison of two numbers, which is a boolean."""
        if len(node.ops) > 1 or not isinstance(node.ops[0], _COMPARISONS):
            raise self._unsupported(node)
        left, right = self.visit(node.left), self.visit(node.comparators[0])
        first, second = self._round_together(left, right)
        result = ast.Compare(first, node.ops, [second])
        self.booleans.add(result)
        return self._with_kind(result, left, right)

    def visit_BinOp(self, node: ast.BinOp) -> ast.expr:
        if isinstance(node.op, ast.Pow):
            return self._power(node.left, node.right)
        left, right = self.visit(node.left), self.visit(node.right)
        are_both_booleans = left in self.booleans and right in self.booleans
        if not isinstance(node.op, _BOOLEAN_OPERATORS if are_both_booleans else _NUMBER_OPERATORS):
            raise self._unsupported(node)
        first, second = self._round_together(left, right)
        result = ast.BinOp(first, node.op, second)
        if are_both_booleans:
            self.booleans.add(result)
        return self._with_kind(result, left, right)

    def _power(self, base: ast.expr, exponent: ast.expr) -> ast.expr:
        left, right = self._require_number(base), self._require_number(exponent)
        first, second = self._round_together(left, right)
        power = _literal_value(right)
        result: ast.expr
        if is_library_function(self.function):
            result = self._in_float32(ast.Call(ast.Name("raised", ast.Load()), [first, second], []), left, right)
        elif power is None or not power.is_integer():
            result = ast.BinOp(first, ast.Pow(), second)
        else:
            result = ast.BinOp(first, ast.Pow(), ast.Constant(abs(int(power))))
            if power < 0:  # for 0.0 to a negative integer power Numba raises an error, and NumPy gives infinity
                one = self._round_together(left, right, self._constant(1.0, "1.0"))[-1]
                result = ast.BinOp(one, ast.Div(), result)
        return self._with_kind(result, left, right)

    def visit_Call(self, node: ast.Call) -> ast.expr:
        """Rewrite a call of a helper or of another formula with its name in the program."""
        value = self._callee(node.func)
        if isinstance(value, FunctionType) and not _helper_name(value):
            return self._formula_call(node, value)
        is_where = value is np.where
        name = "abs" if value is abs else "select" if is_where else _helper_name(value)
        if not name or node.keywords:
            raise self._unsupported(node if name else node.func)
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
            call,
            *(test if test and self.kinds.get(number) == "plain" else number for number in numbers),
            by_numpy=value is not abs,
        )

    def _formula_call(self, node: ast.Call, function: FunctionType) -> ast.expr:
        arguments = [self._require_number(argument) for argument in node.args]
        keywords = [ast.keyword(keyword.arg, self._require_number(keyword.value)) for keyword in node.keywords]
        kinds = None
        if self.rounds:
            names = function.__code__.co_varnames[: len(arguments)]
            named = [*zip(names, arguments, strict=False), *((keyword.arg, keyword.value) for keyword in keywords)]
            kinds = frozenset((name, self.kinds[value]) for name, value in named if name and value in self.kinds)
        name = self.formulas.name(function, defaulted_arguments(function, node), kinds)
        call = ast.Call(self._function_name(name), arguments, keywords)
        kind = self.formulas.kinds[name]
        if kind:
            self.kinds[call] = kind
        return call

    # --- properties of expressions ---

    def _require_number(self, node: ast.expr) -> ast.expr:
        value: ast.expr = self.visit(node)
        if value in self.booleans:
            raise self._refusal("a comparison where a number belongs")
        return value

    def _constant(self, value: Any, text: str) -> ast.expr:
        """Return a number, which has this text in the formula, as a float."""
        kind = "wide" if isinstance(value, np.floating) else "plain"
        if isinstance(value, bool) or not isinstance(value, int | float) or value != value:
            raise self._refusal(f"'{text}'")
        number = float(value)
        # A constant below 0 would be written without its parentheses, and -0.9**2 is another number.
        is_negative = math.copysign(1, number) < 0
        literal = ast.UnaryOp(ast.USub(), ast.Constant(-number)) if is_negative else ast.Constant(number)
        self.kinds[literal] = kind
        return literal

    def _with_kind(self, node: ast.expr, *parts: ast.expr, by_numpy: bool = False) -> ast.expr:
        """Record whether an expression is plain or wide, and return the expression.

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
        return any(part not in self.kinds and part not in self.booleans for part in parts)

    def _round_together(self, *parts: ast.expr) -> list[ast.expr]:
        is_wide = any(self.kinds.get(part) == "wide" for part in parts)
        return list(parts) if is_wide or not self._has_float32(parts) else [self._round_plain(part) for part in parts]

    def _is_float32(self, numbers: Sequence[ast.expr]) -> bool:
        return self.rounds and self._has_float32(numbers) and not any(self.kinds.get(one) == "wide" for one in numbers)

    def _in_float32(self, node: ast.expr, *numbers: ast.expr) -> ast.expr:
        return self._round_to_float32(node) if self._is_float32(numbers) else node

    def _round_to_float32(self, node: ast.expr) -> ast.expr:
        return ast.Call(ast.Attribute(self._function_name("np"), "float32", ast.Load()), [node], [])

    def _round_plain(self, node: ast.expr) -> ast.expr:
        if not self.rounds or self.kinds.get(node) != "plain" or node in self.booleans:
            return node
        number = _literal_value(node)
        return self._round_to_float32(node) if number is None else ast.Name(self.formulas.constant(number), ast.Load())

    # --- names ---

    def _callee(self, node: ast.expr) -> Any:
        if isinstance(node, ast.Name) and node.id not in self.own:
            return self.known.get(node.id, getattr(builtins, node.id, None))
        return self._attribute(node) if isinstance(node, ast.Attribute) else None

    def _attribute(self, node: ast.Attribute) -> Any:
        if not isinstance(node.value, ast.Name) or node.value.id in self.own:
            return None
        module = self.known.get(node.value.id)
        value = getattr(module, node.attr, None) if isinstance(module, ModuleType) else None
        return value if module in (np, math) or _helper_name(value) else None

    def _function_name(self, name: str) -> ast.Name:
        if name in self.own:
            raise self._refusal(f"a variable with the name of {name}")
        return ast.Name(name, ast.Load())

    def _unsupported(self, node: ast.AST) -> NotCompilable:
        line = ast.unparse(node).splitlines()[0]
        shown = line if len(line) <= _MAX_SHOWN_CHARACTERS else f"{line[: _MAX_SHOWN_CHARACTERS - 1]}…"
        return self._refusal(f"'{shown}'")

    def _refusal(self, construct: str) -> NotCompilable:
        return NotCompilable(f"'{self.function.__name__}', which uses {construct}")


def _helper_name(value: Any) -> str:
    if value is np.abs:
        return "abs"
    name = getattr(value, "__name__", "")
    known = isinstance(value, np.ufunc) or value is getattr(elementary, name, None)
    return name if known and name in HELPERS else ""


def _literal_value(node: ast.expr) -> float | None:
    """Return the value of a float literal, with or without a sign."""
    match node:
        case ast.Constant(value=float(number)):
            return number
        case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=float(number))):
            return -number
    return None
