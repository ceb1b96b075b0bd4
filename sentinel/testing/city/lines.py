"""A line as a device of the model city writes it, and the headers of syslog around its text (RFC 3164, RFC 5424)."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, TypeVar

_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_Item = TypeVar("_Item")

Via = Literal["syslog-udp", "syslog-tcp", "file"]


@dataclass(frozen=True, slots=True)
class Line:
    """What a device wrote at `at` (aware, UTC): `device` is its address, `via` the entrance it comes through."""

    at: datetime
    device: str
    body: bytes
    via: Via = "syslog-tcp"


def bsd(at: datetime, host: str, tag: str, text: str, priority: int = 30) -> bytes:
    """Return a line with the header of RFC 3164, its time in UTC; `tag` as in `sshd[512]`."""
    stamp = f"{_MONTHS[at.month - 1]} {at.day:2d} {at:%H:%M:%S}"
    return f"<{priority}>{stamp} {host} {tag}: {text}".encode()


def ietf(at: datetime, host: str, app: str, text: str, priority: int = 14) -> bytes:
    """Return a line with the header of RFC 5424; `app` as in `filterlog 915`."""
    return f"<{priority}>1 {at:%Y-%m-%dT%H:%M:%S}.{at.microsecond:06d}+00:00 {host} {app} - - {text}".encode()


def turns(items: Sequence[_Item], count: int) -> Iterator[_Item]:
    """Yield `count` items, the first again after the last."""
    for number in range(count):
        yield items[number % len(items)]


def in_order(lines: Iterable[Line]) -> list[Line]:
    """Return the lines in the order of time; what is of one moment stays as it came."""
    return sorted(lines, key=lambda line: line.at)
