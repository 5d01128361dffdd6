"""Performance targets of the compiled engine, and whether a benchmark meets them: ratios of medians in one run."""

from collections.abc import Sequence
from dataclasses import dataclass

from deltarule.benchmarks.contenders import OURS
from deltarule.benchmarks.process_measurements import Memory, Process
from deltarule.benchmarks.timing import Measured


@dataclass(frozen=True)
class Target:
    """A target: its bound, the measured value (None if not measured), and whether it is met.

    what   in words, such as "encoder: PyTorch / ours"
    kind   "at least" or "at most"
    unit   "" of ratios, or "s"
    """

    what: str
    kind: str
    bound: float
    unit: str
    found: float | None
    reached: bool | None


# Row, who is held against whom, and the bound on the ratio of their times.
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
"""Maximum memory as a multiple of what is needed."""


def targets(rows: Sequence[Measured], processes: Sequence[Process], memory: Sequence[Memory]) -> list[Target]:
    """Compare every target with the measurements."""
    medians = {
        (row.name, contender.name): contender.microseconds.median
        for row in rows
        for contender in row.contenders
        if contender.microseconds
    }
    seconds = {process.name: process.seconds.median for process in processes}
    found = []
    for row, other, bound in AT_LEAST:
        ratio = _ratio(medians.get((row, other)), medians.get((row, OURS)))
        found.append(_target(f"{row}: {other} / ours", "at least", bound, "", ratio))
    for row, floor, bound in AT_MOST:
        ratio = _ratio(medians.get((row, OURS)), medians.get((row, floor)))
        found.append(_target(f"{row}: ours / {floor}", "at most", bound, "", ratio))
    found += [_target(name, "at most", bound, "s", seconds.get(name)) for name, bound in SECONDS]
    for one in memory:
        found.append(_target(f"memory of updates, {one.row}: / needed", "at most", MEMORY, "", one.advance_ratio))
        found.append(_target(f"memory of training, {one.row}: / needed", "at most", MEMORY, "", one.train_ratio))
    return found


def _ratio(above: float | None, below: float | None) -> float | None:
    return above / below if above and below else None


def _target(what: str, kind: str, bound: float, unit: str, found: float | None) -> Target:
    reached = None if found is None else bool(found >= bound if kind == "at least" else found <= bound)
    return Target(what, kind, bound, unit, found, reached)
