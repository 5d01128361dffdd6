"""Hypotheses about wrong penalties, from those in the recorded loss.

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
"""The factor c of a penalty's gradient, and whether it is c sign(V) instead of c V."""


def penalty_hypotheses(recorded_uses: RecordedUses, evidence: Evidence) -> Iterator[Hypothesis]:
    """Hypotheses that a gradient has a penalty of another array or kind."""
    terms = {
        parameter: list(penalty_terms(recorded_uses.parts(node), parameter.value))
        for parameter, node in zip(evidence.parameters, recorded_uses.recording.parameters, strict=True)
    }
    for parameter in evidence.wrong:
        for c, is_sign in terms[parameter]:
            yield from _other_kinds(evidence, parameter, c, is_sign=is_sign)
        if not terms[parameter]:
            yield from _penalties_elsewhere(evidence, parameter, terms)


def penalty_terms(parts: Sequence[Floats], value: Floats) -> Iterator[_Term]:
    """The parts of a gradient that are penalties: c V or c sign(V)."""
    for part in parts if value.size > 1 else ():  # a single entry is a multiple of any other
        for regressor, is_sign in ((value, False), (np.sign(value), True)):
            c = fit_ratio(part, regressor, part)
            if c and np.abs(part - c * regressor).max() <= 1e-9 * np.abs(part).max():
                yield c, is_sign


def _other_kinds(evidence: Evidence, parameter: ParameterEvidence, c: float, *, is_sign: bool) -> Iterator[Hypothesis]:
    """Hypotheses that the gradient's penalty is of another kind than the loss's."""
    value, name = parameter.value, parameter.name
    correct, wrong = (np.sign(value), value) if is_sign else (value, np.sign(value))
    term, other = (f"sign({name})", name) if is_sign else (name, f"sign({name})")
    if parameter.is_found(parameter.expected + c * (1 - correct)):
        sentence = f"you have {c:.4g} in the gradient of {name}, the loss needs {c:.4g} {term}"
        yield one_mistake("penalty_factor", [parameter], sentence)
    for share in (1.0, 2.0, 0.5):
        if parameter.is_found(parameter.expected + c * (share * wrong - correct)):
            sentence = f"you have {c * share:.4g} {other} in the gradient of {name}, the loss needs {c:.4g} {term}"
            yield one_mistake("penalty_kind", [parameter], sentence, 0 if share == 1 else 1)


def _penalties_elsewhere(
    evidence: Evidence, parameter: ParameterEvidence, terms: dict[ParameterEvidence, list[_Term]]
) -> Iterator[Hypothesis]:
    """Hypotheses that an unpenalized parameter has another one's penalty."""
    for other in evidence.other_parameters(parameter):
        for c, is_sign in terms[other]:
            regressor = np.sign(parameter.value) if is_sign else parameter.value
            if not regressor.any() or not parameter.is_found(parameter.expected + c * regressor):
                continue
            penalized = join_names([array.name for array, penalties in terms.items() if penalties])
            subject = f"{evidence.prefix} {parameter.name}".lstrip()
            sentence = f"{subject} has a penalty, which the loss puts on {penalized} only"
            for role in roles_of(evidence, parameter):
                code = "penalty_on_biases" if role == "biases" else "penalty_not_in_loss"
                yield one_mistake(code, [parameter], sentence)
