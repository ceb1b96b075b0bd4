"""A gate in front of an Elasticsearch node that misbehaves as told."""

import http.client
import socket
import ssl
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

Fault = Callable[["Passage"], None]


class Passage(BaseHTTPRequestHandler):
    """One request at the gate; a fault may answer it itself or have `forward` ask the node."""

    gate: "Gate"
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def forward(self) -> tuple[int, bytes]:
        """Return the node's status and body for this request."""
        node = http.client.HTTPConnection(self.gate.node, timeout=60)
        headers = {name: value for name, value in self.headers.items() if name.lower() not in {"host", "connection"}}
        node.request(self.command, self.path, self.body, headers)
        answer = node.getresponse()
        status, body = answer.status, answer.read()
        node.close()
        return status, body

    def reply(self, status: int, body: bytes, headers: Mapping[str, str] | None = None) -> None:
        """Answer as Elasticsearch would."""
        self.send_response(status)
        for name, value in {
            "X-Elastic-Product": "Elasticsearch",
            "Content-Type": "application/vnd.elasticsearch+json;compatible-with=8",
            "Content-Length": str(len(body)),
            **(headers or {}),
        }.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(b"" if self.command == "HEAD" else body)

    def setup(self) -> None:
        """Be known to the gate."""
        super().setup()
        self.gate.passages.add(self)

    def finish(self) -> None:
        """Be gone."""
        self.gate.passages.discard(self)
        with suppress(OSError):  # the connection was cut
            super().finish()

    def handle(self) -> None:
        """Serve until the client is gone or the gate is shut."""
        with suppress(ConnectionError):
            super().handle()

    def handle_any(self) -> None:
        """Do as the next fault says if this is a request it is meant for, else let it pass."""
        self.body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        fault = self.gate.next_fault(self)
        if fault is None:
            self.reply(*self.forward())
            return
        try:
            fault(self)
        except ConnectionError:
            self.close_connection = True  # the client has gone, as it should

    do_GET = do_POST = do_PUT = do_DELETE = do_HEAD = handle_any  # noqa: N815  the names http.server looks for


class Gate:
    """A server on 127.0.0.1 before the node; `faults` happen to the next requests whose path has `on` in it.

    `always` happens to every one of them for which there is no fault.
    """

    def __init__(self, node: str, port: int = 0, context: ssl.SSLContext | None = None) -> None:
        """Open the gate to `node` (host:port)."""
        self.always: Fault | None = None
        self.passages: set[Passage] = set()
        self.node = node
        self.faults: list[Fault] = []
        self.happened = 0
        self.on = "_bulk"
        self.lock = threading.Lock()
        handler = type("_Passage", (Passage,), {"gate": self})
        self.server = ThreadingHTTPServer(("127.0.0.1", port), handler)
        self.scheme = "http" if context is None else "https"
        if context is not None:
            self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.server.daemon_threads = True
        self.server.block_on_close = False
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.05,))
        self.thread.start()

    @property
    def url(self) -> str:
        """The gate's address."""
        return f"{self.scheme}://127.0.0.1:{self.server.server_address[1]}"

    def next_fault(self, passage: Passage) -> Fault | None:
        """Take the next fault if this request is one it is meant for."""
        with self.lock:
            if self.on not in passage.path or not (self.faults or self.always):
                return None
            self.happened += 1
            return self.faults.pop(0) if self.faults else self.always

    def close(self) -> None:
        """Shut the gate and cut whoever is in it."""
        self.server.shutdown()
        self.server.server_close()
        for passage in list(self.passages):
            with suppress(OSError):
                passage.connection.shutdown(socket.SHUT_RDWR)
        self.thread.join()
