"""What could not be read or stored: an event of kind pipeline_error with the original inside, and its way back."""

from base64 import b64decode
from binascii import Error as Base64Error
from datetime import datetime

from sentinel.core.errors import UsageError
from sentinel.core.event import (
    Entry,
    Event,
    Fields,
    Origin,
    Raw,
    Value,
    arrival,
    arriving,
    event_id,
    identity,
)
from sentinel.parse import build
from sentinel.parse.packs import Pack

DATASET = "sentinel.deadletter"
REASON_MAX = 1_000


def letter(entry: Entry, kind: str, reason: str, pack: Pack | None = None, part: int = 0) -> Event:
    """Return the dead letter for the `part`-th event of `entry`; `kind` is the fault's class, `reason` is for people.

    `sentinel.event_id` holds the id of the event it should have been.
    """
    origin = entry.raw.origin
    said: Fields = {
        "event.kind": "pipeline_error",
        "error.message": reason[:REASON_MAX] or kind,
        "error.type": kind,
        "message": reason[:REASON_MAX] or kind,
        "sentinel.event_id": event_id(entry, part),
        "sentinel.origin.via": origin.via,
        "sentinel.origin.peer": origin.peer,
        "sentinel.origin.position": identity(entry),
    }
    if pack is not None:
        said["sentinel.pack"] = pack.name
        said["sentinel.pack_version"] = pack.version
        said["event.reference"] = pack.reference
    event = build.complete(entry, part, said, build.common(entry), DATASET, "sentinel")
    name = event_id(entry, part, kind="deadletter")
    fields = {**event.fields, "event.id": name}
    return Event(name, arrival(entry.seq, part), event.timestamp, event.ingested, fields)


def raw_of(event: Event) -> Raw:
    """Return the record inside a dead letter, ready for the spool; raises UsageError if it holds none.

    Read again with success it becomes the event named by `sentinel.event_id`: however often it is replayed, that
    event is stored once, and a dead letter whose event exists is healed.
    """
    fields = event.fields
    if fields.get("event.dataset") != DATASET:
        raise UsageError(f"event {event.id} is no dead letter")
    encoded = fields.get("sentinel.original_b64")
    try:
        body = b64decode(encoded, validate=True) if isinstance(encoded, str) else _text(fields.get("event.original"))
        received = datetime.fromisoformat(str(fields.get("event.created")))
    except (Base64Error, ValueError) as error:
        raise UsageError(f"the dead letter {event.id} is damaged: {error}") from error
    origin = Origin(
        via=str(fields.get("sentinel.origin.via", "")),
        peer=str(fields.get("sentinel.origin.peer", "")),
        position=str(fields.get("sentinel.origin.position", "")),
        note=str(fields.get("sentinel.origin.note", "")),
    )
    return arriving(Raw(body, str(fields.get("sentinel.source", "")), received, origin), event.ingested)


def _text(value: Value | None) -> bytes:
    return value.encode("utf-8", "replace") if isinstance(value, str) else b""
