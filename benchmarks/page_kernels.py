"""Print what the page computes with as a module of WebAssembly: the formulas of `maths`, and products.

A lane is a row: arrays lie unit by unit, and a unit's numbers of all rows side by side. So no product needs a
transpose, and layers of any width fill the vectors. `python benchmarks/page_modules.py` writes the module.

N rows · D inputs · H units
"""

import inspect
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from page_layers import LANES, batch_norm, defined, gradient, products, softmax

from deltarule.engines.compiled.elementary import computed, definitions
from deltarule.engines.compiled.exponentials import LN2_HIGH, LN2_LOW, LOG2_E, ROUND, short_exp
from deltarule.engines.compiled.values import KINDS, FunctionText, Index, Value
from deltarule.maths.activations import ACTIVATIONS
from deltarule.maths.elementary import erf
from deltarule.maths.losses import LOSSES
from deltarule.maths.optimizers import OPTIMIZERS
from deltarule.maths.penalties import PENALTIES
from deltarule.maths.schedules import SCHEDULES
from deltarule.program.formula import trace
from deltarule.program.program import Constant, Operand, Program

FMA = "<2 x double> @llvm.fma.v2f64"
MULTIPLY_ADD = """define internal <2 x double> @madd(<2 x double> %x, <2 x double> %y, <2 x double> %z) alwaysinline {
  %product = fmul <2 x double> %x, %y
  %sum = fadd <2 x double> %product, %z
  ret <2 x double> %sum
}
"""
"""WebAssembly has no x y + z that is rounded once: the last bits of the page are its own."""


def print_kernels() -> str:
    """Return the text of all functions in LLVM's language."""
    kernels = [*(_formula(*each) for each in formulas()), *softmax(), *batch_norm(), products(), gradient()]
    called = {each for text, _ in kernels for each in text.called}
    others = {each for each in called if each[0] != "tanh"} | {("llvm.fma", "double", 3)}
    functions = definitions(others, LANES, sys.maxsize)
    whole = "\n".join([functions, _tanh(), *(body for _, body in kernels)])
    declared = f"declare {FMA}(<2 x double>, <2 x double>, <2 x double>)"
    return whole.replace(declared, MULTIPLY_ADD).replace(FMA, "<2 x double> @madd")


def _tanh() -> str:
    """Tanh with one polynomial: e^x − 1 = 2^k (e^r − 1) + (2^k − 1), whose terms have one sign or are far apart."""
    text = FunctionText(LANES)
    x = Value(text, "%x", "double")
    size = x.text.call("llvm.fabs", x)
    doubled = (size > 20.0).choose(-40.0, size * -2.0)
    shifted = text.fma(doubled, LOG2_E, ROUND)
    k = shifted - ROUND
    r = text.fma(-k, LN2_LOW, text.fma(-k, LN2_HIGH, doubled))
    scale = ((shifted.bits_as("i64") << 52) + (1023 << 52)).bits_as("double")
    lost = text.fma(scale, short_exp(r), scale - 1.0)
    value = -lost / (lost + 2.0)
    result = (x > 0.0).choose(value, -value)
    head = "define internal <2 x double> @tanh.double(<2 x double> %x) alwaysinline {"
    return "\n".join([head, *text.lines, f"  ret <2 x double> {result.name}", "}"])


Formula = tuple[str, Callable[..., Any], list[str], list[str]]
"""A function's name, what it computes, and the names of its arrays and of its single numbers."""


def formulas() -> Iterator[Formula]:
    """Yield the formulas of `maths`; a derivative is multiplied by what is behind it, a loss by the row's share."""
    for activation in ACTIVATIONS.values():
        if activation.rowwise:
            continue
        name, own = activation.name, list(activation.parameters)
        yield (name, activation.function, ["z"], own)
        yield (f"{name} backward", _times(activation.derivative, 2), ["z", "a", "da"], own)
    for loss in LOSSES.values():
        own = list(loss.parameters)
        fused = {f"{output} {loss.name}": terms for output, terms in loss.fused.items() if output != "softmax"}
        for name, terms in {loss.name: loss, **fused}.items():
            yield (name, _times(terms.value, 2), ["p", "y", "share"], own)
            yield (f"{name} backward", _times(terms.derivative, 2), ["p", "y", "share"], own)
    for penalty in PENALTIES.values():
        yield (f"{penalty.name} penalty", penalty.value, ["w"], [])
        yield (f"{penalty.name} penalty backward", penalty.derivative, ["w"], [])
    for optimizer in OPTIMIZERS.values():
        arrays = ["theta", "g", *optimizer.slots]
        numbers = list(inspect.signature(optimizer.update).parameters)[len(arrays) :]
        yield (f"{optimizer.name} update", optimizer.update, arrays, numbers)
        if optimizer.once_a_step:
            once = optimizer.once_a_step
            yield (f"{optimizer.name} once", once, [], list(inspect.signature(once).parameters))
    for schedule in SCHEDULES.values():
        if not schedule.adaptive:
            numbers = list(inspect.signature(schedule.rate).parameters)
            yield (f"{schedule.name} rate", schedule.rate, [], numbers)
    yield ("erf", erf, [], ["x"])


def _times(function: Callable[..., Any], place: int) -> Callable[..., Any]:
    """The function of its other arguments times the argument at a place: what is behind it, or a row's share."""
    return lambda *given: function(*given[:place], *given[place + 1 :]) * given[place]


def _formula(
    name: str, function: Callable[..., Any], arrays: list[str], numbers: Sequence[str]
) -> tuple[FunctionText, str]:
    program = trace(function, [*arrays, *numbers], "float64")
    text = FunctionText(LANES)
    results = [f"%result{index}" for index in range(len(program.results))]
    same = {number: text.everywhere(f"%{number}", "double") for number in numbers}

    def vector(index: Index) -> None:
        given = same | {array: text.load(f"%{array}", index, "double") for array in arrays}
        for value, result in zip(_results(text, program, given), results, strict=True):
            text.store(value, result, index)

    if arrays:
        text.loop("%count", vector)
    else:
        vector(Index())
    return text, defined(name, text, ["count"], [*(f"%{array}" for array in arrays)], numbers, results)


def _results(text: FunctionText, program: Program, values: dict[str, Value]) -> list[Value]:
    def of(operand: Operand) -> Value:
        if isinstance(operand, Constant):
            return text.value(operand.value, KINDS[operand.dtype.name])
        return values[operand.name]

    for operation in program.operations:
        values[operation.result.name] = computed(operation, [of(operand) for operand in operation.operands])
    return [of(result).converted("double") for result in program.results]
