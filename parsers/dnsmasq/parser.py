r"""Reads dnsmasq's log (log-queries, also `extra`, log-dhcp, TFTP) and Pi-hole's, the same with what it blocked.

https://thekelleys.org.uk/dnsmasq/docs/dnsmasq-man.html, https://docs.pi-hole.net/ftldns/. Only with `extra` an answer
says whose question it answers; without, an answer has no source.
"""

import re
from collections.abc import Iterator

from sentinel.pack import Fields, ParseError, Raw, dhcplog, dnslog, syslog, text

MESSAGE_MAX = 4_096
_EXTRA = re.compile(r"(?P<serial>\d{1,10}) (?P<ip>[0-9A-Fa-f.:%]{2,64})/(?P<port>\d{1,5}) ")
_NAME = r"(?P<name>\S{1,1100})"
_IP = r"[0-9A-Fa-f.:%]{2,64}"
_QUERY = re.compile(rf"(?:dnssec-)?query\[(?P<type>[\w=]{{1,16}})\] {_NAME} (?P<way>from|to) (?P<peer>\S+)")
_FORWARDED = re.compile(rf"(?:forwarded|dnssec-retry\[\w+\]) {_NAME} to (?P<server>{_IP})(?:#\d+)?")
_ANSWER = re.compile(rf"(?P<by>[^ ]{{1,255}}(?: [^ ]{{1,80}}){{0,2}}?) {_NAME} is (?P<said>.*)")
_BY = frozenset({
    "reply", "cached", "cached-stale", "config", "auth", "DHCP", "validation", "special", "gravity", "regex", "exactly",
    "CNAME", "external", "blacklisted", "denied", "blocked",
})  # fmt: skip
_BLOCKED = re.compile(r".*(?:blocked|denied|blacklisted)\b.*|/etc/pihole/(?:gravity|black)\S*")
_CODES = {"NXDOMAIN": "NXDOMAIN", "SERVFAIL": "SERVFAIL", "REFUSED": "REFUSED", "NODATA": "NOERROR"}
_REBIND = re.compile(r"possible DNS-rebind attack detected: (?P<name>\S+)")
_LIMITED = re.compile(
    rf"[Rr]ate-limiting (?P<ip>{_IP})(?: .*)?|Maximum number of concurrent DNS queries .*",
)
_DHCP = re.compile(
    r"(?:(?P<xid>\d{1,10}) )?(?:DHCP(?P<kind>[A-Z]{3,12})|(?P<router>RTR-(?:ADVERT|SOLICIT)))"
    r"\((?P<interface>[^()\s]{1,32})\) ?(?P<rest>.*)"
)
_DETAIL = re.compile(
    r"(?P<xid>\d{1,10}) (?P<name>client provides name|vendor class|user class|tags|available DHCP (?:range|subnet)"
    r"|requested options|bootfile name|next server): (?P<value>.*)"
)
_TFTP = re.compile(
    r"sent (?P<sent>.+) to (?P<to>\S+)|file (?P<missing>.+) not found(?: for (?P<for>\S+))?"
    r"|failed sending (?P<failed>.+) to (?P<peer>\S+)|error \d{1,5} (?P<reason>.{0,300}) received from (?P<by>\S+)"
)
_LIFE = (
    (re.compile(r"started, version (?P<version>\S+).*|FTL branch: .*"), "start"),
    (re.compile(r"exiting on receipt of SIG\w+|.*Shutting down.*"), "end"),
    (
        re.compile(r"(?:read|reading|compile time options|using (?:local |only )?|cleared cache|setting upstream).*"),
        "info",
    ),
)
_DUID = re.compile(r"(?:[0-9A-Fa-f]{2}:){7,}[0-9A-Fa-f]{2}")


def parse(raw: Raw) -> Iterator[Fields]:
    """Read one line of dnsmasq's log file or of syslog."""
    line = syslog.read(raw)
    if line.app is None:
        raise ParseError("no line of dnsmasq")
    fields: Fields = {"event.kind": "event", "observer.vendor": "dnsmasq", "observer.product": "dnsmasq"}
    fields.update(syslog.fields(line))
    message = line.message.strip()[:MESSAGE_MAX]
    if line.app.endswith("-dhcp") or _DHCP.match(message):
        _dhcp(fields, message)
    elif line.app.endswith("-tftp"):
        _tftp(fields, message)
    else:
        _dns(fields, message)
    yield fields


def _dns(fields: Fields, message: str) -> None:
    if extra := _EXTRA.match(message):
        text.put(fields, [
            ("dnsmasq.serial", extra["serial"]), ("source.ip", text.address(extra["ip"])),
            ("source.port", text.port(extra["port"]) or None),
        ])  # fmt: skip
        message = message[extra.end() :]
    if asked := _QUERY.fullmatch(message):
        dnslog.event(fields, "dns_query")
        dnslog.question(fields, asked["name"], asked["type"].removeprefix("type="))
        fields["dns.type"] = "query"
        side = "source" if asked["way"] == "from" else "destination"
        text.put(fields, [(f"{side}.ip", text.address(asked["peer"].partition("#")[0]))])
    elif forwarded := _FORWARDED.fullmatch(message):
        dnslog.event(fields, "dns_forwarded", "info")
        dnslog.question(fields, forwarded["name"])
        fields["dns.type"] = "query"
        text.put(fields, [("dnsmasq.upstream", text.address(forwarded["server"]))])
    elif (answer := _ANSWER.fullmatch(message)) and (message[0] == "/" or answer["by"].split(" ")[0] in _BY):
        _answer(fields, answer)
    elif rebind := _REBIND.fullmatch(message):
        dnslog.event(fields, "dns_rebind")
        dnslog.blocked(fields)
        dnslog.question(fields, rebind["name"])
    elif limited := _LIMITED.fullmatch(message):
        dnslog.event(fields, "dns_rate_limited", "denied", "failure")
        text.put(fields, [("source.ip", text.address(limited["ip"]))])
    else:
        _life(fields, message)


def _answer(fields: Fields, found: re.Match[str]) -> None:
    """Read who answered what: upstream, the cache, a file, or a list of names that are blocked."""
    by, name, said = found["by"], found["name"], found["said"].strip("<>")
    if by == "DHCP" and text.address(name):  # a lease's name, the other way round
        name, said = said, name
    blocked = _BLOCKED.fullmatch(by) is not None
    dnslog.event(fields, "dns_response", "", "success")
    fields["dns.type"], fields["dnsmasq.answer"] = "answer", by
    if name == "error":
        dnslog.answered(fields, said if said in dnslog.CODES else "SERVFAIL")
        return
    dnslog.question(fields, name)
    code = _CODES.get(said.partition("-")[0])
    if code:
        dnslog.answered(fields, code)
    elif by == "validation":
        fields["dnsmasq.dnssec"] = said
        if said.startswith("BOGUS"):
            fields["event.outcome"] = "failure"
    elif address := text.address(said):
        fields["dns.resolved_ip"] = (address,)
    elif said:
        fields["dnsmasq.said"] = said
    if blocked:
        fields["event.action"], fields["event.type"] = "dns_blocked", ("protocol", "denied")


def _dhcp(fields: Fields, message: str) -> None:
    fields["event.dataset"] = "dnsmasq.dhcp"
    if found := _DHCP.fullmatch(message):
        words = found["rest"].split(" ")
        address = words.pop(0) if words and text.address(words[0]) else None
        mac = words.pop(0) if words and (text.mac(words[0]) or _DUID.fullmatch(words[0])) else None
        kind = (found["kind"] or found["router"]).lower()
        rest = " ".join(words)
        named = kind in {"ack", "reply", "offer", "advertise", "request"} and len(words) == 1
        if found["router"]:
            text.put(fields, [("dnsmasq.prefix", address)])
            address = None
        dhcplog.lease(fields, kind.replace("-", "_"), address, mac, rest if named else None)
        text.put(fields, [
            ("dnsmasq.duid", mac if mac and not text.mac(mac) else None), ("dnsmasq.transaction", found["xid"]),
            ("observer.ingress.interface.name", found["interface"]), ("event.reason", None if named else rest),
        ])  # fmt: skip
        return
    fields["event.category"], fields["event.type"] = ("network",), ("info",)
    if message.startswith("no address range available"):
        dhcplog.lease(fields, "exhausted")
    if detail := _DETAIL.fullmatch(message):
        name = (
            "source.domain"
            if detail["name"] == "client provides name"
            else "dnsmasq." + detail["name"].replace(" ", "_").lower()
        )
        text.put(fields, [("dnsmasq.transaction", detail["xid"]), (name, detail["value"])])


def _tftp(fields: Fields, message: str) -> None:
    fields.update({"event.dataset": "dnsmasq.tftp", "network.protocol": "tftp", "event.category": ("network",)})
    fields["event.type"] = ("connection", "info")
    if found := _TFTP.fullmatch(message):
        fields["event.action"], fields["event.outcome"] = "tftp_read", "success" if found["sent"] else "failure"
        fields["event.type"] = ("connection", "access")
        peer = found["to"] or found["for"] or found["peer"] or found["by"]
        text.put(fields, [("source.ip", text.address(peer)), ("event.reason", found["reason"])])
        text.put(fields, [("file.path", found["sent"] or found["missing"] or found["failed"])])


def _life(fields: Fields, message: str) -> None:
    fields["event.category"], fields["event.type"] = ("network",), ("info",)
    for form, kind in _LIFE:
        if found := form.fullmatch(message):
            fields["event.category"], fields["event.type"] = ("process",), (kind,)
            fields["event.action"] = f"dnsmasq_{kind}"
            text.put(fields, [("observer.version", found.groupdict().get("version"))])
            return
