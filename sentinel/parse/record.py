"""Turns one spool record into its events: route, read, complete; whatever goes wrong becomes a dead letter."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from itertools import islice
from types import MappingProxyType
from typing import cast

from sentinel.core.errors import ParseError
from sentinel.core.event import PARTS_MAX, Entry, Event, Fields, Origin, Raw
from sentinel.core.join import MARK, VIA, Join, unpacked
from sentinel.pack import journal, syslog
from sentinel.parse import build, deadletter
from sentinel.parse.enrich import Enricher
from sentinel.parse.packs import Pack
from sentinel.parse.route import Router

SYSLOG = "syslog.log"
GENERIC = "generic.log"
_PART = Origin(VIA)


@dataclass(frozen=True, slots=True)
class Reading:
    """How a source's records are read: the pack or alias it asks for, the IANA zone of times that name none."""

    hint: str | None = None
    zone: str = "UTC"


@dataclass(frozen=True, slots=True)
class Reader:
    """Reads records of every source; `sources` maps a source's name to how it is read; `enrich` adds what it knows."""

    router: Router
    sources: Mapping[str, Reading] = field(default_factory=lambda: MappingProxyType({}))
    usual: Reading = Reading()
    enrich: Enricher | None = None

    def refresh(self) -> tuple[str, ...]:
        """Look at the files that events are enriched from; return what is newly wrong with them."""
        return () if self.enrich is None else self.enrich.refresh()

    def read(self, entry: Entry) -> list[Event]:
        """Return the events of `entry`: at least one, never an exception for anything a record or a pack may do."""
        raw = entry.raw
        how = self.sources.get(raw.source, self.usual)
        if how.zone != raw.zone:
            raw = Raw(raw.body, raw.source, raw.received, raw.origin, how.zone)
        raw = journal.unwrapped(raw)
        if not raw.body.strip():
            return [deadletter.letter(entry, "EmptyRecord", "the record is empty")]
        pack = None
        try:
            pack = self.router.route(raw, raw.origin.peer if raw.origin.via == VIA else how.hint)
            if pack is None:
                events = _generic(entry, raw)
            elif raw.origin.via == VIA and pack.join is not None:
                events = _made(entry, pack, [whole(raw, pack, pack.join, self.router)])
            else:
                events = _read(entry, raw, pack)
        except ParseError as error:
            return [deadletter.letter(entry, "ParseError", error.reason, pack)]
        except Exception as error:  # noqa: BLE001  another's code: a pack's fault must cost its record alone
            return [deadletter.letter(entry, type(error).__name__, f"the pack failed: {error}", pack)]
        for event in events:
            fields = cast("Fields", event.fields)  # nobody else has it yet
            fields["sentinel.origin.via"] = entry.raw.origin.via
            if pack is not None:
                fields["sentinel.pack"] = pack.name
                fields["sentinel.pack_version"] = pack.version
            if self.enrich is not None:
                self.enrich(entry, event)
        return events


def parse_one(entry: Entry, router: Router, hint: str | None = None, zone: str = "UTC") -> list[Event]:
    """Return the events of one record; see `Reader` for many."""
    return Reader(router, usual=Reading(hint, zone)).read(entry)


def _read(entry: Entry, raw: Raw, pack: Pack) -> list[Event]:
    documents = list(islice(pack.parse(raw), PARTS_MAX))
    if not documents:
        return [deadletter.letter(entry, "NoEvent", "the pack made nothing of the record", pack)]
    over = None
    if len(documents) == PARTS_MAX:
        # the last place in the record's share of the sequence says that there may have been more
        documents.pop()
        reason = f"one record holds {PARTS_MAX} events or more; the first {len(documents)} are kept"
        over = deadletter.letter(entry, "TooManyEvents", reason, pack, part=PARTS_MAX - 1)
    events = _made(entry, pack, documents)
    return events if over is None else [*events, over]


def _made(entry: Entry, pack: Pack, documents: Sequence[Fields]) -> list[Event]:
    base = build.common(entry)
    dataset, module = pack.dataset, pack.module
    return [build.complete(entry, part, said, base, dataset, module) for part, said in enumerate(documents)]


def whole(raw: Raw, pack: Pack, join: Join, router: Router) -> Fields:
    """Return the document of a joined record: each part is read as it was when it came alone."""
    parts: list[Fields] = []
    for body in unpacked(raw.body):
        part = journal.unwrapped(replace(raw, body=body, origin=_PART))
        with suppress(ParseError):  # the record of the part has said so when it came
            parts += islice((router.route(part) or pack).parse(part), PARTS_MAX)
    return {**join.whole(parts), MARK: len(parts)}


def _generic(entry: Entry, raw: Raw) -> list[Event]:
    line = syslog.read(raw)
    known = line.timestamp is not None or line.priority is not None or line.app is not None
    dataset, module = (SYSLOG, "syslog") if known else (GENERIC, "generic")
    return [build.complete(entry, 0, syslog.fields(line), build.common(entry), dataset, module)]
