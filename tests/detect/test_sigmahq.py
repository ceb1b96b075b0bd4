"""The matcher over SigmaHQ's rules and real Windows events, through our pack: as `holds` says, for every pair."""

import lzma
import random
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from sentinel.core.content import content
from sentinel.core.detection import Detection
from sentinel.core.event import Entry, Event, Origin, Raw
from sentinel.core.where import AllOf, Where, holds
from sentinel.detect.matcher import Matcher
from sentinel.detect.sigma import load
from sentinel.parse.packs import load as load_packs
from sentinel.parse.record import Reader
from sentinel.parse.route import Router

SHARED = Path(__file__).parents[3] / "shared" / "samples"
FOLDERS = ("rules", "rules-emerging-threats", "rules-threat-hunting", "rules-dfir")
NOW = datetime(2026, 11, 23, 8, tzinfo=UTC)
EACH = 12
"""So many events of each channel and code, and as many more that some rule holds for."""

pytestmark = pytest.mark.skipif(not SHARED.is_dir(), reason="SigmaHQ's rules and real events are not shipped")


@pytest.fixture(scope="module")
def detections() -> tuple[Detection, ...]:
    return load([SHARED / "sigmahq" / folder for folder in FOLDERS]).detections


@pytest.fixture(scope="module")
def events() -> list[Event]:
    """Return every seventh of the real events, as the windows pack makes them."""
    reader = Reader(Router(load_packs([content("parsers")], shipped=content("parsers"))), {})
    with lzma.open(SHARED / "events" / "windows-25k.jsonl.xz") as file:
        lines = file.read().splitlines()
    origin = Origin("syslog-tcp", "192.0.2.1:514")
    entries = (Entry(seq, NOW, Raw(line, "test", NOW, origin)) for seq, line in enumerate(lines, 1) if seq % 7 == 0)
    return [event for entry in entries for event in reader.read(entry)]


def picked(events: list[Event], hit: set[str]) -> Iterator[Event]:
    seen: dict[object, int] = {}
    for event in events:
        key = (event.fields.get("winlog.channel"), event.fields.get("event.code"), event.id in hit)
        seen[key] = seen.get(key, 0) + 1
        if seen[key] <= EACH:
            yield event


def test_of_real_rules_and_real_events_every_pair_is_answered_as_holds_does(
    detections: tuple[Detection, ...], events: list[Event]
) -> None:
    matcher = Matcher(detections)
    assert len(detections) >= 2_800
    assert not matcher.broken
    random.Random(7).shuffle(events)  # noqa: S311  chosen by a seed, nothing secret
    answers = matcher.each(events, unexpected)
    found = {event.id: [one.id for one in these] for event, these in zip(events, answers, strict=True)}
    chosen = list(picked(events, {name for name, ids in found.items() if ids}))
    assert len(chosen) > 400
    assert sum(bool(found[event.id]) for event in chosen) > 20
    for event in chosen:
        # a rule is its log source and the rest; a source that many rules share is asked once an event
        of_source: dict[Where, bool] = {}
        want: list[str] = []
        for one in detections:
            assert isinstance(one.where, AllOf)
            source, *rest = one.where.items
            if source not in of_source:
                of_source[source] = holds(source, event)
            if of_source[source] and all(holds(item, event) for item in rest):
                want.append(one.id)
        assert found[event.id] == want, event.fields.get("event.original")


def unexpected(detection: Detection, error: Exception) -> None:
    raise AssertionError(detection.id) from error
