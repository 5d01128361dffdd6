"""What `import deltarule` offers is documented: types as numpydoc has them, what comes back, and an example."""

import inspect
import re
from collections.abc import Iterator
from typing import Any

import pytest

import deltarule

NAMES = [name for name in deltarule.__all__ if not name.startswith("__")]
SECTION = re.compile(r"^(\w+)\n-{3,}\n(.*?)(?=^\w+\n-{3,}\n|\Z)", re.MULTILINE | re.DOTALL)
ENTRY = re.compile(r"^(\*{0,2}\w+(?:, \*{0,2}\w+)*) : (\S.*[^.])\n    \S", re.MULTILINE)


def sections_of(documented: Any) -> dict[str, str]:
    """The sections of a docstring by their headings."""
    return dict(SECTION.findall((inspect.getdoc(documented) or "") + "\n"))


def names_of(section: str) -> set[str]:
    """The names in a section whose entries have a type and a description."""
    return {name.strip("* ") for names, _ in ENTRY.findall(section) for name in names.split(",")}


def methods_of(documented: Any) -> Iterator[tuple[str, Any]]:
    """The public methods that a class defines itself."""
    for name, method in vars(documented).items() if inspect.isclass(documented) else ():
        function = inspect.unwrap(getattr(method, "__func__", method))
        if name[0] != "_" and inspect.isfunction(function):
            yield name, function


@pytest.mark.parametrize("name", NAMES)
def test_docstring_is_complete(name: str) -> None:
    documented = getattr(deltarule, name)
    sections = sections_of(documented)
    assert sections.get("Examples", "").startswith(">>> ")
    lines = [line for heading in ("Parameters", "Attributes") for line in sections.get(heading, "").splitlines()]
    described = names_of(sections.get("Parameters", "")) | names_of(sections.get("Attributes", ""))
    entries = [line for line in lines if line and not line.startswith(" ")]
    assert [line for line in entries if not names_of(f"{line}\n    .")] == []
    if not (inspect.isclass(documented) and issubclass(documented, Exception)):
        parameters = {one for one in inspect.signature(documented).parameters if not one.startswith("_")}
        assert parameters - described == set()
    if inspect.isfunction(documented):
        assert sections.get("Returns", "").strip()


@pytest.mark.parametrize("name", NAMES)
def test_docstrings_of_methods_name_their_parameters(name: str) -> None:
    for method_name, method in methods_of(getattr(deltarule, name)):
        text = inspect.getdoc(method) or ""
        parameters = [one for one in inspect.signature(method).parameters if one not in ("self", "cls")]
        assert [one for one in parameters if not re.search(rf"\b{one}\b", text)] == [], f"{name}.{method_name}"
