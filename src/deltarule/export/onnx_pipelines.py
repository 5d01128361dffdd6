"""The first steps of a pipeline as ONNX, which skl2onnx converts, and the inputs of its graph."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import Pipeline

from deltarule.errors import BadInput, not_installed

BEHIND = "/X"
"""What the input of a network is called behind other steps, of which one may be called X."""


def import_skl2onnx() -> Any:
    try:
        import skl2onnx
    except ImportError as error:
        raise not_installed("ONNX of a pipeline", "the package skl2onnx", "onnx", error) from None
    return skl2onnx


def put_behind(steps: Pipeline, network: Any) -> Any:
    """The ONNX model of a pipeline: of its first steps, as skl2onnx converts them, and of a network behind them."""
    from onnx import compose, helper

    opset = {domain.domain: domain.version for domain in network.opset_import}
    skl2onnx = import_skl2onnx()
    try:
        own = {SimpleImputer: _convert_imputer}
        first = skl2onnx.convert_sklearn(
            steps, initial_types=_inputs(steps), target_opset=opset, custom_conversion_functions=own
        )
    except (RuntimeError, NotImplementedError, TypeError, ValueError) as error:  # skl2onnx has no class of its own
        reason = next(filter(None, map(str.strip, str(error).splitlines())), type(error).__name__)
        raise BadInput(
            f"skl2onnx cannot convert the steps before the network: {reason.rstrip('.')}; replace the step, or export "
            "the network alone: to_onnx(pipeline[-1], path)"
        ) from error
    del first.opset_import[:]  # it names those that it needs
    first.opset_import.extend(helper.make_opsetid(*each) for each in opset.items())
    first.ir_version = network.ir_version
    output = first.graph.output[0].name
    element_type = first.graph.output[0].type.tensor_type.elem_type
    if element_type != network.graph.input[0].type.tensor_type.elem_type:  # such as the float32 of OneHotEncoder
        cast = f"{output} in float64"
        to = network.graph.input[0].type.tensor_type.elem_type
        first.graph.node.append(helper.make_node("Cast", [output], [cast], to=to))
        first.graph.output[0].CopyFrom(helper.make_tensor_value_info(cast, to, [None, None]))
        output = cast
    return compose.merge_models(first, network, [(output, BEHIND)])


def _convert_imputer(scope: Any, operator: Any, container: Any) -> None:
    """Add an imputer of numbers in float64, for which runtimes have no operation of their own."""
    from onnx import TensorProto
    from skl2onnx.common._registration import get_converter
    from skl2onnx.common.data_types import DoubleTensorType
    from skl2onnx.operator_converters.common import concatenate_variables

    imputer = operator.raw_operator
    are_numbers = all(isinstance(each.type, DoubleTensorType) for each in operator.inputs)
    if not are_numbers or imputer.missing_values == imputer.missing_values or imputer.indicator_ is not None:
        get_converter(operator.type)(scope, operator, container)
        return
    fill = np.asarray(imputer.statistics_, np.float64)
    if np.isnan(fill).any():
        raise NotImplementedError("SimpleImputer drops a column that was empty in training")
    x = concatenate_variables(scope, operator.inputs, container)
    is_missing, values = map(scope.get_unique_variable_name, ("is_missing", "values"))
    container.add_initializer(values, TensorProto.DOUBLE, [1, len(fill)], fill.tolist())
    container.add_node("IsNaN", [x], [is_missing], op_version=13)
    container.add_node("Where", [is_missing, values, x], [operator.outputs[0].full_name], op_version=16)


def _inputs(steps: Pipeline) -> list[tuple[str, Any]]:
    """Names and types of the inputs: one for each column that a `ColumnTransformer` selects by name, else X."""
    from skl2onnx.common import data_types

    of_kind = {
        "texts": data_types.StringTensorType,
        "whole": data_types.Int64TensorType,
        "numbers": data_types.DoubleTensorType,
    }
    first = steps[0]
    if not (isinstance(first, ColumnTransformer) and hasattr(first, "feature_names_in_")):
        return [("X", of_kind[_kind_of_input(first, 0)]([None, steps.n_features_in_]))]
    kinds: dict[str, str] = {}
    for _, step, columns in first.transformers_:
        if isinstance(step, str) and step == "drop":
            continue
        for place, name in enumerate(first.feature_names_in_[_indices(first, columns)]):
            kind = _kind_of_input(step, place)
            if kinds.setdefault(name, kind) != kind and "texts" in (kind, kinds[name]):
                kinds[name] = "texts"
    return [(name, of_kind[kinds[name]]([None, 1])) for name in first.feature_names_in_ if name in kinds]


def _indices(transformer: ColumnTransformer, columns: Any) -> Any:
    """Positions of the columns that a transformer selects by names, positions, a mask or a slice."""
    names = list(transformer.feature_names_in_)
    if isinstance(columns, str):
        return [names.index(columns)]
    if isinstance(columns, slice | int):
        return np.atleast_1d(np.arange(len(names))[columns])
    columns = np.asarray(columns)
    if columns.dtype.kind in "OU":
        return [names.index(each) for each in columns.tolist()]
    return columns if columns.dtype.kind == "b" else columns.astype(int)


def _kind_of_input(step: Any, place: int) -> str:
    """Whether a fitted step learned from texts, whole numbers or numbers in this column."""
    for each in _parts(step):
        if hasattr(each, "vocabulary_"):
            return "texts"
        learned = getattr(each, "categories_", getattr(each, "statistics_", None))
        if learned is None or place >= len(learned):
            continue
        kind = np.asarray(learned[place]).dtype.kind
        if kind in "OU":
            values = np.atleast_1d(np.asarray(learned[place], object))
            return "texts" if any(isinstance(value, str) for value in values) else "numbers"
        if hasattr(each, "categories_"):
            return "whole" if kind in "iub" else "numbers"
    return "numbers"


def _parts(step: Any) -> Iterator[Any]:
    """A step, or the steps of a pipeline."""
    if isinstance(step, Pipeline):
        for each in step:
            yield from _parts(each)
    else:
        yield step
