"""What students get: stubs of the solution's functions, the task, and public checks for `deltarule check`.

Public checks have other data than the assignment: the solution runs again with other draws, and data that it does not
draw are made smaller entry by entry. So the expected arrays that they hold are of no use where points are given.
"""

import ast
import contextlib
import functools
import hashlib
import linecache
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np

from deltarule.errors import BadInput
from deltarule.files import make_folder, read_bytes, write_whole
from deltarule.grading import worker
from deltarule.grading.assignment import Assignment, read_assignment
from deltarule.grading.checks import SolvedCheck, solution_arrays
from deltarule.grading.grade import grade_check
from deltarule.grading.process import describe_error, failure
from deltarule.grading.record import GradeRecord, SubmissionResult, format_points
from deltarule.grading.submissions import Submission, find_submissions
from deltarule.user_functions import call_user_function, quietly

PUBLIC = "public_checks.json"
_OF_ASSIGNMENTS: dict[str, Any] = {"follow_on": False, "network": None, "like": None, "bonus": False}
"""What public checks have nothing of."""
_NOT_WRITTEN = ast.parse("raise NotImplementedError").body


def write_starter(folder: Path, assignment: Assignment) -> list[str]:
    """Write the files to hand out; their names."""
    make_folder(folder)
    name = assignment.submission or "homework.py"
    texts = {name: _stubs(assignment), "README.md": _task_text(assignment, name)}
    taken = [file for file in (*texts, PUBLIC) if (folder / file).exists()]
    if taken:
        raise BadInput(f"{folder} already has {', '.join(taken)}; give another folder")
    for file, text in texts.items():
        write_whole(folder / file, text)
    write_whole(folder / PUBLIC, worker.pack(_public_checks(assignment)).decode())
    for target, path in assignment.shared.items():
        (folder / target).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, folder / target)
    return [*texts, PUBLIC, *assignment.shared]


def _stubs(assignment: Assignment) -> str:
    tree = ast.parse(read_bytes(assignment.paths[1]))
    parts = [node for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)]
    kept: list[ast.stmt] = [_stub(node) for node in tree.body if getattr(node, "name", "") in assignment.functions]
    used = {node.id for statement in kept for node in ast.walk(statement) if isinstance(node, ast.Name)}
    for node in tree.body:  # of default values
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant):
            kept[:0] = [node] if used & {target.id for target in node.targets if isinstance(target, ast.Name)} else []
    return "\n\n\n".join(["\n".join(map(ast.unparse, parts)), *map(ast.unparse, kept)]).strip() + "\n"


def _stub(node: Any) -> Any:
    """A function or class with its docstrings alone."""
    if isinstance(node, ast.ClassDef):
        node.body = [_stub(statement) for statement in node.body]
    elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        node.body = [*(node.body[:1] if ast.get_docstring(node) else []), *_NOT_WRITTEN]
    return node


def _task_text(assignment: Assignment, file: str) -> str:
    lines = [f"# {assignment.title}", "", f"Complete `{file}`: {_points_text(_all_points(assignment))}.", ""]
    for check in assignment.checks:
        shapes = (f"`{name}` {_shape_text(array)}".rstrip() for name, array in check.expected.items())
        points = _points_text(sum(check.max_points.values()), check.bonus)
        lines.append(f"- `{check.call}` gives {', '.join(shapes)}: {points}")
    for question in assignment.manual:
        about = f"{question.name}: {question.prompt}" if question.prompt else question.name
        criteria = ", ".join(f"{name} {format_points(most)}" for name, most in question.rubric.items())
        points = _points_text(sum(question.columns.values()), question.bonus)
        lines.append(f"- {about.rstrip('.')}: {points}{f' ({criteria})' if criteria else ''}")
    if assignment.forbid:
        lines += ["", f"These modules cannot be imported: {', '.join(assignment.forbid)}."]
    lines += ["", f"`deltarule check {file}` tells which functions are right on other data than those of the grading."]
    return "\n".join(lines) + "\n"


def _points_text(points: float, is_bonus: bool = False) -> str:
    return f"{format_points(points)} point{'s' * (points != 1)}{' (bonus)' * is_bonus}"


def _all_points(assignment: Assignment) -> float:
    marked = (sum(question.columns.values()) for question in assignment.manual if not question.bonus)
    return assignment.max_points + sum(marked)


def _shape_text(array: Any) -> str:
    return f"({' × '.join(map(str, np.shape(array)))})" if np.ndim(array) else ""


@contextlib.contextmanager
def _other_draws(number: int) -> Iterator[None]:
    """Let NumPy's generators draw other values for the same seeds."""

    def other(function: Callable[..., Any]) -> Callable[..., Any]:
        return lambda seed=None: function(np.random.SeedSequence([number, *np.ravel(seed or 0)]).generate_state(1)[0])

    others = {name: other(getattr(np.random, name)) for name in ("default_rng", "seed")}
    with patch.dict(vars(np.random), others):
        yield


def _public_checks(assignment: Assignment) -> dict[str, Any]:
    number = int.from_bytes(hashlib.sha256(b"public" + read_bytes(assignment.paths[1])).digest()[:4])
    with _other_draws(number):
        public = read_assignment(assignment.paths[0], "public", is_checked=True)
    checks = []
    for check, own in zip(public.checks, assignment.checks, strict=True):
        differs = any(not np.array_equal(value, own.values[name]) for name, value in check.values.items())
        new = check if differs else _smaller_check(check, public.names, np.random.default_rng(number))
        fields = {name: getattr(new, name) for name in ("call", "setup", "returns", "values", "expected", "tolerance")}
        fields |= {"name": new.name, "part": new.part, "functions": new.functions, "max_points": new.max_points}
        more = {name: public.names[name] for name in [*new.by, new.upstream] if name in public.names}
        fields |= {"gradient_of": new.gradient_of, "by": new.by, "upstream": new.upstream, "more": more}
        checks.append(fields | ({} if differs else {"gradient_of": ""}))
    return {"title": public.title, "hint": public.hint, "aliases": public.aliases, "checks": checks}


def _smaller_check(check: SolvedCheck, names: dict[str, Any], draws: np.random.Generator) -> SolvedCheck:
    """A check with smaller values of the same signs, which stay in the range of probabilities."""
    values = {
        name: value * draws.uniform(0.5, 1.0, np.shape(value)) if np.asarray(value).dtype.kind == "f" else value
        for name, value in check.values.items()
    }
    new = check.model_copy(update={"values": values})
    return new.model_copy(update={"expected": solution_arrays(new, names)})


@dataclass
class _Own:
    """A student's own program, called in this process."""

    submission: Submission
    namespace: dict[str, Any]
    numeric: set[str] = field(default_factory=set)
    problem: str = ""

    def call(self, request: Mapping[str, Any]) -> Any:
        packed = worker.unpack(worker.pack(request))
        answer = quietly(lambda: worker.answer(self.namespace, packed))
        if answer["errors"]:
            raise failure(request, describe_error(answer["errors"][0], self.submission.cells, packed))
        return answer["result"]


def check_publicly(file: Path, public: Path) -> GradeRecord:
    """Run a student's file in this process, and make the public checks beside it."""
    try:
        content = worker.unpack(read_bytes(public))
        checks = [SolvedCheck.model_construct(**_OF_ASSIGNMENTS, **check) for check in content["checks"]]
        about = {name: content[name] for name in ("title", "hint", "aliases")}
    except (ValueError, KeyError, TypeError, AttributeError):
        raise BadInput(f"{public} holds no public checks; take the one that was handed out, or remove it") from None
    functions = [name for check in checks for name in check.functions]
    [submission] = find_submissions(file, functions=functions)
    if submission.problem:
        raise BadInput(f"{file}: {submission.problem}")
    namespace: dict[str, Any] = {"__name__": "submission", "__file__": str(file), "display": print}
    namespace["get_ipython"] = lambda: worker.Shell(namespace)
    for name, source in submission.cells:
        linecache.cache[name] = len(source), None, source.splitlines(keepends=True), name
        worker.CELLS.add(name)
        code = call_user_function(compile, (source, name, "exec"), {}, name)
        quietly(functools.partial(call_user_function, exec, (code, namespace), {}, f"running {file.name}"))
    for name, others in about["aliases"].items():
        for other in filter(namespace.__contains__, others):
            namespace.setdefault(name, namespace[other])
    results = []
    for check, entry in zip(checks, content["checks"], strict=True):
        names = {**namespace, **entry["more"], **check.values}
        assignment = Assignment.model_construct(**about, checks=checks, names=names)
        results.append(grade_check(check, assignment, _Own(submission, namespace)))
    own = SubmissionResult(submission.student, True, "", tuple(results))
    points = sum(result.max_points for result in results)
    return GradeRecord(about["title"], about["hint"], "visible", points, (own,), "")
