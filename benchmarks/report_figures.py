"""Which command draws the counterpart of each figure and table of the five reports, and in how many processor seconds.

`report_figures.csv` lists them: the report, its figure, what it shows, the command, and the captions of the
counterparts in the report.html that the command writes ("printed": the command prints it). Each command is run here,
and a caption that is missing ends this program; grids that take hours are not run, their line says how long they take.
It writes docs/studies/figures.md:

    python benchmarks/report_figures.py [STUDY ...]

With names of studies only their commands are run, and nothing is written.
"""

import csv
import datetime
import os
import re
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path

FILE = Path(__file__).with_suffix(".csv")
PAGE = Path(__file__).parents[1] / "docs" / "studies" / "figures.md"
HEAD = """\
# The reports' figures

For each figure and table of the five reports the command that draws its counterpart. `--out my-figures` writes it into
`my-figures/report.html`, as a figure of the name that stands here, with its numbers as a table; what is *printed*
stands in the terminal. `python benchmarks/report_figures.py` runs each command that has a number of
seconds, finds the counterpart, and writes this page. Seconds are those of processors, measured on {date} beside other
work.

Some drawings are no results. The computational graph and the chain of derivatives of the boundary and mnist reports are
[the chain rule](../derivations/chain-rule.md); the model that the cifar report prints is
`deltarule explain cifar --experiment framework`.
"""


def seconds_of(command: str, counterparts: list[str]) -> float:
    """Run a command, check that it draws or prints the counterparts, and return the seconds of its processors."""
    with tempfile.TemporaryDirectory() as folder:
        before = sum(os.times()[2:4])
        arguments = [sys.executable, "-m", "deltarule", *shlex.split(command), "--out", folder]
        done = subprocess.run(arguments, capture_output=True, text=True, check=True)
        seconds = sum(os.times()[2:4]) - before
        page = (Path(folder) / "report.html").read_text(encoding="utf-8")
        captions = re.findall(r"<figcaption[^>]*>([^.<]*)", page)
        for name in counterparts:
            if name not in captions and not (name == "printed" and re.search(r"^ *100 ", done.stdout, re.MULTILINE)):
                sys.exit(f"{command}: there is no '{name}' among {captions}")
    return seconds


def main(studies: list[str]) -> None:
    rows = list(csv.DictReader(FILE.open(encoding="utf-8")))
    counterparts: dict[str, list[str]] = {}
    for row in rows:
        if not row["seconds"] and (not studies or row["report"] in studies):
            counterparts.setdefault(row["command"], []).extend(row["counterpart"].split("; "))
    seconds = {}
    for command, names in counterparts.items():
        seconds[command] = seconds_of(command, names)
        print(f"{seconds[command]:8.1f} s  {command}", flush=True)
    if studies:
        return
    lines = [HEAD.format(date=datetime.date.today())]
    for report in dict.fromkeys(row["report"] for row in rows):
        lines += [f"\n## {report}\n", "| figure | shows | command | counterpart | seconds |", "|---|---|---|---|---|"]
        for row in rows:
            if row["report"] == report:
                took = row["seconds"] or f"{seconds[row['command']]:.0f}"
                cells = row["figure"], row["shows"], f"`deltarule {row['command']}`", row["counterpart"], took
                lines.append(f"| {' | '.join(cells)} |")
    PAGE.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
