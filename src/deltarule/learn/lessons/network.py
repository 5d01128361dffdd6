"""Page 4: a whole network, 2-2-1, with two samples. A row is a sample, z = x W + b.

Fill the hole, then check it: deltarule check 4-network.py
"""

import numpy as np

x, y = np.array([[0.9, 0.5], [-0.4, 1.2]]), np.array([[1.0], [0.0]])
W1, b1 = np.array([[0.85, 0.6], [-0.7, 0.55]]), np.array([-0.3, 0.25])
W2, b2 = np.array([[-0.65], [0.2]]), np.array([-0.1])


def sigmoid(z):
    """Press z between 0 and 1."""
    return 1 / (1 + np.exp(-z))


def network(x, y, W1, b1, W2, b2):
    """Return the loss J, added over the samples, and its gradients."""
    # Your lines: forward a1, p and J, then dz2, dW2, db2, dz1, dW1, db1
    a1 = sigmoid(x @ W1 + b1)
    p = sigmoid(a1 @ W2 + b2)
    J = -np.sum(y * np.log(p) + (1 - y) * np.log(1 - p))
    dz2 = p - y
    dW2 = a1.T @ dz2
    db2 = dz2.sum(axis=0)
    dz1 = dz2 @ W2.T * a1 * (1 - a1)
    dW1 = x.T @ dz1
    db1 = dz1.sum(axis=0)
    # End
    assert db1.shape == b1.shape and db2.shape == b2.shape, "a gradient has its array’s shape: add over the samples"
    return J, {"W1": dW1, "b1": db1, "W2": dW2, "b2": db2}


assert abs(network(x, y, W1, b1, W2, b2)[0] - 1.501457) < 1e-6, "J must be 1.501457 here: look at the way forward"
