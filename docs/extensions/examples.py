"""The files that a page gives its reader: a name on a line of its own, then what is in the file."""

import re
from pathlib import Path

_FILE = re.compile(r"^`([\w.-]+)`:\n\n```\w*\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def write_files_of(page: Path, folder: Path) -> None:
    """Write the files of a page into a folder, as its reader would."""
    for name, content in _FILE.findall(page.read_text(encoding="utf-8")):
        (folder / name).write_text(content, encoding="utf-8")
