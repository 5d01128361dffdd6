"""Read the files of the page, and bundle its JavaScript modules into one script."""

import posixpath
import re
from collections.abc import Callable
from functools import cache
from pathlib import Path

PAGE = Path(__file__).with_name("page")
_IMPORT = re.compile(r'^import \{[^}]*\} from "(\.[\w./]+\.js)";\n', re.MULTILINE)
_INDENT = re.compile(r"^ +", re.MULTILINE)
_COMMENT = re.compile(r"^ *(?://.*|/\*\*(?:(?!\*/).)*(?:\*/)?|\* .*|\*/)\n", re.MULTILINE)
"""A line that is nothing but a comment."""


@cache
def page_files() -> frozenset[str]:
    """The names of all files of the page, with "/" below its folders."""
    return frozenset(file.relative_to(PAGE).as_posix() for file in PAGE.rglob("*") if file.is_file())


def page_file(name: str) -> str:
    return (PAGE / name).read_text(encoding="utf-8")


def layout() -> str:
    """The workbench as HTML, which index.html contains: the same in the browser, a notebook and a page of its own."""
    start = '<div id="workbench" class="workbench">\n'
    return page_file("index.html").partition(start)[2].partition("\n</div>\n</body>")[0]


def bundle(name: str, read: Callable[[str], str] = page_file) -> str:
    """Bundle a JavaScript module and its imports into one script without comments and indentation."""
    scripts: dict[str, str] = {}

    def add(module: str) -> None:
        if module in scripts:
            return
        text = read(module)
        for imported in _IMPORT.findall(text):
            add(posixpath.normpath(posixpath.join(posixpath.dirname(module), imported)))
        scripts[module] = _COMMENT.sub("", re.sub(r"^export ", "", _IMPORT.sub("", text), flags=re.MULTILINE))

    add(name)
    return _INDENT.sub("", "\n".join(scripts.values())).replace("</script", "<\\/script")
