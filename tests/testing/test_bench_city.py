"""What is told of the model city is compared with the truth: found, missed with a reason, false."""

from pathlib import Path

import pytest

from sentinel.app import App
from sentinel.cli import city
from sentinel.config.options import Config
from sentinel.core.event import Entry
from sentinel.testing import scoring
from sentinel.testing.bench_city import Lived
from sentinel.testing.city import City
from sentinel.testing.city.living import spoken, weeks
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
SPOOF = Path(__file__).parents[2] / "rules" / "sensor" / "sensor_false_neighbour.yml"
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


def named(told: Score, name: str) -> Found:
    return next(one for one in told.stories if one.name == name)


def test_a_story_is_found_when_its_rule_has_fired(told: Score) -> None:
    story = named(told, "personnel_files_at_night")
    assert story.rules == ("Very many files of the personnel office",)
    assert story.after_first is not None
    assert story.after_decisive is not None
    assert 0 < story.after_decisive.total_seconds() < story.after_first.total_seconds() < 3600


def test_a_story_on_the_wire_is_found_by_the_sensor(told: Score) -> None:
    assert named(told, "school_false_router").rules
    assert told.found == 1.0


def test_a_twin_that_is_told_is_a_false_alarm(told: Score) -> None:
    assert told.false["The backup reads the personnel office's files"] >= 1
    assert "Very many files of the personnel office" not in told.false
    assert told.precision == pytest.approx(told.true / (told.true + told.false.get(SILENT, 0)))


def test_everything_was_read(told: Score) -> None:
    assert (told.unread, len(told.stories)) == (0, 2)
    assert told.events > 5_000


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
