"""Run some lines of a script as one step of its training."""

import ast
import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any

import numpy as np

from deltarule.errors import BadInput
from deltarule.user_functions import call_user_function

_RATES = ("learning_rate", "lr", "alpha", "eta", "rate", "step_size", "epsilon")
"""Names that scripts give the learning rate."""


@dataclass(frozen=True, eq=False)
class ScriptStep:
    """Lines of a script as functions of its global arrays.

    step            runs the lines once
    loss            runs them too, evaluates the loss and undoes what they changed
    parameters      finds the arrays by name; a plain number becomes an array
    learning_rate   of the script, by its usual names; None if it has none
    """

    step: Callable[[], None]
    loss: Callable[[], Any]
    parameters: Callable[[], dict[str, Any]]
    learning_rate: float | None


def read_script_step(path: Path, first: int, last: int, loss: str, names: Sequence[str]) -> ScriptStep:
    """Run a script up to lines `first` to `last`, which are one step of training."""
    if path.suffix == ".ipynb":
        raise BadInput(
            f"{path.name} is a notebook, which has no lines; save its code as a script, or call check_update"
        )
    try:
        tree = ast.parse(path.read_text(encoding="utf-8"), str(path))
        loss_code = compile(loss, "<loss>", "eval")
    except SyntaxError as error:
        raise BadInput(f"{error.filename}, line {error.lineno}: {error.msg}") from error
    before, lines = _split(tree.body, first, last)
    variables: dict[str, Any] = {"__name__": "__main__", "__file__": str(path)}
    call_user_function(exec, (_compile(before, path), variables), {}, f"{path.name} before line {first}")
    missing = [name for name in names if name not in variables]
    if missing:
        raise BadInput(f"{path.name} has no {missing[0]} before line {first}; name parameters that it has there")
    code, changed = _compile(lines, path), _names_changed(lines)

    def value() -> Any:
        found = {name: variables[name] for name in changed & set(variables)}
        saved = {name: one for name, one in found.items() if not isinstance(one, ModuleType | FunctionType | type)}
        try:
            for name, old in saved.items():
                variables[name] = old.copy() if isinstance(old, np.ndarray) else copy.deepcopy(old)
            exec(code, variables)
            return eval(loss_code, variables)
        finally:
            variables.update(saved)

    def parameters() -> dict[str, Any]:
        for name in names:
            if isinstance(variables[name], float | np.floating):
                variables[name] = np.array(variables[name])
        return {name: variables[name] for name in names}

    rates = [variables[name] for name in _RATES if isinstance(variables.get(name), float)]
    return ScriptStep(lambda: exec(code, variables), value, parameters, rates[0] if rates else None)


def _split(body: Sequence[ast.stmt], first: int, last: int) -> tuple[list[ast.stmt], list[ast.stmt]]:
    """The statements to run before some lines, and those of the lines."""
    ends = [statement.end_lineno or statement.lineno for statement in body]
    lines = [one for one, end in zip(body, ends, strict=True) if first <= one.lineno and end <= last]
    before = [one for one, end in zip(body, ends, strict=True) if end < first]
    around = [one for one, end in zip(body, ends, strict=True) if one.lineno <= last and end >= first]
    if lines and lines == around:
        return before, lines
    inside = getattr(around[0], "body", None) if len(around) == 1 else None
    if not inside or isinstance(around[0], ast.FunctionDef | ast.ClassDef):
        raise BadInput(
            f"lines {first} to {last} are no whole statements outside of functions; give those of the loop's body"
        )
    inner, lines = _split(inside, first, last)
    if isinstance(around[0], ast.For):
        item = ast.parse("next(iter(x))", mode="eval").body
        item.args[0].args[0] = around[0].iter  # type: ignore[attr-defined]
        inner.insert(0, ast.Assign([around[0].target], item))
    return [*before, *inner], lines


def _names_changed(lines: Sequence[ast.stmt]) -> set[str]:
    """The variables that statements may change, also in place."""
    changed = set()
    for node in (node for statement in lines for node in ast.walk(statement)):
        if isinstance(node, ast.Name | ast.Subscript | ast.Attribute) and isinstance(node.ctx, ast.Store):
            changed |= {name.id for name in ast.walk(node) if isinstance(name, ast.Name)}
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            changed |= {name.id for name in ast.walk(node.func) if isinstance(name, ast.Name)}
    return changed


def _compile(statements: Sequence[ast.stmt], path: Path) -> Any:
    return compile(ast.fix_missing_locations(ast.Module([*statements], [])), str(path), "exec")
