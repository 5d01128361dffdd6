"""What a grading would take from its files is shown, and nothing is run or written."""

import json
from pathlib import Path

from grading_examples import NEEDED, edited, roster, write_assignment, write_files

ROSTER = (
    "Student,ID,SIS Login ID,Section,A linear layer (5),Mood,due\n    Points Possible,,,,12,,\n"
    '"Lin, Ada",11,al@x.org,A,,good,2026-11-27 12:00\n"May, Bob",12,bm@x.org,A,,bad,2026-11-27 12:00\n'
    '"Oz, Cem",13,co@x.org,A,,bad,2026-11-28 12:00\n'
)


def test_whose_each_submission_is_by_what_and_when_it_came(deltarule, tmp_path: Path) -> None:
    path = write_assignment(tmp_path)
    path.write_text(f'{path.read_text()}\n[[manual]]\nname = "Why"\npoints = 3\n')
    marker = tmp_path / "it ran"
    ran = edited("import numpy as np", f"import numpy as np\nopen({str(marker)!r}, 'w')")
    write_files(tmp_path / "subs", {"11.py": ran, "May Bob.py": NEEDED, "eve.py": NEEDED, "notes.csv": "x"})
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "overrides.csv").write_text("student,points,reason\nzoe,3,who?\n")
    (tmp_path / "out" / "manual.csv").write_text("student,Why\nyan,3\n")
    before = sorted(tmp_path.rglob("*"))
    roster(tmp_path, ROSTER)
    words = ("grade", tmp_path / "subs", "--with", path, "--roster", tmp_path / "roster.csv", "--out", tmp_path / "out")
    status, out, _ = deltarule(*words, "--sandbox", "off", "--dry-run")
    assert status == 0 and [path for path in sorted(tmp_path.rglob("*")) if path.name != "roster.csv"] == before
    lines = [line.split() for line in out.splitlines()]
    assert lines[0][-5:] == "nothing is run or written".split()
    assert lines[3][:5] == ["11.py", "Lin,", "Ada", "id", "unknown"]
    assert lines[4][:6] == ["May", "Bob.py", "May,", "Bob", "name", "unknown"]
    for text in (
        "name from student; id from id, sis login id; section from section; due from due; "
        "not read: a linear layer (5), mood",
        "The roster's maximum is 12, and the assignment has 10 points",
        "Due: 2026-11-27 12:00:59 to 2026-11-28 12:00:59, in ",
        "Not read: notes.csv",
        "For you to decide: eve: not in the roster",
        "overrides.csv: 'zoe' is the name or id of 0 submissions; not applied",
        "manual.csv: 'yan' is the name or id of 0 submissions; not applied",
        "Nothing handed in: Oz, Cem",
    ):
        assert text in out
    _, out, _ = deltarule(*words, "--dry-run", "--json")
    assert [one["by"] for one in json.loads(out)["submissions"]] == ["id", "name", ""]
