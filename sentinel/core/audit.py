"""What people do is written down before it is done, in a log that shows whether somebody has changed it."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from sentinel.core.errors import AuditError, SentinelError

Detail = str | int | float | bool | None | tuple[str, ...]
SENTINEL = "sentinel"
"""Who does what nobody has asked for."""


@dataclass(frozen=True, slots=True)
class Deed:
    """Something that somebody is about to do: `what` is a fixed word (`alert.close`), `about` an id or a path."""

    what: str
    who: str
    about: str = ""
    details: Mapping[str, Detail] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Entry:
    """A deed as it stands in the log; `hash` (SHA-256, hexadecimal) is about it and all before it."""

    number: int
    at: datetime
    deed: Deed
    hash: str


class Audit(Protocol):
    """Where deeds are written down."""

    def enter(self, deed: Deed, /) -> Entry:
        """Return the entry once it survives a crash; raises AuditError: then it must not be done."""


@contextmanager
def entered(audit: Audit, deed: Deed) -> Iterator[Entry]:
    """Write a deed down, then let it be done; one that fails gets a second entry that says why.

    Raises AuditError if it cannot be written down: then nothing was done. A process that dies between the two leaves a
    deed in the log that was not done, never one that was done without being there.
    """
    entry = audit.enter(deed)
    try:
        yield entry
    except SentinelError as error:
        said: dict[str, Detail] = {"entry": entry.number, "reason": str(error).partition("\n")[0][:500]}
        with suppress(AuditError):  # the first entry stands, and that it failed is told
            audit.enter(Deed(f"{deed.what}.failed", deed.who, deed.about, said))
        raise
