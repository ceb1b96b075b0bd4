"""What a pack says of records that are one thing together: the lines of one mail, the records of one audit event."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from sentinel.core.event import Fields, Value

VIA = "join"
"""The entrance of a joined record; its `peer` is the pack's name, its body the records of its parts."""

MARK = "sentinel.joined"
"""The field that says of how many records an event was made."""

_LINE, _RECORD = b"\n", b"\x1e"
Said = Mapping[str, Value]


def no_link(_: Said) -> str | None:
    """Say that nothing is kept for a whole that has not begun."""
    return None


@dataclass(frozen=True, slots=True)
class Join:
    """How events are put together by a pack: events of `modules`, as a rule its own.

    `key` names the whole an event is a part of, None if of none; `ends` says that no part comes behind this one; a
    whole of which nothing has come for `quiet` is over too. `link` names what an event is about beside its whole (a
    connection, a process): the latest event with a link and no key is a part of every whole that has a part with that
    link after it. `whole` makes one document of its parts' in the order of their arrival; it is given what `parse`
    yields, the others are given stored events.
    """

    key: Callable[[Said], str | None]
    ends: Callable[[Said], bool]
    whole: Callable[[Sequence[Fields]], Fields]
    quiet: timedelta
    modules: frozenset[str]
    link: Callable[[Said], str | None] = no_link


def packed(parts: Sequence[bytes]) -> bytes:
    """Return the body of a joined record: its parts a line each, behind record separators if a part has lines."""
    if any(_LINE in part for part in parts):
        return b"".join(_RECORD + part for part in parts)
    return _LINE.join(parts)


def unpacked(body: bytes) -> list[bytes]:
    """Return the parts of a joined record."""
    return body[1:].split(_RECORD) if body.startswith(_RECORD) else body.split(_LINE)
