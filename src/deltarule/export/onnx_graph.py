"""Export fitted estimators as ONNX graphs, which include the encoding of tables.

Everything except the Erf of GELU is computed in float64.    K members · N rows · D inputs · C outputs
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.pipeline import Pipeline

from deltarule.errors import BadInput, not_installed
from deltarule.estimators.mlp.base import BaseMLP
from deltarule.estimators.mlp.classifier import MLPClassifier
from deltarule.estimators.mlp.fitted_network import weights_of_members
from deltarule.estimators.mlp.regressor import MLPRegressor
from deltarule.estimators.tabular.calibration import MIN_PROBABILITY, LogitCalibration
from deltarule.estimators.tabular.tabular import BaseTabular
from deltarule.export.onnx_pipelines import BEHIND, import_skl2onnx, put_behind
from deltarule.export.onnx_program import Graph, Value, add_network
from deltarule.files import write_whole
from deltarule.maths.network import views
from deltarule.problem import validation
from deltarule.tables.column_encoder import NUMBER, TEXT, Column
from deltarule.tables.number_forms import is_number
from deltarule.training.run import Run

MIN_OPSET = 13
"""The oldest version of ONNX that has the operations of a network."""


def to_onnx(model: Any, path: str | Path, member: int = 0) -> None:
    """Write a run or a fitted estimator to a file as an ONNX model.

    Parameters
    ----------
    model : Run or estimator
        A run, as `train` returns it, whose graph has the input `X` [N, D], float64, and the output `outputs` [N, C];
        or a fitted estimator of deltarule, or a pipeline of scikit-learn that ends with an `MLPClassifier` or
        `MLPRegressor`. The graph of a `TabularClassifier` or `TabularRegressor` has an input [N, 1]
        with the name of each column that is used (for dates, of each part): float64 with NaN for a missing number, or
        texts with "" for a missing one, and categories as in `columns_`. The graph of an `MLPClassifier` or
        `MLPRegressor`, and of a pipeline, has the one input `X` [N, D], float64. Where a pipeline begins with a
        `ColumnTransformer` that was fitted to a data frame, it has an input [N, 1] for each column: texts, int64 or
        float64, as the steps learned from it.
    path : str or Path
        The file to write.
    member : int, default=0
        The index of the network, for a run of several members; the graph of an estimator has them all, and their mean.

    Returns
    -------
    None

    Raises
    ------
    BadInput
        If onnx, or for a pipeline skl2onnx, is not installed, for another model, steps that skl2onnx cannot convert, a
        custom activation or layer that cannot be traced, and classes that are neither numbers nor texts.

    Notes
    -----
    The outputs are `label` [N] (several labels: [N, C]) and `probabilities` [N, C], or `prediction` for numbers; if a
    column has the same name, it is prefixed with `predicted`. With GELU they are off by about 1e-7 of the targets'
    scale, because runtimes have its Erf only for float32.

    Examples
    --------
    >>> import numpy as np
    >>> from pathlib import Path
    >>> from deltarule import MLPClassifier, to_onnx
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
    steps, model = (model[:-1], model[-1]) if isinstance(model, Pipeline) else (None, model)
    _require_form(steps, model)
    graph = Graph()
    if isinstance(model, Run):
        _add_run(graph, model, member)
    elif isinstance(model, BaseTabular):
        _add_outputs(model.model_, _encode_columns(graph, model.columns_), getattr(model, "calibration_", None))
    else:
        _add_outputs(model, graph.input(BEHIND if steps else "X", np.float64, model.n_features_in_))
    made = graph.model(type(model).__name__)
    if steps:
        made = put_behind(steps, made)
    onnx.checker.check_model(made)
    write_whole(path, made.SerializeToString())


def _require_form(steps: Pipeline | None, model: Any) -> None:
    """Refuse what is no run, and no estimator that is fitted and may stand behind these steps."""
    if isinstance(model, Run) and not steps:
        return
    is_ours = isinstance(model, BaseMLP if steps else BaseMLP | BaseTabular)
    if not is_ours or not model.__sklearn_is_fitted__():
        what = "not fitted" if is_ours else f"a {type(model).__name__}"
        raise BadInput(
            f"the model is {what}, and has no ONNX form; give a run or a fitted estimator of deltarule, or a pipeline "
            "that ends with MLPClassifier or MLPRegressor"
        )


def register_onnx_converters() -> None:
    """Let skl2onnx convert `MLPClassifier` and `MLPRegressor`.

    Afterwards `skl2onnx.convert_sklearn` and `skl2onnx.to_onnx` take models and pipelines that contain them. `to_onnx`
    of deltarule needs no registration.

    Returns
    -------
    None

    Raises
    ------
    BadInput
        If skl2onnx is not installed.

    Notes
    -----
    Networks compute in float64; their outputs have the type of the inputs. The options `zipmap` and
    `output_class_labels` work as for scikit-learn's classifiers. skl2onnx has no form for a classifier of several
    labels.

    Examples
    --------
    >>> from skl2onnx import convert_sklearn
    >>> from skl2onnx.common.data_types import DoubleTensorType
    >>> from deltarule import MLPRegressor, register_onnx_converters
    >>> register_onnx_converters()
    >>> model = MLPRegressor(solver="lbfgs", random_state=0).fit([[0.0], [1.0]], [0.0, 1.0])
    >>> graph = convert_sklearn(model, initial_types=[("x", DoubleTensorType([None, 1]))], target_opset=17).graph
    >>> [output.name for output in graph.output]
    ['variable']
    """
    skl2onnx = import_skl2onnx()
    options = {"zipmap": [True, False, "columns"], "output_class_labels": [True, False], "nocl": [False]}
    for kind, own in ((MLPClassifier, options), (MLPRegressor, {})):
        alias = f"Deltarule{kind.__name__}"
        skl2onnx.update_registered_converter(kind, alias, _set_output_types, _convert, options=own, overwrite=True)


def _set_output_types(operator: Any) -> None:
    """Set the types of the outputs of an operator of skl2onnx."""
    from skl2onnx.common.data_types import StringTensorType, guess_tensor_type

    model = operator.raw_operator
    rows = operator.inputs[0].get_first_dimension()
    numbers = guess_tensor_type(operator.inputs[0].type)
    if not isinstance(model, MLPClassifier):
        operator.outputs[0].type = type(numbers)([rows, model.n_outputs_])
        return
    if model._labels:
        raise BadInput("skl2onnx has no form for several labels; write the model with deltarule's to_onnx")
    if _class_names(model.classes_).dtype.kind == "O":
        operator.outputs[0].type = StringTensorType([rows])
    operator.outputs[0].type.shape = [rows]
    operator.outputs[1].type = type(numbers)([rows, len(model.classes_)])


def _convert(scope: Any, operator: Any, container: Any) -> None:
    """Add the graph of a network to a graph of skl2onnx, in which `operator` stands for it."""
    from skl2onnx.common.data_types import DoubleTensorType, guess_tensor_type
    from skl2onnx.helpers import add_onnx_graph

    if container.target_opset < MIN_OPSET:
        raise BadInput(f"target_opset is {container.target_opset}; give {MIN_OPSET} or more for a network of deltarule")
    model = operator.raw_operator
    is_double = isinstance(guess_tensor_type(operator.inputs[0].type), DoubleTensorType)
    graph = Graph(np.float64 if is_double else np.float32, container.target_opset)
    x = graph.input("X", np.float64, model.n_features_in_)
    if isinstance(model, MLPClassifier):
        _add_outputs(model, x)
    else:
        graph.output("prediction", _mean_outputs(model, x), np.float64, ["N", model.n_outputs_])
    made = graph.model(type(model).__name__)
    for number, node in enumerate(made.graph.node):
        node.name = f"network {number}"  # skl2onnx requires a name
    add_onnx_graph(scope, operator, container, made)


def _encode_columns(graph: Graph, columns: Sequence[Column]) -> Value:
    parts: list[Value] = []
    for column in columns:
        if column.kind == TEXT:
            raise BadInput(f"the words of the column {column.name!r} have no form in ONNX; train with its type unused")
        if column.kind == NUMBER:
            value = _levels(graph, column) if column.levels else graph.input(column.name, np.float64, 1)
            gaps = value.apply("IsNaN")
            for code in filter(is_number, column.missing):
                gaps = gaps.apply("Or", value.apply("Equal", float(code)))
            whole = gaps.apply("Where", column.fill, value)
            angles = [whole * (2 * np.pi / column.period) + shift for shift in (0.0, np.pi / 2) if column.period]
            whole = whole.apply("Clip", *column.clip_range)
            standardized = (whole - column.mean) / column.scale
            parts += [standardized, *(angle.apply("Sin") for angle in angles)]  # no cosine in float64
            if column.knots:
                knots = np.array([column.knots])
                pieces = ((standardized - knots[:, :-1]) / np.diff(knots)).apply("Clip", 0.0, 1.0)
                parts.append(pieces * 2.0 - 1.0)
            parts += [gaps.astype(np.float64)] if column.gaps else []
        elif column.inputs:
            indices = list(range(len(column.categories)))
            codes = {"keys_strings": list(column.categories), "values_int64s": indices, "default_int64": -1}
            texts = graph.input(column.name, object, 1)
            index = graph.apply("LabelEncoder", texts, domain="ai.onnx.ml", **codes)
            parts.append(graph.apply("Equal", index, [indices]).astype(np.float64))
    return graph.apply("Concat", *parts, axis=1)


def _levels(graph: Graph, column: Column) -> Value:
    """The positions of texts in their order, NaN for others."""
    codes = {"values_floats": list(map(float, range(len(column.levels)))), "default_float": np.nan}
    texts = graph.input(column.name, object, 1)
    keys = {"keys_strings": list(column.levels)}
    return graph.apply("LabelEncoder", texts, domain="ai.onnx.ml", **keys, **codes).astype(np.float64)


def _add_run(graph: Graph, run: Run, member: int) -> None:
    network = run.problem.network
    index = validation.member(member, run.problem.members, "the run has the members")
    theta, buffers = (vector[[index]] for vector in (run.state.theta, run.state.buffers))
    arrays = views(theta, network.entries) | views(buffers, network.buffers)
    outputs = add_network(network, arrays, graph.input("X", np.float64, network.inputs))
    graph.output("outputs", graph.apply("Squeeze", outputs, np.array([0])), np.float64, ["N", network.outputs])


def _add_outputs(model: BaseMLP, x: Value, calibration: LogitCalibration | None = None) -> None:
    mean = _mean_outputs(model, x)
    if isinstance(model, MLPClassifier):
        _add_predicted_classes(model, mean, calibration)
        return
    assert isinstance(model, MLPRegressor)
    single = model.n_outputs_ == 1
    numbers = mean.graph.apply("Squeeze", mean, [1]) if single else mean
    mean.graph.output("prediction", numbers, np.float64, ["N"] if single else ["N", model.n_outputs_])


def _mean_outputs(model: BaseMLP, x: Value) -> Value:
    """The mean of the members' outputs [N, C], of a regressor on the scale of its targets."""
    value = add_network(model._fitted.architecture.network, weights_of_members(model), x)
    mean = value.graph.reduce("ReduceMean", value, [0], keepdims=0)
    if isinstance(model, MLPRegressor) and model.target_scale_ is not None:
        mean = mean * model.target_scale_ + model.target_mean_
    return mean


def _add_predicted_classes(model: MLPClassifier, outputs: Value, calibration: LogitCalibration | None) -> None:
    graph, count = outputs.graph, len(model.classes_)
    above = outputs.apply("Greater", 0.5).astype(np.int64)
    if model._labels:
        graph.output("label", above, np.int64, ["N", count])
        graph.output("probabilities", outputs, np.float64, ["N", count])
        return
    if model.n_outputs_ > 1:
        index, p = outputs.apply("ArgMax", axis=1, keepdims=0), outputs
    else:
        index = graph.apply("Squeeze", graph.apply("Min", above, np.int64(count - 1)), [1])
        other = 1 - outputs
        p = graph.apply("Concat", other, outputs, axis=1) if count == 2 else other + outputs
    if calibration is not None:
        logits = p.apply("Max", MIN_PROBABILITY).apply("Log")
        p = (logits * calibration.scale + calibration.biases).apply("Softmax", axis=1)
        index = p.apply("ArgMax", axis=1, keepdims=0)
    names = _class_names(model.classes_)
    graph.output("label", graph.apply("Gather", names, index), names.dtype, ["N"])
    graph.output("probabilities", p, np.float64, ["N", count])


def _class_names(classes: np.ndarray) -> np.ndarray:
    names = np.array(classes.tolist()) if classes.dtype.kind == "O" else classes
    dtypes = {"U": object, "b": np.int64, "i": np.int64, "u": np.int64, "f": np.float64}
    if names.dtype.kind not in dtypes:
        raise BadInput(f"ONNX has no form for classes such as {classes[-1]!r}; fit to texts: y.astype(str)")
    return names.astype(dtypes[names.dtype.kind])
