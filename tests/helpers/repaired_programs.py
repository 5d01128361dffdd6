"""Write a small program to a file, run it, and hand its report back."""

import runpy
from pathlib import Path
from typing import Any


def check_program(folder: Path, source: str) -> Any:
    """The `report` of a program, run from a file as a user does."""
    path = folder / "program.py"
    path.write_text(source, encoding="utf-8")
    return runpy.run_path(str(path))["report"]
