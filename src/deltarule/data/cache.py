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
ENDINGS = (".xz", ".gz", "")
"""What may be appended to a file's name; of several files the uncompressed one is read."""
SECONDS_TO_ANSWER = 30
"""Seconds after which a server that does not answer is given up."""


@dataclass(frozen=True)
class DataFolder:
    """The files of a data set, by name, in a folder."""

    folder: Path
    files: dict[str, Path]

    def __str__(self) -> str:
        return str(self.folder)


def cache_folder() -> Path:
    try:
        return platforms.cache_folder() / "data"
    except RuntimeError:  # a user without a home
        return temporary_folder() / "data"


def find(published: Published, data_dir: str | Path | None = None, cache: Path | None = None) -> DataFolder | None:
    """The first place on this computer that holds a data set's files, or None.

    A folder, `data_dir` or the `cache`, may hold the files themselves, or a folder with a usual name that holds them.
    """
    cached = (cache or cache_folder()) / published.name
    named = data_dir if data_dir is not None else os.environ.get(VARIABLE)
    if named and not Path(named).is_dir():
        origin = "the data folder" if data_dir is not None else f"the folder of {VARIABLE},"
        raise BadInput(f"{origin} {named} does not exist; name a folder, or none for the current one")
    places = [place for folder in (named, cached) if folder for place in _places(published, Path(folder))]
    return next((place for place in places if len(place.files) == len(published.files)), None)


def missing_file(published: Published, data_dir: Path) -> str:
    """The first file that the fullest of a data set's possible folders lacks."""
    fullest = max((place.files for place in _places(published, data_dir)), key=len)
    return next(name for name in published.files if name not in fullest)


def _places(published: Published, folder: Path) -> Iterator[DataFolder]:
    for each in (*(folder / name for name in published.folders), folder):
        paths = ((name, each / (name + ending)) for name in published.files for ending in ENDINGS)
        yield DataFolder(each, {name: path for name, path in paths if path.is_file()})


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
                unpack = pooch.Untar(extract_dir=".") if name.endswith(".tar.gz") else None
                pooch.retrieve(mirror + name, f"sha256:{digest}", name, target, unpack, downloader)
                break
            except (ValueError, OSError) as error:  # a wrong file; an error of the network or the disk
                reason = f"{mirror}: {one_line(error)}"
        else:
            raise RunFailed(f"{name} of {published.name} could not be downloaded ({reason}); give its folder: --data")
    return target
