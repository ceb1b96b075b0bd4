"""What is known of senders, as values and in words: for the table of `sentinel sources` and the console's screen."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from sentinel.core.source import Identity, LossClass, Outcome
from sentinel.ui.words import _, moment, ngettext, number

HOURS_TOLD = 24
_UNITS = (("d", 86_400), ("h", 3_600), ("min", 60))


@dataclass(frozen=True, slots=True)
class Note:
    """Something that strikes about a sender; `number` counts, or is seconds for `clock` (above zero: behind)."""

    kind: Literal["silent", "differs", "crowd", "hosts", "claimed", "lost", "clock", "missing"]
    number: float = 0
    at: datetime | None = None


@dataclass(frozen=True, slots=True)
class SenderSurvey:
    """One sender. `usual` is its learned gap, `patience` how long it may be silent, lags and `skew` likewise seconds.

    `booked` says what became of all records of its source within HOURS_TOLD hours: outcome, reason, number.
    """

    identity: Identity
    loss: LossClass
    site: str
    owner: str
    zone: str
    first: datetime
    last: datetime
    records: int
    bytes: int
    usual: float | None
    patience: float
    lag_p50: float | None
    lag_p95: float | None
    skew: float | None
    silent: bool
    notes: tuple[Note, ...]
    booked: tuple[tuple[Outcome, str, int], ...]


def noted(note: Note) -> str:
    """Return a note in words."""
    n = round(note.number)
    match note.kind:
        case "silent":
            return _("silent since {at}").format(at=moment(note.at)) if note.at else ""
        case "differs":
            return _("claimed host differs from peer")
        case "crowd":
            return _("more senders than are told apart")
        case "hosts":
            return ngettext("speaks for {n} host", "speaks for {n} hosts", n)
        case "claimed":
            return ngettext("host is claimed by {n} peer", "host is claimed by {n} peers", n)
        case "lost":
            text = _("{n} datagrams of this source were lost here within {hours} h, some perhaps its own")
            return text.format(n=number(n), hours=HOURS_TOLD)
        case "missing":
            text = _("{n} messages never came within {hours} h, by its own numbers")
            return text.format(n=number(n), hours=HOURS_TOLD)
        case "clock":
            text = _("clock {time} behind, or another zone") if n > 0 else _("clock {time} ahead, or another zone")
            return text.format(time=rough(abs(note.number)))


def rough(seconds: float | None) -> str:
    """Return a length of time in its largest unit that makes two of it; none is `–`."""
    if seconds is None:
        return "–"
    for unit, length in _UNITS:
        if abs(seconds) >= 2 * length:
            return f"{number(seconds / length)} {unit}"
    return f"{number(seconds, 1)} s"
