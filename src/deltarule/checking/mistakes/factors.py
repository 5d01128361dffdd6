"""Hypotheses that a gradient is a multiple of the correct one."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from deltarule.checking import tolerances
from deltarule.checking.mistakes.catalog import join_names, make_mistake
from deltarule.checking.mistakes.evidence import Evidence, Hypothesis, ParameterEvidence, fit_ratio, one_mistake
from deltarule.checking.mistakes.penalties import penalty_codes, roles_of

CodeAndSentence = tuple[str, str]
"""The code of a mistake, and the sentence that reports it."""


@dataclass(frozen=True)
class Factor:
    """A fitted factor and its relative uncertainty."""

    value: float
    uncertainty: float

    def is_near(self, value: float, tolerance: float = 0.0) -> bool:
        """Whether the factor equals `value` within its uncertainty."""
        return abs(self.value - value) <= max(self.uncertainty, tolerance) * abs(value)

    def is_count(self) -> bool:
        """Whether the factor is certainly a whole number up to a million."""
        is_exact = self.value <= 1e6 and self.value * self.uncertainty <= 0.05
        return is_exact and self.is_near(round(self.value))


def wrong_factors(evidence: Evidence) -> Iterator[Hypothesis]:
    """Hypotheses that gradients are F = r E, or F = r E + c V with a penalty."""
    groups: list[tuple[Factor, list[ParameterEvidence]]] = []
    penalties: dict[CodeAndSentence, list[ParameterEvidence]] = {}
    fitted = [
        (_fit_factor(parameter, may_be_penalized=evidence.may_be_penalized(parameter)), parameter)
        for parameter in evidence.wrong
    ]
    known = [(factor, c, parameter) for (factor, c), parameter in fitted if factor is not None]
    # The best known factor of a group stands for it: in float32 that of a small gradient may be almost anything.
    for factor, c, parameter in sorted(known, key=lambda entry: entry[0].uncertainty):
        group = next(
            (members for other, members in groups if factor.is_near(other.value, tolerances.FIT.constant)), None
        )
        if group is None:
            groups.append((factor, [parameter]))
        else:
            group.append(parameter)
        for penalty_mistake in _penalty_beside_factor(evidence, parameter, factor.value, c)[:1]:
            penalties.setdefault(penalty_mistake, []).append(parameter)
    for factor, group in groups:
        penalty_mistakes = []
        for (code, sentence), members in penalties.items():
            shared = [parameter for parameter in members if parameter in group]
            if shared:
                names = [parameter.name for parameter in shared]
                penalty_mistakes.append(make_mistake(code, names, f"{evidence.describe(shared)} {sentence}"))
        for hypothesis in _factor_hypotheses(evidence, factor, group):
            mistakes = (*hypothesis.mistakes, *penalty_mistakes)
            yield Hypothesis(hypothesis.parameters, mistakes, hypothesis.constants + len(penalty_mistakes))


def _fit_factor(parameter: ParameterEvidence, *, may_be_penalized: bool) -> tuple[Factor | None, float]:
    """Fit r and c in F = r E + c V."""
    found, expected, value = parameter.found, parameter.expected, parameter.value
    r = fit_ratio(found, expected, expected)
    if r and parameter.fits(r * expected, max(1.0, abs(r))):
        return Factor(r, _uncertainty(parameter, r, 0.0)), 0.0
    known = np.isfinite(expected)
    if not may_be_penalized or known.sum() < 4:
        return None, 0.0
    matrix = np.stack([expected[known], value[known]], axis=1)
    size = np.maximum(np.abs(matrix).max(0), 1e-300)
    r, c = (float(constant) for constant in np.linalg.lstsq(matrix / size, found[known], rcond=None)[0] / size)
    # Beside a penalty alone r is a rounding error.
    if np.abs(r * expected[known]).max() <= tolerances.FIT.residual * np.abs(found[known]).max():
        return None, 0.0
    if not parameter.fits(r * expected + c * value, max(1.0, abs(r))):
        return None, 0.0
    return Factor(r, _uncertainty(parameter, r, c)), c


def _uncertainty(parameter: ParameterEvidence, r: float, c: float) -> float:
    known = np.isfinite(parameter.expected)
    prediction = r * parameter.expected + c * parameter.value if c else r * parameter.expected
    residual = np.abs(parameter.found - prediction)[known] / abs(r)
    error = np.linalg.norm(residual + parameter.uncertainty[known])
    return tolerances.FIT.factor + float(error / np.linalg.norm(parameter.expected[known]))


def _penalty_beside_factor(
    evidence: Evidence, parameter: ParameterEvidence, r: float, c: float
) -> list[CodeAndSentence]:
    """The mistakes in the penalty of F = r E + c V.

    E − t V is the data's part of the gradient, so that r t + c is the penalty's factor in F.
    """
    if not c:
        return []
    penalty_found = parameter.find_penalty()
    if penalty_found is not None:
        t: float | None = penalty_found.in_loss
    elif "weights" in roles_of(evidence, parameter):
        all_penalties = (other.find_penalty() for other in evidence.parameters)
        t = next((penalty.in_loss for penalty in all_penalties if penalty and penalty.in_loss), None)
    else:
        t = 0.0
    if t is None:
        return []
    missing = (r - 1) * t + c
    allowed = abs(r) * parameter.tolerance + tolerances.FIT.residual * np.abs(parameter.found)
    is_informative = np.abs(missing * parameter.value) > tolerances.FIT.informative * allowed
    return penalty_codes(evidence, parameter, missing) if is_informative.sum() >= 2 else []


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
    for code, sentence in meanings:
        hypothesis = one_mistake(code, parameters, sentence)
        if r < 0:
            hypothesis = Hypothesis(hypothesis.parameters, (*wrong_sign.mistakes, *hypothesis.mistakes), 1)
        yield hypothesis
    if not meanings and sum(map(_count_informative_entries, parameters)) >= 3:
        yield one_mistake("factor", parameters, f"{subject} is {r:.6g} times what it should be", 1)


def _meanings_of_size(
    evidence: Evidence, size: Factor, parameters: list[ParameterEvidence]
) -> Iterator[CodeAndSentence]:
    """The mistakes that may cause a factor of this absolute value."""
    names, beta, rate = (
        join_names([parameter.name for parameter in parameters]),
        evidence.momentum,
        evidence.learning_rate,
    )
    if size.is_near(2) or size.is_near(0.5):
        yield "factor_two", f"{evidence.describe(parameters)} is {'twice' if size.value > 1 else 'half'} the right one"
    if beta and size.is_near(1 - beta):
        yield "running_mean", f"the velocity of {names} is a running mean, v ← β v − (1 − β) α g"
    if beta and size.is_near(1 + beta):
        yield "nesterov", f"the update of {names} is that of Nesterov's momentum, β v − α g with the new v"
    if rate and rate != 1 and (size.is_near(rate) or size.is_near(1 / rate)):
        count = "twice" if size.is_near(rate) else "not at all"
        yield "learning_rate", f"the update of {names} has the learning rate {count}"


def _count_informative_entries(parameter: ParameterEvidence) -> int:
    error = np.abs(parameter.found - parameter.expected)
    return int((error > tolerances.FIT.informative * parameter.tolerance).sum())


def _meanings_as_count(evidence: Evidence, size: Factor, subject: str) -> list[CodeAndSentence]:
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
    counts = [(N, "number of samples") for N in evidence.samples]
    counts += [(N * C, "number of samples and outputs") for N in evidence.samples for C in outputs]
    counts += [(C, "number of outputs, over which the loss averages or not") for C in outputs]
    for number, name in counts:
        if number > 1 and k.is_near(number):
            return [(code, f"{subject} is {times}: it {problem} the {name}")]
    lengths = sorted({n for parameter in evidence.parameters for n in parameter.value.shape if n > 1})
    for N in evidence.samples:
        for units in lengths:
            if units != N and not k.is_near(2) and (size.is_near(N / units) or size.is_near(units / N)):
                sentence = f"{subject} is {r:.6g} times what it should be: averaged over {units} units, not {N} samples"
                return [("wrong_axis", sentence)]
    return []
