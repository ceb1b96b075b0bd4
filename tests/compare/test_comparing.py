"""A night's comparison: each day is judged once and told once, whatever was killed, and the card is there for it."""

import json
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from threading import Event as Flag

import pytest
from typer.testing import CliRunner

from sentinel import comparing, config
from sentinel.app import App
from sentinel.cli import odd as cli
from sentinel.compare.book import OddBook
from sentinel.core.clock import ManualClock
from sentinel.core.errors import StoreError, UsageError
from sentinel.core.event import Entry, Event, Origin, Raw
from sentinel.core.odd import Odd, Ranking
from sentinel.core.ports import Span
from sentinel.core.where import Is
from sentinel.detect.runner import Runner
from sentinel.store.embedded import EmbeddedStore
from tests.compare.schools import DAY, SCHOOLS, Contact, beacon, events, moment, rollout, seeded

KIND = "school"
MASTER = "c2.example"
BEFORE = [DAY - timedelta(days=back) for back in range(1, 4)]
NIGHT = moment(DAY, 1440 + 150)
"""Half past two in the night after DAY."""


class City:
    """Twelve schools, their inventory, and a Sentinel whose clock stands in the night after DAY."""

    def __init__(self, folder: Path) -> None:
        self.clock = ManualClock(NIGHT)
        self.folder = folder
        networks = (
            f'[[network]]\nname = "schule-{number:02}"\ncidr = ["10.20.{number}.0/24"]\n'
            f'site = "{SCHOOLS[number - 1]}"\ncalendar = "{KIND}"\n'
            for number in range(1, 13)
        )
        (folder / "assets.toml").write_text("\n".join(networks))
        (folder / "calendar.toml").write_text(
            'land = "SN"\nzone = "Europe/Berlin"\n[[calendar]]\nname = "school"\nhours = ["mon-fri 07:00-17:00"]\n'
        )
        (folder / "sentinel.toml").write_text(
            f'data = "{folder}/data"\ninventory = "{folder}/assets.toml"\ncalendar = "{folder}/calendar.toml"\n'
            "[spool]\nballast_bytes = 0\n"
        )
        self.app = App(config.load(folder / "sentinel.toml"), self.clock)

    def store(self, contacts: Iterable[Contact]) -> None:
        with self.app.writing() as store:
            assert isinstance(store, EmbeddedStore)
            store.append(events(contacts))
            store.seal()

    def judge(self, day: date) -> list[Odd]:
        """Do as the night does; what was told is stored before the next."""
        comparing.waiting(self.app)
        said = comparing.judge(self.app, KIND, day)
        with self.app.spool() as spool:
            spool.commit(spool.last)
        return said

    def told(self) -> list[Entry]:
        with self.app.spool() as spool:
            return [entry for entry in spool.read(0, 1_000) if b"site_odd" in entry.raw.body]

    def parsed(self) -> list[Event]:
        return [event for entry in self.told() for event in self.app.reader.read(entry)]


def everyday(day: date) -> Iterator[Contact]:
    for school in range(1, 13):
        for at in range(6):
            yield Contact(moment(day, 480 + at * 60 + school), school, 10, "portal.example")
        yield from rollout(day, "updates.example", [school])


@pytest.fixture(scope="module")
def happened() -> list[Contact]:
    """Return three days like any other, and one on which a device in the fifth school calls its master."""
    days = [one for day in [*BEFORE, DAY] for one in everyday(day)]
    return [*days, *beacon(seeded(3), DAY, 5, MASTER, (0, 24))]


@pytest.fixture
def city(tmp_path: Path, happened: list[Contact]) -> City:
    made = City(tmp_path)
    made.store(happened)
    return made


def test_a_finding_enters_like_any_record_and_becomes_an_alert(city: City) -> None:
    assert comparing.waiting(city.app) == {KIND: [DAY]}
    assert [one.site for one in city.judge(DAY)] == [SCHOOLS[4]]
    (event,) = city.parsed()
    assert event.fields["source.ip"] == "10.20.5.77"
    assert event.fields["destination.domain"] == MASTER
    assert event.fields["sentinel.source_asset.site"] == event.fields["sentinel.odd.site"] == SCHOOLS[4]
    with city.app.writing() as store:
        store.append([event])
        (cause,) = store.search(Is("event.id", str(event.fields["sentinel.odd.event"])), Span(moment(DAY, 0), NIGHT), 1)
        assert cause.fields["destination.domain"] == MASTER
        rules = [one for one in city.app.rules.detections if one.path.endswith("site_odd.yml")]
        with city.app.book() as book:
            Runner(store, book, rules, city.clock, until=store.newest).run()
            (alert,) = book.alerts()
    assert (alert.title, alert.level) == ("One site does what the others of its kind do not", "medium")
    assert dict(alert.key)["sentinel.odd.value"] == MASTER


def test_a_day_is_judged_once(city: City) -> None:
    city.judge(DAY)
    assert comparing.waiting(city.app) == {}
    city.clock.advance(timedelta(days=-3))
    assert DAY not in comparing.waiting(city.app).get(KIND, [])


def test_what_dies_between_telling_and_writing_down_tells_the_same_once_more(
    city: City, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as broken:
        broken.setattr(OddBook, "enter", _fails)
        with pytest.raises(StoreError):
            city.judge(DAY)
    city.clock.advance(timedelta(hours=30))
    assert DAY in comparing.waiting(city.app)[KIND]
    city.judge(DAY)
    first, second = city.parsed()
    assert first.id == second.id
    assert first.ingested == second.ingested


def _fails(*_: object) -> None:
    raise StoreError("the disk is full")


def test_what_was_told_is_not_told_again_the_day_after(city: City) -> None:
    city.judge(DAY)
    after = DAY + timedelta(days=1)
    city.store([*everyday(after), *beacon(seeded(4), after, 5, MASTER, (0, 24))])
    city.clock.advance(timedelta(days=1))
    assert comparing.waiting(city.app) == {KIND: [after]}
    assert city.judge(after) == []
    assert len(city.told()) == 1
    with city.app.odd_book() as book:
        again = book.ranking(KIND, after)
    assert again is not None
    assert again.odd[0].site == SCHOOLS[4]


def test_another_odd_thing_at_the_same_school_is_told_the_day_after(city: City) -> None:
    city.judge(DAY)
    after = DAY + timedelta(days=1)
    again = beacon(seeded(4), after, 5, MASTER, (0, 24))
    city.store([*everyday(after), *again, *beacon(seeded(5), after, 5, "c3.example", (0, 24))])
    city.clock.advance(timedelta(days=1))
    (odd,) = city.judge(after)
    assert [trait.value for trait in odd.traits] == ["c3.example"]


def test_sentinels_own_finding_is_nothing_that_a_school_does(city: City) -> None:
    city.judge(DAY)
    (event,) = city.parsed()
    with city.app.writing() as store:
        store.append([event])
    before = comparing_now(city, DAY)
    assert all(trait.first.date() <= DAY for one in before.odd for trait in one.traits)
    night = comparing_now(city, NIGHT.date())
    assert night.odd == ()
    assert night.sites == 0


def comparing_now(city: City, day: date) -> Ranking:
    with city.app.odd_book() as book, city.app.reading() as store:
        return comparing.compared(city.app, book, store, KIND, day)


def test_nights_that_were_missed_are_made_up_for_but_not_for_ever(city: City) -> None:
    city.judge(DAY)
    city.clock.advance(timedelta(days=3))
    assert comparing.waiting(city.app)[KIND] == [DAY + timedelta(days=back) for back in (1, 2, 3)]
    city.clock.advance(timedelta(days=40))
    assert len(comparing.waiting(city.app)[KIND]) == comparing.CATCH_UP_DAYS


def test_a_clock_years_ahead_keeps_no_day_from_being_judged(city: City) -> None:
    city.judge(DAY)
    city.clock.moment = datetime(2076, 1, 1, 12, tzinfo=UTC)
    for day in comparing.waiting(city.app)[KIND]:
        city.judge(day)
    city.clock.moment = NIGHT + timedelta(days=1)
    assert comparing.waiting(city.app)[KIND] == [DAY + timedelta(days=1)]


def test_a_day_is_judged_when_it_has_settled_and_all_of_it_is_stored(city: City) -> None:
    city.clock.moment = moment(DAY, 1440 + 119)
    assert DAY not in comparing.waiting(city.app)[KIND]
    city.clock.moment = moment(DAY, 1439)
    with city.app.spool() as spool:
        spool.put([Raw(b"not stored yet", "syslog", city.clock.now(), Origin("syslog-tcp"))])
    city.clock.moment = NIGHT
    assert DAY not in comparing.waiting(city.app).get(KIND, [])


def test_without_enough_sites_of_a_kind_there_is_nothing_to_do(tmp_path: Path) -> None:
    city = City(tmp_path)
    lines = (tmp_path / "assets.toml").read_text().split("[[network]]")
    (tmp_path / "assets.toml").write_text("[[network]]".join(lines[:9]))
    assert comparing.kinds(city.app.config) == []
    assert comparing.waiting(city.app) == {}


def test_a_process_of_its_own_does_it_and_says_what_came_of_it(city: City, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(comparing, "LOOK_SECONDS", 0.01)
    monkeypatch.setattr(comparing, "App", lambda options: App(options, city.clock))
    stop, said = Flag(), []

    def talk(text: str) -> None:
        said.append(text)
        stop.set()

    comparing.watch(city.app.config, stop, talk)
    assert said == [f"sites were compared: {KIND} {DAY}: {SCHOOLS[4]}"]
    assert len(city.told()) == 1


# -- by hand


@pytest.fixture
def sentinel(city: City, monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """Return what runs the command and gives what it prints."""
    monkeypatch.setattr(cli, "application", lambda _: city.app)
    monkeypatch.setenv("COLUMNS", "200")
    runner = CliRunner()

    def run(*words: str) -> str:
        done = runner.invoke(cli.verb, list(words), catch_exceptions=False, standalone_mode=False)
        return done.stdout

    return run


def test_by_hand_a_day_is_compared_and_nothing_is_raised(city: City, sentinel: Callable[..., str]) -> None:
    told = json.loads(sentinel("--day", f"{DAY}", "--json"))
    assert (told["kind"], told["day"], told["sites"], told["odd"][0]["site"]) == (KIND, f"{DAY}", 12, SCHOOLS[4])
    assert told["odd"][0]["score"] >= told["score_min"]
    assert MASTER in sentinel("--day", f"{DAY}")
    assert city.told() == []
    assert comparing.waiting(city.app) == {KIND: [DAY]}


def test_the_card_is_printed_and_written(city: City, sentinel: Callable[..., str], tmp_path: Path) -> None:
    city.judge(DAY)
    card = sentinel("--card", SCHOOLS[4].upper(), "--contact", "Telefon 0341 555 0110")
    assert "10.20.5.77" in card
    assert "Telefon 0341 555 0110" in card
    page = tmp_path / "karte.html"
    sentinel("--card", SCHOOLS[4], "--html", str(page))
    assert f"»{MASTER}«" in page.read_text("utf-8")


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["--day", "gestern"], "not a day"),
        (["--day", "2031-01-01"], "has not come yet"),
        (["--kind", "office"], "no kind 'office'"),
        (["--html", "x.html"], "name it with --card"),
        (["--day", f"{DAY}", "--card", "Schule 99"], "nothing is odd about 'Schule 99'"),
    ],
)
def test_what_cannot_be_shown_is_refused_with_what_to_do(
    sentinel: Callable[..., str], words: list[str], why: str
) -> None:
    with pytest.raises(UsageError, match=why):
        sentinel(*words)
