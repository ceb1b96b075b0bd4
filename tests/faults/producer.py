"""Producers: each sends what belongs to its ids by one entrance and tells the oracle which were acknowledged.

None sends an id again whose fate it does not know, so whatever is stored twice was doubled by Sentinel. The exception
is the Beat: its events have an identity, so it does as Beats do and sends its window again until it is answered.
"""

import http.client
import os
import re
import socket
import ssl
import struct
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Self

from tests.faults import payload
from tests.faults.oracle import Oracle

PATIENCE_SECONDS = 15.0
_RELP_ANSWER = re.compile(rb"(\d+) rsp (\d+) ?")


class Producer(ABC):
    """Sends batches as long as it is entered and somebody listens; `port` returns 0 while nobody does."""

    entrance = ""

    def __init__(self, oracle: Oracle, port: Callable[[], int], *, batch: int = 20, pause: float = 0.01) -> None:
        self.oracle = oracle
        self.sent = self.failures = 0
        self._port = port
        self._batch, self._pause = batch, pause
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self.broken: BaseException | None = None

    def __enter__(self) -> Self:
        """Begin."""
        self._stop.clear()
        self._thread = threading.Thread(target=self._run, name=self.entrance)
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        """End; raises what broke the producer itself, if anything did."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()
        if self.broken is not None:
            raise self.broken

    def once(self) -> range:
        """Send one batch now, wait until it is acknowledged if it can be; returns its ids."""
        numbers = self.oracle.issue(1, self.entrance)
        with self.connected() as connection:
            self.batch(connection, numbers)
        return numbers

    def _run(self) -> None:
        try:
            while not self._stop.is_set():
                try:
                    with self.connected() as connection:
                        while not self._stop.is_set():
                            numbers = self.next()
                            self.sent += len(numbers)
                            self.batch(connection, numbers)
                            time.sleep(self._pause)
                except (OSError, http.client.HTTPException, EOFError):
                    self.failures += 1
                    time.sleep(0.05)
        except BaseException as error:  # noqa: BLE001  it is raised where the producer is left
            self.broken = error

    def next(self) -> Sequence[int]:
        """Return what to send next."""
        return self.oracle.issue(self._batch, self.entrance)

    def connected(self) -> "socket.socket":
        """Return a connection; raises OSError while nobody listens."""
        port = self._port()
        if not port:
            raise ConnectionRefusedError
        connection = socket.create_connection(("127.0.0.1", port), PATIENCE_SECONDS)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return connection

    @abstractmethod
    def batch(self, connection: "socket.socket", numbers: Sequence[int]) -> None:
        """Send a batch and tell the oracle what was acknowledged; raises OSError, EOFError if the other side goes."""


def _read(connection: socket.socket, buffer: bytearray) -> None:
    data = connection.recv(65536)
    if not data:
        raise EOFError
    buffer += data


class Tcp(Producer):
    """Syslog over TCP: nothing is ever acknowledged, so nothing is promised but that nothing is doubled or altered."""

    entrance = "tcp"

    def batch(self, connection: socket.socket, numbers: Sequence[int]) -> None:
        """Send lines."""
        connection.sendall("".join(f"{payload.line(number)}\n" for number in numbers).encode())


class Tls(Tcp):
    """The same over TLS."""

    entrance = "tls"
    context: ssl.SSLContext

    def connected(self) -> socket.socket:
        """Shake hands."""
        plain = super().connected()
        try:
            plain.getpeername()  # of who has gone already, ssl would leave its own socket open
            return self.context.wrap_socket(plain, server_hostname="localhost")
        except BaseException:
            plain.close()
            raise


class Udp(Producer):
    """Syslog over UDP: what is lost is lost, and nothing is doubled or altered."""

    entrance = "udp"

    def connected(self) -> socket.socket:
        """Return a socket that learns when nobody is there."""
        port = self._port()
        if not port:
            raise ConnectionRefusedError
        sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        sender.connect(("127.0.0.1", port))
        return sender

    def batch(self, connection: socket.socket, numbers: Sequence[int]) -> None:
        """Send a datagram for each line."""
        for number in numbers:
            connection.send(payload.line(number).encode())


class Relp(Producer):
    """RELP: every message is answered by its number."""

    entrance = "relp"

    def connected(self) -> socket.socket:
        """Open a session."""
        connection = super().connected()
        self._buffer = bytearray()
        self._txnr = 1
        offers = b"relp_version=0\nrelp_software=producer\ncommands=syslog"
        try:
            connection.sendall(b"1 open %d %b\n" % (len(offers), offers))
            self._answers(connection, 1)
        except BaseException:
            connection.close()
            raise
        return connection

    def batch(self, connection: socket.socket, numbers: Sequence[int]) -> None:
        """Send messages, then wait for their answers."""
        first = self._txnr + 1
        lines = [payload.line(number).encode() for number in numbers]
        frames = [b"%d syslog %d %b\n" % (first + at, len(one), one) for at, one in enumerate(lines)]
        self._txnr += len(numbers)
        connection.sendall(b"".join(frames))
        acked: list[int] = []
        try:
            for _ in numbers:
                acked += [numbers[txnr - first] for txnr in self._answers(connection, 1)]
        finally:
            self.oracle.acked(acked)

    def _answers(self, connection: socket.socket, count: int) -> list[int]:
        found: list[int] = []
        while len(found) < count:
            head = _RELP_ANSWER.match(self._buffer)
            end = head.end() + int(head[2]) + 1 if head else 0
            if head is None or len(self._buffer) < end:
                if self._buffer.startswith(b"0 serverclose"):
                    raise EOFError
                _read(connection, self._buffer)
                continue
            assert self._buffer[head.end() :].startswith(b"200 OK"), self._buffer[:end]
            found.append(int(head[1]))
            del self._buffer[:end]
        return found


class Beat(Producer):
    """Lumberjack: a window is sent again until it has been answered as a whole."""

    entrance = "beats"
    _left: Sequence[int] = ()

    def next(self) -> Sequence[int]:
        """Return the window that was not answered, else new ids."""
        if not self._left:
            self._left = super().next()
        return self._left

    def batch(self, connection: socket.socket, numbers: Sequence[int]) -> None:
        """Send a window and wait for its answer."""
        window = struct.pack(">2sI", b"2W", len(numbers))
        for at, number in enumerate(numbers, start=1):
            body = payload.beat(number)
            window += struct.pack(">2sII", b"2J", at, len(body)) + body
        connection.sendall(window)
        buffer = bytearray()
        reached = 0
        while reached < len(numbers):
            while len(buffer) < 6:
                _read(connection, buffer)
            kind, reached = struct.unpack(">2sI", buffer[:6])
            assert kind == b"2A"
            del buffer[:6]
        self.oracle.acked(numbers)
        self._left = ()


class Http(Producer):
    """Lines by POST; what is refused with 429 was not taken, so it is sent again."""

    entrance = "http"
    token = "token-of-the-producer"  # noqa: S105  nobody's secret
    _left: Sequence[int] = ()

    def next(self) -> Sequence[int]:
        """Return what there was no room for, else new ids."""
        left, self._left = self._left, ()
        return left or super().next()

    def batch(self, connection: socket.socket, numbers: Sequence[int]) -> None:
        """Post a batch."""
        body = "".join(f"{payload.line(number)}\n" for number in numbers).encode()
        head = (
            f"POST /v1/events HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {self.token}\r\n"
            f"Content-Type: text/plain\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        connection.sendall(head.encode() + body)
        answer = http.client.HTTPResponse(connection, method="POST")
        answer.begin()
        answer.read()
        if answer.status == 200:
            self.oracle.acked(numbers)
        elif answer.status == 429:
            self._left = numbers
            time.sleep(0.2)
        else:
            raise AssertionError(answer.status)


class File(Producer):
    """Appends to a log file: a line that is in the file has to be stored, whoever is killed."""

    entrance = "file"

    def __init__(self, oracle: Oracle, path: Path, *, batch: int = 20, pause: float = 0.01) -> None:
        super().__init__(oracle, lambda: 1, batch=batch, pause=pause)
        self.path = path
        self.turn = threading.Lock()
        """Held while it writes: who rotates holds it too, as a program that rotates its own log would."""

    def connected(self) -> socket.socket:
        """Return something to leave: a file needs no connection."""
        return socket.socket()

    def batch(self, connection: socket.socket, numbers: Sequence[int]) -> None:
        """Append lines and sync them."""
        del connection
        with self.turn, self.path.open("ab") as file:
            file.write("".join(f"{payload.line(number)}\n" for number in numbers).encode())
            file.flush()
            os.fsync(file.fileno())
        self.oracle.acked(numbers)


NETWORK: dict[str, type[Producer]] = {"tcp": Tcp, "tls": Tls, "udp": Udp, "relp": Relp, "beats": Beat, "http": Http}
