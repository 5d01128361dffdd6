"""Hypotheses with a fitted constant: a gradient is a multiple of the right one, or its penalty's part is wrong.

E  the reference gradient      F  the user's gradient      V  the parameter      c V or c sign(V)  the penalty's part
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice, product
from typing import Any

import numpy as np

from deltarule.checking import tolerances
from deltarule.checking.catalog import Mistake, join_names, make_mistake
from deltarule.checking.mistakes.evidence import (
    GradientEvidence,
    Hypothesis,
    ParameterEvidence,
    PenaltyTerm,
    fit_ratio,
    one_mistake,
)
from deltarule.checking.mistakes.rules import VIEWS, correct_gradient, parameter_of
from deltarule.checking.tape.backward import Array, Changes, EdgeRule, Node, RecordedPass, parameter_gradients
from deltarule.proofs.differences import Floats


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


def wrong_factors(evidence: GradientEvidence) -> Iterator[Hypothesis]:
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


def fit_factor(evidence: GradientEvidence, parameter: ParameterEvidence) -> Factor | None:
    """Fit r in F = r E, or in F = r E + c V."""
    own, expected = parameter.gradient, parameter.expected
    value = parameter.value
    r = _ratio_without_penalty(parameter)
    if r and not parameter.is_rounding:
        return Factor(r, _uncertainty(parameter, r, r * expected))
    known = np.isfinite(expected)
    if not evidence.may_be_penalized(parameter) or known.sum() < 4:
        return None
    matrix = np.stack([expected[known], value[known]], axis=1)
    size = np.maximum(np.abs(matrix).max(0), 1e-300)
    r, c = (float(constant) for constant in np.linalg.lstsq(matrix / size, own[known], rcond=None)[0] / size)
    # Beside a penalty alone r is a rounding error.
    is_penalty_alone = np.abs(r * expected[known]).max() <= tolerances.FIT.residual * np.abs(own[known]).max()
    if is_penalty_alone or not parameter.fits(r * expected + c * value, max(1.0, abs(r))):
        return None
    return Factor(r, _uncertainty(parameter, r, r * expected + c * value))


def _ratio_without_penalty(parameter: ParameterEvidence) -> float:
    """Fit r in F = r E; 0 if no r fits."""
    r = fit_ratio(parameter.gradient, parameter.expected, parameter.expected)
    return r if parameter.fits(r * parameter.expected, max(1.0, abs(r))) else 0.0


def mistakes_of_factor(
    evidence: GradientEvidence, factor: Factor, parameters: Sequence[ParameterEvidence]
) -> tuple[Mistake, ...]:
    """The mistakes of the likeliest meaning of a factor."""
    hypotheses = _factor_hypotheses(evidence, factor, list(parameters))
    return next((hypothesis.mistakes for hypothesis in hypotheses), ())


def _uncertainty(parameter: ParameterEvidence, r: float, prediction: Floats) -> float:
    known = np.isfinite(parameter.expected)
    residual = np.abs(parameter.gradient - prediction)[known] / abs(r)
    error = np.linalg.norm(residual + parameter.uncertainty[known])
    return tolerances.FIT.factor + float(error / np.linalg.norm(parameter.expected[known]))


def _factor_hypotheses(
    evidence: GradientEvidence, factor: Factor, parameters: list[ParameterEvidence]
) -> Iterator[Hypothesis]:
    """The mistakes that may cause a fitted factor."""
    if factor.is_near(1):
        return
    subject = evidence.describe(parameters)
    r = factor.value
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
    if not meanings and _is_measured_well(evidence, parameters, r):
        yield one_mistake("factor", parameters, f"{subject} is {r:.6g} times what it should be", 1)


def _is_measured_well(evidence: GradientEvidence, parameters: list[ParameterEvidence], ratio: float) -> bool:
    count = sum(parameter.count_clearly_wrong for parameter in parameters)
    return count > 1 or (count == 1 and evidence.has_ratio_nearby(parameters[0], ratio))


def _meanings_of_size(
    evidence: GradientEvidence, size: Factor, parameters: list[ParameterEvidence]
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


def _meanings_as_count(evidence: GradientEvidence, size: Factor, subject: str) -> list[tuple[str, str]]:
    """The mistakes in a count, such as of samples, that may cause a factor."""
    r = size.value
    is_large = r > 1
    k = Factor(r if is_large else 1 / r, size.uncertainty)
    times = f"{k.value:.6g} times too {'large' if is_large else 'small'}"
    code, problem = ("mean_missing", "is not divided by") if is_large else ("mean_twice", "is divided twice by")
    if not evidence.samples:
        if k.is_count() and round(k.value) >= 3:
            count = f"{subject} is {times}: it {problem} the number of samples, or of outputs, if there are as many"
            return [(code, count), ("factor", f"{subject} is {r:.6g} times what it should be")]
        return []
    fitting = (name for number, name in _counts_of(evidence) if number > 1 and k.is_near(number))
    return [(code, f"{subject} is {times}: it {problem} the {name}") for name in islice(fitting, 1)]


def _counts_of(evidence: GradientEvidence) -> list[tuple[int, str]]:
    """What a gradient may be divided by: the number of samples, of outputs, or of both."""
    # The last parameter has the number of outputs in its shape.
    outputs = (evidence.outputs,) if evidence.outputs else evidence.parameters[-1].value.shape
    # An axis of x as long as one of a parameter holds its features, if the other axis is not.
    lengths = {length for parameter in evidence.parameters for length in parameter.value.shape}
    samples = [N for N in evidence.samples if N not in lengths] or evidence.samples
    return [
        *((N, "number of samples") for N in samples),
        *((N * C, "number of samples and outputs") for N, C in product(samples, outputs)),
        *((C, "number of outputs, over which the loss averages or not") for C in outputs),
    ]


Meaning = tuple[str, str, int]
"""A mistake's code, the end of the sentence "the gradient of W …", and the number of fitted constants."""


def penalties_of(recording: RecordedPass) -> list[PenaltyTerm]:
    """The penalties in a recorded loss."""
    terms = []
    for i, parameter in enumerate(recording.parameters):
        if parameter.value.size < 2:  # a single entry is a multiple of any other
            continue
        parts: dict[bool, Array] = {}
        for rules in _rules_without_lines(recording, parameter):  # a product such as λ W @ W has two parts
            part = recording.gradients[parameter.index] - parameter_gradients(recording, Changes(rules=rules))[i]
            is_sign = next((kind for kind in (False, True) if _penalty_factor(part, parameter.value, kind)), None)
            if is_sign is not None:
                parts[is_sign] = parts.get(is_sign, 0.0) + np.where(np.abs(part) > 1e-9 * np.abs(part).max(), part, 0.0)
        for is_sign, part in parts.items():
            c = _penalty_factor(part, parameter.value, is_sign)
            rest = recording.gradients[parameter.index] - part
            is_whole_loss = np.abs(rest).max() <= 1e-9 * np.abs(part).max()  # such as Σ W² alone
            terms += [PenaltyTerm(i, c, is_sign, part)] if c and not is_whole_loss else []
    return terms


def _rules_without_lines(recording: RecordedPass, parameter: Node) -> Iterable[dict[int, EdgeRule]]:
    """For each line that uses a parameter, the rules by which nothing comes back to it from there."""

    def without(k: int, g: Array, node: Node) -> Array | None:
        is_parameter = parameter_of(recording, node.inputs[k]) is parameter
        return None if is_parameter else correct_gradient(k, g, node)

    by_line: dict[Any, dict[int, EdgeRule]] = {}
    for node in recording.nodes:
        if node.name not in VIEWS and any(parameter_of(recording, entry) is parameter for entry in node.inputs):
            by_line.setdefault(node.line, {})[node.index] = without
    return by_line.values()


def _penalty_factor(part: Array, value: Array, is_sign: bool) -> float:
    """The factor c of a penalty's part c V or c sign(V) of a gradient; 0 without one."""
    regressor = np.where(np.abs(part) > 1e-9 * np.abs(part).max(), np.sign(value) if is_sign else value, 0.0)
    c = fit_ratio(part, regressor, part)
    is_fit = np.abs(part - c * regressor).max() <= 1e-9 * np.abs(part).max()
    return c if is_fit and np.count_nonzero(regressor) > 1 + is_sign else 0.0  # two signs fit any d and −d of a softmax


def wrong_penalties(evidence: GradientEvidence) -> Iterator[Hypothesis]:
    """Hypotheses that a penalty's part is missing, wrong or of another place."""
    by_size = sorted(evidence.wrong, key=lambda parameter: -parameter.value.size)
    penalized = [parameter for parameter in by_size if evidence.may_be_penalized(parameter)]
    terms = evidence.find_penalties() if penalized else None
    groups: dict[tuple[str, int], dict[str, list[ParameterEvidence]]] = {}
    constants: list[float] = []
    for parameter in penalized:
        if terms is None:
            meanings = _meanings_without_terms(evidence, parameter, constants)
        else:
            meanings = _penalty_mistakes(evidence, parameter, terms, constants)
            yield from _penalties_of_others(evidence, parameter, terms)
        for code, text, count in meanings:
            groups.setdefault((code, count), {}).setdefault(text, []).append(parameter)
    for (code, count), members in groups.items():
        parameters = [parameter for group in members.values() for parameter in group]
        yield one_mistake(code, parameters, f"{evidence.describe(parameters)} {join_names(list(members))}", count)


def _penalty_mistakes(
    evidence: GradientEvidence, parameter: ParameterEvidence, terms: Sequence[PenaltyTerm], constants: list[float]
) -> Iterator[Meaning]:
    """The mistakes that explain an array's error by the loss's known penalties."""
    own = [term for term in terms if term.index == evidence.parameters.index(parameter)]
    if own:
        for term in own:
            yield from _mistakes_in_own_penalty(parameter, term, evidence.divisor)
        return
    names = join_names(list(dict.fromkeys(evidence.names[term.index] for term in terms)))
    text = f"has a penalty, which the loss puts on {names} only"
    code = "penalty_on_biases" if terms and _is_bias(evidence, parameter) else "penalty_not_in_loss"
    for term in terms:
        regressor = np.sign(parameter.value) if term.is_sign else parameter.value
        if regressor.any() and parameter.is_found(parameter.expected + term.c * regressor):
            yield code, text, 0
            return
    for c, what in _fitted_constants(parameter, constants):
        yield code, text if terms else f"has a penalty that the loss does not have: it is off by {c:.6g} {what}", 1


def _mistakes_in_own_penalty(parameter: ParameterEvidence, term: PenaltyTerm, divisor: float) -> Iterator[Meaning]:
    """The mistakes in the part of a gradient that the loss's penalty on this array gives."""
    value, expected, name = parameter.value, parameter.expected, parameter.name
    share = parameter.fit_multiple(term.part, (-1.0, 1.0, -0.5), min_informative_entries=3)
    share = share and share * divisor  # of what the program itself has
    if share and abs(share + 1) <= tolerances.FIT.constant:
        yield "penalty_missing", "lacks the penalty", 0
    elif share:
        yield "penalty_factor", f"has {1 + share:.4g} times the penalty of the loss", 0
    regressor, other = (np.sign(value), value) if term.is_sign else (value, np.sign(value))
    outside = np.where(term.part, 0.0, regressor)
    if not share and outside.any() and parameter.is_found(expected + term.c * outside):
        yield "penalty_on_biases", "has the penalty in entries too that the loss leaves out, as the column of a bias", 0
    shown, theirs = (f"sign({name})", name) if term.is_sign else (name, f"sign({name})")
    for share in (1.0, 2.0, 0.5):
        if parameter.is_found(expected + term.c * (share * other - regressor)):
            text = f"has {term.c * share:.4g} {theirs}, where the loss needs {term.c:.4g} {shown}"
            yield "penalty_kind", text, int(share != 1)


def _meanings_without_terms(
    evidence: GradientEvidence, parameter: ParameterEvidence, constants: list[float]
) -> Iterator[Meaning]:
    """The mistakes that explain an array's error, where a loss could not be recorded."""
    for c, what in _fitted_constants(parameter, constants):
        if c < 0:
            yield "penalty_missing", f"lacks the penalty's part: it is off by {c:.6g} {what}", 1
        elif _is_bias(evidence, parameter):
            yield "penalty_on_biases", "has a penalty, which the loss puts on weights only", 1
        text = f"has another multiple of the penalty's part than the loss: it is off by {c:.6g} {what}"
        yield "penalty_factor", text, 1
        if c > 0:
            yield "penalty_not_in_loss", "has a penalty that the loss does not have", 1


def _fitted_constants(parameter: ParameterEvidence, constants: list[float]) -> Iterator[tuple[float, str]]:
    """The c of F = E + c V or E + c sign(V); a known one needs fewer entries."""
    # With two signs one constant fits any d and −d, as the two columns of a softmax have them: three are needed.
    kinds = (("times the parameters", parameter.value, 2), ("times their signs", np.sign(parameter.value), 3))
    for what, regressor, needed in kinds:
        c = parameter.fit_multiple(regressor, known_constants=constants, min_informative_entries=needed)
        if c is not None:
            constants.append(c)
            yield c, what


def _penalties_of_others(
    evidence: GradientEvidence, parameter: ParameterEvidence, terms: Sequence[PenaltyTerm]
) -> Iterator[Hypothesis]:
    """Hypotheses that a gradient has the penalty of other weights V'."""
    name = parameter.name
    others = evidence.other_parameters(parameter)
    own = evidence.penalties[evidence.parameters.index(parameter)]
    for other in others if parameter.value.size > 1 else ():
        sentence = f"the penalty in the gradient of {name} is that of {other.name}"
        penalty = make_mistake("penalty_other_weights", [name], sentence)
        for weights in (other.value, other.value.T):
            if weights.shape != parameter.value.shape or not weights.any():
                continue
            for base in (parameter.expected - own, parameter.expected):
                if any(parameter.is_found(base + term.c * weights) for term in terms if not term.is_sign):
                    yield Hypothesis(frozenset([parameter]), (penalty,), 1)


def _is_bias(evidence: GradientEvidence, parameter: ParameterEvidence) -> bool:
    """Whether an array is a vector that is not called weights, as the other arrays are not."""
    is_called_weights = [bool(re.search(r"(^|[._\d])(w(?!b)|kernel)", name.lower())) for name in evidence.names]
    is_named = is_called_weights[evidence.parameters.index(parameter)] and not all(is_called_weights)
    return parameter.is_vector and not is_named
