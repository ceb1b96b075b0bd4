"""What DNS servers say about questions and answers, in ECS: names without the root's dot, types by name, outcomes."""

from sentinel.core.event import Fields
from sentinel.pack import text

TYPES = {
    1: "A", 2: "NS", 5: "CNAME", 6: "SOA", 10: "NULL", 12: "PTR", 13: "HINFO", 15: "MX", 16: "TXT", 17: "RP",
    24: "SIG", 25: "KEY", 28: "AAAA", 29: "LOC", 33: "SRV", 35: "NAPTR", 36: "KX", 37: "CERT", 39: "DNAME", 41: "OPT",
    43: "DS", 44: "SSHFP", 45: "IPSECKEY", 46: "RRSIG", 47: "NSEC", 48: "DNSKEY", 49: "DHCID", 50: "NSEC3",
    51: "NSEC3PARAM", 52: "TLSA", 53: "SMIMEA", 59: "CDS", 60: "CDNSKEY", 61: "OPENPGPKEY", 62: "CSYNC", 63: "ZONEMD",
    64: "SVCB", 65: "HTTPS", 99: "SPF", 249: "TKEY", 250: "TSIG", 251: "IXFR", 252: "AXFR", 255: "ANY", 256: "URI",
    257: "CAA",
}  # fmt: skip
"""https://www.iana.org/assignments/dns-parameters"""

CODES = frozenset({
    "NOERROR", "FORMERR", "SERVFAIL", "NXDOMAIN", "NOTIMP", "NOTIMPL", "REFUSED", "YXDOMAIN", "YXRRSET", "NXRRSET",
    "NOTAUTH", "NOTZONE", "BADVERS", "BADSIG", "BADKEY", "BADTIME", "BADCOOKIE",
})  # fmt: skip


def question(fields: Fields, name: str | None, kind: str | None = None, family: str | None = None) -> None:
    """Set `dns.question.*`; `kind` and `family` are its type and class, by name or (`65`, `TYPE65`) number."""
    if name and len(name) > 1:
        name = name.removesuffix(".")
    text.put(fields, [("dns.question.name", name), ("dns.question.type", _type(kind)), ("dns.question.class", family)])


def _type(kind: str | None) -> str | None:
    if not kind:
        return None
    digits = kind.removeprefix("TYPE")
    return TYPES.get(int(digits), kind) if digits.isdecimal() and len(digits) < 6 else kind.upper()


def event(fields: Fields, action: str, kind: str = "", outcome: str = "") -> None:
    """Set that this is an exchange of DNS; `kind` is what else it is (`denied`, `error`, …)."""
    fields["event.kind"], fields["event.category"], fields["event.action"] = "event", ("network",), action
    fields["event.type"], fields["network.protocol"] = ("protocol", *kind.split()), "dns"
    text.put(fields, [("event.outcome", outcome)])


def answered(fields: Fields, code: str) -> None:
    """Set `dns.response_code` and what it means for the outcome: that a name does not exist is an answer, too."""
    fields["dns.response_code"] = code.upper()
    fields["event.outcome"] = "success" if code.upper() in {"NOERROR", "NXDOMAIN", "NXRRSET"} else "failure"


def blocked(fields: Fields, policy: str | None = None) -> None:
    """Set that a policy (RPZ, a filter list) kept the answer back: an alert; `policy` is its rule."""
    fields["event.kind"], fields["event.category"] = "alert", ("intrusion_detection", "network")
    fields["event.type"] = ("denied",)
    text.put(fields, [("rule.name", policy)])
