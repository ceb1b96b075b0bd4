"""Batches for Elasticsearch's bulk interface, and what its answers mean, item by item."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from functools import lru_cache
from random import Random
from typing import Any, NamedTuple

import orjson

from sentinel.core.errors import StoreError
from sentinel.core.event import Event
from sentinel.core.kill import point
from sentinel.core.ports import Rejected
from sentinel.core.retention import Retention
from sentinel.store.codec import EPOCH, day_of, micros
from sentinel.store.es_document import UnstorableError, encode
from sentinel.store.es_pace import Pace
from sentinel.store.es_words import reason

REQUEST_BYTES_MAX = 4 << 20
"""A request never holds more, however fast the server takes it (see `es_pace`)."""
_REASON_MAX = 500
_ID_BYTES_MAX = 512
BUSY = frozenset({429, 502, 503, 504})
"""Statuses that pass."""
_TYPES_OF_BAD_DOCUMENTS = frozenset({
    "document_parsing_exception",
    "mapper_parsing_exception",
    "strict_dynamic_mapping_exception",
    "illegal_argument_exception",
    "action_request_validation_exception",
})  # fmt: skip


@dataclass(frozen=True, slots=True)
class Patience:
    """How often and how long to try: full jitter, doubling from `base_seconds`, never above `cap_seconds`.

    A pause the server asks for (Retry-After) is kept up to `cap_seconds`.
    """

    attempts: int = 6
    base_seconds: float = 0.25
    cap_seconds: float = 15.0

    def pause(self, attempt: int, asked: str | None, chance: Random) -> float:
        """Return the seconds to wait after the `attempt`-th failure (from 1)."""
        # https://aws.amazon.com/builders-library/timeouts-retries-and-backoff-with-jitter/
        seconds: float = chance.uniform(0, min(self.cap_seconds, self.base_seconds * 2**attempt))
        if asked is not None and asked.isascii() and asked.isdigit():
            seconds = max(seconds, float(asked[:9]))
        return min(seconds, self.cap_seconds)


class Line(NamedTuple):
    """An event's id and place in arrival order, and its two lines of a bulk request."""

    id: str
    seq: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Lines:
    """Events as Elasticsearch is sent them."""

    lines: Sequence[Line]
    rejected: Sequence[Rejected]


@dataclass(slots=True)
class Outcome:
    """What became of the lines of a request; `again` may be tried once more, `why` says what the server lacked.

    `unsure`: an answer was lost, so that lines which are `known` may have been stored by a request before.
    """

    stored: int = 0
    known: list[int] = field(default_factory=list)
    rejected: list[Rejected] = field(default_factory=list)
    again: list[Line] = field(default_factory=list)
    why: str = ""
    unsure: bool = False

    def add(self, other: "Outcome") -> None:
        """Count what became of other lines too."""
        self.stored += other.stored
        self.known += other.known
        self.rejected += other.rejected
        self.unsure |= other.unsure


def index_of(prefix: str, name: str, day: date) -> str:
    """Return the index of a class's events of a UTC day of arrival: a retry, whenever it is, meets the same one."""
    return f"{prefix}-events-{name}-{day.year:04d}.{day.month:02d}.{day.day:02d}"


@lru_cache(maxsize=4096)
def _head(prefix: str, name: str, day: int) -> bytes:
    index = index_of(prefix, name, (EPOCH + timedelta(day)).date())
    return b'{"create":{"_index":"%b","_id":' % index.encode()


def _ident(event: Event) -> bytes:
    if not 0 < len(event.id.encode("utf-8", "replace")) <= _ID_BYTES_MAX:
        raise UnstorableError(f"an id has 1 to {_ID_BYTES_MAX} bytes")
    return orjson.dumps(event.id)


_ONE_CLASS = Retention()


@dataclass(frozen=True, slots=True)
class Former:
    """Forms events for the indices of `prefix`; see `core.ports.Form`."""

    prefix: str
    retention: Retention = _ONE_CLASS

    def __call__(self, events: Sequence[Event]) -> Lines:
        """Return the events as lines of bulk requests."""
        lines: list[Line] = []
        rejected: list[Rejected] = []
        for event in events:
            try:
                document = encode(event)
                ident = _ident(event)
            except (UnstorableError, TypeError) as error:
                rejected.append(Rejected(event.id, event.seq, str(error)))
                continue
            head = _head(self.prefix, self.retention.class_of(event), day_of(micros(event.ingested)))
            lines.append(Line(event.id, event.seq, b"%b%b}}\n%b\n" % (head, ident, document)))
        return Lines(lines, rejected)


def amendment(former: Former, gone: Iterable[Event], new: Sequence[Event]) -> list[Line]:
    """Return the lines that put `new` in the place of `gone`; raises StoreError for an event that cannot be kept.

    An event that is of another class now leaves the index of the old one.
    """
    lines: list[Line] = []
    stay: set[bytes] = set()
    try:
        for event in new:
            place = _place(former, event)
            stay.add(place)
            lines.append(Line(event.id, event.seq, b'{"index":%b}\n%b\n' % (place, encode(event))))
        going = ((event, _place(former, event)) for event in gone)
        lines += [Line(one.id, one.seq, b'{"delete":%b}\n' % place) for one, place in going if place not in stay]
    except (UnstorableError, TypeError) as error:
        raise StoreError(f"an amended event cannot be stored: {error}") from error
    return lines


def _place(former: Former, event: Event) -> bytes:
    day = (EPOCH + timedelta(day_of(micros(event.ingested)))).date()
    index = index_of(former.prefix, former.retention.class_of(event), day)
    return b'{"_index":"%b","_id":%b}' % (index.encode(), _ident(event))


def amended(answer: object) -> None:
    """Look at what a bulk request of amendments was answered; raises StoreError unless all of it was done."""
    items = answer.get("items") if isinstance(answer, Mapping) else None
    for item in items if isinstance(items, list) else [{"index": {"status": 0}}]:
        result: object = next(iter(item.values()), {}) if isinstance(item, Mapping) else {}
        status = result.get("status", 0) if isinstance(result, Mapping) else 0
        if not (200 <= status < 300 or (status == 404 and "delete" in item)):
            why = reason(result.get("error")) if isinstance(result, Mapping) else ""
            raise StoreError(f"Elasticsearch did not amend all events (status {status}): {why}; do it again")


def requests(wanted: Iterable[Line], bytes_max: int) -> Iterator[list[Line]]:
    """Cut lines into requests of at most `bytes_max` bytes; a line larger than that goes by itself."""
    batch: list[Line] = []
    size = 0
    for line in wanted:
        if batch and size + len(line.data) > bytes_max:
            yield batch
            batch, size = [], 0
        batch.append(line)
        size += len(line.data)
    if batch:
        yield batch


def judge(sent: Sequence[Line], answer: object) -> Outcome | None:
    """Return what a bulk answer says about each line, None if it is no answer to this request.

    Raises StoreError if the server refuses for a reason that is no document's fault.
    """
    items = answer.get("items") if isinstance(answer, Mapping) else None
    if not isinstance(items, list) or len(items) != len(sent):
        return None
    outcome = Outcome()
    for line, item in zip(sent, items, strict=True):
        result = item.get("create") if isinstance(item, Mapping) else None
        if not isinstance(result, Mapping) or not isinstance(result.get("status"), int):
            return None
        _judge_one(outcome, line, result)
    return outcome


def _judge_one(outcome: Outcome, line: Line, result: Mapping[str, Any]) -> None:
    status: int = result["status"]
    if 200 <= status < 300:
        outcome.stored += 1
    elif status == 409:
        outcome.known.append(line.seq)
    elif status in BUSY:
        outcome.again.append(line)
        outcome.why = reason(result.get("error")) or f"status {status}"
    else:
        error = result.get("error")
        kind = error.get("type", "") if isinstance(error, Mapping) else ""
        if status != 400 or kind not in _TYPES_OF_BAD_DOCUMENTS:
            raise StoreError(f"Elasticsearch refuses to store events (status {status}): {reason(error)}")
        outcome.rejected.append(Rejected(line.id, line.seq, reason(error)))


def divisible(status: int, body: object) -> bool:
    """Say whether a refused request may be accepted in parts."""
    error = body.get("error") if isinstance(body, Mapping) else None
    spoiled = isinstance(error, Mapping) and error.get("type") == "action_request_validation_exception"
    return status == 413 or (status == 400 and spoiled)


@dataclass(frozen=True, slots=True)
class Trouble:
    """A request that failed as a whole: the error to raise, whether it may pass, the pause asked for (Retry-After).

    `divide`: it may be too large, or a single event spoils it; smaller requests will show. `pressed`: it was more than
    the server takes just now. `answered`: a node said so, which tells more than one that is gone.
    """

    error: StoreError
    cause: Exception
    may_pass: bool
    asked: str | None = None
    divide: bool = False
    pressed: bool = False
    answered: bool = True


@dataclass(frozen=True, slots=True)
class Delivery:
    """Brings lines to the server by `send`, again and again while that may help; raises StoreError.

    A request whose answer was lost may have been obeyed: what it stored is counted as a duplicate afterwards.
    """

    send: Callable[[Sequence[Line]], "object | Trouble"]
    patience: Patience
    pause: Callable[[float], None]
    chance: Random
    pace: Pace

    def __call__(self, batch: list[Line], failures: int = 0) -> Outcome:
        """Return what became of each line of `batch`, for which so many attempts have failed."""
        whole = Outcome()
        why = ""
        while batch:
            point("store.before_bulk")
            answer = self.send(batch)
            point("store.after_bulk")
            asked: str | None = None
            pressed = isinstance(answer, Trouble) and answer.pressed
            if isinstance(answer, Trouble):
                if pressed:
                    self.pace.refused()
                if answer.divide:
                    whole.add(self._in_parts(batch, str(answer.error)))
                    return whole
                if not answer.may_pass:
                    raise answer.error from answer.cause
                asked, whole.unsure = answer.asked, True
                why = str(answer.error) if answer.answered or not why else why
            elif (outcome := judge(batch, answer)) is None:
                why, whole.unsure = "the answer is not what was asked for", True
            else:
                whole.add(outcome)
                batch, why = outcome.again, outcome.why
                if batch:
                    self.pace.refused()
            if batch:
                failures += 1
                if failures >= self.patience.attempts:
                    raise StoreError(f"Elasticsearch takes no events after {failures} attempts: {why}")
                self.pause(self.patience.pause(failures, asked, self.chance))
            if pressed:  # the same once more might never be answered in time
                for part in requests(batch, self.pace.size):
                    whole.add(self(part, failures))
                return whole
        return whole

    def _in_parts(self, batch: list[Line], why: str) -> Outcome:
        if len(batch) == 1:
            return Outcome(rejected=[Rejected(batch[0].id, batch[0].seq, why[:_REASON_MAX])])
        middle = len(batch) // 2
        whole = self(batch[:middle])
        whole.add(self(batch[middle:]))
        return whole
