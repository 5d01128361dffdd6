"""What a teacher marks, bonus points, and groups."""

from pathlib import Path

import pytest
from grading_examples import ASSIGNMENT, NEEDED, graded, record_of, roster, write_assignment
from refusals import refuses

from deltarule.errors import BadInput
from deltarule.grading.assignment import read_assignment
from deltarule.grading.checks import ManualSection
from deltarule.grading.marks import apply_marks, match_marks, open_marks, read_marks, write_marks
from deltarule.grading.roster import apply_roster, read_roster

PLOT = ManualSection(name="The plot", rubric={"axes": 1.0, "caption": 2.0})
ESSAY = ManualSection(name="Why", points=4.0, prompt="Why does it diverge?", bonus=True)


def test_marks_are_kept_and_rows_added(tmp_path: Path) -> None:
    record, path = record_of(graded("ada"), graded("=bob")), tmp_path / "manual.csv"
    write_marks(path, record, [PLOT])
    text = path.read_text(encoding="utf-8-sig")
    assert text.splitlines()[:2] == ["student,name,The plot: axes,The plot: caption,comment", "ada,ada,,,"]
    path.write_text(text.replace("ada,ada,,,", 'ada,ada,1,"0,5","well\ndone"'))
    marks = read_marks(path, [PLOT, ESSAY])
    write_marks(path, record_of(graded("ada"), graded("cem")), [PLOT, ESSAY])
    again = read_marks(path, [PLOT, ESSAY])
    assert again["ada"] | marks["ada"] == again["ada"] and set(again) == {"ada", "=bob", "cem"}
    marked = apply_marks(record, [PLOT, ESSAY], again)
    assert [one.points for one in marked.submissions] == [11.5, 10.0] and marked.max_points == 13
    assert marked.submissions[0].checks[1].message == "well\ndone"
    assert [one.student for one in open_marks(marked)] == ["ada", "=bob"]


def test_what_a_teacher_saves_is_only_added_to(tmp_path: Path) -> None:
    """A grading begins, the teacher saves marks with a German Excel meanwhile, and it ends."""
    path = tmp_path / "manual.csv"
    write_marks(path, record_of(graded("ada")), [PLOT])
    saved = "student;name;The plot: axes;The plot: caption;comment;mine\nada;Ada;1;0,5;schön;x\n\nzoe;;;;;\n"
    path.write_bytes(saved.replace("\n", "\r\n").encode("cp1252"))
    write_marks(path, record_of(graded("ada"), graded("cem")), [PLOT])
    assert path.read_text(encoding="utf-8-sig") == f"{saved}cem;cem;;;;\n"
    write_marks(path, record_of(graded("ada"), graded("cem")), [PLOT])
    assert path.read_text(encoding="utf-8-sig") == f"{saved}cem;cem;;;;\n"
    write_marks(path, record_of(graded("ada")), [PLOT, ESSAY])
    lines = path.read_text(encoding="utf-8-sig").splitlines()
    assert lines[:2] == [saved.splitlines()[0] + ";Why", "ada;Ada;1;0,5;schön;x;"]


def test_rows_and_columns_are_matched_as_overrides_are(tmp_path: Path) -> None:
    path = tmp_path / "manual.csv"
    path.write_text("Student,WHY\nAda Lin,3\n12,2\nzoe,1\nyan,\n")
    people = roster(tmp_path, "id,name,group\n11,Ada Lin,red\n12,Bob May,red\n13,Cem Oz,\n")
    record = record_of(graded("linada", id="11"), graded("cem oz"))
    named = apply_roster(record, people, 0)
    marks = read_marks(path, [ESSAY])
    matched, problems = match_marks(
        {"Ada Lin": marks["Ada Lin"], "zoe": marks["zoe"]}, named.submissions, record.submissions
    )
    assert matched == {"linada": marks["Ada Lin"]}
    assert problems == ["manual.csv: 'zoe' is the name or id of 0 submissions; not applied"]
    matched, _ = match_marks({"12": marks["12"]}, named.submissions, record.submissions)
    assert matched == {"linada": marks["12"]}  # of her group
    matched, problems = match_marks(marks, named.submissions, record.submissions)
    assert matched == {"linada": marks["Ada Lin"]} and "'12' has another row, as linada" in problems[0]
    write_marks(path, named, [ESSAY])
    assert path.read_text(encoding="utf-8-sig").splitlines() == [
        "Student,WHY,name,comment",
        "Ada Lin,3,,",
        "12,2,,",
        "zoe,1,,",
        "yan,,,",
        "cem oz,,Cem Oz,",
    ]


def test_bonus_points_are_beyond_the_maximum() -> None:
    marked = apply_marks(record_of(graded("ada")), [ESSAY], {"ada": {"student": "ada", "why": "4"}})
    assert marked.submissions[0].points == 14 and marked.max_points == 10


@pytest.mark.parametrize("text", ["5", "-1", "good", "nan"])
def test_bad_marks(tmp_path: Path, text: str) -> None:
    (tmp_path / "manual.csv").write_text(f"student,Why\nada,{text}\n")
    with refuses("Why", "ada", 0, 4):
        read_marks(tmp_path / "manual.csv", [ESSAY])


@pytest.mark.parametrize(
    ("manual", "sentence"),
    [
        ('name = "Plot"', "'Plot' has no points"),
        ('name = "Plot"\npoints = 2\nrubric = { axes = 1 }', "other points than its points"),
        ('name = "Plot"\npoints = 2\n[[manual]]\nname = "Plot"\npoints = 1', "two .* tables have one name"),
        ("points = 2", "name is missing"),
    ],
)
def test_bad_questions(tmp_path: Path, manual: str, sentence: str) -> None:
    with pytest.raises(BadInput, match=sentence):
        read_assignment(write_assignment(tmp_path, f"{ASSIGNMENT}\n[[manual]]\n{manual}\n"))


GROUPED = "id,name,due\n1,Ada Lin,2020-01-01\n2,Bob May,\n3,Cem Oz,\n4,Dee Po,\n5,Eve Qi,\n"


def test_groups_of_a_file(tmp_path: Path) -> None:
    roster(tmp_path, GROUPED)
    (tmp_path / "groups.csv").write_text("student id,group\n1,red\n2,red\n4,red\n3,blue\n5,blue\n")
    people = read_roster(tmp_path / "roster.csv", tmp_path / "groups.csv")
    record = apply_roster(
        record_of(graded("bob may", 7.0, time=1.57795e9), graded("cem oz"), graded("eve qi")), people, 10
    )
    points = {one.title: (one.points, one.partner) for one in record.submissions}
    assert points["Bob May"] == (7, "") and points["Dee Po"] == (7, "bob may") and record.absent == ()
    assert points["Ada Lin"] == (6, "bob may")  # by her own due time
    assert points["Cem Oz"] == points["Eve Qi"] == (10, "")  # two of a group who both handed something in
    record = apply_roster(record_of(graded("blue", id="99")), people, 0)
    assert sorted(one.title for one in record.submissions) == ["Cem Oz", "Eve Qi"] and not record.uncertain


def test_a_groups_file_with_a_stranger(tmp_path: Path) -> None:
    roster(tmp_path, GROUPED)
    (tmp_path / "groups.csv").write_text("name,group\nFay Ro,red\n")
    with refuses("Fay Ro", 0):
        read_roster(tmp_path / "roster.csv", tmp_path / "groups.csv")


@pytest.mark.slow
def test_manual_points_of_a_group_at_the_shell(deltarule, tmp_path: Path) -> None:
    text = ASSIGNMENT.replace('returns = ["W"]', 'returns = ["W"]\nbonus = true')
    write_assignment(tmp_path, f'{text}\n[[manual]]\nname = "Why"\npoints = 4\n')
    roster(tmp_path, "id,name,group\n1,Ada Lin,red\n2,Bob May,red\n")
    (tmp_path / "subs").mkdir()
    (tmp_path / "subs" / "Ada Lin.py").write_text(NEEDED)
    out = tmp_path / "out"
    words = (tmp_path / "subs", "--with", tmp_path / "assignment.toml", "--roster", tmp_path / "roster.csv", "--out")
    assert "Not marked yet: 2 of 2" in deltarule("grade", *words, out)[1]
    (out / "manual.csv").write_text("student,Why\nAda Lin,3.5\n")
    for _ in range(2):
        status, printed, _ = deltarule("grade", *words, out)
        assert status == 0 and "2 submissions, 10 points" in printed and "Not marked" not in printed
    assert [row.split(",")[4:6] for row in (out / "grades.csv").read_text().splitlines()[1:]] == [["10.5", "10"]] * 2
    assert "3.5 of 4" in (out / "students" / "2 (group).html").read_text()
