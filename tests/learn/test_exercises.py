"""Exercises: solutions are right, and of a hole with a slip the check names the line."""

import importlib.util
import json
import re
import sys

import pytest

from deltarule import check
from deltarule.learn.exercises import starter
from deltarule.learn.pages import FOLDER, LESSONS, lesson_text, write_lessons

SLIPS = {
    "slope": ("2 * r * x", "2 * r"),
    "node": ("da = 1.2\n", "da = 1.2 * a\n"),
    "graph": ("dm * s + ds", "ds"),
    "network": ("a1.T @ dz2", "a1 * dz2"),
    "batch": ("x.T @ dz", "x * dz"),
    "softmax": ("(p - y) / len(x)", "p - y"),
    "stuck": (" * (z2 > 0)", " * a2"),
    "steps": ("h.T @ dz2 + strength * W2", "h.T @ dz2"),
    "seeds": ("dz1.sum(axis=1", "dz1.mean(axis=1"),
}


def solution(name):
    return (FOLDER / "lessons" / f"{name}.py").read_text(encoding="utf-8")


@pytest.fixture
def load(tmp_path, monkeypatch):
    """Return a function that imports a script from a file of its own."""

    def loaded(name, text):
        path = tmp_path / f"{name}.py"
        path.write_text(text, encoding="utf-8")
        specification = importlib.util.spec_from_file_location(f"exercise_{name}", path)
        module = importlib.util.module_from_spec(specification)
        monkeypatch.setitem(sys.modules, module.__name__, module)
        specification.loader.exec_module(module)
        return module

    return loaded


@pytest.mark.slow
@pytest.mark.parametrize("name", LESSONS)
def test_a_solution_is_right_and_a_slip_is_found_in_its_line(load, name):
    text = solution(name)
    right = check(load(name, text))
    assert right.ok and all(entry.verdict == "right" for entry in right.arrays)
    wrong = text.replace(*SLIPS[name])
    (line,) = (n for n, (a, b) in enumerate(zip(text.splitlines(), wrong.splitlines(), strict=True), 1) if a != b)
    report = check(load(f"{name}_slip", wrong))
    assert not report.ok
    assert re.search(rf"^ +line {line}\b", report.text(100), re.MULTILINE), report.text(100)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "right", "wrong"),
    [
        ("graph", {"dv * (m > t)": "dv", "dv * (t > m)": "0 * dv"}, "line 22"),
        ("network", {"db2 = dz2.sum(axis=0)": "db2 = dz2"}, "has its array’s shape"),
        ("network", {"dz1.sum(axis=0)": "dz1.sum(axis=0, keepdims=True)"}, "has its array’s shape"),
        ("batch", {"dz.sum(axis=0)": "dz.sum()"}, "has its array’s shape"),
        ("softmax", {"dz.sum(axis=0)": "dz.sum(axis=0, keepdims=True)"}, "has its array’s shape"),
        # Gradients of a loss that is not the page's: right for themselves.
        ("network", {"sigmoid(x @ W1 + b1)": "np.tanh(x @ W1 + b1)", "a1 * (1 - a1)": "(1 - a1**2)"}, "J must be"),
        ("batch", {"-np.mean(": "-np.sum(", "(p - y) / len(x)": "p - y"}, "J must be"),
        ("softmax", {" / len(x)\n    dz": "\n    dz", "(p - y) / len(x)": "p - y"}, "J must be"),
    ],
)
def test_what_is_right_in_one_case_only_or_has_another_shape_is_refused(deltarule, tmp_path, name, right, wrong):
    text = solution(name)
    for line, slip in right.items():
        assert text.count(line) == 1
        text = text.replace(line, slip)
    (tmp_path / "slip.py").write_text(text, encoding="utf-8")
    status, out, err = deltarule("check", str(tmp_path / "slip.py"))
    assert status != 0 and wrong in out + err


@pytest.mark.parametrize("name", LESSONS)
def test_a_hole_is_short_and_says_what_is_missing(deltarule, tmp_path, name):
    hole = solution(name).partition("# Your lines: ")[2].partition("# End")[0]
    assert 1 <= len(hole.splitlines()) - 2 <= 15
    text = starter(solution(name))
    (tmp_path / "starter.py").write_text(text, encoding="utf-8")
    status, _, err = deltarule("check", str(tmp_path / "starter.py"))
    assert status == 2 and "line" in err and "your lines are missing here" in err
    assert "# End" not in text and not any(line.strip() in text for line in hole.splitlines()[1:-1])
    (block,) = re.findall(r"```python\n(.*?)\n```", lesson_text(name), re.DOTALL)
    assert block in text


@pytest.mark.slow
def test_they_are_written_beside_the_pages_and_what_is_filled_is_kept(deltarule, tmp_path):
    write_lessons(tmp_path)
    files = [tmp_path / f"{n}-{name}.py" for n, name in enumerate(LESSONS, 1)]
    status, _, err = deltarule("check", str(files[3]))
    assert status == 2 and "your lines are missing here" in err
    files[3].write_text(solution("network"), encoding="utf-8")
    status, out, _ = deltarule("check", str(files[3]))
    assert status == 0 and "right" in out
    write_lessons(tmp_path)
    assert files[3].read_text(encoding="utf-8") == solution("network")


def test_a_notebook_has_the_script_and_a_cell_that_checks_it(tmp_path):
    write_lessons(tmp_path, ("batch",))
    nbformat = pytest.importorskip("nbformat")
    book = nbformat.read(tmp_path / "5-batch.ipynb", as_version=4)
    nbformat.validate(book)
    task, exercise, checked = (cell.source for cell in book.cells)
    assert task.startswith("# Page 5") and exercise in (tmp_path / "5-batch.py").read_text(encoding="utf-8")
    assert json.loads((tmp_path / "5-batch.ipynb").read_text(encoding="utf-8"))["nbformat"] == 4
    hole = solution("batch").partition("# Your lines: ")[2].partition("# End")[0].partition("\n")[2]
    filled = re.sub(r"(?m)^ *raise NotImplementedError.*\n", hole.rstrip(" "), exercise + "\n")
    space = {"__name__": "__main__"}
    exec(compile(filled, "cell", "exec"), space)
    exec(compile(checked.replace("print(check(layer))", "report = check(layer)"), "cell", "exec"), space)
    assert space["report"].ok
