"""Targets for published images: IDX files, compressed files and archives."""

import gzip
import io
import lzma
import tarfile

from hostile.target import Target, scratch, write_scratch


def _idx_files() -> list[bytes]:
    import numpy as np

    from deltarule.data.idx import to_idx

    return [to_idx(np.arange(12, dtype=np.uint8).reshape(shape)) for shape in ((12,), (3, 2, 2), (0, 4, 3))[:2]]


def _read_idx(content: bytes) -> None:
    from deltarule.data.images import parse_published_file
    from deltarule.data.published import MNIST

    for file in MNIST.files[:2]:
        parse_published_file(MNIST, file, content, "f")


def _compressed() -> list[bytes]:
    content = bytes(range(200))
    return [content, gzip.compress(content, mtime=0), lzma.compress(content), gzip.compress(b"", mtime=0)]


def _read_compressed(content: bytes) -> None:
    from deltarule.data.compressed import read_decompressed

    assert len(read_decompressed(write_scratch("c", content), max_bytes=1000)) <= 1001


def _archives() -> list[bytes]:
    from deltarule.data.published import CIFAR10

    made = []
    for kind, form in ((":", tarfile.PAX_FORMAT), (":gz", tarfile.GNU_FORMAT), (":", tarfile.GNU_FORMAT)):
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode=f"w{kind}", format=form) as tar:  # type: ignore[call-overload]  # a mode that is put together
            for file in CIFAR10.files:
                member = tarfile.TarInfo(f"cifar-10-batches-bin/{file.name}")
                member.size = 3073
                member.pax_headers = {"comment": "x"}
                tar.addfile(member, io.BytesIO(bytes(3073)))
        made.append(buffer.getvalue())
    return made


def _read_archive(content: bytes) -> None:
    from deltarule.data.cache import Place
    from deltarule.data.images import read_images
    from deltarule.data.published import CIFAR10

    read_images(CIFAR10, Place(scratch(), {}, archive=write_scratch("cifar.tar", content)))


TARGETS = (
    Target("idx", _idx_files, _read_idx, 200),
    Target("compressed", _compressed, _read_compressed, 120),
    Target("archive", _archives, _read_archive, 50),
)
