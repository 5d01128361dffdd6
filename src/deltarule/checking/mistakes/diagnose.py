"""Find the mistakes that explain a wrong gradient, from numbers, tape and network.

First the numbers alone: only the reference gradient E, the user's gradient F, and the parameters V are known. Each
hypothesis predicts F: "twice too large" predicts F = 2 E, "the penalty is missing" F = E − c V with one constant c for
all entries, and so on. The hypothesis that predicts every entry with the fewest constants wins. If there is none,
mistakes are planted in the recorded code (`planting.py`).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np

from deltarule.checking import tolerances
from deltarule.checking.array_results import RIGHT, WRONG, ArrayResult, first_wrong_layer
from deltarule.checking.mistakes import exchanges, factors, penalties, shapes
from deltarule.checking.mistakes.catalog import Mistake, join_names, make_mistake
from deltarule.checking.mistakes.evidence import Evidence, Hypothesis, one_mistake
from deltarule.checking.mistakes.network_matching import Like, NetworkMatch, describe_mismatch, match_network
from deltarule.checking.mistakes.network_program import guess_network, network_program
from deltarule.checking.mistakes.parameter_packing import packings
from deltarule.checking.mistakes.planting import planted_hypotheses
from deltarule.checking.notes import Note
from deltarule.checking.numerics.probes import penalty_probe
from deltarule.checking.user_code.callables import Code

HYPOTHESIS_FAMILIES = (
    shapes.wrong_shapes,
    shapes.incompatible_shapes,
    shapes.zero_gradients,
    factors.wrong_factors,
    shapes.transposed_gradients,
    shapes.exchanged_axes,
    exchanges.exchanged_gradients,
    exchanges.rows_of_other_gradients,
    shapes.wrong_axes,
    penalties.wrong_penalties,
    exchanges.penalties_of_other_weights,
    shapes.single_entries,
)


def diagnose(evidence: Evidence, extra_hypotheses: Sequence[Hypothesis] = ()) -> tuple[Mistake, ...]:
    """The simplest mistakes, at most two, that explain all wrong gradients.

    Tries `extra_hypotheses` first, then those that need only numbers.

    >>> import numpy as np
    >>> from deltarule.checking.mistakes.evidence import ParameterEvidence
    >>> E, F = np.array([1.0, 2.0, 3.0]), np.array([2.0, 4.0, 6.0])
    >>> evidence = Evidence((ParameterEvidence("w", E, F, F, E, 0 * E, 0 * E, is_wrong=True),))
    >>> [mistake.code for mistake in diagnose(evidence)]
    ['factor_two']
    """
    from_numbers = [hypothesis for family in HYPOTHESIS_FAMILIES for hypothesis in family(evidence)]
    return choose_mistakes(evidence, [*extra_hypotheses, *from_numbers])


def choose_mistakes(evidence: Evidence, hypotheses: Sequence[Hypothesis]) -> tuple[Mistake, ...]:
    """Choose the hypothesis or pair that explains all with fewest constants."""
    wrong = frozenset(evidence.wrong)
    complete = [hypothesis for hypothesis in hypotheses if hypothesis.parameters >= wrong]
    if complete:
        fewest = min(hypothesis.constants for hypothesis in complete)
        return _first_two_mistakes([hypothesis for hypothesis in complete if hypothesis.constants == fewest])
    pairs = [
        (first, second)
        for first, second in combinations(hypotheses, 2)
        if first.parameters < wrong <= first.parameters | second.parameters
        and len(first.mistakes) + len(second.mistakes) <= 2
    ]
    return _first_two_mistakes(min(pairs, key=lambda pair: pair[0].constants + pair[1].constants)) if pairs else ()


def _first_two_mistakes(hypotheses: Sequence[Hypothesis]) -> tuple[Mistake, ...]:
    by_code: dict[str, Mistake] = {}
    for hypothesis in hypotheses:
        for mistake in hypothesis.mistakes:
            by_code.setdefault(mistake.code, mistake)
    return tuple(by_code.values())[:2]


_WRONG_LOSSES = {
    "broadcast": "the loss compares every prediction with every target: (N, 1) and (N,) make a table of N × N",
    "wrong_axis": "the output's activation is normalized over the samples in the loss, and not over the outputs",
    "activation_twice": "the loss applies the output's activation to values that have been through it already",
}
"""By code of a mistake in the loss, its sentence."""


_NUMBERS_ALONE = {"factor", "single_entry", "single_row", "zero_gradient", "loss_wrong"}
"""Codes of mistakes that describe numbers, not the line of code that computes them, or that may be another mistake."""


@dataclass(frozen=True)
class Diagnosis:
    """The mistakes that explain a gradient, and notes for the report."""

    mistakes: tuple[Mistake, ...] = ()
    notes: tuple[Note, ...] = ()


@dataclass(frozen=True, eq=False)
class _Recognized:
    """The network of `like` as recognized in user code."""

    code: Code
    evidence: Evidence
    match: NetworkMatch
    like: Like
    notes: tuple[Note, ...] = ()


def diagnose_code(
    code: Code,
    evidence: Evidence,
    loss: float,
    extra_hypotheses: Sequence[Hypothesis],
    like: Like | None,
    *,
    may_have_network: bool,
) -> Diagnosis:
    """Name the mistakes in the gradient or the loss of user code.

    like               the network that the code is meant to be, if the user gave one
    may_have_network   whether the user could give one for this kind of code
    """
    network: _Recognized | None = None
    notes: tuple[Note, ...] = ()
    if like is not None:
        network, notes = _recognize(code, evidence, loss, like, may_be_packed=not extra_hypotheses)
    if network is not None:
        kind = network.match.objective.kind
        if kind:
            return Diagnosis((make_mistake(kind, ("loss",), _WRONG_LOSSES[kind]),), network.notes)
        code, evidence, notes = network.code, network.evidence, network.notes
    mistakes = _explain(code, evidence, extra_hypotheses, network) if evidence.wrong else ()
    if evidence.wrong and not mistakes and network is None:
        if like is None and may_have_network:
            guess = guess_network(code, evidence, loss)
            if guess is not None:
                network = _network_of_match(code, evidence, *guess)
                mistakes, notes = _explain(code, network.evidence, extra_hypotheses, network), network.notes
        elif like is not None and any(np.nan_to_num(expected).any() for expected in evidence.references):
            of_gradient = match_network(evidence, evidence.gradients, None, like)
            if of_gradient and not of_gradient.objective.kind:
                name = of_gradient.objective.loss.name.replace("_", " ")
                sentence = f"the gradient is right for {name} of this network, but the loss is something else"
                return Diagnosis((make_mistake("loss_wrong", ("loss",), sentence),))
    if evidence.wrong and not mistakes:
        mistakes, rest = _explain_first_layer(code, evidence, extra_hypotheses, network)
        if mistakes:
            return Diagnosis(mistakes, (*notes, Note("further", names=join_names(rest))))
        notes = (*notes, Note("unexplained"))
        if like is None and network is None and may_have_network:
            notes = (*notes, Note("more_with_like"))
    return Diagnosis(mistakes, notes)


def _explain_first_layer(
    code: Code, evidence: Evidence, extra_hypotheses: Sequence[Hypothesis], network: _Recognized | None
) -> tuple[tuple[Mistake, ...], list[str]]:
    """The mistakes in the first wrong layer on the way back, and what they leave."""
    results = [ArrayResult(one.name, WRONG if one.is_wrong else RIGHT) for one in evidence.parameters]
    first = first_wrong_layer(results, [value.shape for value in evidence.values])
    rest = [one.name for one in evidence.wrong if one.name not in first]
    if not rest:
        return (), []
    parameters = tuple(
        replace(one, is_wrong=False, expected=np.full_like(one.expected, np.nan)) if one.name in rest else one
        for one in evidence.parameters
    )
    mistakes = _explain(code, replace(evidence, parameters=parameters), extra_hypotheses, network)
    return tuple(mistake for mistake in mistakes if mistake.code not in _NUMBERS_ALONE), rest


def _explain(
    code: Code, evidence: Evidence, extra_hypotheses: Sequence[Hypothesis], network: _Recognized | None
) -> tuple[Mistake, ...]:
    """The mistakes that explain a wrong gradient."""
    of_loss = [] if network is None else list(_loss_hypotheses(evidence, network.match, network.like))
    from_numbers = diagnose(evidence, [*extra_hypotheses, *of_loss])
    codes = {mistake.code for mistake in from_numbers}
    if not codes <= _NUMBERS_ALONE:
        return from_numbers
    program = None if network is None else network_program(network.match, evidence, network.like)
    for recorded in (code, program):
        mistakes = () if recorded is None else choose_mistakes(evidence, planted_hypotheses(recorded, evidence))
        if "zero_gradient" in codes:  # zeros may be what the last of several assignments left
            mistakes = tuple(mistake for mistake in mistakes if mistake.code == "gradient_overwritten")
        if mistakes:
            return (*mistakes, *from_numbers)[:2]
    return from_numbers


def _recognize(
    code: Code, evidence: Evidence, loss: float, like: Like, *, may_be_packed: bool
) -> tuple[_Recognized | None, tuple[Note, ...]]:
    """Recognize the network of `like` in the user's code."""
    mismatch = describe_mismatch(evidence.names, evidence.values, like.network)
    if not mismatch or sum(value.size for value in evidence.values) != like.network.parameters:
        match = match_network(evidence, evidence.references, loss, like)
        if match is None:
            return None, (Note("loss_unknown"),)
        return _network_of_match(code, evidence, match, like), ()
    reason = f"whose arrays were not recognized: {mismatch}"
    shape, inputs = like.x.shape, like.network.inputs
    if inputs not in shape and inputs + 1 in shape:
        reason = f"as x has the shape {shape}, but the network has {inputs} inputs; give x without its ones"
    elif may_be_packed:
        network = _unpack(code, evidence, loss, like)
        if network is not None:
            return network, ()
    return None, (Note("not_unpacked", reason=reason),)


def _network_of_match(code: Code, evidence: Evidence, match: NetworkMatch, like: Like) -> _Recognized:
    evidence = replace(evidence, samples=(len(match.x),), outputs=like.network.outputs)
    return _Recognized(code, evidence, match, like, (Note("loss_recognized", loss=_describe_loss(match)),))


def _unpack(code: Code, evidence: Evidence, loss: float, like: Like) -> _Recognized | None:
    """Recognize a network in arrays that hold several of its own, one after another."""
    if any(parameter.shape_mistake or parameter.raw.size != parameter.value.size for parameter in evidence.parameters):
        return None
    for packing in packings(evidence.values, like.network):
        unpacked_code = packing.unpack_code(code)
        unpacked = packing.unpack_evidence(evidence, penalty_probe(unpacked_code))
        match = match_network(unpacked, unpacked.references, loss, like)
        if match and bool(unpacked.wrong) == bool(evidence.wrong):
            network = _network_of_match(unpacked_code, unpacked, match, like)
            return replace(network, notes=(Note("unpacked", description=packing.description), *network.notes))
    return None


def _describe_loss(match: NetworkMatch) -> str:
    """Describe the recognized loss, as "the mean over 7 samples of cross entropy"."""
    name, samples, outputs = match.objective.loss.name.replace("_", " "), len(match.x), match.y.shape[1]
    for count, text in (
        (1, f"the sum over {samples} samples of {name}"),
        (samples, f"the mean over {samples} samples of {name}"),
        (samples * outputs, f"the mean over {samples} samples and {outputs} outputs of {name}"),
    ):
        if abs(match.factor * count - 1) < tolerances.FIT.constant:
            return text
    return f"{match.factor:.6g} times the sum over {samples} samples of {name}"


def _loss_hypotheses(evidence: Evidence, match: NetworkMatch, like: Like) -> Iterator[Hypothesis]:
    """The hypothesis that the gradient belongs to another loss of the network."""
    of_gradient = match_network(evidence, evidence.gradients, None, like)
    if of_gradient and of_gradient.objective.loss is not match.objective.loss:
        name, own_name = (one.objective.loss.name.replace("_", " ") for one in (of_gradient, match))
        sentence = f"the gradient is that of {name}, the loss is {own_name}"
        yield one_mistake("loss_wrong", evidence.parameters, sentence)
