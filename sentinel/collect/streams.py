"""What is remembered of followed files: how far each has been read, and how to know it again.

A stream is what one file says from its first byte to its last, wherever that file moves. It is known again by
device and inode together with two fingerprints over bytes that have already been read (which an appending writer
never changes): of its first 1 KiB, and of the last 1 KiB before the offset. The first tells another file that was
given the same inode; the second tells a file of the same header that was cut and filled again past the offset.
"""

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, fields
from hashlib import blake2b
from pathlib import Path
from typing import Literal

from sentinel.collect.identity import START
from sentinel.collect.marks import remember
from sentinel.core.errors import ConfigError

PRINT_BYTES = 1024
FORGOTTEN_AFTER = 1000
"""So many streams whose files are gone are remembered: to know their copies, and to count generations."""

_VERSION = 1


@dataclass(slots=True)
class Stream:
    """How far one file has been read; everything about bytes means the uncompressed text.

    `inode` is 0 while no file is known to hold the stream. `size` and `changed` (mtime, ns) are as last seen on disk.
    `chain`, `generation`: see `identity`; `first` is the chain after the first line. Lines that end at `skip_until`
    or before are not wanted. `done`: a compressed file that has been read to its end.
    """

    family: str
    path: str
    device: int = 0
    inode: int = 0
    size: int = 0
    changed: int = 0
    offset: int = 0
    chain: str = START.hex()
    first: str = ""
    generation: int = 0
    head: str = ""
    tail: str = ""
    skip_until: int = 0
    compressed: bool = False
    done: bool = False

    def printed(self, head: bytes, tail: bytes) -> None:
        """Remember the first and the last bytes before the offset (at most PRINT_BYTES each)."""
        self.head, self.tail = fingerprint(head), fingerprint(tail)

    def fits(self, at: Callable[[int, int], bytes]) -> bool:
        """Say whether what `at(start, length)` reads holds the bytes this stream has read so far."""
        length = min(PRINT_BYTES, self.offset)
        return (
            self.offset > 0
            and fingerprint(at(0, length)) == self.head
            and fingerprint(at(self.offset - length, length)) == self.tail
        )


def fingerprint(data: bytes) -> str:
    """Return 32 hex digits that stand for these bytes and their number."""
    return blake2b(data, digest_size=16).hexdigest()


class Checkpoint:
    """The file that remembers the streams; replaced whole, and durable before `save` returns."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._saved = ""

    def load(self) -> tuple[list[Stream], Literal["first", "known", "lost"]]:
        """Return what was remembered; `first` if there never was a checkpoint, `lost` if it is damaged."""
        try:
            text = self.path.read_text("utf-8")
        except FileNotFoundError:
            return [], "first"
        except UnicodeDecodeError:
            return [], "lost"
        except OSError as error:
            raise ConfigError(f"{self.path}: cannot be read: {error.strerror}") from error
        try:
            content = json.loads(text)
            streams = [_stream(row) for row in content["streams"]] if content["version"] == _VERSION else None
        except (ValueError, TypeError, KeyError):
            return [], "lost"
        return ([], "lost") if streams is None else (streams, "known")

    def save(self, streams: list[Stream]) -> None:
        """Remember `streams`; does nothing if nothing has changed. Raises ConfigError."""
        text = json.dumps({"version": _VERSION, "streams": [asdict(stream) for stream in streams if stream.offset]})
        if text == self._saved:
            return
        remember(self.path, text)
        self._saved = text


def _stream(row: object) -> Stream:
    if not isinstance(row, dict):
        raise TypeError(row)
    known = {one.name: row[one.name] for one in fields(Stream)}
    stream = Stream(**known)
    bytes.fromhex(stream.chain)
    if stream.offset < 0 or not all(type(known[one.name]) is one.type for one in fields(Stream)):
        raise TypeError(row)
    return stream


def remembered(streams: list[Stream]) -> list[Stream]:
    """Return the streams without those whose files went longest ago, if there are too many of them."""
    gone = sorted((stream for stream in streams if not stream.inode), key=lambda stream: stream.changed)
    forgotten = {id(stream) for stream in gone[: max(0, len(gone) - FORGOTTEN_AFTER)]}
    return [stream for stream in streams if id(stream) not in forgotten]
