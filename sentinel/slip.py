"""Draws up the completeness slip: what Sentinel could not see in a stretch of time, out of its own books.

Silence is told by the alerts about it, for they say from when until when; records lost or unparsed by the books of
sources, whole hours; minutes in which rules have not judged by the ledger.
"""

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from sentinel import others
from sentinel.alert.book import Book
from sentinel.app import App
from sentinel.core.alert import Alert
from sentinel.core.slip import Gap, GapKind, Slip
from sentinel.core.source import Outcome, Tally, hour_of
from sentinel.detect.ledger import Ledger
from sentinel.sources.silence import RULE, WHO
from sentinel.ui.tables import key_text

GAPS_MAX = 1_000
_KINDS: dict[Outcome, GapKind] = {"dropped": "lost", "missing": "lost", "deadletter": "unparsed"}
_HOUR = timedelta(hours=1)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def slip(app: App, start: datetime, end: datetime) -> Slip:
    """Return what could not be seen from `start` to `end`, at most GAPS_MAX gaps; raises StoreError."""
    until = min(end, app.clock.now())
    with app.book() as book:
        gaps = [*_unheard(book, start, until), *_unjudged(book, start, until)]
    with app.books() as books:
        gaps += _lost(books.accounts(hour_of(start))[1], start, until)
        first = books.first_hour()
    known = until if first is None else min(_hour(first), until)
    if known > start:
        gaps.append(Gap("unknown", "", start, known, 0, "nothing had been received yet, or it is too long ago"))
    return Slip(start, end, tuple(sorted(gaps, key=lambda gap: (gap.start, gap.kind, gap.about, gap.why))[:GAPS_MAX]))


def _unheard(book: Book, start: datetime, end: datetime) -> Iterator[Gap]:
    for alert in (*book.raised_by(RULE.id), *book.raised_by(others.RULE.id)):
        until = _heard_again(alert) or end
        if alert.first_seen < end and until > start:
            about = key_text(alert.key)
            yield Gap("silent", about, max(alert.first_seen, start), min(until, end), 0, "nothing was heard of it")


def _heard_again(alert: Alert) -> datetime | None:
    # a person who closes the alert does not make the sender speak
    return next((one.at for one in alert.history if one.who == WHO and one.what.startswith("closed as")), None)


def _unjudged(book: Book, start: datetime, end: datetime) -> Iterator[Gap]:
    ledger = Ledger(book)
    account = ledger.account(start, end)
    if account.begin is None or account.begin > start:
        begin = end if account.begin is None else min(account.begin, end)
        yield Gap("unjudged", "", start, begin, 0, "no rules were on yet")
    for one in account.unaccounted:
        if one.start < end:
            minutes = (min(one.end, end) - one.start) // timedelta(minutes=1)
            why = "planned, but never judged" if one.state else "nothing is known of it"
            yield Gap("unjudged", f"{one.rules} rules", one.start, min(one.end, end), one.rules * minutes, why)
    for gap in ledger.gaps():
        if gap.start < end and gap.end > start:
            begin, until = max(gap.start, start), min(gap.end, end)
            minutes = max(1, (until - begin) // timedelta(minutes=1))
            yield Gap("unjudged", gap.rule_id, begin, until, minutes, gap.reason or "is to be judged again")


def _lost(tally: Tally, start: datetime, end: datetime) -> Iterator[Gap]:
    found: Counter[tuple[GapKind, str, str, int]] = Counter()
    for (hour, source, outcome, reason), number in tally.items():
        kind = _KINDS.get(outcome)
        if kind is not None and number > 0 and hour_of(start) <= hour <= hour_of(end):
            why = f"numbered by the sender and never came: {reason}" if outcome == "missing" else reason
            found[kind, source, why, hour] += number
    for (kind, source, why, hour), number in found.items():
        at = _hour(hour)
        yield Gap(kind, source, max(at, start), min(at + _HOUR, end), number, why)


def _hour(number: int) -> datetime:
    return _EPOCH + number * _HOUR
