"""Correlations over Elasticsearch: lines from the wire become alerts, and findings are those of the embedded store."""

import signal
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sentinel.core.clock import iso
from sentinel.core.detection import Correlation, Detection, Kind, Part, Relation
from sentinel.core.event import Event, Fields, Value
from sentinel.core.ports import Store
from sentinel.core.reached import Reached
from sentinel.core.where import AnyOf, Exists, Is, holds, plain
from sentinel.core.wildcard import fold
from sentinel.detect import definition
from sentinel.detect.correlate import Counting
from sentinel.detect.proof import made
from sentinel.detect.recent import Recent
from sentinel.detect.sequences import MARK, marked
from sentinel.store.elastic import ElasticStore
from sentinel.store.embedded import EmbeddedStore
from tests.running import Running, eventually

pytestmark = pytest.mark.elastic
START = datetime(2026, 11, 23, 8, tzinfo=UTC)
UNIT = timedelta(seconds=1)

# -- from the wire

RULES = """\
title: Failed
id: 00000000-0000-4000-8000-000000000001
name: failed
logsource: {product: linux, service: sshd}
detection: {sel: {event.outcome: failure}, condition: sel}
---
title: Let in
id: 00000000-0000-4000-8000-000000000002
name: let_in
logsource: {product: linux, service: sshd}
detection: {sel: {event.outcome: success}, condition: sel}
"""
CORRELATION = """\
---
title: {kind}
id: 00000000-0000-4000-8000-00000000001{number}
correlation:
  type: {kind}
  rules: {rules}
  group-by: [source.ip]
  timespan: 10m
  {condition}
"""
ASKED = {
    "event_count": ("[failed]", "condition: {gte: 4}"),
    "value_count": ("[failed]", "condition: {gte: 3, field: user.name}"),
    "temporal": ("[failed, let_in]", ""),
    "temporal_ordered": ("[failed, let_in]", ""),
}


def said(address: str, user: str, at: int, *, well: bool = False) -> str:
    stamp = f"{datetime.now(UTC) - timedelta(minutes=1) + at * UNIT:%Y-%m-%dT%H:%M:%SZ}"
    words = "Accepted" if well else "Failed"
    return f"<86>1 {stamp} srv-web-01 sshd 4711 - - {words} password for {user} from {address} port 40000 ssh2"


@pytest.fixture
def city(tmp_path: Path, elastic_url: str, elastic_prefix: str) -> Iterator[Running]:
    rules = tmp_path / "rules"
    rules.mkdir()
    wanted = (
        CORRELATION.format(kind=kind, number=number, rules=counted, condition=condition)
        for number, (kind, (counted, condition)) in enumerate(ASKED.items())
    )
    (rules / "correlations.yml").write_text(RULES + "".join(wanted))
    config = tmp_path / "sentinel.toml"
    config.write_text(
        f'data = "{tmp_path}/data"\n[[syslog]]\nname = "city"\nport = 0\n[spool]\nballast_bytes = 0\n'
        f'[detect]\nevery_seconds = 0.5\n[content]\nrules = ["{rules}"]\n'
        f'[store]\nkind = "elasticsearch"\nurl = "{elastic_url}"\nprefix = "{elastic_prefix}"\n'
    )
    running = Running(tmp_path, config)
    try:
        yield running.start()
    finally:
        running.stop(signal.SIGKILL)


def test_lines_from_the_wire_raise_correlations_of_every_kind(city: Running) -> None:
    many, guessing, backwards, ordered = (f"203.0.113.{number}" for number in range(1, 5))
    city.tcp(
        *(said(many, "root", at) for at in range(4)),
        *(said(guessing, user, at) for at, user in enumerate(["anna", "bernd", "chris"])),
        said(backwards, "root", 1, well=True),
        said(backwards, "root", 3),
        said(ordered, "root", 5, well=True),
        said(ordered, "root", 2),  # it comes late and completes the order
    )

    def told() -> dict[str, set[str]]:
        found: dict[str, set[str]] = {}
        for alert in city.json("alerts", "list"):
            if alert["title"] in ASKED:
                found.setdefault(alert["title"], set()).add(alert["key"]["source.ip"])
        return found if found.keys() == ASKED.keys() and len(found["temporal"]) == 2 else {}

    assert eventually(told) == {
        "event_count": {many},
        "value_count": {guessing},
        "temporal": {backwards, ordered},
        "temporal_ordered": {ordered},
    }


# -- beside the embedded store

STEPS = tuple(
    Part(Is("event.action", f"step{number}"), ("source.ip" if number else "destination.ip",), (), f"step{number}")
    for number in range(3)
)
KINDS: tuple[Kind, ...] = (
    "event_count", "value_count", "value_sum", "value_avg", "value_percentile", "temporal", "temporal_ordered",
)  # fmt: skip


def rule(kind: Kind, span: int, relation: Relation, count: int) -> Detection:
    """Return a correlation about the events of `fields`."""
    there = Exists("event.action")
    temporal = kind.startswith("temporal")
    parts = STEPS if temporal else (Part(there, ("source.ip",), ("network.bytes",)),)
    where = AnyOf(tuple(part.where for part in STEPS)) if temporal else there
    if temporal:
        relation, count = "gte", len(STEPS)
    asked = Correlation(kind, ("source.ip",), span * UNIT, relation, count, parts)
    return Detection("c", "c", "high", where, "v", "x.yml", correlation=asked)


def fields(ip: str, what: int) -> dict[str, Value]:
    group = "destination.ip" if what == 0 else "source.ip"
    return {"event.action": f"Step{what}", group: ip, "source.ip": ip, "network.bytes": what}


EVENTS = st.lists(
    st.tuples(st.integers(0, 20), st.sampled_from(["192.0.2.1", "2001:db8::1"]), st.integers(0, 2)),
    min_size=1,
    max_size=14,
)
Found = set[tuple[tuple[str, ...], str]]


def found(store: Store, detection: Detection, events: list[Event]) -> Found:
    """Return (group, event id) of what is found when all is new and nothing remembered."""
    asked = detection.correlation
    assert asked is not None
    last = events[-1].seq
    counting = Counting(store, detection, asked, Reached.of(last), Recent(Reached.of(last)))
    return {
        (tuple(fold(plain(value)) for _, value in one.key), ident) for one in counting.findings(events)
        for ident in one.evidence
    }  # fmt: skip


@pytest.fixture
def stores(tmp_path: Path, elastic_url: str, elastic_prefix: str) -> Iterator[tuple[EmbeddedStore, ElasticStore]]:
    embedded, elastic = EmbeddedStore(tmp_path / "store"), ElasticStore(elastic_url, prefix=elastic_prefix)
    yield embedded, elastic
    embedded.close()
    elastic.close()


def test_both_stores_give_the_findings_that_the_definition_gives(
    stores: tuple[EmbeddedStore, ElasticStore],
) -> None:
    compared, number = 0, 0
    embedded, elastic = stores

    @settings(max_examples=12, deadline=None, database=None)  # each stores anew; seven kinds of rules are asked
    @given(EVENTS, st.integers(1, 8), st.sampled_from(["gte", "gt", "lt", "eq"]), st.integers(1, 3))
    def agree(drawn: list[tuple[int, str, int]], span: int, relation: Relation, count: int) -> None:
        nonlocal compared, number
        mark, events = f"{number}", []
        for at, ip, what in drawn:
            number += 1
            whole: Fields = {**fields(ip, what), MARK: mark, "@timestamp": iso(START + at * UNIT)}
            events.append(made(number, whole, START + timedelta(days=1)))
        for store in stores:
            store.append(events)
        embedded.seal()
        for kind in KINDS:
            detection = marked(rule(kind, span, relation, count), mark)
            assert detection.correlation is not None
            new = [event for event in events if holds(detection.where, event)]
            wanted = definition.covered(detection.correlation, detection.where, events)
            assert found(embedded, detection, new) == wanted, kind
            assert found(elastic, detection, new) == wanted, kind
            compared += 1

    agree()
    assert compared >= 7 * 12
