"""What a teacher's data cannot tell: wrong solutions that get all points, answers that can be guessed or read.

Small mistakes are made in the solution's own functions, one after the other. If a check's arrays stay the same with one
of them, though they change on other values, the data are too weak for it, as with a single sample.
"""

import ast
import contextlib
import copy
import re
import time
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from deltarule.errors import BadInput
from deltarule.files import read_bytes
from deltarule.grading.assignment import Assignment
from deltarule.grading.checks import Check, compare_array, solution_arrays
from deltarule.grading.diagnosis import name_mistakes
from deltarule.platforms import interrupt_after
from deltarule.user_functions import quietly

MAX_SECONDS = 3.0
"""Long enough for some hundreds of mistakes in a homework."""
_COUNT = re.compile(r"len\(|\.shape\b|\.size\b|\b(?:n|m|N|B|batch\w*|samples)\b")
_OTHER = {ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Gt: ast.GtE, ast.Lt: ast.LtE}
_CONTRARY = {"sum": "mean", "mean": "sum"}


def weak_data(assignment: Assignment) -> tuple[str, ...]:
    """Sentences about the mistakes and guesses that an assignment's data cannot tell from right."""
    sentences = {*_guesses(assignment), *_leaks(assignment)}
    names, end = assignment.names, time.monotonic() + MAX_SECONDS
    tree = ast.parse(read_bytes(assignment.paths[1]))
    definitions = [one for one in tree.body if isinstance(one, ast.FunctionDef | ast.ClassDef)]
    for node in definitions:
        if any(isinstance(one, ast.While) for one in ast.walk(node)):  # a mistake in it may never end
            continue
        for kind, line, wrong in _mistakes(node):
            if time.monotonic() > end:
                return tuple(sorted(sentences))
            module = ast.fix_missing_locations(ast.Module([wrong], []))
            for check in assignment.checks:
                if _reaches(node.name, check, tree) and _is_unseen(check, names, node.name, module):
                    sentences.add(f"your data cannot tell {kind} from right in {check.call} (solution, line {line})")
    return tuple(sorted(sentences))


def _mistakes(node: Any) -> Iterator[tuple[str, int, Any]]:
    """Copies of a definition with one mistake each; what it is, and its line."""
    for i, place in enumerate(ast.walk(node)):
        for kind, change in _changes(place):
            wrong = copy.deepcopy(node)
            parts = list(ast.walk(wrong))
            new = change(parts[i])
            for parent in parts:
                for name, value in ast.iter_fields(parent):
                    if value is parts[i]:
                        setattr(parent, name, new)
                    elif isinstance(value, list):
                        setattr(parent, name, [new if one is parts[i] else one for one in value])
            yield kind, getattr(place, "lineno", 0), wrong


def _changes(node: ast.AST) -> Iterator[tuple[str, Any]]:
    if isinstance(node, ast.BinOp):
        left, right = map(ast.unparse, (node.left, node.right))
        is_division = isinstance(node.op, ast.Div) and not isinstance(node.right, ast.Constant)
        if is_division:
            kind = "the mean missing" if _COUNT.search(right) else "a division missing"
            yield f"{kind} (`/ {right}` left out)", lambda one: one.left
        if isinstance(node.op, ast.Mult | ast.Pow | ast.Add | ast.Sub):
            sign = {ast.Mult: "*", ast.Pow: "**", ast.Add: "+", ast.Sub: "-"}[type(node.op)]
            yield f"`{sign} {right}` left out", lambda one: one.left
            if isinstance(node.op, ast.Mult | ast.Add):
                yield f"`{left} {sign}` left out", lambda one: one.right
        if type(node.op) in _OTHER:
            yield f"a wrong sign before `{right}`", _exchanged
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub) and not isinstance(node.operand, ast.Constant):
        yield f"a wrong sign before `{ast.unparse(node.operand)}`", lambda one: one.operand
    elif isinstance(node, ast.Attribute) and node.attr == "T":
        yield f"`{ast.unparse(node)}` not transposed", lambda one: one.value
    elif isinstance(node, ast.Attribute) and node.attr in _CONTRARY:
        other = _CONTRARY[node.attr]
        yield f"`{other}` in place of `{node.attr}`", lambda one: ast.Attribute(one.value, other, one.ctx)
    elif isinstance(node, ast.keyword) and node.arg == "axis" and ast.unparse(node.value) in ("0", "1", "-1"):
        axis = 0 if ast.unparse(node.value) != "0" else 1
        yield f"axis={axis} in place of {ast.unparse(node)}", lambda one: ast.keyword("axis", ast.Constant(axis))


def _exchanged(node: Any) -> Any:
    node.op = _OTHER[type(node.op)]()
    return node


def _reaches(name: str, check: Check, tree: ast.Module) -> bool:
    """Whether a check's call may run a definition."""
    bodies = {getattr(node, "name", ""): ast.dump(node) for node in tree.body}
    waiting, seen = {*check.functions}, set[str]()
    while waiting:
        seen.add(one := waiting.pop())
        waiting |= {other for other in bodies if other and f"'{other}'" in bodies.get(one, "")} - seen
    return name in seen


def _is_unseen(check: Check, names: dict[str, Any], name: str, module: ast.Module) -> bool:
    """Whether a mistake changes nothing for a check, but something on other values."""
    right = names[name]
    try:
        exec(compile(module, str(names["__file__"]), "exec"), names)
        wrong = names[name]
        if not _is_right(check, _arrays(check, names)):
            return False
        for other in _on_other_values(check):
            names[name] = right
            with contextlib.suppress(BadInput):  # the solution itself fails on such values
                other = other.model_copy(update={"expected": _arrays(other, names)})
                names[name] = wrong
                if not _is_right(other, _arrays(other, names)):
                    return True
    except Exception:  # the mistake ends in an exception, which everybody sees
        return False
    finally:
        names[name] = right
    return False


def _arrays(check: Check, names: dict[str, Any]) -> dict[str, Any]:
    with interrupt_after(MAX_SECONDS):
        arrays: dict[str, Any] = quietly(lambda: solution_arrays(check, names))
    return arrays


def _is_right(check: Check, arrays: Mapping[str, Any]) -> bool:
    return all(compare_array(check, label, arrays.get(label)).verdict == "right" for label in check.returns)


def _on_other_values(check: Check) -> Iterator[Check]:
    """The check with other values of the same shapes, then with more rows where there is one."""
    for is_longer in (False, True):
        values = {}
        for name, value in check.values.items():
            if is_longer and np.ndim(value) > 1 and len(value) == 1:
                value = np.repeat(value, 2, axis=0)
            if np.asarray(value).dtype.kind == "f":
                wave = np.cos(np.arange(np.size(value))).reshape(np.shape(value))
                value = (0.7 + 0.1 * wave) * value + 0.05 + 0.02 * wave
            values[name] = value if np.ndim(value) or not isinstance(value, np.ndarray) else float(value)
        yield check.model_copy(update={"values": values})


def _guesses(assignment: Assignment) -> Iterator[str]:
    for check in assignment.checks:
        for label, expected in check.expected.items():
            constants = {"zeros": np.zeros_like(expected), "ones": np.ones_like(expected)}
            arguments = {f"its argument {name}": value for name, value in check.values.items()}
            for text, guess in (constants | arguments).items():
                if compare_array(check, label, np.asarray(guess)).verdict == "right":
                    yield f"{label} is right for a function {check.call} that returns {text}"


def _leaks(assignment: Assignment) -> Iterator[str]:
    """Sentences about answers that stand in what a student reads of wrong arrays."""
    for check in assignment.checks if assignment.hint >= 2 and not assignment.hidden else ():
        wrong = {label: 0.37 * np.asarray(array, float) for label, array in check.expected.items()}
        text = " ".join(
            f"{mistake.sentence} {mistake.fix}" for mistake in name_mistakes(check, assignment.names, wrong)
        )
        shown = {float(number) for number in re.findall(r"-?\d+\.\d{3,}(?:e[-+]\d+)?", text)}
        for label, array in check.expected.items():
            entries = np.ravel(array)
            if any(np.isclose(entries, number, rtol=assignment.tolerance, atol=0).any() for number in shown):
                yield f"{label} of {check.call} can be read from feedback about a wrong one; hide the data, or hint = 1"
