"""Reads again what was read before, from the original that every event keeps: what a record becomes today.

The events of a record keep its arrival: their sequence, when they came in, their id. What is written beside the record
(assets, places, indicators) is no reason for a change; an event that changes is given what is known today.
"""

from base64 import b64decode
from binascii import Error as Base64Error
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from hashlib import blake2b, sha256
from itertools import groupby
from types import MappingProxyType

from sentinel.core.ecs import ENRICHED
from sentinel.core.errors import UsageError
from sentinel.core.event import Entry, Event, Fields, Origin, Raw, Value, record_of
from sentinel.core.join import MARK, VIA
from sentinel.parse import deadletter
from sentinel.parse.record import Reader

REPAIRED = "sentinel.repaired"
_KEPT = (
    "ecs.version", "event.created", "event.hash", "event.ingested", "event.original", "sentinel.original_b64",
    "sentinel.source", "sentinel.origin.note", "sentinel.origin.identity", "sentinel.origin.via", "log.source.address",
    "log.file.path",
)  # fmt: skip
"""What an event knows of its record and its arrival, whoever reads it."""
_ASIDE = ENRICHED | {"event.id", "event.sequence", "ecs.version", "sentinel.pack", "sentinel.pack_version"}
_LETTER = "pipeline_error"


@dataclass(frozen=True, slots=True)
class Reread:
    """One record read again: the events there are of it, those there should be, or why that cannot be known.

    `gone` are no longer as they should be, `new` take their place; both are empty if nothing changes. `entry` is the
    record.
    """

    gone: tuple[Event, ...] = ()
    new: tuple[Event, ...] = ()
    problem: str = ""
    entry: Entry | None = None


def reread(
    events: Iterable[Event], reader: Reader, mark: Mapping[str, Value] = MappingProxyType({})
) -> Iterator[Reread]:
    """Yield what becomes of each record of `events`, all that is stored of theirs; `mark` is added to what is new.

    `reader` must not enrich: what changed is given to `Reader.enrich` by whoever stores it.
    """
    for _, parts in groupby(sorted(events, key=lambda one: one.seq), key=lambda one: record_of(one.seq)):
        yield _reread(list(parts), reader, mark)


def _reread(stored: Sequence[Event], reader: Reader, mark: Mapping[str, Value]) -> Reread:
    first = stored[0]
    entry = entry_of(first)
    if isinstance(entry, str):
        return Reread(problem=entry)
    made = [_in_place(one, entry, stored) for one in reader.read(entry)]
    if all(_is_letter(one) for one in stored) and all(_is_letter(one) for one in made):
        return Reread()  # still nobody can read it
    if any(_is_letter(one) for one in made) and not any(_is_letter(one) for one in stored):
        return Reread(problem="what reads it today cannot read it any more: it stays as it was read")
    there = {one.id: one for one in stored}
    same = {one.id for one in made if one.id in there and _told(one) == _told(there[one.id])}
    new = [replace(one, fields={**one.fields, **mark}) for one in made if one.id not in same]
    gone = [one for one in stored if one.id not in same]
    return Reread(tuple(gone), tuple(new), entry=entry) if new or gone else Reread()


def entry_of(event: Event) -> Entry | str:
    """Return the record an event was read from, or why it is not there whole."""
    fields = event.fields
    if fields.get("event.kind") == _LETTER:
        try:
            raw = deadletter.raw_of(event)
        except UsageError as error:
            return str(error)
        return Entry(record_of(event.seq), event.ingested, raw)
    body = _body(fields)
    if body is None or sha256(body).hexdigest() != fields.get("event.hash"):
        return "its original is not there whole: it was longer than what is kept"
    try:
        received = datetime.fromisoformat(str(fields.get("event.created")))
    except ValueError:
        return "it does not say when it was received"
    via = str(fields.get("sentinel.origin.via", ""))
    peer = str(fields.get("log.source.address") or fields.get("log.file.path") or "")
    origin = Origin(
        via=via,
        peer=str(fields.get("sentinel.pack", "")) if via == VIA else peer,
        position=event.id,
        note=str(fields.get("sentinel.origin.note", "")),
        identity=str(fields.get("sentinel.origin.identity", "")),
    )
    raw = Raw(body, str(fields.get("sentinel.source", "")), received, origin)
    return Entry(record_of(event.seq), event.ingested, raw)


def _body(fields: Mapping[str, Value]) -> bytes | None:
    encoded, original = fields.get("sentinel.original_b64"), fields.get("event.original")
    try:
        if isinstance(encoded, str):
            return b64decode(encoded, validate=True)
    except Base64Error:
        return None
    return original.encode("utf-8", "replace") if isinstance(original, str) else None


def _in_place(made: Event, entry: Entry, stored: Sequence[Event]) -> Event:
    """Return an event as it would be had it been read so when its record came."""
    first = stored[0]
    if _is_letter(first):
        return made  # a dead letter keeps where its record came from: the ids are the right ones
    there = next((one for one in stored if one.seq == made.seq and not _is_letter(one)), None)
    name = there.id if there is not None else _further(entry.raw.origin.position, made)
    kept: Fields = {field: first.fields[field] for field in _KEPT if field in first.fields}
    beside = {
        field: value for field, value in (there or first).fields.items() if field.startswith("sentinel.sender_asset.")
    }
    fields = {**made.fields, **kept, **beside, "event.id": name}
    return Event(name, made.seq, made.timestamp, first.ingested, fields)


def _further(first: str, made: Event) -> str:
    # an event that the record did not become before: its id cannot be the one that it would have had
    return blake2b(f"{first} {made.seq} {made.fields.get('event.kind')}".encode(), digest_size=16).hexdigest()


def _is_letter(event: Event) -> bool:
    return event.fields.get("event.kind") == _LETTER


def _told(event: Event) -> dict[str, Value]:
    # what was read, without what is known beside it and without earlier repairs
    aside = _ASIDE if MARK not in event.fields else _ASIDE | {"event.created"}
    return {
        name: value for name, value in event.fields.items() if name not in aside and not name.startswith(REPAIRED + ".")
    }
