"""Reproduce the studies: run each, judge its claims, and write one page."""

import functools
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from deltarule.engines.selection import engine as engine_of_name
from deltarule.errors import BadInput, count_of
from deltarule.files import make_folder
from deltarule.json_files import read_json, write_json
from deltarule.recipes import Recipe, load_recipe, with_settings
from deltarule.studies.claim_results import StudyResults, judge_study, results_in
from deltarule.studies.claims import STUDIES, Claim, claims_of_study
from deltarule.studies.experiments import Experiments, ProgressCallback
from deltarule.studies.report.page import write_report
from deltarule.studies.run_records import SUMMARY, write_records
from deltarule.studies.runner import outcome_of, population_of, run_population
from deltarule.training.populations import seeds_of

NAME = "reproduce.json"
LONG_STUDIES = ("mnist", "cifar")
"""The studies whose claims take more than minutes: a quick reproduction leaves them out."""


@dataclass(frozen=True)
class StudyReproduced:
    """The results of one study: its run and the verdicts on its claims.

    study, data   names of the study and its data set
    networks      how many its run trained          seeds    over how many its claims were judged, None without claims
    engine        names of the engines              seconds  of all trainings
    verdicts      by the claims' ids
    left_out      ids of the claims that a quick reproduction leaves out
    notes         remarks, such as that other rows replace its data, or that there are too few seeds
    """

    study: str
    data: str
    networks: int
    seeds: int | None
    engine: str
    seconds: float
    verdicts: Mapping[str, str]
    left_out: tuple[str, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Reproduction:
    """The results of a reproduction, as `deltarule reproduce --json` prints them.

    Parameters
    ----------
    out, report : str or None
        The folder and its page, or None.
    quick : bool
        The options.
    seeds : int or None
        The options.
    engine : str or None
        The options.
    seconds : float
        Duration in this process.
    studies : tuple of StudyReproduced
        What each study gave.
    left_out : tuple of str
        Sentences about what a quick reproduction leaves out.
    missing : tuple of str
        The studies that are not reproduced yet.

    Examples
    --------
    >>> from deltarule import reproduce
    >>> done = reproduce(["digits"], quick=True)
    >>> done.quick, [one.study for one in done.studies]
    (True, ['digits'])
    """

    out: str | None
    report: str | None = None
    quick: bool
    seeds: int | None
    engine: str | None
    seconds: float = 0.0
    studies: tuple[StudyReproduced, ...] = ()
    left_out: tuple[str, ...] = ()
    missing: tuple[str, ...]


def reproduce(
    studies: Sequence[str] | None = None,
    *,
    quick: bool = False,
    out: str | Path | None = None,
    seeds: int | None = None,
    engine: str | None = None,
    data_dir: str | Path | None = None,
    tell: Callable[[StudyReproduced], None] | None = None,
    progress: ProgressCallback | None = None,
) -> Reproduction:
    """Run studies, judge their reports' claims, and write the results into a folder.

    Parameters
    ----------
    studies : sequence of str, optional
        Names of bundled studies, or files of recipes; None for all that repeat a report.
    quick : bool, default=False
        Use a fifth of the seeds, and leave out claims that take minutes.
    out : str or Path, optional
        The folder: one below it for each study, and `report.html`. An interrupted reproduction in it is resumed. None:
        nothing is written.
    seeds : int, optional
        The number of seeds over which studies are run and judged, instead of their own.
    engine : str, optional
        The engine, instead of the recipes'.
    data_dir : str or Path, optional
        A folder of data files.
    tell : callable, optional
        Called with each study when it is done.
    progress : callable, optional
        Called with the name of what is being trained, and its progress.

    Returns
    -------
    Reproduction
        If a study's data are neither here nor can be downloaded, it trains on rows that replace them, and its claims
        are not testable.

    Raises
    ------
    BadInput
        For an unknown study, and for a folder of a reproduction with other options.
    RunFailed
        For a full disk.
    KeyboardInterrupt
        If Ctrl-C ends it, with the results so far in the folder.

    Examples
    --------
    >>> from deltarule import reproduce
    >>> reproduce(["digits"], quick=True).left_out
    ('digits: run with 2 networks in place of 10',)
    """
    if seeds is not None and seeds < 1:
        raise BadInput(f"seeds is {seeds}; give a whole number of 1 or more")
    if engine not in (None, "auto"):
        engine_of_name(engine)  # raises if it is unknown, or its library is missing
    recipes = _load_recipes(studies or STUDIES)
    folder = None if out is None else make_folder(out)
    to = None if out is None else str(out)
    done = Reproduction(out=to, quick=quick, seeds=seeds, engine=engine, missing=tuple(recipes))
    _check_same_options(done, folder)
    _write(done, folder)
    started = time.perf_counter()
    for name, recipe in recipes.items():
        study_folder = None if folder is None else make_folder(folder / name)
        result = _reproduce_study(recipe, done, study_folder, data_dir, progress)
        if tell is not None:
            tell(result)
        done = replace(
            done,
            seconds=time.perf_counter() - started,
            studies=(*done.studies, result),
            left_out=(*done.left_out, *(_describe_omissions(recipe, result) if quick else ())),
            missing=done.missing[1:],
        )
        _write(done, folder)
    if folder is not None:
        done = replace(done, report=str(write_report(folder)))
        _write(done, folder)
    return done


def _load_recipes(studies: Sequence[str]) -> dict[str, Recipe]:
    """The recipes of studies by their names."""
    recipes = list(map(load_recipe, studies))
    by_name = {recipe.name: recipe for recipe in recipes}
    if len(by_name) < len(recipes):
        names = ", ".join(recipe.name for recipe in recipes)
        raise BadInput(f"a study is named twice among {names}; name each once")
    return by_name


def _write(reproduction: Reproduction, folder: Path | None) -> None:
    if folder is not None:
        write_json(folder / NAME, reproduction)


def _check_same_options(reproduction: Reproduction, folder: Path | None) -> None:
    """Check that the folder has no reproduction with other options."""
    if folder is None or not (folder / NAME).exists():
        return
    names = ("quick", "seeds", "engine")
    stored = read_json(folder / NAME)
    asked = {name: getattr(reproduction, name) for name in names}
    before = {name: stored[name] for name in names}
    if before != asked:
        texts = ["--quick"] if before.pop("quick") else []
        texts += [f"--{name} {value}" for name, value in before.items() if value is not None]
        raise BadInput(
            f"{folder} holds a reproduction with other options ({' '.join(texts) or 'none'}); continue with the same, "
            "or name another folder"
        )


def _reproduce_study(
    recipe: Recipe,
    options: Reproduction,
    folder: Path | None,
    data_dir: str | Path | None,
    progress: ProgressCallback | None,
) -> StudyReproduced:
    """Run one study and judge its claims into `folder`."""
    seeds = recipe.configuration.study.seeds
    experiments = Experiments(
        recipe,
        seeds=options.seeds or (_quick_count(seeds) if options.quick else seeds),
        engine=options.engine or recipe.configuration.run.engine,
        data_dir=data_dir,
        progress=progress,
        folder=folder,
    )
    with closing(experiments):
        claims = claims_of_study(recipe)
        judged = _judged_claims(claims, experiments, options.quick)
        left_out = tuple(claim.id for claim in claims if claim not in judged)
        notes = (f"left out by --quick: {', '.join(left_out)}",) if left_out else ()
        results = _finished_results(experiments, judged) or judge_study(
            experiments, judged, sequential=options.seeds is None and not options.quick, resume=True, notes=notes
        )
        run = _run_record(experiments, options, folder, progress)
    return StudyReproduced(
        study=recipe.name,
        data=results.data,
        networks=run["members"],
        seeds=results.seeds if judged else None,
        engine=results.engine or run["engine"],
        seconds=results.seconds + run["seconds"],
        verdicts={claim.id: claim.verdict for claim in results.claims},
        left_out=left_out,
        notes=tuple(note for note in results.notes if note not in notes),
    )


def _judged_claims(claims: Sequence[Claim], experiments: Experiments, quick: bool) -> tuple[Claim, ...]:
    """The claims without those that take minutes, in a quick reproduction.

    If other rows replace the data, a claim that takes minutes takes none: it is not testable.
    """
    is_short_of_time = quick and experiments.recipe.name in LONG_STUDIES and not experiments.dataset.remark
    return tuple(claim for claim in claims if claim.any_data or not is_short_of_time)


def _finished_results(experiments: Experiments, claims: Sequence[Claim]) -> StudyResults | None:
    """Read the folder's verdicts on these claims, with the same data and seeds."""
    results = None if experiments.folder is None else results_in(experiments.folder)
    if results is None:
        return None
    judged = [(verdict.id, verdict.criterion) for verdict in results.claims]
    is_same = judged == [(claim.id, claim.criterion) for claim in claims]
    basis = (experiments.dataset.name, experiments.seeds)
    return results if is_same and (results.data, results.seeds) == basis else None


def _quick_count(seeds: int) -> int:
    return max(1, seeds // 5)


def _run_record(
    experiments: Experiments, options: Reproduction, folder: Path | None, progress: ProgressCallback | None
) -> Mapping[str, Any]:
    """The record `run.json` of the study's run, from the folder or trained now."""
    recipe = experiments.recipe
    if folder is not None and (folder / SUMMARY).exists():
        stored = read_json(folder / SUMMARY)
        if isinstance(stored, dict) and not stored.get("interrupted", True):
            return stored
    seeds = seeds_of(recipe.configuration)
    if options.seeds is not None or options.quick:
        chosen = options.seeds or seeds[: _quick_count(len(seeds))]
        recipe = with_settings(recipe, {"run.seeds": chosen})
    population = population_of(recipe, experiments.dataset)
    of_run = None if progress is None else functools.partial(progress, recipe.name)
    resume = folder is not None  # it may have a checkpoint
    run = run_population(population, engine=experiments.engine, folder=folder, resume=resume, progress=of_run)
    if run.interrupted:
        raise KeyboardInterrupt
    outcome = outcome_of(recipe, population.dataset, run, folder)
    if folder is not None:
        write_records(folder, population, run)
        write_json(folder / SUMMARY, outcome)
    return vars(outcome)


def _describe_omissions(recipe: Recipe, result: StudyReproduced) -> tuple[str, ...]:
    """A note of the seeds, networks and claims that a reproduction left out."""
    seeds = recipe.configuration.study.seeds
    networks = len(seeds_of(recipe.configuration))
    texts = []
    if result.seeds is not None and result.seeds < seeds:
        texts.append(f"judged over {count_of(result.seeds, 'seed')} in place of {seeds}")
    if result.networks < networks:
        texts.append(f"run with {count_of(result.networks, 'network')} in place of {networks}")
    if result.left_out:
        texts.append(f"without the claims that take minutes ({', '.join(result.left_out)})")
    return (f"{result.study}: {', '.join(texts)}",) if texts else ()
