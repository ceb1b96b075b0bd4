"""The values that travel through the stages: a raw record, where it came from, and the event it becomes."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import lru_cache
from hashlib import blake2b
from types import MappingProxyType

Scalar = str | int | float | bool
Value = Scalar | tuple[Scalar, ...]
Fields = dict[str, Value]
"""A flat ECS document: dotted names, values never None (an absent field is absent)."""

PARTS_MAX = 1024
"""One raw record becomes at most this many events; the arrival sequence leaves room for them."""
NODES_MAX = 1024
"""So many machines write a spool of their own, each with a number from 0 on."""
RECORDS_MAX = 1 << 43
"""So many records a node can number: 10 bits of node, 43 of record and 10 of part make 63 bits, a signed long."""


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a record came from, so that the same record always gets the same id.

    `via` is the entrance (`syslog-udp`, `file`, `evtx` …), `peer` the sender as that entrance knows it
    (`192.0.2.7:514`, a path), and `position` the record's own identity at the sender if there is one
    (fingerprint and offset of a file, channel and record number of an event log). An empty position means that
    the record has no identity of its own: then its place in the spool is its identity. `note` says what the
    entrance had to do to the record, words separated by blanks, and is no part of its identity:
    `cut:<length in bytes>:sha256=<of the whole message, hex>`, the encoding it was turned into UTF-8 from (`utf-16`,
    `cp1252` …), `decode_error`, `split` (too many lines for one record), `unfinished`, `arrived:<time>` (see
    `arriving`). `identity` is who the sender proved to be (`dns:fw1.example.org` of its
    certificate), empty if it proved nothing.
    """

    via: str
    peer: str = ""
    position: str = ""
    note: str = ""
    identity: str = ""


@dataclass(frozen=True, slots=True)
class Raw:
    """One record as it arrived: never altered, always kept.

    `source` names the configured source; `received` is when we saw it (aware, UTC). `zone` is the IANA time zone
    of times in the record that name none; it belongs to the source's configuration, not to the record, and is
    filled in by the pipeline.
    """

    body: bytes
    source: str
    received: datetime
    origin: Origin
    zone: str = "UTC"

    def in_zone(self, zone: str) -> "Raw":
        """Return the same record with times read in `zone`."""
        return self if zone == self.zone else replace(self, zone=zone)


@dataclass(frozen=True, slots=True)
class Entry:
    """A raw record in the spool: `seq` rises by one a record and is never used twice, `written` is when (UTC).

    It begins behind `before_node(number of the node)`, so that no two machines use the same.
    """

    seq: int
    written: datetime
    raw: Raw


@dataclass(frozen=True, slots=True)
class Event:
    """One ECS event.

    `id` is the same whenever the same record is read again; `seq` is its place in arrival order
    (`arrival(entry.seq, part)`); `timestamp` is when it happened, `ingested` when it entered the spool (both aware,
    UTC); `fields` is the whole flat ECS document, `@timestamp`, `event.id`, `event.ingested` and `event.sequence`
    (= `seq`) included.
    """

    id: str
    seq: int
    timestamp: datetime
    ingested: datetime
    fields: Mapping[str, Value] = field(default_factory=lambda: MappingProxyType({}))


def arrival(seq: int, part: int) -> int:
    """Return the arrival sequence of the `part`-th event (from 0) of the spool record `seq`."""
    return seq * PARTS_MAX + part


def before_node(node: int) -> int:
    """Return the number behind which the spool records of a node begin."""
    return node * RECORDS_MAX


def node_of(sequence: int) -> int:
    """Return the node whose record the arrival sequence `sequence` belongs to."""
    return sequence // (RECORDS_MAX * PARTS_MAX)


def record_of(sequence: int) -> int:
    """Return the spool record that the arrival sequence `sequence` belongs to."""
    return sequence // PARTS_MAX


def identity(entry: Entry) -> str:
    """Return what makes this record itself: the sender's own position, else its place in the spool.

    The place counts with the body, so that 1000 equal lines stay 1000 events and a sequence that was lost with a
    disk and used again does not make two records one. A record that is replayed carries this text as its position.
    """
    if entry.raw.origin.position:
        return entry.raw.origin.position
    body = blake2b(entry.raw.body, digest_size=8).hexdigest()
    return f"spool:{entry.seq}:{_seconds(entry.written)}:{body}"


@lru_cache(maxsize=64)
def _seconds(moment: datetime) -> str:
    return f"{moment.timestamp():.6f}"


def event_id(entry: Entry, part: int = 0, kind: str = "event") -> str:
    """Return the id (32 hex digits) of the `part`-th event of `entry`; `kind` keeps a dead letter apart.

    The same record always gets the same id, however often it is read or replayed.
    """
    raw = entry.raw
    who = identity(entry)
    begun = _sender(kind, part, raw.source, raw.origin.via, raw.origin.peer).copy()
    begun.update(_framed(who))
    return begun.hexdigest()


@lru_cache(maxsize=1024)
def _sender(kind: str, part: int, source: str, via: str, peer: str) -> blake2b:
    return blake2b(b"".join(map(_framed, (kind, str(part), source, via, peer))), digest_size=16)


def _framed(text: str) -> bytes:
    data = text.encode("utf-8", "surrogateescape")
    return b"%d:%b" % (len(data), data)


_ARRIVED = "arrived:"


def arrived(entry: Entry) -> datetime:
    """Return when the record first entered a spool: `event.ingested`, the same on every replay."""
    note = entry.raw.origin.note
    for word in note.split() if note else ():
        if word.startswith(_ARRIVED):
            try:
                return datetime.fromisoformat(word.removeprefix(_ARRIVED))
            except ValueError:
                break
    return entry.written


def arriving(raw: Raw, moment: datetime) -> Raw:
    """Return the record with the time of its first arrival, for what may enter more than once."""
    words = [word for word in raw.origin.note.split() if not word.startswith(_ARRIVED)]
    note = " ".join([*words, _ARRIVED + moment.isoformat()])
    return replace(raw, origin=replace(raw.origin, note=note))


def replayed(entry: Entry) -> Raw:
    """Return the record as it has to be written again so that its events are the ones already known."""
    raw = arriving(entry.raw, arrived(entry))
    return replace(raw, origin=replace(raw.origin, position=identity(entry)))
