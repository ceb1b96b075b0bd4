"""Listening sockets and the names of those at the other end."""

import os
import resource
import socket
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from sentinel.core.check import Check
from sentinel.core.errors import ConfigError

_MAPPED = "::ffff:"
_RMEM_WANTED = 8 << 20
_DESCRIPTORS_KEPT = 64


def spare(sock: socket.socket) -> bool:
    """Say whether one more connection leaves the process the descriptors that it needs for its own files.

    The kernel gives the lowest number that is free, so a copy tells how many are in use.
    """
    most, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        copy = os.dup(sock.fileno())
    except OSError:
        return False
    os.close(copy)
    return copy < most - min(_DESCRIPTORS_KEPT, most // 4)


def bound(host: str, port: int, *, kind: socket.SocketKind, reuse_port: bool = False) -> socket.socket:
    """Return a blocking socket bound to `host` and `port` (`::` takes IPv4 as well); raises ConfigError."""
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=kind, flags=socket.AI_PASSIVE)[0]
        sock = socket.socket(family, kind)
    except OSError as error:
        raise ConfigError(f"cannot listen on {host} port {port}: {error}; check the address") from error
    try:
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        if kind == socket.SOCK_STREAM:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if reuse_port:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        sock.bind(address)
    except OSError as error:
        sock.close()
        hint = "ports below 1024 need CAP_NET_BIND_SERVICE" if port < 1024 else "is it taken by another program?"
        raise ConfigError(f"cannot listen on {host} port {port}: {error.strerror}; {hint}") from error
    return sock


def host_of(address: Sequence[object]) -> str:
    """Return the host of a socket address; an IPv4 address that came in through IPv6 is shown as IPv4."""
    host = str(address[0])
    return host[len(_MAPPED) :] if host.startswith(_MAPPED) and "." in host else host


def peer_text(address: Sequence[object]) -> str:
    """Return `192.0.2.7:514` or `[2001:db8::7]:514`."""
    host = host_of(address)
    return f"[{host}]:{address[1]}" if ":" in host else f"{host}:{address[1]}"


def port_check(host: str, port: int, transport: Literal["udp", "tcp"]) -> Check:
    """Say whether the port could be opened."""
    name = f"port {port}/{transport}"
    kind = socket.SOCK_DGRAM if transport == "udp" else socket.SOCK_STREAM
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, kind) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except PermissionError:
            return Check(name, "fail", "may not be opened", "use a port above 1023, or grant CAP_NET_BIND_SERVICE")
        except OSError as error:
            found = f"in use ({error.strerror})"
            return Check(name, "warn", found, "fine if that is Sentinel itself; see: ss -lnp")
    return Check(name, "ok", f"free on {host}")


def receive_buffer_check() -> Check:
    """Say whether the kernel would hold a burst of datagrams."""
    limit = int(Path("/proc/sys/net/core/rmem_max").read_text("ascii"))
    found = f"net.core.rmem_max = {limit:,}"
    if limit >= _RMEM_WANTED:
        return Check("UDP buffer", "ok", found)
    return Check("UDP buffer", "warn", found, "sysctl -w net.core.rmem_max=16777216, or bursts over UDP are dropped")
