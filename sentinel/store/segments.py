"""The files of an embedded store, by name: what a name says need not be written down a second time.

    20261123-0000000042.ndjson                      a hot segment, growing, or waiting to be sealed
    20261123-0000000042-<numbers>.parquet           the same, sealed: it replaces the one above
    20261123-0000000042.ids                         the ids in it (see `ids.py`)

The day is that of arrival (UTC). The numbers are hexadecimal: lowest and highest sequence, number of events, earliest
and latest `timestamp` and `ingested` in microseconds since the year 1, and the CRC-32 of the file.
"""

import os
import re
from dataclasses import dataclass
from datetime import date, timedelta
from functools import lru_cache
from pathlib import Path
from zlib import crc32

from sentinel.core.errors import StoreError

_FIRST_DAY = date(1970, 1, 1)
_YEAR_ONE = 719_162 * 86_400_000_000
_HOT = re.compile(r"(\d{8})-(\d{10})\.ndjson")
_SEALED = re.compile(r"(\d{8})-(\d{10})-" + "-".join(["([0-9a-f]+)"] * 8) + r"\.parquet")
_LISTINGS_MAX = 100


@dataclass(frozen=True, slots=True)
class Extent:
    """What a sealed segment spans, ends included; times in microseconds since 1970."""

    seq: tuple[int, int]
    count: int
    timestamp: tuple[int, int]
    ingested: tuple[int, int]


@dataclass(frozen=True, slots=True)
class Segment:
    """One file with events of one day of arrival (counted from 1970-01-01); `extent` is None while it is hot."""

    name: str
    day: int
    number: int
    extent: Extent | None
    crc: int = 0


def day_text(day: int) -> str:
    """Return the day as file names hold it."""
    return day_of_number(day).strftime("%Y%m%d")


def day_number(day: date) -> int:
    """Return the day counted from 1970-01-01."""
    return (day - _FIRST_DAY).days


def day_of_number(day: int) -> date:
    """Return the day that is counted from 1970-01-01."""
    return _FIRST_DAY + timedelta(days=day)


def hot_name(day: int, number: int) -> str:
    """Return the name of a hot segment."""
    return f"{day_text(day)}-{number:010d}.ndjson"


def ids_name(day: int, number: int) -> str:
    """Return the name of the file with a sealed segment's ids."""
    return f"{day_text(day)}-{number:010d}.ids"


def sealed_name(day: int, number: int, extent: Extent, crc: int) -> str:
    """Return the name of a sealed segment."""
    times = (value + _YEAR_ONE for value in (*extent.timestamp, *extent.ingested))
    numbers = "-".join(f"{value:x}" for value in (*extent.seq, extent.count, *times, crc))
    return f"{day_text(day)}-{number:010d}-{numbers}.parquet"


@lru_cache(maxsize=65_536)
def parse_name(name: str) -> Segment | None:
    """Return what a file name says, None if it is no segment's."""
    if hot := _HOT.fullmatch(name):
        return Segment(name, _day(hot[1]), int(hot[2]), None)
    if sealed := _SEALED.fullmatch(name):
        low, high, count, *times, crc = (int(group, 16) for group in sealed.groups()[2:])
        first, last, early, late = (value - _YEAR_ONE for value in times)
        extent = Extent((low, high), count, (first, last), (early, late))
        return Segment(name, _day(sealed[1]), int(sealed[2]), extent, crc)
    return None


def _day(text: str) -> int:
    return day_number(date(int(text[:4]), int(text[4:6]), int(text[6:])))


def listing(folder: Path) -> list[Segment]:
    """Return the segments there are now, each once, in order of day and number.

    A directory is not read in one moment: while a file takes another's place both may be missed. So it is read
    until two readings agree.
    """
    before: list[str] | None = None
    for _ in range(_LISTINGS_MAX):
        try:
            names = sorted(os.listdir(folder))  # noqa: PTH208  names only, a third of the time
        except FileNotFoundError:
            return []
        if names == before:
            break
        before = names
    else:
        raise StoreError(f"{folder} changes too fast to be read; is something else writing there?")
    found: dict[tuple[int, int], Segment] = {}
    for name in names:
        segment = parse_name(name)
        # ".ndjson" sorts after "-<numbers>.parquet"
        if segment is not None and (segment.extent is not None or (segment.day, segment.number) not in found):
            found[segment.day, segment.number] = segment
    return list(found.values())


def checksum(path: Path) -> int:
    """Return the CRC-32 of a file."""
    crc = 0
    with path.open("rb") as file:
        while piece := file.read(1 << 20):
            crc = crc32(piece, crc)
    return crc
