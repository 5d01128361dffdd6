"""Our docstrings, which are plain text, as reStructuredText for Sphinx.

A docstring is made of blocks with blank lines between them. Examples (`>>>`) stay what they are; the list under a
heading `Parameters`, underlined, becomes a list; lines whose words stand in columns, or that are indented, keep their
form; everything else is running text in which no character has a meaning of its own but the backquotes of code.
"""

import re
from collections.abc import Iterator
from itertools import groupby
from typing import Any

from sphinx.addnodes import desc_signature
from sphinx.application import Sphinx

import deltarule

_CODE = re.compile(r"`([^`\n]+)`")
_SPECIAL = re.compile(r"([\\*_|`])")
_ARRAY = re.compile(
    r"~?numpy\.ndarray\[tuple\[~?(?:typing\.)?Any, \.\.\.\], ~?numpy\.dtype\[((?:[^][]|\[[^][]*\])*)\]\]"
)
_PART = re.compile(r"(Parameters|Returns|Errors|Source): ")


def setup(app: Sphinx) -> dict[str, bool]:
    """Have Sphinx hand over every docstring."""
    app.connect("autodoc-process-docstring", _process)
    app.connect("autodoc-process-signature", _sign)
    app.connect("autodoc-skip-member", _skip)
    app.connect("doctree-read", _alias, priority=600)  # after viewcode, which keeps one name a module
    return {"parallel_read_safe": True}


def _process(app: Sphinx, what: str, name: str, found: Any, options: Any, lines: list[str]) -> None:
    lines[:] = [line for block in blocks(lines) for line in [*converted(block), ""]]


def _sign(
    app: Sphinx, what: str, name: str, found: Any, options: Any, given: str | None, returned: str | None
) -> tuple[str | None, str | None]:
    """Call arrays as their source does, which says no more and is shorter."""
    given, returned = (one and _ARRAY.sub(r"~numpy.typing.NDArray[\1]", one) for one in (given, returned))
    return given, returned


def _skip(app: Sphinx, what: str, name: str, found: Any, skip: bool, options: Any) -> bool | None:
    """Leave out the fields of named tuples, of which Python says nothing but their numbers."""
    return True if (getattr(found, "__doc__", "") or "").startswith("Alias for field") else None


def _alias(app: Sphinx, doctree: Any) -> None:
    """Give a class or function also the name by which its source links back to it, as `deltarule.Sweep`."""
    for signature in doctree.findall(desc_signature):
        module = signature.get("module")
        if module == "deltarule":  # which imports its names from the modules that define them
            module = getattr(getattr(deltarule, signature["fullname"].partition(".")[0]), "__module__", module)
        entry = app.env._viewcode_modules.get(module)  # type: ignore[attr-defined]
        if entry and signature["fullname"] in entry[2]:
            alias = f"{entry[3]}.{signature['fullname']}"
            if alias not in signature["ids"]:
                signature["ids"].append(alias)


def blocks(lines: list[str]) -> Iterator[list[str]]:
    """The blocks of a docstring: lines without a blank one between them.

    >>> list(blocks(["One.", "", "Two,", "three."]))
    [['One.'], ['Two,', 'three.']]
    """
    for filled, block in groupby(lines, key=lambda line: bool(line.strip())):
        if filled:
            yield list(block)


def converted(block: list[str]) -> list[str]:
    """A block as reStructuredText.

    >>> converted(["λ‖W‖² of `w`, and w * w"])
    ['λ‖W‖² of ``w``, and w \\\\* w']
    >>> converted(["Parameters", "----------", "x : inputs [N, D],", "    one row a sample."])
    ['**Parameters**', '', '* ``x``: inputs [N, D],', '  one row a sample.']
    >>> converted(["Parameters", "----------", "x : array-like", "    Inputs, one row a sample."])
    ['**Parameters**', '', '* ``x`` (*array-like*):', '  Inputs, one row a sample.']
    >>> converted(["Examples", "--------", ">>> 1 + 1", "2"])
    ['**Examples**', '', '>>> 1 + 1', '2']
    """
    if block[0].startswith(">>>"):
        return block
    if len(block) > 1 and set(block[1]) == {"-"}:
        lines = block[2:]
        is_example = bool(lines) and lines[0].startswith(">>>")
        if is_example:
            return ["**Examples**", "", *lines]
        written = map(escaped, lines) if block[0] == "Notes" else map(_item, lines, [*lines[1:], ""])
        return [f"**{block[0]}**", "", *written]
    if any("   " in line for line in block):
        return ["::", "", *("    " + line for line in block)]
    lines = []
    for line in block:
        if _PART.match(line) and lines:
            lines.append("")
        lines.append(escaped(line))
    return lines


def escaped(text: str) -> str:
    """Text in which reStructuredText sees nothing but code.

    >>> escaped("`a_b` is a_b")
    '``a_b`` is a\\\\_b'
    """
    pieces = _CODE.split(text)
    return "".join(f"``{piece}``" if i % 2 else _SPECIAL.sub(r"\\\1", piece) for i, piece in enumerate(pieces))


def _item(line: str, following: str) -> str:
    """A line of a list of parameters: a name with its type or with what it is, or, indented, more about it."""
    if line.startswith(" "):
        return "  " + escaped(line.strip())
    names, colon, description = line.partition(" : ")
    if not colon:
        return f"* {escaped(line)}"
    is_type = following.startswith(" ") and not following.lstrip()[:1].islower()
    return f"* ``{names}`` (*{escaped(description)}*):" if is_type else f"* ``{names}``: {escaped(description)}"
