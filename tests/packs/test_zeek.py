"""Zeek: one event in each spelling of JSON and as columns, logs told by their columns alone, originators."""

import json
from datetime import UTC, datetime

import pytest

from sentinel.core.content import content
from sentinel.core.event import Fields, Origin, Raw
from sentinel.parse.packs import load_one

PACK = load_one(content("parsers") / "zeek", trusted=True)
NOW = datetime(2026, 1, 1, 0, 0, 30, tzinfo=UTC)
ENDS = {"orig_h": "192.0.2.33", "orig_p": 53209, "resp_h": "192.0.2.53", "resp_p": 53}
REST = {
    "ts": 1767225599.5, "uid": "C1", "proto": "udp", "trans_id": 3, "query": "www.example.org", "qtype_name": "A",
    "rcode_name": "NOERROR", "RD": True, "answers": ["203.0.113.80"], "rejected": False,
}  # fmt: skip


def read(line: str) -> Fields:
    (event,) = PACK.parse(Raw(line.encode(), "zeek", NOW, Origin("test"), "Europe/Berlin"))
    return event


def test_the_same_lookup_in_every_spelling() -> None:
    spellings = [
        json.dumps(REST | {f"id.{name}": value for name, value in ENDS.items()}),
        json.dumps(REST | {f"id_{name}": value for name, value in ENDS.items()} | {"@stream": "dns", "@proc": "zeek"}),
        json.dumps(REST | {"id": ENDS, "_path": "dns", "ts": "2025-12-31T23:59:59.500000Z"}),
        (
            "1767225599.5\tC1\t192.0.2.33\t53209\t192.0.2.53\t53\tudp\t3\t-\twww.example.org\t1\tC_INTERNET\t1\tA\t0\tNOERROR"
            "\tF\tF\tT\tF\t0\t203.0.113.80\t300.0\tF"
        ),
        (
            "1767225599.5\tC1\t192.0.2.33\t53209\t192.0.2.53\t53\tudp\t3\twww.example.org\t1\tC_INTERNET\t1\tA\t0\tNOERROR"
            "\tF\tF\tT\tF\t0\t203.0.113.80\t300.0\tF"
        ),
    ]
    for event in map(read, spellings):
        assert event["@timestamp"] == "2025-12-31T23:59:59.500000Z"
        assert (event["source.ip"], event["source.port"]) == ("192.0.2.33", 53209)
        assert (event["destination.ip"], event["destination.port"]) == ("192.0.2.53", 53)
        assert (event["dns.question.name"], event["dns.question.type"]) == ("www.example.org", "A")
        assert (event["dns.response_code"], event["dns.resolved_ip"]) == ("NOERROR", ("203.0.113.80",))
        assert (event["dns.header_flags"], event["event.dataset"]) == (("RD",), "zeek.dns")


@pytest.mark.parametrize("columns", [7, 9, 12, 19, 20, 30])
def test_columns_that_are_of_no_known_log_give_the_ends_and_no_more(columns: int) -> None:
    line = "1767225599.5\tC1\t192.0.2.33\t1\t192.0.2.53\t2" + "\t?" * (columns - 6)
    event = read(line)
    assert (event["source.ip"], event["destination.port"]) == ("192.0.2.33", 2)
    assert "zeek.log" not in event


@pytest.mark.parametrize(
    ("here", "there", "direction"),
    [("T", "T", "internal"), ("T", "F", "outbound"), ("F", "T", "inbound"), ("F", "F", "external"), ("-", "-", None)],
)
def test_the_direction_is_told_by_who_is_local(here: str, there: str, direction: str | None) -> None:
    event = read("1767225599.5\tC1\t192.0.2.33\t1\t192.0.2.53\t2\ttcp\t-\t1\t5\t6\tSF\t"
                 f"{here}\t{there}\t0\tDd\t1\t66\t1\t117\t-")  # fmt: skip
    assert event.get("network.direction") == direction
    assert (event["source.bytes"], event["destination.bytes"], event["network.bytes"]) == (66, 117, 183)


def test_the_source_of_a_file_is_who_opened_the_connection() -> None:
    told = {"ts": 1, "fuid": "F1", "tx_hosts": ["203.0.113.80"], "rx_hosts": ["192.0.2.33"], "seen_bytes": 1}
    assert read(json.dumps(told | {"is_orig": False}))["source.ip"] == "192.0.2.33"
    assert read(json.dumps(told | {"is_orig": True}))["source.ip"] == "203.0.113.80"
