"""Print a formula's program as a JavaScript function of numbers.

>>> from deltarule.program.formula import trace
>>> print(javascript("leaky_relu", trace(lambda z, slope: np.where(z > 0, z, slope * z), ["z", "slope"], "float64")))
function leaky_relu(z, slope) {
  const t0 = z > 0.0;
  const t1 = slope * z;
  const t2 = t0 ? z : t1;
  return t2;
}
"""

import math

import numpy as np

from deltarule.program.formula import OPERATORS, OPERATORS_OF_BOOLEANS
from deltarule.program.program import NotTraceable, Operand, Operation, Program, Variable

HELPERS = """
function erf(x) {
  if (!(Math.abs(x) < 6)) return Math.sign(x);
  const rounded = Math.fround(x); // whose square is exact
  const bell = Math.exp(-rounded * rounded) * Math.exp((rounded - x) * (rounded + x)) / Math.sqrt(Math.PI);
  if (Math.abs(x) < 1) {
    let term = 2 * x, total = term;
    for (let n = 1; Math.abs(term) > 1e-17 * Math.abs(total); n++) {
      term *= 2 * x * x / (2 * n + 1);
      total += term;
    }
    return bell * total;
  }
  let fraction = x;
  for (let n = Math.ceil(8 + 200 / (x * x)); n > 0; n--) fraction = x + n / 2 / fraction;
  return Math.sign(x) - bell / fraction;
}
""".strip()
"""The functions that printed formulas call and JavaScript lacks."""

_SAME_NAMES = "ceil cos cosh exp expm1 floor log log1p sign sin sinh sqrt tan tanh trunc".split()
_TEXTS = {
    **OPERATORS,
    "power": "{} ** {}",
    "reciprocal": "1 / {}",
    "equal": "{} === {}",
    "not_equal": "{} !== {}",
    "where": "{} ? {} : {}",
    "select": "{} > 0 ? {} : {}",
    "erf": "erf({})",
    "absolute": "Math.abs({})",
    "arctan": "Math.atan({})",
    "maximum": "Math.max({}, {})",
    "minimum": "Math.min({}, {})",
    **{name: f"Math.{name}({{}})" for name in _SAME_NAMES},
}
_TEXTS_OF_BOOLEANS = {
    **{name: text.replace("|", "||").replace("&", "&&") for name, text in OPERATORS_OF_BOOLEANS.items()},
    **dict.fromkeys(("invert", "logical_not"), "!{}"),
}
_CASTS = {"b": "{} !== 0", "i": "Math.trunc({})", "f": "Number({})"}


def javascript(name: str, program: Program) -> str:
    """Return the text of a function of the program's arguments; it may call `HELPERS`.

    It returns a number, or an array of numbers for the update of an optimizer. It computes in float64, with the
    browser's exponentials and logarithms: so it agrees with NumPy to rounding.
    """
    lines = [f"const {operation.result} = {_text(operation)};" for operation in program.operations]
    results = [_number(result) for result in program.results]
    lines.append(f"return {results[0] if len(results) == 1 else '[' + ', '.join(results) + ']'};")
    head = f"function {name}({', '.join(map(str, program.arguments))}) {{"
    return "\n".join([head, *(f"  {line}" for line in lines), "}"])


def _text(operation: Operation) -> str:
    name, dtype = operation.name, operation.result.dtype
    of_booleans = _TEXTS_OF_BOOLEANS.get(name) if {dtype, operation.operands[0].dtype} == {np.dtype(bool)} else None
    text = _CASTS[dtype.kind] if name == "cast" else of_booleans or _TEXTS.get(name)
    if text is None:
        raise NotTraceable(f"it uses {name}, which JavaScript lacks")
    return text.format(*map(_number, operation.operands))


def _number(operand: Operand) -> str:
    if isinstance(operand, Variable):
        return operand.name
    if isinstance(operand.value, bool):
        return str(operand.value).lower()
    if not math.isfinite(operand.value):
        return str(operand.value).replace("nan", "NaN").replace("inf", "Infinity")
    return repr(operand.value) if math.copysign(1, operand.value) > 0 else f"({operand.value!r})"
