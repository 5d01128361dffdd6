"""Find the submissions in a folder that contains a file, notebook or folder for each student."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from deltarule.errors import BadInput
from deltarule.files import kind_of

ENDINGS = (".py", ".ipynb")
MAX_SUBMISSION_BYTES = 2**26
"""Larger folders hold data sets or environments, not code."""


@dataclass(frozen=True)
class Submission:
    """What a student handed in.

    file      the name of the file that is loaded; "" if there is none, or no single one
    files     all files, by their paths in the submission
    problem   why it cannot be graded; "" if it can
    """

    student: str
    file: str
    files: Mapping[str, Path]
    problem: str = ""


def find_submissions(path: str | Path, preferred_file: str = "") -> list[Submission]:
    """Find the submissions in a folder, sorted by student; a single file is a single submission.

    Parameters
    ----------
    path : str or Path
        A folder with a file or folder for each student, or one student's file; links are ignored, as they may lead
        to files of the teacher.
    preferred_file : str
        The name of the file that is loaded from a student's folder; "" for the only one there.

    Raises
    ------
    BadInput
        For a path that does not exist, or a folder without submissions.
    """
    path = Path(path)
    kind = kind_of(path)
    if kind == "file":
        return [_from_file(path)]
    if kind != "folder":
        raise BadInput(f"{path} does not exist; give a folder with a file or folder for each student")
    entries = sorted(entry for entry in path.iterdir() if not entry.name.startswith((".", "__")))
    submissions = [
        _from_folder(entry, preferred_file) if entry.is_dir() else _from_file(entry)
        for entry in entries
        if not entry.is_symlink() and (entry.is_dir() or entry.suffix in ENDINGS)
    ]
    if not submissions:
        raise BadInput(f"{path} holds no submission; put a .py or .ipynb file, or a folder, for each student there")
    students = [one.student for one in submissions]
    for student in students:
        if students.count(student) > 1:
            raise BadInput(f"{path} holds two submissions of '{student}'; leave one of them")
    return submissions


def single_submission(path: str | Path, preferred_file: str = "") -> Submission:
    """The submission of one student: a file, or a folder of which `preferred_file` is loaded, else the only one."""
    path = Path(path)
    if not kind_of(path):
        raise BadInput(f"{path} does not exist; give the folder of a student")
    return _from_folder(path, preferred_file) if path.is_dir() else _from_file(path)


def _from_file(path: Path) -> Submission:
    """The submission that consists of one file, named after the student."""
    return Submission(path.stem, path.name, {path.name: path})


def _from_folder(folder: Path, preferred_file: str) -> Submission:
    """The submission in a folder named after the student: `preferred_file` is loaded, else the only .py or .ipynb."""
    paths = [path for path in sorted(folder.rglob("*")) if path.is_file() and not path.is_symlink()]
    files = {path.relative_to(folder).as_posix(): path for path in paths}
    if sum(path.stat().st_size for path in paths) > MAX_SUBMISSION_BYTES:
        limit = MAX_SUBMISSION_BYTES // 2**20
        return Submission(folder.name, "", {}, f"the folder holds more than {limit} MB; hand in the code alone")
    names = [name for name in files if name.endswith(ENDINGS) and "/" not in name]
    if preferred_file in files:
        return Submission(folder.name, preferred_file, files)
    if len(names) == 1:
        return Submission(folder.name, names[0], files)
    wanted = f"a file '{preferred_file}'" if preferred_file else "a single .py or .ipynb file"
    there = f"there are {', '.join(names)}" if names else "there is none"
    return Submission(folder.name, "", files, f"the folder should hold {wanted}; {there}")
