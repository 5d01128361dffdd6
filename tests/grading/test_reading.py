"""A file, notebook or folder is read as its author's Python would run it, and what fails costs what depends on it."""

import io
import json
import os
import sys
from pathlib import Path
from zipfile import ZipFile

import pytest
from grading_examples import (
    ASSIGNMENT,
    FORWARD,
    NEEDED,
    SOLUTION,
    Content,
    by_student,
    edited,
    grade_files,
    grade_one,
    grade_texts,
    write_assignment,
    write_files,
)

from deltarule.grading.assignment import read_assignment
from deltarule.grading.grade import grade
from deltarule.grading.magics import to_python
from deltarule.grading.submissions import find_submissions


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


BROKEN_CELLS = {"sizes": ("# try\nsizes = [4, 10,\n", 2), "plot": ("\n%matplotlib inline\nplot(history)\n", 3)}


def test_notebooks_are_read_as_they_run(tmp_path: Path) -> None:
    sheets = [{"cells": [{"cell_type": "code", "input": [NEEDED]}]}]
    files = {f"{name}.ipynb": notebook(*cells) for name, cells in NOTEBOOKS.items()}
    files["format 3.ipynb"] = json.dumps({"worksheets": sheets, "nbformat": 3})
    for name, (source, _) in BROKEN_CELLS.items():
        files[f"{name}.ipynb"] = notebook(NEEDED.replace("step", "other"), source, NEEDED)
    results = by_student(grade_files(tmp_path, files))
    for name, (_, line) in BROKEN_CELLS.items():
        broken = results.pop(name)
        assert broken.message.startswith(f"while it was loaded: cell 2, line {line}, `") and broken.points == 7
    assert {name: (one.points, one.message) for name, one in results.items()} == dict.fromkeys(results, (7, ""))


def test_a_notebook_needs_no_ipython(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == "IPython"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "IPython", None)
    files = {"anna.py": NEEDED, "bert.ipynb": notebook("%matplotlib inline\n!pip install tqdm", NEEDED)}
    assert [one.points for one in grade_files(tmp_path, files).submissions] == [7, 7]


CELLS = {
    "%pip install -q 'a'\nx = 1": """get_ipython().run_line_magic('pip', "install -q 'a'")\nx = 1""",
    "files = !ls *.py\n!!pwd": "files = get_ipython().getoutput('ls *.py')\nget_ipython().system('pwd')",
    "for i in x:\n    !echo it's": """for i in x:\n    get_ipython().system("echo it's")""",
    "!pip install \\\n    tqdm\nx = 1": "get_ipython().system('pip install tqdm')\n\nx = 1",
    "%time y = f(\n    1)\nz = %time f(2)": "y = f(\n    1)\nz = f(2)",
    "\n%%writefile a.py\nx = 1\n": "\nget_ipython().run_cell_magic('writefile', 'a.py', 'x = 1\\n')\n",
    "%%time\nx = 1": "\nx = 1",
    "np.sum?\n?np.sum\n%timeit??": "pass\npass\npass",
    "s = '''\n%d of\n!'''\nx = (7\n    % 4)\n%pwd": "s = '''\n%d of\n!'''\nx = (7\n    % 4)\n"
    "get_ipython().run_line_magic('pwd', '')",
    "%cd data\nsizes = [4, 10,": "get_ipython().run_line_magic('cd', 'data')\nsizes = [4, 10,",
    "x = 5 %2": "x = 5 %2",
}


@pytest.mark.parametrize("cell", CELLS)
def test_commands_become_calls_and_lines_stay_where_they_are(cell: str) -> None:
    assert to_python(cell) == CELLS[cell]


ENCODED = {
    "cp1252": "# Übung 3\n" + NEEDED,
    "utf-16": NEEDED,
    "utf-8-sig": "# Übung\n" + NEEDED,
    "latin-1": "# -*- coding: latin-1 -*-\n# Übung\n" + NEEDED,
}


def test_a_file_in_any_encoding_is_read(tmp_path: Path) -> None:
    main = "from hw import linear_forward, loss\nfrom hw import linear_backward, step\nextra = 1\n"
    files: dict[str, Content] = {}
    for encoding, source in ENCODED.items():
        content = source.replace("\n", "\r\n").encode(encoding)
        files |= {encoding: {"hw.py": content}, f"{encoding} imported": {"hw.py": content, "main.py": main}}
    results = by_student(grade_files(tmp_path, files))
    assert {name: one.points for name, one in results.items()} == dict.fromkeys(files, 7)


BROKEN = {
    "at the end": (NEEDED + "\nprint('done'\n", 7),
    "Python 2's print": (NEEDED + '\nprint "done"\n', 7),
    "in one function": (edited(FORWARD, "return x @ W +* b"), 5),
    "an indentation": (edited(FORWARD, "y = x @ W\n  return y + b"), 5),
    "at the beginning": ("from __future__ import (\n" + NEEDED, 7),
}


def test_a_syntax_error_costs_its_own_part(tmp_path: Path) -> None:
    results = grade_texts(tmp_path, {name: source for name, (source, _) in BROKEN.items()})
    assert {name: (one.points, "Error: " in one.message) for name, one in results.items()} == {
        name: (points, True) for name, (_, points) in BROKEN.items()
    }


ENDS = {
    "exit": "exit()",
    "input": "n = int(input('epochs? '))",
    "endless and catches everything": "while True:\n    try:\n        step()\n    except:\n        pass",
    "sleep": "import time; time.sleep(3600)",
    "many trainings": "import time\n" + "\n".join(f"run_{i} = time.sleep(60)" for i in range(40)),
    "ends the process": "import os; os._exit(0)",
    "crash": "import os; os.abort()",
    "one call of LAPACK": "U, S, V = np.linalg.svd(np.random.rand(4000, 4000))",
    "a crash in a value": "x = __import__('os').abort()",
}


@pytest.mark.slow
def test_what_was_defined_counts_when_a_file_does_not_end(tmp_path: Path) -> None:
    results = grade_texts(tmp_path, {name: f"{NEEDED}\n{end}\n" for name, end in ENDS.items()})
    assert {name: (one.points, one.message[:21]) for name, one in results.items()} == dict.fromkeys(
        ENDS, (7, "while it was loaded: ")
    )


FORWARD_ONLY = NEEDED[: NEEDED.index("def loss")]
OTHERS = "import numpy as np\n\n\n" + NEEDED[NEEDED.index("def loss") :]
FOLDERS: dict[str, Content] = {
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
        "z.ipynb": notebook("import import_ipynb, os\nfrom a import *", OTHERS),
        "a.ipynb": notebook("%matplotlib inline", FORWARD_ONLY),
    },
    "a notebook of a package": {
        "z.ipynb": notebook("from ipynb.fs.full.a import linear_forward", OTHERS),
        "a.ipynb": notebook(FORWARD_ONLY),
    },
    "a script with a space": {"a.ipynb": notebook('%run "my helpers.py"', OTHERS), "my helpers.py": FORWARD_ONLY},
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


def test_the_file_that_defines_the_functions_is_the_submission(tmp_path: Path) -> None:
    results = by_student(grade_files(tmp_path, FOLDERS))
    assert {name: (one.points, one.message) for name, one in results.items()} == dict.fromkeys(FOLDERS, (7, ""))


def test_a_student_reads_that_an_own_file_is_replaced(tmp_path: Path) -> None:
    helpers = "def scale(z):\n    return z\n"
    write_files(tmp_path / "assignment", {"helpers.py": helpers})
    code = edited("x @ W + b", "scale(x @ W + b)", "from helpers import scale\n" + NEEDED)
    files = {
        "other": {"hw.py": code, "helpers.py": "def scale(z):\n    return 2 * z\n"},
        "same": {"hw.py": code, "helpers.py": helpers.replace("\n", "\r\n")},
        "none": {"hw.py": code},
    }
    results = by_student(grade_files(tmp_path, files, f'files = ["helpers.py"]\n{ASSIGNMENT}'))
    said = "graded with the assignment's helpers.py, not with yours"
    assert {name: (one.points, one.message) for name, one in results.items()} == {
        "other": (7, said),
        "same": (7, ""),
        "none": (7, ""),
    }


def test_a_missing_name_is_answered_with_what_is_there(tmp_path: Path) -> None:
    result = grade_one(
        tmp_path, NEEDED.replace("def linear_backward", "def init():\n    pass\n\n\ndef back_propagation")
    )
    assert result.checks[2].message.endswith("name 'linear_backward' is not defined; you have init, back_propagation")


def test_a_loss_is_right_but_for_an_epsilon(tmp_path: Path) -> None:
    losses = {"z + 1e-8": 7, "z + 1e-6": 7, "z + eps": 7, "z + 0.01": 6, "z * 1.00001": 6}
    right, sources = "np.mean((linear_forward(x, W, b) - y) ** 2)", {}
    for loss in losses:
        source = ("eps = 1e-10\n" if "eps" in loss else "") + NEEDED
        wrong = f"np.mean(({loss.replace('z', 'linear_forward(x, W, b)')} - y) ** 2)"
        sources[loss.replace("*", "times")] = edited(right, wrong, source)
    assert [one.points for one in grade_texts(tmp_path, sources).values()] == [
        points for _, points in sorted((name.replace("*", "times"), points) for name, points in losses.items())
    ]


def test_an_update_in_place_fits_a_table_of_results(tmp_path: Path) -> None:
    call = 'call = "step(W, dW, 0.1)"\nreturns = '
    text = edited(f'{call}["W"]', f'{call}{{ W = "result[0]" }}', ASSIGNMENT)
    solution = edited("    W -= rate * dW", "    return W - rate * dW, dW", SOLUTION)
    sources = {
        "in_place": NEEDED,
        "returned": edited("W -= rate * dW", "return W - rate * dW, dW"),
        "nothing": edited("W -= rate * dW", "pass"),
    }
    write_files(tmp_path / "class", {f"{name}.py": source for name, source in sources.items()})
    assignment = read_assignment(write_assignment(tmp_path / "assignment", text, solution))
    results = grade(assignment, find_submissions(tmp_path / "class")).submissions
    assert [(result.student, result.points) for result in results] == [("in_place", 7), ("nothing", 6), ("returned", 7)]


def test_of_two_whole_files_the_latest_is_loaded_with_a_note(tmp_path: Path) -> None:
    files = {"a.py": NEEDED, "b.py": edited(FORWARD, "return x")}
    write_files(tmp_path / "submissions" / "anna", files)
    for i, name in enumerate(files):
        os.utime(tmp_path / "submissions" / "anna" / name, (2e9 - i, 2e9 - i))
    [result] = grade_files(tmp_path, {}).submissions
    assert result.points == 7


def test_archives_are_read_and_what_is_no_code_is_listed(tmp_path: Path) -> None:
    content = io.BytesIO()
    with ZipFile(content, "w") as archive:
        archive.writestr("hw3/main.py", "from layers import *")
        archive.writestr("hw3/layers.py", NEEDED)
        archive.writestr("../outside.py", NEEDED)
    zips = {"zip.zip": content.getvalue(), "nested": {"hw.zip": content.getvalue()}}
    empty = b"PK\5\6" + bytes(18)  # the bytes of an empty archive
    results = by_student(grade_files(tmp_path, {**zips, "word.docx": empty, "pdf.pdf": empty, "empty.zip": empty}))
    assert (results.pop("zip").points, results.pop("nested").points) == (7, 7)
    assert not list(tmp_path.rglob("outside.py"))
    assert set(results) == {"word", "pdf", "empty"}
    for result in results.values():
        assert not result.is_gradable and "there is no .py or .ipynb file in it" in result.message
