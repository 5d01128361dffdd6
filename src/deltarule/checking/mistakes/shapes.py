"""Hypotheses about a gradient's shape, single entries, and exchanged arrays."""

from collections.abc import Iterator
from itertools import combinations

import numpy as np

from deltarule.checking import tolerances
from deltarule.checking.catalog import join_names
from deltarule.checking.mistakes.evidence import GradientEvidence, Hypothesis, ParameterEvidence, one_mistake
from deltarule.checking.user_code.arrays import OTHER_SHAPE
from deltarule.proofs.differences import Floats

_SENTENCES = {
    "transposed": "comes transposed",
    "not_summed": "has a row for each sample, which are still to be summed",
    "broadcast": "has a shape that makes a table when it is subtracted from the parameter",
}
"""By code, the end of the sentence "the gradient of … "."""

_ENTRY_CONSTANTS = 3  # more than any other hypothesis: a wrong entry fits whatever explains nothing else


def wrong_shapes(evidence: GradientEvidence) -> Iterator[Hypothesis]:
    """Hypotheses that only the shape is wrong."""
    for code, sentence in _SENTENCES.items():
        parameters = [
            parameter
            for parameter in evidence.parameters
            if parameter.shape_mistake == code and any(map(parameter.fits, _predictions(parameter)))
        ]
        if parameters:
            yield one_mistake(code, parameters, f"{evidence.describe(parameters)} {sentence}")


def incompatible_shapes(evidence: GradientEvidence) -> Iterator[Hypothesis]:
    """Hypotheses for shapes that cannot be broadcast to the parameter's."""
    if not evidence.prefix:  # a comparison reports shapes itself
        return
    over_units = []
    for array in evidence.parameters:
        may_be = array.is_vector and array.shape_mistake in (OTHER_SHAPE, "not_summed")
        total = np.nansum(array.expected)
        allowed = 10 * tolerances.FIT.residual * np.nansum(np.abs(array.expected))
        if may_be and array.raw.size == max(array.raw.shape, default=1) and abs(array.raw.sum() - total) <= allowed:
            over_units.append(array)
    incompatible = [array for array in evidence.parameters if array.shape_mistake == OTHER_SHAPE or array.is_repeated]
    if any(parameter in incompatible for parameter in over_units):
        first = over_units[0]
        lengths = f"that of {first.name} has the shape {first.raw.shape}, and {first.name} itself {first.value.shape}"
        sentence = f"{evidence.describe(over_units)} is summed over the units, not over the samples: {lengths}"
        yield one_mistake("wrong_axis", over_units, sentence)
    for parameter in incompatible:
        if parameter not in over_units:
            shapes = f"has the shape {parameter.raw.shape}, and {parameter.name} itself {parameter.value.shape}"
            if parameter.raw.shape == parameter.value.shape:
                shapes = "is the same in every entry, as a number is that a subtraction repeats"
            yield one_mistake("wrong_shape", [parameter], f"{evidence.describe([parameter])} {shapes}", 3)


def _predictions(parameter: ParameterEvidence) -> Iterator[Floats]:
    """The gradients that the user's must equal if only its shape is wrong."""
    raw, expected = parameter.raw, parameter.expected
    if parameter.shape_mistake != "not_summed":
        yield expected
        return
    tolerance = parameter.finite_tolerance.ravel() + tolerances.FIT.residual * np.abs(expected).ravel()
    for axis in range(raw.ndim):
        summed = raw.sum(axis).ravel()
        if summed.size == expected.size and (np.abs(summed - expected.ravel()) <= tolerance).all():
            yield parameter.gradient  # correct after that sum, whichever axis it is over


def zero_gradients(evidence: GradientEvidence) -> Iterator[Hypothesis]:
    parameters = [array for array in evidence.wrong if not array.raw.any() or array.is_rounding]
    if parameters:
        is_rounded = any(parameter.raw.any() for parameter in parameters)
        cause = ", but for rounding: do its terms cancel, as those of a softmax's Jacobian that is summed?"
        text = f"{evidence.describe(parameters)} is 0 in every entry{cause if is_rounded else ''}"
        yield one_mistake("zero_gradient", parameters, text)


def rearranged_gradients(evidence: GradientEvidence) -> Iterator[Hypothesis]:
    """Hypotheses that axes of a gradient are exchanged or flipped."""
    by_code: dict[tuple[str, str], list[ParameterEvidence]] = {}
    for parameter in evidence.wrong:
        expected = parameter.expected
        for i, j in combinations(range(expected.ndim), 2):
            if parameter.fits(np.swapaxes(expected, i, j)):
                text = "is transposed" if expected.ndim == 2 else f"has axes {i} and {j} exchanged"
                by_code.setdefault(("transposed", text), []).append(parameter)
        for axes in ((-1,), (-2,), (-2, -1), (0, 1)) if expected.ndim > 2 and not parameter.shape_mistake else ():
            if parameter.fits(np.flip(expected, axes)):
                by_code.setdefault(("kernel_not_flipped", "is flipped"), []).append(parameter)
    for (code, text), parameters in by_code.items():
        yield one_mistake(code, parameters, f"{evidence.describe(parameters)} {text}")


def single_entries(evidence: GradientEvidence) -> Iterator[Hypothesis]:
    """The hypothesis that only one entry, row or column of an array measured as a whole is wrong.

    It says so only if the right gradient is not 0 elsewhere, where any mistake shows in that place alone, and if the
    entry is far off: a small error everywhere may exceed its tolerance in one entry.
    """
    if len(evidence.wrong) != 1 or evidence.divisor != 1:
        return
    (parameter,) = evidence.wrong
    if not (np.isfinite(parameter.expected) | parameter.at_kink).all() or not parameter.count_clearly_wrong:
        return
    shape = parameter.expected.shape
    name = parameter.name
    indices = np.argwhere(parameter.wrong)
    lines = [("single_row", "row", (0,)), ("single_row", "column", (1,))] if len(shape) == 2 else []
    for code, what, axes in (("single_entry", "entry", range(len(shape))), *lines):
        is_one = len(np.unique(indices[:, axes], axis=0)) == 1 < np.prod([shape[axis] for axis in axes])
        if not is_one:
            continue
        part = tuple(indices[0, axis] if axis in axes else slice(None) for axis in range(len(shape)))
        whole = np.zeros(shape, bool)
        whole[part] = True
        if (np.abs(parameter.expected) > parameter.tolerance)[~whole].any():
            entries = ", ".join(":" if isinstance(index, slice) else str(index) for index in part)
            sentence = f"only the {what} {name}[{entries}] of the gradient is wrong"
            yield one_mistake(code, [parameter], sentence, _ENTRY_CONSTANTS)
            return


def wrong_axes(evidence: GradientEvidence) -> Iterator[Hypothesis]:
    """The hypothesis that gradients of vectors are summed over the units too."""
    parameters = []
    for parameter in evidence.wrong:
        own, expected = parameter.gradient, parameter.expected
        if own.size < 2 or own.size != max(own.shape) or not np.isfinite(expected).all():
            continue
        if not own.any() and parameter.raw.size >= own.size:
            continue  # zeros that were never summed; a total may be 0
        total = expected.sum()
        if any(parameter.fits(np.full(own.shape, entry), own.size) for entry in (total, total / own.size)):
            parameters.append(parameter)
    if parameters:
        sentence = f"{evidence.describe(parameters)} is summed over its units too"
        yield one_mistake("wrong_axis", parameters, sentence)


def exchanged_gradients(evidence: GradientEvidence) -> Iterator[Hypothesis]:
    """Hypotheses that a gradient is that of another parameter."""
    sources = {
        parameter: other
        for parameter in evidence.wrong
        for other in evidence.other_parameters(parameter)
        if (evidence.momentum or parameter.value.size > 1 or other.is_wrong) and _is_gradient_of(parameter, other)
    }  # of single numbers, but velocities, one may be right: then a value is used twice
    if sources:
        code, prefix = ("wrong_velocity", "the velocity of") if evidence.momentum else ("exchanged", evidence.prefix)
        pairs = join_names([f"{parameter.name} is that of {source.name}" for parameter, source in sources.items()])
        sentence = f"{prefix} {pairs}".lstrip()
        is_copy = all(parameter.is_vector and not source.is_wrong for parameter, source in sources.items())
        if is_copy and evidence.prefix and not evidence.momentum:  # a bias that is summed over the δ of another layer
            yield one_mistake("other_delta", list(sources), f"{sentence}, as a sum over its δ")
        yield one_mistake(code, list(sources), sentence)


def _is_gradient_of(parameter: ParameterEvidence, other: ParameterEvidence) -> bool:
    raw, expected = parameter.raw, other.expected
    if raw.shape == expected.shape != parameter.gradient.shape:
        known = np.isfinite(expected)
        excess = np.abs(raw - expected)[known] - other.finite_tolerance[known]
        return bool(known.any() and (excess <= tolerances.FIT.residual * np.abs(expected[known])).all())
    return any(map(parameter.fits, shaped_as(expected, parameter.gradient.shape)))


def shaped_as(array: Floats, shape: tuple[int, ...]) -> Iterator[Floats]:
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
