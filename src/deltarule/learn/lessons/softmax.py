"""Page 6: softmax and cross-entropy. Five samples, three classes.

Fill the hole, then check it: deltarule check 6-softmax.py
"""

import numpy as np

draws = np.random.default_rng(6)
x, y = draws.normal(size=(5, 2)), np.eye(3)[[0, 2, 1, 1, 0]]  # a row of y has 1 at the right class
W, b = draws.normal(size=(2, 3)), draws.normal(size=3)


def classify(x, y, W, b):
    """Return the loss J, the mean over the samples, and its gradients."""
    # Your lines: forward p and J, then dz, dW and db
    e = np.exp(x @ W + b)
    p = e / e.sum(axis=1, keepdims=True)  # the sum of each row, kept as a column
    J = -np.sum(y * np.log(p)) / len(x)
    dz = (p - y) / len(x)
    dW = x.T @ dz
    db = dz.sum(axis=0)
    # End
    assert db.shape == b.shape, "a gradient has its array’s shape: add over the samples"
    return J, {"W": dW, "b": db}


assert abs(classify(x, y, W, b)[0] - 1.713909) < 1e-6, "J must be 1.713909 here: look at the way forward"
