"""Sums over the wrong axis: the total of a bias's gradient is right then, and the entries are not."""

from collections.abc import Iterator

import numpy as np

from deltarule.checking import tolerances
from deltarule.checking.mistakes.evidence import Evidence, Hypothesis, ParameterEvidence, one_mistake
from deltarule.checking.mistakes.hypotheses.penalties import roles_of


def wrong_axes(evidence: Evidence) -> Iterator[Hypothesis]:
    """F = the total of E in every entry, or its mean; or other entries with the same total."""
    over_units, same_total = [], []
    for parameter in evidence.wrong:
        found, expected = parameter.found, parameter.expected
        if found.size < 2 or found.size != max(found.shape) or not np.isfinite(expected).all():
            continue
        if not found.any() and parameter.raw.size >= found.size:
            continue  # zeros that were never summed; a total may be 0
        total = expected.sum()
        if any(parameter.fits(np.full(found.shape, one), found.size) for one in (total, total / found.size)):
            over_units.append(parameter)
        elif _has_right_total(evidence, parameter):
            same_total.append(parameter)
    if over_units:
        sentence = f"{evidence.describe(over_units)} is summed over its units too"
        yield one_mistake("wrong_axis", over_units, sentence)
    if same_total:
        sentence = f"{evidence.describe(same_total)} has the right total in the wrong entries"
        yield one_mistake("wrong_axis", same_total, sentence, 2)


def _has_right_total(evidence: Evidence, parameter: ParameterEvidence) -> bool:
    """Whether entries add up to the right total, and are so far off that this is no coincidence.

    Two entries prove nothing, nor does a total of 0: softmax has it for every sample. The sum can go over the units
    only where there are as many samples. Where the number of samples is unknown, the array has to be the biases of a
    dense layer: many a wrong layer, as of a convolution, keeps the total too.
    """
    found, expected = parameter.found, parameter.expected
    allowed = tolerances.FIT.residual * np.abs(expected).sum() + parameter.finite_tolerance.sum()
    total = expected.sum()
    is_possible = found.size in evidence.samples if evidence.samples else _is_bias_of_matrix(evidence, parameter)
    least = tolerances.FIT.total * allowed
    if found.size < 3 or not is_possible or abs(total) <= least or abs(found.sum() - total) > allowed:
        return False
    is_reordered = np.allclose(np.sort(found.ravel()), np.sort(expected.ravel()), rtol=tolerances.FIT.residual, atol=0)
    return bool(not is_reordered and np.abs(found - expected).sum() > least)


def _is_bias_of_matrix(evidence: Evidence, parameter: ParameterEvidence) -> bool:
    size = parameter.found.size
    has_matrix = any(
        one.value.ndim == 2 and size in one.value.shape and not one.is_vector for one in evidence.parameters
    )
    return has_matrix and "biases" in roles_of(evidence, parameter)
