"""`deltarule play`: watch networks learn, live, in the browser."""

import webbrowser
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from deltarule.cli.terminal import console
from deltarule.errors import BadInput

if TYPE_CHECKING:
    from deltarule.playground.session import Session

MAX_PORT = 65_535
"""TCP has 16 bits for a port."""
MAX_UPDATES_OF_RECORDING = 10_000_000
"""Far more than the small networks of a recording need: a typing error should not train for hours."""
What = Annotated[
    str | None,
    typer.Argument(metavar="WHAT", help="A study, a data set, a table (CSV) or a recipe (TOML); default: two spirals."),
]
Target = Annotated[str | None, typer.Option("--target", metavar="COLUMN", help="Column of the table to predict.")]
Port = Annotated[int, typer.Option("--port", metavar="P", help="Port on this machine; 0 for any free one.")]
NoBrowser = Annotated[bool, typer.Option("--no-browser", help="Print the address, and open no browser.")]
Record = Annotated[
    Path | None,
    typer.Option("--record", metavar="FOLDER", help="Train without a page, and write one page that replays it."),
]
Updates = Annotated[int, typer.Option("--updates", metavar="N", help="Updates of a recording.")]


def play(
    what: What = None,
    target: Target = None,
    port: Port = 0,
    no_browser: NoBrowser = False,
    record: Record = None,
    updates: Updates = 2000,
) -> None:
    """Watch networks learn, live, in the browser: play, pause, change anything, go back.

    Nothing leaves this machine. Ctrl-C ends it.
    """
    from deltarule.playground.play import open_session

    if not 0 <= port <= MAX_PORT:
        raise BadInput(f"--port is {port}; give a whole number from 0 to {MAX_PORT:,}")
    if not 1 <= updates <= MAX_UPDATES_OF_RECORDING:
        raise BadInput(f"--updates is {updates}; give a whole number from 1 to {MAX_UPDATES_OF_RECORDING:,}")
    session = open_session(what, target)
    try:
        if record is not None:
            from deltarule.playground.recording import write_recording

            console().print(f"Written: {write_recording(session, record, updates)}", markup=False, soft_wrap=True)
            return
        _serve(session, port, no_browser)
    finally:
        session.close()


def _serve(session: "Session", port: int, no_browser: bool) -> None:
    """Serve the page of a session until Ctrl-C, and open it in the browser."""
    from deltarule.playground.server import PlayServer

    server = PlayServer(session, port)
    console().print(f"Playing at {server.url} (Ctrl-C ends it)", markup=False, soft_wrap=True)
    if not no_browser:
        webbrowser.open(server.url)
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        console().print("Ended.")
    finally:
        server.server_close()
