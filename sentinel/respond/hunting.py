"""A hunt: events along time, what a query costs, and every value a way to the next question."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from threading import Lock

from sentinel.core.entity import Entity, concerns
from sentinel.core.event import Event, Scalar
from sentinel.core.ports import LATEST, STRETCHES_MAX, Span, Store
from sentinel.core.where import ALWAYS, AllOf, AnyOf, Is, Keyword, Like, Matches, Not, Where, plain
from sentinel.core.wildcard import tokens
from sentinel.respond.language import EARLIEST, Question
from sentinel.respond.writing import as_value, written

PAGE = 200
FOUND_MAX = 10_000
"""So many events of a question can be looked at one by one; whoever has more asks for less."""
_STEPS = tuple(
    timedelta(seconds=one)
    for one in (1, 5, 15, 30, 60, 300, 900, 1800, 3600, 3 * 3600, 6 * 3600, 12 * 3600, 86_400, 7 * 86_400, 28 * 86_400)
)


@dataclass(frozen=True, slots=True)
class Histogram:
    """Numbers of the events in `span`, in stretches of `width` of which the first begins at `start`."""

    span: Span
    start: datetime
    width: timedelta
    counts: tuple[int, ...]

    @property
    def total(self) -> int:
        """How many events there are in all."""
        return sum(self.counts)

    def stretch(self, number: int) -> Span:
        """Return the time that a number stands for, within the span."""
        begin = self.start + number * self.width
        return Span(max(begin, self.span.start), min(begin + self.width, self.span.end))


def step(span: Span, bars: int) -> timedelta:
    """Return the round width with which a span lies in at most `bars` stretches that begin at round times."""
    for width in _STEPS:
        if (span.end - span.start) / width <= bars - 1:
            return width
    return timedelta(days=-((span.start - span.end) // timedelta(days=max(1, bars - 1))))


def histogram(store: Store, question: Question, bars: int, now: datetime) -> Histogram:
    """Return how the events of a question lie in time, in at most `bars` stretches that begin at round times (UTC).

    Of a question that reaches beyond `now`, what lies there is left out unless there is something.
    """
    where, span = question.where, question.span
    if span.start < now < span.end and not any(store.spread(where, Span(now, span.end), span.end - now)):
        span = Span(span.start, now)
    width = step(span, min(bars, STRETCHES_MAX))
    start = _floor(span.start, width)
    counts = store.spread(where, Span(start, span.end), width)
    if start < span.start:
        counts[0] -= store.spread(where, Span(start, span.start), width)[0]
    return Histogram(span, start, width, tuple(counts))


class Found:
    """The events of a question, latest first, read from the store a page at a time as far as somebody looks."""

    def __init__(self, store: Callable[[], Store], question: Question) -> None:
        self.question = question
        self._store = store
        self._lock = Lock()
        self._events: list[Event] = []
        self._total: int | None = None

    def window(self, offset: int, limit: int) -> Sequence[Event]:
        """Return up to `limit` events from `offset` on; raises StoreError."""
        with self._lock:
            while len(self._events) < min(offset + limit, FOUND_MAX) and self._more():
                continue
            return self._events[offset : min(offset + limit, FOUND_MAX)]

    def count(self) -> int:
        """Return how many can be looked at, FOUND_MAX at most; raises StoreError."""
        return min(self.total(), FOUND_MAX)

    def total(self) -> int:
        """Return how many there are; raises StoreError."""
        with self._lock:
            if self._total is None:
                span = self.question.span
                self._total = sum(self._store().spread(self.question.where, span, span.end - span.start))
            return self._total

    def key(self, row: Event) -> str:
        """Return what an event is known by."""
        return row.id

    def find(self, key: object) -> int | None:
        """Return where an event stands, None if it has not been read."""
        with self._lock:
            return next((at for at, one in enumerate(self._events) if one.id == key), None)

    def _more(self) -> bool:
        # the next page begins at the moment of the last event, of which there may be several
        last = self._events[-1] if self._events else None
        known = {one.id for one in self._events if last is not None and one.timestamp == last.timestamp}
        end = self.question.span.end if last is None else last.timestamp + timedelta(microseconds=1)
        found = self._store().search(self.question.where, replace(self.question.span, end=end), PAGE + len(known))
        new = [one for one in found if one.id not in known]
        self._events += new
        if not new:
            self._total = len(self._events)
        return bool(new)


def narrowed(question: Question, field: str, value: Scalar | None, *, without: bool = False) -> str | None:
    """Return the query that also asks for a value (None: that it is absent), or for everything but it.

    The span is said as times. None if the language has no words for a part of the question.
    """
    more: Where = Is(field, value)
    if without:
        more = Not(more)
    old = question.where
    items = (*old.items, more) if isinstance(old, AllOf) else (old, more)
    return query_of(replace(question, where=AllOf(items)))


def term(field: str, value: Scalar) -> str:
    """Return the part of a query that asks for a value."""
    return f"{field}:{as_value(plain(value))}"


def query_of(question: Question) -> str | None:
    """Return a question as a query with its time, None if the language has no words for a part of it."""
    return within(question, question.span.start, question.span.end)


def within(question: Question, start: datetime, end: datetime) -> str | None:
    """Return a question as a query about another time."""
    text = written(question.where) if question.where != ALWAYS else ""
    return None if text is None else f"{text} {said(Span(start, end))}".strip()


def concerning(entity: Entity) -> str:
    """Return the query for the events that name an entity."""
    return written(concerns(entity)) or ""


def about(field: str, value: str) -> str:
    """Return the query for the events with a value, of the last day."""
    return f"{term(field, value)} last 24h"


def event(store: Store, event_id: str) -> Event | None:
    """Return an event by its id, None if the store has none."""
    found = store.search(Is("event.id", event_id), Span(EARLIEST, LATEST), 1)
    return found[0] if found else None


def said(span: Span) -> str:
    """Return a span in the words of the query language."""
    return f"since {_said(span.start)} until {_said(span.end)}"


def _said(moment: datetime) -> str:
    # as short as it can be, in UTC: without seconds or parts of them that are none
    whole = moment.astimezone(UTC).isoformat().removesuffix("+00:00")
    return (whole.removesuffix(":00") if len(whole) == 19 else whole) + "Z"


def outline(where: Where, depth: int = 0) -> str:
    """Return how a predicate is understood, a condition a line, what belongs together indented alike."""
    space = "  " * depth
    match where:
        case AllOf(items) | AnyOf(items):
            head = "all of" if isinstance(where, AllOf) else "any of"
            inner = "\n".join(outline(one, depth + 1) for one in items)
            return f"{space}{head}\n{inner}" if items else f"{space}{'everything' if head == 'all of' else 'nothing'}"
        case Not(item):
            return f"{space}not\n{outline(item, depth + 1)}"
        case _:
            return space + (written(where) or repr(where))


def warnings(where: Where) -> Sequence[str]:
    """Return what will make a question slow, in words; empty if nothing does."""
    return tuple(dict.fromkeys(_warnings(where)))


def _warnings(where: Where) -> Iterator[str]:
    match where:
        case AllOf(items):
            # one condition that narrows is enough
            each = [list(_warnings(one)) for one in items]
            if each and all(each):
                yield from (text for texts in each for text in texts)
        case AnyOf(items):
            for one in items:
                yield from _warnings(one)
        case Not(item):
            yield from _warnings(item)
        case Keyword():
            yield _slow("words without a field")
        case Like(field, pattern) if tokens(pattern)[:1] == ("*",):
            yield _slow(field)
        case Matches(field, regex) if not regex.startswith("^"):
            yield _slow(field)
        case _:
            return


def _slow(what: str) -> str:
    return f"{what}: a text whose beginning is not given is looked for in every value: narrow the time, or name more"


def _floor(moment: datetime, width: timedelta) -> datetime:
    epoch = datetime(1970, 1, 1, tzinfo=moment.tzinfo)
    return epoch + (moment - epoch) // width * width
