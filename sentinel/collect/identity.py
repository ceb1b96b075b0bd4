"""What makes a line of a file itself, wherever the file is moved, however often it is read.

A line is known by all that comes before it: its position is `<chain>:<offset>`, where offset is the byte at which it
begins (in the uncompressed text) and the chain is a hash over every line from the first to this one. That holds
while the file grows, is renamed, copied or compressed, and when the checkpoint is lost; it never takes two lines
for one because their files begin alike, as files with a long header do. Two files of one family (see `family`) that
are the same to the last byte up to a line have the same lines: they are one file and its copy. Whoever knows better,
because he saw the first one end, tells them apart by a generation: `<chain>:<offset>:<generation>`.

A record of several lines has the position of its first one, so that it is the same record however much of it had been
written when it was read.
"""

import re
from hashlib import blake2b
from pathlib import Path

from sentinel.collect.lines import Line

START = bytes(16)
"""The chain before the first line."""

_ROTATED = re.compile(
    r"(?:\.gz|\.\d{1,4}|[-.]\d{4}-?\d\d-?\d\d(?:[-T_.]\d{2,6})?)$"  # app.log.1, app.log.2.gz, app.log-20261123
    r"|[-_.]\d{4}-\d\d-\d\d(?=\.[A-Za-z]\w*$)"  # app-2026-11-23.log
)


def chained(previous: bytes, line: Line) -> bytes:
    """Return the chain up to and including `line` (16 bytes), `previous` being the one before it."""
    for part in line.parts:
        previous = chained(previous, part)
    if line.parts:
        return previous
    digest = blake2b(previous, digest_size=16)
    digest.update(line.size.to_bytes(8, "little"))
    digest.update(line.body)
    if line.note.startswith("cut:"):
        digest.update(line.note.split(" ", 1)[0].encode())
    return digest.digest()


def begun(previous: bytes, line: Line) -> bytes:
    """Return the chain up to and including the first line of what may be a record of several."""
    return chained(previous, line.parts[0] if line.parts else line)


def position(chain: bytes, offset: int, generation: int = 0) -> str:
    """Return the position of a line that begins at `offset`; `chain` includes the line."""
    return f"{chain.hex()}:{offset}:{generation}" if generation else f"{chain.hex()}:{offset}"


def family(path: Path) -> Path:
    """Return the path without what rotation adds to it: `/var/log/auth.log` for `/var/log/auth.log.2.gz`."""
    name = path.name
    while (shorter := _ROTATED.sub("", name)) and shorter != name:
        name = shorter
    return path.with_name(name)
