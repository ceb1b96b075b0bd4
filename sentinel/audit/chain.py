"""Entries as lines, each made of the one before, and what is wrong with a file of them.

A line is canonical JSON: keys in order, no blanks, ASCII, so that one entry has one form. `hash` is SHA-256 over the
previous entry's hash and the line without `hash` and `mac`; `mac` is HMAC-SHA-256 (RFC 2104) of `hash` with a key that
whoever changes the file should not have.
"""

import hmac
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Any

from sentinel.core.audit import Deed, Entry
from sentinel.core.clock import iso

FIRST = "0" * 64
"""What stands before the first entry."""
TORN = "audit.torn"
"""The entry behind a line that was not finished, or is damaged: it says how long it is and what its digest."""
ENTRY_BYTES_MAX = 64 << 10
PROBLEMS_MAX = 100
_KEYS = {"about", "at", "details", "hash", "mac", "number", "previous", "what", "who"}


@dataclass(frozen=True, slots=True)
class Anchor:
    """How far the log had come at a moment, kept elsewhere: what is cut off behind it is missed."""

    number: int
    hash: str
    at: str = ""


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong at a line (from 1) of the file; line 0 is the file as a whole."""

    line: int
    text: str


@dataclass(frozen=True, slots=True)
class Examined:
    """What a file of entries is: `problems` in order, at most PROBLEMS_MAX; `torn` lines were never finished.

    A torn line was nobody's: who wrote it was told that nothing was done, and the entry behind it tells of it.
    """

    entries: int
    head: Anchor
    problems: tuple[Problem, ...]
    torn: tuple[int, ...]
    anchors: int

    @property
    def well(self) -> bool:
        """Say whether nothing was changed."""
        return not self.problems


def sealed(deed: Deed, number: int, at: datetime, previous: str, key: bytes) -> tuple[Entry, bytes]:
    """Return the entry that follows `previous`, and its line with the line feed."""
    shape: dict[str, Any] = {
        "about": deed.about,
        "at": iso(at),
        "details": dict(deed.details),
        "number": number,
        "previous": previous,
        "what": deed.what,
        "who": deed.who,
    }
    own = _hash(shape)
    line = canonical(shape | {"hash": own, "mac": _mac(own, key)}) + b"\n"
    return Entry(number, at, deed, own), line


def canonical(shape: object) -> bytes:
    """Return JSON in its one form."""
    return json.dumps(shape, sort_keys=True, separators=(",", ":"), allow_nan=False).encode("ascii")


def read(line: bytes) -> dict[str, Any] | None:
    """Return what a line without its line feed holds, None if it is no entry in its one form."""
    try:
        shape = json.loads(line)
        same = isinstance(shape, dict) and set(shape) == _KEYS and canonical(shape) == line
    except (ValueError, RecursionError):
        return None
    return shape if same and _typed(shape) else None


def entry_of(shape: dict[str, Any]) -> Entry:
    """Return the entry that `read` gave the shape of."""
    deed = Deed(shape["what"], shape["who"], shape["about"], shape["details"])
    return Entry(shape["number"], datetime.fromisoformat(shape["at"]), deed, shape["hash"])


def _typed(shape: dict[str, Any]) -> bool:
    texts = all(isinstance(shape[name], str) for name in _KEYS - {"number", "details"})
    return texts and type(shape["number"]) is int and isinstance(shape["details"], dict)


def flaw(shape: dict[str, Any], key: bytes) -> str:
    """Return what is wrong with an entry by itself, nothing if it is as it was written."""
    if _hash(shape) != shape["hash"]:
        return "it was changed: its hash is another"
    if not hmac.compare_digest(shape["mac"].encode(), _mac(shape["hash"], key).encode()):
        return "it was not written with this key"
    return ""


def examined(lines: Iterable[bytes], key: bytes, anchors: Iterable[Anchor] = ()) -> Examined:
    """Examine a file, line by line with their line feeds; `anchors` are what it has to hold."""
    look = _Look(key, tuple(anchors))
    for number, line in enumerate(lines, start=1):
        look.at(number, line)
    return look.end()


class _Look:
    """One way through a file."""

    def __init__(self, key: bytes, anchors: tuple[Anchor, ...]) -> None:
        self._key = key
        self._anchors = anchors
        self._anchored: dict[int, str | None] = {one.number: None for one in anchors}
        self._previous, self._number, self._entries = FIRST, 0, 0
        self._open: tuple[int, bytes] | None = None
        self._problems: list[Problem] = []
        self._torn: list[int] = []

    def at(self, line: int, text: bytes) -> None:
        shape = read(text[:-1]) if text.endswith(b"\n") else None
        if shape is None:
            self._unread()
            self._open = (line, text)
            return
        wrong = flaw(shape, self._key)
        if self._open is not None:
            if not wrong and shape["what"] == TORN and _about(shape, self._open[1]):
                self._torn.append(self._open[0])
                self._open = None
            self._unread()
        if wrong:
            self._say(line, wrong)
        if shape["number"] != self._number + 1:
            self._say(line, f"entry {shape['number']} stands where {self._number + 1} belongs")
        elif shape["previous"] != self._previous:
            self._say(line, f"entry {shape['number']} does not follow the one before it")
        self._previous, self._number = shape["hash"], shape["number"]
        self._entries += 1
        if self._entries in self._anchored:
            self._anchored[self._entries] = shape["hash"]

    def _unread(self) -> None:
        if self._open is not None:
            self._say(self._open[0], "it is no entry: it was changed, or damaged")
            self._open = None

    def end(self) -> Examined:
        if self._open is not None:
            line, text = self._open
            torn = not text.endswith(b"\n")
            self._say(line, "it was not finished; the next entry will tell of it" if torn else "it is no entry")
        for anchor in self._anchors:
            there = self._anchored[anchor.number]
            if there is None:
                self._say(0, f"entries up to {anchor.number} were anchored {anchor.at}; there are {self._entries}")
            elif there != anchor.hash:
                self._say(0, f"entry {anchor.number} is another than the one that was anchored {anchor.at}")
        head = Anchor(self._number, self._previous)
        return Examined(self._entries, head, tuple(self._problems), tuple(self._torn), len(self._anchors))

    def _say(self, line: int, text: str) -> None:
        if len(self._problems) < PROBLEMS_MAX:
            self._problems.append(Problem(line, text))


def damage(text: bytes) -> dict[str, int | str]:
    """Return what the entry behind an unfinished line says of it."""
    return {"bytes": len(text), "sha256": sha256(text).hexdigest()}


def _about(shape: dict[str, Any], line: bytes) -> bool:
    return bool(shape["details"] == damage(line.removesuffix(b"\n")))


def proven(lines: Iterable[bytes], key: bytes) -> Iterator[tuple[Anchor | None, bytes]]:
    """Yield the anchor of each line, None if it is none made with this key, and the line."""
    for line in lines:
        try:
            shape = json.loads(line)
            anchor = Anchor(int(shape["number"]), str(shape["hash"]), str(shape["at"]))
            good = hmac.compare_digest(str(shape["mac"]).encode(), _mac(_anchored(anchor), key).encode())
        except (ValueError, KeyError, TypeError, RecursionError):
            good, anchor = False, Anchor(0, "")
        yield (anchor if good else None), line


def anchor_line(anchor: Anchor, key: bytes) -> bytes:
    """Return an anchor as a line."""
    shape = {"at": anchor.at, "hash": anchor.hash, "number": anchor.number}
    return canonical(shape | {"mac": _mac(_anchored(anchor), key)}) + b"\n"


def _anchored(anchor: Anchor) -> str:
    return f"anchor {anchor.number} {anchor.hash} {anchor.at}"


def _hash(shape: dict[str, Any]) -> str:
    body = canonical({name: value for name, value in shape.items() if name not in {"hash", "mac"}})
    return sha256(str(shape["previous"]).encode("utf-8", "surrogatepass") + body).hexdigest()


def _mac(text: str, key: bytes) -> str:
    return hmac.new(key, text.encode("utf-8", "surrogatepass"), sha256).hexdigest()
