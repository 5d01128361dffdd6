"""The target for archives of published images."""

import io
import tarfile

from hostile.target import Target, scratch, write_scratch


def _archives() -> list[bytes]:
    from deltarule.data.published import CIFAR10

    made = []
    for kind, form in ((":", tarfile.PAX_FORMAT), (":gz", tarfile.GNU_FORMAT), (":", tarfile.GNU_FORMAT)):
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode=f"w{kind}", format=form) as tar:  # type: ignore[call-overload]  # a mode that is put together
            for name in CIFAR10.files:
                member = tarfile.TarInfo(f"cifar-10-batches-bin/{name}")
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


TARGETS = (Target("archive", _archives, _read_archive, 50),)
