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
        texts = list(_Replacements(self, place).texts())
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

    def names_used(self, place: EditPlace) -> set[str]:
        """The names that a function itself uses; another global is rarely meant."""
        node = place.function.node
        if node not in self._used:
            self._used[node] = {node.id for node in ast.walk(node) if isinstance(node, ast.Name)}
            self._used[node] |= {self.numpy, "len", "float", "abs"}
        return self._used[node]


class _Replacements:
    """What may take the place of one expression, made of its text and of the values around it."""

    def __init__(self, edits: ExpressionEdits, place: EditPlace) -> None:
        self.edits = edits
        self.place = place
        self.text = ast.unparse(place.node)
        self.value = place.values[0]
        self.shape = shape_of(self.value)
        self.is_mask = is_mask(self.value)
        self.is_variable = isinstance(place.node, ast.Name | ast.Attribute | ast.Subscript)
        atoms = edits.atoms.at(place)
        self.numbers, self.counts, self.others = atoms.numbers, atoms.counts, atoms.others
        self._known = edits.names_used(place) | set(place.environments[0])
        self._unused = _names_unused(place)

    def texts(self) -> Iterator[Text]:
        node = self.place.node
        yield from (Text(edit, cost) for edit, cost in structural_edits(node, self.edits.numpy))
        if is_axis(self.place):
            written = ast.unparse(self.place.function.node)
            for axis in ("0", "1", "-1", "2"):
                is_used = f"axis={axis}," in written or f"axis={axis})" in written
                yield Text(axis, 0.3 if is_used else 0.4)
        is_formula = isinstance(node, ast.Constant | ast.UnaryOp | ast.BinOp)
        if is_formula and is_numeric(self.value) and not self.shape:
            yield from self._in_place_of_constant()
        if is_whole(self.value):
            yield from self._other_counts()
        if is_numeric(self.value) or self.is_mask:
            yield from self._texts_of_numbers()
        else:
            yield from (Text(name, 1 + size_in_words(name)) for name in self.others)

    def _texts_of_numbers(self) -> Iterator[Text]:
        yield from self._other_values()
        is_condition = self.is_mask and not self.shape
        is_index = is_whole(self.value) and not isinstance(self.place.node, ast.BinOp | ast.Call)
        if is_condition or is_index:
            return
        yield from self._forms_alone()
        yield from self._forms_with_count()
        yield from self._forms_with_value()
        function = self.place.function
        others = (name for name in self.edits.functions if name != function.name and name in function.namespace)
        yield from (Text(f"{name}({self.text})", 1.2, True) for name in others)
        if self.place.whole is self.place and has_gradient(assigned_name(self.place)):
            yield from self._with_term()
        yield from self._with_derivatives()

    def _cost_of_names(self, text: str) -> float:
        """The cost of the names in a text.

        A global that the function does not use adds to the cost; a forgotten name lowers it.
        """
        names = _names_in(text)
        return (0.0 if names <= self._known else COST_OF_OTHER_GLOBAL) - GAIN_OF_UNUSED * bool(names & self._unused)

    def _in_place_of_constant(self) -> Iterator[Text]:
        """A value, its sign, or its sums, where a number stands."""
        for name, value in self.numbers:
            kinds = ("for_number", "for_number_of_array", "for_number_of_table")
            for kind in kinds[: 1 + min(2, len(shape_of(value)))]:
                texts = formed(kind, n=name, np=self.edits.numpy)
                yield from (Text(text, cost + size_in_words(name)) for text, cost in texts)

    def _other_counts(self) -> Iterator[Text]:
        for name in self.counts:
            yield Text(name, 1 + size_in_words(name))
            for operator in "+-*":
                yield Text(f"({self.text}) {operator} {name}", 1.5 + size_in_words(name))
        for one, other in itertools.permutations(self.counts[:14], 2):
            for operator in ("*", "//", "-"):
                yield Text(f"{one} {operator} {other}", 2.5 + size_in_words(one + other))

    def _other_values(self) -> Iterator[Text]:
        """Another value or mask, or a condition on one."""
        if self.is_variable or self.shape or isinstance(self.place.node, ast.Call):
            for name, _ in self.numbers:
                yield Text(name, 1 + size_in_words(name) + (not self.is_variable) + self._cost_of_names(name))
        if self.is_mask or (self.is_variable and self.shape):
            for name, other in self.numbers:
                if self.is_mask or shape_of(other) == self.shape:
                    yield Text(f"{name} > 0", 1.4 + 0.1 * self.is_mask + size_in_words(name))
        if self.is_mask:
            for name, other in self.numbers:
                if not shape_of(other):
                    yield Text(f"{self.edits.numpy}.where({self.text}, 1, {name})", 2 + size_in_words(name))

    def _forms_alone(self) -> Iterator[Text]:
        """The expression negated, squared, transposed or with another such form."""
        owner = self.place.owner
        is_added = isinstance(owner, ast.AugAssign) and isinstance(owner.op, ast.Add | ast.Sub)
        is_negative = is_added or any(isinstance(node, ast.UnaryOp) for node in (self.place.node, owner))
        for form, cost in FORMS["alone"].items():
            if not (is_negative and form.startswith("-")):  # -= for += says more
                yield Text(form.format(s=self.text), cost, True)
        if self.shape:
            likelier = COST_OF_SHAPE if is_in_product(self.place) else 0.0
            for form, cost in FORMS["reshaped"].items():
                yield Text(form.format(s=self.text), cost - likelier * (form == "({s}).T"))

    def _forms_with_count(self) -> Iterator[Text]:
        for form, cost in FORMS["with_count"].items():
            for name in self.counts:
                unlikely = 0.4 * bool(re.search(r"shape\[[1-9]\]$", name))
                unlikely += COST_OF_PARAMETER_SIZE * bool(self.edits.parameters & set(re.findall(r"\w+", name)))
                unlikely_cost = cost + size_in_words(name) + self._cost_of_names(name) + unlikely
                yield Text(form.format(s=self.text, n=name), unlikely_cost, True)
        if isinstance(self.place.node, ast.Call) and ".mean(" in self.text:
            summed = self.text.replace(".mean(", ".sum(", 1)
            yield from (Text(f"{summed} / {name}", 2 + size_in_words(name), True) for name in self.counts)

    def _forms_with_value(self) -> Iterator[Text]:
        for name, other in self.numbers:
            if name == self.text:
                continue
            needs_axis = len(shape_of(other)) == len(self.shape) - 1 > 0
            for operand in [name, f"{name}[..., None]"][: 1 + needs_axis]:
                operand = operand if re.fullmatch(r"[\w.\[\]'\", :()]+", operand) else f"({operand})"
                for form, cost in FORMS["with_value"].items():
                    edit = form.format(s=self.text, n=operand, np=self.edits.numpy)
                    stray = COST_OF_STRAY * (form in STRAYS and self._is_stray(operand, other, form))
                    yield Text(edit, cost + size_in_words(operand) + self._cost_of_names(name) + stray, True)

    def _is_stray(self, operand: str, value: Any, form: str) -> bool:
        """Whether a form with a value is hardly meant: a gradient with a value that is neither one nor a penalty."""
        if "* " in form or "/ " in form:  # a condition on one number is right by chance, as is a quotient of arrays
            return bool(shape_of(value)) == ("/ " in form)
        if not has_gradient(self.text) or has_gradient(operand):
            return False
        name = assigned_name(self.place.whole or self.place)
        return not any(is_named_after(name, word) for word in _names_in(operand))

    def _with_term(self) -> Iterator[Text]:
        """A gradient with another path's part, or with a penalty's."""
        near = [name for name, _ in self.numbers if name in self.place.environments[0]]
        upstream = [name for name in near if is_gradient(name)][-6:]
        for gradient, other in itertools.product(upstream, [name for name in near if not is_gradient(name)][:14]):
            yield Text(f"{self.text} + {gradient} * {other}", 1.5 + size_in_words(gradient + other), True)
        for path in self._through_products():
            yield Text(f"{self.text} + {path}", 1.3 + size_in_words(path), True)
        constants = [name for name, value in self.numbers if not shape_of(value) and self.shape]
        for constant, other in itertools.product(constants, near):
            if is_named_after(assigned_name(self.place), other):
                for penalty, cost in ((f"{constant} * {other}", 1.2), (f"2 * {constant} * {other}", 1.4)):
                    yield Text(f"{self.text} + {penalty}", cost + size_in_words(penalty), True)

    def _through_products(self) -> Iterator[str]:
        """What comes back through a product with a table, rows @ table or table @ columns, in this shape."""
        shapes = {name: shape_of(value) for name, value in self.numbers}
        upstream = [name for name in shapes if is_gradient(name) and len(shapes[name]) == 2]
        tables = [name for name in shapes if not is_gradient(name) and len(shapes[name]) == 2]
        for gradient, table in itertools.product(upstream, tables):
            (rows, columns), (height, width) = shapes[gradient], shapes[table]
            if columns == width and self.shape == (rows, height):
                yield f"{gradient} @ {table}.T"
            if rows == height and self.shape == (width, columns):
                yield f"{table}.T @ {gradient}"

    def _with_derivatives(self) -> Iterator[Text]:
        """Edits that use a derivative of the program's own formulas, alone or as a factor."""
        shapes = [(name, shape_of(value)) for name, value in self.numbers]
        near = [name for name, s in shapes if self.shape in (s, s[1:]) or s == self.shape[1:]][:14]
        for derivative in self.edits.formulas:
            for name in near if VARIABLE in derivative else [""]:
                edit = derivative.replace(VARIABLE, f"({name})" if not name.isidentifier() else name)
                cost = 1.7 + size_in_words(name) + size_in_words(derivative) / 4
                yield Text(edit, cost, True)
                yield Text(f"({self.text}) * ({edit})", cost, True)


def _names_unused(place: EditPlace) -> set[str]:
    """The names that a function sets and never reads: they are probably forgotten somewhere."""
    names = [name for name in ast.walk(place.function.node) if isinstance(name, ast.Name)]
    read = {name.id for name in names if isinstance(name.ctx, ast.Load)}
    return {name.id for name in names if isinstance(name.ctx, ast.Store)} - read


def _whole_with_part(place: EditPlace) -> tuple[EditPlace, str]:
    """The whole value that an edit of a place changes, and its text with `PART` in this place."""
    whole = place.whole
    return (whole, place.template) if whole is not None and whole.values else (place, PART)


@cache
def _names_in(text: str) -> set[str]:
    return {node.id for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Name)}


def size_in_words(text: str) -> float:
    return len(text) / 25
