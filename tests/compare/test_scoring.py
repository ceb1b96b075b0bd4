"""What makes something odd, part by part: rare, kept up, new, done by a program."""

from itertools import accumulate
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sentinel.compare import scoring
from sentinel.compare.features import FEATURES, Feature, Reading
from sentinel.compare.habits import Habits
from sentinel.core.event import Fields
from sentinel.core.where import AllOf, holds
from tests.compare.schools import seeded

SHARES = st.floats(0, 1)
READINGS = [
    pytest.param(feature, one, id=f"{feature.name} {one.fields[-1]}")
    for feature in FEATURES
    for one in feature.readings
]


@given(st.integers(2, 500), st.data())
def test_the_more_sites_do_it_the_less_rare_it_is(peers: int, data: st.DataObject) -> None:
    sites = data.draw(st.integers(1, peers - 1))
    assert scoring.rarity(1, peers) == pytest.approx(1)
    assert 1 >= scoring.rarity(sites, peers) > scoring.rarity(sites + 1, peers) >= 0
    assert scoring.rarity(peers, peers) == 0


def test_where_there_is_nobody_to_compare_with_nothing_is_rare() -> None:
    assert scoring.rarity(1, 1) == scoring.rarity(0, 0) == 0


@given(st.integers(0, 10), st.data())
def test_what_a_site_did_on_more_days_is_less_new(days: int, data: st.DataObject) -> None:
    known = data.draw(st.integers(0, days))
    assert 0 < scoring.novelty(known, days) < 1
    assert known == days or scoring.novelty(known, days) > scoring.novelty(known + 1, days)
    assert scoring.novelty(0, 0) == 0.5


@given(st.lists(st.floats(10, 5_000), min_size=8, max_size=60), st.floats(0.5, 50))
def test_a_rhythm_is_the_same_at_any_pace(between: list[float], pace: float) -> None:
    regular, every = scoring.rhythm(between)
    faster, sooner = scoring.rhythm([one * pace for one in between])
    assert 0 <= regular <= 1
    assert faster == pytest.approx(regular)
    assert sooner == pytest.approx(every * pace)


def test_a_timer_has_more_rhythm_than_chance_and_chance_more_than_people() -> None:
    chance = seeded(5)
    timer = scoring.rhythm([300 * chance.uniform(0.7, 1.3) for _ in range(2_000)])[0]
    by_chance = scoring.rhythm([chance.expovariate(1 / 300) for _ in range(2_000)])[0]
    people = scoring.rhythm([chance.lognormvariate(4, 1.2) for _ in range(2_000)])[0]
    assert timer == pytest.approx(0.85, abs=0.02)
    assert by_chance == pytest.approx(0.34, abs=0.04)
    assert people < by_chance


@pytest.mark.parametrize("number", [9, 15, 30, 60, 120])
def test_few_gaps_that_happen_to_be_alike_are_no_rhythm(number: int) -> None:
    chance = seeded(number)
    found = [scoring.rhythm([chance.expovariate(1 / 300) for _ in range(number)])[0] for _ in range(1_000)]
    assert sum(one > 0.52 for one in found) < 45
    timer = [scoring.rhythm([300 * chance.uniform(0.7, 1.3) for _ in range(number)])[0] for _ in range(200)]
    assert sum(one > 0.52 for one in timer) > 190


def test_a_night_in_which_the_device_was_off_breaks_no_rhythm() -> None:
    times = [*range(0, 7_200, 600), *range(60_000, 67_200, 600)]
    assert scoring.rhythm(scoring.gaps(times)) == (1.0, 600)


def test_what_comes_together_is_one_contact() -> None:
    times = [at + later for at in range(0, 6_000, 500) for later in (0, 0.2, 3.9)]
    assert scoring.gaps(times) == [500] * 11
    assert scoring.rhythm(scoring.gaps(times[:9])) == (0.0, 0.0) or len(scoring.gaps(times[:9])) >= scoring.GAPS_MIN


def test_what_never_rests_has_the_rhythm_of_its_events() -> None:
    assert scoring.rhythm(scoring.gaps(list(accumulate([2.0] * 40)))) == (1.0, 2.0)


def test_too_few_contacts_have_no_rhythm() -> None:
    assert scoring.rhythm([60.0] * (scoring.GAPS_MIN - 1)) == (0.0, 0.0)
    assert scoring.rhythm([60.0] * scoring.GAPS_MIN) == (1.0, 60.0)


@given(SHARES, SHARES, SHARES, SHARES, SHARES)
def test_no_part_makes_up_for_another_that_is_missing(
    rare: float, kept: float, new: float, one: float, two: float
) -> None:
    by_program = scoring.program(one, two)
    whole = scoring.score(rare, kept, new, by_program)
    assert max(one, two) - 1e-9 <= by_program <= 1
    assert 0 <= whole <= 100 * min(rare, kept, new) + 1e-9


@given(st.lists(st.tuples(st.text(max_size=8), st.text(max_size=8)), max_size=200))
def test_habits_forget_nothing_and_come_back_as_they_were(pairs: list[tuple[str, str]]) -> None:
    made = Habits.sized(len(pairs))
    for value, site in pairs:
        made.add("name", value, site)
    again = Habits(made.held())
    assert all(again.has("name", value, site) for value, site in pairs)
    assert not pairs or not again.has("port", *pairs[0]) or len(pairs) > 50


def test_of_what_was_not_done_one_in_a_thousand_is_said_to_have_been() -> None:
    made = Habits.sized(5_000)
    for number in range(5_000):
        made.add("name", f"{number}.example", "Schule 01")
    wrong = sum(made.has("name", f"{number}.example", "Schule 01") for number in range(5_000, 25_000))
    assert wrong < 60


ASKED: Fields = {"dns.question.type": "A", "dns.question.name": "gone.example"}


def read(feature: Feature, reading: Reading, fields: Fields) -> str:
    return reading.value([fields.get(name) for name in reading.fields]) if feature.readings else ""


TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=30)
NAMES = st.from_regex(r"([a-z0-9*?-]{1,8}\.){1,3}[a-z]{2,5}", fullmatch=True)
SAID: dict[str, st.SearchStrategy[Any]] = {
    "destination.port": st.integers(0, 65_535),
    "network.transport": st.sampled_from(["tcp", "udp"]),
    "destination.ip": st.ip_addresses().map(str),
    "dns.question.type": st.sampled_from(["A", "TXT", "NULL", "mx"]),
    "dns.response_code": st.sampled_from(["NOERROR", "NXDOMAIN"]),
    "user_agent.original": TEXTS,
    "process.name": TEXTS,
}


@pytest.mark.parametrize(("feature", "reading"), READINGS)
@given(data=st.data())
def test_what_asks_for_a_value_finds_every_event_that_tells_it(
    feature: Feature, reading: Reading, data: st.DataObject
) -> None:
    fields: Fields = {}
    for name in reading.fields:
        fields[name] = data.draw(SAID.get(name, NAMES))
    fields["event.category"] = "process"
    value = read(feature, reading, fields)
    if value and holds(reading.where, fields):
        assert holds(AllOf((reading.where, reading.asks(value))), fields)


@pytest.mark.parametrize(
    ("feature", "fields", "value"),
    [
        ("name", {"destination.domain": "r4.cdn-7.Videos.example"}, "videos.example"),
        ("name", {"url.domain": "203.0.113.9"}, ""),
        ("name", {"dns.question.name": "9.113.0.203.in-addr.arpa"}, ""),
        ("address", {"destination.ip": "203.0.113.9"}, "203.0.113.9"),
        ("address", {"destination.ip": "224.0.0.251"}, ""),
        ("port", {"destination.port": 4444, "network.transport": "tcp"}, "4444/tcp"),
        ("user_agent", {"user_agent.original": "Fetch/2.10.1 (X11; rv:128)"}, "Fetch/0 (X0; rv:0)"),
        ("dns", {"dns.question.type": "TXT", "dns.question.name": "a1b2.t.tunnel.example"}, "TXT tunnel.example"),
        ("dns", {**ASKED, "dns.response_code": "NXDOMAIN"}, "NXDOMAIN gone.example"),
        ("dns", {**ASKED, "dns.response_code": "NOERROR"}, ""),
        ("process", {"process.name": "Svc-Helper.EXE"}, "svc-helper.exe"),
    ],
)  # fmt: skip
def test_values_are_what_stays_the_same(feature: str, fields: Fields, value: str) -> None:
    one = next(one for one in FEATURES if one.name == feature)
    assert {read(one, reading, fields) for reading in one.readings if set(fields) <= set(reading.fields)} == {value}
