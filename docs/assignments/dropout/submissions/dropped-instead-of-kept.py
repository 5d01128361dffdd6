import numpy as np


def dropout_forward(x, mask, keep):
    """The units that the mask keeps, divided by the probability with which it does"""
    return x * mask / keep


def dropout_backward(da, mask, keep):
    """dx, from da = ∂J/∂a"""
    return da * (1 - mask) / keep
