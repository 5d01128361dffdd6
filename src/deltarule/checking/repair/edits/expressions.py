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
from typing import Any

import numpy as np

from deltarule.checking.repair.edits.derivatives import VARIABLE, derivatives_of_functions
from deltarule.checking.repair.edits.pieces import (
    Atoms,
    evaluate,
    evaluate_far,
    is_axis,
    is_in_product,
    is_mask,
    is_numeric,
    is_whole,
    key_of,
    one_argument_functions,
    shape_of,
)
from deltarule.checking.repair.edits.structure import FORMS, formed, structural_edits
from deltarule.checking.repair.labels import assigned_name
from deltarule.checking.repair.probe import PART, EditPlace
from deltarule.checking.repair.program import RunningProgram
from deltarule.checking.repair.roles import has_gradient, is_gradient, is_named_after

STRAYS = {"({s}) + {n}", "({s}) - {n}", "{n} - ({s})", "({s}) / {n}", "({s}) * ({n} > 0)"}
"""Forms by which a gradient is no longer one, but for another gradient or a penalty; and those that fit by chance."""
COST_OF_SHAPE = 0.8
"""The cost of an edit after which its statement has another shape."""
COST_OF_STRAY = 0.6
COST_OF_PARAMETER_SIZE = 0.8
"""The cost of a form that no gradient has; of a parameter's size as a count."""
COST_OF_OTHER_GLOBAL = 0.6
GAIN_OF_UNUSED = 0.5
"""The cost of a global name that the function does not use; the gain of a variable that it sets and never reads."""
COST_OF_CHARACTER = 0.005
COST_OF_DEPTH = 0.02
"""So that of equal edits the shortest one of the largest expression is found first."""
MAX_EDITS_A_PLACE = 2500


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


class ExpressionEdits:
    """Writes the edits of a place."""

    def __init__(self, program: RunningProgram, parameters: Sequence[str] = ()) -> None:
        self.atoms = Atoms(program)
        self.parameters = {re.findall(r"\w+", name)[-1] for name in parameters}
        trees = [file.tree for file in program.files]
        nodes = [node for tree in trees for node in ast.walk(tree)]
        self._cheapest: dict[ast.expr, dict[Any, float]] = {}
        self._used: dict[ast.AST, set[str]] = {}
        self.formulas = derivatives_of_functions(
            [node for node in nodes if isinstance(node, ast.FunctionDef | ast.Lambda)]
        )
        self.functions = one_argument_functions(trees)
        aliases = [a for node in nodes if isinstance(node, ast.Import) for a in node.names]
        self.numpy = next((a.asname or a.name for a in aliases if a.name in ("numpy", "jax.numpy")), "np")

    def texts(self, place: EditPlace) -> list[Text]:
        """What may take the place of an expression, the cheapest first; `evaluated` says what comes of it."""
        at, template = _whole_with_part(place)
        text = ast.unparse(place.node)
        with suppress(Exception):
            values = key_of(at.values), key_of(evaluate_far(template.replace(PART, f"({text})"), at))
            self._cheapest.setdefault(at.node, {})[values] = 0.0
        texts = [Text(*text) for text in self._texts(place)]
        is_name = isinstance(place.node, ast.Name | ast.Attribute | ast.Subscript)
        if is_name and isinstance(place.values[0], np.ndarray | list):
            texts.append(Text(f"{text}.copy()", 0.8 if place.whole is place else 1.6, is_copy=True))
        return sorted(texts, key=lambda text: text.cost)[:MAX_EDITS_A_PLACE]

    def evaluated(self, place: EditPlace, edit: Text) -> ExpressionEdit | None:
        """An edit with the values that its statement has with it; None if it fails, or they are an earlier one's."""
        at, template = _whole_with_part(place)
        if edit.is_copy:
            return ExpressionEdit(edit.text, edit.cost, at.values)
        text = ast.unparse(place.node)
        key = None
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

    def _texts(self, place: EditPlace) -> Iterator[tuple[str, float, bool]]:
        node = place.node
        value = place.values[0]
        text = ast.unparse(node)
        is_simple = isinstance(node, ast.Name | ast.Attribute | ast.Subscript)
        numbers, whole, rest = self.atoms.at(place)
        known = self._names_used(place) | set(place.environments[0])

        unused = self._names_unused(place)

        def far(text: str) -> float:
            names = _names_in(text)
            return (0.0 if names <= known else COST_OF_OTHER_GLOBAL) - GAIN_OF_UNUSED * bool(names & unused)

        yield from ((edit, cost, False) for edit, cost in structural_edits(node, self.numpy))
        if is_axis(place):
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
        if is_mask(value) or (is_simple and shape_of(value)):
            for name, other in numbers:
                if is_mask(value) or shape_of(other) == shape_of(value):
                    yield f"{name} > 0", 1.4 + 0.1 * is_mask(value) + size_in_words(name), False
        if is_mask(value):
            for name, other in numbers:
                if not shape_of(other):
                    yield f"{self.numpy}.where({text}, 1, {name})", 2 + size_in_words(name), False
            if not shape_of(value):
                return
        if is_whole(value) and not isinstance(node, ast.BinOp | ast.Call):
            return
        is_added = isinstance(place.owner, ast.AugAssign) and isinstance(place.owner.op, ast.Add | ast.Sub)
        is_negative = is_added or any(
            isinstance(node, ast.UnaryOp) for node in (node, place.owner)
        )  # -= for += says more
        for form, cost in FORMS["alone"].items():
            if not (is_negative and form.startswith("-")):
                yield form.format(s=text), cost, True
        if shape_of(value):
            likelier = COST_OF_SHAPE if is_in_product(place) else 0.0
            for form, cost in FORMS["reshaped"].items():
                yield form.format(s=text), cost - likelier * (form == "({s}).T"), False
        for form, cost in FORMS["with_count"].items():
            for name in whole:
                unlikely = 0.4 * bool(re.search(r"shape\[[1-9]\]$", name))
                unlikely += COST_OF_PARAMETER_SIZE * bool(self.parameters & set(re.findall(r"\w+", name)))
                yield form.format(s=text, n=name), cost + size_in_words(name) + far(name) + unlikely, True
        if isinstance(node, ast.Call) and ".mean(" in text:
            summed = text.replace(".mean(", ".sum(", 1)
            yield from ((f"{summed} / {name}", 2 + size_in_words(name), True) for name in whole)
        for name, other in numbers:
            needs_axis = len(shape_of(other)) == len(shape_of(value)) - 1 > 0
            for operand in [name, f"{name}[..., None]"][: 1 + needs_axis]:
                operand = operand if re.fullmatch(r"[\w.\[\]'\", :()]+", operand) else f"({operand})"
                for form, cost in FORMS["with_value"].items():
                    if name == text:
                        continue
                    edit = form.format(s=text, n=operand, np=self.numpy)
                    stray = COST_OF_STRAY * (form in STRAYS and _is_stray(place, operand, other, form))
                    yield edit, cost + size_in_words(operand) + far(name) + stray, True
        for function in self.functions:
            if function != place.function.name and function in place.function.namespace:
                yield f"{function}({text})", 1.2, True
        if place.whole is place and has_gradient(assigned_name(place)):
            yield from _with_term(place, numbers)
        yield from self._with_derivatives(place, numbers)

    def _names_unused(self, place: EditPlace) -> set[str]:
        """The names that a function sets and never reads: they are probably forgotten somewhere."""
        names = [name for name in ast.walk(place.function.node) if isinstance(name, ast.Name)]
        read = {name.id for name in names if isinstance(name.ctx, ast.Load)}
        return {name.id for name in names if isinstance(name.ctx, ast.Store)} - read

    def _in_place_of_constant(self, numbers: Sequence[tuple[str, Any]]) -> Iterator[tuple[str, float]]:
        """A value, its sign, or its sums, where a number stands."""
        for name, value in numbers:
            kinds = ("for_number", "for_number_of_array", "for_number_of_table")
            for kind in kinds[: 1 + min(2, len(shape_of(value)))]:
                yield from ((text, cost + size_in_words(name)) for text, cost in formed(kind, n=name, np=self.numpy))

    def _names_used(self, place: EditPlace) -> set[str]:
        """The names that a function itself uses; another global is rarely meant."""
        node = place.function.node
        if node not in self._used:
            self._used[node] = {node.id for node in ast.walk(node) if isinstance(node, ast.Name)}
            self._used[node] |= {self.numpy, "len", "float", "abs"}
        return self._used[node]

    def _with_derivatives(
        self, place: EditPlace, numbers: Sequence[tuple[str, Any]]
    ) -> Iterator[tuple[str, float, bool]]:
        """The derivatives of the program's own formulas, at values of this place."""
        shape = shape_of(place.values[0])
        text = ast.unparse(place.node)
        near = [name for name, v in numbers if shape in (shape_of(v), shape_of(v)[1:]) or shape_of(v) == shape[1:]][:14]
        for derivative in self.formulas:
            for name in near if VARIABLE in derivative else [""]:
                edit = derivative.replace(VARIABLE, f"({name})" if not name.isidentifier() else name)
                cost = 1.7 + size_in_words(name) + size_in_words(derivative) / 4
                yield edit, cost, True
                yield f"({text}) * ({edit})", cost, True


def _is_stray(place: EditPlace, operand: str, value: Any, form: str) -> bool:
    """Whether a form with a value is hardly meant: a gradient with a value that is neither one nor a penalty."""
    if "* " in form or "/ " in form:  # a condition on one number is right by chance, as is a quotient of arrays
        return bool(shape_of(value)) == ("/ " in form)
    if not has_gradient(ast.unparse(place.node)) or has_gradient(operand):
        return False
    name = assigned_name(place.whole or place)
    return not any(is_named_after(name, word) for word in _names_in(operand))


def _with_term(place: EditPlace, numbers: Sequence[tuple[str, Any]]) -> Iterator[tuple[str, float, bool]]:
    """A gradient with another path's part, or with a penalty's."""
    text, name, local = ast.unparse(place.node), assigned_name(place), place.environments[0]
    near = [one for one, _ in numbers if one in local]
    upstream = [one for one in near if is_gradient(one)][-6:]
    for one, other in itertools.product(upstream, [one for one in near if not is_gradient(one)][:14]):
        yield f"{text} + {one} * {other}", 1.5 + size_in_words(one + other), True
    yield from ((f"{text} + {path}", 1.3 + size_in_words(path), True) for path in _through_products(place, numbers))
    constants = [label for label, value in numbers if not shape_of(value) and shape_of(place.values[0])]
    for constant, other in itertools.product(constants, near):
        if is_named_after(name, other):
            for penalty, cost in ((f"{constant} * {other}", 1.2), (f"2 * {constant} * {other}", 1.4)):
                yield f"{text} + {penalty}", cost + size_in_words(penalty), True


def _through_products(place: EditPlace, numbers: Sequence[tuple[str, Any]]) -> Iterator[str]:
    """What comes back through a product with a table, rows @ table or table @ columns, in the shape of a place."""
    shape = shape_of(place.values[0])
    shapes = {name: shape_of(value) for name, value in numbers}
    upstream = [name for name in shapes if is_gradient(name) and len(shapes[name]) == 2]
    tables = [name for name in shapes if not is_gradient(name) and len(shapes[name]) == 2]
    for one, table in itertools.product(upstream, tables):
        (rows, columns), (height, width) = shapes[one], shapes[table]
        if columns == width and shape == (rows, height):
            yield f"{one} @ {table}.T"
        if rows == height and shape == (width, columns):
            yield f"{table}.T @ {one}"


def _whole_with_part(place: EditPlace) -> tuple[EditPlace, str]:
    """The whole value that an edit of a place changes, and its text with `PART` in this place."""
    whole = place.whole
    return (whole, place.template) if whole is not None and whole.values else (place, PART)


def _edits_of_count(text: str, whole: Sequence[str]) -> Iterator[tuple[str, float, bool]]:
    for name in whole:
        yield name, 1 + size_in_words(name), False
        for operator in "+-*":
            yield f"({text}) {operator} {name}", 1.5 + size_in_words(name), False
    for one, other in itertools.permutations(whole[:14], 2):
        for operator in ("*", "//", "-"):
            yield f"{one} {operator} {other}", 2.5 + size_in_words(one + other), False


@cache
def _names_in(text: str) -> set[str]:
    return {node.id for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Name)}


def size_in_words(text: str) -> float:
    return len(text) / 25
