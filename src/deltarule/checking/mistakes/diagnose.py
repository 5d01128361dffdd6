"""Which mistake explains a wrong gradient? Candidates are made of the right one, and held against what was found.

Nothing is known of the network here: only the right gradient E as it was measured, the gradient F that was found, and
the parameters V. "Twice too large" predicts F = 2 E, "the penalty forgotten" F = E − c V with one constant c for all
entries, and so on. The candidate that predicts every entry with the fewest constants of its own wins.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from deltarule.checking.mistakes.catalog import Mistake, join_names, make_mistake
from deltarule.problem.problem import Floats

_FIT = 1e-5
_NEARER = 1e-3
_NATURAL = 1e-4
_EXACT = 1e-9
_SEEN = 10
"""By how many times the error that is allowed an entry has to differ to tell of a constant that was fitted to it."""
_MOST_SAMPLES = 1e6

_ROLE_NAMES = {
    "weights": r"d?(weights?|kernel|w[cfghioxy]{0,2})\d*",
    "biases": r"d?(bias(es)?|b[cfghioxy]{0,2})\d*",
}
"""Also with the letters of gates and layers behind them, as Wxh, Wf or by."""

Penalties = Callable[[int], tuple[float, float | None] | None]
"""For a parameter's place, c of the penalty's gradient c V in the loss and in the code; None where it is not seen."""


@dataclass(frozen=True, eq=False)
class Evidence:
    """What is known of a wrong gradient.

    values, found, expected  by parameter, in its shape; expected is NaN where it was not measured
    slack      what error is allowed in each entry
    doubt      how far off the expected entries themselves may be; nothing where that is as good as exact
    raw        what was found in the shapes that it came in
    wrong      the places of the parameters whose gradients are wrong
    shapes     by parameter, the mistake that the shape of its gradient showed, or ""
    kinks      by parameter, entries without a derivative, which nothing is held against
    samples    how many samples there may be, where that is known        outputs   how many outputs there are, likewise
    learning_rate, momentum, penalties   where these are known      what  how sentences begin
    right_outside   whether a parameter's gradient is right but for some entries, for what was not measured
    """

    names: tuple[str, ...]
    values: tuple[Floats, ...]
    found: tuple[Floats, ...]
    expected: tuple[Floats, ...]
    slack: tuple[Floats, ...]
    raw: tuple[Floats, ...]
    wrong: tuple[int, ...]
    shapes: tuple[str, ...]
    kinks: tuple[NDArray[np.bool_], ...] = ()
    samples: tuple[int, ...] = ()
    outputs: int | None = None
    learning_rate: float | None = None
    momentum: float = 0.0
    what: str = "the gradient of"
    penalties: Penalties = lambda place: None
    right_outside: Callable[[int, NDArray[np.bool_]], bool] = lambda place, off: True
    doubt: tuple[Floats, ...] = ()

    @np.errstate(over="ignore", invalid="ignore")
    def fits(self, place: int, candidate: Floats, gain: float = 1.0) -> bool:
        """Whether a candidate is what was found of a parameter, as far as both are known.

        gain  how many times the error of what was expected is in the candidate
        """
        candidate = np.asarray(candidate, float)
        if candidate.shape != self.found[place].shape:
            return False
        known = np.isfinite(candidate) & np.isfinite(self.expected[place])
        if not known.any():
            return False
        found, wanted, expected = self.found[place][known], candidate[known], self.expected[place][known]
        slack = np.minimum(self.slack[place], 1e300)[known]
        if self.doubt:
            slack = slack + (gain - 1) * self.doubt[place][known]
        off, away = np.abs(found - wanted) - slack, np.abs(found - expected)
        # A candidate explains what is wrong only if it comes much nearer than the right gradient itself.
        if place in self.wrong and not self.shapes[place]:
            if not ((away > slack).any() and (off <= _NEARER * away.max()).all()):
                return False
        return bool((off <= _FIT * np.maximum(np.abs(found), np.abs(wanted))).all())

    def is_found(self, gradients: Sequence[Floats]) -> bool:
        """Whether whole gradients, every entry of every parameter, are what was found."""
        for place, (one, found) in enumerate(zip(gradients, self.found, strict=True)):
            if self.shapes[place] or not self.fits(place, one):
                return False
            slack = np.where(np.isfinite(self.slack[place]), self.slack[place], 1e-8 * np.abs(found).max())
            off = np.abs(found - one) > slack + _FIT * np.maximum(np.abs(found), np.abs(one))
            if (off & ~self.kinks[place] if self.kinks else off).any():
                return False
        return True

    def subject(self, places: Sequence[int]) -> str:
        """What the numbers of some parameters are, as a sentence has it."""
        return f"{self.what} {self.names_of(places)}".lstrip()

    def names_of(self, places: Sequence[int]) -> str:
        """The names of some parameters, as a sentence has them."""
        return join_names([self.names[place] for place in places])


@dataclass(frozen=True)
class Hypothesis:
    """Mistakes that would explain some of the wrong gradients; `rank` counts the constants that were fitted."""

    places: frozenset[int]
    mistakes: tuple[Mistake, ...]
    rank: int


def diagnosis(evidence: Evidence, further: Sequence[Hypothesis] = ()) -> tuple[Mistake, ...]:
    """The simplest mistakes that explain all that is wrong: at most two, or none where nothing fits.

    >>> E, F = np.array([1.0, 2.0, 3.0]), np.array([2.0, 4.0, 6.0])
    >>> evidence = Evidence(("w",), (E,), (F,), (E,), (0 * E,), (F,), (0,), ("",))
    >>> [mistake.code for mistake in diagnosis(evidence)]
    ['factor_two']
    """
    hypotheses = [*further, *(one for maker in _MAKERS for one in maker(evidence))]
    wrong = set(evidence.wrong)
    whole = [one for one in hypotheses if one.places >= wrong]
    if whole:
        lowest = min(one.rank for one in whole)
        return _first_two([one for one in whole if one.rank == lowest])
    pairs = [
        (one, other) for one, other in combinations(hypotheses, 2) if one.places < wrong <= one.places | other.places
    ]
    pairs = [pair for pair in pairs if sum(len(one.mistakes) for one in pair) <= 2]
    return _first_two(min(pairs, key=lambda pair: sum(one.rank for one in pair))) if pairs else ()


def _first_two(hypotheses: Sequence[Hypothesis]) -> tuple[Mistake, ...]:
    """The mistakes of hypotheses that nothing tells apart, or that are true together, each code once."""
    by_code: dict[str, Mistake] = {}
    for one in hypotheses:
        for mistake in one.mistakes:
            by_code.setdefault(mistake.code, mistake)
    return tuple(by_code.values())[:2]


def _hypothesis(evidence: Evidence, code: str, places: Sequence[int], sentence: str, rank: int = 0) -> Hypothesis:
    where = [evidence.names[place] for place in places]
    return Hypothesis(frozenset(places), (make_mistake(code, where, sentence),), rank)


def _by_shape(evidence: Evidence) -> Iterator[Hypothesis]:
    """Mistakes that show in a gradient's shape, where the numbers in it are right."""
    says = {
        "transposed": "comes transposed",
        "not_summed": "has a row for each sample, which are still to be summed",
        "broadcast": "has a shape that makes a table when it is subtracted from the parameter",
    }
    for code, sentence in says.items():
        places = [
            place
            for place, shape in enumerate(evidence.shapes)
            if shape == code and any(evidence.fits(place, one) for one in _in_shape(evidence, place, code))
        ]
        if places:
            yield _hypothesis(evidence, code, places, f"{evidence.subject(places)} {sentence}")


def _in_shape(evidence: Evidence, place: int, code: str) -> Iterator[Floats]:
    """What the gradient is expected to be if its own shape shows a mistake of this code, and no other was made."""
    raw, expected = evidence.raw[place], evidence.expected[place]
    if code != "not_summed":
        yield expected
        return
    slack = np.minimum(evidence.slack[place], 1e300).ravel() + _FIT * np.abs(expected).ravel()
    for axis in range(raw.ndim):
        summed = raw.sum(axis).ravel()
        if summed.size == expected.size and (np.abs(summed - expected.ravel()) <= slack).all():
            yield evidence.found[place]  # right after that sum, whichever axis it goes over


def _zeros(evidence: Evidence) -> Iterator[Hypothesis]:
    # As it came: one of another shape has no numbers of its own in the parameter's shape.
    places = [place for place in evidence.wrong if not evidence.raw[place].any()]
    if places:
        yield _hypothesis(evidence, "zero_gradient", places, f"{evidence.subject(places)} is 0 in every entry")


def _factors(evidence: Evidence) -> Iterator[Hypothesis]:
    """F = r E, with one r for several parameters; or F − c V = r (E − c V), where r leaves out the penalty."""
    groups: list[tuple[_Factor, list[int]]] = []
    penalties: dict[tuple[str, str], list[int]] = {}
    for place in evidence.wrong:
        r, c = _factor_of(evidence, place)
        if r:
            group = next((places for other, places in groups if r.is_near(other.value, _NATURAL)), None)
            if group is None:
                groups.append((r, [place]))
            else:
                group.append(place)
            for told in _penalty_beside(evidence, place, r.value, c)[:1]:
                penalties.setdefault(told, []).append(place)
    for r, places in groups:
        beside = [
            make_mistake(code, [evidence.names[place] for place in whose], f"{evidence.subject(whose)} {sentence}")
            for (code, sentence), all_of in penalties.items()
            if (whose := [place for place in all_of if place in places])
        ]
        for one in _named_factors(evidence, r, places):
            yield Hypothesis(one.places, (*one.mistakes, *beside), one.rank + len(beside))


def _penalty_beside(evidence: Evidence, place: int, r: float, c: float) -> list[tuple[str, str]]:
    """What is wrong with the penalty in F = r E + c V, where the loss is seen to have another part t V than F.

    E − t V is the data's part, so that r t + c is the penalty's in F.
    """
    if not c:
        return []
    own = evidence.penalties(place)
    elsewhere = (one[0] for one in map(evidence.penalties, range(len(evidence.names))) if one and one[0])
    t = own[0] if own else next(elsewhere, None) if "weights" in _roles(evidence, place) else 0.0
    if t is None:
        return []
    off = (r - 1) * t + c
    allowed = abs(r) * evidence.slack[place] + _FIT * np.abs(evidence.found[place])
    telling = np.abs(off * evidence.values[place]) > _SEEN * allowed
    return _penalty_codes(evidence, place, off) if telling.sum() >= 2 else []


@dataclass(frozen=True)
class _Factor:
    """A factor, and how far off it may be, as a share of it."""

    value: float
    doubt: float

    def is_near(self, value: float, doubt: float = 0.0) -> bool:
        """Whether it is this number, as far as both are known."""
        return abs(self.value - value) <= max(self.doubt, doubt) * abs(value)

    def is_whole(self) -> bool:
        """Whether it is a whole number that so exact a measurement tells from its neighbors."""
        return self.value <= _MOST_SAMPLES and self.value * self.doubt <= 0.05 and self.is_near(round(self.value))


def _factor_of(evidence: Evidence, place: int) -> tuple[_Factor | None, float]:
    """r and c in F = r E + c V, where c is 0 if there is no need of it."""
    found, expected, values = evidence.found[place], evidence.expected[place], evidence.values[place]
    r = _ratio(found, expected)
    if r and evidence.fits(place, r * expected, max(1.0, abs(r))):
        return _Factor(r, _doubt_of(evidence, place, r, r * expected)), 0.0
    known = np.isfinite(expected)
    if known.sum() < 4:
        return None, 0.0
    r, c = (float(one) for one in _two_ratios(found[known], expected[known], values[known]))
    candidate = r * expected + c * values
    # Of a penalty alone r is a rounding error.
    if np.abs(r * expected[known]).max() <= _FIT * np.abs(found[known]).max():
        return None, 0.0
    if not evidence.fits(place, candidate, max(1.0, abs(r))):
        return None, 0.0
    return _Factor(r, _doubt_of(evidence, place, r, candidate)), c


def _doubt_of(evidence: Evidence, place: int, r: float, candidate: Floats) -> float:
    """How far off a fitted factor may be, as a share of it: by what the fit leaves, and what is not sure of E."""
    expected = evidence.expected[place]
    known = np.isfinite(expected)
    left = np.abs(evidence.found[place] - candidate)[known] / abs(r)
    unsure = evidence.doubt[place][known] if evidence.doubt else 0.0
    return _EXACT + float(np.linalg.norm(left + unsure) / np.linalg.norm(expected[known]))


def _two_ratios(found: Floats, first: Floats, second: Floats) -> Floats:
    matrix = np.stack([first, second], axis=1)
    size = np.maximum(np.abs(matrix).max(0), 1e-300)
    return np.linalg.lstsq(matrix / size, found, rcond=None)[0] / size


def _ratio(found: Floats, expected: Floats, of: Floats | None = None) -> float:
    """r in found = r · of, by least squares over what was measured; 0 where there is nothing to divide by."""
    of = expected if of is None else of
    known = np.isfinite(expected) & np.isfinite(of)
    square = float((of[known] ** 2).sum())
    return float((found[known] * of[known]).sum() / square) if square > 1e-300 else 0.0


def _named_factors(evidence: Evidence, factor: _Factor, places: list[int]) -> Iterator[Hypothesis]:
    whose, r = evidence.subject(places), factor.value
    size = _Factor(abs(r), factor.doubt)
    found = []
    if size.is_near(2) or size.is_near(0.5):
        found.append(("factor_two", f"{whose} is {'twice' if abs(r) > 1 else 'half'} of what it should be"))
    found += _velocities(evidence, size, places)
    if _is_rate(evidence, size):
        how = "twice" if size.is_near(evidence.learning_rate or 0) else "not at all"
        found.append(("learning_rate", f"the update of {evidence.names_of(places)} has the learning rate {how}"))
    found += _counts(evidence, size, whose) if evidence.samples or not found else []
    where = [evidence.names[place] for place in places]
    if factor.is_near(1):
        return
    if size.is_near(1):
        yield _hypothesis(evidence, "sign", places, f"{whose} has the wrong sign")
    elif found and r < 0:
        for code, sentence in found:
            sign = make_mistake("sign", where, f"{whose} has the wrong sign")
            yield Hypothesis(frozenset(places), (sign, make_mistake(code, where, sentence)), 1)
    elif found:
        for code, sentence in found:
            yield _hypothesis(evidence, code, places, sentence)
    elif sum(_informative_entries(evidence, place) for place in places) >= 3:
        yield _hypothesis(evidence, "factor", places, f"{whose} is {r:.6g} times what it should be", 1)


def _informative_entries(evidence: Evidence, place: int) -> int:
    """How many entries are so far off that they tell of a constant."""
    off = np.abs(evidence.found[place] - evidence.expected[place])
    return int((off > _SEEN * evidence.slack[place]).sum())


def _velocities(evidence: Evidence, size: _Factor, places: list[int]) -> Iterator[tuple[str, str]]:
    """What a first update says that has another velocity: 1 − β of it, or 1 + β."""
    beta, whose = evidence.momentum, evidence.names_of(places)
    if beta and size.is_near(1 - beta):
        yield "running_mean", f"the velocity of {whose} is a running mean, v ← β v − (1 − β) α g"
    if beta and size.is_near(1 + beta):
        yield "nesterov", f"the update of {whose} is that of Nesterov's momentum, β v − α g with the new v"


def _is_rate(evidence: Evidence, size: _Factor) -> bool:
    """Whether a factor is the learning rate, or its inverse."""
    rate = evidence.learning_rate
    return bool(rate and rate != 1 and (size.is_near(rate) or size.is_near(1 / rate)))


def _counts(evidence: Evidence, size: _Factor, whose: str) -> list[tuple[str, str]]:
    """What a factor says that is a count of samples, outputs or units, or its inverse."""
    r, large = size.value, size.value > 1
    k = _Factor(r if large else 1 / r, size.doubt)
    times = f"{k.value:.6g} times too {'large' if large else 'small'}"
    code, what = ("mean_missing", "is not divided by") if large else ("mean_twice", "is divided once too often by")
    if not evidence.samples:
        if k.is_whole() and round(k.value) >= 3:
            count = f"{whose} is {times}: it {what} the number of samples, or of outputs, if there are as many"
            return [(code, count), ("factor", f"{whose} is {r:.6g} times what it should be")]
        return []
    # The last parameter has the number of outputs in its shape.
    outputs = (evidence.outputs,) if evidence.outputs else evidence.values[-1].shape
    counts = [(N, "number of samples") for N in evidence.samples]
    counts += [(N * C, "number of samples and outputs") for N in evidence.samples for C in outputs]
    counts += [(C, "number of outputs, over which the loss averages or not") for C in outputs]
    for number, name in counts:
        if number > 1 and k.is_near(number):
            return [(code, f"{whose} is {times}: it {what} the {name}")]
    sizes = sorted({n for value in evidence.values for n in value.shape if n > 1})
    for N in evidence.samples:
        for units in sizes:
            if units != N and not k.is_near(2) and (size.is_near(N / units) or size.is_near(units / N)):
                sentence = f"{whose} is {r:.6g} times what it should be: averaged over {units} units, not {N} samples"
                return [("wrong_axis", sentence)]
    return []


def _transpositions(evidence: Evidence) -> Iterator[Hypothesis]:
    """F = Eᵀ; or (E − c V)ᵀ + c V, where the penalty's part is the right way round."""
    found: dict[int, list[int]] = {}
    for place in evidence.wrong:
        turned, values = evidence.expected[place].T, evidence.values[place]
        if turned.ndim != 2 or turned.shape != values.shape:
            continue
        if evidence.fits(place, turned):
            found.setdefault(0, []).append(place)
        elif extra(evidence, place, values - values.T, turned):
            found.setdefault(1, []).append(place)
    for rank, places in found.items():
        yield _hypothesis(evidence, "transposed", places, f"{evidence.subject(places)} is transposed", rank)


def _axes(evidence: Evidence) -> Iterator[Hypothesis]:
    """Sums over the wrong axis: of a bias, the entries' total is right then, and the entries are not."""
    everything, other = [], []
    for place in evidence.wrong:
        found, expected = evidence.found[place], evidence.expected[place]
        if found.size < 2 or found.size != max(found.shape) or not np.isfinite(expected).all():
            continue
        if not found.any() and evidence.raw[place].size >= found.size:
            continue  # zeros that were never summed; a total may be 0
        total = expected.sum()
        if any(evidence.fits(place, np.full(found.shape, one), found.size) for one in (total, total / found.size)):
            everything.append(place)
        elif _has_the_total(evidence, place):
            other.append(place)
    if everything:
        sentence = f"{evidence.subject(everything)} is summed over its units too"
        yield _hypothesis(evidence, "wrong_axis", everything, sentence)
    if other:
        sentence = f"{evidence.subject(other)} has the right total in the wrong entries"
        yield _hypothesis(evidence, "wrong_axis", other, sentence, 2)


def _has_the_total(evidence: Evidence, place: int) -> bool:
    """Whether entries add up to the right total, and are so far off that this is no coincidence.

    Two entries prove nothing, nor does a total of 0: softmax has it for every sample, however many are summed. Only
    where there are as many samples as units can the sum go over the units. Where nothing tells how many samples there
    are, it has to be the biases behind a matrix: many a wrong layer, as of a kernel, keeps the total too.
    """
    found, expected = evidence.found[place], evidence.expected[place]
    allowed = _FIT * np.abs(expected).sum() + np.minimum(evidence.slack[place], 1e300).sum()
    total = expected.sum()
    if (
        found.size < 3
        or (found.size not in evidence.samples if evidence.samples else not _behind_matrix(evidence, place))
        or abs(total) <= 100 * allowed
        or abs(found.sum() - total) > allowed
    ):
        return False
    in_order = np.allclose(np.sort(found.ravel()), np.sort(expected.ravel()), rtol=_FIT, atol=0)
    return bool(not in_order and np.abs(found - expected).sum() > 100 * allowed)


def _behind_matrix(evidence: Evidence, place: int) -> bool:
    """Whether an array may be the biases of a dense layer, whose weights are there too."""
    size = evidence.found[place].size
    matrices = any(one.ndim == 2 and size in one.shape and not _is_vector(one) for one in evidence.values)
    return matrices and "biases" in _roles(evidence, place)


def _exchanges(evidence: Evidence) -> Iterator[Hypothesis]:
    pairs = {
        place: other
        for place in evidence.wrong
        for other in range(len(evidence.names))
        if other != place and _is_that_of(evidence, place, other)
    }
    if pairs:
        code, what = ("wrong_velocity", "the velocity of") if evidence.momentum else ("exchanged", evidence.what)
        whose = join_names(
            [f"{evidence.names[place]} is that of {evidence.names[other]}" for place, other in pairs.items()]
        )
        yield _hypothesis(evidence, code, list(pairs), f"{what} {whose}".lstrip())


def _is_that_of(evidence: Evidence, place: int, other: int) -> bool:
    """Whether one parameter has the gradient of another one, in that one's shape or in its own."""
    raw, theirs = evidence.raw[place], evidence.expected[other]
    if raw.shape == theirs.shape != evidence.found[place].shape:
        known = np.isfinite(theirs)
        off = np.abs(raw - theirs)[known] - np.minimum(evidence.slack[other], 1e300)[known]
        return bool(known.any() and (off <= _FIT * np.abs(theirs[known])).all())
    return any(evidence.fits(place, one) for one in _reshapings(theirs, evidence.found[place].shape))


def _reshapings(array: Floats, shape: tuple[int, ...]) -> Iterator[Floats]:
    """An array in another parameter's shape: as it is, turned, or repeated as NumPy would."""
    if array.T.shape == shape and array.ndim == 2:
        yield array.T
    if [n for n in array.shape if n > 1] == [n for n in shape if n > 1]:
        yield array.reshape(shape)
    elif array.size < int(np.prod(shape)):
        for one in (array, array.reshape(-1, 1), array.reshape(1, -1)):
            try:
                yield np.array(np.broadcast_to(one, shape))
            except ValueError:
                continue


def _penalty_mistakes(evidence: Evidence) -> Iterator[Hypothesis]:
    """F − E = c V, or c times the signs of V."""
    groups: dict[tuple[str, ...], list[tuple[int, str]]] = {}
    constants: dict[str, list[float]] = {"the parameters": [], "their signs": []}
    # Large arrays first: in one of a single entry any c fits, and it has to be that of another array.
    for place in sorted(evidence.wrong, key=lambda place: -evidence.values[place].size):
        values = evidence.values[place]
        # Of two signs one constant fits any d and −d, as softmax's two columns have them.
        for name, of, needed in (("the parameters", values, 2), ("their signs", np.sign(values), 3)):
            c = extra(evidence, place, of, known=constants[name], needed=needed)
            if c is None:
                continue
            constants[name].append(c)
            for code, sentence in _penalty_codes(evidence, place, c):
                groups.setdefault((code, sentence, name), []).append((place, f"{c:.6g}"))
    for (code, sentence, name), members in groups.items():
        places = [place for place, _ in members]
        times = join_names(list(dict.fromkeys(c for _, c in members)))
        whose = evidence.subject(places)
        yield _hypothesis(evidence, code, places, f"{whose} {sentence}: it is off by {times} times {name}", 1)


def extra(
    evidence: Evidence,
    place: int,
    of: Floats,
    base: Floats | None = None,
    known: Sequence[float] = (),
    needed: int = 2,
) -> float | None:
    """c in F = base + c · of, where one c serves all entries; of few that tell, where it is known from elsewhere."""
    base = evidence.expected[place] if base is None else base
    if of.shape != base.shape:
        return None
    c = _ratio(evidence.found[place] - base, evidence.expected[place], of)
    telling = np.isfinite(base) & (np.abs(c * of) > _SEEN * evidence.slack[place])
    if not c or not evidence.fits(place, base + c * of):
        return None
    if telling.sum() >= needed:
        return c
    seen = evidence.penalties(place)
    others = known if seen is None or seen[1] is None else [*known, seen[1] - seen[0]]
    return c if any(abs(other - c) <= 10 * _NATURAL * abs(c) for other in others) else None


def _penalty_codes(evidence: Evidence, place: int, c: float) -> list[tuple[str, str]]:
    missing = ("penalty_missing", "lacks the penalty's part")
    factor = ("penalty_factor", "has another multiple of the penalty's part than the loss")
    biases = ("penalty_on_biases", "has a penalty, which the loss puts on weights only")
    not_in_loss = ("penalty_not_in_loss", "has a penalty that the loss does not have")
    roles = _roles(evidence, place)
    seen = evidence.penalties(place)
    others = [evidence.penalties(other) for other in range(len(evidence.names)) if other != place]
    elsewhere = [other[0] for other in others if other and other[0]]
    if seen is None:
        if any(abs(other + c) <= 10 * _NATURAL * abs(c) for other in elsewhere):
            return [missing]  # what lacks is what the penalty of another array has
        if elsewhere and c > 0:
            return [{"biases": biases, "weights": factor}[role] for role in roles]
        if elsewhere:
            return [factor]
        if c < 0:
            return [missing, factor]
        return [*([biases] if "biases" in roles and None in others else []), factor, not_in_loss]
    true, own = seen
    if own is None:
        own = 0.0 if abs(true + c) <= 10 * _NATURAL * abs(true) else true + c
    if not true and not elsewhere:
        return [not_in_loss]
    if not true:
        return [{"biases": biases, "weights": not_in_loss}[role] for role in roles]
    return [missing] if not own else [factor]


def _roles(evidence: Evidence, place: int) -> tuple[str, ...]:
    """What an array may be, "biases" or "weights" or either: by its name, else by its shape beside the others'.

    A vector may be the weights to one output, whose bias is one number, or of one input, with as many biases. One with
    a single axis is not, where another array has two, as the weights to one output do.
    """
    value = evidence.values[place]
    if not _is_vector(value):
        return ("weights",)
    named_so = _named_role(evidence, place)
    if named_so:
        return (named_so,)
    others = [one for other, one in enumerate(evidence.values) if other != place]
    one_output = any(one.size == 1 for one in others)
    if value.ndim < 2:
        vectors = any(one.ndim > 1 and one.size > 1 and _is_vector(one) for one in others)
        return ("biases", "weights") if one_output and not vectors else ("biases",)
    one_input = any(one.size == value.size and _is_vector(one) for one in others)
    return ("weights", "biases") if one_output or one_input else ("biases",)


def _is_vector(value: Floats) -> bool:
    return max(value.shape, default=1) == value.size


def _named_role(evidence: Evidence, place: int) -> str:
    """What an array is by its name, as W1, dW1, hidden.bias or weight_ih_l0; "" where the name does not tell.

    Of a list of arrays, weights[0], weights[1] … the name tells nothing, unless others have the name of biases.
    """
    roles = [_role_of(name) for name in evidence.names]
    alone = len(set(roles) - {""}) < 2
    return "" if alone and evidence.names[place].endswith("]") else roles[place]


def _role_of(name: str) -> str:
    words = re.findall(r"[A-Za-z]\w*", name)
    parts = words[-1].lower().split("_") if words else []
    roles = {role for role, pattern in _ROLE_NAMES.items() if any(re.fullmatch(pattern, part) for part in parts)}
    return roles.pop() if len(roles) == 1 else ""


def _other_weights(evidence: Evidence) -> Iterator[Hypothesis]:
    """F − E = c (V' − V), or c V', with the weights V' of another layer."""
    for place in evidence.wrong:
        own = evidence.values[place]
        for other, weights in enumerate(evidence.values):
            if other == place or own.size < 2 or not weights.any():  # all 0 they would stand for no penalty at all
                continue
            for theirs in (weights, weights.T):
                if theirs.shape != own.shape:
                    continue
                bases = {0: [evidence.expected[place]], 1: []}
                bases[1] = [
                    candidate
                    for third in range(len(evidence.names))
                    if third != place
                    for candidate in _reshapings(evidence.expected[third], own.shape)
                ]
                names = evidence.names[place], evidence.names[other]
                mistake = make_mistake(
                    "penalty_other_weights",
                    names[:1],
                    f"the penalty in the gradient of {names[0]} is made of {names[1]}",
                )
                exchanged = make_mistake(
                    "exchanged", names[:1], f"the gradient of {names[0]} is that of another parameter"
                )
                for second, candidates in bases.items():
                    for base in candidates:
                        if any(extra(evidence, place, of, base) for of in (theirs - own, theirs)):
                            mistakes = (exchanged, mistake) if second else (mistake,)
                            yield Hypothesis(frozenset([place]), mistakes, 1 + second)


def _single(evidence: Evidence) -> Iterator[Hypothesis]:
    """One entry, one row or one column is wrong, and everything else is right."""
    if len(evidence.wrong) != 1:
        return
    (place,) = evidence.wrong
    expected, name = evidence.expected[place], evidence.names[place]
    off = np.isfinite(expected) & ~(np.abs(evidence.found[place] - expected) <= evidence.slack[place])
    if expected.size < 2 or not off.any():
        return
    if off.sum() == 1:
        if not evidence.right_outside(place, off):
            return
        entry = ", ".join(str(i) for i in np.argwhere(off)[0])
        yield _hypothesis(
            evidence, "single_entry", [place], f"only the entry {name}[{entry}] of the gradient is wrong", 3
        )
    elif off.ndim == 2:
        for axis, what, shown in ((0, "row", "{}"), (1, "column", ":, {}")):
            lines = np.flatnonzero(off.any(1 - axis))
            whole = np.zeros(off.shape, bool)
            whole[(lines, slice(None)) if axis == 0 else (slice(None), lines)] = True
            if len(lines) == 1 and off.shape[axis] > 1 and evidence.right_outside(place, whole):
                where = f"{name}[{shown.format(lines[0])}]"
                yield _hypothesis(
                    evidence, "single_row", [place], f"only the {what} {where} of the gradient is wrong", 3
                )


_MAKERS = (
    _by_shape,
    _zeros,
    _factors,
    _transpositions,
    _exchanges,
    _axes,
    _penalty_mistakes,
    _other_weights,
    _single,
)
