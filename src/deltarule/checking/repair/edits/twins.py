"""Statements of the same form near each other, as those of two layers: what is edited in one is edited in all."""

import ast
import itertools

from deltarule.checking.repair.probe import EditPlace
from deltarule.checking.user_code.running_code import SourceFile


def skeleton(node: ast.AST) -> str:
    """The form of a statement, without its names."""
    return f"{type(node).__name__}({','.join(map(skeleton, ast.iter_child_nodes(node)))})"


def renamed(text: str, one: ast.AST, other: ast.AST) -> str:
    """A text of statement `one` with the names of statement `other`, which has the same form."""
    table = {}
    for first, second in zip(_names(one), _names(other), strict=False):
        table[_name(first)] = _name(second)
        if _name(first)[0] == _name(second)[0] == "d":  # with dW1 for dW2 there is W1 for W2
            table.setdefault(_name(first)[1:].lstrip("_"), _name(second)[1:].lstrip("_"))
    tree = ast.parse(text, mode="eval").body
    for node in _names(tree):
        name = table.get(_name(node), _name(node))
        if isinstance(node, ast.Name):
            node.id = name
        else:
            node.attr = name
    return ast.unparse(tree)


def _names(node: ast.AST) -> list[ast.Name | ast.Attribute]:
    return [inner for inner in ast.walk(node) if isinstance(inner, ast.Name | ast.Attribute)]


def _name(node: ast.Name | ast.Attribute) -> str:
    return node.id if isinstance(node, ast.Name) else node.attr


def siblings(statement: ast.stmt, file: SourceFile) -> list[ast.stmt]:
    """The statements near a statement that have its form."""
    parent = file.parents.get(statement)
    for name in ("body", "orelse"):
        block = getattr(parent, name, None)
        if isinstance(block, list) and statement in block:
            i = block.index(statement)
            near = [*block[max(0, i - 3) : i], *block[i + 1 : i + 4]]
            return [sibling for sibling in near if skeleton(sibling) == skeleton(statement)]
    return []


def twins_of(place: EditPlace, by_node: dict[ast.AST, EditPlace]) -> list[EditPlace]:
    """The places of the same role in statements of the same form near by."""
    if place.statement is None:
        return []
    role = next(i for i, node in enumerate(ast.walk(place.statement)) if node is place.node)
    others = siblings(place.statement, place.file)
    twins = [by_node.get(next(itertools.islice(ast.walk(sibling), role, None))) for sibling in others]
    return [] if None in twins or not twins else [twin for twin in twins if twin is not None]
