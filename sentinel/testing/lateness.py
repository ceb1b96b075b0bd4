"""Late events, found once each: by rules of each kind, for each way of being late; and the case of kibana#285154."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

from sentinel.core.clock import ManualClock
from sentinel.core.event import Event, Value
from sentinel.store.embedded import EmbeddedStore
from sentinel.testing.mortal import START, Judge, Told, event, offline, rules

KINDS = ("single", "event_count", "value_count", "temporal", "temporal_ordered")
LATE = {
    "1 s": timedelta(seconds=1),
    "1 min": timedelta(minutes=1),
    "6 h": timedelta(hours=6),
    "3 d": timedelta(days=3),
    "out of order": timedelta(0),
    "future": timedelta(days=-1),
}
"""How late the middle one of three events arrives; out of order: the last first; future: all dated a day ahead."""
_MINUTE = timedelta(minutes=1)
_TICK = timedelta(seconds=20)


@dataclass(frozen=True, slots=True)
class Row:
    """How a rule of one kind fared: alerts and events counted, and what one offline pass says.

    `reopened` windows were judged again, `unaccounted` are those that nobody knows of.
    """

    kind: str
    late: str
    alerts: int
    events: int
    expected_alerts: int
    expected_events: int
    reopened: int
    unaccounted: int

    @property
    def well(self) -> bool:
        """Say whether everything was found once."""
        return (self.alerts, self.events, self.unaccounted) == (self.expected_alerts, self.expected_events, 0)


def table() -> Iterator[Row]:
    """Yield a row for each kind and each way of being late."""
    for late in LATE:
        with TemporaryDirectory(prefix="sentinel-late-") as folder:
            yield from _rows(late, Path(folder))


def _rows(late: str, folder: Path) -> Iterator[Row]:
    clock = ManualClock(START)
    store = EmbeddedStore(folder / "store")
    judge = Judge(store, folder / "state.db", clock, rules())
    events: list[Event] = []
    try:
        judge.run()
        for moment, number, at in _arrivals(late):
            while clock.now() < moment:  # at its pace while little time passes; through long waits in strides
                clock.moment = min(moment, clock.now() + max(_MINUTE, (moment - clock.now()) / 4))
                judge.run()
            new = _events(number, at, moment)
            events += new
            store.append(new)
            judge.run()
            judge.again()
            judge.run()
        clock.advance(2 * _MINUTE)
        judge.run()
        expected = _offline(folder, clock, events)
        yield from (_row(kind, late, judge, expected) for kind in KINDS)
    finally:
        judge.book.shut()
        store.close()


def _arrivals(late: str) -> list[tuple[datetime, int, datetime]]:
    # when each of the three steps arrives, which it is, and when it happened
    begin = START + 10 * _MINUTE
    happened = [begin + number * _TICK for number in range(3)]
    if late == "future":
        return [(at, number, at - LATE[late]) for number, at in enumerate(happened)]
    if late == "out of order":
        arrived = [happened[-1] + (3 - number) * _TICK for number in range(3)]
    else:
        arrived = [at + (LATE[late] if number == 1 else timedelta(0)) for number, at in enumerate(happened)]
    return sorted(zip(arrived, range(3), happened, strict=True))


def _events(step: int, at: datetime, arrived: datetime) -> list[Event]:
    # what the rules wait for: three failures of three users; a scan, a failure, a login; of an exploit the middle one
    said: Sequence[dict[str, Value]] = (
        {"event.action": "failure", "source.ip": "192.0.2.7", "user.name": f"user{step}"},
        {"event.action": ("scan", "failure", "login")[step], "source.ip": "192.0.2.8", "user.name": "user"},
        {"event.action": ("look", "exploit", "leave")[step], "source.ip": "192.0.2.9", "user.name": "user"},
    )
    # in order of arrival: arrival numbers are the store's, never used twice
    seq = int((arrived - START).total_seconds() * 100) + 1
    return [event(3 * step + at_once, seq + at_once, at, arrived, one) for at_once, one in enumerate(said)]


def _offline(folder: Path, clock: ManualClock, events: Sequence[Event]) -> set[Told]:
    whole = EmbeddedStore(folder / "whole")
    try:
        return offline(whole, folder / "whole.db", ManualClock(clock.now()), events)
    finally:
        whole.close()


def _row(kind: str, late: str, judge: Judge, expected: set[Told]) -> Row:
    now = judge.clock.now()
    own = [one for one in judge.told() if one.rule == kind]
    wanted = [one for one in expected if one.rule == kind]
    windows = judge.ledger.rows(kind, START, now)
    return Row(
        kind,
        late,
        len(own),
        sum(one.count for one in own),
        len(wanted),
        sum(one.count for one in wanted),
        sum((one.end - one.start) // _MINUTE for one in windows if one.reopened),
        judge.ledger.account(START, now).missing,
    )


@dataclass(frozen=True, slots=True)
class Paused:
    """The case of kibana#285154: alerts that one offline pass raises, how many of them are there, and how many more."""

    expected: int
    found: int
    more: int
    unaccounted: int


def paused(pause: timedelta = timedelta(minutes=20)) -> Paused:
    """Let somebody fail three times within five minutes, again and again for two hours, the schedule paused in between.

    Events arrive up to a minute late; the rules run every minute.
    """
    with TemporaryDirectory(prefix="sentinel-paused-") as name:
        folder = Path(name)
        clock = ManualClock(START)
        store = EmbeddedStore(folder / "store")
        judge = Judge(store, folder / "state.db", clock, rules())
        events: list[Event] = []
        try:
            for minute in range(120):
                at = clock.now()
                one = {"event.action": "failure", "source.ip": f"192.0.2.{minute // 4 + 1}", "user.name": "user"}
                new = [event(minute, minute + 1, at - timedelta(seconds=minute % 60), at, {**one})]
                events += new
                store.append(new)
                if not timedelta(0) <= at - (START + 50 * _MINUTE) < pause:
                    judge.run()
                clock.advance(_MINUTE)
            judge.run()
            told, wanted = judge.told(), _offline(folder, clock, events)
            missing = judge.ledger.account(START, clock.now()).missing
            return Paused(len(wanted), len(wanted & told), len(told - wanted), missing)
        finally:
            judge.book.shut()
            store.close()
