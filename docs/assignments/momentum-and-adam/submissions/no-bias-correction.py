import numpy as np


def momentum_step(theta, v, g, rate, beta):
    """v ← β v − α g, then θ ← θ + v; returns θ and v"""
    v = beta * v - rate * g
    return theta + v, v


def adam_step(theta, m, s, g, t, rate, beta1, beta2, eps):
    """Update t (counted from 1) of Adam; returns θ and the two averages m and s"""
    m = beta1 * m + (1 - beta1) * g
    s = beta2 * s + (1 - beta2) * g**2
    unbiased_m, unbiased_s = m, s
    return theta - rate * unbiased_m / (np.sqrt(unbiased_s) + eps), m, s
