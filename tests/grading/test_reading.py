"""A file, notebook or folder is read as its author's Python would run it, and what fails costs what depends on it."""

import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from zipfile import ZipFile

import pytest
from grading_examples import (
    ASSIGNMENT,
    FORWARD,
    NEEDED,
    SOLUTION,
    edited,
    grade_one,
    linear_assignment,
    write_assignment,
)

from deltarule.errors import BadInput
from deltarule.grading.assignment import read_assignment
from deltarule.grading.grade import grade
from deltarule.grading.record import SubmissionResult
from deltarule.grading.submissions import find_submissions


def grade_files(folder: Path, files: Mapping[str, str | bytes]) -> SubmissionResult:
    """Grade the folder of one student."""
    for name, content in files.items():
        path = folder / "class" / "anna" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
    assignment = linear_assignment(folder / "assignment")
    [result] = grade(assignment, find_submissions(folder / "class", functions=assignment.functions)).submissions
    return result


def notebook(*cells: str) -> str:
    code = [{"cell_type": "code", "source": cell.splitlines(keepends=True)} for cell in cells]
    return json.dumps({"cells": [{"cell_type": "markdown", "source": ["# Mine"]}, *code], "nbformat": 4})


NOTEBOOKS = {
    "commands": ["%pip install -q tqdm\n!ls\nhere = !pwd\nimport numpy as np\nnp.sum?\n?np.sum", NEEDED],
    "cells of other languages": ["%%bash\nls | head", "%%html\n<b>p</b>", "%%latex\n$x$", NEEDED],
    "an indented magic": ["if True:\n    %matplotlib inline", NEEDED],
    "timed definitions": ["%%time\n" + NEEDED, "%%timeit -n 3\nstep(1, 2, 3)"],
    "a captured cell with a command": ["\n%%capture out\n!pip install tqdm\n" + NEEDED],
    "a module that the notebook writes": ["%%writefile mine.py\n" + NEEDED, "from mine import *"],
    "a script that it runs": ["%%writefile mine.py\n" + NEEDED, "%run mine.py"],
    "a timed statement": [NEEDED, "%time half = 0.5\none = %time half + half", edited("+ b", "+ one * b")],
    "lines that look like magics": ["text = '''\n%d of\n!'''\nx = (7\n   % 4)", NEEDED],
    "display": ["display(3)\nget_ipython().magic('matplotlib inline')", NEEDED],
}


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_an_ordinary_notebook_is_read_whole(tmp_path: Path, name: str) -> None:
    result = grade_files(tmp_path, {"hw.ipynb": notebook(*NOTEBOOKS[name])})
    assert (result.points, result.message) == (7, "")


@pytest.mark.parametrize("source", ["# try\nsizes = [4, 10,\n", "\n%matplotlib inline\nplot(history)\n"])
def test_a_broken_cell_is_left_out_by_number_and_line(tmp_path: Path, source: str) -> None:
    result = grade_files(tmp_path, {"hw.ipynb": notebook(NEEDED.replace("step", "other"), source, NEEDED)})
    assert result.points == 7
    line = 2 if "sizes" in source else 3
    assert result.message.startswith(f"while it was loaded: cell 2, line {line}, `")


def test_a_notebook_of_format_3_is_read(tmp_path: Path) -> None:
    sheets = [{"cells": [{"cell_type": "code", "input": [NEEDED]}]}]
    assert grade_files(tmp_path, {"hw.ipynb": json.dumps({"worksheets": sheets, "nbformat": 3})}).points == 7


def test_without_ipython_magics_are_refused_to_the_teacher(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "IPython.core.inputtransformer2", None)
    assert grade_files(tmp_path / "plain", {"hw.ipynb": notebook("print('100 %!')", NEEDED)}).points == 7
    with pytest.raises(BadInput, match="the notebook hw.ipynb needs IPython, which is not installed"):
        grade_files(tmp_path, {"hw.ipynb": notebook("%matplotlib inline", NEEDED)})


ENCODED = {
    "cp1252": "# Übung 3\n" + NEEDED,
    "utf-16": NEEDED,
    "utf-8-sig": "# Übung\n" + NEEDED,
    "latin-1": "# -*- coding: latin-1 -*-\n# Übung\n" + NEEDED,
}


@pytest.mark.parametrize("encoding", ENCODED)
@pytest.mark.parametrize("is_imported", [False, True])
def test_a_file_in_any_encoding_is_read(tmp_path: Path, encoding: str, is_imported: bool) -> None:
    files: dict[str, str | bytes] = {"hw.py": ENCODED[encoding].replace("\n", "\r\n").encode(encoding)}
    if is_imported:
        files["main.py"] = "from hw import linear_forward, loss\nfrom hw import linear_backward, step\nextra = 1\n"
    assert grade_files(tmp_path, files).points == 7


BROKEN = {
    "at the end": (NEEDED + "\nprint('done'\n", 7),
    "Python 2's print": (NEEDED + '\nprint "done"\n', 7),
    "in one function": (edited(FORWARD, "return x @ W +* b"), 5),
    "an indentation": (edited(FORWARD, "y = x @ W\n  return y + b"), 5),
    "at the beginning": ("from __future__ import (\n" + NEEDED, 7),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_syntax_error_costs_its_own_part(tmp_path: Path, name: str) -> None:
    source, points = BROKEN[name]
    result = grade_one(tmp_path, source)
    assert result.points == points
    assert "Error: " in result.message


ENDS = {
    "exit": "exit()",
    "sys.exit": "import sys; sys.exit(1)",
    "input": "n = int(input('epochs? '))",
    "endless": "while True:\n    pass",
    "endless and catches everything": "while True:\n    try:\n        step()\n    except:\n        pass",
    "sleep": "import time; time.sleep(3600)",
    "many trainings": "import time\n" + "\n".join(f"run_{i} = time.sleep(60)" for i in range(40)),
    "ends the process": "import os; os._exit(0)",
    "crash": "import os; os.abort()",
    "one call of LAPACK": "U, S, V = np.linalg.svd(np.random.rand(4000, 4000))",
    "a crash in a value": "x = __import__('os').abort()",
}


@pytest.mark.slow
@pytest.mark.parametrize("name", ENDS)
def test_what_was_defined_counts_when_a_file_does_not_end(tmp_path: Path, name: str) -> None:
    result = grade_one(tmp_path, f"{NEEDED}\n{ENDS[name]}\n")
    assert result.points == 7
    assert result.message.startswith("while it was loaded: ")


FORWARD_ONLY = NEEDED[: NEEDED.index("def loss")]
OTHERS = "import numpy as np\n\n\n" + NEEDED[NEEDED.index("def loss") :]
FOLDERS = {
    "a relative import": {"hw/main.py": f"from .layers import linear_forward\n{OTHERS}", "hw/layers.py": FORWARD_ONLY},
    "a relative import of a package": {
        "hw/__init__.py": "",
        "hw/main.py": f"from .parts.layers import linear_forward\n{OTHERS}",
        "hw/parts/layers.py": FORWARD_ONLY,
    },
    "a relative import beside it": {"main.py": f"from .layers import *\n{OTHERS}", "layers.py": FORWARD_ONLY},
    "a file for each function": {"forward.py": FORWARD_ONLY, "others.py": OTHERS},
    "a notebook and a file": {
        "a.ipynb": notebook(FORWARD_ONLY),
        "b.py": OTHERS.replace("linear_forward(x, W, b)", "(x @ W + b)"),
    },
    "a script that is run": {"a.ipynb": notebook("%run z_helpers.py", OTHERS), "z_helpers.py": FORWARD_ONLY},
    "a script without its ending": {"a.ipynb": notebook("%run -i 'z_helpers'", OTHERS), "z_helpers.py": FORWARD_ONLY},
    "a notebook that is run": {"z.ipynb": notebook("%run a.ipynb", OTHERS), "a.ipynb": notebook("%pwd", FORWARD_ONLY)},
    "a notebook that is imported": {
        "z.ipynb": notebook("from a import *", OTHERS),
        "a.ipynb": notebook("%matplotlib inline", FORWARD_ONLY),
    },
    "a main guard in a notebook": {
        "hw.ipynb": notebook("if __name__ == '__main__':\n    import numpy as np", NEEDED[20:])
    },
    "a name for a value": {"hw.ipynb": notebook(NEEDED, "def f():\n    pass\nstep = loss = 0.5\nlinear_forward = [1]")},
    "tests beside it": {"hw3.py": NEEDED, "test_hw3.py": "from hw3 import *\n" + NEEDED.replace("step", "other")},
    "three files": {
        "hw3.py": "from layers import *\nfrom helpers import loss\n",
        "helpers.py": "from layers import loss\n",
        "layers.py": NEEDED,
    },
    "a folder in a folder": {"hw3/main.py": NEEDED, "hw3/README.txt": "Mine"},
    "hidden files": {"hw.py": NEEDED, ".ipynb_checkpoints/hw-checkpoint.py": "x = 1", "__MACOSX/._hw.py": b"\0\5"},
    "a file of its own": {"hw/a.txt": "1", "hw/main.py": edited("+ b", "+ b * float(open('a.txt').read())")},
    "a log": {"main.py": edited(FORWARD, "open('log.txt', 'a').write('called'); return x @ W + b")},
    "a notebook and a draft": {"draft.py": "x = 3\n", "hw.ipynb": notebook(NEEDED)},
}


@pytest.mark.parametrize("name", FOLDERS)
def test_the_file_that_defines_the_functions_is_the_submission(tmp_path: Path, name: str) -> None:
    result = grade_files(tmp_path, FOLDERS[name])
    assert (result.points, result.message) == (7, "")


def test_a_missing_name_is_answered_with_what_is_there(tmp_path: Path) -> None:
    result = grade_one(
        tmp_path, NEEDED.replace("def linear_backward", "def init():\n    pass\n\n\ndef back_propagation")
    )
    assert result.checks[2].message.endswith("name 'linear_backward' is not defined; you have init, back_propagation")


@pytest.mark.parametrize(
    ("loss", "points"), [("z + 1e-8", 7), ("z + 1e-6", 7), ("z + eps", 7), ("z + 0.01", 6), ("z * 1.00001", 6)]
)
def test_a_loss_is_right_but_for_an_epsilon(tmp_path: Path, loss: str, points: float) -> None:
    right = "np.mean((linear_forward(x, W, b) - y) ** 2)"
    source = ("eps = 1e-10\n" if "eps" in loss else "") + NEEDED
    wrong = f"np.mean(({loss.replace('z', 'linear_forward(x, W, b)')} - y) ** 2)"
    assert grade_one(tmp_path, edited(right, wrong, source)).points == points


def test_an_update_in_place_fits_a_table_of_results(tmp_path: Path) -> None:
    text = edited(
        'call = "step(W, dW, 0.1)"\nreturns = ["W"]',
        'call = "step(W, dW, 0.1)"\nreturns = { W = "result[0]" }',
        ASSIGNMENT,
    )
    solution = edited("    W -= rate * dW", "    return W - rate * dW, dW", SOLUTION)
    (tmp_path / "class").mkdir()
    (tmp_path / "class" / "in_place.py").write_text(NEEDED)
    (tmp_path / "class" / "returned.py").write_text(edited("W -= rate * dW", "return W - rate * dW, dW"))
    (tmp_path / "class" / "nothing.py").write_text(edited("W -= rate * dW", "pass"))
    assignment = read_assignment(write_assignment(tmp_path / "assignment", text, solution))
    results = grade(assignment, find_submissions(tmp_path / "class")).submissions
    assert [(result.student, result.points) for result in results] == [("in_place", 7), ("nothing", 6), ("returned", 7)]


def test_of_two_whole_files_the_latest_is_loaded_with_a_note(tmp_path: Path) -> None:
    files = {"a.py": NEEDED, "b.py": edited(FORWARD, "return x")}
    folder = tmp_path / "class" / "anna"
    folder.mkdir(parents=True)
    for i, (name, source) in enumerate(files.items()):
        (folder / name).write_text(source)
        os.utime(folder / name, (2e9 - i, 2e9 - i))
    assignment = linear_assignment(tmp_path / "assignment")
    [result] = grade(assignment, find_submissions(tmp_path / "class", functions=assignment.functions)).submissions
    assert result.points == 7


@pytest.mark.parametrize("is_nested", [False, True])
def test_an_archive_is_read(tmp_path: Path, is_nested: bool) -> None:
    path = tmp_path / "class" / "anna" / "hw.zip" if is_nested else tmp_path / "class" / "anna.zip"
    path.parent.mkdir(parents=True)
    with ZipFile(path, "w") as archive:
        archive.writestr("hw3/main.py", "from layers import *")
        archive.writestr("hw3/layers.py", NEEDED)
        archive.writestr("../outside.py", NEEDED)
    assignment = linear_assignment(tmp_path / "assignment")
    [result] = grade(assignment, find_submissions(tmp_path / "class", functions=assignment.functions)).submissions
    assert (result.student, result.points) == ("anna", 7)
    assert not list(tmp_path.rglob("outside.py"))


@pytest.mark.parametrize("name", ["anna.docx", "anna.pdf", "anna.zip"])
def test_what_is_no_code_is_listed(tmp_path: Path, name: str) -> None:
    (tmp_path / "class").mkdir()
    (tmp_path / "class" / name).write_bytes(b"PK\5\6" + bytes(18))  # also the bytes of an empty archive
    [result] = grade(linear_assignment(tmp_path / "assignment"), find_submissions(tmp_path / "class")).submissions
    assert (result.student, result.is_gradable) == ("anna", False)
    assert "there is no .py or .ipynb file in it" in result.message
