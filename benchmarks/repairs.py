"""Which corrections are shown for the wrong programs of `tests/checking/repair/corpus`, against those that are meant.

    python benchmarks/repairs.py [--only NAME] [--seconds 5]
    python benchmarks/repairs.py --students 6        every sixth wrong program of tests/checking/corpus

It prints a line a program and the totals: the meant correction shown first, its line, another line (falsely named), any
correction, and the processor seconds. Programs of students are judged by the line alone: there are many right texts.
"""

import argparse
import sys
from difflib import SequenceMatcher
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import thread_time
from types import ModuleType
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "helpers"))

from repaired_programs import judge, list_repaired_programs
from student_programs import Program, list_programs

from deltarule.checking import repair


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--only", default="")
    parser.add_argument("--students", type=int, default=0)
    parser.add_argument("--seconds", type=float, default=repair.SECONDS)
    options = parser.parse_args()
    repair.SECONDS = options.seconds
    if options.students:
        judge_students(options.students)
    else:
        judge_corpus(options.only)


def judge_corpus(only: str) -> None:
    judged = []
    for program in [one for one in list_repaired_programs() if only in one.name]:
        one = judge(program)
        judged.append(one)
        state = "exact" if one.exact else "line" if one.is_line and one.found else "no correction"
        state = "other line" if one.found and not one.is_line else state
        print(f"{state:13s} {one.seconds:5.1f} s  {program.name}", flush=True)
        if not one.exact:
            print(f"{'':23s}meant {program.line}: {program.right_line}\n{'':23s}shown {one.shown}")
    seconds = [one.seconds for one in judged]
    exact, lines = sum(one.exact for one in judged), sum(one.is_line for one in judged)
    other_lines, found = sum(one.found and not one.is_line for one in judged), sum(one.found for one in judged)
    print(f"{len(judged)} programs: {exact} exactly the meant correction first")
    print(f"{lines} its line, {other_lines} another line")
    print(f"{found} any correction; median {median(seconds):.1f} s, slowest {max(seconds):.1f} s")


def judge_students(every: int) -> None:
    wrong, right = list_programs()
    sources = {(program.style_name, program.name): program.source for program in right}
    counts = {"its line": 0, "another line": 0, "no correction": 0}
    seconds = []
    with TemporaryDirectory() as folder:
        for program in wrong[::every]:
            assert program.slip is not None
            begin = thread_time()
            correction = _report(program, Path(folder)).correction
            seconds.append(thread_time() - begin)
            changes = correction.changes if correction else ()
            meant = meant_lines(program.source, sources[program.style_name, program.slip.on or "as written"])
            is_line = bool(meant & {change.line for change in changes})
            state = "its line" if is_line else "another line" if changes else "no correction"
            counts[state] += 1
            shown = "; ".join(f"{change.line}: {change.new}" for change in changes)
            print(f"{state:13s} {seconds[-1]:5.1f} s  {program.id}  {shown}", flush=True)
    print(f"{len(seconds)} programs: {counts}; {median(seconds):.1f} s, at most {max(seconds):.1f}")


def _report(program: Program, folder: Path) -> Any:
    """What the check of a program says that was run from a file."""
    path = folder / f"{program.id}.py"
    path.write_text(program.source, encoding="utf-8")
    module = ModuleType(program.id)
    exec(compile(program.source, str(path), "exec"), vars(module))
    return program.style.check(module)


def meant_lines(wrong: str, right: str) -> set[int]:
    """The lines of a wrong program that differ from the right one; where lines are left out, those around."""
    matcher = SequenceMatcher(a=wrong.split("\n"), b=right.split("\n"), autojunk=False)
    lines: set[int] = set()
    for kind, start, stop, _, _ in matcher.get_opcodes():
        if kind != "equal":
            lines |= set(range(start + 1, stop + 1)) or {start, start + 1}
    return lines


if __name__ == "__main__":
    main()
