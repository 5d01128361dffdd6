"""What a teacher's data cannot tell: wrong solutions that get all points, answers that can be guessed or read.

Small mistakes are made in the solution's own functions, one after the other. If a check's arrays stay the same with one
of them, though they change on other values, the data are too weak for it, as with a single sample.
"""

import ast
import contextlib
import re
import time
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from deltarule.checking.repair.edits.derivatives import OPERATORS
from deltarule.checking.repair.program import Change
from deltarule.errors import BadInput
from deltarule.files import read_bytes
from deltarule.grading.assignment import Assignment
from deltarule.grading.checks import SolvedCheck, compare_array, solution_arrays
from deltarule.grading.diagnosis import name_mistakes
from deltarule.platforms import interrupt_after
from deltarule.user_functions import quietly

MAX_SECONDS = 3.0
"""Long enough for some hundreds of mistakes in a homework."""
_COUNT = re.compile(r"len\(|\.shape\b|\.size\b|\b(?:n|m|N|B|batch\w*|samples)\b")
_AXES = {"0": "1", "1": "0", "-1": "0"}
_LEFT, _RIGHT = ("{left}", "`{sign} {right}` left out"), ("{right}", "`{left} {sign}` left out")
_SIGN = "a wrong sign before `{right}`"
_OPERATIONS = {
    "*": (_LEFT, _RIGHT),
    "**": (_LEFT,),
    "+": (_LEFT, _RIGHT, ("({left}) - ({right})", _SIGN)),
    "-": (_LEFT, ("({left}) + ({right})", _SIGN)),
    "/": (("{left}", "{what} missing (`/ {right}` left out)"),),
}
"""By the sign of an operation: what stands in its place, and what a teacher reads."""


def weak_data(assignment: Assignment) -> tuple[str, ...]:
    """Sentences about the mistakes and guesses that an assignment's data cannot tell from right."""
    sentences = {*_guesses(assignment), *_leaks(assignment)}
    end = time.monotonic() + MAX_SECONDS
    tree = ast.parse(read_bytes(assignment.paths[1]))
    definitions = [node for node in tree.body if isinstance(node, ast.FunctionDef | ast.ClassDef)]
    for node in definitions:
        if any(isinstance(inner, ast.While) for inner in ast.walk(node)):  # a mistake in it may never end
            continue
        checks = [check for check in assignment.checks if _runs_definition(node.name, check, tree)]
        for kind, line in _mistakes(node) if checks else ():
            if time.monotonic() > end:
                return tuple(sorted(sentences))
            for check in checks:
                if _is_unseen(check, assignment.names, node):
                    sentences.add(f"your data cannot tell {kind} from right in {check.call} (solution, line {line})")
    return tuple(sorted(sentences))


def _mistakes(definition: ast.AST) -> Iterator[tuple[str, int]]:
    """Make one mistake after the other in a definition; what each is, and its line."""
    for owner in ast.walk(definition):
        for name, value in ast.iter_fields(owner):
            for index, node in enumerate(value) if isinstance(value, list) else [(None, value)]:
                for kind, text in _possible_mistakes(node, owner):
                    undo = Change(owner, name, index, ast.parse(text, mode="eval").body).apply()
                    yield kind, node.lineno
                    undo()


def _possible_mistakes(node: Any, owner: ast.AST) -> Iterator[tuple[str, str]]:
    """What may be wrong at an expression, and what stands there then."""
    match node:
        case ast.BinOp():
            sign = OPERATORS.get(type(node.op), "")
            left, right = ast.unparse(node.left), ast.unparse(node.right)
            what = "the mean" if _COUNT.search(right) else "a division"
            for text, kind in (
                _OPERATIONS.get(sign, ()) if sign != "/" or not isinstance(node.right, ast.Constant) else ()
            ):
                yield kind.format(sign=sign, left=left, right=right, what=what), text.format(left=left, right=right)
        case ast.UnaryOp(op=ast.USub()) if not isinstance(node.operand, ast.Constant):
            yield f"a wrong sign before `{ast.unparse(node.operand)}`", ast.unparse(node.operand)
        case ast.Attribute(attr="T"):
            yield f"`{ast.unparse(node)}` not transposed", ast.unparse(node.value)
        case ast.Attribute(attr="sum" | "mean"):
            other = "mean" if node.attr == "sum" else "sum"
            yield f"`{other}` in place of `{node.attr}`", f"({ast.unparse(node.value)}).{other}"
        case ast.expr() if isinstance(owner, ast.keyword) and owner.arg == "axis" and ast.unparse(node) in _AXES:
            axis = _AXES[ast.unparse(node)]
            yield f"axis={axis} in place of {ast.unparse(owner)}", axis


def _runs_definition(name: str, check: SolvedCheck, tree: ast.Module) -> bool:
    """Whether a check's call may run a definition."""
    bodies = {getattr(node, "name", ""): ast.dump(node) for node in tree.body}
    waiting, seen = {*check.functions}, set[str]()
    while waiting:
        seen.add(function := waiting.pop())
        waiting |= {other for other in bodies if other and f"'{other}'" in bodies.get(function, "")} - seen
    return name in seen


def _is_unseen(check: SolvedCheck, names: dict[str, Any], wrong: Any) -> bool:
    """Whether a wrong definition changes nothing for a check, but something on other values."""
    name, right = wrong.name, names[wrong.name]
    try:
        exec(compile(ast.Module([wrong], []), str(names["__file__"]), "exec"), names)
        mistaken = names[name]
        if not _is_right(check, _solution_arrays(check, names)):
            return False
        for other in _checks_of_other_values(check):
            names[name] = right
            with contextlib.suppress(BadInput):  # the solution itself fails on such values
                other = other.model_copy(update={"expected": _solution_arrays(other, names)})
                names[name] = mistaken
                if not _is_right(other, _solution_arrays(other, names)):
                    return True
    except Exception:  # the mistake ends in an exception, which everybody sees
        return False
    finally:
        names[name] = right
    return False


def _solution_arrays(check: SolvedCheck, names: dict[str, Any]) -> dict[str, Any]:
    with interrupt_after(MAX_SECONDS):
        arrays: dict[str, Any] = quietly(lambda: solution_arrays(check, names))
    return arrays


def _is_right(check: SolvedCheck, arrays: Mapping[str, Any]) -> bool:
    return all(compare_array(check, label, arrays.get(label)).verdict == "right" for label in check.returns)


def _checks_of_other_values(check: SolvedCheck) -> Iterator[SolvedCheck]:
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
