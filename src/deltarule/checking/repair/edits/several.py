"""A line more, and the same edit in statements of one form."""

import ast
import itertools
from collections.abc import Iterator, Sequence

from deltarule.checking.repair.edits.statements import Block
from deltarule.checking.repair.probe import Place
from deltarule.checking.repair.program import Edit
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
    return [one for one in ast.walk(node) if isinstance(one, ast.Name | ast.Attribute)]


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
            return [one for one in near if skeleton(one) == skeleton(statement)]
    return []


def twins_of(place: Place, by_node: dict[ast.AST, Place]) -> list[Place]:
    """The places of the same role in statements of the same form near by."""
    if place.statement is None:
        return []
    role = next(i for i, node in enumerate(ast.walk(place.statement)) if node is place.node)
    others = siblings(place.statement, place.file)
    found = [by_node.get(next(itertools.islice(ast.walk(one), role, None))) for one in others]
    return [] if None in found or not found else [one for one in found if one is not None]


def divided_after(file: SourceFile, statement: ast.AugAssign, counts: Sequence[str]) -> Iterator[Edit]:
    """A line more after a statement: the array that it changes in place is divided by a count."""
    owner = file.parents[statement]
    assert isinstance(statement.target, ast.Subscript)
    for name in ("body", "orelse"):
        body = getattr(owner, name, None)
        if isinstance(body, list) and statement in body:
            i, block = body.index(statement), Block(file, owner, name)
            for count in counts:
                added = f"{ast.unparse(statement)}\n{ast.unparse(statement.target.value)} /= {count}"
                edit = block.replace(i, i + 1, added, 1.8, "line added")
                if edit:
                    yield edit.edit
