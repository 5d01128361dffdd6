import contextlib
import http.client
import json
import socket
import sys
import threading
import time
from urllib.parse import urlsplit

import pytest
from playground_examples import decode
from refusals import refuses

from deltarule.errors import RunFailed
from deltarule.playground import picture
from deltarule.playground.server import MAX_BODY_BYTES, MAX_CONNECTIONS, PlayServer


@pytest.fixture
def server(session):
    made = PlayServer(session)
    made.start()
    yield made
    made.shutdown()
    made.server_close()


def ask(server, method, path, body=None, **headers):
    connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=60)
    connection.request(method, path, body, {name.replace("_", "-"): value for name, value in headers.items()})
    answer = connection.getresponse()
    content = answer.read()
    connection.close()
    return answer, content


def post(server, name, table, **headers):
    body = table if isinstance(table, bytes) else json.dumps(table).encode()
    path = urlsplit(server.url).path + name
    return ask(server, "POST", path, body, **{"Content_Type": "application/json", **headers})


def test_page_and_policy(server):
    path = urlsplit(server.url).path
    for name, kind in (("", "text/html"), ("workbench.js", "text/javascript"), ("style.css", "text/css")):
        answer, content = ask(server, "GET", path + name)
        assert (answer.status, answer.headers.get_content_type()) == (200, kind) and content
        policy = answer.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy and "unsafe" not in policy.replace("'wasm-unsafe-eval'", "")


@pytest.mark.parametrize("path", ["/", "/wrong/", "/frame", "//frame", "/%2e%2e/"])
def test_secret_address(server, path):
    for method in ("GET", "POST"):
        assert ask(server, method, path, b"{}")[0].status == 403


@pytest.mark.parametrize("name", ["../server.py", "..%2fserver.py", "server.py", "..\\server.py", "a/b.js", "none.js"])
def test_no_other_files(server, name):
    answer, content = ask(server, "GET", urlsplit(server.url).path + name)
    assert answer.status in (403, 404) and b"import" not in content


@pytest.mark.parametrize(
    "headers",
    [{"Host": "evil.example"}, {"Origin": "http://evil.example"}, {"Origin": "null"}],
    ids=["rebound name", "another page", "sandboxed page"],
)
def test_foreign_origin(server, headers):
    answer, content = post(server, "play", {}, **headers)
    assert answer.status == 403 and b"this machine alone" in content
    assert not server.session.workbench.is_playing
    assert ask(server, "GET", urlsplit(server.url).path, **headers)[0].status == 403


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data"])
def test_foreign_form(server, kind):
    answer, _ = post(server, "play", {}, Content_Type=kind)
    assert answer.status == 415 and not server.session.workbench.is_playing


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[1]", b"3", b"\xff\xfe", b"[" * 100_000], ids=lambda body: repr(body[:4])
)
def test_bad_body(server, body):
    assert post(server, "step", body)[0].status == 400


def test_large_body(server):
    connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=60)
    connection.putrequest("POST", urlsplit(server.url).path + "own-data")
    connection.putheader("Content-Type", "application/json")
    connection.putheader("Content-Length", str(MAX_BODY_BYTES + 1))
    connection.endheaders()
    answer = connection.getresponse()
    assert answer.status == 413 and b"`deltarule train`" in answer.read()
    connection.close()


def test_unexpected_error(server, monkeypatch):
    post(server, "play", {})
    with monkeypatch.context() as patched:
        patched.setattr(picture, "draw", lambda *given: 1 / 0)
        answer, content = post(server, "frame", {})
        assert answer.status == 422 and content == b"a picture failed: division by zero; change a setting, or reset it"
    assert not server.session.workbench.is_playing
    assert post(server, "reset", {})[0].status == 200
    assert decode(post(server, "frame", {})[1])[0]["failure"] == ""


def test_frame_waits_for_news(server):
    seen = [0, server.session.workbench.version, False]
    timer = threading.Timer(0.2, lambda: server.session.command("step", {}))
    timer.start()
    header, _ = decode(post(server, "frame", {"seen": seen})[1])
    timer.join()
    if header["step"] == 0:  # the news was that it plays
        seen = [0, header["version"], header["playing"]]
        header, _ = decode(post(server, "frame", {"seen": seen})[1])
    assert header["step"] == 1


def test_taken_port(server, session):
    with refuses(server.server_port, error=RunFailed):
        PlayServer(session, server.server_port)


def test_launch_file_is_for_the_browser_alone(server, tmp_path):
    file = server.write_launch_file(tmp_path)
    assert server.url in file.read_text() and (sys.platform == "win32" or file.stat().st_mode & 0o077 == 0)
    ask(server, "GET", "/wrong/")
    assert file.exists()
    ask(server, "GET", urlsplit(server.url).path)
    assert not file.exists()


@pytest.mark.parametrize(
    "sent",
    [
        b"POST %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nContent-Length: " + b"9" * 5000 + b"\r\n\r\n",
        b"POST %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nContent-Type: application/json\r\nContent-Length: 99\r\n\r\n{",
        b"GET %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n" + b"A: b\r\n" * 200 + b"\r\n",
        b"\0\xff" * 500,
        b"GET " + b"a" * 70_000,
    ],
    ids=["long length", "cut body", "many headers", "no request", "long line"],
)
def test_broken_requests_print_nothing(server, sent, capfd):
    path = urlsplit(server.url).path.encode()
    with socket.create_connection(server.server_address, timeout=60) as connection:
        connection.sendall(sent.replace(b"%s", path).replace(b"%d", str(server.server_port).encode()))
        connection.shutdown(socket.SHUT_WR)
        with contextlib.suppress(ConnectionError):
            while connection.recv(4096):
                pass
    assert capfd.readouterr() == ("", "")


def test_connections_beyond_the_limit_are_closed_and_others_served_afterwards(server):
    address = "127.0.0.1", server.server_port
    held = [socket.create_connection(address, 60) for _ in range(MAX_CONNECTIONS + 6)]
    assert held[-1].recv(1) == b""
    for connection in held:
        connection.close()
    for _ in range(100):  # threads end one after the other
        with contextlib.suppress(OSError, http.client.HTTPException):
            if ask(server, "GET", urlsplit(server.url).path)[0].status == 200:
                return
        time.sleep(0.1)
    pytest.fail("nobody is served")
