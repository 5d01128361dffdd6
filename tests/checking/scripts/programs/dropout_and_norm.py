import numpy as np

np.random.seed(11)
Xs, Ys = np.random.randn(128, 6), np.random.randn(128, 2)
W1, gamma, beta, W2 = np.random.randn(6, 9) * 0.3, np.ones(9), np.zeros(9), np.random.randn(9, 2) * 0.3
keep, eps, lr, bs = 0.8, 1e-5, 0.02, 32
running_mean = np.zeros(9)
for epoch in range(20):
    for k in range(0, len(Xs), bs):
        x, y = Xs[k : k + bs], Ys[k : k + bs]
        z = x @ W1
        mu, var = z.mean(0), z.var(0)
        running_mean = 0.9 * running_mean + 0.1 * mu
        inv = 1 / np.sqrt(var + eps)
        zhat = (z - mu) * inv
        n = gamma * zhat + beta
        a = np.maximum(n, 0)
        mask = (np.random.rand(*a.shape) < keep) / keep
        d = a * mask
        out = d @ W2
        L = 0.5 * ((out - y) ** 2).sum() / len(x)
        g = (out - y) / len(x)
        gW2 = d.T @ g
        gn = (g @ W2.T) * mask * (n > 0)
        ggamma, gbeta = (gn * zhat).sum(0), gn.sum(0)
        gz = gn * gamma
        gz = inv * (gz - gz.mean(0) - zhat * (gz * zhat).mean(0))
        gW1 = x.T @ gz
        for p, grad in ((W1, gW1), (gamma, ggamma), (beta, gbeta), (W2, gW2)):
            p -= lr * grad
