"""The losses that a script itself computes, beside the loss that its moves follow."""

import re
from collections.abc import Iterable
from typing import TypeAlias

import numpy as np

from deltarule.checking.scripts.candidates import is_whole_ratio
from deltarule.checking.scripts.foretell import is_collinear
from deltarule.checking.scripts.numbers_met import MADE, Key
from deltarule.checking.scripts.slopes import Number, StepSlopes

OwnLoss: TypeAlias = tuple[str, tuple[str, int, int]]
"""A loss that the script computes: its name, and the function, the line, and which of its values it is."""
NO_LOSS: OwnLoss = ("", ("", 0, 0))
_OF_OTHER_DATA = ("val", "test", "dev", "eval", "hold")
"""Parts of the names of losses of data that are not trained on."""


def is_named_loss(key: Key) -> bool:
    """Whether a script calls a number the loss that it trains, not only an error that it shows."""
    words = " ".join(key).lower()
    return any(word in words for word in ("loss", "cost", "objective", "entropy", "nll"))


def draws_random_numbers(step: StepSlopes) -> bool:
    """Whether a line that ran in the step calls a function whose name says that it draws."""
    sources = [(step.run.sources.get(path), lines) for path, lines in step.run.lines_run.items()]
    texts = [source.text_of(line) for source, lines in sources if source is not None for line in lines]
    return any(re.search(r"(rand\w*|binomial|bernoulli|uniform|choice|normal)\(", text) for text in texts)


def other_loss(step: StepSlopes, followed: str, arrays: Iterable[int], numbers: Iterable[Number]) -> OwnLoss:
    """The script's own loss and its place, where moves follow another one; none if they follow a multiple of it.

    Parameters
    ----------
    step : the step, with points.
    followed : the name of the loss that the moves follow, which the script does not compute.
    arrays : those that follow it.
    numbers : those that may be the script's own loss.
    """
    arrays = list(arrays)
    own = [
        number
        for number in numbers
        if not number[0][1].startswith(MADE)
        and all(step.numbers[number].is_live(i) for i in arrays)
        and (is_named_loss(number[0]) or _is_squared_error(step, number))
    ]
    if not own or not step.points or any(is_collinear([step, *step.points], number, arrays) for number in own):
        return NO_LOSS
    own = [number for number in own if not _is_of_other_data(step, number, followed)]
    if not own:
        return NO_LOSS
    (function, name), which = own[0]
    return name, (function, step.run.met.lines.get((function, name), 0), which)


def arrays_without_gradient(step: StepSlopes, number: Number, arrays: Iterable[int]) -> list[int]:
    """The arrays of which no update reads the gradient of a number; single numbers as the other arrays."""
    chosen = list(arrays)
    large = [i for i in chosen if step.sizes[i] > 1]  # any two numbers have some ratio
    missing = [i for i in large if not _is_gradient_read(step, number, i)]
    return [i for i in chosen if i in missing or (i not in large and (missing or not large))]


def _is_gradient_read(step: StepSlopes, number: Number, i: int) -> bool:
    """Whether an update reads the gradient of a number: it may divide it by its size, or solve a system with it."""
    slopes, run = step.numbers[number], step.run
    values = slopes.values[i]
    for array in run.read_in_order():
        if array.values.size == step.sizes[i]:
            vector = np.array(run.along(i, array.values.reshape(run.parameters[i].start.shape)))
            factor = float(vector @ values / max(values @ values, 1e-300))
            if factor and step.fits(vector, slopes, i, factor):
                return True
    return False


def is_signed_error(step: StepSlopes, key: Key) -> bool:
    """Whether a number is a difference: the step met half its square."""
    number = step.run.met.values[key][1]
    halves = [values[1] for (_, name), values in step.run.met.values.items() if name.startswith("½")]
    return any(abs(2 * half - number**2) <= 1e-12 * number**2 for half in halves)


def _is_squared_error(step: StepSlopes, number: Number) -> bool:
    """Whether a number is called an error, and is a multiple of a sum of squares."""
    return "err" in number[0][1].lower() and bool(_alike(step, number, "½"))


def _is_of_other_data(step: StepSlopes, number: Number, followed: str) -> bool:
    """Whether a loss has the form of the one that is followed, of other data; not by labels of another shape."""
    words = " ".join(number[0]).lower()
    if any(word in words for word in _OF_OTHER_DATA):
        return True
    form = next(form for form in MADE if followed.startswith(form))
    sides = {f"½Σ({name})²": sides for (_, name), sides in step.run.met.sides.items()}
    alike = _alike(step, number, form)
    return any(all(np.shape(a) == np.shape(y) for a, y in sides.get(name, ())) for _, name in alike)


def _alike(step: StepSlopes, number: Number, form: str) -> list[Key]:
    """The numbers of a form that the script does not compute, of which a number is a multiple by a whole ratio."""
    value = step.run.met.values[number[0]][1]
    return [
        key
        for key, (_, last, _) in step.run.met.values.items()
        if key[1].startswith(form) and value and last and is_whole_ratio(abs(value / last), 1e-9)
    ]
