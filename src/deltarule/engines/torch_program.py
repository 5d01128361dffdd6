"""Run a function of NumPy on PyTorch's tensors: what it computes is recorded, and computed by PyTorch."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from deltarule.program.program import Axis, Constant, Operation, Program, Variable
from deltarule.program.recorder import Tape, traceable

Tensor = Any

_NAMES = {
    "absolute": "abs",
    "bitwise_and": "logical_and",
    "bitwise_or": "logical_or",
    "equal": "eq",
    "invert": "logical_not",
    "not_equal": "ne",
    "power": "pow",
}
"""By NumPy's name of an elementwise function, PyTorch's where that is another."""


def on_tensors(torch: Any, function: Callable[..., Any], *tensors: Tensor, **parameters: Any) -> Tensor:
    """Return what a function of NumPy computes of tensors; of a layer the value, without its backward pass."""
    dtypes = [np.dtype(str(tensor.dtype).removeprefix("torch.")) for tensor in tensors]
    axes = [tuple(Axis("", size) for size in tensor.shape) for tensor in tensors]
    return evaluated(torch, recorded(function, dtypes, axes, parameters), tensors, tensors[0].device)


def recorded(
    function: Callable[..., Any], dtypes: Sequence[Any], axes: Sequence[Sequence[Axis]], parameters: Mapping[str, Any]
) -> Program:
    """Return the program of a function's value, for arrays of some types and axes."""
    tape = Tape([])
    arguments = [
        Variable(f"given{n}", np.dtype(dtype), tuple(each))
        for n, (dtype, each) in enumerate(zip(dtypes, axes, strict=True))
    ]
    with traceable():
        returned = function(*map(tape.number, arguments), **parameters)
        result = tape.operand(returned[0] if isinstance(returned, tuple) else returned)
    return tape.program(arguments, [result], [])


def evaluated(torch: Any, program: Program, tensors: Sequence[Tensor], device: Any = None) -> Tensor:
    """Return what a recorded function computes of tensors."""

    def constant(array: Any) -> Tensor:
        return torch.as_tensor(np.array(array), device=device)

    values = {name: constant(array) for name, array in program.constants.items()}
    values |= {f"given{n}": tensor for n, tensor in enumerate(tensors)}
    for operation in program.operations:
        operands = [
            constant(np.asarray(operand.value, operand.dtype))
            if isinstance(operand, Constant)
            else values[operand.name]
            for operand in operation.operands
        ]
        values[operation.result.name] = _computed(torch, operation, operands, device)
    [result] = program.results
    return constant(np.asarray(result.value, result.dtype)) if isinstance(result, Constant) else values[result.name]


def _computed(torch: Any, operation: Operation, operands: list[Tensor], device: Any) -> Tensor:
    name, detail = operation.name, operation.detail
    x, *others = operands
    match name:
        case "cast":
            return x.to(getattr(torch, operation.result.dtype.name))
        case "sum":
            return x.sum(detail, keepdim=True)
        case "max":
            return torch.amax(x, detail, keepdim=True)
        case "slice":
            *bounds, axis = detail
            return x.index_select(axis, torch.arange(*bounds, device=device))
        case "reshape":
            return x.reshape([*map(int, operation.result.axes)])
        case "broadcast":
            return x.broadcast_to([*map(int, operation.result.axes)])
        case "transpose":
            return x.permute(detail) if detail else x.transpose(-1, -2)
        case "concatenate":
            return torch.cat(operands, detail[0] if detail else -1)
        case "pad":
            axis, *widths = detail
            return torch.nn.functional.pad(x, [0, 0] * (-1 - axis) + widths)
        case "select":
            return torch.where(x > 0, *others)
    return getattr(torch, _NAMES.get(name, name))(*operands)
