#!/usr/bin/env python
import numpy as np


class NeuralNetwork(object):
    """Fully connected network, tanh inside, sigmoid at the end."""

    def __init__(self, layers, lr=0.2, seed=1):
        rng = np.random.RandomState(seed)
        self.W = [rng.uniform(-0.7, 0.7, size=(a + 1, b)) for a, b in zip(layers[:-1], layers[1:])]
        self.lr = lr

    @staticmethod
    def _add_bias(a):
        return np.hstack([np.ones((a.shape[0], 1)), a])

    def _forward(self, X):
        activations = [X]
        for i, W in enumerate(self.W):
            net = self._add_bias(activations[-1]).dot(W)
            out = np.tanh(net) if i < len(self.W) - 1 else 1 / (1 + np.exp(-net))
            activations.append(out)
        return activations

    def _backprop(self, activations, y):
        error = activations[-1] - y
        deltas = [error / len(y)]
        for layer in range(len(self.W) - 1, 0, -1):
            a = activations[layer]
            deltas.append(deltas[-1].dot(self.W[layer][1:].T) * (1 - a**2))
        deltas.reverse()
        for i in range(len(self.W)):
            grad = self._add_bias(activations[i]).T.dot(deltas[i])
            self.W[i] -= self.lr * grad

    def fit(self, X, y, epochs=100, batch=16):
        n = len(X)
        for epoch in range(epochs):
            order = np.random.permutation(n)
            for start in range(0, n, batch):
                rows = order[start : start + batch]
                activations = self._forward(X[rows])
                self._backprop(activations, y[rows])
            if epoch % 20 == 0:
                p = self._forward(X)[-1]
                ce = -np.mean(y * np.log(p) + (1 - y) * np.log(1 - p))
                print("epoch %3d  cross-entropy %.4f" % (epoch, ce))
        return self


def main():
    rng = np.random.RandomState(7)
    X = rng.normal(size=(64, 2))
    y = (X[:, :1] * X[:, 1:] > 0).astype(float)
    net = NeuralNetwork([2, 5, 4, 1]).fit(X, y)
    print(((net._forward(X)[-1] > 0.5) == y).mean())


if __name__ == "__main__":
    main()
