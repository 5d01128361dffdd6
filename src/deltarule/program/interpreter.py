"""Compute a program in NumPy, operation by operation.

The results have the bits of the recorded formula. So every printed form of a program is held against this one.
"""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from deltarule.maths.elementary import Array, erf, everywhere, select
from deltarule.program.program import Axis, Constant, Operand, Operation, Program

_FUNCTIONS: dict[str, Callable[..., Array]] = {"select": select, "erf": erf}


def interpret(program: Program, arguments: Mapping[str, Array]) -> dict[str, Array]:
    """Return the results of a program by name, or by their order: "0", "1"."""
    values: dict[str, Array] = {}
    sizes: dict[Axis, int] = {}
    for argument in program.arguments:
        values[argument.name] = np.asarray(arguments[argument.name], argument.dtype)
        sizes.update(zip(argument.axes, values[argument.name].shape, strict=False))

    def value(operand: Operand) -> Array:
        return operand.dtype.type(operand.value) if isinstance(operand, Constant) else values[operand.name]

    with np.errstate(all="ignore"):
        for operation in program.operations:
            values[operation.result.name] = compute(operation, [*map(value, operation.operands)], sizes)
    names = program.names or map(str, range(len(program.results)))
    return {name: value(result) for name, result in zip(names, program.results, strict=True)}


def compute(operation: Operation, operands: list[Any], sizes: Mapping[Axis, int]) -> Array:
    """Compute one operation. `sizes` gives the sizes of axes that the program leaves open, such as rows."""
    name, detail = operation.name, operation.detail
    match name:
        case "cast":
            return np.asarray(operands[0]).astype(operation.result.dtype)
        case "sum" | "max":
            return getattr(operands[0], name)(axis=detail, keepdims=True)
        case "slice":
            return operands[0][..., slice(*detail)]
        case "reshape":
            return operands[0].reshape([sizes.get(axis, axis) for axis in operation.result.axes])
        case "transpose":
            return operands[0].swapaxes(-1, -2)
        case "broadcast":
            return np.broadcast_to(operands[0], [sizes.get(axis, axis) for axis in operation.result.axes])
        case "concatenate":
            return np.concatenate(operands, axis=-1)
        case "power" if not isinstance(operation.operands[1], Constant):
            return everywhere(np.power, *operands)  # whose bits, alone in NumPy, depend on how many numbers there are
    return (_FUNCTIONS[name] if name in _FUNCTIONS else getattr(np, name))(*operands)
