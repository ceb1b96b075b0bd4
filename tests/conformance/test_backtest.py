"""A backtest raises what would have been raised, whatever store the past lies in, and reads it piece by piece."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from pathlib import Path
from random import Random

import pytest

from sentinel.alert.book import Book
from sentinel.core.alert import Alert
from sentinel.core.clock import ManualClock, iso
from sentinel.core.content import content
from sentinel.core.event import Event, Value
from sentinel.core.ports import Span, Store
from sentinel.core.where import Is
from sentinel.detect.runner import Runner
from sentinel.detect.sigma import load
from sentinel.testing import narrowed
from sentinel.testing.backtest import Options, backtest
from tests.living import LOGIN

Factory = Callable[[], Store]
BEGIN = datetime(2026, 11, 1, tzinfo=UTC)
DAYS = 10
SPAN = Span(BEGIN, BEGIN + timedelta(days=DAYS + 1), "ingested")


def login(number: int, arrived: datetime, late: timedelta, said: dict[str, Value]) -> Event:
    name = blake2b(b"%d" % number, digest_size=16).hexdigest()
    fields = LOGIN | said
    fields |= {"@timestamp": iso(arrived - late), "event.ingested": iso(arrived), "event.sequence": number * 1024}
    return Event(name, number * 1024, arrived - late, arrived, fields | {"event.id": name, "event.kind": "event"})


def past(seed: int) -> list[Event]:
    # bursts of failures, logins of root, and much that no rule is about; some of it hours late
    random = Random(seed)  # noqa: S311  the same each time
    arrived, events = BEGIN + timedelta(hours=1), list[Event]()
    while arrived < BEGIN + timedelta(days=DAYS):
        arrived += timedelta(minutes=random.choice([1, 15, 45, 600]))
        source = f"203.0.113.{random.randrange(3)}"
        late = timedelta(hours=random.choice([0, 0, 0, 1, 30]))
        for _ in range(random.choice([1, 4, 12])):
            arrived += timedelta(seconds=1)
            said: dict[str, Value] = {"source.ip": source, "host.name": f"srv-{random.randrange(2)}"}
            said["event.outcome"] = random.choice(["failure", "failure", "success"])
            said["user.name"] = random.choice(["root", "anna"])
            events.append(login(len(events) + 1, arrived, late, said))
    return events


def shape(alerts: list[Alert]) -> list[tuple[object, ...]]:
    return sorted((one.id, one.rule_id, one.key, one.count, one.first_seen, one.last_seen) for one in alerts)


@pytest.mark.parametrize("seed", [1])
def test_a_backtest_raises_exactly_what_was_raised_live(store_factory: Factory, tmp_path: Path, seed: int) -> None:
    rules = load([content("rules") / "ssh"]).detections
    assert {one.correlation.kind for one in rules if one.correlation} >= {"event_count", "temporal_ordered"}
    store, clock, events = store_factory(), ManualClock(BEGIN), past(seed)
    with Book(tmp_path / "live.db", clock, timedelta(hours=24), 1000) as book:
        runner = Runner(store, book, rules, clock, store.newest)
        begin = 0
        while begin < len(events):
            size = Random(begin).randrange(1, 60)  # noqa: S311  the same each time
            store.append(events[begin : begin + size])
            clock.moment = events[min(begin + size, len(events)) - 1].ingested
            runner.run()
            begin += size
        live = book.alerts(limit=10_000)
    found = backtest(store, rules, SPAN, Options(timedelta(hours=24), 1000))
    assert live
    assert shape(list(found.alerts)) == shape(live)
    assert found.matched == found.judged == sum(one.events for one in found.buckets)
    assert sum(one.alerts for one in found.buckets) == len(found.alerts)
    assert found.through is None
    assert not found.problems
    assert dict(found.top["user.name"]).keys() <= {"root", "anna"}


def test_windows_reach_back_behind_the_time_that_is_looked_at(store_factory: Factory) -> None:
    (rule,) = (one for one in load([content("rules") / "ssh" / "ssh_bruteforce.yml"]).detections if one.correlation)
    store, at = store_factory(), BEGIN + timedelta(days=1)
    store.append(
        [login(n, at + n * timedelta(seconds=10), timedelta(), {"event.outcome": "failure"}) for n in range(1, 11)]
    )
    options = Options(timedelta(hours=24), 100)
    late = Span(at + timedelta(seconds=95), at + timedelta(days=1), "ingested")
    found = backtest(store, [rule], late, options)
    assert (found.matched, len(found.alerts)) == (1, 1)
    assert backtest(store, [rule], Span(late.start + timedelta(seconds=20), late.end), options).matched == 0


def test_the_past_is_read_in_order_in_pieces_each_event_once(
    store_factory: Factory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(narrowed, "PAGE", 7)
    store, events = store_factory(), past(3)[:200]
    store.append(events)
    clock = ManualClock(BEGIN)
    read = narrowed.Narrowed(store, Is("user.name", "root"), SPAN, clock, 1000)
    wanted = [one.seq for one in events if one.fields["user.name"] == "root"]
    assert (read.matched(), read.first()) == (len(wanted), [wanted[0]])
    found: list[int] = []
    while batch := read.since(found[-1] if found else 0, read.newest(), 5):
        assert len(batch) <= 5
        assert batch[-1].ingested - batch[0].ingested <= narrowed.AT_ONCE
        assert clock.now() == batch[-1].ingested
        found += [one.seq for one in batch]
    assert found == wanted
    assert not read.cut


def test_too_much_is_cut_and_that_is_told(store_factory: Factory) -> None:
    store, events = store_factory(), past(4)[:60]
    store.append(events)
    rules = load([content("rules") / "ssh"]).detections
    found = backtest(store, rules, SPAN, Options(timedelta(hours=24), 100), events_max=25)
    assert (found.judged, found.matched) == (25, 60)
    assert found.through == events[24].ingested
