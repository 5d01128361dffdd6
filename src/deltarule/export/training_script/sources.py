"""The source of formulas, with everything of `maths` that they use, to stand in a script of its own."""

import ast
import inspect
import textwrap
from collections.abc import Callable, Iterator, Sequence
from types import CodeType, FunctionType
from typing import Any

import numpy as np

HELPERS = {
    "select": '''
def select(test, yes, no):
    """`yes` where the test is above 0, `no` elsewhere"""
    return np.where(test > 0, yes, no)
''',
    "erf": '''
def erf(z):
    """The error function; its last digit may differ from that of SciPy, which deltarule uses"""
    return np.vectorize(math.erf, otypes=[float])(z).astype(np.asarray(z).dtype)
''',
}
"""What is written otherwise where there are no complex numbers and no SciPy."""

FLOAT32_SELECT = '''
def select(test, yes, no):
    """`yes` where the test is above 0, `no` elsewhere; in the test's own precision"""
    return np.where(test > 0, yes, no).astype(test.dtype)
'''

FROM_NUMPY = {"log1p", "expm1"}
"""Formulas of ours that NumPy's function of the same name replaces where there are no complex numbers."""


def extract_sources(
    functions: Sequence[Callable[..., Any]], dtype: np.dtype[Any], names: dict[Callable[..., Any], str] | None = None
) -> tuple[list[str], list[str]]:
    """The sources of functions, what they use before them; and the names that they need from NumPy.

    functions : functions of `maths`.
    dtype : of the arrays that they will meet.
    names : other names for some of the functions, where two have the same.

    >>> from deltarule.maths.activations import softplus_derivative
    >>> sources, numpy_names = extract_sources([softplus_derivative], np.dtype("float64"))
    >>> [source.split("(")[0] for source in sources], numpy_names
    (['def select', 'def sigmoid', 'def softplus_derivative'], ['exp'])
    """
    sources: dict[str, str] = {}
    needed: set[str] = set()
    for function in functions:
        _gather(function, sources, needed, (names or {}).get(function))
    if "select" in sources and dtype == np.float32:
        sources["select"] = FLOAT32_SELECT.strip()
    return list(sources.values()), sorted(needed)


def _gather(function: Callable[..., Any], sources: dict[str, str], needed: set[str], rename: str | None = None) -> None:
    """Write a function down, after everything that it uses."""
    assert isinstance(function, FunctionType)
    name = rename or function.__name__
    if name in sources:
        return
    if name in HELPERS:
        sources[name] = HELPERS[name].strip()
        return
    for used in _names_in(function.__code__):
        value = function.__globals__.get(used)
        if isinstance(value, FunctionType) and value.__module__.startswith("deltarule.maths"):
            if used in FROM_NUMPY:
                needed.add(used)
            else:
                _gather(value, sources, needed)
        elif isinstance(value, np.ufunc) or used == "pi":
            needed.add(used)
        elif isinstance(value, int | float | tuple | np.generic) and used not in sources:
            sources[used] = f"{used} = {value!r}"
    sources[name] = _plain(function, name)


def _names_in(code: CodeType) -> Iterator[str]:
    """The global names in a function, those of the functions within it too."""
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _names_in(constant)


def _plain(function: Callable[..., Any], name: str) -> str:
    """A function's source without annotations, and without the examples in its docstring."""
    source = textwrap.dedent(inspect.getsource(function))
    lines = source.splitlines()
    definitions = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.FunctionDef)]
    for node in sorted(definitions, key=lambda node: -node.lineno):  # from below, so that the lines above stay in place
        indent, first = " " * node.col_offset, node.body[0]
        called = node.name if indent else name
        for one in ast.walk(node.args):
            if isinstance(one, ast.arg):
                one.annotation = None
        if ast.get_docstring(node) is not None:
            lines[first.lineno - 1 : first.end_lineno] = _short_docstring(
                ast.get_docstring(node) or "", indent + "    "
            )
        lines[node.lineno - 1 : first.lineno - 1] = [f"{indent}def {called}({ast.unparse(node.args)}):"]
    return "\n".join(lines)


def _short_docstring(text: str, indent: str) -> list[str]:
    """A docstring's lines, without the examples at its end."""
    told = text.partition(">>>")[0].strip()
    if "\n" not in told:
        return [f'{indent}"""{told}"""']
    first, *others = told.splitlines()
    return [f'{indent}"""{first}', *(f"{indent}{line}".rstrip() for line in others), f'{indent}"""']
