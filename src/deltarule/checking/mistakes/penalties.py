"""Hypotheses that the penalty's part of a gradient is wrong."""

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from deltarule.checking import tolerances
from deltarule.checking.mistakes.catalog import Mistake, join_names, make_mistake
from deltarule.checking.mistakes.evidence import (
    Evidence,
    Hypothesis,
    ParameterEvidence,
    Penalty,
    fit_ratio,
    is_same_constant,
    one_mistake,
)
from deltarule.checking.mistakes.rules import VIEWS, correct_gradient, parameter_of
from deltarule.checking.mistakes.shapes import shaped_as
from deltarule.checking.numerics.parameter_lines import central_difference, gradient_at
from deltarule.checking.tape.backward import Array, Changes, EdgeRule, Node, Recording, parameter_gradients
from deltarule.checking.tape.record import record_loss
from deltarule.checking.user_code.arrays import match_shape
from deltarule.checking.user_code.callables import Code
from deltarule.errors import BadInput
from deltarule.problem.problem import Floats

_ROLE_PATTERNS = {  # also with the letters of gates and layers behind them, as in Wxh, Wf or by
    "weights": r"d?(weights?|kernel|w[cfghioxy]{0,2})\d*",
    "biases": r"d?(bias(es)?|b[cfghioxy]{0,2})\d*",
}
"""By role, the pattern of names of arrays."""


def wrong_penalties(evidence: Evidence) -> Iterator[Hypothesis]:
    """Hypotheses that the error of a gradient is a penalty, c V or c sign(V)."""
    groups: dict[tuple[str, str, str], list[tuple[ParameterEvidence, str]]] = {}
    constants: dict[str, list[float]] = {"the parameters": [], "their signs": []}
    for parameter in filter(evidence.may_be_penalized, evidence.wrong_by_size):
        # With two signs one constant fits any d and −d, as the two columns of a softmax have them: three are needed.
        for name, regressor, needed in (
            ("the parameters", parameter.value, 2),
            ("their signs", np.sign(parameter.value), 3),
        ):
            c = parameter.fit_multiple(regressor, known_constants=constants[name], min_informative_entries=needed)
            if c is None:
                continue
            constants[name].append(c)
            for code, sentence in penalty_codes(evidence, parameter, c):
                groups.setdefault((code, sentence, name), []).append((parameter, f"{c:.6g}"))
    for (code, sentence, name), members in groups.items():
        parameters = [parameter for parameter, _ in members]
        multiples = join_names(list(dict.fromkeys(c for _, c in members)))
        text = f"{evidence.describe(parameters)} {sentence}: it is off by {multiples} times {name}"
        yield one_mistake(code, parameters, text, 1)


def penalties_of_other_weights(evidence: Evidence) -> Iterator[Hypothesis]:
    """Hypotheses that a gradient has the penalty of another layer's weights.

    F − E = c (V' − V), or c V', with the other weights V'; E may be the gradient of a third parameter.
    """
    for parameter in filter(evidence.may_be_penalized, evidence.wrong):
        others = list(evidence.other_parameters(parameter))
        exchanged = make_mistake(
            "exchanged", [parameter.name], f"the gradient of {parameter.name} is that of another parameter"
        )
        bases: list[tuple[list[Mistake], Floats]] = [([], parameter.expected)]
        for third in others:
            bases += [([exchanged], gradient) for gradient in shaped_as(third.expected, parameter.value.shape)]
        for other in others:
            if parameter.value.size < 2 or not other.value.any():  # all 0 they would stand for no penalty at all
                continue
            sentence = f"the penalty in the gradient of {parameter.name} is that of {other.name}"
            penalty = make_mistake("penalty_other_weights", [parameter.name], sentence)
            for weights in (other.value, other.value.T):
                regressors = (weights - parameter.value, weights) if weights.shape == parameter.value.shape else ()
                for first, base in bases:
                    if any(parameter.fit_multiple(regressor, base=base) for regressor in regressors):
                        mistakes = (*first, penalty)
                        yield Hypothesis(frozenset([parameter]), mistakes, len(mistakes))


def penalty_codes(evidence: Evidence, parameter: ParameterEvidence, c: float) -> list[tuple[str, str]]:
    """The mistakes that may cause an error c V in a gradient."""
    missing = ("penalty_missing", "lacks the penalty's part")
    factor = ("penalty_factor", "has another multiple of the penalty's part than the loss")
    on_biases = ("penalty_on_biases", "has a penalty, which the loss puts on weights only")
    not_in_loss = ("penalty_not_in_loss", "has a penalty that the loss does not have")
    roles = roles_of(evidence, parameter)
    penalty = parameter.find_penalty()
    others = [other.find_penalty() for other in evidence.other_parameters(parameter)]
    elsewhere = [other.in_loss for other in others if other and other.in_loss]
    if penalty is None:
        if any(is_same_constant(-factor_elsewhere, c) for factor_elsewhere in elsewhere):
            return [missing]
        if elsewhere and c > 0:
            return [{"biases": on_biases, "weights": factor}[role] for role in roles]
        if elsewhere:
            return [factor]
        if c < 0:
            return [missing, factor]
        return [*([on_biases] if "biases" in roles and None in others else []), factor, not_in_loss]
    in_gradient = penalty.in_gradient
    if in_gradient is None:
        in_gradient = 0.0 if is_same_constant(-c, penalty.in_loss) else penalty.in_loss + c
    if not penalty.in_loss and not elsewhere:
        return [not_in_loss]
    if not penalty.in_loss:
        return [{"biases": on_biases, "weights": not_in_loss}[role] for role in roles]
    return [factor] if in_gradient else [missing]


def roles_of(evidence: Evidence, parameter: ParameterEvidence) -> tuple[str, ...]:
    """The roles, "weights", "biases" or both, that an array may have.

    A vector may be the weights of a single output, whose bias is one number, or of a single input, with as many
    biases. A vector with one axis is not, if another array is a vector with two: the weights of a single output.
    """
    if not parameter.is_vector:
        return ("weights",)
    role = _role_by_name(evidence, parameter)
    if role:
        return (role,)
    others = evidence.other_parameters(parameter)
    has_one_output = any(other.value.size == 1 for other in others)
    if parameter.value.ndim < 2:
        has_column = any(other.value.ndim > 1 and other.value.size > 1 and other.is_vector for other in others)
        return ("biases", "weights") if has_one_output and not has_column else ("biases",)
    has_one_input = any(other.value.size == parameter.value.size and other.is_vector for other in others)
    return ("weights", "biases") if has_one_output or has_one_input else ("biases",)


def _role_by_name(evidence: Evidence, parameter: ParameterEvidence) -> str:
    # In a list of arrays, weights[0], weights[1] …, the name counts only if other arrays are called biases.
    roles = {_role_in_name(name) for name in evidence.names} - {""}
    is_alone = len(roles) < 2
    return "" if is_alone and parameter.name.endswith("]") else _role_in_name(parameter.name)


def _role_in_name(name: str) -> str:
    words = re.findall(r"[A-Za-z]\w*", name)
    parts = words[-1].lower().split("_") if words else []
    roles = {role for role, pattern in _ROLE_PATTERNS.items() if any(re.fullmatch(pattern, part) for part in parts)}
    return roles.pop() if len(roles) == 1 else ""


@dataclass(frozen=True, eq=False)
class PenaltyTerm:
    """A penalty in a recorded loss, with gradient c V or c sign(V) in some entries."""

    parameter: Node
    c: float
    is_sign: bool
    part: Array

    @property
    def is_whole(self) -> bool:
        return not self.is_sign and bool(self.part.all())


def penalty_probe(code: Code) -> Callable[[int], Penalty | None]:
    """Make a function that finds the penalty of an array by its index.

    Where all other parameters are 0, the data often contributes nothing to a gradient. The rest is proportional to the
    parameters at any scale; that is how a penalty is recognized. Differences with half of a weight as the step are
    exact for squares and, on one side of 0, for absolute values. Otherwise the recorded loss shows its penalties.
    """

    @cache
    def recorded() -> Recording | None:
        return record_loss(code)

    @cache
    def probe(index: int) -> Penalty | None:
        found = None
        with suppress(BadInput):  # code that fails for zeros
            found = _penalty_of(code, index) if code.is_repeatable else None
        recording = recorded() if found is None else None
        if recording is None:
            return found
        terms = [term for term in penalties_of(recording) if term.parameter is recording.parameters[index]]
        return Penalty(sum(term.c for term in terms), None) if all(term.is_whole for term in terms) else None

    return probe


def _penalty_of(code: Code, index: int) -> Penalty | None:
    """The penalty of an array, found by setting all other parameters to 0."""
    start = code.start[index]
    largest = np.argsort(-np.abs(start).ravel(), kind="stable")[:5]
    in_loss, in_gradient = [], []
    for scale in (1.0, 2.0):
        values = [np.zeros_like(one) for one in code.start]
        values[index] = (scale * start).astype(start.dtype)
        gradient = match_shape(np.asarray(gradient_at(code, values)[index]), start)[0]
        for entry in largest:
            weight = float(values[index].flat[entry])
            if weight:
                in_loss.append(central_difference(code, values, index, entry, weight / 2) / weight)
                in_gradient.append(float(gradient.flat[entry]) / weight)
    if len(in_loss) < 2:
        return None
    small = 1e-6 * max(abs(in_loss[0]), abs(in_gradient[0]))
    if not all(abs(one - all_of[0]) <= small for all_of in (in_loss, in_gradient) for one in all_of):
        return None
    return Penalty(*(0.0 if abs(one) <= small else one for one in (in_loss[0], in_gradient[0])))


def penalties_of(recording: Recording) -> list[PenaltyTerm]:
    """The penalties in a recorded loss."""
    terms = []
    for i, parameter in enumerate(recording.parameters):
        if parameter.value.size < 2:  # a single entry is a multiple of any other
            continue

        def without(k: int, g: Array, node: Node, parameter: Node = parameter) -> Array | None:
            is_parameter = parameter_of(recording, node.inputs[k]) is parameter
            return None if is_parameter else correct_gradient(k, g, node)

        by_line: dict[Any, dict[int, EdgeRule]] = {}
        for node in recording.nodes:
            if node.name not in VIEWS and any(parameter_of(recording, entry) is parameter for entry in node.inputs):
                by_line.setdefault(node.line, {})[node.index] = without
        parts: dict[bool, Array] = {}
        for rules in by_line.values():  # a product such as λ W @ W has two parts
            part = recording.gradients[parameter.index] - parameter_gradients(recording, Changes(rules=rules))[i]
            is_sign = next((kind for kind in (False, True) if _penalty_factor(part, parameter.value, kind)), None)
            if is_sign is not None:
                parts[is_sign] = parts.get(is_sign, 0.0) + np.where(np.abs(part) > 1e-9 * np.abs(part).max(), part, 0.0)
        for is_sign, part in parts.items():
            c = _penalty_factor(part, parameter.value, is_sign)
            terms += [PenaltyTerm(parameter, c, is_sign, part)] if c else []
    return terms


def _penalty_factor(part: Array, value: Array, is_sign: bool) -> float:
    """The factor c of a penalty's part c V or c sign(V) of a gradient; 0 without one."""
    regressor = np.where(np.abs(part) > 1e-9 * np.abs(part).max(), np.sign(value) if is_sign else value, 0.0)
    c = fit_ratio(part, regressor, part)
    is_fit = np.abs(part - c * regressor).max() <= 1e-9 * np.abs(part).max() and np.count_nonzero(regressor) > 1
    return c if is_fit else 0.0


def penalty_hypotheses(
    recording: Recording, penalties: Sequence[PenaltyTerm], evidence: Evidence
) -> Iterator[Hypothesis]:
    """Hypotheses on a penalty of another place, kind or factor."""
    nodes = dict(zip(recording.parameters, evidence.parameters, strict=True))
    penalized = [nodes[term.parameter] for term in penalties]
    members: dict[str, list[tuple[ParameterEvidence, str]]] = {}
    for parameter in evidence.wrong:
        value, name = parameter.value, parameter.name
        for term in penalties:
            c, is_sign = term.c, term.is_sign
            regressor = np.sign(value) if is_sign else value
            if nodes[term.parameter] is parameter:
                share = parameter.fit_multiple(term.part, (-1.0, 1.0, -0.5), min_informative_entries=3)
                outside = np.where(term.part, 0.0, regressor)
                if share:
                    code = "penalty_factor" if abs(share + 1) > tolerances.FIT.constant else "penalty_missing"
                    text = (
                        f"has {1 + share:.4g} times the penalty of the loss" if share > -0.9999 else "lacks the penalty"
                    )
                    members.setdefault(code, []).append((parameter, text))
                elif outside.any() and parameter.is_found(parameter.expected + c * outside):
                    text = "has the penalty in entries too that the loss leaves out, as the column of a bias"
                    members.setdefault("penalty_on_biases", []).append((parameter, text))
                other = value if is_sign else np.sign(value)
                shown, other_term = (f"sign({name})", name) if is_sign else (name, f"sign({name})")
                needed = f"in the gradient of {name}, the loss needs {c:.4g} {shown}"
                for share in (1.0, 2.0, 0.5):
                    if parameter.is_found(parameter.expected + c * (share * other - regressor)):
                        sentence = f"you have {c * share:.4g} {other_term} {needed}"
                        yield one_mistake("penalty_kind", [parameter], sentence, 0 if share == 1 else 1)
            elif parameter not in penalized and regressor.any():
                if parameter.is_found(parameter.expected + c * regressor):
                    names = join_names(list(dict.fromkeys(one.name for one in penalized)))
                    sentence = f"{evidence.describe([parameter])} has a penalty, which the loss puts on {names} only"
                    for role in roles_of(evidence, parameter):
                        code = "penalty_on_biases" if role == "biases" else "penalty_not_in_loss"
                        yield one_mistake(code, [parameter], sentence)
    for code, found in members.items():
        parameters = [parameter for parameter, _ in found]
        text = join_names(list(dict.fromkeys(text for _, text in found)))
        yield one_mistake(code, parameters, f"{evidence.describe(parameters)} {text}")
