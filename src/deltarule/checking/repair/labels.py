"""Say what a value of the backward pass is meant to be: the gradient of which value of the forward pass.

The right gradient of every value of the forward pass is measured: the value is moved while the loss is computed.
"""

import ast
import re
from collections.abc import Sequence
from dataclasses import dataclass
from time import thread_time
from typing import Any

import numpy as np

from deltarule.checking.numerics.reference_gradient import loss_at
from deltarule.checking.repair.probe import EditPlace, Probe, as_numpy, list_places, probed
from deltarule.checking.repair.program import RunningProgram
from deltarule.checking.repair.roles import GRADIENT_PREFIXES, is_gradient, is_named_after
from deltarule.checking.repair.trials import KnownPoint
from deltarule.checking.repair.wording import source_of
from deltarule.proofs.differences import Floats

DIRECTIONS = 4
"""Random directions in which a forward value is moved: a gradient is recognized by its slopes along them."""
_STEP = 2.0**-18


@dataclass(frozen=True, eq=False)
class Label:
    """A value of the forward pass, with the slopes of the loss along directions of it.

    `line` is 0 for a parameter; `at` is the number of the place in the forward pass, and the visit. A value without a
    name, from which another is computed as z in a = f(z), has the name of that one and its own `text`.
    """

    name: str
    line: int
    directions: Floats
    slopes: Floats
    at: tuple[int, int] = (0, 0)
    text: str = ""

    def __str__(self) -> str:
        return f"the gradient of {self.text or self.name}" + (f" (line {self.line})" if self.line else "")

    def factor_of(self, value: Any) -> float | None:
        """C for a value that is c times the gradient; None for any other value."""
        plain = as_numpy(value)
        shape = self.directions.shape[1:]
        if not isinstance(plain, np.ndarray | float | int) or squeezed(plain) != squeezed(self.directions[0]):
            return None
        if np.ndim(plain) == len(shape) and np.shape(plain) != shape:  # a row for a column
            return None
        numbers = np.ravel(np.asarray(plain, float))
        products = self.directions.reshape(len(self.directions), -1) @ numbers
        if not numbers.any() or not np.isfinite(numbers).all() or not self.slopes.any():
            return None
        factor = float(products @ self.slopes / (self.slopes @ self.slopes))
        scale = np.abs(products).max() + 1e-3 * np.linalg.norm(numbers)
        return factor if np.abs(products - factor * self.slopes).max() <= 1e-4 * scale and abs(factor) > 1e-6 else None

    def is_gradient(self, value: Any) -> bool:
        factor = self.factor_of(value)
        return factor is not None and abs(factor - 1) < 1e-3


def assigned_name(place: EditPlace) -> str:
    """The name of the variable that gets the value of a place; "" if it is no whole value."""
    owner = place.owner
    if isinstance(owner, ast.Assign) and place.slot == "value" and len(owner.targets) == 1:
        target = owner.targets[0]
        return "" if isinstance(target, ast.Tuple | ast.List) else ast.unparse(target)
    if isinstance(owner, ast.Tuple) and place.index is not None:
        statement = place.file.parents.get(owner)
        if isinstance(statement, ast.Assign) and isinstance(statement.targets[0], ast.Tuple):
            targets = statement.targets[0].elts
            return ast.unparse(targets[place.index]) if place.index < len(targets) else ""
    return ""


def named_argument(place: EditPlace) -> str:
    """The name of the value f(z) for a place z within it that has no name of its own; "" for any other place."""
    is_inner = isinstance(place.owner, ast.Call | ast.UnaryOp) and isinstance(place.node, ast.BinOp | ast.Call)
    whole = place.whole
    if not is_inner or whole is None or whole is place or not whole.values or not place.values:
        return ""
    return assigned_name(whole) if np.shape(place.values[0]) == np.shape(whole.values[0]) else ""


def _directions(shape: tuple[int, ...], seed: int) -> Floats:
    return np.random.default_rng(seed).normal(size=(DIRECTIONS, *shape))


def forward_labels(
    program: RunningProgram, point: KnownPoint, shapes: set[tuple[int, ...]], gradients: Sequence[str], end: float
) -> list[Label]:
    """The parameters, and values of the forward pass, with the slopes of the loss.

    These are the values of some shapes, and those after which a gradient is named.
    """
    labels = _parameter_labels(point)
    places = _forward_places(program)
    with probed(program, places) as probe:
        probe.is_recording = True
        loss_at(point.code, point.code.start)
        probe.is_recording = False
        for k, place in enumerate(places):
            argument = named_argument(place)
            name = argument or assigned_name(place)
            if not name or thread_time() > end:
                continue
            is_named = any(is_named_after(gradient, name) for gradient in gradients)
            for visit, value in enumerate(place.values, 1):
                if as_numpy(value) is value and is_measurable(value, place) and (is_named or squeezed(value) in shapes):
                    directions = _directions(np.shape(value), k)
                    slopes = [_slope(probe, (k, visit), direction, value, point) for direction in directions]
                    if np.abs(slopes).max() > 1e-10:
                        text = source_of(place.file, place.node) if argument else ""
                        labels.append(Label(name, place.line, directions, np.array(slopes), (k, visit), text))
    return labels


def _forward_places(program: RunningProgram) -> list[EditPlace]:
    return list_places([function for function in program.functions if function.loss_lines])


def _parameter_labels(point: KnownPoint) -> list[Label]:
    labels = []
    for name, true in zip(point.code.names, point.truth, strict=True):
        if np.isfinite(true).all():
            directions = _directions(true.shape, 0)
            labels.append(Label(name, 0, directions, (directions * true).reshape(DIRECTIONS, -1).sum(1)))
    return labels


def right_gradient(program: RunningProgram, point: KnownPoint, label: Label) -> Floats:
    """The right gradient of a forward value, entry by entry."""
    shape = label.directions.shape[1:]
    units = np.eye(int(np.prod(shape))).reshape(-1, *shape)
    with probed(program, _forward_places(program)) as probe:
        slopes = [_slope(probe, label.at, unit, np.ones(1), point) for unit in units]
    return np.array(slopes).reshape(shape)


def is_measurable(value: Any, place: EditPlace) -> bool:
    """Whether a value is an array, or a number that a place has once."""
    if isinstance(value, float) or (type(value) is int and is_gradient(assigned_name(place))):
        return place.visits == 1
    return isinstance(value, np.ndarray) and value.dtype == np.float64 and value.size > 0


def squeezed(value: Any) -> tuple[int, ...]:
    return tuple(np.squeeze(value).shape)


def _slope(probe: Probe, at: tuple[int, int], direction: Floats, value: Floats, point: KnownPoint) -> float:
    """The slope of the loss along a direction of a forward value."""
    step = _STEP * max(1.0, float(np.abs(value).max()))
    losses = []
    for sign in (1, -1):
        probe.bumped = (*at, sign * step * direction)
        probe.seen = 0
        losses.append(loss_at(point.code, point.code.start))
    probe.bumped = None
    return (losses[0] - losses[1]) / (2 * step)


class Labelling:
    """Which values of the backward pass are right gradients, and of which forward value.

    labels      the forward values, with the slopes of the loss
    right       the whole values that are the gradient of the forward value after which they are named
    plausible   those that are a gradient of another value than is meant, perhaps
    suspects    the first wrong ones: their operands are right
    later       those with an operand that is no multiple of a right gradient
    first_wrong the first of these, or of those named after a layer, as d1, with what it may be the gradient of
    """

    def __init__(self, program: RunningProgram, point: KnownPoint, places: Sequence[EditPlace], end: float) -> None:
        wholes = [place for place in places if place.whole is place and place.values and not place.is_forward]
        wholes = [place for place in wholes if is_measurable(place.values[0], place)]
        shapes = {squeezed(value) for place in wholes for value in place.values}
        names = [assigned_name(place) for place in wholes]
        self.labels = forward_labels(program, point, shapes, names, end)
        self.is_complete = thread_time() <= end  # an unknown label would make a right value look wrong
        self._fitting = {place for place in wholes if self.fits(place, place.values)}
        self.right = {place for place in self._fitting if self._is_plainly_right(place)}
        self.plausible = self._fitting - self.right
        self.suspects, self.later = list[EditPlace](), list[EditPlace]()
        self.first_wrong: tuple[EditPlace, list[Label]] | None = None
        if self.is_complete:
            self._follow([place for place in wholes if assigned_name(place) and _is_of_backward_pass(place)])

    def _follow(self, named: Sequence[EditPlace]) -> None:
        """Go through the variables of the backward pass, and find the first wrong ones and what is made of them."""
        is_right: dict[str, bool] = {}
        strayed: set[str] = set()
        for place in named:
            name = assigned_name(place)
            operands = _names_in(place)
            of_gradients = [is_right[text] for text in operands if text in is_right]
            is_right[name] = place in self._fitting
            if strayed & operands:
                self.later.append(place)
            if not any(map(np.any, place.values)):  # to be filled later
                continue
            meant = self.named_after(name)
            if place not in self.right and all(of_gradients):
                meant = self._note_suspect(place, meant, bool(of_gradients))
            if meant and not is_right[name] and not self._is_multiple(place):
                strayed.add(name)

    def _note_suspect(self, place: EditPlace, meant: list[Label], has_gradients: bool) -> list[Label]:
        """Note a value that is perhaps wrong though its operands are right, and return what it is meant to be."""
        if meant:
            self.suspects.append(place)
        elif has_gradients and place not in self._fitting:
            meant = self._labels_of_same_number(place)
        if meant and self.first_wrong is None:
            self.first_wrong = place, meant
        return meant

    def _is_plainly_right(self, place: EditPlace) -> bool:
        """Whether a right gradient is that of the value after which it is named: of z where that is a = f(z)."""
        meant = self.named_after(assigned_name(place))
        innermost = [label for label in meant if label.text] or meant
        return any(label.is_gradient(value) for label in innermost for value in place.values)

    def _is_multiple(self, place: EditPlace) -> bool:
        """Whether a value is a multiple of a gradient, as before it is divided by the number of samples."""
        factors = [label.factor_of(value) for label in self.expected(place) for value in place.values]
        return np.size(place.values[0]) > 1 and any(factors)

    def _labels_of_same_number(self, place: EditPlace) -> list[Label]:
        """What a value such as d1, named after a layer, is the gradient of: z1, or another value of the layer."""
        number = re.search(r"\d+$", assigned_name(place))
        shape = squeezed(place.values[0])
        alike = [label for label in self.labels if label.line and tuple(np.squeeze(label.directions[0]).shape) == shape]
        is_bare = number and assigned_name(place).lower().removesuffix(number[0]).rstrip("_") in GRADIENT_PREFIXES
        alike = [label for label in alike if is_bare and number and re.fullmatch(rf"\D+{number[0]}", label.name)]
        return [label for label in alike if label.name[0] == "z"] or alike[:1]

    def named_after(self, name: str) -> list[Label]:
        return [label for label in self.labels if is_named_after(name, label.name)]

    def expected(self, place: EditPlace) -> list[Label]:
        """What a whole value may be the gradient of: the values after which it is named, else any."""
        return self.named_after(assigned_name(place)) or self.labels

    def fits(self, place: EditPlace, values: Sequence[Any]) -> bool:
        return any(label.is_gradient(value) for label in self.expected(place) for value in values)

    def meaning(self, place: EditPlace, values: Sequence[Any]) -> Label | None:
        fitting = (label for label in self.expected(place) if any(map(label.is_gradient, values)))
        return min(fitting, key=lambda label: label.line, default=None)


def _names_in(place: EditPlace) -> set[str]:
    return {ast.unparse(node) for node in ast.walk(place.node) if isinstance(node, ast.Name | ast.Attribute)}


def _is_of_backward_pass(place: EditPlace) -> bool:
    function = place.function
    lines = function.gradient_lines - function.loss_lines
    return place.line in lines or (not place.is_forward and function.gradient_lines == function.loss_lines)
