"""Other events in the place of some: sealed segments that hold them are written anew, beside the old ones.

The new file has the same day and number, so a reader sees one of the two, whenever it looks; which, is decided by a
rename. Whoever is interrupted does it again: what has been amended stays as it is.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from sentinel.core.event import Event, record_of
from sentinel.store.codec import Encoder, decode, micros
from sentinel.store.engine import Engine, select
from sentinel.store.forming import Gathering
from sentinel.store.hot import HotFile
from sentinel.store.ids import key_of
from sentinel.store.sealing import literal
from sentinel.store.segments import Segment

_LINES = 1_000


@dataclass(slots=True)
class Amendment:
    """What is to become of one day: the keys of events that go, and the events to be there.

    Each of `new` goes where an event with its `seq` is, or with the other that stands beside it: the first that goes of
    its record.
    """

    gone: set[int]
    new: list[tuple[int, Event]]

    @classmethod
    def of(cls, gone: Iterable[Event], new: Iterable[Event]) -> "Amendment":
        """Return what replaces `gone` by `new`; a new event takes the place of itself, too."""
        new = list(new)
        keys: set[int] = set()
        first: dict[int, int] = {}
        going: set[int] = set()
        for event in gone:
            keys.add(key_of(event.id))
            going.add(event.seq)
            record = record_of(event.seq)
            first[record] = min(first.get(record, event.seq), event.seq)
        keys.update(key_of(event.id) for event in new)
        beside = (one.seq if one.seq in going else first.get(record_of(one.seq), one.seq) for one in new)
        return cls(keys, list(zip(beside, new, strict=True)))

    def rewritten(self, folder: Path, engine: Engine, segment: Segment) -> HotFile | None:
        """Return the lines of a sealed segment as they shall be, in a file of their own; None: it is as it shall be.

        Raises EngineError, OSError, or ValueError for an event that cannot be kept.
        """
        source = f"read_parquet([{literal(str(folder / segment.name))}])"
        at, lines = Gathering(segment.day), list[bytes]()
        encoder = Encoder()
        found: set[int] = set()
        for (line,) in engine.stream(select('"#doc"', source, "", ' ORDER BY "#seq"'), {}):
            event = decode(line)
            if key_of(event.id) in self.gone:
                found.add(event.seq)
                continue
            encoder.note(event, at.census)
            at.add(key_of(event.id), event.seq, micros(event.timestamp), micros(event.ingested), b"")
            lines.append(line.encode("utf-8") + b"\n")
        if not found:
            return None
        here = [(beside, event) for beside, event in self.new if event.seq in found or beside in found]
        self.new = [one for one in self.new if one not in here]
        for _, event in here:
            ts, ingested = micros(event.timestamp), micros(event.ingested)
            lines.append(encoder.encode(event, ts, ingested, at.census))
            at.add(key_of(event.id), event.seq, ts, ingested, b"")
        hot = HotFile(folder / f"{segment.day}-{segment.number}.amended.tmp", segment.day, segment.number)
        for begin in range(0, len(lines), _LINES):
            hot.write(b"".join(lines[begin : begin + _LINES]))
        hot.sync()
        hot.close()
        if at.keys:
            hot.keep(at.block())
        hot.rising = False
        return hot
