"""The NetFlow entrance on real sockets: flows become records, losses are told, restarts lose no template."""

import asyncio
import socket
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import orjson
import pytest
from pydantic import ValidationError

from sentinel.collect import netflow as entrance
from sentinel.collect.netflow import Netflow
from sentinel.config import parse
from sentinel.config.sources import NetflowSource
from sentinel.core.clock import ManualClock
from sentinel.core.source import loss_class, lost
from sentinel.entrances import entrances
from tests.collect.exporting import FLOW, SECONDS, UPTIME, block, flow, templates, v5, v9

if TYPE_CHECKING:
    from tests.collect.conftest import DiskSink, Running, Until


@pytest.fixture
def netflow(clock: ManualClock, tmp_path: Path) -> Netflow:
    return Netflow("flows", clock, mark=tmp_path / "flows.templates", port=0)


def exported(
    netflow: Netflow, sink: "DiskSink", running: "Running", until: "Until", datagrams: Iterable[bytes]
) -> tuple[int, list[dict[str, object]]]:
    """Send datagrams to the entrance while it runs; return the sender's port and what is in the sink afterwards."""

    async def scenario() -> int:
        before, sent = netflow.counters.received, list(datagrams)
        async with running(netflow, sink):
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
                for data in sent:
                    sock.sendto(data, ("127.0.0.1", netflow.port))
                port = int(sock.getsockname()[1])
            await until(lambda: netflow.counters.received == before + len(sent))
        return port

    port = asyncio.run(scenario())
    return port, [orjson.loads(body) for body in sink.bodies()]


def test_a_flow_is_a_record(
    netflow: Netflow, sink: "DiskSink", clock: ManualClock, running: "Running", until: "Until"
) -> None:
    port, said = exported(netflow, sink, running, until, [v5(3)])
    assert [one["flow"]["sourceIPv4Address"] for one in said] == ["10.0.0.1", "10.0.0.2", "10.0.0.3"]  # type: ignore[index]
    raws = sink.raws()
    assert {(raw.source, raw.received, raw.origin.via, raw.origin.peer) for raw in raws} == {
        ("flows", clock.now(), "netflow", f"127.0.0.1:{port}")
    }
    assert loss_class(raws[0].origin.via) == "best effort"
    assert netflow.counters.written == 3


def test_a_datagram_that_the_network_doubled_is_stored_once(
    netflow: Netflow, sink: "DiskSink", running: "Running", until: "Until"
) -> None:
    exported(netflow, sink, running, until, [v5(3), v5(3), v5(3, sequence=3)])
    assert len(sink.ids()) == 9
    assert len(set(sink.ids())) == 6


def test_a_stranger_is_turned_away_and_told(
    clock: ManualClock, tmp_path: Path, sink: "DiskSink", running: "Running", until: "Until"
) -> None:
    said: list[dict[str, object]] = []
    for number, (exporters, kept) in enumerate(((["192.0.2.0/24", "2001:db8::/32"], 0), (["127.0.0.0/8"], 1))):
        netflow = Netflow("flows", clock, mark=tmp_path / f"{number}.templates", port=0, exporters=exporters)
        _, said = exported(netflow, sink, running, until, [v5(1)])
        assert netflow.counters.dropped_unlisted == 1 - kept
        assert sum("flow" in one for one in said) == kept
    refused = {
        "action": "connection_refused",
        "entrance": "flows",
        "peer": "127.0.0.1",
        "reason": "unlisted",
        "count": 1,
    }
    assert refused in said


def test_every_loss_is_told_and_is_in_the_books(
    netflow: Netflow, sink: "DiskSink", running: "Running", until: "Until"
) -> None:
    sent = [v5(1), v5(1, sequence=5), b"no flow", v9(block(256, flow(1)), block(257, flow(1)))]
    _, said = exported(netflow, sink, running, until, sent)
    told = {one["reason"]: one["count"] for one in said if one.get("action") == "records_lost"}
    assert told == {"missing_flows": 4, "malformed": 1, "no_template": 2}
    booked = {reason: count for (outcome, reason), count in lost(netflow.counters) if outcome == "dropped" and count}
    assert booked == {"malformed": 1, "no template": 2}


def test_templates_are_known_after_a_restart_of_ours(
    netflow: Netflow, clock: ManualClock, tmp_path: Path, sink: "DiskSink", running: "Running", until: "Until"
) -> None:
    async def scenario() -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            for one, data in (
                (netflow, v9(templates(9, (256, FLOW)))),
                (
                    Netflow("flows", clock, mark=tmp_path / "flows.templates", port=0),
                    v9(block(256, flow(1)), sequence=1, seconds=SECONDS + 9, uptime=UPTIME + 9000),
                ),
            ):
                async with running(one, sink):
                    sock.sendto(data, ("127.0.0.1", one.port))
                    await until(lambda one=one: one.counters.received == 1)  # type: ignore[misc]

    asyncio.run(scenario())
    assert [orjson.loads(body)["template"] for body in sink.bodies()] == [256]


@pytest.mark.parametrize("text", ["no JSON", "[]", '{"orderly": true, "exporters": [{"address": 7}]}', "\ud800"])
def test_a_spoilt_file_of_templates_costs_the_templates_only(
    netflow: Netflow, tmp_path: Path, sink: "DiskSink", running: "Running", until: "Until", text: str
) -> None:
    (tmp_path / "flows.templates").write_bytes(text.encode("utf-8", "surrogatepass"))
    _, said = exported(netflow, sink, running, until, [v9(templates(9, (256, FLOW)), block(256, flow(1)))])
    assert len(said) == 1
    assert "flows.templates" in netflow.counters.problem


def test_templates_are_written_down_while_it_runs(
    netflow: Netflow,
    tmp_path: Path,
    sink: "DiskSink",
    running: "Running",
    until: "Until",
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(entrance, "EXPIRE_SECONDS", 0.02)
    monkeypatch.setattr(entrance, "REMEMBER_SECONDS", 0.02)

    async def scenario() -> None:
        async with running(netflow, sink):
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
                sock.sendto(v9(templates(9, (256, FLOW))), ("127.0.0.1", netflow.port))
            await until((tmp_path / "flows.templates").exists)
            said = orjson.loads((tmp_path / "flows.templates").read_text())
            assert (said["orderly"], said["exporters"][0]["templates"][0][0]) == (False, 256)

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("options", "state"),
    [({}, "ok"), ({"host": "0.0.0.0"}, "warn"), ({"host": "0.0.0.0", "exporters": ["192.0.2.1"]}, "ok")],  # noqa: S104  what an operator writes
)
def test_doctor_looks_at_the_port_the_kernels_buffer_and_who_may_export(
    clock: ManualClock, tmp_path: Path, options: dict[str, object], state: str
) -> None:
    config = parse({"data": str(tmp_path), "syslog": [], "netflow": [{"port": 0, **options}]})
    (one,) = entrances(config, clock)
    checks = list(one.checks())
    assert [check.name for check in checks] == ["port 0/udp", "UDP buffer", "exporters"]
    assert checks[-1].state == state


def test_exporters_are_addresses_and_networks() -> None:
    assert NetflowSource(exporters=("192.0.2.1", "2001:db8::/32")).port == 2055
    with pytest.raises(ValidationError, match="no address and no network"):
        NetflowSource(exporters=("fw1.example.org",))
