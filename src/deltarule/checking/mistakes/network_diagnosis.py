"""Diagnose a wrong gradient of user code, with the network that the code is meant to be, if the user gave one."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from deltarule.checking import tolerances
from deltarule.checking.mistakes.catalog import Mistake, make_mistake
from deltarule.checking.mistakes.diagnose import choose_mistakes, diagnose
from deltarule.checking.mistakes.evidence import Evidence, Hypothesis
from deltarule.checking.mistakes.network_guess import guess_network
from deltarule.checking.mistakes.network_hypotheses import epsilon_in_loss, network_hypotheses
from deltarule.checking.mistakes.network_matching import Like, NetworkMatch, describe_mismatch, match_network
from deltarule.checking.mistakes.parameter_packing import Packing, packings
from deltarule.checking.mistakes.tape_hypotheses import tape_hypotheses
from deltarule.checking.numerics.probes import penalty_probe
from deltarule.checking.report import UNEXPLAINED, Note, without_notes
from deltarule.checking.user_code.callables import Code

_WRONG_LOSSES = {
    "broadcast": "the loss compares every prediction with every target: (N, 1) and (N,) make a table of N × N",
    "wrong_axis": "the output's activation is normalized over the samples in the loss, and not over the outputs",
    "activation_twice": "the loss applies the output's activation to values that have been through it already",
}
"""By code of a mistake in the loss, its sentence."""


@dataclass(frozen=True)
class Diagnosis:
    """The mistakes that explain a gradient, and notes for the report; whether nothing explains a wrong gradient."""

    mistakes: tuple[Mistake, ...] = ()
    notes: tuple[Note, ...] = ()
    is_unexplained: bool = False


_NUMBERS_ALONE = {"factor", "single_entry", "single_row", "zero_gradient"}
"""Codes of mistakes that describe numbers, not the line of code that computes them."""


def diagnose_code(
    code: Code,
    evidence: Evidence,
    loss: float,
    extra_hypotheses: Sequence[Hypothesis],
    like: Like | None,
    *,
    may_have_network: bool,
) -> Diagnosis:
    """Name the mistakes that explain a wrong gradient, or a mistake in the loss although the gradient is correct.

    loss               the value of the loss
    extra_hypotheses   hypotheses for this kind of code
    like               the network that the code is meant to be, if the user gave one
    may_have_network   whether the user could give one for this kind of code
    """
    diagnosis = _diagnose_without_tape(code, evidence, loss, extra_hypotheses, like, may_have_network=may_have_network)
    codes = {mistake.code for mistake in diagnosis.mistakes}
    if not evidence.wrong or not codes <= _NUMBERS_ALONE:
        return diagnosis
    mistakes = choose_mistakes(evidence, tape_hypotheses(code, evidence))
    if "zero_gradient" in codes:  # zeros may be what the last of several assignments left
        mistakes = tuple(mistake for mistake in mistakes if mistake.code == "gradient_overwritten")
    if not mistakes and like is None and not codes and may_have_network:
        guess = guess_network(code, evidence, loss)
        if guess is not None:
            return _explain_by_network(evidence, extra_hypotheses, *guess)
    if not mistakes:
        return diagnosis
    return Diagnosis((*mistakes, *diagnosis.mistakes)[:2], without_notes(diagnosis.notes, UNEXPLAINED))


def _diagnose_without_tape(
    code: Code,
    evidence: Evidence,
    loss: float,
    extra_hypotheses: Sequence[Hypothesis],
    like: Like | None,
    *,
    may_have_network: bool,
) -> Diagnosis:
    """Diagnose from the gradient's numbers and, if `like` is given, from its network, without a tape."""
    if like is None:
        diagnosis = _explain(evidence, extra_hypotheses)
        if diagnosis.is_unexplained and may_have_network:
            return replace(diagnosis, notes=(*diagnosis.notes, Note("more_with_like")))
        return diagnosis
    mismatch = describe_mismatch(evidence.names, evidence.values, like.network)
    if mismatch and sum(value.size for value in evidence.values) == like.network.parameters:
        return _diagnose_packed(code, evidence, loss, extra_hypotheses, like, mismatch)
    match = match_network(evidence, evidence.references, loss, like)
    if match is not None:
        return _explain_by_network(evidence, extra_hypotheses, match, like)
    diagnosis = _explain(evidence, extra_hypotheses)
    if diagnosis.is_unexplained and any(np.nan_to_num(expected).any() for expected in evidence.references):
        gradient_match = match_network(evidence, evidence.gradients, None, like)
        if gradient_match and not gradient_match.objective.kind:
            return Diagnosis(_mistake_in_loss(evidence, gradient_match))
    return replace(diagnosis, notes=(Note("loss_unknown"), *diagnosis.notes))


def _explain(evidence: Evidence, extra_hypotheses: Sequence[Hypothesis]) -> Diagnosis:
    """The mistakes that explain the evidence, and a note if there are none."""
    mistakes = diagnose(evidence, extra_hypotheses) if evidence.wrong else ()
    is_unexplained = bool(evidence.wrong) and not mistakes
    return Diagnosis(mistakes, (Note("unexplained"),) if is_unexplained else (), is_unexplained)


def _mistake_in_loss(evidence: Evidence, gradient_match: NetworkMatch) -> tuple[Mistake, ...]:
    """The mistake in an unknown loss, although the user's gradient is that of the known loss in `gradient_match`."""
    hypothesis = next(epsilon_in_loss(evidence, gradient_match), None)
    if hypothesis is not None:
        return hypothesis.mistakes
    name = gradient_match.objective.loss.name.replace("_", " ")
    sentence = f"the gradient is right for {name} of this network, but the loss is something else"
    return (make_mistake("loss_wrong", ("loss",), sentence),)


def _explain_by_network(
    evidence: Evidence, extra_hypotheses: Sequence[Hypothesis], match: NetworkMatch, like: Like
) -> Diagnosis:
    """The diagnosis with the recognized network: a mistake in the loss, or mistakes inside the network."""
    objective = match.objective
    if objective.kind:
        return Diagnosis((make_mistake(objective.kind, ("loss",), _WRONG_LOSSES[objective.kind]),))
    note = Note("loss_recognized", loss=_describe_loss(match))
    if not evidence.wrong:
        return Diagnosis(notes=(note,))
    evidence = replace(evidence, samples=(len(match.x),), outputs=like.network.outputs)
    diagnosis = _explain(evidence, [*extra_hypotheses, *network_hypotheses(evidence, match, like)])
    return replace(diagnosis, notes=(note, *diagnosis.notes))


def _describe_loss(match: NetworkMatch) -> str:
    """Describe the recognized loss as a text such as "the mean over 7 samples of cross entropy"."""
    name, samples, outputs = match.objective.loss.name.replace("_", " "), len(match.x), match.y.shape[1]
    for count, text in (
        (1, f"the sum over {samples} samples of {name}"),
        (samples, f"the mean over {samples} samples of {name}"),
        (samples * outputs, f"the mean over {samples} samples and {outputs} outputs of {name}"),
    ):
        if abs(match.factor * count - 1) < tolerances.FIT.constant:
            return text
    return f"{match.factor:.6g} times the sum over {samples} samples of {name}"


def _diagnose_packed(
    code: Code, evidence: Evidence, loss: float, extra_hypotheses: Sequence[Hypothesis], like: Like, mismatch: str
) -> Diagnosis:
    """The diagnosis of code whose parameters are packed into other arrays than the network's; `mismatch` says how."""
    reason = ""
    shape, inputs = like.x.shape, like.network.inputs
    if inputs not in shape and inputs + 1 in shape:
        reason = f"as x has the shape {shape}, but the network has {inputs} inputs; give x without its ones"
    unpacked = None if extra_hypotheses or reason else _unpack(code, evidence, loss, like)
    if unpacked:
        packing, unpacked_evidence, match = unpacked
        diagnosis = _explain_by_network(unpacked_evidence, (), match, like)
        note = Note("unpacked", description=packing.description)
    else:
        diagnosis = _explain(evidence, extra_hypotheses)
        note = Note("not_unpacked", reason=reason or f"whose arrays were not recognized: {mismatch}")
    return replace(diagnosis, notes=(note, *diagnosis.notes))


def _unpack(code: Code, evidence: Evidence, loss: float, like: Like) -> tuple[Packing, Evidence, NetworkMatch] | None:
    """The packing with which the network is recognized, the evidence by its arrays, and the match; None if none."""
    if any(parameter.shape_mistake or parameter.raw.size != parameter.value.size for parameter in evidence.parameters):
        return None
    for packing in packings(evidence.values, like.network):
        unpacked = packing.unpack_evidence(evidence, penalty_probe(packing.unpack_code(code)))
        match = match_network(unpacked, unpacked.references, loss, like)
        if match and bool(unpacked.wrong) == bool(evidence.wrong):
            return packing, unpacked, match
    return None
