"""Batches for Elasticsearch's bulk interface, and what its answers mean, item by item."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from random import Random
from typing import Any

import orjson

from sentinel.core.errors import StoreError
from sentinel.core.event import Event
from sentinel.core.ports import Rejected
from sentinel.store.es_document import UnstorableError, encode

REQUEST_BYTES_MAX = 5 << 20
_REASON_MAX = 500
_BUSY = frozenset({429, 502, 503, 504})
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


@dataclass(frozen=True, slots=True)
class Line:
    """An event and its two lines of a bulk request."""

    event: Event
    data: bytes


@dataclass(slots=True)
class Outcome:
    """What became of the lines of a request; `again` may be tried once more, `why` says what the server lacked."""

    stored: int = 0
    duplicates: int = 0
    rejected: list[Rejected] = field(default_factory=list)
    again: list[Line] = field(default_factory=list)
    why: str = ""


def index_of(prefix: str, ingested: datetime) -> str:
    """Return the index of an event that arrived then: a retry on whatever day meets the same one."""
    day = ingested.astimezone(UTC)
    return f"{prefix}-events-standard-{day.year:04d}.{day.month:02d}.{day.day:02d}"


def lines(events: Sequence[Event], prefix: str) -> tuple[list[Line], list[Rejected]]:
    """Return `events` as lines of a bulk request, and those that can never be one."""
    wanted: list[Line] = []
    refused: list[Rejected] = []
    for event in events:
        try:
            document = encode(event)
            ident = orjson.dumps(event.id)
        except (UnstorableError, TypeError) as error:
            refused.append(Rejected(event, str(error)))
            continue
        index = index_of(prefix, event.ingested).encode()
        wanted.append(Line(event, b'{"create":{"_index":"%b","_id":%b}}\n%b\n' % (index, ident, document)))
    return wanted, refused


def requests(wanted: Sequence[Line], bytes_max: int) -> Iterator[list[Line]]:
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
        outcome.duplicates += 1
    elif status in _BUSY:
        outcome.again.append(line)
        outcome.why = reason(result.get("error")) or f"status {status}"
    else:
        error = result.get("error")
        kind = error.get("type", "") if isinstance(error, Mapping) else ""
        if status != 400 or kind not in _TYPES_OF_BAD_DOCUMENTS:
            raise StoreError(f"Elasticsearch refuses to store events (status {status}): {reason(error)}")
        outcome.rejected.append(Rejected(line.event, reason(error)))


def reason(error: object) -> str:
    """Return what an error object of Elasticsearch says, with what lies behind it, in one short line."""
    said: list[str] = []
    while isinstance(error, Mapping) and len(said) < 4:
        kind, text = error.get("type"), error.get("reason")
        said.append(": ".join(str(part) for part in (kind, text) if part))
        error = error.get("caused_by")
    if isinstance(error, str):
        said.append(error)
    return " <- ".join(part for part in said if part)[:_REASON_MAX]
