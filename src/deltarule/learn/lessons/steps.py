"""Page 8: dropout on a hidden layer, and a penalty for large weights.

Fill the hole, then check it: deltarule check 8-steps.py
"""

import numpy as np

draws = np.random.default_rng(8)
x, y = draws.normal(size=(6, 2)), draws.normal(size=(6, 1))
W1, W2 = draws.normal(size=(2, 4)), draws.normal(size=(4, 1))
mask = draws.random(size=(6, 4)) < 0.8  # which units are kept, for each sample
strength = 0.3


def network(x, y, W1, W2):
    """Return the loss J with its penalty, and its gradients."""
    a1 = np.tanh(x @ W1)
    h = a1 * mask / 0.8
    r = h @ W2 - y
    J = np.mean(r**2) + strength / 2 * (np.sum(W1**2) + np.sum(W2**2))
    # Your lines: dz2, dW2, dh, dz1, dW1; the slope of tanh is 1 - a1**2
    dz2 = 2 * r / len(x)
    dW2 = h.T @ dz2 + strength * W2
    dh = dz2 @ W2.T
    dz1 = dh * mask / 0.8 * (1 - a1**2)
    dW1 = x.T @ dz1 + strength * W1
    # End
    return J, {"W1": dW1, "W2": dW2}
