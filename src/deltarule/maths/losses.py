"""Losses, each beside its derivative, and their exact forms from logits.

p [.., B, C]  predictions, the activations of the output layer        z [.., B, C]  logits, its pre-activations
y [.., B, C]  targets (soft ones too: any number that the loss allows)
e [.., B, C]  errors, e = p − y             δ, q, ε   parameters: `delta`, `quantile`, `epsilon`
s             label smoothing: the share of a target that is spread
σ, ψ          sigmoid and softmax: p of z

A loss is a number for every output of every sample; what happens to them is its reduction:

    sum             J = Σ over samples and outputs
    mean_samples    J = Σ / N          N the samples of the batch, or the sum of their weights
    mean_elements   J = Σ / (N C)      C the outputs

Behind the activation that belongs to it (sigmoid, softmax, exponential), a loss is computed from the logits, where it
is exact however large they are, and its gradient is the short one: predicted minus target.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from numpy import exp, log

from deltarule.maths.activations import ACTIVATIONS, Activation, sigmoid, softmax
from deltarule.maths.elementary import Array, Fixed, log1p, select

REDUCTIONS = ("sum", "mean_samples", "mean_elements")


@dataclass(frozen=True)
class Fused:
    """A loss and the activation before it in one: a value, and ∂/∂z, from logits z."""

    value: Callable[..., Array]
    derivative: Callable[..., Array]


@dataclass(frozen=True)
class Loss:
    """A loss, its derivative and parameters, and its exact forms from logits.

    `value(p, y, **parameters)` gives a number for each output, `derivative(p, y, **parameters)` gives ∂value/∂p.
    `domain` says which predictions have a meaning ("real", "positive", "unit", "simplex"), `targets` which targets
    ("real", "nonnegative", "unit"). `kinks` are the p − y at which there is no derivative. `exact` is
    False for the one loss whose published gradient is not that of its value.
    """

    name: str
    value: Callable[..., Array]
    derivative: Callable[..., Array]
    domain: str = "real"
    targets: str = "real"
    fused: Mapping[str, Fused] = field(default_factory=Fixed)
    parameters: Mapping[str, float] = field(default_factory=Fixed, hash=False)
    kinks: tuple[float, ...] = ()
    exact: bool = True

    def forward(self, output: Activation, z: Array, y: Array) -> tuple[Array, Callable[[Array], Array]]:
        """The loss ℓ [.., B, C] of each output from logits, and its backward pass."""
        fused = self.fused_with(output)
        if fused:
            return fused.value(z, y, **self.parameters), lambda dl: dl * fused.derivative(z, y, **self.parameters)
        p, through_output = output.forward(z)

        def backward(dl: Array) -> Array:
            """∂J/∂p = ∂J/∂ℓ ∂ℓ/∂p, then through the output activation"""
            return through_output(dl * self.derivative(p, y, **self.parameters))

        return self.value(p, y, **self.parameters), backward

    def fused_with(self, output: Activation) -> Fused | None:
        """The exact form behind an output activation, None where it has none."""
        built_in = ACTIVATIONS.get(output.name, output)
        return self.fused.get(output.name) if output.function is built_in.function else None


def meaningful(loss: Loss, output: Activation) -> bool:
    """Whether the loss is defined for all that the output activation can give."""
    each_within_the_last = ("real", "nonnegative", "positive", "unit", "simplex")
    return each_within_the_last.index(output.range) >= each_within_the_last.index(loss.domain)


def is_smoothable(loss: Loss) -> bool:
    """Whether a loss's targets are shares of classes, which label smoothing mixes.

    >>> is_smoothable(CROSS_ENTROPY), is_smoothable(SQUARED_ERROR)
    (True, False)
    """
    return loss.exact and loss.targets == "unit"


def smooth_labels(loss: Loss, y: Array, smoothing: float) -> Array:
    """(1 − s) y + s ȳ, ȳ the row's mean where predictions sum to 1, otherwise ½.

    The loss of smoothed targets is the smoothed loss, and its gradient is exact.

    Source: Szegedy, Vanhoucke, Ioffe, Shlens & Wojna 2016, section 7
    """
    middle = y.mean(-1, keepdims=True) if loss.domain == "simplex" else 0.5
    return (1 - smoothing) * y + smoothing * middle


def divisor(reduction: str, total_weight: Array, outputs: int) -> Array:
    """What a sum of weighted losses is divided by: 1, N (total weight) or N C."""
    match reduction:
        case "sum":
            return total_weight**0
        case "mean_samples":
            return total_weight
    return total_weight * outputs


def squared_error(p: Array, y: Array) -> Array:
    """(p − y)²"""
    return (p - y) * (p - y)


def squared_error_derivative(p: Array, y: Array) -> Array:
    """2 (p − y)"""
    return 2 * (p - y)


def half_squared_error(p: Array, y: Array) -> Array:
    """½ (p − y)²"""
    return (p - y) * (p - y) / 2


def half_squared_error_derivative(p: Array, y: Array) -> Array:
    """p − y"""
    return p - y


def absolute_error(p: Array, y: Array) -> Array:
    """|p − y|"""
    return select(p - y, p - y, y - p)


def absolute_error_derivative(p: Array, y: Array) -> Array:
    """The sign of p − y, 0 · (p − y) at the kink, so that a NaN is passed on"""
    return select(p - y, 1.0, select(y - p, -1.0, 0 * (p - y)))


def huber(p: Array, y: Array, delta: float) -> Array:
    """½ e² where |e| ≤ δ, δ (|e| − ½ δ) elsewhere, with e = p − y.

    Source: Huber 1964
    """
    e = absolute_error(p, y)
    return select(e - delta, delta * (e - delta / 2), e * e / 2)


def huber_derivative(p: Array, y: Array, delta: float) -> Array:
    """e where |e| ≤ δ, ±δ elsewhere"""
    e = p - y
    return select(e - delta, delta, select(-e - delta, -delta, e))


def quantile_error(p: Array, y: Array, quantile: float) -> Array:
    """q (y − p) where p is too low, (1 − q) (p − y) where it is too high

    Least at the quantile q.

    Source: Koenker & Bassett 1978
    """
    return select(p - y, (1 - quantile) * (p - y), quantile * (y - p))


def quantile_error_derivative(p: Array, y: Array, quantile: float) -> Array:
    """−q where the prediction is too low, 1 − q where it is too high; 0 at the kink"""
    return select(p - y, 1 - quantile, select(y - p, -quantile, 0 * (p - y)))


def poisson(p: Array, y: Array) -> Array:
    """p − y + y log(y / p), half the Poisson deviance, with 0 log 0 = 0"""
    return p - y + _weighted_log(y, y) - _weighted_log(y, p)


def poisson_derivative(p: Array, y: Array) -> Array:
    """1 − y / p; 1 where the count is 0, whatever p"""
    return 1 - _ratio(y, p)


def poisson_from_logits(z: Array, y: Array) -> Array:
    """eᶻ − y + y log y − y z: the same with p = eᶻ"""
    return exp(z) - y + _weighted_log(y, y) - y * z


def poisson_from_logits_derivative(z: Array, y: Array) -> Array:
    """eᶻ − y"""
    return exp(z) - y


def binary_cross_entropy(p: Array, y: Array) -> Array:
    """−y log p − (1 − y) log(1 − p), for each output; 0 log 0 is 0"""
    return -_weighted_log(y, p) - _weighted_log(1 - y, 1 - p)


def binary_cross_entropy_derivative(p: Array, y: Array) -> Array:
    """(1 − y) / (1 − p) − y / p; a term whose target weight is 0 is 0, whatever p"""
    return _ratio(1 - y, 1 - p) - _ratio(y, p)


def binary_cross_entropy_from_logits(z: Array, y: Array) -> Array:
    """(1 − y) log(1 + eᶻ) + y log(1 + e⁻ᶻ): the same with p = σ(z)

    Both logarithms are max(±z, 0) + log(1 + e^−|z|), whose terms are exact for every z and never below 0.
    """
    return select(z, (1 - y) * z, -y * z) + log1p(exp(select(z, -z, z)))


def binary_cross_entropy_from_logits_derivative(z: Array, y: Array) -> Array:
    """σ(z) − y"""
    return sigmoid(z) - y


def cross_entropy(p: Array, y: Array) -> Array:
    """−y log p, the cross-entropy when summed over the outputs of a sample"""
    return -_weighted_log(y, p)


def cross_entropy_derivative(p: Array, y: Array) -> Array:
    """−y / p"""
    return -_ratio(y, p)


def cross_entropy_from_logits(z: Array, y: Array) -> Array:
    """−yᵢ log ψᵢ(z) = yᵢ (log Σⱼ e^zⱼ − zᵢ), ψ the softmax"""
    shifted = z - z.real.max(-1, keepdims=True)
    return y * (log(exp(shifted).sum(-1, keepdims=True)) - shifted)


def cross_entropy_from_logits_derivative(z: Array, y: Array) -> Array:
    """ψᵢ(z) Σⱼ yⱼ − yᵢ: predicted minus target where the targets of a sample sum to 1

    This is the derivative of the sum over the outputs: each zᵢ stands in every term.
    """
    return softmax(z) * y.sum(-1, keepdims=True) - y


def naive_binary_cross_entropy(p: Array, y: Array, epsilon: float) -> Array:
    """−y log p − (1 − y) log(1 − p) without ε: not finite where p is 0 or 1"""
    return -y * log(p) - (1 - y) * log(1 - p)


def naive_binary_cross_entropy_derivative(p: Array, y: Array, epsilon: float) -> Array:
    """(1 − y) / (1 − p + ε) − y / (p + ε), finite, but of another function

    Source: the boundary report's listing, which has the ε in the gradient and not in the loss.
    """
    return (1 - y) / (1 - p + epsilon) - y / (p + epsilon)


def _weighted_log(weight: Array, p: Array) -> Array:
    """weight · log p, and 0 where the weight is 0; a NaN is passed on"""
    return select(weight, weight * log(select(weight, p, 1.0)), 0 * weight * p)


def _ratio(weight: Array, p: Array) -> Array:
    """weight / p, and 0 where the weight is 0; a NaN is passed on"""
    return select(weight, weight / select(weight, p, 1.0), 0 * weight * p)


LOSSES = {
    loss.name: loss
    for loss in (
        Loss("squared_error", squared_error, squared_error_derivative),
        Loss("half_squared_error", half_squared_error, half_squared_error_derivative),
        Loss("absolute_error", absolute_error, absolute_error_derivative, kinks=(0.0,)),
        Loss("huber", huber, huber_derivative, parameters=Fixed({"delta": 1.0})),
        Loss("quantile", quantile_error, quantile_error_derivative, parameters=Fixed({"quantile": 0.5}), kinks=(0.0,)),
        Loss(
            "poisson",
            poisson,
            poisson_derivative,
            "positive",
            "nonnegative",
            Fixed({"exponential": Fused(poisson_from_logits, poisson_from_logits_derivative)}),
        ),
        Loss(
            "binary_cross_entropy",
            binary_cross_entropy,
            binary_cross_entropy_derivative,
            "unit",
            "unit",
            Fixed({"sigmoid": Fused(binary_cross_entropy_from_logits, binary_cross_entropy_from_logits_derivative)}),
        ),
        Loss(
            "cross_entropy",
            cross_entropy,
            cross_entropy_derivative,
            "simplex",
            "unit",
            Fixed({"softmax": Fused(cross_entropy_from_logits, cross_entropy_from_logits_derivative)}),
        ),
        Loss(
            "naive_binary_cross_entropy",
            naive_binary_cross_entropy,
            naive_binary_cross_entropy_derivative,
            targets="unit",
            parameters=Fixed({"epsilon": 1e-8}),
            exact=False,
        ),
    )
}
SQUARED_ERROR, BINARY_CROSS_ENTROPY, CROSS_ENTROPY = (
    LOSSES[name] for name in ("squared_error", "binary_cross_entropy", "cross_entropy")
)
