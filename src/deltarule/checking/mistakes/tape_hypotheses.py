"""Hypotheses from mistakes planted in the tape of the user's forward pass.

Each candidate changes the backward pass at some operations, all of one line of the code (as those of a loop) or a
single one; the changed pass gives the gradients of a program with that mistake.
"""

# mypy: disable-error-code="misc"
# mypy does not infer lambdas with defaults, which bind the variable of a loop.

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from itertools import islice

import numpy as np

from deltarule.checking.mistakes.catalog import join_names
from deltarule.checking.mistakes.evidence import Evidence, Hypothesis, ParameterEvidence, one_mistake
from deltarule.checking.mistakes.tape_accumulation import overwritten_gradients
from deltarule.checking.mistakes.tape_activations import activation_mistakes, output_mistakes
from deltarule.checking.mistakes.tape_candidates import MAX_CHANGED_SINGLY, Candidate
from deltarule.checking.mistakes.tape_composites import find_composites
from deltarule.checking.mistakes.tape_losses import loss_mistakes
from deltarule.checking.mistakes.tape_operations import operation_mistakes
from deltarule.checking.mistakes.tape_parameter_uses import RecordedUses, parameter_hypotheses
from deltarule.checking.mistakes.tape_paths import neighboring_factors, skipped_derivatives
from deltarule.checking.mistakes.tape_penalties import penalty_hypotheses
from deltarule.checking.mistakes.tape_slices import slice_mistakes
from deltarule.checking.mistakes.tape_substitutions import (
    generic_mistakes,
    padding_mistakes,
    penalties_through_network,
    rules_with_value,
    statistics_as_constants,
    weights_of_other_lines,
    wrong_weights,
)
from deltarule.checking.numerics.parameter_lines import loss_at, with_array
from deltarule.checking.tape.backward import Changes, EdgeRule, Recording, parameter_gradients
from deltarule.checking.tape.operations import Array, Node
from deltarule.checking.tape.record import record_loss
from deltarule.checking.user_code.callables import Code
from deltarule.errors import BadInput

_MAX_OPERATIONS = 2_000_000
"""Operations that all candidates together may repeat: about 6 s on one core; most mistakes need a tenth of it."""
_MIN_CANDIDATES = 200
_MIN_INFORMATIVE_ENTRIES = 3
"""Clearly wrong entries that a mistake must explain if it would make other arrays wrong too."""


def tape_hypotheses(code: Code, evidence: Evidence) -> list[Hypothesis]:
    """Hypotheses of mistakes in the recorded code that give the user's gradient."""
    recording = record_loss(code)
    with suppress(BadInput):  # replaces traced arrays that the code has cached
        loss_at(code, code.start)
    if recording is None or any(one.shape_mistake or one.is_wrong and one.is_faint for one in evidence.parameters):
        return []
    with np.errstate(all="ignore"):
        gradients = parameter_gradients(recording)
        if not all(map(_is_reference, gradients, evidence.parameters)):
            return []
        recorded_uses = RecordedUses(recording)
        return _rank_missing_paths(
            [
                *penalty_hypotheses(recorded_uses, evidence),
                *_matching_candidates(recording, recorded_uses, evidence),
                *_updated_weights(recording, evidence),
                *parameter_hypotheses(recorded_uses, evidence),
                *_omitted_biases(code, evidence),
            ]
        )


def _rank_missing_paths(hypotheses: Sequence[Hypothesis]) -> list[Hypothesis]:
    """Rank `path_missing` as high as `gradient_overwritten`, if both occur."""
    overwritten = [h.constants for h in hypotheses if h.mistakes[0].code == "gradient_overwritten"]
    return [
        replace(hypothesis, constants=min(hypothesis.constants, *overwritten))
        if overwritten and hypothesis.mistakes[0].code == "path_missing"
        else hypothesis
        for hypothesis in hypotheses
    ]


def _omitted_biases(code: Code, evidence: Evidence) -> Iterator[Hypothesis]:
    """Hypotheses that the backward pass repeats the forward pass without a bias."""
    for i, parameter in enumerate(evidence.parameters):
        if not parameter.is_vector or not parameter.value.any():
            continue
        start = with_array(code.start, i, np.zeros_like(code.start[i]))
        recording = record_loss(replace(code, start=tuple(start)))
        if recording is not None and evidence.is_found(parameter_gradients(recording)):
            sentence = f"the gradient is that of a forward pass without {parameter.name}, which is in the loss"
            names = [wrong.name for wrong in evidence.wrong]
            yield one_mistake("forward_differs", evidence.parameters, sentence, 0, names)
    with suppress(BadInput):
        loss_at(code, code.start)


def _updated_weights(recording: Recording, evidence: Evidence) -> Iterator[Hypothesis]:
    """Hypotheses that one or all arrays are updated before the backward pass uses them, at a rate that is fitted."""
    if evidence.learning_rate is not None:
        return
    pairs = list(zip(recording.parameters, parameter_gradients(recording), strict=True))
    for chosen in [*([pair] for pair in pairs), pairs]:

        def gradients_at(rate: float, chosen: Sequence[tuple[Node, Array]] = chosen) -> list[Array]:
            gradients = [gradient for _, gradient in chosen]
            for _ in chosen:  # an update of all arrays uses gradients that came back through updated weights
                rules: dict[int, EdgeRule] = {}
                for (node, _), gradient in zip(chosen, gradients, strict=True):
                    rules |= rules_with_value(recording, node, node.value - rate * gradient)
                result = parameter_gradients(recording, Changes(rules=rules))
                gradients = result if len(chosen) == len(result) else gradients
            return result

        rate = _fit_rate(evidence, gradients_at)
        if 0 < rate < 1e6 and evidence.is_found(gradients_at(rate)):
            sentence = f"the backward pass uses weights after their update, with a rate of {rate:.3g}"
            yield one_mistake("updated_weights", evidence.parameters, sentence, 1)


def _fit_rate(evidence: Evidence, gradients_at: Callable[[float], list[Array]]) -> float:
    """Fit the rate for which `gradients_at` gives the user's gradients, by Gauss–Newton from 0."""

    def error(rate: float) -> Array:
        pairs = zip(gradients_at(rate), evidence.parameters, strict=True)
        return np.concatenate([np.nan_to_num(gradient - parameter.found).ravel() for gradient, parameter in pairs])

    rate = 0.0
    for _ in range(8):
        here, nudge = error(rate), 1e-4 * max(rate, 1e-2)
        slope = (error(rate + nudge) - here) / nudge
        step = float(slope @ here) / (float(slope @ slope) or 1.0)
        rate -= step
        if not 0 < rate < 1e6 or abs(step) <= 1e-9 * rate:
            break
    return rate


def _is_reference(gradient: Array, parameter: ParameterEvidence) -> bool:
    known = np.isfinite(parameter.expected)
    error = np.abs(gradient - parameter.expected)[known]
    size = np.abs(parameter.expected[known]).max(initial=0)
    return bool((error <= parameter.finite_tolerance[known] + 1e-5 * size).all())


def _matching_candidates(recording: Recording, recorded_uses: RecordedUses, evidence: Evidence) -> Iterator[Hypothesis]:
    """Hypotheses from the candidates that give the user's gradient."""
    codes = set()
    max_candidates = max(_MIN_CANDIDATES, _MAX_OPERATIONS // max(1, len(recording.nodes)))
    for candidate in islice(_candidates(recording, recorded_uses, evidence), max_candidates):
        if candidate.code in codes and candidate.constants:
            continue
        try:
            gradients = parameter_gradients(recording, candidate.changes)
        except (ValueError, IndexError):  # shapes that do not fit
            continue
        if not all(np.isfinite(gradient).all() for gradient in gradients):
            continue
        hypothesis = _hypothesis_of_candidate(candidate, gradients, evidence)
        if hypothesis is not None:
            codes.add(candidate.code)
            yield hypothesis


def _hypothesis_of_candidate(candidate: Candidate, gradients: Sequence[Array], evidence: Evidence) -> Hypothesis | None:
    """The hypothesis of a candidate if its gradients are the user's.

    The second is a mistake in a line that only these gradients use, such as where the code computes δ again for them.
    """
    names = [wrong.name for wrong in evidence.wrong]
    by_parameter = list(zip(gradients, evidence.parameters, strict=True))
    if any(not gradient.any() and parameter.found.any() for gradient, parameter in by_parameter if parameter.is_wrong):
        return None  # beside zeros anything tiny would fit
    if not all(parameter.is_found(gradient) for gradient, parameter in by_parameter if parameter.is_wrong):
        return None
    sentence, constants = candidate.sentence, candidate.constants
    if not evidence.is_found(gradients):
        errors = [(np.abs(wrong.found - wrong.expected), wrong.tolerance) for wrong in evidence.wrong]
        entries = sum(int((error > 10 * tolerance).sum()) for error, tolerance in errors)
        if entries < _MIN_INFORMATIVE_ENTRIES or not any(wrong.found.any() for wrong in evidence.wrong):
            return None
        sentence, constants = f"for {join_names(names)} alone, {sentence}", constants + 2
    return one_mistake(candidate.code, evidence.parameters, sentence, constants, names)


def _candidates(recording: Recording, recorded_uses: RecordedUses, evidence: Evidence) -> Iterator[Candidate]:
    """All mistakes that are tried in the backward pass, most specific first."""
    composites = find_composites(recording)
    sigmoid_indices = {composite.output.index for composite in composites if composite.name == "sigmoid"}
    yield from loss_mistakes(recording)
    yield from slice_mistakes(recording)
    yield from activation_mistakes(recording, composites)
    yield from output_mistakes(recording)
    yield from overwritten_gradients(recording)
    groups = list(recording.operation_groups())
    yield from neighboring_factors(recording, groups, sigmoid_indices)
    for group in groups:
        for members in _subsets(group):
            yield from operation_mistakes(recording, members, sigmoid_indices)
    yield from skipped_derivatives(recording, groups)
    yield from weights_of_other_lines(recording, groups)
    yield from padding_mistakes(recording)
    yield from wrong_weights(recording, evidence.learning_rate)
    yield from penalties_through_network(recording, recorded_uses)
    yield from statistics_as_constants(groups)
    for group in groups:
        for members in _subsets(group):
            yield from generic_mistakes(recording, members)


def _subsets(group: Sequence[Node]) -> list[Sequence[Node]]:
    return [group, *([node] for node in group if 1 < len(group) <= MAX_CHANGED_SINGLY)]
