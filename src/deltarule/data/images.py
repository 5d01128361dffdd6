"""Load the published image sets from their files.

N images · D pixels, 0 to 255, kept as bytes.    x [N, D]    labels [N]
"""

import gzip
import hashlib
import lzma
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from deltarule.data.cache import DataFolder, fetch, find, missing_file
from deltarule.data.dataset import Dataset, Rows
from deltarule.data.published import Published
from deltarule.errors import BadInput

MAX_FILE_BYTES = 2**26
"""More than any published file has: what decompresses to more is not read to its end."""


def load_published(published: Published, data_dir: str | Path | None = None) -> Dataset:
    """All images of a published data set as bytes, downloaded if necessary.

    `data_dir` is searched before the folder of DELTARULE_DATA and the cache. A folder that the user named must hold
    the files, or the cache does: nothing is downloaded in its place.
    """
    place = find(published, data_dir)
    if place is None and data_dir is not None:
        raise BadInput(
            f"{data_dir} lacks {missing_file(published, Path(data_dir))} of {published.name} (plain, .gz or .xz); put "
            "it there, or leave out --data to download it"
        )
    place = place or find(published, fetch(published).parent)
    assert place is not None, "downloaded files are found"
    return read_images(published, place)


def read_images(published: Published, place: DataFolder) -> Dataset:
    with ThreadPoolExecutor() as threads:  # xz takes seconds, and does not block other threads
        read = threads.map(lambda name: read_published_file(published, name, place.files[name]), place.files)
        arrays = dict(zip(place.files, read, strict=True))
    if "test_batch.bin" in arrays:
        train = np.concatenate([arrays[f"data_batch_{number}.bin"] for number in range(1, 6)])
        records = {"train": train, "test": arrays["test_batch.bin"]}
        parts = {part: Rows(np.ascontiguousarray(rows[:, 1:]), labels=rows[:, 0]) for part, rows in records.items()}
    else:
        parts = {}
        for part, prefix in (("train", "train"), ("test", "t10k")):
            images, labels = arrays[f"{prefix}-images-idx3-ubyte"], arrays[f"{prefix}-labels-idx1-ubyte"]
            parts[part] = Rows(images.reshape(len(images), -1), labels=labels)
    counts = " and ".join(f"{len(rows):,} {part} images" for part, rows in parts.items())
    return Dataset(
        name=published.name,
        train=parts["train"],
        test=parts["test"],
        features=published.features,
        classes=published.classes,
        note=f"{counts} of {published.name}, read from {place}; every digest is that of the published file.",
        image=published.image,
    )


def read_published_file(published: Published, name: str, path: Path) -> np.ndarray:
    """Read a file of MNIST or CIFAR-10 as images, labels or records.

    Sources: LeCun, Cortes & Burges, The MNIST database, 1998; Krizhevsky, Learning multiple layers of features from
    tiny images, 2009.
    """
    content = _read_decompressed(path)
    digest = hashlib.sha256(content).hexdigest()
    if digest not in published.files[name]:
        known = " or ".join(allowed[:12] + "…" for allowed in published.files[name])
        raise BadInput(f"{path} is not the published {name}: its content has the SHA-256 {digest[:12]}…, not {known}")
    if name.endswith(".bin"):  # a label, then 32 × 32 pixels, red, then green, then blue
        return np.frombuffer(content, np.uint8).reshape(-1, 1 + 3 * 32 * 32)
    dimensions = content[3]  # after two zero bytes and the type of the numbers; then the sizes follow
    sizes = np.frombuffer(content, ">u4", dimensions, offset=4)
    return np.frombuffer(content, np.uint8, offset=4 + 4 * dimensions).reshape(sizes)


def _read_decompressed(path: Path) -> bytes:
    """Read a file that may be compressed by gzip or xz, whatever its ending says."""
    try:
        begin = path.open("rb").read(6)
        open_file = gzip.open if begin[:2] == b"\x1f\x8b" else lzma.open if begin == b"\xfd7zXZ\x00" else Path.open
        with open_file(path, "rb") as file:
            return file.read(MAX_FILE_BYTES)
    except (OSError, EOFError, zlib.error, lzma.LZMAError) as error:
        raise BadInput(f"{path} cannot be read ({str(error).rstrip('.')}); get it again") from error
