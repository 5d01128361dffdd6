import numpy as np


def linear_forward(x, W, b):
    """z = x W + b, for samples in rows"""
    return x @ W + b


def linear_backward(dz, x, W):
    """dx, dW and db, from dz = ∂J/∂z"""
    return dz @ W.T, x.T @ dz, dz.sum(axis=0)


def sigmoid(z):
    """a = 1 / (1 + exp(−z))"""
    return 1 / (1 + np.exp(-z))


def sigmoid_backward(da, a):
    """dz, from da = ∂J/∂a and the output a"""
    return da * sigmoid(a) * (1 - sigmoid(a))
