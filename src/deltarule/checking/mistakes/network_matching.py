"""Recognize a user's network as one of ours, by comparing its gradient with that of every meaningful loss.

x [N, D]  y [N, C]  in our orientation        S = Σ ℓ over samples and outputs        J = c S + ½ p Σ W²
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deltarule.checking import tolerances
from deltarule.checking.mistakes.evidence import GradientEvidence
from deltarule.errors import BadInput
from deltarule.maths.elementary import Array
from deltarule.maths.losses import LOSSES, Loss, meaningful
from deltarule.maths.network import Taped, backward, forward
from deltarule.problem.network import Network
from deltarule.proofs.differences import Floats


@dataclass(frozen=True, eq=False)
class Like:
    """The network that the user's code is meant to be, with data."""

    network: Network
    x: NDArray[Any]
    y: NDArray[Any]


@dataclass(frozen=True, eq=False)
class Layout:
    """Which of the user's arrays is which of the network's, and in which orientation.

    index        by our name, the index among the user's parameters
    transposed   whether the user's weights are outputs × inputs
    columns      whether the user's samples are columns
    """

    index: Mapping[str, int]
    shapes: tuple[tuple[int, ...], ...]
    transposed: bool
    columns: bool

    def to_ours(self, values: Sequence[Floats], network: Network) -> dict[str, Floats]:
        arrays = {}
        for entry in network.entries:
            value = values[self.index[entry.name]]
            oriented = value.T if self.transposed and entry.name.startswith("W") else value
            arrays[entry.name] = oriented.reshape(entry.shape)
        return arrays

    def to_theirs(self, arrays: Mapping[str, Array]) -> tuple[Floats, ...]:
        values: list[Floats] = [np.zeros(0)] * len(self.shapes)
        for name, i in self.index.items():
            oriented = arrays[name].T if self.transposed and name.startswith("W") else arrays[name]
            values[i] = np.asarray(oriented).reshape(self.shapes[i])
        return tuple(values)


@dataclass(frozen=True, eq=False)
class SummedLoss:
    """The sum S = Σ ℓ of a loss over samples and outputs, without a factor or penalty.

    kind    code of the mistake in the loss, or ""
    total   S
    slope   the derivative of S with respect to the logits [N, C]
    """

    loss: Loss
    kind: str
    total: float
    slope: Array


@dataclass(frozen=True, eq=False)
class NetworkMatch:
    """A user's network recognized as one of ours: J = c S + ½ p Σ W²."""

    like: Like
    layout: Layout
    x: Floats
    y: Floats
    objective: SummedLoss
    factor: float
    penalty: float

    @property
    def network(self) -> Network:
        return self.like.network

    @property
    def loss_name(self) -> str:
        return self.objective.loss.name.replace("_", " ")

    @property
    def divisor(self) -> int | None:
        """What the sum of losses is divided by: 1, N or N C; None for another factor."""
        samples, outputs = self.y.shape
        counts = (1, samples, samples * outputs)
        return next((n for n in counts if abs(self.factor * n - 1) < tolerances.FIT.constant), None)


def match_network(
    evidence: GradientEvidence, gradients: Sequence[Floats], loss_value: float | None, like: Like
) -> NetworkMatch | None:
    """Find the first reading of a user's network that gives these gradients.

    `loss_value` is None for gradients of the user's code, which fit an uncommon loss only by coincidence.
    """
    readings = list(readings_of(evidence.names, evidence.values, like))
    network = like.network
    for kinds in (("",), ("broadcast", "activation_twice")):
        for layout, x, y in readings:
            parameters = layout.to_ours(evidence.values, network)
            share = np.full((len(x), 1), 1 / len(x))
            tape, _ = forward(network.layers, parameters, x, {"share": share})
            for objective in possible_objectives(network, tape[-1].value, y):
                is_common = objective.loss.domain != "positive" or network.output.range == "positive"
                if objective.kind not in kinds or loss_value is None and not is_common:
                    continue
                fitted = _fit_objective(evidence, gradients, loss_value, layout, parameters, tape, objective)
                if fitted:
                    return NetworkMatch(like, layout, x, y, objective, *fitted)
    return None


def readings_of(names: Sequence[str], values: Sequence[Floats], like: Like) -> Iterator[tuple[Layout, Floats, Floats]]:
    """The possible meanings of a user's arrays and data."""
    orders = list(_parameter_orders(names, values, like.network))
    data = list(_data_readings(like))
    if not orders:
        ours = ", ".join(f"{entry.name} {entry.shape}" for entry in like.network.entries)
        theirs = ", ".join(f"{name} {value.shape}" for name, value in zip(names, values, strict=True))
        raise BadInput(
            f"params holds {theirs}, but the network has {ours}; give all of its arrays, "
            "one by one; a network without biases is Network(..., bias=False)"
        )
    shapes = tuple(value.shape for value in values)
    for index, transposed in orders:
        for x, y, columns in data:
            yield Layout(index, shapes, transposed, columns), x, y


def _parameter_orders(
    user_names: Sequence[str], values: Sequence[Floats], network: Network
) -> Iterator[tuple[dict[str, int], bool]]:
    """The possible orders and orientations of the user's parameters."""
    for listing, transposed in product(_listings(user_names, network), (False, True)):
        pairs = zip(listing, values, strict=True)
        if all(_has_shape_of(name, value, network, transposed) for name, value in pairs):
            yield {name: index for index, name in enumerate(listing)}, transposed


def _listings(user_names: Sequence[str], network: Network) -> list[list[str]]:
    """Our names in the order of the user's; else in our own order, or with all weights first or last."""
    names = [entry.name for entry in network.entries]
    weights = [name for name in names if name.startswith("W")]
    others = [name for name in names if not name.startswith("W")]
    ours = {name.lower(): name for name in names}
    theirs = [name.lower() for name in user_names]
    listings = [[ours[name] for name in theirs]] if set(theirs) == set(ours) else []
    for listing in (names, weights + others, others + weights):
        if listing not in listings and len(listing) == len(user_names):
            listings.append(listing)
    return listings


def _has_shape_of(name: str, value: Floats, network: Network, transposed: bool) -> bool:
    rows, columns = next(entry.shape for entry in network.entries if entry.name == name)
    if name.startswith("W"):
        vector = value.ndim == 1 and 1 in (rows, columns) and value.size == rows * columns
        return vector or value.shape == ((columns, rows) if transposed else (rows, columns))
    return value.size == columns and (not value.ndim or max(value.shape) == columns)


def _data_readings(like: Like) -> Iterator[tuple[Floats, Floats, bool]]:
    """The user's data as x [N, D], y [N, C], and whether its samples are columns."""
    network = like.network
    is_readable = False
    x = like.x.astype(float)
    x = x.reshape(-1, 1) if x.ndim == 1 and network.inputs == 1 else np.atleast_2d(x)
    for columns in (False, True):
        rows = x.T if columns else x
        if rows.ndim != 2 or rows.shape[1] != network.inputs:
            continue
        y = _targets_as_rows(like.y, len(rows), network.outputs, columns)
        if y is not None:
            is_readable = True
            yield rows, y, columns
    if not is_readable:
        raise BadInput(
            f"x has the shape {like.x.shape} and y {like.y.shape}, which do not fit the network, "
            f"with {network.inputs} inputs and {network.outputs} outputs, as rows or as columns"
        )


def _targets_as_rows(y: NDArray[Any], samples: int, outputs: int, samples_are_columns: bool) -> Floats | None:
    """The user's targets as y [N, C], with labels one-hot encoded."""
    if y.shape in ((samples,), (samples, 1), (1, samples)) and outputs > 1:
        labels = y.ravel()
        if y.dtype.kind not in "iub" or labels.min() < 0 or labels.max() >= outputs:
            return None
        return np.eye(outputs)[labels.astype(int)]
    if outputs == 1 and y.size == samples:
        return y.reshape(-1, 1).astype(float)
    y = y.T if samples_are_columns else y
    return y.astype(float) if y.shape == (samples, outputs) else None


def _fit_objective(
    evidence: GradientEvidence,
    gradients: Sequence[Floats],
    loss_value: float | None,
    layout: Layout,
    parameters: dict[str, Floats],
    tape: list[Taped],
    objective: SummedLoss,
) -> tuple[float, float] | None:
    """Fit c and p of an objective in gradient = c · data + p · weights."""
    weights = {name: array if name[0] == "W" else np.zeros_like(array) for name, array in parameters.items()}
    known = [np.isfinite(g) & np.isfinite(E) for g, E in zip(gradients, evidence.references, strict=True)]

    def flat(arrays: Sequence[Floats]) -> Floats:
        return np.concatenate([array[chosen] for array, chosen in zip(arrays, known, strict=True)])

    with np.errstate(all="ignore"):
        columns = [flat(layout.to_theirs(backward(tape, objective.slope))), flat(layout.to_theirs(weights))]
    target = flat(gradients)
    allowed = 4 * flat([parameter.finite_tolerance for parameter in evidence.parameters])
    if not np.isfinite(columns[0]).all() or not columns[0].any():
        return None
    arrays = (*evidence.values, *(parameter.raw for parameter in evidence.parameters))
    is_float64 = all(array.dtype == np.float64 for array in arrays)
    tolerance = tolerances.FIT.loss if is_float64 else tolerances.FIT.loss_in_float32
    for count in (1, 2):
        matrix = np.stack(columns[:count], axis=1)
        size = np.maximum(np.abs(matrix).max(0), 1e-300)
        solution = np.linalg.lstsq(matrix / size, target, rcond=None)[0] / size
        residual = np.abs(matrix @ solution - target)
        terms = np.abs(matrix * solution).sum(1)
        c, p = float(solution[0]), float(solution[1]) if count == 2 else 0.0
        if c > 0 and (residual <= allowed + 1e-6 * terms).all():
            whole = c * objective.total + p / 2 * sum(float((W**2).sum()) for W in weights.values())
            if loss_value is None or abs(whole - loss_value) <= tolerance * (abs(loss_value) + abs(whole)):
                return c, p
    return None


def possible_objectives(network: Network, z: Array, y: Floats) -> Iterator[SummedLoss]:
    """Every meaningful loss for the network's output, correct or mistaken.

    The mistakes: a table of all predictions and targets, the output's activation twice.
    """
    output = network.output
    ones = np.ones((len(z), 1))
    with np.errstate(all="ignore"):
        # The loss that belongs to the output first: behind softmax, that of a Poisson law is the same function.
        for loss in sorted(LOSSES.values(), key=lambda loss: output.name not in loss.fused):
            is_in_range = loss.targets == "real" or y.min() >= 0 and (loss.targets == "nonnegative" or y.max() <= 1)
            if not meaningful(loss, output) or not loss.exact or not is_in_range:
                continue
            each, slope = loss.forward(output, z, y)
            yield SummedLoss(loss, "", float(each.sum()), slope(ones))
            if y.shape[1] == 1 and len(y) > 1:
                pairs = [loss.forward(output, z, np.full_like(z, target)) for target in y[:, 0]]
                total = sum(float(each.sum()) for each, _ in pairs)
                yield SummedLoss(loss, "broadcast", total, sum(back(ones) for _, back in pairs))
            if output.name != "identity":
                a, through = output.forward(z)
                each, slope = loss.forward(output, a, y)
                yield SummedLoss(loss, "activation_twice", float(each.sum()), through(slope(ones)))
