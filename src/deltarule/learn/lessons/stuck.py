"""Page 7: a sigmoid layer, then a ReLU layer, some of whose units are dead.

Fill the hole, then check it: deltarule check 7-stuck.py
"""

import numpy as np

draws = np.random.default_rng(71)
x, y = draws.normal(size=(4, 2)), draws.integers(0, 2, size=(4, 1))
W1, W2, W3 = draws.normal(size=(2, 3)), draws.normal(size=(3, 3)), draws.normal(size=(3, 1))


def network(x, y, W1, W2, W3):
    """Return the loss J, the mean over the samples, and its gradients."""
    a1 = 1 / (1 + np.exp(-(x @ W1)))
    z2 = a1 @ W2
    a2 = np.maximum(z2, 0)
    p = 1 / (1 + np.exp(-(a2 @ W3)))
    J = -np.mean(y * np.log(p) + (1 - y) * np.log(1 - p))
    # Your lines: dz3, dW3, dz2, dW2, dz1, dW1
    dz3 = (p - y) / len(x)
    dW3 = a2.T @ dz3
    dz2 = dz3 @ W3.T * (z2 > 0)
    dW2 = a1.T @ dz2
    dz1 = dz2 @ W2.T * a1 * (1 - a1)
    dW1 = x.T @ dz1
    # End
    return J, {"W1": dW1, "W2": dW2, "W3": dW3}
