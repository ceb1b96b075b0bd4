"""Listening for byte streams, plain or TLS, within limits: what every entrance over TCP has in common.

All connections are served by the event loop from their sockets; a quiet one costs no buffer. A client is let into the
TLS handshake only when its whole hello is there, so half-open handshakes cost a socket each and nothing more, for
at most `handshake_seconds`.
"""

import asyncio
import errno
import socket
import ssl
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from time import monotonic

from sentinel.collect import tls as certificates
from sentinel.collect.link import Link, Session
from sentinel.collect.refusals import Refusals
from sentinel.collect.sockets import bound, host_of, peer_text, spare
from sentinel.core.ports import Sink

BACKLOG = 512
_STOP_SECONDS_MAX = 5.0
_RETRY_SECONDS = 1.0
_SWEEP_SECONDS = 0.5
_KEEPALIVE = ((socket.TCP_KEEPIDLE, 300), (socket.TCP_KEEPINTVL, 60), (socket.TCP_KEEPCNT, 5))
"""A sender that vanished without a word frees its place after ten minutes; one with nothing to say may stay."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What one port may hold: connections in all and per sender's address, bytes waiting for the sink.

    `queue_bytes` is when a sender is paused; `partial_bytes` bounds the unfinished messages of all connections;
    `handshakes` bounds those under way at once, a quarter of them for one address; `handshake_seconds` is how long a
    client has for its handshake, and for the head of a request.
    """

    connections: int = 4096
    per_address: int = 1024
    queue_bytes: int = 8 * 1024 * 1024
    partial_bytes: int = 64 * 1024 * 1024
    handshakes: int = 64
    handshake_seconds: float = 5.0


@dataclass(slots=True)
class Traffic:
    """Connections open now; how many were refused and why, how many were ended by us and why.

    Refused: `too_many`, `too_many_from_address`, `no_resources` (had to wait), `handshake_timeout`,
    `too_many_handshakes`, `no_tls`, and what the TLS library says.
    """

    connections: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    closed: Counter[str] = field(default_factory=Counter)


class Listener:
    """A port; every connection that is let in gets a `session`. `port` 0 takes any free one."""

    def __init__(  # noqa: PLR0913  plain arguments, so that the entrances can name them
        self,
        host: str,
        port: int,
        session: Callable[[Link], Session],
        *,
        counters: Traffic,
        limits: Limits | None = None,
        tls: certificates.Tls | None = None,
        refusals: Refusals | None = None,
    ) -> None:
        self.session = session
        self.counters = counters
        self.limits = limits or Limits()
        self.tls = tls
        self.links: dict[Link, None] = {}
        self._asked = (host, port)
        self.refusals = refusals
        self._socket: socket.socket | None = None
        self._addresses: Counter[str] = Counter()
        self._handshakes: Counter[str] = Counter()
        self._empty = asyncio.Event()
        self._empty.set()
        self._sweep: asyncio.TimerHandle | None = None
        self._telling: asyncio.Task[None] | None = None

    @property
    def port(self) -> int:
        """The port it is bound to; 0 before it is open."""
        return 0 if self._socket is None else int(self._socket.getsockname()[1])

    def open(self, sink: Sink) -> None:
        """Listen, and write whom it refuses to `sink`; raises ConfigError."""
        self.loop = asyncio.get_running_loop()
        self._socket = sock = bound(*self._asked, kind=socket.SOCK_STREAM)
        sock.setblocking(False)  # noqa: FBT003  the signature is Python's
        sock.listen(BACKLOG)
        self.loop.add_reader(sock, self._accept, sock)
        self._look_round()
        if self.refusals is not None:
            self._telling = self.loop.create_task(self.refusals.run(sink))

    async def close(self, *, drain: bool) -> None:
        """Let nobody in any more, end every connection; with `drain` what has reached this host is taken first."""
        sock, self._socket = self._socket, None
        if sock is None:
            return
        self.loop.remove_reader(sock)
        if drain:
            self._accept(sock)  # senders to whom the loop had not yet come round
        sock.close()
        until = monotonic() + _STOP_SECONDS_MAX
        for link in list(self.links):
            link.drain(until if drain else 0.0)
        with suppress(TimeoutError):
            await asyncio.wait_for(self._empty.wait(), _STOP_SECONDS_MAX)
        for link in list(self.links):
            link.abort("stopped")
        if self._sweep is not None:
            self._sweep.cancel()
        if self._telling is not None:
            self._telling.cancel()
            await asyncio.gather(self._telling, return_exceptions=True)

    def _look_round(self) -> None:
        now = monotonic()
        for link in [one for one in self.links if one.deadline is not None and one.deadline <= now]:
            link.too_late()
        self._sweep = self.loop.call_later(_SWEEP_SECONDS, self._look_round)

    def _accept(self, sock: socket.socket) -> None:
        for _ in range(BACKLOG):
            try:
                if not spare(sock):
                    raise OSError(errno.EMFILE, "what is left is for our own files")  # noqa: TRY301  as accept does
                peer, address = sock.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError:  # no file descriptors or no memory left: those waiting are let in later
                self.counters.refused["no_resources"] += 1
                self.loop.remove_reader(sock)
                self.loop.call_later(_RETRY_SECONDS, self._accept_again, sock)
                return
            host = host_of(address)
            refusal = self._refusal(host)
            if refusal:
                self.counters.refused[refusal] += 1
                peer.close()
                continue
            self._let_in(Link(self, peer, host, peer_text(address)), peer)

    def _let_in(self, link: Link, peer: socket.socket) -> None:
        self._empty.clear()
        self._addresses[link.host] += 1
        self.links[link] = None
        self.counters.connections = len(self.links)
        peer.setblocking(False)  # noqa: FBT003  the signature is Python's
        with suppress(OSError):  # gone again: the first read says so
            peer.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for option, value in _KEEPALIVE:
                peer.setsockopt(socket.IPPROTO_TCP, option, value)
        link.begin()

    def _accept_again(self, sock: socket.socket) -> None:
        if self._socket is sock:
            self.loop.add_reader(sock, self._accept, sock)

    def _refusal(self, host: str) -> str:
        if len(self.links) >= self.limits.connections:
            return "too_many"
        return "too_many_from_address" if self._addresses[host] >= self.limits.per_address else ""

    def context(self) -> ssl.SSLContext:
        """Return what the next handshake is answered with."""
        if self.tls is None:
            raise ssl.SSLError("this port has no certificate")
        return self.tls.context

    def identified(self, connection: ssl.SSLSocket) -> str:
        """Return who the client is; raises RefusedError."""
        return "" if self.tls is None else self.tls.identity(connection)

    def refuse(self, host: str, reason: str) -> None:
        """Count a client that was not let in."""
        self.counters.refused[reason] += 1
        if self.refusals is not None:
            self.refusals.add(host, reason)

    def handshake_begins(self, host: str) -> bool:
        """Say whether there is room for one more handshake, and count it."""
        most = self.limits.handshakes
        if self._handshakes.total() >= most or self._handshakes[host] >= max(1, most // 4):
            return False
        self._handshakes[host] += 1
        return True

    def handshake_ended(self, host: str) -> None:
        """Give the room of a handshake back."""
        self._handshakes[host] -= 1
        if not self._handshakes[host]:
            del self._handshakes[host]

    def forget(self, link: Link) -> None:
        """Give the place of a connection back."""
        del self.links[link]
        self._addresses[link.host] -= 1
        if not self._addresses[link.host]:
            del self._addresses[link.host]
        self.counters.connections = len(self.links)
        if not self.links:
            self._empty.set()
