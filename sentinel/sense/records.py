"""What the sensor writes into the spool: one JSON object a record, our own small schema, no payload.

Every record has `type` (`flow`, `dns`, `tls`, `finding`, `health`), `time` and, where there is a flow, its ends: `src`,
`dst`, `sport`, `dport`, `proto` (a number), `vlan` and `cid` (Community ID). `src` is who began the flow, so a DNS
answer has the client as `src` too. `frame` is the number in the capture of the packet, or
of a flow's first. Times are RFC 3339 in UTC; what is not known is left out.
"""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from functools import lru_cache

import orjson

from sentinel.core.clock import iso
from sentinel.sense.flows import Flow, Live
from sentinel.sense.rows import AT, ICMP, ICMPV6, NUMBERS, Packet
from sentinel.sense.scan import TECHNIQUE, Scan

Record = dict[str, str | int | bool | list[str]]

TEXT_MAX = 1024
LIST_MAX = 32

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FLAGS = "FSRPAUEC"
_SERVICES = frozenset({"dns", "mdns", "llmnr"})
_QTYPES = {
    1: "A", 2: "NS", 5: "CNAME", 6: "SOA", 10: "NULL", 12: "PTR", 13: "HINFO", 15: "MX", 16: "TXT", 28: "AAAA",
    29: "LOC", 33: "SRV", 35: "NAPTR", 39: "DNAME", 41: "OPT", 43: "DS", 46: "RRSIG", 47: "NSEC", 48: "DNSKEY",
    52: "TLSA", 64: "SVCB", 65: "HTTPS", 251: "IXFR", 252: "AXFR", 255: "ANY", 257: "CAA",
}  # fmt: skip
_RCODES = (
    "NOERROR", "FORMERR", "SERVFAIL", "NXDOMAIN", "NOTIMP", "REFUSED", "YXDOMAIN", "YXRRSET", "NXRRSET", "NOTAUTH",
    "NOTZONE",
)  # fmt: skip
_ANSWERS = ("dns.a", "dns.aaaa", "dns.cname", "dns.ptr.domain_name", "dns.mx.mail_exchange")
_SEVERITIES = {"scan.vertical": 47, "scan.horizontal": 47, "scan.stealth": 73}
_VERSIONS = {0x0300: "3.0", 0x0301: "1.0", 0x0302: "1.1", 0x0303: "1.2", 0x0304: "1.3", 0xFEFF: "d1.0", 0xFEFD: "d1.2"}


def encode(record: Record) -> bytes:
    """Return the record as one line of JSON without the line's end."""
    return orjson.dumps(record)


def when(time: int) -> str:
    """Return ns since 1970 as RFC 3339 in UTC, to the microsecond."""
    second, rest = divmod(time, 1_000_000_000)
    return f"{_second(second)}.{rest // 1000:06d}Z"


@lru_cache(maxsize=1024)
def _second(second: int) -> str:
    return iso(_EPOCH + timedelta(seconds=second)).partition(".")[0]


@lru_cache(maxsize=512)
def _letters(flags: int) -> str:
    return "".join(letter for bit, letter in enumerate(_FLAGS) if flags >> bit & 1)


def _ends(flow: Flow | Live) -> Record:
    ends: Record = {"src": flow.src, "dst": flow.dst, "proto": flow.proto}
    if flow.proto in {ICMP, ICMPV6}:
        ends.update(icmp_type=flow.sport, icmp_code=flow.dport)
    elif flow.sport or flow.dport:
        ends.update(sport=flow.sport, dport=flow.dport)
    if flow.vlan:
        ends["vlan"] = flow.vlan
    if flow.community_id:
        ends["cid"] = flow.community_id
    return ends


def flow_record(flow: Flow) -> Record:
    """Return the record of a flow that has ended."""
    record: Record = {"type": "flow", "time": when(flow.start), "end": when(flow.end), "frame": flow.frame}
    record["ns"] = flow.end - flow.start
    record.update(_ends(flow))
    record.update(
        packets_out=flow.packets_out,
        packets_in=flow.packets_in,
        bytes_out=flow.bytes_out,
        bytes_in=flow.bytes_in,
        state=flow.state,
        ending=flow.ending,
    )
    if flow.service:
        record["service"] = flow.service[:TEXT_MAX]
    if flow.proto == NUMBERS["tcp"]:
        record.update(
            data_out=flow.data_out,
            data_in=flow.data_in,
            flags_out=_letters(flow.flags_out),
            flags_in=_letters(flow.flags_in),
            syn=flow.syn,
            rst=flow.rst,
        )
    return record


def dns_record(cells: list[str], packet: Packet, flow: Live) -> Record:
    """Return the record of a DNS, mDNS or LLMNR message."""
    answer = cells[AT["dns.flags.response"]] in {"1", "True"}
    record: Record = {"type": "dns", "time": when(packet.time), "frame": packet.frame}
    record.update(_ends(flow))
    record.update(kind="answer" if answer else "query", service=packet.service, id=_hex(cells[AT["dns.id"]]))
    if packet.service not in _SERVICES:
        record["service"] = "dns"
    name = cells[AT["dns.qry.name"]]
    if name:
        record["name"] = name[:TEXT_MAX]
        kind = _hex(cells[AT["dns.qry.type"]])
        record["qtype"] = _QTYPES.get(kind, f"TYPE{kind}")
    if answer:
        rcode = _hex(cells[AT["dns.flags.rcode"]])
        record["rcode"] = _RCODES[rcode] if rcode < len(_RCODES) else f"RCODE{rcode}"
        answers = [value for field in _ANSWERS if (cell := cells[AT[field]]) for value in cell.split(",")]
        if answers:
            record["answers"] = [value[:TEXT_MAX] for value in answers[:LIST_MAX]]
    return record


def note_tls(cells: list[str], notes: dict[str, str]) -> None:
    """Note on a flow what a row with TLS handshake messages says; what is noted first stays.

    1 is the client's hello, 2 the server's, 11 a certificate (RFC 8446, section 4; visible up to TLS 1.2 only).
    """
    kinds = cells[AT["tls.handshake.type"]].split(",")
    if "1" in kinds:
        _first(notes, "sni", cells[AT["tls.handshake.extensions_server_name"]])
        _first(notes, "alpn", cells[AT["tls.handshake.extensions_alpn_str"]])
        _first(notes, "ja3", cells[AT["tls.handshake.ja3"]])
        notes.setdefault("hello", "client")
    if "2" in kinds and "1" not in kinds:
        chosen = cells[AT["tls.handshake.extensions.supported_version"]] or cells[AT["tls.handshake.version"]]
        version = _hex(chosen.partition(",")[0])
        _first(notes, "version", _VERSIONS.get(version, f"0x{version:04x}"))
        _first(notes, "cipher", cells[AT["tls.handshake.ciphersuite"]])
        _first(notes, "ja3s", cells[AT["tls.handshake.ja3s"]])
        notes["hello"] = "server"
    if "11" in kinds and "not_after" not in notes:
        notes.update(_certificate(cells))


def _certificate(cells: list[str]) -> dict[str, str]:
    # tshark gives the parts of all names of all certificates in one list each: issuer, then subject, of the first
    found: dict[str, str] = {}
    dates = cells[AT["x509af.utcTime"]].split(",")
    if len(dates) >= 2:
        found.update(not_before=_date(dates[0]), not_after=_date(dates[1]))
    issuer, subject = _hex(cells[AT["x509if.rdnSequence"]]), _hex(cells[AT["x509af.rdnSequence"]])
    kinds = cells[AT["x509sat.DirectoryString"]].split(",")
    texts = {
        "1": iter(_parts(cells[AT["x509sat.printableString"]], kinds.count("1"))),
        "4": iter(_parts(cells[AT["x509sat.uTF8String"]], kinds.count("4"))),
    }
    remaining = iter(kinds)
    for at, oid in enumerate(cells[AT["x509if.oid"]].split(",")[: issuer + subject]):
        if oid in _DIRECTORY_STRINGS:
            text = next(texts.get(next(remaining, ""), iter(())), "")
            if oid == _COMMON_NAME and text:
                found.setdefault("issuer" if at < issuer else "subject", text[:TEXT_MAX])
    return {name: value for name, value in found.items() if value}


_COMMON_NAME = "2.5.4.3"
# attributes of type DirectoryString (RFC 5280, appendix A.1): CN, SN, L, ST, street, O, OU, title, name parts
_DIRECTORY_STRINGS = frozenset({f"2.5.4.{number}" for number in (3, 4, 7, 8, 9, 10, 11, 12, 41, 42, 43, 44, 65)})


def _parts(cell: str, count: int) -> list[str]:
    # a comma with a blank behind it belongs to a name (`Example, Inc.`); if the count is wrong still, say nothing
    parts: list[str] = []
    for part in cell.split(","):
        if parts and part.startswith(" "):
            parts[-1] += "," + part
        else:
            parts.append(part)
    return parts if len(parts) == count else []


def _date(text: str) -> str:
    # `2026-11-23 08:15:00 (UTC)`
    bare = text.removesuffix(" (UTC)")
    try:
        return iso(datetime.fromisoformat(bare).replace(tzinfo=UTC))
    except ValueError:
        return ""


def tls_record(flow: Flow, notes: Mapping[str, str]) -> Record:
    """Return the record of a flow's TLS handshake, from what `note_tls` noted."""
    record: Record = {"type": "tls", "time": when(flow.start), "frame": flow.frame}
    record.update(_ends(flow))
    record.update(notes)
    record["established"] = record.pop("hello", "") == "server"
    return record


def finding_record(scan: Scan) -> Record:
    """Return the record of a scan."""
    record: Record = {
        "type": "finding",
        "kind": scan.kind,
        "time": when(scan.start),
        "end": when(scan.end),
        "severity": _SEVERITIES[scan.kind],
        "technique": TECHNIQUE,
        "message": scan.explain(),
        "src": scan.src,
        "proto": NUMBERS["tcp"],
        "distinct": scan.distinct,
        "attempts": scan.attempts,
        "unanswered": scan.unanswered,
        "refused": scan.refused,
        "limit": scan.limit,
        "window_seconds": scan.window_seconds,
        "examples": list(scan.examples),
    }
    if scan.kind == "scan.horizontal":
        record["dport"] = int(scan.target)
    else:
        record["dst"] = scan.target
    if scan.vlan:
        record["vlan"] = scan.vlan
    return record


def _first(notes: dict[str, str], name: str, value: str) -> None:
    if value and name not in notes:
        notes[name] = value[:TEXT_MAX]


def _hex(cell: str) -> int:
    try:
        return int(cell, 0)
    except ValueError:
        return 0
