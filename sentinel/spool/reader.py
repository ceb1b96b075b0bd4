"""The end at which the spool is read: durable records in order, past whatever damage lies between them."""

import errno
import os
import threading
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path

from sentinel.core.errors import SpoolError
from sentinel.core.event import Entry
from sentinel.spool import checkpoint
from sentinel.spool.files import listing, segment_path
from sentinel.spool.head import State
from sentinel.spool.quarantine import Problems, Quarantine
from sentinel.spool.record import Stretch

_CHUNK = 256 << 10
_PLACES_MAX = 64
_BLOCK = 4096

Place = tuple[int, int]
"""A segment's number and an offset in it."""


class Reader:
    """Reads one spool folder up to its durable end; remembers where it was, so going on costs no search."""

    def __init__(
        self, folder: Path, state: Callable[[], State], problems: Problems, quarantine: Quarantine | None
    ) -> None:
        self._folder, self._state, self._problems, self._quarantine = folder, state, problems, quarantine
        self._places: OrderedDict[int, Place] = OrderedDict()
        self._cache = Stretch(b"", 0, 0)
        self._lock = threading.Lock()

    def beyond(self, after: int, state: State) -> bool:
        """Say whether there may be a record above `after` before the durable end `state`."""
        place = self._places.get(after)
        return state.last > after and (place is None or place < state.end)

    def read(self, after: int, limit: int) -> list[Entry]:
        """Return up to `limit` durable records with a sequence above `after`, in order. Raises SpoolError."""
        with self._lock:
            state = self._state()
            place = self._places.get(after)
            if place is None or place > state.end:  # a torn end was cut off since
                place = self._seek(after, state)
            self._remember(after, place)
            entries: list[Entry] = []
            last = after
            while len(entries) < limit:
                step = self._step(place, state, last, limit - len(entries))
                if step is None:
                    break
                found, place = step
                if found:
                    entries += found
                    last = found[-1].seq
            self._remember(last, place)
            return entries

    def _remember(self, after: int, place: Place) -> None:
        self._places[after] = place
        self._places.move_to_end(after)
        while len(self._places) > _PLACES_MAX:
            self._places.popitem(last=False)

    def _seek(self, after: int, state: State) -> Place:
        near = max((seq for seq, place in self._places.items() if seq <= after and place <= state.end), default=None)
        if near is not None:
            return self._places[near]
        numbers = [number for number in listing(self._folder).sizes if number <= state.segment]
        before = [number for number in numbers if number <= after + 1]
        return (before[-1] if before else numbers[0], 0) if numbers else state.end

    def _step(self, place: Place, state: State, after: int, limit: int) -> tuple[list[Entry], Place] | None:
        """Go on from `place`: to records, over damage, or into the next segment; None at the durable end."""
        segment, offset = place
        end = self._end(segment, state)
        if end is None or offset >= end:
            following = self._following(segment, after, state)
            return None if following is None else ([], (following, 0))
        stretch = self._cache
        if stretch.segment != segment or not stretch.base <= offset < stretch.base + len(stretch.data):
            stretch = self._load(segment, offset, min(end, offset + _CHUNK))
        entries, reached = stretch.take(offset, after, limit)
        if reached == offset and stretch.base != offset:  # what was loaded ends within a record
            stretch = self._load(segment, offset, min(end, offset + _CHUNK))
            entries, reached = stretch.take(offset, after, limit)
        if reached == offset and offset + len(stretch.data) < end:  # a record longer than that, or damage
            stretch = self._load(segment, offset, end)
            entries, reached = stretch.take(offset, after, limit)
        if reached == offset and stretch.data:
            reached = self._over_damage(stretch, offset)
        elif not stretch.data:
            reached = end
        return entries, (segment, reached)

    def _over_damage(self, stretch: Stretch, offset: int) -> int:
        end = stretch.base + len(stretch.data)
        good = stretch.resume(offset)
        reached = end if good is None else good
        damaged = stretch.data[offset - stretch.base : reached - stretch.base]
        if self._quarantine is not None:
            self._quarantine.keep(stretch.segment, offset, damaged)
        else:
            self._problems.say(f"{len(damaged)} bytes at {offset} of segment {stretch.segment} are damaged")
        return reached

    def _end(self, segment: int, state: State) -> int | None:
        if segment == state.segment:
            return state.offset
        try:
            return segment_path(self._folder, segment).stat().st_size
        except FileNotFoundError:
            return None

    def _following(self, segment: int, after: int, state: State) -> int | None:
        if segment >= state.segment:
            return None
        following = min(
            (number for number in listing(self._folder).sizes if segment < number <= state.segment), default=None
        )
        # what another process has committed meanwhile may be gone, and is nobody's loss
        if following is not None and following > max(after, checkpoint.load(self._folder)[0]) + 1:
            self._problems.say(f"records {after + 1} to {following - 1} are missing")
        return following

    def _load(self, segment: int, offset: int, end: int) -> Stretch:
        try:
            fd = os.open(segment_path(self._folder, segment), os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
        except FileNotFoundError:
            return Stretch(b"", segment, offset)
        except OSError as error:
            raise SpoolError(f"segment {segment} of {self._folder} cannot be opened: {error.strerror}") from error
        try:
            self._cache = Stretch(read_range(fd, offset, end), segment, offset)
        finally:
            os.close(fd)
        return self._cache


def read_range(fd: int, offset: int, end: int) -> bytes:
    """Return the bytes of a file from `offset` up to `end` or its end; zeros where the disk cannot read them."""
    pieces = []
    while offset < end:
        try:
            piece = os.pread(fd, min(1 << 24, end - offset), offset)
        except OSError as error:
            if error.errno != errno.EIO:
                raise
            piece = _salvaged(fd, offset, end)
        if not piece:
            break
        pieces.append(piece)
        offset += len(piece)
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)


def _salvaged(fd: int, offset: int, end: int) -> bytes:
    size = min(_BLOCK - offset % _BLOCK, end - offset)
    try:
        return os.pread(fd, size, offset)
    except OSError as error:
        if error.errno != errno.EIO:
            raise
        return bytes(size)
