"""Page 9: twenty networks with twenty seeds at once, on XOR. The first axis of
every weight and bias is the seed, and x.T @ d multiplies for each seed.

Fill the hole, then check it: deltarule check 9-seeds.py
"""

import numpy as np

x, y = np.array([[0.0, 0], [0, 1], [1, 0], [1, 1]]), np.array([[0.0], [1], [1], [0]])
draws = np.random.default_rng(9)
W1, b1 = draws.normal(size=(20, 2, 2)), draws.normal(size=(20, 1, 2))
W2, b2 = draws.normal(size=(20, 2, 1)), draws.normal(size=(20, 1, 1))


def networks(x, y, W1, b1, W2, b2):
    """Return the losses of all networks, added up, and their gradients."""
    a1 = np.tanh(x @ W1 + b1)
    p = 1 / (1 + np.exp(-(a1 @ W2 + b2)))
    J = -np.sum(y * np.log(p) + (1 - y) * np.log(1 - p)) / len(x)
    # np.swapaxes(a1, 1, 2) transposes each a1; sum(axis=1, keepdims=True) adds over the samples: b1 is 20 × 1 × 2
    # Your lines: dz2, dW2, db2, dz1, dW1, db1
    dz2 = (p - y) / len(x)
    dW2 = np.swapaxes(a1, 1, 2) @ dz2
    db2 = dz2.sum(axis=1, keepdims=True)
    dz1 = dz2 @ np.swapaxes(W2, 1, 2) * (1 - a1**2)
    dW1 = x.T @ dz1
    db1 = dz1.sum(axis=1, keepdims=True)
    # End
    return J, {"W1": dW1, "b1": db1, "W2": dW2, "b2": db2}


def solved(steps=2000, rate=1.0):
    """Train all networks, and count those that say the right side of 0.5 for all four samples."""
    theta = {"W1": W1, "b1": b1, "W2": W2, "b2": b2}
    for _ in range(steps):
        gradients = networks(x, y, **theta)[1]
        theta = {name: theta[name] - rate * gradients[name] for name in theta}
    a1 = np.tanh(x @ theta["W1"] + theta["b1"])
    right = (a1 @ theta["W2"] + theta["b2"] > 0) == (y == 1)
    return int(right.all(axis=(1, 2)).sum())
