"""Render exported scripts from the templates of this package.

Small arrays are written as literals; large ones are compressed into comments at the end of the file.
"""

import ast
import base64
import inspect
import textwrap
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from importlib.metadata import version
from types import CodeType, FunctionType
from typing import TYPE_CHECKING, Any

import numpy as np

from deltarule.problem.problem import Floats

if TYPE_CHECKING:
    from jinja2 import Environment

MAX_LITERAL_NUMBERS = 1000
"""Larger arrays are packed: as literals they would take many pages."""
LINE_LENGTH = 116
"""Maximum number of characters in a line of a packed array."""
MAX_STATEMENT_LENGTH = 112
"""Maximum number of characters in a line of a training script's statements."""

HELPERS = {
    "select": '''
def select(test, yes, no):
    """`yes` where the test is above 0, `no` elsewhere; in the test's own precision"""
    return np.where(test > 0, yes, no).astype(np.asarray(test).dtype)
''',
    "erf": '''
def erf(z):
    """The error function; its last digit may differ from that of SciPy, which deltarule uses"""
    return np.vectorize(math.erf, otypes=[float])(z).astype(np.asarray(z).dtype)
''',
}
"""Replacements for formulas that support complex numbers or need SciPy."""

FROM_NUMPY = {"log1p", "expm1", "pi", "swapaxes"}
"""What scripts take from NumPy: functions in place of our own, as scripts use real numbers only, and other names."""


def render_script(
    template: str,
    arrays: "ScriptArrays",
    functions: Mapping[str, Callable[..., Any]],
    standard_modules: Sequence[str] = (),
    **context: Any,
) -> str:
    """Render a template to the text of a script.

    `functions` of `maths` have their names in the script, and `context` has further variables of the template.
    """
    sources, numpy_names = extract_sources(functions)
    needed = {*standard_modules, *(["base64", "zlib"] if arrays.packed else [])}
    needed |= {"math"} if any("math.erf" in source for source in sources) else set()
    imports = [f"import {module}" for module in sorted(needed)]
    imports += ["from pathlib import Path"] if arrays.packed else []
    numpy_imports = ["import numpy as np"]
    numpy_imports += [f"from numpy import {', '.join(numpy_names)}"] if numpy_names else []
    constants = [source for source in sources if not source.startswith("def ")]
    formulas = ["\n".join(constants), *(source for source in sources if source not in constants)]
    text: str = (
        script_templates()
        .get_template(f"{template}.py.jinja")
        .render(
            arrays=arrays,
            imports="\n".join(imports),
            numpy_imports="\n".join(numpy_imports),
            formulas="\n\n\n".join(formulas).strip(),
            version=version("deltarule"),
            **context,
        )
    )
    return text


@cache
def script_templates() -> "Environment":
    """The Jinja environment with the script templates and their filters."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("deltarule.export", "templates"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {
        "literal": repr,
        "heading": lambda text: f"# --- {text} ".ljust(110, "-"),
        "wrap_statements": lambda text: "".join(f"{wrap_statement(line)}\n" for line in text.splitlines()),
    }
    return environment


def wrap_statement(line: str) -> str:
    """Break a statement at blanks into lines of at most `MAX_STATEMENT_LENGTH`."""
    if len(line) <= MAX_STATEMENT_LENGTH:
        return line
    indent = " " * (len(line) - len(line.lstrip()))
    options: dict[str, Any] = {"initial_indent": indent, "subsequent_indent": f"{indent}    "}
    return textwrap.fill(line.strip(), MAX_STATEMENT_LENGTH, break_long_words=False, break_on_hyphens=False, **options)


class ScriptArrays:
    """Writes the arrays of a script: small ones as literals, large ones packed."""

    def __init__(self, dtype: np.dtype[Any]) -> None:
        self.dtype = dtype
        self.packed: list[str] = []

    def assignment(self, name: str, array: Floats) -> str:
        """The statement that assigns an array [rows, columns] to a name."""
        array = np.asarray(array, self.dtype)
        rows, columns = array.shape
        ending = ", np.float32)" if self.dtype == np.float32 else ")"
        if not array.any():
            return f"{name} = np.zeros(({rows}, {columns}){ending}"
        if array.size > MAX_LITERAL_NUMBERS:
            self._pack(name, array)
            return f'{name} = packed("{name}")'
        row_texts = [f"[{', '.join(map(str, row))}]" for row in array]
        return wrap_statement(f"{name} = np.array([{', '.join(row_texts)}]{ending}")

    def _pack(self, name: str, array: Floats) -> None:
        little_endian = array.astype(self.dtype.newbyteorder("<"))
        body = base64.b64encode(zlib.compress(little_endian.tobytes(), 9)).decode("ascii")
        lines = [f"#{body[start : start + LINE_LENGTH]}" for start in range(0, len(body), LINE_LENGTH)]
        shape = " ".join(map(str, array.shape))
        self.packed.append("\n".join([f"# packed {name}: {little_endian.dtype.str} {shape}", *lines, ""]))

    def packed_lines(self) -> str:
        return "\n\n" + "\n".join(self.packed) if self.packed else ""


def call_text(functions: dict[str, Any], function: Callable[..., Any], *arguments: Any, **parameters: Any) -> str:
    """The text of a call, such as "relu(z1)", of a function that is added to those of the script."""
    name = "scheduled_rate" if function.__module__.endswith("schedules") else function.__name__  # step is taken
    functions[name] = function
    keywords = [f"{key}={value}" for key, value in parameters.items()]
    return f"{name}({', '.join([*map(str, arguments), *keywords])})"


def extract_sources(functions: Mapping[str, Callable[..., Any]]) -> tuple[list[str], list[str]]:
    """The source texts of named functions and all they call, and NumPy's names."""
    sources: dict[str, str] = {}
    numpy_names: set[str] = set()
    for name, function in functions.items():
        _add_source(name, function, sources, numpy_names)
    return list(sources.values()), sorted(numpy_names)


def _add_source(name: str, function: Callable[..., Any], sources: dict[str, str], numpy_names: set[str]) -> None:
    assert isinstance(function, FunctionType)
    if name in sources:
        return
    if name in HELPERS:
        sources[name] = HELPERS[name].strip()
        return
    for used in _global_names(function.__code__):
        value = function.__globals__.get(used)
        if isinstance(value, np.ufunc) or used in FROM_NUMPY:
            numpy_names.add(used)
        elif isinstance(value, FunctionType) and value.__module__.startswith("deltarule.maths"):
            _add_source(used, value, sources, numpy_names)
        elif isinstance(value, int | float | tuple | np.generic) and used not in sources:
            sources[used] = f"{used} = {value!r}"
    sources[name] = _plain_source(function, name)


def _global_names(code: CodeType) -> Iterator[str]:
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _global_names(constant)


def _plain_source(function: FunctionType, name: str) -> str:
    """A function's source without annotations and docstring examples."""
    [definition] = ast.parse(textwrap.dedent(inspect.getsource(function))).body
    assert isinstance(definition, ast.FunctionDef)
    definition.name = name
    for node in ast.walk(definition):
        if isinstance(node, ast.arg):
            node.annotation = None
        elif isinstance(node, ast.FunctionDef):
            node.returns = None
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and ">>>" in node.value:
            node.value = node.value.partition(">>>")[0].rstrip()
    return "\n".join(map(wrap_statement, ast.unparse(definition).splitlines()))
