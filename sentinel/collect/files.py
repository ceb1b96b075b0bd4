"""Followed files: records are read as they are written, through every kind of rotation, once.

A mark moves forward only after the sink has kept what was read, so a crash reads some records again; they have the
same positions and so the same ids. A record of several lines is kept when it is whole: until then the mark stands
before it, and if its file is emptied meanwhile and no copy holds it, what was read of it is kept. What is written
between a copy and the truncation after it (copytruncate) is lost by the program that rotates, before anybody can read
it.
"""

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Literal

from sentinel.collect import matching
from sentinel.collect.matching import Seen, Unpacked
from sentinel.collect.records import LINE_BY_LINE, Cutting
from sentinel.collect.streams import Checkpoint, Stream, remembered
from sentinel.collect.tail import Batch, Tail
from sentinel.collect.threads import finished
from sentinel.core.errors import ConfigError
from sentinel.core.kill import point
from sentinel.core.ports import Clock, Sink

POLL_SECONDS = 0.25
UNFINISHED_AFTER = timedelta(seconds=30)
LINGER = timedelta(minutes=1)
BLOCKS_A_TURN = 16
OPEN_MAX = 256

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class Counters:
    """Records read and kept, and what could not be: `problems` has the latest word on each file, at most 100."""

    received: int = 0
    written: int = 0
    cut: int = 0
    unfinished: int = 0
    streams: int = 0
    damaged: int = 0
    checkpoint_lost: int = 0
    problems: dict[str, str] = field(default_factory=dict)


class FollowedFiles:
    """The files that some patterns name (`/var/log/auth.log`, `/srv/logs/**/*.log*`).

    Of a plain path its rotated relatives in the same folder are looked at too, but only to finish what had been
    begun. `start` is where to begin in files that are there when there is no checkpoint yet.
    """

    def __init__(  # noqa: PLR0913  plain arguments, so that app.py can wire them
        self,
        name: str,
        clock: Clock,
        paths: Sequence[str],
        *,
        checkpoint: Path,
        cutting: Cutting = LINE_BY_LINE,
        start: Literal["beginning", "end"] = "beginning",
        poll_seconds: float = POLL_SECONDS,
        unfinished_after: timedelta = UNFINISHED_AFTER,
    ) -> None:
        self.name = name
        self.ready = asyncio.Event()
        self.counters = Counters()
        self._clock = clock
        self._paths = tuple(paths)
        self._checkpoint = Checkpoint(checkpoint)
        self._cutting = cutting
        self._start = start
        self._poll_seconds = poll_seconds
        self._unfinished_after = unfinished_after
        self._streams: list[Stream] = []
        self._tails: dict[int, Tail] = {}  # by id of the stream
        self._orphans: dict[int, Tail] = {}  # likewise: the file was replaced while something was held
        self._moments: dict[int, tuple[int, datetime]] = {}  # likewise: how far a closed file had been read, and when
        self._unpacked: dict[tuple[int, int], Unpacked] = {}
        self._copies: dict[tuple[int, int], Stream] = {}
        self._skip = False
        self._fresh = True

    async def run(self, sink: Sink, /) -> None:
        """Follow until cancelled; marks stand behind the last record that was kept."""
        self._streams, state = self._checkpoint.load()
        self._tails, self._orphans, self._moments = {}, {}, {}
        self._unpacked, self._copies, self._fresh = {}, {}, True
        self._skip = state == "first" and self._start == "end"
        self.counters.checkpoint_lost += state == "lost"
        try:
            while True:
                await finished(self._scan)
                more = False
                for stream in list(self._streams):
                    more |= await self._follow(stream, sink)
                await finished(self._settle)
                self.ready.set()
                await asyncio.sleep(0 if more else self._poll_seconds)
        finally:
            self.ready.clear()
            for tail in (*self._tails.values(), *self._orphans.values()):
                tail.close()
            self._tails, self._orphans = {}, {}
            self._remember()

    async def _follow(self, stream: Stream, sink: Sink) -> bool:
        """Read what one file has to give, up to a limit; say whether there is more."""
        tail = self._tails.get(id(stream))
        if tail is None:
            await self._bury(stream, sink)
            return False
        if tail.at_end and stream.inode and not tail.held and stream.size == stream.offset:
            return False
        for _ in range(BLOCKS_A_TURN):
            for batch in await finished(lambda: list(tail.read(self._clock.now()))):
                await self._keep(tail, batch, sink)
            if tail.at_end:
                quiet = self._clock.now() - tail.moment
                patience = self._cutting.quiet if tail.whole else self._unfinished_after
                if tail.held and (stream.compressed or quiet >= patience):
                    for batch in list(tail.finish(self._clock.now())):
                        await self._keep(tail, batch, sink)
                self._at_end(stream, tail)
                return False
        return True

    async def _bury(self, stream: Stream, sink: Sink) -> None:
        """Keep what had been read of a file that holds it no longer."""
        tail = self._orphans.get(id(stream))
        if tail is not None:
            for batch in list(tail.finish(self._clock.now())):
                await self._keep(tail, batch, sink)
            self._orphans.pop(id(stream)).close()

    async def _keep(self, tail: Tail, batch: Batch, sink: Sink) -> None:
        if batch.raws:
            self.counters.received += len(batch.raws)
            await sink.write(batch.raws)
            point("collect.lines_durable")
            self.counters.written += len(batch.raws)
            for raw in batch.raws:
                if raw.origin.note:
                    self.counters.cut += raw.origin.note.startswith("cut:")
                    self.counters.unfinished += raw.origin.note.endswith("unfinished")
        tail.accept(batch)

    def _at_end(self, stream: Stream, tail: Tail) -> None:
        if stream.compressed:
            stream.done = True
            if tail.damaged:
                self.counters.damaged += 1
                self._problem(stream.path, f"damaged, the rest is lost: {tail.damaged}")
        if stream.compressed:
            self._drop(stream)
        elif tail.stale:
            self._abandon(stream)

    def _problem(self, path: str, text: str) -> None:
        known = self.counters.problems
        if known.get(path) != text and (len(known) < 100 or path in known):
            known[path] = text
            _log.warning("%s: %s", path, text)

    def _drop(self, stream: Stream) -> None:
        tail = self._tails.pop(id(stream), None)
        if tail is not None:
            tail.close()

    def _abandon(self, stream: Stream) -> None:
        """Let go of a file whose content was replaced, but not of what is held of it."""
        tail = self._tails.get(id(stream))
        if tail is not None and tail.held and id(stream) not in self._orphans:
            self._orphans[id(stream)] = self._tails.pop(id(stream))
        self._drop(stream)

    def _settle(self) -> None:
        """Close what has long been quiet, forget what is long gone, and remember the rest."""
        now = self._clock.now()
        by_age = sorted(self._tails.items(), key=lambda item: item[1].moment)
        for at, (_, tail) in enumerate(by_age):
            crowded = len(by_age) - at > OPEN_MAX
            if crowded or (now - tail.moment >= LINGER and not tail.held and tail.at_end):
                if tail.held:
                    self._moments[id(tail.stream)] = (tail.stream.offset + tail.held, tail.moment)
                self._drop(tail.stream)
        begun = {*self._tails, *self._orphans, *self._moments}
        self._streams = remembered([one for one in self._streams if one.offset or id(one) in begun])
        self.counters.streams = len(self._streams)
        self._remember()

    def _remember(self) -> None:
        try:
            self._checkpoint.save(self._streams)
        except ConfigError as error:  # a full disk is no reason to read nothing: it is tried again at every look
            self._problem(str(self._checkpoint.path), str(error))

    def _scan(self) -> None:
        """Look at the disk, and find out which file holds which stream."""
        found, refused = matching.look(self._paths, self._streams)
        for text in refused:
            path, _, reason = text.rpartition(": ")
            self._problem(path, reason)
        owners = {(stream.device, stream.inode): stream for stream in self._streams if stream.inode}
        strangers: list[Seen] = []
        for place, seen in found.items():
            stream = owners.pop(place, None)
            if stream is None:
                strangers.append(seen)
                continue
            try:
                still = self._still(stream, seen)
            except OSError as error:
                self._problem(str(seen.path), str(error.strerror))
                continue
            if not still:
                self._release(stream, replaced=True)
                strangers.append(seen)
        for stream in owners.values():
            self._release(stream, replaced=False)
        for seen in sorted(strangers, key=lambda one: (one.changed, str(one.path))):
            try:
                self._place(seen)
            except OSError as error:
                self._problem(str(seen.path), str(error.strerror))
        for stream in self._streams:
            if stream.inode and id(stream) in self._orphans:  # what was held is read again, from here
                self._orphans.pop(id(stream)).close()
        self._unpacked = {place: one for place, one in self._unpacked.items() if place in found}
        self._copies = {place: one for place, one in self._copies.items() if place in found}
        self._skip = self._fresh = False

    def _still(self, stream: Stream, seen: Seen) -> bool:
        moved = (stream.size, stream.changed) != (seen.size, seen.changed)
        if stream.compressed:
            if not moved and not stream.done and id(stream) not in self._tails:
                self._open(stream, seen)
            return not moved
        tail = self._tails.get(id(stream))
        if moved or self._fresh or (tail is None and seen.size > stream.offset):
            if tail is not None and (tail.stale or seen.size < stream.offset + tail.held or not tail.unchanged()):
                self._abandon(stream)
                tail = None
            begun = stream.offset or id(stream) in self._orphans  # of what is only held any file may go on
            if tail is None and begun and not matching.holds_on(stream, seen):
                return False
            if tail is None and seen.size > stream.offset:
                self._open(stream, seen)
        stream.path, stream.size, stream.changed = str(seen.path), seen.size, seen.changed
        return True

    def _release(self, stream: Stream, *, replaced: bool) -> None:
        # a file that has gone can be read to its end while we hold it open; one that was replaced cannot
        stream.device = stream.inode = 0
        self._moments.pop(id(stream), None)
        if replaced:
            self._abandon(stream)

    def _place(self, seen: Seen) -> None:
        """Find the stream that a file at a new place holds, or begin one, unless that has to wait."""
        relatives = [
            one
            for one in self._streams
            if (one.offset or self._head(one)) and Path(one.family).name == seen.family.name
        ]
        relatives.sort(key=lambda one: (one.family != str(seen.family), -one.offset))
        head = matching.head(seen.path)
        if said := matching.foreign(head):
            self._problem(str(seen.path), said)
            return
        packed = matching.compressed(head)
        unpacked = None
        if packed:
            unpacked = self._unpack(seen, [one.offset for one in relatives if one.done or not one.inode])
            if not unpacked.whole and not self._settled(seen):
                return
        for stream in relatives:
            if not stream.inode and self._fits(stream, seen, unpacked):
                stream.compressed, stream.done = packed, False
                self._take_on(stream, seen)
                return
        for stream in relatives:
            if stream.inode and matching.is_copy(seen, unpacked, stream):
                self._copies[seen.place] = stream
                return
        size = seen.size if unpacked is None else unpacked.size
        if size and (seen.wanted or self._newer(seen)):
            self._begin(seen, size, packed=packed)

    def _begin(self, seen: Seen, size: int, *, packed: bool) -> None:
        stream = Stream(str(seen.family), str(seen.path), compressed=packed)
        original = self._copies.pop(seen.place, None)
        if original is not None and original.offset > size and seen.rotated:  # else its inode was given to another
            # a copy of a stream that we had read further than the copy goes before its own file was cut
            stream.first, stream.generation, stream.skip_until = original.first, original.generation, size
        elif self._skip:
            stream.skip_until = size
        self._streams.append(stream)
        self._take_on(stream, seen)

    def _fits(self, stream: Stream, seen: Seen, unpacked: Unpacked | None) -> bool:
        if head := self._head(stream):
            return matching.begins(seen, unpacked, head)
        if unpacked is None:
            return matching.holds_on(stream, seen)
        return unpacked.size >= stream.offset and stream.fits(unpacked.at)

    def _head(self, stream: Stream) -> bytes:
        """Return the first bytes of what is held of a stream of which nothing has been kept yet."""
        tail = self._tails.get(id(stream)) or self._orphans.get(id(stream))
        return tail.head if tail is not None and tail.held and not stream.offset else b""

    def _take_on(self, stream: Stream, seen: Seen) -> None:
        stream.device, stream.inode = seen.place
        stream.path, stream.size, stream.changed = str(seen.path), seen.size, seen.changed
        self._open(stream, seen)

    def _open(self, stream: Stream, seen: Seen) -> None:
        self._drop(stream)
        known, moment = self._moments.pop(id(stream), (0, self._clock.now()))
        self._tails[id(stream)] = Tail(
            stream,
            seen.path,
            self.name,
            cutting=self._cutting,
            generation=self._generation,
            moment=moment,
            known=known,
        )

    def _settled(self, seen: Seen) -> bool:
        # the end of a compressed file is missing: is it still being written, or has it been cut off?
        quiet = self._clock.now().timestamp() - seen.changed / 1e9
        return quiet >= self._unfinished_after.total_seconds()

    def _unpack(self, seen: Seen, offsets: list[int]) -> Unpacked:
        known = self._unpacked.get(seen.place)
        key = (*seen.place, seen.size, seen.changed)
        if known is None or known.key != key or any(o <= known.size and o not in known.before for o in offsets):
            known = self._unpacked[seen.place] = matching.unpack(seen, offsets)
        return known

    def _newer(self, seen: Seen) -> bool:
        # a relative that no pattern names: it was written after we began with its family, between two looks
        known = [stream.changed for stream in self._streams if stream.family == str(seen.family) and stream.offset]
        return bool(known) and seen.changed > max(known)

    def _generation(self, stream: Stream) -> int:
        alike = [
            one
            for one in self._streams
            if one is not stream and one.family == stream.family and one.first == stream.first
        ]
        if stream.path != stream.family:  # more likely what is left of a copy than another beginning
            gone = [one.generation for one in alike if not one.inode]
            if gone:
                return max(gone)
        return max((one.generation for one in alike), default=-1) + 1
