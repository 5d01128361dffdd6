"""Export fitted estimators as ONNX graphs, which include the encoding of tables.

Everything except the Erf of GELU is computed in float64.    K members · N rows · D inputs · C outputs
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from deltarule.errors import BadInput, not_installed
from deltarule.estimators.mlp.base import BaseMLP
from deltarule.estimators.mlp.classifier import MLPClassifier
from deltarule.estimators.mlp.regressor import MLPRegressor
from deltarule.estimators.mlp.weights import evaluation_parts
from deltarule.estimators.tabular.calibration import MIN_PROBABILITY, LogitCalibration
from deltarule.estimators.tabular.tabular import BaseTabular
from deltarule.export.torch_modules import check_predictions
from deltarule.files import write_whole
from deltarule.maths.activations import Activation
from deltarule.maths.network import BATCH_NORM_EPSILON
from deltarule.problem.registry import is_built_in
from deltarule.tables.column_encoder import NUMBER, Column

OPSET, OPSET_ML, IR_VERSION = 17, 2, 8
"""Versions of ONNX that all runtimes in use support."""


def to_onnx(model: Any, path: str | Path) -> None:
    """Write a fitted estimator to a file as an ONNX model.

    Parameters
    ----------
    model : estimator
        A fitted estimator of deltarule. The graph of a `TabularClassifier` or `TabularRegressor` has an input [N, 1]
        with the name of each column that is used: float64 with NaN for a missing number, or texts with "" for a missing
        one, and categories as in `columns_`. The graph of an `MLPClassifier` or `MLPRegressor` has the one input `X`
        [N, D], float64.
    path : str or Path
        The file.

    Raises
    ------
    BadInput
        If onnx is not installed, for another model, a subclass with predictions of its own, a custom activation that
        takes arrays alone, and names that ONNX cannot hold: classes that are neither numbers nor texts, integers of 2⁶³
        and more, invalid texts, and texts that end with a zero character.

    Notes
    -----
    The outputs are `label` [N] and `probabilities` [N, C], or `prediction` for numbers; if a column has the same name,
    it is prefixed with `predicted`. With GELU they are off by about 1e-7 of the targets' scale, because runtimes have
    its Erf only for float32.

    Examples
    --------
    >>> import tempfile, onnxruntime
    >>> X = np.array([[0.0], [1.0], [2.0], [3.0]])
    >>> model = MLPClassifier((3,), solver="lbfgs", random_state=0).fit(X, [0, 0, 1, 1])
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     to_onnx(model, Path(folder) / "model.onnx")
    ...     session = onnxruntime.InferenceSession(Path(folder) / "model.onnx")
    >>> session.run(["label"], {"X": X})[0].tolist()
    [0, 0, 1, 1]
    """
    try:
        import onnx
    except (ImportError, OSError) as error:
        raise not_installed("ONNX", "the package onnx", "onnx", error) from None
    is_table = isinstance(model, BaseTabular)
    if not (is_table and hasattr(model, "model_")) and not (isinstance(model, BaseMLP) and hasattr(model, "coefs_")):
        what = "not fitted" if isinstance(model, BaseMLP | BaseTabular) else f"a {type(model).__name__}"
        raise BadInput(
            f"the model is {what}, and has no ONNX form; give a fitted estimator of deltarule: of a pipeline its last "
            "step, which takes prepared rows, or a TabularClassifier or TabularRegressor, whose graph prepares the "
            "columns too; of a model of scikit-learn what from_sklearn makes of it"
        )
    check_predictions(model, "deltarule", ["predict", "predict_proba"])
    if is_table:
        used = [column for column in model.columns_ if column.inputs]
        graph = Graph([column.name for column in used])
        _add_outputs(graph, model.model_, _encode_columns(graph, used), getattr(model, "calibration_", None))
    else:
        graph = Graph(["X"])
        _add_outputs(graph, model, graph.input("X", onnx.TensorProto.DOUBLE, model.n_features_in_))
    made = graph.model(type(model).__name__)
    onnx.checker.check_model(made)
    write_whole(path, made.SerializeToString())


class Graph:
    """An ONNX graph under construction, whose methods refer to values by name."""

    def __init__(self, inputs: Sequence[str]) -> None:
        self._reserved = frozenset(inputs)
        self._nodes: list[Any] = []
        self._constants: list[Any] = []
        self._inputs: list[Any] = []
        self._outputs: list[Any] = []

    def input(self, name: str, element_type: int, columns: int) -> str:
        """Add an input [N, columns] of an ONNX type, and return its name."""
        from onnx import helper

        if not name:
            raise BadInput("a column has no name, and ONNX needs one for each; name it, and train again")
        _encode_text(name)
        self._inputs.append(helper.make_tensor_value_info(name, element_type, ["N", columns]))
        return name

    def constant(self, values: Any) -> str:
        """Add a constant array; returns its name."""
        from onnx import helper, numpy_helper

        array, name = np.asarray(values), self._unique_name(f"/constant {len(self._constants)}", "/")
        if array.dtype.kind == "O":
            texts: Any = [_encode_text(text) for text in array.ravel()]
            tensor = helper.make_tensor(name, helper.np_dtype_to_tensor_dtype(np.dtype(object)), array.shape, texts)
        else:
            tensor = numpy_helper.from_array(np.asarray(array, order="C"), name)
        self._constants.append(tensor)
        return name

    def add(self, operation: str, *inputs: str, domain: str = "", **attributes: Any) -> str:
        """Add an ONNX operation on the values `inputs`, and return its result's name."""
        from onnx import helper

        name = self._unique_name(f"/{operation} {len(self._nodes)}", "/")
        self._nodes.append(helper.make_node(operation, list(inputs), [name], domain=domain, **attributes))
        return name

    def output(self, name: str, value: str, element_type: int, shape: Sequence[Any]) -> None:
        """Make a value an output called `name`."""
        from onnx import helper

        name = self._unique_name(name, "predicted ")
        self._nodes.append(helper.make_node("Identity", [value], [name]))
        self._outputs.append(helper.make_tensor_value_info(name, element_type, shape))

    def _unique_name(self, name: str, prefix: str) -> str:
        while name in self._reserved:
            name = prefix + name
        return name

    def model(self, name: str) -> Any:
        """The complete ONNX model, a `ModelProto`; `name` is that of its graph."""
        from onnx import helper

        graph = helper.make_graph(self._nodes, name, self._inputs, self._outputs, self._constants)
        opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid("ai.onnx.ml", OPSET_ML)]
        return helper.make_model(graph, opset_imports=opsets, ir_version=IR_VERSION, producer_name="deltarule")


def _encode_text(text: str) -> bytes:
    """Encode a text in UTF-8; `BadInput` for one that ONNX cannot hold."""
    if text.endswith("\0"):
        raise BadInput(f"{text!r} ends with a zero character, which runtimes of ONNX lose; correct it, and train again")
    try:
        return text.encode()
    except UnicodeEncodeError:  # half a character
        raise BadInput(f"{text!r} is no text that UTF-8 has, as ONNX needs; correct it, and train again") from None


def _encode_columns(graph: Graph, columns: Sequence[Column]) -> str:
    parts: list[str] = []
    for column in columns:
        parts += _encode_number(graph, column) if column.kind == NUMBER else [_encode_category(graph, column)]
    return graph.add("Concat", *parts, axis=1)


def _encode_number(graph: Graph, column: Column) -> list[str]:
    """Add a column of numbers, standardized, with a missing flag if it needs one."""
    from onnx import TensorProto

    value = graph.input(column.name, TensorProto.DOUBLE, 1)
    gaps = graph.add("IsNaN", value)
    whole = graph.add("Where", gaps, graph.constant(np.float64(column.fill)), value)
    if column.rows:  # files of earlier versions do not clip numbers
        whole = graph.add("Clip", whole, *(graph.constant(np.float64(bound)) for bound in column.clip_range))
    shift, scale = np.float64(column.mean), np.float64(column.scale)
    if np.float32(shift) == 0:  # runtimes drop the subtraction of a number that is 0 in float32
        scaled = graph.add("Div", whole, graph.constant(scale))
        standardized = graph.add("Sub", scaled, graph.constant(shift / scale))
    else:
        centered = graph.add("Sub", whole, graph.constant(shift))
        standardized = graph.add("Div", centered, graph.constant(scale))
    return [standardized, graph.add("Cast", gaps, to=TensorProto.DOUBLE)] if column.gaps else [standardized]


def _encode_category(graph: Graph, column: Column) -> str:
    """Add a column of categories and its one-hot encoding [N, categories]."""
    from onnx import TensorProto

    value = graph.input(column.name, TensorProto.STRING, 1)
    indices = list(range(len(column.categories)))
    index = graph.add(
        "LabelEncoder",
        value,
        domain="ai.onnx.ml",
        keys_strings=[_encode_text(name) for name in column.categories],
        values_int64s=indices,
        default_int64=-1,
    )
    return graph.add("Cast", graph.add("Equal", index, graph.constant(np.array([indices]))), to=TensorProto.DOUBLE)


def _add_outputs(graph: Graph, model: BaseMLP, x: str, calibration: LogitCalibration | None = None) -> None:
    """Add the network and the outputs of the graph."""
    outputs = _add_layers(graph, model, x)
    if isinstance(model, MLPRegressor):
        _add_predicted_numbers(graph, model, outputs)
    else:
        assert isinstance(model, MLPClassifier)
        _add_predicted_classes(graph, model, graph.add("ReduceMean", outputs, axes=[0], keepdims=0), calibration)


def _add_layers(graph: Graph, model: BaseMLP, x: str) -> str:
    """Add the layers of all members; returns the name of their outputs [K, N, C]."""
    layers, arrays = evaluation_parts(model)
    value = x
    for layer in layers:
        n = layer.number
        value = graph.add("MatMul", value, graph.constant(arrays[f"W{n}"]))
        value = graph.add("Add", value, graph.constant(arrays[f"b{n}"]))
        if layer.batch_norm:
            gain = arrays[f"gamma{n}"] / np.sqrt(arrays[f"variance{n}"] + BATCH_NORM_EPSILON)
            value = graph.add("Mul", value, graph.constant(gain))
            value = graph.add("Add", value, graph.constant(arrays[f"beta{n}"] - arrays[f"mean{n}"] * gain))
        value = _add_activation(graph, layer.activation, value)
    return value


def _add_predicted_numbers(graph: Graph, model: MLPRegressor, outputs: str) -> None:
    """Add the output `prediction`: the mean over the members, in the targets' unit."""
    from onnx import TensorProto

    value = graph.add("ReduceMean", outputs, axes=[0], keepdims=0)
    if model.target_scale_ is not None:
        value = graph.add("Mul", value, graph.constant(np.asarray(model.target_scale_, np.float64)))
        value = graph.add("Add", value, graph.constant(np.asarray(model.target_mean_, np.float64)))
    single = model.n_outputs_ == 1
    if single:
        value = graph.add("Squeeze", value, graph.constant(np.array([1])))
    graph.output("prediction", value, TensorProto.DOUBLE, ["N"] if single else ["N", model.n_outputs_])


def _add_predicted_classes(
    graph: Graph, model: MLPClassifier, outputs: str, calibration: LogitCalibration | None
) -> None:
    """Add the outputs `label` and `probabilities`."""
    from onnx import TensorProto, helper

    above = graph.add("Cast", graph.add("Greater", outputs, graph.constant(np.float64(0.5))), to=TensorProto.INT64)
    count = len(model.classes_)
    if model._labels:
        graph.output("label", above, TensorProto.INT64, ["N", count])
        graph.output("probabilities", outputs, TensorProto.DOUBLE, ["N", count])
        return
    if model.n_outputs_ > 1:
        index, p = graph.add("ArgMax", outputs, axis=1, keepdims=0), outputs
    else:
        highest = graph.constant(np.int64(count - 1))
        index = graph.add("Squeeze", graph.add("Min", above, highest), graph.constant(np.array([1])))
        other = graph.add("Sub", graph.constant(np.float64(1)), outputs)
        p = graph.add("Concat", other, outputs, axis=1) if count == 2 else graph.add("Add", other, outputs)
    if calibration is not None:
        logits = graph.add("Log", graph.add("Max", p, graph.constant(np.float64(MIN_PROBABILITY))))
        scaled = graph.add("Mul", logits, graph.constant(np.float64(calibration.scale)))
        p = graph.add("Softmax", graph.add("Add", scaled, graph.constant(calibration.biases)), axis=1)
        index = graph.add("ArgMax", p, axis=1, keepdims=0)
    names = _class_names(model.classes_)
    kind = helper.np_dtype_to_tensor_dtype(names.dtype)
    graph.output("label", graph.add("Gather", graph.constant(names), index), kind, ["N"])
    graph.output("probabilities", p, TensorProto.DOUBLE, ["N", count])


def _class_names(classes: np.ndarray) -> np.ndarray:
    """Convert classes to a type that ONNX has: texts, integers or floats."""
    listed = classes.tolist()
    if all(isinstance(name, str) for name in listed):
        return np.array(listed, object)
    names = np.array(listed) if classes.dtype.kind == "O" else classes
    if names.dtype.kind in "biu" and int(names.max()) < 2**63:
        return names.astype(np.int64)
    if names.dtype.kind == "f" and names.dtype.itemsize <= 8:
        return names
    raise BadInput(
        f"ONNX has no form for classes such as {classes[-1]!r}; fit to texts, as y.astype(str) makes them, or to "
        "numbers below 2**63"
    )


def _add_activation(graph: Graph, activation: Activation, z: str) -> str:
    """Add an activation by running its formula, and return its value's name."""
    if activation.rowwise and is_built_in(activation):
        return graph.add("Softmax", z, axis=-1)
    try:
        return activation.function(_Value(graph, z), **activation.parameters).name
    except Exception as error:  # whatever a formula of the user's raises on what is not an array
        raise BadInput(f"the activation '{activation.name}' is your own; ONNX has no form for it") from error


def _operator(operation: str, is_swapped: bool = False) -> Callable[["_Value", Any], "_Value"]:
    def method(self: "_Value", other: Any) -> "_Value":
        return self.apply(operation, other, self) if is_swapped else self.apply(operation, self, other)

    return method


class _Value:
    """A value of a graph, on which each operation of a formula adds a node."""

    def __init__(self, graph: Graph, name: str) -> None:
        self._graph, self.name = graph, name

    __add__ = __radd__ = _operator("Add")
    __mul__ = __rmul__ = _operator("Mul")
    __sub__, __rsub__ = _operator("Sub"), _operator("Sub", is_swapped=True)
    __truediv__, __rtruediv__ = _operator("Div"), _operator("Div", is_swapped=True)
    __pow__ = _operator("Pow")

    def __neg__(self) -> "_Value":
        return self.apply("Neg", self)

    def __array_ufunc__(self, function: np.ufunc, method: str, *inputs: Any) -> "_Value":
        match function.__name__:
            case "log1p":
                return self.apply("Log", self + 1)
            case "expm1":
                return self.apply("Exp", self) - 1
            case "erf":
                return self._erf()
        return self.apply(_OPERATIONS[function.__name__], *inputs)

    def where_positive(self, yes: Any, no: Any) -> "_Value":
        return self.apply("Where", self.apply("Greater", self, 0), yes, no)

    def _erf(self) -> "_Value":
        from onnx import TensorProto

        single = self._graph.add("Cast", self.name, to=TensorProto.FLOAT)  # runtimes have Erf only for float32
        return _Value(self._graph, self._graph.add("Cast", self._graph.add("Erf", single), to=TensorProto.DOUBLE))

    def apply(self, operation: str, *operands: Any) -> "_Value":
        names = [one.name if isinstance(one, _Value) else self._graph.constant(np.float64(one)) for one in operands]
        return _Value(self._graph, self._graph.add(operation, *names))


_OPERATIONS = {"exp": "Exp", "log": "Log", "sqrt": "Sqrt", "tanh": "Tanh", "sin": "Sin", "cos": "Cos"}
"""By name of a function of NumPy, ONNX's operation."""
