"""Elementwise operations in LLVM's language: in place, or as functions of a program's text."""

from collections.abc import Callable, Sequence
from typing import Any

from deltarule.engines.compiled.exponentials import (
    absolute,
    exp,
    expm1,
    floor,
    log,
    log1p,
    number,
    power,
    tanh,
    whole_power,
)
from deltarule.engines.compiled.printed import NotPrintable
from deltarule.engines.compiled.special_functions import arctan, cos, cosh, erf, sin, sinh
from deltarule.engines.compiled.values import KINDS, FunctionText, Value
from deltarule.program.program import Constant, Operation

WHOLE_POWERS = range(17)
"""Constant exponents up to which products are as exact as a logarithm, and take less time."""

MOST_INLINED = 64
"""The most lines of a function that a program has anew for each call: exponentials and logarithms. A call clears all
registers, which takes small networks a tenth longer with short functions, and nothing with long ones such as erf: a
program that has erf in 32 places is compiled ten times as long."""


def maximum(x: Value, y: Value) -> Value:
    return x.compared("une", "ne", x).choose(x, (x > y).choose(x, y))


def minimum(x: Value, y: Value) -> Value:
    return x.compared("une", "ne", x).choose(x, (x < y).choose(x, y))


def sign(x: Value) -> Value:
    return (x > 0.0).choose(1.0, (x < 0.0).choose(-1.0, x))


def _comparison(of_floats: str, of_integers: str) -> Callable[[Value, Value], Value]:
    return lambda x, y: x.compared(of_floats, of_integers, y)


def _intrinsic(name: str) -> Callable[[Value], Value]:
    return lambda x: x.text.call(f"llvm.{name}", x)


IN_PLACE: dict[str, Callable[..., Value]] = {
    "add": lambda x, y: x | y if x.kind == "i1" else x + y,
    "subtract": lambda x, y: x - y,
    "multiply": lambda x, y: x & y if x.kind == "i1" else x * y,
    "divide": lambda x, y: x / y,
    "negative": lambda x: -x,
    "positive": lambda x: x,
    "square": lambda x: x * x,
    "reciprocal": lambda x: number(x, 1.0) / x,
    "absolute": absolute,
    "maximum": maximum,
    "minimum": minimum,
    "sign": sign,
    "select": lambda test, yes, no: (test if test.kind == "i1" else test > 0).choose(yes, no),
    "where": lambda test, yes, no: test.choose(yes, no),
    "greater": _comparison("ogt", "sgt"),
    "greater_equal": _comparison("oge", "sge"),
    "less": _comparison("olt", "slt"),
    "less_equal": _comparison("ole", "sle"),
    "equal": _comparison("oeq", "eq"),
    "not_equal": _comparison("une", "ne"),
    "logical_or": lambda x, y: x | y,
    "bitwise_or": lambda x, y: x | y,
    "logical_and": lambda x, y: x & y,
    "bitwise_and": lambda x, y: x & y,
    "logical_not": lambda x: x ^ True,
    "invert": lambda x: x ^ True,
    "floor": floor,
    **{name: _intrinsic(name) for name in ("sqrt", "ceil", "trunc")},
}
"""Operations that are one instruction, or few, by NumPy's names."""

FUNCTIONS: dict[str, Callable[..., Value]] = {
    function.__name__: function for function in (exp, expm1, log, log1p, tanh, erf, sin, cos, arctan, sinh, cosh, power)
}
"""Operations that are functions of their own in a program's text."""


def computed(operation: Operation, operands: Sequence[Value]) -> Value:
    """Write an elementwise operation on values."""
    name, exponent = operation.name, operation.operands[-1]
    if name == "cast":
        return operands[0].converted(KINDS[operation.result.dtype.name])
    if name == "power" and isinstance(exponent, Constant) and abs(exponent.value) in WHOLE_POWERS:
        return whole_power(operands[0], int(exponent.value))
    if name in FUNCTIONS:
        return operands[0].text.call(name, *operands)
    if name not in IN_PLACE:
        raise NotPrintable(f"it uses {name}")
    return IN_PLACE[name](*operands)


def definition(name: str, kind: str, lanes: int, most_inlined: int) -> tuple[str, set[tuple[str, str, int]]]:
    """Return the text of an elementary function, and what it calls."""
    text = FunctionText(lanes)
    arguments = [Value(text, f"%a{index}", kind) for index in range(2 if name == "power" else 1)]
    result = FUNCTIONS[name](*arguments)
    given = ", ".join(f"{text.vector(kind)} {argument.name}" for argument in arguments)
    attribute = "alwaysinline" if len(text.lines) <= most_inlined else "noinline"
    head = f"define internal {text.vector(kind)} @{name}.{kind}({given}) {attribute} {{"
    return "\n".join([head, *text.lines, f"  ret {text.vector(kind)} {result.name}", "}"]), text.called


def definitions(called: set[tuple[str, str, int]], lanes: int, most_inlined: int = MOST_INLINED) -> str:
    """Return the texts of all functions that are called, and of what these call.

    most_inlined : the most lines of a function that is written anew in the place of each call.
    """
    texts: dict[Any, str] = {}
    waiting = sorted(called)
    while waiting:
        name, kind, count = each = waiting.pop()
        if each in texts:
            continue
        if name.startswith("llvm."):
            vector = f"<{lanes} x {kind}>"
            bits = 64 if kind == "double" else 32
            texts[each] = f"declare {vector} @{name}.v{lanes}f{bits}({', '.join([vector] * count)})"
        else:
            texts[each], more = definition(name, kind, lanes, most_inlined)
            waiting += sorted(more)
    return "\n".join(texts.values())
