"""The right programs that docs/reference/mistakes.md changes into wrong ones, a line or two for each mistake.

Samples are rows; weights are inputs × outputs.
"""

import itertools

import numpy as np

from deltarule import check_object

generator = np.random.default_rng(0)
N, lam, rate, beta = 6, 0.01, 0.1, 0.9
x, labels, t = generator.normal(size=(N, 4)), np.array([0, 2, 1, 1, 0, 2]), np.array([0.0, 1, 1, 0, 1, 0])
y = np.eye(3)[labels]


def weights(*sizes):
    shapes = [shape for pair in itertools.pairwise(sizes) for shape in (pair, pair[1:])]
    return [0.8 * generator.normal(size=shape) for shape in shapes]


def softmax(z):
    e = np.exp(z)
    return e / e.sum(axis=1, keepdims=True)


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def classify(W1, b1, W2, b2, W3, b3):
    z1 = x @ W1 + b1
    a1 = np.tanh(z1)
    z2 = a1 @ W2 + b2
    a2 = np.tanh(z2)
    z3 = a2 @ W3 + b3
    p = softmax(z3)
    loss = -(y * np.log(p)).sum() / N + lam * ((W1**2).sum() + (W2**2).sum() + (W3**2).sum())
    d3 = (p - y) / N
    dW3 = a2.T @ d3 + 2 * lam * W3
    db3 = d3.sum(axis=0)
    d2 = (d3 @ W3.T) * (1 - a2**2)
    dW2 = a1.T @ d2 + 2 * lam * W2
    db2 = d2.sum(axis=0)
    d1 = (d2 @ W2.T) * (1 - a1**2)
    dW1 = x.T @ d1 + 2 * lam * W1
    db1 = d1.sum(axis=0)
    return loss, (dW1, db1, dW2, db2, dW3, db3)


def decide(W1, b1, W2, b2):
    a1 = np.tanh(x @ W1 + b1)
    p = sigmoid(a1 @ W2 + b2)
    T = t.reshape(-1, 1)
    loss = -(T * np.log(p) + (1 - T) * np.log(1 - p)).mean()
    loss = loss + lam * ((W1**2).sum() + (W2**2).sum())
    d2 = (p - T) / N
    dW2 = a1.T @ d2 + 2 * lam * W2
    d1 = (d2 @ W2.T) * (1 - a1**2)
    dW1 = x.T @ d1 + 2 * lam * W1
    return loss, (dW1, d1.sum(axis=0), dW2, d2.sum(axis=0))


def normalized(W1, b1, gamma, beta, W2, b2):
    z1 = x @ W1 + b1
    deviation = np.sqrt(((z1 - z1.mean(axis=0)) ** 2).mean(axis=0) + 1e-5)
    normal = (z1 - z1.mean(axis=0)) / deviation
    a1 = np.tanh(gamma * normal + beta)
    p = softmax(a1 @ W2 + b2)
    loss = -np.log(p[np.arange(N), labels]).mean()
    d2 = (p - y) / N
    dn = (d2 @ W2.T) * (1 - a1**2)
    dgamma, dbeta = (dn * normal).sum(axis=0), dn.sum(axis=0)
    d1 = gamma / deviation * (dn - dn.mean(axis=0) - normal * (dn * normal).mean(axis=0))
    dW1 = x.T @ d1
    return loss, (dW1, d1.sum(axis=0), dgamma, dbeta, a1.T @ d2, d2.sum(axis=0))


mask = (generator.random((N, 5)) < 0.6) / 0.6


def dropped(W1, b1, W2, b2):
    a1 = np.tanh(x @ W1 + b1)
    kept = mask
    p = softmax((a1 * kept) @ W2 + b2)
    d2 = (p - y) / N
    d1 = ((d2 @ W2.T) * kept) * (1 - a1**2)
    return -(y * np.log(p)).sum() / N, (x.T @ d1, d1.sum(axis=0), (a1 * kept).T @ d2, d2.sum(axis=0))


W1, b1, W2, b2 = weights(1, 3, 3)  # with one input W1 and b1 have the same shape
W1, b1, W2, b2 = script = [W1, b1.reshape(1, 3), W2, b2.reshape(1, 3)]
vW1, vb1, vW2, vb2 = [np.zeros_like(array) for array in script]


def loss_now():
    p = softmax(np.tanh(x[:, :1] @ W1 + b1) @ W2 + b2)
    return -(y * np.log(p)).sum() / N


def step():
    a1 = np.tanh(x[:, :1] @ W1 + b1)
    d2 = (softmax(a1 @ W2 + b2) - y) / N
    d1 = (d2 @ W2.T) * (1 - a1**2)
    vW1[...] = beta * vW1 - rate * x[:, :1].T @ d1
    vb1[...] = beta * vb1 - rate * d1.sum(axis=0)
    vW2[...] = beta * vW2 - rate * a1.T @ d2
    vb2[...] = beta * vb2 - rate * d2.sum(axis=0)
    W1[...] += vW1
    b1[...] += vb1
    W2[...] += vW2
    b2[...] += vb2


class AdamW:
    def __init__(self):
        self.theta, self.m, self.v, self.t = x[0].copy(), np.zeros(4), np.zeros(4), 0

    def step(self):
        g, shrink = x.T @ (x @ self.theta - t) / N, rate * 0.1
        self.t += 1
        self.m = 0.9 * self.m + 0.1 * g
        self.v = 0.999 * self.v + 0.001 * g**2
        mean, square = self.m / (1 - 0.9**self.t), self.v / (1 - 0.999**self.t)
        self.theta -= rate * mean / (np.sqrt(square) + 1e-8) + shrink * self.theta


class Net:
    def __init__(self):
        self.W, self.b = weights(4, 3)
        self.dW, self.db = np.zeros((4, 3)), np.zeros(3)

    def loss(self):
        self.p = softmax(x @ self.W + self.b)
        return -(y * np.log(self.p)).sum() / N

    def backward(self):
        d = (self.p - y) / N
        self.dW = x.T @ d
        self.db = d.sum(axis=0)


def net_report():
    net = Net()
    names = {"params": ["W", "b"], "grads": ["dW", "db"]}
    return check_object(net, loss=net.loss, backward=net.backward, **names)


def softmax_layer(z):
    p = softmax(z)

    def backward(g):
        return p * (g - (p * g).sum(axis=1, keepdims=True))

    return p, backward


def tanh_layer(z):
    a = np.tanh(z)

    def backward(upstream):
        return upstream * (1 - a**2)

    return a, backward


def rectified(W1, b1, W2, b2):
    z1 = x @ W1 + b1
    a1 = np.maximum(z1, 0)
    error = (0.3 * a1) @ W2 + b2 - y
    loss = (error**4).sum() / N
    d2 = 4 * error**3 / N
    dW2 = 0.3 * a1.T @ d2
    da1 = 0.3 * d2 @ W2.T
    d1 = da1 * (z1 > 0)
    dW1 = x.T @ d1
    return loss, (dW1, d1.sum(axis=0), dW2, d2.sum(axis=0))


is_word = (np.arange(N) % 3 > 0).reshape(N, 1)  # the other rows are padding


def padded(W, v):
    h = np.tanh(x @ W)
    pooled = (h * is_word).sum(axis=0)
    dpooled = 2 * (pooled @ v) * v
    dh = np.broadcast_to(dpooled, h.shape) * is_word
    dW = x.T @ (dh * (1 - h**2))
    return (pooled @ v) ** 2, (dW, 2 * (pooled @ v) * pooled)


def recurrent(W, U):
    h = [np.zeros(U.shape[0])]
    for row in x:
        h.append(np.tanh(row @ W + h[-1] @ U))
    loss = (h[-1] ** 2).sum() + (h[3] ** 2).sum()
    dW, dU, dh = np.zeros_like(W), np.zeros_like(U), 2 * h[-1]
    for step in range(N, 0, -1):
        if step == 3:
            dh = dh + 2 * h[3]
        dz = dh * (1 - h[step] ** 2)
        dW += np.outer(x[step - 1], dz)
        dU += np.outer(h[step - 1], dz)
        dh = dz @ U.T
    return loss, (dW, dU)


def convolved(w, v):
    signal, loss, dw, dv = x[:, 0], 0.0, np.zeros_like(w), np.zeros_like(v)
    windows = np.stack([signal[i : i + 3] for i in range(N - 2)])
    a = np.tanh(windows @ w)
    padded = np.pad(a, 2)
    z = np.stack([(padded[i : i + 3] * v).sum() for i in range(len(a) + 2)])
    pooled = z.reshape(3, 2).max(axis=1)
    loss = (pooled**2).sum()
    dz = np.where(z.reshape(3, 2) == pooled[:, None], 2 * pooled[:, None], 0)
    dz = dz.reshape(-1)
    dpadded = np.zeros_like(padded)
    for i, one in enumerate(dz):
        dv += one * padded[i : i + 3]
        dpadded[i : i + 3] += one * v
    da = dpadded[2:-2]
    dw = windows.T @ (da * (1 - a**2))
    return loss, (dw, dv)


def robust(w, b):
    error = x @ w + b - t
    huber = np.where(np.abs(error) < 1, error**2 / 2, np.abs(error) - 0.5)
    loss = huber.mean() + lam * np.abs(w).sum()
    r = x @ w + b - t
    d = np.clip(r, -1, 1) / N
    dw = x.T @ d + lam * np.sign(w)
    return loss, (dw, np.array([d.sum()]))


def hinge(W, b):
    s = x @ W + b
    margins = np.maximum(0, s - s[np.arange(N), labels][:, None] + 1)
    margins[np.arange(N), labels] = 0
    ds = (margins > 0) / N
    ds[np.arange(N), labels] = -ds.sum(axis=1)
    return margins.sum() / N, (x.T @ ds, ds.sum(axis=0))


def indexed(W, b):
    p = softmax(x @ W + b)
    loss = -np.log(p[np.arange(N), labels]).mean()
    p[np.arange(N), labels] -= 1
    return loss, (x.T @ p / N, p.sum(axis=0) / N)
