import numpy as np


class Adam:
    def __init__(self, params, lr=1e-3, betas=(0.9, 0.999), eps=1e-8):
        self.params, self.lr, self.betas, self.eps, self.t = params, lr, betas, eps, 0
        self.m = {k: np.zeros_like(v) for k, v in params.items()}
        self.v = {k: np.zeros_like(v) for k, v in params.items()}

    def step(self, grads):
        self.t += 1
        b1, b2 = self.betas
        for k in self.params:
            self.m[k] = b1 * self.m[k] + (1 - b1) * grads[k]
            self.v[k] = b2 * self.v[k] + (1 - b2) * grads[k] ** 2
            m_hat = self.m[k] / (1 - b1**self.t)
            v_hat = self.v[k] / (1 - b2**self.t)
            self.params[k] -= self.lr * m_hat / (np.sqrt(v_hat) + self.eps)


def relu(z):
    return np.where(z > 0, z, 0)


rng = np.random.default_rng(0)
params = {
    "W1": rng.standard_normal((3, 16)) * 0.5,
    "b1": rng.standard_normal(16) * 0.1,
    "W2": rng.standard_normal((16, 2)) * 0.5,
    "b2": np.zeros(2),
}
opt = Adam(params)
X = rng.standard_normal((200, 3))
Y = np.c_[X.sum(1), X[:, 0] * X[:, 1]]

for step in range(400):
    idx = rng.choice(len(X), 32)
    xb, yb = X[idx], Y[idx]
    pre = xb @ params["W1"] + params["b1"]
    act = relu(pre)
    pred = act @ params["W2"] + params["b2"]
    loss = ((pred - yb) ** 2).sum() / len(xb)
    dpred = 2 * (pred - yb) / len(xb)
    grads = {}
    grads["W2"] = act.T @ dpred
    grads["b2"] = dpred.sum(axis=0)
    dact = dpred @ params["W2"].T
    dpre = dact * (pre > 0)
    grads["W1"] = xb.T @ dpre
    grads["b1"] = dpre.sum(axis=0)
    opt.step(grads)
    if step % 100 == 0:
        print(step, loss)
