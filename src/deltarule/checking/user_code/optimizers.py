"""Recognize the optimizer of several steps, and the usual mistakes in it.

The correct gradient is measured where each step begins. What an optimizer of `maths.optimizers` makes of these
gradients, from slots of 0, is compared with the user's steps; then what it makes with one mistake in it.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np

from deltarule.checking.user_code.updates import Update
from deltarule.errors import BadInput
from deltarule.maths.optimizers import OPTIMIZERS
from deltarule.problem.problem import Floats

_STEPS = 4
_BETAS1, _BETAS2, _EPSILONS = (0.9, 0.95, 0.8, 0.5), (0.999, 0.99, 0.9, 0.95), (1e-8, 1e-7, 1e-6, 1e-10, 1e-12, 1e-5)
_DECAYS = (0.01, 0.1, 0.001, 1e-4, 5e-4, 0.05, 0.5)
_TOLERANCES = (1e-8, 1e-5)
"""Shares of a step's largest entry. With measured gradients rounded to 1e-9 the smaller one tells where ε is."""
_FLOAT32_TOLERANCE = 1e-3
_NAMES = {
    "adam": "Adam",
    "adamw": "AdamW",
    "rmsprop": "RMSprop",
    "adagrad": "AdaGrad",
    "nesterov": "Nesterov's momentum",
}
_MISTAKES = {
    "bias_correction": "{optimizer} without its bias correction: the averages begin at 0",
    "square_missing": "{optimizer} with an average of gradients where that of their squares belongs",
    "root_missing": "{optimizer} divided by the average of squares, not by its root",
    "epsilon_in_root": "{optimizer} with ε inside the root",
    "decay_in_gradient": "{optimizer} with the decay of weights in the gradient, where it is divided by √v too",
}


@dataclass(frozen=True)
class Recognized:
    """An optimizer that makes the user's steps.

    mistake    the code of the mistake in it, or ""
    sentence   the optimizer with its numbers, or with its mistake
    errors     the largest error of each array, as a share of its largest step
    compared   the number of entries that were compared
    """

    name: str
    mistake: str
    sentence: str
    errors: tuple[float, ...]
    compared: int


@dataclass(frozen=True, eq=False)
class _Steps:
    """Entries of several steps [step, entry]: begin, move and correct gradient."""

    begin: Floats
    moved: Floats
    gradient: Floats
    learning_rate: float
    rounding: Floats

    def error(self, moves: Floats) -> Floats:
        size = np.abs(self.moved).max(axis=1, keepdims=True)
        return np.asarray((np.maximum(np.abs(moves - self.moved) - self.rounding, 0) / size).max(axis=0))


def recognize(update: Update, learning_rate: float, momentum: float) -> Recognized | None:
    """The optimizer of a user's update, with at most one mistake; None if unknown."""
    try:
        references = update.next_steps(_STEPS)
    except BadInput:
        return None
    gradients = [[array.expected for array in reference.arrays] for reference in references]
    is_float32 = any(reference.is_float32 for reference in references)
    arrays = range(len(update.code.names))
    if any(end[i].shape != begin[i].shape for begin, end in update.steps for i in arrays):
        return None
    measured = [np.isfinite([gradient[i] for gradient in gradients]).all(axis=0) for i in arrays]
    owner = np.concatenate([np.full(int(mask.sum()), i) for i, mask in enumerate(measured)])
    if set(owner) != set(arrays):
        return None

    def entries(values: Any) -> Floats:
        return np.array([np.concatenate([np.asarray(one[i])[measured[i]] for i in arrays]) for one in values], float)

    begin, end = entries([one for one, _ in update.steps]), entries([one for _, one in update.steps])
    rounding = learning_rate * entries([update.code.rounding])
    steps = _Steps(begin, end - begin, entries(gradients), learning_rate, rounding)
    tolerances = (_FLOAT32_TOLERANCE,) if is_float32 else _TOLERANCES
    with np.errstate(all="ignore"):
        candidates = [*_right_steps(steps, momentum), *_wrong_steps(steps)]
        errors = [steps.error(moves) for _, _, _, moves in candidates]
    for tolerance in tolerances:
        for (name, mistake, numbers, _), error in zip(candidates, errors, strict=True):
            if (error <= tolerance).all():
                sentence = (
                    _MISTAKES[mistake].format(optimizer=_NAMES[name]) if mistake else f"{_NAMES[name]} ({numbers})"
                )
                by_array = tuple(float(error[owner == i].max()) for i in arrays)
                return Recognized(_NAMES[name], mistake, sentence, by_array, len(owner))
    return None


Candidate = tuple[str, str, str, Floats]
"""Optimizer, mistake, its numbers in words, and its moves."""


def _right_steps(steps: _Steps, momentum: float) -> Iterator[Candidate]:
    """The moves that the optimizers make with usual numbers."""
    fitted = -steps.moved[0] / (steps.learning_rate * steps.gradient[0]) - 1  # Nesterov's first step is 1 + β times α g
    for beta in (momentum, round(float(np.nanmedian(fitted)), 6)):
        yield "nesterov", "", f"β {beta:g}", _moves(steps, "nesterov", momentum=beta)
    for epsilon in _EPSILONS:
        yield "adagrad", "", f"ε {epsilon:g}", _moves(steps, "adagrad", epsilon=epsilon)
    for decay, epsilon in product(_BETAS2, _EPSILONS):
        yield "rmsprop", "", f"ρ {decay:g}, ε {epsilon:g}", _moves(steps, "rmsprop", decay=decay, epsilon=epsilon)
    for beta1, beta2, epsilon in product(_BETAS1, _BETAS2, _EPSILONS):
        numbers = f"β₁ {beta1:g}, β₂ {beta2:g}, ε {epsilon:g}"
        moves = _moves(steps, "adam", beta1=beta1, beta2=beta2, epsilon=epsilon)
        yield "adam", "", numbers, moves
        decay = _fit_decay(steps, moves)
        yield "adamw", "", f"{numbers}, λ {decay:g}", moves - steps.learning_rate * decay * steps.begin


def _fit_decay(steps: _Steps, moves: Floats) -> float:
    begin = steps.learning_rate * steps.begin
    decay = float(((moves - steps.moved) * begin).sum() / (begin * begin).sum())  # AdamW's step is Adam's − α λ θ
    return float(f"{decay:.6g}") if decay > 0 else 0.0


def _moves(steps: _Steps, name: str, **numbers: float) -> Floats:
    """The moves that an optimizer of ours makes of the gradients."""
    optimizer = OPTIMIZERS[name]
    slots: tuple[Any, ...] = tuple(np.zeros_like(steps.gradient[0]) for _ in optimizer.slots)
    moves = []
    for t, (theta, gradient) in enumerate(zip(steps.begin, steps.gradient, strict=True), 1):
        values = {"learning_rate": steps.learning_rate, **numbers}
        if optimizer.once_a_step is None:
            moved, *rest = optimizer.update(theta, gradient, *slots, **values)
        else:
            moved, *rest = optimizer.update(theta, gradient, *slots, *optimizer.once_a_step(t=t, **values))
        slots = tuple(rest)
        moves.append(moved - theta)
    return np.array(moves)


def _wrong_steps(steps: _Steps) -> Iterator[Candidate]:
    """The moves that optimizers make with a mistake."""
    for epsilon, mistake in product(_EPSILONS, ("square_missing", "root_missing", "epsilon_in_root")):
        yield "adagrad", mistake, "", _wrong_moves(steps, mistake, 0.0, 1.0, 1.0, epsilon)
        for rho in _BETAS2:
            yield "rmsprop", mistake, "", _wrong_moves(steps, mistake, 0.0, rho, 1 - rho, epsilon)
    for beta1, beta2, epsilon in product(_BETAS1, _BETAS2, _EPSILONS):
        for mistake in ("bias_correction", "square_missing", "root_missing", "epsilon_in_root"):
            for which in ("both", "first", "second") if mistake == "bias_correction" else ("both",):
                moves = _wrong_moves(steps, mistake, beta1, beta2, 1 - beta2, epsilon, which=which)
                yield "adam", mistake, "", moves
                decay = _fit_decay(steps, moves)
                yield "adamw", mistake, "", moves - steps.learning_rate * decay * steps.begin
        for decay in _DECAYS:
            moves = _wrong_moves(steps, "decay_in_gradient", beta1, beta2, 1 - beta2, epsilon, decay=decay)
            yield "adamw", "decay_in_gradient", "", moves


def _wrong_moves(
    steps: _Steps,
    mistake: str,
    beta1: float,
    beta2: float,
    gain: float,
    epsilon: float,
    decay: float = 0.0,
    which: str = "both",
) -> Floats:
    """The moves of an update with a mistake, like Adam's with v ← β₂ v + gain g²."""
    m, v = np.zeros_like(steps.gradient[0]), np.zeros_like(steps.gradient[0])
    moves = []
    for t, (theta, gradient) in enumerate(zip(steps.begin, steps.gradient, strict=True), 1):
        g = gradient + decay * theta
        m = beta1 * m + (1 - beta1) * g
        v = beta2 * v + gain * (np.abs(g) if mistake == "square_missing" else g * g)
        first, second = (1 - beta1**t, 1 - beta2**t) if beta1 else (1.0, 1.0)
        if mistake == "bias_correction":
            first, second = {"both": (1.0, 1.0), "first": (1.0, second), "second": (first, 1.0)}[which]
        scale = v / second
        if mistake == "epsilon_in_root":
            scale = np.sqrt(scale + epsilon)
        else:
            scale = (scale if mistake == "root_missing" else np.sqrt(scale)) + epsilon
        moves.append(-steps.learning_rate * m / first / scale)
    return np.array(moves)
