"""The notebooks do what they show: each is run from the beginning, and comes to the outputs that are kept in it."""

import re
import subprocess
import sys
from itertools import groupby
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient
from nbformat.v4 import new_code_cell

FOLDER = Path(__file__).parents[2] / "docs" / "notebooks"
NAMES = sorted(file.name for file in FOLDER.glob("*.ipynb"))
WITHOUT_LLVM = "import sys\n\nsys.modules['llvmlite'] = sys.modules['llvmlite.binding'] = None"
NUMBER = r"[-+]?\d[\d,]*(\.\d+)?(e[-+]?\d+)?"
NUMBERS = re.compile(f"{NUMBER}( {NUMBER})*")  # how many layers a search chooses depends on the processor's rounding


def run(notebook, folder):
    NotebookClient(notebook, timeout=600, resources={"metadata": {"path": str(folder)}}).execute()
    return notebook


def outputs(notebook):
    """Of each cell with code the kinds of its outputs, and its words without the numbers."""
    return [shown(cell) for cell in notebook.cells if cell.cell_type == "code"]


def shown(cell):
    """What one cell shows; what it prints comes in one piece, or in several where it takes long.

    Without stderr, where a long check shows its seconds.
    """
    found, shown_outputs = [], [one for one in cell.outputs if one.get("name") != "stderr"]
    for is_text, several in groupby(shown_outputs, lambda one: one.output_type == "stream"):
        if is_text:
            found.append(([], NUMBERS.sub("#", " ".join("".join(one.text for one in several).split()))))
        else:
            found += [(sorted(one.get("data", {})), "") for one in several]
    return found


def test_there_are_five():
    assert NAMES == [
        f"{name}.ipynb" for name in ("a-table-of-your-own", "encoder", "hosted", "xor-by-hand", "your-own-gradient")
    ]


@pytest.mark.parametrize("name", NAMES)
def test_a_notebook_gives_what_it_shows(name, tmp_path):
    kept = nbformat.read(FOLDER / name, 4)
    again = run(nbformat.read(FOLDER / name, 4), tmp_path)
    assert outputs(again) == outputs(kept)


def test_the_hosted_one_runs_without_llvmlite(tmp_path):
    notebook = nbformat.read(FOLDER / "hosted.ipynb", 4)
    notebook.cells.insert(0, new_code_cell(WITHOUT_LLVM))
    shown = run(notebook, tmp_path).cells[3].outputs[-1].data["text/html"]
    assert "reference engine" in shown and "<svg" in shown


@pytest.mark.parametrize("is_installed", [False, True])
def test_the_hosted_one_installs_what_is_not_there_yet(tmp_path, is_installed):
    """Beside it lies the repository as the folder `deltarule`, which Python takes for a package without a file."""
    (tmp_path / "deltarule" / "src").mkdir(parents=True)
    first = next(cell for cell in nbformat.read(FOLDER / "hosted.ipynb", 4).cells if cell.cell_type == "code")
    assert "%pip install --quiet ./deltarule" in first.source
    script = first.source.replace("%pip install --quiet ./deltarule", "print('installs')")
    words = [sys.executable, *([] if is_installed else ["-S"]), "-c", script]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, check=True, encoding="utf-8")
    assert done.stdout == ("" if is_installed else "installs\n")


def test_records_are_shown_as_tables_and_figures():
    """In the notebooks as they are kept: a run, a sweep, a gradient report, and a plot that moved."""
    shown = {name: [one.data["text/html"] for one in html_of(FOLDER / name)] for name in NAMES}
    live, run, *_, sweep = shown["encoder.ipynb"]
    assert "Objective while it trains" in live and "<svg" in live
    assert "networks" in run and 'aria-label="Objective.' in run
    assert "mean accuracy" in sweep and "Is the winner more than noise?" in sweep
    assert ">right</span>" in shown["your-own-gradient.ipynb"][-1] and "PyTorch" in shown["your-own-gradient.ipynb"][-1]


def html_of(path):
    cells = [cell for cell in nbformat.read(path, 4).cells if cell.cell_type == "code"]
    return [one for cell in cells for one in cell.outputs if "text/html" in one.get("data", {})]
