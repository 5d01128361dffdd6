"""What is known about a wrong gradient, and whether a prediction of it fits.

E  the reference gradient, as measured      F  the user's gradient, `gradient`     V  the parameter itself
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from deltarule.checking import tolerances
from deltarule.checking.catalog import Mistake, join_names, make_mistake
from deltarule.proofs.differences import Floats


@dataclass(frozen=True, eq=False)
class PenaltyTerm:
    """A penalty's part c V, or c sign(V), of the gradient of the parameter with an index; 0 in entries left out."""

    index: int
    c: float
    is_sign: bool
    part: Floats


@dataclass(frozen=True, eq=False)
class ParameterEvidence:
    """What is known about the gradient of one parameter.

    raw                the user's gradient, in the shape in which it was returned
    gradient           the user's gradient, in the parameter's shape
    expected           the reference gradient; NaN where it was not measured, or does not exist
    tolerance          the error allowed in each entry; `uncertainty` is the part of it that belongs to `expected`
    shape_mistake      code of the mistake that the shape shows, or ""
    """

    name: str
    value: Floats
    raw: Floats
    gradient: Floats
    expected: Floats
    tolerance: Floats
    uncertainty: Floats
    is_wrong: bool
    shape_mistake: str = ""
    at_kink: NDArray[np.bool_] | np.bool_ = np.False_

    @property
    def wrong(self) -> NDArray[np.bool_]:
        """The entries that are off by more than their tolerance."""
        return np.isfinite(self.expected) & ~(np.abs(self.gradient - self.expected) <= self.tolerance)

    def divided_by(self, factor: float, uncertainty: float, penalty: Floats) -> "ParameterEvidence":
        """The evidence with the gradient, but for its penalty, divided by a factor."""
        is_whole = self.shape_mistake or self.fits(factor * self.expected, max(1.0, abs(factor)))
        kept = 0.0 if is_whole else penalty
        divided = replace(
            self,
            raw=(self.raw - kept) / factor + kept,
            gradient=(self.gradient - kept) / factor + kept,
            tolerance=self.tolerance * max(1.0, 1 / abs(factor)) + uncertainty * np.abs(self.gradient / factor),
        )
        return replace(divided, is_wrong=bool(divided.wrong.any() or self.shape_mistake))

    @property
    def count_clearly_wrong(self) -> int:
        error = np.abs(self.gradient - self.expected)
        return int((error > tolerances.FIT.informative * self.tolerance).sum())

    @property
    def finite_tolerance(self) -> Floats:
        return np.minimum(self.tolerance, 1e300)  # infinity would make NaN

    @property
    def is_faint(self) -> bool:
        """Whether the user's gradient is too small to distinguish predictions."""
        return bool(self.gradient.any() and (np.abs(self.gradient) <= 10 * self.finite_tolerance).all())

    @property
    def is_rounding(self) -> bool:
        """Whether there are rounding errors alone, no multiple of the right gradient."""
        own, expected = np.abs(self.gradient).max(initial=0), np.nanmax(np.abs(self.expected), initial=0)
        rest = self.gradient - fit_ratio(self.gradient, self.expected, self.expected) * self.expected
        return bool(own <= 1e-13 * expected and np.nanmax(np.abs(rest), initial=0) > 0.01 * own)

    @property
    def is_repeated(self) -> bool:
        """Whether a number, a row or a column is repeated where a larger gradient belongs."""
        is_number = self.gradient.size > 3 and np.ptp(self.gradient) <= 1e-9 * np.abs(self.gradient).max() > 0
        return bool(self.is_wrong and not self.shape_mistake and (self.raw.size < self.value.size or is_number))

    @property
    def is_vector(self) -> bool:
        """Whether at most one axis of the parameter is longer than 1."""
        return max(self.value.shape, default=1) == self.value.size

    @np.errstate(over="ignore", invalid="ignore")
    def fits(self, prediction: Floats, uncertainty_factor: float = 1.0) -> bool:
        """Whether a prediction equals the user's gradient and the reference does not.

        It is NaN where it says nothing; `uncertainty_factor` is that by which it multiplies the one of `expected`.
        """
        prediction = np.asarray(prediction, float)
        if prediction.shape != self.gradient.shape:
            return False
        known = np.isfinite(prediction) & np.isfinite(self.expected)
        if not known.any():
            return False
        own, predicted = self.gradient[known], prediction[known]
        tolerance = self.finite_tolerance[known] + (uncertainty_factor - 1) * self.uncertainty[known]
        excess = np.abs(own - predicted) - tolerance
        error = np.abs(own - self.expected[known])
        # A prediction explains a mistake only if it is much closer than the reference gradient itself.
        if self.is_wrong and not self.shape_mistake:
            if not ((error > tolerance).any() and (excess <= tolerances.FIT.improvement * error.max()).all()):
                return False
        return bool((excess <= tolerances.FIT.residual * np.maximum(np.abs(own), np.abs(predicted))).all())

    def is_found(self, gradient: Floats) -> bool:
        """Whether a predicted gradient equals the user's at all entries without a kink."""
        if self.shape_mistake or not self.fits(gradient):
            return False
        default = 1e-8 * np.abs(self.gradient).max()
        tolerance = np.where(np.isfinite(self.tolerance), self.tolerance, default)
        tolerance = tolerance + tolerances.FIT.residual * np.maximum(np.abs(self.gradient), np.abs(gradient))
        return not ((np.abs(self.gradient - gradient) > tolerance) & ~self.at_kink).any()

    def fit_multiple(
        self, regressor: Floats, known_constants: Sequence[float] = (), min_informative_entries: int = 2
    ) -> float | None:
        """Fit c in found = expected + c · regressor.

        It must be a known constant if fewer than `min_informative_entries` determine it.
        """
        c = fit_ratio(self.gradient - self.expected, regressor, self.expected)
        if not c or not self.fits(self.expected + c * regressor):
            return None
        is_informative = np.abs(c * regressor) > tolerances.FIT.informative * self.tolerance
        is_sure = is_informative.sum() >= min_informative_entries
        return c if is_sure or np.isclose(c, known_constants, rtol=10 * tolerances.FIT.constant, atol=0).any() else None


def fit_ratio(own: Floats, regressor: Floats, expected: Floats) -> float:
    """Fit r in found = r · regressor by least squares."""
    known = np.isfinite(expected) & np.isfinite(regressor)
    square = float((regressor[known] ** 2).sum())
    return float((own[known] * regressor[known]).sum() / square) if square > 1e-300 else 0.0


@dataclass(frozen=True, eq=False)
class GradientEvidence:
    """What is known about the gradient of all parameters, some of it wrong.

    samples         possible numbers of samples
    learning_rate   of the update that is checked, if it is one; `momentum` too
    prefix          begins a sentence about the gradient of a parameter
    is_layer        the first array is the input of a layer, not a parameter
    find_penalties  gives the penalties of the loss; None if they cannot be seen
    divisor         by which the gradient was divided, without its penalties
    ratios_nearby   gives the ratio of the gradient of each array, by name, at parameters nearby
    """

    parameters: tuple[ParameterEvidence, ...]
    samples: tuple[int, ...] = ()
    outputs: int | None = None
    learning_rate: float | None = None
    momentum: float = 0.0
    prefix: str = "the gradient of"
    is_layer: bool = False
    find_penalties: Callable[[], Sequence[PenaltyTerm] | None] = lambda: None
    divisor: float = 1.0
    ratios_nearby: Callable[[], dict[str, float]] = dict

    def has_ratio_nearby(self, parameter: ParameterEvidence, ratio: float) -> bool:
        """Whether the gradient of a single number has the same ratio at parameters nearby: here it has any ratio."""
        return bool(np.isclose(self.ratios_nearby().get(parameter.name, np.nan), ratio, rtol=1e-5, atol=0))

    @property
    def penalties(self) -> list[Floats]:
        """By parameter, the penalty's part of the right gradient, as far as it is known."""
        parts = [np.zeros(value.shape) for value in self.values]
        for term in self.find_penalties() or ():
            parts[term.index] += term.part
        return parts

    def divided_by(self, factor: float, uncertainty: float) -> "GradientEvidence":
        """The evidence with the gradient divided by a factor of some uncertainty."""
        pairs = zip(self.parameters, self.penalties, strict=True)
        divided = tuple(array.divided_by(factor, uncertainty, part) for array, part in pairs)
        return replace(self, parameters=divided, divisor=factor)

    @property
    def wrong(self) -> list[ParameterEvidence]:
        return [parameter for parameter in self.parameters if parameter.is_wrong]

    @property
    def names(self) -> list[str]:
        return [parameter.name for parameter in self.parameters]

    @property
    def values(self) -> list[Floats]:
        return [parameter.value for parameter in self.parameters]

    @property
    def gradients(self) -> list[Floats]:
        """The gradients that the user's code computes."""
        return [parameter.gradient for parameter in self.parameters]

    @property
    def references(self) -> list[Floats]:
        return [parameter.expected for parameter in self.parameters]

    def may_be_penalized(self, parameter: ParameterEvidence) -> bool:
        return not (self.is_layer and parameter is self.parameters[0])

    def other_parameters(self, parameter: ParameterEvidence) -> list[ParameterEvidence]:
        return [other for other in self.parameters if other is not parameter]

    def is_found(self, gradients: Sequence[Floats]) -> bool:
        return all(parameter.is_found(gradient) for parameter, gradient in zip(self.parameters, gradients, strict=True))

    def describe(self, parameters: Sequence[ParameterEvidence]) -> str:
        """The subject of a sentence, such as "the gradient of W1 and b1"."""
        if len(parameters) == len(self.parameters) > 2 and self.prefix == "the gradient of":
            return "the whole gradient"
        return f"{self.prefix} {join_names([parameter.name for parameter in parameters])}".lstrip()


@dataclass(frozen=True)
class Hypothesis:
    """Mistakes that would explain the wrong gradients of some parameters."""

    parameters: frozenset[ParameterEvidence]
    mistakes: tuple[Mistake, ...]
    constants: int = 0


def one_mistake(
    code: str, parameters: Sequence[ParameterEvidence], sentence: str, constants: int = 0, where: Sequence[str] = ()
) -> Hypothesis:
    names = where or [parameter.name for parameter in parameters]
    return Hypothesis(frozenset(parameters), (make_mistake(code, names, sentence),), constants)
