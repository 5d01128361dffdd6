"""Activations, each beside its derivative.

z [.., B, H]  pre-activations of a layer
a [.., B, H]  a = f(z), its activations
da, dz        ∂J/∂a and ∂J/∂z, of the same shapes

An elementwise activation is a pair: f(z) and f'(z, a), where a = f(z) is handed over because many derivatives are
shortest in it. Softmax couples the units of a row; its backward pass is the product with the full Jacobian.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from math import pi

from numpy import exp, tanh

from deltarule.maths.elementary import Array, Fixed, erf, expm1, log1p, select

# Python numbers, not NumPy's: those are float64 and would make float64 of a float32 formula.
_ROOT_2 = 2**0.5
_ROOT_2_PI = (2 * pi) ** 0.5
SELU_SCALE = 1.0507009873554805
SELU_ALPHA = 1.6732632423543772


@dataclass(frozen=True)
class Activation:
    """An activation function with its derivative and its parameters.

    `function(z, **parameters)` gives a; `derivative(z, a, **parameters)` gives ∂a/∂z. With `rowwise`, the units of a
    row depend on each other and `derivative(z, a, da, **parameters)` gives the vector-Jacobian product ∂J/∂z instead.
    `range` says which numbers come out: "real", "nonnegative", "positive", "unit" (0 to 1) or "simplex" (0 to 1, a
    row sums to 1); it decides which losses have a meaning behind it. `flat` says where the slope goes to 0, so
    that units can die or saturate: "left" (z → −∞), "both" or "" (nowhere). `kinks` are the z at which there
    is no derivative. `module` is PyTorch's module of the same function, which takes its parameters in the same order.
    """

    name: str
    function: Callable[..., Array]
    derivative: Callable[..., Array]
    range: str = "real"
    flat: str = ""
    rowwise: bool = False
    parameters: Mapping[str, float] = field(default_factory=Fixed, hash=False)
    kinks: tuple[float, ...] = ()
    module: str = ""

    def forward(self, z: Array) -> tuple[Array, Callable[[Array], Array]]:
        """a = f(z), and the backward pass from ∂J/∂a to ∂J/∂z, all [.., B, H]."""
        a = self.function(z, **self.parameters)

        def backward(da: Array) -> Array:
            """∂J/∂z = f'(z) ∂J/∂a, or the product with the Jacobian where units are coupled."""
            if self.rowwise:
                return self.derivative(z, a, da, **self.parameters)
            return self.derivative(z, a, **self.parameters) * da

        return a, backward


def identity(z: Array) -> Array:
    """a = z"""
    return z


def identity_derivative(z: Array, a: Array) -> Array:
    """∂a/∂z = 1"""
    return 0 * z + 1


def sigmoid(z: Array) -> Array:
    """a = 1 / (1 + e⁻ᶻ), written so that the exponential never overflows"""
    t = exp(select(z, -z, z))
    return select(z, 1.0, t) / (1 + t)


def sigmoid_derivative(z: Array, a: Array) -> Array:
    """∂a/∂z = a (1 − a)"""
    return a * (1 - a)


def hyperbolic_tangent(z: Array) -> Array:
    """a = tanh z"""
    return tanh(z)


def hyperbolic_tangent_derivative(z: Array, a: Array) -> Array:
    """∂a/∂z = 1 − a²"""
    return 1 - a * a


def softsign(z: Array) -> Array:
    """a = z / (1 + |z|).    Source: Bergstra, Desjardins, Lamblin & Bengio 2009"""
    return z / (1 + select(z, z, -z))


def softsign_derivative(z: Array, a: Array) -> Array:
    """∂a/∂z = 1 / (1 + |z|)²"""
    s = 1 / (1 + select(z, z, -z))
    return s * s


def relu(z: Array) -> Array:
    """a = z where z > 0, 0 elsewhere, and NaN is passed on

    Source: Nair & Hinton 2010
    """
    return select(-z, 0.0, z)


def relu_derivative(z: Array, a: Array) -> Array:
    """∂a/∂z = 1 where z > 0, 0 elsewhere"""
    return select(z, 1.0, 0.0)


def leaky_relu(z: Array, slope: float) -> Array:
    """a = z where z > 0, slope · z elsewhere.    Source: Maas, Hannun & Ng 2013"""
    return select(z, z, slope * z)


def leaky_relu_derivative(z: Array, a: Array, slope: float) -> Array:
    """∂a/∂z = 1 where z > 0, slope elsewhere"""
    return select(z, 1.0, slope)


def elu(z: Array, alpha: float) -> Array:
    """a = z where z > 0, α (eᶻ − 1) elsewhere, where eᶻ cannot overflow

    Source: Clevert, Unterthiner & Hochreiter 2016
    """
    return select(z, z, alpha * expm1(select(z, 0.0, z)))


def elu_derivative(z: Array, a: Array, alpha: float) -> Array:
    """∂a/∂z = 1 where z > 0, α eᶻ = a + α elsewhere"""
    return select(z, 1.0, a + alpha)


def selu(z: Array) -> Array:
    """a = λ z where z > 0, λ α (eᶻ − 1) elsewhere, λ = 1.0507 and α = 1.6733

    With these numbers a unit whose inputs are independent with mean 0 and variance 1, and whose weights have the
    variance 1 / inputs, keeps mean 0 and variance 1.    Source: Klambauer, Unterthiner, Mayr & Hochreiter 2017,
    equation 2
    """
    return select(z, SELU_SCALE * z, SELU_SCALE * SELU_ALPHA * expm1(select(z, 0.0, z)))


def selu_derivative(z: Array, a: Array) -> Array:
    """∂a/∂z = λ where z > 0, λ α eᶻ = a + λ α elsewhere"""
    return select(z, SELU_SCALE, a + SELU_SCALE * SELU_ALPHA)


def softplus(z: Array) -> Array:
    """a = log(1 + eᶻ) = max(z, 0) + log(1 + e^−|z|).    Source: Dugas et al. 2001"""
    return select(z, z, 0.0) + log1p(exp(select(z, -z, z)))


def softplus_derivative(z: Array, a: Array) -> Array:
    """∂a/∂z = σ(z)"""
    return sigmoid(z)


def silu(z: Array) -> Array:
    """a = z σ(z).    Source: Elfwing, Uchibe & Doya 2018"""
    return z * sigmoid(z)


def silu_derivative(z: Array, a: Array) -> Array:
    """∂a/∂z = σ(z) (1 + z (1 − σ(z))) = σ(z) + a (1 − σ(z))"""
    s = sigmoid(z)
    return s + a * (1 - s)


def mish(z: Array) -> Array:
    """a = z tanh(softplus z) = z n / (n + d), with n = eᶻ (eᶻ + 2) and d = 2

    Both n and d are divided by e²ᶻ where z > 0.

    Source: Misra 2020
    """
    t = exp(select(z, -z, z))
    n = select(z, 1 + 2 * t, t * (t + 2))
    d = select(z, 2 * t * t, 2.0)
    return z * (n / (n + d))


def mish_derivative(z: Array, a: Array) -> Array:
    """∂a/∂z = w + z σ(z) (1 − w²) with w = tanh(softplus z) = n / (n + d)

    So 1 − w² = d (d + 2 n) / (n + d)².
    """
    t = exp(select(z, -z, z))
    n = select(z, 1 + 2 * t, t * (t + 2))
    d = select(z, 2 * t * t, 2.0)
    return n / (n + d) + z * sigmoid(z) * (d * (d + 2 * n) / ((n + d) * (n + d)))


def gelu(z: Array) -> Array:
    """a = z Φ(z), Φ the exact distribution function of the normal law

    Source: Hendrycks & Gimpel 2016
    """
    return z * (1 + erf(z / _ROOT_2)) / 2


def gelu_derivative(z: Array, a: Array) -> Array:
    """∂a/∂z = Φ(z) + z φ(z), φ the density of the normal law"""
    return (1 + erf(z / _ROOT_2)) / 2 + z * exp(-z * z / 2) / _ROOT_2_PI


def exponential(z: Array) -> Array:
    """a = eᶻ: the output of a Poisson regression"""
    return exp(z)


def exponential_derivative(z: Array, a: Array) -> Array:
    """∂a/∂z = a"""
    return a


def softmax(z: Array) -> Array:
    """aᵢ = e^zᵢ / Σⱼ e^zⱼ over a row, shifted so that nothing overflows"""
    t = exp(z - z.real.max(-1, keepdims=True))
    return t / t.sum(-1, keepdims=True)


def softmax_product(z: Array, a: Array, da: Array) -> Array:
    """∂J/∂zᵢ = aᵢ (∂J/∂aᵢ − Σⱼ aⱼ ∂J/∂aⱼ), as ∂aⱼ/∂zᵢ = aⱼ (1[i=j] − aᵢ)"""
    return a * (da - (a * da).sum(-1, keepdims=True))


ACTIVATIONS = {
    activation.name: activation
    for activation in (
        Activation("identity", identity, identity_derivative),
        Activation("sigmoid", sigmoid, sigmoid_derivative, "unit", "both", module="Sigmoid"),
        Activation("tanh", hyperbolic_tangent, hyperbolic_tangent_derivative, flat="both", module="Tanh"),
        Activation("softsign", softsign, softsign_derivative, flat="both", module="Softsign"),
        Activation("relu", relu, relu_derivative, "nonnegative", "left", kinks=(0.0,), module="ReLU"),
        Activation(
            "leaky_relu",
            leaky_relu,
            leaky_relu_derivative,
            parameters=Fixed({"slope": 0.01}),
            kinks=(0.0,),
            module="LeakyReLU",
        ),
        Activation(
            "elu",
            elu,
            elu_derivative,
            flat="left",
            parameters=Fixed({"alpha": 1.0}),
            kinks=(0.0,),  # with α = 1 the two branches meet without a kink, with any other α they do not
            module="ELU",
        ),
        Activation("selu", selu, selu_derivative, flat="left", kinks=(0.0,), module="SELU"),
        Activation("softplus", softplus, softplus_derivative, "positive", "left", module="Softplus"),
        Activation("silu", silu, silu_derivative, flat="left", module="SiLU"),
        Activation("mish", mish, mish_derivative, flat="left", module="Mish"),
        Activation("gelu", gelu, gelu_derivative, flat="left", module="GELU"),
        Activation("exponential", exponential, exponential_derivative, "positive", "left"),
        Activation("softmax", softmax, softmax_product, "simplex", "both", rowwise=True, module="Softmax"),
    )
}
IDENTITY, SIGMOID, TANH, RELU, SOFTMAX = (
    ACTIVATIONS[name] for name in ("identity", "sigmoid", "tanh", "relu", "softmax")
)
