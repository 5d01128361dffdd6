"""Print the formulas of a compiled program as functions that Numba compiles.

A formula is traced first, so NumPy has decided in which type each of its operations is computed. A formula without such
a program, or with an operation that programs lack, is refused: the reference engine trains it as it stands.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from deltarule.errors import DeltaruleError
from deltarule.program.formula import OPERATORS, OPERATORS_OF_BOOLEANS, trace
from deltarule.program.program import NotTraceable, Operand, Operation, Variable

IN_FLOAT32 = frozenset("exp expm1 log log1p tanh".split())
"""The functions of simd_math.py that also have a form for float32, such as `exp_single`."""

_TEXTS = {
    **OPERATORS,
    "equal": "{} == {}",
    "not_equal": "{} != {}",
    "invert": "not {}",
    "logical_not": "not {}",
    "absolute": "abs({})",
    "where": "select({}, {}, {})",
    "select": "select({}, {}, {})",
    "maximum": "maximum({}, {})",
    "minimum": "minimum({}, {})",
    "arctan": "math.atan({})",
    **{name: f"{name}({{}})" for name in IN_FLOAT32},
    **{name: f"math.{name}({{}})" for name in ("erf", "sqrt", "sin", "cos", "sinh", "cosh")},
    **{name: f"np.{name}({{}})" for name in ("ceil", "floor", "sign", "trunc")},
}
_OF_WHOLE_NUMBERS = (*OPERATORS, *"equal not_equal absolute where select maximum minimum".split())
_MAX_UNROLLED_POWER = 64
"""The largest whole power that is a product; Numba computes it in the order of NumPy's own square for 2."""


class NotCompilable(DeltaruleError):
    """Raised if a formula or a problem has no compiled program."""


def is_library_function(function: Callable[..., Any]) -> bool:
    """Whether a function was written here: a decorated one may have taken over another's `__module__`."""
    written_in = getattr(function, "__globals__", {}).get("__name__", "")
    return str(written_in).startswith("deltarule.")


class Formulas:
    """Collects the functions of a program's formulas, each under a unique name."""

    def __init__(self, dtype: DTypeLike = np.float64) -> None:
        self.dtype = np.dtype(dtype)
        self.rounds = self.dtype == np.float32
        self.texts: list[str] = []
        self._names: dict[str, str] = {}
        self._constants: dict[str, str] = {}

    def call(
        self,
        function: Callable[..., Any],
        *arguments: str,
        numbers: Mapping[str, str] | None = None,
        parameters: Mapping[str, Any] | None = None,
        results: int = 1,
        dtype: DTypeLike | None = None,
    ) -> str:
        """Return the call of a formula, and add its function if it is new.

        `arguments` and the named `numbers` are expressions, `parameters` numbers; an optimizer has several `results`.
        Everything has the dtype of the program's arrays, or another `dtype`.
        """
        numbers, label = numbers or {}, getattr(function, "__name__", type(function).__name__)
        try:
            names = [f"x{index}" for index in range(len(arguments))]
            named = {name: f"{name}_" for name in numbers}  # other names than those of functions
            program = trace(function, names, dtype or self.dtype, named, parameters)
            if len(program.results) != results:
                raise NotTraceable(f"it returns {len(program.results)} numbers instead of {results}")
            lines = [
                f"    {operation.result} = {self._text(operation, is_library_function(function))}"
                for operation in program.operations
            ]
        except NotTraceable as reason:
            raise NotCompilable(f"the formula '{label}' ({reason})") from None
        returned = ", ".join(self._float(result) for result in program.results)
        text = "\n".join([f"({', '.join(map(str, program.arguments))}):", *lines, f"    return {returned}"])
        if text not in self._names:
            self._names[text] = re.sub(r"\W", "_", f"formula{len(self._names)}_{label}")
            self.texts.append(f"@compiled\ndef {self._names[text]}{text}")
        return f"{self._names[text]}({', '.join([*arguments, *numbers.values()])})"

    def constant(self, value: float) -> str:
        """Return the text of a number beside arrays, a name in a float32 program."""
        text = _literal(float(value))
        if not self.rounds:
            return text
        if text not in self._constants:
            self._constants[text] = f"constant_{len(self._constants)}"
            self.texts.append(f"{self._constants[text]} = np.float32({text})")
        return self._constants[text]

    def helper(self, name: str) -> str:
        """Return the name of an elementary function for the arrays' dtype."""
        return f"{name}_single" if self.rounds else name

    def _text(self, operation: Operation, is_library: bool) -> str:
        name, dtype, operands = operation.name, operation.result.dtype, operation.operands
        kinds = {operand.dtype.kind for operand in operands}
        if name == "cast":
            return self._cast(operands[0], dtype)
        if name == "power" and dtype.kind == "f":
            base, exponent = operands
            return self._power(base, exponent, dtype, is_library)
        text = OPERATORS_OF_BOOLEANS.get(name) if kinds == {"b"} else None
        text = text or (_TEXTS.get(name) if "i" not in kinds or name in _OF_WHOLE_NUMBERS else None)
        if text is None:
            raise NotTraceable(f"it uses {name}, which programs lack")
        called = text.format(*map(self._operand, operands))
        if dtype != np.float32:
            return called
        if name in IN_FLOAT32:
            return called.replace("(", "_single(", 1)
        return f"np.float32({called})" if name == "erf" else called

    def _power(self, base: Operand, exponent: Operand, dtype: "np.dtype[Any]", is_library: bool) -> str:
        x, y = self._operand(base), self._operand(exponent)
        if is_library:  # without a call, so that it too runs in SIMD lanes
            return f"np.float32(raised({x}, {y}))" if dtype == np.float32 else f"raised({x}, {y})"
        if isinstance(exponent, Variable) or exponent.value % 1 or abs(exponent.value) > _MAX_UNROLLED_POWER:
            return f"{x} ** {y}"
        whole = int(exponent.value)
        if whole >= 0:
            return f"{x} ** {whole}"
        # For 0.0 to a negative integer power Numba raises an error, and NumPy gives infinity.
        return f"{self._number(1.0, dtype)} / {x} ** {-whole}"

    def _cast(self, operand: Operand, dtype: "np.dtype[Any]") -> str:
        x = self._operand(operand)
        if dtype.kind == "b":
            return f"{x} != 0"
        if operand.dtype.kind == "b":
            return f"({self._number(1, dtype)} if {x} else {self._number(0, dtype)})"
        return f"np.{dtype}({x})"

    def _float(self, operand: Operand) -> str:
        """Return a result of a formula, a truth as 0 or 1."""
        if operand.dtype.kind == "f":
            return self._operand(operand)
        return self._cast(operand, self.dtype if operand.dtype == bool else np.dtype(float))

    def _operand(self, operand: Operand) -> str:
        return operand.name if isinstance(operand, Variable) else self._number(operand.value, operand.dtype)

    def _number(self, value: float, dtype: "np.dtype[Any]") -> str:
        if dtype.kind == "f":
            single = self.constant(value) if self.rounds else f"np.float32({_literal(value)})"
            return single if dtype == np.float32 else _literal(float(value))
        return repr(bool(value) if dtype.kind == "b" else int(value))


def _literal(value: float) -> str:
    text = repr(value).replace("inf", "math.inf").replace("nan", "math.nan")
    return f"({text})" if text.startswith("-") else text
