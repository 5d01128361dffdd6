"""Compute operations of a program in NumPy, with the bits of the recorded formula."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from deltarule.maths.elementary import Array, erf, everywhere, select
from deltarule.program.program import Axis, Constant, Operation

_FUNCTIONS: dict[str, Callable[..., Array]] = {"select": select, "erf": erf}


def compute(operation: Operation, operands: list[Any], sizes: Mapping[Axis, int]) -> Array:
    """Compute one operation. `sizes` gives the sizes of axes that the program leaves open, such as rows."""
    name, detail = operation.name, operation.detail
    match name:
        case "cast":
            return np.asarray(operands[0]).astype(operation.result.dtype)
        case "sum" | "max":
            return getattr(operands[0], name)(axis=detail, keepdims=True)
        case "slice":
            start, stop, step, axis = detail
            behind = [slice(None)] * (-1 - axis)
            return operands[0][(..., slice(start, None if stop < 0 else stop, step), *behind)]
        case "reshape":
            return operands[0].reshape([sizes.get(axis, axis) for axis in operation.result.axes])
        case "transpose":
            return operands[0].transpose(detail) if detail else operands[0].swapaxes(-1, -2)
        case "broadcast":
            return np.broadcast_to(operands[0], [sizes.get(axis, axis) for axis in operation.result.axes])
        case "concatenate":
            return np.concatenate(operands, axis=detail[0] if detail else -1)
        case "pad":
            axis, *widths = detail
            return np.pad(operands[0], [widths if k == axis else (0, 0) for k in range(-operands[0].ndim, 0)])
        case "power" if not isinstance(operation.operands[1], Constant):
            return everywhere(np.power, *operands)  # whose bits, alone in NumPy, depend on how many numbers there are
    return (_FUNCTIONS[name] if name in _FUNCTIONS else getattr(np, name))(*operands)
