"""Measure `deltarule grade` on a class: seconds, processor seconds, and the memory of the grader.

    python benchmarks/grading.py [--submissions 200] [--assignment docs/assignments/softmax-network]

Six of ten submissions are the assignment's solution, the others its examples of mistakes in turn; each is a file, a
notebook, a folder or a zip. Linux alone: the peak memory is that of the process of `deltarule grade`, the processor
seconds are those of all processes that it starts.
"""

import argparse
import ctypes
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from zipfile import ZipFile

ROOT = Path(__file__).parents[1]
PR_SET_CHILD_SUBREAPER = 36


def main() -> None:
    """Grade a class, and print what it took."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--submissions", type=int, default=200)
    parser.add_argument("--assignment", type=Path, default=ROOT / "docs" / "assignments" / "softmax-network")
    options = parser.parse_args()
    right = options.assignment / "solution.py"
    wrong = sorted((options.assignment / "submissions").glob("*.py"))
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)  # so that the time of processes without a parent counts
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name, "class")
        folder.mkdir()
        for i in range(options.submissions):
            source = right if i % 10 < 6 else wrong[i % len(wrong)]
            write_submission(folder, i, f"{source.read_text(encoding='utf-8')}\n# {i}\n")
        words = [str(folder), "--with", str(options.assignment / "assignment.toml"), "--out", str(Path(name, "out"))]
        started = time.perf_counter()
        grader = subprocess.Popen([sys.executable, "-m", "deltarule", "grade", *words], stdout=subprocess.DEVNULL)
        peak = 0
        while grader.poll() is None:
            lines = Path(f"/proc/{grader.pid}/status").read_text().splitlines()
            peak = max([peak, *(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))])
            time.sleep(0.05)
        seconds = time.perf_counter() - started
        with suppress(ChildProcessError):
            while True:
                os.wait()
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        record = json.loads(Path(name, "out", "record.json").read_text())
        results = record["submissions"]
        full = sum(result["points"] == result["max_points"] for result in results)
        graded = sum(result["is_gradable"] for result in results)
        print(f"{len(results)} submissions, {graded} graded, {full} with all points, by {record['sandbox']}")
        print(f"{seconds:.1f} s, {used.ru_utime + used.ru_stime:.1f} processor seconds", end=", ")
        print(f"{peak / 1024:.0f} MB in the grader; status {grader.returncode}")


def write_submission(folder: Path, i: int, text: str) -> None:
    """Write a submission in one of the forms in which students hand in."""
    student = folder / f"student{i:03}"
    form = i % 4
    if form == 0:
        student.with_suffix(".py").write_text(text, encoding="utf-8")
    elif form == 1:
        cells = [{"cell_type": "code", "source": cell} for cell in text.split("\n\n\n")]
        student.with_suffix(".ipynb").write_text(json.dumps({"cells": cells, "nbformat": 4}), encoding="utf-8")
    elif form == 2:
        student.mkdir()
        (student / "homework.py").write_text(text, encoding="utf-8")
    else:
        with ZipFile(student.with_suffix(".zip"), "w") as archive:
            archive.writestr("hw/homework.py", text)


if __name__ == "__main__":
    main()
