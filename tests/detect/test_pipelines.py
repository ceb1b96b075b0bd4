"""Each shipped pipeline, end to end: a line as programs write it raises a rule in SigmaHQ's words, a near miss not."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
import yaml

from sentinel.core.content import content
from sentinel.core.event import Entry, Event, Origin, Raw
from sentinel.core.where import holds
from sentinel.detect.pipelines import load_pipelines
from sentinel.detect.sigma import load
from sentinel.detect.supply import Supply
from sentinel.parse.packs import Packs
from sentinel.parse.packs import load as load_packs
from sentinel.parse.record import parse_one
from sentinel.parse.route import Router
from sentinel.testing.packs import joined, supplied

PACKS = load_packs([content("parsers")], shipped=content("parsers"))
SUPPLIED = supplied(PACKS)
ARRIVED = datetime(2026, 11, 23, 12, tzinfo=UTC)
CASES = yaml.safe_load((Path(__file__).parent / "pipelines.yml").read_text("utf-8"))
NEVER_FILLED = {
    "answer",  # of a DNS answer's texts only the sensor tells
    "ParentImage", "ParentCommandLine", "DestinationHostname",  # no record of the audit system says so
}  # fmt: skip
"""Listed so that a rule that needs one is refused with the field's name, and one that only excludes by it loads."""


def _events(pack: str, text: str, folder: Path) -> Iterator[Event]:
    """Yield what becomes of the lines of `text`: one event each, and one of those that belong together."""
    named = Packs({pack: PACKS.by_name[pack]})
    router = Router(named)
    for seq, line in enumerate(text.splitlines(), start=1):
        raw = Raw(line.encode(), pack, ARRIVED, Origin("sample", "x.log"))
        yield from parse_one(Entry(seq, ARRIVED, raw), router, pack)
    sample = folder / pack / "samples" / "x.log"
    sample.parent.mkdir(parents=True, exist_ok=True)
    sample.write_text(text, "utf-8")
    for seq, told in enumerate(joined(PACKS.by_name[pack], sample), start=1_000):
        said = {name: tuple(value) if isinstance(value, list) else value for name, value in json.loads(told).items()}
        yield Event(f"{seq:032}", seq, ARRIVED, ARRIVED, said)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_a_line_raises_a_rule_in_sigmas_own_words_and_a_near_miss_does_not(
    case: dict[str, object], tmp_path: Path
) -> None:
    rule = {
        "title": case["name"],
        "id": "00000000-0000-4000-8000-000000000001",
        "logsource": case["logsource"],
        "detection": case["detection"],
    }
    path = tmp_path / "rule.yml"
    path.write_text(yaml.safe_dump(rule), "utf-8")
    rules = load([path], SUPPLIED)
    assert [one.reason for one in rules.refused] == []
    (detection,) = rules.detections
    pack, line, miss = str(case["pack"]), str(case["line"]), case["miss"]
    assert isinstance(miss, dict)
    assert any(holds(detection.where, event) for event in _events(pack, line, tmp_path))
    for old, new in miss.items():
        near = line.replace(old, new)
        assert near != line
        events = list(_events(pack, near, tmp_path))
        assert events
        assert all(event.fields["event.kind"] != "pipeline_error" for event in events if "event.kind" in event.fields)
        assert not any(holds(detection.where, event) for event in events)


SOURCES, _ = load_pipelines([content("rules") / "pipelines"])


def test_every_pipeline_is_proven_by_a_line() -> None:
    files = {}
    for path in (content("rules") / "pipelines").glob("*.yml"):
        for source in yaml.safe_load(path.read_text("utf-8"))["sources"]:
            files[tuple(sorted(source["for"].items()))] = path.name
    proven = {files[tuple(sorted(case["logsource"].items()))] for case in CASES}
    elsewhere = {"city.yml", "threat.yml"}  # by the rules shipped beside them
    assert proven | elsewhere >= set(files.values())


@pytest.mark.parametrize("key", sorted(SOURCES.sources), ids="/".join)
def test_no_field_stays_raw_each_listed_name_is_filled_by_a_pack_that_writes_such_events(
    key: tuple[str, str, str],
) -> None:
    source, supply = SOURCES.sources[key], Supply.of(SUPPLIED)
    kinds = supply.answers(source.where)
    filled = Supply({name: supply.datasets[name] for name in kinds}) if supply.datasets else supply
    assert kinds, "no pack writes such events"
    assert [name for name, field in source.names.items() if not filled.has(field) and name not in NEVER_FILLED] == []
