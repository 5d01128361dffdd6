"""Compare losses and their derivatives at extreme numbers with mpmath at 50 digits, and count the mismatches.

    python benchmarks/hard_numbers.py [--json]

Logits up to ±1e4, where e^z overflows, down to the smallest numbers; predictions and targets of 1e±30 and 1e±300;
one-hot and soft targets, equal logits, one class. First the formulas are compared, then the objectives that each engine
computes for networks with these logits. A number differs if its error is more than four units in the last place of the
sum of its terms' absolute values: a sum of rounded terms cannot be more accurate. Then the exit status is 1. In the
compiled engine, numbers below 2.2e-308 are 0.
"""

import argparse
import itertools
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import mpmath
import numpy as np
from mpmath import mpf

from deltarule.engines.selection import engine as engine_named
from deltarule.maths.losses import BINARY_CROSS_ENTROPY, CROSS_ENTROPY, LOSSES
from deltarule.problem.create import create_problem
from deltarule.problem.network import Network
from deltarule.problem.state import initial_state

DIGITS = 50
ALLOWED = 4 * 2.0**-52
SMALLEST = 5e-324

SIZES = (
    0.0,
    SMALLEST,
    1e-310,
    2.3e-308,
    1e-30,
    1e-8,
    0.3,
    1.0,
    2.0,
    17.0,
    36.7,
    37.5,
    88.7,
    300.0,
    709.7,
    710.0,
    745.2,
)
LOGITS = sorted({sign * size for size in (*SIZES, 746.0, 1e3, 9999.0, 1e4) for sign in (1, -1)})
SHARES = (0.0, SMALLEST, 1e-300, 1e-30, 0.2, 0.5, 1 - 2.0**-53, 1.0)
COUNTS = (0.0, SMALLEST, 1e-30, 0.5, 1.0, 3.0, 1e4, 1e30)
SCALES = (0.0, SMALLEST, 1e-300, 1e-30, 1e-8, 1.0, 1.0 + 2.0**-52, 3.0, 1e4, 1e8, 1e30, 1e150)

Terms = Sequence[Any]
"""The exact numbers whose sum is a value."""


@dataclass
class Compared:
    """The record: how many numbers were compared, by what they are, and those that differ."""

    counts: dict[str, int] = field(default_factory=dict)
    differ: list[str] = field(default_factory=list)
    worst: float = 0.0

    def add(
        self, name: str, value: float, terms: Terms, arguments: Any, min_scale: Any = 0, smallest: float = SMALLEST
    ) -> None:
        """Compare a value with the sum of its exact terms, relative to that of their sizes (at least `min_scale`).

        `smallest` : the smallest number that is computed with.
        """
        self.counts[name] = self.counts.get(name, 0) + 1
        scale = max(mpmath.fsum(abs(term) for term in terms), min_scale)
        error = abs(mpf(float(value)) - mpmath.fsum(terms)) if np.isfinite(value) else mpf("inf")
        # The smallest numbers have no more digits that could be correct.
        share = error / scale if scale and error > 4 * smallest else mpf(0)
        self.worst = max(self.worst, float(share))
        if share > ALLOWED:
            exact = mpmath.nstr(mpmath.fsum(terms), 20)
            self.differ.append(f"{name} of {arguments}: {value!r}, and exactly {exact}")

    @property
    def total(self) -> int:
        """The number of all comparisons."""
        return sum(self.counts.values())


def weighted_log(weight: mpf, p: mpf) -> mpf:
    """Weight · log p, which is 0 for a weight of 0."""
    return weight * mpmath.log(p) if weight else mpf(0)


def sigmoid(z: mpf) -> mpf:
    """σ(z)."""
    return 1 / (1 + mpmath.exp(-z))


def binary_terms(z: mpf, y: mpf) -> Terms:
    """The terms of the binary cross-entropy −y log σ(z) − (1 − y) log(1 − σ(z))."""
    return [y * mpmath.log1p(mpmath.exp(-z)), (1 - y) * mpmath.log1p(mpmath.exp(z))]


def poisson_terms(z: mpf, y: mpf) -> Terms:
    """The terms of the Poisson loss eᶻ − y + y log y − y z."""
    return [mpmath.exp(z), -y, weighted_log(y, y), -y * z]


def softmax_of(z: Sequence[mpf]) -> list[mpf]:
    """The softmax e^zᵢ / Σⱼ e^zⱼ."""
    powers = [mpmath.exp(logit) for logit in z]
    total = mpmath.fsum(powers)
    return [power / total for power in powers]


REAL: dict[str, tuple[Callable[..., Terms], Callable[..., Terms]]] = {
    "squared_error": (lambda e: [e * e], lambda e: [2 * e]),
    "half_squared_error": (lambda e: [e * e / 2], lambda e: [e]),
    "absolute_error": (lambda e: [abs(e)], lambda e: [mpmath.sign(e)]),
    "huber": (
        lambda e: [e * e / 2] if abs(e) <= 1 else [abs(e), mpf(-1) / 2],
        lambda e: [e if abs(e) <= 1 else mpmath.sign(e)],
    ),
    "quantile": (lambda e: [abs(e) / 2], lambda e: [mpmath.sign(e) / 2]),
}


def compare_formulas(compared: Compared) -> None:
    """Compare the values and derivatives of the losses."""
    with np.errstate(all="ignore"):
        _compare_real(compared)
        for z, y in itertools.product(LOGITS, SHARES):
            fused, exact = BINARY_CROSS_ENTROPY.fused["sigmoid"], (mpf(z), mpf(y))
            compared.add("binary cross-entropy", fused.value(np.array(z), y), binary_terms(*exact), (z, y))
            compared.add("its slope", fused.derivative(np.array(z), y), [sigmoid(exact[0]), -exact[1]], (z, y))
        for z, y in itertools.product([one for one in LOGITS if one < 709.78], COUNTS):
            fused, exact = LOSSES["poisson"].fused["exponential"], (mpf(z), mpf(y))
            compared.add("Poisson", fused.value(np.array(z), y), poisson_terms(*exact), (z, y))
            compared.add("its slope", fused.derivative(np.array(z), y), [mpmath.exp(exact[0]), -exact[1]], (z, y))
        for row, target in _rows():
            _compare_softmax(compared, row, target)


def _compare_real(compared: Compared) -> None:
    """Compare the losses of differences between predictions and targets."""
    for (name, (value, slope)), p, y in itertools.product(REAL.items(), SCALES, SCALES):
        for sign in (1, -1):
            loss, e = LOSSES[name], mpf(sign * p) - mpf(y)
            given = np.array(sign * p), np.array(y)
            # A difference of numbers is as exact as they are: what is squared is the rounded one.
            rounded = mpf(float(given[0] - given[1]))
            compared.add(name, float(loss.value(*given, **loss.parameters)), value(rounded), (sign * p, y))
            compared.add("its slope", float(loss.derivative(*given, **loss.parameters)), slope(rounded), (sign * p, y))
            compared.add("a difference", float(given[0] - given[1]), [e], (sign * p, y))


def _rows() -> Iterator[tuple[tuple[float, ...], tuple[float, ...]]]:
    """Yield the logits of a sample with its targets: one class, two classes far apart, and four, equal or not."""
    yield from (((z,), (1.0,)) for z in LOGITS)
    few = (-1e4, -745.2, -1.0, 0.0, SMALLEST, 36.7, 1e4)
    yield from itertools.product(itertools.product(few, few), ((1.0, 0.0), (0.0, 1.0), (0.3, 0.7), (1e-300, 1.0)))
    four = (-1e4, 0.0, 37.5, 1e4)
    yield from itertools.product(itertools.product(four, repeat=4), ((0.0, 1.0, 0.0, 0.0), (0.25, 0.25, 0.25, 0.25)))


def _compare_softmax(compared: Compared, row: tuple[float, ...], target: tuple[float, ...]) -> None:
    """Compare the cross-entropy after softmax, and its derivative, for one row of logits."""
    fused, z = CROSS_ENTROPY.fused["softmax"], [mpf(one) for one in row]
    values, slopes = (part(np.array([row]), np.array([target]))[0] for part in (fused.value, fused.derivative))
    share, total, largest = softmax_of(z), mpmath.fsum(map(mpf, target)), max(z)
    others = mpmath.fsum(mpmath.exp(one - largest) for place, one in enumerate(z) if place != z.index(largest))
    for place, y in enumerate(map(mpf, target)):
        # y (log Σ e^(z − m) + m − zᵢ), m the largest logit: the sum is 1 or more, and its logarithm as exact as that.
        terms = [y * mpmath.log1p(others), y * (largest - z[place])]
        compared.add("cross-entropy", values[place], terms, (row, target), min_scale=y)
        compared.add("its slope", slopes[place], [share[place] * total, -y], (row, target))


def compare_engines(compared: Compared) -> None:
    """Compare the objectives of each engine for networks that output these logits, each a member with one row."""
    for name in ("reference", "compiled", "autograd"):
        for loss, output, targets, terms in (
            ("binary_cross_entropy", "sigmoid", SHARES, binary_terms),
            ("poisson", "exponential", (0.0, 1.0, 3.0, 1e4), poisson_terms),
        ):
            rows = [(z, y) for z, y in itertools.product(LOGITS, targets) if output == "sigmoid" or z < 709.78]
            for (z, y), found in zip(rows, _objectives(name, output, loss, rows), strict=True):
                smallest = np.finfo(float).tiny if name == "compiled" else SMALLEST  # less is 0 in its programs
                compared.add(f"{name} engine", found, terms(mpf(z), mpf(y)), (loss, z, y), smallest=smallest)


def _objectives(engine: str, output: str, loss: str, rows: Sequence[tuple[float, float]]) -> np.ndarray:
    """The objective that an engine computes for each row (logit, target)."""
    x, y = (np.array(column)[:, np.newaxis] for column in zip(*rows, strict=True))
    network = Network([1, 1], output=output, bias=False)
    own = [np.array([row]) for row in range(len(rows))]
    problem = create_problem(network, x, y, loss=loss, rows=own, seeds=range(len(rows)), learning_rate=0.0)
    state = initial_state(problem)
    _, trace = engine_named(engine).advance(problem, replace(state, theta=np.ones_like(state.theta)), 1)
    return np.asarray(trace.objective[0])


def compare() -> Compared:
    """Compare all formulas and engines, and return the record."""
    mpmath.mp.dps = DIGITS
    compared = Compared()
    compare_formulas(compared)
    compare_engines(compared)
    return compared


def main() -> int:
    """Compare everything, and print the counts; return 1 if a number differs, else 0."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    compared = compare()
    if given.json:
        print(json.dumps({"total": compared.total, **vars(compared)}, indent=2))
    else:
        for what, count in compared.counts.items():
            print(f"{what:22s} {count:7,}")
        print("\n".join(compared.differ[:20]))
        print(
            f"{compared.total:,} numbers compared with mpmath at {DIGITS} digits: {len(compared.differ)} mismatches; "
            f"the largest error is {compared.worst / 2**-52:.1f} units of the last place of the terms"
        )
    return 1 if compared.differ else 0


if __name__ == "__main__":
    sys.exit(main())
