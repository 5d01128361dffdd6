import numpy as np
rng = np.random.default_rng(5)
A, B = rng.normal(size=(30, 4)), rng.normal(size=(30, 2)) * 5
M = rng.normal(size=(4, 2)) * 3
for i in range(100):
    R = A @ M - B
    err = np.sum(R ** 2)
    G = 2 * A.T @ R
    norm = np.sqrt((G ** 2).sum())
    if norm > 1:
        G = G / norm
    M -= .1 * G
