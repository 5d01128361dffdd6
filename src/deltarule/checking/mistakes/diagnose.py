"""Find the mistakes that explain a wrong gradient, from numbers, tape and network.

Each hypothesis predicts the user's gradient F from the reference E and the parameters V: "twice too large" is F = 2 E,
"the penalty is missing" F = E − c V with one constant c. The one that predicts all with the fewest constants wins.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cached_property
from itertools import combinations

import numpy as np

from deltarule.checking.array_results import RIGHT, WRONG, ArrayResult, first_wrong_layer
from deltarule.checking.catalog import Mistake, join_names, make_mistake
from deltarule.checking.mistakes import factors, shapes
from deltarule.checking.mistakes.evidence import (
    GradientEvidence,
    Hypothesis,
    ParameterEvidence,
    PenaltyTerm,
    one_mistake,
)
from deltarule.checking.mistakes.network_matching import Like, NetworkMatch, match_network
from deltarule.checking.mistakes.network_program import guess_network, network_program
from deltarule.checking.mistakes.planting import planted_hypotheses, record_reference
from deltarule.checking.notes import Note, several
from deltarule.checking.tape.backward import RecordedPass
from deltarule.checking.user_code.callables import Code

HYPOTHESIS_FAMILIES = (
    shapes.wrong_shapes,
    shapes.incompatible_shapes,
    shapes.zero_gradients,
    factors.wrong_factors,
    shapes.rearranged_gradients,
    shapes.exchanged_gradients,
    shapes.wrong_axes,
    factors.wrong_penalties,
    shapes.single_entries,
)


def diagnose(evidence: GradientEvidence, extra_hypotheses: Sequence[Hypothesis] = ()) -> tuple[Mistake, ...]:
    """The simplest mistakes, at most two, that explain all wrong gradients."""
    from_numbers = [hypothesis for family in HYPOTHESIS_FAMILIES for hypothesis in family(evidence)]
    return choose_mistakes(evidence, [*extra_hypotheses, *from_numbers])


def choose_mistakes(evidence: GradientEvidence, hypotheses: Sequence[Hypothesis]) -> tuple[Mistake, ...]:
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
    other = by_code.get("other_derivative")
    if "derivative_missing" in by_code and other and "that is that of relu" in other.sentence:  # 1 for active units
        del by_code["other_derivative"]
    return tuple(by_code.values())[:2]


_WRONG_LOSSES = {
    "broadcast": "the loss compares every prediction with every target: (N, 1) and (N,) make a table of N × N",
    "activation_twice": "the loss applies the output's activation to values that have been through it already",
}
"""By code of a mistake in the loss, its sentence."""


def diagnose_code(
    code: Code, evidence: GradientEvidence, loss: float, own_hypotheses: Sequence[Hypothesis], like: Like | None
) -> tuple[tuple[Mistake, ...], tuple[Note, ...]]:
    """The mistakes in the gradient or the loss of user code, and notes."""
    match = None if like is None else match_network(evidence, evidence.references, loss, like)
    if match is not None and match.objective.kind:
        kind = match.objective.kind
        return (make_mistake(kind, ("loss",), _WRONG_LOSSES[kind]),), _notes_about(match)
    notes = (Note("loss_unknown"),) if like is not None and match is None else _notes_about(match)
    if not evidence.wrong:
        return (), notes
    search = _Search(code, evidence, match)
    mistakes = search.explain(search.evidence, own_hypotheses)
    if not mistakes and like is None and not evidence.is_layer:
        match = guess_network(code, evidence, loss)
        if match is not None:
            notes = _notes_about(match)
            search = _Search(code, evidence, match)
            mistakes = search.explain(search.evidence)
    elif not mistakes and like is not None and match is None and any(map(np.any, evidence.references)):
        of_gradient = match_network(evidence, evidence.gradients, None, like)
        if of_gradient and not of_gradient.objective.kind:
            name = of_gradient.loss_name
            sentence = f"the gradient is right for {name} of this network, but the loss is something else"
            return (make_mistake("loss_wrong", ("loss",), sentence),), ()
    if not _are_factors(mistakes):
        return mistakes, notes
    mistakes, rest = search.explain_parts(mistakes, own_hypotheses)
    if rest:
        notes = (*notes, Note("further", names=join_names(rest)))
    elif not mistakes:
        is_complete = like is not None or match is not None or evidence.is_layer
        more = () if is_complete else (Note("more_with_like"),)
        notes = (*notes, Note("unexplained", rest=several(evidence.wrong)), *more)
    return mistakes, notes


def _are_factors(mistakes: Sequence[Mistake]) -> bool:
    return all(mistake.kind.is_factor for mistake in mistakes)


def _notes_about(match: NetworkMatch | None) -> tuple[Note, ...]:
    """A note on the recognized loss, as "the mean over 7 samples of cross entropy"."""
    if match is None:
        return ()
    samples, outputs = match.y.shape
    factor = "" if match.divisor else f"{match.factor:.6g} times "
    kind = "sum" if match.divisor in (1, None) else "mean"
    and_outputs = f" and {outputs} outputs" if match.divisor == samples * outputs > samples else ""
    loss = f"{factor}the {kind} over {samples} samples{and_outputs} of {match.loss_name}"
    return (Note("loss_recognized", loss=loss),)


class _Search:
    """The search for the mistakes of one program, perhaps a recognized network."""

    def __init__(self, code: Code, evidence: GradientEvidence, match: NetworkMatch | None) -> None:
        self.code = code
        self.match = match
        if match is not None:
            evidence = replace(evidence, samples=(len(match.x),), outputs=match.network.outputs)
        self.evidence = replace(evidence, find_penalties=lambda: self.penalties)

    @cached_property
    def recordings(self) -> list[RecordedPass]:
        """The recorded loss of the code, and of the network as our program."""
        network = None if self.match is None else network_program(self.match, self.evidence)
        programs = [self.code] if network is None else [self.code, network]
        recorded = [record_reference(program, self.evidence) for program in programs]
        return [recording for recording in recorded if recording is not None]

    @cached_property
    def penalties(self) -> list[PenaltyTerm] | None:
        return factors.penalties_of(self.recordings[0]) if self.recordings else None

    def explain(self, evidence: GradientEvidence, own_hypotheses: Sequence[Hypothesis] = ()) -> tuple[Mistake, ...]:
        """The mistakes that explain all wrong gradients of the evidence."""
        from_numbers = diagnose(evidence, [*own_hypotheses, *self._loss_hypotheses(evidence)])
        if not all(mistake.kind.describes_numbers for mistake in from_numbers):
            return from_numbers
        for recording in self.recordings:
            mistakes = choose_mistakes(evidence, planted_hypotheses(recording, evidence))
            if any(mistake.code == "zero_gradient" for mistake in from_numbers):  # what the last assignment left
                mistakes = tuple(mistake for mistake in mistakes if mistake.code == "gradient_overwritten")
            if mistakes:
                return (*mistakes, *from_numbers)[:2]
        return from_numbers

    def _loss_hypotheses(self, evidence: GradientEvidence) -> Iterator[Hypothesis]:
        match = self.match
        of_gradient = match and match_network(evidence, evidence.gradients, None, match.like)
        if match and of_gradient and of_gradient.objective.loss is not match.objective.loss:
            sentence = f"the gradient is that of {of_gradient.loss_name}, the loss is {match.loss_name}"
            yield one_mistake("loss_wrong", evidence.parameters, sentence)

    def explain_parts(
        self, factors_of_all: tuple[Mistake, ...], own_hypotheses: Sequence[Hypothesis]
    ) -> tuple[tuple[Mistake, ...], list[str]]:
        """The explanation of a part that leaves least, and the names of what it leaves."""
        parts = [(factors_of_all, list[str]()), self._beside_factor()]
        if all(rest or not mistakes for mistakes, rest in parts):
            parts.append(self._first_layer(own_hypotheses))
        if not any(mistakes for mistakes, _ in parts):
            for clue in shapes.incompatible_shapes(self.evidence):
                others = [array.name for array in self.evidence.wrong if array not in clue.parameters]
                parts.append((clue.mistakes, others))
        explained = [part for part in parts if part[0]]
        return min(explained, key=lambda part: (bool(part[1]), _are_factors(part[0])), default=((), []))

    def _first_layer(self, own_hypotheses: Sequence[Hypothesis]) -> tuple[tuple[Mistake, ...], list[str]]:
        """Explain the first wrong layer on the way back alone."""
        parameters = self.evidence.parameters
        results = [ArrayResult(array.name, WRONG if array.is_wrong else RIGHT) for array in parameters]
        first = first_wrong_layer(results, [array.value.shape for array in parameters])
        rest = [array.name for array in self.evidence.wrong if array.name not in first]
        if not rest:
            return (), []
        unknown = [replace(a, is_wrong=False, expected=np.full_like(a.expected, np.nan)) for a in parameters]
        kept = tuple(gone if a.name in rest else a for a, gone in zip(parameters, unknown, strict=True))
        mistakes = self.explain(replace(self.evidence, parameters=kept), own_hypotheses)
        return tuple(mistake for mistake in mistakes if not mistake.kind.describes_numbers), rest

    def _beside_factor(self) -> tuple[tuple[Mistake, ...], list[str]]:
        """Explain a gradient by a constant factor and the mistakes beside it.

        The factor is that of an array which nothing else makes wrong: the nearest to the loss is tried first.
        """
        evidence = self.evidence
        known = [(factor, a) for a in reversed(evidence.wrong) if (factor := factors.fit_factor(evidence, a))]
        groups = [[a for other, a in known if factor.is_near(other.value, 1e-4)] for factor, _ in known]
        first: tuple[tuple[Mistake, ...], list[str]] = (), []
        tried: list[ParameterEvidence] = []
        for (factor, parameter), alike in sorted(zip(known, groups, strict=True), key=lambda pair: -len(pair[1])):
            if factor.is_near(1) or parameter.count_clearly_wrong < 3 or parameter in tried:
                continue
            tried += alike
            divided = evidence.divided_by(factor.value, factor.uncertainty)
            mistakes = self.explain(divided) if divided.wrong else ()
            if mistakes:
                of_factor = factors.mistakes_of_factor(evidence, factor, evidence.parameters)
                beside = [replace(mistake, sentence=f"beside that, {mistake.sentence}") for mistake in mistakes]
                return (*of_factor, *beside)[:2], []
            rest = [array.name for array in evidence.wrong if array not in alike]
            first = first if first[0] else (factors.mistakes_of_factor(evidence, factor, alike), rest)
        return first
