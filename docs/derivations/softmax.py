"""What the letters on the page about softmax stand for."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import sympy
from blackboard import Values
from derivatives import gradient, jacobian, symbols

from deltarule.maths.activations import SOFTMAX, softmax


def row() -> Iterator[Values]:
    """A row of units in front of the objective Σ upstream · a: from the code, by differences, on symbols."""
    generator = np.random.default_rng(0)
    z, upstream = 2 * generator.normal(size=6), generator.normal(size=6)
    a, backward = SOFTMAX.forward(z[None])
    slopes = np.stack([backward(unit[None])[0] for unit in np.eye(6)])
    yield named(z, a[0], slopes, upstream, backward(upstream[None])[0])
    by_z = jacobian(lambda z: (upstream * softmax(z)).sum(), z)
    yield named(z, a[0], jacobian(softmax, z), upstream, by_z)
    z, upstream = symbols("z", 3), symbols("u", 3)
    powers = np.array([sympy.exp(entry) for entry in z], object)
    a = powers / powers.sum()
    yield named(z, a, np.array([gradient(entry, z) for entry in a]), upstream, gradient((upstream * a).sum(), z))


def named(z: Any, a: Any, slopes: Any, upstream: Any, dz: Any) -> Values:
    """These arrays by the names of the page; a is a column."""
    names = {"z": z, "a": a[:, None], "m": z[0], "∂a/∂z": slopes, "∂J/∂a": upstream, "∂J/∂z": dz}
    total = sum((sympy if z.dtype == object else np).exp(entry) for entry in z)
    return Values(names | {"S": total, "diag": lambda a: np.diag(a[:, 0])}, {"i": len(z), "j": len(z)})


VALUES = {"The function": row, "The Jacobian": row, "Backward": row}
