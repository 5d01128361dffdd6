"""The code of a submission as text: files in any encoding, notebooks by IPython.

A notebook is a list of cells, each with its name ("cell 3"); a file is a single one, with the name of the file.
"""

import ast
import codecs
import contextlib
import hashlib
import importlib.util
import io
import json
import re
import sys
import tokenize
import warnings
from collections.abc import Container, Iterator, Sequence

Cell = tuple[str, str]
"""The name and the code of a cell."""
MAX_CELLS = 2000
_RUNS_HERE = re.compile(r"\s*%%(?:time|capture|prun)\b[^\n]*")
"""Cell magics that run the code below them as if they were not there; others run it elsewhere, or as no Python."""
_DEFINED = re.compile(r"^(?:(?:def|class)[ \t]+(\w+)|(\w+)[ \t]*=(?!=))", re.MULTILINE)
_IMPORTED = re.compile(r"^from[ \t]+([\w.]+)[ \t]+import[ \t]+(\([^)]*\)|.*)", re.MULTILINE)
_IMPORTS = re.compile(r"^[ \t]*(?:import|from)[ \t]+(\w+)", re.MULTILINE)


class NotCode(ValueError):
    """A file has no code; the message says what it is."""


def decode(content: bytes) -> str:
    """The text of a file: by its mark or coding line, as UTF-8, or as Windows has it."""
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        text = content.decode("utf-16", errors="replace")
    else:
        encoding = _python_encoding(content)
        text = content.decode(encoding or "cp1252", errors="replace").removeprefix("\ufeff")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def as_module(content: bytes) -> bytes:
    """A file as Python can import it: unchanged, or in UTF-8 if it says otherwise."""
    return content if _python_encoding(content) else decode(content).encode()


def _python_encoding(content: bytes) -> str:
    """The encoding in which Python reads a file; "" if it cannot."""
    try:
        encoding = tokenize.detect_encoding(io.BytesIO(content).readline)[0]
        content.decode(encoding)
    except (SyntaxError, UnicodeDecodeError, LookupError):
        return ""
    return encoding


def read_cells(name: str, content: bytes) -> list[Cell]:
    """The code of a file or notebook; `NotCode` if it is neither."""
    text = decode(content)
    if "\0" in text:
        raise NotCode(f"{name} is no text")
    if not name.lower().endswith(".ipynb"):
        return [(name, text)]
    try:
        notebook = json.loads(text)
        sheets = notebook.get("worksheets") or [notebook]  # of notebooks before format 4
        cells = [cell for sheet in sheets for cell in sheet["cells"] if cell["cell_type"] == "code"][:MAX_CELLS]
        sources = ["".join(cell.get("source", cell.get("input", ""))) for cell in cells]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise NotCode(f"{name} is not a notebook") from None
    return [(f"cell {i}", source) for i, source in enumerate(sources, 1)]


def needs_ipython(cells: Sequence[Cell]) -> bool:
    """Whether cells have magics, and there is no IPython to read them."""
    return importlib.util.find_spec("IPython") is None and any(_has_magics(*cell) for cell in cells)


def to_python(cells: Sequence[Cell]) -> list[Cell]:
    """Cells with magics, shell commands and questions as calls of `get_ipython()`."""
    return [(name, _transformed(source) if _has_magics(name, source) else source) for name, source in cells]


def _has_magics(name: str, source: str) -> bool:
    if not name.startswith("cell ") or not re.search("[%!?]", source):
        return False
    try:
        with warnings.catch_warnings(action="ignore"):
            ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return True
    return False


def _transformed(source: str) -> str:
    from IPython.core.inputtransformer2 import TransformerManager

    if first := _RUNS_HERE.match(source):
        return "\n" * first[0].count("\n") + _transformed(source[first.end() :])
    try:
        empty_lines = source[: len(source) - len(source.lstrip())].count("\n")  # which IPython leaves out
        return "\n" * empty_lines + TransformerManager().transform_cell(source)
    except Exception:  # of code that is cut off; it fails where it is run, with its line
        return source


def defined_names(cells: Sequence[Cell]) -> set[str]:
    """The names that code defines, also where some of it does not parse."""
    return {name for _, source in cells for names in _DEFINED.findall(source) for name in names if name}


def imported_names(cells: Sequence[Cell]) -> list[tuple[str, list[str]]]:
    """The modules from which code imports names, with those names; ["*"] for all."""
    found = [match.groups() for _, source in cells for match in _IMPORTED.finditer(source)]
    return [(module.lstrip("."), re.findall(r"\*|\w+", names)) for module, names in found]


def foreign_imports(cells: Sequence[Cell], files: Container[str]) -> list[str]:
    """The packages that code imports, but for Python's own, NumPy and its own files."""
    names = {name for _, source in cells for name in _IMPORTS.findall(source)}
    own = {"numpy", *sys.stdlib_module_names}
    return sorted(name for name in names - own if f"{name}.py" not in files)


def _parsed(cells: Sequence[Cell]) -> Iterator[tuple[str, str, ast.Module]]:
    for name, source in cells:
        with contextlib.suppress(SyntaxError, ValueError, RecursionError, MemoryError), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield name, source, ast.parse(source)


def fingerprint(cells: Sequence[Cell]) -> str:
    """A digest of code that is the same for other names and comments."""
    numbers: dict[str, str] = {}
    digest = hashlib.sha256()
    for _, _, tree in _parsed(cells):
        for node in ast.walk(tree):
            for field in ("name", "id", "arg"):
                if isinstance(text := getattr(node, field, None), str) and not isinstance(node, ast.alias):
                    setattr(node, field, numbers.setdefault(text, str(len(numbers))))
            if isinstance(body := getattr(node, "body", None), list):
                node.body = [one for one in body if not _is_text(one)]  # type: ignore[attr-defined]
        digest.update(ast.dump(tree).encode())
    return digest.hexdigest()


def _is_text(node: ast.AST) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


def line_of(cells: Sequence[Cell], function: str, wrong: Sequence[str], right: Sequence[str]) -> str:
    """The last line on which all wrong returned expressions depend, and no right one."""
    for cell, source, tree in reversed(list(_parsed(cells))):
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef) and node.name == function:
                assigned = _assignments(node)
                returns = {one.lineno for one in ast.walk(node) if isinstance(one, ast.Return)}
                used = [_lines_behind(one, assigned) | (set() if one.isidentifier() else returns) for one in wrong]
                others = set().union(*(_lines_behind(one, assigned) for one in right))
                lines = set.intersection(*used) - others or used[0] or returns
                if lines:
                    label = f"{cell}, " if len(cells) > 1 else ""
                    return f"{label}line {max(lines)}: {source.splitlines()[max(lines) - 1].strip()[:120]}"
    return ""


def _assignments(function: ast.FunctionDef) -> dict[str, ast.Assign]:
    statements = [node for node in ast.walk(function) if isinstance(node, ast.Assign)]
    return {name: node for node in statements for target in node.targets for name in _names_in(target)}


def _names_in(tree: ast.AST) -> set[str]:
    """The names and attributes of an expression, such as W of self.W."""
    nodes = list(ast.walk(tree))
    return {one.id for one in nodes if isinstance(one, ast.Name)} | {
        one.attr for one in nodes if isinstance(one, ast.Attribute)
    }


def _lines_behind(expression: str, assigned: dict[str, ast.Assign]) -> set[int]:
    """The lines that assign what an expression depends on."""
    with contextlib.suppress(SyntaxError):
        names = _names_in(ast.parse(expression)) & assigned.keys()
        rest = {name: node for name, node in assigned.items() if name not in names}
        behind = (_lines_behind(ast.unparse(assigned[name].value), rest) for name in names)
        return {assigned[name].lineno for name in names}.union(*behind)
    return set()
