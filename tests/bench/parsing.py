"""How many lines a second one core reads, raw line to validated ECS as JSON, beside what could hardly be less.

    python tests/bench/parsing.py -n 40000

Ours is the whole road: recognise the source, read, check every value, complete the event (original, hash, id,
related.*), write JSON. The reference splits the line, names a dozen fields, checks them with pydantic's TypeAdapter of
a TypedDict and writes JSON; `plain` is the same without the check. One JSON line a format.
"""

import argparse
import json
import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import cycle, islice
from statistics import median
from typing import Any

import orjson
from pydantic import ConfigDict, TypeAdapter
from typing_extensions import TypedDict

from sentinel.core.content import content
from sentinel.core.event import Entry, Origin, Raw
from sentinel.parse.packs import load
from sentinel.parse.record import Reader
from sentinel.parse.route import Router

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
Ecs = TypedDict(
    "Ecs",
    {
        "@timestamp": str, "message": str, "event.action": str, "event.code": str, "event.outcome": str,
        "source.ip": str, "source.port": int, "destination.ip": str, "destination.port": int, "host.name": str,
        "network.transport": str, "user.name": str, "process.name": str, "process.pid": int, "rule.name": str,
        "email.from.address": str, "observer.ingress.interface.name": str,
    },
    total=False,
)  # fmt: skip
Ecs.__pydantic_config__ = ConfigDict(extra="forbid")  # type: ignore[attr-defined]
CHECKED = TypeAdapter(Ecs)

FORTIGATE = (
    'date=2026-11-23 time=08:15:{n:02d} devname="fw1" devid="FG100E" eventtime=1795418100123456789 tz="+0100" '
    'logid="0000000013" type="traffic" subtype="forward" level="notice" vd="root" srcip=10.10.1.{n} srcport=50123 '
    'srcintf="lan" dstip=203.0.113.{n} dstport=443 dstintf="wan1" sessionid=4711 proto=6 action="accept" policyid=7 '
    'policyname="web" service="HTTPS" duration=12 sentbyte=1234 rcvdbyte=5678 sentpkt=10 rcvdpkt=12'
)
FILTERLOG = (
    "<134>Nov 23 08:15:{n:02d} fw2 filterlog[4711]: 5,,,1000000103,igb1,match,block,in,4,0x0,,64,{n},0,DF,6,tcp,60,"
    "203.0.113.{n},192.0.2.10,51234,22,0,S,1,,64240,,mss"
)
CEF = (
    "<134>Nov 23 08:15:{n:02d} gw CEF:0|Example|Gate|1.0|100|Connection denied|5|rt=1795418100123 "
    "src=192.0.2.{n} spt=50123 dst=203.0.113.7 dpt=443 proto=TCP act=deny suser=e.muster dvchost=gw"
)
POSTFIX = (
    "<22>Nov 23 08:15:{n:02d} mx1 postfix/smtp[{n}]: 4104E3DABD: to=<b@stadt.example>, "
    "relay=mx.example.net[203.0.113.{n}]:25, delay=1.2, delays=0.1/0/0.5/0.6, dsn=2.0.0, status=sent (250 2.0.0 Ok)"
)
WINDOWS = json.dumps({
    "@timestamp": "2026-11-23T08:15:00.000Z", "winlog": {
        "channel": "Security", "event_id": 4625, "provider_name": "Microsoft-Windows-Security-Auditing",
        "computer_name": "dc1.stadt.example", "record_id": 4711, "event_data": {
            "TargetUserName": "e.muster", "TargetDomainName": "STADT", "LogonType": "3", "IpAddress": "192.0.2.NNN",
            "IpPort": "50123", "Status": "0xc000006d", "SubStatus": "0xc000006a", "ProcessName": "-",
            "SubjectUserSid": "S-1-0-0", "WorkstationName": "PC17", "AuthenticationPackageName": "NTLM"}}})  # fmt: skip


def fortigate(line: bytes) -> dict[str, Any]:
    """Read pairs of key=value."""
    said = dict(pair.split("=", 1) for pair in line.decode().split(" "))
    value = {name: one.strip('"') for name, one in said.items()}
    return {
        "@timestamp": f"{value['date']}T{value['time']}Z", "message": line.decode(), "event.action": value["action"],
        "event.code": value["logid"], "source.ip": value["srcip"], "source.port": int(value["srcport"]),
        "destination.ip": value["dstip"], "destination.port": int(value["dstport"]), "host.name": value["devname"],
        "network.transport": value["proto"], "rule.name": value["policyname"],
    }  # fmt: skip


def filterlog(line: bytes) -> dict[str, Any]:
    """Read columns."""
    head, _, rest = line.decode().partition(": ")
    cells = rest.split(",")
    return {
        "@timestamp": head[5:20], "message": rest, "event.action": cells[6], "source.ip": cells[18],
        "source.port": int(cells[20]), "destination.ip": cells[19], "destination.port": int(cells[21]),
        "host.name": head.split(" ")[3], "network.transport": cells[16], "rule.name": cells[3],
        "observer.ingress.interface.name": cells[4],
    }  # fmt: skip


def cef(line: bytes) -> dict[str, Any]:
    """Read a header of bars and an extension of pairs."""
    parts = line.decode().partition("CEF:")[2].split("|", 7)
    value = dict(pair.split("=", 1) for pair in parts[7].split(" "))
    return {
        "@timestamp": value["rt"], "message": parts[5], "event.code": parts[4], "event.action": value["act"],
        "source.ip": value["src"], "source.port": int(value["spt"]), "destination.ip": value["dst"],
        "destination.port": int(value["dpt"]), "host.name": value["dvchost"], "network.transport": value["proto"],
        "user.name": value["suser"],
    }  # fmt: skip


def postfix(line: bytes) -> dict[str, Any]:
    """Read a header and pairs set apart by commas."""
    head, _, rest = line.decode().partition(": ")
    host, _, app = head[21:].partition(" ")
    queue, _, pairs = rest.partition(": ")
    value = dict(pair.split("=", 1) for pair in pairs.split(", "))
    relay = value["relay"]
    return {
        "@timestamp": head[4:19], "message": rest, "event.code": queue, "host.name": host,
        "process.name": app.partition("[")[0], "process.pid": int(app.partition("[")[2][:-1]),
        "email.from.address": value["to"].strip("<>"), "destination.ip": relay.partition("[")[2].partition("]")[0],
        "destination.port": int(relay.rpartition(":")[2]), "event.outcome": value["status"],
    }  # fmt: skip


def windows(line: bytes) -> dict[str, Any]:
    """Read an object."""
    said = orjson.loads(line)
    log, data = said["winlog"], said["winlog"]["event_data"]
    return {
        "@timestamp": said["@timestamp"], "message": line.decode(), "event.code": str(log["event_id"]),
        "host.name": log["computer_name"], "user.name": data["TargetUserName"], "source.ip": data["IpAddress"],
        "source.port": int(data["IpPort"]), "event.outcome": data["Status"],
    }  # fmt: skip


@dataclass(frozen=True)
class Format:
    """A line with a number in it, and how the reference reads it."""

    name: str
    line: str
    read: Callable[[bytes], dict[str, Any]]

    def lines(self, count: int) -> list[bytes]:
        """Return so many lines."""
        made = [
            self.line.replace("NNN", str(n)).replace("{n:02d}", f"{n:02d}").replace("{n}", str(n)) for n in range(1, 60)
        ]
        return [line.encode() for line in islice(cycle(made), count)]


FORMATS = (
    Format("fortigate", FORTIGATE, fortigate), Format("filterlog", FILTERLOG, filterlog), Format("cef", CEF, cef),
    Format("postfix", POSTFIX, postfix), Format("windows json", WINDOWS, windows),
)  # fmt: skip


def rate(count: int, work: Callable[[], None]) -> float:
    """Return how many a second of CPU, the median of three runs."""
    taken = []
    for _ in range(3):
        begin = time.process_time()
        work()
        taken.append(time.process_time() - begin)
    return count / median(taken)


def measured(form: Format, count: int, reader: Reader) -> dict[str, object]:
    """Measure one format."""
    lines = form.lines(count)
    entries = [
        Entry(seq, NOW, Raw(line, "bench", NOW, Origin("syslog-tcp", "192.0.2.1:514")))
        for seq, line in enumerate(lines, 1)
    ]
    (first,) = reader.read(entries[0])
    if first.fields.get("event.kind") == "pipeline_error":
        raise SystemExit(f"{form.name}: {first.fields.get('error.message')}")

    def ours() -> None:
        for entry in entries:
            for event in reader.read(entry):
                orjson.dumps(event.fields)

    def plain() -> None:
        for line in lines:
            orjson.dumps(form.read(line))

    def checked() -> None:
        for line in lines:
            orjson.dumps(CHECKED.validate_python(form.read(line)))

    own, bare, reference = rate(count, ours), rate(count, plain), rate(count, checked)
    return {
        "format": form.name, "dataset": first.fields["event.dataset"], "fields": len(first.fields), "ours": round(own),
        "plain_dict": round(bare), "typed_dict": round(reference), "ratio_to_typed_dict": round(own / reference, 3),
    }  # fmt: skip


def main() -> int:
    """Measure every format."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("-n", type=int, default=40_000)
    count = options.parse_args().n
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    reader = Reader(Router(load([content("parsers")], shipped=content("parsers"))))
    for form in FORMATS:
        sys.stdout.write(json.dumps(measured(form, count, reader)) + "\n")
        sys.stdout.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main())
