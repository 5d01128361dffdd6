"""Hypotheses that the penalty's part of a gradient is wrong."""

import re
from collections.abc import Iterator

import numpy as np

from deltarule.checking.mistakes.catalog import join_names
from deltarule.checking.mistakes.evidence import (
    Evidence,
    Hypothesis,
    ParameterEvidence,
    is_same_constant,
    one_mistake,
)

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
        subject = evidence.describe(parameters)
        detail = _describe_multiples([(parameter, float(c)) for parameter, c in members], name)
        yield one_mistake(code, parameters, f"{subject} {sentence}: {detail}", 1)


def _describe_multiples(members: list[tuple[ParameterEvidence, float]], regressor_name: str) -> str:
    """Describe a wrong penalty by its multiples in gradient and loss."""
    (first, c), *_ = members
    penalty = first.find_penalty()
    term = first.name if regressor_name == "the parameters" else f"sign({first.name})"
    if penalty is not None and len({f"{constant:.6g}" for _, constant in members}) == 1:
        needed = _format_multiple(penalty.in_loss, term)
        return f"you have {_format_multiple(penalty.in_loss + c, term)}, the loss needs {needed}"
    multiples = join_names(list(dict.fromkeys(f"{constant:.6g}" for _, constant in members)))
    return f"it is off by {multiples} times {regressor_name}"


def _format_multiple(c: float, term: str) -> str:
    return f"{c:.4g} {term}" if abs(c) > 1e-9 else f"no {term}"


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
    """The role of an array by a name such as W1 or hidden.bias.

    In a list of arrays, weights[0], weights[1] …, the name counts only if other arrays are called biases.
    """
    roles = {_role_in_name(name) for name in evidence.names} - {""}
    is_alone = len(roles) < 2
    return "" if is_alone and parameter.name.endswith("]") else _role_in_name(parameter.name)


def _role_in_name(name: str) -> str:
    words = re.findall(r"[A-Za-z]\w*", name)
    parts = words[-1].lower().split("_") if words else []
    roles = {role for role, pattern in _ROLE_PATTERNS.items() if any(re.fullmatch(pattern, part) for part in parts)}
    return roles.pop() if len(roles) == 1 else ""
