"""A store that is the definition (`holds`), events, and rules written on the spot."""

import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from pathlib import Path

import pytest

from sentinel.core.clock import iso
from sentinel.core.detection import Detection
from sentinel.core.event import Event, Value
from sentinel.core.ports import Appended, Formed, Plan, Rejected, Span, Store
from sentinel.core.where import Where, holds
from sentinel.detect.rules import Rules
from sentinel.detect.sigma import load

START = datetime(2026, 11, 23, 8, 0, 0, tzinfo=UTC)
RULE = """\
title: {title}
id: {id}
status: test
author: Sentinel project
level: high
tags: [attack.t1110.001]
logsource: {{product: linux, service: sshd}}
detection:
{detection}
"""


@dataclass
class Plain:
    """Events as they are."""

    events: Sequence[Event]
    rejected: Sequence[Rejected] = ()


class MemoryStore:
    """Events in a list, found by `holds`; counts how many events its answers held."""

    def __init__(self) -> None:
        self.events: dict[str, Event] = {}
        self.told = 0

    def keep(self, *formed: Formed) -> Appended:
        known, before = [], len(self.events)
        for event in (event for one in formed if isinstance(one, Plain) for event in one.events):
            known += [event.seq] if event.id in self.events else []
            self.events.setdefault(event.id, event)
        return Appended(len(self.events) - before, tuple(known))

    def append(self, events: Sequence[Event], /) -> Appended:
        return self.keep(Plain(events))

    def amend(self, gone: Sequence[Event], new: Sequence[Event], /) -> None:
        self.events = {name: one for name, one in self.events.items() if name not in {old.id for old in gone}}
        self.events |= {one.id: one for one in new}

    def _within(self, where: Where, span: Span) -> list[Event]:
        inside = [one for one in self.events.values() if span.start <= getattr(one, span.axis) < span.end]
        return [one for one in inside if holds(where, one)]

    def search(self, where: Where, span: Span, limit: int) -> list[Event]:
        found = sorted(self._within(where, span), key=lambda one: (getattr(one, span.axis), one.seq), reverse=True)
        self.told += len(found[:limit])
        return found[:limit]

    def tally(
        self, where: Where, span: Span, by: Sequence[str], limit: int
    ) -> list[tuple[tuple[Value | None, ...], int]]:
        counts = Counter(tuple(event.fields.get(field) for field in by) for event in self._within(where, span))
        return sorted(counts.items(), key=lambda row: (-row[1], json.dumps(row[0])))[:limit]

    def spread(self, where: Where, span: Span, width: timedelta) -> list[int]:
        counts = Counter((event.timestamp - span.start) // width for event in self._within(where, span))
        return [counts[at] for at in range(span.stretches(width))]

    def plan(self, where: Where, span: Span) -> Plan:
        return Plan(repr(where), (), f"{len(self.events)} events from {span.start}", exact=True)

    def since(self, cursor: int, until: int, limit: int) -> list[Event]:
        found = sorted((one for one in self.events.values() if cursor < one.seq <= until), key=lambda one: one.seq)
        return found[:limit]

    def newest(self) -> int:
        return max((one.seq for one in self.events.values()), default=0)

    def give_up(self) -> None:
        pass

    def close(self) -> None:
        self.events.clear()


EventMaker = Callable[..., Event]
RuleWriter = Callable[..., Path]
RuleLoader = Callable[..., Rules]


@pytest.fixture(scope="session")
def new_store() -> Callable[[], Store]:
    """Return what makes an empty store."""
    return MemoryStore


@pytest.fixture
def memory() -> Store:
    """Return an empty store."""
    return MemoryStore()


def made(number: int, fields: Mapping[str, Value] | None = None, *, at: timedelta | None = None) -> Event:
    """Return event `number` (its arrival), which happened `at` after START."""
    happened = START + (timedelta(seconds=number) if at is None else at)
    name = blake2b(b"%d" % number, digest_size=16).hexdigest()
    whole: dict[str, Value] = {
        "@timestamp": iso(happened),
        "event.id": name,
        "event.sequence": number,
        "event.dataset": "sshd.log",
        **(fields or {}),
    }
    return Event(name, number, happened, START + timedelta(seconds=number), whole)


@pytest.fixture(scope="session")
def make() -> EventMaker:
    """Return what makes an event: `make(number, {field: value}, at=timedelta)`."""
    return made


@pytest.fixture
def write(tmp_path: Path) -> RuleWriter:
    """Return what writes a rule file from its `detection` (or whole text) and returns its path."""
    count = 0

    def writer(detection: str = "", *, text: str = "", title: str = "A rule", name: str = "") -> Path:
        nonlocal count
        count += 1
        path = tmp_path / "rules" / (name or f"rule{count}.yml")
        path.parent.mkdir(parents=True, exist_ok=True)
        indented = "\n".join(f"  {line}" for line in detection.splitlines())
        number = f"00000000-0000-4000-8000-{count:012}"
        path.write_text(text or RULE.format(title=title, id=number, detection=indented), "utf-8")
        return path

    return writer


@pytest.fixture
def read(write: RuleWriter) -> Callable[[str], Detection]:
    """Return what turns the `detection` of a rule about sshd into a Detection; raises the RuleError if refused."""

    def reader(detection: str) -> Detection:
        rules = load([write(detection)])
        if rules.refused:
            raise rules.refused[0]
        return rules.detections[0]

    return reader
