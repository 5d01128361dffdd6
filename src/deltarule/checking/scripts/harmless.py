"""Which parts of a syntax tree only compute, so that they may be evaluated once more."""

import ast
from collections.abc import Set
from functools import cache
from typing import Any

_CHANGING_METHODS = {"append", "sort", "put", "fill", "resize", "save", "load", "insert", "delete"}


def nodes_of(node: ast.AST, kinds: Any) -> list:
    return [inner for inner in ast.walk(node) if isinstance(inner, kinds)]


def single_targets(statement: ast.Assign) -> list[ast.expr]:
    return [
        single
        for target in statement.targets
        for single in (target.elts if isinstance(target, ast.Tuple | ast.List) else [target])
    ]


def is_harmless(node: ast.AST, pure: Set[str] = frozenset()) -> bool:
    harmless = _harmless_calls()
    return all(
        getattr(call.func, "attr", "") in harmless or getattr(call.func, "id", "") in harmless | pure
        for call in nodes_of(node, ast.Call)
    )


@cache
def _harmless_calls() -> frozenset[str]:
    """Functions that change nothing, so that an expression that calls them may be evaluated once more."""
    import numpy  # which the process that waits does without

    built_in = {"len", "float", "int", "abs", "range", "list", "transpose"}
    return frozenset(dir(numpy)) - _CHANGING_METHODS | built_in


def pure_functions(tree: ast.Module) -> frozenset[str]:
    """The functions of a file that only compute: assign to their own variables, and return."""
    pure: frozenset[str] = frozenset()
    for _ in range(3):  # functions that call such functions
        functions = {
            node.name
            for node in nodes_of(tree, ast.FunctionDef)
            if all(_only_computes(statement) for statement in node.body) and is_harmless(node, pure)
        }
        lambdas = {
            node.targets[0].id
            for node in nodes_of(tree, ast.Assign)
            if isinstance(node.targets[0], ast.Name)
            and isinstance(node.value, ast.Lambda)
            and is_harmless(node.value, pure)
        }
        pure = frozenset(functions | lambdas)
    return pure


def _only_computes(statement: ast.stmt) -> bool:
    if isinstance(statement, ast.Assign):
        return all(isinstance(target, ast.Name) for target in single_targets(statement))
    is_docstring = isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)
    return is_docstring or isinstance(statement, ast.Return)
