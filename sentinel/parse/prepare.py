"""From a stretch of the spool to what the store keeps: read, formed, counted; without the store, in any process."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sentinel.core.event import Entry, Event, Fields, arrival, record_of
from sentinel.core.join import VIA
from sentinel.core.ports import Form, Formed, Rejected, Spool
from sentinel.core.source import Heard, Identity, hour_of
from sentinel.parse import deadletter
from sentinel.parse.observe import Observer
from sentinel.parse.record import Reader

_MUST = (
    "@timestamp", "ecs.version", "event.id", "event.sequence", "event.created", "event.ingested", "event.kind",
    "event.dataset", "event.module", "event.hash", "sentinel.source", "sentinel.event_id", "error.type",
)  # fmt: skip


Place = tuple[str, int]
"""Where a record is booked: its source, and the hour (since 1970, UTC) in which it entered the spool."""


@dataclass(slots=True)
class Count:
    """What became of a source's records.

    `received` records were read from the spool and became `events`, of which `deadletter` are dead letters; the store
    took each newly (`stored`), had it before (`duplicates`) or refused even its dead letter (`dropped`). So
    `events = stored + duplicates + dropped` over all sources.
    """

    received: int = 0
    events: int = 0
    deadletter: int = 0
    stored: int = 0
    duplicates: int = 0
    dropped: int = 0

    def add(self, more: "Count") -> None:
        """Count what became of further records."""
        for name in Count.__slots__:
            setattr(self, name, getattr(self, name) + getattr(more, name))


@dataclass(frozen=True, slots=True)
class Stretch:
    """The records of the spool with a sequence above `after`, up to `through`.

    `again` if a process was lost over them before. With `unread` no pack is to see them: they become dead letters,
    and that is why.
    """

    after: int
    through: int
    again: bool = False
    unread: str = ""


@dataclass(frozen=True, slots=True)
class Prepared:
    """What a stretch became: `formed`, to be kept in this order, and `counts`, what was refused already included.

    Behind the first of `formed` stand the dead letters of what it rejected; what they reject in turn is dropped.
    `places` maps each record's sequence to where it is booked, `letters` holds the sequences of events that are dead
    letters; `written` is when the last record entered the spool, `heard` who sent them,
    `remarks` are for the operator, `problems` what the process that read the stretch knows to be wrong with the spool.
    """

    stretch: Stretch
    formed: tuple[Formed, ...]
    counts: Mapping[Place, Count]
    places: Mapping[int, Place]
    letters: frozenset[int]
    written: datetime | None
    heard: Mapping[Identity, Heard]
    remarks: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()

    @property
    def dropped(self) -> list[Rejected]:
        """Those of which not even the dead letter could be formed."""
        return [one for letters_formed in self.formed[1:] for one in letters_formed.rejected]


@dataclass(frozen=True, slots=True)
class Preparer:
    """Prepares stretches of `spool` for the store whose `form` it is given."""

    spool: Spool
    reader: Reader
    form: Form

    def prepare(self, stretch: Stretch) -> Prepared:
        """Return what the records of `stretch` become; raises SpoolError."""
        remarks = self.reader.refresh()
        found = self.spool.read(stretch.after, stretch.through - stretch.after)
        entries = [entry for entry in found if entry.seq <= stretch.through]
        counts: dict[Place, Count] = {}
        places: dict[int, Place] = {}
        events: list[Event] = []
        unread: set[int] = set()
        observer = Observer()
        place, moment, count = ("", 0), None, Count()
        for entry in entries:
            made = self._read(entry, stretch.unread)
            if entry.raw.origin.via != VIA:
                observer.note(entry.raw, made[0])
            if entry.written != moment or entry.raw.source != place[0]:
                moment = entry.written
                place = (entry.raw.source, hour_of(moment))
                count = counts.get(place) or counts.setdefault(place, Count())
            places[entry.seq] = place
            count.received += 1
            count.events += len(made)
            for event in made:
                if event.fields.get("event.kind") == "pipeline_error":
                    unread.add(event.seq)
            events += made
        for seq in unread:
            counts[places[record_of(seq)]].deadletter += 1
        formed = self.form(events)
        written = entries[-1].written if entries else None
        refused = formed.rejected
        unread |= {one.seq for one in refused}
        more = (letters(refused, self.spool, self.form, places, counts),) if refused else ()
        whole = (formed, *more)
        return Prepared(
            stretch, whole, counts, places, frozenset(unread), written, observer.heard, remarks, self.spool.problems
        )

    def _read(self, entry: Entry, unread: str) -> list[Event]:
        return [deadletter.letter(entry, "ParserDied", unread)] if unread else self.reader.read(entry)


def letters(
    refused: Sequence[Rejected], spool: Spool, form: Form, places: Mapping[int, Place], counts: Mapping[Place, Count]
) -> Formed:
    """Return the dead letters of what the store refuses and count them; raises SpoolError."""
    made: list[Event] = []
    for one in refused:
        count = counts[places[record_of(one.seq)]]
        found = spool.read(record_of(one.seq) - 1, 1)
        if not found or found[0].seq != record_of(one.seq):  # damaged meanwhile: the spool has said so
            count.dropped += 1
            count.deadletter += 1
            continue
        letter, new = _letter(found[0], one)
        count.deadletter += new
        made.append(letter)
    formed = form(made)
    for one in formed.rejected:
        counts[places[record_of(one.seq)]].dropped += 1
    return formed


def _letter(entry: Entry, rejected: Rejected) -> tuple[Event, bool]:
    """Return the dead letter of a refused event and True; of a refused letter what it cannot do without, and False."""
    part = rejected.seq - arrival(entry.seq, 0)
    letter = deadletter.letter(entry, "StoreRefused", f"the store refused the event: {rejected.reason}", part=part)
    if rejected.id != letter.id:
        return letter, True
    fields: Fields = {name: letter.fields[name] for name in _MUST if name in letter.fields}
    fields["error.message"] = f"the store refused the dead letter: {rejected.reason}"[: deadletter.REASON_MAX]
    return Event(letter.id, letter.seq, letter.timestamp, letter.ingested, fields), False
