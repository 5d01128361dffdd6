"""Load the published image sets from their files; errors name the files that are damaged.

N images · D pixels, 0 to 255, kept as bytes.    x [N, D]    labels [N]
"""

import gzip
import hashlib
import tarfile
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from io import BufferedReader
from pathlib import Path
from typing import Any

import numpy as np

from deltarule.data.cache import Place, fetch, find
from deltarule.data.cifar import parse_cifar_records
from deltarule.data.compressed import GZIP, decompressed_stream, read_decompressed
from deltarule.data.dataset import Dataset, Rows
from deltarule.data.idx import parse_idx, to_idx
from deltarule.data.published import CIFAR10, FASHION_MNIST, MNIST, PUBLISHED, File, Published
from deltarule.errors import BadInput

ARRAYS = {
    "train-images-idx3-ubyte": "x_train",
    "train-labels-idx1-ubyte": "y_train",
    "t10k-images-idx3-ubyte": "x_test",
    "t10k-labels-idx1-ubyte": "y_test",
}
"""The arrays of Keras's mnist.npz that have the content of the published files."""


def mnist(data_dir: str | Path | None = None) -> Dataset:
    """70,000 handwritten digits of 28 × 28 pixels (0 to 255), 10 classes: 60,000 to train on, 10,000 for testing.

    Source: LeCun, Cortes & Burges, The MNIST database, 1998.
    """
    return load_published(MNIST, data_dir)


def fashion_mnist(data_dir: str | Path | None = None) -> Dataset:
    """70,000 pieces of clothing of 28 × 28 pixels (0 to 255), 10 classes: 60,000 to train on, 10,000 for testing.

    Source: Xiao, Rasul & Vollgraf, Fashion-MNIST, 2017.
    """
    return load_published(FASHION_MNIST, data_dir)


def cifar10(data_dir: str | Path | None = None) -> Dataset:
    """60,000 photographs of 32 × 32 pixels in three colors (0 to 255), 10 classes: 50,000 to train on.

    Source: Krizhevsky, Learning multiple layers of features from tiny images, 2009.
    """
    return load_published(CIFAR10, data_dir)


def load_published(published: Published, data_dir: str | Path | None = None) -> Dataset:
    """Load a published data set, downloaded if necessary.

    Parameters: `data_dir`, a folder to search before the folder of DELTARULE_DATA, the cache and the system's folders.
    Returns: all images as bytes, in training and test rows.
    Errors: `BadInput` for files that are incomplete, damaged, or those of another data set; `RunFailed` if they are
    not found and cannot be downloaded.
    """
    place = find(published, data_dir) or find(published, fetch(published).parent)
    assert place is not None, "downloaded files are found"
    return read_images(published, place)


def read_images(published: Published, place: Place) -> Dataset:
    """Read and check the files of a data set in the place where they were found.

    Errors: `BadInput` for the first file that is not the published one, with the reason and a remedy.
    """
    contents = {
        file.name: parse_published_file(published, file, *content) for file, content in _read_contents(published, place)
    }
    parts = _idx_parts(contents) if published.archive is None else _cifar_parts(contents)
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


def parse_published_file(published: Published, file: File, content: bytes, where: str) -> np.ndarray:
    """Parse a published file's bytes to a uint8 array; raise `BadInput` for a wrong format, label or digest.

    Parameters: `content`, decompressed; `where`, its name in error messages.
    Returns: images [N, rows, columns] or labels [N] of an IDX file, records [N, 1 + 3072] of CIFAR-10; uint8.
    Errors: `BadInput` if a check fails.
    """
    if published.archive is None:
        array = parse_idx(content, where, 1 if "labels" in file.name else 3)
        labels = array if array.ndim == 1 else array[:0, 0, 0]
    else:
        array = parse_cifar_records(content, where)
        labels = array[:, 0]
    if (labels >= len(published.classes)).any():
        image = int(np.argmax(labels >= len(published.classes)))
        raise BadInput(
            f"{where} has the label {labels[image]} at image {image} (counted from 0), outside the "
            f"{len(published.classes)} classes of {published.name}: it is damaged; get it again"
        )
    digest = hashlib.sha256(content).hexdigest()
    if digest not in file.contents:
        raise BadInput(_wrong_file_message(published, file, digest, where))
    return array


def _wrong_file_message(published: Published, file: File, digest: str, where: str) -> str:
    """The message for a file with another digest, which says so if it is another published file."""
    for other in PUBLISHED.values():
        for other_file in other.files:
            if digest in other_file.contents:
                return (
                    f"{where} is the file {other_file.name} of {other.name}, not {file.name} of {published.name}; "
                    "keep the data sets in folders of their own"
                )
    return (
        f"{where} is not the published {file.name} of {published.name}: its content has the SHA-256 {digest[:12]}…, "
        f"not {' or '.join(known[:12] + '…' for known in file.contents)}; get it again"
    )


def _read_contents(published: Published, place: Place) -> Iterator[tuple[File, tuple[bytes, str]]]:
    """Read each file of a data set: yield its decompressed content, and its name in error messages."""
    if place.archive is not None:
        yield from _read_archive(published, place.archive)
    elif place.arrays is not None:
        yield from _read_npz(published, place.arrays)
    else:
        paths = [place.files[file.name] for file in published.files]
        with ThreadPoolExecutor() as threads:  # xz takes seconds, and does not block other threads
            contents = threads.map(read_decompressed, paths, [file.max_bytes for file in published.files])
            yield from zip(published.files, zip(contents, map(str, paths), strict=True), strict=True)


def _read_archive(published: Published, path: Path) -> Iterator[tuple[File, tuple[bytes, str]]]:
    """Read the files of a data set from a tar archive in one pass, without unpacking it to disk."""
    missing = {file.name: file for file in published.files}
    try:
        with _open_decompressed(path) as stream, _open_tar(stream) as archive:
            for member in archive:
                name = Path(member.name).name
                content = archive.extractfile(member) if name in missing and member.isfile() else None
                if content is not None:
                    file, where = missing.pop(name), f"{path}, {member.name}"
                    yield file, (decompressed_stream(content, where, file.max_bytes), where)
    except BadInput:
        raise
    except (tarfile.TarError, EOFError, OSError, ValueError, OverflowError, zlib.error) as error:
        raise BadInput(f"{path} is no whole archive ({str(error).rstrip('.')}); get it again") from error
    if missing:
        raise BadInput(f"{path} lacks {', '.join(missing)}; get it again")


def _open_decompressed(path: Path) -> gzip.GzipFile | BufferedReader:
    """Open a file to read its bytes, decompressed if it is in gzip's format."""
    with path.open("rb") as file:
        is_compressed = file.read(len(GZIP)) == GZIP
    return gzip.open(path) if is_compressed else path.open("rb")


def _open_tar(stream: Any) -> tarfile.TarFile:
    return tarfile.open(fileobj=stream, mode="r:")


def _read_npz(published: Published, path: Path) -> Iterator[tuple[File, tuple[bytes, str]]]:
    """Read the arrays of Keras's mnist.npz, and yield the content that the published files would have."""
    try:
        with np.load(path, allow_pickle=False) as archive:
            arrays = {name: np.asarray(archive[name]) for name in archive.files}
    except BadInput:
        raise
    except Exception as error:  # damaged files raise a dozen kinds of exceptions
        raise BadInput(f"{path} is no npz file of plain arrays, or damaged; get it again") from error
    for file in published.files:
        name = ARRAYS[file.name]
        if name not in arrays or arrays[name].dtype != np.uint8:
            raise BadInput(f"{path} has no array {name} of bytes; give the mnist.npz that Keras downloads")
        yield file, (to_idx(arrays[name]), f"{path}, {name}")


def _idx_parts(contents: dict[str, np.ndarray]) -> dict[str, Rows]:
    """Combine the arrays of MNIST's four files, by file name, into rows by part, "train" and "test"."""
    parts = {}
    for part, prefix in (("train", "train"), ("test", "t10k")):
        images, labels = contents[f"{prefix}-images-idx3-ubyte"], contents[f"{prefix}-labels-idx1-ubyte"]
        parts[part] = Rows(images.reshape(len(images), -1), labels=labels)
    return parts


def _cifar_parts(contents: dict[str, np.ndarray]) -> dict[str, Rows]:
    """Combine the records of CIFAR-10's six files, by file name, into rows by part, "train" and "test"."""
    train = np.concatenate([contents[f"data_batch_{number}.bin"] for number in range(1, 6)])
    records = {"train": train, "test": contents["test_batch.bin"]}
    return {part: Rows(np.ascontiguousarray(rows[:, 1:]), labels=rows[:, 0]) for part, rows in records.items()}
