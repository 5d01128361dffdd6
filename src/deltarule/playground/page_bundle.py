"""Read the files of the page, and bundle its JavaScript modules into one script."""

import posixpath
import re
from functools import cache
from importlib import resources
from importlib.resources.abc import Traversable

_IMPORT = re.compile(r'^import \{[^}]*\} from "(\.[\w./]+\.js)";\n', re.MULTILINE)
_COMMENT = re.compile(r"^ *(?://.*|/\*\*(?:(?!\*/).)*(?:\*/)?|\* .*|\*/)\n", re.MULTILINE)
"""A line that is nothing but a comment."""


@cache
def page_files() -> frozenset[str]:
    """The names of all files of the page, with "/" below its folders."""

    def names(folder: Traversable, prefix: str = "") -> list[str]:
        found = []
        for file in folder.iterdir():
            found += names(file, f"{prefix}{file.name}/") if file.is_dir() else [f"{prefix}{file.name}"]
        return found

    return frozenset(names(resources.files("deltarule.playground") / "page"))


def page_file(name: str) -> str:
    return (resources.files("deltarule.playground") / "page" / name).read_text(encoding="utf-8")


def bundle(name: str) -> str:
    """Bundle a JavaScript module and its imports into one script without comments."""
    scripts: dict[str, str] = {}

    def add(module: str) -> None:
        if module in scripts:
            return
        text = page_file(module)
        for imported in _IMPORT.findall(text):
            add(posixpath.normpath(posixpath.join(posixpath.dirname(module), imported)))
        scripts[module] = _COMMENT.sub("", re.sub(r"^export ", "", _IMPORT.sub("", text), flags=re.MULTILINE))

    add(name)
    return "\n".join(scripts.values()).replace("</script", "<\\/script")
