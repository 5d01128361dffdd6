"""Check losses that draw random numbers, each by another function of NumPy, and with a wrong gradient.

python tests/checking/tape/random_programs.py [COUNT]

prints each program before it is checked: the last one printed is the one that killed the process.
"""

import sys
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np

from deltarule import check_gradient
from deltarule.checking import repair
from deltarule.errors import BadInput

X = np.random.default_rng(0).normal(size=(6, 3))
W = np.random.default_rng(1).normal(size=(3, 2))
ARGUMENTS: tuple[tuple[Any, ...], ...] = ((), (0.5,), (2.0, 3.0), (5, 0.5), (1.0, 2.0, 3.0), (10, 5, 3), ([0.2, 0.8],))
ARGUMENTS += ((5, [0.2, 0.8]), ([3, 5], 4), ([0.0, 0.0], [[1.0, 0.0], [0.0, 1.0]]), (np.arange(6.0),), (6, 3))
NO_DRAWS = {"seed", "test", "default_rng", "spawn", "get_state", "set_state", "get_bit_generator", "set_bit_generator"}
NO_DRAWS |= {"bit_generator", "mtrand", "bytes"}


def list_draws() -> Iterator[tuple[str, str, tuple[Any, ...], dict[str, Any]]]:
    """Yield (kind of generator, function, arguments, options) of all calls that NumPy accepts."""
    for kind in ("legacy", "Generator", "RandomState"):
        names = dir(np.random if kind == "legacy" else make_generator(kind))
        for name in names:
            if name.startswith("_") or name in NO_DRAWS or not name.islower():
                continue
            for arguments in ARGUMENTS:
                for options in ({}, {"size": (6, 2)}):
                    try:
                        np.asarray(getattr(make_generator(kind), name)(*arguments, **options), float)
                    except (TypeError, ValueError, IndexError, NotImplementedError):
                        continue
                    yield kind, name, arguments, options


def make_generator(kind: str) -> Any:
    if kind == "legacy":
        np.random.seed(3)
        return np.random
    return np.random.default_rng(3) if kind == "Generator" else np.random.RandomState(3)


def check(kind: str, name: str, arguments: tuple[Any, ...], options: dict[str, Any], *, of_parameters: bool) -> str:
    def loss(w: Any) -> Any:
        z = X @ w
        numbers = ((0 * z[0, 0] + arguments[0]), *arguments[1:]) if of_parameters else arguments
        if of_parameters and options:
            numbers = (abs(z), *arguments[1:])
        draw = getattr(make_generator(kind), name)(*numbers, **options)
        kept = np.asarray(draw if draw is not None else numbers[0], float) > 0.3
        scale = np.zeros(2)
        scale[:] = kept.mean() + 1
        return (np.tanh(z) * scale).sum()

    try:
        return check_gradient(loss, lambda w: X.T @ (1 - (X @ w)), W).verdict
    except BadInput as error:
        return f"refused: {error}"


def main() -> None:
    warnings.simplefilter("ignore", DeprecationWarning)
    repair.SECONDS = 0.0
    draws = [(*draw, bool(of)) for draw in list_draws() for of in range(2 if draw[2] else 1)]
    count = int(sys.argv[1]) if len(sys.argv) > 1 else len(draws)
    for index in np.linspace(0, len(draws) - 1, count).astype(int):
        *draw, of_parameters = draws[index]
        print(*draw, of_parameters, flush=True)
        print("   ", check(*draw, of_parameters=of_parameters), flush=True)


if __name__ == "__main__":
    main()
