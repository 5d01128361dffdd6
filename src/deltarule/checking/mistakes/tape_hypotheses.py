"""Mistakes planted in the tape of the user's own forward pass: no network has to be known.

Each candidate changes the backward pass at some operations, all of one line of the code (as those of a loop) or a
single one; the changed pass gives the gradients of a program with that mistake.
"""

# mypy: disable-error-code="misc"
# mypy does not infer lambdas with defaults, which bind the variable of a loop.

from collections.abc import Iterator, Sequence
from contextlib import suppress
from time import perf_counter
from typing import Any

import numpy as np

from deltarule.checking.mistakes.evidence import Evidence, Hypothesis, one_mistake
from deltarule.checking.mistakes.tape_accumulation import overwritten_gradients, single_samples
from deltarule.checking.mistakes.tape_activations import activation_mistakes, output_mistakes
from deltarule.checking.mistakes.tape_candidates import MAX_MEMBERS, Candidate
from deltarule.checking.mistakes.tape_composites import find_composites
from deltarule.checking.mistakes.tape_operations import operation_mistakes
from deltarule.checking.mistakes.tape_values import (
    factors_of_other_lines,
    generic_mistakes,
    other_weights,
    padding_mistakes,
    statistics_as_constants,
)
from deltarule.checking.numerics.parameter_lines import loss_at
from deltarule.checking.tape.backward import Recording, parameter_gradients
from deltarule.checking.tape.operations import Array, Node
from deltarule.checking.tape.record import record_loss
from deltarule.checking.user_code.callables import Code
from deltarule.errors import BadInput

_TIME_LIMIT_SECONDS = 6.0
"""A user waits no longer for the name of a mistake; most are found in a tenth of it."""


def tape_hypotheses(code: Code, evidence: Evidence) -> list[Hypothesis]:
    """The mistakes in the backward pass of the user's own operations whose gradient is the one found."""
    recording = record_loss(code)
    with suppress(BadInput):  # what the code caches of its last call is of plain arrays again
        loss_at(code, code.start)
    if recording is None or any(one.shape_mistake for one in evidence.parameters):
        return []
    with np.errstate(all="ignore"):
        right = parameter_gradients(recording)
        if not all(map(_is_reference, right, evidence.parameters)):
            return []
        return list(_matching(recording, evidence))


def _is_reference(gradient: Array, parameter: Any) -> bool:
    """Whether the tape's gradient is the measured one."""
    known = np.isfinite(parameter.expected)
    error = np.abs(gradient - parameter.expected)[known]
    size = np.abs(parameter.expected[known]).max(initial=0)
    return bool((error <= parameter.finite_tolerance[known] + 1e-5 * size).all())


def _matching(recording: Recording, evidence: Evidence) -> Iterator[Hypothesis]:
    begin, codes = perf_counter(), set()
    for candidate in _candidates(recording):
        if perf_counter() - begin > _TIME_LIMIT_SECONDS:
            return
        if candidate.code in codes and candidate.constants:
            continue
        try:
            gradients = parameter_gradients(recording, candidate.changes)
        except (ValueError, IndexError):  # shapes that do not fit
            continue
        if any(not one.any() and p.found.any() for one, p in zip(gradients, evidence.parameters, strict=True)):
            continue  # beside zeros anything tiny would fit
        if all(np.isfinite(one).all() for one in gradients) and evidence.is_found(gradients):
            codes.add(candidate.code)
            names = [parameter.name for parameter in evidence.wrong]
            yield one_mistake(candidate.code, evidence.parameters, candidate.sentence, candidate.constants, names)


def _candidates(recording: Recording) -> Iterator[Candidate]:
    composites = find_composites(recording)
    yield from overwritten_gradients(recording)
    yield from activation_mistakes(composites)
    yield from output_mistakes(recording)
    groups = list(recording.groups())
    for group in groups:
        for members in _subsets(group):
            yield from operation_mistakes(recording, members)
    yield from factors_of_other_lines(recording, groups)
    yield from padding_mistakes(recording)
    yield from single_samples(recording)
    yield from other_weights(recording)
    yield from statistics_as_constants(groups)
    for group in groups:
        for members in _subsets(group):
            yield from generic_mistakes(members)


def _subsets(group: Sequence[Node]) -> list[Sequence[Node]]:
    return [group, *([node] for node in group if 1 < len(group) <= MAX_MEMBERS)]
