"""`deltarule report`: draw the records of a folder as one page."""

from pathlib import Path
from typing import Annotated

import typer

from deltarule.cli.options import Json
from deltarule.cli.terminal import console, print_json
from deltarule.files import write_whole

Folder = Annotated[
    Path, typer.Argument(metavar="DIR", help="Folder that a command wrote with --out, or a folder of such folders.")
]


def report(folder: Folder, json: Json = False) -> None:
    """Draw the figures, tables and claims of a folder as one page, report.html, that needs no network."""
    from deltarule.reports.report import report_page
    from deltarule.studies.report.page import NAME, report_of

    content = report_of(folder)
    path = folder / NAME
    write_whole(path, report_page(content))
    if json:
        print_json(
            {
                "path": str(path),
                "studies": [section.title for section in content.sections],
                "unfinished": content.unfinished,
            }
        )
        return
    screen = console()
    screen.print(f"Written: {path}", markup=False, soft_wrap=True)
    for sentence in content.unfinished:
        screen.print(f"Unfinished: {sentence}", markup=False, soft_wrap=True)
