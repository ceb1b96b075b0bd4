"""How one record lies on disk, and how to find the next good one behind damage.

    magic u8 | crc u32 | length u32 | seq u64 | written i64 | payload of `length` bytes        (little-endian)
    payload:   received i64 | names u32 | position u16 | note u16 | source, via, peer, identity | position | note | body

Times are microseconds since 1970-01-01 UTC. The CRC is CRC32C, masked as LevelDB and TFRecord do it, because the
CRC of bytes that hold CRCs is weak (https://github.com/google/leveldb/blob/main/util/crc32c.h). It covers the
segment's number and the record's offset (which are not stored), then everything behind the CRC: bytes that are a
good record elsewhere, whether misplaced by a disk or sent in the body of a log line by an attacker, are none here.
The magic byte never occurs in UTF-8 text.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from struct import Struct
from typing import cast

import google_crc32c

from sentinel.core.errors import SpoolError
from sentinel.core.event import Entry, Origin, Raw

RECORD_MAX = 1 << 20
"""Bytes of a whole record at most; a record of a collector (body at most 256 KiB) is far below."""

SEQ_MAX = (1 << 53) - 1
"""Of the last node's last record: the arrival sequence, 1024 times as large, still fits into 64 bits with a sign."""

_MAGIC = 0xFE
_TEXT_MAX = 0xFFFF
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_PREFIX = Struct("<BII")  # magic, crc, length
_FIXED = Struct("<IQq")  # length, seq, written
_PLACE = Struct("<QQ")  # segment, offset
_PAYLOAD = Struct("<qIHH")  # received, bytes of names, of position, of note
_BEHIND_CRC = Struct("<IQqqIHH")  # _FIXED and _PAYLOAD in one
_NAMES = Struct("<HHHH")
HEADER = 25
_CRC_END = 5
RECORD_MIN = HEADER + _PAYLOAD.size + _NAMES.size
# what a header looks like: any CRC, a length whose upper bytes say less than RECORD_MAX
_PLAUSIBLE = re.compile(rb"\xfe[\s\S]{6}[\x00-\x10]\x00")

_crc32c: Callable[[bytes], int] = google_crc32c.value


def microseconds(moment: datetime) -> int:
    """Return `moment` (aware) as microseconds since 1970."""
    since = moment - _EPOCH
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds


def moment_of(micros: int) -> datetime:
    """Return the moment (UTC) `micros` microseconds after 1970; raises OverflowError outside the years 1 to 9999."""
    return _EPOCH + timedelta(0, 0, micros)


def payload_of(raw: Raw) -> bytes:
    """Return `raw` as a payload; raises SpoolError if it is too long or its time has no zone.

    `zone` is not kept: it belongs to the source's configuration, which may have changed by the time of reading.
    """
    origin = raw.origin
    position = origin.position.encode("utf-8", "surrogatepass") if origin.position else b""
    note = origin.note.encode("utf-8", "surrogatepass") if origin.note else b""
    if max(len(position), len(note)) > _TEXT_MAX:
        raise SpoolError(f"a position or note of more than {_TEXT_MAX} bytes (source {raw.source!r})")
    try:
        names = _names(raw.source, origin.via, origin.peer, origin.identity)
        received = microseconds(raw.received)
    except TypeError as error:
        raise SpoolError(f"a time of receipt without a zone: {raw.received!r} (source {raw.source!r})") from error
    head = _PAYLOAD.pack(received, len(names), len(position), len(note))
    payload = b"".join((head, names, position, note, raw.body))
    if len(payload) > RECORD_MAX - HEADER:
        raise SpoolError(
            f"a record of {len(raw.body)} bytes (source {raw.source!r}, {origin.via}); the spool takes {RECORD_MAX} "
            "with all its names: the collector must cut it"
        )
    return payload


@lru_cache(maxsize=4096)
def _names(source: str, via: str, peer: str, identity: str) -> bytes:
    texts = [text.encode("utf-8", "surrogatepass") for text in (source, via, peer, identity)]
    if any(len(text) > _TEXT_MAX for text in texts):
        raise SpoolError(f"a name of more than {_TEXT_MAX} bytes: source {source[:80]!r}, via {via[:80]!r}")
    return _NAMES.pack(*map(len, texts)) + b"".join(texts)


@lru_cache(maxsize=4096)
def _origin(names: bytes) -> tuple[str, Origin]:
    sizes = _NAMES.unpack_from(names)
    at = _NAMES.size
    if len(names) != at + sum(sizes):
        raise ValueError("names that do not add up")
    texts = []
    for size in sizes:
        texts.append(names[at : at + size].decode("utf-8", "surrogatepass"))
        at += size
    source, via, peer, identity = texts
    return source, Origin(via, peer, identity=identity)


def record(payload: bytes, segment: int, offset: int, seq: int, written: int) -> bytes:
    """Return the whole record as it lies at `offset` of the segment numbered `segment`."""
    behind = _FIXED.pack(len(payload), seq, written) + payload
    crc = _crc32c(_PLACE.pack(segment, offset) + behind)
    return b"\xfe" + (((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF).to_bytes(4, "little") + behind


@dataclass(frozen=True, slots=True)
class Stretch:
    """Bytes of a segment from offset `base` on, the whole of what may be looked at."""

    data: bytes
    segment: int
    base: int

    def _behind(self, at: int) -> bytes | None:
        # what stands behind the CRC of the good record at `at`, None if there is none
        data = self.data
        if at + RECORD_MIN > len(data):
            return None
        magic, crc, length = _PREFIX.unpack_from(data, at)
        end = at + HEADER + length
        if magic != _MAGIC or length > RECORD_MAX - HEADER or end > len(data):
            return None
        behind = data[at + _CRC_END : end]
        have = _crc32c(_PLACE.pack(self.segment, self.base + at) + behind)
        return behind if ((have >> 15 | have << 17) + 0xA282EAD8) & 0xFFFFFFFF == crc else None

    def take(self, offset: int, after: int, limit: int) -> tuple[list[Entry], int]:
        """Return up to `limit` records from `offset` on with a sequence above `after`, and the offset behind them.

        Stops before what is not a whole good record, so the offset says where damage begins if it is not the end.
        """
        entries: list[Entry] = []
        at, last_written, written = offset - self.base, None, _EPOCH
        start = _BEHIND_CRC.size
        good, fields = self._behind, _BEHIND_CRC.unpack_from
        while len(entries) < limit and (behind := good(at)) is not None:
            at += _CRC_END + len(behind)
            _, seq, written_micros, received, names, position, note = fields(behind)
            if seq <= after:
                continue
            if written_micros != last_written:
                last_written, written = written_micros, moment_of(written_micros)
            middle = start + names
            source, origin = _origin(behind[start:middle])
            if position or note:
                texts = behind[middle : middle + position], behind[middle + position : middle + position + note]
                place, said = (text.decode("utf-8", "surrogatepass") for text in texts)
                origin = Origin(origin.via, origin.peer, place, said, origin.identity)
                middle += position + note
            entries.append(Entry(seq, written, Raw(behind[middle:], source, moment_of(received), origin)))
            after = seq
        return entries, self.base + at

    def walk(self, offset: int) -> Iterator[tuple[int, int]]:
        """Yield sequence and end offset of each good record from `offset` on, up to the first that is none."""
        at = offset - self.base
        while (behind := self._behind(at)) is not None:
            at += _CRC_END + len(behind)
            yield cast("int", _FIXED.unpack_from(behind)[1]), self.base + at

    def resume(self, offset: int) -> int | None:
        """Return the offset of the first good record at or behind `offset`, None if there is no more."""
        at = offset - self.base
        while (found := _PLAUSIBLE.search(self.data, at)) is not None:
            at = found.start()
            if self._behind(at) is not None:
                return self.base + at
            at += 1
        return None

    def claimed(self, offset: int) -> int:
        """Return the highest sequence that the damaged bytes from `offset` on seem to have held, 0 if none.

        Their CRC is wrong, so a claim counts only if it rises from the segment's number no faster than records fit.
        """
        highest = 0
        ceiling = self.segment + (self.base + len(self.data)) // RECORD_MIN
        at = offset - self.base
        while (found := _PLAUSIBLE.search(self.data, at)) is not None and found.start() + HEADER <= len(self.data):
            seq = _FIXED.unpack_from(self.data, found.start() + _CRC_END)[1]
            if self.segment <= seq <= ceiling:
                highest = max(highest, seq)
            at = found.start() + 1
        return highest
