"""What the rows of tshark say of protocols, as records: DNS messages, and TLS handshakes noted on their flow."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TypedDict

from sentinel.sense.applications import Certificate, Tls
from sentinel.sense.flows import Live
from sentinel.sense.records import SECOND, Dns, Flow
from sentinel.sense.rows import AT, Packet
from sentinel.sense.writing import LIST_MAX, TEXT_MAX


class Ends(TypedDict):
    """What every record of a flow shares."""

    src: str
    dst: str
    sport: int
    dport: int
    proto: int
    vlan: int
    community_id: str


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
_VERSIONS = {0x0300: "3.0", 0x0301: "1.0", 0x0302: "1.1", 0x0303: "1.2", 0x0304: "1.3", 0xFEFF: "d1.0", 0xFEFD: "d1.2"}


def ends(flow: Live) -> Ends:
    """Return the fields that every record of a flow shares."""
    return {
        "src": flow.src,
        "dst": flow.dst,
        "sport": flow.sport,
        "dport": flow.dport,
        "proto": flow.proto,
        "vlan": flow.vlan,
        "community_id": flow.community_id,
    }


def dns_record(cells: list[str], packet: Packet, flow: Live) -> Dns:
    """Return the record of a DNS, mDNS or LLMNR message."""
    answer = cells[AT["dns.flags.response"]] in {"1", "True"}
    name, kind, rcode = cells[AT["dns.qry.name"]], _hex(cells[AT["dns.qry.type"]]), _hex(cells[AT["dns.flags.rcode"]])
    given = (value for field in _ANSWERS if answer and (cell := cells[AT[field]]) for value in cell.split(","))
    return Dns(
        time=packet.time,
        frame=packet.frame,
        **ends(flow),
        kind="answer" if answer else "query",
        service=packet.service if packet.service in _SERVICES else "dns",
        id=_hex(cells[AT["dns.id"]]),
        name=name[:TEXT_MAX],
        qtype=_QTYPES.get(kind, f"TYPE{kind}") if name else "",
        rcode=(_RCODES[rcode] if rcode < len(_RCODES) else f"RCODE{rcode}") if answer else "",
        answers=tuple(value[:TEXT_MAX] for value in list(given)[:LIST_MAX]),
        responder=packet.src if answer else "",
        size=packet.data,
    )


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
        return str(int(datetime.fromisoformat(bare).replace(tzinfo=UTC).timestamp()) * SECOND)
    except ValueError:
        return ""


def tls_record(flow: Flow, notes: Mapping[str, str]) -> Tls:
    """Return the record of a flow's TLS handshake, from what `note_tls` noted."""
    certificate = Certificate(
        subject=notes.get("subject", ""),
        issuer=notes.get("issuer", ""),
        not_before=int(notes.get("not_before", 0)),
        not_after=int(notes.get("not_after", 0)),
        self_signed="subject" in notes and notes["subject"] == notes.get("issuer"),
    )
    return Tls(
        time=flow.time,
        frame=flow.frame,
        src=flow.src,
        dst=flow.dst,
        sport=flow.sport,
        dport=flow.dport,
        proto=flow.proto,
        vlan=flow.vlan,
        community_id=flow.community_id,
        sni=notes.get("sni", ""),
        alpn=notes.get("alpn", ""),
        version=notes.get("version", ""),
        cipher=notes.get("cipher", ""),
        ja3=notes.get("ja3", ""),
        ja3s=notes.get("ja3s", ""),
        established=notes.get("hello") == "server",
        certificates=(certificate,) if certificate != Certificate() else (),
    )


def _first(notes: dict[str, str], name: str, value: str) -> None:
    if value and name not in notes:
        notes[name] = value[:TEXT_MAX]


def _hex(cell: str) -> int:
    try:
        return int(cell, 0)
    except ValueError:
        return 0
