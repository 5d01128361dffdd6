import numpy as np


def softmax(z):
    """exp(z) / Σ exp(z), for samples in rows"""
    e = np.exp(z - z.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def forward(x, W1, b1, W2, b2):
    """The hidden layer a1 (sigmoid) and the probabilities p"""
    a1 = 1 / (1 + np.exp(-(x @ W1 + b1)))
    return a1, softmax(a1 @ W2 + b2)


def loss(p, y, W1, W2, strength):
    """The mean cross-entropy over the samples + strength / 2 · the sum of all squared weights"""
    penalty = strength / 2 * ((W1**2).sum() + (W2**2).sum())
    return -(y * np.log(p)).sum() / len(y) + penalty


def output_delta(p, y):
    """dz2 = ∂J/∂z2"""
    return (p - y) / len(y)


def backward(x, a1, dz2, W1, W2, strength):
    """dW1, db1, dW2 and db2, with the penalty's part"""
    dz1 = dz2 @ W2.T * a1 * (1 - a1)
    dW1 = x.T @ dz1 + 2 * strength * W1
    dW2 = a1.T @ dz2 + 2 * strength * W2
    return dW1, dz1.sum(axis=0), dW2, dz2.sum(axis=0)
