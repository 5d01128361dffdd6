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

    name, about   which it is
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
    seen = [_inspect(published, data, action != "list", bool(names)) for published in chosen]
    if json:
        print_json({"data": seen})
        return
    screen = console()
    for one in seen:
        screen.print(f"[bold]{one.name}[/bold]  {one.about}", markup=True)
        screen.print(f"  {_describe(one)}", soft_wrap=True)


def _select_published(names: list[str] | None) -> "list[Published]":
    for name in names or ():
        if name not in PUBLISHED:
            raise BadInput(f"there is no published data set '{name}'; there are: {', '.join(PUBLISHED)}")
    return [PUBLISHED[name] for name in names or PUBLISHED]


def _inspect(published: "Published", folder: Path | None, read: bool, needed: bool) -> DataSet:
    from deltarule.data import images

    place = find(published, folder)
    if place is None and read and needed:
        raise BadInput(f"{published.name} is not here; get it with deltarule data fetch {published.name}")
    if place is None or not read:
        return DataSet(published.name, published.about, None if place is None else str(place))
    whole = images.read_images(published, place)
    test = 0 if whole.test is None else len(whole.test)
    return DataSet(published.name, published.about, str(place), len(whole.train), test)


def _describe(one: DataSet) -> str:
    if one.place is None:
        return f"not here; get it with: deltarule data fetch {one.name}"
    if one.train is None:
        return f"in {one.place}"
    return f"in {one.place}: {one.train:,} training and {one.test:,} test images, every digest right"
