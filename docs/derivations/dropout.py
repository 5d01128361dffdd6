"""What the letters on the page about dropout stand for."""

from collections.abc import Iterator

import numpy as np
from blackboard import Values
from derivatives import jacobian

from deltarule.maths.layers import dropout
from deltarule.maths.random import keep_mask


def layer() -> Iterator[Values]:
    """A layer with dropout in front of the objective Σ upstream · d, and the way back by the code and without it."""
    generator = np.random.default_rng(0)
    a, upstream, rate = generator.normal(size=(5, 4)), generator.normal(size=(5, 4)), 0.4
    [keep] = keep_mask(np.array([3]), 1, 0, np.arange(5), 4, np.array([rate])).astype(float)
    d, backward = dropout(a, keep, rate)
    by_step = jacobian(lambda a: (upstream * dropout(a, keep, rate)[0]).sum(), a)
    for found in (backward(upstream), by_step):
        names = {"a": a, "d": d, "m": keep, "r": rate, "∂J/∂d": upstream, "∂J/∂a": found}
        yield Values(names, {"n": 5, "h": 4})


VALUES = {"Forward: scaling": layer, "Backward": layer}
