"""The books: entered once, whatever happens between; bounded; begun anew rather than in the way."""

import random
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sentinel.core.clock import ManualClock
from sentinel.core.source import Account, Entering, Heard, Identity, bucket, quantile, seconds_of
from sentinel.sources import book
from sentinel.sources.book import OTHERS, SourceBook
from sentinel.status import balance

NOW = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)
HOUR = int(NOW.timestamp()) // 3600


def opened(folder: Path, *, writer: bool = True) -> SourceBook:
    return SourceBook(folder / "sources.db", ManualClock(NOW), writer=writer)


def entering(through: int, records: int, *senders: Identity) -> Entering:
    tally = {Account(HOUR, "city", "received"): records, Account(HOUR, "city", "stored"): records}
    heard = {who: Heard(NOW, NOW, "e" * 32, records=1, bytes=10) for who in senders}
    return Entering(through, NOW, NOW, tally, heard)


def test_what_was_entered_is_there_for_the_next_process(tmp_path: Path) -> None:
    who = Identity("city", "syslog-tcp", "192.0.2.7", "fw1")
    with opened(tmp_path) as books:
        books.begin(0, 0)
        books.enter(entering(5, 5, who))
        books.enter(entering(9, 4, who))
    with opened(tmp_path, writer=False) as books:
        progress, tally = books.accounts()
        assert (progress.through, progress.booked) == (9, 9)
        assert tally[Account(HOUR, "city", "stored")] == 9
        assert not balance(progress, tally, 0).problems
        (sender,) = books.senders()
        assert (sender.identity, sender.records, sender.bytes) == (who, 2, 20)


def test_a_missing_record_is_noticed(tmp_path: Path) -> None:
    with opened(tmp_path) as books:
        books.begin(0, 0)
        books.enter(entering(5, 4))
        (problem,) = balance(*books.accounts(), 0).problems
    assert problem == "4 records are booked, the spool has given out 5"


def test_senders_beyond_a_bound_are_counted_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(book, "SENDERS_MAX", 10)
    forged = [Identity("city", "syslog-udp", f"198.51.100.{number}", "") for number in range(30)]
    with opened(tmp_path) as books:
        books.begin(0, 0)
        books.enter(entering(15, 15, *forged[:15]))
        books.enter(entering(30, 15, *forged[15:]))
        senders = books.senders()
    assert len(senders) == 11
    assert sum(sender.records for sender in senders) == 30
    assert next(one.records for one in senders if one.identity.peer == OTHERS) == 20


def test_a_damaged_book_is_set_aside_and_begun_anew(tmp_path: Path) -> None:
    with opened(tmp_path) as books:
        books.begin(0, 0)
        books.enter(entering(5, 5))
    path = tmp_path / "sources.db"
    path.write_bytes(random.Random(7).randbytes(path.stat().st_size))  # noqa: S311  any bytes will do
    with opened(tmp_path) as books:
        assert books.set_aside == tmp_path / "sources.damaged-1"
        books.begin(9, 7)
        books.enter(entering(9, 2))
        progress, tally = books.accounts()
    assert (progress.booked, progress.skipped) == (2, 0)
    assert not balance(progress, tally, 0).problems


def test_a_spool_begun_anew_is_booked_on_top(tmp_path: Path) -> None:
    with opened(tmp_path) as books:
        books.begin(0, 0)
        books.enter(entering(100, 100))
    with opened(tmp_path) as books:
        books.begin(0, 0)
        assert books.through == 0
        books.enter(entering(3, 3))
        progress, tally = books.accounts()
    assert progress.booked == 103
    assert not balance(progress, tally, 0).problems


def test_what_was_dealt_with_while_the_book_was_away_is_told(tmp_path: Path) -> None:
    with opened(tmp_path) as books:
        books.begin(0, 0)
        books.enter(entering(5, 5))
    with opened(tmp_path) as books:
        books.begin(50, 45)
        books.enter(entering(50, 5))
        found = balance(*books.accounts(), 0)
    assert found.skipped == 40
    assert not found.problems


@given(st.lists(st.floats(-1e9, 1e9), min_size=1, max_size=200), st.floats(0.01, 1))
def test_a_quantile_is_right_within_a_quarter(seconds: list[float], share: float) -> None:
    digest = Counter(map(bucket, seconds))
    found = quantile(dict(digest), share)
    assert found is not None
    exact = sorted(seconds)[max(0, -int(-share * len(seconds) // 1) - 1)]
    assert abs(found - exact) <= 0.25 * abs(exact) + 0.05 or found == seconds_of(bucket(exact))
