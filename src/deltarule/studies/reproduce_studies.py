"""Reproducing the studies: each is run, its claims are judged, and one page tells what came of all of them."""

import functools
import shlex
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from deltarule.engines.selection import engine as engine_of_name
from deltarule.errors import BadInput, count_of
from deltarule.files import kind_of, make_folder
from deltarule.json_files import read_json, write_json
from deltarule.studies.claim_results import claims_of_study, judge_study
from deltarule.studies.experiments import Experiments, Told
from deltarule.studies.recipes import Recipe, bundled_studies, load_recipe, with_settings
from deltarule.studies.report.page import write_report
from deltarule.studies.run_records import write_records
from deltarule.studies.runner import outcome_of, population_of, run_population
from deltarule.training.populations import seeds_of

NAME = "reproduce.json"


@dataclass(frozen=True)
class StudyReproduced:
    """A study, run and judged.

    study, data   what, and on which rows
    networks      how many its run trained          seeds    over how many its claims were judged, None where none was
    engine        names of the engines              seconds  of all trainings
    verdicts      by the claims' ids
    left_out      the claims that a quick reproduction leaves out, by their ids
    notes         sentences worth knowing: that other rows stand in for its data, that the seeds are too few
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


@dataclass(frozen=True)
class Reproduction:
    """What a reproduction came to: these fields, by these names, are the JSON object of `deltarule reproduce --json`.

    out, report           the folder and its page, or None
    quick, seeds, engine  what was asked for
    seconds               of this process
    left_out              what a quick reproduction leaves out, sentences
    missing               the studies that are not reproduced yet
    """

    out: str | None
    report: str | None
    quick: bool
    seeds: int | None
    engine: str | None
    seconds: float
    studies: tuple[StudyReproduced, ...]
    left_out: tuple[str, ...]
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
    progress: Told | None = None,
) -> Reproduction:
    """Run studies, judge all claims of their reports, and write what came of it into one folder.

    Parameters
    ----------
    studies : names of bundled studies, or files of recipes; None for all that repeat a report.
    quick : a fifth of the seeds, and no claims that take minutes.
    out : the folder: one below it for each study, and `report.html`. What an earlier, interrupted reproduction has left
        there is gone on with. None: nothing is kept.
    seeds : over how many seeds studies are run and judged, instead of their own number.
    engine : what computes, instead of the recipes'.
    data_dir : a folder of data files.
    tell : called with each study when it is done.
    progress : called with what is being trained and how far it is.

    Returns the `Reproduction`. Where a study's data are neither here nor can be downloaded, the rows that stand in for
    them are trained on, and its claims are not testable.

    Raises `BadInput` for a study that there is not, and for a folder that holds another reproduction; `RunFailed` for a
    full disk; `KeyboardInterrupt` where Ctrl-C ends it, with what was reached in the folder.

    >>> reproduce(["digits"], quick=True).left_out
    ('digits: run with 2 networks in place of 10',)
    """
    if seeds is not None and seeds < 1:
        raise BadInput(f"seeds is {seeds}; give a whole number of 1 or more")
    if engine not in (None, "auto"):
        engine_of_name(engine)  # says so where there is none, or its library is missing
    recipes = _recipes(studies or studies_with_reports())
    folder = None if out is None else make_folder(out)
    done = Reproduction(
        out=None if out is None else str(out),
        report=None,
        quick=quick,
        seeds=seeds,
        engine=engine,
        seconds=0.0,
        studies=(),
        left_out=(),
        missing=tuple(recipe.name for recipe in recipes),
    )
    _refuse_another(done, folder)
    _write(done, folder)
    started = time.perf_counter()
    for recipe in recipes:
        own_folder = None if folder is None else make_folder(folder / recipe.name)
        one = _reproduce_study(recipe, done, own_folder, data_dir, progress)
        if tell is not None:
            tell(one)
        done = replace(
            done,
            seconds=time.perf_counter() - started,
            studies=(*done.studies, one),
            left_out=(*done.left_out, *(_left_out(recipe, one) if quick else ())),
            missing=done.missing[1:],
        )
        _write(done, folder)
    if folder is not None:
        done = replace(done, report=str(write_report(folder)))
        _write(done, folder)
    return done


def studies_with_reports() -> tuple[str, ...]:
    """The bundled studies that repeat a published report.

    >>> "encoder" in studies_with_reports(), "digits" in studies_with_reports()
    (True, False)
    """
    return tuple(name for name, _, _ in bundled_studies() if load_recipe(name).configuration.study.report)


def _recipes(studies: Sequence[str]) -> list[Recipe]:
    recipes = [load_recipe(study) for study in studies]
    names = [recipe.name for recipe in recipes]
    if len(set(names)) < len(names):
        raise BadInput(f"a study is named twice among {', '.join(names)}; name each once")
    return recipes


def _write(done: Reproduction, folder: Path | None) -> None:
    """Write down what a reproduction has come to so far, where it is kept."""
    if folder is not None:
        write_json(folder / NAME, done)


def _refuse_another(begun: Reproduction, folder: Path | None) -> None:
    """A folder serves one kind of reproduction: numbers of others would stand beside these."""
    if folder is None or not kind_of(folder / NAME):
        return
    found = read_json(folder / NAME)
    for name in ("quick", "seeds", "engine"):
        if not isinstance(found, dict) or found.get(name) != getattr(begun, name):
            raise BadInput(
                f"{folder} holds a reproduction with other options ({_options(found)}); go on with the same, or name "
                "another folder"
            )


def _options(found: Any) -> str:
    texts = ["--quick"] if isinstance(found, dict) and found.get("quick") else []
    for name in ("seeds", "engine"):
        if isinstance(found, dict) and found.get(name) is not None:
            texts += [f"--{name}", str(found[name])]
    return shlex.join(texts) or "none"


def _reproduce_study(
    recipe: Recipe,
    asked: Reproduction,
    folder: Path | None,
    data_dir: str | Path | None,
    progress: Told | None,
) -> StudyReproduced:
    own = recipe.configuration.study.seeds
    experiments = Experiments(
        recipe,
        seeds=asked.seeds or (_fewer(own) if asked.quick else own),
        engine=asked.engine or recipe.configuration.run.engine,
        data_dir=data_dir,
        progress=progress,
        folder=folder,
    )
    with closing(experiments):
        claims = claims_of_study(recipe)
        # Where other rows stand in, a claim that takes minutes takes none: it is not testable.
        is_short_of_time = asked.quick and not experiments.dataset.remark
        judged = tuple(claim for claim in claims if not (is_short_of_time and claim.long))
        left_out = tuple(claim.id for claim in claims if claim not in judged)
        notes = (f"left out by --quick: {', '.join(left_out)}",) if left_out else ()
        results = judge_study(experiments, judged, resume=True, notes=notes)
        run = _run(experiments, asked, folder, progress)
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


def _fewer(seeds: int) -> int:
    # A quick reproduction takes a fifth of the seeds.
    return max(1, seeds // 5)


def _run(
    experiments: Experiments, asked: Reproduction, folder: Path | None, progress: Told | None
) -> Mapping[str, Any]:
    """Train the study's own networks and write them down, unless an earlier reproduction has; how many, by what, and
    in how many seconds."""
    recipe, before = experiments.recipe, _run_before(folder)
    if before is not None:
        return before
    seeds = seeds_of(recipe.configuration)
    if asked.seeds is not None or asked.quick:
        chosen = asked.seeds or seeds[: _fewer(len(seeds))]
        recipe = with_settings(recipe, {"run.seeds": chosen})
    population = population_of(recipe, experiments.dataset)
    told = None if progress is None else functools.partial(progress, recipe.name)
    begun = folder is not None  # perhaps; then it is gone on with
    run = run_population(population, engine=experiments.engine, folder=folder, resume=begun, progress=told)
    if run.interrupted:
        raise KeyboardInterrupt
    if folder is not None:
        write_records(folder, population, run, outcome_of(recipe, population.dataset, run, folder))
    return {"members": population.problem.members, "engine": run.engine.name, "seconds": run.seconds}


def _run_before(folder: Path | None) -> dict[str, Any] | None:
    """The record of a run in the folder that came to its end, if there is one."""
    if folder is None or not kind_of(folder / "run.json"):
        return None
    found = read_json(folder / "run.json")
    wanted = {"members": int, "engine": str, "seconds": float, "interrupted": bool}
    is_one = isinstance(found, dict) and all(isinstance(found.get(name), kind) for name, kind in wanted.items())
    return found if is_one and not found["interrupted"] else None


def _left_out(recipe: Recipe, one: StudyReproduced) -> tuple[str, ...]:
    """One sentence of what a quick reproduction leaves out of a study, if anything."""
    own, networks, told = recipe.configuration.study.seeds, len(seeds_of(recipe.configuration)), []
    if one.seeds is not None and one.seeds < own:
        told.append(f"judged over {count_of(one.seeds, 'seed')} in place of {own}")
    if one.networks < networks:
        told.append(f"run with {count_of(one.networks, 'network')} in place of {networks}")
    if one.left_out:
        told.append(f"without the claims that take minutes ({', '.join(one.left_out)})")
    return (f"{one.study}: {', '.join(told)}",) if told else ()
