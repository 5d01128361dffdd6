"""Mistakes planted in the tape of the user's own forward pass: no network has to be known.

Each candidate changes the backward pass at some operations, all of one line of the code (as those of a loop) or a
single one; the changed pass gives the gradients of a program with that mistake.
"""

# mypy: disable-error-code="misc"
# mypy does not infer lambdas with defaults, which bind the variable of a loop.

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from time import thread_time
from typing import Any

import numpy as np

from deltarule.checking.mistakes.catalog import join_names
from deltarule.checking.mistakes.evidence import Evidence, Hypothesis, one_mistake
from deltarule.checking.mistakes.tape_accumulation import overwritten_gradients
from deltarule.checking.mistakes.tape_activations import activation_mistakes, output_mistakes
from deltarule.checking.mistakes.tape_candidates import MAX_MEMBERS, Candidate
from deltarule.checking.mistakes.tape_composites import find_composites
from deltarule.checking.mistakes.tape_losses import loss_mistakes
from deltarule.checking.mistakes.tape_operations import operation_mistakes
from deltarule.checking.mistakes.tape_parameter_uses import RecordedUses, parameter_hypotheses
from deltarule.checking.mistakes.tape_paths import neighboring_factors, skipped_derivatives
from deltarule.checking.mistakes.tape_penalties import penalty_hypotheses
from deltarule.checking.mistakes.tape_values import (
    factors_of_other_lines,
    generic_mistakes,
    other_weights,
    padding_mistakes,
    statistics_as_constants,
)
from deltarule.checking.mistakes.tape_windows import slice_mistakes
from deltarule.checking.numerics.parameter_lines import loss_at, with_array
from deltarule.checking.tape.backward import Recording, parameter_gradients
from deltarule.checking.tape.operations import Array, Node
from deltarule.checking.tape.record import record_loss
from deltarule.checking.user_code.callables import Code
from deltarule.errors import BadInput

_TIME_LIMIT_SECONDS = 6.0
"""Of one thread: a user waits no longer for the name of a mistake; most are found in a tenth of it."""
_CANDIDATES_PER_LOOK = 16
"""Candidates tried between two looks at the clock; in a container one look took a quarter as long as a candidate."""
_MIN_INFORMATIVE_ENTRIES = 3
"""Entries off beyond doubt that a mistake must explain if it would make other arrays wrong too."""


def tape_hypotheses(code: Code, evidence: Evidence) -> list[Hypothesis]:
    """The mistakes in the backward pass of the user's own operations whose gradient is the one found."""
    recording = record_loss(code)
    with suppress(BadInput):  # what the code caches of its last call is of plain arrays again
        loss_at(code, code.start)
    if recording is None or any(one.shape_mistake or one.is_wrong and one.is_faint for one in evidence.parameters):
        return []
    with np.errstate(all="ignore"):
        right = parameter_gradients(recording)
        if not all(map(_is_reference, right, evidence.parameters)):
            return []
        tape = RecordedUses(recording)
        return _with_missing_paths(
            [
                *penalty_hypotheses(tape, evidence),
                *_matching(recording, evidence),
                *parameter_hypotheses(tape, evidence),
                *_without_a_parameter(code, evidence),
            ]
        )


def _with_missing_paths(hypotheses: Sequence[Hypothesis]) -> list[Hypothesis]:
    """Rank a path that is left out as high as one whose gradient is overwritten: both give the same numbers."""
    overwritten = [one.constants for one in hypotheses if one.mistakes[0].code == "gradient_overwritten"]
    return [
        replace(one, constants=min(one.constants, *overwritten))
        if overwritten and one.mistakes[0].code == "path_missing"
        else one
        for one in hypotheses
    ]


def _without_a_parameter(code: Code, evidence: Evidence) -> Iterator[Hypothesis]:
    """A backward pass that repeats the forward pass without a bias: its gradient is that at the bias 0."""
    for i, parameter in enumerate(evidence.parameters):
        if not parameter.is_vector or not parameter.value.any():
            continue
        start = with_array(code.start, i, np.zeros_like(code.start[i]))
        recording = record_loss(replace(code, start=tuple(start)))
        if recording is not None and evidence.is_found(parameter_gradients(recording)):
            sentence = f"the gradient is that of a forward pass without {parameter.name}, which is in the loss"
            names = [one.name for one in evidence.wrong]
            yield one_mistake("forward_differs", evidence.parameters, sentence, 0, names)
    with suppress(BadInput):
        loss_at(code, code.start)


def _is_reference(gradient: Array, parameter: Any) -> bool:
    """Whether the tape's gradient is the measured one."""
    known = np.isfinite(parameter.expected)
    error = np.abs(gradient - parameter.expected)[known]
    size = np.abs(parameter.expected[known]).max(initial=0)
    return bool((error <= parameter.finite_tolerance[known] + 1e-5 * size).all())


def _matching(recording: Recording, evidence: Evidence) -> Iterator[Hypothesis]:
    begin, codes = thread_time(), set()
    for number, candidate in enumerate(_candidates(recording, evidence)):
        if number % _CANDIDATES_PER_LOOK == 0 and thread_time() - begin > _TIME_LIMIT_SECONDS:
            return
        if candidate.code in codes and candidate.constants:
            continue
        try:
            gradients = parameter_gradients(recording, candidate.changes)
        except (ValueError, IndexError):  # shapes that do not fit
            continue
        if not all(np.isfinite(one).all() for one in gradients):
            continue
        hypothesis = _explain(candidate, gradients, evidence)
        if hypothesis is not None:
            codes.add(candidate.code)
            yield hypothesis


def _explain(candidate: Candidate, gradients: Sequence[Array], evidence: Evidence) -> Hypothesis | None:
    """The hypothesis of a candidate whose gradients are those found: all of them, or all that are wrong.

    The second is a mistake in a line that only these gradients go through, as where the code computes δ again for them.
    """
    names, by_parameter = [one.name for one in evidence.wrong], list(zip(gradients, evidence.parameters, strict=True))
    if any(not gradient.any() and parameter.found.any() for gradient, parameter in by_parameter if parameter.is_wrong):
        return None  # beside zeros anything tiny would fit
    if not all(parameter.is_found(gradient) for gradient, parameter in by_parameter if parameter.is_wrong):
        return None
    sentence, constants = candidate.sentence, candidate.constants
    if not evidence.is_found(gradients):
        entries = sum(int((np.abs(one.found - one.expected) > 10 * one.tolerance).sum()) for one in evidence.wrong)
        if entries < _MIN_INFORMATIVE_ENTRIES or not any(one.found.any() for one in evidence.wrong):
            return None
        sentence, constants = f"for {join_names(names)} alone, {sentence}", constants + 2
    return one_mistake(candidate.code, evidence.parameters, sentence, constants, names)


def _candidates(recording: Recording, evidence: Evidence) -> Iterator[Candidate]:
    composites = find_composites(recording)
    gates = {one.output.index for one in composites if one.name == "sigmoid"}
    yield from loss_mistakes(recording)
    yield from slice_mistakes(recording)
    yield from overwritten_gradients(recording)
    yield from activation_mistakes(recording, composites)
    yield from output_mistakes(recording)
    groups = list(recording.groups())
    yield from neighboring_factors(recording, groups, gates)
    for group in groups:
        for members in _subsets(group):
            yield from operation_mistakes(recording, members, gates)
    yield from skipped_derivatives(recording, groups)
    yield from factors_of_other_lines(recording, groups)
    yield from padding_mistakes(recording)
    yield from other_weights(recording, evidence.learning_rate)
    yield from statistics_as_constants(groups)
    for group in groups:
        for members in _subsets(group):
            yield from generic_mistakes(recording, members)


def _subsets(group: Sequence[Node]) -> list[Sequence[Node]]:
    return [group, *([node] for node in group if 1 < len(group) <= MAX_MEMBERS)]
