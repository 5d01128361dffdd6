"""The commands about studies: list, show, claims, reproduce and report."""

import sys
from contextlib import closing, redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from deltarule.cli import options
from deltarule.cli.options import argument, option
from deltarule.cli.output import Result, Shown, headline, remark, show_progress
from deltarule.cli.output_paths import Output
from deltarule.errors import BadInput, RunFailed, count_of
from deltarule.files import make_folder, write_whole

if TYPE_CHECKING:
    from deltarule.recipes import Recipe
    from deltarule.studies.claim_results import StudyResults
    from deltarule.studies.claims import Claim
    from deltarule.studies.reproduce_studies import StudyReproduced


# --- list and show ----------------------------------------------------------------------------------------------------


def list_studies(json: options.Json = False) -> Result:
    """List the bundled studies with their numbers of experiments and claims."""
    from deltarule.recipes import bundled_studies, load_recipe
    from deltarule.studies.claims import claims_of_study

    studies: list[dict[str, Any]] = []
    for name, title, summary in bundled_studies():
        recipe = load_recipe(name)
        experiments = [experiment.name for experiment in recipe.configuration.experiment]
        claims = len(claims_of_study(recipe))
        studies.append(
            {"study": name, "title": title, "summary": summary, "experiments": experiments, "claims": claims}
        )
    return Result({"studies": studies}, _study_lines(studies))


def _study_lines(studies: list[dict[str, Any]]) -> Shown:
    for study in studies:
        yield headline(study["study"], study["title"])
        counts = f"{count_of(len(study['experiments']), 'experiment')}, {count_of(study['claims'], 'claim')}"
        yield f"  {study['summary']} ({counts})" if study["summary"] else f"  ({counts})"
    yield "\nTry: deltarule run encoder"


def show_recipe(
    study: options.Study,
    experiment: options.ExperimentNames = None,
    set: options.Settings = None,
    json: options.Json = False,
) -> Result:
    """Print a study's recipe, its experiments and its assumptions."""
    from deltarule.recipes import explain_recipe

    record = explain_recipe(options.chosen_recipe(study, experiment, set))
    return Result(record, _recipe_lines(record))


def _recipe_lines(record: dict[str, Any]) -> Shown:
    from deltarule.problem.error_messages import as_toml

    yield headline(record["study"], record["title"])
    yield from filter(None, (record["report"], record["summary"]))
    for section, keys in record["keys"].items():
        yield from ("", headline(f"[{section}]"))
        yield from (f"{key} = {as_toml(value)}" for key, value in keys.items())
    if record["grid"]:
        yield from ("", headline("grid"))
        yield from (f"{key}: {as_toml(values)}" for key, values in record["grid"].items())
    if record["experiments"]:
        yield from ("", headline("experiments"))
        for experiment in record["experiments"]:
            changes = ", ".join(f"{key} = {as_toml(value)}" for key, value in experiment["set"].items())
            about = f"{experiment['about']} ({changes})" if experiment["about"] else changes
            yield f"{experiment['name']}: {about}"
    if record["assumptions"]:
        yield from ("", headline("assumptions", "(what the report leaves unsaid)"))
        for assumption in record["assumptions"]:
            yield f"- {assumption['what']}: {as_toml(assumption['value'])}. {assumption['why']}"


# --- claims -----------------------------------------------------------------------------------------------------------

Only = Annotated[str | None, option("--only", "Judge these alone, named by their ids.", "ID,ID")]
JudgedSeeds = Annotated[int | None, option("--seeds", "Judge with N seeds.", "N")]
AsPublished = Annotated[bool, option("--as-published", "Print what the study's page shows; long claims as recorded.")]
OwnClaims = Annotated[Path | None, option("--claims", "Judge those in this Python file; this runs it.", "FILE")]


def claims(
    study: options.Study,
    seeds: JudgedSeeds = None,
    engine: options.EngineName = None,
    device: options.Device = None,
    data: options.Data = None,
    only: Only = None,
    as_published: AsPublished = False,
    claims: OwnClaims = None,
    out: options.Out = None,
    resume: options.Resume = False,
    json: options.Json = False,
) -> Result:
    """Judge the claims of a study's report, over as many seeds as decide them.

    It begins with 6, and goes on to the study's number or until a claim is decided; --seeds N judges over just N.
    Prints for each claim the report's figure, its criterion, ours, the share of seeds, the needed one, the verdict.
    """
    from deltarule.reports.claim_verdicts import list_verdicts
    from deltarule.studies.claim_results import judge_as_published, judge_study
    from deltarule.studies.experiments import Experiments
    from deltarule.studies.report.page import write_report

    options.check_resume(resume, out)
    changed = {"--seeds": seeds, "--engine": engine, "--device": device, "--claims": claims, "--out": out}
    for name, value in changed.items():
        if as_published and value is not None:
            raise BadInput(f"--as-published and {name} exclude each other; give one of them")
    recipe = options.chosen_recipe(study, seeds=seeds)
    judged = _chosen_claims(recipe, claims, only)
    folder = None if out is None else make_folder(out)
    with show_progress(recipe.name) as progress:
        experiments = Experiments(
            recipe,
            seeds=seeds or recipe.configuration.study.seeds,
            engine=options.chosen_engine(engine, recipe, device),
            data_dir=data,
            progress=None if progress is None else lambda part, state: progress(state, part),
            folder=folder,
        )
        with closing(experiments), redirect_stdout(sys.stderr):
            if as_published:
                results = judge_as_published(experiments, judged)
            else:
                results = judge_study(experiments, judged, sequential=seeds is None, resume=resume)
    if folder is not None:
        write_report(folder)
    verdicts = list_verdicts(verdict.verdict for verdict in results.claims)
    return Result(results, _claim_lines(results), verdict=f"{count_of(len(results.claims), 'claim')}: {verdicts}")


def _chosen_claims(recipe: "Recipe", file: Path | None, only: str | None) -> "tuple[Claim, ...]":
    from deltarule.studies.claims import claims_of_file, claims_of_study

    if file is not None and file.is_file():
        remark([f"Running the code in {file}, to read the claims that it defines."])
    with redirect_stdout(sys.stderr):  # what the code prints is not part of the results
        chosen = claims_of_file(file) if file is not None else claims_of_study(recipe)
    if not chosen:
        raise BadInput(f"the study '{recipe.name}' has no claims; name a file of your own with --claims")
    ids = [claim.id for claim in chosen]
    names = ids if only is None else [name.strip() for name in only.split(",")]
    for name in names:
        if name not in ids:
            raise BadInput(f"there is no claim '{name}' to judge with --only; there are: {', '.join(ids)}")
    return tuple(claim for claim in chosen if claim.id in names)


def _claim_lines(results: "StudyResults") -> Shown:
    from deltarule.reports.claim_verdicts import judged_claims

    yield from judged_claims(results.claims)
    readings = [reading for claim in results.claims for reading in claim.readings.values() if reading.interval]
    over = sorted({reading.of for reading in readings})
    spread = f"{over[0]:,} to " if over and over[0] < results.seeds else ""
    judged_over = f"{count_of(len(results.claims), 'claim')}, {spread}{count_of(results.seeds, 'seed')}"
    yield f"{results.study} on {results.data}: {judged_over}, {results.engine} engine, {results.seconds:.0f} s."
    yield from (f"Note: {note}." for note in results.notes)


# --- reproduce --------------------------------------------------------------------------------------------------------

Studies = Annotated[list[str] | None, argument("STUDY", "Names or recipes (TOML); default: all reports.")]
Quick = Annotated[bool, option("--quick", "Use a fifth of the seeds and skip claims that take minutes.")]
ReproductionOut = Annotated[
    Path | None,
    option("--out", "Folder; default reproduction or reproduction-quick.", "DIR"),
    Output("report", is_folder=True),
]


def reproduce(
    studies: Studies = None,
    quick: Quick = False,
    out: ReproductionOut = None,
    resume: options.Resume = False,
    seeds: JudgedSeeds = None,
    engine: options.EngineName = None,
    data: options.Data = None,
    json: options.Json = False,
) -> Result:
    """Run studies, judge every claim of their reports, and write one report.

    Repeat an interrupted command to continue it.
    """
    from deltarule.reports.summaries import reproduction_summary
    from deltarule.studies.reproduce_studies import reproduce as reproduce_studies

    out = out or Path("reproduction-quick" if quick else "reproduction")
    try:
        with show_progress("reproduce") as progress:
            done = reproduce_studies(
                studies,
                quick=quick,
                out=out,
                seeds=seeds,
                engine=engine,
                data_dir=data,
                tell=_print_finished_study,
                progress=None if progress is None else lambda study, state: progress(state),
            )
    except KeyboardInterrupt:
        raise RunFailed(f"interrupted; {options.how_to_resume(out)}") from None
    return Result(done, reproduction_summary(done))


def _print_finished_study(study: "StudyReproduced") -> None:
    text = f"{study.study} on {study.data}: {count_of(study.networks, 'network')} trained, "
    text += f"{count_of(len(study.verdicts), 'claim')} judged"
    text += f", {len(study.left_out)} left out" if study.left_out else ""
    remark([text])


# --- report -----------------------------------------------------------------------------------------------------------

Folder = Annotated[Path, argument("DIR", "Folder that a command wrote with --out, or a folder of such folders.")]


def report(folder: Folder, json: options.Json = False) -> Result:
    """Draw the figures, tables and claims of a folder as one page, report.html."""
    from deltarule.reports.report import report_page
    from deltarule.studies.report.page import NAME, report_of

    content = report_of(folder)
    path = folder / NAME
    write_whole(path, report_page(content))
    studies = [section.title for section in content.sections]
    record = {"path": str(path), "studies": studies, "unfinished": content.unfinished}
    return Result(record, [f"Written: {path}", *(f"Unfinished: {sentence}" for sentence in content.unfinished)])
