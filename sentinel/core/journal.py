"""The order on which the copies of a database agree: entries, one behind the other, and whole states to begin with."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Entry:
    """A transaction at place `seq` (from 1), behind the one with the nonce `parent`; `body` is compressed."""

    seq: int
    nonce: str
    parent: str
    body: bytes


@dataclass(frozen=True, slots=True)
class Base:
    """The state behind the entry `seq`, in `parts` pieces called `tag`; entries up to `floor` are no more.

    `journal` is the name by which a copy knows that it belongs to it, whatever the server is called.
    """

    journal: str
    seq: int
    nonce: str
    floor: int
    tag: str
    parts: int


@dataclass(frozen=True, slots=True)
class Tail:
    """What a journal has behind a place: the nonce of the entry there (None: no more, or not yet), what follows.

    `pulse` is what the holder of its lease last wrote: the lease's token and a number that moves on.
    """

    base: Base | None
    there: str | None
    entries: Sequence[Entry]
    pulse: tuple[int, int]


class Journal(Protocol):
    """Entries in one order, on which all copies agree; raises StoreError if it does not answer."""

    def tail(self, after: int) -> Tail:
        """Return what follows the entry `after`, the first pieces of it; nothing if that is all."""

    def append(self, entry: Entry) -> bool:
        """Append; False if there is another one at its place. Who is told neither must not count it as written."""

    def publish(self, base: Base, parts: Iterable[bytes], before: Base | None) -> bool:
        """Let a base be the one from now on, if `before` is it at present; what is not needed any more is removed."""

    def fetch(self, base: Base) -> Iterator[bytes]:
        """Return a base piece by piece; raises StoreError if it has gone meanwhile."""

    def beat(self, token: int, number: int) -> None:
        """Write what others see as `Tail.pulse`."""
