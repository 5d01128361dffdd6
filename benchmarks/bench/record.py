"""Run the benchmark and return its record."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from bench import curves as curving
from bench import process_measurements as running
from bench.curves import Curve
from bench.histories import History, histories
from bench.process_measurements import Memory, Process
from bench.processors import OnProcessors, on_processors
from bench.targets import Target, targets
from bench.timing import CHECKED, FULL, QUICK, TOLERANCES, Measured, measure
from bench.workloads import ROWS, work_of
from deltarule.doctor import Machine, loaded_blas, machine, optional_versions, versions
from deltarule.platforms import available_processors


@dataclass(frozen=True)
class Bench:
    """The record of a benchmark: these fields are the JSON object in benchmarks/records/performance.json.

    date, machine, versions   when, on what, with what
    matrices     what multiplied matrices in the compiled engine: name, kernels, threads
    quick        whether populations were small and rounds few: then the times are not reliable
    rounds       the number of turns that each contender had
    compared     the updates after which the losses were compared, and the allowed differences by dtype
    rows, processes, memory, curves, histories, processors, targets   the measurements; empty if not requested
    """

    date: str
    machine: Machine
    versions: dict[str, str]
    matrices: dict[str, Any]
    quick: bool
    rounds: int
    compared: dict[str, float]
    rows: list[Measured]
    processes: list[Process]
    memory: list[Memory]
    curves: list[Curve]
    histories: list[History]
    processors: list[OnProcessors]
    targets: list[Target]


def bench(
    rows: Sequence[str] | None = None,
    *,
    quick: bool = False,
    with_curves: bool = False,
    report: Callable[[str], None] = lambda message: None,
) -> Bench:
    """Run the whole benchmark, or some of its rows, and return the record of its measurements.

    Parameters
    ----------
    rows : names of rows; None for all of them, and for fresh processes and memory.
    quick : use small populations and few rounds, to check in about a minute that everything works.
    with_curves : also measure how the time grows with members, hidden units and batch size.
    report : called with a description of each measurement before it begins.

    Raises `BadInput` for an unknown row.

    >>> record = bench(["encoder"], quick=True)
    >>> [row.title for row in record.rows], record.compared["updates"]
    (['one 8-3-8'], 20)
    """
    pace, measured = QUICK if quick else FULL, []
    # A quick run omits rows that differ from others only in their sizes.
    default = [name for name in ROWS if not (quick and name.startswith(("3072", "20-64", "64-128")))]
    works = [work_of(name, quick) for name in rows or default]
    for work in works:
        report(f"{work.name}: {work.about}")
        measured.append(measure(work, pace))
    processes = [] if rows else running.processes(quick, report)
    memory = [] if rows else running.memory(quick, report)
    [blas] = (library for library in loaded_blas() if "scipy.libs" in library["filepath"])
    bounds = [] if quick else targets(measured, processes, memory)
    return Bench(
        date=datetime.now(UTC).date().isoformat(),
        machine=machine(),
        versions={name: version for name, version in {**versions(), **optional_versions()}.items() if version},
        matrices={"name": "SciPy's", "kernels": blas["architecture"], "threads": available_processors()},
        quick=quick,
        rounds=pace.rounds,
        compared={"updates": CHECKED, **TOLERANCES},
        rows=measured,
        processes=processes,
        memory=memory,
        curves=curving.curves(quick, report) if with_curves else [],
        histories=[] if rows else histories(quick, report),
        processors=[] if rows else on_processors(quick, report),
        targets=[bound for bound in bounds if bound.found is not None or not rows],
    )
