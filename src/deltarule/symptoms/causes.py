"""The causes that keep a network from learning, their detectors and fixes.

To add a cause, write its function in `detectors.py` and add it to `FIXES` and `CAUSES`, at the end.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from deltarule.symptoms import detectors
from deltarule.symptoms.detectors import LEARNED, SymptomEvidence
from deltarule.symptoms.observations import GivenNumbers


@dataclass(frozen=True)
class Cause:
    """A cause, the function that detects it, and a fix in place of that in `FIXES`.

    `numbers` are those that show it without a training: outputs, targets, inputs, weights. A `last_resort` is named
    where nothing else is.
    """

    code: str
    find: Callable[[Any], SymptomEvidence | None]
    numbers: tuple[str, ...] = ()
    may_have_learned: bool = False
    last_resort: bool = False
    other_fix: str = ""

    @property
    def fix(self) -> str:
        return self.other_fix or FIXES[self.code]

    def detect(self, member: GivenNumbers) -> SymptomEvidence | None:
        return self.find(member) if self.may_have_learned or not member.skill >= LEARNED else None


FIXES = {
    "zero_weights": "draw the weights at random (glorot_uniform, the default); only biases may begin at 0",
    "symmetric_weights": "draw the weights at random (glorot_uniform, the default), so that units differ",
    "targets_out_of_range": "scale the targets into the output's range, or take the identity for the output",
    "shuffled_labels": "print a few rows beside their targets, to see whether both are in the same order; targets that "
    "are the parity of the inputs seem unrelated, too",
    "unscaled_inputs": "standardize the inputs: subtract each column's mean and divide by its deviation on the "
    "training rows",
    "missing_bias": "give the layers biases (bias=True, the default), or center inputs and targets",
    "unscaled_targets": "standardize the targets (scale_target=True of the estimators), and scale predictions back",
    "saturated_units": "begin with smaller weights (initial_scale, or glorot_uniform), so that z is about 1",
    "dead_units": "begin with biases of 0 and weights of both signs (he_normal), center the inputs, or take leaky_relu",
    "vanishing_gradient": "take fewer layers, relu instead of sigmoid, larger first weights (he_normal), or batch norm",
    "dominating_penalty": "divide the strength by 100; then look for the best one on validation rows",
    "rate_too_high": "lower the rate to a third of the range test's best, or less",
    "rate_too_low": "raise the rate towards the range test's best, or train for longer",
    "class_never_predicted": "fix the findings above this one; if there are none and the class is rare, give its rows "
    "more weight (weights), or get more of them",
}
_FIX_AT_END = "fix the findings above this one; if there are none, a lower rate kills and saturates fewer units"
CAUSES = (
    Cause("zero_weights", detectors.zero_weights, ("weights",)),
    Cause("symmetric_weights", detectors.symmetric_weights, ("weights",)),
    Cause("targets_out_of_range", detectors.targets_out_of_range, ("outputs", "targets")),
    Cause("shuffled_labels", detectors.shuffled_labels, ("inputs", "targets"), may_have_learned=True),
    Cause("unscaled_inputs", detectors.unscaled_inputs, ("inputs",)),
    Cause("missing_bias", detectors.missing_bias),
    Cause("unscaled_targets", detectors.unscaled_targets, ("outputs", "targets")),
    Cause("saturated_units", partial(detectors.flat_layer, flat="both", at_first=True)),
    Cause("dead_units", partial(detectors.flat_layer, flat="left", at_first=True)),
    Cause("vanishing_gradient", detectors.vanishing_gradient),
    Cause("dominating_penalty", detectors.dominating_penalty),
    Cause("rate_too_high", detectors.rate_too_high),
    Cause("rate_too_low", detectors.rate_too_low),
    Cause("saturated_units", partial(detectors.flat_layer, flat="both", at_first=False), other_fix=_FIX_AT_END),
    Cause("dead_units", partial(detectors.flat_layer, flat="left", at_first=False), other_fix=_FIX_AT_END),
    Cause("class_never_predicted", detectors.class_never_predicted, ("outputs", "targets"), may_have_learned=True),
    Cause("rate_too_low", partial(detectors.rate_too_low, idle=True), last_resort=True),
)
"""Causes before their effects: large inputs saturate units, dead units make the gradient vanish, and a network that
does not learn for any reason has classes that it never predicts."""
