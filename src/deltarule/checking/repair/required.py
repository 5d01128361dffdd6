"""Which value would a place need, and which one or two terms of local values give it.

The gradient is linear in the values of the backward pass. So a place's Jacobian J is measured, entry by entry, and
`truth − gradient = J (new − old)` says whether another value there can make the gradient right at all. The terms are
then fitted: `J new = Σ c J term`, with coefficients that are ½, 1 or 2.
"""

import ast
import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from itertools import combinations_with_replacement
from time import thread_time
from typing import Any

import numpy as np

from deltarule.checking.repair.edits.expressions import ExpressionEdits
from deltarule.checking.repair.edits.pieces import evaluate, key_of, shape_of
from deltarule.checking.repair.location import Location
from deltarule.checking.repair.probe import EditPlace, Probe, probed
from deltarule.checking.repair.program import Change, Edit
from deltarule.checking.repair.trials import KnownPoint, Mask, Trials
from deltarule.proofs.differences import Floats

MAX_ENTRIES = 150
MAX_VISITS = 3
MAX_LOCALS, MAX_TERMS, MAX_PAIRS, MAX_EDITS = 11, 2000, 300, 8
_BUMP = 1e-4


@dataclass(frozen=True, eq=False)
class _Need:
    """A place where another value can make the gradient right, with its Jacobian."""

    place: EditPlace
    jacobian: Floats


def required_edits(trials: Trials, where: Location, writer: ExpressionEdits, end: float) -> Iterator[Edit]:
    """Edits that give a place the value that it needs; the places of least cost first, there the simplest terms."""
    point = trials.points[0]
    gradient = point.flat(point.gradient())
    truth = np.concatenate([true[known] for true, known in zip(point.truth, point.known, strict=True)])
    if gradient is None:
        return
    needs = list(_places_in_need(trials, where, truth - gradient, 0.5 * (thread_time() + end)))
    for need in sorted(needs, key=lambda need: (where.cost_of_line(need.place), len(ast.unparse(need.place.node)))):
        if thread_time() > end:
            return
        yield from _edits_of(need, truth - gradient, writer)


def _places_in_need(trials: Trials, where: Location, missing: Floats, end: float) -> Iterator[_Need]:
    point = trials.points[0]
    with probed(trials.program, where.places) as probe:
        reference = point.flat(point.gradient())
        for place in [place for place in where.places if _is_measurable(place, where.wrong)]:
            if thread_time() > end or reference is None:
                return
            jacobian = _jacobian(probe, point, place, reference)
            if jacobian is None:
                continue
            change = np.linalg.lstsq(jacobian, missing, rcond=1e-9)[0]
            if np.abs(jacobian @ change - missing).max() < 1e-3 * np.abs(missing).max():
                yield _Need(place, jacobian)


def _is_measurable(place: EditPlace, wrong: Mask) -> bool:
    value = place.values[0]
    if place.is_forward or place.moves is None or place.moves.shape != wrong.shape or (wrong & ~place.moves).any():
        return False
    is_array = isinstance(value, np.ndarray) and value.dtype.kind == "f" and value.ndim > 0
    is_small = is_array and place.visits <= MAX_VISITS and value.size * place.visits <= MAX_ENTRIES
    return is_small and len({shape_of(value) for value in place.values}) == 1


def _jacobian(probe: Probe, point: KnownPoint, place: EditPlace, reference: Floats) -> Floats | None:
    value = place.values[0]
    k = probe.index[place.node]
    columns = []
    for visit in range(place.visits):
        for entry in range(value.size):
            bump = np.zeros(value.size)
            bump[entry] = _BUMP
            probe.bumped = (k, visit + 1, bump.reshape(value.shape))
            probe.seen = 0
            moved = point.flat(point.gradient())
            probe.bumped = None
            if moved is None:
                return None
            columns.append((moved - reference) / _BUMP)
    return np.array(columns).T


def _edits_of(need: _Need, missing: Floats, writer: ExpressionEdits) -> list[Edit]:
    """Edits of a place: one or two terms that are its new value, or that are added to it."""
    place = need.place
    jacobian = need.jacobian
    text = ast.unparse(place.node)
    names, columns = _terms(place, jacobian, writer)
    if not names:
        return []
    old = np.concatenate([np.ravel(value) for value in place.values])
    texts: set[tuple[int, int, str]] = set()
    for base, target in (("", missing + jacobian @ old), (text, missing)):
        for terms, coefficients in _fits(columns, target):
            parts = [_term(c, names[i]) for i, c in zip(terms, coefficients, strict=True) if c]
            new = (base + "".join(sorted(parts))).strip().removeprefix("+ ")
            odd = sum(abs(c) != 1 for c in coefficients if c)
            for form in (new.replace(", keepdims=True", ""), new):
                texts.add((odd, len(form), form))
    edits = []
    for odd, length, new in sorted(texts)[:MAX_EDITS]:
        cost = 3 + odd + length / 20
        changes = partial(list[Change], [place.change(new)])
        edits.append(Edit(place.line, text, new, cost, changes, "required value", place.file))
    return edits


def _term(coefficient: float, name: str) -> str:
    sign = " + " if coefficient > 0 else " - "
    return sign + name if abs(coefficient) == 1 else f"{sign}{abs(coefficient):g} * {name}"


def _terms(place: EditPlace, jacobian: Floats, writer: ExpressionEdits) -> tuple[list[str], Floats]:
    """Terms of local values in the shape of a place, and what the gradient is for each."""
    shape = shape_of(place.values[0])
    names: list[str] = []
    columns: list[Floats] = []
    seen: set[Any] = set()
    for text in _texts_of_terms(place, writer):
        if len(names) >= MAX_TERMS:
            break
        try:
            values = [np.broadcast_to(value, shape) for value in evaluate(text, place)]
        except Exception:  # of values of the user's that do not combine, or have other shapes
            continue
        column = jacobian @ np.concatenate([np.ravel(value) for value in values])
        key = key_of(values)
        if key not in seen and np.abs(column).max() > 1e-12:
            seen.add(key)
            names.append(text)
            columns.append(column)
    return names, np.array(columns).T


def _texts_of_terms(place: EditPlace, writer: ExpressionEdits) -> list[str]:
    """Local values, products of two, sums and means of these over an axis, and products with a sum."""
    near = [text for text, value in writer.atoms.at(place).numbers if _is_local(text, value, place)]
    local = list(dict.fromkeys([ast.unparse(place.node), *near[:MAX_LOCALS]]))
    products = [*local, *(f"{a} * {b}" for a, b in combinations_with_replacement(local, 2))]
    axes = range(len(shape_of(place.values[0])))
    sums = [
        f"({text}).{function}({axis}, keepdims=True)"
        for text, function, axis in itertools.product(products, ("sum", "mean"), axes)
    ]
    return [*products, *sums, *(f"{factor} * {total}" for total, factor in itertools.product(sums, local))]


def _is_local(text: str, value: Any, place: EditPlace) -> bool:
    is_array = (
        isinstance(value, np.ndarray) and value.dtype.kind == "f" and value.ndim <= len(shape_of(place.values[0]))
    )
    return is_array and (text in place.environments[0] or text.startswith("self.") or "[" in text)


def _fits(columns: Floats, target: Floats) -> Iterator[tuple[list[int], Floats]]:
    """Yield one or two terms that add up to the target, each with a simple coefficient."""
    unit = columns / np.linalg.norm(columns, axis=0)
    overlap, along = unit.T @ unit, unit.T @ target
    with np.errstate(all="ignore"):
        gain = along[:, None] ** 2 + along**2 - 2 * overlap * along[:, None] * along
        gain /= np.maximum(1 - overlap**2, 1e-9)
    best = np.argsort(-np.nan_to_num(gain), axis=None)[:MAX_PAIRS]
    count = len(along)
    for pair in dict.fromkeys(tuple(sorted(divmod(int(number), count))) for number in best):
        terms = sorted(set(pair))
        coefficients = np.linalg.lstsq(columns[:, terms], target, rcond=None)[0]
        simple = np.round(coefficients * 2) / 2
        is_simple = np.abs(coefficients - simple).max() < 1e-3 and simple.any() and np.abs(simple).max() <= 4
        error = np.abs(columns[:, terms] @ coefficients - target).max()
        if is_simple and error <= 2e-4 * np.abs(target).max():
            yield terms, simple
