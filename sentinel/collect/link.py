"""One connection, plain or TLS: what arrives goes to its session, what is sent goes out as the other side reads."""

import socket
import ssl
from contextlib import suppress
from time import monotonic
from typing import TYPE_CHECKING, Protocol

from sentinel.collect import tls as certificates

if TYPE_CHECKING:
    from sentinel.collect.listening import Listener

RECEIVE_BYTES = 256 * 1024
OUTGOING_MAX = 1 << 20
"""A client that does not read its answers is cut off when so many bytes wait for it."""
_HELLO_MAX = 5 + (1 << 14)
_HANDSHAKE_RECORD = 0x16  # RFC 8446, section 5.1


class Session(Protocol):
    """One connection's protocol."""

    def received(self, data: bytes, /) -> None:
        """Take the next bytes."""

    def ended(self) -> None:
        """Nothing follows: close the link, at once or when everything has been answered. Called at most once."""


class Link:
    """One connection; `peer` is `192.0.2.7:514`, `identity` what its certificate says, if it showed one."""

    __slots__ = (
        "_handshaking",
        "_listener",
        "_outgoing",
        "_over",
        "_paused",
        "_sock",
        "_wanted",
        "_writing",
        "closing",
        "deadline",
        "host",
        "identity",
        "late",
        "peer",
        "session",
    )  # fmt: skip

    def __init__(self, listener: "Listener", sock: socket.socket, host: str, peer: str) -> None:
        self.host, self.peer, self.identity = host, peer, ""
        self.session: Session | None = None
        self.deadline: float | None = None
        self.late = ""
        self.closing = False
        self._listener = listener
        self._sock: socket.socket | ssl.SSLSocket | None = sock
        self._outgoing = bytearray()
        self._paused = self._over = self._handshaking = self._writing = False
        self._wanted = 5  # bytes of the TLS record's head

    @property
    def open(self) -> bool:
        """Say whether bytes can still be sent."""
        return self._sock is not None and not self.closing

    def expire(self, seconds: float | None, late: str = "timeout") -> None:
        """End the connection for the reason `late` unless told otherwise within `seconds`; None: it may stay."""
        self.deadline, self.late = (None if seconds is None else monotonic() + seconds), late

    def begin(self) -> None:
        """Start to read."""
        sock = self._raw()
        if self._listener.tls is None:
            self._opened()
        else:
            self.expire(self._listener.limits.handshake_seconds, "handshake_timeout")
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, self._wanted)
            self._listener.loop.add_reader(sock, self._hello)

    def _raw(self) -> socket.socket:
        if self._sock is None:
            raise OSError("the connection is closed")
        return self._sock

    def _opened(self) -> None:
        self.expire(None)
        self.session = self._listener.session(self)
        if self._sock is not None and not self._paused:
            self._listener.loop.add_reader(self._sock, self._readable)

    def _hello(self) -> None:
        """Look at what is there of the client's hello, without taking it, until it is whole."""
        sock, listener = self._raw(), self._listener
        try:
            data = sock.recv(_HELLO_MAX, socket.MSG_PEEK)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            data = b""
        if len(data) >= 5 and data[0] == _HANDSHAKE_RECORD:
            whole = min(_HELLO_MAX, 5 + int.from_bytes(data[3:5], "big"))
            if len(data) < whole and self._wanted < whole:
                self._wanted = whole
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, whole)
                return
        if len(data) < self._wanted or data[0] != _HANDSHAKE_RECORD:
            self._refuse("no_tls" if data else "handshake_broken_off")
        elif not listener.handshake_begins(self.host):
            self._refuse("too_many_handshakes")
        else:
            self._handshaking = True
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, 1)
            listener.loop.remove_reader(sock)
            self._secure(sock, listener)

    def _secure(self, sock: socket.socket, listener: "Listener") -> None:
        context = listener.context()
        self._sock = context.wrap_socket(sock, server_side=True, do_handshake_on_connect=False)
        listener.loop.add_reader(self._sock, self._handshake)
        self._handshake()

    def _handshake(self) -> None:
        sock, listener = self._sock, self._listener
        if not isinstance(sock, ssl.SSLSocket):
            return
        listener.loop.remove_writer(sock)
        try:
            sock.do_handshake()
            self.identity = listener.identified(sock)
        except ssl.SSLWantReadError:
            return
        except ssl.SSLWantWriteError:
            listener.loop.add_writer(sock, self._handshake)
            return
        except certificates.RefusedError as error:
            self._refuse(str(error))
            return
        except OSError as error:
            self._refuse(certificates.reason(error))
            return
        self._handshaken()
        listener.loop.remove_reader(sock)
        self._opened()
        self._readable()

    def _handshaken(self) -> None:
        if self._handshaking:
            self._handshaking = False
            self._listener.handshake_ended(self.host)

    def _refuse(self, reason: str) -> None:
        self._listener.refuse(self.host, reason)
        self._gone()

    def _readable(self) -> None:
        sock, size = self._sock, 0
        while sock is not None and not self._paused and not self._over:
            try:
                data = sock.recv(RECEIVE_BYTES)
            except (BlockingIOError, InterruptedError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
                return
            except OSError:
                data = b""
                self._outgoing.clear()
            if not data:
                self._end()
                return
            if self.session is not None:
                self.session.received(data)
            size += len(data)
            sock = self._sock
            if not isinstance(sock, ssl.SSLSocket):
                return
            if size >= RECEIVE_BYTES:  # others want their turn; what the library holds already wakes nobody
                self._listener.loop.call_soon(self._readable)
                return

    def _end(self) -> None:
        if self._over:
            return
        self._over = True
        if self._sock is not None:
            self._listener.loop.remove_reader(self._sock)
        if self.session is None:
            self._gone()
        else:
            self.session.ended()

    def send(self, data: bytes) -> None:
        """Send, now or as soon as the other side reads; to one that is gone nothing is sent."""
        if self._sock is None or self.closing:
            return
        self._outgoing += data
        if not self._writing:
            self._flush()
        if len(self._outgoing) > OUTGOING_MAX:
            self.abort("not_reading")

    def _flush(self) -> None:
        sock, loop = self._sock, self._listener.loop
        if sock is None:
            return
        try:
            while self._outgoing:
                del self._outgoing[: sock.send(self._outgoing)]
        except (BlockingIOError, InterruptedError, ssl.SSLWantWriteError, ssl.SSLWantReadError):
            if not self._writing:
                self._writing = True
                loop.add_writer(sock, self._flush)
            return
        except OSError:
            self._outgoing.clear()
            self._end()
        if self._writing:
            self._writing = False
            loop.remove_writer(sock)
        if self.closing:
            if isinstance(sock, ssl.SSLSocket):
                with suppress(OSError, ValueError):  # says goodbye; whether the other side does is its affair
                    sock.unwrap()
            self._gone()

    def close(self) -> None:
        """End the connection when everything has been sent."""
        if not self.closing:
            self.closing = True
            self._over = True
            if self._sock is not None:
                self._listener.loop.remove_reader(self._sock)
            self._flush()

    def abort(self, reason: str) -> None:
        """End the connection now, because of `reason` (counted); the session hears no more."""
        if self._sock is not None:
            self._listener.counters.closed[reason] += 1
            self._over = True
            self._gone()

    def too_late(self) -> None:
        """End the connection because its deadline has passed."""
        if self.session is None:
            self._refuse(self.late)
        else:
            self.abort(self.late)

    def _gone(self) -> None:
        sock, self._sock = self._sock, None
        if sock is None:
            return
        self.closing = self._over = True
        self._handshaken()
        self._listener.loop.remove_reader(sock)
        self._listener.loop.remove_writer(sock)
        with suppress(OSError):
            sock.close()
        self._listener.forget(self)

    def pause(self) -> None:
        """Read no more until `resume`; what the sender sends then waits at the sender."""
        if not self._paused:
            self._paused = True
            if self._sock is not None and self.session is not None:
                self._listener.loop.remove_reader(self._sock)

    def resume(self) -> None:
        """Read on."""
        if self._paused:
            self._paused = False
            if self._sock is not None and self.session is not None and not self._over:
                self._listener.loop.add_reader(self._sock, self._readable)
                self._listener.loop.call_soon(self._readable)

    def drain(self, until: float) -> None:
        """Take what has reached this host (until that time, monotonic), and tell the session that it is over."""
        self._paused = False
        while monotonic() < until and self._sock is not None and self.session is not None and not self._over:
            try:
                data = self._sock.recv(RECEIVE_BYTES)
            except OSError:
                break
            if not data:
                break
            self.session.received(data)
        self._end()
