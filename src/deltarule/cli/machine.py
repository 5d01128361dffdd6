"""The commands about this machine, data and doctor, and those that open pages, play and learn."""

import webbrowser
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from deltarule.cli.options import Data, Json, argument, option
from deltarule.cli.output import Result, Shown, headline, show
from deltarule.cli.output_paths import Output
from deltarule.data.cache import fetch, find
from deltarule.data.published import PUBLISHED, Published
from deltarule.doctor import examine
from deltarule.errors import BadInput, one_line
from deltarule.learn.pages import write_lessons
from deltarule.platforms import cache_folder

if TYPE_CHECKING:
    from deltarule.playground.session import Session


# --- data and doctor --------------------------------------------------------------------------------------------------

Action = Annotated[Literal["list", "fetch", "check"], argument("list|fetch|check", "Show, download or verify.")]
Names = Annotated[list[str] | None, argument("NAME", "mnist, fashion-mnist or cifar10.")]


def data(action: Action, names: Names = None, data: Data = None, json: Json = False) -> Result:
    """List the published image sets, download them, or verify every file."""
    if action == "fetch" and not names:
        raise BadInput("no data set is named; say which to download, as in deltarule data fetch mnist")
    for name in names or ():
        if name not in PUBLISHED:
            raise BadInput(f"there is no published data set '{name}'; there are: {', '.join(PUBLISHED)}")
    chosen = [PUBLISHED[name] for name in names or PUBLISHED]
    if action == "fetch":
        for published in chosen:
            fetch(published)
    data_sets = [_find_and_verify(published, data, action != "list", bool(names)) for published in chosen]
    return Result({"data": data_sets}, _data_lines(data_sets))


def _find_and_verify(published: Published, folder: Path | None, should_read: bool, is_required: bool) -> dict[str, Any]:
    """Where a data set is, and if it was read and verified the numbers of its images."""
    from deltarule.data import images

    place = find(published, folder)
    if place is None and should_read and is_required:
        raise BadInput(f"{published.name} is not here; get it with deltarule data fetch {published.name}")
    counts: dict[str, int | None] = {"train": None, "test": None}
    if place is not None and should_read:
        whole = images.read_images(published, place)
        counts = {"train": len(whole.train), "test": 0 if whole.test is None else len(whole.test)}
    return {"name": published.name, "about": published.about, "place": place and str(place), **counts}


def _data_lines(data_sets: list[dict[str, Any]]) -> Shown:
    for data_set in data_sets:
        yield headline(data_set["name"], data_set["about"])
        if data_set["place"] is None:
            yield f"  not here; get it with: deltarule data fetch {data_set['name']}"
        else:
            counts = "{train:,} training and {test:,} test images, every digest right"
            yield f"  in {data_set['place']}" + (f": {counts.format(**data_set)}" if data_set["train"] else "")


def doctor(json: Json = False) -> Result:
    """Show versions, processor, BLAS, engines, optional libraries, data and caches."""
    from deltarule.json_files import to_jsonable
    from deltarule.reports.summaries import describe_computer

    record = to_jsonable(examine())
    return Result(record, [describe_computer(record)])


# --- play -------------------------------------------------------------------------------------------------------------

What = Annotated[str | None, argument("WHAT", "A study, data set, table (CSV) or recipe (TOML); default: spirals.")]
Target = Annotated[str | None, option("--target", "Column of the table to predict.", "COLUMN")]
Port = Annotated[int, option("--port", "Port on this machine; 0 for any free one.", "P", min=0, max=65_535)]
NoBrowser = Annotated[bool, option("--no-browser", "Print the address, and open no browser.")]
Map = Annotated[bool, option("--map", "Show which learning rates and first weights can be trained.")]
Page = Annotated[
    Path | None,
    option("--page", "Write one page that trains by itself, without Python.", "FILE"),
    Output("page", has_folder_made=True),
]


def play(
    what: What = None,
    target: Target = None,
    port: Port = 0,
    no_browser: NoBrowser = False,
    page: Page = None,
    map: Map = False,
) -> Result:
    """Watch networks learn, live, in the browser, and change anything.

    Nothing leaves this machine. Ctrl-C ends it.
    """
    from deltarule.playground.own_page import write_page
    from deltarule.playground.play import open_session

    session = open_session(what, target)
    try:
        if page is not None:
            file = write_page(session.workbench.moment.recipe, page, "map=" if map else "")
            return Result(None, [f"Written: {file}"])
        _serve(session, port, no_browser, "#map=" if map else "")
        return Result(None)
    finally:
        session.close()


def _serve(session: "Session", port: int, no_browser: bool, hash: str) -> None:
    """Serve the page of a session until Ctrl-C, and open it in the browser; its address ends in `hash`."""
    from deltarule.playground.server import PlayServer

    server = PlayServer(session, port, hash)
    show([f"Playing at {server.url}{hash} (Ctrl-C ends it)"])
    if not no_browser:
        webbrowser.open(server.write_launch_file(cache_folder()).as_uri())
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        show(["Ended."])
    finally:
        server.server_close()


Folder = Annotated[Path, argument("FOLDER", "Where to write them."), Output("folder of lessons", is_folder=True)]


def learn(folder: Folder = Path("lessons")) -> Result:
    """Write lessons on backpropagation, with worksheets and exercises, as pages for the browser."""
    files = write_lessons(folder)
    exercises = "Beside each page lies its exercise, as a script and as a notebook; those that were there are kept."
    start = f"Begin with {files[0].name} in a browser. Run the exercises in their folder: cd {one_line(folder)}"
    return Result(None, [*(f"Written: {one_line(file)}" for file in files), exercises, start])
