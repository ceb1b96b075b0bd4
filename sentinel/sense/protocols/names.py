"""Names: DNS (RFC 1035), mDNS, LLMNR (RFC 4795) and NetBIOS (RFC 1002)."""

from collections.abc import Iterator

from sentinel.sense.columns import AT, Cells, number, values
from sentinel.sense.protocols.common import LIST_MAX, Ends, cut, ends
from sentinel.sense.records import Dns
from sentinel.sense.segments import many
from sentinel.sense.sift import Shown

__all__ = ["dns", "nbns"]

_QTYPES = {
    1: "A", 2: "NS", 5: "CNAME", 6: "SOA", 10: "NULL", 12: "PTR", 13: "HINFO", 15: "MX", 16: "TXT", 28: "AAAA",
    29: "LOC", 33: "SRV", 35: "NAPTR", 39: "DNAME", 41: "OPT", 43: "DS", 46: "RRSIG", 47: "NSEC", 48: "DNSKEY",
    52: "TLSA", 64: "SVCB", 65: "HTTPS", 251: "IXFR", 252: "AXFR", 255: "ANY", 257: "CAA",
}  # fmt: skip
_RCODES = (
    "NOERROR", "FORMERR", "SERVFAIL", "NXDOMAIN", "NOTIMP", "REFUSED", "YXDOMAIN", "YXRRSET", "NXRRSET", "NOTAUTH",
    "NOTZONE",
)  # fmt: skip
_TRUE = frozenset({"1", "True"})
_ID, _RESPONSE, _RCODE = AT["dns.id"], AT["dns.flags.response"], AT["dns.flags.rcode"]
_NAME, _TYPE, _TTL = AT["dns.qry.name"], AT["dns.qry.type"], AT["dns.resp.ttl"]
_ANSWERS = tuple(
    AT[name]
    for name in (
        "dns.a", "dns.aaaa", "dns.cname", "dns.ptr.domain_name", "dns.mx.mail_exchange",
    )
)  # fmt: skip
_NB_TYPES = {32: "NB", 33: "NBSTAT"}
_SERVICES = {53: "dns", 5353: "mdns", 5355: "llmnr"}


def dns(cells: Cells, shown: Shown) -> Iterator[Dns]:
    """Yield the record of a DNS, mDNS or LLMNR message."""
    if not cells[_ID] or not cells[_RESPONSE]:
        return
    answer = cells[_RESPONSE] in _TRUE
    found, asked = _ends(shown, answer=answer)
    kind, rcode, name = number(cells[_TYPE]), number(cells[_RCODE]), cells[_NAME]
    answers = [cut(one) for at in _ANSWERS if answer and cells[at] for one in values(cells[at])]
    flow = shown.side.flow
    yield Dns(
        **found,
        kind="answer" if answer else "query",
        service=_SERVICES.get(flow.dport) or _SERVICES.get(flow.sport, "dns"),
        id=number(cells[_ID]),
        name=cut(name),
        qtype=_QTYPES.get(kind, f"TYPE{kind}") if name else "",
        rcode=_rcode(rcode) if answer else "",
        answers=tuple(answers[:LIST_MAX]),
        responder=asked if answer else "",
        size=shown.size,
        ttl=number(cells[_TTL], -1) if answer else -1,
    )


def nbns(cells: Cells, shown: Shown) -> Iterator[Dns]:
    """Yield the record of a NetBIOS name message."""
    if not cells[AT["nbns.id"]]:
        return
    answer = cells[AT["nbns.flags.response"]] in _TRUE
    found, asked = _ends(shown, answer=answer)
    kind = number(cells[AT["nbns.type"]])
    yield Dns(
        **found,
        kind="answer" if answer else "query",
        service="nbns",
        id=number(cells[AT["nbns.id"]]),
        name=cut(cells[AT["nbns.name"]]),
        qtype=_NB_TYPES.get(kind, f"TYPE{kind}"),
        rcode=_rcode(number(cells[AT["nbns.flags.rcode"]])) if answer else "",
        answers=tuple(values(cells[AT["nbns.addr"]])[:LIST_MAX]) if answer else (),
        responder=asked if answer else "",
        size=shown.size,
    )


def _ends(shown: Shown, *, answer: bool) -> tuple[Ends, str]:
    # the ends with the one who asked as `src`, and who sent this packet
    flow = shown.side.flow
    found = ends(shown)
    if shown.side is flow.back:
        return found, flow.dst
    if answer and not many(flow.dst):
        found["src"], found["dst"] = flow.dst, flow.src
        found["sport"], found["dport"] = flow.dport, flow.sport
    return found, flow.src


def _rcode(code: int) -> str:
    return _RCODES[code] if code < len(_RCODES) else f"RCODE{code}"
