"""For the examples on the pages: they run in a folder of their own, which has the files that the page gives."""

from pathlib import Path

import pytest
from examples import write_files_of


@pytest.fixture(autouse=True)
def in_a_folder_of_its_own(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Examples may write files."""
    if request.path.suffix == ".md":
        write_files_of(request.path, tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)  # as Python does where one starts it
