"""A sender that falls silent: one alert, at the right time, that closes itself; and who must not raise one."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from sentinel.alert.book import Book
from sentinel.core.alert import Alert
from sentinel.core.calendar import Calendar, Period, open_seconds
from sentinel.core.clock import ManualClock
from sentinel.core.source import Entering, Heard, Identity
from sentinel.sources.book import Patience, SourceBook
from sentinel.sources.silence import RULE, Silence

MONDAY = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)
FIREWALL = Identity("city", "syslog-udp", "192.0.2.7", "fw1")


class Town:
    """The books, the alerts and a clock, one minute at a time."""

    def __init__(self, folder: Path, limits: dict[str, float]) -> None:
        self.folder = folder
        self.clock = ManualClock(MONDAY)
        self.elapsed = timedelta(0)
        self.limits = limits
        self.calendar: Calendar | None = None
        self.alerts = Book(folder / "state.db", self.clock)
        self.through = 0
        self.books = self.opened()
        self.start()

    def opened(self) -> SourceBook:
        path, patience = self.folder / "sources.db", Patience(self.limits.__getitem__, self.hours)
        return SourceBook(path, self.clock, patience, writer=True, steady=lambda: self.elapsed / timedelta(seconds=1))

    def hours(self, identity: Identity, start: datetime, end: datetime) -> float:
        del identity
        return (end - start).total_seconds() if self.calendar is None else open_seconds(self.calendar, start, end)

    def start(self) -> None:
        """Begin, as a Sentinel does that was started again."""
        self.books.__exit__()
        self.books = self.opened()
        self.books.begin(self.through, self.through)
        self.silence = Silence(self.books, self.alerts)

    def quiet(self, until: datetime) -> None:
        """Let time go by until then, in which nobody is heard."""
        while self.clock.now() < until:
            self.minutes(1, step=timedelta(minutes=30))

    def minutes(
        self, count: int, *senders: Identity, caught_up: bool = True, step: timedelta = timedelta(minutes=1)
    ) -> None:
        """Let so many minutes go by, in each of which these are heard once."""
        for _ in range(count):
            self.elapsed += step
            self.clock.advance(step)
            now = self.clock.now()
            self.through += len(senders)
            heard = {who: Heard(now, now, f"{self.through:032x}", records=1, bytes=80) for who in senders}
            self.books.enter(Entering(self.through, now, now if caught_up else None, {}, heard))
            self.silence.look()

    def raised(self, *, closed: bool = False) -> list[Alert]:
        return self.alerts.alerts(states=("closed",) if closed else ("new", "acknowledged"))


@pytest.fixture
def town(tmp_path: Path) -> Iterator[Town]:
    built = Town(tmp_path, {"city": 900.0, "quiet": 0.0})
    yield built
    built.alerts.shut()
    built.books.__exit__()


def test_silence_is_one_alert_after_fifteen_minutes_and_closes_itself(town: Town) -> None:
    town.minutes(60, FIREWALL)
    last = town.clock.now()
    town.minutes(15)
    assert not town.raised()
    town.minutes(120)
    (alert,) = town.raised()
    assert (alert.rule_id, alert.count, alert.first_seen) == (RULE.id, 1, last)
    assert ("log.source.address", "192.0.2.7") in alert.key
    assert "fw1 (192.0.2.7) of source city" in alert.summary
    town.minutes(1, FIREWALL)
    assert not town.raised()
    (closed,) = town.raised(closed=True)
    assert closed.id == alert.id
    assert (closed.history[-1].who, closed.history[-1].what) == ("sentinel", "closed as benign")
    assert "heard again at" in closed.history[-1].note


def test_the_next_silence_is_another_alert(town: Town) -> None:
    town.minutes(60, FIREWALL)
    town.minutes(30)
    town.minutes(30, FIREWALL)
    town.minutes(60)
    assert len(town.raised()) == len(town.raised(closed=True)) == 1


def test_an_alert_that_a_person_closed_is_not_raised_again_for_the_same_silence(town: Town) -> None:
    town.minutes(60, FIREWALL)
    town.minutes(30)
    town.alerts.close(town.raised()[0].id, "erika", "benign", "decommissioned")
    town.minutes(300)
    assert not town.raised()


def test_the_time_a_sentinel_was_down_is_nobodys_silence(town: Town) -> None:
    town.minutes(60, FIREWALL)
    town.clock.advance(timedelta(days=3))
    town.start()
    town.minutes(14)
    assert not town.raised()
    town.minutes(3)
    assert len(town.raised()) == 1


def test_what_waits_in_the_spool_while_the_store_is_away_is_not_silence(town: Town) -> None:
    town.minutes(60, FIREWALL)
    for _ in range(10):
        town.clock.advance(timedelta(hours=1))
        town.silence.look()
    assert not town.raised()


def test_strays_and_sources_that_may_be_silent_raise_nothing(town: Town) -> None:
    town.minutes(60, Identity("quiet", "syslog-udp", "192.0.2.9", "printer"))
    town.minutes(60, Identity("city", "sentinel", "203.0.113.66", ""))  # a stranger who was refused again and again
    town.minutes(3, Identity("city", "syslog-udp", "203.0.113.9", "stray"))
    for number in range(200):
        town.minutes(1, Identity("city", "syslog-udp", f"198.51.100.{number}", "forged"))
    assert not town.raised()


def test_who_speaks_once_an_hour_may_be_silent_for_three(town: Town) -> None:
    for _ in range(30):
        town.minutes(1, FIREWALL)
        town.minutes(59)
    there = len(town.raised(closed=True))
    town.minutes(110)
    assert not town.raised()
    town.minutes(80)
    assert len(town.raised()) == 1
    assert there <= 4, "the first hours are learned from"


def test_a_night_is_learned_when_it_was_seen_twice_and_an_outage_is_not(town: Town) -> None:
    for _ in range(4):
        town.minutes(10 * 60, FIREWALL)
        town.minutes(14 * 60)
    alarms = len(town.raised(closed=True)) + len(town.raised())
    assert alarms == 2
    town.minutes(4 * 60, FIREWALL)
    town.minutes(20)
    assert len(town.raised()) == 1, "at noon it is used to speak"


STEPS = [timedelta(hours=-1), timedelta(days=1), timedelta(days=-1), timedelta(hours=1)]


@pytest.mark.parametrize("step", STEPS, ids=str)
def test_a_clock_that_is_set_makes_nobody_silent_and_silence_is_noticed_in_time_all_the_same(
    town: Town, step: timedelta
) -> None:
    school = Identity("city", "syslog-udp", "192.0.2.8", "school")
    town.minutes(60, FIREWALL, school)
    town.clock.advance(step)
    town.minutes(1)  # nobody has had the time yet
    town.minutes(120, FIREWALL)
    (alert,) = town.raised()
    assert ("host.name", "school") in alert.key, "it has not been heard since"
    assert not town.raised(closed=True)
    town.minutes(14)
    assert len(town.raised()) == 1
    town.minutes(3)
    assert len(town.raised()) == 2
    town.minutes(1, FIREWALL, school)
    assert not town.raised()


@pytest.mark.parametrize("step", STEPS, ids=str)
def test_a_silence_that_was_told_before_the_clock_was_set_ends_when_the_sender_speaks(
    town: Town, step: timedelta
) -> None:
    town.minutes(60, FIREWALL)
    town.minutes(20)
    assert len(town.raised()) == 1
    town.clock.advance(step)
    town.minutes(5)
    assert len(town.raised()) == 1, "it still says nothing"
    town.minutes(1, FIREWALL)
    assert not town.raised()
    assert len(town.raised(closed=True)) == 1


def test_what_waited_in_the_spool_when_the_clock_was_set_back_says_nothing_of_the_future(town: Town) -> None:
    town.minutes(60, FIREWALL)
    before = town.clock.now()
    town.clock.advance(timedelta(hours=-1))
    town.minutes(1)
    heard = {FIREWALL: Heard(before, before, "f" * 32, records=1, bytes=80)}
    town.books.enter(Entering(town.through, before, before, {}, heard))
    town.silence.look()
    town.minutes(14)
    assert not town.raised()
    town.minutes(3)
    assert len(town.raised()) == 1


@pytest.mark.parametrize("step", STEPS, ids=str)
def test_what_was_heard_by_two_clocks_teaches_nothing(town: Town, step: timedelta) -> None:
    town.minutes(10, FIREWALL)
    first = town.clock.now()
    town.clock.advance(step)
    last = town.clock.now()
    heard = {FIREWALL: Heard(min(first, last), max(first, last), "f" * 32, records=20, bytes=80)}
    town.books.enter(Entering(town.through, last, last, {}, heard))
    town.minutes(20, FIREWALL)
    assert not town.raised()
    town.minutes(17)
    assert len(town.raised()) == 1


def test_the_hour_that_comes_twice_and_the_one_that_never_comes_are_hours_as_all_others(town: Town) -> None:
    for change in (datetime(2026, 10, 25, 1, tzinfo=UTC), datetime(2027, 3, 28, 1, tzinfo=UTC)):  # of summer time
        town.clock.moment = change - timedelta(minutes=90)
        town.start()
        town.minutes(180, FIREWALL)
        assert not town.raised()
        town.minutes(16)
        assert len(town.raised()) == 1
        town.minutes(1, FIREWALL)
        assert not town.raised()


SCHOOL = Calendar(
    "school",
    hours=(((7 * 60, 16 * 60),),) * 5 + ((),) * 2,
    land="SN",
    vacations=(Period(date(2026, 10, 12), date(2026, 10, 24), "Herbstferien"),),
)


def berlin(day: int, hour: int) -> datetime:
    return datetime(2026, 10, day, hour, tzinfo=ZoneInfo("Europe/Berlin")).astimezone(UTC)


def test_a_quiet_school_firewall_raises_nothing_in_the_autumn_holidays_and_alarms_on_a_school_day(town: Town) -> None:
    town.calendar = SCHOOL
    town.clock.moment = berlin(9, 13)
    town.start()
    town.minutes(3 * 60, FIREWALL)  # a Friday afternoon
    town.quiet(berlin(26, 7))
    assert not town.raised(), "two weeks of holidays and three weekends"
    town.minutes(120, FIREWALL)
    assert town.clock.now() == berlin(26, 9)
    assert not town.raised(closed=True)
    town.minutes(16)
    assert len(town.raised()) == 1, "a school day, shortly after nine"


def test_a_school_firewall_that_stays_away_after_the_holidays_alarms_a_quarter_of_an_hour_after_opening(
    town: Town,
) -> None:
    town.calendar = SCHOOL
    town.clock.moment = berlin(9, 13)
    town.start()
    town.minutes(3 * 60, FIREWALL)
    town.quiet(berlin(26, 7))
    town.minutes(15)
    assert not town.raised()
    town.minutes(2)
    assert len(town.raised()) == 1


def test_who_begins_an_hour_after_opening_each_day_is_known_to_do_so(town: Town) -> None:
    town.calendar = SCHOOL
    town.clock.moment = berlin(5, 7)
    town.start()
    for day in range(5, 9):
        town.quiet(berlin(day, 8))
        town.minutes(20, FIREWALL)
        town.minutes(31, FIREWALL, step=timedelta(minutes=15))
    assert len(town.raised(closed=True)) == 2, "what is the same twice is learned"
    town.quiet(berlin(9, 8))
    assert not town.raised()
