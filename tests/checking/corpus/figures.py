"""Print how many programs of the corpus the checker judges and names rightly.

python tests/checking/corpus/figures.py [--half first|second] [--verbose]
"""

import argparse
import sys
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / "helpers"))

from student_programs import Outcome, judge, list_programs


def format_share(count: int, total: int) -> str:
    return f"{count:4} of {total} ({count / max(total, 1):.1%})"


def print_program(outcome: Outcome, is_verbose: bool) -> None:
    """Print one line: verdict, whether name and arrays are right, the codes, and the codes that are acceptable."""
    slip, marks = outcome.program.slip, ""
    if slip is not None:
        marks = f"{'named' if outcome.is_named else '-----'} {'arrays' if outcome.are_arrays_right else '------'}  "
    codes = ", ".join(outcome.codes) or "no name"
    expected = "" if slip is None or outcome.is_named else f"  (expected {' or '.join(slip.codes)})"
    print(f"  {outcome.verdict:10}  {marks}{outcome.program.id}: {codes}{expected}")
    if is_verbose or outcome.verdict == "refused":
        print("\n".join(f"      {line}" for line in outcome.text.splitlines()))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--half", choices=["first", "second"])
    parser.add_argument("--verbose", action="store_true", help="print the reports")
    parser.add_argument("--only", default="", help="programs whose name contains this")
    options = parser.parse_args()
    wrong, right = ([p for p in programs if options.only in p.id] for programs in list_programs(options.half))
    outcomes: dict[str, list[Outcome]] = {}
    for title, programs in (("wrong", wrong), ("right", right)):
        print(f"{len(programs)} {title} programs")
        outcomes[title] = []
        for program in programs:
            outcomes[title].append(judge(program))
            print_program(outcomes[title][-1], options.verbose)
    styles = {program.style_name for program in wrong + right}
    print(f"\n{len(wrong)} wrong and {len(right)} right programs in {len(styles)} styles")
    verdicts = Counter(outcome.verdict for outcome in outcomes["wrong"])
    print("wrong programs")
    for title, count in (
        ("named rightly", sum(o.is_named for o in outcomes["wrong"])),
        ("with right verdict by array", sum(o.are_arrays_right for o in outcomes["wrong"])),
        ("rejected without a name", sum(o.verdict == "wrong" and not o.codes for o in outcomes["wrong"])),
        ("rejected with a false name", sum(bool(o.codes) and not o.is_named for o in outcomes["wrong"])),
        ("accepted", verdicts["right"]),
        ("not proved", verdicts["not proved"]),
        ("refused with an exception", verdicts["refused"]),
    ):
        print(f"  {title:28} {format_share(count, len(wrong))}")
    verdicts = Counter(outcome.verdict for outcome in outcomes["right"])
    print("right programs")
    for title, count in (
        ("proved", verdicts["right"]),
        ("not proved", verdicts["not proved"]),
        ("called wrong", verdicts["wrong"]),
        ("refused with an exception", verdicts["refused"]),
    ):
        print(f"  {title:28} {format_share(count, len(right))}")


if __name__ == "__main__":
    main()
