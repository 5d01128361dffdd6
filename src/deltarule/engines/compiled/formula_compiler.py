"""The formulas of `maths` as source text for a compiled program: taken from the functions themselves.

A formula is an elementwise Python function over the helpers of `elementary` and a few of NumPy's functions: a row of
assignments, and what it returns. Its text is taken as it stands, without docstring and annotations, where it is what
the function does; whole numbers become floats, and a power of ours a call, so that it too runs in SIMD lanes.

NumPy rounds a number of Python's where it meets an array of float32: z < 0.9 compares with 0.8999999762. In a program
of float32 it is rounded there too, or a formula could take another branch than it does in the reference engine.
"""

import ast
import inspect
import re
import textwrap
from collections.abc import Callable, Mapping, Sequence
from itertools import chain, combinations
from pathlib import Path
from types import CodeType, FunctionType, ModuleType
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from deltarule.engines.compiled.formula_functions import default_values, defaulted_arguments, is_ours
from deltarule.engines.compiled.formula_rewriter import FormulaRewriter, Kinds, NotCompilable

ENTRY = (
    '@njit(error_model="numpy", _nrt=False, nogil=True, cache=True, no_cfunc_wrapper=True, pipeline_class=LinkedOnce)'
)
"""What stands before the one function of a program that Python calls."""


def heads(*names: str) -> list[str]:
    """The files of this folder that a program begins with; what one imports of another is for its readers."""
    texts = [(Path(__file__).parent / name).read_text(encoding="utf-8") for name in names]
    return ["\n".join(one for one in text.splitlines() if not one.startswith("from deltarule.")) for text in texts]


def elementary_heads(dtype: DTypeLike) -> tuple[str, ...]:
    """The files of elementary functions that a program needs for arrays of a dtype."""
    return ("simd_math.py", "simd_math_float32.py") if np.dtype(dtype) == np.float32 else ("simd_math.py",)


_Form = tuple[Callable[..., Any], frozenset[str], Kinds | None]
"""A formula, the arguments that are left to their defaults, and the kinds of the others, see `Formulas.name`."""


def formula_key(function: Callable[..., Any]) -> tuple[Any, ...]:
    """All that decides the text of somebody's own formula: code and defaults, and the globals that it reads, with the
    formulas among them. It can be hashed, and is another one as soon as a global number has changed.

    >>> import deltarule.maths.losses as losses
    >>> formula_key(losses.huber) == formula_key(losses.huber) != formula_key(losses.huber_derivative)
    True
    """
    found: list[Any] = []
    left = [function]
    for one in left:  # which grows
        if not isinstance(one, FunctionType):
            found.append(type(one))
            continue
        values = [one.__globals__.get(name) for name in one.__code__.co_names]
        found += [one.__code__, repr(one.__defaults__)]
        found += [(repr(value), value) if isinstance(value, int | float) else None for value in values]  # True is 1
        found += [value if isinstance(value, np.ufunc | ModuleType) else type(value) for value in values]
        left += [value for value in values if isinstance(value, FunctionType) and value not in left]
    return tuple(found)


class Formulas:
    """The formulas that a program needs, each under a name of its own, those that they call before them.

    dtype : of the arrays that they are computed on in the reference engine
    """

    def __init__(self, dtype: DTypeLike = np.float64) -> None:
        self.rounds = np.dtype(dtype) == np.float32
        self._names: dict[_Form, str] = {}
        self._begun: list[_Form] = []
        self.texts: list[str] = []
        self.reaches: dict[str, float | None] = {}
        """How far from 0 the whole numbers may be that a formula returns; None for one that returns floats."""
        self.kinds: dict[str, str | None] = {}
        """Whether what a formula returns is plain or wide; None where it is neither."""
        self._constants: dict[str, str] = {}

    def name(
        self,
        function: Callable[..., Any],
        left: frozenset[str] = frozenset(),
        kinds: Kinds | None = None,
    ) -> str:
        """The name of a formula within the program; its text is added when it is first asked for.

        left : the arguments that its calls leave to their defaults, as may be whole numbers and truths
        kinds : what its arguments are in a formula of float32; None where nothing is rounded
        """
        if not isinstance(function, FunctionType):
            raise NotCompilable(f"a formula that is no function of def, but a {type(function).__name__}")
        form = function, left, kinds
        if form not in self._names:
            if form in self._begun:
                raise NotCompilable(f"'{function.__name__}', which calls itself")
            self._begun.append(form)
            module = f"{function.__module__}".rsplit(".", 1)[-1]
            # Two cells of a notebook may each have a function of one name, and a head one of that name, too; and one of
            # ours may stand in a program of float32 in several forms.
            own = "" if is_ours(function) and kinds is None else f"own{len(self._begun)}_"
            text_name = re.sub(r"\W", "_", f"{own}{module}_{function.__name__}")
            text = self._text(function, text_name, left, kinds)
            self._names[form] = text_name
            self.texts.append(text)
        return self._names[form]

    def constant(self, value: float) -> str:
        """A number as it stands beside arrays: of float32 it has a name, as one that is written out is of float64.

        >>> Formulas().constant(0.5), Formulas(np.float32).constant(0.5)
        ('0.5', 'constant_0')
        """
        text = ast.unparse(ast.Constant(float(value)))
        if not self.rounds:
            return text
        if text not in self._constants:
            self._constants[text] = f"constant_{len(self._constants)}"
            self.texts.append(f"{self._constants[text]} = np.float32({text})")
        return self._constants[text]

    def helper(self, name: str) -> str:
        """The name of an elementary function of the arrays' precision.

        >>> Formulas().helper("exp"), Formulas(np.float32).helper("exp")
        ('exp', 'exp_single')
        """
        return f"{name}_single" if self.rounds else name

    def call(self, function: Callable[..., Any], *arguments: str, **parameters: float) -> str:
        """A call of a formula of arrays, as text; some arguments may be texts as "norm=n"."""
        return self._call(
            function,
            arguments,
            parameters,
            frozenset((parameter, "plain") for parameter in parameters) if self.rounds else None,
        )

    def call_in_float64(self, function: Callable[..., Any], *arguments: str) -> str:
        """The same of a formula that the reference engine computes in float64, whatever θ's dtype: once a step."""
        return self._call(function, arguments, {}, None)

    def _call(
        self,
        function: Callable[..., Any],
        arguments: Sequence[str],
        parameters: Mapping[str, float],
        kinds: Kinds | None,
    ) -> str:
        given = ", ".join([*arguments, *(f"{name}={float(value)!r}" for name, value in parameters.items())])
        call = ast.parse(f"f({given})", mode="eval").body
        assert isinstance(call, ast.Call)
        return f"{self.name(function, defaulted_arguments(function, call), kinds)}({given})"

    def _text(self, function: FunctionType, name: str, left: frozenset[str], kinds: Kinds | None) -> str:
        tree = _source(function)
        definition = tree.body[0]
        assert isinstance(definition, ast.FunctionDef)
        definition.name, definition.decorator_list, definition.returns = name, [ast.Name("compiled")], None
        if ast.get_docstring(definition):
            definition.body = definition.body[1:]
        arguments = definition.args
        if arguments.posonlyargs or arguments.kwonlyargs or arguments.vararg or arguments.kwarg:
            raise NotCompilable(f"'{function.__name__}', which has / or * among its arguments")
        # Numba would take the defaults -0.0 and 0.0 for the same.
        kept = {one: value for one, value in default_values(function).items() if one in left}
        first = [ast.Assign([ast.Name(one, ast.Store())], ast.Constant(value)) for one, value in kept.items()]
        arguments.args = [ast.arg(one.arg) for one in arguments.args if one.arg not in left]
        arguments.defaults = []
        rewriter = FormulaRewriter(self, function, {one.arg for one in arguments.args}, kinds)
        definition.body = [rewriter.statement(one) for one in [*first, *definition.body]]
        self.reaches[name], self.kinds[name] = rewriter.returned
        return ast.unparse(ast.fix_missing_locations(tree))


def _source(function: FunctionType) -> ast.Module:
    """The definition of a function, by def and on its own.

    A file may have been edited since, and two lambdas may stand on one line: so the text must compile to the very code
    that the function has.
    """
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
    if any(isinstance(one, CodeType) for one in code.co_consts):
        raise NotCompilable(f"'{name}', which defines functions of its own")
    names = (*code.co_names, *code.co_varnames)
    modules = [name for name in names if isinstance(function.__globals__.get(name), ModuleType)]
    imports = [ast.fix_missing_locations(ast.Import([ast.alias(name)])) for name in modules]
    # What Python makes of np.exp(z) depends on whether it sees the import of np: a cell of a notebook may lack it.
    seen = chain.from_iterable(combinations(imports, n) for n in range(len(imports) + 1))
    programs = (compile(ast.Module([*some, *tree.body], []), "", "exec", dont_inherit=True) for some in seen)
    made = (one for program in programs for one in program.co_consts if isinstance(one, CodeType))
    if not any(_does_the_same(one, code) for one in made):
        raise NotCompilable(f"'{name}', whose source has changed since")
    return tree


def _does_the_same(one: CodeType, other: CodeType) -> bool:
    """Whether two functions are the same instructions, names and constants."""
    first, second = (
        (code.co_code, code.co_names, code.co_varnames, code.co_argcount, repr(code.co_consts)) for code in (one, other)
    )
    return first == second
