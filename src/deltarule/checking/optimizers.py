"""Recognize the optimizer of several steps, and the usual mistakes in it.

The correct gradient is measured where each step begins. What an optimizer makes of these gradients, from averages of 0,
is compared with the user's steps; then what it makes with one mistake in it.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import Any

import numpy as np

from deltarule.checking.array_results import RIGHT, WRONG, ArrayResult
from deltarule.checking.catalog import join_names, make_mistake
from deltarule.checking.mistakes.evidence import fit_ratio
from deltarule.checking.notes import Note
from deltarule.checking.report import CodeReport
from deltarule.checking.updates import Update
from deltarule.errors import BadInput
from deltarule.problem.problem import Floats, Integers

_STEPS = 4
_BETAS1, _BETAS2, _EPSILONS = (0.9, 0.95, 0.8, 0.5), (0.999, 0.99, 0.9, 0.95), (1e-8, 1e-7, 1e-6, 1e-10, 1e-12, 1e-5)
_TOLERANCES = (1e-8, 1e-5)
"""Shares of a step's largest entry. With measured gradients rounded to 1e-9 the smaller one tells where ε is."""
_FLOAT32_TOLERANCE = 1e-3
_EQUAL_SHARE = 0.001
"""The first steps of Adam, RMSprop and AdaGrad have the same length to this share; their ε changes less."""
_MISTAKES = ("root_missing", "uncorrected", "late", "unchanging", "first_mean", "first_means")
"""Mistakes with a sentence among the notes; all but the first are a wrong bias correction of Adam's."""
_OF_ADAM = ("before_correction", *_MISTAKES[1:])
_PLACES_OF_EPSILON = ("under_root", "before_correction")
"""Conventions that are right too; a note says which one is used."""


@dataclass(frozen=True, eq=False)
class UpdateSteps:
    """Entries [step, entry] of several steps, and the array of each entry."""

    begin: Floats
    moved: Floats
    gradient: Floats
    owner: Integers
    rounding: Floats
    learning_rate: float
    is_float32: bool
    is_but_for_epsilon: bool = False

    @property
    def is_adaptive(self) -> bool:
        """Whether the first step moves all entries by the same length.

        Adam, RMSprop and AdaGrad do, when their averages begin at 0; AdamW adds a share of the parameters.
        """
        slopes = self.gradient[0]
        is_large = (np.abs(slopes) > 0.01 * np.abs(slopes).max(initial=0)) & (self.moved[0] != 0)
        steps = self.moved[0][is_large]
        slopes = slopes[is_large]
        values = self.begin[0][is_large]
        if len(steps) < 2 or _are_nearly_equal(np.abs(slopes)):
            return False
        if _are_nearly_equal(np.abs(steps)) and (np.ptp(np.sign(steps)) > 0 or np.ptp(np.sign(slopes)) == 0):
            return True
        decayed = np.stack([np.sign(slopes), values], axis=1)
        constants = np.linalg.lstsq(decayed, steps, rcond=None)[0]
        is_fit = np.abs(decayed @ constants - steps).max() <= _EQUAL_SHARE * abs(constants[0])
        return len(steps) >= 4 and bool(is_fit)

    def error(self, moves: Floats) -> Floats:
        """The error [..., entry] of predicted moves [..., step, entry], as a share of the largest move."""
        size = np.abs(self.moved).max(axis=1, keepdims=True)
        return np.asarray((np.maximum(np.abs(moves - self.moved) - self.rounding, 0) / size).max(axis=-2))

    @property
    def tolerance(self) -> float:
        return _FLOAT32_TOLERANCE if self.is_float32 else _TOLERANCES[-1]

    def are_made_of(self, moves: Floats) -> bool:
        return bool((self.error(moves) <= self.tolerance).all())


def follow_steps(update: Update, learning_rate: float) -> Iterator[UpdateSteps]:
    """The user's first steps with correct gradients, and with those without an ε."""
    try:
        references = update.next_steps(_STEPS)
    except BadInput:
        return
    gradients = [[array.expected for array in reference.arrays] for reference in references]
    is_float32 = any(reference.is_float32 for reference in references)
    steps = _steps_along(update, gradients, learning_rate, is_float32)
    if steps is None:
        return
    yield steps
    but_for_epsilon = update.gradients_without_epsilon()
    steps = _steps_along(update, but_for_epsilon, learning_rate, is_float32) if but_for_epsilon else None
    if steps is not None:
        yield replace(steps, is_but_for_epsilon=True)


def _steps_along(
    update: Update, gradients: Sequence[Sequence[Floats]], learning_rate: float, is_float32: bool
) -> UpdateSteps | None:
    arrays = range(len(update.code.names))
    if any(end[i].shape != begin[i].shape for begin, end in update.steps for i in arrays):
        return None
    measured = [np.isfinite([gradient[i] for gradient in gradients]).all(axis=0) for i in arrays]
    owner = np.concatenate([np.full(int(mask.sum()), i) for i, mask in enumerate(measured)])
    if set(owner) != set(arrays):
        return None

    def entries(values: Any) -> Floats:
        return np.array([np.concatenate([np.asarray(v[i])[measured[i]] for i in arrays]) for v in values], float)

    begin, end = entries([before for before, _ in update.steps]), entries([after for _, after in update.steps])
    rounding = learning_rate * entries([update.code.rounding])
    return UpdateSteps(begin, end - begin, entries(gradients), owner, rounding, learning_rate, is_float32)


@np.errstate(all="ignore")
def recognize(steps: UpdateSteps, momentum: float, report: CodeReport) -> CodeReport | None:
    """The report of an update by another optimizer, if one is recognized."""
    candidates = list(_candidates(steps, momentum))
    errors = [steps.error(moves) for *_, moves in candidates]
    for tolerance in (_FLOAT32_TOLERANCE,) if steps.is_float32 else _TOLERANCES:
        for (optimizer, variant, words, _), error in zip(candidates, errors, strict=True):
            for i in np.flatnonzero((error <= tolerance).all(axis=1))[:1]:
                return _report_of_optimizer(steps, report, optimizer, variant, words[i], error[i])
    return None


def _report_of_optimizer(
    steps: UpdateSteps, report: CodeReport, optimizer: str, variant: str, numbers: str, error: Floats
) -> CodeReport:
    """The report of the update of an optimizer, or of one with a mistake."""
    names = [array.name for array in report.arrays]
    mistake = variant if variant in _MISTAKES else ""
    of_loss = ["epsilon_of_loss"] if steps.is_but_for_epsilon else []
    recognized = CodeReport(
        f"update of {optimizer}",
        ok=not mistake,
        entries=report.entries,
        compared=len(steps.owner),
        false_pass=0.0 if len(steps.owner) == report.entries else 1.0,
        notes=tuple(Note(code) for code in [variant] * (variant in _PLACES_OF_EPSILON) + of_loss),
    )
    if mistake:
        code = mistake if mistake == "root_missing" else "bias_correction"
        wrong = tuple(ArrayResult(name, WRONG) for name in names)
        diagnosis = (make_mistake(code, names, str(Note(mistake, optimizer=optimizer))),)
        return replace(recognized, diagnosis=diagnosis, methods=("the steps of optimizers",), arrays=wrong)
    largest = [float(error[steps.owner == i].max()) for i in range(len(names))]
    right = tuple(ArrayResult(name, RIGHT, worst) for name, worst in zip(names, largest, strict=True))
    return replace(recognized, methods=(f"{optimizer} ({numbers})",), arrays=right)


def recognize_shared(steps: UpdateSteps, momentum: float, report: CodeReport) -> CodeReport | None:
    """Return the report if arrays of the same size share one velocity or average, a common mistake; else None."""
    names = [array.name for array in report.arrays]
    sizes = np.bincount(steps.owner)
    if len(sizes) < 2 or np.ptp(sizes):
        return None

    def in_turn(values: Floats) -> Floats:
        return values.reshape(-1, sizes[0])

    shared = replace(
        steps,
        begin=in_turn(steps.begin),
        moved=in_turn(steps.moved),
        gradient=in_turn(steps.gradient),
        owner=np.zeros(sizes[0], int),
        rounding=in_turn(steps.rounding).max(axis=0),
    )
    recognized = recognize(shared, momentum, replace(report, arrays=report.arrays[:1]))
    what = recognized.what if recognized is not None and recognized.ok else "update"
    if what == "update" and not (momentum and shared.are_made_of(_momentum_moves(shared, momentum))):
        return None
    sentence = f"all arrays share one velocity or average: each takes up what the one before it left ({what})"
    wrong = tuple(ArrayResult(name, WRONG) for name in names)
    return replace(
        report, what=what, diagnosis=(make_mistake("wrong_velocity", names, sentence),), arrays=wrong, worst=None
    )


@np.errstate(all="ignore")
def find_other_numbers(steps: UpdateSteps, names: Sequence[str], momentum: float) -> str | None:
    """The other rates, or decay of weights beside the velocity or within it, with which all steps are right."""
    rate = steps.learning_rate
    descent = _momentum_moves(steps, momentum)
    if len(steps.owner) < _STEPS:  # few entries are soon a multiple of any others
        return None
    share = fit_ratio(steps.moved, descent, descent)
    if share > 0 and steps.are_made_of(share * descent):
        return Note("other_rate", rate=f"{share * rate:.3g}")
    masks = [steps.owner == i for i in range(len(names))]
    weights = replace(steps, gradient=steps.begin)
    for is_nesterov, is_within in product((False, True), repeat=2):
        descent = _momentum_moves(steps, momentum, is_nesterov)
        pull = -_momentum_moves(weights, momentum, is_nesterov) / rate if is_within else steps.begin
        decayed = np.array([fit_ratio((descent - steps.moved)[:, m], pull[:, m], pull[:, m]) for m in masks])
        decayed[np.abs(decayed) <= 1e-9 * rate] = 0.0  # the rounding errors of an array that does not decay
        if decayed.any() and decayed.min() >= 0 and steps.are_made_of(descent - decayed[steps.owner] * pull):
            parts = [f"{share / rate:.3g} {name}" for share, name in zip(decayed, names, strict=True) if share]
            return Note("other_decay", decay=join_names(parts))
    return None


@np.errstate(all="ignore")
def find_rates_by_array(steps: UpdateSteps, names: Sequence[str], momentum: float) -> str | None:
    """The different rates with which the steps of each array are right."""
    descent = _momentum_moves(steps, momentum)
    masks = [steps.owner == i for i in range(len(names))]
    shares = np.array([fit_ratio(steps.moved[:, mask], descent[:, mask], descent[:, mask]) for mask in masks])
    if (
        len(steps.owner) < _STEPS
        or shares.min() <= 0
        or _are_nearly_equal(shares)
        or not steps.are_made_of(shares[steps.owner] * descent)
    ):
        return None
    rates = [f"{share * steps.learning_rate:.3g} for {name}" for share, name in zip(shares, names, strict=True)]
    return Note("rates_by_array", rates=join_names(rates))


@np.errstate(all="ignore")
def why_rescaled(steps: UpdateSteps) -> str | None:
    """Why steps of another length along the right gradient need not be wrong.

    A wrong constant has the same ratio in all steps; a decaying rate, clipping and a running mean do not.
    """
    rate = steps.learning_rate
    tolerance = steps.tolerance
    descent = -rate * steps.gradient
    shares = (steps.moved * descent).sum(axis=1) / (descent**2).sum(axis=1)
    first, last = shares[0], shares[-1]
    if len(steps.owner) < _STEPS or not 0 < shares.min() <= shares.max() <= 1 + tolerance:
        return None
    if np.ptp(shares) > 10 * tolerance * last and steps.are_made_of(shares[:, None] * descent):
        return Note("rate_changes", first=first, last=last, step=len(shares), rate=first * rate)
    limit = np.abs(steps.moved).max()
    if (np.abs(descent) > (1 + 10 * tolerance) * limit).any() and steps.are_made_of(np.clip(descent, -limit, limit)):
        return Note("step_cut_off", limit=limit, of_gradient=limit / rate)
    if first < 1 - 10 * tolerance and steps.are_made_of(first * _momentum_moves(steps, 1 - first)):
        return Note("running_mean", momentum=1 - first, rate=first * rate)
    return None


Candidates = tuple[str, str, list[str], Floats]
"""Optimizer, its mistake or convention, various numbers in words, and the moves [numbers, step, entry] with them."""


def _candidates(steps: UpdateSteps, momentum: float) -> Iterator[Candidates]:
    """The moves of optimizers with usual numbers: by convention, then with a mistake."""
    fitted = -steps.moved[0] / (steps.learning_rate * steps.gradient[0]) - 1  # Nesterov's first step is 1 + β times α g
    for beta in (momentum, round(float(np.nanmedian(fitted)), 6)):
        yield "Nesterov's momentum", "", [f"β {beta:g}"], _momentum_moves(steps, beta, is_nesterov=True)[None]
    begin = steps.learning_rate * steps.begin
    for variant in ("", *_PLACES_OF_EPSILON, *_MISTAKES):
        if variant not in _OF_ADAM:
            yield "AdaGrad", variant, *_moves(steps, variant, [0.0], [1.0], "ε {2:g}")
            yield "RMSprop", variant, *_moves(steps, variant, [0.0], _BETAS2, "ρ {1:g}, ε {2:g}")
        for fault in ("both", "first", "second") if variant == "uncorrected" else (variant,):
            words, moves = _moves(steps, fault, _BETAS1, _BETAS2, "β₁ {:g}, β₂ {:g}, ε {:g}")
            yield "Adam", variant, words, moves
            # AdamW's step is Adam's − α λ θ.
            fits = ((moves - steps.moved) * begin).sum(axis=(1, 2)) / (begin * begin).sum()
            decays = [float(f"{fit:.6g}") if fit > 0 else 0.0 for fit in fits]
            with_decay = [f"{numbers}, λ {decay:g}" for numbers, decay in zip(words, decays, strict=True)]
            yield "AdamW", variant, with_decay, moves - np.reshape(decays, (-1, 1, 1)) * begin


def _momentum_moves(steps: UpdateSteps, beta: float, is_nesterov: bool = False) -> Floats:
    velocity = np.zeros_like(steps.gradient[0])
    moves = []
    for gradient in steps.gradient:
        velocity = beta * velocity - steps.learning_rate * gradient
        moves.append(beta * velocity - steps.learning_rate * gradient if is_nesterov else velocity)
    return np.array(moves)


def _moves(
    steps: UpdateSteps, fault: str, betas1: Sequence[float], betas2: Sequence[float], words: str
) -> tuple[list[str], Floats]:
    """The moves of Adam with various numbers, in words too; of RMSprop for β₁ = 0, and of AdaGrad for β₂ = 1 too.

    fault   a mistake, or which averages lack their correction: the "first", the "second" or "both"; or a place of ε
    """
    numbers = list(product(betas1, betas2, _EPSILONS))
    beta1, beta2, epsilon = np.array(numbers).T[:, :, None]  # each [numbers, 1]
    m, v = np.zeros_like(steps.gradient[0]), np.zeros_like(steps.gradient[0])
    gain = np.where(beta2 < 1, 1 - beta2, 1.0)
    moves = []
    for t, g in enumerate(steps.gradient, 1):
        m = g if t == 1 and fault.startswith("first_mean") else beta1 * m + (1 - beta1) * g
        v = g * g if t == 1 and fault == "first_means" else beta2 * v + gain * g * g
        power = {"late": t + 1, "unchanging": 1}.get(fault, t)
        first = 1.0 if fault in ("first", "both") else 1 - beta1**power
        second = 1.0 if fault in ("second", "both") else np.where(beta1 > 0, 1 - beta2**power, 1.0)
        moves.append(-steps.learning_rate * m / first / _scale(v, second, fault, epsilon))
    return [words.format(*of) for of in numbers], np.stack(moves, axis=1)


def _scale(v: Floats, correction: Any, fault: str, epsilon: Floats) -> Floats:
    """What Adam divides by, √(v / correction) + ε, or with a mistake or another place of ε."""
    if fault == "under_root":
        return np.sqrt(v / correction + epsilon)
    if fault == "before_correction":
        return (np.sqrt(v) + epsilon) / np.sqrt(correction)
    if fault == "root_missing":
        return v / correction + epsilon
    return np.sqrt(v / correction) + epsilon


def _are_nearly_equal(sizes: Floats) -> bool:
    return bool(np.ptp(sizes) <= _EQUAL_SHARE * sizes.max())
