"""What is known of those who send: who they are, what was heard of them, what became of their records."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from datetime import datetime
from functools import lru_cache
from math import log
from typing import Literal, NamedTuple, Protocol

Outcome = Literal[
    "received", "split", "stored", "duplicate", "deadletter", "filtered", "dropped", "refused", "closed", "missing"
]
ENDS: tuple[Outcome, ...] = ("stored", "duplicate", "deadletter", "filtered", "dropped")
"""What may become of an event: received + split = the sum of these. `split` counts the events that a record holds
beyond its first; `refused` and `closed` are connections, no events; `missing` are messages that a sender numbered and
that never came here, by sender."""

UNSPOOLED = "before the spool"
"""Why `received` was counted without a record in the spool: an entrance lost or filtered it."""

LossClass = Literal["acknowledged", "stream", "best effort"]
_BEST_EFFORT = ("syslog-udp", "netflow", "snmp")
_STREAM = ("syslog-tcp", "syslog-tls", "stdin")


def loss_class(via: str) -> LossClass:
    """Return what an entrance can promise: an answer when on disk, an ordered stream without one, or nothing."""
    if via.startswith(_BEST_EFFORT):
        return "best effort"
    return "stream" if via.startswith(_STREAM) else "acknowledged"


class Identity(NamedTuple):
    """Who sends: the configured source, the entrance, the address or certificate, and the host that records name."""

    source: str
    via: str
    peer: str
    host: str


def sender_of(identity: Identity) -> str:
    """Return who sends, within his source, as one text."""
    return f"{identity.peer} {identity.host}".strip()


class Owner(NamedTuple):
    """Where a sender stands and whose it is; empty if nobody has said so."""

    site: str = ""
    owner: str = ""


Digest = dict[int, int]
"""A histogram of seconds: how many fell into each bucket; buckets grow by a quarter each, below zero as above."""

_FIRST, _RATIO = 0.05, log(1.25)


def bucket(seconds: float) -> int:
    """Return the bucket of so many seconds."""
    if seconds >= 0:
        return round(log(1 + seconds / _FIRST) / _RATIO)
    return -round(log(1 - seconds / _FIRST) / _RATIO)


def seconds_of(number: int) -> float:
    """Return the middle of a bucket."""
    size: float = _FIRST * (1.25 ** abs(number) - 1)
    return size if number >= 0 else -size


def quantile(digest: Digest, share: float) -> float | None:
    """Return the seconds that `share` of what was counted does not exceed; None if nothing was."""
    wanted = share * sum(digest.values())
    for number in sorted(digest):
        wanted -= digest[number]
        if wanted <= 0:
            return seconds_of(number)
    return None


@dataclass(slots=True)
class Heard:
    """What was heard of one identity: `lag` holds received minus event time of records that name a time.

    `last_id` is the id of an event of the last record, `numbers` those that the sender gave its messages, in order.
    """

    first: datetime
    last: datetime
    last_id: str
    records: int = 0
    bytes: int = 0
    lag: Digest = field(default_factory=dict)
    numbers: list[int] = field(default_factory=list)

    def add(self, more: "Heard") -> None:
        """Add what was heard later."""
        self.records += more.records
        self.bytes += more.bytes
        self.first = min(self.first, more.first)
        if more.last >= self.last:
            self.last, self.last_id = more.last, more.last_id
        for number, count in more.lag.items():
            self.lag[number] = self.lag.get(number, 0) + count


@lru_cache(maxsize=256)
def hour_of(moment: datetime) -> int:
    """Return the hour (since 1970, UTC) in which a time lies."""
    return int(moment.timestamp()) // 3600


class Account(NamedTuple):
    """Where something is booked: the hour (since 1970, UTC) it entered the spool, its source, its outcome and why."""

    hour: int
    source: str
    outcome: Outcome
    reason: str = ""


Tally = Counter[Account]


@dataclass(frozen=True, slots=True)
class Entering:
    """What is to be booked: all records up to `through` have been dealt with, the last one `written` at that time.

    `known` is until when everything that was received has been seen: nothing was waiting in the spool then.
    """

    through: int
    written: datetime | None
    known: datetime | None
    tally: Mapping[Account, int]
    heard: Mapping[Identity, Heard]


class Ledger(Protocol):
    """Where it is booked, all of it or nothing."""

    def begin(self, floor: int, committed: int) -> None:
        """Begin: the spool has used sequences up to `floor`, and records up to `committed` were dealt with."""

    @property
    def through(self) -> int:
        """The sequence up to which records have been booked: those are never booked again."""

    def enter(self, entering: Entering) -> None:
        """Book it; on return it survives a power cut. Raises StoreError."""


Lost = tuple[Outcome, str]
_NAMES: dict[str, Outcome] = {"refused": "refused", "closed": "closed"}


def lost(counters: object) -> Iterable[tuple[Lost, int]]:
    """Yield what an entrance counted that never reached the spool, by its counters' names.

    `dropped_<reason>` are records it lost, `blank` records of no bytes, `refused` and `closed` connections by reason.
    """
    for one in fields(counters):  # type: ignore[arg-type]  # counters are dataclasses, each of its own kind
        value = getattr(counters, one.name)
        if one.name.startswith("dropped_") and isinstance(value, int):
            yield ("dropped", one.name.removeprefix("dropped_").replace("_", " ")), value
        elif one.name == "blank":
            yield ("filtered", "blank"), value
        elif one.name in _NAMES and isinstance(value, dict):
            yield from (((_NAMES[one.name], str(reason)), count) for reason, count in dict(value).items())
