"""Looking for data sets and downloading them, from real servers on this machine."""

import functools
import gzip
import hashlib
import http.server
import socket
import tarfile
import threading
from dataclasses import replace

import pytest
from refusals import refuses

from deltarule.data.cache import VARIABLE, fetch, find
from deltarule.data.images import load_published, read_images
from deltarule.errors import RunFailed


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *about):
        pass


class CutOff(Quiet):
    """Promises more than it sends."""

    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", "100000")
        self.end_headers()
        self.wfile.write(b"\x1f\x8b only a part")


@pytest.fixture
def mirror():
    """Serve a folder, or answer as a handler does; gives the address."""
    servers = []

    def serve(handler):
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        servers.append(server)
        return f"http://127.0.0.1:{server.server_address[1]}/"

    yield serve
    for server in servers:
        server.shutdown()
        server.server_close()


def served(digits, folder):
    """The data set as files of a mirror, and the record of what it serves."""
    folder.mkdir()
    packed = {f"{name}.gz": gzip.compress(content) for name, content in digits.contents.items()}
    for name, content in packed.items():
        (folder / name).write_bytes(content)
    downloads = {name: hashlib.sha256(content).hexdigest() for name, content in packed.items()}
    return functools.partial(Quiet, directory=folder), replace(digits.published, downloads=downloads)


def test_the_first_mirror_that_sends_the_published_files_counts(digits, mirror, tmp_path, monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.delenv(VARIABLE, raising=False)
    handler, published = served(digits, tmp_path / "mirror")
    (tmp_path / "wrong").mkdir()
    for name in published.downloads:
        (tmp_path / "wrong" / name).write_bytes(b"<html>not here</html>")
    (tmp_path / "empty").mkdir()
    wrong = functools.partial(Quiet, directory=tmp_path / "wrong")
    missing = functools.partial(Quiet, directory=tmp_path / "empty")
    mirrors = tuple(map(mirror, (missing, CutOff, wrong, handler)))
    cache = tmp_path / "cache" / "mnist"
    assert fetch(replace(published, mirrors=mirrors), cache) == cache
    assert sorted(path.name for path in cache.iterdir()) == sorted(published.downloads)
    place = find(published, cache=tmp_path / "cache")
    assert len(read_images(published, place).train) == 3
    fetch(replace(published, mirrors=(mirror(missing),)), cache)  # nothing is left to download


def test_a_downloaded_archive_is_unpacked(photos, mirror, tmp_path, monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.delenv(VARIABLE, raising=False)
    [name], folder = photos.published.downloads, tmp_path / "cifar-10-batches-bin"
    folder.mkdir()
    for file, content in photos.contents.items():
        (folder / file).write_bytes(content)
    with tarfile.open(tmp_path / name, "w:gz") as archive:
        archive.add(folder, folder.name)
    digest = hashlib.sha256((tmp_path / name).read_bytes()).hexdigest()
    address = mirror(functools.partial(Quiet, directory=tmp_path))
    published = replace(photos.published, downloads={name: digest}, mirrors=(address,))
    fetch(published, tmp_path / "cache" / "cifar10")
    assert len(read_images(published, find(published, cache=tmp_path / "cache")).train) == 10


@pytest.mark.parametrize("kind", ["missing", "cut off", "wrong", "nobody"])
def test_a_download_that_fails_leaves_nothing(digits, mirror, tmp_path, monkeypatch, kind):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    handler, published = served(digits, tmp_path / "mirror")
    for name in published.downloads:
        (tmp_path / "mirror" / name).write_bytes(b"another file")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        nobody = f"http://127.0.0.1:{free.getsockname()[1]}/"
    empty = functools.partial(Quiet, directory=tmp_path)
    address, told = {
        "missing": (lambda: mirror(empty), "404"),
        "cut off": (lambda: mirror(CutOff), "IncompleteRead"),
        "wrong": (lambda: mirror(handler), "does not match the known hash"),
        "nobody": (lambda: nobody, "refused"),
    }[kind]
    with refuses("mnist", "--data", told, error=RunFailed):
        fetch(replace(published, mirrors=(address(),)), tmp_path / "cache")
    assert list((tmp_path / "cache").iterdir()) == []


def test_the_named_folder_comes_first_then_the_variable_then_the_cache(digits, tmp_path, monkeypatch):
    for name in ("named", "variable", "cache/mnist"):
        (tmp_path / name).mkdir(parents=True)
        for file, content in digits.contents.items():
            (tmp_path / name / file).write_bytes(content)
    monkeypatch.setenv(VARIABLE, str(tmp_path / "variable"))

    def found(folder=None):
        return find(digits.published, folder, cache=tmp_path / "cache").folder.relative_to(tmp_path).as_posix()

    assert found(tmp_path / "named") == "named" and found() == "variable"
    monkeypatch.delenv(VARIABLE)
    assert found() == "cache/mnist"
    (tmp_path / "nothing").mkdir()
    assert found(tmp_path / "nothing") == "cache/mnist"


def test_a_folder_that_does_not_exist_is_reported(digits, tmp_path, monkeypatch):
    with refuses(tmp_path / "nowhere"):
        find(digits.published, tmp_path / "nowhere")
    monkeypatch.setenv(VARIABLE, str(tmp_path / "nowhere"))
    with refuses(VARIABLE, tmp_path / "nowhere"):
        find(digits.published)


def test_a_download_that_has_been_damaged_is_made_again_and_no_other(digits, mirror, tmp_path, monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    handler, published = served(digits, tmp_path / "mirror")
    published = replace(published, mirrors=(mirror(handler),))
    fetch(published, tmp_path / "cache")
    name, *others = published.downloads
    whole = (tmp_path / "cache" / name).read_bytes()
    (tmp_path / "cache" / name).write_bytes(whole[:-1])
    for other in others:
        (tmp_path / "mirror" / other).unlink()
    fetch(published, tmp_path / "cache")
    assert (tmp_path / "cache" / name).read_bytes() == whole


def test_a_download_that_broke_off_is_gone_on_with(digits, mirror, tmp_path, monkeypatch):
    """And one that another process is at: the cache is nobody's own folder, of which some files might be forgotten."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.delenv(VARIABLE, raising=False)
    monkeypatch.setattr("deltarule.data.cache.cache_folder", lambda: tmp_path / "cache")
    handler, published = served(digits, tmp_path / "mirror")
    published = replace(published, mirrors=(mirror(handler),))
    *_, last = published.downloads
    (tmp_path / "mirror" / last).rename(tmp_path / "away")
    for _ in range(2):
        with refuses(last, "mnist", error=RunFailed):
            load_published(published)
    assert find(published) is None and len(list((tmp_path / "cache" / "mnist").iterdir())) == 3
    (tmp_path / "away").rename(tmp_path / "mirror" / last)
    assert len(load_published(published).train) == 3
