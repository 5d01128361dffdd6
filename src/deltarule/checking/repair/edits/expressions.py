"""Edits of an expression: other operands of the program, and usual slips the other way round.

Each edit is evaluated first with the local values that were recorded where the expression stands. What fails there, or
has the value of an earlier edit, is not tried.
"""

import ast
import itertools
import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from math import inf
from time import thread_time
from types import ModuleType
from typing import Any

import numpy as np

from deltarule.checking.repair.edits.derivatives import OPERATORS, VARIABLE, derivatives_of_functions
from deltarule.checking.repair.probe import PART, Place, as_numpy
from deltarule.checking.repair.program import Program

UNARY = {
    "-({s})": 0.8,
    "1 - ({s})": 1.4,
    "2 * ({s})": 1.1,
    "({s}) / 2": 1.5,
    "({s}) / 4": 1.6,
    "({s}) ** 2": 1.5,
    "1 / ({s})": 1.5,
    "({s}) * (1 - ({s}))": 1.9,
    "1 - ({s}) ** 2": 1.9,
    "({s}) > 0": 1.5,
    "abs({s})": 1.8,
}
"""Forms of an expression s alone, which keep its shape, with their costs."""
RESHAPED = {
    "({s}).T": 1.3,
    "({s})[:, None]": 1.2,
    "({s})[None, :]": 1.4,
    "({s}).sum(0)": 0.7,
    "({s}).sum(1)": 1.2,
    "({s}).sum()": 1.4,
    "({s}).sum(0, keepdims=True)": 0.9,
    "({s}).sum(1, keepdims=True)": 1.0,
    "({s}).sum(-1, keepdims=True)": 1.1,
    "({s}).sum(-1)": 1.2,
    "({s}).sum((0, 1))": 1.4,
    "({s}).sum((0, 2, 3))": 1.4,
    "({s}).mean(0)": 1.6,
    "({s}).mean()": 1.8,
    "({s})[::-1]": 1.2,
    "({s})[:, ::-1]": 1.8,
    "({s})[..., ::-1, ::-1]": 1.8,
    "({s})[0]": 1.8,
    "({s})[-1]": 1.8,
    "({s}).swapaxes(-1, -2)": 1.4,
    "({s}).swapaxes(1, 2)": 1.5,
}
WITH_VALUE = {
    "({s}) * {n}": 1.0,
    "({s}) + {n}": 1.1,
    "({s}) - {n}": 1.1,
    "({s}) / {n}": 1.1,
    "{n} - ({s})": 1.5,
    "({s}) * (1 - {n})": 1.3,
    "({s}) * (1 - {n} ** 2)": 1.2,
    "({s}) * {n} * (1 - {n})": 1.2,
    "({s}) * ({n} > 0)": 1.1,
    "({s}) * {np}.sign({n})": 1.2,
    "({s}) * {n} ** 2": 1.6,
    "({s}) / {n} ** 2": 1.7,
    "({s}) * {np}.exp({n})": 1.9,
    "({s}) @ {n}": 1.5,
    "{n} @ ({s})": 1.5,
    "({s}) @ {n}.T": 1.6,
    "{n}.T @ ({s})": 1.6,
}
"""Forms of an expression s with another value n of the program."""
WITH_COUNT = {
    "({s}) / {n}": 0.9,
    "({s}) * {n}": 1.0,
    "({s}) * {n} / ({n} - 1)": 1.9,
    "({s}) * ({n} - 1) / {n}": 1.9,
    "({s}) / ({n} - 1)": 1.5,
}
_PURE_FUNCTIONS = {
    *("dot", "sum", "mean", "reshape", "transpose", "len", "float", "copy", "astype", "max", "outer", "exp", "log"),
    *("tanh", "sqrt", "abs", "where", "maximum", "sign", "square", "swapaxes"),
}
MAX_TEXT = 34
"""Characters of a piece of the program that is used elsewhere."""
COST_OF_SHAPE = 0.8
"""The cost of an edit after which its statement has another shape."""
COST_OF_OTHER_GLOBAL, GAIN_OF_UNUSED = 0.6, 0.5
"""The cost of a global name that the function does not use; the gain of a variable that it sets and never reads."""
COST_OF_CHARACTER, COST_OF_DEPTH = 0.005, 0.02
"""So that of equal edits the shortest one of the largest expression is found first."""
MAX_EDITS_A_PLACE, SECONDS_FOR_ATOMS, MAX_ATOMS = 2500, 0.3, 45
MAX_CONSTANTS = 6
MAX_SIZE = 4_000_000
"""Entries of a value that an edit may make."""


def is_whole(value: Any) -> bool:
    return isinstance(value, int | np.integer) and not isinstance(value, bool)


def is_mask(value: Any) -> bool:
    return isinstance(value, bool | np.bool_) or (isinstance(value, np.ndarray) and value.dtype.kind == "b")


def is_numeric(value: Any) -> bool:
    if is_whole(value) or isinstance(value, float | np.number):
        return True
    plain = as_numpy(value)
    return isinstance(plain, np.ndarray) and plain.dtype.kind in "fiub" and plain.size > 0


def shape_of(value: Any) -> tuple[int, ...]:
    shape = getattr(value, "shape", ())
    return tuple(shape) if isinstance(shape, tuple) else ()


def key_of(value: Any) -> Any:
    """What is equal for values that count as equal."""
    if isinstance(value, tuple | list):
        return tuple(map(key_of, value))
    if is_numeric(value) or is_mask(value):
        rounded = np.round(np.asarray(as_numpy(value), float), 10) + 0.0
        return shape_of(value), is_mask(value), rounded.tobytes()
    return repr(value)[:200]


def size_in_words(text: str) -> float:
    return len(text) / 25


@dataclass(frozen=True)
class Text:
    """What may take the place of an expression; with `keeps_shape` only if its statement's value keeps its shape."""

    text: str
    cost: float
    keeps_shape: bool = False
    is_copy: bool = False


@dataclass(frozen=True, eq=False)
class ExpressionEdit:
    """An edit of a place, with the values that the statement has with it, at each recorded visit."""

    text: str
    cost: float
    values: list[Any]


def evaluate(text: str, place: Place) -> list[Any]:
    """The values of a text where a place stands, at each recorded visit."""
    code = compile(text, "<edit>", "eval")
    values = [eval(code, place.function.namespace, dict(names)) for names in place.environments]
    if any(getattr(value, "size", 0) > MAX_SIZE for value in values if isinstance(value, np.ndarray)):
        raise ValueError
    return values


def evaluate_far(text: str, place: Place) -> Any:
    """The value of a text where a place stands, at another point; None without one."""
    if place.far is None:
        return None
    with place.far.arranged():
        return eval(text, place.function.namespace, dict(place.far.names))


class Atoms:
    """The pieces of the program that have a number at some place, nearest first."""

    def __init__(self, program: Program) -> None:
        self.pieces: dict[str, ast.AST] = {}
        for file in program.files:
            functions = [n for n in ast.walk(file.tree) if isinstance(n, ast.FunctionDef | ast.Lambda)]
            for owner in [file.tree, *functions]:
                for node in ast.walk(owner):
                    if isinstance(node, ast.Subscript | ast.Attribute | ast.Call | ast.BinOp) and _is_pure(node):
                        text = ast.unparse(node)
                        if len(text) <= MAX_TEXT:
                            self.pieces[text] = owner
        constants = [
            getattr(one, "value", 0.0) for file in program.files for one in ast.walk(file.tree) if _is_decimal(one)
        ]
        self.constants = [repr(value) for value in dict.fromkeys(constants)][:MAX_CONSTANTS]
        self._cache: dict[tuple[int, int], tuple[list[tuple[str, Any]], list[str], list[str]]] = {}

    def at(self, place: Place) -> tuple[list[tuple[str, Any]], list[str], list[str]]:
        """Texts with numeric values, texts of whole numbers such as len(x), and other local names."""
        key = (id(place.function), place.line)
        if key not in self._cache:
            self._cache[key] = self._find(place)
        return self._cache[key]

    def _find(self, place: Place) -> tuple[list[tuple[str, Any]], list[str], list[str]]:
        names, namespace = place.environments[0], place.function.namespace
        own = [f"self.{name}" for name in getattr(names.get("self"), "__dict__", ())]
        plain_globals = [name for name, value in namespace.items() if isinstance(value, int | float)]
        near = sorted(self.pieces, key=lambda text: (self.pieces[text] is not place.function.node, len(text)))
        used = {one.id for one in ast.walk(place.function.node) if isinstance(one, ast.Name)}
        others = sorted(namespace, key=lambda name: name not in used)
        numbers: list[tuple[str, Any]] = []
        whole: dict[Any, list[str]] = {}
        rest: list[str] = []
        seen, end = set(), thread_time() + SECONDS_FOR_ATOMS
        for text in dict.fromkeys([*names, *plain_globals, *own, *near, *self.constants, *others]):
            if text.startswith("_") or thread_time() > end or len(numbers) > MAX_ATOMS:
                continue
            try:
                values = evaluate(text, place)
            except Exception:  # of a combination of the user's own values that means nothing
                continue
            if is_whole(values[0]) and all(map(is_whole, values)):
                whole.setdefault(tuple(values), []).append(text)
            elif all(map(is_numeric, values)):
                for length, counted in _counts(text, values):
                    whole.setdefault(counted, []).append(length)
                key = key_of(values)
                if key not in seen or not np.any(as_numpy(values[0])):
                    seen.add(key)
                    numbers.append((text, values[0]))
            elif (
                not isinstance(values[0], ModuleType | str | type) and (text in names or text in own) and len(rest) < 12
            ):
                rest.append(text)
        return numbers, [text for texts in whole.values() for text in sorted(texts, key=len)[:3]], rest


def _functions_of_one(trees: Sequence[ast.Module]) -> list[str]:
    """The names of the program's functions of one argument, such as its activations."""
    found = []
    for statement in [statement for tree in trees for statement in tree.body]:
        if isinstance(statement, ast.FunctionDef) and len(statement.args.args) == 1:
            found.append(statement.name)
        elif isinstance(statement, ast.Assign) and isinstance(statement.value, ast.Lambda):
            if len(statement.value.args.args) == 1 and isinstance(statement.targets[0], ast.Name):
                found.append(statement.targets[0].id)
    return found[:6]


def _is_decimal(node: ast.AST) -> bool:
    """Whether a node is a decimal number, which may be a factor of the forward pass."""
    return isinstance(node, ast.Constant) and isinstance(node.value, float) and node.value not in (0.0, 1.0, 0.5, 2.0)


def _counts(text: str, values: Sequence[Any]) -> Iterator[tuple[str, tuple[int, ...]]]:
    """The lengths and sizes of an array, as text and as numbers."""
    shapes = [shape_of(value) for value in values]
    if isinstance(ast.parse(text, mode="eval").body, ast.BinOp | ast.UnaryOp):
        return
    for i in range(min(map(len, shapes))):
        if max(shape[i] for shape in shapes) > 1:
            yield f"{text}.shape[{i}]" if len(shapes[0]) > 1 else f"len({text})", tuple(shape[i] for shape in shapes)
    if len(shapes[0]) > 1:
        yield f"{text}.size", tuple(int(np.prod(shape)) for shape in shapes)


@cache
def _names_in(text: str) -> set[str]:
    return {one.id for one in ast.walk(ast.parse(text)) if isinstance(one, ast.Name)}


def _is_pure(node: ast.AST) -> bool:
    for one in ast.walk(node):
        if isinstance(one, ast.Lambda | ast.NamedExpr | ast.JoinedStr):
            return False
        if isinstance(one, ast.Call) and ast.unparse(one.func).rpartition(".")[2] not in _PURE_FUNCTIONS:
            return False
    return True


class ExpressionEdits:
    """Writes the edits of a place."""

    def __init__(self, program: Program) -> None:
        self.atoms = Atoms(program)
        trees = [file.tree for file in program.files]
        nodes = [node for tree in trees for node in ast.walk(tree)]
        self._cheapest: dict[ast.expr, dict[Any, float]] = {}
        self._used: dict[ast.AST, set[str]] = {}
        self.formulas = derivatives_of_functions(
            [node for node in nodes if isinstance(node, ast.FunctionDef | ast.Lambda)]
        )
        self.functions = _functions_of_one(trees)
        aliases = [one for node in nodes if isinstance(node, ast.Import) for one in node.names]
        self.numpy = next((one.asname or one.name for one in aliases if one.name in ("numpy", "jax.numpy")), "np")

    def texts(self, place: Place) -> list[Text]:
        """What may take the place of an expression, the cheapest first; `evaluated` says what comes of it."""
        at, template = _at(place)
        text = ast.unparse(place.node)
        with suppress(Exception):
            values = key_of(at.values), key_of(evaluate_far(template.replace(PART, f"({text})"), at))
            self._cheapest.setdefault(at.node, {})[values] = 0.0
        found = [Text(*one) for one in self._texts(place)]
        is_name = isinstance(place.node, ast.Name | ast.Attribute | ast.Subscript)
        if is_name and isinstance(place.values[0], np.ndarray | list):
            found.append(Text(f"{text}.copy()", 0.8 if place.whole is place else 1.6, is_copy=True))
        return sorted(found, key=lambda one: one.cost)[:MAX_EDITS_A_PLACE]

    def evaluated(self, place: Place, edit: Text) -> ExpressionEdit | None:
        """An edit with the values that its statement has with it; None if it fails, or they are an earlier one's."""
        at, template = _at(place)
        if edit.is_copy:
            return ExpressionEdit(edit.text, edit.cost, at.values)
        text, key = ast.unparse(place.node), None
        with suppress(Exception), np.errstate(all="ignore"):
            new = template.replace(PART, f"({edit.text})")
            values = evaluate(new, at)
            key = key_of(values), key_of(evaluate_far(new, at))
            has_same_shape = shape_of(values[0]) == shape_of(at.values[0])
        if key is None or (edit.keeps_shape and not has_same_shape):
            return None
        longer = max(0, len(edit.text.replace(f"({text})", text)) - len(text))
        cost = edit.cost + (not has_same_shape) * COST_OF_SHAPE + longer * COST_OF_CHARACTER
        cost += place.depth * COST_OF_DEPTH
        cheapest = self._cheapest.setdefault(at.node, {})
        if cost >= cheapest.get(key, inf):
            return None
        cheapest[key] = cost
        return ExpressionEdit(edit.text, cost, values)

    def _texts(self, place: Place) -> Iterator[tuple[str, float, bool]]:
        node, value = place.node, place.values[0]
        text, is_simple = ast.unparse(node), isinstance(node, ast.Name | ast.Attribute | ast.Subscript)
        numbers, whole, rest = self.atoms.at(place)
        known = self._names_used(place) | set(place.environments[0])

        unused = self._names_unused(place)

        def far(text: str) -> float:
            names = _names_in(text)
            return (0.0 if names <= known else COST_OF_OTHER_GLOBAL) - GAIN_OF_UNUSED * bool(names & unused)

        yield from ((edit, cost, False) for edit, cost in structural_edits(node, self.numpy))
        if _is_axis(place):
            written = ast.unparse(place.function.node)
            for axis in ("0", "1", "-1", "2"):
                yield axis, 0.3 if f"axis={axis}," in written or f"axis={axis})" in written else 0.4, False
        if isinstance(node, ast.Constant | ast.UnaryOp | ast.BinOp) and is_numeric(value) and not shape_of(value):
            for edit, cost in self._in_place_of_constant(numbers):
                yield edit, cost, False
        if is_whole(value):
            yield from _edits_of_count(text, whole)
        if not is_numeric(value) and not is_mask(value):
            yield from ((name, 1 + size_in_words(name), False) for name in rest)
            return
        if is_simple or shape_of(value) or isinstance(node, ast.Call):
            for name, _ in numbers:
                yield name, 1 + size_in_words(name) + (not is_simple) + far(name), False
        if is_mask(value):
            for name, other in numbers:
                yield f"{name} > 0", 1.5 + size_in_words(name), False
                if not shape_of(other):
                    yield f"{self.numpy}.where({text}, 1, {name})", 2 + size_in_words(name), False
            if not shape_of(value):
                return
        if is_whole(value) and not isinstance(node, ast.BinOp | ast.Call):
            return
        is_negative = any(isinstance(one, ast.UnaryOp) for one in (node, place.owner))
        for form, cost in UNARY.items():
            if not (is_negative and form.startswith("-")):
                yield form.format(s=text), cost, True
        if shape_of(value):
            likelier = COST_OF_SHAPE if _is_in_product(place) else 0.0
            for form, cost in RESHAPED.items():
                yield form.format(s=text), cost - likelier * (form == "({s}).T"), False
        for form, cost in WITH_COUNT.items():
            for name in whole:
                other_axis = 0.4 if re.search(r"shape\[[1-9]\]$", name) else 0.0
                yield form.format(s=text, n=name), cost + size_in_words(name) + far(name) + other_axis, True
        if isinstance(node, ast.Call) and ".mean(" in text:
            summed = text.replace(".mean(", ".sum(", 1)
            yield from ((f"{summed} / {name}", 2 + size_in_words(name), True) for name in whole)
        for name, other in numbers:
            needs_axis = len(shape_of(other)) == len(shape_of(value)) - 1 > 0
            for operand in [name, f"{name}[..., None]"][: 1 + needs_axis]:
                operand = operand if re.fullmatch(r"[\w.\[\]'\", :()]+", operand) else f"({operand})"
                for form, cost in WITH_VALUE.items():
                    if name == text:
                        continue
                    edit = form.format(s=text, n=operand, np=self.numpy)
                    yield edit, cost + size_in_words(operand) + far(name), True
        for function in self.functions:
            if function != place.function.name and function in place.function.namespace:
                yield f"{function}({text})", 1.2, True
        yield from self._with_derivatives(place, numbers)

    def _names_unused(self, place: Place) -> set[str]:
        """The names that a function sets and never reads: they are probably forgotten somewhere."""
        names = [one for one in ast.walk(place.function.node) if isinstance(one, ast.Name)]
        read = {one.id for one in names if isinstance(one.ctx, ast.Load)}
        return {one.id for one in names if isinstance(one.ctx, ast.Store)} - read

    def _in_place_of_constant(self, numbers: Sequence[tuple[str, Any]]) -> Iterator[tuple[str, float]]:
        """A value, its sign, or its sums, where a number stands."""
        for name, value in numbers:
            cost = 1.3 + size_in_words(name)
            yield name, cost
            if not shape_of(value):
                continue
            yield f"{self.numpy}.sign({name})", cost
            yield f"{name}[:, None]", cost + 0.2
            yield f"{name}[:, None, None]", cost + 0.3
            if len(shape_of(value)) > 1:
                for axis in ("1", "0"):
                    yield f"-{name}.sum(axis={axis})", cost + 0.3
                    yield f"{name}.sum(axis={axis})", cost + 0.4

    def _names_used(self, place: Place) -> set[str]:
        """The names that a function itself uses; another global is rarely meant."""
        node = place.function.node
        if node not in self._used:
            self._used[node] = {one.id for one in ast.walk(node) if isinstance(one, ast.Name)}
            self._used[node] |= {self.numpy, "len", "float", "abs"}
        return self._used[node]

    def _with_derivatives(self, place: Place, numbers: Sequence[tuple[str, Any]]) -> Iterator[tuple[str, float, bool]]:
        """The derivatives of the program's own formulas, at values of this place."""
        shape, text = shape_of(place.values[0]), ast.unparse(place.node)
        near = [name for name, v in numbers if shape in (shape_of(v), shape_of(v)[1:]) or shape_of(v) == shape[1:]][:14]
        for derivative in self.formulas:
            for name in near if VARIABLE in derivative else [""]:
                edit = derivative.replace(VARIABLE, f"({name})" if not name.isidentifier() else name)
                cost = 1.7 + size_in_words(name) + size_in_words(derivative) / 4
                yield edit, cost, True
                yield f"({text}) * ({edit})", cost, True


def _at(place: Place) -> tuple[Place, str]:
    """The whole value that an edit of a place changes, and its text with `PART` in this place."""
    whole = place.whole
    return (whole, place.template) if whole is not None and whole.values else (place, PART)


_REDUCTIONS = ("sum", "mean", "max", "min", "std", "var", "argmax", "softmax")


def _is_axis(place: Place) -> bool:
    """Whether a place is the axis of a sum."""
    if not isinstance(place.node, ast.Constant | ast.UnaryOp) or not is_whole(place.values[0]):
        return False
    owner = place.owner
    if isinstance(owner, ast.keyword):
        return owner.arg == "axis"
    is_call = isinstance(owner, ast.Call) and place.slot == "args"
    return is_call and ast.unparse(owner.func).rpartition(".")[2] in _REDUCTIONS  # type: ignore[attr-defined]


def _is_in_product(place: Place) -> bool:
    owner = place.owner
    if isinstance(owner, ast.BinOp):
        return isinstance(owner.op, ast.MatMult)
    is_call = isinstance(owner, ast.Call) and place.slot == "args"
    return is_call and ast.unparse(owner.func).rpartition(".")[2] in ("dot", "matmul")  # type: ignore[attr-defined]


def _edits_of_count(text: str, whole: Sequence[str]) -> Iterator[tuple[str, float, bool]]:
    for name in whole:
        yield name, 1 + size_in_words(name), False
        for operator in "+-*":
            yield f"({text}) {operator} {name}", 1.5 + size_in_words(name), False
    for one, other in itertools.permutations(whole[:14], 2):
        for operator in ("*", "//", "-"):
            yield f"{one} {operator} {other}", 2.5 + size_in_words(one + other), False


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
    names = {ast.unparse(node) for node in nodes if isinstance(node, ast.Name | ast.Attribute)}
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
