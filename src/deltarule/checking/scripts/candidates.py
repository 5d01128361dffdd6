"""Find the numbers of a step that may be the loss: the step moves the arrays along their slopes."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Self, TypeAlias

import numpy as np

from deltarule.checking.scripts.numbers_met import MADE, is_called, is_own_loss, sounds_like_loss
from deltarule.checking.scripts.slopes import Number, NumberSlopes, StepSlopes
from deltarule.proofs.differences import Floats

Vectors: TypeAlias = Sequence[Sequence[tuple[str, Floats]]]
"""For each array what may be its gradient along its directions, each with a remark."""

_NEAR_A_RATE = 0.05
"""How far a factor may be from a rate, beside it, that is meant all the same."""
LOSS_LETTERS = ("J", "E", "L", "l")
MAX_FACTOR = 1000
"""A gradient that an optimizer takes may be this many times the loss's, or this part of it: a sum for a mean."""

_RANK_OF_VALUES = (0.1, 0.0, 0.2)
"""The last value of a number is preferred to the first, which may be part of a sum, and both to the sum of all."""
_RATIOS_OF_NUMBERS = (0.5, 1.0, 2.0)
"""What a single number that an update reads may be times the slope: any two numbers have some ratio."""


class Agreement(str):
    """How an array agrees with a loss, in words, with the numbers that they stand for.

    factor  the array's own rate, where it is another one than that of the others
    decay   the multiple of the array itself by which it moves too
    """

    factor: float | None
    decay: float

    def __new__(cls, text: str, factor: float | None = None, decay: float = 0.0) -> Self:
        agreement = super().__new__(cls, text)
        agreement.factor = factor
        agreement.decay = decay
        return agreement


@dataclass(frozen=True)
class LossCandidate:
    """A number, and what its slopes explain.

    factor     the moves are this many times the slopes: the rate
    agreeing   the arrays that agree with it, each with a remark
    multiples  the arrays that are some multiple of the slopes, each of its own
    live       the arrays that it depends on
    is_move    whether moves were compared; otherwise the gradients that an optimizer reads
    is_loss    whether its name says that it is a loss
    rate       the number beside an update that is equal to the factor, if there is one
    failed     the arrays that agree with it where they were, and not at another point
    """

    number: Number
    factor: float | None
    agreeing: dict[int, str]
    live: list[int]
    is_move: bool
    rate: float | None
    is_loss: bool
    is_plausible: bool
    weight: int
    rank: float
    multiples: dict[int, float]
    failed: frozenset[int] = frozenset()

    @property
    def name(self) -> str:
        return self.number[0][1]

    @property
    def is_made(self) -> bool:
        """Whether the script does not compute this number itself."""
        return self.name.startswith(MADE)

    @property
    def is_followed_loss(self) -> bool:
        """Whether the script calls this number a loss, and moves follow it at a rate that the script names."""
        return is_own_loss(self.number[0]) and self.is_move and self.is_plausible and self.rate is not None

    @property
    def order(self) -> tuple[int, float]:
        return (self.weight if self.is_plausible else 0, self.rank)


REWARD_WORDS = ("reward", "return_", "utility", "elbo", "loglik", "log_lik", "likelihood")


def is_reward(name: str) -> bool:
    """Whether a number is meant to grow."""
    name = name.lower()
    return any(word in name for word in REWARD_WORDS) and not name.startswith(("neg", "n_log"))


def explained_arrays(
    step: StepSlopes, slopes: NumberSlopes, arrays: Iterable[int], factor: float, tolerance: float
) -> dict[int, str]:
    """Return the arrays that move along the slopes times a factor, up to a small error; a remark names weight decay."""
    strict = replace(step, tolerance=tolerance)
    remarks = {}
    for i in arrays:
        if strict.fits(step.descent[i], slopes, i, factor):
            remarks[i] = ""
        elif remark := _decay(strict, slopes, i, factor, step.descent[i]):
            remarks[i] = remark
    return remarks


def find_candidates(step: StepSlopes, loss: str | None = None) -> list[LossCandidate]:
    """All numbers that depend on an array, compared with the moves and with the gradients that updates read.

    With `loss` only the number of this name.
    """
    moves: Vectors = [[("", step.descent[i])] for i in range(step.count)]
    read = _gradients_read(step) if step.count == len(step.run.parameters) else [[]]
    # Where gradients are added up over several turns, that one is added says nothing of the moves.
    return [
        candidate
        for is_move in ((True, False) if step.turn.span == 1 else (True,))
        for number, slopes in step.numbers.items()
        if loss is None or is_called(number[0], loss)
        for candidate in _candidates_of(step, number, slopes, moves if is_move else None, read)
    ]


def _candidates_of(
    step: StepSlopes,
    number: Number,
    slopes: NumberSlopes,
    moves: Vectors | None,
    read: Sequence[Sequence[tuple[str, frozenset[str], Floats]]],
) -> Iterator[LossCandidate]:
    key, _ = number
    is_move = moves is not None
    name = key[1]
    is_named_loss = sounds_like_loss(name) or is_own_loss(key) or name[0] in "½−"
    if not (is_move or is_named_loss or is_reward(name)):
        return
    is_other = np.array([[text != name] for text in step.texts])  # a sum is no parameter of itself
    slopes = NumberSlopes(slopes.values * is_other, slopes.errors)
    live = _live_arrays(step, number, slopes)
    if not live or (not is_move and _is_residual(name) and all(step.sizes[i] == 1 for i in live)):
        return  # a signed error has slopes such as x and 1, which updates of single numbers read too
    vectors = _gradients_of(step, slopes, read) if moves is None else moves
    agreeing, factor, multiples = _explain(step, slopes, live, vectors, is_move, is_own_loss(key))
    rate = None if factor is None else known_rate(step, factor)
    is_plausible = factor is not None and _is_plausible(factor, is_move)
    is_loss = is_named_loss or name in LOSS_LETTERS or name.startswith(MADE)
    unexplained = _share_of_tolerance(step, slopes, agreeing, vectors, factor) + 0.3 * sum(map(bool, agreeing.values()))
    rank = _rank(number, 2 * is_move + (rate is not None) + is_loss, unexplained)
    weight = step.weight(agreeing)
    yield LossCandidate(number, factor, agreeing, live, is_move, rate, is_loss, is_plausible, weight, rank, multiples)


def _is_plausible(factor: float, is_move: bool) -> bool:
    return factor > 0 if is_move else is_whole_ratio(abs(factor))


def _live_arrays(step: StepSlopes, number: Number, slopes: NumberSlopes) -> list[int]:
    """The arrays that a number depends on; none for a part of a sum that depends on more."""
    key, _ = number
    live = [i for i in range(step.count) if slopes.is_live(i)]
    others = [i for i, text in enumerate(step.texts) if text != key[1] and i not in live]
    return [] if any(step.numbers[key, 2].is_live(i) for i in others) else live


def _is_residual(name: str) -> bool:
    """Whether a number is a signed error by its name."""
    name = name.lower()
    return "err" in name and not any(word in name for word in ("sq", "mse", "total", "sum", "mean"))


def _gradients_of(
    step: StepSlopes, slopes: NumberSlopes, read: Sequence[Sequence[tuple[str, frozenset[str], Floats]]]
) -> Vectors:
    """What updates read that may be a gradient of a number: not an optimizer's state, on which it does not depend."""
    depends = {text for text, row in zip(step.texts, slopes.values, strict=True) if row.any()}
    return [[(remark, vector) for remark, targets, vector in array if not targets & depends] for array in read]


def _rank(number: Number, rank: float, unexplained: float) -> float:
    (_, name), which = number
    rank += (not name.startswith(MADE)) / 2 - _RANK_OF_VALUES[which]
    rank -= unexplained
    if name.startswith(("cross", "binary")):
        rank -= 0.25
    if name.startswith("return"):  # of variables of the same value
        rank -= 0.05
    return rank


def _share_of_tolerance(
    step: StepSlopes, slopes: NumberSlopes, agreeing: dict[int, str], vectors: Vectors, factor: float | None
) -> float:
    """How much of the tolerance the arrays need that agree without a remark: a number beside the loss needs more."""
    shares = [
        float(np.abs(vector - factor * slopes.values[i]).max() / (step.tolerance_of(i) * np.abs(vector).max()))
        for i in agreeing
        for remark, vector in vectors[i]
        if factor is not None and remark == agreeing[i] == ""
    ]
    return min(1.0, max(shares, default=0.0))


def _explain(
    step: StepSlopes, slopes: NumberSlopes, live: list[int], vectors: Vectors, is_move: bool, is_own: bool
) -> tuple[dict[int, str], float | None, dict[int, float]]:
    """The factor with which the slopes agree with the most arrays: (agreeing, factor, multiples).

    The script's own loss has the rate that the script names, even where more arrays are another multiple of its slopes.
    """
    best: tuple[dict[int, str], float | None] = ({}, None)
    best_order: tuple[bool, int, bool, float] | None = None
    alike = list(_multiples_of_slopes(step, slopes, live, vectors, is_move))
    sure = {factor for i, _, _, factor in alike if is_move or step.sizes[i] > 2 or abs(factor) in _RATIOS_OF_NUMBERS}
    sure |= step.constant_rates - {1.0} if is_move and is_own else set()  # of arrays that differ by a penalty, all
    for factor in sure:
        pairs = [(i, remark, vector) for i in live for remark, vector in vectors[i]]
        agreeing = {i: remark for i, remark, vector in pairs if step.fits(vector, slopes, i, factor)}
        for i in set(live) - agreeing.keys():
            remark = _remark_on_difference(step, slopes, i, factor, vectors[i], is_move)
            if remark:
                agreeing[i] = remark
        if all(isinstance(remark, Agreement) and remark.factor for remark in agreeing.values()):
            continue  # none, or each with a rate of its own: no other one is theirs
        is_named = known_rate(step, factor) is not None
        order = is_named and is_move and is_own, step.weight(agreeing), is_named, factor
        if best_order is None or order > best_order:
            best, best_order = (agreeing, factor), order
    return *best, {i: factor for i, _, _, factor in alike}


def _remark_on_difference(
    step: StepSlopes, slopes: NumberSlopes, i: int, factor: float, vectors: Sequence[tuple[str, Floats]], is_move: bool
) -> str:
    """A rate of its own, or weight decay, by which an array differs from the others; "" where it is neither."""
    remark = _own_rate(step, slopes, i, factor) if is_move else ""
    decays = (_decay(step, slopes, i, factor, vector) for _, vector in vectors)
    return remark or next(filter(None, decays), "")


def _multiples_of_slopes(
    step: StepSlopes, slopes: NumberSlopes, live: list[int], vectors: Vectors, is_move: bool
) -> Iterator[tuple[int, str, Floats, float]]:
    """The vectors that are some multiple of the slopes: (array, remark, vector, factor)."""
    for i in live:
        values = slopes.values[i]
        rows = np.array([vector for _, vector in vectors[i]]).reshape(-1, len(values))
        factors = rows @ values / (values @ values)
        rest = np.abs(rows - factors[:, np.newaxis] * values).max(axis=1) - 2 * np.abs(factors) * slopes.errors[i].max()
        are_near = rest <= 2 * step.tolerance_of(i) * np.abs(rows).max(axis=1)
        for index in np.flatnonzero(are_near).tolist():
            remark, vector = vectors[i][index]
            factor = float(f"{factors[index]:.6g}")
            if factor == 0 or not np.isfinite(factor) or not (is_move or is_whole_ratio(abs(factor))):
                continue
            if step.fits(vector, slopes, i, factor):
                yield i, remark, vector, factor


def _own_rate(step: StepSlopes, slopes: NumberSlopes, array: int, factor: float) -> str:
    """A remark if an array has a rate of its own, and the script names both."""
    values = slopes.values[array]
    vector = step.descent[array]
    own = float(vector @ values / (values @ values))
    are_named = all(known_rate(step, rate) not in (None, 1.0) for rate in (factor, own))
    if not are_named or not step.fits(vector, slopes, array, own):
        return ""
    return Agreement(f"with a rate of its own, {own:.6g}", factor=own)


def _decay(step: StepSlopes, slopes: NumberSlopes, array: int, factor: float, vector: Floats) -> str:
    """A remark if what remains of a move, or of a gradient, is a small multiple of the array itself."""
    if factor < 0 or step.sizes[array] <= 2:
        return ""
    own = step.own[array]
    rest = vector - factor * slopes.values[array]
    share = float(rest @ own / max(own @ own, 1e-300))
    allowed = step.tolerance_of(array) * np.abs(rest).max() + factor * slopes.errors[array]
    is_decay = 0 < share < 1 and bool((np.abs(rest - share * own) <= allowed).all())
    return decay_of(share, factor) if is_decay else ""


def decay_of(share: float, factor: float) -> Agreement:
    return Agreement(f"with weight decay {share / factor:.3g}, which the loss leaves out", decay=share)


def known_rate(step: StepSlopes, factor: float) -> float | None:
    """The number beside an update, or 1, that a factor is."""
    return next((rate for rate in sorted(step.constant_rates) if abs(factor - rate) < 1e-3 * rate), None)


def missed_rate(step: StepSlopes, factor: float) -> float | None:
    """The number beside an update that a factor misses by little."""
    rates = [rate for rate in step.constant_rates - {1.0} if 1e-3 * rate <= abs(factor - rate) < _NEAR_A_RATE * rate]
    return min(rates, key=lambda rate: abs(factor - rate), default=None)


def scheduled_rate(step: StepSlopes, factor: float) -> float | None:
    """The number that the updates of this step read or compute, and others perhaps not, that a factor is."""
    return next((rate for rate in step.run.rates_read if abs(factor - rate) < 1e-5 * rate), None)


def is_whole_ratio(factor: float, tolerance: float = 1e-3) -> bool:
    """Whether a factor is a whole number, or one divided by it, or half of one."""
    ratios = (factor, 1 / factor, 2 * factor)
    return any(abs(ratio - round(ratio)) < tolerance * ratio and 1 <= round(ratio) <= MAX_FACTOR for ratio in ratios)


def _gradients_read(step: StepSlopes) -> list[list[tuple[str, frozenset[str], Floats]]]:
    """For each array what updates read that may be its gradient: (remark, what is updated, along the directions)."""
    run = step.run
    kept = [
        array
        for arrays in run.read.values()
        for array in arrays
        if not array.text[0].isdigit() and not any(map(sounds_like_loss, array.targets))
    ]
    gradients: list[list[tuple[str, frozenset[str], Floats]]] = []
    for i, parameter in enumerate(run.parameters):
        gradients.append([])
        for array in kept if step.moves(i) else ():
            values = array.values
            start = parameter.start
            if values.size != start.size or parameter.text in array.targets:
                continue
            if values.size > 1 and np.array_equal(values.ravel(), start.ravel()):
                continue
            along = np.array(run.along(i, values.reshape(start.shape)))
            gradients[-1].append((f"gradient {array.text}", array.targets, along))
    return gradients
