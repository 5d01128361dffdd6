"""The formulas of `maths` as source text for a compiled program: taken from the functions themselves.

A formula is an elementwise Python function over the helpers of `elementary` and a few of NumPy's functions: a row of
assignments, and what it returns. Its text is taken as it stands, without docstring and annotations, where it is what
the function does; whole numbers become floats, and a power of ours a call, so that it too runs in SIMD lanes.

NumPy rounds a number of Python's where it meets an array of float32: z < 0.9 compares with 0.8999999762. In a program
of float32 it is rounded there too, or a formula could take another branch than it does in the reference engine.
"""

import ast
import builtins
import inspect
import math
import re
import textwrap
from collections.abc import Callable, Collection, Mapping, Sequence
from itertools import chain, combinations
from pathlib import Path
from types import CodeType, FunctionType, ModuleType
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from deltarule.errors import DeltaruleError
from deltarule.maths import elementary

ENTRY = '@njit(error_model="numpy", nogil=True, cache=True, no_cfunc_wrapper=True)'
"""What stands before the one function of a program that Python calls."""
HELPERS = frozenset(
    "select erf exp expm1 log log1p sqrt tanh sin cos sinh cosh arctan floor maximum minimum".split()  # of vector.py
)
_OF_TRUTHS = (ast.Mult, ast.Div, ast.BitAnd, ast.BitOr, ast.BitXor)
"""What NumPy makes of two truths as Numba does; then of a truth and a number, and of two numbers."""
_OF_BOTH = (ast.Add, ast.Sub, ast.Mult, ast.Div)
_OF_NUMBERS = (*_OF_BOTH, ast.FloorDiv, ast.Mod)
_COMPARED = (ast.Lt, ast.LtE, ast.Gt, ast.GtE, ast.Eq, ast.NotEq)
_OF_WHOLES = ("select", "abs", "floor", "maximum", "minimum")
"""The helpers that give whole numbers where they get such."""
_EXACT, _EXACT_IN_FLOAT32 = 2.0**53, 2.0**24
_SHOWN = 40


def heads(*names: str) -> list[str]:
    """The files of this folder that a program begins with; what one imports of another is for its readers."""
    texts = [(Path(__file__).parent / name).read_text(encoding="utf-8") for name in names]
    return ["\n".join(one for one in text.splitlines() if not one.startswith("from deltarule.")) for text in texts]


_Kinds = frozenset[tuple[str, str]]
"""Names with "plain", of numbers of Python's, or with "wide", of float64; all others are of float32."""
_Form = tuple[Callable[..., Any], frozenset[str], _Kinds | None]
"""A formula, the arguments that are left to their defaults, and the kinds of the others, see `Formulas.name`."""


class NotCompilable(DeltaruleError):
    """A formula that cannot be taken into a compiled program; the text says why."""


def is_ours(function: Callable[..., Any]) -> bool:
    """Whether a formula is built in; all others are somebody's own."""
    return str(getattr(function, "__module__", "")).startswith("deltarule.")


def formula_key(function: Callable[..., Any]) -> tuple[Any, ...]:
    """All that decides the text of somebody's own formula: code and defaults, and the globals that it reads, with the
    formulas among them. It can be hashed, and is another one as soon as a global number has changed.

    >>> import deltarule.maths.losses as losses
    >>> formula_key(losses.huber) == formula_key(losses.huber) != formula_key(losses.huber_derivative)
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
    """The formulas that a program needs, each under a name of its own, those that they call before them.

    dtype : of the arrays that they are computed on in the reference engine
    """

    def __init__(self, dtype: DTypeLike = np.float64) -> None:
        self.rounds = np.dtype(dtype) == np.float32
        self._names: dict[_Form, str] = {}
        self._begun: list[_Form] = []
        self.texts: list[str] = []
        self.reaches: dict[str, float | None] = {}
        """How far from 0 the whole numbers may be that a formula returns; None for one that returns floats."""
        self.kinds: dict[str, str | None] = {}
        """Whether what a formula returns is plain or wide; None where it is neither."""

    def name(
        self,
        function: Callable[..., Any],
        left: frozenset[str] = frozenset(),
        kinds: _Kinds | None = None,
    ) -> str:
        """The name of a formula within the program; its text is added when it is first asked for.

        left : the arguments that its calls leave to their defaults, as may be whole numbers and truths
        kinds : what its arguments are in a formula of float32; None where nothing is rounded
        """
        if not isinstance(function, FunctionType):
            raise NotCompilable(f"a formula that is no function of def, but a {type(function).__name__}")
        form = function, left, kinds
        if form not in self._names:
            if form in self._begun:
                raise NotCompilable(f"'{function.__name__}', which calls itself")
            self._begun.append(form)
            module = f"{function.__module__}".rsplit(".", 1)[-1]
            # Two cells of a notebook may each have a function of one name, and a head one of that name, too; and one of
            # ours may stand in a program of float32 in several forms.
            own = "" if is_ours(function) and kinds is None else f"own{len(self._begun)}_"
            text_name = re.sub(r"\W", "_", f"{own}{module}_{function.__name__}")
            text = self._text(function, text_name, left, kinds)
            self._names[form] = text_name
            self.texts.append(text)
        return self._names[form]

    def call(self, function: Callable[..., Any], *arguments: str, **parameters: float) -> str:
        """A call of a formula of arrays, as text; some arguments may be texts as "norm=n"."""
        return self._call(
            function, arguments, parameters, frozenset((one, "plain") for one in parameters) if self.rounds else None
        )

    def call_in_float64(self, function: Callable[..., Any], *arguments: str) -> str:
        """The same of a formula that the reference engine computes in float64, whatever θ's dtype: once a step."""
        return self._call(function, arguments, {}, None)

    def _call(
        self,
        function: Callable[..., Any],
        arguments: Sequence[str],
        parameters: Mapping[str, float],
        kinds: _Kinds | None,
    ) -> str:
        given = ", ".join([*arguments, *(f"{name}={float(value)!r}" for name, value in parameters.items())])
        call = ast.parse(f"f({given})", mode="eval").body
        assert isinstance(call, ast.Call)
        return f"{self.name(function, _defaulted_arguments(function, call), kinds)}({given})"

    def _text(self, function: FunctionType, name: str, left: frozenset[str], kinds: _Kinds | None) -> str:
        tree = _source(function)
        definition = tree.body[0]
        assert isinstance(definition, ast.FunctionDef)
        definition.name, definition.decorator_list, definition.returns = name, [ast.Name("compiled")], None
        if ast.get_docstring(definition):
            definition.body = definition.body[1:]
        arguments = definition.args
        if arguments.posonlyargs or arguments.kwonlyargs or arguments.vararg or arguments.kwarg:
            raise NotCompilable(f"'{function.__name__}', which has / or * among its arguments")
        # Numba would take the defaults -0.0 and 0.0 for the same.
        kept = {one: value for one, value in _defaults(function).items() if one in left}
        first = [ast.Assign([ast.Name(one, ast.Store())], ast.Constant(value)) for one, value in kept.items()]
        arguments.args = [ast.arg(one.arg) for one in arguments.args if one.arg not in left]
        arguments.defaults = []
        rewriter = _Rewriter(self, function, {one.arg for one in arguments.args}, kinds)
        definition.body = [rewriter.statement(one) for one in [*first, *definition.body]]
        self.reaches[name], self.kinds[name] = rewriter.returned
        return ast.unparse(ast.fix_missing_locations(tree))


def _defaulted_arguments(function: Callable[..., Any], call: ast.Call) -> frozenset[str]:
    """The arguments of a formula that a call leaves to their defaults."""
    if not isinstance(function, FunctionType):
        return frozenset()
    given = {*function.__code__.co_varnames[: len(call.args)], *(one.arg for one in call.keywords)}
    return frozenset(_defaults(function)) - given


def _defaults(function: FunctionType) -> dict[str, Any]:
    """The default values of a function's arguments."""
    names, values = function.__code__.co_varnames[: function.__code__.co_argcount], function.__defaults__ or ()
    return dict(zip(names[len(names) - len(values) :], values, strict=True))


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
    # A lambda may be a default of the def.
    if len(tree.body) != 1 or not isinstance(tree.body[0], ast.FunctionDef) or tree.body[0].name != code.co_name:
        raise NotCompilable(f"'{name}', which is not defined by def")
    if any(isinstance(one, CodeType) for one in code.co_consts):
        raise NotCompilable(f"'{name}', which defines functions of its own")
    names = (*code.co_names, *code.co_varnames)
    modules = [name for name in names if isinstance(function.__globals__.get(name), ModuleType)]
    imports = [ast.fix_missing_locations(ast.Import([ast.alias(name)])) for name in modules]
    # What Python makes of np.exp(z) depends on whether it sees the import of np: a cell of a notebook may lack it.
    seen = chain.from_iterable(combinations(imports, n) for n in range(len(imports) + 1))
    programs = (compile(ast.Module([*some, *tree.body], []), "", "exec", dont_inherit=True) for some in seen)
    made = (one for program in programs for one in program.co_consts if isinstance(one, CodeType))
    if not any(_does_the_same(one, code) for one in made):
        raise NotCompilable(f"'{name}', whose source has changed since")
    return tree


def _does_the_same(one: CodeType, other: CodeType) -> bool:
    """Whether two functions are the same instructions, names and constants."""
    first, second = (
        (code.co_code, code.co_names, code.co_varnames, code.co_argcount, repr(code.co_consts)) for code in (one, other)
    )
    return first == second


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


class _Rewriter(ast.NodeVisitor):
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
        self, formulas: Formulas, function: FunctionType, arguments: Collection[str], kinds: _Kinds | None
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
        raise self._unknown(node)

    def _several(self, node: ast.Tuple) -> ast.expr:
        """What an optimizer returns; * before a call stands for all that it returns."""
        return ast.Tuple(
            [
                ast.Starred(self._require_number(one.value), ast.Load())
                if isinstance(one, ast.Starred)
                else self._require_number(one)
                for one in node.elts
            ],
            ast.Load(),
        )

    # --- expressions ---

    def generic_visit(self, node: ast.AST) -> Any:
        """What has no rule below has none in a program."""
        raise self._unknown(node)

    def visit_Constant(self, node: ast.Constant) -> ast.expr:
        return self._constant(node.value)

    def visit_Name(self, node: ast.Name) -> ast.expr:
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
        if not isinstance(node.op, ast.USub | ast.UAdd):
            raise self._unknown(node)
        value = self._require_number(node.operand)
        made: ast.expr = ast.UnaryOp(node.op, value)
        if value in self.wholes and not _literal(value):
            made = _without_sign(made)
        return self._made_of(self._with_kind(made, whole=self.wholes.get(value)), value)

    def visit_Compare(self, node: ast.Compare) -> ast.expr:
        if len(node.ops) > 1 or not isinstance(node.ops[0], _COMPARED):
            raise self._unknown(node)
        left, right = self.visit(node.left), self.visit(node.comparators[0])
        self._check_wholes(left, right)
        first, second = self._together(left, right)
        return self._made_of(self._with_kind(ast.Compare(first, node.ops, [second]), truth=True), left, right)

    def visit_BinOp(self, node: ast.BinOp) -> ast.expr:
        if isinstance(node.op, ast.Pow):
            return self._power(node.left, node.right)
        left, right, op = self.visit(node.left), self.visit(node.right), node.op
        truths = {left in self.truths, right in self.truths}
        if truths == {True} and not isinstance(op, _OF_TRUTHS):
            raise self._refusal("a sum or the like of two comparisons")
        allowed = _OF_TRUTHS if truths == {True} else _OF_BOTH if True in truths else _OF_NUMBERS
        if not isinstance(op, allowed):
            raise self._unknown(node)
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
            made = ast.Call(ast.Name("raised", ast.Load()), [first, second], [])
        elif power is None or not power.is_integer() or abs(power) >= 2**31:
            made = self._with_kind(ast.BinOp(first, ast.Pow(), second), whole=self._reach(ast.Pow(), left, right))
        else:
            made = ast.BinOp(first, ast.Pow(), ast.Constant(abs(int(power))))
            if power < 0:  # of 0.0 to a whole power below 0 Numba makes an error, where NumPy has infinity
                made = ast.BinOp(ast.Constant(1.0), ast.Div(), made)
            else:
                made = self._with_kind(made, whole=self._reach(ast.Pow(), left, right))
        return self._made_of(made, left, right)

    def visit_Call(self, node: ast.Call) -> ast.expr:
        value = self._callee(node.func)
        if value is pow and len(node.args) == 2 and not node.keywords:
            return self._power(*node.args)
        if isinstance(value, FunctionType) and not _helper(value):
            return self._own_formula(node, value)
        is_where = value is np.where
        name = "abs" if value is abs else "select" if is_where else _helper(value)
        if not name:
            raise self._unknown(node.func)
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
        given = [*tests, *(self._together(*meets, one)[-1] for one in numbers)]
        made = self._with_kind(ast.Call(self._function_name(name), given, []), whole=self._farthest(name, numbers))
        return self._made_of(
            made,
            *(test if test and self.kinds.get(one) == "plain" else one for one in numbers),
            by_numpy=value is not abs,
        )

    def _own_formula(self, node: ast.Call, function: FunctionType) -> ast.expr:
        """A call of another formula, which is written for floats."""
        arguments = [self._require_number(one) for one in node.args]
        keywords = [ast.keyword(one.arg, self._require_number(one.value)) for one in node.keywords]
        if self.wholes.keys() & {*arguments, *(one.value for one in keywords)}:
            raise self._refusal(f"a whole number for '{function.__name__}'; write 2.0 in place of 2")
        kinds = None
        if self.rounds:
            names = function.__code__.co_varnames[: len(arguments)]
            of_names = [*zip(names, arguments, strict=False), *((one.arg, one.value) for one in keywords)]
            kinds = frozenset((name, self.kinds[given]) for name, given in of_names if name and given in self.kinds)
        name = self.formulas.name(function, _defaulted_arguments(function, node), kinds)
        made = self._with_kind(
            ast.Call(self._function_name(name), arguments, keywords), whole=self.formulas.reaches[name]
        )
        kind = self.formulas.kinds[name]
        if kind:
            self.kinds[made] = kind
        return made

    def _farthest(self, name: str, numbers: list[ast.expr]) -> float | None:
        """How far from 0 the one of some whole numbers may be that a helper gives."""
        if name not in _OF_WHOLES or not numbers or not self.wholes.keys() >= set(numbers):
            return None
        return max(self.wholes[one] for one in numbers)

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
        kinds = {self.kinds.get(one) for one in parts}
        if kinds == {"plain"} and not by_numpy:
            self.kinds[node] = "plain"
        elif node not in self.truths and ("wide" in kinds or not self._has_float32(parts)):
            self.kinds[node] = "wide"
        return node

    def _has_float32(self, parts: Sequence[ast.expr]) -> bool:
        return any(one not in self.kinds and one not in self.truths for one in parts)

    def _together(self, *parts: ast.expr) -> list[ast.expr]:
        """Expressions that meet each other: those that are plain are rounded where one is of float32, and none wide."""
        wide = any(self.kinds.get(one) == "wide" for one in parts)
        return list(parts) if wide or not self._has_float32(parts) else [self._round_constant(one) for one in parts]

    def _round_constant(self, node: ast.expr) -> ast.expr:
        """A plain number as it is beside arrays of float32; what this has exactly stays as it is."""
        is_exact = node in self.truths or self.wholes.get(node, math.inf) <= _EXACT_IN_FLOAT32
        if not self.rounds or self.kinds.get(node) != "plain" or is_exact:
            return node
        number = _literal(node)
        if number is None:
            module = self._function_name("np")
            single = ast.Call(ast.Attribute(module, "float32", ast.Load()), [node], [])
            return ast.Call(ast.Attribute(module, "float64", ast.Load()), [single], [])
        with np.errstate(over="ignore"):
            return _float(self.function, float(np.float32(number)))

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
        if not all(one in self.wholes or one in self.truths for one in parts):
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
        if any(self.wholes.get(one, 0.0) >= _EXACT for one in parts):
            raise self._too_large()

    def _too_large(self) -> NotCompilable:
        return self._refusal("whole numbers beyond 2**53; write 2.0 in place of 2")

    def _function_name(self, name: str) -> ast.Name:
        """A function of the program."""
        if name in self.own:
            raise self._refusal(f"a variable with the name of {name}")
        return ast.Name(name, ast.Load())

    def _unknown(self, node: ast.AST) -> NotCompilable:
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
