"""ONNX graphs, written by arithmetic on their values, and from the recorded program of a network's outputs."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin
from numpy.typing import DTypeLike

from deltarule.errors import BadInput
from deltarule.problem.network import Network
from deltarule.problem.registry import is_built_in, kind_of
from deltarule.program.evaluation import record_outputs
from deltarule.program.formula import OPERATORS_OF_BOOLEANS
from deltarule.program.interpreter import compute
from deltarule.program.program import MEMBERS, Constant, NotTraceable, Operand, Operation

OPSET, OPSET_ML, IR_VERSION = 17, 2, 8
"""Versions of ONNX that all runtimes in use support."""


class Graph:
    """An ONNX graph under construction.

    Inputs and outputs in float64 have the type `floats`, and it computes in float64.
    """

    def __init__(self, floats: DTypeLike = np.float64, opset: int = OPSET) -> None:
        from onnx import GraphProto, helper

        self._opset = opset
        self._proto, self._helper, self._floats = GraphProto(), helper, np.dtype(floats)

    def input(self, name: str, dtype: DTypeLike, columns: int) -> "Value":
        is_cast = dtype == np.float64 != self._floats
        self._proto.input.append(self._value_info(name, self._floats if is_cast else dtype, ["N", columns]))
        return Value(self, name).astype(dtype) if is_cast else Value(self, name)

    def apply(self, operation: str, *operands: Any, **attributes: Any) -> "Value":
        names = [one.name if isinstance(one, Value) else self._constant(one) for one in operands]
        result = f"/{operation} {len(self._proto.node)}"
        self._proto.node.append(self._helper.make_node(operation, names, [result], **attributes))
        return Value(self, result)

    def reduce(self, operation: str, value: "Value", axes: Sequence[int], keepdims: int = 1) -> "Value":
        if operation == "ReduceSum" or self._opset >= 18:  # before, axes of the others are an attribute
            return self.apply(operation, value, np.array(axes), keepdims=keepdims)
        return self.apply(operation, value, axes=list(axes), keepdims=keepdims)

    def _constant(self, value: Any) -> str:
        """Add an array, or a number, which is a float64, and return its name."""
        array = np.asarray(value)
        if isinstance(value, int | float) or array.dtype.kind == "f":
            array = array.astype(np.float64)
        name = f"/constant {len(self._proto.initializer)}"
        content = array.ravel().tolist()
        self._proto.initializer.append(
            self._helper.make_tensor(name, self.element_type(array.dtype), array.shape, content)
        )
        return name

    def output(self, name: str, value: "Value", dtype: DTypeLike, shape: Sequence[Any]) -> None:
        while name in [one.name for one in self._proto.input]:
            name = f"predicted {name}"
        if dtype == np.float64 != self._floats:
            value = value.astype(self._floats)
            dtype = self._floats
        self._proto.node.append(self._helper.make_node("Identity", [value.name], [name]))
        self._proto.output.append(self._value_info(name, dtype, shape))

    def model(self, name: str) -> Any:
        self._proto.name, helper = name, self._helper
        opsets = [helper.make_opsetid("", self._opset), helper.make_opsetid("ai.onnx.ml", OPSET_ML)]
        return helper.make_model(self._proto, opset_imports=opsets, ir_version=IR_VERSION, producer_name="deltarule")

    def element_type(self, dtype: DTypeLike) -> int:
        return int(self._helper.np_dtype_to_tensor_dtype(np.dtype(dtype)))

    def _value_info(self, name: str, dtype: DTypeLike, shape: Sequence[Any]) -> Any:
        return self._helper.make_tensor_value_info(name, self.element_type(dtype), shape)


class Value(NDArrayOperatorsMixin):
    """A value of a graph, on which each operation of arithmetic adds a node."""

    def __init__(self, graph: Graph, name: str) -> None:
        self.graph, self.name = graph, name

    def apply(self, operation: str, *others: Any, **attributes: Any) -> "Value":
        return self.graph.apply(operation, self, *others, **attributes)

    def astype(self, dtype: DTypeLike) -> "Value":
        return self.apply("Cast", to=self.graph.element_type(dtype))

    def __array_ufunc__(self, function: np.ufunc, method: str, *inputs: Any) -> "Value":
        return self.graph.apply(OPERATIONS[function.__name__], *inputs)


OPERATIONS = {
    "add": "Add",
    "subtract": "Sub",
    "multiply": "Mul",
    "divide": "Div",
    "power": "Pow",
    "negative": "Neg",
    "positive": "Identity",
    "reciprocal": "Reciprocal",
    "matmul": "MatMul",
    "absolute": "Abs",
    "maximum": "Max",
    "minimum": "Min",
    "less": "Less",
    "less_equal": "LessOrEqual",
    "greater": "Greater",
    "greater_equal": "GreaterOrEqual",
    "equal": "Equal",
    "invert": "Not",
    "logical_not": "Not",
    **{name: name.title() for name in "exp log sqrt tanh sin floor ceil sign where".split()},
}
"""By name of a function of NumPy, ONNX's operation."""


def add_network(network: Network, arrays: Mapping[str, np.ndarray], x: Value) -> Value:
    """Add the operations of a network's outputs [K, N, C], with its arrays [K, …] by name as constants.

    What depends on constants alone is computed here.
    """
    try:
        program = record_outputs(network.layers, network.output, np.float64)
        members = len(next(iter(arrays.values())))
        values: dict[Operand, Any] = {
            argument: x if argument.name == "x" else arrays[argument.name].astype(np.float64)
            for argument in program.arguments
            if argument.name not in program.constants
        }
        of_name = {argument.name: argument for argument in program.arguments}
        values |= {of_name[name]: array for name, array in program.constants.items() if name in of_name}
        for operation in program.operations:
            operands = [
                np.asarray(operand.value, operand.dtype) if isinstance(operand, Constant) else values[operand]
                for operand in operation.operands
            ]
            if any(isinstance(operand, Value) for operand in operands):
                values[operation.result] = _add_operation(operation, x.graph, operands, members)
            else:
                values[operation.result] = compute(operation, operands, {MEMBERS: members})
        outputs = values.get(program.results[0])
        if not isinstance(outputs, Value):
            raise NotTraceable("it is a number")
    except NotTraceable as reason:
        formulas = [*(placed.formula for placed in network.layers), network.output]
        own = " or ".join(f"the {kind_of(one)} '{one.name}'" for one in formulas if not is_built_in(one))
        raise BadInput(f"{own} is your own; ONNX has no form for it: {reason}") from None
    return outputs if program.results[0].dtype == np.float64 else outputs.astype(np.float64)


def _add_operation(operation: Operation, graph: Graph, operands: Sequence[Any], members: int) -> Value:
    x, *others = operands
    match operation.name:
        case "cast":
            return graph.apply("Cast", x, to=graph.element_type(operation.result.dtype))
        case "sum":
            return graph.reduce("ReduceSum", x, operation.detail)
        case "max":
            return graph.reduce("ReduceMax", x, operation.detail)
        case "slice":
            start, stop, step, axis = operation.detail
            stop = stop if stop >= 0 else np.iinfo(np.int32).min  # beyond the first entry
            return graph.apply("Slice", x, *(np.array([each]) for each in (start, stop, axis, step)))
        case "reshape":
            sizes = [members if axis == MEMBERS else int(axis) for axis in operation.result.axes]
            return graph.apply("Reshape", x, np.array(sizes))
        case "broadcast":
            sizes = [members if axis == MEMBERS else abs(int(axis)) for axis in operation.result.axes]  # 1 keeps rows
            return graph.apply("Expand", x, np.array(sizes))
        case "transpose":
            axes = list(range(len(operation.result.axes)))
            return graph.apply("Transpose", x, perm=list(operation.detail) or [*axes[:-2], axes[-1], axes[-2]])
        case "concatenate":
            return graph.apply("Concat", *operands, axis=operation.detail[0] if operation.detail else -1)
        case "pad":
            axis, *ends = operation.detail
            widths = np.zeros((2, len(operation.result.axes)), int)
            widths[:, axis] = ends
            return graph.apply("Pad", x, widths.ravel(), 0.0)
        case "not_equal":
            return graph.apply("Not", graph.apply("Equal", x, *others))
        case "square":
            return graph.apply("Mul", x, x)
        case "log1p":
            return graph.apply("Log", graph.apply("Add", x, 1.0))
        case "expm1":
            return graph.apply("Sub", graph.apply("Exp", x), 1.0)
        case "cos":  # runtimes have Cos only for float32, but Sin for both: cos x = 1 − 2 sin²(x/2)
            half = graph.apply("Sin", graph.apply("Mul", x, 0.5))
            return 1 - half * half * 2
        case "erf":  # runtimes have it only for float32
            single = graph.apply("Cast", x, to=graph.element_type(np.float32))
            return graph.apply("Erf", single).astype(operation.result.dtype)
        case "select":
            return graph.apply("Where", x if operation.operands[0].dtype == bool else x > 0, *others)
        case name if operation.operands[0].dtype == bool and name in OPERATORS_OF_BOOLEANS:
            return graph.apply("Or" if "|" in OPERATORS_OF_BOOLEANS[name] else "And", x, *others)
        case name if name in OPERATIONS:
            return graph.apply(OPERATIONS[name], x, *others)
    raise NotTraceable(f"it uses {operation.name}")
