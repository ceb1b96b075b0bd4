"""What the bench of scale rests on: copies are events like others, growth and needs are computed as they say."""

import json
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from sentinel.cli.bench import verb
from sentinel.core.content import content
from sentinel.core.event import Event, Fields
from sentinel.core.ports import Span
from sentinel.core.where import ALWAYS, Is
from sentinel.store import es_bulk, forming
from sentinel.store.elastic import ElasticStore
from sentinel.store.embedded import EmbeddedStore
from sentinel.testing.bench_scale import GROWING, Cost, exponent
from sentinel.testing.filling import Filling
from sentinel.testing.sizing import need

END = datetime(2026, 11, 23, 12, tzinfo=UTC)
SPAN = timedelta(days=3)
COST = Cost(
    stored=10**7, fill_seconds=1.0, judged=100_000, parse_us=100.0, store_us=25.0, server_store_us=100.0,
    judge_us=50.0, server_judge_us=50.0, match_us_1000=5.0, bytes_each=500.0, disk_bytes=5 * 10**9,
    heap_bytes=1 << 29, cycle={"match": 4.0, "write": 1.0}, queried=10, queried_seconds=60.0,
    hunts_ms=tuple(map(float, range(100))),
)  # fmt: skip


def originals() -> Iterator[Event]:
    for number in range(3):
        fields: Fields = {
            "@timestamp": "2026-11-01T08:00:00.000000Z", "event.id": f"{number:032x}", "event.sequence": number,
            "event.ingested": "2026-11-01T08:00:01.000000Z", "host.name": "srv-01", "message": f"100 % {number}",
            "user.name": "m.jäger", "event.type": ("start", "info"),
        }  # fmt: skip
        yield Event(f"{number:032x}", number, END, END, fields)


def test_copies_are_events_of_their_own_in_the_embedded_store_sealed_or_not(tmp_path: Path) -> None:
    filling = Filling(list(originals()), forming.Former(), END, SPAN)
    with closing(EmbeddedStore(tmp_path)) as store:
        stored = [store.keep(formed).stored for first in (0, 300) for formed, _ in filling.batches(first, 300)]
        store.seal()
        seen(store, stored)


@pytest.mark.elastic
def test_copies_are_events_of_their_own_in_elasticsearch(elastic_url: str, elastic_prefix: str) -> None:
    filling = Filling(list(originals()), es_bulk.Former(elastic_prefix), END, SPAN)
    with closing(ElasticStore(elastic_url, prefix=elastic_prefix)) as store:
        stored = [store.keep(formed).stored for first in (0, 300) for formed, _ in filling.batches(first, 300)]
        seen(store, stored)
        assert [one.day.day for one in store.kept()] == [20, 21, 22, 23]


def seen(store: EmbeddedStore | ElasticStore, stored: list[int]) -> None:
    assert sum(stored) == 600
    events = store.since(-1, 1 << 60, 1000)
    assert len({event.id for event in events}) == 600
    assert all(one.seq < two.seq for one, two in pairwise(events))
    assert len({event.fields["host.name"] for event in events}) > 500
    span = Span(END - SPAN, END + timedelta(seconds=1), "ingested")
    assert len(store.search(ALWAYS, span, 1000)) == 600
    assert store.tally(Is("user.name", "M.JÄGER"), span, ("message",), 5) == [
        ((f"100 % {number}",), 200) for number in range(3)
    ]
    for event in events[:5]:
        assert event.fields["@timestamp"] == event.timestamp.isoformat(timespec="microseconds")[:26] + "Z"
        assert event.fields["event.id"] == event.id
        assert event.fields["event.sequence"] == event.seq


@given(st.floats(-2, 2), st.floats(0.001, 1000))
def test_the_exponent_of_a_power_is_found(power: float, factor: float) -> None:
    found = exponent([(size, factor * size**power) for size in (1e5, 1e6, 1e7)])
    assert found == pytest.approx(power, abs=1e-6)


def test_one_size_says_nothing_about_growth() -> None:
    assert exponent([(1e5, 3.0)]) is None
    assert exponent([(1e5, 0.0), (1e6, 0.0)]) is None


def test_what_a_rate_needs_follows_from_what_an_event_costs() -> None:
    small, large = need(2_000, COST), need(200_000, COST)
    # 2,000 events at 125 µs are a quarter of a core, of which half is counted on
    assert small.collector_cores == pytest.approx(0.5)
    assert (small.detectors, small.nodes, small.shards) == (1, 4, 2)
    assert small.terabytes == pytest.approx(2_000 * 86_400 * 500 * 2 * 90 / 1e12)
    assert large.detectors == 20
    assert large.server_cores == pytest.approx(100), "stored twice, searched once"
    assert need(2_000, replace(COST, bytes_each=1.0)).nodes == 3, "fewer than three cannot agree"


def test_percentiles_and_parts_are_of_what_was_measured() -> None:
    assert (COST.hunt_ms(50), COST.hunt_ms(95), COST.cycle_seconds) == (50.0, 95.0, 5.0)


def test_bench_scale_measures_each_size_and_says_how_it_grows() -> None:
    rule = content("rules") / "ssh" / "ssh_root_from_outside.yml"
    done = CliRunner().invoke(
        verb,
        ["scale", "--store", "embedded", "--events", "1000", "3000", "--more", "1000", "--query-seconds", "1",
         "--rules", str(rule), "--json"],
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    one, two, grows = (json.loads(line) for line in done.stdout.splitlines() if line.startswith("{"))
    assert (one["stored"], two["stored"]) == (1000, 3000)
    assert one["judged"] >= 1000
    assert one["queried"] == 1
    assert {"read", "match", "write"} <= one["cycle"].keys()
    assert one["parse_us"] > 0
    assert two["disk_bytes"] > one["disk_bytes"]
    assert grows["exponents"].keys() == GROWING.keys()
