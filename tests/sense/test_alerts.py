"""What a detection says becomes an alert: every kind has its rule, and an alert says what was seen in numbers."""

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import fields
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path

import pytest

from sentinel.core.clock import ManualClock
from sentinel.core.content import content
from sentinel.core.detection import Detection
from sentinel.core.event import Event, Fields, Origin, Raw
from sentinel.core.where import holds
from sentinel.detect.sigma import load
from sentinel.parse.packs import Pack, load_one
from sentinel.sense.findings import CRITICAL, HIGH, INFO, LOW, MEDIUM, Finding
from sentinel.sense.records import SECOND, TCP
from sentinel.sense.sensor import sense_file
from sentinel.sense.writing import encode
from sentinel.testing.packets import Frame, Story
from tests.living import City
from tests.sense.kinds import kinds

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
START = int(NOW.timestamp()) * SECOND
KINDS = kinds()


@pytest.fixture(scope="module")
def pack() -> Pack:
    """Return the sensor's parser."""
    return load_one(content("parsers") / "sensor")


@pytest.fixture(scope="module")
def rules() -> tuple[Detection, ...]:
    """Return the rules about what the sensor finds."""
    return tuple(load([content("rules") / "sensor"]).detections)


def found(kind: str, severity: int) -> Finding:
    return Finding(
        kind=kind,
        start=START,
        end=START + 60 * SECOND,
        explanation=f"192.0.2.66 did it 120 times; from 15 on it is {kind}",
        severity=severity,
        technique="T1046",
        src="192.0.2.66",
        dst="198.51.100.4",
        dport=445,
        proto=TCP,
        vlan=20,
        name="example.org",
        count=120,
        numbers={"distinct": 120, "limit": 15, "share": 0.75},
        examples=("1", "2"),
        src_segment="schools",
        dst_segment="townhall",
    )


def parsed(pack: Pack, finding: Finding) -> Fields:
    body = encode(finding)
    assert body is not None
    (fields,) = pack.parse(Raw(body, "sensor", NOW, Origin("sensor", "", "0")))
    return fields


def raised(rules: tuple[Detection, ...], fields: Fields) -> Iterator[str]:
    event = Event("0" * 32, 1, NOW, NOW, fields)
    return (rule.title for rule in rules if rule.correlation is None and holds(rule.where, event))


def test_the_source_shows_the_kinds_that_are_known_by_name() -> None:
    some = {"scan.vertical", "scan.vertical.slow", "long.connection.info", "brute.ssh", "cleartext.ldap", "flood.dhcp"}
    assert some <= set(KINDS)
    assert all(kind.replace(".", "").replace("_", "").isalnum() for kind in KINDS)


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_raises_the_alert_of_one_rule_and_none_if_it_is_only_noted(
    kind: str, pack: Pack, rules: tuple[Detection, ...]
) -> None:
    for severity in (LOW, MEDIUM, HIGH, CRITICAL):
        assert len(list(raised(rules, parsed(pack, found(kind, severity))))) == 1, severity
    assert list(raised(rules, parsed(pack, found(kind, INFO)))) == []


def test_no_rule_waits_for_a_kind_that_no_detection_says(pack: Pack, rules: tuple[Detection, ...]) -> None:
    told = {title for kind in KINDS for title in raised(rules, parsed(pack, found(kind, HIGH)))}
    waiting = {rule.title for rule in rules if rule.correlation is None and "sensor.finding.kind" in repr(rule.where)}
    assert waiting == told


@pytest.mark.parametrize("kind", KINDS)
def test_the_parser_keeps_what_an_alert_has_to_say(kind: str, pack: Pack) -> None:
    fields = parsed(pack, found(kind, HIGH))
    assert fields["message"] == f"192.0.2.66 did it 120 times; from 15 on it is {kind}"
    assert fields["threat.technique.id"] == ("T1046",)
    assert fields["event.severity"] == HIGH
    assert {name: value for name, value in fields.items() if name.startswith("sensor.finding.")} == {
        "sensor.finding.kind": kind,
        "sensor.finding.name": "example.org",
        "sensor.finding.count": 120,
        "sensor.finding.numbers": ("distinct=120", "limit=15", "share=0.75"),
        "sensor.finding.examples": ("1", "2"),
        "sensor.finding.source_segment": "schools",
        "sensor.finding.destination_segment": "townhall",
    }


def test_a_scan_in_a_capture_becomes_one_alert_with_its_numbers(
    capture: Callable[[Iterable[Frame]], Path], story: Story, clock: ManualClock, pack: Pack, tmp_path: Path
) -> None:
    for port in range(1, 41):
        story.knock(START + port * SECOND, "10.20.1.66", "10.10.8.4", port)
    raws: list[Raw] = []
    sense_file(capture(story.frames), raws.extend, clock)
    city = City(tmp_path, clock=clock)
    city.judge(city.event(fields) for raw in raws for fields in pack.parse(raw))
    with city.app.desk() as desk:
        (alert,) = desk.alerts(limit=9)
    assert alert.title == "Somebody looks for hosts and open ports"
    assert dict(alert.key)["source.ip"] == "10.20.1.66"
    # told when the limit is reached, and again with all that came of it
    assert "10.20.1.66 tried 15 ports of 10.10.8.4 within 300 s" in alert.summary
    assert any(b"10.20.1.66 tried 40 ports of 10.10.8.4 within 300 s" in raw.body for raw in raws)
    assert "from 15 on it is a scan" in alert.summary


@pytest.mark.parametrize("kind", KINDS)
def test_the_page_says_what_every_kind_means_and_where_its_numbers_are(kind: str) -> None:
    page = (Path(__file__).parents[2] / "deploy/docs/sensor.md").read_text("utf-8")
    (row,) = [line for line in page.splitlines() if line.startswith("| `") and f"`{kind}`" in line.split("|")[1]]
    family = KINDS[kind] if kind != "segment.violation" else "segments file"
    assert family in row.split("|")[3]
    settings = import_module(f"sentinel.sense.detections.{KINDS[kind]}").Settings
    named = set(re.findall(r"`(\w+)`", row.split("|")[3])) - {family}
    assert named <= {one.name for one in fields(settings)}


def test_an_alert_folds_what_is_about_the_same_and_says_what_to_do(rules: tuple[Detection, ...]) -> None:
    for rule in rules:
        if rule.correlation is None and rule.level != "informational":
            assert rule.fold_by
            assert len(rule.description.split()) >= 30, rule.title
            assert rule.falsepositives
            assert rule.attack
