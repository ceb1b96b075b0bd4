"""Writes a stretch of the model city's life into a folder: records for `sentinel replay`, captures, places, the truth.

Beside the records by day (`records-2026-11-16.jsonl`, which keep when they arrived) and the captures by segment stand
what Sentinel is told (`sentinel.toml` and what it names) and `truth.json`, which no part of Sentinel ever reads.
"""

import base64
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from random import Random
from typing import BinaryIO

import orjson

from sentinel.core.clock import iso
from sentinel.core.event import Raw
from sentinel.testing.city import places
from sentinel.testing.city.living import CLIENTS, SOURCE, records, weeks
from sentinel.testing.city.model import City
from sentinel.testing.city.town import NAMES, SITES, people
from sentinel.testing.packets import SECOND, Frame, Story, write_pcap
from sentinel.testing.scene import Play

SCHEMA = 1
_USUAL = timedelta(hours=3)


@dataclass(slots=True)
class Written:
    """What was written: how many lines of each day, packets of each capture, and the plays."""

    lines: dict[str, int] = field(default_factory=dict)
    packets: dict[str, int] = field(default_factory=dict)
    plays: Sequence[Play] = ()


def write(folder: Path, city: City, begin: datetime, end: datetime) -> Written:
    """Write everything of `city` from `begin` to `end` (aware, UTC); the same city and times, the same bytes."""
    folder.mkdir(parents=True, exist_ok=True)
    told = Written(plays=weeks(city, begin, end))
    prepare(folder, city, begin, end, told.plays)
    file: BinaryIO | None = None
    try:
        for record in records(city, begin, end, told.plays):
            day = f"{record.line.at:%Y-%m-%d}"
            if day not in told.lines:
                if file is not None:
                    file.close()
                told.lines[day] = 0
                file = (folder / f"records-{day}.jsonl").open("wb")
            assert file is not None  # noqa: S101  opened with the first line of the day
            file.write(shape(record.raw))
            told.lines[day] += 1
    finally:
        if file is not None:
            file.close()
    for name, frames in captures(city, begin, end, told.plays).items():
        (folder / "captures").mkdir(exist_ok=True)
        told.packets[name] = write_pcap(folder / "captures" / f"{name}.pcap", frames)
    return told


def prepare(folder: Path, city: City, begin: datetime, end: datetime, told: Sequence[Play]) -> None:
    """Write what Sentinel is told of the city, and the truth."""
    folder.mkdir(parents=True, exist_ok=True)
    places.write(folder.resolve(), SOURCE, CLIENTS, begin.date())
    (folder / "truth.json").write_bytes(orjson.dumps(truth(city, begin, end, told), option=orjson.OPT_INDENT_2))


def shape(raw: Raw) -> bytes:
    """Return a line that `sentinel replay` reads."""
    origin = {
        name: getattr(raw.origin, name) for name in ("via", "peer", "position", "note") if getattr(raw.origin, name)
    }
    said = {
        "source": raw.source,
        "received": iso(raw.received),
        "origin": origin,
        "body_base64": base64.b64encode(raw.body).decode(),
    }
    return orjson.dumps(said, option=orjson.OPT_APPEND_NEWLINE)


def truth(city: City, begin: datetime, end: datetime, told: Sequence[Play]) -> dict[str, object]:
    """Return which records belong to which story; `whole` ones lie between `begin` and `end` with all they have."""
    return {
        "schema": SCHEMA,
        "seed": city.seed,
        "scale": city.scale,
        "begin": iso(begin),
        "end": iso(end),
        "stories": [_told(play, begin, end) for play in told],
    }


def _told(play: Play, begin: datetime, end: datetime) -> dict[str, object]:
    return {
        "name": play.name,
        "title": play.about.title,
        "severity": play.about.severity,
        "after": play.about.after,
        "whole": play.first >= begin and play.last < end,
        "first": iso(play.first),
        "decisive": iso(play.decided),
        "last": iso(play.last),
        "captures": sorted(play.wires),
        "hosts": sorted(play.hosts),
        "silent": [[one.device, iso(one.begin), iso(one.end)] for one in play.silences],
        "events": [
            {"record": one.name, "at": iso(one.line.at), "step": one.step, "decisive": one.decisive, "twin": one.twin}
            for one in play.told
            if begin <= one.line.at < end
        ],
    }


def captures(city: City, begin: datetime, end: datetime, told: Sequence[Play]) -> dict[str, list[Frame]]:
    """Return the packets seen in each segment of which a play tells some, and of a morning in the town hall."""
    usual = Story(Random(f"{city.seed}/packets/{begin:%Y-%m-%d}"))  # noqa: S311  repeatable on purpose
    start = begin + timedelta(hours=8)
    _browsing(usual, start, [one.address for one in people()[:40]], SITES)
    found: dict[str, list[Frame]] = {"rathaus": usual.frames}
    for play in told:
        for segment, wire in play.wires.items():
            found.setdefault(segment, []).extend(wire.frames)
    first, last = (int(one.timestamp()) * SECOND for one in (begin, end))
    return {name: [frame for frame in frames if first <= frame[0] < last] for name, frames in found.items()}


def _browsing(wire: Story, start: datetime, clients: Sequence[str], sites: Sequence[tuple[str, str]]) -> None:
    for _ in range(240):
        at = int((start + _USUAL * wire.rng.random()).timestamp() * SECOND)
        client, (name, server) = wire.rng.choice(clients), wire.rng.choice(sites)
        wire.browse(at, client, server, name)
        if wire.rng.random() < 0.3:
            wire.look_up(
                at + SECOND, client, NAMES.address, f"{wire.rng.choice(('druck', 'fs'))}1.stadt.example", ["10.10.8.42"]
            )
