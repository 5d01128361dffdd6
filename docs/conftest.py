"""For the examples on the pages: they run as for a reader, with the page's files and without optional libraries."""

import sys
from pathlib import Path

import pytest
from examples import hide, lacking, write_files_of

ROOT = Path(__file__).parents[1]
LOADED = {"pyarrow"}  # pandas has taken notice of it already


@pytest.fixture(autouse=True)
def in_a_folder_of_its_own(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Examples may write files."""
    if request.path.suffix == ".md":
        write_files_of(request.path, tmp_path)
        hidden = tmp_path / "hidden"
        hidden.mkdir()
        hide(lacking(request.path.relative_to(ROOT).as_posix()) - LOADED, hidden)
        for file in hidden.iterdir():
            monkeypatch.delitem(sys.modules, file.stem, raising=False)
        monkeypatch.syspath_prepend(hidden)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)  # as Python does where one starts it
