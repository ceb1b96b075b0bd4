"""A mail server and a web server on real sockets that behave, or misbehave, as a test says."""

import base64
import json
import socket
import ssl
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field
from email import message_from_string, policy
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class MailServer:
    """SMTP (RFC 5321) with STARTTLS (RFC 3207) and AUTH PLAIN (RFC 4954).

    `unknown` is an address it does not know.
    `behave`: "take", "busy" (451), "refuse" (550), "hang" (no answer to DATA), "drip" (a byte now and then).
    """

    context: ssl.SSLContext | None = None
    implicit: bool = False
    login: tuple[str, str] | None = None
    behave: str = "take"
    unknown: str = ""
    mails: list[EmailMessage] = field(default_factory=list)
    raw: list[str] = field(default_factory=list)
    recipients: list[list[str]] = field(default_factory=list)
    tried: int = 0
    secured: list[bool] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Listen."""
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._socket.getsockname()[1])
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        with suppress(OSError):  # a second time
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                link, _ = self._socket.accept()
                self.tried += 1
                threading.Thread(target=self._serve, args=(link,), daemon=True).start()

    def _serve(self, link: socket.socket) -> None:
        with suppress(OSError):
            if self.implicit and self.context is not None:
                link = self.context.wrap_socket(link, server_side=True)
            session = _Session(self, link)
            try:
                session.run()
            finally:
                session.file.close()
                session.link.close()
        link.close()


class _Session:
    def __init__(self, server: MailServer, link: socket.socket) -> None:
        self.server, self.link = server, link
        self.secure = server.implicit
        self.known = server.login is None
        self.file = link.makefile("rb")
        self.to: list[str] = []

    def say(self, text: str) -> None:
        self.link.sendall(f"{text}\r\n".encode())

    def run(self) -> None:
        if self.server.behave == "drip":
            while True:
                self.link.sendall(b"2")
                time.sleep(0.1)
        self.say("220 mail.example ESMTP")
        while line := self.file.readline(4096).decode("ascii", "replace").strip():
            verb = line[:4].upper()
            if verb == "QUIT":
                self.say("221 bye")
                return
            self.answer(verb, line)

    def answer(self, verb: str, line: str) -> None:
        server = self.server
        if verb in {"EHLO", "HELO"}:
            offers = ["mail.example"]
            if server.context is not None and not self.secure:
                offers.append("STARTTLS")
            elif server.login is not None:
                offers.append("AUTH PLAIN")
            self.link.sendall("".join(f"250-{one}\r\n" for one in offers).encode() + b"250 8BITMIME\r\n")
        elif verb == "STAR" and server.context is not None:
            self.say("220 go on")
            self.file.close()
            self.link = server.context.wrap_socket(self.link, server_side=True)
            self.file, self.secure = self.link.makefile("rb"), True
        elif verb == "AUTH":
            given = base64.b64decode(line.split()[2]).decode().split("\0")[1:]
            self.known = tuple(given) == server.login
            self.say("235 welcome" if self.known else "535 5.7.8 who are you")
        elif verb == "RCPT":
            known = not self.server.unknown or self.server.unknown not in line
            self.to += [line] * known
            self.say("250 ok" if known else "550 5.1.1 nobody of that name")
        elif verb == "DATA":
            self.data()
        else:
            self.say("250 ok" if self.known else "530 5.7.0 log in first")

    def data(self) -> None:
        behave = self.server.behave
        if behave == "hang":
            time.sleep(60)
        self.say("354 go on")
        lines: list[bytes] = []
        while (line := self.file.readline()) != b".\r\n":
            if not line:
                return
            lines.append(line.removeprefix(b".") if line.startswith(b"..") else line)
        if behave in {"busy", "refuse"}:
            self.say("451 4.3.0 come again" if behave == "busy" else "550 5.7.1 not here")
            return
        text = b"".join(lines).decode("ascii")
        self.server.raw.append(text)
        self.server.mails.append(message_from_string(text, EmailMessage, policy=policy.default))
        self.server.recipients.append(self.to)
        self.to = []
        self.server.secured.append(self.secure)
        self.say("250 taken")


@dataclass
class WebServer:
    """Answers each request with the next of `answers` (status, or status and headers), then always with the last."""

    answers: list[int | tuple[int, dict[str, str]]] = field(default_factory=lambda: [200])
    drip: bool = False
    requests: list[tuple[str, str, dict[str, str], Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Listen."""
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def _answer(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                shape = json.loads(body) if body else None
                outer.requests.append((self.command, self.path, dict(self.headers), shape))
                if outer.drip:
                    self.wfile.write(b"HTTP/1.1 200 OK\r\nX: ")
                    with suppress(OSError):
                        while True:
                            self.wfile.write(b"x")
                            time.sleep(0.1)
                    return
                answer = outer.answers.pop(0) if len(outer.answers) > 1 else outer.answers[0]
                status, headers = answer if isinstance(answer, tuple) else (answer, {})
                said = json.dumps({"user_id": "@sentinel:home.example", "room_id": "!r:home.example"}).encode()
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(said)))
                self.end_headers()
                self.wfile.write(said)

            do_GET = do_POST = do_PUT = _answer  # noqa: N815  names of http.server

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.port = int(self._server.server_port)
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


def mail_channel(server: MailServer, more: str = "") -> str:
    """Return the configuration of a channel that leads to the server."""
    return (
        f'[[channels]]\nname = "team"\nkind = "mail"\nserver = "127.0.0.1:{server.port}"\nsecurity = "none"\n'
        f'networks = ["127.0.0.0/8"]\nsender = "siem@city.example"\nto = ["team@city.example"]\n{more}'
    )
