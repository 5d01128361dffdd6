import http.client
import json
import threading
from urllib.parse import urlsplit

import pytest

from deltarule.errors import RunFailed
from deltarule.playground import frame_format, picture
from deltarule.playground.server import MAX_BODY_BYTES, PlayServer


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


def test_it_listens_on_this_machine_alone(server):
    assert server.server_address[0] == "127.0.0.1"


def test_the_page_and_its_modules_are_served_with_a_strict_policy(server):
    path = urlsplit(server.url).path
    for name, kind in (("", "text/html"), ("workbench.js", "text/javascript"), ("style.css", "text/css")):
        answer, content = ask(server, "GET", path + name)
        assert (answer.status, answer.headers.get_content_type()) == (200, kind) and content
        policy = answer.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy and "unsafe" not in policy


@pytest.mark.parametrize("path", ["/", "/wrong/", "/frame", "//frame", "/%2e%2e/"])
def test_without_the_secret_part_nothing_is_served(server, path):
    for method in ("GET", "POST"):
        assert ask(server, method, path, b"{}")[0].status == 403


@pytest.mark.parametrize("name", ["../server.py", "..%2fserver.py", "server.py", "..\\server.py", "a/b.js", "none.js"])
def test_nothing_but_the_page_is_served(server, name):
    answer, content = ask(server, "GET", urlsplit(server.url).path + name)
    assert answer.status in (403, 404) and b"import" not in content


@pytest.mark.parametrize(
    "headers",
    [{"Host": "evil.example"}, {"Origin": "http://evil.example"}, {"Origin": "null"}],
    ids=["rebound name", "another page", "sandboxed page"],
)
def test_another_page_can_start_and_read_nothing(server, headers):
    answer, content = post(server, "play", {}, **headers)
    assert answer.status == 403 and b"this machine alone" in content
    assert not server.session.workbench.is_playing
    assert ask(server, "GET", urlsplit(server.url).path, **headers)[0].status == 403


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data"])
def test_a_form_of_another_page_is_no_command(server, kind):
    answer, _ = post(server, "play", {}, Content_Type=kind)
    assert answer.status == 415 and not server.session.workbench.is_playing


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[1]", b"3", b"\xff\xfe", b"[" * 100_000], ids=lambda body: repr(body[:4])
)
def test_what_is_no_json_object_is_refused(server, body):
    assert post(server, "step", body)[0].status == 400


def test_a_body_that_is_too_large_is_refused_before_it_is_read(server):
    connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=60)
    connection.putrequest("POST", urlsplit(server.url).path + "own-data")
    connection.putheader("Content-Type", "application/json")
    connection.putheader("Content-Length", str(MAX_BODY_BYTES + 1))
    connection.endheaders()
    answer = connection.getresponse()
    assert answer.status == 413 and b"`deltarule train`" in answer.read()
    connection.close()


def test_commands_and_frames(server):
    assert post(server, "step", {"updates": 3})[0].status == 200
    header, _ = frame_format.decode(post(server, "frame", {"member": 2})[1])
    assert (header["step"], header["member"]) == (3, 2)


def test_bad_input_is_a_sentence(server):
    answer, content = post(server, "change", {"settings": {"optimizer.learning_rate": -1}})
    assert answer.status == 422
    assert content.decode().startswith("optimizer.learning_rate is -1; give a number of 0 or more")


def test_an_error_is_shown_and_reset_works(server, monkeypatch):
    post(server, "play", {})
    with monkeypatch.context() as patched:
        patched.setattr(picture, "draw", lambda *given: 1 / 0)
        answer, content = post(server, "frame", {})
        assert answer.status == 422 and content == b"a picture failed: division by zero; change a setting, or reset it"
    assert not server.session.workbench.is_playing
    assert post(server, "reset", {})[0].status == 200
    assert frame_format.decode(post(server, "frame", {})[1])[0]["failure"] == ""


def test_a_frame_waits_for_something_new(server):
    seen = [0, server.session.workbench.version, False]
    timer = threading.Timer(0.2, lambda: server.session.command("step", {}))
    timer.start()
    header, _ = frame_format.decode(post(server, "frame", {"seen": seen})[1])
    timer.join()
    if header["step"] == 0:  # the news was that it plays
        seen = [0, header["version"], header["playing"]]
        header, _ = frame_format.decode(post(server, "frame", {"seen": seen})[1])
    assert header["step"] == 1


def test_two_pages_see_the_same_training(server):
    post(server, "step", {"updates": 5})
    frames = [frame_format.decode(post(server, "frame", {"member": member})[1]) for member in (0, 1)]
    assert [header["step"] for header, _ in frames] == [5, 5]


def test_a_page_that_goes_away_leaves_the_server_running(server):
    connection = http.client.HTTPConnection("127.0.0.1", server.server_port)
    body = json.dumps({"seen": [0, server.session.workbench.version, False]})
    connection.request("POST", urlsplit(server.url).path + "frame", body, {"Content-Type": "application/json"})
    connection.close()
    assert post(server, "step", {})[0].status == 200


def test_a_taken_port_is_a_sentence(server, session):
    with pytest.raises(RunFailed, match=f"the port {server.server_port} cannot be used"):
        PlayServer(session, server.server_port)
