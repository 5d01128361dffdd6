"""A gradient of somebody's code held against the right one: the check itself, whatever the code looks like.

F  what the code says, E what was measured. An entry is wrong where |F − E| is more than a share of the larger of the
two (1e-6 in float64, 2.5e-4 in float32), and the doubt of the measurement, and a rounding error of the array's size.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deltarule.blas_threads import one_blas_thread
from deltarule.checking.arrays import OTHER_SHAPE, format_entry, match_shape, wrong_shape
from deltarule.checking.callables import Code, elsewhere, quietly
from deltarule.checking.loss_probes import depends_on, digits, penalty_probe
from deltarule.checking.mistakes.catalog import Mistake, join_names, make_mistake
from deltarule.checking.mistakes.diagnose import Evidence, Hypothesis, diagnosis
from deltarule.checking.mistakes.mutations import epsilon_in_loss, hypotheses
from deltarule.checking.mistakes.network_matching import Like, Likeness, match_network, other_arrays
from deltarule.checking.mistakes.parameter_packing import Unfolding, unfoldings
from deltarule.checking.reference_gradient import (
    SMALL_ERROR,
    Direction,
    Measured,
    at_a_step,
    chance_to_pass,
    gradient_at,
    loss_at,
    measure_gradient,
    measured_along,
    measured_too,
    right_outside,
    with_one,
)
from deltarule.checking.report import MORE_WITH_LIKE, UNEXPLAINED, CodeReport, Worst
from deltarule.errors import BadInput
from deltarule.problem.problem import Floats

MOST = 2000
_AGAIN = 4
_FEW = 4
_ZERO = 1e-13
_ZERO_BESIDE = 1e-9
_PLAIN = 1e-4
"""An error of this share of a gradient is more than any rounding, or a small ε."""
_LARGEST = 0.95
"""An entry of this share of an array's largest one is as large, as far as anybody can tell."""
_SHORT_LINES = 3
_FIVE, _FOURTH = (-2, -1, 0, 1, 2), (1.0, -4.0, 6.0, -4.0, 1.0)
_SHORT = 2.0**-23
"""A step in which numbers of float32 still turn to others, and which hardly meets a kink even of 10⁵ samples."""
_DIGITS = 9
"""A gradient of as few decimal ones was rounded by somebody at the end, and not on the way."""
_ROUNDED = 1e-10, 1e-5
"""Between these shares of the largest entry what is left is of fewer digits; below of float64's, above of mistakes."""


@dataclass(frozen=True, eq=False)
class Known:
    """What is known beside the code: the network, the number of samples, the numbers of an update.

    further   hypotheses of the kind of code, from E
    of_layer  whether the code is a layer, for which there is no network to tell
    """

    like: Like | None = None
    samples: tuple[int, ...] = ()
    learning_rate: float | None = None
    momentum: float = 0.0
    further: Callable[[Evidence], Iterator[Hypothesis]] = lambda evidence: iter(())
    of_layer: bool = False

    @property
    def subject(self) -> str:
        """What is differentiated, as sentences have it."""
        return "the output of forward" if self.of_layer else "the loss"


def examine(code: Code, what: str, known: Known, most: int = MOST) -> CodeReport:
    """Check the gradient of some code, and leave everything as it was found."""
    with one_blas_thread():
        try:
            report = _examine(code, what, known, most)
            return report if report.ok else replace(report, notes=(*report.notes, *quietly(code.notes)))
        finally:
            quietly(code.restore)


def _examine(code: Code, what: str, known: Known, most: int) -> CodeReport:
    entries = sum(value.size for value in code.start)
    nothing = CodeReport(what, False, None, None, entries, 0, 0, 0, ("nothing",), 1.0, (), (), "fix")
    value = _value(code)
    changed = code.changed()
    if changed:
        words = join_names([f"{name} changes {join_names(arrays)}" for name, arrays in changed.items()])
        return replace(nothing, vacuous=f"{words} when it is called; give a function that changes nothing, or a copy")
    values = [value, *(_value(code) for _ in range(_AGAIN))]
    if max(values) - min(values) > digits(code) * abs(value):
        other = next(one for one in values if one != value)
        same = "input it is another one" if known.of_layer else f"parameters it is {value:.8g} and then {other:.8g}"
        return replace(
            nothing,
            vacuous=f"{known.subject} is random: with the same {same}; set the seed inside, so that each call draws "
            "the same numbers",
        )
    if code.repeatable:
        raw = _gradient(code)
        unsteady = _unsteady(code, raw)
        if unsteady:
            return replace(nothing, diagnosis=(unsteady,))
        rough = _rough(code, value)
        found = measure_gradient(
            code, [_reference_size(*one) for one in zip(raw, code.start, rough, strict=True)], most
        )
    else:
        found = measure_gradient(code, _rough(code, value), most)
        raw = _gradient(code)
    return _judge(nothing, code, raw, found, value, known)


def _value(code: Code) -> float:
    value = loss_at(code, code.start)
    if not np.isfinite(value):
        raise BadInput(f"the loss is {value} at these parameters; give some at which it is finite")
    return value


def _gradient(code: Code, values: Sequence[Floats] | None = None) -> list[Floats]:
    found: list[Floats] = [np.array(one) for one in gradient_at(code, code.start if values is None else values)]
    for name, one in zip(code.names, found, strict=True):
        if not np.isfinite(one).all():
            place = tuple(int(i) for i in np.argwhere(~np.isfinite(one))[0])
            raise BadInput(f"the gradient of {format_entry(name, place)} is {one[place]}; it has to be finite")
    return found


def _unsteady(code: Code, first: list[Floats]) -> Mistake | None:
    """Why the gradient is another one at every call, if it is."""
    second, third = _gradient(code), _gradient(code)
    changed = [
        place
        for place, (one, other) in enumerate(zip(first, second, strict=True))
        if one.shape != other.shape or np.abs(one - other).max() > 1e-6 * np.abs(one).max()
    ]
    if not changed:
        return None
    names = [code.names[place] for place in changed]
    grown = [(second[place] - first[place], third[place] - second[place]) for place in changed]
    if all(np.allclose(one, other, rtol=1e-5, atol=1e-9 * np.abs(one).max()) for one, other in grown):
        return make_mistake(
            "accumulated", names, f"the gradient of {join_names(names)} grows by the same amount at every call"
        )
    sentence = f"the gradient of {join_names(names)} is another one at every call, though the loss is not"
    return make_mistake("random_gradient", names, sentence)


@np.errstate(over="ignore", invalid="ignore")
def _rounded_on_the_way(code: Code, raw: list[Floats]) -> tuple[Floats, ...]:
    """How far each entry of a gradient may be off, as it goes through fewer digits than it comes in: δ in float32, say.

    Fourth differences of the gradient on short lines, in which nothing but its rounding errors is left, six times its
    own among them. A row is off by as much as its input is large, a column by as much as its δ: what rounds a large
    one excuses no small one.
    """
    sizes = [float(np.abs(one).max()) for one in raw]
    nothing = tuple(np.zeros(one.shape) for one in code.start)
    if any(one.dtype != np.float64 for one in code.start):
        return nothing
    generator, left = np.random.default_rng(0), []
    for _ in range(_SHORT_LINES):
        by = [_SHORT * np.maximum(1, np.abs(one)) * generator.normal(size=one.shape) for one in code.start]
        try:
            ends = [_gradient(code, [one + t * step for one, step in zip(code.start, by, strict=True)]) for t in _FIVE]
        except BadInput:  # what goes wrong a step away is told of where the loss is measured
            return nothing
        if any(one.shape != first.shape for end in ends for one, first in zip(end, raw, strict=True)):
            return nothing
        fitted = [[match_shape(*one)[0] for one in zip(end, code.start, strict=True)] for end in ends]
        left.append([np.abs(np.tensordot(_FOURTH, np.stack(one), 1)) for one in zip(*fitted, strict=True)])
    blurs = []
    for one, size, lines in zip(raw, sizes, zip(*left, strict=True), strict=True):
        each = np.max(lines, axis=0)
        decimal = (np.round(one, _DIGITS - int(np.log10(max(size, 1e-290)))) == one).all()
        is_rounded = _ROUNDED[0] * size < each.max() < _ROUNDED[1] * size and not decimal
        wide = np.minimum(each.max(0, keepdims=True), each.max(-1, keepdims=True)) if each.ndim > 1 else 2 * each
        blurs.append(np.broadcast_to(wide if is_rounded else 0.0, each.shape))
    return tuple(blurs)


def _stale(code: Code) -> Mistake | None:
    """That a gradient which is right takes values of an earlier call, if it does: beside the parameters it is wrong.

    Arrays that were made once, as by `lambda w: dW`, are no function, and say nothing of other parameters. In float32
    the little by which what is kept is off beside them is not told surely from rounding.
    """
    beside = replace(code, start=tuple(elsewhere(code.start)))
    try:
        first = gradient_at(code, code.start)
        before = [one.copy() for one in first]
        raw = gradient_at(beside, beside.start)
        shaped = [match_shape(one, start) for one, start in zip(raw, code.start, strict=True)]
        fitted = [np.asarray(one, float) for one, _ in shaped]
        if any(shape for _, shape in shaped) or any(one.dtype != np.float64 for one in (*raw, *code.start)):
            return None
        if not all(np.isfinite(one).all() for one in fitted):
            return None
        found = measured_along(beside, fitted)
    except BadInput:  # there is no loss beside them
        return None
    names = [
        code.names[one.array]
        for one in found
        if _plainly_off(one, fitted[one.array])
        and not (np.may_share_memory(raw[one.array], first[one.array]) and (raw[one.array] == before[one.array]).all())
    ]
    sentence = (
        f"the gradient of {join_names(names)} is right at these parameters and wrong beside them, as one that takes "
        "values "
        "of an earlier call of the loss"
    )
    return make_mistake("stale", names, sentence) if names else None


def _plainly_off(direction: Direction, found: Floats) -> bool:
    """Whether an array's gradient is wrong along a direction by more than doubts and nearby kinks would make of it."""
    gap = abs(float((found * direction.vector).sum()) - direction.value)
    size = max(float(np.sqrt((found**2).sum())), abs(direction.value))
    return not direction.kink and gap > max(_PLAIN * size, 10 * direction.doubt)


def _reference_size(raw: Floats, start: Floats, rough: Floats) -> Floats:
    """A gradient in its parameter's shape; its size where it has another one, that of one step where it is nearly 0.

    What should be known to a share of nearly nothing would be sought with steps in which every bend looks like a kink.
    """
    fitted, code = match_shape(raw, start)
    size = float(np.abs(raw).max())
    if size < _ZERO_BESIDE * rough.max():
        return rough
    return np.full(start.shape, size) if code == OTHER_SHAPE else fitted


def _rough(code: Code, value: float) -> list[Floats]:
    """The size of the gradient of each array, from one small step; from a smaller one where the loss is not finite."""
    sizes = []
    for place, start in enumerate(code.start):
        for exponent in (10, 20, 30, 40):
            step = 2.0**-exponent * np.maximum(1, np.abs(start))
            try:
                change = abs(loss_at(code, with_one(code, place, start + step)) - value)
            except BadInput as error:
                raise at_a_step(error, code.names[place]) from error
            if np.isfinite(change):
                break
        change = max(change if np.isfinite(change) else 0.0, 1e-6 * abs(value))
        sizes.append(np.full(start.shape, change / float(step.max())))
    return sizes


@dataclass(frozen=True, eq=False)
class _Comparison:
    """F and E by array, and what was compared.

    raw, found     F in the shapes that it came in, and in those of its parameters
    shapes         the mistake that the shape of each showed, or ""
    measurement    E, where it is known
    along          of each direction, the error allowed in the derivative, and whether it is more
    allowed, off   the error allowed in each entry, and whether it is more        judged   entries that were compared
    doubt          how much of what is allowed is doubt of E                      zero     arrays whose gradient is 0
    missed         entries that are not small, have no kink, and could not be judged
    blind          arrays whose largest entry is among these
    """

    raw: tuple[Floats, ...]
    found: tuple[Floats, ...]
    shapes: tuple[str, ...]
    measurement: Measured
    along: tuple[tuple[float, bool], ...]
    allowed: tuple[Floats, ...]
    off: tuple[NDArray[np.bool_], ...]
    judged: tuple[NDArray[np.bool_], ...]
    doubt: tuple[Floats, ...]
    zero: tuple[int, ...]
    missed: tuple[NDArray[np.bool_], ...]
    blind: tuple[int, ...]

    @property
    def has_wrong_entries(self) -> bool:
        """Whether any single entry is wrong."""
        return any(off.any() for off in self.off)

    @property
    def wrong_along_direction(self) -> set[int]:
        """Arrays that are wrong along a direction."""
        return {one.array for one, (_, off) in zip(self.measurement.directions, self.along, strict=True) if off}

    @property
    def wrong(self) -> tuple[int, ...]:
        """Arrays that are wrong in an entry, in their shape or along a direction."""
        parted = self.wrong_along_direction
        return tuple(
            place
            for place, (off, shape) in enumerate(zip(self.off, self.shapes, strict=True))
            if off.any() or shape or place in parted
        )

    @property
    def faint(self) -> int:
        """How many entries were too small to be judged."""
        measurement = self.measurement
        arrays = zip(measurement.expected, self.judged, measurement.kink, self.missed, strict=True)
        return sum(int((np.isfinite(one) & ~judged & ~kink & ~missed).sum()) for one, judged, kink, missed in arrays)


def _judge(
    nothing: CodeReport, code: Code, raw: list[Floats], found: Measured, value: float, known: Known
) -> CodeReport:
    compared = _compare(code, raw, found)
    if code.repeatable and code.blur is None and (compared.wrong_along_direction or compared.has_wrong_entries):
        return _judged_by_its_digits(nothing, code, raw, found, value, known)
    compared = _with_wrong_entries(code, compared)
    evidence = _evidence(code, compared, known)
    mistakes, notes = _mistakes(code, evidence, value, known)
    if not any(one.code == "exchanged" or one.code == "wrong_velocity" for one in mistakes):
        _refuse_other_shapes(code, compared)
    report = _report(nothing, code, compared, mistakes, known.subject)
    report = replace(report, notes=(*report.notes, *notes))
    if not (compared.wrong or mistakes):
        return _nothing_wrong(report, code, compared, known)
    flat = not any(np.nan_to_num(one).any() for one in compared.measurement.expected) and not known.of_layer
    return replace(report, notes=(*report.notes, *_constant_loss_notes(code, value))) if flat else report


def _with_wrong_entries(code: Code, compared: _Comparison) -> _Comparison:
    """What was compared, and more of large arrays of whose mistake the sample holds too few entries, or none."""
    parted = compared.wrong_along_direction
    for place in {one.array for one in compared.measurement.directions}:
        off = np.flatnonzero(compared.off[place])
        if 0 < len(off) < _FEW or (place in parted and not len(off)):
            entry = int(off[0]) if len(off) else None
            more = measured_too(compared.measurement, code, list(compared.found), place, entry)
            compared = _compare(code, compared.raw, more)
    return compared


def _evidence(code: Code, compared: _Comparison, known: Known) -> Evidence:
    """What the search for mistakes is handed; at a kink nothing is expected."""
    found = compared.measurement
    return Evidence(
        names=code.names,
        values=code.start,
        found=compared.found,
        expected=tuple(np.where(kink, np.nan, one) for one, kink in zip(found.expected, found.kink, strict=True)),
        slack=compared.allowed,
        doubt=compared.doubt,
        kinks=found.kink,
        raw=compared.raw,
        wrong=compared.wrong,
        shapes=compared.shapes,
        samples=known.samples,
        learning_rate=known.learning_rate,
        momentum=known.momentum,
        penalties=penalty_probe(code),
        right_outside=lambda place, off: right_outside(found, code, compared.found[place], place, off),
    )


def _refuse_other_shapes(code: Code, compared: _Comparison) -> None:
    for place, shape in enumerate(compared.shapes):
        if shape == OTHER_SHAPE:
            raise wrong_shape(code.names[place], compared.raw[place], code.start[place])


def _report(
    nothing: CodeReport, code: Code, compared: _Comparison, mistakes: tuple[Mistake, ...], subject: str
) -> CodeReport:
    """The report of what was compared, not yet whether it proves anything."""
    found = compared.measurement
    chance = _false_pass(compared)
    # What is wrong may be in a shape, or in the loss: then the worst entry, which is right, would mislead.
    elsewhere = bool(compared.wrong or mistakes) and not compared.has_wrong_entries
    return replace(
        nothing,
        compared=sum(int(one.sum()) for one in compared.judged),
        kinks=sum(int(one.sum()) for one in found.kink),
        faint=compared.faint,
        methods=("central differences", "the complex step") if found.exact else ("central differences",),
        false_pass=chance,
        worst=None if elsewhere else _worst(code, compared),
        diagnosis=mistakes,
        notes=(*_verdict_notes(code, compared, chance, subject), *_shapes(code, compared)),
    )


def _nothing_wrong(report: CodeReport, code: Code, compared: _Comparison, known: Known) -> CodeReport:
    """The report where no mistake was found: the gradient is right, unless that proves nothing, or it is stale."""
    unused = [place for place in compared.zero if not depends_on(code, place)]
    vacuous = _vacuous(code, compared.zero, unused, report, known) or _unseen(code, compared)
    if unused:
        names = join_names([code.names[place] for place in unused])
        report = replace(report, notes=(*report.notes, f"{known.subject} does not depend on {names} at all"))
    # A layer's way back may read its input from outside, where it stays: it is asked for nowhere else.
    stale = _stale(code) if vacuous is None and code.repeatable and not known.of_layer else None
    if stale:
        return replace(report, worst=None, diagnosis=(stale,))
    return replace(report, ok=vacuous is None, vacuous=vacuous)


def _judged_by_its_digits(
    nothing: CodeReport, code: Code, raw: list[Floats], found: Measured, value: float, known: Known
) -> CodeReport:
    """The judgment of a gradient that seems to be wrong, with what its rounding on the way leaves open."""
    blur = _rounded_on_the_way(code, raw)
    report = _judge(nothing, replace(code, blur=blur), raw, found, value, known)
    share = max(
        float(one.max(initial=0)) / np.abs(size).max(initial=1e-300) for one, size in zip(blur, raw, strict=True)
    )
    if not share:
        return report
    note = (
        f"the gradient has rounding errors, as of a float32 array on the way, or of differences: an error of up to "
        f"{share:.1g} of an array's largest entry may not show"
    )
    return replace(report, notes=(*report.notes, note))


def _compare(code: Code, raw: Sequence[Floats], measurement: Measured) -> _Comparison:
    shaped = [match_shape(one, start) for one, start in zip(raw, code.start, strict=True)]
    found = tuple(np.asarray(one, float) for one, _ in shaped)
    shapes = tuple(shape for _, shape in shaped)
    along = tuple(_along(code, one, found[one.array]) for one in measurement.directions)
    return _Comparison(tuple(raw), found, shapes, measurement, along, *_by_entry(code, raw, found, measurement))


def _by_entry(
    code: Code, raw: Sequence[Floats], found: Sequence[Floats], measurement: Measured
) -> Iterator[tuple[Any, ...]]:
    """`allowed`, `off`, `judged`, `doubt`, `zero`, `missed` and `blind`, as `_Compared` has them."""
    largest = max((float(np.nanmax(np.abs(one), initial=0)) for one in measurement.expected), default=0.0)
    allowed, off, judged, doubts, zero, missed, blind = [], [], [], [], [], [], []
    for place, expected in enumerate(measurement.expected):
        exact = raw[place].dtype == code.start[place].dtype == np.float64 and not measurement.coarse
        doubt, kink = measurement.doubt[place], measurement.kink[place]
        scale = np.fmax(np.abs(found[place]), np.abs(expected))
        array = float(np.nanmax(np.abs(expected), initial=0))
        floor = 1e-10 * array + 1e-13 * largest if exact else 1e-5 * array + 1e-6 * largest
        blur = code.blur[place] if code.blur else 0.0
        doubts.append(2 * doubt + floor)
        limit = (1e-6 if exact else 2.5e-4) * scale + doubts[-1] + blur
        known = np.isfinite(expected) & ~kink
        allowed.append(np.where(known, limit, np.inf))
        off.append(known & ~(np.abs(found[place] - np.nan_to_num(expected)) <= limit))
        # Agreement with an exact value counts, however little of the entry differences can see.
        same = measurement.exact & (np.abs(found[place] - expected) <= 1e-8 * scale)
        small = max(1e-3 * array, 1e-6 * largest)
        visible = limit <= (SMALL_ERROR if exact else 10 * SMALL_ERROR) * np.maximum(scale, small)
        judged.append(known & (visible | same | off[-1]))
        share = 1e-3 if exact else 0.1
        smooth = known | measurement.edge[place]
        missed.append(smooth & ~judged[-1] & (scale > max(share * array, 1e-6 * largest)))
        if (scale[missed[-1]] > _LARGEST * scale[smooth].max(initial=0)).any():
            blind.append(place)
        unseen = _ZERO * largest + (0 if measurement.exact else 2 * doubt[known])
        nothing = np.abs(found[place]) <= (_ZERO_BESIDE if exact else 1e-6) * largest  # but for rounding
        if known.any() and (scale[known] <= unseen).all() and nothing.all():
            zero.append(place)
    return map(tuple, (allowed, off, judged, doubts, zero, missed, blind))


def _along(code: Code, direction: Direction, found: Floats) -> tuple[float, bool]:
    """Of a direction, the error that is allowed in the derivative, and whether it is more."""
    value = float((found * direction.vector).sum())
    allowed = 1e-7 * float(np.sqrt((found**2).sum())) + 2 * direction.doubt
    if code.blur:
        allowed += float(np.sqrt(np.square(np.broadcast_to(code.blur[direction.array], found.shape)).sum()))
    return allowed, not direction.kink and not abs(value - direction.value) <= allowed


def _false_pass(compared: _Comparison) -> float:
    """How likely it is that one of the arrays that were not compared whole is wrong by 0.05 % of its length."""
    chances, directions = [0.0], compared.measurement.directions
    for place in {one.array for one in directions}:
        length = float(np.sqrt((compared.found[place] ** 2).sum()))
        allowed = [
            limit
            for one, (limit, _) in zip(directions, compared.along, strict=True)
            if one.array == place and not one.kink
        ]
        chances.append(chance_to_pass(allowed, SMALL_ERROR * length))
    return max(chances)


def _worst(code: Code, compared: _Comparison) -> Worst | None:
    worst = None
    for place, name in enumerate(code.names):
        found, expected = compared.found[place], compared.measurement.expected[place]
        judged = compared.judged[place]
        if not judged.any() or compared.shapes[place] == OTHER_SHAPE:
            continue
        difference = np.abs(found - expected)
        scale = np.fmax(np.abs(found), np.abs(expected)) + compared.allowed[place] * ~compared.off[place]
        error = np.where(judged, difference / np.where(scale > 0, scale, 1), -1)
        index = tuple(int(i) for i in np.unravel_index(int(error.argmax()), error.shape))
        if worst is None or error[index] > worst.error:
            worst = Worst(name, index, float(found[index]), float(expected[index]), float(error[index]))
    return worst


def _mistakes(
    code: Code, evidence: Evidence, value: float, known: Known
) -> tuple[tuple[Mistake, ...], tuple[str, ...]]:
    """What explains the gradient, or what is wrong in the loss though its gradient is right; and notes."""
    further = list(known.further(evidence)) if evidence.wrong else []
    if known.like is None:
        return _explain(evidence, further, () if known.of_layer else (MORE_WITH_LIKE,))
    others = other_arrays(evidence.names, evidence.values, known.like.network)
    if others and sum(one.size for one in evidence.values) == known.like.network.parameters:
        why = _with_ones(known.like)
        apart = None if further or why else _unpack_evidence(code, evidence, value, known.like)
        if apart:
            mistakes, notes = _explain_by_network(apart[0], (), apart[1], known.like)
            return mistakes, (f"your parameters were read as {apart[2]}", *notes)
        mistakes, notes = _explain(evidence, further)
        why = why or f"whose arrays are not to be seen: {others}"
        return mistakes, (f"checked without `like`, {why}", *notes)
    likeness = match_network(evidence, evidence.expected, value, known.like)
    if likeness is None:
        mistakes, notes = _explain(evidence, further)
        unexplained = evidence.wrong and not mistakes and any(np.nan_to_num(one).any() for one in evidence.expected)
        other = match_network(evidence, evidence.found, None, known.like) if unexplained else None
        if other and not other.objective.kind:
            for one in epsilon_in_loss(evidence, other):
                return one.mistakes, ()
            words = other.objective.loss.name.replace("_", " ")
            sentence = f"the gradient is right for {words} of this network, but the loss is something else"
            return (make_mistake("loss_wrong", ("loss",), sentence),), ()
        note = "the loss is none that is known for the network of `like`, so that nothing was planted in it"
        return mistakes, (note, *notes)
    return _explain_by_network(evidence, further, likeness, known.like)


def _explain_by_network(
    evidence: Evidence, further: Sequence[Hypothesis], likeness: Likeness, like: Like
) -> tuple[tuple[Mistake, ...], tuple[str, ...]]:
    """The mistakes of a network whose loss was recognized."""
    if likeness.objective.kind:
        return (_of_loss(likeness.objective.kind, evidence),), ()
    words = f"the loss was recognized: {likeness.factor:.6g} times the sum of {likeness.objective.loss.name} over all"
    if not evidence.wrong:
        return (), (words,)
    evidence = replace(evidence, samples=(len(likeness.x),), outputs=like.network.outputs)
    mistakes, notes = _explain(evidence, [*further, *hypotheses(evidence, likeness, like)])
    return mistakes, (words, *notes)


def _with_ones(like: Like) -> str:
    """What to say of x with a column of ones for the biases, as code whose biases are within weights may have it."""
    shape, inputs = like.x.shape, like.network.inputs
    if inputs in shape or inputs + 1 not in shape:
        return ""
    return f"as x has the shape {shape}, but the network has {inputs} inputs; give x without its ones"


def _unpack_evidence(code: Code, evidence: Evidence, value: float, like: Like) -> tuple[Evidence, Likeness, str] | None:
    """What is known of parameters in fewer arrays than the network has, where it is recognized in them."""
    if any(evidence.shapes) or any(one.size != start.size for one, start in zip(evidence.raw, code.start, strict=True)):
        return None
    for unfolding in unfoldings(evidence.values, like.network):
        apart = unfolding.evidence(evidence)
        likeness = match_network(apart, apart.expected, value, like)
        if likeness and bool(apart.wrong) == bool(evidence.wrong):
            probe = penalty_probe(_unpack_code(code, unfolding))
            return replace(apart, penalties=probe), likeness, unfolding.words
    return None


def _unpack_code(code: Code, unfolding: Unfolding) -> Code:
    """The same code as one of the network's arrays."""
    return replace(
        code,
        names=tuple(unfolding.places),
        start=unfolding.unpack(code.start),
        loss=lambda values: code.loss(unfolding.together(values)),
        gradient=lambda values: list(unfolding.unpack(code.gradient(unfolding.together(values)))),
    )


def _explain(
    evidence: Evidence, further: Sequence[Hypothesis], more: tuple[str, ...] = ()
) -> tuple[tuple[Mistake, ...], tuple[str, ...]]:
    """The mistakes that explain the gradient; or notes that say that none does, and what else could be tried."""
    mistakes = diagnosis(evidence, further) if evidence.wrong else ()
    nothing = bool(evidence.wrong) and not mistakes
    return mistakes, (UNEXPLAINED, *more) if nothing else ()


def _of_loss(kind: str, evidence: Evidence) -> Mistake:
    if kind == "broadcast":
        sentence = "the loss compares every prediction with every target: (N, 1) and (N,) make a table of N × N"
    elif kind == "wrong_axis":
        sentence = "the output's activation is normalized over the samples in the loss, and not over the outputs"
    else:
        sentence = "the loss applies the output's activation to what has been through it already"
    return make_mistake(kind, ("loss",), sentence)


def _constant_loss_notes(code: Code, value: float) -> Iterator[str]:
    """What to say of a loss whose right gradient is 0 everywhere, unless it is at a minimum."""
    places = range(len(code.names))
    near = [loss_at(code, with_one(code, place, code.start[place] + 2.0**-10)) for place in places]
    if not any(depends_on(code, place) for place in places):
        yield _constant(Known())
    elif max(abs(one - value) for one in near) <= digits(code) * abs(value):
        yield "the loss does not change where a parameter is moved a little, as one that counts or rounds does not"


def _constant(known: Known) -> str:
    moved = "input is" if known.of_layer else "parameters are"
    return f"{known.subject} is constant: it does not change, however far the {moved} moved"


def _vacuous(code: Code, zero: Sequence[int], unused: Sequence[int], report: CodeReport, known: Known) -> str | None:
    """Why nothing wrong was found, though nothing was proved either.

    zero, unused   parameters whose gradient is 0 in every entry, and those of them that the loss never depends on
    """
    if len(unused) == len(code.names):
        return _constant(known)
    if len(zero) == len(code.names):
        return "the gradient is 0 in every entry, as one that was never computed would be; check it at other parameters"
    dead = [code.names[place] for place in zero if place not in unused]
    if dead:
        return (
            f"the gradient of {join_names(dead)} is 0 in every entry: a dead layer, whose units are off or whose "
            "weights "
            "lead to zeros; check it at other parameters"
        )
    if not report.compared:
        return f"there was nothing to compare: {report.kinks} entries at kinks, {report.faint} too faint"
    return None


def _unseen(code: Code, compared: _Comparison) -> str | None:
    """Why nothing was proved of some array, though its gradient is not 0: no direction, and no entry or not the
    largest one could be judged.
    """
    along = {one.array for one in compared.measurement.directions if not one.kink}
    places = [place for place in range(len(code.names)) if place not in compared.zero and place not in along]
    unseen = [code.names[place] for place in places if not compared.judged[place].any()]
    if unseen:
        return (
            f"of {join_names(unseen)} there was nothing to compare: every entry is at a kink, too faint beside "
            "rounding errors, or not measured; check it at other parameters"
        )
    blind = [code.names[place] for place in places if place in compared.blind]
    if blind:
        return f"of {join_names(blind)} the largest entry could not be measured; check it at other parameters"
    return None


def _shapes(code: Code, compared: _Comparison) -> Iterator[str]:
    for name, start, one, wrong in zip(code.names, code.start, compared.raw, compared.shapes, strict=True):
        if wrong:
            yield f"the gradient of {name} has the shape {one.shape}, {name} itself {start.shape}"


def _verdict_notes(code: Code, compared: _Comparison, chance: float, subject: str) -> Iterator[str]:
    found = compared.measurement
    dtypes = [
        *(one.dtype for one in (*code.start, *compared.raw)),
        np.dtype(np.float32 if found.coarse else np.float64),
    ]
    narrowest = min(dtypes, key=lambda dtype: dtype.itemsize)
    if narrowest.itemsize < 8:
        yield f"in {narrowest} an error under {10 * SMALL_ERROR:.1%} of an entry may not show; in float64 it would"
    if not found.exact:
        yield f"no complex step: {found.why_not_exact}"
    rough = [missed & ~edge for missed, edge in zip(compared.missed, found.edge, strict=True)]
    for chosen, why in (
        (found.edge, f"{subject} is not finite a small step away from there"),
        (rough, f"{subject} is rough there, or has a kink nearby"),
    ):
        where = [
            format_entry(name, np.argwhere(one)[0]) for name, one in zip(code.names, chosen, strict=True) if one.any()
        ]
        if where:
            yield f"{sum(int(one.sum()) for one in chosen):,} not measured, {where[0]} for one: {why}"
    if found.directions:
        sampled = sorted({one.array for one in found.directions})
        lines = len(found.directions) // len(sampled)
        yield (
            f"large arrays: a sample of entries, and {lines} random directions; an error of {SMALL_ERROR:.2%} of an "
            f"array's gradient passes with a probability of {chance:.1g}"
        )
