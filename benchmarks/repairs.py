"""Which corrections are shown for the wrong programs of `tests/checking/repair/corpus`, against those that are meant.

    python benchmarks/repairs.py [--only NAME] [--seconds 5]

It prints a line a program and the totals: the meant correction shown first, its line, another line (falsely named), any
correction, and the processor seconds.
"""

import argparse
import sys
from pathlib import Path
from statistics import median

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "helpers"))

from repaired_programs import judge, list_repaired_programs

from deltarule.checking import repair


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--only", default="")
    parser.add_argument("--seconds", type=float, default=repair.SECONDS)
    options = parser.parse_args()
    repair.SECONDS = options.seconds
    judged = []
    for program in [one for one in list_repaired_programs() if options.only in one.name]:
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


if __name__ == "__main__":
    main()
