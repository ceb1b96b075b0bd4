"""Alerts about the same things are one incident, whatever the order they come in, and stay alerts of their own."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sentinel.alert.book import Book
from sentinel.alert.grouping import ACTING_FACTOR, About, Terms, grouped
from sentinel.alert.incidents import IncidentBook
from sentinel.alert.scoring import POINTS, fewest, scored
from sentinel.core.alert import Alert, Close, Record, Reopen, Seen
from sentinel.core.clock import ManualClock
from sentinel.core.database import micros
from sentinel.core.detection import Detection, Finding, Key, Level
from sentinel.core.entity import Entity, entity_of
from sentinel.core.errors import UsageError
from sentinel.core.event import Value
from sentinel.core.incident import Incident
from sentinel.core.where import ALWAYS
from tests.living import City

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
HOUR = 3_600_000_000
TERMS = Terms(24 * HOUR)


class Desk:
    """A city's book, store and incidents, and alerts made as a test says."""

    def __init__(self, folder: Path, terms: Terms = TERMS) -> None:
        self.city = City(folder, clock=ManualClock(NOW))
        self.clock = self.city.clock
        self.terms = terms
        self.book = Book(folder / "state.db", self.clock)

    def alert(self, key: Key, level: Level = "high", hours: float = 0, **fields: Value) -> str:
        """Raise an alert on one event that is stored; returns its id."""
        at = NOW + timedelta(hours=hours)
        event = self.city.event({name.replace("__", "."): value for name, value in fields.items()}, at)
        self.city.keep([event])
        rule = Detection(f"rule-{level}-{key}", f"Something {level}", level, ALWAYS, "v", "x", attack=("T1110",))
        (raised,) = self.book.record([Finding(rule, key, at, at, (event.id,), moments=(at,))], self.city.stored)
        return raised

    def look(self) -> list[Incident]:
        """Look what belongs together."""
        with self.city.app.reading() as store:
            book = IncidentBook(self.book, store, self.clock, self.terms, lambda _: ("credential-access",))
            book.refresh()
            return list(book.incidents())

    def one(self, incident_id: str) -> Incident:
        """Return one incident."""
        with self.city.app.reading() as store:
            return IncidentBook(self.book, store, self.clock, self.terms, lambda _: ()).incident(incident_id)


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def host(name: str) -> Key:
    return (("host.name", name),)


def ids(incident: Incident) -> list[str]:
    return [alert.id for alert in incident.alerts]


def test_alerts_that_share_what_their_key_or_their_events_name_are_one_incident(desk: Desk) -> None:
    first = desk.alert(host("SRV-01"), source__ip="203.0.113.66")
    second = desk.alert((("user.name", "m.muster"),), hours=1, host__name="srv-01")
    third = desk.alert(host("srv-02"), hours=2, source__ip="203.0.113.66")
    desk.alert(host("srv-03"), hours=2, source__ip="198.51.100.7")
    (incident,) = desk.look()
    assert ids(incident) == [first, second, third]
    assert set(incident.shared) == {Entity("host", "srv-01"), Entity("address", "203.0.113.66")}
    assert len(desk.book.alerts()) == 4, "every alert is still one of its own"


def test_what_lies_further_apart_than_the_window_is_not_joined_by_it_but_by_what_lies_between(desk: Desk) -> None:
    early, late = desk.alert(host("a"), hours=0), desk.alert((("host.name", "a"), ("user.name", "x")), hours=30)
    assert desk.look() == []
    between = desk.alert((("host.name", "a"), ("user.name", "y")), hours=20)
    (incident,) = desk.look()
    assert ids(incident) == [early, between, late]


def test_two_incidents_that_grow_together_are_the_older_one_and_both_ids_and_histories_stay(desk: Desk) -> None:
    for name in ("a", "b"):
        for user in ("x", "y"):
            desk.alert((("host.name", name), ("user.name", f"{name}-{user}")))
        desk.look()
        desk.clock.advance(timedelta(minutes=1))
    older, younger = sorted(desk.look(), key=lambda one: one.began)
    desk.alert((("host.name", "a"),), source__ip="203.0.113.66", host__name="b")
    (merged,) = desk.look()
    assert (merged.id, len(merged.alerts)) == (older.id, 5)
    assert desk.one(younger.id[:8]).id == older.id
    said = [change.what.partition(":")[0] for change in merged.history]
    assert said == ["joined"] * 4 + [f"merged with {younger.id}", "joined"]


def test_a_server_that_very_many_alerts_name_joins_none_of_them_and_an_attacker_does(tmp_path: Path) -> None:
    desk = Desk(tmp_path, Terms(24 * HOUR, shared_max=3))
    for number in range(4):
        desk.alert(host(f"a{number}"), source__ip="203.0.113.66", destination__ip=f"192.0.2.{number}")
        desk.alert(host(f"b{number}"), source__ip=f"198.51.100.{number}", destination__ip="192.0.2.53")
    (incident,) = desk.look()
    assert {str(alert.key[0][1])[0] for alert in incident.alerts} == {"a"}


def test_what_turns_out_to_be_common_lets_go_and_the_id_stays_with_the_alert_it_began_with(tmp_path: Path) -> None:
    desk = Desk(tmp_path, Terms(24 * HOUR, shared_max=3))
    first = desk.alert(host("dns"), user__name="anna")
    others = [desk.alert((("host.name", "dns"), ("user.name", f"u{number}")), hours=1) for number in range(2)]
    (incident,) = desk.look()
    assert set(ids(incident)) == {first, *others}
    more = desk.alert((("host.name", "dns"), ("user.name", "anna")), hours=1)
    (left,) = desk.look()
    assert (left.id, set(ids(left))) == (incident.id, {first, more})
    assert sum(change.what.startswith("left: ") for change in left.history) == 2


def test_what_the_operator_calls_common_never_joins(tmp_path: Path) -> None:
    desk = Desk(tmp_path, Terms(24 * HOUR, common=("SCANNER-01", "192.0.2.0/28")))
    for number in range(3):
        desk.alert((("host.name", "scanner-01"), ("user.name", f"u{number}")), destination__ip="192.0.2.7")
    assert desk.look() == []


def test_closed_alerts_stay_in_an_open_incident_and_one_that_is_closed_altogether_stays_as_it_is(desk: Desk) -> None:
    both = [desk.alert((("host.name", "a"), ("user.name", name))) for name in ("x", "y")]
    (incident,) = desk.look()
    desk.book.change(Seen(both[0]), Close("true_positive"), "anna")
    (again,) = desk.look()
    assert (again.id, set(ids(again)), again.open) == (incident.id, set(both), True)
    desk.book.change(Seen(both[1]), Close("true_positive"), "anna")
    desk.alert((("host.name", "a"), ("user.name", "z")), hours=1)
    assert desk.look() == [], "a new alert alone does not wake what has been dealt with"
    assert set(ids(desk.one(incident.id))) == set(both)
    desk.book.change(Seen(both[0]), Reopen(), "anna")
    (woken,) = desk.look()
    assert (woken.id, len(woken.alerts)) == (incident.id, 3)


def test_an_alert_that_became_part_of_another_is_that_one_in_the_incident_too(desk: Desk) -> None:
    early = desk.alert(host("a"), hours=0)
    desk.alert((("host.name", "a"), ("user.name", "x")), hours=20)
    late = desk.alert(host("a"), hours=40)
    (before,) = desk.look()
    assert late in ids(before)
    with pytest.raises(ValueError, match="unpack"):  # nothing is raised: the two become one
        desk.alert(host("a"), hours=20)
    (after,) = desk.look()
    assert (after.id, len(after.alerts), ids(after)[0]) == (before.id, 2, early)


def test_each_event_is_read_once_and_what_is_as_it_was_is_not_written(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.alert(host("a"), user__name="x")
    desk.alert((("user.name", "x"),))
    (before,) = desk.look()
    monkeypatch.setattr("sentinel.store.embedded.EmbeddedStore.search", None)
    with Book(desk.city.folder / "state.db", desk.clock) as watching:
        seen = watching._db.execute("PRAGMA data_version").fetchone()
        assert desk.look() == [before]
        assert watching._db.execute("PRAGMA data_version").fetchone() == seen, "nothing was written"


def test_ids_that_are_none_are_refused(desk: Desk) -> None:
    for wrong, said in (("xyz", "not an incident's id"), ("ffff", "no incident begins with")):
        with pytest.raises(UsageError, match=said):
            desk.one(wrong)


NAMES = st.sampled_from(["a", "b", "c", "d"])
ABOUT = st.builds(
    lambda number, first, length, named: About(f"{number:04}", first * HOUR, (first + length) * HOUR, named),
    st.integers(0, 9999),
    st.integers(0, 100),
    st.integers(0, 30),
    st.dictionaries(st.builds(Entity, st.sampled_from(["host", "user"]), NAMES), st.booleans(), max_size=3),
)
ALERTS = st.lists(ABOUT, max_size=25, unique_by=lambda one: one.alert)


@given(alerts=ALERTS, random=st.randoms(use_true_random=False))
def test_the_order_of_alerts_changes_no_group(alerts: list[About], random: Random) -> None:
    mixed = list(alerts)
    random.shuffle(mixed)
    assert grouped(mixed, TERMS) == grouped(alerts, TERMS)


@given(alerts=ALERTS, shared_max=st.integers(1, 6))
def test_groups_are_what_pairs_that_share_something_within_the_window_make(
    alerts: list[About], shared_max: int
) -> None:
    # the slow way: every pair, until nothing changes
    terms = Terms(24 * HOUR, shared_max)
    joins = {
        entity
        for entity in {each for one in alerts for each in one.entities}
        if sum(one.entities.get(entity) is False for one in alerts) <= shared_max
        and sum(one.entities.get(entity) is True for one in alerts) <= ACTING_FACTOR * shared_max
    }
    sets = [{one.alert} for one in alerts]
    for one in alerts:
        for other in alerts:
            apart = max(one.first, other.first) - min(one.last, other.last)
            if apart <= terms.window and joins & one.entities.keys() & other.entities.keys():
                both = [each for each in sets if each & {one.alert, other.alert}]
                sets = [each for each in sets if each not in both] + [set().union(*both)]
    assert sorted(sorted(each) for each in sets) == sorted(sorted(each.alerts) for each in grouped(alerts, terms))


@given(
    alerts=st.lists(st.tuples(NAMES, NAMES, st.integers(0, 60)), min_size=2, max_size=8, unique=True),
    cuts=st.lists(st.integers(0, 8), max_size=3),
    random=st.randoms(use_true_random=False),
)
def test_piece_by_piece_in_any_order_the_same_incidents_come_about(
    tmp_path_factory: pytest.TempPathFactory, alerts: list[tuple[str, str, int]], cuts: list[int], random: Random
) -> None:
    found = []
    for shuffled in (False, True):
        clock = ManualClock(NOW)
        mixed = sorted(alerts)
        if shuffled:
            random.shuffle(mixed)
        with Book(tmp_path_factory.mktemp("desk") / "state.db", clock, timedelta(hours=1)) as book:
            incidents = IncidentBook(book, None, clock, TERMS, lambda _: ())  # type: ignore[arg-type]  # nothing to read
            incidents._read = lambda _unread: iter(())  # type: ignore[method-assign,assignment]  # keys alone say all
            at = 0
            for cut in [*sorted(cuts), len(mixed)] if shuffled else [len(mixed)]:
                for name, user, hour in mixed[at:cut]:
                    when = NOW + timedelta(hours=hour)
                    rule = Detection(f"{name}{user}{hour}", "t", "low", ALWAYS, "v", "x")
                    key = (("host.name", name), ("user.name", f"user-{user}"))
                    book.record([Finding(rule, key, when, when, (f"{name}{user}{hour}",), moments=(when,))], 1)
                incidents.refresh()
                at = max(at, cut)
            found.append({frozenset(ids(one)) for one in incidents.incidents()})
    assert found[0] == found[1]


def record(false: int, of: int) -> Record:
    return Record("rule", "t", of, 0, of, 0, 0, of - false, false, 0, None)


def one(level: Level, technique: str = "", **more: object) -> Alert:
    at = NOW
    attack = (technique,) if technique else ()
    given = Alert("aa", "rule", "v", f"t {level}", level, (), at, at, at, 1, (), attack=attack)
    return given if not more else Alert(**{name: getattr(given, name) for name in Alert.__slots__} | more)


TACTICS = {"T1": ("execution", "persistence"), "T2": ("persistence",), "T3": ("exfiltration",)}


@pytest.mark.parametrize(
    ("alerts", "false", "criticality", "indicators", "points"),
    [
        ([one("high")], (0, 0), [], 0, {"level": 60}),
        ([one("high"), one("low"), one("low")], (0, 0), ["normal"], 0, {"level": 60}),
        ([one("high")], (1, 1), [], 0, {"level": 60, "verdicts": -12}),
        ([one("high")], (20, 20), [], 0, {"level": 60, "verdicts": -50}),
        ([one("medium", "T1"), one("low", "T2")], (0, 0), [], 0, {"level": 35}),
        ([one("medium", "T1"), one("low", "T3")], (0, 0), ["high", "low"], 2,
         {"level": 35, "tactics": 6, "criticality": 10, "indicators": 10}),
        ([one("critical", state="closed", verdict="benign"), one("low")], (0, 0), ["low"], 0,
         {"level": 15, "criticality": -5}),
        ([one("critical", state="closed", verdict="benign")], (0, 0), ["critical"], 3, {}),
    ],
)  # fmt: skip
def test_a_score_is_the_sum_of_its_parts(
    alerts: list[Alert], false: tuple[int, int], criticality: list[str], indicators: int, points: dict[str, int]
) -> None:
    parts = scored(alerts, {"rule": record(*false)}, lambda each: TACTICS.get(each, ()), criticality, indicators)
    assert {part.name: part.points for part in parts} == points
    assert all(part.why for part in parts)


@given(
    levels=st.lists(st.sampled_from(sorted(POINTS)), max_size=6),
    false=st.integers(0, 50),
    more=st.integers(0, 50),
    critical=st.lists(st.sampled_from(["low", "normal", "high", "critical", "unheard of"])),
    indicators=st.integers(0, 5),
)
def test_a_score_lies_between_0_and_100_and_an_alert_more_never_lowers_it(
    levels: list[Level], false: int, more: int, critical: list[str], indicators: int
) -> None:
    def score(of: list[Level]) -> int:
        records = {"rule": record(false, false + more)}
        parts = scored([one(level, "T2") for level in of], records, lambda _: ("persistence",), critical, indicators)
        return Incident("i", NOW, (), (), parts).score

    assert 0 <= score(levels) <= 100
    assert not levels or score(levels[:-1]) <= score(levels) or len(levels) == 1


def test_few_tactics_explain_all() -> None:
    assert fewest([("a", "b"), ("b", "c"), ("d",), ()]) == ["b", "d"]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("user.name", "SYSTEM"), ("user.name", "PC-0815$"), ("source.ip", "127.0.0.1"), ("destination.ip", "224.0.0.1"),
        ("host.name", "localhost"), ("file.hash.md5", "d41d8cd98f00b204e9800998ecf8427e"), ("message", "srv-01"),
        ("email.to.address", "nobody"), ("source.ip", "no address"),
    ],
)  # fmt: skip
def test_what_names_nobody_in_particular_joins_nothing(field: str, value: str) -> None:
    assert entity_of(field, value) is None


def test_the_command_line_lists_and_shows_what_belongs_together(town: City) -> None:
    for number in (1, 2):
        town.login(host_name=f"srv-0{number}")
    (incident,) = town.json("incidents", "list")
    assert len(incident["alerts"]) == 2
    assert {"kind": "address", "value": "203.0.113.66"} in incident["shared"]
    assert incident["score"] == sum(part["points"] for part in incident["parts"])
    shown = town.sentinel("incidents", "show", incident["id"][:6])
    assert "203.0.113.66" in shown.stderr
    assert "joined:" in shown.stdout
    assert micros(datetime.fromisoformat(incident["began"])) > 0
