"""The kind of a mistake, read off the factors of a product that are new, gone or exchanged, or off a sign or slope."""

import ast
import re

import numpy as np

from deltarule.checking.repair.roles import (
    COUNT,
    DROPOUT,
    PRE_ACTIVATION,
    TARGET,
    Facts,
    factors_of,
    is_gradient,
    is_penalty,
    is_slope,
    only_in,
    variables_of,
)


def by_factors(old: ast.expr, new: ast.expr, above: list[ast.AST], facts: Facts) -> str:
    gone, added = only_in(factors_of(old), factors_of(new)), only_in(factors_of(new), factors_of(old))
    changed = _texts(gone + added)
    if any(_is_sum(node) for node in above):
        if is_penalty(_term_around(old, above), facts):
            return "penalty_factor"
        if len(changed) == 1 and re.fullmatch(rf"2|0\.5|{COUNT.pattern}", changed[0]):
            return "targets_not_averaged" if TARGET.match(ast.unparse(old)) else ""
    if set(changed) == {"-1"}:
        return by_sign(old, above)
    if gone and added:
        kind = _by_exchanged_factors(gone, added, above, facts)
        beside = [ast.unparse(node) for _, node in factors_of(_term_around(old, above))]
        has_numbers_alone = len(beside) > 1 and facts.are_numbers(*(text for text in beside if text not in changed))
        return "penalty_other_weights" if kind == "wrong_input" and has_numbers_alone else kind
    if added:
        return _by_new_factors(added, old, facts)
    return _by_gone_factors(gone, facts) if gone else ""


def _texts(factors: list[tuple[int, ast.expr]]) -> list[str]:
    return [ast.unparse(node) for _, node in factors]


def _term_around(node: ast.expr, above: list[ast.AST]) -> ast.expr:
    """The product that an expression is a factor of."""
    for around in reversed(above):
        if not isinstance(around, ast.BinOp) or not isinstance(around.op, ast.Mult | ast.Div):
            break
        node = around
    return node


def _is_sum(node: ast.AST) -> bool:
    return isinstance(node, ast.BinOp | ast.AugAssign) and isinstance(node.op, ast.Add | ast.Sub)


def by_sign(node: ast.expr, above: list[ast.AST]) -> str:
    sums = [node for node in above if _is_sum(node) and isinstance(node, ast.BinOp)]
    return sign_of_part(ast.unparse(sums[0])) if sums else "sign"


def sign_of_part(text: str) -> str:
    """The name of a term's wrong sign: in a sum such as −y / p + (1 − y) / (1 − p) it is that of the loss."""
    return "loss_derivative_sign" if re.search(r"/ \(1 - |1 - (y|t|Y|T|same)\b", text) else "sign_of_part"


def _by_exchanged_factors(
    gone: list[tuple[int, ast.expr]], added: list[tuple[int, ast.expr]], above: list[ast.AST], facts: Facts
) -> str:
    sides = gone, added
    have_slopes = [any(is_slope(node, facts) for _, node in side) for side in sides]
    if all(have_slopes):
        products = (ast.parse(" * ".join(_texts(side)), mode="eval").body for side in sides)
        return by_slopes(*products)
    if any(have_slopes) and any(isinstance(node, ast.Compare) for _, node in gone + added):
        return "other_derivative"
    return _by_pair(gone[0], added[0], above, facts) if len(gone) == len(added) == 1 else ""


def by_slopes(old: ast.expr, new: ast.expr) -> str:
    """The same derivative of another value, or another derivative."""
    variables = [sorted({ast.unparse(variable) for variable in variables_of(node)}) for node in (old, new)]
    if len(variables[0]) == len(variables[1]) == 1 and variables[0] != variables[1]:
        renamed = ast.unparse(old).replace(variables[0][0], variables[1][0])
        if renamed == ast.unparse(new):
            return by_variables(variables[0][0], variables[1][0])
    return "other_derivative"


def by_variables(old: str, new: str) -> str:
    """A derivative that is taken at another value."""
    if _layer(old) != _layer(new):
        return "other_mask"
    return "derivative_at_output" if PRE_ACTIVATION.match(new) else "derivative_of_z"


def _layer(name: str) -> str:
    return "".join(re.findall(r"\d+", name))


def _by_new_factors(factors: list[tuple[int, ast.expr]], old: ast.expr, facts: Facts) -> str:
    if any(is_slope(node, facts) for _, node in factors):
        return "derivative_missing"
    if len(factors) > 1:
        return ""
    [(power, node)] = factors
    text = ast.unparse(node)
    scale = _by_scale(text, power, facts)
    if scale:
        return scale
    if facts.is_mask(node):
        return _by_new_mask(node, old)
    if power > 0 and _is_upstream(text, facts):
        return "upstream_ignored"
    is_scale = power < 0 or facts.is_parameter(text)
    return "scale_missing" if is_scale and _is_variable(node) else ""


def _by_new_mask(mask: ast.expr, old: ast.expr) -> str:
    text = ast.unparse(mask)
    if not isinstance(mask, ast.Compare):
        return "dropout_mask" if DROPOUT.search(text) else "mask_missing"
    if any(isinstance(node, ast.Compare) for node in ast.walk(old)):
        return ""
    is_of_relu = re.search(r"[<>]=? 0(\.0)?$", text)
    return "derivative_missing" if is_of_relu else "mask_missing"


def _by_gone_factors(factors: list[tuple[int, ast.expr]], facts: Facts) -> str:
    """Factors that were there and should not be."""
    if any(is_slope(node, facts) for _, node in factors):
        return "derivative_twice"
    if len(factors) > 1:
        return ""
    [(power, node)] = factors
    return _by_scale(ast.unparse(node), -power, facts)


def _by_scale(text: str, power: int, facts: Facts) -> str:
    """A number that is missing as a factor, or as a divisor where its power is negative."""
    if text in ("2", "0.5", "2.0"):
        return "factor_two"
    if facts.is_count(text):
        return "mean_missing" if power < 0 else "mean_twice"
    return "scale_missing" if facts.is_number(text) else ""


def _is_upstream(text: str, facts: Facts) -> bool:
    return text in facts.inputs or re.match(r"^(upstream|grad_out\w*|dout|dvalues|dy)$", text) is not None


def _is_variable(node: ast.expr) -> bool:
    return isinstance(node, ast.Name | ast.Attribute | ast.Subscript)


def _by_pair(gone: tuple[int, ast.expr], added: tuple[int, ast.expr], above: list[ast.AST], facts: Facts) -> str:
    """One factor in the place of another."""
    (old_power, old_node), (new_power, new_node) = gone, added
    old, new = ast.unparse(old_node), ast.unparse(new_node)
    around = next((node for node in reversed(above) if not isinstance(node, ast.UnaryOp)), None)
    if isinstance(new_node, ast.Constant) and isinstance(around, ast.Call | ast.Assign):
        is_axis = isinstance(around, ast.Call) and ast.unparse(around.func).endswith("softmax")
        return "wrong_axis" if is_axis else ""
    if old in ("1", "1.0"):
        return _by_new_factors([added], old_node, facts)
    if re.fullmatch(rf"\w+\.sqrt\({re.escape(old)}\)", new):
        return "scale_missing"
    if old_power != new_power:
        return "scale_missing" if facts.are_numbers(old, new) else ""
    if isinstance(old_node, ast.Constant) and isinstance(new_node, ast.Constant):
        return _by_constants(old_node, new_node, above)
    return _by_form(old_node, new_node, above) or _by_roles(old_node, new_node, above, facts)


def _by_constants(old: ast.Constant, new: ast.Constant, above: list[ast.AST]) -> str:
    ratio = abs(_number(new) / (_number(old) or np.inf))
    if ratio in (2, 0.5):
        return "factor_two"
    is_exponent = any(isinstance(node, ast.BinOp) and isinstance(node.op, ast.Pow) for node in above[-2:])
    return "power_rule" if is_exponent else "scale_missing"


def _number(constant: ast.Constant) -> float:
    return float(constant.value) if isinstance(constant.value, int | float) else 0.0


def _by_form(old_node: ast.expr, new_node: ast.expr, above: list[ast.AST]) -> str:
    """A factor in the place of its transpose, of its square, or of a function of it."""
    old, new = ast.unparse(old_node), ast.unparse(new_node)
    if old.replace(".T", "") == new.replace(".T", ""):
        return "weights_not_transposed"
    if new in (f"{old} ** 2", f"{old} * {old}"):
        return "other_derivative" if _is_within_slope(above) else "power_rule"
    if _sides(old_node) and _sides(old_node) == _sides(new_node):
        return "transposed"
    if isinstance(old_node, ast.Subscript | ast.Name) and new.endswith(f"({old})") and not is_gradient(old):
        return "derivative_of_z"
    if isinstance(old_node, ast.Call) and old.endswith(f"({new})") and _is_within_slope(above):
        return "derivative_at_output"
    return ""


def _by_roles(old_node: ast.expr, new_node: ast.expr, above: list[ast.AST], facts: Facts) -> str:
    """A number, weight, gradient or input in the place of another."""
    old, new = ast.unparse(old_node), ast.unparse(new_node)
    if facts.are_numbers(old, new):
        return "scale_missing"
    if not (_is_variable(old_node) and _is_variable(new_node)):
        return ""
    if facts.is_parameter(old) and facts.is_parameter(new):
        return "other_weights"
    if is_gradient(old) and is_gradient(new):
        return "other_delta"
    if _is_within_slope(above):
        return by_variables(old, new)
    return "" if is_gradient(old) or is_gradient(new) else "wrong_input"


def _sides(node: ast.expr) -> set[str]:
    """The factors of a matrix product, without their transposes."""
    if not isinstance(node, ast.BinOp) or not isinstance(node.op, ast.MatMult):
        return set()
    return {ast.unparse(side).replace(".T", "") for side in (node.left, node.right)}


def _is_within_slope(above: list[ast.AST]) -> bool:
    return any(isinstance(node, ast.BinOp) and re.match(r"1(\.0)? - ", ast.unparse(node)) for node in above)
