"""Find or download the files of a published data set."""

import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from deltarule import platforms
from deltarule.data.published import Published
from deltarule.errors import BadInput, RunFailed, one_line
from deltarule.files import make_folder, temporary_folder

VARIABLE = "DELTARULE_DATA"
ENDINGS = ("", ".gz", ".xz")
"""What may be appended to a file's name: uncompressed, gzip, xz."""
SECONDS_TO_ANSWER = 30
"""Seconds after which a server that does not answer is given up."""


@dataclass(frozen=True)
class Place:
    """The files or the archive in which a data set was found."""

    folder: Path
    files: dict[str, Path]
    archive: Path | None = None

    def __str__(self) -> str:
        return str(self.archive or self.folder)


def cache_folder() -> Path:
    try:
        return platforms.cache_folder() / "data"
    except RuntimeError:  # a user without a home
        return temporary_folder() / "data"


def find(published: Published, data_dir: str | Path | None = None, cache: Path | None = None) -> Place | None:
    """The first place on this computer that holds a data set's files, or None.

    A folder, `data_dir` or the `cache`, may hold the files themselves, or a folder with a usual name that holds them.
    """
    cached = (cache or cache_folder()) / published.name
    places = (_find_in_folder(published, folder) for folder in _possible_folders(published, data_dir, cached))
    return next((place for place in places if place is not None), None)


def _possible_folders(published: Published, data_dir: str | Path | None, cached: Path) -> Iterator[Path]:
    named = data_dir if data_dir is not None else os.environ.get(VARIABLE)
    if named:
        if not Path(named).is_dir():
            origin = "the data folder" if data_dir is not None else f"the folder of {VARIABLE},"
            raise BadInput(f"{origin} {named} does not exist; name a folder, or none for the current one")
        yield from (Path(named) / folder for folder in published.folders)
        yield Path(named)
    yield cached


def _find_in_folder(published: Published, folder: Path) -> Place | None:
    """The files of a data set in a folder, or None unless it has all of them."""
    files = {}
    for name in published.files:
        existing = [folder / (name + ending) for ending in ENDINGS if (folder / (name + ending)).is_file()]
        if existing:
            files[name] = existing[0]
    if len(files) == len(published.files):
        return Place(folder, files)
    if published.archive and (folder / published.archive).is_file():
        return Place(folder, {}, archive=folder / published.archive)
    return None


def missing_file(published: Published, data_dir: Path) -> str:
    """The first file that the fullest of a data set's possible folders lacks."""
    folders = [data_dir, *(data_dir / folder for folder in published.folders)]
    lacking = [
        [name for name in published.files if not any((folder / (name + ending)).is_file() for ending in ENDINGS)]
        for folder in folders
    ]
    return min(lacking, key=len)[0]


def fetch(published: Published, folder: Path | None = None) -> Path:
    """Download the missing files of a data set to a folder and return it.

    Files with a wrong digest are not written.
    """
    import pooch

    target = make_folder(folder or cache_folder() / published.name)
    pooch.get_logger().setLevel("INFO" if sys.stderr.isatty() else "ERROR")
    downloader = pooch.HTTPDownloader(timeout=SECONDS_TO_ANSWER)
    for name, digest in published.downloads.items():
        for mirror in published.mirrors:
            try:
                pooch.retrieve(mirror + name, f"sha256:{digest}", name, target, downloader=downloader)
                break
            except (ValueError, OSError) as error:  # a wrong file; an error of the network or the disk
                reason = f"{mirror}: {one_line(error)}"
        else:
            raise RunFailed(
                f"{name} of {published.name} could not be downloaded ({reason}); "
                "try again, or get it elsewhere and name its folder with --data"
            )
    return target
