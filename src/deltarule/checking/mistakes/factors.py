"""Hypotheses that a gradient is a multiple of the correct one."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from deltarule.checking import tolerances
from deltarule.checking.catalog import Mistake, join_names
from deltarule.checking.mistakes.evidence import Evidence, Hypothesis, ParameterEvidence, fit_ratio, one_mistake
from deltarule.problem.problem import Floats


@dataclass(frozen=True)
class Factor:
    """A fitted factor and its relative uncertainty."""

    value: float
    uncertainty: float

    def is_near(self, value: float, tolerance: float = 0.0) -> bool:
        return abs(self.value - value) <= max(self.uncertainty, tolerance) * abs(value)

    def is_count(self) -> bool:
        """Whether the factor is certainly a whole number up to a million."""
        is_exact = self.value <= 1e6 and self.value * self.uncertainty <= 0.05
        return is_exact and self.is_near(round(self.value))


def wrong_factors(evidence: Evidence) -> Iterator[Hypothesis]:
    """Hypotheses that gradients are F = r E, or F = r E + c V with a penalty."""
    groups: list[tuple[Factor, list[ParameterEvidence]]] = []
    fitted = [(fit_factor(evidence, parameter), parameter) for parameter in evidence.wrong]
    known = [(factor, parameter) for factor, parameter in fitted if factor is not None]
    # The best known factor of a group stands for it: in float32 that of a small gradient may be almost anything.
    for factor, parameter in sorted(known, key=lambda entry: entry[0].uncertainty):
        near = [members for other, members in groups if factor.is_near(other.value, tolerances.FIT.constant)]
        if near:
            near[0].append(parameter)
        else:
            groups.append((factor, [parameter]))
    for factor, members in groups:
        yield from _factor_hypotheses(evidence, factor, members)


def fit_factor(evidence: Evidence, parameter: ParameterEvidence) -> Factor | None:
    """Fit r in F = r E, or in F = r E + c V."""
    found, expected, value = parameter.found, parameter.expected, parameter.value
    r = _ratio_without_penalty(parameter)
    if r and not parameter.is_rounding:
        return Factor(r, _uncertainty(parameter, r, r * expected))
    known = np.isfinite(expected)
    if not evidence.may_be_penalized(parameter) or known.sum() < 4:
        return None
    matrix = np.stack([expected[known], value[known]], axis=1)
    size = np.maximum(np.abs(matrix).max(0), 1e-300)
    r, c = (float(constant) for constant in np.linalg.lstsq(matrix / size, found[known], rcond=None)[0] / size)
    # Beside a penalty alone r is a rounding error.
    is_penalty_alone = np.abs(r * expected[known]).max() <= tolerances.FIT.residual * np.abs(found[known]).max()
    if is_penalty_alone or not parameter.fits(r * expected + c * value, max(1.0, abs(r))):
        return None
    return Factor(r, _uncertainty(parameter, r, r * expected + c * value))


def _ratio_without_penalty(parameter: ParameterEvidence) -> float:
    """Fit r in F = r E; 0 if no r fits."""
    r = fit_ratio(parameter.found, parameter.expected, parameter.expected)
    return r if parameter.fits(r * parameter.expected, max(1.0, abs(r))) else 0.0


def mistakes_of_factor(
    evidence: Evidence, factor: Factor, parameters: Sequence[ParameterEvidence]
) -> tuple[Mistake, ...]:
    """The mistakes of the likeliest meaning of a factor."""
    hypotheses = _factor_hypotheses(evidence, factor, list(parameters))
    return next((hypothesis.mistakes for hypothesis in hypotheses), ())


def _uncertainty(parameter: ParameterEvidence, r: float, prediction: Floats) -> float:
    known = np.isfinite(parameter.expected)
    residual = np.abs(parameter.found - prediction)[known] / abs(r)
    error = np.linalg.norm(residual + parameter.uncertainty[known])
    return tolerances.FIT.factor + float(error / np.linalg.norm(parameter.expected[known]))


def _factor_hypotheses(evidence: Evidence, factor: Factor, parameters: list[ParameterEvidence]) -> Iterator[Hypothesis]:
    """The mistakes that may cause a fitted factor."""
    if factor.is_near(1):
        return
    subject, r = evidence.describe(parameters), factor.value
    size = Factor(abs(r), factor.uncertainty)
    wrong_sign = one_mistake("sign", parameters, f"{subject} has the wrong sign")
    if size.is_near(1):
        yield wrong_sign
        return
    meanings = list(_meanings_of_size(evidence, size, parameters))
    if evidence.samples or not meanings:
        meanings += _meanings_as_count(evidence, size, subject)
    elif meanings[0][0] == "learning_rate" and size.value > 1:  # α may be 1 / N
        meanings += _meanings_as_count(evidence, size, subject)[:1]
    for code, sentence in meanings:
        hypothesis = one_mistake(code, parameters, sentence)
        if r < 0:
            hypothesis = Hypothesis(hypothesis.parameters, (*wrong_sign.mistakes, *hypothesis.mistakes), 1)
        yield hypothesis
    count = sum(parameter.count_clearly_wrong for parameter in parameters)
    if not meanings and (count > 1 or count and evidence.has_ratio_nearby(parameters[0], r)):
        yield one_mistake("factor", parameters, f"{subject} is {r:.6g} times what it should be", 1)


def _meanings_of_size(
    evidence: Evidence, size: Factor, parameters: list[ParameterEvidence]
) -> Iterator[tuple[str, str]]:
    """The mistakes that may cause a factor of this absolute value."""
    names = join_names([parameter.name for parameter in parameters])
    beta, rate = evidence.momentum, evidence.learning_rate
    if size.is_near(2) or size.is_near(0.5):
        yield "factor_two", f"{evidence.describe(parameters)} is {'twice' if size.value > 1 else 'half'} the right one"
    if beta and size.is_near(1 - beta):
        yield "running_mean", f"the velocity of {names} is a running mean, v ← β v − (1 − β) α g"
    if beta and size.is_near(1 + beta) and all(map(_ratio_without_penalty, parameters)):
        yield "nesterov", f"the update of {names} is that of Nesterov's momentum, β v − α g with the new v"
    if rate and rate != 1 and (size.is_near(rate) or size.is_near(1 / rate)):
        count = "twice" if size.is_near(rate) else "not at all"
        yield "learning_rate", f"the update of {names} has the learning rate {count}"


def _meanings_as_count(evidence: Evidence, size: Factor, subject: str) -> list[tuple[str, str]]:
    """The mistakes in a count, such as of samples, that may cause a factor."""
    r, is_large = size.value, size.value > 1
    k = Factor(r if is_large else 1 / r, size.uncertainty)
    times = f"{k.value:.6g} times too {'large' if is_large else 'small'}"
    code, problem = ("mean_missing", "is not divided by") if is_large else ("mean_twice", "is divided twice by")
    if not evidence.samples:
        if k.is_count() and round(k.value) >= 3:
            count = f"{subject} is {times}: it {problem} the number of samples, or of outputs, if there are as many"
            return [(code, count), ("factor", f"{subject} is {r:.6g} times what it should be")]
        return []
    # The last parameter has the number of outputs in its shape.
    outputs = (evidence.outputs,) if evidence.outputs else evidence.parameters[-1].value.shape
    # An axis of x as long as one of a parameter holds its features, if the other axis is not.
    lengths = {length for parameter in evidence.parameters for length in parameter.value.shape}
    samples = [N for N in evidence.samples if N not in lengths] or evidence.samples
    counts = [(N, "number of samples") for N in samples]
    counts += [(N * C, "number of samples and outputs") for N in samples for C in outputs]
    counts += [(C, "number of outputs, over which the loss averages or not") for C in outputs]
    for number, name in counts:
        if number > 1 and k.is_near(number):
            return [(code, f"{subject} is {times}: it {problem} the {name}")]
    return []
