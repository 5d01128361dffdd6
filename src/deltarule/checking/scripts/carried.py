"""The variables that a turn of a loop takes over from the turn before: what it reads before it assigns it."""

import ast
from collections.abc import Sequence

from deltarule.checking.scripts.harmless import nodes_of


def carried_names(body: list[ast.stmt]) -> set[str]:
    """The variables, and attributes of variables, that statements read before they assign them, and do assign."""
    early: set[str] = set()
    stored: set[str] = set()

    def texts(nodes: Sequence[ast.AST], kind: type) -> set[str]:
        inner = [leaf for node in nodes for leaf in nodes_of(node, (ast.Name, ast.Attribute))]
        return {ast.unparse(leaf) for leaf in inner if isinstance(leaf.ctx, kind)}

    def pass_through(statements: list[ast.stmt], known: set[str]) -> set[str]:
        """Note what is read early; return what is assigned for certain."""
        for statement in statements:
            blocks = [getattr(statement, name, []) for name in ("body", "orelse", "finalbody")]
            if isinstance(statement, ast.FunctionDef | ast.ClassDef) or not any(blocks):
                early.update(texts([statement], ast.Load) - known)
                owners = {name.id for call in nodes_of(statement, ast.Call) for name in nodes_of(call, ast.Name)}
                early.update({text for text in attributes if text.partition(".")[0] in owners} - known)
                stored.update(new := texts([statement], ast.Store))
                if isinstance(statement, ast.AugAssign):
                    early.update(new - known)
                known = known | new
                continue
            heads = [getattr(statement, name) for name in ("test", "iter", "target") if hasattr(statement, name)]
            early.update(texts(heads, ast.Load) - known)
            known = known | texts(heads, ast.Store)
            ends = [pass_through(block, known) for block in blocks]
            is_certain = isinstance(statement, ast.If) and statement.orelse
            known = ends[0] & ends[1] if is_certain else ends[0] if isinstance(statement, ast.With) else known
        return known

    attributes = {text for text in texts(body, ast.Store) if "." in text}  # which a call may read
    pass_through(body, set())
    return early & stored
