"""Turn the functions of formulas into source text for a compiled program.

A formula is an elementwise Python function over the helpers of `elementary` and a few of NumPy's functions: a sequence
of assignments, and a return. Its source is taken as it stands, without docstring and annotations, if it is what the
function does; numbers become floats, and a power in a built-in formula a call, so that it too runs in SIMD lanes.

NumPy rounds a Python number that is combined with a float32 array: z < 0.9 compares with 0.8999999762. A float32
program rounds it, too; otherwise a formula could take another branch than it does in the reference engine.
"""

import ast
import inspect
import re
import textwrap
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import CodeType, FunctionType, ModuleType
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from deltarule.engines.compiled.formula_rewriter import (
    FormulaRewriter,
    Kinds,
    NotCompilable,
    default_values,
    defaulted_arguments,
    is_library_function,
)

ENTRY = (
    '@njit(error_model="numpy", _nrt=False, nogil=True, cache=True, no_cfunc_wrapper=True, pipeline_class=LinkedOnce)'
)
"""The decorator of the one function of a program that Python calls."""


def read_program_sources(*file_names: str, lanes: int = 16) -> list[str]:
    """Return the texts with which programs begin, without their deltarule imports.

    They follow one another, so that what one imports from another is defined; `lanes` is the program's `LANES`.
    """
    folder = Path(__file__).parent / "program_sources"
    texts = [(folder / name).read_text(encoding="utf-8") for name in file_names]
    texts = [text.replace("LANES = 16\n", f"LANES = {lanes}\n") for text in texts]
    return [
        re.sub(r"^from deltarule\..* import (\([^)]*\)|.*)\n", "", text, flags=re.MULTILINE).rstrip() for text in texts
    ]


def elementary_source_files(dtype: DTypeLike) -> tuple[str, ...]:
    return ("simd_math.py", "simd_math_float32.py") if np.dtype(dtype) == np.float32 else ("simd_math.py",)


_Form = tuple[Callable[..., Any], frozenset[str], Kinds | None]
"""A formula's function, the arguments left to their defaults, and the kinds of the others, see `Formulas.name`."""


def formula_key(function: Callable[..., Any]) -> tuple[Any, ...]:
    """Return a hashable key that determines the text of a custom formula.

    It changes as soon as a global number that the formula, or one that it calls, reads has changed.

    >>> import deltarule.maths.losses as losses
    >>> formula_key(losses.huber) == formula_key(losses.huber) != formula_key(losses.huber_derivative)
    True
    """
    parts: list[Any] = []
    pending = [function]
    for formula in pending:  # which grows
        if not isinstance(formula, FunctionType):
            parts.append(type(formula))
            continue
        values = [formula.__globals__.get(name) for name in formula.__code__.co_names]
        parts += [formula.__code__, repr(formula.__defaults__)]
        parts += [(repr(value), value) if isinstance(value, int | float) else None for value in values]  # True is 1
        parts += [value if isinstance(value, np.ufunc | ModuleType) else type(value) for value in values]
        pending += [value for value in values if isinstance(value, FunctionType) and value not in pending]
    return tuple(parts)


class Formulas:
    """Collects the source texts of a program's formulas, each under a unique name."""

    def __init__(self, dtype: DTypeLike = np.float64) -> None:
        self.rounds = np.dtype(dtype) == np.float32
        self._names: dict[_Form, str] = {}
        self._begun: list[_Form] = []
        self.texts: list[str] = []
        self.kinds: dict[str, str | None] = {}
        """Whether a formula returns a "plain" or a "wide" number, by its name; None if neither."""
        self._constants: dict[str, str] = {}

    def name(
        self,
        function: Callable[..., Any],
        defaulted: frozenset[str] = frozenset(),
        kinds: Kinds | None = None,
    ) -> str:
        """Return a formula's name within the program, and add its text if it is new.

        `defaulted` are the arguments that calls leave to their defaults; without `kinds` nothing is rounded.
        """
        if not isinstance(function, FunctionType):
            raise NotCompilable(f"a formula that is no function of def, but a {type(function).__name__}")
        form = function, defaulted, kinds
        if form not in self._names:
            if form in self._begun:
                raise NotCompilable(f"'{function.__name__}', which calls itself")
            self._begun.append(form)
            module = f"{function.__module__}".rsplit(".", 1)[-1]
            # Two cells of a notebook may each define a function of this name, and a head one, too; and a float32
            # program may have a built-in formula in several forms.
            prefix = "" if is_library_function(function) and kinds is None else f"own{len(self._begun)}_"
            text_name = re.sub(r"\W", "_", f"{prefix}{module}_{function.__name__}")
            text = self._text(function, text_name, defaulted, kinds)
            self._names[form] = text_name
            self.texts.append(text)
        return self._names[form]

    def constant(self, value: float) -> str:
        """Return the text of a number beside arrays, a name in a float32 program."""
        text = ast.unparse(ast.Constant(float(value)))
        if not self.rounds:
            return text
        if text not in self._constants:
            self._constants[text] = f"constant_{len(self._constants)}"
            self.texts.append(f"{self._constants[text]} = np.float32({text})")
        return self._constants[text]

    def helper(self, name: str) -> str:
        """Return the name of an elementary function for the arrays' dtype."""
        return f"{name}_single" if self.rounds else name

    def call(self, function: Callable[..., Any], *arguments: str, **parameters: float) -> str:
        return self._call(
            function,
            arguments,
            parameters,
            frozenset((parameter, "plain") for parameter in parameters) if self.rounds else None,
        )

    def call_in_float64(self, function: Callable[..., Any], *arguments: str) -> str:
        return self._call(function, arguments, {}, None)

    def _call(
        self,
        function: Callable[..., Any],
        arguments: Sequence[str],
        parameters: Mapping[str, float],
        kinds: Kinds | None,
    ) -> str:
        argument_list = ", ".join([*arguments, *(f"{name}={float(value)!r}" for name, value in parameters.items())])
        call = ast.parse(f"f({argument_list})", mode="eval").body
        assert isinstance(call, ast.Call)
        return f"{self.name(function, defaulted_arguments(function, call), kinds)}({argument_list})"

    def _text(self, function: FunctionType, name: str, defaulted: frozenset[str], kinds: Kinds | None) -> str:
        tree = _source_tree(function)
        definition = tree.body[0]
        assert isinstance(definition, ast.FunctionDef)
        definition.name, definition.decorator_list, definition.returns = name, [ast.Name("compiled")], None
        if ast.get_docstring(definition):
            definition.body = definition.body[1:]
        arguments = definition.args
        if arguments.posonlyargs or arguments.kwonlyargs or arguments.vararg or arguments.kwarg:
            raise NotCompilable(f"'{function.__name__}', which has / or * among its arguments")
        defaults = {argument: value for argument, value in default_values(function).items() if argument in defaulted}
        assignments = [
            ast.Assign([ast.Name(name, ast.Store())], ast.Constant(value)) for name, value in defaults.items()
        ]
        arguments.args = [ast.arg(argument.arg) for argument in arguments.args if argument.arg not in defaulted]
        arguments.defaults = []
        rewriter = FormulaRewriter(self, function, {argument.arg for argument in arguments.args}, kinds)
        definition.body = [rewriter.statement(statement) for statement in [*assignments, *definition.body]]
        self.kinds[name] = rewriter.returned_kind
        return ast.unparse(ast.fix_missing_locations(tree))


def _source_tree(function: FunctionType) -> ast.Module:
    """Return the syntax tree of a function's def, if its file still holds it."""
    name, code = function.__name__, function.__code__
    if code.co_freevars:
        raise NotCompilable(f"'{name}', which is made by another function and keeps its {', '.join(code.co_freevars)}")
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(code)))
    except (OSError, TypeError, SyntaxError):
        raise NotCompilable(f"'{name}', whose source cannot be read") from None
    # A lambda may be a default of the def.
    if len(tree.body) != 1 or not isinstance(tree.body[0], ast.FunctionDef) or tree.body[0].name != code.co_name:
        raise NotCompilable(f"'{name}', which is not defined by def")
    if any(isinstance(constant, CodeType) for constant in code.co_consts):
        raise NotCompilable(f"'{name}', which defines functions of its own")
    modules = [name for name in code.co_names if isinstance(function.__globals__.get(name), ModuleType)]
    imports = [ast.fix_missing_locations(ast.Import([ast.alias(name)])) for name in modules]
    # How Python compiles np.exp(z) depends on whether it sees the import of np, as in a file and not in a notebook.
    for statements in ([*imports, *tree.body], tree.body):
        module_code = compile(ast.Module(statements, []), "", "exec", dont_inherit=True)
        [candidate] = (one for one in module_code.co_consts if isinstance(one, CodeType))
        if _is_same_code(candidate, code):
            return tree
    raise NotCompilable(f"'{name}', whose source has changed since")


def _is_same_code(one: CodeType, other: CodeType) -> bool:
    first, second = (
        (code.co_code, code.co_names, code.co_varnames, code.co_argcount, repr(code.co_consts)) for code in (one, other)
    )
    return first == second
