"""Layers, each an output and a function that takes the gradient back.

x  [.., B, D]   inputs of a layer                W [.., D, H]   weights, inputs × outputs
z  [.., B, H]   pre-activations                  b [.., 1, H]   biases
dz [.., B, H]   ∂J/∂z, and so on for every other letter

In front (..) stands nothing for one network, K for a population of K networks. A backward function is a true
vector-Jacobian product: it is right for any upstream gradient, whatever the loss.
"""

from collections.abc import Callable

from numpy import sqrt, swapaxes

from deltarule.maths.elementary import Array


def transpose(M: Array) -> Array:
    """Exchange the last two axes, rows and columns, of every matrix."""
    return swapaxes(M, -1, -2)


def dense(x: Array, W: Array, b: Array | None) -> tuple[Array, Callable[..., tuple[Array | None, Array, Array]]]:
    """z = x W + b.

    x [.., B, D]   W [.., D, H]   b [.., 1, H] or None   →   z [.., B, H], backward

    >>> import numpy as np
    >>> z, backward = dense(np.array([[1.0, 2.0]]), np.array([[3.0], [4.0]]), np.array([[5.0]]))
    >>> z
    array([[16.]])
    >>> dx, dW, db = backward(np.array([[1.0]]))
    >>> dx, dW.tolist(), db
    (array([[3., 4.]]), [[1.0], [2.0]], array([[1.]]))
    """
    z = x @ W if b is None else x @ W + b

    def backward(dz: Array, to_input: bool = True) -> tuple[Array | None, Array, Array]:
        """∂J/∂x = ∂J/∂z Wᵀ,   ∂J/∂W = xᵀ ∂J/∂z,   ∂J/∂b = Σ over samples of ∂J/∂z

        With `to_input` False ∂J/∂x is left out: nobody asks for that of the data, and it costs a third of the products.
        """
        return dz @ transpose(W) if to_input else None, transpose(x) @ dz, dz.sum(-2, keepdims=True)

    return z, backward


def scaling(x: Array, s: Array) -> tuple[Array, Callable[..., tuple[Array | None, Array]]]:
    """u = x · s, every input times a weight of its own.

    x [.., B, D]   s [.., 1, D]   →   u [.., B, D], backward

    Source: Holzmüller, Grinsztajn & Steinwart 2024, section 3
    """

    def backward(du: Array, to_input: bool = True) -> tuple[Array | None, Array]:
        """∂J/∂x = ∂J/∂u · s,   ∂J/∂s = Σ over samples of ∂J/∂u · x"""
        return du * s if to_input else None, (du * x).sum(-2, keepdims=True)

    return x * s, backward


def dropout(a: Array, keep: Array, rate: Array) -> tuple[Array, Callable[[Array], Array]]:
    """d = a · keep / (1 − rate), so that the mean of a unit stays.

    a [.., B, H]   keep [.., B, H], 1 for a unit that stays and 0 for one that is dropped   rate [.., 1, 1]

    Source: Srivastava et al. 2014, in the inverted form, which leaves evaluation as it is.
    """
    gain = keep / (1 - rate)

    def backward(dd: Array) -> Array:
        """∂J/∂a = ∂J/∂d · keep / (1 − rate): through the same mask as on the way forward"""
        return dd * gain

    return a * gain, backward


def batch_norm(
    z: Array, gamma: Array, beta: Array, share: Array, epsilon: float
) -> tuple[Array, Callable[[Array], tuple[Array, Array, Array]], Array, Array]:
    """n = γ ẑ + β with ẑ = (z − μ) / √(σ² + ε), by the statistics of the batch.

    z [.., B, H]   γ, β [.., 1, H]   share [.., B, 1], each row's share of the batch, which sums to 1 (all 1/B where
    rows weigh the same)   →   n [.., B, H], backward, μ [.., 1, H], σ² [.., 1, H]

    Source: Ioffe & Szegedy 2015, algorithm 1; with rows that weigh differently.
    """
    mean = (share * z).sum(-2, keepdims=True)
    centered = z - mean
    variance = (share * centered * centered).sum(-2, keepdims=True)
    deviation = sqrt(variance + epsilon)
    normalized = centered / deviation

    def backward(dn: Array) -> tuple[Array, Array, Array]:
        """∂J/∂β = Σ ∂J/∂n,   ∂J/∂γ = Σ ∂J/∂n ẑ,   and as μ and σ² depend on every row,

        ∂J/∂zᵢ = γ / √(σ² + ε) · (∂J/∂nᵢ − shareᵢ Σ ∂J/∂n − shareᵢ ẑᵢ Σ ∂J/∂n ẑ)
        """
        dbeta = dn.sum(-2, keepdims=True)
        dgamma = (dn * normalized).sum(-2, keepdims=True)
        dz = gamma / deviation * (dn - share * dbeta - share * normalized * dgamma)
        return dz, dgamma, dbeta

    return gamma * normalized + beta, backward, mean, variance


def batch_norm_evaluation(
    z: Array, gamma: Array, beta: Array, mean: Array, variance: Array, epsilon: float
) -> tuple[Array, Callable[[Array], tuple[Array, Array, Array]]]:
    """n = γ ẑ + β with ẑ = (z − μ) / √(σ² + ε), by the running statistics.

    z [.., B, H]   γ, β, μ, σ² [.., 1, H]   →   n [.., B, H], backward
    """
    deviation = sqrt(variance + epsilon)
    normalized = (z - mean) / deviation

    def backward(dn: Array) -> tuple[Array, Array, Array]:
        """∂J/∂z = γ / √(σ² + ε) ∂J/∂n,   ∂J/∂γ = Σ ∂J/∂n ẑ,   ∂J/∂β = Σ ∂J/∂n"""
        return gamma / deviation * dn, (dn * normalized).sum(-2, keepdims=True), dn.sum(-2, keepdims=True)

    return gamma * normalized + beta, backward
