"""`deltarule reproduce`: run studies and judge the claims of their reports."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from deltarule.cli.options import Data, EngineName, Json, how_to_resume
from deltarule.cli.progress_line import show_progress
from deltarule.cli.terminal import console, print_json, show_all
from deltarule.errors import RunFailed, count_of

if TYPE_CHECKING:
    from deltarule.studies.reproduce_studies import StudyReproduced

Studies = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="STUDY", help="Names of studies or paths of recipes (TOML); default: all that repeat a report."
    ),
]
Quick = Annotated[bool, typer.Option("--quick", help="Use a fifth of the seeds and skip claims that take minutes.")]
Out = Annotated[
    Path | None,
    typer.Option("--out", metavar="DIR", help="Folder to write to; default reproduction or reproduction-quick."),
]
Seeds = Annotated[int | None, typer.Option("--seeds", metavar="N", help="Run and judge with the seeds 0 to N − 1.")]
Resume = Annotated[bool, typer.Option("--resume", help="Continue what is in the folder; this is the default.")]


def reproduce(
    studies: Studies = None,
    quick: Quick = False,
    out: Out = None,
    resume: Resume = False,
    seeds: Seeds = None,
    engine: EngineName = None,
    data: Data = None,
    json: Json = False,
) -> None:
    """Run studies, judge every claim of their reports, and write one report.

    Repeat an interrupted command to continue it.
    """
    from deltarule.reports.reproduction_table import reproduction_table
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
        raise RunFailed(f"interrupted; {how_to_resume(out)}") from None
    if json:
        print_json(done)
        return
    show_all(reproduction_table(done))


def _print_finished_study(study: "StudyReproduced") -> None:
    text = f"{study.study} on {study.data}: {count_of(study.networks, 'network')} trained, "
    text += f"{count_of(len(study.verdicts), 'claim')} judged"
    text += f", {len(study.left_out)} left out" if study.left_out else ""
    console(to_errors=True).print(text, markup=False, soft_wrap=True)
