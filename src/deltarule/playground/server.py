"""The HTTP server of the workbench, for this machine only.

Pages from elsewhere can neither send commands nor read anything: the address holds a random token, Host and Origin are
checked, and a command must be JSON, which no form of another page can send.
"""

import contextlib
import json
import os
import secrets
import tempfile
import threading
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from deltarule.errors import BadInput, RunFailed
from deltarule.files import make_folder
from deltarule.playground.page_bundle import page_file, page_files
from deltarule.playground.session import Session

MAX_BODY_BYTES = 32 * 2**20
"""Enough for a table of tens of thousands of rows."""
FRAME_WAIT_SECONDS = 2.0
"""How long a request for a frame waits until there is something new to draw."""
CONNECTION_TIMEOUT_SECONDS = 10
"""How long a connection may stay silent, in a request or between two."""
MAX_CONNECTIONS = 64
"""Connections at a time; a browser opens six for a page."""
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self'; "
    "img-src 'self' data: blob:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}
CONTENT_TYPES = {"html": "text/html", "js": "text/javascript", "css": "text/css"}


class PlayServer(ThreadingHTTPServer):
    """A server on 127.0.0.1 for one session, at any free port or the given one; `RunFailed` if that is taken."""

    daemon_threads = True
    request_queue_size = MAX_CONNECTIONS

    def __init__(self, session: Session, port: int = 0, hash: str = "") -> None:
        self.session = session
        self.hash = hash
        self.token = secrets.token_urlsafe(16)
        self._free_connections = threading.BoundedSemaphore(MAX_CONNECTIONS)
        self._launch_file: Path | None = None
        try:
            super().__init__(("127.0.0.1", port), _Handler)
        except OSError as error:
            raise RunFailed(f"the port {port} cannot be used: {error}; give another, or none") from None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/{self.token}/"

    def write_launch_file(self, folder: Path) -> Path:
        """A file that leads to the page, for others can read a command line; deleted once it has done so."""
        descriptor, name = tempfile.mkstemp(".html", "play-", make_folder(folder))  # readable for this user alone
        with os.fdopen(descriptor, "w") as file:
            file.write(f'<meta http-equiv="refresh" content="0; url={self.url}{self.hash}">')
        self._launch_file = Path(name)
        return self._launch_file

    def delete_launch_file(self) -> None:
        if self._launch_file is not None:
            self._launch_file.unlink(missing_ok=True)

    def server_close(self) -> None:
        super().server_close()
        self.delete_launch_file()

    def process_request(self, request: Any, client_address: Any) -> None:
        if self._free_connections.acquire(blocking=False):
            super().process_request(request, client_address)
        else:
            self.shutdown_request(request)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._free_connections.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Print nothing of a connection that broke, or sent nonsense."""

    def start(self) -> None:
        threading.Thread(target=self.serve_forever, name="deltarule play server", daemon=True).start()


class _Refusal(Exception):
    """A status and a message in place of an answer."""


class _Handler(BaseHTTPRequestHandler):
    """Answers the requests of one connection from the page."""

    server: PlayServer
    protocol_version = "HTTP/1.1"  # keeps a connection for many frames
    server_version, sys_version = "deltarule", ""
    timeout = CONNECTION_TIMEOUT_SECONDS
    disable_nagle_algorithm = True  # a picture would wait 40 ms for the receipt of its headers

    def do_GET(self) -> None:
        self._send(self._file)

    def do_POST(self) -> None:
        self._send(self._reply)

    def _file(self, name: str) -> tuple[bytes, str]:
        name = name or "index.html"
        if name not in page_files():
            raise _Refusal(HTTPStatus.NOT_FOUND, "there is no such page")
        return page_file(name).encode(), f"{CONTENT_TYPES[name.rpartition('.')[2]]}; charset=utf-8"

    def _reply(self, name: str) -> tuple[bytes, str]:
        try:
            answer = self.server.session.respond(name, self._body(), FRAME_WAIT_SECONDS)
        except BadInput as error:
            raise _Refusal(HTTPStatus.UNPROCESSABLE_ENTITY, str(error)) from None
        return answer if isinstance(answer, bytes) else json.dumps(answer).encode(), "application/octet-stream"

    def _name(self) -> str:
        """The name that a valid request asks for."""
        hosts = {f"{name}:{self.server.server_port}" for name in ("127.0.0.1", "localhost")}
        host = self.headers.get("Host", "")
        if not {host, self.headers.get("Origin", host).removeprefix("http://")} <= hosts:
            raise _Refusal(HTTPStatus.FORBIDDEN, "this page is for this machine alone")
        _, token, *rest = self.path.partition("?")[0].split("/")
        if not secrets.compare_digest(token.encode(), self.server.token.encode()) or not rest:
            raise _Refusal(HTTPStatus.FORBIDDEN, "the address lacks its secret part; copy it from the terminal")
        self.server.delete_launch_file()
        return "/".join(rest)

    def _body(self) -> dict[str, Any]:
        length = self.headers.get("Content-Length", "")
        if not length.isdecimal():
            raise _Refusal(HTTPStatus.LENGTH_REQUIRED, "the request has no length")
        if len(length) > 10 or int(length) > MAX_BODY_BYTES:
            message = f"this is more than {MAX_BODY_BYTES // 2**20} MB; train on a large table with `deltarule train`"
            raise _Refusal(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, message)
        if self.headers.get_content_type() != "application/json":
            raise _Refusal(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "a command is JSON")
        body = None
        with contextlib.suppress(ValueError, RecursionError):
            body = json.loads(self.rfile.read(int(length)))
        if not isinstance(body, dict):
            raise _Refusal(HTTPStatus.BAD_REQUEST, "a command is a JSON object")
        return body

    def _send(self, answer: Callable[[str], tuple[bytes, str]]) -> None:
        headers = dict(HEADERS)
        try:
            status, (content, headers["Content-Type"]) = HTTPStatus.OK, answer(self._name())
        except _Refusal as refusal:
            status, message = refusal.args
            content, headers["Content-Type"] = message.encode(), "text/plain; charset=utf-8"
            headers["Connection"] = "close"  # an unread body must not be taken for the next request
        with contextlib.suppress(ConnectionError):  # the page was closed meanwhile
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(content))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)

    def log_message(self, format: str, *args: Any) -> None:
        """Suppress the line that the base class prints for each request."""
