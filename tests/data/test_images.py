import gzip
import lzma
import os

import numpy as np
import pytest

from deltarule.data import images
from deltarule.data.cache import find
from deltarule.data.published import PUBLISHED
from deltarule.errors import BadInput

WRITERS = {"": bytes, ".gz": gzip.compress, ".xz": lzma.compress}


def write(folder, contents, ending=""):
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in contents.items():
        (folder / (name + ending)).write_bytes(WRITERS[ending](content))


def loaded(made, folder):
    return images.load_published(made.published, folder)


@pytest.mark.parametrize("ending", WRITERS)
@pytest.mark.parametrize("inside", [".", "mnist", "MNIST/raw"])
def test_idx_files_in_every_form_and_place(digits, tmp_path, ending, inside):
    write(tmp_path / inside, digits.contents, ending)
    dataset = loaded(digits, tmp_path)
    assert dataset.train.x.dtype == np.uint8  # an image takes its 784 bytes until a problem is made of it
    expected = np.frombuffer(digits.contents["train-images-idx3-ubyte"], np.uint8, offset=16).reshape(3, 784)
    assert np.array_equal(dataset.train.x, expected) and len(dataset.test) == 2
    assert dataset.test.labels.tolist() == list(digits.contents["t10k-labels-idx1-ubyte"][8:])


def test_an_ending_may_lie_about_the_compression(digits, tmp_path):
    for name, content in digits.contents.items():
        (tmp_path / f"{name}.gz").write_bytes(content)
    assert len(loaded(digits, tmp_path).train) == 3


@pytest.mark.parametrize("ending", WRITERS)
def test_photos_in_every_form(photos, tmp_path, ending):
    write(tmp_path / "cifar-10-batches-bin", photos.contents, ending)
    dataset = loaded(photos, tmp_path)
    assert len(dataset.train) == 10 and dataset.train.x.dtype == np.uint8
    assert dataset.train.labels.tolist() == [
        label for name in sorted(photos.contents)[:5] for label in photos.contents[name][::3073]
    ]


def test_damaged_files_are_named(digits, tmp_path):
    name = "train-images-idx3-ubyte"
    whole = digits.contents[name]
    flipped = bytearray(whole)
    flipped[700] ^= 1
    damages = {
        gzip.compress(whole)[:-20]: "cannot be read",
        lzma.compress(whole)[:-20]: "cannot be read",
        gzip.compress(whole)[:30] + b"damaged" + gzip.compress(whole)[37:]: "cannot be read",
        whole[:-1]: "its content has the SHA-256",
        bytes(flipped): "its content has the SHA-256",
        b"": "its content has the SHA-256",
    }
    for content, sentence in damages.items():
        write(tmp_path, digits.contents)
        (tmp_path / name).write_bytes(content)
        with pytest.raises(BadInput, match=sentence) as error:
            loaded(digits, tmp_path)
        assert str(tmp_path / name) in str(error.value)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "first"), [("mnist", 5923), ("cifar10", 5000), ("fashion-mnist", 6000)])
def test_real_files_are_whole_where_there_are_any(name, first):
    # How many training images the first class has is published with each of the sets.
    published = PUBLISHED[name]
    place = find(published)
    assert place is not None or name == "fashion-mnist" or "DELTARULE_DATA" not in os.environ
    if place is not None:
        dataset = images.read_images(published, place)
        assert int((dataset.train.labels == 0).sum()) == first
        assert len(dataset.train) == (50_000 if name == "cifar10" else 60_000)
