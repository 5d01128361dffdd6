"""What a page's reader has: its files, and an installation without optional libraries.

A file of a page is its name in backquotes on a line of its own, then what is in it.
"""

import re
from pathlib import Path

_FILE = re.compile(r"^`([\w.-]+)`:\n\n```\w*\n(.*?)^```$", re.MULTILINE | re.DOTALL)

OPTIONAL = ("anywidget", "distributed", "onnx", "onnxruntime", "openpyxl", "polars", "pyarrow", "torch")
"""What a plain installation of deltarule lacks."""
NEEDED = {
    "docs/how-to/a-table-of-your-own.md": {"onnx", "onnxruntime", "torch"},
    "docs/how-to/add-a-layer.md": {"onnx", "onnxruntime"},
}
"""By page, the optional libraries that it tells its reader to install."""


def files_of(page: Path) -> dict[str, str]:
    """The files that a page gives its reader, by name."""
    return dict(_FILE.findall(page.read_text(encoding="utf-8")))


def write_files_of(page: Path, folder: Path) -> None:
    """Write the files of a page into a folder, as its reader would."""
    for name, content in files_of(page).items():
        (folder / name).write_text(content, encoding="utf-8")


def lacking(page: str) -> set[str]:
    """The optional libraries that the reader of a page lacks."""
    return set(OPTIONAL) - NEEDED.get(page, set())


def hide(libraries: set[str], folder: Path) -> None:
    """Write modules into a folder on Python's path that fail as missing ones do."""
    for name in libraries:
        sentence = f"No module named {name!r}"
        (folder / f"{name}.py").write_text(
            f"raise ModuleNotFoundError({sentence!r}, name={name!r})\n", encoding="utf-8"
        )
