"""Where a channel may connect to, and for how long: looked at where the connection is made, not where a name is read.

A name may resolve to another address a moment later, a server may answer with a redirect or one byte a second. Python
tells of every `connect` with the address that is really used (PEP 578), so nothing a library does can pass by this.
"""

import socket
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network

REACH_SECONDS = 5.0
_TRANSLATED = (ip_network("64:ff9b::/96"), ip_network("2002::/16"))
"""IPv6 that leads to whatever IPv4 stands in it (RFC 6052, RFC 3056)."""


@dataclass(slots=True)
class Guard:
    """What one thread may connect to until its time is over; `refused` says what it was kept from."""

    networks: tuple[IPv4Network | IPv6Network, ...]
    refused: str = ""
    late: bool = False
    _held: list[socket.socket] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def connecting(self, sock: socket.socket, address: object) -> None:
        """Let a connection be made, and hold it so that it can be cut; raises PermissionError."""
        host = address[0] if isinstance(address, tuple) else ""
        with self._lock:
            if self.late:
                raise PermissionError("the time for this message is over")
            if not allowed(str(host), self.networks):
                self.refused = (
                    f"it leads to {str(host)[:60]!r}, which is no public address; if it is yours, add its network "
                    "to networks of the channel"
                )
                raise PermissionError(self.refused)
            # a descriptor of its own: libraries wrap theirs in TLS and take it away
            self._held.append(sock.dup())

    def cut(self) -> None:
        """End every connection: whoever waits for an answer gets none."""
        with self._lock:
            self.late = True
            for one in self._held:
                with suppress(OSError):
                    one.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Let go of what was held."""
        with self._lock:
            for one in self._held:
                one.close()
            self._held.clear()


def allowed(host: str, networks: Sequence[IPv4Network | IPv6Network]) -> bool:
    """Say whether an address may be connected to: a public one, or one of `networks`."""
    try:
        address = ip_address(host.partition("%")[0])
    except ValueError:
        return False
    meant = getattr(address, "ipv4_mapped", None) or address
    public = meant.is_global and not meant.is_multicast and not any(meant in one for one in _TRANSLATED)
    return public or any(meant in one or address in one for one in networks)


def reached(host: str, port: int, networks: Sequence[str]) -> str:
    """Try to connect and let go; return why it cannot be, nothing if it can."""
    with guarded(networks, REACH_SECONDS) as guard:
        try:
            socket.create_connection((host, port), REACH_SECONDS).close()
        except OSError as error:
            return guard.refused or f"{host}:{port} cannot be reached: {error}"
    return ""


class _Own(threading.local):
    guard: Guard | None = None


_own = _Own()
_installed: list[bool] = []


def _heard(event: str, arguments: tuple[object, ...]) -> None:
    if event == "socket.connect" and _own.guard is not None:
        sock, address = arguments
        if isinstance(sock, socket.socket):
            _own.guard.connecting(sock, address)


@contextmanager
def guarded(networks: Sequence[str], seconds: float) -> Iterator[Guard]:
    """Let this thread connect to public addresses and `networks` only, and cut what it has after `seconds`."""
    if not _installed:
        _installed.append(True)
        sys.addaudithook(_heard)
    guard = Guard(tuple(ip_network(one) for one in networks))
    timer = threading.Timer(seconds, guard.cut)
    timer.daemon = True
    timer.start()
    _own.guard = guard
    try:
        yield guard
    finally:
        _own.guard = None
        timer.cancel()
        guard.close()
