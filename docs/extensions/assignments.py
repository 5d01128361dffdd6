"""Write the files of the assignments beside their page: what a teacher needs, and what students get."""

import shutil
from pathlib import Path
from typing import Any

from sphinx.application import Sphinx

from deltarule.grading.assignment import read_assignment
from deltarule.grading.starter import write_starter


def write_assignments(app: Sphinx, exception: Exception | None) -> None:
    """Write the files, unless the build has failed."""
    if exception is not None or app.builder.format != "html":
        return
    for path in sorted(Path(app.srcdir).glob("assignments/*/assignment.toml")):
        folder = Path(app.outdir) / "assignments" / path.parent.name
        shutil.rmtree(folder, ignore_errors=True)
        write_starter(folder, read_assignment(path))
        for name in ("assignment.toml", "solution.py"):
            shutil.copyfile(path.parent / name, folder / name)


def setup(app: Sphinx) -> dict[str, Any]:
    """Have Sphinx write them at the end."""
    app.connect("build-finished", write_assignments)
    return {"parallel_read_safe": True}
