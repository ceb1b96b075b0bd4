"""From a stretch of the spool to what the store keeps: read, formed, counted; without the store, in any process."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from sentinel.core.event import Entry, Event, Fields, arrival, record_of
from sentinel.core.ports import Form, Formed, Rejected, Spool
from sentinel.parse import deadletter
from sentinel.parse.record import Reader

_MUST = (
    "@timestamp", "ecs.version", "event.id", "event.sequence", "event.created", "event.ingested", "event.kind",
    "event.dataset", "event.module", "event.hash", "sentinel.source", "sentinel.event_id", "error.type",
)  # fmt: skip


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
    `sources` maps each record's sequence to its source; `written` is when the last one entered the spool.
    """

    stretch: Stretch
    formed: tuple[Formed, ...]
    counts: Mapping[str, Count]
    sources: Mapping[int, str]
    written: datetime | None

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
        found = self.spool.read(stretch.after, stretch.through - stretch.after)
        entries = [entry for entry in found if entry.seq <= stretch.through]
        counts: dict[str, Count] = {}
        events: list[Event] = []
        for entry in entries:
            made = self._read(entry, stretch.unread)
            count = counts.setdefault(entry.raw.source, Count())
            count.received += 1
            count.events += len(made)
            count.deadletter += sum(event.fields.get("event.kind") == "pipeline_error" for event in made)
            events += made
        formed = self.form(events)
        sources = {entry.seq: entry.raw.source for entry in entries}
        written = entries[-1].written if entries else None
        prepared = Prepared(stretch, (formed,), counts, sources, written)
        if not formed.rejected:
            return prepared
        return replace(prepared, formed=(formed, letters(formed.rejected, self.spool, self.form, counts)))

    def _read(self, entry: Entry, unread: str) -> list[Event]:
        return [deadletter.letter(entry, "ParserDied", unread)] if unread else self.reader.read(entry)


def letters(refused: Sequence[Rejected], spool: Spool, form: Form, counts: Mapping[str, Count]) -> Formed:
    """Return the dead letters of what the store refuses and count them; raises SpoolError."""
    made: list[Event] = []
    sources: dict[int, str] = {}
    for one in refused:
        for entry in spool.read(record_of(one.seq) - 1, 1):
            if entry.seq != record_of(one.seq):
                continue  # the record was damaged meanwhile: the spool has said so
            sources[entry.seq] = entry.raw.source
            letter, new = _letter(entry, one)
            counts[entry.raw.source].deadletter += new
            made.append(letter)
    formed = form(made)
    for one in formed.rejected:
        counts[sources[record_of(one.seq)]].dropped += 1
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
