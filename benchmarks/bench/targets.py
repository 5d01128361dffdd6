"""Performance targets of the compiled engine, and whether a benchmark meets them: ratios of medians in one run."""

from collections.abc import Sequence
from dataclasses import dataclass

from bench.contenders import OURS
from bench.process_measurements import Memory, Process
from bench.timing import Measured


@dataclass(frozen=True)
class Target:
    """A target: its bound, the measured value (None if not measured), and whether it is met.

    what   the name, such as "encoder: PyTorch / ours"
    kind   "at least" or "at most"
    unit   "" for ratios, or "s"
    """

    what: str
    kind: str
    bound: float
    unit: str
    found: float | None
    reached: bool | None


# Row, contender, and the bound on the ratio of its time to that of the compiled engine (or the inverse ratio).
AT_LEAST = (
    ("encoder", "PyTorch", 100.0),
    ("encoder", "JAX scan", 2.0),
    ("encoders", "PyTorch", 2_500.0),
    ("encoders", "JAX vmap", 15.0),
    *(
        (f"{sizes}{many}", peer, 1.5)
        for sizes in ("2-32-32-3", "20-64-64-5", "64-128-10")
        for many, peer in (("", "JAX scan"), ("-many", "JAX scan"), ("-many", "JAX vmap"))
    ),
    ("784-100-10", "PyTorch", 2.0),
    ("784-100-10", "scikit-learn", 2.0),
    ("784-100-10-many", "JAX vmap", 1.2),
    ("784-100-10-many", "PyTorch", 2.5),
)
AT_MOST = (
    ("encoders", "SIMD C", 2.5),
    ("784-100-10", "products alone", 1.3),
    ("784-100-10-many", "products alone", 1.2),
)
SECONDS = (
    ("first call, encoders", 6.0),
    ("first call, 784-100-10", 6.0),
    ("run encoder", 1.2),
    ("help", 0.3),
)
MEMORY = 3.0
"""The largest allowed memory, as a multiple of the needed one."""


def targets(rows: Sequence[Measured], processes: Sequence[Process], memory: Sequence[Memory]) -> list[Target]:
    """Compare the measurements of rows, processes and memory with every target."""
    medians = {
        (row.name, contender.name): contender.microseconds.median
        for row in rows
        for contender in row.contenders
        if contender.microseconds
    }
    seconds = {process.name: process.seconds.median for process in processes}
    compared = []
    for row, other, bound in AT_LEAST:
        ratio = _ratio(medians.get((row, other)), medians.get((row, OURS)))
        compared.append(_target(f"{row}: {other} / ours", "at least", bound, "", ratio))
    for row, floor, bound in AT_MOST:
        ratio = _ratio(medians.get((row, OURS)), medians.get((row, floor)))
        compared.append(_target(f"{row}: ours / {floor}", "at most", bound, "", ratio))
    compared += [_target(name, "at most", bound, "s", seconds.get(name)) for name, bound in SECONDS]
    for population in memory:
        compared.append(
            _target(f"memory of updates, {population.row}: / needed", "at most", MEMORY, "", population.advance_ratio)
        )
        compared.append(
            _target(f"memory of training, {population.row}: / needed", "at most", MEMORY, "", population.train_ratio)
        )
    return compared


def _ratio(numerator: float | None, denominator: float | None) -> float | None:
    """The ratio of two measurements; None if one was not measured."""
    return numerator / denominator if numerator and denominator else None


def _target(what: str, kind: str, bound: float, unit: str, found: float | None) -> Target:
    """The record of a target, and whether the measurement `found` reaches its bound."""
    reached = None if found is None else bool(found >= bound if kind == "at least" else found <= bound)
    return Target(what, kind, bound, unit, found, reached)
