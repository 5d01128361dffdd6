"""Run a sweep: train the rows that its store lacks, population by population, and commit each as soon as it is done."""

import contextlib
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from deltarule.engines.selection import engine as engine_of_name
from deltarule.errors import BadInput, RunFailed, is_interruption
from deltarule.files import make_folder
from deltarule.json_files import to_jsonable
from deltarule.problem import registry
from deltarule.problem.configuration import SETTABLE
from deltarule.problem.problem import Integers
from deltarule.problem.recipe_sections import Configuration
from deltarule.problem.resolved_configuration import configuration_hash, own_digests
from deltarule.problem.validation import whole
from deltarule.sweeps.executors import InProcessExecutor, Pool, pack_formulas, pool, run_all
from deltarule.sweeps.fold_data import forget_data
from deltarule.sweeps.grid import plan_sweep, unfinished_units
from deltarule.sweeps.plan import Plan, Source, Unit
from deltarule.sweeps.result import Sweep
from deltarule.sweeps.store import Store, read_notes, shared_columns
from deltarule.sweeps.store_connection import FILE, open_for_reading, translate_damage_errors
from deltarule.sweeps.worker import UnitResult, checkpoint_files, train_unit
from deltarule.training.run import Progress

KEEP = ("none", "best", "all")


@dataclass(frozen=True)
class SweepProgress:
    """The progress of a sweep.

    done, rows   rows of the table that are done, and how many there will be
    seconds      of this run so far
    under_way    the updates of the population in training, converted to rows as if no member stopped early; 0 if other
                 processes train
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
    run_options: Mapping[str, Any] | None = None,
    settings: Sequence[Mapping[str, Any]] | None = None,
    resume: bool = False,
    keep: str | None = None,
    executor: str = "local",
    address: str | None = None,
    workers: int | None = None,
    progress: Callable[[SweepProgress], None] | None = None,
) -> Sweep:
    """Plan a sweep, train every row that its store lacks, and return the table.

    Parameters: `configuration`, with its grid; `source` of the data; `out`, the folder of the store, None for a
    temporary one; `name` of the sweep; `run_options` of a command that repeats it, None if there is none;
    `settings`, those of each configuration, instead of the grid's combinations; the others as `sweep` of
    `deltarule.studies.sweep_study`.
    Errors: `BadInput` for settings that do not fit, for a store that exists already without `resume`, and for one whose
    rows are of other data or folds, are ranked differently, or of which other weights are kept; `RunFailed` for a store
    that another process is writing, a full disk, workers that die, and an interruption by Ctrl-C.
    """
    if keep is not None and keep not in KEEP:
        raise BadInput(f"the weights to keep are {keep!r}; choose one of {', '.join(KEEP)}")
    if source.folds is not None:
        source = replace(source, folds=whole("folds", source.folds, least=2))
    if configuration.run.engine != "auto":
        engine_of_name(configuration.run.engine)  # raises if its library is missing
    out = _check_and_resolve_out(out, resume)
    error_advice = "nothing is kept without out (--out); start again"
    if out is not None:
        error_advice = f"what was reached is kept in {out}; go on with resume (--resume)"
    with explain_interruption(error_advice, out), contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory())) if out is None else out
        worker_pool = stack.enter_context(pool(executor, workers, address))
        forget_data()
        stack.callback(forget_data)
        notes = read_notes(folder)
        planned_workers = _planned_workers(notes, worker_pool)
        keep = _validate_keep(notes, keep, folder)
        plan = plan_sweep(configuration, source, settings, planned_workers)
        with Store(make_folder(folder)) as store:
            store.check_rows(plan.data_digests, source.folds, (plan.metric, plan.ranked), own_digests(plan.formulas))
            if run_options is not None:
                run_options = to_jsonable({**run_options, "folds": source.folds, "keep": keep})
            configuration_ids = _write_plan(store, plan, name, keep, planned_workers, run_options)
            _train_plan(store, plan, configuration_ids, worker_pool, keep, error_advice, progress)
        result = Sweep(open_for_reading(folder, check=False))
        return result.in_memory() if out is None else result


@contextlib.contextmanager
def explain_interruption(error_advice: str, out: Path | None = None) -> Iterator[None]:
    """Turn Ctrl-C within the block into `RunFailed`, which ends with `error_advice` unless `out` has no store yet.

    This is for a sweep that is not training. Within Pydantic, Ctrl-C becomes an error of another kind.

    Parameters: `error_advice`, the end of the message; `out`, the folder of the store: if it has none, nothing is kept.

    >>> with explain_interruption("nothing is kept"):
    ...     raise KeyboardInterrupt
    Traceback (most recent call last):
        ...
    deltarule.errors.RunFailed: interrupted; nothing is kept
    """
    outside = sys.exception()
    try:
        yield
    except (Exception, KeyboardInterrupt) as error:
        if not is_interruption(error, outside):
            raise
        begun = out is None or (out / FILE).exists()
        raise RunFailed(f"interrupted; {error_advice if begun else 'nothing was begun; start again'}") from None


def _check_and_resolve_out(out: Path | None, resume: bool) -> Path | None:
    """Return `out` as an absolute path; raise `BadInput` for an existing store without `resume`, or `resume` alone."""
    if out is None:
        if resume:
            raise BadInput("resume is True, and no folder is named; name the one of the sweep to go on with as out")
        return None
    if not out.is_absolute():  # because a progress callback may change the current folder
        out = out.absolute()
    if (out / FILE).exists() and not resume:
        raise BadInput(f"{out} holds a sweep already; go on with it by --resume, or name another folder")
    return out


@translate_damage_errors()
def _planned_workers(notes: Mapping[str, Any], worker_pool: Pool) -> int:
    """The number of workers to plan populations for: that of the store's first run, so that they stay the same."""
    workers = int(notes.get("workers", worker_pool.workers))
    if workers < 1:
        raise ValueError(f"its first run had {workers} workers")
    return workers


def _validate_keep(notes: Mapping[str, Any], keep: str | None, folder: Path) -> str:
    """Which weights a sweep keeps: what its store notes, or for a new store `keep` ("none" if that is None).

    Errors: `BadInput` if `keep` is not what the store notes: weights that were dropped cannot be restored.
    """
    stored: str = notes.get("keep", keep or "none")
    if keep not in (None, stored):
        raise BadInput(
            f"the sweep in {folder} keeps weights as {stored!r}, not {keep!r}; leave keep out, or name another folder"
        )
    return stored


@translate_damage_errors()
def _write_plan(
    store: Store, plan: Plan, name: str, keep: str, workers: int, run_options: Mapping[str, Any] | None
) -> list[int]:
    """Write the plan's configurations and notes to the store; return the id of each configuration in it."""
    keys: dict[str, Any] = {section: to_jsonable(getattr(plan.base, section).model_dump()) for section in SETTABLE}
    base = configuration_hash(plan.base), keys
    notes = store.about()
    configuration_ids = store.add_configurations(plan.hashes, plan.settings, base)
    grid_keys = [key for setting in plan.settings for key in setting]
    runs = [] if run_options is None else [run_options]
    # Not added to the store of an earlier version, which does not record them.
    optional_notes = {
        "formulas": notes.get("formulas", {}) | own_digests(plan.formulas),
        "runs": [*(earlier for earlier in notes.get("runs", ()) if earlier not in runs), *runs],
    }
    # Rows of another recipe are distinguished by the keys in which it differs, as if a grid had set these.
    recipe_keys = [key for stored in store.bases() for key in differing_keys(_with_later_keys(stored, plan.base), keys)]
    store.write_notes(
        name=name,
        base=base[0],
        notes=plan.notes,
        metric=plan.metric,
        ranked=plan.ranked,
        grid=list(dict.fromkeys([*notes.get("grid", ()), *grid_keys, *recipe_keys])),
        keep=keep,
        workers=workers,
        folds=plan.source.folds,
        **{name: value for name, value in optional_notes.items() if not notes or name in notes},
    )
    return [configuration_ids[digest] for digest in plan.hashes]


def _with_later_keys(stored: Mapping[str, Any], base: Configuration) -> dict[str, Any]:
    """A stored recipe, by section, with the keys of `base` that its version did not have, at their defaults."""
    filled = {}
    for section in SETTABLE:
        fields = type(getattr(base, section)).model_fields
        later = {key: field.get_default() for key, field in fields.items() if key not in stored[section]}
        filled[section] = {**stored[section], **to_jsonable(later)}
    return filled


def differing_keys(first: Mapping[str, Any], second: Mapping[str, Any], prefix: str = "") -> list[str]:
    """The dotted keys, after a prefix, in which two nested tables differ; below equal names, those of their parameters.

    >>> first = {"optimizer": {"name": "sgd", "schedule": {"name": "step", "every": 5}}}
    >>> differing_keys(first, {"optimizer": {"name": "adam", "schedule": "step"}})
    ['optimizer.name', 'optimizer.schedule.every']
    """
    keys: list[str] = []
    for key in dict.fromkeys([*first, *second]):
        if first.get(key) == second.get(key):
            continue
        # A name alone is a table without parameters.
        below_first, below_second = (
            value if isinstance(value, Mapping) else {"name": value} for value in (first.get(key), second.get(key))
        )
        # A section may have a name among its keys; a table below a section is a name with its parameters.
        has_same_name = not prefix or below_first.get("name") == below_second.get("name")
        keys += differing_keys(below_first, below_second, f"{prefix}{key}.") if has_same_name else [f"{prefix}{key}"]
    return keys


def _train_plan(
    store: Store,
    plan: Plan,
    configuration_ids: list[int],
    worker_pool: Pool,
    keep: str,
    error_advice: str,
    progress: Callable[[SweepProgress], None] | None,
) -> None:
    """Train the units of a plan that have rows left, and commit each to the store once it is done.

    Parameters: `configuration_ids`, the id of each configuration in the store; `error_advice`, the end of error
    messages: what is kept, and how to resume.
    """
    done_keys = store.keys()
    is_in_process = worker_pool.executor is InProcessExecutor
    formulas = {} if is_in_process else pack_formulas(plan.formulas)
    folder = store.folder / "checkpoints"
    tally = _Tally(plan, done_keys, progress)
    tally.report()
    shared = plan.source, keep, plan.ranked, folder, worker_pool.threads, formulas
    tasks = [
        # Progress within a population is reported only in this process: the callback cannot be sent to another one.
        (unit, members, *shared, tally.progress_reporter(unit.take(members)) if is_in_process else None)
        for unit, members in unfinished_units(plan.units, done_keys)
    ]
    worker_pool.limit_workers(len(tasks))
    try:
        for (unit, members, *_), result in run_all(worker_pool, _train_in_worker, iter(tasks), error_advice):
            if result.interrupted:
                raise tally.interruption_error(error_advice)
            part = unit.take(members)
            _commit(store, plan, configuration_ids, part, result, keep)
            for file in checkpoint_files(folder, part):
                with contextlib.suppress(OSError):  # another process may have it open
                    file.unlink()
            tally.add(part)
    except KeyboardInterrupt:  # not during a training of this process, or pressed twice
        raise tally.interruption_error(error_advice) from None
    # Files that remain are useless: from a process that was killed after its commit, or half written.
    shutil.rmtree(folder, ignore_errors=True)


class _Tally:
    """Counts the rows of a plan that are done, and reports them to a progress callback."""

    def __init__(self, plan: Plan, stored: frozenset[str], progress: Callable[[SweepProgress], None] | None) -> None:
        self.stored, self.rows, self.progress = stored, plan.rows, progress
        self.started = time.perf_counter()
        self.count = plan.rows - sum(map(self._rows_to_train, plan.units))

    def _rows_to_train(self, unit: Unit) -> int:
        """The number of rows of a unit that were not stored when this run began."""
        return sum(key not in self.stored for key in unit.keys)

    def report(self, under_way: float = 0) -> None:
        """Call the progress callback; `under_way`, the progress of the population in training, in rows."""
        if self.progress is not None:
            self.progress(SweepProgress(self.count, self.rows, time.perf_counter() - self.started, under_way))

    def progress_reporter(self, unit: Unit) -> Callable[[Progress], None]:
        """A progress callback for the training of a unit, which reports its progress as part of the sweep's."""
        rows = self._rows_to_train(unit)
        return lambda training: self.report(rows * training.step / max(training.limit, 1))

    def add(self, unit: Unit) -> None:
        """Count the rows of a unit that is done."""
        self.count += self._rows_to_train(unit)
        self.report()

    def interruption_error(self, error_advice: str) -> RunFailed:
        """The error for an interruption by Ctrl-C; `error_advice` says what is kept and how to resume."""
        return RunFailed(f"interrupted with {self.count:,} of {self.rows:,} rows done; {error_advice}")


def _train_in_worker(
    unit: Unit,
    members: Integers,
    source: Source,
    keep: str,
    ranked: str,
    folder: Path,
    threads: int | None,
    formulas: Mapping[tuple[str, str], Any],
    progress: Callable[[Progress], None] | None,
) -> UnitResult:
    """Train some members of a unit in a worker process, with the custom formulas that it may not have registered."""
    registry.take_over(formulas)  # replaces formulas of an earlier sweep that have the same names
    return train_unit(
        unit, members, source, keep=keep, ranked=ranked, folder=folder, threads=threads, progress=progress
    )


def _commit(store: Store, plan: Plan, configuration_ids: list[int], unit: Unit, result: UnitResult, keep: str) -> None:
    """Commit a trained unit's rows and weights; with `keep` "best", delete all weights but those of the best row."""
    columns_by_key = {
        row.key: {
            "configuration": configuration_ids[row.configuration],
            "fold": plan.source.fold_name(member.fold),
            "seed": member.seed,
        }
        for member in unit.members
        for row in member.rows
    }
    first = unit.members[0].configuration
    shared = shared_columns(unit.data, first.run.dtype, result.engine, result.seconds / len(unit.members))
    store.add_rows(result.table, columns_by_key, result.sizes, plan.ranked if keep == "best" else None, **shared)
