"""What one of 85 schools does and the others do not comes first; what all do, always did or look at is never told."""

from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sentinel.compare import counting, ranking
from sentinel.compare.counting import counted, day_of
from sentinel.compare.habits import Habits
from sentinel.compare.ranking import alike
from sentinel.comparing import SCORE_MIN
from sentinel.core.errors import StoreError
from sentinel.core.event import Fields
from sentinel.core.odd import Ranking
from tests.compare.schools import (
    DAY,
    KIND,
    LESSONS,
    SCHOOLS,
    Contact,
    Town,
    beacon,
    learnt,
    moment,
    of_site,
    ranked,
    rollout,
    seeded,
    stored,
)

TOWN = Town(0)
MASTER = "c2.example"


@pytest.fixture(scope="module")
def past(tmp_path_factory: pytest.TempPathFactory) -> list[Habits]:
    """Return what the schools did on the ten school days before."""
    return learnt(tmp_path_factory.mktemp("past"), TOWN)


@pytest.fixture
def folder(tmp_path: Path) -> Callable[[], Path]:
    """Return what makes a folder for a store."""
    numbers = iter(range(1_000))

    def made() -> Path:
        path = tmp_path / f"{next(numbers)}"
        path.mkdir()
        return path

    return made


def odd_ones(found: Ranking) -> set[str]:
    return {one.site for one in found.odd if one.score >= SCORE_MIN}


def test_a_beacon_in_one_school_is_in_the_days_top_3_over_20_seeds(
    past: list[Habits], folder: Callable[[], Path]
) -> None:
    """On each day an update is rolled out to all, too, and two classes look into something nobody else looks at."""
    places, scores, others = [], [], set()
    for seed in range(20):
        chance = seeded(seed)
        school = chance.randrange(1, 86)
        town = replace(TOWN, seed=seed)
        happened = [
            *town.everyday(DAY),
            *beacon(chance, DAY, school, MASTER),
            *rollout(DAY, "neue-fassung.example"),
        ]
        found = ranked(folder(), happened, past)
        place, score = of_site(found, school)
        places.append(place)
        scores.append(score)
        others |= odd_ones(found) - {SCHOOLS[school - 1]}
        assert all(trait.value != "neue-fassung.example" for one in found.odd for trait in one.traits)
    assert set(places) <= {1, 2, 3}
    assert min(scores) >= SCORE_MIN
    assert others == set()


@pytest.mark.parametrize("schools", [range(1, 86), range(1, 60), range(20, 50)], ids=["all", "most", "a third"])
def test_an_update_that_schools_begin_with_together_raises_nothing(
    past: list[Habits], folder: Callable[[], Path], schools: range
) -> None:
    found = ranked(folder(), [*TOWN.everyday(DAY), *rollout(DAY, "neu.example", schools)], past)
    assert found.sites == 85
    assert odd_ones(found) == set()


def test_without_earlier_days_it_is_ranked_but_never_told(folder: Callable[[], Path]) -> None:
    happened = [*TOWN.everyday(DAY), *beacon(seeded(1), DAY, 17, MASTER, (0, 24))]
    found = ranked(folder(), happened, [])
    assert found.days == 0
    assert of_site(found, 17)[1] > 40
    assert odd_ones(found) == set()


def test_what_a_school_always_did_is_not_news(past: list[Habits], folder: Callable[[], Path]) -> None:
    found = ranked(folder(), TOWN.everyday(DAY), past)
    heating = [trait for one in found.odd for trait in one.traits if trait.value.startswith("heizung")]
    assert all((trait.known, trait.days) == (10, 10) and trait.score < 10 for trait in heating)


def test_what_the_others_do_on_other_days_is_not_odd(past: list[Habits], folder: Callable[[], Path]) -> None:
    """Today one school alone fetches the updates of the paper's server; on the days before 40 of them did."""
    before = [Habits(one.held()) for one in past]
    for habits in before:
        for school in SCHOOLS[:40]:
            habits.add("name", "zeitung.example", school)
    happened = [*TOWN.everyday(DAY), *rollout(DAY, "zeitung.example", [70])]
    found = ranked(folder(), happened, before)
    known = [trait for one in found.odd for trait in one.traits if trait.value == "zeitung.example"]
    assert all(trait.sites >= 40 for trait in known)
    assert odd_ones(found) == set()
    assert odd_ones(ranked(folder(), happened, past)) == {SCHOOLS[69]}


def test_a_large_school_does_not_stand_before_a_small_one(past: list[Habits], folder: Callable[[], Path]) -> None:
    crowd = [
        replace(one, school=85, device=1 + number % 200)
        for number, one in enumerate(replace(TOWN, seed=9).everyday(DAY))
        if number % 3 == 0
    ]
    small = min(range(1, 85), key=TOWN.devices)
    found = ranked(folder(), [*TOWN.everyday(DAY), *crowd, *beacon(seeded(4), DAY, small, MASTER)], past)
    assert of_site(found, small)[0] == 1


def test_names_that_are_asked_for_once_each_fill_no_ranking(past: list[Habits], folder: Callable[[], Path]) -> None:
    """As from a program that makes them up, or from somebody who cannot type."""
    made_up = [Contact(moment(DAY, 480 + number), 3, 12, f"x{number * 7919 % 9973}q.example") for number in range(400)]
    found = ranked(folder(), [*TOWN.everyday(DAY), *made_up, *beacon(seeded(4), DAY, 40, MASTER)], past)
    assert of_site(found, 40)[0] == 1
    assert of_site(found, 3)[1] < SCORE_MIN


@pytest.mark.parametrize(
    ("feature", "value", "fields"),
    [
        ("address", "203.0.113.66", {"destination.ip": "203.0.113.66"}),
        ("port", "4444/tcp", {"destination.port": 4444, "network.transport": "tcp"}),
        ("user_agent", "Fetch/0", {"user_agent.original": "Fetch/1.2"}),
        ("dns", "TXT tunnel.example", {"dns.question.type": "TXT", "dns.question.name": "a.tunnel.example"}),
        ("process", "svc-helper.exe", {
            "process.name": "svc-helper.exe", "event.category": ("process",), "host.name": "pc-33-14",
            "sentinel.host_asset.site": SCHOOLS[32], "sentinel.host_asset.calendar": "school",
        }),
    ],
)  # fmt: skip
def test_every_feature_finds_its_own(folder: Callable[[], Path], feature: str, value: str, fields: Fields) -> None:
    usual: Fields = {
        "address": {"destination.ip": "203.0.113.1"},
        "port": {"destination.port": 443, "network.transport": "tcp"},
        "user_agent": {"user_agent.original": "Browser/7"},
        "dns": {"dns.question.type": "MX", "dns.question.name": "mail.example"},
        "process": {"process.name": "browser.exe", "event.category": ("process",)},
    }[feature]  # type: ignore[assignment]  # a dict of dicts is as wide as all of them
    everyday = [
        Contact(moment(DAY, 480 + at * 60), school, 10, "", {
            **usual, "sentinel.host_asset.site": SCHOOLS[school - 1], "sentinel.host_asset.calendar": "school",
        })
        for school in range(1, 40)
        for at in range(2)
    ]  # fmt: skip
    odd = [Contact(moment(DAY, minute), 33, 14, "", dict(fields)) for minute in range(0, 1440, 20)]
    found = ranked(folder(), [*everyday, *odd], [])
    assert [one.site for one in found.odd] == [SCHOOLS[32]]
    trait = next(trait for trait in found.odd[0].traits if trait.feature == feature)
    assert (trait.value, trait.sites, trait.peers, trait.hours) == (value, 1, 39, 24)
    assert trait.device == ("pc-33-14" if feature == "process" else "10.20.33.14")
    assert (trait.every_seconds, trait.rhythm, trait.closed_hours) == (1_200, 1.0, 14)


def test_too_few_schools_are_not_compared_and_it_says_so(folder: Callable[[], Path]) -> None:
    happened = [one for one in TOWN.everyday(DAY) if one.school < 9]
    found = ranked(folder(), [*happened, *beacon(seeded(1), DAY, 3, MASTER)], [])
    assert (found.sites, found.odd) == (8, ())
    assert "fewer than 10" in found.gaps[0]


def test_many_different_values_are_counted_in_parts_and_what_is_left_out_is_told(
    folder: Callable[[], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    happened = [*(one for one in TOWN.everyday(DAY) if one.school < 20), *beacon(seeded(1), DAY, 17, MASTER)]
    whole = ranked(folder(), happened, [])
    monkeypatch.setattr(counting, "ROWS_MAX", 150)
    assert replace(ranked(folder(), happened, []), gaps=()) == replace(whole, gaps=())
    monkeypatch.setattr(counting, "PAIRS_MAX", 100)
    assert any("100 different values" in gap for gap in ranked(folder(), happened, []).gaps)


def test_only_so_many_are_looked_at_and_it_says_so(folder: Callable[[], Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ranking, "LOOKED_MAX", 3)
    happened = [*TOWN.everyday(DAY), *beacon(seeded(1), DAY, 17, MASTER)]
    found = ranked(folder(), happened, [])
    assert len(found.odd) <= 3
    assert found.gaps == ("name: only the 3 that promised most were looked at in full",)


def test_a_comparison_that_is_killed_leaves_no_file_behind(folder: Callable[[], Path]) -> None:
    """What is counted lies in a file without a name, which ends with the process."""
    store, scratch = stored(folder(), small(list(range(1, 13)), [1])), folder()
    with counted(store, KIND, day_of(LESSONS, DAY), scratch) as found:
        assert len(found.sites()) == 12
        assert list(scratch.iterdir()) == []
    with (
        pytest.raises(StoreError, match="look at the disk"),
        counted(store, KIND, day_of(LESSONS, DAY), scratch / "no"),
    ):
        pass
    store.close()


def small(schools: list[int], doing: list[int]) -> list[Contact]:
    return [
        *(Contact(moment(DAY, 480 + at * 60), school, 10, "portal.example") for school in schools for at in range(4)),
        *(Contact(moment(DAY, minute), school, 77, MASTER) for school in doing for minute in range(480, 840, 30)),
    ]


@settings(max_examples=4)
@given(names=st.permutations(range(1, 13)), doing=st.integers(1, 6))
def test_which_school_is_called_what_changes_nothing(
    tmp_path_factory: pytest.TempPathFactory, names: list[int], doing: int
) -> None:
    schools = list(range(1, 13))
    plain = ranked(tmp_path_factory.mktemp("store"), small(schools, schools[:doing]), [])
    other = ranked(tmp_path_factory.mktemp("store"), small(names, names[:doing]), [])
    renamed = {SCHOOLS[one - 1]: SCHOOLS[two - 1] for one, two in zip(schools, names, strict=True)}
    assert {renamed[one.site]: one.score for one in plain.odd} == {one.site: one.score for one in other.odd}


def test_the_more_schools_do_it_the_lower_it_ranks_until_it_is_gone(folder: Callable[[], Path]) -> None:
    schools = list(range(1, 13))
    scores = [of_site(ranked(folder(), small(schools, schools[:doing]), []), 1)[1] for doing in (1, 2, 4, 6, 7, 12)]
    assert scores == sorted(scores, reverse=True)
    assert len(set(scores[:4])) == 4
    assert scores[4:] == [0.0, 0.0]


def test_days_off_are_compared_with_days_off() -> None:
    saturday = date(2026, 11, 28)
    assert [one.weekday() for one in alike(LESSONS, saturday)] == [6, 5] * 4
    days = list(alike(LESSONS, DAY))
    assert len(days) == 10
    assert all(one.weekday() < 5 for one in days)
    assert day_of(LESSONS, saturday).off
    assert not day_of(LESSONS, DAY).off


@pytest.mark.parametrize(("day", "hours"), [(date(2026, 10, 25), 25), (date(2026, 3, 29), 23), (DAY, 24)])
def test_a_day_has_the_hours_that_summer_time_leaves_it(day: date, hours: int) -> None:
    found = day_of(LESSONS, day)
    assert len(found.hours) == hours
    assert found.hours[-1].end == found.span.end == moment(day + timedelta(days=1), 0)
