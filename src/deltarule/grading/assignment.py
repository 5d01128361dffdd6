"""Read an assignment: checks, expected results and points."""

import ast
import builtins
import hashlib
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from deltarule.errors import BadInput
from deltarule.files import read_bytes
from deltarule.grading import worker
from deltarule.grading.checks import Check, named_arrays, request_of
from deltarule.grading.diagnosis import check_solution
from deltarule.problem.error_messages import explain_error
from deltarule.problem.network import Network
from deltarule.user_functions import call_user_function

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Points = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class _Section(BaseModel):
    """A table of an assignment that allows no unknown keys."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class NetworkSection(_Section):
    """The network whose loss is differentiated: with it, mistakes within it are named."""

    sizes: list[int] = Field(description="the numbers of inputs, hidden units and outputs, as [2, 3, 1]")
    hidden: str = Field("sigmoid", description="the activation of the hidden layers")
    output: str = Field("identity", description="the activation of the output layer")


class CheckSection(_Section):
    """A `[[checks]]` table of an assignment."""

    part: Literal["forward", "loss", "backward", "update"] = Field(description="forward, loss, backward or update")
    call: str = Field(description="a call of a student's function, as 'forward(x, W)'")
    returns: list[str] | dict[str, str] = Field(
        description="the names of the arrays that the call returns, or a table from names to expressions",
        min_length=1,
    )
    points: Points | list[Points] = Field(1.0, description="points for each array, a number or one for each, from 0 up")
    name: str = Field("", description="what students read, if not the call")
    setup: str = Field("", description="Python that runs before the call, as 'layer = Linear(W, b)'")
    gradient_of: str = Field("", description="the expression that is differentiated, as 'loss(W, b)'")
    by: list[str] = Field([], description="the parameters of gradient_of, one for each array that is returned")
    upstream: str = Field("", description="the name of the upstream gradient, where gradient_of is an array")
    network: NetworkSection | None = Field(
        None, description="a table with sizes, hidden and output; x and y are its data"
    )
    tolerance: Positive | None = Field(None, description="a share of an array's largest entry, above 0")
    time_limit_seconds: Positive | None = Field(None, description="a number of seconds above 0")


class AssignmentSection(_Section):
    """All of an `assignment.toml`."""

    title: str = Field(description="the name of the assignment")
    solution: str = Field("solution.py", description="the file with the right code and the data, beside the assignment")
    submission: str = Field("", description="the name of the file to grade in a student's folder")
    tolerance: Positive = Field(1e-6, description="a share of an array's largest entry, above 0")
    time_limit_seconds: Positive = Field(10.0, description="a number of seconds above 0 for each check")
    memory_limit_mb: Positive = Field(2048.0, description="a number of megabytes above 0")
    hidden: bool = Field(False, description="true draws other data for each student, from the solution's seed")
    forbid: list[str] = Field([], description="modules that cannot be imported, as torch, jax, autograd, deltarule")
    hint: int = Field(2, ge=0, le=3, description="0 nothing, 1 which array, 2 which mistake, 3 the fix")
    visibility: Literal["visible", "hidden", "after_due_date", "after_published"] = Field(
        "visible", description="visible, hidden, after_due_date or after_published"
    )
    checks: list[CheckSection] = Field(min_length=1, description="one [[checks]] table for each call")


@dataclass(frozen=True, eq=False)
class Assignment:
    """An assignment with the results of its solution.

    names       what the solution defines, by name
    files       the assignment and its solution
    numerical   numerical gradients by the name of a check, made when they are first needed
    """

    title: str
    submission: str
    hidden: bool
    forbid: list[str]
    hint: int
    visibility: str
    memory_limit_mb: float
    files: tuple[Path, Path]
    checks: tuple[Check, ...]
    names: Mapping[str, Any]
    numerical: dict[str, Any] = field(default_factory=dict)

    @property
    def max_points(self) -> float:
        """The points of a submission without mistakes."""
        return sum(sum(check.points.values()) for check in self.checks)


def read_assignment(path: str | Path, student: str = "") -> Assignment:
    """Read an assignment and run its solution, which gives the expected values.

    Parameters
    ----------
    path : str or Path
        The `assignment.toml`. Its solution runs in this process: it is the teacher's own code.
    student : str, optional
        Whose data are drawn, if the assignment is hidden; the solution's gradients are not checked again.

    Raises
    ------
    BadInput
        For a file that cannot be read, an unknown key, a value that is not allowed, a solution that fails or does not
        give what a check names, and for a gradient of the solution that is wrong.
    """
    path = Path(path)
    text = read_bytes(path)
    try:
        section = AssignmentSection.model_validate(tomllib.loads(text.decode("utf-8-sig")))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BadInput(f"{path} is not TOML: {error}; correct it") from None
    except ValidationError as error:
        raise BadInput(f"{path}: {explain_error(error, AssignmentSection)}") from None
    solution = path.parent / section.solution
    source = read_bytes(solution)
    seed = int.from_bytes(hashlib.sha256(source + student.encode()).digest()[:8]) if student else 0
    solution_namespace = _run_solution(solution, source, seed, section.hidden)
    checks = tuple(
        _read_check(check, section, solution_namespace, f"{path}: check {i}")
        for i, check in enumerate(section.checks, 1)
    )
    if not student:
        for i, check in enumerate(checks, 1):
            if check.gradient_of:
                check_solution(check, solution_namespace, f"{path}: check {i}")
    labels = [check.name for check in checks]
    if len(set(labels)) < len(labels):
        twice = next(label for label in labels if labels.count(label) > 1)
        raise BadInput(f"{path}: two checks are called '{twice}'; give each a name of its own")
    copied = section.model_dump(include=set(Assignment.__dataclass_fields__) - {"checks"})
    return Assignment(files=(path.resolve(), solution.resolve()), checks=checks, names=solution_namespace, **copied)


def _run_solution(path: Path, source: bytes, seed: int, is_hidden: bool) -> dict[str, Any]:
    """Run a solution in this process, and return what it defines, by name."""
    solution_namespace: dict[str, Any] = {"__name__": "solution", "__file__": str(path), "seed": seed}
    try:
        code = compile(source, str(path), "exec")
    except (SyntaxError, ValueError) as error:
        raise BadInput(f"{path} is not Python: {error}; correct it") from None
    if is_hidden and "seed" not in code.co_names:
        raise BadInput(
            f"{path} draws no hidden data: use seed, which differs by student, as np.random.default_rng(seed)"
        )
    call_user_function(exec, (code, solution_namespace), {}, str(path))
    return solution_namespace


def _read_check(
    section: CheckSection, assignment: AssignmentSection, solution_namespace: Mapping[str, Any], message_prefix: str
) -> Check:
    """Create a `Check` from its table."""
    labels = list(section.returns)
    points = section.points if isinstance(section.points, list) else [section.points] * len(labels)
    if len(points) != len(labels):
        raise BadInput(
            f"{message_prefix}: points has {len(points)} numbers for {len(labels)} arrays; give one for each"
        )
    if section.gradient_of and len(section.by) != len(labels):
        raise BadInput(
            f"{message_prefix}: by names {len(section.by)} parameters for {len(labels)} arrays; name one for each, in "
            "order"
        )
    expressions = [section.setup, section.call]
    if isinstance(section.returns, dict):
        expressions += section.returns.values()
    used, assigned = _names_used(expressions, message_prefix)
    defined = {*solution_namespace, *assigned, *dir(builtins), "result"}
    unknown = [name for name in used if name not in defined]
    if unknown:
        raise BadInput(
            f"{message_prefix}: the solution does not define '{unknown[0]}'; define it there, or correct the call"
        )
    functions = tuple(name for name in used if callable(solution_namespace.get(name)))
    used_values = {name: solution_namespace[name] for name in used if name in solution_namespace}
    check = Check(
        name=section.name or section.call,
        values={name: value for name, value in used_values.items() if _can_be_sent(value)},
        functions=functions,
        expected={},
        points=dict(zip(labels, map(float, points), strict=True)),
        tolerance=section.tolerance or assignment.tolerance,
        time_limit_seconds=section.time_limit_seconds or assignment.time_limit_seconds,
        by=tuple(section.by),
        network=_read_network(section.network, solution_namespace, message_prefix),
        **section.model_dump(include={"part", "call", "setup", "returns", "gradient_of", "upstream"}),
    )
    return _with_expected(check, solution_namespace, message_prefix)


def _read_network(
    section: NetworkSection | None, solution_namespace: Mapping[str, Any], message_prefix: str
) -> Network | None:
    """Make a check's network, of which the solution has to define the data x and y."""
    if section is None:
        return None
    if not all(isinstance(solution_namespace.get(name), np.ndarray) for name in ("x", "y")):
        raise BadInput(f"{message_prefix}: network needs the data; define arrays x and y in the solution")
    try:
        return Network(section.sizes, section.hidden, section.output)
    except BadInput as error:
        raise BadInput(f"{message_prefix}: network: {error}") from None


def _names_used(texts: list[str], message_prefix: str) -> tuple[list[str], set[str]]:
    """The names that lines of Python read, and those that they assign."""
    nodes: list[ast.AST] = []
    for text in texts:
        try:
            nodes += ast.walk(ast.parse(text))
        except SyntaxError as error:
            raise BadInput(f"{message_prefix}: '{text}' is not Python: {error.msg}; correct it") from None
    names = [node for node in nodes if isinstance(node, ast.Name)]
    read = [node.id for node in names if isinstance(node.ctx, ast.Load)]
    return list(dict.fromkeys(read)), {node.id for node in names if isinstance(node.ctx, ast.Store)}


def _can_be_sent(value: Any) -> bool:
    """Whether a value consists of arrays, numbers and texts."""
    try:
        worker.pack(value)
    except (TypeError, ValueError):
        return False
    return True


def _with_expected(check: Check, solution_namespace: Mapping[str, Any], message_prefix: str) -> Check:
    """A copy of a check with the solution's results as the expected ones."""
    # Packing and unpacking makes a copy: an update in place must not change the teacher's own arrays.
    request = worker.unpack(worker.pack(request_of(check))) | {"max_bytes": 2**40}
    answer = worker.answer(dict(solution_namespace), request)
    if "error" in answer:
        raise BadInput(f"{message_prefix}: the solution fails in {check.call}: {answer['error']}; correct it")
    expected = named_arrays(answer["result"], list(check.points))
    for name in check.points:
        if not isinstance(expected.get(name), np.ndarray) or not np.isfinite(expected[name]).all():
            raise BadInput(
                f"{message_prefix}: the solution does not give '{name}' as finite numbers; correct it, or returns"
            )
    return replace(check, expected=expected)
