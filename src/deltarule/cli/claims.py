"""`deltarule claims`: judge every claim of a study over many seeds."""

import sys
from contextlib import closing, redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from deltarule.cli.options import Data, Device, EngineName, Json, Out, Seeds, Study, chosen_engine, chosen_recipe
from deltarule.cli.progress_line import show_progress
from deltarule.cli.terminal import console, print_json, show_all
from deltarule.errors import BadInput, count_of
from deltarule.files import make_folder

if TYPE_CHECKING:
    from deltarule.studies.claim_results import StudyResults
    from deltarule.studies.recipes import Recipe
    from deltarule.studies.verdicts import Claim

Resume = Annotated[bool, typer.Option("--resume", help="Continue with the claims in the --out folder, or start.")]
OwnClaims = Annotated[
    Path | None,
    typer.Option("--claims", metavar="FILE", help="Judge the claims in this Python file; this runs its code."),
]


def claims(
    study: Study,
    seeds: Seeds = None,
    engine: EngineName = None,
    device: Device = None,
    data: Data = None,
    claims: OwnClaims = None,
    out: Out = None,
    resume: Resume = False,
    json: Json = False,
) -> None:
    """Judge the claims of a study's report over many seeds.

    Prints for each claim the report's figure, ours, the share of seeds for which it holds, and the verdict.
    """
    from deltarule.studies.claim_results import judge_study
    from deltarule.studies.experiments import Experiments
    from deltarule.studies.report.page import write_report

    if resume and out is None:
        raise BadInput("--resume continues the claims in the folder of --out; name that folder too")
    recipe = chosen_recipe(study, seeds=seeds)
    judged = _chosen_claims(recipe, claims)
    folder = None if out is None else make_folder(out)
    with show_progress(recipe.name) as progress:
        experiments = Experiments(
            recipe,
            seeds=seeds or recipe.configuration.study.seeds,
            engine=chosen_engine(engine, recipe, device),
            data_dir=data,
            progress=None if progress is None else lambda experiment, state: progress(state),
            folder=folder,
        )
        with closing(experiments), redirect_stdout(sys.stderr):
            results = judge_study(experiments, judged, resume=resume)
    if folder is not None:
        write_report(folder)
    if json:
        print_json(results)
    else:
        _print_results(results)


def _chosen_claims(recipe: "Recipe", file: Path | None) -> "tuple[Claim, ...]":
    """Load the claims to judge from a file or the study."""
    from deltarule.studies.claim_results import claims_of_file, claims_of_study

    if file is not None and file.is_file():
        console(to_errors=True).print(
            f"Running the code in {file}, to read the claims that it defines.", soft_wrap=True
        )
    with redirect_stdout(sys.stderr):  # what the code prints is not part of the results
        chosen = claims_of_file(file) if file is not None else claims_of_study(recipe)
    if not chosen:
        raise BadInput(f"the study '{recipe.name}' has no claims; name a file of your own with --claims")
    return chosen


def _print_results(results: "StudyResults") -> None:
    """Print the table of judged claims, a summary, and the notes."""
    from deltarule.reports.claims_table import claims_table

    show_all(claims_table(results.claims))
    judged_over = f"{count_of(len(results.claims), 'claim')}, {count_of(results.seeds, 'seed')}"
    console().print(
        f"{results.study} on {results.data}: {judged_over}, {results.engine} engine, {results.seconds:.0f} s."
    )
    for note in results.notes:
        console().print(f"Note: {note}.")
