"""Export a fitted estimator as one Python file for NumPy or PyTorch.

The formulas are the source of `maths` itself, and the encoding of tables is included. All arithmetic is in float64.

K members · D inputs · H units
"""

from dataclasses import asdict
from functools import partial
from typing import Any

import numpy as np

from deltarule.errors import BadInput
from deltarule.estimators.mlp.base import BaseMLP
from deltarule.estimators.mlp.classifier import MLPClassifier
from deltarule.estimators.mlp.fitted_network import weights_of_members
from deltarule.estimators.tabular.calibration import MIN_PROBABILITY
from deltarule.estimators.tabular.tabular import BaseTabular
from deltarule.export.script_parts import ScriptArrays, call_text, render_script
from deltarule.export.torch_modules import to_torch
from deltarule.maths.losses import LOSSES
from deltarule.maths.update import Objective
from deltarule.problem.registry import is_built_in
from deltarule.program.numpy_text import Passes
from deltarule.program.program import MEMBERS
from deltarule.tables.cell_texts import MISSING, PLAIN_NUMBER, TRUTH_VALUES, category_by_form
from deltarule.tables.column_encoder import UNUSED
from deltarule.tables.number_forms import is_number


def numpy_script(model: Any) -> str:
    """Write a fitted estimator as a script that needs NumPy only."""
    is_table = isinstance(model, BaseTabular)
    network: BaseMLP = model.model_ if is_table else model
    arrays, functions = ScriptArrays(np.dtype(np.float64)), dict[str, Any]()
    assignments: list[str] = []
    made = network._fitted.architecture.network
    for activation in made.activations.values():
        if not is_built_in(activation):
            raise BadInput(f"the activation '{activation.name}' is your own, which no script can hold")
    for name, array in weights_of_members(network).items():  # [K, D, H] is written as [K D, H]
        name = name if name in {entry.name for entry in made.entries} else f"running_{name}"
        flat = arrays.assignment(name, array.reshape(-1, array.shape[-1]))
        assignments.append(f"{flat}\n{name} = {name}.reshape{array.shape}")
    objective = Objective(made.layers, made.output, made.entries, made.buffers, LOSSES["squared_error"], "sum")
    passes = Passes(objective, arrays.dtype, partial(call_text, functions), (MEMBERS,))
    return render_script(
        "model_script",
        arrays,
        functions,
        ["csv", "io", "os", "sys", *(["re"] if is_table else [])],
        kind=type(model).__name__,
        assignments=assignments,
        statements=passes.evaluation(),
        outputs=f"a{made.depth}",
        network=network,
        classes=network.classes_.tolist() if isinstance(network, MLPClassifier) and not network._labels else None,
        calibration=getattr(model, "calibration_", None),
        min_probability=MIN_PROBABILITY,
        **_encoder_context(model),
    )


def torch_script(model: Any, member: int = 0) -> str:
    """Write a fitted estimator's network as a file that builds an `nn.Sequential`.

    The file unpickles nothing. Its outputs are probabilities, or numbers as `predict` returns them.
    """
    module = to_torch(model, member)
    arrays, assignments, state = ScriptArrays(np.dtype(np.float64)), [], []
    for index, (name, tensor) in enumerate(module.state_dict().items()):
        if tensor.ndim:  # a scalar counts batches
            array = tensor.double().numpy()
            assignments.append(arrays.assignment(f"array{index}", array.reshape(-1, array.shape[-1])))
            state.append((name, f"array{index}{'' if array.ndim == 2 else '[0]'}"))
    context = _encoder_context(model)
    return render_script(
        "torch_script",
        arrays,
        {},
        [] if context["columns"] is None else ["re"],
        kind=type(model).__name__,
        layers=[(name, repr(layer)) for name, layer in module.named_children()],
        assignments=assignments,
        state=state,
        **context,
    )


def _encoder_context(model: Any) -> dict[str, Any]:
    """The variables of the template `encoder.py.jinja`, by name."""
    if not isinstance(model, BaseTabular):
        features = [str(name).strip() for name in getattr(model, "feature_names_in_", ())]
        return {"columns": None, "features": features, "inputs": model.n_features_in_}
    return {
        "columns": [
            asdict(column)
            | {
                "forms": category_by_form(column.levels or column.categories),
                "clip_range": column.clip_range,
                "period": column.period,
                "codes": [float(code) for code in column.missing if is_number(code)],
            }
            for column in model.columns_
            if column.kind != UNUSED
        ],
        "missing": sorted(MISSING),
        "truth_values": TRUTH_VALUES,
        "plain_number": PLAIN_NUMBER.pattern,
    }
