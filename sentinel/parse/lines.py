"""Lines in, one ECS object a line out: what `sentinel parse` prints and what a normaliser is scored by."""

from collections.abc import Iterator
from hashlib import sha256
from typing import BinaryIO

from sentinel.core.event import Entry, Event, Origin, Raw, Value
from sentinel.core.ports import Clock
from sentinel.parse.packs import Packs
from sentinel.parse.record import Reader, Reading
from sentinel.parse.route import Router

LINE_MAX = 1 << 20
SOURCE = "stdin"


def objects(
    stream: BinaryIO, hint: str | None, packs: Packs, clock: Clock, zone: str = "UTC"
) -> Iterator[dict[str, Value]]:
    """Yield exactly one flat ECS document for each line of `stream`, in order, as each line is read.

    `hint` names a pack or one of its aliases; an unknown one counts as none. A line that becomes several events gives
    the first, an unreadable or empty one its dead letter.
    """
    for event in events(stream, hint, packs, clock, zone):
        yield dict(event[0].fields)


def events(stream: BinaryIO, hint: str | None, packs: Packs, clock: Clock, zone: str = "UTC") -> Iterator[list[Event]]:
    """Yield for each line of `stream` all its events; see `objects`."""
    reader = Reader(Router(packs), usual=Reading(hint, zone))
    for number, (line, note) in enumerate(_lines(stream), start=1):
        now = clock.now()
        raw = Raw(line, hint or SOURCE, now, Origin(SOURCE, note=note))
        yield reader.read(Entry(number, now, raw))


def _lines(stream: BinaryIO) -> Iterator[tuple[bytes, str]]:
    while line := stream.readline(LINE_MAX):
        note = ""
        if len(line) == LINE_MAX and not line.endswith(b"\n"):
            digest, size = sha256(line), len(line)
            while more := stream.readline(LINE_MAX):
                rest = more.removesuffix(b"\n").removesuffix(b"\r")
                digest.update(rest)
                size += len(rest)
                if more.endswith(b"\n"):
                    break
            note = f"cut:{size}:sha256={digest.hexdigest()}"
        yield line.removesuffix(b"\n").removesuffix(b"\r"), note
