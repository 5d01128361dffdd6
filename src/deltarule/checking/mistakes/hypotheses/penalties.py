"""Gradients whose part from the penalty is missing, of another strength, or in the wrong arrays."""

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

_ROLE_NAMES = {  # also with the letters of gates and layers behind them, as in Wxh, Wf or by
    "weights": r"d?(weights?|kernel|w[cfghioxy]{0,2})\d*",
    "biases": r"d?(bias(es)?|b[cfghioxy]{0,2})\d*",
}


def penalties(evidence: Evidence) -> Iterator[Hypothesis]:
    """F − E = c V, or c times the signs of V."""
    groups: dict[tuple[str, str, str], list[tuple[ParameterEvidence, str]]] = {}
    constants: dict[str, list[float]] = {"the parameters": [], "their signs": []}
    for parameter in filter(evidence.may_be_penalized, evidence.wrong_by_size):
        # With two signs one constant fits any d and −d, as the two columns of a softmax have them: three are needed.
        for name, regressor, needed in (
            ("the parameters", parameter.value, 2),
            ("their signs", np.sign(parameter.value), 3),
        ):
            c = parameter.fit_multiple(regressor, known_constants=constants[name], min_informative=needed)
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


def _describe_multiples(members: list[tuple[ParameterEvidence, float]], name: str) -> str:
    """What the gradient has of a penalty, and what the loss needs; where that is not visible, the difference."""
    (first, c), *_ = members
    own = first.find_penalty()
    term = first.name if name == "the parameters" else f"sign({first.name})"
    if own is not None and len({f"{other:.6g}" for _, other in members}) == 1:
        return f"you have {_multiple(own.in_loss + c, term)}, the loss needs {_multiple(own.in_loss, term)}"
    multiples = join_names(list(dict.fromkeys(f"{other:.6g}" for _, other in members)))
    return f"it is off by {multiples} times {name}"


def _multiple(c: float, term: str) -> str:
    return f"{c:.4g} {term}" if abs(c) > 1e-9 else f"no {term}"


def penalty_codes(evidence: Evidence, parameter: ParameterEvidence, c: float) -> list[tuple[str, str]]:
    """The mistakes that a wrong c V in a gradient may be, as codes and sentences."""
    missing = ("penalty_missing", "lacks the penalty's part")
    factor = ("penalty_factor", "has another multiple of the penalty's part than the loss")
    on_biases = ("penalty_on_biases", "has a penalty, which the loss puts on weights only")
    not_in_loss = ("penalty_not_in_loss", "has a penalty that the loss does not have")
    roles = roles_of(evidence, parameter)
    own = parameter.find_penalty()
    others = [other.find_penalty() for other in evidence.other_parameters(parameter)]
    elsewhere = [other.in_loss for other in others if other and other.in_loss]
    if own is None:
        if any(is_same_constant(-other, c) for other in elsewhere):
            return [missing]
        if elsewhere and c > 0:
            return [{"biases": on_biases, "weights": factor}[role] for role in roles]
        if elsewhere:
            return [factor]
        if c < 0:
            return [missing, factor]
        return [*([on_biases] if "biases" in roles and None in others else []), factor, not_in_loss]
    in_gradient = own.in_gradient
    if in_gradient is None:
        in_gradient = 0.0 if is_same_constant(-c, own.in_loss) else own.in_loss + c
    if not own.in_loss and not elsewhere:
        return [not_in_loss]
    if not own.in_loss:
        return [{"biases": on_biases, "weights": not_in_loss}[role] for role in roles]
    return [factor] if in_gradient else [missing]


def roles_of(evidence: Evidence, parameter: ParameterEvidence) -> tuple[str, ...]:
    """Whether an array is "biases" or "weights", or may be either: by its name, else by its shape beside the others'.

    A vector may be the weights of a single output, whose bias is one number, or of a single input, with as many
    biases. A vector with one axis is not, if another array is a vector with two, as the weights of a single output.
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
    """The role by a name such as W1, dW1, hidden.bias or weight_ih_l0; "" where the name does not tell.

    In a list of arrays, weights[0], weights[1] …, the name tells only if others are called biases.
    """
    roles = {_role_in_name(name) for name in evidence.names} - {""}
    is_alone = len(roles) < 2
    return "" if is_alone and parameter.name.endswith("]") else _role_in_name(parameter.name)


def _role_in_name(name: str) -> str:
    words = re.findall(r"[A-Za-z]\w*", name)
    parts = words[-1].lower().split("_") if words else []
    roles = {role for role, pattern in _ROLE_NAMES.items() if any(re.fullmatch(pattern, part) for part in parts)}
    return roles.pop() if len(roles) == 1 else ""
