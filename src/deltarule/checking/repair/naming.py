"""The kind of a mistake, read off the line that is wrong and the line that is right.

Both lines are compared as syntax trees, down to the smallest part that differs. There, the factors of a product or the
terms of a sum that are new, gone or exchanged say what the mistake is. The names are those of `kinds.toml`; a part that
may mean several mistakes has none.
"""

import ast
import re
from collections import Counter
from collections.abc import Sequence

import numpy as np

from deltarule.checking.catalog import LineChange
from deltarule.checking.repair.program import Edit
from deltarule.checking.repair.roles import (
    COUNT,
    DROPOUT,
    PRE_ACTIVATION,
    REDUCTIONS,
    SLOPE,
    TARGET,
    Facts,
    arguments_of,
    children_of,
    factors_of,
    has_gradient,
    is_gradient,
    is_penalty,
    is_slope,
    method_of,
    only_in,
    parse_line,
    terms_of,
    variables_of,
)


def name_of(edit: Edit, changes: Sequence[LineChange], facts: Facts) -> str:
    """The code of the mistake that an edit corrects, or ""."""
    if edit.kind in ("operator of an assignment", "add.at"):
        return "gradient_overwritten" if "+=" in edit.new or "add.at" in edit.new else ""
    if edit.kind in ("names exchanged", "targets exchanged"):
        return "exchanged" if "return" in edit.old else ""
    if re.search(r"\] = -1(\.0)?( / \w+)?$", changes[0].old) and ".sum(" in changes[0].new:
        return "hinge_count"
    old, new = (parse_line(text) for text in (changes[0].old, changes[0].new))
    return "" if old is None or new is None else _by_trees(old, new, facts)


def _by_trees(old: ast.AST, new: ast.AST, facts: Facts) -> str:
    """Compare down to the smallest part that differs; `above` are the nodes around it, the outermost first."""
    above: list[ast.AST] = []
    while type(old) is type(new) and not isinstance(old, ast.Constant | ast.Name):
        pairs = list(zip(children_of(old), children_of(new), strict=False))
        if len(list(children_of(old))) != len(list(children_of(new))):
            break
        different = [(one, other) for one, other in pairs if ast.dump(one) != ast.dump(other)]
        if len(different) != 1 or isinstance(different[0][0], ast.cmpop) or _is_leaf(old, *different[0]):
            break
        above.append(old)
        old, new = different[0]
    if isinstance(old, ast.operator) and isinstance(new, ast.operator):
        return _by_operator(above[-1], old, new, facts)
    if isinstance(old, ast.expr) and isinstance(new, ast.expr):
        return _by_expressions(old, new, above, facts)
    return ""


def _is_leaf(node: ast.AST, old: ast.AST, new: ast.AST) -> bool:
    """Whether a node is compared as a whole: a name with dots, a call of another function."""
    if isinstance(node, ast.Call) and old is node.func:
        is_method = isinstance(old, ast.Attribute) and isinstance(new, ast.Attribute) and old.attr == new.attr
        return not is_method or isinstance(old.value, ast.Name)  # type: ignore[attr-defined]
    if isinstance(node, ast.Subscript):
        return isinstance(old, ast.Constant) and isinstance(old.value, str)
    return isinstance(node, ast.Attribute) and node.attr != "T" and isinstance(node.value, ast.Name)


def _by_operator(whole: ast.AST, old: ast.operator, new: ast.operator, facts: Facts) -> str:
    signs, scales = (ast.Add, ast.Sub), (ast.Mult, ast.Div)
    if isinstance(old, signs) and isinstance(new, signs):
        if isinstance(whole, ast.BinOp) and is_penalty(whole.right, facts):
            return "penalty_factor"
        return _of_part_with_sign(ast.unparse(whole))
    return "scale_missing" if isinstance(old, scales) and isinstance(new, scales) else ""


def _by_expressions(old: ast.expr, new: ast.expr, above: list[ast.AST], facts: Facts) -> str:
    around = above[-1] if above else None
    if isinstance(around, ast.Call) and method_of(around) in REDUCTIONS and old in around.args:
        return "wrong_axis"
    if isinstance(around, ast.Call) and SLOPE.search(ast.unparse(around.func)):
        return _by_variables(ast.unparse(old), ast.unparse(new))
    if ast.unparse(new) == f"({ast.unparse(old)}).T":
        return "transposed"
    if isinstance(old, ast.Tuple) and isinstance(new, ast.Tuple):
        same = Counter(map(ast.unparse, old.elts)) == Counter(map(ast.unparse, new.elts))
        return "exchanged" if same and any(isinstance(node, ast.Return) for node in above) else ""
    if isinstance(old, ast.Compare) and isinstance(new, ast.Compare):
        is_turned = ast.dump(old.left) == ast.dump(new.left) and len(old.ops) == 1
        of_gradient = is_gradient(ast.unparse(old.left))
        return "mask_inverted" if is_turned else "mask_of_gradient" if of_gradient else "other_mask"
    for node in reversed(above):  # a mask, or an operand of one
        if isinstance(node, ast.Compare):
            is_count = any(COUNT.fullmatch(ast.unparse(side)) for side in (old, new))
            return "" if is_count else "mask_of_gradient" if is_gradient(ast.unparse(old)) else "other_mask"
        if not isinstance(node, ast.Subscript | ast.Attribute):
            break
    if any(isinstance(node, ast.Slice) for node in above[-2:]) or isinstance(around, ast.Subscript):
        is_step = {ast.unparse(old), ast.unparse(new)} <= {"-1", "1"}
        return "kernel_not_flipped" if is_step else ""
    if method_of(old) == method_of(new) != "" and ast.dump(arguments_of(old)) == ast.dump(arguments_of(new)):
        inside = [side.func.value for side in (old, new)]  # type: ignore[attr-defined]
        is_turned = ast.unparse(inside[0]).removesuffix(".T") == ast.unparse(inside[1]).removesuffix(".T")
        return "wrong_axis" if is_turned else _by_expressions(inside[0], inside[1], [*above, old], facts)
    reduction = _by_reduction(old, new)
    if reduction:
        return reduction
    of_old, of_new = terms_of(old), terms_of(new)
    if len(of_old) > 1 or len(of_new) > 1:
        return _by_terms(old, new, above, facts)
    return _by_factors(old, new, above, facts)


def _by_reduction(old: ast.expr, new: ast.expr) -> str:
    """A sum or mean that is new, gone, or in the place of the other."""
    names = [method_of(side) for side in (old, new)]
    if names in (["mean", "sum"], ["sum", "mean"]):
        return "mean_twice" if names[0] == "mean" else "mean_missing"
    inside = [ast.unparse(side.func.value) if method_of(side) else "" for side in (old, new)]  # type: ignore[attr-defined]
    if names[1] == "sum" and inside[1] == ast.unparse(old):
        return "not_summed"
    if names[0] in ("sum", "mean") and inside[0] == ast.unparse(new):
        return "summed_early"
    if set(names) <= set(REDUCTIONS) and names[0] == names[1] and inside[0] == inside[1]:
        return "wrong_axis"
    return ""


def _by_terms(old: ast.expr, new: ast.expr, above: list[ast.AST], facts: Facts) -> str:
    gone, added = only_in(terms_of(old), terms_of(new)), only_in(terms_of(new), terms_of(old))
    turned = [Counter((sign, ast.unparse(node)) for sign, node in part) for part in ([(-s, n) for s, n in gone], added)]
    if turned[0] == turned[1]:
        return _by_sign(old, above) if len(gone) == len(terms_of(old)) else _of_part_with_sign(ast.unparse(old))
    if is_slope(old, facts) and is_slope(new, facts):
        return _by_slopes(old, new)
    if not gone:
        names = {_by_new_term(term, sign, old, above, facts) for sign, term in added}
        return names.pop() if len(names) == 1 else ""
    if not added:
        texts = [ast.unparse(node) for _, node in gone]
        if len(gone) == 1 and is_penalty(gone[0][1], facts):
            return "penalty_not_in_loss"
        is_step = facts.is_parameter(ast.unparse(new)) and all(has_gradient(text) for text in texts)
        return "updated_weights" if is_step else ""
    if len(gone) == len(added) == 1 and gone[0][0] == added[0][0]:
        return _by_expressions(gone[0][1], added[0][1], [*above, old], facts)
    if len(terms_of(old)) == 1:  # a product in the place of one of its factors
        return _by_factors(old, new, above, facts)
    return ""


def _of_part_with_sign(text: str) -> str:
    """The name of a term's wrong sign: in a sum such as −y / p + (1 − y) / (1 − p) it is that of the loss."""
    return "loss_derivative_sign" if re.search(r"/ \(1 - |1 - (y|t|Y|T|same)\b", text) else "sign_of_part"


def _term_around(node: ast.expr, above: list[ast.AST]) -> ast.expr:
    """The product that an expression is a factor of."""
    for around in reversed(above):
        if not isinstance(around, ast.BinOp) or not isinstance(around.op, ast.Mult | ast.Div):
            break
        node = around
    return node


def _is_sum(node: ast.AST) -> bool:
    return isinstance(node, ast.BinOp | ast.AugAssign) and isinstance(node.op, ast.Add | ast.Sub)


def _by_sign(node: ast.expr, above: list[ast.AST]) -> str:
    sums = [node for node in above if _is_sum(node) and isinstance(node, ast.BinOp)]
    return _of_part_with_sign(ast.unparse(sums[0])) if sums else "sign"


def _by_new_term(term: ast.expr, sign: int, old: ast.expr, above: list[ast.AST], facts: Facts) -> str:
    text = ast.unparse(term)
    if facts.of_numbers and has_gradient(text):
        return "path_missing"
    if is_penalty(term, facts):
        return "penalty_missing"
    if sign < 0 and TARGET.match(text):
        return "target_missing"
    around = above[-1] if above else None
    if sign < 0 and isinstance(around, ast.BinOp) and isinstance(around.op, ast.Mult) and isinstance(term, ast.Call):
        sides = [ast.unparse(side) for side in (around.left, around.right) if side is not old]
        if any(re.search(rf"\b{re.escape(side)}\b", text) for side in sides):  # a (g − Σ a g)
            return "softmax_elementwise"
    if sign < 0 and re.search(r"mean|sum|avg", text):
        return "batch_norm_constants"
    return "" if facts.is_number(text) or facts.is_parameter(text) else "path_missing"


def _by_slopes(old: ast.expr, new: ast.expr) -> str:
    """The same derivative of another value, or another derivative."""
    variables = [sorted({ast.unparse(variable) for variable in variables_of(node)}) for node in (old, new)]
    if len(variables[0]) == len(variables[1]) == 1 and variables[0] != variables[1]:
        renamed = ast.unparse(old).replace(variables[0][0], variables[1][0])
        if renamed == ast.unparse(new):
            return _by_variables(variables[0][0], variables[1][0])
    return "other_derivative"


def _by_variables(old: str, new: str) -> str:
    """A derivative that is taken at another value."""
    if _layer(old) != _layer(new):
        return "other_mask"
    return "derivative_at_output" if PRE_ACTIVATION.match(new) else "derivative_of_z"


def _layer(name: str) -> str:
    return "".join(re.findall(r"\d+", name))


def _by_factors(old: ast.expr, new: ast.expr, above: list[ast.AST], facts: Facts) -> str:
    gone, added = only_in(factors_of(old), factors_of(new)), only_in(factors_of(new), factors_of(old))
    is_part = any(_is_sum(node) for node in above)
    if is_part and is_penalty(_term_around(old, above), facts):
        return "penalty_factor"
    changed = [ast.unparse(node) for _, node in gone + added]
    if is_part and len(changed) == 1 and re.fullmatch(rf"2|0\.5|{COUNT.pattern}", changed[0]):
        return "targets_not_averaged" if TARGET.match(ast.unparse(old)) else ""
    slopes = [[node for _, node in part if is_slope(node, facts)] for part in (gone, added)]
    if all(slopes):
        joined = [" * ".join(ast.unparse(node) for _, node in part) for part in (gone, added)]
        return _by_slopes(*(ast.parse(text, mode="eval").body for text in joined))
    masks = [any(isinstance(node, ast.Compare) for _, node in part) for part in (gone, added)]
    if any(slopes) and any(masks) and gone and added:
        return "other_derivative"
    if set(changed) == {"-1"}:
        return _by_sign(old, above)
    if not gone and added:
        return _by_new_factors(added, old, facts, 1)
    if gone and not added:
        return _by_new_factors([(-power, node) for power, node in gone], old, facts, -1)
    if len(gone) == len(added) == 1:
        return _by_pair(gone[0], added[0], above, facts)
    return ""


def _by_new_factors(factors: list[tuple[int, ast.expr]], old: ast.expr, facts: Facts, direction: int) -> str:
    """Factors that are missing; or, for a direction of −1, that were there and should not be."""
    if any(is_slope(node, facts) for _, node in factors):
        return "derivative_missing" if direction > 0 else "derivative_twice"
    if len(factors) > 1:
        return ""
    power, node = factors[0]
    text = ast.unparse(node)
    if text in ("2", "0.5", "2.0"):
        return "factor_two"
    if facts.is_count(text):
        return "mean_missing" if power < 0 else "mean_twice"
    if facts.is_number(text):
        return "scale_missing"
    if direction < 0:
        return ""
    if isinstance(node, ast.Compare):
        has_mask = any(isinstance(inner, ast.Compare) for inner in ast.walk(old))
        is_of_relu = re.search(r"[<>]=? 0(\.0)?$", text)
        return "" if has_mask else "derivative_missing" if is_of_relu else "mask_missing"
    if facts.is_mask(node):
        return "dropout_mask" if DROPOUT.search(text) else "mask_missing"
    if power > 0 and (text in facts.inputs or re.match(r"^(upstream|grad_out\w*|dout|dvalues|dy)$", text)):
        return "upstream_ignored"
    if facts.is_parameter(text) or power < 0:
        return "scale_missing" if isinstance(node, ast.Name | ast.Attribute | ast.Subscript) else ""
    return ""


def _by_pair(gone: tuple[int, ast.expr], added: tuple[int, ast.expr], above: list[ast.AST], facts: Facts) -> str:
    """One factor in the place of another."""
    old, new = ast.unparse(gone[1]), ast.unparse(added[1])
    around = next((node for node in reversed(above) if not isinstance(node, ast.UnaryOp)), None)
    if isinstance(added[1], ast.Constant) and isinstance(around, ast.Call):  # such as the axis of a user's function
        return "wrong_axis" if ast.unparse(around.func).endswith("softmax") else ""
    if isinstance(added[1], ast.Constant) and isinstance(around, ast.Assign):
        return ""
    if old in ("1", "1.0"):
        return _by_new_factors([added], gone[1], facts, 1)
    if re.fullmatch(rf"\w+\.sqrt\({re.escape(old)}\)", new):
        return "scale_missing"
    if gone[0] != added[0]:
        return "scale_missing" if facts.is_number(old) and facts.is_number(new) else ""
    if old.replace(".T", "") == new.replace(".T", ""):
        return "weights_not_transposed"
    if isinstance(gone[1], ast.Constant) and isinstance(added[1], ast.Constant):
        ratio = abs(_number(added[1]) / (_number(gone[1]) or np.inf))
        return "factor_two" if ratio in (2, 0.5) else "power_rule" if _is_exponent(gone[1], above) else "scale_missing"
    if new in (f"{old} ** 2", f"{old} * {old}"):
        return "other_derivative" if _is_within_slope(above) else "power_rule"
    if _sides(gone[1]) and _sides(gone[1]) == _sides(added[1]):
        return "transposed"
    if isinstance(gone[1], ast.Subscript | ast.Name) and new.endswith(f"({old})") and not is_gradient(old):
        return "derivative_of_z"
    if isinstance(gone[1], ast.Call) and old.endswith(f"({new})") and _is_within_slope(above):
        return "derivative_at_output"
    if facts.is_number(old) and facts.is_number(new):
        return "scale_missing"
    is_name = all(isinstance(node, ast.Name | ast.Attribute | ast.Subscript) for _, node in (gone, added))
    if not is_name:
        return ""
    if facts.is_parameter(old) and facts.is_parameter(new):
        return "other_weights"
    if is_gradient(old) and is_gradient(new):
        return "other_delta"
    if _is_within_slope(above):
        return _by_variables(old, new)
    return "" if is_gradient(old) or is_gradient(new) else "wrong_input"


def _sides(node: ast.expr) -> set[str]:
    """The factors of a matrix product, without their transposes."""
    if not isinstance(node, ast.BinOp) or not isinstance(node.op, ast.MatMult):
        return set()
    return {ast.unparse(side).replace(".T", "") for side in (node.left, node.right)}


def _number(node: ast.expr) -> float:
    value = node.value if isinstance(node, ast.Constant) else 0
    return float(value) if isinstance(value, int | float) else 0.0


def _is_exponent(node: ast.expr, above: list[ast.AST]) -> bool:
    return any(isinstance(node, ast.BinOp) and isinstance(node.op, ast.Pow) for node in above[-2:])


def _is_within_slope(above: list[ast.AST]) -> bool:
    return any(isinstance(node, ast.BinOp) and re.match(r"1(\.0)? - ", ast.unparse(node)) for node in above)
