"""Export a trained network as PyTorch's own modules.

W [D, H] weights, inputs × outputs; PyTorch keeps them as [H, D]
"""

import operator
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.utils.validation import check_is_fitted

from deltarule.engines.torch_program import evaluated, recorded
from deltarule.errors import BadInput, not_installed
from deltarule.estimators.mlp.base import BaseMLP
from deltarule.estimators.mlp.fitted_network import weights_of_members
from deltarule.estimators.tabular.calibration import calibrate_arrays
from deltarule.estimators.tabular.tabular import BaseTabular
from deltarule.maths.activations import ACTIVATIONS, Activation
from deltarule.maths.layers import BATCH_NORM_EPSILON, BATCH_NORM_MOMENTUM, LAYER_NORM_EPSILON, Layer
from deltarule.maths.network import PlacedLayer, views, without_scaling
from deltarule.problem import validation
from deltarule.problem.network import Network
from deltarule.problem.problem import Floats
from deltarule.problem.registry import is_built_in, kind_of
from deltarule.program.program import ROWS, Axis, NotTraceable
from deltarule.training.run import Run

if TYPE_CHECKING:
    import torch


SOFTPLUS_THRESHOLD = 40
"""PyTorch's softplus of a larger z is z: at its default of 20 an error of 2e-9, above 37 none in float64."""


TENSORS_OF_BATCH_NORM = {"gamma": "weight", "beta": "bias", "mean": "running_mean", "variance": "running_var"}
"""PyTorch's names of batch norm's arrays."""


def to_torch(trained: Any, member: int = 0) -> "torch.nn.Module":
    """A trained network as an `nn.Sequential`, or as a `torch.fx.GraphModule` where a residual skips layers.

    Parameters
    ----------
    trained : Run or estimator
        A run, as `train` returns it, or a fitted estimator of deltarule.
    member : int, default=0
        The index of the network, for one of several members.

    Returns
    -------
    torch.nn.Module
        The network in evaluation mode, in its own dtype, on the CPU. Modules are named z1, n1, a1, d1, ...; the last is
        the output activation, unless it is the identity, so the outputs are those of `run.outputs`. All modules are
        PyTorch's, which differentiates them; a layer or activation of one's own is made of its operations. A scaling
        layer is part of the Linear behind it, and tied weights are copied. For an estimator for tables it is the
        network alone, whose inputs `deltarule.tables.column_encoder.encode_columns` computes; with `scale_target` the
        last Linear gives targets in their own unit, as `predict` does.

    Raises
    ------
    BadInput
        If PyTorch is not installed, for another model, a member that does not exist, an activation without a PyTorch
        module, a `dropout` that does not fit the network, and a layer of one's own that cannot be recorded.

    Examples
    --------
    >>> from deltarule import to_torch
    >>> import deltarule
    >>> network = deltarule.Network([2, 3, 1], "tanh", "sigmoid")
    >>> problem = deltarule.create_problem(network, [[0, 1], [1, 0]], [0, 1], loss="binary_cross_entropy")
    >>> module = to_torch(deltarule.train(problem, max_steps=10))
    >>> module
    Sequential(
      (z1): Linear(in_features=2, out_features=3, bias=True)
      (a1): Tanh()
      (z2): Linear(in_features=3, out_features=1, bias=True)
      (a2): Sigmoid()
    )
    """
    try:
        import torch
    except (ImportError, OSError) as error:
        raise not_installed("a PyTorch module", "PyTorch", "torch", error) from None
    if not isinstance(trained, Run | BaseMLP | BaseTabular):
        raise BadInput(f"{trained!r} has no form in PyTorch; give a run or a fitted estimator of deltarule")
    if isinstance(trained, Run):
        problem = trained.problem
        member = validation.member(member, problem.members, "the run has the members")
        network, dropout = problem.network, problem.dropout[member]
        arrays = views(trained.state.theta[member], network.entries)
        arrays |= views(trained.state.buffers[member], network.buffers)
    else:
        network, arrays, dropout = member_parts(trained, member)
    modules: Any = torch.nn.Sequential()
    graph = torch.fx.Graph()
    value = graph.placeholder("x")
    values = {"x": value}
    layers, arrays = without_scaling(network.layers, arrays)  # PyTorch has no such module
    rates = {placed.number: float(rate) for placed, rate in zip(network.dropouts, dropout, strict=True)}
    for placed in layers:
        if placed.layer.name == "residual":
            value = graph.call_function(operator.add, (value, values[placed.names["skip"]]))
        elif (module := _module(placed, arrays, rates)) is not None:
            modules.add_module(placed.name, module)
            earlier = tuple(values[placed.names[key]] for key in placed.layer.earlier)
            value = graph.call_module(placed.name, (value, earlier) if earlier else (value,))
        values[placed.name] = value
    if network.output.name != "identity":
        modules.add_module(name := f"a{network.depth}", _activation_module(network.output))
        value = graph.call_module(name, (value,))
    estimator: Any = getattr(trained, "model_", trained)
    if getattr(estimator, "target_scale_", None) is not None:
        scale, mean, last = _tensor(estimator.target_scale_), _tensor(estimator.target_mean_), modules[-1]
        last.weight.data, last.bias.data = last.weight.data * scale[:, None], last.bias.data * scale + mean
    if any(placed.layer.earlier for placed in layers):  # no sequence of modules
        graph.output(value)
        modules = torch.fx.GraphModule(modules, graph, "Network")
    return modules.eval()


def member_parts(model: BaseMLP | BaseTabular, member: int) -> tuple[Network, dict[str, Floats], Floats]:
    """A member's network, arrays [D, H] and dropout rates; a classifier for tables has calibrated logits."""
    check_is_fitted(model)
    estimator: BaseMLP = model.model_ if isinstance(model, BaseTabular) else model
    network, members = estimator._fitted.architecture.network, estimator._fitted.members
    member = validation.member(member, members, "the model has the members")
    arrays = {name: array[member] for name, array in weights_of_members(estimator).items()}
    if hasattr(model, "calibration_"):
        arrays = calibrate_arrays(arrays, network.depth, model.calibration_)
    rates = np.broadcast_to(np.asarray(estimator.dropout, float), (members, len(network.dropouts)))
    return network, arrays, rates[member]


def _module(placed: PlacedLayer, arrays: Mapping[str, Floats], rates: Mapping[int, float]) -> Any:
    """PyTorch's module of a layer, or None where it does nothing."""
    import torch

    taken = [name for name in (*placed.arrays, *placed.statistics) if name in arrays]
    own = {name.removesuffix(f"{placed.number}"): arrays[name] for name in taken}
    dtype = next((_tensor(array).dtype for array in own.values()), None)
    if isinstance(placed.formula, Activation):
        return None if placed.formula.name == "identity" else _activation_module(placed.formula)
    match placed.layer.name:
        case "dense":
            module: Any = torch.nn.Linear(placed.inputs, placed.units, bias="b" in own, dtype=dtype)
            tensors = {"weight": _tensor(own["W"].T)} | ({"bias": _tensor(own["b"][0])} if "b" in own else {})
        case "tied":
            module = torch.nn.Linear(placed.inputs, placed.units, dtype=dtype)
            tensors = {"weight": _tensor(arrays[placed.names["W"]]), "bias": _tensor(own["b"][0])}
        case "scaling":
            module = torch.nn.Linear(placed.inputs, placed.units, bias=False, dtype=dtype)
            tensors = {"weight": _tensor(np.diag(own["scale"][0]))}
        case "glu":
            module = torch.nn.Sequential(torch.nn.Linear(placed.inputs, 2 * placed.units, dtype=dtype), torch.nn.GLU())
            tensors = {"0.weight": _tensor(np.hstack([own["W"], own["V"]]).T)}
            tensors |= {"0.bias": _tensor(np.hstack([own["b"], own["c"]])[0])}
        case "batch_norm":
            module = torch.nn.BatchNorm1d(placed.units, BATCH_NORM_EPSILON, BATCH_NORM_MOMENTUM, dtype=dtype)
            tensors = {theirs: _tensor(own[ours][0]) for ours, theirs in TENSORS_OF_BATCH_NORM.items()}
        case "layer_norm":
            module = torch.nn.LayerNorm(placed.units, LAYER_NORM_EPSILON, dtype=dtype)
            tensors = {"weight": _tensor(own["gamma"][0]), "bias": _tensor(own["beta"][0])}
        case "dropout":
            return torch.nn.Dropout(rates[placed.number]) if rates[placed.number] else None
        case _:
            dtype = dtype or _tensor(next(iter(arrays.values()))).dtype
            return _recorded_module(placed.layer, [arrays[name] for name in taken], dtype, placed.inputs)
    module.load_state_dict(tensors, strict=False)  # without batch norm's count of batches
    return module


def _recorded_module(formula: Layer | Activation, arrays: Sequence[Floats], dtype: Any, inputs: int) -> Any:
    """A layer or activation of one's own, in operations of PyTorch; its arrays are called 0, 1, ..."""
    import torch

    earlier = formula.earlier if isinstance(formula, Layer) else ()
    rows = ROWS, Axis("", inputs)
    axes = [rows, *(tuple(Axis("", size) for size in array.shape) for array in arrays), *[rows] * len(earlier)]
    kind = str(dtype).removeprefix("torch.")
    try:
        program = recorded(formula.function, [kind] * len(axes), axes, formula.parameters)
    except NotTraceable as reason:
        what = f"the {kind_of(formula)} '{formula.name}'"
        raise BadInput(f"{what} is your own; PyTorch has no form for it: {reason}") from None

    class Recorded(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.arrays = torch.nn.ParameterList([_tensor(array) for array in arrays])

        def forward(self, x: Any, others: Any = ()) -> Any:
            return evaluated(torch, program, [x, *self.arrays, *(others[k] for k in range(len(earlier)))])

    return torch.fx.symbolic_trace(Recorded())


def _activation_module(activation: Activation) -> "torch.nn.Module":
    import torch

    if not is_built_in(activation):
        return _recorded_module(activation, [], torch.float64, 1)
    if not activation.module:
        known = [name for name, one in ACTIVATIONS.items() if one.module]
        raise BadInput(f"PyTorch has no module for the activation '{activation.name}'; it has: {', '.join(known)}")
    extra = {"softplus": {"threshold": SOFTPLUS_THRESHOLD}, "softmax": {"dim": -1}}.get(activation.name, {})
    return getattr(torch.nn, activation.module)(*activation.parameters.values(), **extra)


def _tensor(array: Floats) -> Any:
    import torch

    return torch.tensor(np.ascontiguousarray(array))
