import numpy as np


def batch_norm_forward(x, gamma, beta, eps):
    """y = γ (x − mean) / deviation + β over the samples; returns y, the normalized x and the deviation"""
    deviation = np.sqrt(x.var(axis=0) + eps)
    normalized = (x - x.mean(axis=0)) / deviation
    return gamma * normalized + beta, normalized, deviation


def batch_norm_backward(dy, normalized, deviation, gamma):
    """dx, dγ and dβ: mean and variance depend on x, too"""
    dn = dy * gamma
    dx = (dn - dn.mean(axis=0) - normalized * (dn * normalized).mean(axis=0)) / deviation
    return dx, (dy * normalized).mean(axis=0), dy.mean(axis=0)
