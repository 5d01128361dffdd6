"""Measure how the time of an update grows with members, hidden units and batch size."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from bench.timing import Pace, measure
from bench.workloads import Work, encoder, images

CONTENDERS = ("reference", "compiled", "PyTorch", "PyTorch vmap", "JAX scan", "JAX vmap", "scikit-learn")
FULL, QUICK = Pace(3, 0.1), Pace(1, 0.005)


@dataclass(frozen=True)
class Curve:
    """Microseconds per update of a member, for each contender and value of one quantity; None if not measured.

    quantity  "members", "hidden units" or "batch"      work  a description of what is trained
    """

    quantity: str
    work: str
    values: tuple[int, ...]
    microseconds: Mapping[str, list[float | None]]


def curves(quick: bool, report: Callable[[str], None]) -> list[Curve]:
    """Measure all three curves; `report` is called with a description of each measurement before it begins."""
    measured = slice(None, 2) if quick else slice(None)
    specifications: list[tuple[str, str, tuple[int, ...], Callable[[int], Work]]] = [
        ("members", "8-3-8, full batch", (1, 4, 16, 64, 256, 1_024, 4_096), lambda K: encoder("", K)),
        ("hidden units", "one 784-H-10, batches of 256", (10, 32, 100, 316, 1_000), lambda H: images("", 1, hidden=H)),
        ("batch", "one 784-100-10", (8, 32, 128, 512), lambda B: images("", 1, batch=B)),
    ]
    return [
        _measure_curve(quantity, work, values[measured], make_work, quick, report)
        for quantity, work, values, make_work in specifications
    ]


def _measure_curve(
    quantity: str,
    work: str,
    values: tuple[int, ...],
    make_work: Callable[[int], Work],
    quick: bool,
    report: Callable[[str], None],
) -> Curve:
    """Measure the time of an update for each value of a quantity; `make_work` makes the work for a value."""
    chosen, pace = (("reference", "compiled", "PyTorch"), QUICK) if quick else (CONTENDERS, FULL)
    microseconds: dict[str, list[float | None]] = {name: [] for name in chosen}
    for value in values:
        report(f"{work}: {value:,} {quantity}")
        row = measure(make_work(value), pace, chosen)
        medians = {
            contender.name: contender.microseconds.median for contender in row.contenders if contender.microseconds
        }
        for name in chosen:
            microseconds[name].append(medians.get(name))
    timed = {name: times for name, times in microseconds.items() if any(time is not None for time in times)}
    return Curve(quantity, work, values, timed)
