"""An HTTPS API on loopback that answers as a test scripts it, with a certificate of an authority of its own."""

import gzip
import json
import ssl
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Self
from urllib.parse import parse_qsl, urlsplit

import trustme

if TYPE_CHECKING:
    from socket import socket


@dataclass(frozen=True)
class Asked:
    """A request as it came."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True)
class Reply:
    """What to answer; `write` writes the body by itself, and then no length is said unless `headers` say one."""

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    write: Callable[[BinaryIO], None] | None = None


def reply(said: object, status: int = 200, *, packed: bool = False, **headers: str) -> Reply:
    """Answer with JSON; `NextPageUri="…"`, `Retry_After="1"` become headers."""
    body = json.dumps(said).encode()
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    if packed:
        return Reply(status, gzip.compress(body), {**named, "Content-Encoding": "gzip"})
    return Reply(status, body, named)


Script = Callable[[Asked], Reply]


class Api:
    """Serves between `with` and its end, on the same port each time; `asked` is everything that came."""

    def __init__(self, folder: Path, script: Script) -> None:
        authority = trustme.CA()
        self.ca = folder / "ca.pem"
        authority.cert_pem.write_to_path(str(self.ca))
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert("localhost").configure_cert(self._context)
        self.script = script
        self.asked: list[Asked] = []
        self.connections = 0
        self.port = 0
        self._server: ThreadingHTTPServer | None = None

    @property
    def url(self) -> str:
        return f"https://localhost:{self.port}"

    def paths(self, start: str = "") -> list[str]:
        """Return the paths that were asked for, those that begin with `start`."""
        return [one.path for one in self.asked if one.path.startswith(start)]

    def __enter__(self) -> Self:
        """Begin to serve."""
        api = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            timeout = 60

            def setup(self) -> None:
                api.connections += 1
                self.request.getpeername()  # of who has gone already, ssl would leave its own socket open
                self.request = api._context.wrap_socket(self.request, server_side=True)
                try:
                    super().setup()
                except OSError:
                    self.request.close()
                    raise

            def finish(self) -> None:
                try:
                    super().finish()
                finally:
                    self.request.close()

            def any_method(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                parts = urlsplit(self.path)
                query = dict(parse_qsl(parts.query, keep_blank_values=True))
                asked = Asked(self.command, parts.path, query, dict(self.headers), body)
                api.asked.append(asked)
                answer = api.script(asked)
                self.send_response(answer.status)
                for name, value in answer.headers.items():
                    self.send_header(name, value)
                if answer.write is None:
                    self.send_header("Content-Length", str(len(answer.body)))
                else:
                    self.send_header("Connection", "close")
                self.end_headers()
                if answer.write is None:
                    self.wfile.write(answer.body)
                else:
                    answer.write(self.wfile)  # type: ignore[arg-type]  # a raw writer of a socket
                    self.close_connection = True

            do_GET = do_POST = any_method  # noqa: N815  the names http.server looks for

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            allow_reuse_address = True

            def handle_error(self, request: "socket | tuple[bytes, socket]", client_address: object) -> None:
                """Pass over clients that go away."""

        self._server = Server(("127.0.0.1", self.port), Handler)
        self.port = self._server.server_port
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop listening."""
        assert self._server is not None
        self._server.shutdown()
        self._server.server_close()
