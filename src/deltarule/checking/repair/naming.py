"""The kind of a mistake, read off the line that is wrong and the line that is right.

Both lines are compared as syntax trees, down to the smallest part that differs. There, the factors of a product or the
terms of a sum that are new, gone or exchanged say what the mistake is. The names are those of `kinds.toml`; a part that
may mean several mistakes has none.
"""

import ast
import re
from collections import Counter
from collections.abc import Sequence

from deltarule.checking.catalog import LineChange
from deltarule.checking.repair.factor_naming import by_factors, by_sign, by_slopes, by_variables, sign_of_part
from deltarule.checking.repair.program import Edit
from deltarule.checking.repair.roles import (
    COUNT,
    REDUCTIONS,
    SLOPE,
    TARGET,
    Facts,
    arguments_of,
    children_of,
    has_gradient,
    is_gradient,
    is_penalty,
    is_slope,
    method_of,
    only_in,
    parse_line,
    terms_of,
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
        return sign_of_part(ast.unparse(whole))
    return "scale_missing" if isinstance(old, scales) and isinstance(new, scales) else ""


def _by_expressions(old: ast.expr, new: ast.expr, above: list[ast.AST], facts: Facts) -> str:
    around = above[-1]
    if isinstance(around, ast.Call):
        if method_of(around) in REDUCTIONS and old in around.args:
            return "wrong_axis"
        if SLOPE.search(ast.unparse(around.func)):
            return by_variables(ast.unparse(old), ast.unparse(new))
    if ast.unparse(new) == f"({ast.unparse(old)}).T":
        return "transposed"
    match old, new:
        case ast.Tuple(), ast.Tuple():
            has_same_items = Counter(map(ast.unparse, old.elts)) == Counter(map(ast.unparse, new.elts))
            is_returned = any(isinstance(node, ast.Return) for node in above)
            return "exchanged" if has_same_items and is_returned else ""
        case ast.Compare(), ast.Compare():
            return _by_comparisons(old, new)
    if _is_in_comparison(above):
        is_count = any(COUNT.fullmatch(ast.unparse(side)) for side in (old, new))
        return "" if is_count else _name_of_mask(old)
    return _by_contents(old, new, above, facts)


def _by_comparisons(old: ast.Compare, new: ast.Compare) -> str:
    is_turned = ast.dump(old.left) == ast.dump(new.left) and len(old.ops) == 1
    return "mask_inverted" if is_turned else _name_of_mask(old.left)


def _name_of_mask(condition: ast.expr) -> str:
    return "mask_of_gradient" if is_gradient(ast.unparse(condition)) else "other_mask"


def _is_in_comparison(above: list[ast.AST]) -> bool:
    around = next((node for node in reversed(above) if not isinstance(node, ast.Subscript | ast.Attribute)), None)
    return isinstance(around, ast.Compare)


def _by_contents(old: ast.expr, new: ast.expr, above: list[ast.AST], facts: Facts) -> str:
    """An index, the same call of another value, another reduction, other terms or factors."""
    if any(isinstance(node, ast.Slice) for node in above[-2:]) or isinstance(above[-1], ast.Subscript):
        is_step = {ast.unparse(old), ast.unparse(new)} <= {"-1", "1"}
        return "kernel_not_flipped" if is_step else ""
    if method_of(old) == method_of(new) != "" and ast.dump(arguments_of(old)) == ast.dump(arguments_of(new)):
        inside = [side.func.value for side in (old, new)]  # type: ignore[attr-defined]
        is_turned = ast.unparse(inside[0]).removesuffix(".T") == ast.unparse(inside[1]).removesuffix(".T")
        return "wrong_axis" if is_turned else _by_expressions(inside[0], inside[1], [*above, old], facts)
    reduction = _by_reduction(old, new)
    if reduction:
        return reduction
    is_sum = max(len(terms_of(old)), len(terms_of(new))) > 1
    return (_by_terms if is_sum else by_factors)(old, new, above, facts)


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
    if _are_negated(gone, added):
        return by_sign(old, above) if len(gone) == len(terms_of(old)) else sign_of_part(ast.unparse(old))
    if is_slope(old, facts) and is_slope(new, facts):
        return by_slopes(old, new)
    if not gone:
        names = {_by_new_term(term, sign, old, above, facts) for sign, term in added}
        return names.pop() if len(names) == 1 else ""
    if not added:
        return _by_gone_terms([term for _, term in gone], new, facts)
    if len(gone) == len(added) == 1 and gone[0][0] == added[0][0]:
        return _by_expressions(gone[0][1], added[0][1], [*above, old], facts)
    is_in_place_of_factor = len(terms_of(old)) == 1
    return by_factors(old, new, above, facts) if is_in_place_of_factor else ""


def _are_negated(gone: list[tuple[int, ast.expr]], added: list[tuple[int, ast.expr]]) -> bool:
    negated = Counter((-sign, ast.unparse(node)) for sign, node in gone)
    return negated == Counter((sign, ast.unparse(node)) for sign, node in added)


def _by_gone_terms(gone: list[ast.expr], new: ast.expr, facts: Facts) -> str:
    if len(gone) == 1 and is_penalty(gone[0], facts):
        return "penalty_not_in_loss"
    is_step = facts.is_parameter(ast.unparse(new)) and all(has_gradient(ast.unparse(term)) for term in gone)
    return "updated_weights" if is_step else ""


def _by_new_term(term: ast.expr, sign: int, old: ast.expr, above: list[ast.AST], facts: Facts) -> str:
    text = ast.unparse(term)
    if facts.of_numbers and has_gradient(text):
        return "path_missing"
    if is_penalty(term, facts):
        return "penalty_missing"
    if sign < 0:
        if TARGET.match(text):
            return "target_missing"
        if _is_weighted_sum(term, old, above):
            return "softmax_elementwise"
        if re.search(r"mean|sum|avg", text):
            return "batch_norm_constants"
    return "" if facts.is_number(text) or facts.is_parameter(text) else "path_missing"


def _is_weighted_sum(term: ast.expr, old: ast.expr, above: list[ast.AST]) -> bool:
    """Whether a term is the sum in a (g − Σ a g)."""
    around = above[-1]
    if not (isinstance(around, ast.BinOp) and isinstance(around.op, ast.Mult) and isinstance(term, ast.Call)):
        return False
    weight = ast.unparse(around.right if around.left is old else around.left)
    return re.search(rf"\b{re.escape(weight)}\b", ast.unparse(term)) is not None
