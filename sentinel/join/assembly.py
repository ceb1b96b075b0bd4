"""Puts parts together in memory, within bounds: pure, so that packs can be proven with it."""

import logging
from base64 import b64decode
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sentinel.core.event import PARTS_MAX, Event, Origin, Raw, arriving
from sentinel.core.join import MARK, VIA, Join, packed

JOINED_MAX = 500
BYTES_MAX = 192 * 1024
"""A whole of more is cut into several, so that it fits into a record."""
OPEN_MAX = 20_000
OPEN_BYTES_MAX = 32 << 20
"""Beyond these the wholes of which nothing has come for longest are ended."""

LINKED_MAX = 4_096
"""So many parts wait for a whole to begin; they are not kept over a restart."""

_log = logging.getLogger(__name__)

Name = tuple[str, str]
"""A pack and the key it gives to a whole."""


@dataclass(slots=True)
class Open:
    """A whole that has not ended: `first` is the id of its first part, `ingested` when its last part arrived."""

    first: str
    source: str
    received: datetime
    ingested: datetime
    parts: list[bytes] = field(default_factory=list)
    size: int = 0

    def add(self, event: Event, body: bytes) -> None:
        """Take a part."""
        self.received = datetime.fromisoformat(str(event.fields["event.created"]))
        self.ingested = event.ingested
        self.parts.append(body)
        self.size += len(body) + 1

    def record(self, pack: str) -> Raw:
        """Return the raw record; the same parts always give the same one, so it enters once however often it comes."""
        raw = Raw(packed(self.parts), self.source, self.received, Origin(VIA, pack, self.first))
        return arriving(raw, self.ingested)


class Assembly:
    """The wholes that are open, oldest news first; `changed` and `gone` are what a book has to be told."""

    def __init__(self, joins: Mapping[str, Join]) -> None:
        self._joins = joins
        self._by_module: dict[str, list[tuple[str, Join]]] = {}
        for pack, join in joins.items():
            for module in join.modules:
                self._by_module.setdefault(module, []).append((pack, join))
        self._linked: dict[Name, bytes] = {}
        self.open: dict[Name, Open] = {}
        self.bytes = 0
        self.changed: set[Name] = set()
        self.gone: set[Name] = set()

    def put(self, name: Name, whole: Open) -> None:
        """Take over a whole that was open before."""
        self.open[name] = whole
        self.bytes += whole.size

    def add(self, events: Iterable[Event]) -> Iterator[Raw]:
        """Take events as they arrive; yield the records of the wholes that end."""
        for event in events:
            joins = self._by_module.get(str(event.fields.get("event.module")))
            if joins is None or MARK in event.fields or event.fields.get("event.kind") == "pipeline_error":
                continue
            if event.seq % PARTS_MAX:
                continue  # its record is a part already, by its first event
            for pack, join in joins:
                yield from self._asked(pack, join, event)

    def _asked(self, pack: str, join: Join, event: Event) -> Iterator[Raw]:
        try:
            key, ends, link = join.key(event.fields), join.ends(event.fields), join.link(event.fields)
        except Exception as error:  # noqa: BLE001  another's code: a pack's fault must cost its own wholes alone
            _log.warning("the pack %s cannot say what an event is a part of: %s: %s", pack, type(error).__name__, error)
            return
        if key is not None:
            yield from self._part((pack, key), event, (pack, link or ""), ends=ends)
        elif link is not None:
            self._linked.pop((pack, link), None)
            self._linked[pack, link] = _body(event)
            if len(self._linked) > LINKED_MAX:
                del self._linked[next(iter(self._linked))]

    def _part(self, name: Name, event: Event, link: Name, *, ends: bool) -> Iterator[Raw]:
        body = _body(event)
        whole = self.open.pop(name, None)
        if whole is not None and (len(whole.parts) >= JOINED_MAX or whole.size + len(body) > BYTES_MAX):
            self.open[name] = whole
            yield self._end(name)
            whole = None
        if whole is None:
            whole = Open(event.id, str(event.fields["sentinel.source"]), event.ingested, event.ingested)
        self.bytes -= whole.size
        linked = self._linked.get(link)
        if linked is not None and linked not in whole.parts:
            whole.add(event, linked)
        whole.add(event, body)
        self.put(name, whole)  # last again: `open` is in the order of the latest news
        self.changed.add(name)
        self.gone.discard(name)
        if ends:
            yield self._end(name)
        while len(self.open) > OPEN_MAX or self.bytes > OPEN_BYTES_MAX:
            yield self._end(next(iter(self.open)))

    def quiet(self, now: datetime) -> Iterator[Raw]:
        """Yield the records of wholes of which nothing has come for as long as their packs wait."""
        waits = {pack: join.quiet for pack, join in self._joins.items()}
        over = [name for name, one in self.open.items() if one.ingested + waits.get(name[0], timedelta(0)) <= now]
        for name in over:
            yield self._end(name)

    def _end(self, name: Name) -> Raw:
        whole = self.open.pop(name)
        self.bytes -= whole.size
        self.changed.discard(name)
        self.gone.add(name)
        return whole.record(name[0])


def _body(event: Event) -> bytes:
    exact = event.fields.get("sentinel.original_b64")
    return b64decode(exact) if isinstance(exact, str) else str(event.fields.get("event.original", "")).encode()
