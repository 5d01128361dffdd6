"""`deltarule export`: a trained run in another form."""

from pathlib import Path
from typing import Annotated

import typer

from deltarule.cli.common import Data, console

Run = Annotated[Path, typer.Argument(metavar="RUN", help="The folder of a run, as `deltarule run --out` wrote it.")]
To = Annotated[str, typer.Option("--to", metavar="FORM", help='What to make of it: "script", a plain NumPy script.')]
Member = Annotated[int, typer.Option("--member", metavar="K", help="Which of the run's members, from 0.")]
File = Annotated[Path | None, typer.Option("--out", metavar="FILE", help="The file; else one in the run's folder.")]


def export(run: Run, to: To, member: Member = 0, out: File = None, data: Data = None) -> None:
    """Write a trained run as one plain NumPy script, to read and to run: data, forward, backward and update."""
    from deltarule.errors import BadInput
    from deltarule.files import write_whole
    from deltarule.interop.script.training import training_script
    from deltarule.studies.stored import read_run

    if to != "script":
        raise BadInput(f'there is no form "{to}" to export to; give --to script')
    stored = read_run(run, data)
    members = stored.problem.members
    if not 0 <= member < members:
        raise BadInput(f"there is no member {member}; the run has the members 0 to {members - 1}")
    name = stored.recipe.name
    study = f"{name}, {stored.recipe.experiment}" if stored.recipe.experiment else name
    script = training_script(
        stored.problem,
        member=member,
        steps=int(stored.arrays["steps"][member]),
        losses=stored.losses(member),
        title=f"{study} on {stored.dataset.name}, member {member} (seed {stored.problem.seeds[member]})",
    )
    path = run / "script.py" if out is None else out
    write_whole(path, script)
    console().print(f"Written: {path}", markup=False, soft_wrap=True)
