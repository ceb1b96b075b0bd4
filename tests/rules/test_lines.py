"""The events beside a rule are what the packs make of lines as vendors write them, in the model city.

`x.fires.log` becomes `x.fires.jsonl`, and so on; `pytest --bless` writes them. The model city's inventory and calendar
say where the lines belong.
"""

import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from sentinel.core.clock import ManualClock
from sentinel.core.content import content
from sentinel.core.event import Entry, Origin, Raw
from sentinel.parse.enrich import Enricher
from sentinel.parse.packs import load
from sentinel.parse.record import Reader
from sentinel.parse.route import Router
from sentinel.testing.rules import ARRIVED

RULES = content("rules")
LINES = sorted(RULES.rglob("*.log"))
MODEL = Path(__file__).parents[2] / "deploy"
LEFT_OUT = (
    "ecs.", "event.created.", "event.hash.", "event.id.", "event.ingested.", "event.original.", "event.sequence.",
    "log.syslog.", "related.", "sentinel.origin.", "sentinel.pack.", "sentinel.pack_version.", "sentinel.source.",
    "winlog.record_id.",
)  # fmt: skip
"""What the pipeline adds to every event, or says twice."""

OWN = {b'{"type":"': "pcap", b'{"action":"': "sentinel"}
"""How the lines begin that Sentinel's own sensor and entrances write, and how such come."""


@cache
def reader() -> Reader:
    """Return what reads records as `sentinel run` does in the model city."""
    packs = load([content("parsers")], shipped=content("parsers"))
    enrich = Enricher(MODEL / "assets.toml", (), (), ManualClock(ARRIVED), MODEL / "calendar.toml")
    return Reader(Router(packs), enrich=enrich)


def read(lines: Path) -> Iterator[str]:
    """Yield the events of a file of lines, one a line; raises AssertionError for a line that no pack reads."""
    for seq, line in enumerate(lines.read_bytes().splitlines(), start=1):
        via = next((way for mark, way in OWN.items() if line.startswith(mark)), "sample")
        for event in reader().read(Entry(seq, ARRIVED, Raw(line, "city", ARRIVED, Origin(via, lines.name)))):
            fields = dict(event.fields)
            assert "sentinel.pack" in fields, f"{lines.name}:{seq}: no pack reads this line"
            assert fields.get("event.kind") != "pipeline_error", f"{lines.name}:{seq}: {fields.get('error.message')}"
            kept = {name: value for name, value in fields.items() if not f"{name}.".startswith(LEFT_OUT)}
            yield json.dumps(kept, ensure_ascii=False, sort_keys=True)


@pytest.mark.parametrize("folder", sorted({path.parent for path in LINES}), ids=lambda path: path.name)
def test_the_events_beside_a_rule_are_those_of_the_lines_beside_it(folder: Path, blessing: bool) -> None:  # noqa: FBT001  a fixture
    for lines in (path for path in LINES if path.parent == folder):
        beside, made = lines.with_suffix(".jsonl"), "".join(line + "\n" for line in read(lines))
        if blessing:
            beside.write_text(made, "utf-8")
        assert beside.read_text("utf-8") == made, f"{beside.name}: pytest --bless writes it anew; read it afterwards"


def test_no_lines_lie_beside_no_rule() -> None:
    assert [path.name for path in LINES if not (path.parent / f"{path.name.split('.')[0]}.yml").is_file()] == []
