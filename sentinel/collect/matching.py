"""Which file on the disk holds which stream: by place (device and inode), else by content.

Content is asked when a file turns up at a new place. It may be a stream whose own file is gone (compressed, copied
and cut, restored): then the file takes the stream on where it stands. It may be a copy in the making of a stream
whose file is still there (`cp` before a truncation, `gzip` before it deletes): then it has to wait, so that nothing
is read twice. Only names that rotation gives are taken for copies; a file under its plain name is always read.
"""

import gzip
import os
import stat
import zlib
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from glob import iglob
from pathlib import Path

from sentinel.collect.identity import family
from sentinel.collect.streams import PRINT_BYTES, Stream

_GZIP = b"\x1f\x8b"
_BLOCK = 256 * 1024
_HEAD_BYTES = 64
_FOREIGN = {
    b"\xfd7zXZ\0": "compressed by xz, which is not read",
    b"BZh91AY&SY": "compressed by bzip2, which is not read",
    b"\x28\xb5\x2f\xfd": "compressed by zstd, which is not read",
    b"PK\x03\x04": "a zip archive, which is not read",
    b"ElfFile\0": "a Windows event log and no text",
}
"""How files begin whose bytes are no records, and what they are."""


@dataclass(frozen=True, slots=True)
class Seen:
    """A file as it stood when we looked; `wanted` says that a pattern named it, else it is only a relative."""

    path: Path
    family: Path
    device: int
    inode: int
    size: int
    changed: int
    wanted: bool

    @property
    def place(self) -> tuple[int, int]:
        """Where it lies: device and inode."""
        return self.device, self.inode

    @property
    def rotated(self) -> bool:
        """Whether its name is one that rotation gives."""
        return self.path != self.family


@dataclass(slots=True)
class Unpacked:
    """What a compressed file holds: `size` bytes, the first and last of them; `whole` if its end is intact."""

    key: tuple[int, int, int, int]
    head: bytes = b""
    end: bytes = b""
    size: int = 0
    whole: bool = True
    before: dict[int, bytes] = field(default_factory=dict)

    def at(self, start: int, length: int) -> bytes:
        """Return the bytes of a stretch that was asked for, nothing for any other."""
        return self.head[:length] if start == 0 else self.before.get(start + length, b"")


def look(patterns: Iterable[str], known: Iterable[Stream]) -> tuple[dict[tuple[int, int], Seen], list[str]]:
    """Return the regular files that the patterns name and their relatives by rotation, and what cannot be read."""
    found: dict[tuple[int, int], Seen] = {}
    refused: list[str] = []
    for pattern in patterns:
        for path in names(pattern):
            _note(path, found, refused, wanted=True)
    families = {seen.family for seen in found.values()} | {Path(stream.family) for stream in known}
    for one in families:
        with suppress(OSError):
            for name in os.listdir(one.parent):  # noqa: PTH208  names are enough, and much cheaper
                if name.startswith(one.stem) and family(one.with_name(name)) == one:
                    _note(one.with_name(name), found, refused, wanted=False)
    return found, refused


def names(pattern: str) -> list[Path]:
    """Return what the pattern names, in order."""
    return [Path(name).absolute() for name in sorted(iglob(pattern, recursive=True))]  # noqa: PTH207  absolute patterns


def _note(path: Path, found: dict[tuple[int, int], Seen], refused: list[str], *, wanted: bool) -> None:
    try:
        state = path.stat()
    except FileNotFoundError:
        return
    except OSError as error:
        refused.append(f"{path}: {error.strerror}")
        return
    if not stat.S_ISREG(state.st_mode):
        return
    if wanted and not os.access(path, os.R_OK):
        refused.append(f"{path}: may not be read")
        return
    place = (state.st_dev, state.st_ino)
    if place not in found:
        found[place] = Seen(path, family(path), *place, state.st_size, state.st_mtime_ns, wanted)


def head(path: Path) -> bytes:
    """Return the first bytes of a file, enough to tell what it is; raises OSError."""
    with path.open("rb", buffering=0) as file:
        return file.read(_HEAD_BYTES)


def compressed(head: bytes) -> bool:
    """Say whether a file that begins so is gzip."""
    return head.startswith(_GZIP)


def foreign(head: bytes) -> str:
    """Say what a file that begins so is instead of text or gzip, empty if it is no such thing."""
    return next((said for start, said in _FOREIGN.items() if head.startswith(start)), "")


def holds_on(stream: Stream, seen: Seen) -> bool:
    """Say whether the plain file still holds what the stream has read of it; raises OSError."""
    if seen.size < stream.offset:
        return False
    with seen.path.open("rb", buffering=0) as file:
        return stream.fits(lambda start, length: os.pread(file.fileno(), length, start))


def begins(seen: Seen, unpacked: Unpacked | None, head: bytes) -> bool:
    """Say whether the file, plain unless it was unpacked, begins with `head`; raises OSError."""
    if unpacked is not None:
        return unpacked.at(0, len(head)) == head
    with seen.path.open("rb", buffering=0) as file:
        return os.pread(file.fileno(), len(head), 0) == head


def unpack(seen: Seen, offsets: Iterable[int]) -> Unpacked:
    """Read a compressed file through, and keep what tells streams at these offsets; raises OSError."""
    result = Unpacked((*seen.place, seen.size, seen.changed))
    wanted = sorted(set(offsets))
    recent = b""
    with seen.path.open("rb") as plain, gzip.GzipFile(fileobj=plain) as file:
        try:
            while data := file.read1(_BLOCK):
                if len(result.head) < PRINT_BYTES:
                    result.head = (result.head + data)[:PRINT_BYTES]
                around, base = recent + data, result.size - len(recent)
                result.size += len(data)
                while wanted and wanted[0] <= result.size:
                    end = wanted.pop(0)
                    start = max(0, end - PRINT_BYTES)
                    result.before[end] = around[start - base : end - base]
                result.end = recent = around[-PRINT_BYTES:]
        except (EOFError, gzip.BadGzipFile, zlib.error):
            result.whole = False
    return result


def is_copy(seen: Seen, unpacked: Unpacked | None, stream: Stream) -> bool:
    """Say whether all that the file holds is the beginning of what the stream's own file holds; raises OSError."""
    if not seen.rotated or not seen.size or stream.family != str(seen.family):
        return False
    if stream.compressed:
        if unpacked is not None:
            return stream.done and unpacked.size == stream.offset and stream.fits(unpacked.at)
        return stream.done and seen.size == stream.offset and holds_on(stream, seen)
    size = seen.size if unpacked is None else unpacked.size
    length = min(PRINT_BYTES, size)
    if unpacked is None:
        with seen.path.open("rb", buffering=0) as file:
            head = os.pread(file.fileno(), length, 0)
            end = os.pread(file.fileno(), length, size - length)
    else:
        head, end = unpacked.head, unpacked.end
    try:
        with Path(stream.path).open("rb", buffering=0) as own:
            number = own.fileno()
            return (
                os.fstat(number).st_size >= size
                and os.pread(number, length, 0) == head
                and os.pread(number, length, size - length) == end
            )
    except FileNotFoundError:
        return False
