"""Plant mistakes in a recorded backward pass; find those with the user's gradient.

Each candidate changes the backward pass at some operations, all of one line of the code (as those of a loop) or a
single one; the changed pass gives the gradients of a program with that mistake.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from itertools import islice

import numpy as np

from deltarule.checking import tolerances
from deltarule.checking.catalog import join_names
from deltarule.checking.mistakes import rules
from deltarule.checking.mistakes.edges import whole_and_parts
from deltarule.checking.mistakes.edits import EVERY_OPERATION, edit_mistakes, overwritten_gradients
from deltarule.checking.mistakes.evidence import GradientEvidence, Hypothesis, ParameterEvidence, fit_ratio, one_mistake
from deltarule.checking.mistakes.factors import Factor, mistakes_of_factor
from deltarule.checking.mistakes.functions import find_functions, function_mistakes, output_mistakes
from deltarule.checking.numerics.reference_gradient import loss_at
from deltarule.checking.tape.backward import Array, Changes, EdgeRule, Node, RecordedPass, parameter_gradients
from deltarule.checking.tape.record import record_loss
from deltarule.checking.tape.tangents import Tangents, added_along, tangents
from deltarule.checking.user_code.callables import Code
from deltarule.errors import BadInput

_MAX_OPERATIONS = 2_000_000
"""Operations that all candidates together may repeat: about 6 s on one core; most mistakes need a tenth of it."""
_MIN_CANDIDATES = 200
_LOSES_A_PATH = ("gradient_overwritten", "path_missing", "derivative_missing")
_DERIVATIVES = {"sigmoid": "a (1 − a)", "tanh": "1 − a²", "relu": "1 where z > 0, and 0 elsewhere"}
_MIN_INFORMATIVE_ENTRIES = 3
"""Clearly wrong entries that a mistake must explain if it is tried at one parameter: one or two fit some value."""


@np.errstate(all="ignore")
def record_reference(code: Code, evidence: GradientEvidence) -> RecordedPass | None:
    """The recorded loss, if its backward pass gives the reference gradient."""
    recording = record_loss(code)
    with suppress(BadInput):  # replaces traced arrays that the code has cached
        loss_at(code, code.start)
    if recording is None:
        return None
    for gradient, parameter in zip(parameter_gradients(recording), evidence.parameters, strict=True):
        known = np.isfinite(parameter.expected)
        error = np.abs(gradient - parameter.expected)[known]
        size = np.abs(parameter.expected[known]).max(initial=0)
        if not (error <= parameter.finite_tolerance[known] + 1e-5 * size).all():
            return None
    return recording


@np.errstate(all="ignore")
def planted_hypotheses(recording: RecordedPass, evidence: GradientEvidence) -> list[Hypothesis]:
    """Hypotheses of mistakes in the recorded code that give the user's gradient."""
    if any(array.shape_mistake or array.is_wrong and array.is_faint for array in evidence.parameters):
        return []
    scaled: list[Hypothesis] = []
    hypotheses = [*_matching_candidates(recording, evidence, scaled), *_fitted_mistakes(recording, evidence)]
    if not hypotheses:
        return scaled
    # `path_missing` ranks as high as `gradient_overwritten`, if both occur.
    rank = min((h.constants for h in hypotheses if h.mistakes[0].code == "gradient_overwritten"), default=2)
    ranked = [
        replace(h, constants=min(h.constants, rank)) if h.mistakes[0].code == "path_missing" else h for h in hypotheses
    ]
    if any(h.mistakes[0].code == "path_missing" for h in ranked):  # nothing shows that everything is overwritten
        ranked = [h for h in ranked if EVERY_OPERATION not in h.mistakes[0].sentence]
    return sorted(ranked, key=lambda h: h.mistakes[0].code == "gradient_overwritten")


def _candidates(recording: RecordedPass, evidence: GradientEvidence) -> Iterator[rules.PlantedMistake]:
    """All mistakes that are tried in the backward pass, most specific first."""
    groups = list(recording.operation_groups())
    functions = find_functions(recording)
    gates = {function.output.index for function in functions if function.name == "sigmoid"}
    yield from function_mistakes(functions)
    yield from output_mistakes(recording)
    yield from overwritten_gradients(recording)
    for group in groups:
        for members in whole_and_parts(group):
            yield from rules.operation_mistakes(recording, members)
    yield from _penalties_through_network(recording, evidence)
    pairs = zip(recording.parameters, evidence.parameters, strict=True)
    yield from edit_mistakes(recording, groups, [node for node, parameter in pairs if parameter.is_wrong], gates)


def _penalties_through_network(recording: RecordedPass, evidence: GradientEvidence) -> Iterator[rules.PlantedMistake]:
    """Mistakes that add the penalty's derivative, c V, to a value's gradient."""
    for term in evidence.find_penalties() or ():
        for node in recording.nodes:
            gradient = recording.gradients.get(node.index)
            for part in (term.part, term.part.T):
                if gradient is not None and part.shape == gradient.shape:
                    text = f"of the value of {rules.describe_line([node])} has a penalty in it"
                    yield rules.PlantedMistake(
                        "penalty_through_network", text, rules.with_gradient(node, gradient + part)
                    )


def _matching_candidates(
    recording: RecordedPass, evidence: GradientEvidence, scaled: list[Hypothesis]
) -> Iterator[Hypothesis]:
    """Hypotheses of candidates that give the user's gradient, or a multiple of it."""
    codes: set[str] = set()
    by_code: dict[str, dict[ParameterEvidence, rules.PlantedMistake]] = {}
    is_free = len(evidence.wrong) == len(evidence.parameters)  # a factor of the whole gradient spares none
    seen = _SeenAlong(recording, evidence, is_free)
    max_candidates = max(_MIN_CANDIDATES, _MAX_OPERATIONS // max(1, len(recording.nodes)))
    for candidate in islice(_candidates(recording, evidence), max_candidates):
        if candidate.parameter is None and candidate.code in codes and candidate.constants:
            continue
        try:
            if candidate.parameter is None and not seen.may_give_it(candidate.changes):
                continue
            gradients = parameter_gradients(recording, candidate.changes)
        except (ValueError, IndexError):  # shapes that do not fit
            continue
        if not all(np.isfinite(gradient).all() for gradient in gradients):
            continue
        if candidate.parameter is not None:
            position = recording.parameters.index(candidate.parameter)
            parameter = evidence.parameters[position]
            explained = by_code.setdefault(candidate.code, {})
            is_simpler = parameter not in explained or candidate.constants < explained[parameter].constants
            if is_simpler and gradients[position].any() and parameter.is_found(gradients[position]):
                explained[parameter] = candidate
            continue
        hypothesis = _hypothesis_of_candidate(candidate, gradients, evidence)
        if hypothesis is not None:
            codes.add(candidate.code)
            yield hypothesis
        elif is_free:
            scaled += _scaled_hypotheses(candidate, gradients, evidence)
    for code, explained in by_code.items():
        if explained:
            yield _hypothesis_of_parameters(code, explained, evidence)


class _SeenAlong:
    """The user's gradient along directions of the wrong arrays, in which most candidates already differ from it.

    Along a second direction a multiple of the user's gradient is one too.
    """

    def __init__(self, recording: RecordedPass, evidence: GradientEvidence, is_free: bool) -> None:
        self.recording = recording
        generator = np.random.default_rng(0)
        penalties = evidence.penalties if is_free else [0.0] * len(evidence.parameters)
        self.tangents: list[Tangents] = []
        self.own, self.right, self.doubt = [], [], []
        for _ in range(1 + is_free):
            direction, own, right, doubt = [], 0.0, 0.0, 0.0
            for array, of_right, penalty in zip(evidence.parameters, recording.right, penalties, strict=True):
                is_judged = array.is_wrong & np.isfinite(array.tolerance + array.expected) & ~array.at_kink
                along = np.where(is_judged, generator.normal(size=array.value.shape), 0.0)
                direction.append(along)
                own += float((along * (array.gradient - penalty)).sum())
                right += float((along * (of_right - penalty)).sum())
                allowed = array.finite_tolerance + tolerances.FIT.residual * (np.abs(array.gradient) + np.abs(of_right))
                doubt += 2 * float((np.abs(along) * np.where(is_judged, allowed, 0.0)).sum())
            self.tangents.append(tangents(recording, direction))
            self.own.append(own)
            self.right.append(right)
            self.doubt.append(doubt)

    def may_give_it(self, changes: Changes) -> bool:
        """Whether changes of the backward pass may give the user's gradient, or a multiple of it."""
        if changes.writers:
            return True
        added = added_along(self.recording, changes, self.tangents)
        planted = [right + more for right, more in zip(self.right, added, strict=True)]
        if len(planted) == 1:
            return not abs(planted[0] - self.own[0]) > self.doubt[0]
        off = abs(self.own[0] * planted[1] - self.own[1] * planted[0])
        return not off > self.doubt[0] * abs(planted[1]) + self.doubt[1] * abs(planted[0])


def _hypothesis_of_candidate(
    candidate: rules.PlantedMistake, gradients: Sequence[Array], evidence: GradientEvidence
) -> Hypothesis | None:
    """The hypothesis of a candidate if its gradients are the user's.

    The second is a mistake in a line that only these gradients use, such as where the code computes δ again for them.
    """
    names = [wrong.name for wrong in evidence.wrong]
    by_parameter = list(zip(gradients, evidence.parameters, strict=True))
    if any(not gradient.any() and wrong.gradient.any() for gradient, wrong in by_parameter if wrong.is_wrong):
        return None  # beside zeros anything tiny would fit
    if not all(parameter.is_found(gradient) for gradient, parameter in by_parameter if parameter.is_wrong):
        return None
    sentence = f"the gradient {candidate.text}"
    constants = candidate.constants
    if not evidence.is_found(gradients):
        entries = sum(wrong.count_clearly_wrong for wrong in evidence.wrong)
        if entries < _MIN_INFORMATIVE_ENTRIES or not any(wrong.gradient.any() for wrong in evidence.wrong):
            return None
        sentence = f"for {join_names(names)} alone, {sentence}"
        constants = constants + 2
    hypothesis = one_mistake(candidate.code, evidence.parameters, sentence, constants, names)
    if "derivative" in candidate.code and candidate.activation in _DERIVATIVES:
        [mistake] = hypothesis.mistakes
        fix = f"{mistake.fix}; of {candidate.activation} it is {_DERIVATIVES[candidate.activation]}"
        return replace(hypothesis, mistakes=(replace(mistake, fix=fix),))
    return hypothesis


def _scaled_hypotheses(
    candidate: rules.PlantedMistake, gradients: Sequence[Array], evidence: GradientEvidence
) -> Iterator[Hypothesis]:
    """The hypothesis of a multiple of a candidate's gradient, but for penalties."""
    penalties = evidence.penalties

    def data_part(arrays: Sequence[Array]) -> Array:
        return np.concatenate([(array - part).ravel() for array, part in zip(arrays, penalties, strict=True)])

    own, planted, right = map(data_part, (evidence.gradients, gradients, evidence.references))
    r = fit_ratio(own, planted, planted)
    of_right = fit_ratio(planted, right, right)
    is_factor = np.nanmax(np.abs(planted - of_right * right)) <= tolerances.FIT.residual * np.abs(planted).max()
    if not r or is_factor or np.abs(own - r * planted).max() > tolerances.FIT.residual * np.abs(own).max():
        return
    factor = Factor(r, tolerances.FIT.constant)
    # Twice one of two paths is one in place of the other; −1 times one of them may be the other alone.
    is_other_path = candidate.code in _LOSES_A_PATH and factor.is_near(2)
    is_other_path = is_other_path or (candidate.code in _LOSES_A_PATH[:2] and factor.is_near(-1))
    if factor.is_near(1) or is_other_path:
        return
    multiples = [r * (array - part) + part for array, part in zip(gradients, penalties, strict=True)]
    if evidence.is_found(multiples):
        slip = one_mistake(candidate.code, evidence.parameters, f"beside that, the gradient {candidate.text}")
        mistakes = (*mistakes_of_factor(evidence, factor, evidence.parameters), *slip.mistakes)
        yield replace(slip, mistakes=mistakes, constants=candidate.constants)


def _hypothesis_of_parameters(
    code: str, explained: dict[ParameterEvidence, rules.PlantedMistake], evidence: GradientEvidence
) -> Hypothesis:
    """The hypothesis that the same mistake is made at each of some parameters."""
    parameters = list(explained)
    constants = max(candidate.constants for candidate in explained.values())
    is_sure = any(array.count_clearly_wrong >= _MIN_INFORMATIVE_ENTRIES for array in parameters)
    text = explained[parameters[0]].text
    return one_mistake(code, parameters, f"{evidence.describe(parameters)} {text}", constants + (0 if is_sure else 2))


def _fitted_mistakes(recording: RecordedPass, evidence: GradientEvidence) -> Iterator[Hypothesis]:
    """Hypotheses with a fitted constant: updated weights, an ε beside a prediction."""
    pairs = list(zip(recording.parameters, parameter_gradients(recording), strict=True))
    for chosen in [*([pair] for pair in pairs), pairs]:
        hypothesis = _updated_weights(recording, evidence, chosen)
        if hypothesis is not None:
            yield hypothesis
    logarithms = [node.index for node in recording.nodes if node.name == "log"]

    def with_epsilon(epsilon: float) -> list[Array]:
        edge_rules = dict.fromkeys(logarithms, lambda k, g, n: g / (n.values[0] + epsilon))
        return parameter_gradients(recording, Changes(rules=edge_rules))

    epsilon = _fit_constant(evidence, with_epsilon, 1e-9) if logarithms else 0.0
    if 0 < epsilon <= tolerances.FIT.epsilon and evidence.is_found(with_epsilon(epsilon)):
        sentence = f"the gradient divides by predictions plus {epsilon:.3g}, and the loss has no such ε"
        yield one_mistake("epsilon", evidence.parameters, sentence, 0, [array.name for array in evidence.wrong])
    epsilon, gradients = without_epsilon(recording)
    if epsilon and evidence.is_found(gradients):
        sentence = f"the loss adds {epsilon:.3g} to predictions in the logarithm, and the gradient has no such ε"
        yield one_mistake("epsilon", evidence.parameters, sentence, 0, ["loss"])


def _updated_weights(
    recording: RecordedPass, evidence: GradientEvidence, chosen: Sequence[tuple[Node, Array]]
) -> Hypothesis | None:
    """The hypothesis that gradients come back through some weights after their update."""

    def with_update(rate: float) -> list[Array]:
        gradients = [gradient for _, gradient in chosen]
        for _ in chosen:  # an update of all arrays uses gradients that came back through updated weights
            updated = zip(chosen, gradients, strict=True)
            values = {node.index: node.value - rate * gradient for (node, _), gradient in updated}
            result = parameter_gradients(recording, Changes(rules=_rules_with_values(recording, values)))
            gradients = result if len(chosen) == len(result) else gradients
        return result

    rate = evidence.learning_rate or _fit_constant(evidence, with_update, 1e-6)
    if not 0 < rate < 1e6:
        return None
    text = f"comes back through weights after their update, with a rate of {rate:.3g}"
    candidate = rules.PlantedMistake("updated_weights", text, Changes(), int(evidence.learning_rate is None))
    return _hypothesis_of_candidate(candidate, with_update(rate), evidence)


def without_epsilon(recording: RecordedPass) -> tuple[float, list[Array]]:
    """The ε that the loss adds in its logarithms, or 0, and the gradients without it."""
    largest = 0.0
    edge_rules = dict[int, EdgeRule]()
    for node in recording.nodes:
        sums = node.inputs[0] if node.name == "log" else None
        if isinstance(sums, Node) and sums.name == "add":
            k = 0 if rules.is_active(sums, 0) else 1
            epsilon, p = sums.values[1 - k], sums.values[k]
            if epsilon.size == 1 and 0 < epsilon <= tolerances.FIT.epsilon and not rules.is_active(sums, 1 - k):
                largest = float(epsilon.item())
                edge_rules[node.index] = partial(lambda p, k, g, n: g / p, p)
    return largest, parameter_gradients(recording, Changes(rules=edge_rules))


def _rules_with_values(recording: RecordedPass, parameters: Mapping[int, Array]) -> dict[int, EdgeRule]:
    """Rules, by node index, that make products use other values of parameters."""
    values = dict(parameters)
    edge_rules = dict[int, EdgeRule]()
    for node in recording.nodes:
        inputs = [entry.index for entry in node.inputs if isinstance(entry, Node) and entry.index in values]
        if inputs and node.name in rules.VIEWS:
            values[node.index] = values[inputs[0]].ravel()[node.data[0]]
        elif inputs and node.name in rules.PRODUCTS:
            edge_rules[node.index] = rules.rule_with_values({index: values[index] for index in inputs})
    return edge_rules


def _fit_constant(evidence: GradientEvidence, gradients_at: Callable[[float], list[Array]], nudge: float) -> float:
    """Fit the constant of `gradients_at` to the user's gradients by Gauss–Newton."""

    def error(constant: float) -> Array:
        pairs = zip(gradients_at(constant), evidence.parameters, strict=True)
        return np.concatenate([np.nan_to_num(gradient - parameter.gradient).ravel() for gradient, parameter in pairs])

    constant = 0.0
    for _ in range(12):
        here = error(constant)
        step = max(nudge, 1e-4 * abs(constant))
        slope = (error(constant + step) - here) / step
        change = float(slope @ here) / (float(slope @ slope) or 1.0)
        constant -= change
        if not 0 < constant < 1e6 or abs(change) <= 1e-9 * abs(constant):
            break
    return constant
