"""`deltarule data`: list, download or verify the published image sets."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import typer

from deltarule.cli.options import Data, Json
from deltarule.cli.terminal import console, print_json
from deltarule.data.cache import fetch, find
from deltarule.data.published import PUBLISHED, Published
from deltarule.errors import BadInput

Action = Annotated[
    Literal["list", "fetch", "check"],
    typer.Argument(metavar="list|fetch|check", help="Show where they are; download; or verify every digest."),
]
Names = Annotated[list[str] | None, typer.Argument(metavar="NAME", help="mnist, fashion-mnist or cifar10.")]


@dataclass(frozen=True)
class DataSet:
    """A published data set on this machine.

    name, about   its name, and a description of its content
    place         the folder or file where it was found, or None
    train, test   number of images, or None if it was not read
    """

    name: str
    about: str
    place: str | None
    train: int | None = None
    test: int | None = None


def data(action: Action, names: Names = None, data: Data = None, json: Json = False) -> None:
    """List the published image sets, download them, or verify every file."""
    if action == "fetch" and not names:
        raise BadInput("no data set is named; say which to download, as in deltarule data fetch mnist")
    chosen = _select_published(names)
    if action == "fetch":
        for published in chosen:
            fetch(published)
    data_sets = [_find_and_verify(published, data, action != "list", bool(names)) for published in chosen]
    if json:
        print_json({"data": data_sets})
        return
    screen = console()
    for data_set in data_sets:
        screen.print(f"[bold]{data_set.name}[/bold]  {data_set.about}", markup=True)
        screen.print(f"  {_describe_location(data_set)}", soft_wrap=True)


def _select_published(names: list[str] | None) -> "list[Published]":
    for name in names or ():
        if name not in PUBLISHED:
            raise BadInput(f"there is no published data set '{name}'; there are: {', '.join(PUBLISHED)}")
    return [PUBLISHED[name] for name in names or PUBLISHED]


def _find_and_verify(published: "Published", folder: Path | None, should_read: bool, is_required: bool) -> DataSet:
    """Find a data set, and read and verify it if `should_read`."""
    from deltarule.data import images

    place = find(published, folder)
    if place is None and should_read and is_required:
        raise BadInput(f"{published.name} is not here; get it with deltarule data fetch {published.name}")
    if place is None or not should_read:
        return DataSet(published.name, published.about, None if place is None else str(place))
    whole = images.read_images(published, place)
    test = 0 if whole.test is None else len(whole.test)
    return DataSet(published.name, published.about, str(place), len(whole.train), test)


def _describe_location(data_set: DataSet) -> str:
    """Describe where a data set is, and if it was read, how many images it has."""
    if data_set.place is None:
        return f"not here; get it with: deltarule data fetch {data_set.name}"
    if data_set.train is None:
        return f"in {data_set.place}"
    return f"in {data_set.place}: {data_set.train:,} training and {data_set.test:,} test images, every digest right"
