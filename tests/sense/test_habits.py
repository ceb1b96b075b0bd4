"""What hosts and segments do every week is told by nobody; what they never did is, and holidays are no workdays."""

import json
import random
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sentinel.core.calendar import Calendar, Period
from sentinel.sense.detections import volumes as volume
from sentinel.sense.detections.habits import Habits, Settings
from sentinel.sense.detections.volumes import Exfiltration
from sentinel.sense.findings import Finding, Scene
from sentinel.sense.records import SECOND, Flow
from sentinel.sense.segments import segments_of
from sentinel.sense.sketches import Distinct, Quantiles

BERLIN = ZoneInfo("Europe/Berlin")
OFFICE = Calendar(
    "office",
    hours=(((7 * 60, 18 * 60),),) * 5 + ((),) * 2,
    land="SN",
    closed=(Period(date(2026, 11, 9), date(2026, 11, 13), "removal"),),
)
SEGMENTS = segments_of({"segments": {"tax": ["10.10.2.0/24"], "school": ["10.20.0.0/16"]}})
SCENE = Scene(SEGMENTS, lambda _address: OFFICE)
PLAIN = Scene(SEGMENTS)
MONDAY = date(2026, 9, 7)
SUNDAY = int(datetime(2026, 10, 18, 12, tzinfo=UTC).timestamp()) * SECOND
HOST, CLOUD = "10.10.2.7", "203.0.113.9"
MB = 1_000_000
HOSTS = Settings(segment_bytes_out=10**15)
"""Looks at hosts alone."""


def flow(day: date, hour: float, size: int, *, src: str = HOST, dst: str = CLOUD, port: int = 443) -> Flow:
    begin = datetime.combine(day, time(), BERLIN).astimezone(UTC) + timedelta(hours=hour)
    at = int(begin.timestamp()) * SECOND
    return Flow(
        time=at, end=at + SECOND, src=src, dst=dst, sport=50_000, dport=port, proto=6, bytes_out=size, bytes_in=900,
        packets_in=5, state="established",
    )  # fmt: skip


def workdays(first: date, weeks: int) -> Iterator[date]:
    return (first + timedelta(days=day) for day in range(weeks * 7) if (first + timedelta(days=day)).weekday() < 5)


def office(weeks: int, *, first: date = MONDAY, grows: float = 1, src: str = HOST, seed: int = 1) -> Iterator[Flow]:
    """Yield what an office machine does: on workdays at nine and at ten it sends some 30 MB to the cloud."""
    throw = random.Random(seed)  # noqa: S311  the same numbers every time are what is wanted
    for day in workdays(first, weeks):
        if SCENE.calendar_of(src) is OFFICE and OFFICE.closing(day):
            continue
        size = 30 * MB * grows ** ((day - MONDAY).days / 7)
        for hour in (9, 10):
            for part in range(4):
                yield flow(day, hour + part / 10, int(size / 4 * throw.uniform(0.7, 1.4)), src=src)


def told(flows: Iterable[Flow], scene: Scene = SCENE, settings: Settings = HOSTS) -> list[Finding]:
    """Return what one detector finds, the latest of each."""
    habits = Habits(settings, scene)
    return list({found.key: found for one in flows for found in habits.take(one)}.values())


def test_what_is_done_every_workday_is_told_by_nobody_and_on_a_sunday_it_is() -> None:
    usual = list(office(6))
    assert told(usual) == []
    again = MONDAY + timedelta(weeks=6)
    assert told([*usual, flow(again, 9.5, 30 * MB)]) == []
    (found,) = told([*usual, flow(again - timedelta(days=1), 9.5, 30 * MB)])
    assert (found.kind, found.src, found.examples) == ("habit.bytes_out", HOST, (CLOUD,))
    assert "sent 30.0 MB out of the city within an hour" in found.explanation
    assert "silent in 11 of 11 times this hour of days off was seen" in found.explanation
    assert found.numbers["limit"] == 20 * MB


def test_a_holiday_in_the_week_is_a_day_off_where_there_is_a_calendar() -> None:
    usual = list(office(10))
    repentance = date(2026, 11, 18)  # a Wednesday, in Saxony only
    until = [one for one in usual if one.end < flow(repentance, 0, 0).end]
    assert len(told([*until, flow(repentance, 9.2, 30 * MB)])) == 1
    assert told([*until, flow(repentance, 9.2, 30 * MB)], PLAIN) == []


def test_a_machine_that_works_on_days_off_is_known_to_do_so() -> None:
    days = [MONDAY + timedelta(days=day) for day in range(42)]
    back_up = [flow(day, 3, (900 if day.weekday() >= 5 else 60) * MB) for day in days]
    assert told(back_up) == []
    assert told([*back_up, flow(MONDAY + timedelta(days=47), 3, 900 * MB)]) == []
    (found,) = told([*back_up, flow(MONDAY + timedelta(days=46), 3, 900 * MB)])
    assert "of workdays" in found.explanation, "as much as on every Saturday, but on a Friday"


def test_a_planted_exfiltration_is_found_with_its_numbers_against_what_is_normal_here() -> None:
    (found,) = told([*office(4), flow(MONDAY + timedelta(weeks=4), 9.5, 900 * MB, dst="198.51.100.66")])
    assert (found.kind, found.technique, found.examples) == ("habit.bytes_out", "T1048", ("198.51.100.66",))
    assert "in 20 times this hour of workdays was seen it was about 3" in found.explanation
    assert found.numbers["hours"] == 20
    assert 25 * MB < float(found.numbers["usual"]) < 40 * MB
    assert float(found.numbers["deviations"]) > 8


def test_what_grows_by_a_tenth_each_week_is_told_by_nobody() -> None:
    assert told(office(20, grows=1.1)) == []


def test_while_little_is_known_nothing_is_told() -> None:
    assert told([*office(1, first=MONDAY + timedelta(days=1)), flow(MONDAY + timedelta(days=7), 9.5, 900 * MB)]) == []


def test_what_the_others_in_the_segment_do_too_is_told_by_nobody() -> None:
    hosts = [f"10.10.2.{number}" for number in range(20, 60)]
    busy = [flow(day, 9.5, 800 * MB, src=host) for day in workdays(MONDAY, 4) for host in hosts]
    flows = sorted([*busy, *office(4)], key=lambda one: one.end)
    upload = flow(MONDAY + timedelta(weeks=4), 9.8, 700 * MB)
    assert told([*flows, upload]) == []
    (found,) = told([*flows, flow(MONDAY + timedelta(weeks=4), 9.8, 900 * MB)])
    assert found.numbers["segment"] == pytest.approx(800 * MB, rel=0.01)
    assert "99% of the hours of hosts there stay below 800.0 MB" in found.explanation


@pytest.mark.parametrize("scale", ["destinations", "ports"])
def test_far_more_different_ends_than_a_host_is_used_to_are_told(scale: str) -> None:
    def spoke(day: date, number: int) -> Iterator[Flow]:
        for one in range(number):
            if scale == "ports":
                yield flow(day, 9.1, 500, dst="10.20.1.1", port=1_000 + one)
            else:
                yield flow(day, 9.1, 500, dst=f"10.20.{one // 200}.{one % 200}")

    throw = random.Random(2)  # noqa: S311  as above
    usual = [one for day in workdays(MONDAY, 3) for one in spoke(day, throw.randint(40, 90))]
    assert told(usual) == []
    (found,) = told([*usual, *spoke(MONDAY + timedelta(weeks=3), 900)])
    assert found.kind == f"habit.{scale}"
    assert float(found.numbers[scale]) == pytest.approx(900, rel=0.1)
    assert "in 15 times this hour of workdays was seen it was about" in found.explanation


def test_a_segment_that_sends_far_more_than_in_this_hour_of_its_week_is_told_with_who_sends_most() -> None:
    hosts = [f"10.20.{number}.5" for number in range(60)]
    mondays = [MONDAY + timedelta(weeks=week) for week in range(6)]
    usual = [flow(day, 9.5, 2 * MB, src=host) for day in mondays for host in hosts]
    last = MONDAY + timedelta(weeks=6)
    more = [flow(last, 9.5, 4 * MB, src=host) for host in hosts]
    assert told([*usual, *more], settings=Settings()) == []
    much = [flow(last, 9.5, (15 if host != hosts[7] else 16) * MB, src=host) for host in hosts]
    found = [one for one in told([*usual, *much], settings=Settings()) if one.src == hosts[7]]
    assert [(one.kind, one.name) for one in found] == [("habit.segment", "school")]
    assert "segment school sent" in found[0].explanation
    assert "in 6 times this hour of the week was seen it was about 120.0 MB" in found[0].explanation


def test_a_restart_in_the_middle_changes_nothing() -> None:
    flows = [*office(4), *(flow(MONDAY + timedelta(weeks=4), 9.5 + part / 10, 150 * MB) for part in range(4))]
    spread = [flow(MONDAY + timedelta(weeks=4), 9.9, 50, dst=f"10.20.3.{number}") for number in range(200)]
    flows = sorted([*flows, *spread], key=lambda one: one.end)
    whole = told(flows, settings=Settings())
    assert {one.kind for one in whole} == {"habit.bytes_out", "habit.destinations", "habit.segment"}
    for cut in (1, 77, len(flows) - 100, len(flows) - 1):
        first, second = Habits(Settings(), SCENE), Habits(Settings(), SCENE)
        found = {one.key: one for each in flows[:cut] for one in first.take(each)}
        second.recall(json.loads(json.dumps(first.memory())))
        assert second.standing() == first.standing()
        found |= {one.key: one for each in flows[cut:] for one in second.take(each)}
        assert list(found.values()) == whole


def test_how_far_learning_has_come_is_stated() -> None:
    habits = Habits(Settings(), SCENE)
    for one in [flow(MONDAY, 9, 500), flow(MONDAY + timedelta(days=3), 9, 500, src="10.10.2.8")]:
        habits.learn(one)
    assert habits.standing() == {"hosts": 2, "known": 0}
    habits.learn(flow(MONDAY + timedelta(days=7), 10, 500))
    assert habits.standing() == {"hosts": 2, "known": 1}


NONSENSE: tuple[object, ...] = (
    [],
    {"hosts": {}},
    {"hosts": {HOST: [1, 2]}, "segments": {}},
    {"hosts": {HOST: [1, 1, 0, 0, "", "x", "x", 0, ""]}, "segments": {}},
    {"hosts": {HOST: [1, 1, 0, 0, "", Distinct().text(), Distinct().text(), 0, "AAAA"]}, "segments": {}},
    {"hosts": {}, "segments": {"tax": [1, 0, 0, "", 0, {"999": [1, 1, 1]}, {}]}},
    {"hosts": {}, "segments": {"tax": [1, 0, 0, "", 0, {}, {"1": Distinct().text()}]}},
    {"hosts": {}, "segments": {"tax": [-1, 0, 0, "", 0, {}, {}]}},
)


@pytest.mark.parametrize("memory", NONSENSE)
def test_a_memory_that_makes_no_sense_is_refused(memory: object) -> None:
    with pytest.raises(ValueError, match=r"no tables|cannot be understood"):
        Habits(Settings(), SCENE).recall(memory)


@given(
    st.lists(
        st.tuples(
            st.integers(0, 2**63),
            st.integers(0, 2**62),
            st.sampled_from([HOST, "10.20.1.1", "10.0.0.1", "", "fe80::1"]),
        ),
        max_size=12,
    )
)
def test_flows_of_any_time_and_size_can_be_taken(given: Sequence[tuple[int, int, str]]) -> None:
    habits = Habits(Settings(), SCENE)
    for at, size, src in given:
        list(habits.take(Flow(time=at, end=at, src=src, dst=CLOUD, bytes_out=size, state="established")))
    habits.recall(habits.memory())


def test_twenty_thousand_hosts_have_their_bound(tmp_path: Path) -> None:
    def resident() -> int:
        return int(Path("/proc/self/statm").read_text("utf-8").split()[1]) * 4096

    habits, before = Habits(Settings(), SCENE), resident()
    for hour in (9, 10):
        for number in range(21_000):
            src = f"10.20.{number // 250}.{number % 250}"
            habits.take(flow(MONDAY, hour, 100_000, src=src, dst=f"203.0.113.{number % 200}"))
    assert habits.standing()["hosts"] == 20_000
    assert resident() - before < 160 * MB
    (tmp_path / "sense.json").write_text(json.dumps(habits.memory()), "utf-8")
    assert (tmp_path / "sense.json").stat().st_size < 64 * MB


def test_sketches_count_and_rank_and_come_back_from_their_text() -> None:
    distinct, quantiles = Distinct(), Quantiles()
    for number in range(20_000):
        distinct.add(f"10.0.{number // 250}.{number % 250}")
        quantiles.add(number)
    for again in (distinct, Distinct.of(distinct.text())):
        assert again.number == pytest.approx(20_000, rel=0.1)
    for held in (quantiles, Quantiles.of(quantiles.text())):
        assert held.count == 20_000
        assert held.at(0.99) == pytest.approx(19_800, rel=0.03)
    for read in (Distinct.of, Quantiles.of):
        for nonsense in ("", "x", "AAAA", "/" * 40, 7):
            with pytest.raises(ValueError, match="cannot be understood"):
                read(nonsense)


def test_a_day_off_is_compared_with_days_off_once_they_are_known() -> None:
    days = [MONDAY + timedelta(days=day) for day in range(42)]
    usual = [flow(day, 9, 3 * MB if day.weekday() >= 5 else 400 * MB) for day in days]

    def volumes(day: date) -> list[Finding]:
        exfiltration = Exfiltration(volume.Settings(), SCENE)
        return [
            one for each in (*usual, flow(day, 9, 100 * MB)) for one in exfiltration.take(each) if one.start > SUNDAY
        ]

    assert volumes(MONDAY + timedelta(days=42)) == []
    (found,) = volumes(MONDAY + timedelta(days=47))
    assert "on 12 days off before it was 3.0 MB a day to all" in found.explanation
