"""Run the benchmark and return its record."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from deltarule.benchmarks import curves as curving
from deltarule.benchmarks import process_measurements as running
from deltarule.benchmarks.curves import Curve
from deltarule.benchmarks.process_measurements import Memory, Process
from deltarule.benchmarks.targets import Target, targets
from deltarule.benchmarks.timing import CHECKED, FULL, QUICK, TOLERANCES, Measured, measure
from deltarule.benchmarks.workloads import ROWS, work_of
from deltarule.doctor import Machine, compiled_engine_blas, machine, optional_versions, versions


@dataclass(frozen=True)
class Bench:
    """The record of a benchmark: these fields are the JSON object of `deltarule bench --json`.

    date, machine, versions   when, on what, with what
    matrices     what multiplied matrices in the compiled engine, as `deltarule doctor` tells it
    quick        whether populations were small and rounds few: then the times say little
    rounds       how often everybody had a turn
    compared     the updates after which the losses were compared, and by how much they may differ, by dtype
    rows, processes, memory, curves, targets   what was measured; empty what was not asked for
    """

    date: str
    machine: Machine
    versions: dict[str, str]
    matrices: dict[str, Any] | None
    quick: bool
    rounds: int
    compared: dict[str, float]
    rows: list[Measured]
    processes: list[Process]
    memory: list[Memory]
    curves: list[Curve]
    targets: list[Target]


def bench(
    rows: Sequence[str] | None = None,
    *,
    quick: bool = False,
    grown: bool = False,
    tell: Callable[[str], None] = lambda what: None,
) -> Bench:
    """Run the whole benchmark, or some of its rows.

    Parameters
    ----------
    rows : names of rows; None for all of them, fresh processes and memory, too.
    quick : small populations and few rounds: whether everything works, in about a minute.
    grown : measure how the time grows, too, with members, hidden units and batch.
    tell : called with what is being measured, in words.

    Raises `BadInput` for a row that there is not.

    >>> record = bench(["encoder"], quick=True)
    >>> [row.title for row in record.rows], record.compared["updates"]
    (['one 8-3-8'], 20)
    """
    pace, measured = QUICK if quick else FULL, []
    # A quick run leaves out what is like another row, but for its sizes.
    default = [name for name in ROWS if not (quick and name.startswith(("3072", "20-64", "64-128")))]
    works = [work_of(name, quick) for name in rows or default]
    for work in works:
        tell(f"{work.name}: {work.about}")
        measured.append(measure(work, pace))
    processes = [] if rows else running.processes(quick, tell)
    memory = [] if rows else running.memory(quick, tell)
    bounds = [] if quick else targets(measured, processes, memory)
    return Bench(
        date=datetime.now(UTC).date().isoformat(),
        machine=machine(),
        versions={name: one for name, one in {**versions(), **optional_versions()}.items() if one},
        matrices=compiled_engine_blas(),
        quick=quick,
        rounds=pace.rounds,
        compared={"updates": CHECKED, **TOLERANCES},
        rows=measured,
        processes=processes,
        memory=memory,
        curves=curving.curves(quick, tell) if grown else [],
        targets=[bound for bound in bounds if bound.found is not None or not rows],
    )
