"""What a grading writes: the same bytes each time, and hints as allowed."""

import csv
import dataclasses
import io
import json
import xml.etree.ElementTree as ET
from dataclasses import replace
from pathlib import Path

import pytest
from grading_examples import BACKWARD, NEEDED, edited, grade_files, graded, record_of
from refusals import refuses

from deltarule.checking.catalog import make_mistake
from deltarule.grading.record import GradeRecord
from deltarule.grading.results import (
    changes,
    class_page,
    class_summary,
    count_mistakes,
    grades_csv,
    gradescope_results,
    junit_xml,
    prairielearn_results,
    read_book,
    show_page,
    similar_code,
    student_page,
    write_results,
)
from deltarule.grading.source import fingerprint, line_of, statement_shapes

SOURCES = {
    "anna": NEEDED,
    "bert": edited(BACKWARD, "return dz @ W.T, -x.T @ dz, dz.sum(axis=0)"),
    "carl": "def linear_forward(x, W, b)\n",
    "dora": edited(BACKWARD, "return dz @ W.T, -x.T @ dz, dz.sum(axis=0)"),
}


@pytest.fixture(scope="module")
def record(tmp_path_factory: pytest.TempPathFactory) -> GradeRecord:
    files = {f"{name}.py": source for name, source in SOURCES.items()}
    return grade_files(tmp_path_factory.mktemp("class"), files)


@pytest.mark.slow
def test_csv(record: GradeRecord) -> None:
    rows = list(csv.DictReader(io.StringIO(grades_csv(record))))
    assert [(row["student"], float(row["points"])) for row in rows] == [
        ("anna", 7),
        ("bert", 5),
        ("carl", 0),
        ("dora", 5),
    ]
    assert rows[1]["linear_backward(dz, x, W): dW"] == "0"
    assert "SyntaxError" in rows[2]["remarks"]


def test_gradescope(record: GradeRecord) -> None:
    results = gradescope_results(record, record.submissions[1])
    assert results["score"] == sum(test["score"] for test in results["tests"]) == 5
    assert {test["visibility"] for test in results["tests"]} == {"visible"}
    assert all(test["max_score"] >= test["score"] for test in results["tests"])


def test_junit(record: GradeRecord) -> None:
    suites = ET.fromstring(junit_xml(record))
    assert [(suite.get("name"), suite.get("tests"), suite.get("failures")) for suite in suites] == [
        ("anna", "6", "0"),
        ("bert", "6", "1"),
        ("carl", "6", "6"),
        ("dora", "6", "1"),
    ]
    odd = dataclasses.replace(record.submissions[2], student='q"<&>\x01', message="\ufffe")
    assert len(ET.fromstring(junit_xml(dataclasses.replace(record, submissions=(odd,), title="\x00")))) == 1


def test_prairielearn(record: GradeRecord) -> None:
    results = {result.student: prairielearn_results(record, result) for result in record.submissions}
    assert results["bert"]["score"] == 5 / 7
    assert (results["anna"]["gradable"], results["carl"]["gradable"]) == (True, False)
    assert sum(test["points"] for test in results["bert"]["tests"]) == 5


def test_class_page(record: GradeRecord) -> None:
    [mistake], [failure] = count_mistakes(record)
    assert (mistake.text.partition(":")[0], mistake.students) == ("sign", ["bert", "dora"])
    assert mistake.line == "line 13: return dz @ W.T, -x.T @ dz, dz.sum(axis=0)"
    assert failure.students == ["carl"]
    page = class_page(record)
    assert "2 of 4: sign" in page and "(bert, dora)" in page and mistake.line in page
    assert class_summary(record)["same"] == [["bert", "dora"]]
    assert 'href="students/anna.html"' in page


@pytest.mark.parametrize(
    ("hint", "told"),
    [
        (0, []),
        (1, ["dW is wrong"]),
        (2, ["dW is wrong", "sign"]),
        (3, ["dW is wrong", "sign", "-x.T @ dz"]),
        (4, ["dW is wrong", "sign", "-x.T @ dz", "change the sign"]),
    ],
)
def test_hint_levels(record: GradeRecord, hint: int, told: list[str]) -> None:
    limited = dataclasses.replace(record, hint=hint)
    result = limited.submissions[1]
    for text in (student_page(limited, result), gradescope_results(limited, result)["tests"][2]["output"]):
        for phrase in ("dW is wrong", "sign", "-x.T @ dz", "change the sign"):
            assert (phrase in text) == (phrase in told)


def test_same_bytes_again(record: GradeRecord, tmp_path: Path) -> None:
    folders = [tmp_path / "one", tmp_path / "two"]
    for folder in folders:
        write_results(folder, record)
    files = [{path.relative_to(folder): path.read_bytes() for path in folder.rglob("*.*")} for folder in folders]
    assert files[0] == files[1]
    assert json.loads(files[0][Path("record.json")])["submissions"][1]["points"] == 5


@pytest.mark.slow
def test_failed_calls_and_missing_functions_of_a_class(tmp_path: Path) -> None:
    failing = edited(BACKWARD, "raise ValueError(str(id(x)))")
    sources = {"anna": failing, "bert": NEEDED.replace("def step", "def stop"), "carl": "\n" + failing}
    record = grade_files(tmp_path, {f"{name}.py": source for name, source in sources.items()})
    assert [(one.text, one.students) for one in count_mistakes(record)[1]] == [
        ("linear_backward(dz, x, W) fails: ValueError", ["anna", "carl"]),
        ("step(W, dW, 0.1) fails: NameError: name 'step' is not defined", ["bert"]),
    ]


def test_odd_names_in_tables(record: GradeRecord) -> None:
    names = ["=1+1", "@x", "\tx", "a\rb", "-1", 'q"<&>', "\ufffe\x01", "a,b;c"]
    results = tuple(dataclasses.replace(record.submissions[2], student=name, message=name) for name in names)
    odd = dataclasses.replace(record, submissions=results)
    rows = list(csv.reader(io.StringIO(grades_csv(odd))))[1:]
    assert len(rows) == len(names)
    for row in rows:
        for text in (row[0], row[-1]):
            assert text[0] not in "=+-@\t\r" and not {"\t", "\r", "\n"} & set(text)


def test_code_that_differs_in_names_and_comments_is_the_same(tmp_path: Path) -> None:
    renamed = NEEDED.replace("dz", "delta").replace(
        "import numpy as np", '"""Mine."""\nimport numpy as np  # for arrays'
    )
    other = edited(BACKWARD, "return dz @ W.T, x.T @ dz, dz.sum(0)")
    assert fingerprint([("a", NEEDED)]) == fingerprint([("b", renamed)]) != fingerprint([("a", other)])


def test_library_functions_and_attributes_are_no_names_of_ones_own() -> None:
    codes = [
        f"def f(dz):\n    return dz.{name}(axis=0) + np.{name}(dz) + {name}(dz)" for name in ("sum", "mean", "max")
    ]
    own = "class A:\n    def __init__(self, {w}):\n        self.{w} = {w}\n    def {f}(self):\n        return self.{w}"
    assert len({fingerprint([("hw.py", code)]) for code in codes}) == 3
    assert len({statement_shapes([("hw.py", code)]) for code in codes}) == 3
    renamed = [own.format(w="W", f="forward"), own.format(w="weights", f="apply")]
    assert len({fingerprint([("hw.py", code)]) for code in renamed}) == 1


@pytest.mark.parametrize("code", ["", "# nothing yet", 'import numpy as np\n\ndef f(x):\n    """To do."""\n    pass'])
def test_what_nobody_wrote_is_nobodys_copy(code: str) -> None:
    assert fingerprint([("hw.py", code)]) == ""
    record = record_of(*(replace(graded(name), fingerprint=fingerprint([("hw.py", code)])) for name in ("ada", "bob")))
    assert class_summary(record)["same"] == []


def test_a_page_leads_with_the_first_thing_to_do(record: GradeRecord) -> None:
    page = student_page(record, record.submissions[1])
    first = page[page.index("<h1>") : page.index("of 7 points")]
    for text in ("dW is wrong", "line 13: return dz @ W.T, -x.T @ dz", "change the sign"):
        assert text in first


LINES = """
def backward(x, a1, dz2, W1, W2):
    da1 = dz2 @ W2.T
    dz1 = da1 * a1
    dW1 = x.T @ dz1
    dW2, db2 = a1.T @ dz2, dz2.sum(0)
    return dW1, dz1.sum(0), dW2, db2
"""


@pytest.mark.parametrize(("wrong", "line"), [("0", 5), ("01", 4), ("1", 7), ("2", 6), ("012", 5), ("0123", 5)])
def test_the_line_on_which_what_is_wrong_depends(wrong: str, line: int) -> None:
    returned = ["dW1", "dz1.sum(0)", "dW2", "db2"]
    parts = [[text for i, text in enumerate(returned) if (str(i) in wrong) == is_wrong] for is_wrong in (True, False)]
    expected = f"line {line}: {LINES.splitlines()[line - 1].strip()}"
    assert line_of([("a.py", LINES)], "backward(x, a1, dz2, W1, W2)", *parts) == expected


def test_changes_since_an_earlier_grading(tmp_path: Path) -> None:
    write_results(tmp_path, record_of(graded("ada", 4.0), graded("bob"), graded("cem", 1.0, delivered="cem.py")))
    right = graded("cem-2", 10.0, delivered="cem.py")
    check = replace(right.checks[0], arrays=(replace(right.checks[0].arrays[0], verdict="wrong"),))
    new = record_of(graded("ada", 6.0), graded("bob"), replace(right, checks=(check,)), graded("dee"))
    expected = ["ada: 4 before, 6 now", "cem-2: 1 before, 10 now: z of f(x) right, now wrong", "dee: new, 10"]
    assert changes(read_book(tmp_path), new) == changes(read_book(tmp_path / "record.json"), new) == expected


def test_a_book_that_is_none(tmp_path: Path) -> None:
    (tmp_path / "record.json").write_text('{"submissions": [{}]}')
    with refuses(tmp_path / "record.json"):
        read_book(tmp_path)


PAIR = [
    "def f(x, W):\n"
    "    z = x @ W - x.sum()\n    u = np.tanh(z) * 3\n    v = u + z ** 5\n    w = v / (1 + u)\n    return w - u",
    'def g(a, B):\n    """Mine."""\n    k = a @ B - a.sum()\n    r = np.tanh(k) * 3\n    # other\n'
    "    s = r + k ** 5\n    q = s / (1 + r)\n    if a is None:\n        k = 0\n    return q - r",
]


def test_copies_that_are_renamed_and_reordered() -> None:
    moved = "\n".join([*PAIR[1].split("\n")[:2], *reversed(PAIR[1].split("\n")[2:7]), *PAIR[1].split("\n")[7:]])
    usual = "def f(x, W):\n    z = x @ W\n    a = np.tanh(z)\n    return a"
    codes = {"ada": PAIR[0], "bob": moved, **{f"own {i}": f"{usual} * {i}" for i in range(6)}}
    cells = {name: [("main.py", code)] for name, code in codes.items()}
    results = [
        replace(graded(name), fingerprint=fingerprint(code), statements=statement_shapes(code))
        for name, code in cells.items()
    ]
    assert [students for _, students in similar_code(record_of(*results))] == [["ada", "bob"]]


def test_the_page_to_show_names_nobody() -> None:
    mistake = make_mistake("sign", ["W"], "the sign of W is wrong")
    check = replace(graded("").checks[0], mistakes=(mistake,), lines=("line 4: dW = -x.T @ dz  # by Zoe",))
    check = replace(check, right_lines=("line 9: dW = x.T @ dz",))
    page = show_page(record_of(replace(graded("Zoe Qi"), checks=(check,)), graded("Ada")))
    assert "<code>dW = -x.T @ dz</code>" in page and "<code>dW = x.T @ dz</code>" in page
    assert "Zoe" not in page and "Ada" not in page and "change the sign" in page
