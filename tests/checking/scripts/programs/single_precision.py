import numpy as np

rng = np.random.default_rng(8)
X = rng.standard_normal((64, 5), dtype=np.float32)
T = (X[:, :1] - X[:, 1:2] ** 2).astype(np.float32)
W0 = rng.standard_normal((5, 8), dtype=np.float32) * np.float32(0.4)
W1 = rng.standard_normal((8, 1), dtype=np.float32) * np.float32(0.4)
for epoch in range(100):
    Z = np.tanh(X @ W0)
    Y = Z @ W1
    loss = np.mean((Y - T) ** 2)
    dY = 2 * (Y - T) / len(X)
    dW1 = Z.T @ dY
    dW0 = X.T @ (dY @ W1.T * (1 - Z * Z))
    W0 -= np.float32(0.1) * dW0
    W1 -= np.float32(0.1) * dW1
