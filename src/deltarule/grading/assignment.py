"""Read an assignment with its expected results, and pack it for Gradescope."""

import ast
import hashlib
import io
import shlex
import sys
import tempfile
import tomllib
from collections.abc import Mapping, Sequence
from importlib.metadata import distribution, distributions
from pathlib import Path
from typing import Any, Literal
from zipfile import ZIP_DEFLATED, ZipFile

import numpy as np
from pydantic import Field, ValidationError

from deltarule.errors import BadInput
from deltarule.files import read_bytes
from deltarule.grading import worker
from deltarule.grading.checks import (
    AssignmentTable,
    CheckSection,
    ManualSection,
    Points,
    Positive,
    SolvedCheck,
    solution_arrays,
)
from deltarule.grading.diagnosis import check_solution
from deltarule.grading.solution_rerun import require_follow_on
from deltarule.problem.error_messages import explain_error
from deltarule.problem.network import Network
from deltarule.user_functions import call_user_function

_NOT_OF_GRADES = {"title", "hint", "visibility", "late_percent", "grace_minutes", "manual"}
"""What of an assignment changes no verdict."""
Visibility = Literal["visible", "hidden", "after_due_date", "after_published"]


class AssignmentSection(AssignmentTable):
    """All of an `assignment.toml`."""

    title: str = Field(description="the name of the assignment")
    solution: str = Field("solution.py", description="the file with the right code and the data, beside the assignment")
    submission: str = Field("", description="the name of the file to grade in a student's folder")
    tolerance: Positive = Field(1e-6, description="a share of an array's largest entry, above 0")
    time_limit_seconds: Positive = Field(10.0, description="a number of seconds above 0 for each check")
    memory_limit_mb: Positive = Field(2048.0, description="a number of megabytes above 0")
    hidden: bool = Field(False, description="true draws other data for each submission, from the solution's seed")
    forbid: list[str] = Field([], description="modules that cannot be imported, as torch, jax, autograd, deltarule")
    hint: int = Field(2, ge=0, le=4, description="0 nothing, 1 which array, 2 which mistake, 3 its line, 4 the fix")
    visibility: Visibility = Field("visible", description="visible, hidden, after_due_date or after_published")
    late_percent: Points = Field(0.0, description="percent of all points that each begun day costs, from 0 up")
    numeric: Literal["note", "forbid"] = Field("note", description="note or forbid, of derivatives by differences")
    grace_minutes: Points = Field(0.0, description="minutes after the due time that cost nothing, from 0 up")
    files: list[str] = Field([], description="your files and folders that lie beside every submission, as helpers.py")
    aliases: dict[str, list[str]] = Field({}, description="other names that a function may have, by its name")
    checks: Sequence[CheckSection] = Field(min_length=1, description="one [[checks]] table for each call")
    manual: list[ManualSection] = Field([], description="one [[manual]] table for each thing that you mark")


class Assignment(AssignmentSection):
    """An assignment with the results of its solution.

    `names` are what the solution defines, and `digest` is that of all on which a submission's points depend.
    """

    checks: Sequence[SolvedCheck]
    paths: tuple[Path, Path]
    names: dict[str, Any]
    digest: str

    @property
    def functions(self) -> list[str]:
        """What submissions have to define."""
        return list(dict.fromkeys(name for check in self.checks for name in check.functions))

    @property
    def shared(self) -> dict[str, Path]:
        """The teacher's own files for every submission, by their names there."""
        folder = self.paths[0].parent
        paths = [path for name in self.files for path in ((folder / name), *(folder / name).rglob("*"))]
        return {path.relative_to(folder).as_posix(): path for path in paths if path.is_file() and not path.is_symlink()}

    @property
    def accepted_names(self) -> list[str]:
        """What submissions may define."""
        return [*self.functions, *(alias for name in self.functions for alias in self.aliases.get(name, ()))]

    @property
    def max_points(self) -> float:
        """The points of checks; those of manual questions are the gradebook's."""
        return sum(sum(check.max_points.values()) for check in self.checks if not check.bonus)


def read_assignment(path: str | Path, salt: str = "", *, is_checked: bool = False) -> Assignment:
    """Read an `assignment.toml`, and run its solution in this process.

    A hidden assignment's data are those of the submission with this `salt`. The solution's gradients are proved unless
    they were before.
    """
    path = Path(path)
    section = _read_section(path)
    solution = path.parent / section.solution
    names = _run_solution(path, section, solution, salt)
    checks: list[SolvedCheck] = []
    for i, table in enumerate(section.checks, 1):
        try:
            checks.append(_read_check(table, section, names))
            if table.gradient_of and not is_checked:
                check_solution(checks[-1], names)
        except (BadInput, SyntaxError) as error:
            raise BadInput(f"{path}: check {i}: {error}") from None
    fields = {**dict(section), "checks": checks, "paths": (path.resolve(), solution.resolve()), "names": names}
    assignment = Assignment.model_construct(**fields)
    return assignment.model_copy(update={"digest": _digest(section, assignment)})


def _digest(section: AssignmentSection, assignment: Assignment) -> str:
    """A digest of the checks and limits, of the solution but for its comments, and of the teacher's files."""
    settings = section.model_dump_json(exclude=_NOT_OF_GRADES)
    digest = hashlib.sha256(f"{settings}\n{ast.dump(ast.parse(read_bytes(assignment.paths[1])))}".encode())
    for name, path in sorted(assignment.shared.items()):
        digest.update(f"{name} {path.stat().st_size} ".encode(errors="replace") + path.read_bytes())
    return digest.hexdigest()


def _read_section(path: Path) -> AssignmentSection:
    try:
        section = AssignmentSection.model_validate(tomllib.loads(read_bytes(path).decode("utf-8-sig")))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BadInput(f"{path} is not TOML: {error}; correct it") from None
    except ValidationError as error:
        raise BadInput(f"{path}: {explain_error(error, AssignmentSection)}") from None
    for question in section.manual:
        if question.rubric and question.points not in (None, sum(question.rubric.values())):
            raise BadInput(f"{path}: the rubric of '{question.name}' has other points than its points; leave one out")
        if not question.rubric and question.points is None:
            raise BadInput(f"{path}: '{question.name}' has no points; give it points, or a rubric")
    if len({question.name for question in section.manual}) < len(section.manual):
        raise BadInput(f"{path}: two [[manual]] tables have one name; give each its own")
    return section


def _run_solution(path: Path, section: AssignmentSection, solution: Path, salt: str) -> dict[str, Any]:
    """Run the solution, and return what it defines."""
    source = read_bytes(solution)
    seed = int.from_bytes(hashlib.sha256(source + salt.encode()).digest()[:8]) if salt else 0
    names: dict[str, Any] = {"__name__": "solution", "__file__": str(solution), "seed": seed}
    code = call_user_function(compile, (source, str(solution), "exec"), {}, str(solution))
    if section.hidden and "seed" not in code.co_names:
        raise BadInput(f"{solution} draws no hidden data: use seed, which differs by submission")
    folder = path.parent.resolve()
    for file in section.files:
        if not (folder / file).exists() or not (folder / file).resolve().is_relative_to(folder):
            raise BadInput(f"{path}: files names '{file}', which is not beside the assignment; put it there")
    sys.path.insert(0, str(folder))  # for modules among the files
    try:
        call_user_function(exec, (code, names), {}, str(solution))
    finally:
        sys.path.remove(str(folder))
    return names


def _read_check(section: CheckSection, assignment: AssignmentSection, names: Mapping[str, Any]) -> SolvedCheck:
    labels = list(section.returns)
    points = section.points if isinstance(section.points, list) else [section.points] * len(labels)
    _check_names(section, labels, points, names)
    used = _used_names(section)
    network = section.network
    added = {
        "name": section.name or section.call,
        "tolerance": section.tolerance or assignment.tolerance,
        "values": {name: names[name] for name in names.keys() & set(used) if _can_send(names[name])},
        "functions": [name for name in used if callable(names.get(name))],
        "max_points": dict(zip(labels, map(float, points), strict=True)),
        "like": network and Network(network.sizes, network.hidden, network.output),
    }
    check = SolvedCheck.model_construct(**{**dict(section), **added, "expected": {}})
    check = check.model_copy(update={"expected": solution_arrays(check, names)})
    for name in check.returns:
        if not isinstance(check.expected.get(name), np.ndarray) or not np.isfinite(check.expected[name]).all():
            raise BadInput(f"the solution does not give '{name}' as finite numbers; correct it, or returns")
    if check.follow_on:
        require_follow_on(check, names)
    return check


def _used_names(section: CheckSection) -> list[str]:
    """The names that the code of a check reads, in their order."""
    expressions = section.returns.values() if isinstance(section.returns, dict) else ()
    texts = [section.setup, section.call, *expressions]
    nodes = [node for text in texts for node in ast.walk(ast.parse(text, text))]
    used = [node.id for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)]
    return list(dict.fromkeys(used))


def _can_send(value: Any) -> bool:
    """Whether submissions can get a value: it is no function, and no object of the solution's own class."""
    try:
        worker.pack(value)
    except (TypeError, ValueError):
        return False
    return True


def _check_names(section: CheckSection, labels: list[str], points: list[float], names: Mapping[str, Any]) -> None:
    """Check that a table has points and parameters for all arrays, and that the solution defines what it names."""
    if len(points) != len(labels):
        raise BadInput(f"points has {len(points)} numbers for {len(labels)} arrays; give one for each")
    if section.gradient_of and len(section.by) != len(labels):
        raise BadInput(f"by names {len(section.by)} parameters for {len(labels)} arrays; name one for each, in order")
    for name in filter(None, [*section.by, section.upstream, *(["x", "y"] if section.network else [])]):
        if not isinstance(names.get(name), np.ndarray | float | int):
            raise BadInput(f"the solution does not define '{name}' as an array; define it there, or correct the check")


def write_gradescope_zip(path: Path, assignment: Assignment) -> None:
    """Write the autograder archive for Gradescope, with this package."""
    folder = assignment.paths[0].parent
    package = Path(__file__).parents[1]
    meta = distribution("deltarule")
    versions = sorted(f"{dist.name}=={dist.version}\n" for dist in distributions() if dist.name != "deltarule")
    needed = [
        line.partition("; extra")[0] for line in meta.requires or () if "extra" not in line or "'notebook'" in line
    ]
    content = io.BytesIO()
    with ZipFile(content, "w", ZIP_DEFLATED) as archive:
        for file in (*assignment.paths, *assignment.shared.values()):
            archive.write(file, Path("assignment", file.relative_to(folder)))  # no name of ours is taken there
        with tempfile.TemporaryDirectory() as alone:  # a solution that needs other files is refused
            archive.extractall(alone)
            read_assignment(Path(alone, "assignment", assignment.paths[0].name))
        for name in ("setup.sh", "run_autograder"):
            script = (package / "grading" / "autograder" / name).read_text(encoding="utf-8")
            archive.writestr(name, script.replace("ASSIGNMENT", shlex.quote(assignment.paths[0].name)))
        for file in sorted(package.rglob("*")):
            if file.is_file() and "__pycache__" not in file.parts:
                archive.write(file, file.relative_to(package.parent))
        archive.writestr(f"deltarule-{meta.version}.dist-info/METADATA", meta.read_text("METADATA") or "")
        archive.writestr("requirements.txt", "\n".join(needed))
        archive.writestr("versions.txt", "".join(versions))
    path.write_bytes(content.getvalue())
