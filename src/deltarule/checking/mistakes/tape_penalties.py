"""Mistakes in penalties that the recorded loss shows: on other arrays, or of another kind.

A use of a parameter that adds c V to its gradient, or c sign(V), is a penalty, whatever the rest of the loss is.
"""

from collections.abc import Iterator, Sequence

import numpy as np

from deltarule.checking.mistakes.catalog import join_names
from deltarule.checking.mistakes.evidence import Evidence, Hypothesis, ParameterEvidence, fit_ratio, one_mistake
from deltarule.checking.mistakes.hypotheses.penalties import roles_of
from deltarule.checking.mistakes.tape_parameter_uses import RecordedUses
from deltarule.problem.problem import Floats

_Term = tuple[float, bool]
"""c, and whether it multiplies the signs."""


def penalty_hypotheses(tape: RecordedUses, evidence: Evidence) -> Iterator[Hypothesis]:
    """Penalties of another array, and squares in the place of absolute values."""
    terms = {
        parameter: list(_terms(tape.parts(node), parameter.value))
        for parameter, node in zip(evidence.parameters, tape.recording.parameters, strict=True)
    }
    for parameter in evidence.wrong:
        for c, is_sign in terms[parameter]:
            yield from _other_kinds(evidence, parameter, c, is_sign=is_sign)
        if not terms[parameter]:
            yield from _penalties_elsewhere(evidence, parameter, terms)


def _terms(parts: Sequence[Floats], value: Floats) -> Iterator[_Term]:
    """c of each part that is c V or c sign(V); one entry shows nothing."""
    for part in parts if value.size > 1 else ():
        for regressor, is_sign in ((value, False), (np.sign(value), True)):
            c = fit_ratio(part, regressor, part)
            if c and np.abs(part - c * regressor).max() <= 1e-9 * np.abs(part).max():
                yield c, is_sign


def _other_kinds(evidence: Evidence, parameter: ParameterEvidence, c: float, *, is_sign: bool) -> Iterator[Hypothesis]:
    value, name = parameter.value, parameter.name
    right, wrong = (np.sign(value), value) if is_sign else (value, np.sign(value))
    term, other = (f"sign({name})", name) if is_sign else (name, f"sign({name})")
    if parameter.is_found(parameter.expected + c * (1 - right)):
        sentence = f"you have {c:.4g} in the gradient of {name}, the loss needs {c:.4g} {term}"
        yield one_mistake("penalty_factor", [parameter], sentence)
    for share in (1.0, 2.0, 0.5):
        if parameter.is_found(parameter.expected + c * (share * wrong - right)):
            sentence = f"you have {c * share:.4g} {other} in the gradient of {name}, the loss needs {c:.4g} {term}"
            yield one_mistake("penalty_kind", [parameter], sentence, 0 if share == 1 else 1)


def _penalties_elsewhere(
    evidence: Evidence, parameter: ParameterEvidence, terms: dict[ParameterEvidence, list[_Term]]
) -> Iterator[Hypothesis]:
    for other in evidence.other_parameters(parameter):
        for c, is_sign in terms[other]:
            regressor = np.sign(parameter.value) if is_sign else parameter.value
            if not regressor.any() or not parameter.is_found(parameter.expected + c * regressor):
                continue
            penalized = join_names([one.name for one, own in terms.items() if own])
            subject = f"{evidence.prefix} {parameter.name}".lstrip()
            sentence = f"{subject} has a penalty, which the loss puts on {penalized} only"
            for role in roles_of(evidence, parameter):
                code = "penalty_on_biases" if role == "biases" else "penalty_not_in_loss"
                yield one_mistake(code, [parameter], sentence)
