"""Hypotheses: a gradient, or the penalty in it, belongs to another parameter."""

from collections.abc import Iterator

import numpy as np

from deltarule.checking import tolerances
from deltarule.checking.mistakes.catalog import join_names
from deltarule.checking.mistakes.evidence import Evidence, Hypothesis, ParameterEvidence, one_mistake
from deltarule.problem.problem import Floats


def exchanged_gradients(evidence: Evidence) -> Iterator[Hypothesis]:
    """Hypotheses that a gradient is that of another parameter."""
    sources = {
        parameter: other
        for parameter in evidence.wrong
        for other in evidence.other_parameters(parameter)
        if _is_gradient_of(parameter, other)
    }
    if sources:
        code, prefix = ("wrong_velocity", "the velocity of") if evidence.momentum else ("exchanged", evidence.prefix)
        pairs = join_names([f"{parameter.name} is that of {source.name}" for parameter, source in sources.items()])
        sentence = f"{prefix} {pairs}".lstrip()
        is_copy = all(parameter.is_vector and not source.is_wrong for parameter, source in sources.items())
        if is_copy and evidence.prefix and not evidence.momentum:  # a bias that is summed over the δ of another layer
            yield one_mistake("other_delta", list(sources), f"{sentence}, as a sum over its δ")
        yield one_mistake(code, list(sources), sentence)


def _is_gradient_of(parameter: ParameterEvidence, other: ParameterEvidence) -> bool:
    """Whether the user's gradient of a parameter is that of another one."""
    raw, expected = parameter.raw, other.expected
    if raw.shape == expected.shape != parameter.found.shape:
        known = np.isfinite(expected)
        excess = np.abs(raw - expected)[known] - other.finite_tolerance[known]
        return bool(known.any() and (excess <= tolerances.FIT.residual * np.abs(expected[known])).all())
    return any(map(parameter.fits, _shaped_as(expected, parameter.found.shape)))


def _shaped_as(array: Floats, shape: tuple[int, ...]) -> Iterator[Floats]:
    """An array brought into another shape in all possible ways."""
    if array.T.shape == shape and array.ndim == 2:
        yield array.T
    if [n for n in array.shape if n > 1] == [n for n in shape if n > 1]:
        yield array.reshape(shape)
    elif array.size < int(np.prod(shape)):
        for form in (array, array.reshape(-1, 1), array.reshape(1, -1)):
            try:
                yield np.array(np.broadcast_to(form, shape))
            except ValueError:
                continue


def penalties_of_other_weights(evidence: Evidence) -> Iterator[Hypothesis]:
    """Hypotheses that a gradient has the penalty of another layer's weights.

    F − E = c (V' − V), or c V', with the other weights V'.
    """
    for parameter in filter(evidence.may_be_penalized, evidence.wrong):
        for other in evidence.other_parameters(parameter):
            if parameter.value.size < 2 or not other.value.any():  # all 0 they would stand for no penalty at all
                continue
            sentence = f"the penalty in the gradient of {parameter.name} is that of {other.name}"
            for weights in (other.value, other.value.T):
                if weights.shape == parameter.value.shape and any(
                    parameter.fit_multiple(regressor) for regressor in (weights - parameter.value, weights)
                ):
                    yield one_mistake("penalty_other_weights", [parameter], sentence, 1)
