"""An event says whether its place was open, by the inventory's class and the calendar file; senders have hours, too."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from sentinel.app import App
from sentinel.config import parse as configured
from sentinel.config.calendar import load, problems
from sentinel.core.clock import ManualClock
from sentinel.core.errors import ConfigError
from sentinel.core.event import Entry, Event, Fields, Origin, Raw
from sentinel.core.source import Identity
from sentinel.core.where import holds
from sentinel.parse.packs import Packs

ROOT = Path(__file__).parents[2]
NIGHT = datetime(2026, 11, 24, 2, 0, tzinfo=UTC)  # 03:00 in Berlin
SAMPLE = json.loads((ROOT / "parsers/windows/samples/security.log").read_text("utf-8").splitlines()[0])
CALENDAR = (ROOT / "deploy/calendar.toml").read_text("utf-8")


class Town:
    """The model city's files, and events of its machines."""

    def __init__(self, folder: Path, packs: Packs) -> None:
        self.calendar = folder / "calendar.toml"
        self.calendar.write_text(CALENDAR, "utf-8")
        self.clock = ManualClock(NIGHT)
        inventory = str(ROOT / "deploy/assets.toml")
        table = {"data": str(folder / "data"), "inventory": inventory, "calendar": str(self.calendar)}
        self.app = App(configured(table), self.clock)
        self.app.packs = packs

    def logon(self, at: datetime, host: str = "pf-schule-42", kind: str = "2") -> Fields:
        log = json.loads(json.dumps(SAMPLE))
        log["Event"]["System"]["TimeCreated"]["#attributes"]["SystemTime"] = f"{at:%Y-%m-%dT%H:%M:%S.%fZ}"
        log["Event"]["System"]["Computer"] = host
        log["Event"]["EventData"] |= {"LogonType": kind, "IpAddress": "-"}
        raw = Raw(json.dumps(log).encode(), "city", at, Origin("syslog-udp", "203.0.113.9:514"))
        (event,) = self.app.reader.read(Entry(1, at, raw))
        return dict(event.fields)

    def raised(self, at: datetime, host: str = "pf-schule-42", kind: str = "2") -> bool:
        rules = self.app.rules_in([ROOT / "rules/windows/windows_logon_closed_school.yml"])
        return holds(rules.detections[0].where, Event("1", 1, at, at, self.logon(at, host, kind)))


@pytest.fixture(scope="module")
def packs() -> Packs:
    return App(configured({})).packs


@pytest.fixture
def town(tmp_path: Path, packs: Packs) -> Town:
    return Town(tmp_path, packs)


def test_an_interactive_logon_at_three_in_a_closed_school_is_raised(town: Town) -> None:
    assert town.raised(NIGHT)
    assert town.raised(datetime(2026, 10, 13, 9, tzinfo=UTC)), "the autumn holidays"
    assert not town.raised(NIGHT + timedelta(hours=6)), "school has begun"
    assert not town.raised(NIGHT, kind="3"), "over the network"
    assert not town.raised(NIGHT, host="srv-ad-01"), "always open"


def test_an_event_says_why_its_place_is_closed(town: Town) -> None:
    fields = town.logon(datetime(2026, 10, 13, 9, tzinfo=UTC))
    assert fields["sentinel.calendar.name"] == "school"
    assert fields["sentinel.calendar.state"] == "closed"
    assert fields["sentinel.calendar.reason"] == "Herbstferien"
    assert "sentinel.calendar.state" not in town.logon(NIGHT, host="nobody-knows-it")
    assert "sentinel.calendar.state" not in town.logon(datetime(1970, 1, 1, tzinfo=UTC)), "no calendar goes so far back"


def test_a_calendar_that_changes_is_read_again_and_a_wrong_one_leaves_the_old_one_in_use(town: Town) -> None:
    assert town.logon(NIGHT)["sentinel.calendar.state"] == "closed"
    town.calendar.write_text(CALENDAR.replace("mon-fri 06:30-17:00", "mon-fri 00:00-24:00"), "utf-8")
    town.clock.advance(timedelta(seconds=11))
    town.app.reader.refresh()
    assert town.logon(NIGHT)["sentinel.calendar.state"] == "open"
    town.calendar.write_text("nonsense = 1", "utf-8")
    town.clock.advance(timedelta(seconds=11))
    (said,) = town.app.reader.refresh()
    assert "unknown option 'nonsense'" in said
    assert town.logon(NIGHT)["sentinel.calendar.state"] == "open"


def test_a_sender_s_time_is_that_of_its_place(town: Town) -> None:
    school = Identity("city", "syslog-udp", "10.20.42.1", "pf-schule-42")
    behind = Identity("city", "syslog-udp", "198.51.100.42", "fw")
    server = Identity("city", "syslog-udp", "10.10.8.10", "srv-ad-01")
    stranger = Identity("city", "syslog-udp", "203.0.113.7", "who")
    weeks = timedelta(days=14)
    hours = {
        who: town.app.hours.seconds(who, NIGHT, NIGHT + weeks) / 3600 for who in (school, behind, server, stranger)
    }
    assert hours == {school: 105, behind: 105, server: 336 - 10, stranger: 336}, "one Saturday the switches are new"


def test_a_sender_s_hours_follow_the_file(town: Town) -> None:
    school = Identity("city", "syslog-udp", "10.20.42.1", "")
    assert town.app.hours.seconds(school, NIGHT, NIGHT + timedelta(hours=1)) == 0
    town.calendar.write_text(CALENDAR.replace("mon-fri 06:30-17:00", "mon-fri 00:00-24:00"), "utf-8")
    town.clock.advance(timedelta(seconds=11))
    assert town.app.hours.seconds(school, NIGHT, NIGHT + timedelta(hours=1)) == 3600


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("mon-fri 06:30-17:00", "mon-fri 6-17", "is no time of the week"),
        ("mon-fri 06:30-17:00", "fri-mon 06:30-17:00", "name the earlier day"),
        ("mon-fri 06:30-17:00", "mon-fri 22:00-06:00", "a night is two entries"),
        ('["mon-fri 06:30-17:00"]', '["mon 06:30-17:00", "mon-tue 12:00-13:00"]', "lie over each other"),
        ('"12-24"', '"12-32"', "is no day of the year"),
        ("last = 2026-10-24", "last = 2026-10-10", "before it begins"),
        ("last = 2027-07-31", "last = 2027-07-01", "before it begins"),
        ("first = 2027-07-10, last = 2027-07-31", "first = 2027-08-10, last = 2027-08-31", "lies outside"),
        ('calendars = ["office", "always"]', 'calendars = ["ofice"]', "there is no calendar 'ofice'"),
        ('land = "SN"\nsource', 'land = "BY"\nsource', "needs a [[school_holidays]] of SN"),
        ('name = "school"', 'name = "office"', "is there twice"),
        ("end = 2026-12-05T18:00:00", "", "say when"),
    ],
)
def test_a_file_that_is_wrong_is_refused_with_what_to_do(town: Town, old: str, new: str, reason: str) -> None:
    assert old in CALENDAR
    town.calendar.write_text(CALENDAR.replace(old, new), "utf-8")
    with pytest.raises(ConfigError) as refused:
        load(town.calendar)
    assert reason in str(refused.value)


def test_school_holidays_past_their_validity_are_said_loudly_and_before_it(town: Town) -> None:
    calendars, inventory = town.app.calendars, town.app.inventory
    assert not list(problems(calendars, inventory, datetime(2026, 11, 24, tzinfo=UTC).date()))
    (soon,) = problems(calendars, inventory, datetime(2027, 6, 15, tzinfo=UTC).date())
    assert (soon.state, soon.name) == ("warn", "calendar school")
    assert "known only until 2027-07-31" in soon.found
    (over,) = problems(calendars, inventory, datetime(2027, 9, 1, tzinfo=UTC).date())
    assert over.state == "fail"
    assert "not known since 2027-07-31" in over.found
    assert "ministry" in over.advice
    without = {one.name for one in problems(None, inventory, datetime(2026, 11, 24, tzinfo=UTC).date())}
    assert without == {"calendar office", "calendar school"}
