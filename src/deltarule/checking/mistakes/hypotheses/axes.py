"""Hypotheses that a bias's gradient is summed over the wrong axis."""

from collections.abc import Iterator

import numpy as np

from deltarule.checking import tolerances
from deltarule.checking.mistakes.evidence import Evidence, Hypothesis, ParameterEvidence, one_mistake
from deltarule.checking.mistakes.hypotheses.penalties import roles_of


def wrong_axes(evidence: Evidence) -> Iterator[Hypothesis]:
    """Hypotheses that a vector's gradient is summed over the wrong axis."""
    over_units, same_total = [], []
    for parameter in evidence.wrong:
        found, expected = parameter.found, parameter.expected
        if found.size < 2 or found.size != max(found.shape) or not np.isfinite(expected).all():
            continue
        if not found.any() and parameter.raw.size >= found.size:
            continue  # zeros that were never summed; a total may be 0
        total = expected.sum()
        if any(parameter.fits(np.full(found.shape, entry), found.size) for entry in (total, total / found.size)):
            over_units.append(parameter)
        elif _has_correct_total(evidence, parameter):
            same_total.append(parameter)
    if over_units:
        sentence = f"{evidence.describe(over_units)} is summed over its units too"
        yield one_mistake("wrong_axis", over_units, sentence)
    if same_total:
        sentence = f"{evidence.describe(same_total)} has the right total in the wrong entries"
        yield one_mistake("wrong_axis", same_total, sentence, 2)


def _has_correct_total(evidence: Evidence, parameter: ParameterEvidence) -> bool:
    """Whether wrong entries add up to the correct total, not by coincidence.

    Two entries prove nothing, nor does a total of 0: softmax has it for every sample. The sum can go over the units
    only where there are as many samples. Where the number of samples is unknown, the array has to be the biases of a
    dense layer: many a wrong layer, such as a convolution, has the correct total too.
    """
    found, expected = parameter.found, parameter.expected
    allowed = tolerances.FIT.residual * np.abs(expected).sum() + parameter.finite_tolerance.sum()
    total = expected.sum()
    is_possible = found.size in evidence.samples if evidence.samples else _is_bias_of_matrix(evidence, parameter)
    min_difference = tolerances.FIT.total * allowed
    if found.size < 3 or not is_possible or abs(total) <= min_difference or abs(found.sum() - total) > allowed:
        return False
    is_reordered = np.allclose(np.sort(found.ravel()), np.sort(expected.ravel()), rtol=tolerances.FIT.residual, atol=0)
    return bool(not is_reordered and np.abs(found - expected).sum() > min_difference)


def _is_bias_of_matrix(evidence: Evidence, parameter: ParameterEvidence) -> bool:
    size = parameter.found.size
    has_matrix = any(
        other.value.ndim == 2 and size in other.value.shape and not other.is_vector for other in evidence.parameters
    )
    return has_matrix and "biases" in roles_of(evidence, parameter)
