"""Measure `deltarule grade` on a class: seconds, and the memory of the grader.

    python benchmarks/grading.py [--submissions 200] [--assignment docs/assignments/softmax-network]

The class is made of the assignment's solution and its example submissions, in turn, so most have a mistake to name.
Linux alone: the peak memory is that of the process of `deltarule grade`, without the submissions' own.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]


def main() -> None:
    """Grade a class, and print what it took."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--submissions", type=int, default=200)
    parser.add_argument("--assignment", type=Path, default=ROOT / "docs" / "assignments" / "softmax-network")
    options = parser.parse_args()
    sources = [options.assignment / "solution.py", *sorted((options.assignment / "submissions").glob("*.py"))]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name, "class")
        folder.mkdir()
        for i in range(options.submissions):
            text = sources[i % len(sources)].read_text(encoding="utf-8")
            (folder / f"student{i:03}.py").write_text(f"{text}\n# {i}\n", encoding="utf-8")
        words = [str(folder), "--with", str(options.assignment / "assignment.toml"), "--out", str(Path(name, "out"))]
        started = time.perf_counter()
        grader = subprocess.Popen([sys.executable, "-m", "deltarule", "grade", *words], stdout=subprocess.DEVNULL)
        peak = 0
        while grader.poll() is None:
            lines = Path(f"/proc/{grader.pid}/status").read_text().splitlines()
            peak = max([peak, *(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))])
            time.sleep(0.05)
        seconds = time.perf_counter() - started
        record = json.loads(Path(name, "out", "record.json").read_text())
        results = record["submissions"]
        full = sum(result["points"] == result["max_points"] for result in results)
        graded = sum(result["is_gradable"] for result in results)
        print(f"{len(results)} submissions, {graded} graded, {full} with all points, by {record['sandbox']}")
        print(f"{seconds:.1f} s, {peak / 1024:.0f} MB in the grader; status {grader.returncode}")


if __name__ == "__main__":
    main()
