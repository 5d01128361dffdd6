"""Losses that a recognized network may minimize, with their derivatives."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from deltarule.maths.activations import Activation
from deltarule.maths.elementary import Array
from deltarule.maths.losses import LOSSES, Loss, meaningful
from deltarule.problem.network import Network
from deltarule.problem.problem import Floats


@dataclass(frozen=True, eq=False)
class Objective:
    """The sum S = Σ ℓ of a loss over samples and outputs, without a factor or penalty.

    kind    code of the mistake in the loss, or ""
    total   S
    slope   the derivative of S with respect to the logits [N, C]
    """

    loss: Loss
    kind: str
    total: float
    slope: Array


def is_common(loss: Loss, output: Activation) -> bool:
    """Whether a loss is commonly used behind an output."""
    return loss.domain != "positive" or output.range == "positive"


def possible_objectives(network: Network, z: Array, y: Floats) -> Iterator[Objective]:
    """Every meaningful loss for the network's output, correct or mistaken.

    The mistakes: a table of all predictions and targets, the output's activation twice, softmax over the wrong axis.
    """
    output, ones = network.output, np.ones((len(z), 1))
    with np.errstate(all="ignore"):
        # The loss that belongs to the output first: behind softmax, that of a Poisson law is the same function.
        for loss in sorted(LOSSES.values(), key=lambda loss: output.name not in loss.fused):
            if not meaningful(loss, output) or not loss.exact or not _accepts_targets(loss, y):
                continue
            each, slope = loss.forward(output, z, y)
            yield Objective(loss, "", float(each.sum()), slope(ones))
            if y.shape[1] == 1 and len(y) > 1:
                pairs = [loss.forward(output, z, np.full_like(z, target)) for target in y[:, 0]]
                total = sum(float(each.sum()) for each, _ in pairs)
                yield Objective(loss, "broadcast", total, sum(back(ones) for _, back in pairs))
            if output.name != "identity":
                a, through = output.forward(z)
                each, slope = loss.forward(output, a, y)
                yield Objective(loss, "activation_twice", float(each.sum()), through(slope(ones)))
            if output.rowwise and len(y) > 1:
                a, through = output.forward(z.T)
                each, slopes = (function(a.T, y, **loss.parameters) for function in (loss.value, loss.derivative))
                yield Objective(loss, "wrong_axis", float(each.sum()), through(slopes.T).T)


def _accepts_targets(loss: Loss, y: Floats) -> bool:
    if loss.targets == "real":
        return True
    return bool(y.min() >= 0 and (loss.targets == "nonnegative" or y.max() <= 1))
