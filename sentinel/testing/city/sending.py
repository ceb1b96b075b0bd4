"""Sends what the model city writes to the sockets of a running Sentinel at the moment at which it is written."""

import socket
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import timedelta

from sentinel.core.ports import Clock
from sentinel.testing.city.lines import Line


@dataclass(slots=True)
class Sent:
    """How many lines went which way, and how far behind the time the last one was."""

    udp: int = 0
    tcp: int = 0
    behind: timedelta = timedelta(0)


def send(lines: Iterable[Line], host: str, port: int, clock: Clock, sleep: Callable[[float], None]) -> Sent:
    """Send each line when its time has come: firewalls' as datagrams, others' with octet counting (RFC 6587).

    Raises OSError if nobody listens. A machine that cannot keep up sends without waiting, and says so in `behind`.
    """
    sent = Sent()
    address = socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM)[0]
    with socket.socket(address[0], socket.SOCK_DGRAM) as datagrams, socket.create_connection((host, port)) as stream:
        for line in lines:
            wait = (line.at - clock.now()).total_seconds()
            if wait > 0:
                sleep(wait)
            sent.behind = max(timedelta(0), clock.now() - line.at)
            if line.via == "syslog-udp":
                datagrams.sendto(line.body, address[4])
                sent.udp += 1
            else:
                stream.sendall(b"%d %b" % (len(line.body), line.body))
                sent.tcp += 1
    return sent
