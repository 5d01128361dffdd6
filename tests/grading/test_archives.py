"""Whatever an archive holds: its row says what is wrong, the rest of it is graded, and so are all others."""

import io
import json
import os
import struct
import zipfile
from pathlib import Path

from grading_examples import FORWARD, NEEDED, by_student, edited, linear_assignment, write_files

from deltarule.grading.grade import grade
from deltarule.grading.record import SubmissionResult
from deltarule.grading.results import write_results
from deltarule.grading.submissions import find_submissions


def grade_class(folder: Path) -> dict[str, SubmissionResult]:
    """Grade the folder `class`, write everything, and return the results by student."""
    assignment = linear_assignment(folder / "assignment")
    record = grade(assignment, find_submissions(folder / "class", functions=assignment.functions))
    write_results(folder / "out", record)
    assert len((folder / "out" / "grades.csv").read_text().splitlines()) == len(record.submissions) + 1
    return by_student(record)


def archive(*members: tuple[str | zipfile.ZipInfo, str]) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as packed:
        for name, text in members:
            packed.writestr(name, text)
    return content.getvalue()


def patched(content: bytes, name: str, offset: int, value: bytes) -> bytes:
    """An archive with a field of a member's entry in the directory replaced, and the one before the member too."""
    changed = bytearray(content)
    position = content.rindex(b"PK\1\2", 0, content.rindex(name.encode()))
    changed[position + offset : position + offset + len(value)] = value
    if offset in (8, 10):  # flags and method
        local = content.rindex(b"PK\3\4", 0, content.index(name.encode()))
        changed[local + offset - 2 : local + offset - 2 + len(value)] = value
    return bytes(changed)


WITH_REPORT = archive(("hw.py", NEEDED), ("report.pdf", "a report"))
DAMAGED: dict[str, tuple[bytes, int, str]] = {
    "a report of another sum": (WITH_REPORT.replace(b"a report", b"b report"), 7, "report.pdf cannot be read: Bad CRC"),
    "an encrypted report": (patched(WITH_REPORT, "report.pdf", 8, b"\1\0"), 7, "report.pdf cannot be read: "),
    "a report by deflate64": (patched(WITH_REPORT, "report.pdf", 10, b"\x09\0"), 7, "report.pdf cannot be read: "),
    "a report of a false size": (
        patched(WITH_REPORT, "report.pdf", 24, struct.pack("<I", 3)),
        7,
        "report.pdf cannot be read",
    ),
    "a report that says it is huge": (
        patched(WITH_REPORT, "report.pdf", 24, struct.pack("<I", 2**32 - 2)),
        7,
        "left out, beyond 64 MB",
    ),
    "a date that does not exist": (patched(WITH_REPORT, "hw.py", 12, bytes(4)), 7, ""),
    "code of another sum": (
        archive(("hw.py", NEEDED)).replace(b"return", b"Return", 1),
        0,
        "hw.py cannot be read: Bad",
    ),
    "encrypted code": (patched(archive(("hw.py", NEEDED)), "hw.py", 8, b"\1\0"), 0, "hw.py cannot be read: "),
    "code by an unknown method": (
        patched(archive(("hw.py", NEEDED)), "hw.py", 10, b"\x63\0"),
        0,
        "hw.py cannot be read",
    ),
    "one of two files is damaged": (
        archive(("hw.py", NEEDED), ("old.py", "x = 1")).replace(b"x = 1", b"x = 2"),
        7,
        "old.py cannot be read: Bad CRC",
    ),
    "a file and a folder of one name": (
        archive(("hw.py", NEEDED), ("data", "1"), ("data/a.txt", "2")),
        7,
        "left out: ",
    ),
    "a folder and a file of one name": (
        archive(("hw.py", NEEDED), ("data/a.txt", "2"), ("data", "1")),
        7,
        "left out: ",
    ),
    "a long name": (archive((f"{'n' * 300}/hw.py", NEEDED)), 7, ""),
    "a long path": (archive(("hw.py", NEEDED), ("/".join(["n" * 200] * 30) + "/a.txt", "1")), 7, "left out: "),
    "names of Windows": (archive(("hw3\\main.py", "from layers import *"), ("hw3\\layers.py", NEEDED)), 7, ""),
    "a name with a null": (archive(("hw.py", NEEDED), ("b\u0001.txt", "1")), 7, ""),
    "a name that leads out": (archive(("hw.py", NEEDED), ("../../out.txt", "1"), ("/etc/out.txt", "1")), 7, ""),
    "cut off": (WITH_REPORT[:-30], 0, "cannot be read: File is not a zip file"),
    "no archive": (b"Rar!\x1a\x07", 0, "cannot be read: File is not a zip file"),
}


def test_what_is_wrong_in_an_archive_costs_nobody_else_a_row(tmp_path: Path) -> None:
    (tmp_path / "class").mkdir()
    for i, (content, _, _) in enumerate(DAMAGED.values()):
        (tmp_path / "class" / f"odd{i}.zip").write_bytes(content)
    for student in ("anna", "zoe"):
        (tmp_path / "class" / f"{student}.py").write_text(NEEDED)
    results = grade_class(tmp_path)
    assert (results["anna"].points, results["zoe"].points) == (7, 7)
    for i, (name, (_, points, text)) in enumerate(DAMAGED.items()):
        said = "; ".join([results[f"odd{i}"].message, *results[f"odd{i}"].notes])
        assert (name, results[f"odd{i}"].points, text in said) == (name, points, True), said
    assert not list(tmp_path.rglob("out.txt"))


DOUBLING = "; ".join(["v0 = x @ W + b", *(f"v{i} = v{i - 1} + v{i - 1}" for i in range(1, 64)), "return v63"])
"""Statements whose last result was followed back on 2 to the power of 63 ways."""


def test_no_text_takes_a_reader_long(tmp_path: Path) -> None:
    """What took minutes, or forever."""
    (tmp_path / "class").mkdir()
    sources = {
        "doubling": edited(FORWARD, DOUBLING),
        "spaces": NEEDED + f"from a{' ' * 200_000}\nimport{' ' * 200_000}\nx{' ' * 200_000}\n",
        "letters": NEEDED + f"from {'a' * 200_000}\n{'b' * 200_000}\n# coding{'c' * 200_000}\n",
        "quotes": NEEDED + "'''\"\"\"" * 20_000,
        "a long sum": edited(FORWARD, "return x @ W + b" + " + 0 * b" * 900),
        "brackets": NEEDED + "\nx = " + "(" * 5000 + ")" * 5000 + "\n",
    }
    for student, source in sources.items():
        (tmp_path / "class" / f"{student}.py").write_text(source)
    results = grade_class(tmp_path)
    assert {name: result.points for name, result in results.items()} == dict.fromkeys(sources, 7) | {"doubling": 6}


def test_the_work_is_graded_and_not_the_skeleton_beside_it(tmp_path: Path) -> None:
    def skeleton(source: str = "    raise NotImplementedError") -> str:
        head = [line for line in NEEDED.splitlines() if line.startswith("def ")]
        return "import numpy as np\n" + "\n".join(f"{line}\n    '''Do it.'''\n{source}\n" for line in head)

    def at(day: int, name: str) -> zipfile.ZipInfo:
        return zipfile.ZipInfo(name, (2026, 11, day, 12, 0, 0))

    wrong = edited(FORWARD, "return x")
    classes: dict[str, tuple[tuple[str | zipfile.ZipInfo, str], ...]] = {
        "skeleton later": ((at(3, "b.py"), skeleton()), (at(2, "a.py"), NEEDED)),
        "skeleton of pass": ((at(3, "b.py"), skeleton("    pass")), (at(2, "a.py"), NEEDED)),
        "template by name": ((at(3, "hw_template.py"), wrong), (at(2, "a.py"), NEEDED)),
        "older": ((at(1, "z.py"), wrong), (at(2, "a.py"), NEEDED)),
    }
    (tmp_path / "class").mkdir()
    for student, members in classes.items():
        (tmp_path / "class" / f"{student}.zip").write_bytes(archive(*members))
    (tmp_path / "class" / "tie.zip").write_bytes(archive((at(1, "a.py"), NEEDED), (at(1, "b.py"), wrong)))
    results = grade_class(tmp_path)
    assert [results[student].points for student in classes] == [7] * len(classes)
    assert "defines the same functions" in results["tie"].notes[0]


def test_a_data_set_beside_the_code_is_left_out(tmp_path: Path) -> None:
    folder = tmp_path / "class" / "anna"
    folder.mkdir(parents=True)
    (folder / "zz.py").write_text(NEEDED)
    with (folder / "data.npy").open("wb") as file:
        file.truncate(70 * 2**20)
    result = grade_class(tmp_path)["anna"]
    assert result.points == 7 and result.notes == ("left out, beyond 64 MB or 1000 files: data.npy",)


CODE_NAMES = ["fay.py.txt", "gus.PY", ".kay.py", "__jo.py", "_ian_.py", "lea.ipynb.json", "mo.ipynb.txt"]
OTHERS = ["bob.html", "cem.md", "dan.json", "eve.pdf", "kim_12_34_hw3.csv", "rar.rar", "tar.tar.gz"]


def test_every_file_of_a_student_has_a_row(tmp_path: Path) -> None:
    (tmp_path / "class").mkdir()
    for name in CODE_NAMES:
        notebook = json.dumps({"cells": [{"cell_type": "code", "source": NEEDED}], "nbformat": 4})
        (tmp_path / "class" / name).write_text(notebook if "ipynb" in name else NEEDED)
    for name in [*OTHERS, "roster.csv", "README.md", "submission_metadata.yml", ".DS_Store"]:
        (tmp_path / "class" / name).write_text("x")
    results = grade_class(tmp_path)
    points = {"_kay": 7, "__jo": 7, "_ian_": 7, "fay": 7, "gus": 7, "lea": 7, "mo": 7}
    assert {name: result.points for name, result in results.items()} == points | dict.fromkeys(
        ("bob", "cem", "dan", "eve", "kim", "rar", "tar"), 0
    )


NAMES = ["Li Wei / Vivian", "../../x", "..", "a\\..\\b", "C:x", ".bashrc", "e" * 400]


def test_no_name_leaves_the_folder_of_results(tmp_path: Path) -> None:
    text = ""
    for i, name in enumerate(NAMES):
        write_files(tmp_path / "class" / f"submission_{i}", {"hw.py": NEEDED})
        text += f"submission_{i}:\n  :submitters:\n  - :name: {name}\n    :sid: '{i}'\n"
    (tmp_path / "class" / "submission_metadata.yml").write_text(text)
    before = set(tmp_path.rglob("*"))
    assert [result.points for result in grade_class(tmp_path).values()] == [7] * len(NAMES)
    new = set(tmp_path.rglob("*")) - before - {tmp_path / "assignment", *(tmp_path / "assignment").rglob("*")}
    pages = [path for path in new if path.suffix == ".html" and path.name not in ("class.html", "show.html")]
    assert all(path.is_relative_to(tmp_path / "out") for path in new)
    assert len(pages) == len(NAMES)
    for page in pages:
        assert page.parent == tmp_path / "out" / "students" and page.name[0] != "."
        assert len(os.fsencode(page.name)) < 256
