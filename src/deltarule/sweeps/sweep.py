"""A sweep: what its store has not yet is trained, population after population, and committed as soon as it is there."""

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
from deltarule.files import kind_of, make_folder, real_path
from deltarule.json_files import to_jsonable
from deltarule.problem import registry
from deltarule.problem.configuration import SETTABLE
from deltarule.problem.problem import Integers
from deltarule.problem.recipe_sections import Configuration
from deltarule.problem.resolved_configuration import configuration_hash, own_digests
from deltarule.problem.validation import whole
from deltarule.sweeps.executors import Here, Pool, pack_formulas, pool, run_all
from deltarule.sweeps.fold_data import forget_data
from deltarule.sweeps.grid import chunks, plan_sweep
from deltarule.sweeps.plan import Plan, Source, Unit
from deltarule.sweeps.result import Sweep
from deltarule.sweeps.store import Store, check_sweep, read_notes, shared_columns
from deltarule.sweeps.store_connection import FILE, as_written, reader
from deltarule.sweeps.worker import Done, do, files_of
from deltarule.training.run import Progress

KEEP = ("none", "best", "all")


@dataclass(frozen=True)
class SweepProgress:
    """How far a sweep is.

    done, rows   rows of the table that are there, and how many there will be
    seconds      of this run so far
    under_way    what the updates of the population in training come to, in rows, as if nobody stopped early; 0 where
                 other processes train
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
    run: Mapping[str, Any] | None = None,
    settings: Sequence[Mapping[str, Any]] | None = None,
    resume: bool = False,
    keep: str | None = None,
    executor: str = "local",
    address: str | None = None,
    workers: int | None = None,
    progress: Callable[[SweepProgress], None] | None = None,
) -> Sweep:
    """Train every row of a plan that the store has not yet.

    Parameters: `configuration`, with its grid; `out`, the folder of the store, None for one that nobody keeps; `name`,
    what the sweep is called; `run`, what a command needs to give the same grid, None where none gives it; `settings`,
    instead of the grid's combinations; the others as `sweep` of `deltarule.studies.sweep_study`.
    Errors: `BadInput` for settings that do not fit, for a store that is there already without `resume`, and for one
    whose rows are of other data or folds, rank otherwise, or of which other weights are kept;
    `RunFailed` for one that another process is writing, a full disk, workers that die, and where Ctrl-C ends it.
    """
    if keep is not None and keep not in KEEP:
        raise BadInput(f"the weights to keep are {keep!r}; choose one of {', '.join(KEEP)}")
    if source.folds is not None:
        source = replace(source, folds=whole("folds", source.folds, least=2))
    if configuration.run.engine != "auto":
        engine_of_name(configuration.run.engine)  # says so where its library is missing
    out = _checked_out(out, resume)
    text = "nothing is kept without out (--out); start again"
    if out is not None:
        text = f"what was reached is kept in {out}; go on with resume (--resume)"
    with explain_interruption(text, out), contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory())) if out is None else out
        given = stack.enter_context(pool(executor, workers, address))
        forget_data()
        stack.callback(forget_data)
        before = read_notes(folder)
        check_sweep(before, folder)
        meant_for = _workers(before, given)
        kept = _check_keep(before, keep, folder)
        plan = plan_sweep(configuration, source, settings, meant_for)
        with Store(make_folder(folder)) as store:
            store.check_rows(plan.data, source.folds, (plan.metric, plan.ranked), own_digests(plan.formulas))
            about_run = None if run is None else to_jsonable({**run, "folds": source.folds, "keep": kept})
            ids = _write_plan(store, plan, name, kept, meant_for, about_run)
            _train(store, plan, ids, given, kept, text, progress)
        if not kind_of(folder / FILE):
            raise RunFailed(
                f"{folder} was renamed or removed while the sweep trained; where it has another name now, all rows are "
                "in it: give that one to load_sweep (--table)"
            )
        result = Sweep(reader(folder, check=False))
        return result.in_memory() if out is None else result


@contextlib.contextmanager
def explain_interruption(kept: str, out: Path | None = None) -> Iterator[None]:
    """Say what is kept where Ctrl-C ends a sweep that is not training: within Pydantic it becomes an error of others.

    Parameters: `kept`, and how to go on; `out`, the folder without whose store nothing is.

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
        raise RunFailed(f"interrupted; {kept if begun else 'nothing was begun; start again'}") from None


def _checked_out(out: Path | None, resume: bool) -> Path | None:
    """The folder of the store, from the root.

    Errors: `BadInput` where a store is there already without `resume`, and for `resume` without a folder.
    """
    if out is None:
        if resume:
            raise BadInput("resume is True, and no folder is named; name the one of the sweep to go on with as out")
        return None
    if not out.is_absolute():  # a function that is told how far it is may go to another folder
        out = real_path(".") / out
    if kind_of(out / FILE) and not resume:
        raise BadInput(f"{out} holds a sweep already; go on with it by --resume, or name another folder")
    return out


@as_written()
def _workers(before: Mapping[str, Any], given: Pool) -> int:
    """The number of workers of the first run: populations stay the same whoever goes on with it."""
    workers = int(before.get("workers", given.workers))
    if workers < 1:
        raise ValueError(f"its first run had {workers} workers")
    return workers


def _check_keep(before: Mapping[str, Any], keep: str | None, folder: Path) -> str:
    """Whose weights are kept: the same from a store's first run to its last, for what was dropped does not come back.

    Errors: `BadInput` for others.
    """
    kept: str = before.get("keep", keep or "none")
    if keep not in (None, kept):
        raise BadInput(
            f"the sweep in {folder} keeps weights as {kept!r}, not {keep!r}; leave keep out, or name another folder"
        )
    return kept


@as_written()
def _write_plan(
    store: Store, plan: Plan, name: str, keep: str, workers: int, run: Mapping[str, Any] | None
) -> list[int]:
    """Write the plan down; gives the number of each configuration in the store."""
    keys: dict[str, Any] = {section: to_jsonable(getattr(plan.base, section).model_dump()) for section in SETTABLE}
    base = configuration_hash(plan.base), keys
    about = store.about()
    ids = store.add_configurations(plan.hashes, plan.settings, base)
    set_here = [key for setting in plan.settings for key in setting]
    runs = [] if run is None else [run]
    # Of a store of an earlier version nobody knows what it was made by.
    since = {
        "formulas": about.get("formulas", {}) | own_digests(plan.formulas),
        "runs": [*(one for one in about.get("runs", ()) if one not in runs), *runs],
    }
    # Rows of another recipe are told from these by whatever else it says, as if a grid had set that.
    between = [key for one in store.bases() for key in differing_keys(_with_later_keys(one, plan.base), keys)]
    store.note(
        name=name,
        base=base[0],
        notes=plan.notes,
        metric=plan.metric,
        ranked=plan.ranked,
        grid=list(dict.fromkeys([*about.get("grid", ()), *set_here, *between])),
        keep=keep,
        workers=workers,
        folds=plan.source.folds,
        **{name: value for name, value in since.items() if not about or name in about},
    )
    return [ids[one] for one in plan.hashes]


def _with_later_keys(stored: Mapping[str, Any], base: Configuration) -> dict[str, Any]:
    """The keys of a stored recipe, with those that its version did not have yet at their defaults."""
    filled = {}
    for section in SETTABLE:
        fields = type(getattr(base, section)).model_fields
        later = {key: field.get_default() for key, field in fields.items() if key not in stored[section]}
        filled[section] = {**stored[section], **to_jsonable(later)}
    return filled


def differing_keys(one: Mapping[str, Any], other: Mapping[str, Any], above: str = "") -> list[str]:
    """The dotted keys in which two tables differ: parameters alone where they have one name.

    >>> first = {"optimizer": {"name": "sgd", "schedule": {"name": "step", "every": 5}}}
    >>> differing_keys(first, {"optimizer": {"name": "adam", "schedule": "step"}})
    ['optimizer.name', 'optimizer.schedule.every']
    """
    found: list[str] = []
    for key in dict.fromkeys([*one, *other]):
        if one.get(key) == other.get(key):
            continue
        # A name alone is a table without parameters.
        first, second = (
            value if isinstance(value, Mapping) else {"name": value} for value in (one.get(key), other.get(key))
        )
        # A section may have a name among its keys; a table below one is that name with its parameters.
        goes_on = not above or first.get("name") == second.get("name")
        found += differing_keys(first, second, f"{above}{key}.") if goes_on else [f"{above}{key}"]
    return found


def _train(
    store: Store,
    plan: Plan,
    ids: list[int],
    given: Pool,
    keep: str,
    kept: str,
    progress: Callable[[SweepProgress], None] | None,
) -> None:
    done = store.keys()
    here = given.executor is Here
    formulas = {} if here else pack_formulas(plan.formulas)
    folder = store.folder / "checkpoints"
    tally = _Tally(plan, done, progress)
    tally.tell()
    shared = plan.source, keep, plan.ranked, folder, given.threads, formulas
    tasks = [
        # What a training in this process tells; to others it could not be sent.
        (unit, places, *shared, tally.watch(unit.take(places)) if here else None)
        for unit, places in chunks(plan.units, done)
    ]
    given.cap(len(tasks))
    try:
        for (unit, places, *_), finished in run_all(given, _work, iter(tasks), kept):
            if finished.interrupted:
                raise tally.interruption_error(kept)
            part = unit.take(places)
            _commit(store, plan, ids, part, finished, keep)
            for file in files_of(folder, part):
                with contextlib.suppress(OSError):  # somebody may have it open
                    file.unlink()
            tally.add(part)
    except KeyboardInterrupt:  # beside a training: while workers train, or the second time
        raise tally.interruption_error(kept) from None
    # Whatever is left is of no use any more: of a commit that was killed before it cleaned up, half of a file.
    shutil.rmtree(folder, ignore_errors=True)


class _Tally:
    """How many rows of a plan are done, told to whoever watches."""

    def __init__(self, plan: Plan, before: frozenset[str], progress: Callable[[SweepProgress], None] | None) -> None:
        self.before, self.rows, self.progress = before, plan.rows, progress
        self.started = time.perf_counter()
        self.count = plan.rows - sum(map(self._new, plan.units))

    def _new(self, part: Unit) -> int:
        """How many rows of a part this run has to do."""
        return sum(key not in self.before for key in part.keys)

    def tell(self, under_way: float = 0) -> None:
        """Say how far the sweep is.    under_way   rows of the population in training"""
        if self.progress is not None:
            self.progress(SweepProgress(self.count, self.rows, time.perf_counter() - self.started, under_way))

    def watch(self, part: Unit) -> Callable[[Progress], None]:
        """What tells how far the training of a part is."""
        rows = self._new(part)
        return lambda seen: self.tell(rows * seen.step / max(seen.limit, 1))

    def add(self, part: Unit) -> None:
        """Count a part that is done."""
        self.count += self._new(part)
        self.tell()

    def interruption_error(self, kept: str) -> RunFailed:
        """What is raised where Ctrl-C ends it.    kept   what is, and how to go on"""
        return RunFailed(f"interrupted with {self.count:,} of {self.rows:,} rows done; {kept}")


def _work(
    unit: Unit,
    places: Integers,
    source: Source,
    keep: str,
    ranked: str,
    folder: Path,
    threads: int | None,
    formulas: Mapping[tuple[str, str], Any],
    progress: Callable[[Progress], None] | None,
) -> Done:
    """What a worker does: all of it is in its arguments."""
    registry.take_over(formulas)  # it may still have others by these names, of an earlier sweep
    return do(unit, places, source, keep=keep, ranked=ranked, folder=folder, threads=threads, progress=progress)


def _commit(store: Store, plan: Plan, ids: list[int], part: Unit, finished: Done, keep: str) -> None:
    members = {
        row.key: {
            "configuration": ids[row.configuration],
            "fold": plan.source.fold(member.fold),
            "seed": member.seed,
        }
        for member in part.members
        for row in member.rows
    }
    first = part.members[0].configuration
    shared = shared_columns(part.data, first.run.dtype, finished.engine, finished.seconds / len(part.members))
    store.add(finished.table, members, finished.sizes, plan.ranked if keep == "best" else None, **shared)
