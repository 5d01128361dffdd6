"""Run a sweep: train the rows that its store lacks, and commit each population."""

import contextlib
import itertools
import sqlite3
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from deltarule.engines.selection import engine as engine_of_name
from deltarule.errors import BadInput, RunFailed, is_interruption
from deltarule.files import make_folder
from deltarule.json_files import to_jsonable
from deltarule.problem.configuration import own_digests, resolve_configuration
from deltarule.problem.recipe_sections import Configuration
from deltarule.problem.settings import SETTABLE
from deltarule.problem.validation import whole
from deltarule.stats import metrics
from deltarule.sweeps.executors import IN_PROCESS, Pool, run_all
from deltarule.sweeps.grid import plan_sweep
from deltarule.sweeps.plan import Additions, Source, SweepPlan, Unit, forget_data
from deltarule.sweeps.result import Sweep
from deltarule.sweeps.store import Store
from deltarule.sweeps.store_connection import FILE, open_for_reading, translate_errors
from deltarule.sweeps.worker import train_unit
from deltarule.training.run import Progress


@dataclass(frozen=True)
class SweepProgress:
    """The progress of a sweep.

    Parameters
    ----------
    done, rows : int
        Rows of the table that are done, and how many there will be.
    seconds : float
        Duration of this run so far.
    under_way : float
        The updates of the population in training, converted to rows as if no member stopped early; 0 if other
        processes train.

    Examples
    --------
    >>> from deltarule import sweep
    >>> seen = []
    >>> table = sweep("encoder", {"optimizer.learning_rate": [1.0, 10.0]}, seeds=2, progress=seen.append)
    >>> seen[-1].done, seen[-1].rows
    (4, 4)
    """

    done: int
    rows: int
    seconds: float
    under_way: float = 0.0


def run_sweep(
    configuration: Configuration,
    source: Source,
    out: Path | None,
    *,
    name: str,
    processes: contextlib.AbstractContextManager[Pool],
    run_options: Mapping[str, Any] | None = None,
    settings: Sequence[Mapping[str, Any]] | None = None,
    resume: bool = False,
    rank_by: str | None = None,
    shard: tuple[int, int] = (1, 1),
    additions: Additions | None = None,
    progress: Callable[[SweepProgress], None] | None = None,
) -> Sweep:
    """Plan a sweep, train every row that its store lacks, and return the table.

    `run_options` are those of a command that repeats the sweep; the others are as for `studies.sweep_study.sweep`.
    """
    additions = additions or Additions()
    if source.folds is not None:
        source = replace(source, folds=whole("folds", source.folds, least=2))
    if configuration.run.engine != "auto":
        engine_of_name(configuration.run.engine)  # raises if its library is missing
    if resume and out is None:
        raise BadInput("resume is True, and no folder is named; name the one of the sweep to continue as out")
    error_advice = "nothing is kept without out (--out); start again"
    if out is not None:
        out = out.absolute()  # because a progress callback may change the current folder
        if (out / FILE).exists() and not resume:
            raise BadInput(f"{out} holds a sweep already; continue it with --resume, or name another folder")
        error_advice = f"what was reached is kept in {out}; continue with resume (--resume)"
    with explain_interruption(error_advice, out), contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory())) if out is None else out
        worker_pool = stack.enter_context(processes)
        forget_data()
        stack.callback(forget_data)
        workers = worker_pool.workers
        plans: Iterator[SweepPlan] = plan_sweep(configuration, source, settings, workers, rank_by, shard, additions)
        first_part = next(plans)  # what is wrong in it is said before a store is begun
        with Store(make_folder(folder)) as store:
            if run_options is not None:
                run_options = to_jsonable(
                    {**run_options, "folds": source.folds, "keep": additions.keep, "rank_by": rank_by}
                )
            plans = itertools.chain([first_part], plans)
            parts = ((plan, _write_plan(store, plan, name, run_options, additions)) for plan in plans)
            _train_plans(store, parts, worker_pool, additions, error_advice, progress)
        connection = open_for_reading(folder)
        if out is None:  # whose folder ends here
            stored = connection
            connection = sqlite3.connect(":memory:")
            with contextlib.closing(stored):
                stored.backup(connection)
        return Sweep(connection)


@contextlib.contextmanager
def explain_interruption(error_advice: str, out: Path | None = None) -> Iterator[None]:
    """Turn Ctrl-C within the block into `RunFailed`, with advice.

    Within Pydantic, Ctrl-C becomes an error of another kind.
    """
    outside = sys.exception()
    try:
        yield
    except (Exception, KeyboardInterrupt) as error:
        if not is_interruption(error, outside):
            raise
        begun = out is None or (out / FILE).exists()
        raise RunFailed(f"interrupted; {error_advice if begun else 'nothing was begun; start again'}") from None


@translate_errors()
def _write_plan(
    store: Store, plan: SweepPlan, name: str, run_options: Mapping[str, Any] | None, additions: Additions
) -> dict[str, int]:
    """Write a plan's configurations and notes to the store; return ids by hash."""
    compared = {"folds": plan.source.folds, "metric": plan.metric, "ranked": plan.ranked, **additions.compared}
    formulas = own_digests(plan.formulas) | additions.digests
    store.check_rows(plan.data_digests, compared, formulas)
    keys = {digest: to_jsonable(resolve_configuration(settings)) for digest, settings in plan.configurations.items()}
    # As the recipe has it: with the momentum filled in, settings could name no optimizer without one.
    base = {section: to_jsonable(asdict(getattr(plan.base, section))) for section in SETTABLE}
    ids = store.add_configurations({digest: (plan.settings[digest], keys[digest]) for digest in keys})
    store.write_notes(
        name=name,
        base=base,
        notes=plan.notes,
        **compared,
        grid=list(dict.fromkeys(key for settings in plan.settings.values() for key in settings)),
        formulas=formulas,
        runs=[] if run_options is None else [run_options],
    )
    return ids


def merge_sweeps(folders: Sequence[str | Path], out: str | Path) -> Sweep:
    """Collect the rows of several stores, such as those of shards, in one.

    Raises `BadInput` if their rows cannot be compared.
    """
    with Store(make_folder(Path(out))) as store:
        for folder in folders:
            store.merge(Path(folder))
    return Sweep(open_for_reading(Path(out)))


def _train_plans(
    store: Store,
    parts: Iterable[tuple[SweepPlan, Mapping[str, int]]],
    worker_pool: Pool,
    additions: Additions,
    error_advice: str,
    progress: Callable[[SweepProgress], None] | None,
) -> None:
    """Train the unfinished units of plans, and commit each once it is done."""
    stored = store.keys()
    done = set[str]()
    rows = 0
    planned = 0
    ids: dict[str, int] = {}
    started = time.perf_counter()
    is_in_process = worker_pool is IN_PROCESS

    def report(under_way: float = 0) -> None:
        if progress is not None:
            progress(SweepProgress(len(done), rows, time.perf_counter() - started, under_way))

    def reporter(unit: Unit) -> Callable[[Progress], None]:
        count = sum(key not in done for key in unit.keys)
        return lambda training: report(count * training.step / max(training.limit, 1))

    def tasks() -> Iterator[tuple[Any, ...]]:
        nonlocal rows, planned
        for plan, ids_of_part in parts:
            ids.update(ids_of_part)
            planned += plan.rows
            rows = planned + plan.rows_left
            done.update(key for unit in plan.units for key in unit.keys if key in stored)
            report()
            formulas = {} if is_in_process else {**plan.formulas, **metrics.custom()}
            for unit in plan.units:
                rest = unit.without(done)
                if rest.members:
                    # Progress within a population is reported only in this process: a callback cannot be sent away.
                    of_training = reporter(rest) if is_in_process else None
                    yield rest, plan.source, worker_pool.threads, formulas, of_training, additions

    try:
        for (unit, *_), result in run_all(worker_pool, train_unit, tasks(), error_advice):
            finished = [{**row, "configuration": ids[row["configuration"]]} for row in result.rows]
            store.add_rows(finished, result.weights, result.sizes, result.records)
            done.update(unit.keys)
            report()
    except KeyboardInterrupt:
        message = f"interrupted with {len(done):,} of {rows:,} rows done; {error_advice}"
        raise RunFailed(message) from None
