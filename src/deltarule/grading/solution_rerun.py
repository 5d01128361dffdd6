"""Run the solution again, with arrays or functions of a student in place of its own.

Each assignment to a name is watched. What the solution first assigned with the values of an expected array is replaced,
so what follows is computed from the student's array.
"""

import ast
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from deltarule.errors import BadInput
from deltarule.grading.checks import SolvedCheck, solution_arrays
from deltarule.problem.problem import Floats

_WATCH = "__watch__"


def follow_on_arrays(check: SolvedCheck, names: Mapping[str, Any], own: Mapping[str, Floats]) -> dict[str, Floats]:
    """The arrays of a check that follow from the student's `own` other arrays."""
    places = _run_replaced(check, names, {})[1]
    results = {}
    for label in check.returns:
        replaced = {places[other]: array for other, array in own.items() if other != label and other in places}
        results[label] = _run_replaced(check, names, replaced)[0][label]
    return results


def require_follow_on(check: SolvedCheck, names: Mapping[str, Any]) -> None:
    """Raise `BadInput` unless an array of the check changes with another one."""
    moved = {label: 1.5 * np.asarray(array, float) + 0.25 for label, array in check.expected.items()}
    arrays = follow_on_arrays(check, names, moved)
    if all(np.array_equal(arrays[label], check.expected[label]) for label in check.returns):
        reason = f"in {check.call} the solution assigns none of its arrays to a name before it computes another"
        raise BadInput(f"follow_on is for arrays that follow from one another: {reason}; do so, or leave follow_on out")


def run_solution(names: Mapping[str, Any], replaced: Mapping[str, Any]) -> dict[str, Any]:
    """What the solution defines when it runs again, with some names replaced for its functions."""
    path = names["__file__"]
    tree = ast.fix_missing_locations(_Watched().visit(ast.parse(Path(path).read_bytes(), path)))
    here = {**names, _WATCH: lambda value: value}
    exec(compile(tree, path, "exec"), here)
    here.update(replaced)
    return here


def _run_replaced(
    check: SolvedCheck, names: Mapping[str, Any], replaced: Mapping[int, Floats]
) -> tuple[dict[str, Floats], dict[str, int]]:
    """Run with assigned values replaced; return results and places of expected arrays."""
    places: dict[str, int] = {}
    count = -1

    def watch(value: Any) -> Any:
        nonlocal count
        count += 1
        for label, array in check.expected.items():
            if label not in places and isinstance(value, np.ndarray | float) and np.array_equal(value, array):
                places[label] = count
        return replaced.get(count, value)

    return solution_arrays(check, run_solution(names, {_WATCH: watch})), places


class _Watched(ast.NodeTransformer):
    """Passes every value that is assigned to a name through a function."""

    def visit_Assign(self, node: ast.Assign) -> list[ast.stmt]:
        targets = [name for target in node.targets for name in ast.walk(target) if isinstance(name, ast.Name)]
        names = [target.id for target in targets if isinstance(target.ctx, ast.Store)]
        return [node, *(ast.parse(f"{name} = {_WATCH}({name})").body[0] for name in names)]
