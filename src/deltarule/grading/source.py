"""The code of a submission as text: of files in any encoding, and of notebooks.

A notebook is a list of cells, each with its name ("cell 3"); a file is a single one, with the name of the file.
"""

import ast
import codecs
import contextlib
import hashlib
import io
import json
import re
import sys
import tokenize
import warnings
from collections.abc import Container, Iterator, Mapping, Sequence

from deltarule.grading.magics import to_python

Cell = tuple[str, str]
"""The name and the code of a cell."""
_DEFINED = re.compile(r"^(?:(?:def|class)[ \t]+(\w+)|(\w+)[ \t]*=(?!=))", re.MULTILINE)
_IMPORTED = re.compile(
    r"^from[ \t]+([\w.]+)[ \t]+import\b|run_line_magic\('run', '[^'\n]*?([\w ]+)(?:\.py|\.ipynb)?\"?'", re.M
)
_COMMENT = re.compile(r"#.*|(\"\"\"|''')[\s\S]*?\1")
_NAME = re.compile(r"\b[^\W\d]\w*")
_IMPORTS = re.compile(r"^[ \t]*(?:import|from)[ \t]+(\w[^#\n]*)", re.MULTILINE)
_CODING = re.compile(r"\A((?:.*\n)?[ \t]*#.*?coding[:=][ \t]*)[-\w.]+")


_REACHING_MODULES = set(
    "gc inspect ctypes subprocess socket signal multiprocessing threading importlib builtins atexit".split()
)
_REACHING_NAMES = set("__import__ eval exec globals __globals__ __code__ __subclasses__ f_back f_locals".split())
_REACHING_NAMES |= set("f_globals tb_frame __array__ __array_ufunc__ __array_function__ __reduce__ __del__".split())
"""With these code reaches what is not its own."""
_USUAL = {
    "os": set("path getcwd chdir environ listdir makedirs mkdir sep name".split()),
    "sys": set("path argv exit stdout stderr stdin version version_info maxsize float_info executable".split()),
}
_ELSEWHERE = re.compile(r"^/(?:proc|dev|sys|autograder)\b|\bsolution\.py|\bassignment\.toml")
MIN_LONG_NUMBERS, MIN_DIGITS, MIN_LONG_TEXT = 4, 9, 200
"""Constants in code that are many, or long enough, to hold results."""


class NotCode(ValueError):
    """A file has no code; the message says what it is."""


def decode(content: bytes) -> str:
    """The text of a file: by its mark or coding line, as UTF-8, or as Windows has it."""
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        text = content.decode("utf-16", errors="replace")
    else:
        try:
            text = content.decode(tokenize.detect_encoding(io.BytesIO(content).readline)[0])
        except (SyntaxError, UnicodeDecodeError, LookupError):  # not as Python reads it
            text = content.decode("cp1252", errors="replace").removeprefix("\ufeff")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def as_module(content: bytes) -> bytes:
    """A file in UTF-8, as Python can import it."""
    return _CODING.sub(r"\1utf-8", decode(content)).encode(errors="replace")


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
        cells = [cell for sheet in sheets for cell in sheet["cells"] if cell["cell_type"] == "code"]
        sources = ["".join(cell.get("source", cell.get("input", ""))) for cell in cells]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise NotCode(f"{name} is not a notebook") from None
    return [(f"cell {i}", to_python(source)) for i, source in enumerate(sources, 1)]


def _parse(source: str) -> ast.Module | None:
    with contextlib.suppress(SyntaxError, ValueError, RecursionError, MemoryError), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return ast.parse(source)
    return None


def defined_names(cells: Sequence[Cell]) -> set[str]:
    """The names that code defines, also where some of it does not parse."""
    return {name for _, source in cells for names in _DEFINED.findall(source) for name in names if name}


def defined_functions(cells: Sequence[Cell]) -> list[str]:
    return [name for _, source in cells for name in re.findall(r"^def[ \t]+(\w+)", source, re.MULTILINE)]


def unwritten_functions(cells: Sequence[Cell]) -> set[str]:
    """The functions of a handed out skeleton that are still without code."""
    names = set()
    for tree in filter(None, (_parse(source) for _, source in cells)):
        for node in tree.body:
            if isinstance(node, ast.FunctionDef) and all(map(_does_nothing, node.body)):
                names.add(node.name)
    return names


def _does_nothing(statement: ast.stmt) -> bool:
    is_refusal = isinstance(statement, ast.Raise) and "NotImplemented" in ast.dump(statement)
    is_constant = isinstance(statement, ast.Expr | ast.Return) and isinstance(statement.value, ast.Constant | None)
    return is_refusal or is_constant or isinstance(statement, ast.Pass)


def imported_modules(cells: Sequence[Cell]) -> list[str]:
    """The modules from which code imports names, without their packages, and what it runs by `%run`."""
    matches = (match for _, source in cells for match in _IMPORTED.findall(source))
    return [(imported or run).rpartition(".")[2] for imported, run in matches]


def foreign_imports(cells: Sequence[Cell], files: Container[str]) -> list[str]:
    """The packages that code imports, but for Python's own, NumPy and its own files."""
    lines = [re.split(r"\bimport\b", line)[0] for _, source in cells for line in _IMPORTS.findall(source)]
    names = {name for line in lines for name in re.findall(r"(?:^|,)[ \t]*(\w+)", line)}
    return sorted(name for name in names - {"numpy", *sys.stdlib_module_names} if f"{name}.py" not in files)


def unusual_parts(cells: Sequence[Cell]) -> list[str]:
    """What code has that homework seldom needs, and whoever tries to cheat may: for the teacher to look at."""
    parts: set[str] = set()
    numbers: set[float] = set()
    for node in _nodes(cells):
        parts |= {getattr(node, key, "") for key in ("id", "attr", "name")} & _REACHING_NAMES
        match node:
            case ast.Import() | ast.ImportFrom():
                modules = [alias.name for alias in node.names] + [getattr(node, "module", None) or ""]
                parts |= {module.partition(".")[0] for module in modules} & _REACHING_MODULES
            case ast.Attribute(value=ast.Name(id=owner), attr=attribute, ctx=context):
                is_replaced = isinstance(context, ast.Store) and owner in ("np", "numpy", "sys")
                if is_replaced or attribute not in _USUAL.get(owner, {attribute}):
                    parts.add(ast.unparse(node))
            case ast.Constant(value=float(number)):
                if len(re.sub(r"e.*|\D", "", repr(number)).strip("0")) >= MIN_DIGITS:
                    numbers.add(number)
            case ast.Constant(value=str(text)):
                parts |= _unusual_text(text)
            case ast.Constant(value=bytes(content)):
                parts |= _unusual_text(content.decode(errors="replace"))
    return sorted(parts) + ([f"{len(numbers)} numbers of many digits"] if len(numbers) >= MIN_LONG_NUMBERS else [])


def _unusual_text(text: str) -> set[str]:
    """What a constant has of it: a path that is not the submission's, or what may hold results."""
    parts = {text[:40]} if _ELSEWHERE.search(text) else set()
    is_long = len(text) >= MIN_LONG_TEXT and len(text.split()) == 1
    return parts | {"a long text"} if is_long else parts


def _nodes(cells: Sequence[Cell]) -> Iterator[ast.AST]:
    """All nodes of the cells that parse."""
    for tree in filter(None, (_parse(source) for _, source in cells)):
        yield from ast.walk(tree)


def fingerprint(cells: Sequence[Cell]) -> str:
    """A digest of code that is the same for other own names and comments; "" where nobody has written anything."""
    trees = [_parse(source) for _, source in cells]
    if all(tree is not None and all(map(_is_handed_out, tree.body)) for tree in trees):
        return ""
    code = _COMMENT.sub("", "\n".join(source for _, source in cells))
    return hashlib.sha256("".join(_renamed(code, _own_names(cells)).split()).encode()).hexdigest()


def _is_handed_out(statement: ast.stmt) -> bool:
    """Whether a statement may be a skeleton's: an import, or a function or class without code."""
    if isinstance(statement, ast.FunctionDef | ast.ClassDef):
        return all(map(_is_handed_out, statement.body))
    return isinstance(statement, ast.Import | ast.ImportFrom) or _does_nothing(statement)


def _own_names(cells: Sequence[Cell]) -> set[str]:
    """The names that code binds itself: those of variables, parameters, functions and attributes."""
    names = set()
    for node in _nodes(cells):
        match node:
            case ast.Name(id=name, ctx=ast.Store()) | ast.Attribute(attr=name, ctx=ast.Store()) | ast.arg(arg=name):
                names.add(name)
            case ast.FunctionDef(name=name) | ast.ClassDef(name=name) | ast.alias(asname=str(name)):
                names.add(name)
    return names


def _renamed(code: str, own: Container[str]) -> str:
    """Code with its own names numbered in the order in which they come."""
    numbers: dict[str, int] = {}
    return _NAME.sub(
        lambda match: f"n{numbers.setdefault(match[0], len(numbers))}" if match[0] in own else match[0], code
    )


def statement_shapes(cells: Sequence[Cell]) -> tuple[str, ...]:
    """Short digests of a code's statements, which are the same for other own names and in another order."""
    shapes = []
    own = _own_names(cells)
    for node in _nodes(cells):
        is_whole = isinstance(node, ast.Assign | ast.AugAssign | ast.Return | ast.Expr)
        head = node if is_whole else getattr(node, "test", None) or getattr(node, "iter", None)
        is_text = isinstance(getattr(node, "value", None), ast.Constant)
        if isinstance(node, ast.stmt) and head is not None and not is_text:
            with contextlib.suppress(RecursionError):  # of a very long sum
                shapes.append(hashlib.sha256(_renamed(ast.unparse(head), own).encode()).hexdigest()[:10])
    return tuple(sorted(shapes))


def _called(cells: Sequence[Cell], call: str) -> Iterator[tuple[str, str, ast.FunctionDef]]:
    """The functions that a call names, with their cells and sources; the last of each name first."""
    trees = [(cell, source, tree) for cell, source in cells if (tree := _parse(source))]
    for name in re.findall(r"(\w+)\s*\(", call):
        for cell, source, tree in reversed(trees):
            for node in ast.walk(tree):
                if isinstance(node, ast.FunctionDef) and node.name == name:
                    yield cell, source, node


def returned_expressions(cells: Sequence[Cell], call: str) -> list[str]:
    """What stands in the return statement of the function that is called."""
    for _, _, function in _called(cells, call):
        for node in ast.walk(function):
            if isinstance(node, ast.Return) and node.value:
                parts = node.value.elts if isinstance(node.value, ast.Tuple | ast.List) else [node.value]
                with contextlib.suppress(RecursionError):  # of a very long sum
                    return list(map(ast.unparse, parts))
    return []


def line_of(cells: Sequence[Cell], call: str, wrong: Sequence[str], right: Sequence[str]) -> str:
    """The last line on which all wrong returned expressions depend, and no right one."""
    if not wrong:
        return ""
    for cell, source, function in _called(cells, call):
        assigned = _assignments(function)
        returns = {node.lineno for node in ast.walk(function) if isinstance(node, ast.Return)}
        used = [_lines_behind(name, assigned) | (set() if name.isidentifier() else returns) for name in wrong]
        others = set().union(*(_lines_behind(name, assigned) for name in right))
        if lines := set.intersection(*used) - others or used[0] or returns:
            label = f"{cell}, " if len(cells) > 1 else ""
            return f"{label}line {max(lines)}: {source.splitlines()[max(lines) - 1].strip()[:120]}"
    return ""


def _assignments(function: ast.FunctionDef) -> dict[str, ast.Assign]:
    """The last assignment of each name in a function."""
    assigned: dict[str, ast.Assign] = {}
    for node in ast.walk(function):
        if isinstance(node, ast.Assign):
            targets = " ".join(map(ast.unparse, node.targets))
            assigned |= dict.fromkeys(re.findall(r"\w+", targets), node)
    return assigned


def _lines_behind(expression: str, assigned: Mapping[str, ast.Assign]) -> set[int]:
    """The lines that assign what an expression depends on."""
    waiting = {expression}
    reached: set[str] = set()
    while waiting:
        names = set(re.findall(r"\w+", waiting.pop())) & assigned.keys() - reached
        reached |= names
        waiting |= {ast.unparse(assigned[name].value) for name in names}
    return {assigned[name].lineno for name in reached}
