"""What is told of the model city is compared with the truth: found, missed with a reason, false."""

from datetime import timedelta
from pathlib import Path

import orjson
import pytest

from sentinel.app import App
from sentinel.cli import city
from sentinel.config import load
from sentinel.config.options import Config
from sentinel.core.clock import ManualClock
from sentinel.core.event import Entry, Origin, Raw, event_id
from sentinel.detect.runner import Runner
from sentinel.testing import scoring
from sentinel.testing.bench_city import Lived
from sentinel.testing.city import City, places
from sentinel.testing.city.living import CLIENTS, SOURCE, spoken, weeks
from sentinel.testing.hindsight import RULES
from sentinel.testing.scene import WEEK
from sentinel.testing.scoring import Found, Score

PERSONNEL = """\
title: A file of the personnel office is opened
id: 3b7f4a52-7f0e-4c6d-9a55-0c1e4d3f2a01
name: personnel_file
logsource: {product: windows, service: security}
detection:
  selection:
    EventID: 5145
    ShareName|endswith: Personal$
  condition: selection
level: informational
---
title: Very many files of the personnel office
id: 3b7f4a52-7f0e-4c6d-9a55-0c1e4d3f2a02
correlation:
  type: event_count
  rules: [personnel_file]
  group-by: [user.name]
  timespan: 1h
  condition: {gte: 100}
level: high
"""
TWIN = """\
title: The backup reads the personnel office's files
id: 3b7f4a52-7f0e-4c6d-9a55-0c1e4d3f2a03
logsource: {product: windows, service: security}
detection:
  selection:
    EventID: 5145
    SubjectUserName: svc-backup
    ShareName|endswith: Personal$
  condition: selection
level: medium
"""
LACKING = """\
title: A file is opened from an address of a country
id: 3b7f4a52-7f0e-4c6d-9a55-0c1e4d3f2a04
logsource: {product: windows, service: security}
detection:
  selection:
    EventID: 5145
    source.geo.country_iso_code: XX
  condition: selection
level: medium
"""
SHIPPED = Path(__file__).parents[2] / "rules"
SPOOF, ODD = SHIPPED / "sensor" / "sensor_false_neighbour.yml", SHIPPED / "sentinel" / "site_odd.yml"
SILENT = "A source has fallen silent"


def ruled(folder: Path, *texts: str) -> Path:
    for number, text in enumerate(texts):
        (folder / f"{number}.yml").write_text(text)
    return folder


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Score:
    """Return how half a Monday with two stories is told, by rules of this test and one of the sensor's."""
    rules = ruled(tmp_path_factory.mktemp("rules"), PERSONNEL, TWIN)
    (found,) = city.scored(0.5, 0, [1], 0.0005, [rules, SPOOF])
    return found


def story_of(told: Score, name: str) -> Found:
    return next(one for one in told.stories if one.name == name)


def test_a_story_is_found_when_its_rule_has_fired(told: Score) -> None:
    story = story_of(told, "personnel_files_at_night")
    assert story.rules == ("Very many files of the personnel office",)
    assert story.after_first is not None
    assert story.after_decisive is not None
    assert 0 < story.after_decisive.total_seconds() < story.after_first.total_seconds() < 3600
    assert not story.hindsight


def test_a_story_on_the_wire_is_found_by_the_sensor(told: Score) -> None:
    assert story_of(told, "school_false_router").rules
    assert told.found == 1.0


def test_a_twin_that_is_told_is_a_false_alarm(told: Score) -> None:
    assert told.false["The backup reads the personnel office's files"] >= 1
    assert "Very many files of the personnel office" not in told.false
    assert told.precision == pytest.approx(told.true / (told.true + told.false.get(SILENT, 0)))


def test_everything_was_read(told: Score) -> None:
    assert (told.unread, len(told.stories)) == (0, 2)
    assert told.events > 5_000


def test_what_is_odd_about_a_school_belongs_to_the_story_whose_event_it_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And if the rule was changed for the story, that is said."""
    monkeypatch.setitem(RULES, "school_beacon", ("One site does what the others of its kind do not",))
    (play,) = (one for one in weeks(City(1, 0.004), city.BEGIN, city.BEGIN + WEEK) if one.name == "school_beacon")
    app = App(Config(data=tmp_path / "data"), ManualClock(play.last))
    with app.writing() as store, app.book() as book:
        lived = Lived([play], 7, events=1, cpu_seconds=1)
        calls = [one.raw for one in spoken([play]) if not one.twin]
        said = {"day": "2026-11-17", "kind": "school", "site": "Schule 4", "score": 71.5, "traits": ["a"], "value": "x"}
        times = {"first": "2026-11-17T08:00:00Z", "last": "2026-11-17T22:00:00Z"}
        ids = [event_id(Entry(0, calls[-1].received, calls[-1])), "0" * 32]
        for seq, named in enumerate(ids, start=1):
            body = orjson.dumps({"action": "site_odd", "event": named, **said, **times})
            raw = Raw(body, "sentinel", play.last, Origin("sentinel", "", f"odd:{seq}"))
            store.append(app.reader.read(Entry(seq, play.last, raw)))
        lived.owners[ids[0]] = (play.name, False)
        rules = app.rules_in([ODD])
        Runner(store, book, rules.detections, app.clock, store.newest).run()
        lived.alerts = book.alerts()
        told = scoring.score(lived, store, rules.detections)
        (alert,) = lived.alerts
    assert (alert.count, told.true, told.false) == (2, 1, {})
    story = story_of(told, "school_beacon")
    assert (story.after_first, story.hindsight) == (play.last - play.first, True)


def test_each_night_of_the_bench_compares_the_schools(tmp_path: Path) -> None:
    clock = ManualClock(city.BEGIN)
    places.write(tmp_path, SOURCE, CLIENTS, city.BEGIN.date())
    app = App(load(tmp_path / "sentinel.toml"), clock)
    sealed: list[object] = []
    with app.writing() as store, app.spool():
        compare = city.comparing_of(app, lambda: sealed.append(store.kept()))
        for _ in range(60):
            clock.advance(timedelta(hours=1))
            compare()
    with app.odd_book() as book:
        judged = [day for day in sorted(book.days("school")) if book.ranking("school", day)]
    assert [f"{day}" for day in judged] == ["2026-11-15", "2026-11-16", "2026-11-17"]
    assert len(sealed) == len(judged)


@pytest.mark.parametrize(
    ("rule", "reason"),
    [
        (TWIN, "no rule"),
        (PERSONNEL, "rule silent: Very many files of the personnel office"),
        (LACKING, "fields missing: A file is opened from an address of a country: source.geo.country_iso_code"),
    ],
)
def test_what_is_missed_has_a_reason(tmp_path: Path, rule: str, reason: str) -> None:
    app = App(Config(data=tmp_path / "data"))
    (play,) = (
        one for one in weeks(City(1, 0.004), city.BEGIN, city.BEGIN + WEEK) if one.name == "personnel_files_at_night"
    )
    lived = Lived([play], 7, events=1, cpu_seconds=1)
    with app.writing() as store:
        events = []
        for seq, record in enumerate(spoken([play]), start=1):
            events += app.reader.read(Entry(seq, record.raw.received, record.raw))
            lived.owners[events[-1].id] = (play.name, record.twin)
        store.append(events)
        (tmp_path / "rules").mkdir()
        rules = app.rules_in([ruled(tmp_path / "rules", rule)])
        score = scoring.score(lived, store, rules.detections)
    assert [one.reason.partition("; ")[0] for one in score.stories] == [reason]
    assert (score.found, score.well) == (0.0, False)
